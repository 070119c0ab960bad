//! A call that stands: hold and resume, what the peer changes, and the end of calls of any kind.

use std::sync::Arc;

use media::Key;
use sdp::Hold;
use sip::invite::{By, Refusal, SessionEvent};
use sip::message::{Body, HeaderId, Lines, Request, Response, StatusCode};
use sip::{Reply, SessionId, Turn};
use tokio::sync::oneshot;

use super::call::{Change, Ringing, Stage};
use super::sound::description;
use super::{Phone, failed, reason_of, refused};
use crate::ended::{CallStats, Ended, EndedBy};
use crate::error::CallError;

impl Phone {
    /// News of a session, switched to where its state is handled.
    pub(super) fn session_event(&mut self, session: SessionId, event: SessionEvent, turn: &mut Turn<'_>) {
        match event {
            SessionEvent::Progress { response, .. } => self.progress(session, &response),
            SessionEvent::Answered { response, ack_due } => self.picked_up(session, &response, ack_due, turn),
            SessionEvent::Redirected { response } => self.redirected(session, &response, turn),
            SessionEvent::Failed { refusal } => self.not_picked_up(session, refusal, turn),
            SessionEvent::Acked { request } => self.acked(session, &request, turn),
            SessionEvent::Reinvite { request, .. } => self.reinvited(session, &request, turn),
            SessionEvent::Reinvited { response, .. } => self.changed(session, Ok(&response), turn),
            SessionEvent::ReinviteFailed { refusal } => self.changed(session, Err(refusal), turn),
            SessionEvent::Request { tx, request } => self.request_within(session, tx, &request, turn),
            SessionEvent::Cancelled { request } => self.caller_gone(session, request.as_deref(), turn),
            SessionEvent::Ended { by, request, refusal } => self.ended(session, by, request.as_deref(), refusal, turn),
            _ => {}
        }
    }

    /// Holds or resumes: a re-INVITE whose offer says so (RFC 3264 section 8.4).
    pub(super) fn hold(
        &mut self,
        key: Key,
        on: bool,
        reply: oneshot::Sender<Result<(), CallError>>,
        turn: &mut Turn<'_>,
    ) {
        let Some(call) = self.calls.get_mut(&key) else { return super::answer(reply, Err(CallError::Ended)) };
        if call.change.is_some() || !matches!(call.stage, Stage::Standing) {
            return super::answer(reply, Err(CallError::Busy));
        }
        if call.sound.held_by_us == on {
            return super::answer(reply, Ok(()));
        }
        let media = &mut call.sound.media;
        media.capabilities().set_hold(hold_of(on));
        let sent = match media.offer() {
            Ok(offer) => turn.reinvite(call.session, Some(Body::sdp(offer)), Lines::new()).map_err(|_| CallError::Busy),
            Err(_) => Err(CallError::Busy),
        };
        match sent {
            Ok(()) => call.change = Some(Change { hold: on, reply }),
            Err(error) => {
                media.rollback();
                media.capabilities().set_hold(hold_of(!on));
                super::answer(reply, Err(error));
            }
        }
    }

    /// Our re-INVITE has its final answer; the retry after a 491 is behind us.
    fn changed(&mut self, session: SessionId, outcome: Result<&Response, Refusal>, turn: &mut Turn<'_>) {
        let Some((key, call)) = self.call_of(session) else { return };
        let Some(Change { hold, reply }) = call.change.take() else { return };
        let outcome = match outcome {
            Ok(response) => match description(response.headers()) {
                Some(answer) => {
                    call.sound.held_by_us = hold;
                    self.take_answer(key, answer)
                }
                None => Err(CallError::Media("the answer to our re-INVITE has no session description".into())),
            },
            Err(Refusal::Response(response)) => Err(refused(&response)),
            Err(Refusal::Failure(why)) => Err(failed(why, &call.peer)),
        };
        if outcome.is_err()
            && let Some(call) = self.calls.get_mut(&key)
        {
            // RFC 3261 section 14.1: everything stays as it was.
            call.sound.held_by_us = !hold;
            call.sound.media.rollback();
            call.sound.media.capabilities().set_hold(hold_of(!hold));
        }
        if let Err(CallError::Media(why)) = &outcome {
            self.hang_up(key, None, Some(why.clone()), turn);
        }
        super::answer(reply, outcome);
    }

