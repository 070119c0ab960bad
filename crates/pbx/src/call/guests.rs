//! Where calls are that are with another loop than the one to which their Call-ID falls: their *home*.
//!
//! What comes for a dialog or an INVITE arrives at its home, which sends it on (`sip/away`). So the loop that has it says there what becomes of it: that it
//! is there, that it has gone on to yet another loop, that it is over. A loop that a call has only passed through sends on what was on its way, and is told that
//! this is over at once: however often a call moves, its messages are handed over once.

use std::collections::{BTreeMap, HashMap, VecDeque};

use sip::message::Request;
use sip::{IdMap, SessionId, Shard, Turn};

use crate::command::Command;
use crate::neighbours::Neighbours;
use crate::switch::Switch;

/// An INVITE that another loop has handed on, while it is looked at.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) call_id: String,
    /// How often it was handed on.
    pub(super) hops: usize,
}

/// A dialog of this loop whose Call-ID falls to another.
#[derive(Debug)]
struct Guest {
    call_id: String,
    home: Shard,
}

/// All of those.
#[derive(Debug, Default)]
pub(super) struct Guests {
    by_session: IdMap<SessionId, Guest>,
    /// How many there are of each Call-ID.
    by_call_id: HashMap<String, usize>,
}

impl Guests {
    fn enter(&mut self, session: SessionId, guest: Guest) {
        self.leaves(session);
        *self.by_call_id.entry(guest.call_id.clone()).or_default() += 1;
        self.by_session.insert(session, guest);
    }

    fn leaves(&mut self, session: SessionId) -> Option<Guest> {
        let guest = self.by_session.remove(&session)?;
        if let Some(count) = self.by_call_id.get_mut(&guest.call_id) {
            *count -= 1;
            if *count == 0 {
                self.by_call_id.remove(&guest.call_id);
            }
        }
        Some(guest)
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.by_session.len()
    }

    /// How many have this Call-ID.
    pub(super) fn of_call(&self, call_id: &str) -> usize {
        self.by_call_id.get(call_id).copied().unwrap_or(0)
    }
}

/// What other loops are still to be told, in its order.
#[derive(Debug, Default)]
pub(super) struct Notices(BTreeMap<Shard, VecDeque<Notice>>);

impl Notices {
    fn push(&mut self, to: Shard, notice: Notice) {
        self.0.entry(to).or_default().push_back(notice);
    }

    /// Tells each loop all that there is for it; false when one has no room for that.
    fn tell_all(&mut self, neighbours: &Neighbours) -> bool {
        for to in self.0.keys().copied().collect::<Vec<Shard>>() {
            self.tell(to, neighbours);
        }
        self.0.is_empty()
    }

    /// Tells a loop all that there is for it, in its order; false when it has no room for that.
    fn tell(&mut self, to: Shard, neighbours: &Neighbours) -> bool {
        let Some(waiting) = self.0.get_mut(&to) else { return true };
        while let Some(notice) = waiting.pop_front() {
            if let Err(Command::Whereabouts(notice)) = neighbours.offer(to, Command::Whereabouts(notice)) {
                waiting.push_front(notice);
                return false;
            }
        }
        self.0.remove(&to);
        true
    }
}

/// What a loop is told of dialogs and INVITEs that it sends messages after, by Call-ID.
#[derive(Debug)]
pub(crate) enum Notice {
    /// One more is with that loop.
    Away(String, Shard),
    /// They have gone on to that loop.
    WentOn(String, Shard),
    /// One is over.
    Over(String),
}

impl Switch {
    /// What this loop is told by others.
    pub(crate) fn noticed(notice: &Notice, turn: &mut Turn<'_>) {
        match notice {
            Notice::Away(call_id, to) => {
                if let Err(error) = turn.is_away(call_id, *to) {
                    tracing::error!(parent: &net::call_span!(call_id), %error, "what comes for a call will not find it");
                    turn.is_out_of_reach(call_id);
                }
            }
            Notice::WentOn(call_id, to) => turn.went_on(call_id, *to),
            Notice::Over(call_id) => turn.over_there(call_id),
        }
    }

