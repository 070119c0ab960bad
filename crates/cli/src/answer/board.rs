//! Where threads that must not wait leave news for the terminal's.
//!
//! A list behind a lock that is held for the time of a push or of swapping two lists: unlike a channel's ring it is as long as the news that
//! wait, so the same few lines of memory are written again and again, and nobody is woken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// News that may wait for the terminal. What comes beyond is dropped: calls do not wait for it.
const WAITING: usize = 16_384;

/// One end of the list; all ends are alike.
pub(super) struct Board<T> {
    waiting: Arc<Mutex<Vec<T>>>,
}

impl<T> Clone for Board<T> {
    fn clone(&self) -> Self {
        Self { waiting: Arc::clone(&self.waiting) }
    }
}

impl<T> Board<T> {
    pub(super) fn new() -> Self {
        Self { waiting: Arc::default() }
    }

    fn list(&self) -> MutexGuard<'_, Vec<T>> {
        // Nobody panics between two states of the list.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves one, where there is room.
    pub(super) fn put(&self, news: T) {
        let mut list = self.list();
        if list.len() < WAITING {
            list.push(news);
        }
    }

    /// Takes all that wait, oldest first, in exchange for an empty list.
    pub(super) fn take(&self, into: &mut Vec<T>) {
        into.clear();
        std::mem::swap(&mut *self.list(), into);
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
        board.take(&mut taken);
        assert!(taken.iter().copied().eq(0..WAITING));
        board.take(&mut taken);
        assert!(taken.is_empty() && !board.is_abandoned());
        other.put(7);
        drop(other);
        assert!(board.is_abandoned());
        board.take(&mut taken);
        assert_eq!(taken, [7]);
    }
}
