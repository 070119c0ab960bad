//! Where threads that must not wait leave news for the terminal's.
//!
//! A list behind a lock that is held for the time of a push or of swapping two lists: unlike a channel's ring it is as long as the news that
//! wait, so the same few lines of memory are written again and again, and nobody is woken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// News that may wait for the terminal. What comes beyond is dropped and counted: calls do not wait for it.
const WAITING: usize = 16_384;

/// One end of the list; all ends are alike.
pub(super) struct Board<T> {
    waiting: Arc<Mutex<List<T>>>,
}

struct List<T> {
    waiting: Vec<T>,
    /// What has found no room since the last time.
    lost: u64,
}

impl<T> Clone for Board<T> {
    fn clone(&self) -> Self {
        Self { waiting: Arc::clone(&self.waiting) }
    }
}

impl<T> Board<T> {
    pub(super) fn new() -> Self {
        Self { waiting: Arc::new(Mutex::new(List { waiting: Vec::new(), lost: 0 })) }
    }

    fn list(&self) -> MutexGuard<'_, List<T>> {
        // Nobody panics between two states of the list.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves one, where there is room.
    pub(super) fn put(&self, news: T) {
        let mut list = self.list();
        if list.waiting.len() < WAITING {
            list.waiting.push(news);
        } else {
            list.lost += 1;
        }
    }

    /// Takes all that wait, oldest first, in exchange for an empty list. Returns how many have found no room.
    pub(super) fn take(&self, into: &mut Vec<T>) -> u64 {
        into.clear();
        let mut list = self.list();
        std::mem::swap(&mut list.waiting, into);
        std::mem::take(&mut list.lost)
    }

    /// Whether nobody else can put anything any more.
    pub(super) fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.waiting) == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_come_in_order_once_and_up_to_the_limit() {
        let (board, mut taken) = (Board::new(), Vec::new());
        let other = board.clone();
        (0..=WAITING).for_each(|number| other.put(number));
        other.put(WAITING + 1);
        assert_eq!(board.take(&mut taken), 2);
        assert!(taken.iter().copied().eq(0..WAITING));
        assert_eq!(board.take(&mut taken), 0);
        assert!(taken.is_empty() && !board.is_abandoned());
        other.put(7);
        drop(other);
        assert!(board.is_abandoned());
        board.take(&mut taken);
        assert_eq!(taken, [7]);
    }
}
