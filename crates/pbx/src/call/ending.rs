//! The end of calls: every way there gives everything back.

use sip::invite::Refusal;
use sip::message::{Lines, StatusCode};
use sip::{Reply, Turn};

use super::{Call, Leg, Stage};
use crate::headers;
use crate::outcome::Outcome;
use crate::switch::Switch;

impl Switch {
    /// Hangs a leg up, if it still stands, and gives back what it held.
    pub(super) fn hang_up(&mut self, leg: Leg, code: Option<StatusCode>, lines: Lines, turn: &mut Turn<'_>) {
        if self.calls.forget_session(leg.session) {
            // An error means that it has ended in this very turn.
            let _ = turn.hangup(leg.session, code, lines);
        }
        self.calls.forget_leg(&leg);
        for tx in self.relay.leg_ended(leg.session) {
            // Those whose own leg has ended are over.
            let _ = turn.respond(tx, Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE));
        }
        leg.line.close(&mut self.studio);
    }

    /// Ends a call that is no longer in the table. Legs that still stand are hung up with `lines`.
    pub(super) fn bury(&mut self, mut call: Box<Call>, outcome: Outcome, lines: &Lines, turn: &mut Turn<'_>) {
        self.end_transfers(&mut call, StatusCode::REQUEST_TERMINATED, turn);
        self.call_is_over(call.id);
        let Call { caller, user, stage, id, call_id, number, since, .. } = *call;
        let lasted = turn.now().mono.since(since);
        tracing::info!(parent: &net::call_span!(call_id), call = id, from = %user, to = %number, result = outcome.as_str(), ms = lasted.as_millis() as u64, "call over");
        self.hang_up(caller, Some(StatusCode::TEMPORARILY_UNAVAILABLE), lines.clone(), turn);
        match stage {
            Stage::Ringing(mut ringing) => self.stop_calling(&mut ringing.hunt, lines, turn),
            Stage::Joined(joined) => {
                if let Some(callee) = joined.callee {
                    self.hang_up(callee, None, lines.clone(), turn);
                }
            }
            Stage::Gathered(gathering) => self.scatter(*gathering, lines, turn),
            Stage::Alone(room) => room.close(&mut self.studio),
        }
        self.metrics.call_over(outcome);
    }

    /// Hangs every call up.
    pub(crate) fn end_all(&mut self, turn: &mut Turn<'_>) {
        for (_, call) in std::mem::take(&mut self.calls.table) {
            let outcome = match call.stage {
                Stage::Ringing(_) => Outcome::Failed,
                Stage::Alone(_) | Stage::Joined(_) | Stage::Gathered(_) => Outcome::Answered,
            };
            self.bury(call, outcome, &headers::reason(503, "Server is stopping"), turn);
        }
    }
}

/// `Reason` for the other leg when a request of ours ended this one (RFC 3326).
pub(super) fn reason_of(refusal: &Refusal) -> Lines {
    headers::reason(refusal.code().get(), refusal.code().default_reason())
}
