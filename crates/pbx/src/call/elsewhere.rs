//! What concerns calls of two loops: Replaces, Join and attended transfers where the other call is with another loop.
//!
//! One of the two goes where the other is, and there all is as in one loop. An INVITE goes before it is answered, with the name of the user who has
//! shown here who he is. For a transfer the call that is transferred goes, both legs of it, as soon as nothing is under way in it: its dialogs and
//! descriptions as plain data, its streams by new names on the thread they are on. The loop to which the Call-ID of such a dialog falls sends on what
//! comes for it (`sip/away`, `guests`), until it is told that the dialog is over. Calls, messages that are sent on, and what is told of them go by one
//! queue: nothing overtakes the call it is about. All of one Call-ID that is elsewhere is with one loop, so what would part it stays where it is.

use std::sync::Arc;

use media::Key;
use sip::invite::{Named, NamedDialog, Released};
use sip::message::{HeaderId, Lines, Request, StatusCode};
use sip::{Origin, Reply, Shard, Turn};

use super::begin::{Refusal, refused};
use super::guests::Expected;
use super::transfer::Transfer;
use super::{Call, Fate, Leg, Stage};
use crate::command::Command;
use crate::finding::Seeker;
use crate::headers;
use crate::outcome::Outcome;
use crate::request::Admitted;
use crate::studio::thread_of;
use crate::switch::Switch;

/// So often a question or an INVITE is handed on: once to the loop to which the Call-ID falls, once to the loop that has the call.
const HOPS: usize = 2;

