//! What concerns calls of two loops: Replaces, Join and attended transfers where the other call is with another loop.
//!
//! One of the two goes where the other is, and there all is as in one loop. An INVITE goes before it is answered, with the name of the user who has
//! shown here who he is. For a transfer the call that is transferred goes, both legs of it, as soon as nothing is under way in it: its dialogs and
//! descriptions as plain data, its streams by new names on the thread they are on. The loop to which the Call-ID of such a dialog falls sends on what
//! comes for it (`sip/away`), until it is told that the dialog is over.

use std::sync::Arc;

use media::Key;
use sip::invite::{Named, NamedDialog, Released};
use sip::message::{HeaderId, Lines, Request, StatusCode};
use sip::{Origin, Reply, SessionId, Shard, Turn};

use super::begin::{Refusal, refused};
use super::transfer::Transfer;
use super::{Call, Fate, Leg, Stage};
use crate::command::Command;
use crate::finding::Seeker;
use crate::outcome::Outcome;
use crate::request::Admitted;
use crate::studio::thread_of;
use crate::switch::Switch;

/// So often a question or an INVITE is handed on: once to the loop to which the Call-ID falls, once to the loop that has the call.
const HOPS: usize = 2;

/// A dialog of this loop whose Call-ID falls to another.
#[derive(Debug)]
pub(crate) struct Guest {
    call_id: String,
    /// Who sends on what comes for it, and is to be told when it is over.
    over: Vec<Shard>,
}

/// An INVITE that is handed on.
pub(crate) struct Handed {
    request: Arc<Request>,
    origin: Origin,
    user: String,
    guest: Guest,
}

/// Whether a leg may be given away by a user, and where it is: asked by the loop of another call of his.
pub(crate) struct Claim {
    replaced: NamedDialog,
    user: String,
    /// The media thread of the call that asks.
    thread: usize,
    from: Shard,
    pub(crate) ticket: u64,
    hops: usize,
}

/// A call on its way to another loop.
pub(crate) struct Mover {
    call: Box<Call>,
    sessions: [(Released, Vec<Shard>); 2],
    transfer: u32,
    replaced: NamedDialog,
}

/// Where the call of a transfer goes, as soon as it can.
#[derive(Debug)]
pub(crate) struct Leaving {
    to: Shard,
    keys: [Key; 2],
    replaced: NamedDialog,
}

/// INVITEs.
impl Switch {
    /// The loop that has the call that a refused INVITE names, when that is another: it goes there, and nothing is left to be answered.
    ///
    /// # Errors
    /// `refusal` where that is not so, and 503 where there is no room.
    pub(super) fn hand_on(
        &mut self,
        invite: &Admitted,
        refusal: Box<Reply>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let Some(name) = named(&invite.request).filter(|_| refusal.code.get() == 481) else {
            return Err(refused(*refusal));
        };
        let (to, me) = (turn.shard_of_call(&name.call_id), self.neighbours.me);
        let call_id = invite.request.headers().call_id();
        let mut guest = match self.calls.expected.take_if(|guest| guest.call_id == call_id) {
            Some(guest) => guest,
            None => Guest { call_id: call_id.to_owned(), over: Vec::new() },
        };
        if to == me || guest.over.len() >= HOPS {
            self.calls.expected = Some(guest);
            return Err(refused(*refusal));
        }
        if !self.neighbours.has_room(to) {
            self.calls.expected = Some(guest);
            return Err(self.shed());
        }
        let Ok((request, origin)) = turn.give_away(invite.tx, to) else { return Err(self.shed()) };
        guest.over.push(me);
        let user = invite.user.clone();
        let handed = Handed { request, origin, user, guest };
        if let Err(Command::Handed(handed)) = self.neighbours.offer(to, Command::Handed(Box::new(handed))) {
            // Filled up since: the device repeats it where that can be, and it is handed on then.
            self.calls.gone.push(handed.guest);
        }
        Ok(())
    }

    /// An INVITE that another loop has handed on. Its event follows in this turn.
    pub(crate) fn handed(&mut self, handed: Handed, turn: &mut Turn<'_>) {
        let Handed { request, origin, user, guest } = handed;
        turn.is_here(&guest.call_id);
        self.calls.admitted = Some(user);
        self.calls.expected = Some(guest);
        turn.receive(&origin, request.bytes().clone());
    }

    /// Who has sent this INVITE, where another loop knows that.
    pub(crate) fn vouched_for(&mut self, request: &Request) -> Option<String> {
        let guest = self.calls.expected.as_ref()?;
        (guest.call_id == request.headers().call_id()).then(|| self.calls.admitted.take()).flatten()
    }

    /// An INVITE that was handed on has been looked at: where no session came of it, it is over.
    pub(crate) fn looked_at(&mut self) {
        self.calls.gone.extend(self.calls.expected.take());
    }

