//! News of sessions, and the end of calls of any kind.

use std::sync::Arc;

use media::Key;
use sip::invite::{By, Refusal, SessionEvent};
use sip::message::{HeaderId, Lines, Request, StatusCode};
use sip::{Reply, SessionId, Turn};
use tokio::sync::oneshot;

use super::call::{Ringing, Stage, Step};
use super::state::Phone;
use super::telling::{reason_of, tell};
use crate::ended::{CallStats, Ended, EndedBy, Farewell};
use crate::error::CallError;
use crate::event::CallEvent;
use crate::told::Told;

impl Phone {
    /// News of a session, switched to where its state is handled.
    pub(super) fn session_event(&mut self, session: SessionId, event: SessionEvent, turn: &mut Turn<'_>) {
        match event {
            SessionEvent::Progress { response, fork, prack_due } => {
                self.progress(session, &response, fork.filter(|_| prack_due), turn);
            }
            SessionEvent::Pracked { request } => self.pracked(session, &request, turn),
            SessionEvent::Answered { response, ack_due } => self.picked_up(session, &response, ack_due, turn),
            SessionEvent::Redirected { response } => self.redirected(session, &response, turn),
            SessionEvent::Failed { refusal } => self.not_picked_up(session, refusal, turn),
            SessionEvent::Acked { request } => self.acked(session, &request, turn),
            SessionEvent::Reinvite { request, .. } => self.reinvited(session, &request, turn),
            SessionEvent::RefreshDue => self.refresh(session, turn),
            SessionEvent::Refreshed { lasting } => {
                if let Some((key, call)) = self.call_of(session) {
                    call.tell(CallEvent::Refreshed { interval: lasting.interval, by_us: lasting.by_us });
                    // It may have waited for that.
                    self.change(key, turn);
                }
            }
            SessionEvent::Reinvited { response, .. } | SessionEvent::Updated { response } => {
                self.changed(session, Ok(&response), turn);
            }
            SessionEvent::ReinviteFailed { refusal } | SessionEvent::UpdateFailed { refusal } => {
                self.changed(session, Err(refusal), turn)
            }
            SessionEvent::ReinviteCancelled { .. } => self.reinvite_cancelled(session, turn),
            SessionEvent::Request { tx, request } => self.request_within(session, tx, &request, turn),
            SessionEvent::Cancelled { request } => self.caller_gone(session, request.as_deref(), turn),
            SessionEvent::Ended { by, request, refusal } => self.ended(session, by, request.as_deref(), refusal, turn),
            SessionEvent::Farewell { refusal } => self.farewell(session, refusal),
            _ => {}
        }
    }

    /// Who hung up wants to know what the peer says to that.
    pub(super) fn await_farewell(
        &mut self,
        session: SessionId,
        farewell: oneshot::Sender<Farewell>,
        turn: &mut Turn<'_>,
    ) {
        if turn.await_farewell(session) {
            self.farewells.insert(session, farewell);
        } else {
            let why = "the BYE could not be sent".to_owned();
            tell(farewell, Farewell::Unreachable { why });
        }
    }

    fn farewell(&mut self, session: SessionId, refusal: Option<Refusal>) {
        let Some(farewell) = self.farewells.remove(&session) else { return };
        let said = match refusal {
            None => Farewell::Confirmed,
            Some(Refusal::Response(response)) => {
                Farewell::Refused { code: response.code().get(), reason: reason_of(&response) }
            }
            Some(Refusal::Failure(sip::Failure::Timeout)) => Farewell::Silent,
            Some(Refusal::Failure(why)) => Farewell::Unreachable { why: why.to_string() },
        };
        tell(farewell, said);
    }

