//! Who takes a leg of a call over (Replaces, RFC 3891): picks up what rings elsewhere, or goes on with what somebody else talks about.
//!
//! A call that rings for a device of the server's is picked up by any of its users: the tags of that dialog are known to the device, and to whom
//! they were told. One that stands is taken over by a device of the same user. Nobody is believed that this user has sent him: Referred-By says so without
//! a proof (RFC 3892 section 3), and transfers that the server is asked for it carries out itself.

use sip::message::{Body, Lines, StatusCode};
use sip::privacy::Wish;
use sip::{Reply, SessionId, Turn};

use super::begin::{Refusal, refused, usable};
use super::dialling::Refused;
use super::line::{CODECS, Line};
use super::{CALLER, Call, Fate, Joined, Leg, Stage};
use crate::outcome::Outcome;
use crate::request::Admitted;
use crate::studio::thread_of;
use crate::switch::Switch;
use crate::{body, headers};

/// A leg that is not part of a call yet, and what it is to be answered.
pub(super) struct Newcomer {
    leg: Leg,
    answer: Vec<u8>,
}

impl Switch {
    /// An INVITE that names the `session` of a leg. Where it cannot be had, everything stays as it was (RFC 3891 section 3).
    pub(super) fn take_leg_over(
        &mut self,
        invite: &Admitted,
        session: SessionId,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let gone = || refused(Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST));
        let &(id, number) = self.calls.sessions.get(&session).ok_or_else(gone)?;
        let mut call = self.calls.table.remove(&id).ok_or_else(gone)?;
        match self.replace(&mut call, number, invite, turn) {
            Ok(fate) => {
                self.settle(call, fate, turn);
                Ok(())
            }
            Err(refusal) => {
                self.calls.table.insert(id, call);
                Err(refusal)
            }
        }
    }

    fn replace(
        &mut self,
        call: &mut Call,
        number: u32,
        invite: &Admitted,
        turn: &mut Turn<'_>,
    ) -> Result<Fate, Refusal> {
        let rings = matches!(call.stage, Stage::Ringing(_)) || call.is_called_for_transfer(number);
        if !rings && !self.may_replace(call, number, invite) {
            return Err(refused(Reply::new(StatusCode::FORBIDDEN)));
        }
        // Somebody else is being called for the one that has been left alone.
        if !rings && matches!(&call.stage, Stage::Joined(joined) if joined.callee.is_none()) {
            return Err(refused(Reply::new(StatusCode::REQUEST_PENDING)));
        }
        let own = if number == CALLER {
            CALLER
        } else {
            call.numbers += 1;
            call.numbers
        };
        let Some(newcomer) = self.newcomer(call, number, own, invite, turn)? else { return Ok(Fate::Goes) };
        self.take_packages_for(newcomer.leg.session, call, number, turn);
        tracing::info!(parent: &net::call_span!(call.call_id), call = call.id, by = %invite.user, rings, "a leg is taken over");
        Ok(match rings {
            true if matches!(call.stage, Stage::Ringing(_)) => self.pick_up(call, newcomer, &invite.user, turn),
            true => self.pick_up_transferred(call, number, newcomer, &invite.user, turn),
            false => self.go_on_with(call, number, newcomer, &invite.user, turn),
        })
    }

    /// Whether a leg that stands may be taken over.
    fn may_replace(&self, call: &Call, number: u32, invite: &Admitted) -> bool {
        self.user_at(call, number) == invite.user
    }

    /// A leg of this number for the sender of an INVITE that names another, with a stream where its audio is known; `None` when the stack has answered it.
    pub(super) fn newcomer(
        &mut self,
        call: &mut Call,
        number: u32,
        own: u32,
        invite: &Admitted,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Newcomer>, Refusal> {
        if self.finishing {
            return Err(self.shed());
        }
        // On the thread of whom it will talk to, and in that one's codec.
        let (thread, codec) = match call.across(number) {
            Some(stays) => (thread_of(stays.line.key()), stays.line.codec()),
            None => (thread_of(call.caller.line.key()), call.caller.line.codec()),
        };
        let ours = self.studio.reached_by(&invite.origin);
        let mut line = Line::open(&self.studio, (&call.call_id, thread), ours, &CODECS).map_err(|error| {
            tracing::error!(parent: &net::call_span!(call.call_id), %error, "a leg is not taken over");
            self.shed()
        })?;
        let offer = body::description(invite.request.headers());
        if let Some(offer) = &offer {
            usable(offer, &line)?;
        }
        if let Some(codec) = codec {
            line.prefer(codec);
        }
        // On an error the stack has answered.
        let Ok(session) = turn.session(invite.tx) else { return Ok(None) };
        self.seat_guest(session, &invite.request);
        if matches!(call.stage, Stage::Alone(_)) {
            self.is_end_of(session, &call.number, turn);
        }
        // Another device of who does not want to be known tells no more of him.
        let private = Wish::of_caller(invite.request.headers()).is_anonymous()
            || call.is_private(number) && self.user_at(call, number) == invite.user;
        let answer = match &offer {
            Some(offer) => line.answer(offer, &mut self.studio),
            None => line.offer(),
        };
        match answer {
            Ok(answer) => {
                let leg = Leg { private, ..Leg::new(own, session, line) };
                Ok(Some(Newcomer { leg, answer }))
            }
            Err(error) => {
                let code = StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE);
                let _ = turn.answer(session, Reply::new(code));
                line.close(&mut self.studio);
                Ok(None)
            }
        }
    }

    /// Answers the newcomer; `None` when it has gone meanwhile.
    pub(super) fn welcome(
        &mut self,
        call: &Call,
        Newcomer { leg, answer }: Newcomer,
        turn: &mut Turn<'_>,
    ) -> Option<Leg> {
        match turn.answer(leg.session, Reply::new(StatusCode::OK).body(Body::sdp(answer))) {
            Ok(()) => {
                self.calls.enter_leg(call.id, &leg);
                Some(leg)
            }
            Err(error) => {
                tracing::debug!(parent: &net::call_span!(call.call_id), %error, "who takes a leg over has gone");
                leg.line.close(&mut self.studio);
                None
            }
        }
    }

    /// Picks up what rings: the caller is answered by this one.
    fn pick_up(&mut self, call: &mut Call, newcomer: Newcomer, user: &str, turn: &mut Turn<'_>) -> Fate {
        let Some(leg) = self.welcome(call, newcomer, turn) else { return Fate::Goes };
        let number = leg.number;
        if let Some(codec) = leg.line.codec() {
            call.caller.line.prefer(codec);
        }
        let past = call.past();
        let before = std::mem::replace(&mut call.stage, Stage::Joined(Joined::new(leg)));
        if let Stage::Ringing(mut ringing) = before {
            self.stop_calling(&mut ringing.hunt, &headers::reason(200, "Call completed elsewhere"), turn);
        }
        call.number = user.to_owned();
        let body = match self.describe(call) {
            Ok(body) => body,
            Err(code) => return self.refuse_caller(call, Some(Refused { code, lines: Lines::new() }), turn),
        };
        self.link(call, number);
        self.take_packages_of(call, number, None, turn);
        let reply = Reply::new(StatusCode::OK).lines(past).body(Body::sdp(body));
        if let Err(error) = turn.answer(call.caller.session, reply) {
            tracing::debug!(parent: &net::call_span!(call.call_id), %error, "a caller has gone before it was answered");
            return Fate::Over(Outcome::Cancelled, Lines::new());
        }
        self.metrics.call_answered(turn.now().mono.since(call.since));
        Fate::Goes
    }

    /// Picks up what rings for one that is transferred.
    fn pick_up_transferred(
        &mut self,
        call: &mut Call,
        number: u32,
        newcomer: Newcomer,
        user: &str,
        turn: &mut Turn<'_>,
    ) -> Fate {
        let Some(leg) = self.welcome(call, newcomer, turn) else { return Fate::Goes };
        self.take_transferred(call, number, leg, user, turn);
        Fate::Goes
    }

    /// One of the two that talk, or the one in a room, is another from now on.
    fn go_on_with(
        &mut self,
        call: &mut Call,
        number: u32,
        newcomer: Newcomer,
        user: &str,
        turn: &mut Turn<'_>,
    ) -> Fate {
        let Some(leg) = self.welcome(call, newcomer, turn) else { return Fate::Goes };
        self.end_transfers(call, StatusCode::REQUEST_TERMINATED, turn);
        let (mut stays, mut asked) = (None, None);
        let gone = match &mut call.stage {
            Stage::Joined(joined) if number != CALLER => {
                asked = joined.change.take().filter(|change| change.asker != number);
                stays = Some(CALLER);
                call.number = user.to_owned();
                joined.callee.replace(leg)
            }
            Stage::Gathered(_) if number != CALLER => self.seat_at(call, number, leg, user),
            stage => {
                if let Stage::Joined(joined) = stage {
                    asked = joined.change.take().filter(|change| change.asker != number);
                    stays = joined.callee.as_ref().map(|callee| callee.number);
                }
                call.user = user.to_owned();
                if let Some(place) = self.accounts.place(user) {
                    call.seat.pass_to(place);
                }
                Some(std::mem::replace(&mut call.caller, leg))
            }
        };
        if let Some(change) = asked {
            let session = self.session_of(call, change.asker);
            change.asked.answer(session, Reply::new(StatusCode::REQUEST_PENDING), turn);
        }
        if let Some(gone) = gone {
            self.hang_up(gone, None, Lines::new(), turn);
        }
        self.connect(call);
        if let Some(stays) = stays {
            self.resume(call, stays, turn);
        }
        Fate::Goes
    }
}