    /// Tells the loops that send on what comes for dialogs which are over by now.
    pub(crate) fn tell_over(&mut self) {
        self.calls.admitted = None;
        if self.calls.expected.is_none() && self.calls.gone.is_empty() {
            return;
        }
        self.looked_at();
        let neighbours = &self.neighbours;
        self.calls.gone.retain_mut(|guest| {
            guest.over.retain(|shard| !neighbours.tell(*shard, Command::Over(guest.call_id.clone())));
            !guest.over.is_empty()
        });
    }
}

/// Transfers.
impl Switch {
    /// An attended transfer to a call that is not here: the loop that has it is asked.
    pub(super) fn go_after(
        &mut self,
        call: &mut Call,
        transfer: Transfer,
        replaced: &NamedDialog,
        turn: &mut Turn<'_>,
    ) -> Fate {
        let to = turn.shard_of_call(&replaced.call_id);
        if to == self.neighbours.me {
            let gone = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            return self.transfer_failed(call, transfer, gone, turn);
        }
        let seeker = Seeker::Claim { call: call.id, transfer: transfer.id(), replaced: replaced.clone() };
        let (user, thread) = (self.user_at(call, transfer.referrer()), thread_of(call.caller.line.key()));
        let (from, replaced) = (self.neighbours.me, replaced.clone());
        let question = |ticket| Command::Claim(Box::new(Claim { replaced, user, thread, from, ticket, hops: 1 }));
        if !self.findings.ask_of(to, question, seeker, &self.neighbours, turn) {
            return self.transfer_failed(call, transfer, StatusCode::SERVICE_UNAVAILABLE, turn);
        }
        call.keep(transfer);
        Fate::Goes
    }

    /// Another loop asks for a leg that a call of its own is to be joined with: two names for streams of that call, or why not.
    pub(crate) fn claimed(&mut self, mut claim: Box<Claim>, turn: &Turn<'_>) {
        let me = self.neighbours.me;
        let to = turn.shard_of_call(&claim.replaced.call_id);
        if to != me && claim.hops < HOPS && matches!(turn.named(&claim.replaced), Named::Nothing) {
            claim.hops += 1;
            // Without room: who asks waits no longer than its clock says.
            self.neighbours.tell(to, Command::Claim(claim));
            return;
        }
        let found = self.may_claim(&claim, turn).map(|()| [(); 2].map(|()| self.studio.key(claim.thread)));
        self.neighbours.tell(claim.from, Command::Claimed { ticket: claim.ticket, from: me, found });
    }

    fn may_claim(&self, claim: &Claim, turn: &Turn<'_>) -> Result<(), StatusCode> {
        let session = match turn.named(&claim.replaced) {
            Named::Standing(session) | Named::Early { session, .. } => session,
            Named::Over => return Err(StatusCode::DECLINE),
            Named::Nothing => return Err(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST),
        };
        let known = self.calls.sessions.get(&session).copied();
        let known = known.and_then(|(id, number)| Some((self.calls.table.get(&id)?, number)));
        let Some((call, number)) = known else { return Err(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST) };
        if self.user_at(call, number) != claim.user {
            return Err(StatusCode::FORBIDDEN);
        }
        if self.finishing { Err(StatusCode::SERVICE_UNAVAILABLE) } else { Ok(()) }
    }

    /// The answer to a claim; `None` when none has come in time.
    pub(crate) fn claim_answered(
        &mut self,
        (id, transfer): (u64, u32),
        replaced: NamedDialog,
        found: Option<(Shard, Result<[Key; 2], StatusCode>)>,
        turn: &mut Turn<'_>,
    ) {
        let Some(mut call) = self.calls.table.remove(&id) else { return };
        let fate = match (call.take_transfer(|one| one.id() == transfer), found) {
            (None, _) => Fate::Goes,
            (Some(mut transfer), Some((to, Ok(keys)))) => {
                transfer.leaving = Some(Box::new(Leaving { to, keys, replaced }));
                // Who does not come to rest meanwhile stays.
                transfer.hunt.alarm = turn.alarm(turn.now().mono + self.config.ring, id).ok();
                call.keep(transfer);
                Fate::Goes
            }
            (Some(transfer), Some((_, Err(code)))) => self.transfer_failed(&mut call, transfer, code, turn),
            (Some(transfer), None) => self.transfer_failed(&mut call, transfer, StatusCode::SERVICE_UNAVAILABLE, turn),
        };
        self.settle(call, fate, turn);
    }