    /// The peer's re-INVITE (RFC 3261 section 14.2): its offer is answered, or without one ours is given.
    fn reinvited(&mut self, session: SessionId, request: &Request, turn: &mut Turn<'_>) {
        let Some((key, call)) = self.call_of(session) else { return };
        let answered = match description(request.headers()) {
            Some(offer) => call.sound.media.answer(offer).map(|(answer, agreed)| (answer, Some(agreed))),
            None => call.sound.media.offer().map(|offer| (offer, None)),
        };
        let reply = match answered {
            Ok((body, agreed)) => {
                if let Some(agreed) = agreed
                    && let Err(error) = self.carry(key, &agreed)
                {
                    tracing::warn!(%error, "a re-INVITE is not carried out");
                }
                Reply::new(StatusCode::OK).body(Body::sdp(body))
            }
            Err(error) => {
                tracing::debug!(%error, "a re-INVITE is refused");
                Reply::new(StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE))
            }
        };
        if let Err(error) = turn.answer_reinvite(session, reply) {
            tracing::debug!(%error, "a re-INVITE could not be answered");
        }
    }

    /// Ends a call, whatever its state (RFC 3261 section 15).
    pub(super) fn hang_up(&mut self, key: Key, code: Option<StatusCode>, reason: Option<String>, turn: &mut Turn<'_>) {
        let Some(call) = self.calls.get(&key) else { return };
        let session = call.session;
        let mut lines = Lines::new();
        if let Some(text) = &reason {
            let code = code.map_or(200, StatusCode::get);
            let quoted = sip::message::Quote(text);
            lines.push_id(HeaderId::Reason, format_args!("SIP;cause={code};text={quoted}"));
        }
        let shown = match &call.stage {
            Stage::Dialing(_) => StatusCode::REQUEST_TERMINATED,
            Stage::Ringing(Ringing { accepting: None, .. }) => code.unwrap_or(StatusCode::DECLINE),
            _ => StatusCode::OK,
        };
        if let Err(error) = turn.hangup(session, code, lines) {
            tracing::debug!(%error, "the session had ended already");
        }
        // The stack tells the same a moment later; by then the call is gone.
        self.over(key, EndedBy::Us, shown, reason.unwrap_or_else(|| phrase(shown)), turn);
    }

    /// The stack says that a session is over.
    fn ended(
        &mut self,
        session: SessionId,
        by: By,
        bye: Option<&Request>,
        refusal: Option<Refusal>,
        turn: &mut Turn<'_>,
    ) {
        let Some((key, _)) = self.call_of(session) else { return };
        let reason = bye.and_then(|bye| bye.headers().text(HeaderId::Reason)).map(|text| text.into_owned());
        let (by, code) = match (by, &refusal) {
            (By::Us, _) => (EndedBy::Us, StatusCode::OK),
            (By::Peer, _) => (EndedBy::Peer, StatusCode::OK),
            (By::Error, Some(refusal)) => (EndedBy::Error, refusal.code()),
            (By::Error, None) => (EndedBy::Error, StatusCode::REQUEST_TIMEOUT),
        };
        let reason = reason.unwrap_or_else(|| match &refusal {
            Some(Refusal::Response(response)) => reason_of(response),
            _ => phrase(code),
        });
        self.over(key, by, code, reason, turn);
    }

    /// Lets go of a call: everybody who waits is told, the stream ends, and with its last figures the end is published.
    pub(super) fn over(&mut self, key: Key, by: EndedBy, code: StatusCode, reason: String, turn: &mut Turn<'_>) {
        let Some(call) = self.calls.remove(&key) else { return };
        self.sessions.remove(&call.session);
        let duration = call.since.map(|since| turn.now().mono.since(since)).unwrap_or_default();
        let streams = call.has_stream();
        match call.stage {
            Stage::Dialing(dialing) => {
                if let Some(alarm) = dialing.alarm {
                    turn.silence(alarm);
                }
                super::answer(dialing.answer, Err(dialing.given_up.unwrap_or(CallError::Cancelled)));
            }
            Stage::Ringing(Ringing { accepting: Some(accepting), .. }) => {
                let error = if by == EndedBy::Peer { CallError::CallerGone } else { CallError::Ended };
                super::answer(accepting, Err(error));
            }
            Stage::Ringing(_) | Stage::Standing => {}
        }
        if let Some(change) = call.change {
            super::answer(change.reply, Err(CallError::Ended));
        }
        let mut ended = Ended { by, code: code.get(), reason, duration, stats: None };
        let (room, publish, attached) = (call.sound.room, call.ends.ended, call.ends.attached);
        drop(call.ends.news);
        if !streams {
            // Nobody may be waiting any more.
            let _ = publish.send(Some(Arc::new(ended)));
            return;
        }
        let last = self.parts.media.run(move |desk| {
            desk.engine.remove(room);
            attached.end(desk);
            ended.stats = desk.remove_stream(key).map(CallStats::from);
            let _ = publish.send(Some(Arc::new(ended)));
        });
        if let Err(error) = last {
            tracing::error!(%error, call = key.0, "the stream of a call that has ended goes on");
        }
    }
}

fn hold_of(on: bool) -> Hold {
    if on { Hold::ByDirection } else { Hold::Off }
}

fn phrase(code: StatusCode) -> String {
    match code {
        StatusCode::OK => "Normal call clearing".to_owned(),
        code => code.default_reason().to_owned(),
    }
}