/// An INVITE that is handed on.
pub(crate) struct Handed {
    request: Arc<Request>,
    origin: Origin,
    user: String,
    from: Shard,
    hops: usize,
    /// The loop to which its Call-ID falls counts it among those that are away.
    counted: bool,
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
    sessions: Vec<Released>,
    from: Shard,
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
        let before = self.calls.expected.as_ref().filter(|one| one.call_id == call_id).map(|one| one.hops);
        let (hops, counted) = (before.unwrap_or(0), before.is_some() || self.neighbours.home(call_id).is_none());
        if to == me || hops >= HOPS {
            return Err(refused(*refusal));
        }
        // Its home sends all of one Call-ID to one loop: where another of it stands here, or is on its way elsewhere, that would not be found any more.
        let parts = self.calls.guests.of_call(call_id) > 0 || !turn.may_be_away(&[call_id], to);
        if parts || !self.has_told_all() {
            return Err(self.shed());
        }
        // The place is kept, so that it cannot be lost on the way: who has got a 100 repeats nothing (RFC 3261 section 17.1.1.2).
        let Some(place) = self.neighbours.reserve(to) else { return Err(self.shed()) };
        let Ok((request, origin)) = turn.give_away(invite.tx, to) else { return Err(self.shed()) };
        self.calls.expected.take_if(|one| one.call_id == call_id);
        let user = invite.user.clone();
        let handed = Handed { request, origin, user, from: me, hops: hops + 1, counted };
        place.fill(Command::Handed(Box::new(handed)));
        Ok(())
    }

    /// An INVITE that another loop has handed on. Its event follows in this turn.
    pub(crate) fn handed(&mut self, handed: Handed, turn: &mut Turn<'_>) {
        let Handed { request, origin, user, from, hops, counted } = handed;
        let call_id = request.headers().call_id().to_owned();
        self.has_come(&call_id, from, counted, turn);
        self.calls.admitted = Some(user);
        self.calls.expected = Some(Expected { call_id, hops });
        turn.receive_given(&origin, request.bytes().clone());
    }

    /// Who has sent this INVITE, where another loop knows that.
    pub(crate) fn vouched_for(&mut self, request: &Request) -> Option<String> {
        let expected = self.calls.expected.as_ref()?;
        (expected.call_id == request.headers().call_id()).then(|| self.calls.admitted.take()).flatten()
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
        if !self.may_go(call, to, turn) {
            return self.transfer_failed(call, transfer, StatusCode::SERVICE_UNAVAILABLE, turn);
        }
        let seeker = Seeker::Claim { call: call.id, transfer: transfer.id(), replaced: replaced.clone() };
        let (user, thread) = (transfer.user.clone(), thread_of(call.caller.line.key()));
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
        match self.finishing || !turn.has_room_for_sessions(2) {
            true => Err(StatusCode::SERVICE_UNAVAILABLE),
            false => Ok(()),
        }
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
        let Some(to) = self.can_leave(&call, turn) else { return Some(call) };
        if !self.has_told_all() {
            return Some(call);
        }
        let Some(place) = self.neighbours.reserve(to) else { return Some(call) };
        let Stage::Joined(joined) = &mut call.stage else { return Some(call) };
        let Some(transfer) = joined.transfers.first_mut() else { return Some(call) };
        let (id, Some(leaving)) = (transfer.id(), transfer.leaving.take()) else { return Some(call) };
        if let Some(alarm) = transfer.hunt.alarm.take() {
            turn.silence(alarm);
        }
        let Leaving { keys, replaced, .. } = *leaving;
        let (mut legs, mut sessions) = (vec![&mut call.caller], Vec::new());
        legs.extend(&mut joined.callee);
        // Names first: where one cannot be given, both legs still stand here, to be hung up.
        let mut whole = true;
        for (leg, key) in legs.iter_mut().zip(keys) {
            self.calls.forget_stream(leg.line.key());
            whole &= leg.line.rename(key, &call.call_id, &mut self.studio);
        }
        for leg in legs.iter().filter(|_| whole) {
            sessions.extend(self.part_with(leg, to, turn));
        }
        if sessions.len() < legs.len() {
            tracing::error!(parent: &net::call_span!(call.call_id), call = call.id, "a call could not go to another SIP loop");
            for session in sessions {
                turn.is_here(session.call_id());
                self.dismiss(session, Lines::new(), turn);
            }
            self.bury(call, Outcome::Failed, &Lines::new(), turn);
            return None;
        }
        tracing::info!(parent: &net::call_span!(call.call_id), call = call.id, to = to.0, "a call goes to another SIP loop");
        let from = self.neighbours.me;
        place.fill(Command::Arrives(Box::new(Mover { call, sessions, from, transfer: id, replaced })));
        None
    }

    /// Where a call goes, if it can leave now.
    fn can_leave(&self, call: &Call, turn: &Turn<'_>) -> Option<Shard> {
        let Stage::Joined(joined) = &call.stage else { return None };
        let [transfer] = joined.transfers.as_slice() else { return None };
        let leaving = transfer.leaving.as_ref()?;
        let rests = |leg: &Leg| {
            let waits = leg.line.is_asked() || leg.resumes || leg.goes_back;
            turn.is_at_rest(leg.session) && !waits && self.studio.is_there(leg.line.key())
        };
        let can = joined.change.is_none()
            && legs(call).all(rests)
            && thread_of(leaving.keys[0]) == thread_of(call.caller.line.key())
            && self.may_go(call, leaving.to, turn);
        can.then_some(leaving.to)
    }

    /// Whether what comes for all legs of a call would find them there. A loop sends all of one Call-ID to one other, so what shares its Call-ID stays.
    fn may_go(&self, call: &Call, to: Shard, turn: &Turn<'_>) -> bool {
        let dialogs = legs(call).filter_map(|leg| turn.dialog_of(leg.session));
        let call_ids: Vec<&str> = dialogs.map(sip::dialog::Dialog::call_id).collect();
        call_ids.iter().all(|call_id| self.calls.guests.of_call(call_id) <= 1) && turn.may_be_away(&call_ids, to)
    }

    /// Takes a leg from this loop.
    fn part_with(&mut self, leg: &Leg, to: Shard, turn: &mut Turn<'_>) -> Option<Released> {
        let released = turn.release(leg.session).ok()?;
        self.calls.guest_goes(leg.session);
        self.calls.sessions.remove(&leg.session);
        if let Err(error) = turn.is_away(released.call_id(), to) {
            tracing::error!(parent: &net::call_span!(released.call_id()), %error, "what comes for a call will not find it");
        }
        Some(released)
    }

    /// A call comes from another loop, to be joined with one that is here.
    pub(crate) fn arrives(&mut self, mover: Mover, turn: &mut Turn<'_>) {
        let Mover { mut call, sessions, from, transfer, replaced } = mover;
        let lines = headers::reason(503, if self.finishing { "Server is stopping" } else { "Service Unavailable" });
        let Stage::Joined(joined) = &mut call.stage else { return };
        let mut whole = !self.finishing;
        for (leg, released) in std::iter::once(&mut call.caller).chain(&mut joined.callee).zip(sessions) {
            let call_id = released.call_id().to_owned();
            self.has_come(&call_id, from, true, turn);
            match turn.take_in(released) {
                Ok(session) => {
                    leg.session = session;
                    self.enter_guest(session, &call_id);
                    self.calls.enter_leg(call.id, leg);
                }
                Err((error, released)) => {
                    tracing::error!(parent: &net::call_span!(call_id), %error, call = call.id, "a leg finds no room in another SIP loop");
                    self.dismiss(*released, lines.clone(), turn);
                    whole = false;
                }
            }
        }
        if !whole {
            return self.bury(call, Outcome::Failed, &lines, turn);
        }
        self.connect(&call);
        let fate = match call.take_transfer(|one| one.id() == transfer) {
            Some(transfer) => self.take_over(&mut call, transfer, &replaced, turn),
            None => Fate::Goes,
        };
        self.settle(call, fate, turn);
    }

    /// Hangs up a leg that no loop has.
    fn dismiss(&mut self, released: Released, lines: Lines, turn: &mut Turn<'_>) {
        let call_id = released.call_id().to_owned();
        self.is_over(&call_id);
        if let Err(error) = turn.dismiss(released, lines) {
            tracing::error!(parent: &net::call_span!(call_id), %error, "a leg could not be hung up");
        }
    }
}

/// The legs of a call that is transferred.
fn legs(call: &Call) -> impl Iterator<Item = &Leg> {
    let callee = match &call.stage {
        Stage::Joined(joined) => joined.callee.as_ref(),
        _ => None,
    };
    std::iter::once(&call.caller).chain(callee)
}

/// The dialog that an INVITE wants to replace or to join.
fn named(request: &Request) -> Option<NamedDialog> {
    let headers = request.headers();
    let replaces = headers.raw(HeaderId::Replaces).and_then(|value| NamedDialog::replaces(value.trim_ascii()).ok());
    replaces.or_else(|| NamedDialog::join(headers.raw(HeaderId::Join)?.trim_ascii()).ok())
}