    /// Sends a call to another loop, if it is to go there and can; the call, if it stays.
    pub(super) fn leave(&mut self, mut call: Box<Call>, turn: &mut Turn<'_>) -> Option<Box<Call>> {
        if !self.can_leave(&call, turn) {
            return Some(call);
        }
        let Stage::Joined(joined) = &mut call.stage else { return Some(call) };
        let Some(transfer) = joined.transfers.first_mut() else { return Some(call) };
        let (id, Some(leaving)) = (transfer.id(), transfer.leaving.take()) else { return Some(call) };
        if let Some(alarm) = transfer.hunt.alarm.take() {
            turn.silence(alarm);
        }
        let Leaving { to, keys, replaced } = *leaving;
        let Some(callee) = &mut joined.callee else { return Some(call) };
        // Both can be: it was asked.
        let sent =
            [(&mut call.caller, keys[0]), (callee, keys[1])].map(|(leg, key)| self.part_with(leg, key, to, turn));
        let [Some(caller), Some(callee)] = sent else {
            tracing::error!(call = call.id, "a call that was at rest could not leave");
            self.bury(call, Outcome::Failed, &Lines::new(), turn);
            return None;
        };
        tracing::info!(call = call.id, to = to.0, "a call goes to another SIP loop");
        let mover = Mover { call, sessions: [caller, callee], transfer: id, replaced };
        if let Err(Command::Arrives(mover)) = self.neighbours.offer(to, Command::Arrives(Box::new(mover))) {
            self.arrives(*mover, turn);
        }
        None
    }

    fn can_leave(&self, call: &Call, turn: &Turn<'_>) -> bool {
        let Stage::Joined(joined) = &call.stage else { return false };
        let ([transfer], Some(callee)) = (joined.transfers.as_slice(), &joined.callee) else { return false };
        let Some(leaving) = &transfer.leaving else { return false };
        let rests = |leg: &Leg| {
            turn.is_at_rest(leg.session) && !leg.line.is_asked() && !leg.resumes && self.studio.is_there(leg.line.key())
        };
        joined.change.is_none()
            && rests(&call.caller)
            && rests(callee)
            && thread_of(leaving.keys[0]) == thread_of(call.caller.line.key())
            && self.neighbours.has_room(leaving.to)
    }

    /// Takes a leg from this loop.
    fn part_with(&mut self, leg: &mut Leg, key: Key, to: Shard, turn: &mut Turn<'_>) -> Option<(Released, Vec<Shard>)> {
        let released = turn.release(leg.session).ok()?;
        let mut over = self.calls.guests.remove(&leg.session).map_or_else(Vec::new, |guest| guest.over);
        self.calls.forget_leg(leg);
        leg.line.rename(key, &mut self.studio);
        if let Err(error) = turn.is_away(released.call_id(), to) {
            tracing::error!(%error, "what comes for a call will not find it");
        }
        over.push(self.neighbours.me);
        Some((released, over))
    }

    /// A call comes from another loop, to be joined with one that is here.
    pub(crate) fn arrives(&mut self, mover: Mover, turn: &mut Turn<'_>) {
        let Mover { mut call, sessions, transfer, replaced } = mover;
        let Stage::Joined(joined) = &mut call.stage else { return };
        let legs = std::iter::once(&mut call.caller).chain(&mut joined.callee);
        let mut whole = true;
        for (leg, (released, mut over)) in legs.zip(sessions) {
            let call_id = released.call_id().to_owned();
            over.retain(|shard| *shard != self.neighbours.me);
            turn.is_here(&call_id);
            match turn.take_in(released) {
                Ok(session) => {
                    leg.session = session;
                    self.calls.guests.insert(session, Guest { call_id, over });
                    if !self.studio.is_mine(leg.line.key()) {
                        let key = self.studio.key(thread_of(leg.line.key()));
                        leg.line.rename(key, &mut self.studio);
                    }
                }
                Err(error) => {
                    tracing::error!(%error, call = call.id, "a leg finds no room in another SIP loop");
                    self.calls.gone.push(Guest { call_id, over });
                    whole = false;
                }
            }
            self.calls.enter_leg(call.id, leg);
        }
        if !whole {
            return self.bury(call, Outcome::Failed, &Lines::new(), turn);
        }
        self.connect(&call);
        let fate = match call.take_transfer(|one| one.id() == transfer) {
            Some(transfer) => self.take_over(&mut call, transfer, &replaced, turn),
            None => Fate::Goes,
        };
        self.settle(call, fate, turn);
    }
}

/// The dialog that an INVITE wants to replace or to join.
fn named(request: &Request) -> Option<NamedDialog> {
    let headers = request.headers();
    let replaces = headers.raw(HeaderId::Replaces).and_then(|value| NamedDialog::replaces(value.trim_ascii()).ok());
    replaces.or_else(|| NamedDialog::join(headers.raw(HeaderId::Join)?.trim_ascii()).ok())
}

impl super::Calls {
    /// A session of an INVITE that was handed on stands where that is: its loop of before is told when it ends.
    pub(super) fn seat_guest(&mut self, session: SessionId, request: &Request) {
        if let Some(guest) = self.expected.take_if(|guest| guest.call_id == request.headers().call_id()) {
            self.guests.insert(session, guest);
        }
    }

    /// A session is over.
    pub(super) fn guest_leaves(&mut self, session: SessionId) {
        if !self.guests.is_empty() {
            self.gone.extend(self.guests.remove(&session));
        }
    }
}
