//! A call that stands: requests in it, and its end.

use sip::invite::SessionEvent;
use sip::message::{Lines, Method, Request, StatusCode};
use sip::uas;
use sip::{Reply, ServerTx, SessionId, Turn};

use super::ending::reason_of;
use super::{Asked, CALLER, Call, Fate, Stage, packages};
use crate::outcome::Outcome;
use crate::switch::Switch;
use crate::{body, headers};

/// Largest body of a request within a call that is passed on, in octets.
const LARGEST: usize = 16_384;

impl Switch {
    /// Either side of a call that is connected.
    pub(super) fn while_standing(
        &mut self,
        call: &mut Call,
        number: u32,
        event: SessionEvent,
        turn: &mut Turn<'_>,
    ) -> Fate {
        match event {
            SessionEvent::Reinvite { request, .. } => self.their_change(call, number, Asked::Invite, &request, turn),
            SessionEvent::Reinvited { response, ack_due } => {
                if ack_due {
                    let _ = turn.ack(self.session_of(call, number), None);
                }
                self.change_accepted(call, number, &response, turn);
            }
            SessionEvent::RefreshDue => self.refresh(call, number, turn),
            SessionEvent::Updated { response } => self.change_accepted(call, number, &response, turn),
            SessionEvent::ReinviteFailed { refusal } | SessionEvent::UpdateFailed { refusal } => {
                self.change_refused(call, number, refusal.code(), turn)
            }
            SessionEvent::ReinviteCancelled { .. } => self.change_given_up(call, number, Asked::Invite),
            SessionEvent::Unanswered { tx } => self.change_given_up(call, number, Asked::Update(tx)),
            SessionEvent::Acked { request } => {
                if let Fate::Over(outcome, lines) = self.acked(call, number, &request) {
                    // Who has joined leaves alone, and the call that it joined is left as it is (RFC 3911 section 4).
                    return match self.leaves_gathering(call, number, &lines, turn) {
                        true => Fate::Goes,
                        false => Fate::Over(outcome, lines),
                    };
                }
            }
            SessionEvent::Request { tx, request } if *request.method() == Method::Update => {
                self.their_change(call, number, Asked::Update(tx), &request, turn);
            }
            SessionEvent::Request { tx, request } if *request.method() == Method::Prack => {
                let reply = self.pracked_with_offer(call, &request);
                let _ = turn.respond(tx, reply);
            }
            SessionEvent::Request { tx, request } if *request.method() == Method::Refer => {
                return self.referred(call, number, tx, &request, turn);
            }
            SessionEvent::Request { tx, request } if *request.method() == Method::Subscribe => {
                self.resubscribed(call, number, &request, tx, turn);
            }
            SessionEvent::Request { tx, request } => self.within(call, number, tx, &request, turn),
            SessionEvent::Ended { request, refusal, .. } => {
                let lines = match (&request, &refusal) {
                    (Some(request), _) => headers::of_ending(request.headers()),
                    (None, Some(refusal)) => reason_of(refusal),
                    (None, None) => Lines::new(),
                };
                if let Some(leg) = call.leg(number) {
                    self.calls.forget_session(leg.session);
                }
                if self.leaves_gathering(call, number, &lines, turn) || self.leaves_to_transfer(call, number, turn) {
                    return Fate::Goes;
                }
                return Fate::Over(Outcome::Answered, lines);
            }
            SessionEvent::Cancelled { .. } | SessionEvent::Failed { .. } | SessionEvent::Redirected { .. } => {
                if let Some(leg) = call.leg(number) {
                    self.calls.forget_session(leg.session);
                }
                return Fate::Over(Outcome::Failed, Lines::new());
            }
            _ => {}
        }
        match call.leg(number) {
            Some(leg) if leg.resumes => self.resume(call, number, turn),
            Some(leg) if leg.goes_back => self.go_back(call, number, turn),
            _ => {}
        }
        Fate::Goes
    }

    pub(super) fn session_of(&self, call: &Call, number: u32) -> sip::SessionId {
        call.leg(number).map_or(call.caller.session, |leg| leg.session)
    }

    /// The ACK to a 2xx that carried our offer brings the answer (RFC 3261 section 13.2.2.4).
    fn acked(&mut self, call: &mut Call, number: u32, request: &Request) -> Fate {
        let Some(leg) = call.leg_mut(number) else { return Fate::Goes };
        let Some(answer) = body::description(request.headers()) else {
            // Where our 2xx carried an offer, it was not answered: it counts no more.
            leg.line.take_back();
            return match leg.line.codec() {
                Some(_) => Fate::Goes,
                None => Fate::Over(Outcome::Failed, headers::reason(488, "Not Acceptable Here")),
            };
        };
        match leg.line.accept(&answer, &mut self.studio) {
            Ok(()) => {
                self.connect(call);
                Fate::Goes
            }
            Err(error) if leg.line.codec().is_none() => {
                tracing::info!(parent: &net::call_span!(call.call_id), %error, call = call.id, "the answer in an ACK is of no use");
                Fate::Over(Outcome::Failed, headers::reason(488, "Not Acceptable Here"))
            }
            // What was agreed before stays.
            Err(error) => {
                tracing::debug!(parent: &net::call_span!(call.call_id), %error, call = call.id, "an answer in an ACK is ignored");
                Fate::Goes
            }
        }
    }

