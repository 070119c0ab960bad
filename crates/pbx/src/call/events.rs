//! How events find the call they are about, and what becomes of it.

use media::MediaEvent;
use sip::invite::SessionEvent;
use sip::message::StatusCode;
use sip::{AlarmId, Reply, SessionId, Turn};

use super::{CALLER, Call, Fate, Stage};
use crate::headers;
use crate::switch::Switch;

impl Switch {
    /// News of a session: takes the call out of the table, lets it react, and puts it back unless it is over.
    pub(crate) fn session_event(&mut self, session: SessionId, event: SessionEvent, turn: &mut Turn<'_>) {
        let Some(&(id, number)) = self.calls.sessions.get(&session) else {
            refuse_stray(event, turn);
            return;
        };
        let Some(mut call) = self.calls.table.remove(&id) else { return };
        let fate = match (&call.stage, number) {
            (Stage::Ringing(_), CALLER) => self.caller_while_ringing(&mut call, event, turn),
            (Stage::Ringing(_), _) => self.device_while_ringing(&mut call, number, event, turn),
            (Stage::Joined(_), _) if call.is_called_for_transfer(number) => {
                self.device_for_transfer(&mut call, number, event, turn)
            }
            (Stage::Alone(_) | Stage::Joined(_) | Stage::Gathered(_), _) => {
                self.while_standing(&mut call, number, event, turn)
            }
        };
        self.settle(call, fate, turn);
    }

    /// An alarm of a call: nobody has answered.
    pub(crate) fn call_alarm(&mut self, id: u64, alarm: AlarmId, turn: &mut Turn<'_>) {
        let Some(mut call) = self.calls.table.remove(&id) else { return };
        let fate = match &call.stage {
            Stage::Joined(_) => self.no_answer_for_transfer(&mut call, alarm, turn),
            _ => self.no_answer(&mut call, turn),
        };
        self.settle(call, fate, turn);
    }

    /// News of a stream.
    pub(crate) fn media_event(&mut self, event: MediaEvent, turn: &mut Turn<'_>) {
        let stream = match event {
            MediaEvent::DigitEnded { stream, .. } | MediaEvent::Silence { stream, .. } => stream,
            _ => return,
        };
        let Some(&(id, number)) = self.calls.streams.get(&stream) else { return };
        let Some(mut call) = self.calls.table.remove(&id) else { return };
        let fate = match event {
            // Nobody talks to it yet.
            _ if call.is_called_for_transfer(number) => Fate::Goes,
            MediaEvent::DigitEnded { digit, .. } => {
                self.pass_digit(&mut call, number, digit);
                Fate::Goes
            }
            _ => {
                tracing::info!(parent: &net::call_span!(call.call_id), call = id, leg = number, "nothing is heard any more");
                self.fell_silent(&mut call, number, headers::reason(408, "No media"), turn)
            }
        };
        self.settle(call, fate, turn);
    }

    /// Puts a call back into the table, or ends it.
    pub(super) fn settle(&mut self, call: Box<Call>, fate: Fate, turn: &mut Turn<'_>) {
        match fate {
            Fate::Goes => {
                let Some(mut call) = self.leave(call, turn) else { return };
                self.tell_packages(&mut call, turn);
                self.write_call(&call, turn);
                self.calls.table.insert(call.id, call);
            }
            Fate::Over(outcome, lines) => self.bury(call, outcome, &lines, turn),
        }
    }
}

/// A request that crossed our hang-up is still answered.
fn refuse_stray(event: SessionEvent, turn: &mut Turn<'_>) {
    if let SessionEvent::Request { tx, .. } | SessionEvent::Reinvite { tx, .. } = event {
        let gone = Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
        // An error means that the stack has answered.
        let _ = turn.respond(tx, gone);
    }
}
