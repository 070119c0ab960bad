//! Calls of more than two: who joins one that stands (Join, RFC 3911) talks to both of its sides, in a conference of their own.
//!
//! Whoever leaves is let go; with two left it is a call like any other. The same may join that may take a leg over: a device of the user that is
//! joined, or whom that user has sent.

use media::Key;
use sip::message::{Lines, StatusCode};
use sip::{Reply, SessionId, Turn};

use super::begin::{Refusal, refused};
use super::transfer::Transfer;
use super::{CALLER, Call, Fate, Joined, Leg, Stage};
use crate::extension::Room;
use crate::request::Admitted;
use crate::studio::thread_of;
use crate::switch::Switch;
use crate::tally::Seat;

/// Most that talk to a caller.
const MOST: usize = 8;

/// More than two that talk.
#[derive(Debug)]
pub(crate) struct Gathering {
    conference: Key,
    /// All but the caller.
    pub(super) others: Vec<Member>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) leg: Leg,
    user: String,
    /// The room of a call that he takes; the callee of before takes none.
    seat: Option<Seat>,
}

impl Switch {
    /// Where an INVITE leads that names the `session` of a leg: the number of the conference that this one is in, `None` when it has joined the call.
    /// Where it cannot, everything stays as it was (RFC 3911 section 4).
    pub(super) fn join_call(
        &mut self,
        invite: &Admitted,
        session: SessionId,
        turn: &mut Turn<'_>,
    ) -> Result<Option<String>, Refusal> {
        let gone = || refused(Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST));
        let &(id, number) = self.calls.sessions.get(&session).ok_or_else(gone)?;
        let mut call = self.calls.table.remove(&id).ok_or_else(gone)?;
        let outcome = self.join(&mut call, number, invite, turn);
        self.calls.table.insert(id, call);
        outcome
    }

    fn join(
        &mut self,
        call: &mut Call,
        number: u32,
        invite: &Admitted,
        turn: &mut Turn<'_>,
    ) -> Result<Option<String>, Refusal> {
        let refuse = |code| Err(refused(Reply::new(code)));
        // Whom a user has sent may take his place (Replaces), where he hears of it; nobody listens in on him by saying that he was sent.
        if self.user_at(call, number) != invite.user {
            return refuse(StatusCode::FORBIDDEN);
        }
        match &call.stage {
            Stage::Alone(Room::Conference(_)) => return Ok(Some(call.number.clone())),
            Stage::Joined(joined) if joined.is_at_rest() => {}
            Stage::Joined(_) => return refuse(StatusCode::REQUEST_PENDING),
            Stage::Gathered(gathering) if gathering.others.len() < MOST => {}
            Stage::Gathered(_) => return refuse(StatusCode::BUSY_HERE),
            // Nothing there that could be mixed.
            Stage::Ringing(_) | Stage::Alone(_) => return refuse(StatusCode::NOT_ACCEPTABLE_HERE),
        }
        let seat = self.accounts.place(&invite.user).and_then(|user| self.tally.seat(user, &self.config.limits));
        let seat = seat.ok_or_else(|| self.shed())?;
        call.numbers += 1;
        let Some(newcomer) = self.newcomer(call, number, call.numbers, invite, turn)? else { return Ok(None) };
        let Some(leg) = self.welcome(call, newcomer, turn) else { return Ok(None) };
        tracing::info!(parent: &net::call_span!(call.call_id), call = call.id, by = %invite.user, "a call is joined");
        let member = Member { leg, user: invite.user.clone(), seat: Some(seat) };
        self.gather(call, member);
        Ok(None)
    }

    /// One more that talks with the others.
    fn gather(&mut self, call: &mut Call, member: Member) {
        let caller = call.caller.line.key();
        match &mut call.stage {
            Stage::Gathered(gathering) => gathering.others.push(member),
            Stage::Joined(joined) => {
                let Some(callee) = joined.callee.take() else { return };
                let conference = self.studio.key(thread_of(caller));
                let other = callee.line.key();
                let call_id = call.call_id.clone();
                self.studio.run_for_both(caller, other, move |desk| {
                    if let Err(error) = desk.engine.add_conference(conference) {
                        tracing::error!(parent: &net::call_span!(call_id), %error, "a conference could not begin");
                    }
                    desk.engine.disconnect(caller, other);
                    desk.engine.disconnect(other, caller);
                });
                let callee = Member { leg: callee, user: self.user_of(&call.number), seat: None };
                call.stage = Stage::Gathered(Box::new(Gathering { conference, others: vec![callee, member] }));
            }
            Stage::Ringing(_) | Stage::Alone(_) => return,
        }
        self.connect(call);
    }

    /// Lets those hear each other whose audio is known.
    pub(super) fn seat_gathering(&mut self, call: &Call) {
        let Stage::Gathered(gathering) = &call.stage else { return };
        let legs = gathering.legs().chain([&call.caller]);
        let (conference, streams) = (gathering.conference, legs.filter(|leg| leg.line.codec().is_some()));
        for stream in streams.map(|leg| leg.line.key()).collect::<Vec<_>>() {
            self.studio.run(stream, move |desk| {
                desk.engine.join(conference, stream);
            });
        }
    }

    /// Another leg takes the place of one of several: the one that was there.
    pub(super) fn seat_at(&mut self, call: &mut Call, number: u32, leg: Leg, user: &str) -> Option<Leg> {
        self.pass_seat(call, number, user)?;
        Some(std::mem::replace(call.leg_mut(number)?, leg))
    }

    /// The place of one of several is that of this user from now on.
    fn pass_seat(&self, call: &mut Call, number: u32, user: &str) -> Option<()> {
        let Stage::Gathered(gathering) = &mut call.stage else { return None };
        let place = self.accounts.place(user);
        let (known, seat) = if number == CALLER {
            (&mut call.user, Some(&mut call.seat))
        } else {
            let member = gathering.others.iter_mut().find(|member| member.leg.number == number)?;
            (&mut member.user, member.seat.as_mut())
        };
        user.clone_into(known);
        if let (Some(seat), Some(place)) = (seat, place) {
            seat.pass_to(place);
        }
        Some(())
    }

    /// Who is transferred to one of several takes its place, and the call in which that was asked for is over.
    pub(super) fn send_to_gathering(
        &mut self,
        call: &mut Call,
        transfer: &Transfer,
        (mut other, number): (Box<Call>, u32),
        turn: &mut Turn<'_>,
    ) -> Fate {
        self.report(call, transfer, StatusCode::OK, turn);
        self.end_transfers(call, StatusCode::REQUEST_TERMINATED, turn);
        if number != CALLER {
            other.numbers += 1;
        }
        let own = if number == CALLER { CALLER } else { other.numbers };
        if matches!(&call.stage, Stage::Joined(joined) if joined.callee.is_none()) {
            self.change_places(call, &mut other, (number, own));
        } else if let Some((mut who, user)) = self.take_other_side(call, transfer.referrer(), turn) {
            let (stays, asks) = (who.line.key(), call.caller.line.key());
            self.studio.run_for_both(stays, asks, move |desk| {
                desk.engine.disconnect(stays, asks);
                desk.engine.disconnect(asks, stays);
            });
            self.move_leg((other.id, &other.call_id), &mut who, thread_of(other.caller.line.key()));
            who.number = own;
            self.calls.enter_leg(other.id, &who);
            if let Some(gone) = self.seat_at(&mut other, number, who, &user) {
                self.hang_up(gone, None, Lines::new(), turn);
            }
        }
        self.connect(&other);
        self.resume(&mut other, own, turn);
        self.calls.table.insert(other.id, other);
        Fate::Over(crate::outcome::Outcome::Answered, Lines::new())
    }

    /// The one that is left in a call and the one of several at `number` change places: that one is hung up with the call.
    fn change_places(&mut self, call: &mut Call, other: &mut Call, (number, own): (u32, u32)) {
        self.move_leg((other.id, &other.call_id), &mut call.caller, thread_of(other.caller.line.key()));
        let (user, id) = (call.user.clone(), other.id);
        if self.pass_seat(other, number, &user).is_none() {
            return;
        }
        if let Some(place) = other.leg_mut(number) {
            std::mem::swap(place, &mut call.caller);
            (place.number, call.caller.number) = (own, CALLER);
            self.calls.enter_leg(id, place);
            self.calls.enter_leg(call.id, &call.caller);
        }
    }

    /// One of several leaves; he is hung up with these lines if he has not done so himself. False when there are not several.
    pub(super) fn leaves_gathering(
        &mut self,
        call: &mut Call,
        number: u32,
        lines: &Lines,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Stage::Gathered(gathering) = &mut call.stage else { return false };
        let gone = if number == CALLER {
            let Member { mut leg, user, seat } = gathering.others.remove(0);
            leg.number = CALLER;
            self.calls.enter_leg(call.id, &leg);
            match (seat, self.accounts.place(&user)) {
                (Some(seat), _) => call.seat = seat,
                (None, Some(place)) => call.seat.pass_to(place),
                (None, None) => {}
            }
            call.user = user;
            std::mem::replace(&mut call.caller, leg)
        } else {
            let Some(at) = gathering.others.iter().position(|member| member.leg.number == number) else { return true };
            gathering.others.remove(at).leg
        };
        self.hang_up(gone, None, lines.clone(), turn);
        self.narrow(call);
        true
    }

    /// With two left it is a call like any other.
    fn narrow(&mut self, call: &mut Call) {
        let Stage::Gathered(gathering) = &mut call.stage else { return };
        if gathering.others.len() > 1 {
            return;
        }
        let Some(Member { leg, user, .. }) = gathering.others.pop() else { return };
        let (conference, caller, other) = (gathering.conference, call.caller.line.key(), leg.line.key());
        self.studio.run_for_both(caller, other, move |desk| {
            desk.engine.leave(caller);
            desk.engine.leave(other);
        });
        self.studio.remove(conference);
        call.number = user;
        call.stage = Stage::Joined(Joined::new(leg));
        self.connect(call);
    }

    /// Ends it for all but the caller.
    pub(super) fn scatter(&mut self, gathering: Gathering, lines: &Lines, turn: &mut Turn<'_>) {
        for Member { leg, .. } in gathering.others {
            self.hang_up(leg, None, lines.clone(), turn);
        }
        self.studio.remove(gathering.conference);
    }
}