    /// Ends a call, whatever its state (RFC 3261 section 15). `reason` is the phrase of a refusal, and otherwise the text of Reason (RFC 3326).
    pub(super) fn hang_up(&mut self, key: Key, code: Option<StatusCode>, reason: Option<String>, turn: &mut Turn<'_>) {
        let Some(call) = self.calls.get(&key) else { return };
        let session = call.session;
        let shown = match &call.stage {
            Stage::Dialing(_) => StatusCode::REQUEST_TERMINATED,
            Stage::Ringing(Ringing { accepting: None, .. }) => code.unwrap_or(StatusCode::DECLINE),
            _ => StatusCode::OK,
        };
        let told = match (&call.stage, &reason) {
            (Stage::Ringing(Ringing { accepting: None, past, .. }), Some(text)) => {
                turn.answer(session, Reply::new(shown).reason(text.replace(char::is_control, " ")).lines(past.clone()))
            }
            (Stage::Ringing(Ringing { accepting: None, past, .. }), None) => turn.hangup(session, code, past.clone()),
            (_, reason) => turn.hangup(session, code, reason.as_deref().map(because).unwrap_or_default()),
        };
        if let Err(error) = told {
            tracing::debug!(parent: &net::call_span!(call.call_id), %error, "the session had ended already");
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
        let Some((key, call)) = self.call_of(session) else { return };
        if let Some(bye) = bye {
            call.told = Told::why(bye.headers());
        }
        let reason = bye.and_then(|bye| bye.headers().text(HeaderId::Reason)).map(|text| text.into_owned());
        let (by, code) = match (by, &refusal) {
            (By::Us, _) => (EndedBy::Us, StatusCode::OK),
            (By::Peer, _) => (EndedBy::Peer, StatusCode::OK),
            (By::Error, Some(refusal)) => (EndedBy::Error, refusal.code()),
            (By::Error, None) => (EndedBy::Error, StatusCode::REQUEST_TIMEOUT),
        };
        let reason = reason.unwrap_or_else(|| match &refusal {
            Some(Refusal::Response(response)) => reason_of(response),
            Some(Refusal::Failure(why @ sip::Failure::NotRefreshed)) => why.to_string(),
            _ => phrase(code),
        });
        self.over(key, by, code, reason, turn);
    }

    /// Lets go of a call: everybody who waits is told, the stream ends, and with its last figures the end is published.
    pub(super) fn over(&mut self, key: Key, by: EndedBy, code: StatusCode, reason: String, turn: &mut Turn<'_>) {
        let Some(call) = self.calls.remove(&key) else { return };
        self.sessions.remove(&call.session);
        self.forget_waiting(key);
        let duration = call.since.map(|since| turn.now().mono.since(since)).unwrap_or_default();
        let (streams, agreed) = (call.has_stream(), call.has_agreed());
        match call.stage {
            Stage::Dialing(dialing) => {
                if let Some(alarm) = dialing.alarm {
                    turn.silence(alarm);
                }
                // A BYE before the 200: no refusal, and nothing that we wanted.
                let unanswered = if by == EndedBy::Peer { CallError::CalleeGone } else { CallError::Cancelled };
                if let Some(debt) = dialing.owed {
                    let code = if code.get() < 300 { StatusCode::REQUEST_TERMINATED } else { code };
                    self.report(debt.whose, code, &reason, turn);
                }
                tell(dialing.answer, Err(dialing.given_up.unwrap_or(unanswered)));
            }
            Stage::Ringing(Ringing { accepting: Some(accepting), .. }) => {
                let error = if by == EndedBy::Peer { CallError::CallerGone } else { CallError::Ended };
                tell(accepting, Err(error));
            }
            Stage::Ringing(_) | Stage::Standing => {}
        }
        if let Some(change) = call.change {
            if let Step::Crossed(alarm) = change.step {
                turn.silence(alarm);
            }
            tell(change.reply, Err(CallError::Ended));
        }
        let mut ended = Ended { by, code: code.get(), reason, told: call.told, duration, stats: None };
        let (room, publish, attached, call_id) = (call.sound.room, call.ends.ended, call.ends.attached, call.call_id);
        drop(call.ends.news);
        if !streams {
            // Nobody may be waiting any more.
            let _ = publish.send(Some(Arc::new(ended)));
            return;
        }
        let last = self.parts.media.run(move |desk| {
            desk.engine.remove(room);
            attached.end(desk);
            ended.stats = desk.remove_stream(key).filter(|_| agreed).map(CallStats::from);
            let _ = publish.send(Some(Arc::new(ended)));
        });
        if let Err(error) = last {
            tracing::error!(parent: &net::call_span!(call_id), %error, call = key.0, "the stream of a call that has ended goes on");
        }
    }
}

/// Why a call is hung up (RFC 3326).
fn because(text: &str) -> Lines {
    let mut lines = Lines::new();
    lines.push_id(HeaderId::Reason, format_args!("SIP;cause=200;text={}", sip::message::Quote(text)));
    lines
}

fn phrase(code: StatusCode) -> String {
    match code {
        StatusCode::OK => "Normal call clearing".to_owned(),
        code => code.default_reason().to_owned(),
    }
}