    /// Connects what is there, after a change.
    pub(super) fn connect(&mut self, call: &Call) {
        match &call.stage {
            Stage::Joined(joined) => {
                if let Some(callee) = &joined.callee {
                    self.link(call, callee.number);
                }
            }
            Stage::Alone(room) => {
                if call.caller.line.codec().is_some() {
                    room.seat(call.caller.line.key(), &mut self.studio);
                }
            }
            Stage::Gathered(_) => self.seat_gathering(call),
            Stage::Ringing(_) => {}
        }
    }

    /// INFO and MESSAGE go to the other side; OPTIONS is answered here.
    fn within(&mut self, call: &mut Call, number: u32, tx: ServerTx, request: &Request, turn: &mut Turn<'_>) {
        let reply = match request.method() {
            Method::Options => uas::options(StatusCode::OK, &self.capabilities),
            Method::Info | Method::Message => match self.pass_on(call, number, tx, request, turn) {
                Ok(()) => return,
                Err(reply) => *reply,
            },
            _ => Reply::new(StatusCode::NOT_IMPLEMENTED),
        };
        let _ = turn.respond(tx, reply);
    }

    fn pass_on(
        &mut self,
        call: &mut Call,
        number: u32,
        tx: ServerTx,
        request: &Request,
        turn: &mut Turn<'_>,
    ) -> Result<(), Box<Reply>> {
        if request.body().len() > LARGEST {
            return Err(Box::new(Reply::new(StatusCode::REQUEST_ENTITY_TOO_LARGE)));
        }
        let Some(other) = call.across(number) else {
            // An extension hears digits and has nothing to say to them. Packages it takes none.
            let taken = || Box::new(Reply::new(StatusCode::OK));
            return Err(packages::of(request).map_or_else(taken, |_| packages::refusal(None)));
        };
        self.pass_to(other.session, tx, request, turn)
    }

    fn pass_to(
        &mut self,
        session: SessionId,
        tx: ServerTx,
        request: &Request,
        turn: &mut Turn<'_>,
    ) -> Result<(), Box<Reply>> {
        let (lines, body) = (headers::of_request(request.headers()), body::whole(request.headers()));
        let sent = match packages::of(request) {
            Some(package) if !turn.takes_info(session, &package) => {
                return Err(packages::refusal(turn.info_packages(session)));
            }
            Some(package) => turn.info(session, &package, lines, body),
            None => turn.in_dialog(session, request.method().clone(), lines, body),
        };
        let client = sent.map_err(|_| Box::new(Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE)))?;
        self.relay.within(tx, client, session);
        Ok(())
    }

    /// An INFO while devices ring goes between the caller and the early dialog whose media he hears: an announcement before the answer may ask for digits. Whoever
    /// else rings hears nothing of it, nor has anything to say to him.
    pub(super) fn pass_on_early(
        &mut self,
        call: &Call,
        number: u32,
        tx: ServerTx,
        request: &Request,
        turn: &mut Turn<'_>,
    ) -> Result<(), Box<Reply>> {
        let refused = |code| Box::new(Reply::new(code));
        if request.body().len() > LARGEST {
            return Err(refused(StatusCode::REQUEST_ENTITY_TOO_LARGE));
        }
        let Some((device, fork)) = call.heard_early() else {
            return Err(refused(StatusCode::TEMPORARILY_UNAVAILABLE));
        };
        if number != CALLER {
            let speaks = device.number == number && device.line.is_previewed(request.headers().from_tag());
            return match speaks {
                true => self.pass_to(call.caller.session, tx, request, turn),
                false => Err(refused(StatusCode::TEMPORARILY_UNAVAILABLE)),
            };
        }
        let (lines, body) = (headers::of_request(request.headers()), body::whole(request.headers()));
        let session = device.session;
        let sent = match packages::of(request) {
            Some(package) if !turn.fork_takes_info(session, fork, &package) => {
                return Err(packages::refusal(turn.fork_info_packages(session, fork)));
            }
            Some(package) => turn.info_in_fork(session, fork, &package, lines, body),
            None => turn.in_fork(session, fork, Method::Info, lines, body),
        };
        let client = sent.map_err(|_| refused(StatusCode::TEMPORARILY_UNAVAILABLE))?;
        self.relay.within(tx, client, session);
        Ok(())
    }

    /// Relayed streams pass digits on by themselves; where audio is transcoded they are sent anew.
    pub(super) fn pass_digit(&mut self, call: &mut Call, number: u32, digit: char) {
        let Some(from) = call.leg(number).and_then(|leg| leg.line.codec()) else { return };
        let Some(other) = call.across(number) else { return };
        if other.line.codec() == Some(from) {
            return;
        }
        let key = other.line.key();
        self.studio.run(key, move |desk| {
            let mut text = [0; 4];
            // Without telephone-event on the other side there is nothing to send.
            let _ = desk.engine.dial(key, digit.encode_utf8(&mut text));
        });
    }
}