impl Gathering {
    /// Those of all but the caller.
    pub(super) fn legs(&self) -> impl Iterator<Item = &Leg> {
        self.others.iter().map(|member| &member.leg)
    }

    /// Those of a user.
    pub(super) fn legs_of(&self, user: &str) -> impl Iterator<Item = &Leg> {
        self.others.iter().filter(move |member| member.user == user).map(|member| &member.leg)
    }

    pub(super) fn leg(&self, number: u32) -> Option<&Leg> {
        self.legs().find(|leg| leg.number == number)
    }

    pub(super) fn leg_mut(&mut self, number: u32) -> Option<&mut Leg> {
        self.others.iter_mut().map(|member| &mut member.leg).find(|leg| leg.number == number)
    }

    pub(super) fn user(&self, number: u32) -> Option<&str> {
        self.others.iter().find(|member| member.leg.number == number).map(|member| member.user.as_str())
    }
}

/// A leg that has fallen silent ends the call, or its own part of one of several.
impl Switch {
    pub(super) fn fell_silent(&mut self, call: &mut Call, number: u32, lines: Lines, turn: &mut Turn<'_>) -> Fate {
        match self.leaves_gathering(call, number, &lines, turn) {
            true => Fate::Goes,
            false => Fate::Over(crate::outcome::Outcome::Answered, lines),
        }
    }
}
