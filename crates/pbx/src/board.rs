//! What watchers may be told, of all loops together: calls, devices and publications of each user, and who watches.
//!
//! A subscription lives in the loop to which its Call-ID falls, a call in another, a device's binding in a third. Each loop writes here what it
//! knows, and tells the others whose state has changed; a loop with watchers reads. Nothing is written while nobody watches: then this costs a
//! call one look at a number.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event::dialog::{Identifiers, State};
use event::presence::Presence;
use sip::publish::Compositor;

/// To whom the other side of a call is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// To whoever may watch.
    All,
    /// To him alone whose call it is: he does not want to be known himself, and others could tell by it who he is to the other side.
    Himself,
    /// To nobody: the other side does not want to be known.
    Nobody,
}

/// A call of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Talk {
    /// How far it is.
    pub(crate) state: State,
    /// The other side's number or name.
    pub(crate) remote: String,
    /// What it is called.
    pub(crate) display: Option<String>,
    /// Who may know that.
    pub(crate) shown: Shown,
    /// The dialogs that are his side of it, as he sees them: several while several devices of his ring. By these it is asked for, and to nobody else they
    /// are told.
    pub(crate) dialogs: Vec<Identifiers>,
}

/// A device of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// What tells it from the others, as long as it is at this address: several flows of an instance may have one (RFC 5626 section 4.2).
    pub(crate) id: String,
    pub(crate) uri: String,
    pub(crate) expires: u32,
    /// The URN of its instance, where it names one.
    pub(crate) instance: Option<String>,
}

/// Somebody who watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Onlooker {
    /// Who, by name.
    pub(crate) user: String,
    pub(crate) package: &'static str,
}

/// The calls of somebody, by their number and by whether he began them.
pub(crate) type Talks = BTreeMap<(u64, bool), Talk>;

#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// By name of the user, or number of the extension.
    pub(crate) talks: HashMap<String, Talks>,
    /// Whose each side of a call is.
    sides: HashMap<(u64, bool), String>,
    /// By name of the user.
    pub(crate) devices: HashMap<String, Vec<Device>>,
    /// By name of the user, then by subscription.
    pub(crate) onlookers: HashMap<String, BTreeMap<u64, Onlooker>>,
    pub(crate) published: Compositor,
    /// What users have published of their presence, put together; by name.
    pub(crate) presence: HashMap<String, Presence>,
    /// For [`Notes::mark`].
    secret: RandomState,
}

/// The board.
#[derive(Debug, Default)]
pub(crate) struct Board {
    watchers: AtomicUsize,
    notes: Mutex<Notes>,
    /// For [`Board::uuid_of`].
    secret: RandomState,
}

impl Board {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What the UUID of a conference is made of (RFC 7989 section 9): the same in each loop, as long as the server runs.
    pub(crate) fn uuid_of(&self, number: &str) -> u128 {
        let half = |which: u8| u128::from(self.secret.hash_one((which, number)));
        half(0) << 64 | half(1)
    }

    /// Whether anybody watches anything.
    pub(crate) fn is_watched(&self) -> bool {
        self.watchers() > 0
    }

    /// Subscriptions of all loops.
    pub(crate) fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Relaxed)
    }

    /// Held for as long as it takes to read or write one resource.
    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for one more watcher: `None` at the limit, else whether it is the first, and each loop has to write down what it knows.
    pub(crate) fn enter(&self, limit: usize) -> Option<bool> {
        let next = |held: usize| (held < limit).then_some(held + 1);
        self.watchers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok().map(|before| before == 0)
    }

    /// One is gone. With the last goes what only watchers want.
    pub(crate) fn leave(&self) {
        let mut notes = self.notes();
        if self.watchers.fetch_sub(1, Ordering::Relaxed) == 1 {
            (notes.talks, notes.sides, notes.devices) = (HashMap::new(), HashMap::new(), HashMap::new());
        }
    }
}

impl Notes {
    /// What a side of a call is called in documents about `resource`: the same in each of them, and nothing by which those about its other side could be
    /// told.
    pub(crate) fn mark(&self, resource: &str, key: (u64, bool)) -> String {
        format!("{:016x}", self.secret.hash_one((resource, key)))
    }

    /// A side of a call is that of `name` now, or of nobody any more. Whose it was, when that is another, who has it no longer.
    pub(crate) fn passed_on(&mut self, name: Option<&str>, key: (u64, bool)) -> Option<String> {
        if self.sides.get(&key).map(String::as_str) == name {
            return None;
        }
        let before = match name {
            Some(name) => self.sides.insert(key, name.to_owned()),
            None => self.sides.remove(&key),
        };
        before.filter(|before| self.talk(before, key, None))
    }

    /// A call of `name` is so now; `None`: it is over. True when that is new.
    pub(crate) fn talk(&mut self, name: &str, key: (u64, bool), talk: Option<Talk>) -> bool {
        match talk {
            Some(talk) => {
                let talks = self.talks.entry(name.to_owned()).or_default();
                talks.insert(key, talk.clone()).as_ref() != Some(&talk)
            }
            None => {
                let Some(talks) = self.talks.get_mut(name) else { return false };
                let gone = talks.remove(&key).is_some();
                if talks.is_empty() {
                    self.talks.remove(name);
                }
                gone
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(state: State) -> Option<Talk> {
        Some(Talk { state, remote: "1002".into(), display: None, shown: Shown::All, dialogs: Vec::new() })
    }

    #[test]
    fn with_the_last_watcher_goes_what_only_watchers_want() {
        let board = Board::new();
        assert_eq!((board.enter(2), board.enter(2), board.enter(2)), (Some(true), Some(false), None));
        assert!(board.notes().talk("1001", (1, true), talk(State::Early)));
        assert!(!board.notes().talk("1001", (1, true), talk(State::Early)), "nothing new");
        assert!(board.notes().talk("1001", (1, true), talk(State::Confirmed)));
        board.leave();
        assert_eq!(board.notes().talks.len(), 1);
        board.leave();
        assert!(!board.is_watched() && board.notes().talks.is_empty());
    }

    #[test]
    fn rfc7989_9_each_conference_has_a_uuid_of_its_own() {
        let board = Board::new();
        assert_eq!(board.uuid_of("610"), board.uuid_of("610"));
        assert_ne!(board.uuid_of("610"), board.uuid_of("611"));
        assert_ne!(board.uuid_of("610") >> 64, board.uuid_of("610") & u128::from(u64::MAX));
        assert_ne!(board.uuid_of("610"), Board::new().uuid_of("610"));
    }

    #[test]
    fn the_two_sides_of_a_call_have_marks_of_their_own() {
        let notes = Notes::default();
        let marks = [notes.mark("1001", (1, true)), notes.mark("1002", (1, false)), notes.mark("610", (1, false))];
        assert!(marks[0] != marks[1] && marks[1] != marks[2] && marks[0] != marks[2], "{marks:?}");
        assert_eq!(notes.mark("1001", (1, true)), marks[0]);
        // Nobody can reckon them.
        assert_ne!(Notes::default().mark("1001", (1, true)), marks[0]);
    }

    #[test]
    fn a_call_that_is_over_leaves_nothing() {
        let mut notes = Notes::default();
        assert!(!notes.talk("1001", (1, true), None));
        notes.talk("1001", (1, true), talk(State::Early));
        assert!(notes.talk("1001", (1, true), None));
        assert!(notes.talks.is_empty());
    }
}
