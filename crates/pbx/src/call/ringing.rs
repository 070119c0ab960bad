//! While devices are called: their answers, early media, CANCEL, and nobody answering.

use sdp::Direction;
use sip::invite::SessionEvent;
use sip::message::{Body, Lines, Method, Request, Response, StatusCode};
use sip::{DialogId, Reply, ServerTx, Turn};

use super::dialling::Refused;
use super::hunt::code_of;
use super::{CALLER, Call, Fate, Joined, Leg, Stage};
use crate::outcome::Outcome;
use crate::switch::Switch;
use crate::{body, headers};

impl Switch {
    /// The caller, while devices ring.
    pub(super) fn caller_while_ringing(&mut self, call: &mut Call, event: SessionEvent, turn: &mut Turn<'_>) -> Fate {
        match event {
            SessionEvent::Cancelled { request } | SessionEvent::Ended { request, .. } => {
                self.calls.forget_session(call.caller.session);
                let lines = request.map(|request| headers::of_ending(request.headers())).unwrap_or_default();
                Fate::Over(Outcome::Cancelled, lines)
            }
            SessionEvent::Request { tx, request } if *request.method() == Method::Prack => {
                let reply = self.pracked_with_offer(call, &request);
                let _ = turn.respond(tx, reply);
                Fate::Goes
            }
            SessionEvent::Request { tx, request } if *request.method() == Method::Update => {
                let reply = match body::description(request.headers()) {
                    Some(offer) => self.offered_early(call, CALLER, &offer),
                    None => Reply::new(StatusCode::OK),
                };
                let _ = turn.respond(tx, reply);
                Fate::Goes
            }
            SessionEvent::Request { tx, request } => self.asked_early(call, CALLER, tx, &request, turn),
            other => {
                let ours = matches!(other, SessionEvent::Failed { .. } | SessionEvent::Redirected { .. });
                debug_assert!(!ours, "the caller's INVITE is not one of ours");
                Fate::Goes
            }
        }
    }

    /// A device that is being called.
    pub(super) fn device_while_ringing(
        &mut self,
        call: &mut Call,
        number: u32,
        event: SessionEvent,
        turn: &mut Turn<'_>,
    ) -> Fate {
        call.hears(number, &event);
        match event {
            SessionEvent::Progress { response, fork, .. } => {
                self.take_packages_of(call, number, fork, turn);
                self.progress(call, number, &response, fork, turn);
                Fate::Goes
            }
            SessionEvent::Answered { response, .. } => self.answered(call, number, &response, turn),
            SessionEvent::Failed { refusal } => {
                let lines = match &refusal {
                    sip::invite::Refusal::Response(response) => headers::of_response(response.headers()),
                    sip::invite::Refusal::Failure(_) => Lines::new(),
                };
                self.device_refused(call, number, code_of(&refusal), lines, turn)
            }
            SessionEvent::Redirected { response } => {
                self.device_refused(call, number, response.code(), Lines::new(), turn)
            }
            SessionEvent::Ended { .. } => {
                self.device_refused(call, number, StatusCode::TEMPORARILY_UNAVAILABLE, Lines::new(), turn)
            }
            SessionEvent::Request { tx, request } if *request.method() == Method::Update => {
                let reply = self.device_updates(call, number, &request);
                let _ = turn.respond(tx, reply);
                Fate::Goes
            }
            SessionEvent::Request { tx, request } => self.asked_early(call, number, tx, &request, turn),
            _ => Fate::Goes,
        }
    }

