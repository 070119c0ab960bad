//! How calls come out, as they are counted and logged.

use sip::message::StatusCode;

/// How a call came out.
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
