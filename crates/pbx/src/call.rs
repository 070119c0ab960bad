//! One call: the caller's leg, and what it is connected to.
//!
//! ```text
//!               INVITE, a user                    2xx of a device
//!   (nothing) ------------------> Ringing ---------------------------> Joined
//!       |                          |    \                                |
//!       | INVITE, an extension     |     \ CANCEL, all refuse,           | BYE or failure
//!       v                          |      \ nobody answers               | on either leg
//!     Alone ---------------------  |  -----> (gone) <--------------------+
//!               BYE, failure       |            ^
//!                                  +------------+
//! ```
//!
//! Who joins a joined call makes it one of several (`gathering`), until two are left. A side of a joined call may have the other one transferred (`transfer`): then devices are called while it stands, and whoever answers takes the
//! place of the side that asked. That side may hang up meanwhile.
//!
//! A call leaves the table on every way to *gone* through `bury` (`ending`), which hangs up whatever leg still stands, gives back streams,
//! ports, players and conference seats, and stops the alarm.

mod begin;
mod change;
pub(crate) mod dialling;
pub(crate) mod elsewhere;
mod ending;
mod events;
mod gathering;
pub(crate) mod guests;
mod hunt;
mod line;
mod packages;
mod past;
mod replacing;
mod ringing;
mod standing;
mod transfer;

use std::collections::HashMap;

use media::Key;
use sip::message::{Lines, StatusCode};
use sip::{DialogId, IdMap, ServerTx, SessionId, Shard, Time};

use crate::extension::Room;
use crate::outcome::Outcome;
use crate::tally::Seat;
use gathering::Gathering;
use guests::{Expected, Guests, Notices};
use hunt::{Hunt, Numbers};
use line::Line;
use transfer::Transfer;

/// The caller's leg; those of devices count from 1.
pub(crate) const CALLER: u32 = 0;

/// One side of a call.
#[derive(Debug)]
pub(crate) struct Leg {
    /// Which of the call's legs.
    pub(crate) number: u32,
    pub(crate) session: SessionId,
    pub(crate) line: Line,
    /// Its user does not want to be known to the others (RFC 3323): wherever he is in a call, and whatever call he is in.
    pub(crate) private: bool,
    /// It may have been put on hold by a side that is gone: it is asked to go on once nothing else is asked of it.
    resumes: bool,
    /// Who wants what it is asked for has given up: once it has agreed, it is asked to be as the other side is.
    goes_back: bool,
}

impl Leg {
    fn new(number: u32, session: SessionId, line: Line) -> Self {
        Self { number, session, line, private: false, resumes: false, goes_back: false }
    }
}

/// A call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: u64,
    /// Of its INVITE: what the log calls it by, whoever takes the caller's place.
    call_id: Box<str>,
    pub(crate) caller: Leg,
    /// The user who calls.
    pub(crate) user: String,
    /// What was dialled.
    pub(crate) number: String,
    /// Our host, as the caller knows it: who is called for a transfer is written to under it.
    host: String,
    pub(crate) since: Time,
    /// The caller's offer, until it is answered.
    offer: Option<Vec<u8>>,
    /// Numbers given to legs and transfers so far.
    numbers: u32,
    pub(crate) stage: Stage,
    /// Its room within the limits.
    seat: Seat,
}

/// How far a call is.
#[derive(Debug)]
pub(crate) enum Stage {
    /// Devices are being called.
    Ringing(Box<Ringing>),
    /// Connected to an extension.
    Alone(Room),
    /// Connected to a device.
    Joined(Box<Joined>),
    /// Connected to several.
    Gathered(Box<Gathering>),
}

/// The devices of whom the caller wants.
#[derive(Debug)]
pub(crate) struct Ringing {
    hunt: Hunt,
    /// The leg whose early media the caller hears.
    early: Option<u32>,
    /// The dialog of that leg that they come from; it may have forked.
    early_fork: Option<DialogId>,
    /// The provisional response last passed on.
    told: Option<StatusCode>,
}

/// Two legs that talk.
#[derive(Debug)]
pub(crate) struct Joined {
    /// `None`: it has hung up after it had asked for a transfer.
    callee: Option<Leg>,
    /// A change that one side asked for and the other has not answered.
    change: Option<Change>,
    /// Under way.
    transfers: Vec<Transfer>,
}

impl Joined {
    fn new(callee: Leg) -> Box<Self> {
        Box::new(Self { callee: Some(callee), change: None, transfers: Vec::new() })
    }

    /// Nothing is under way.
    fn is_at_rest(&self) -> bool {
        self.callee.is_some() && self.change.is_none() && self.transfers.is_empty()
    }

    fn legs(&self) -> impl Iterator<Item = &Leg> {
        self.callee.iter().chain(self.transfers.iter().flat_map(|transfer| &transfer.hunt.legs))
    }

    fn legs_mut(&mut self) -> impl Iterator<Item = &mut Leg> {
        self.callee.iter_mut().chain(self.transfers.iter_mut().flat_map(|transfer| &mut transfer.hunt.legs))
    }
}

/// A change on its way to the other leg.
#[derive(Debug)]
struct Change {
    /// The leg that asked.
    asker: u32,
    asked: Asked,
    offer: Vec<u8>,
}

/// How a change was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// With a re-INVITE.
    Invite,
    /// With an UPDATE (RFC 3311).
    Update(ServerTx),
}

/// What has become of a call.
pub(crate) enum Fate {
    /// It goes on.
    Goes,
    /// It is over: legs that still stand are hung up with these lines.
    Over(Outcome, Lines),
}