    /// What needs no description, of either side: INFO is passed on where somebody hears it.
    fn asked_early(&mut self, call: &Call, number: u32, tx: ServerTx, request: &Request, turn: &mut Turn<'_>) -> Fate {
        let refusal = match request.method() {
            Method::Info => self.pass_on_early(call, number, tx, request, turn).err(),
            _ => Some(Box::new(Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE))),
        };
        if let Some(refusal) = refusal {
            let _ = turn.respond(tx, *refusal);
        }
        Fate::Goes
    }

    /// A provisional response is passed on; the first with a description connects the caller to early media (RFC 3960).
    fn progress(
        &mut self,
        call: &mut Call,
        number: u32,
        response: &Response,
        fork: Option<DialogId>,
        turn: &mut Turn<'_>,
    ) {
        let code = response.code();
        let description = body::description(response.headers());
        let body = match description {
            // Without an offer of the caller there is nothing an answer could answer.
            Some(description) if call.offer.is_some() || call.caller.line.local().is_some() => {
                self.early_media(call, number, response.headers().to_tag().unwrap_or_default(), &description)
            }
            _ => None,
        };
        let Stage::Ringing(ringing) = &mut call.stage else { return };
        if body.is_some() {
            ringing.early_fork = fork;
        }
        if body.is_none() && ringing.told == Some(code) {
            return;
        }
        ringing.told = Some(code);
        let mut lines = headers::of_response(response.headers());
        lines.extend(&call.past());
        let mut reply = Reply::new(code).lines(lines);
        // A caller that hears early media is to know whom it hears.
        reply.reliable = body.is_some();
        reply.body = body.map(Body::sdp);
        // The caller may have gone in this very turn.
        let _ = turn.answer(call.caller.session, reply);
    }

    /// The caller's new offer in the PRACK for early media is answered here: the device may not be the one that answers. It is never refused:
    /// what cannot be taken is answered so (RFC 3262 sections 3 and 5).
    pub(super) fn pracked_with_offer(&mut self, call: &mut Call, request: &Request) -> Reply {
        let Some(offer) = body::description(request.headers()) else { return Reply::new(StatusCode::OK) };
        let reply = self.offered_early(call, CALLER, &offer);
        if reply.code.is_success() {
            return reply;
        }
        let mut reply = Reply::new(StatusCode::OK);
        reply.body = call.caller.line.refusal(&offer).map(Body::sdp);
        reply
    }

    /// An offer of either side while devices ring is answered here: what the other side has agreed on need not change for it.
    fn offered_early(&mut self, call: &mut Call, number: u32, offer: &[u8]) -> Reply {
        let reply = self.answer_change(call, number, offer, Direction::SendRecv);
        if let Stage::Ringing(ringing) = &call.stage
            && let Some(early) = ringing.early
        {
            self.link(call, early);
        }
        reply
    }

    /// An UPDATE of a device that rings: the stack lets an offer pass only where its first answer was sent reliably (RFC 3311 section 5.1).
    pub(super) fn device_updates(&mut self, call: &mut Call, number: u32, request: &Request) -> Reply {
        let Some(offer) = body::description(request.headers()) else { return Reply::new(StatusCode::OK) };
        let tag = request.headers().from_tag().unwrap_or_default();
        if !call.leg_mut(number).is_some_and(|leg| leg.line.settle(tag)) {
            return Reply::new(StatusCode::NOT_ACCEPTABLE_HERE);
        }
        self.offered_early(call, number, &offer)
    }

    fn early_media(&mut self, call: &mut Call, number: u32, tag: &str, description: &[u8]) -> Option<Vec<u8>> {
        let Stage::Ringing(ringing) = &mut call.stage else { return None };
        if ringing.early.is_some_and(|early| early != number) {
            return None;
        }
        let leg = ringing.hunt.legs.iter_mut().find(|leg| leg.number == number)?;
        if let Err(error) = leg.line.preview(tag, description, &mut self.studio) {
            tracing::debug!(parent: &net::call_span!(call.call_id), %error, "early media are ignored");
            return None;
        }
        ringing.early = Some(number);
        if let Some(codec) = leg.line.codec() {
            call.caller.line.prefer(codec);
        }
        let body = self.describe(call).ok()?;
        self.link(call, number);
        Some(body)
    }

    /// The first device that answers gets the call; the others are told so (RFC 3326).
    fn answered(&mut self, call: &mut Call, number: u32, response: &Response, turn: &mut Turn<'_>) -> Fate {
        let Stage::Ringing(ringing) = &mut call.stage else { return Fate::Goes };
        let Some(mut leg) = ringing.hunt.take(number) else { return Fate::Goes };
        if !self.agrees(&mut leg, response) {
            tracing::info!(parent: &net::call_span!(call.call_id), call = call.id, "a device answered with a description that is of no use");
            self.hang_up(leg, None, headers::reason(488, "Not Acceptable Here"), turn);
            return self.after_refusal(call, StatusCode::NOT_ACCEPTABLE_HERE, Lines::new(), turn);
        }
        self.stop_calling(&mut ringing.hunt, &headers::reason(200, "Call completed elsewhere"), turn);
        if let Some(codec) = leg.line.codec() {
            call.caller.line.prefer(codec);
        }
        let mut lines = headers::of_response(response.headers());
        lines.extend(&call.past());
        call.stage = Stage::Joined(Joined::new(leg));
        let body = match self.describe(call) {
            Ok(body) => body,
            Err(code) => {
                let refused = Refused { code, lines: Lines::new() };
                return self.refuse_caller(call, Some(refused), turn);
            }
        };
        self.link(call, number);
        self.take_packages_of(call, number, None, turn);
        let reply = Reply::new(StatusCode::OK).lines(lines).body(Body::sdp(body));
        if let Err(error) = turn.answer(call.caller.session, reply) {
            tracing::debug!(parent: &net::call_span!(call.call_id), %error, "a caller has gone before it was answered");
            return Fate::Over(Outcome::Cancelled, Lines::new());
        }
        self.metrics.call_answered(turn.now().mono.since(call.since));
        Fate::Goes
    }

    /// Takes a device's answer; false when it is of no use.
    pub(super) fn agrees(&mut self, leg: &mut Leg, response: &Response) -> bool {
        // RFC 3261 section 13.2.1: what a dialog said first is its answer.
        let tag = response.headers().to_tag().unwrap_or_default();
        let settled = leg.line.is_settled(tag);
        let previewed = leg.line.previewed(tag);
        let description = previewed.or_else(|| body::description(response.headers()));
        let accepted = description.is_some_and(|answer| settled || leg.line.accept(&answer, &mut self.studio).is_ok());
        accepted && leg.line.codec().is_some()
    }

    fn device_refused(
        &mut self,
        call: &mut Call,
        number: u32,
        code: StatusCode,
        lines: Lines,
        turn: &mut Turn<'_>,
    ) -> Fate {
        let Stage::Ringing(ringing) = &mut call.stage else { return Fate::Goes };
        let Some(leg) = ringing.hunt.take(number) else { return Fate::Goes };
        if ringing.early == Some(number) {
            ringing.early = None;
        }
        self.calls.forget_leg(&leg);
        leg.line.close(&mut self.studio);
        self.after_refusal(call, code, lines, turn)
    }

    fn after_refusal(&mut self, call: &mut Call, code: StatusCode, lines: Lines, turn: &mut Turn<'_>) -> Fate {
        let Some((numbers, hunt)) = call.hunt() else { return Fate::Goes };
        match self.calls_on(numbers, hunt, code, lines, turn) {
            true => Fate::Goes,
            false => self.nobody_left(call, turn),
        }
    }

    /// The time to ring is over: the next group, or 480.
    pub(super) fn no_answer(&mut self, call: &mut Call, turn: &mut Turn<'_>) -> Fate {
        let Stage::Ringing(ringing) = &mut call.stage else { return Fate::Goes };
        ringing.early = None;
        ringing.hunt.rings_out();
        self.stop_calling(&mut ringing.hunt, &headers::reason(480, "No answer"), turn);
        if ringing.hunt.groups.is_empty() {
            let reply = Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE).reason("No Answer").lines(call.past());
            let _ = turn.answer(call.caller.session, reply);
            self.calls.forget_session(call.caller.session);
            return Fate::Over(Outcome::NoAnswer, Lines::new());
        }
        self.ring_next(call, turn)
    }

    /// Lets the caller and a device hear each other.
    pub(super) fn link(&mut self, call: &Call, number: u32) {
        let Some(leg) = call.leg(number) else { return };
        if call.caller.line.codec().is_none() || leg.line.codec().is_none() {
            return;
        }
        let (a, b) = (call.caller.line.key(), leg.line.key());
        self.studio.run_for_both(a, b, move |desk| {
            desk.engine.link(a, b);
        });
    }
}
