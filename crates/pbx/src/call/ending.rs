//! The end of calls: every way there gives everything back.

use sip::invite::Refusal;
use sip::message::{Lines, StatusCode};
use sip::{SessionId, Turn};

use super::{Call, Calls, Leg, Stage};
use crate::relay::Relayed;
use crate::switch::Switch;

/// How a call came out, for the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// It was answered.
    Answered,
    /// The callee was busy or declined.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// The caller gave up.
    Cancelled,
    /// The callee has no device that can be reached.
    Unavailable,
    /// The caller asked for something that cannot be.
    Rejected,
    /// A limit.
    Shed,
    /// Anything else.
    Failed,
}

impl Outcome {
    /// All of them.
    pub(crate) const ALL: [Self; 8] = [
        Self::Answered,
        Self::Busy,
        Self::NoAnswer,
        Self::Cancelled,
        Self::Unavailable,
        Self::Rejected,
        Self::Shed,
        Self::Failed,
    ];

    /// What a final response to the caller means.
    pub(crate) fn of(code: StatusCode) -> Self {
        match code.get() {
            200..=299 => Self::Answered,
            486 | 600 | 603 => Self::Busy,
            408 => Self::NoAnswer,
            480 => Self::Unavailable,
            487 => Self::Cancelled,
            400..=499 | 606 => Self::Rejected,
            _ => Self::Failed,
        }
    }

    /// The label.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Cancelled => "cancelled",
            Self::Unavailable => "unavailable",
            Self::Rejected => "rejected",
            Self::Shed => "shed",
            Self::Failed => "failed",
        }
    }
}

impl Calls {
    /// A leg is no longer part of a call.
    pub(crate) fn forget_leg(&mut self, leg: &Leg) {
        self.sessions.remove(&leg.session);
        self.streams.remove(&leg.line.key());
    }

    /// A session has ended, or will by what was just sent. True when it was there.
    pub(crate) fn forget_session(&mut self, session: SessionId) -> bool {
        self.sessions.remove(&session).is_some()
    }

    pub(crate) fn enter_leg(&mut self, call: u64, leg: &Leg) {
        self.sessions.insert(leg.session, (call, leg.number));
        self.streams.insert(leg.line.key(), (call, leg.number));
    }
}

impl Switch {
    /// Hangs a leg up, if it still stands, and gives back what it held.
    pub(super) fn hang_up(&mut self, leg: Leg, code: Option<StatusCode>, lines: Lines, turn: &mut Turn<'_>) {
        if self.calls.forget_session(leg.session) {
            // An error means that it has ended in this very turn.
            let _ = turn.hangup(leg.session, code, lines);
        }
        self.calls.forget_leg(&leg);
        if !self.relayed.is_empty() {
            let session = leg.session;
            self.relayed.retain(|_, relayed| !matches!(relayed, Relayed::Within { over, .. } if *over == session));
        }
        leg.line.close(&mut self.studio);
    }

    /// Ends a call that is no longer in the table. Legs that still stand are hung up with `lines`.
    pub(super) fn bury(&mut self, call: Box<Call>, outcome: Outcome, lines: &Lines, turn: &mut Turn<'_>) {
        let Call { caller, user, stage, id, number, since, .. } = *call;
        let lasted = turn.now().mono.since(since);
        tracing::info!(call = id, from = %user, to = %number, result = outcome.as_str(), ms = lasted.as_millis(), "call over");
        self.hang_up(caller, Some(StatusCode::TEMPORARILY_UNAVAILABLE), lines.clone(), turn);
        match stage {
            Stage::Ringing(ringing) => {
                if let Some(alarm) = ringing.alarm {
                    turn.silence(alarm);
                }
                for leg in ringing.legs {
                    self.hang_up(leg, None, lines.clone(), turn);
                }
            }
            Stage::Joined(joined) => self.hang_up(joined.callee, None, lines.clone(), turn),
            Stage::Alone(room) => self.close_room(&room),
        }
        self.metrics.call_over(outcome);
    }

    /// Hangs every call up.
    pub(crate) fn end_all(&mut self, turn: &mut Turn<'_>) {
        for (_, call) in std::mem::take(&mut self.calls.table) {
            let outcome = match call.stage {
                Stage::Ringing(_) => Outcome::Failed,
                Stage::Alone(_) | Stage::Joined(_) => Outcome::Answered,
            };
            self.bury(call, outcome, &crate::headers::reason(503, "Server is stopping"), turn);
        }
    }
}

/// `Reason` for the other leg when a request of ours ended this one (RFC 3326).
pub(super) fn reason_of(refusal: &Refusal) -> Lines {
    crate::headers::reason(refusal.code().get(), refusal.code().default_reason())
}
