//! Where calls are that are with another loop than the one to which their Call-ID falls: their *home*.
//!
//! What comes for a dialog or an INVITE arrives at its home, which sends it on (`sip/away`). So the loop that has it says there what becomes of it: that it
//! is there, that it has gone on to yet another loop, that it is over. A loop that a call has only passed through sends on what was on its way, and is told that
//! this is over at once: however often a call moves, its messages are handed over once.

use sip::message::Request;
use sip::{SessionId, Shard, Turn};

use crate::command::Command;
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
pub(crate) struct Guest {
    call_id: String,
    home: Shard,
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
                    tracing::error!(%error, "what comes for a call will not find it");
                }
            }
            Notice::WentOn(call_id, to) => turn.went_on(call_id, *to),
            Notice::Over(call_id) => turn.over_there(call_id),
        }
    }

    /// A dialog or INVITE has come here: `from` sends after it what is on its way, and its home what comes from now on; whether that has `counted` it
    /// already.
    pub(super) fn has_come(&mut self, call_id: &str, from: Shard, counted: bool, turn: &mut Turn<'_>) {
        turn.is_here(call_id);
        let (home, me) = (self.neighbours.home(call_id), self.neighbours.me);
        if home == Some(from) {
            return;
        }
        if let Some(home) = home {
            let notice = if counted { Notice::WentOn } else { Notice::Away };
            self.calls.notices.push((home, notice(call_id.to_owned(), me)));
        }
        self.calls.notices.push((from, Notice::Over(call_id.to_owned())));
    }

    /// What has come here is over already, or came to nothing.
    pub(super) fn is_over(&mut self, call_id: &str) {
        if let Some(home) = self.neighbours.home(call_id) {
            self.calls.notices.push((home, Notice::Over(call_id.to_owned())));
        }
    }

    /// A session stands whose Call-ID may fall to another loop, which is told when it ends.
    pub(super) fn enter_guest(&mut self, session: SessionId, call_id: &str) {
        if let Some(home) = self.neighbours.home(call_id) {
            self.calls.guests.insert(session, Guest { call_id: call_id.to_owned(), home });
        }
    }

    /// The same for a session of an INVITE: one that was handed on, or one more with a Call-ID of which another has come here before (RFC 3261 section
    /// 8.1.3.5: what was refused is tried again), which its home does not know of yet.
    pub(super) fn seat_guest(&mut self, session: SessionId, request: &Request) {
        let call_id = request.headers().call_id();
        let Some(home) = self.neighbours.home(call_id) else { return };
        if self.calls.expected.take_if(|expected| expected.call_id == call_id).is_none() {
            self.calls.notices.push((home, Notice::Away(call_id.to_owned(), self.neighbours.me)));
        }
        self.calls.guests.insert(session, Guest { call_id: call_id.to_owned(), home });
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
        if self.calls.notices.is_empty() {
            return;
        }
        for (to, notice) in std::mem::take(&mut self.calls.notices) {
            if let Err(Command::Whereabouts(notice)) = self.neighbours.offer(to, Command::Whereabouts(notice)) {
                self.calls.notices.push((to, notice));
            }
        }
    }
}

impl super::Calls {
    /// A session is over.
    pub(super) fn guest_leaves(&mut self, session: SessionId) {
        if !self.guests.is_empty()
            && let Some(Guest { call_id, home }) = self.guests.remove(&session)
        {
            self.notices.push((home, Notice::Over(call_id)));
        }
    }
}