/// All calls of a switch, and how events find them.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    table: HashMap<u64, Box<Call>>,
    sessions: IdMap<SessionId, (u64, u32)>,
    streams: HashMap<Key, (u64, u32)>,
    last: u64,
    /// Dialogs here whose Call-ID falls to another loop.
    guests: Guests,
    /// What other loops are still to be told of such.
    notices: Notices,
    /// An INVITE that another loop has handed on is being looked at, and who has sent it.
    expected: Option<Expected>,
    admitted: Option<String>,
}

impl Calls {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Call> {
        self.table.values().map(Box::as_ref)
    }

    /// Everything held for calls: zero once all are over.
    pub(crate) fn held(&self) -> usize {
        self.table.len() + self.sessions.len() + self.streams.len() + self.guests.len()
    }

    /// A number that no other loop gives: each of `loops` has its own.
    fn number(&mut self, me: Shard, loops: u8) -> u64 {
        self.last += 1;
        self.last * u64::from(loops) + u64::from(me.0)
    }

    /// A leg is no longer part of a call.
    fn forget_leg(&mut self, leg: &Leg) {
        self.sessions.remove(&leg.session);
        self.guest_leaves(leg.session);
        self.streams.remove(&leg.line.key());
    }

    /// A stream has another name.
    fn forget_stream(&mut self, key: Key) {
        self.streams.remove(&key);
    }

    /// A session has ended, or will by what was just sent. True when it was there.
    fn forget_session(&mut self, session: SessionId) -> bool {
        self.guest_leaves(session);
        self.sessions.remove(&session).is_some()
    }

    /// A leg is part of a call from now on.
    fn enter_leg(&mut self, call: u64, leg: &Leg) {
        self.sessions.insert(leg.session, (call, leg.number));
        self.streams.insert(leg.line.key(), (call, leg.number));
    }
}

impl Call {
    /// Whom the caller wants, while that is being called.
    fn hunt(&mut self) -> Option<(Numbers<'_>, &mut Hunt)> {
        match &mut self.stage {
            Stage::Ringing(ringing) => Some(((self.id, &mut self.numbers), &mut ringing.hunt)),
            _ => None,
        }
    }

    fn leg(&self, number: u32) -> Option<&Leg> {
        if number == CALLER {
            return Some(&self.caller);
        }
        match &self.stage {
            Stage::Ringing(ringing) => ringing.hunt.legs.iter().find(|leg| leg.number == number),
            Stage::Joined(joined) => joined.legs().find(|leg| leg.number == number),
            Stage::Gathered(gathering) => gathering.leg(number),
            Stage::Alone(_) => None,
        }
    }

    fn leg_mut(&mut self, number: u32) -> Option<&mut Leg> {
        if number == CALLER {
            return Some(&mut self.caller);
        }
        match &mut self.stage {
            Stage::Ringing(ringing) => ringing.hunt.legs.iter_mut().find(|leg| leg.number == number),
            Stage::Joined(joined) => joined.legs_mut().find(|leg| leg.number == number),
            Stage::Gathered(gathering) => gathering.leg_mut(number),
            Stage::Alone(_) => None,
        }
    }

    /// The other side of a call that is connected to a device.
    fn across(&mut self, number: u32) -> Option<&mut Leg> {
        let Stage::Joined(joined) = &mut self.stage else { return None };
        match number {
            CALLER => joined.callee.as_mut(),
            _ => joined.callee.as_ref().filter(|callee| callee.number == number).map(|_| &mut self.caller),
        }
    }

    /// While devices ring: the one whose early media the caller hears, and in which dialog.
    fn heard_early(&self) -> Option<(&Leg, DialogId)> {
        let Stage::Ringing(ringing) = &self.stage else { return None };
        let leg = ringing.hunt.legs.iter().find(|leg| Some(leg.number) == ringing.early)?;
        Some((leg, ringing.early_fork?))
    }

    /// Whether a leg is one of who does not want to be known.
    fn is_private(&self, number: u32) -> bool {
        self.leg(number).is_some_and(|leg| leg.private)
    }

    /// Whether the caller, or one of those that talk to him, does not want to be known.
    fn has_private_side(&self) -> bool {
        self.caller.private || self.has_private_callee()
    }

    /// Whether one of those that talk to the caller does not want to be known.
    pub(crate) fn has_private_callee(&self) -> bool {
        match &self.stage {
            Stage::Joined(joined) => joined.callee.as_ref().is_some_and(|callee| callee.private),
            Stage::Gathered(gathering) => gathering.legs().any(|leg| leg.private),
            Stage::Ringing(_) | Stage::Alone(_) => false,
        }
    }

    /// The sessions with the devices of whom the caller wants, the user `callee`: those that ring, or talk. None of an extension, which is the other end of the
    /// caller's.
    pub(crate) fn called(&self, callee: &str) -> Vec<SessionId> {
        match &self.stage {
            Stage::Ringing(ringing) => ringing.hunt.legs.iter().map(|leg| leg.session).collect(),
            Stage::Joined(joined) => joined.callee.iter().map(|leg| leg.session).collect(),
            Stage::Gathered(gathering) => gathering.legs_of(callee).map(|leg| leg.session).collect(),
            Stage::Alone(_) => Vec::new(),
        }
    }

    /// `ringing`, `up` or `held`.
    pub(crate) fn state(&self) -> &'static str {
        let held = |leg: &Leg| leg.line.is_held();
        match &self.stage {
            Stage::Ringing(_) => "ringing",
            Stage::Joined(joined) if held(&self.caller) || joined.callee.as_ref().is_some_and(held) => "held",
            Stage::Alone(_) if held(&self.caller) => "held",
            _ => "up",
        }
    }
}

#[cfg(test)]
mod tests;
