//! What all loops count together: calls, calls of each user, bindings. A limit is that of the server, so a loop cannot know alone whether it
//! is reached; asking the others would take longer than the call. These are numbers that each loop changes at once, without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config::Limits;

/// The numbers.
#[derive(Debug)]
pub(crate) struct Tally {
    calls: AtomicUsize,
    /// In the order of the accounts.
    users: Vec<AtomicUsize>,
    bindings: AtomicUsize,
}

/// Counts one up unless the limit is reached.
fn enter(count: &AtomicUsize, limit: usize) -> bool {
    let next = |held: usize| (held < limit).then_some(held + 1);
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
}

impl Tally {
    /// For so many users.
    pub(crate) fn new(users: usize) -> Arc<Self> {
        let users = std::iter::repeat_with(AtomicUsize::default).take(users).collect();
        Arc::new(Self { calls: AtomicUsize::new(0), users, bindings: AtomicUsize::new(0) })
    }

    /// Room for one more call of this user; `None` when a limit is reached.
    pub(crate) fn seat(self: &Arc<Self>, user: usize, limits: &Limits) -> Option<Seat> {
        let theirs = self.users.get(user)?;
        if !enter(&self.calls, limits.calls) {
            return None;
        }
        if !enter(theirs, limits.calls_per_user) {
            self.calls.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Seat { tally: Arc::clone(self), user })
    }

    /// Whether no call is one of this user's.
    pub(crate) fn is_free(&self, user: usize) -> bool {
        self.users.get(user).is_none_or(|held| held.load(Ordering::Relaxed) == 0)
    }

    /// A loop has `now` bindings where it had `before`.
    pub(crate) fn bindings(&self, before: usize, now: usize) {
        self.bindings.fetch_add(now, Ordering::Relaxed);
        self.bindings.fetch_sub(before, Ordering::Relaxed);
    }

    /// Room for so many more bindings; false when they would be too many. Who adds none is never refused, even beyond a limit that was lowered.
    pub(crate) fn bind(&self, more: usize, limit: usize) -> bool {
        let next = |held: usize| (more == 0 || held + more <= limit).then_some(held + more);
        self.bindings.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

/// The room that a call takes. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    tally: Arc<Tally>,
    user: usize,
}

impl Seat {
    /// Another user takes the call over, whatever the limit: it is one of his from now on.
    pub(crate) fn pass_to(&mut self, user: usize) {
        if let (Some(before), Some(now)) = (self.tally.users.get(self.user), self.tally.users.get(user)) {
            now.fetch_add(1, Ordering::Relaxed);
            before.fetch_sub(1, Ordering::Relaxed);
            self.user = user;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.tally.calls.fetch_sub(1, Ordering::Relaxed);
        if let Some(theirs) = self.tally.users.get(self.user) {
            theirs.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_for_the_server_and_for_each_user_and_room_comes_back() {
        let limits = Limits { calls: 3, calls_per_user: 2, ..Limits::default() };
        let tally = Tally::new(2);
        let held: Vec<_> = [0, 0, 0, 1, 1].map(|user| tally.seat(user, &limits)).into_iter().collect();
        assert_eq!(held.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false, true, false]);
        let mut held = held;
        // One more of the second user's, though he has one already and the limit is two: and the first has room again.
        held[0].as_mut().unwrap().pass_to(1);
        assert!(tally.users.iter().map(|held| held.load(Ordering::Relaxed)).eq([1, 2]));
        drop(held);
        assert!(tally.seat(2, &limits).is_none(), "nobody");
        let again: Vec<_> = [1, 1].map(|user| tally.seat(user, &limits)).into_iter().collect();
        assert!(again.iter().all(Option::is_some));
    }

    #[test]
    fn bindings_find_room_up_to_the_limit_and_what_adds_none_is_never_refused() {
        let tally = Tally::new(0);
        assert!(tally.bind(3, 4) && !tally.bind(2, 4) && tally.bind(1, 4) && !tally.bind(1, 4));
        assert!(tally.bind(0, 4) && tally.bind(0, 2));
        tally.bindings(3, 2);
        assert!(tally.bind(1, 4) && !tally.bind(1, 4));
    }

    #[test]
    fn eight_threads_never_bind_more_than_the_limit() {
        let tally = Tally::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for more in (1..=3).cycle().take(2_000) {
                        let taken = tally.bind(more, 5);
                        assert!(tally.bindings.load(Ordering::Relaxed) <= 5);
                        if taken {
                            tally.bindings(more, 0);
                        }
                    }
                });
            }
        });
        assert_eq!(tally.bindings.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn eight_threads_never_pass_the_limit() {
        let limits = Limits { calls: 5, calls_per_user: 100, ..Limits::default() };
        let tally = Tally::new(1);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let seat = tally.seat(0, &limits);
                        assert!(tally.calls.load(Ordering::Relaxed) <= 5);
                        drop(seat);
                    }
                });
            }
        });
        assert_eq!(tally.calls.load(Ordering::Relaxed), 0);
    }
}