    /// A dialog or INVITE has come here: `from` sends after it what is on its way, and its home what comes from now on; whether that has `counted` it
    /// already.
    pub(super) fn has_come(&mut self, call_id: &str, from: Shard, counted: bool, turn: &mut Turn<'_>) {
        let (home, me) = (self.neighbours.home(call_id), self.neighbours.me);
        // What its home has not counted is not one of those that have gone from there.
        if counted || home.is_some() {
            turn.is_here(call_id);
        }
        if home == Some(from) {
            return;
        }
        if let Some(home) = home {
            let notice = if counted { Notice::WentOn } else { Notice::Away };
            self.calls.notices.push(home, notice(call_id.to_owned(), me));
        }
        self.calls.notices.push(from, Notice::Over(call_id.to_owned()));
    }

    /// What has come here is over already, or came to nothing.
    pub(super) fn is_over(&mut self, call_id: &str) {
        if let Some(home) = self.neighbours.home(call_id) {
            self.calls.notices.push(home, Notice::Over(call_id.to_owned()));
        }
    }

    /// A session stands whose Call-ID may fall to another loop, which is told when it ends.
    pub(super) fn enter_guest(&mut self, session: SessionId, call_id: &str) {
        if let Some(home) = self.neighbours.home(call_id) {
            self.calls.guests.enter(session, Guest { call_id: call_id.to_owned(), home });
        }
    }

    /// The same for a session of an INVITE: one that was handed on, or one more with a Call-ID of which another has come here before (RFC 3261 section
    /// 8.1.3.5: what was refused is tried again), which its home does not know of yet.
    pub(super) fn seat_guest(&mut self, session: SessionId, request: &Request) {
        let call_id = request.headers().call_id();
        let Some(home) = self.neighbours.home(call_id) else { return };
        if self.calls.expected.take_if(|expected| expected.call_id == call_id).is_none() {
            self.calls.notices.push(home, Notice::Away(call_id.to_owned(), self.neighbours.me));
        }
        self.calls.guests.enter(session, Guest { call_id: call_id.to_owned(), home });
    }

    /// An INVITE that was handed on has been looked at: where no session came of it, it is over.
    pub(crate) fn looked_at(&mut self) {
        if let Some(expected) = self.calls.expected.take() {
            self.is_over(&expected.call_id);
        }
    }

    /// Tells the other loops; who has no room is told later.
    pub(crate) fn tell_notices(&mut self) {
        self.calls.admitted = None;
        self.looked_at();
        if !self.calls.notices.0.is_empty() {
            self.calls.notices.tell_all(&self.neighbours);
        }
    }

    /// Whether that loop has been told all so far: what goes to it now must not overtake any of it.
    pub(crate) fn has_told(&mut self, to: Shard) -> bool {
        self.calls.notices.tell(to, &self.neighbours)
    }

    /// Whether all loops have been: the one to which a call goes tells others of it, which must have heard of it before.
    pub(super) fn has_told_all(&mut self) -> bool {
        self.calls.notices.tell_all(&self.neighbours)
    }
}

impl super::Calls {
    /// A session goes to another loop.
    pub(super) fn guest_goes(&mut self, session: SessionId) {
        self.guests.leaves(session);
    }

    /// A session is over.
    pub(super) fn guest_leaves(&mut self, session: SessionId) {
        if self.guests.len() > 0
            && let Some(Guest { call_id, home }) = self.guests.leaves(session)
        {
            self.notices.push(home, Notice::Over(call_id));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use net::Handle;
    use sip::Spread;

    use super::*;

    /// The other loop takes what there is while this one tells: now there is room, now there is none.
    #[test]
    fn notices_keep_their_order_while_room_comes_and_goes() {
        const MOST: usize = 10_000;
        let (handle, mut inbox) = Handle::channel(1);
        let neighbours = Neighbours { me: Shard(1), spread: Spread::new(2, rand::random()), loops: vec![handle] };
        let other = thread::spawn(move || {
            let next = || match inbox.blocking_recv() {
                Some(Command::Whereabouts(Notice::Over(call_id))) => call_id.parse().ok(),
                _ => None,
            };
            std::iter::from_fn(next).take(MOST).collect::<Vec<usize>>()
        });
        let mut notices = Notices::default();
        (0..MOST).for_each(|number| notices.push(Shard(0), Notice::Over(number.to_string())));
        while !notices.tell_all(&neighbours) {
            thread::yield_now();
        }
        assert!(other.join().unwrap().into_iter().eq(0..MOST), "each once, in its order");
    }
}
