//! Calls we receive, from the INVITE to the ACK (RFC 3261 section 13.3).

use media::Key;
use sdp::NegotiationState;
use sip::history::{self, History, Most};
use sip::message::{Body, HeaderId, Lines, Request, StatusCode};
use sip::uas::{self, Reliability};
use sip::{ContactSpec, Origin, Reply, ServerTx, SessionId, Turn};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use super::call::{Call, Ringing, Said, Sound, Stage, Step};
use super::sound::description;
use super::state::Phone;
use super::telling::{respond, tell};
use crate::ended::EndedBy;
use crate::error::CallError;
use crate::incoming::{Caller, IncomingCall};
use crate::line::Line;
use crate::told::Told;

impl Phone {
    /// An INVITE outside any dialog that has passed the general checks.
    pub(super) fn invited(&mut self, tx: ServerTx, request: &Request, origin: &Origin, turn: &mut Turn<'_>) {
        let Some(link) = self.link().filter(|_| self.closing.is_none()) else {
            return respond(turn, tx, Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE));
        };
        // Who does not allow it does not know of it either: then it is a call like any other.
        let mut joins = None;
        if self.parts.transfers {
            match turn.replaced(request) {
                Ok(None) => {}
                Ok(Some(session)) => return self.replaced(session, tx, (request, origin), turn),
                Err(refusal) => return respond(turn, tx, *refusal),
            }
            match self.joined(request, origin, turn) {
                Ok(named) => joins = named,
                Err(refusal) => return respond(turn, tx, *refusal),
            }
        }
        if self.is_full() {
            return respond(turn, tx, Reply::new(StatusCode::BUSY_HERE));
        }
        let (mut media, ports) = match self.parts.place.open(origin.local.ip()) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::warn!(parent: &net::call_span!(request.headers().call_id()), %error, "a call is refused");
                return respond(turn, tx, Reply::new(StatusCode::SERVICE_UNAVAILABLE));
            }
        };
        let description = match description(request.headers()).map(|offer| media.answer(offer)).transpose() {
            Ok(Some((_, agreed))) if agreed.settings.is_none() => {
                let refusal = Reply::new(StatusCode::NOT_ACCEPTABLE_HERE);
                let refusal = uas::warned(refusal, uas::MEDIA_FORMAT, "None of the offered codecs is known here");
                return respond(turn, tx, refusal);
            }
            Ok(description) => description.map(Box::new),
            Err(error) => {
                tracing::debug!(parent: &net::call_span!(request.headers().call_id()), %error, "an offer is refused");
                let code = StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE);
                let refusal = uas::warned(Reply::new(code), uas::MISCELLANEOUS, &error.to_string());
                return respond(turn, tx, refusal);
            }
        };
        // On an error the stack has answered.
        let Ok(session) = turn.session(tx) else { return };
        if let Some(contact) = self.registered_at(origin).and_then(|way| way.contact_for(request, origin)) {
            // One that is too long for a dialog is left out.
            let _ = turn.set_contact(session, &ContactSpec::Given(contact));
        }
        let key = self.parts.media.key();
        let (line, ends) = Line::new(link, key);
        let caller = Caller::of(request, origin, &self.parts.believed);
        let sound = Sound::new(media, ports, self.parts.media.key());
        let reliability = Reliability::of(request.headers());
        let past = past(request);
        let stage = Stage::Ringing(Ringing { description, accepting: None, reliability, said: Said::Nothing, past });
        let peer = caller.from.clone();
        self.sessions.insert(session, key);
        self.calls
            .insert(key, Call::new((session, request.headers().call_id().into(), stage, false), sound, ends, peer));
        // A call that comes back is dropped here, and hangs up with 603 if it is not refused before.
        let code = match self.parts.incoming.try_send(IncomingCall::new(line, caller, joins)) {
            Ok(()) => return,
            Err(TrySendError::Full(_)) => StatusCode::BUSY_HERE,
            Err(TrySendError::Closed(_)) => StatusCode::TEMPORARILY_UNAVAILABLE,
        };
        self.hang_up(key, Some(code), None, turn);
    }

    /// 180, or 183 with the answer and audio at once. Sent reliably where the caller wants it, or can take it and the endpoint says so.
    pub(super) fn ring(&mut self, key: Key, early: bool, turn: &mut Turn<'_>) -> Result<(), CallError> {
        let wanted = self.parts.reliable;
        let call = self.calls.get_mut(&key).ok_or(CallError::CallerGone)?;
        let Stage::Ringing(ringing) = &mut call.stage else { return Err(CallError::Busy) };
        if ringing.accepting.is_some() {
            return Err(CallError::Busy);
        }
        let required = ringing.reliability == Reliability::Required;
        let reliably = required || wanted && ringing.reliability == Reliability::Supported;
        let mut reply = Reply::new(if early { StatusCode::SESSION_PROGRESS } else { StatusCode::RINGING });
        reply.reliable = wanted;
        reply.lines.extend(&ringing.past);
        let mut agreed = None;
        match (&ringing.description, ringing.said) {
            (Some(description), Said::Nothing) if early => {
                reply = reply.body(Body::sdp(description.0.clone()));
                agreed = Some(description.1.clone());
                ringing.said = if reliably { Said::Answer } else { Said::Nothing };
            }
            // The first reliable response carries the offer when the INVITE does not (RFC 3262 section 5).
            (None, Said::Nothing) if required || reliably && early => {
                let offer = call.sound.media.offer().map_err(|error| CallError::Media(error.to_string()))?;
                reply = reply.body(Body::sdp(offer));
                ringing.said = Said::Offer;
            }
            (None, Said::Nothing) if early => {
                return Err(CallError::Media(
                    "early media needs an offer in the INVITE, and it has none (RFC 3261 section 13.2.1)".into(),
                ));
            }
            _ => {}
        }
        turn.answer(call.session, reply).map_err(|_| CallError::CallerGone)?;
        match agreed {
            Some(agreed) => self.carry(key, &agreed),
            None => self.listen(key),
        }
    }

    /// The PRACK to a provisional response of ours: its body is the answer when the offer was in that.
    pub(super) fn pracked(&mut self, session: SessionId, request: &Request, turn: &mut Turn<'_>) {
        let Some((key, call)) = self.call_of(session) else { return };
        let Stage::Ringing(Ringing { said: Said::Offer, .. }) = &call.stage else { return };
        // An UPDATE of ours is answered by itself.
        let updates = call.change.as_ref().is_some_and(|change| matches!(change.step, Step::Sent));
        if updates || call.sound.media.state() != NegotiationState::OfferSent {
            return;
        }
        let agreed = match description(request.headers()) {
            Some(answer) => self.take_answer(key, answer),
            None => {
                call.sound.media.rollback();
                Err(CallError::Media("the PRACK has no answer to our offer".into()))
            }
        };
        if let Err(error) = agreed {
            tracing::debug!(parent: &net::call_span!(request.headers().call_id()), %error, "a call is refused");
            self.hang_up(key, Some(StatusCode::NOT_ACCEPTABLE_HERE), None, turn);
        }
    }

    /// 200: the call stands once the ACK comes.
    pub(super) fn accept(
        &mut self,
        key: Key,
        lines: Lines,
        reply: oneshot::Sender<Result<(), CallError>>,
        turn: &mut Turn<'_>,
    ) {
        let Some(call) = self.calls.get_mut(&key) else { return tell(reply, Err(CallError::CallerGone)) };
        let Stage::Ringing(ringing) = &mut call.stage else { return tell(reply, Err(CallError::Busy)) };
        if ringing.accepting.is_some() {
            return tell(reply, Err(CallError::Busy));
        }
        let body = match &ringing.description {
            _ if ringing.said != Said::Nothing => Ok(None),
            Some(description) => Ok(Some(description.0.clone())),
            None => call.sound.media.offer().map(Some).map_err(|error| CallError::Media(error.to_string())),
        };
        let body = match body {
            Ok(body) => body,
            Err(error) => {
                tell(reply, Err(error));
                return self.hang_up(key, Some(StatusCode::SERVER_INTERNAL_ERROR), None, turn);
            }
        };
        let mut response = Reply::new(StatusCode::OK).lines(lines);
        response.lines.extend(&ringing.past);
        response.body = body.map(Body::sdp);
        if turn.answer(call.session, response).is_err() {
            return tell(reply, Err(CallError::CallerGone));
        }
        ringing.accepting = Some(reply);
        let agreed = ringing.description.as_ref().map(|description| description.1.clone());
        let carried = match agreed {
            Some(_) if call.has_agreed() => Ok(()),
            Some(agreed) => self.carry(key, &agreed),
            None => self.listen(key),
        };
        if carried.is_err() {
            self.accepted(key, carried, turn);
        }
    }

    /// The ACK to our 200 (or to a re-INVITE's): its body is the answer when the offer was ours.
    pub(super) fn acked(&mut self, session: SessionId, request: &Request, turn: &mut Turn<'_>) {
        let Some((key, call)) = self.call_of(session) else { return };
        let late = call.sound.media.state() == NegotiationState::OfferSent;
        let late = late && !call.change.as_ref().is_some_and(|change| matches!(change.step, Step::Sent));
        let ringing = matches!(call.stage, Stage::Ringing(_));
        let agreed = match (late, description(request.headers())) {
            (false, _) => Ok(()),
            (true, Some(answer)) => self.take_answer(key, answer),
            (true, None) => {
                call.sound.media.rollback();
                Err(CallError::Media("the ACK has no answer to our offer".into()))
            }
        };
        if ringing {
            return self.accepted(key, agreed, turn);
        }
        self.change(key, turn);
        if let Err(error) = agreed {
            // RFC 3264 section 8: what was agreed before stays in force.
            self.listen_no_more(key);
            tracing::debug!(parent: &net::call_span!(request.headers().call_id()), %error, "the answer in an ACK is of no use");
            // Nothing was, with one that has taken another's place.
            if self.calls.get(&key).is_some_and(|call| !call.has_agreed()) {
                self.hang_up(key, None, Some("no common audio".to_owned()), turn);
            }
        }
    }

    /// Ringing -> Standing, or the end of it.
    fn accepted(&mut self, key: Key, agreed: Result<(), CallError>, turn: &mut Turn<'_>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.since = Some(turn.now().mono);
        let Stage::Ringing(ringing) = std::mem::replace(&mut call.stage, Stage::Standing) else { return };
        let failed = agreed.is_err();
        if let Some(accepting) = ringing.accepting {
            tell(accepting, agreed);
        }
        if failed {
            self.hang_up(key, None, Some("no common audio".to_owned()), turn);
        }
    }

    /// The caller gave up.
    pub(super) fn caller_gone(&mut self, session: SessionId, request: Option<&Request>, turn: &mut Turn<'_>) {
        let Some((key, call)) = self.call_of(session) else { return };
        if let Some(request) = request {
            call.told = Told::why(request.headers());
        }
        let reason = request.and_then(|request| request.headers().text(HeaderId::Reason));
        let reason = reason.map_or_else(|| "Request Terminated".to_owned(), |text| text.into_owned());
        self.over(key, EndedBy::Peer, StatusCode::REQUEST_TERMINATED, reason, turn);
    }
}

/// Where an INVITE has been, as its responses tell it (RFC 7044 section 9.4); nothing where its caller has not asked.
fn past(request: &Request) -> Lines {
    let headers = request.headers();
    let uri = request.uri().ok().filter(|_| history::is_wanted(headers));
    // We are responsible for no domain.
    let history = uri.and_then(|uri| History::of(headers, &uri, Most::default(), false, |_| false));
    history.map(|history| history.lines(None, true)).unwrap_or_default()
}
