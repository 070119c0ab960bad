//! Whether devices are there (RFC 3261 section 11): where the configuration wants it, each is sent an OPTIONS now and then, which keeps translators of
//! addresses on the way open, too. Whatever it answers shows that it is there. It is told in the state of the server, and changes nothing else: a device
//! that was silent once is called all the same.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sip::message::{HeaderId, Method};
use sip::{ClientTx, ContactSpec, Draft, IdMap, Time, Turn};

use crate::bindings::HOME;
use crate::switch::Switch;
use crate::target::Target;

/// The alarm of the next questions.
pub(crate) const ALARM: u64 = (1 << 62) - 2;
/// A second's share of the users is asked at a time.
const BEAT: Duration = Duration::from_secs(1);
/// Most questions without an answer; devices beyond are asked in the next round.
const MOST: usize = 1_024;

/// What a device has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// It has.
    pub(crate) answers: bool,
    /// How long that took, or how long it was waited for.
    pub(crate) took: Duration,
    round: u64,
}

/// Questions, and what came of them.
#[derive(Debug, Default)]
pub(crate) struct Qualifying {
    /// The user who is next, by place.
    next: usize,
    /// When all begin anew.
    anew: Time,
    round: u64,
    asked: IdMap<ClientTx, (String, Time)>,
    /// The contacts of these: one that has not answered is not asked again.
    waited_for: HashSet<String>,
    /// By contact: of this round and the one before.
    known: HashMap<String, Reach>,
}

impl Qualifying {
    /// What a contact has answered last, where it was asked.
    pub(crate) fn of(&self, contact: &str) -> Option<Reach> {
        self.known.get(contact).copied()
    }

    /// A question has its answer, or will not get one. False when it was none of these.
    pub(crate) fn over(&mut self, tx: ClientTx, answers: bool, now: Time) -> bool {
        let Some((contact, since)) = self.asked.remove(&tx) else { return false };
        self.waited_for.remove(&contact);
        self.known.insert(contact, Reach { answers, took: now.since(since), round: self.round });
        true
    }

    /// A question was not sent, since the device has asked for less (RFC 7339): what it has answered before stands. False when it was none of these.
    pub(crate) fn left_out(&mut self, tx: ClientTx) -> bool {
        let asked = self.asked.remove(&tx);
        asked.is_some_and(|(contact, _)| self.waited_for.remove(&contact))
    }

    /// A provisional response settles nothing.
    pub(crate) fn is_asked(&self, tx: ClientTx) -> bool {
        self.asked.contains_key(&tx)
    }
}

impl Switch {
    /// Asks the next devices, and once more a second later.
    pub(crate) fn qualify(&mut self, turn: &mut Turn<'_>) {
        let Some(interval) = self.config.qualify.filter(|_| !self.finishing) else { return };
        let (now, places) = (turn.now().mono, self.accounts.places());
        if self.qualifying.next >= places && now >= self.qualifying.anew {
            self.qualifying.next = 0;
            self.qualifying.round += 1;
            self.qualifying.anew = now + interval;
            let round = self.qualifying.round;
            self.qualifying.known.retain(|_, reach| reach.round + 1 >= round);
        }
        let beats = usize::try_from(interval.as_secs()).unwrap_or(usize::MAX).max(1);
        let to = places.min(self.qualifying.next.saturating_add(places.div_ceil(beats)));
        for place in self.qualifying.next..to {
            let Some(name) = self.accounts.at(place).map(|known| known.name.clone()) else { continue };
            // The place of somebody who is gone stays until it is another's.
            if self.accounts.place(&name) == Some(place) && self.neighbours.keeps(&name) {
                for target in self.devices(&name, turn.now()) {
                    self.ask_device(target, turn);
                }
            }
        }
        self.qualifying.next = to;
        // Without room for it there are no more questions, and calls go on.
        let _ = turn.alarm(now + BEAT, ALARM);
    }

    fn ask_device(&mut self, target: Target, turn: &mut Turn<'_>) {
        let contact = target.uri.to_string();
        // It is still bound: what it answered last counts.
        if let Some(reach) = self.qualifying.known.get_mut(&contact) {
            reach.round = self.qualifying.round;
        }
        if self.qualifying.asked.len() >= MOST || self.qualifying.waited_for.contains(&contact) {
            return;
        }
        let mut draft = Draft::new(Method::Options, target.uri);
        draft.from = format!("<sip:{HOME}>;tag={:016x}", rand::random::<u64>());
        draft.to = format!("<{contact}>");
        draft.call_id = turn.call_id();
        draft.routes = target.routes;
        draft.hop = target.hop;
        draft.contact = ContactSpec::Auto { user: None, params: String::new() };
        draft.lines.push_id(HeaderId::Accept, "application/sdp");
        match turn.send_request(draft) {
            Ok(tx) => {
                self.qualifying.waited_for.insert(contact.clone());
                self.qualifying.asked.insert(tx, (contact, turn.now().mono));
            }
            Err(error) => tracing::debug!(%error, "a device is not asked whether it is there"),
        }
    }
}

#[cfg(test)]
mod tests {
    use sip::Id;

    use super::*;

    #[test]
    fn rfc7339_5_10_a_question_that_is_left_out_says_nothing_of_the_device() {
        let (tx, contact) = (ClientTx(Id::from_u64(1)), "sip:1001@192.0.2.2");
        let asked = || {
            let mut qualifying = Qualifying::default();
            let reach = Reach { answers: true, took: Duration::from_millis(3), round: 0 };
            qualifying.known.insert(contact.to_owned(), reach);
            qualifying.asked.insert(tx, (contact.to_owned(), Time(0)));
            qualifying.waited_for.insert(contact.to_owned());
            qualifying
        };
        let (mut left_out, mut silent) = (asked(), asked());
        assert!(left_out.left_out(tx) && silent.over(tx, false, Time(5)));
        assert_eq!(left_out.of(contact).map(|reach| reach.answers), Some(true));
        assert_eq!(silent.of(contact).map(|reach| reach.answers), Some(false));
        assert!(left_out.waited_for.is_empty() && !left_out.left_out(tx));
    }
}
