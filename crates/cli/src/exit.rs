//! What the process says when it ends.

use std::process::ExitCode;

/// Exit codes, the same for every verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All went as asked.
    Ok = 0,
    /// Anything that has no number of its own.
    General = 1,
    /// The command line cannot be understood.
    Usage = 2,
    /// The configuration is wrong.
    Configuration = 3,
    /// Nobody is there: DNS, route, connect, ICMP.
    Unreachable = 4,
    /// Credentials were refused.
    Authentication = 6,
    /// The callee refused: 486, 600, 603, 404, 484, 604, 403, 5xx.
    Refused = 7,
    /// Nobody answered: 408, 480, time-out.
    NoAnswer = 8,
    /// Media failed: 488, none, one-way.
    Media = 9,
    /// An `--expect-*` was not met.
    Expectation = 10,
    /// Ended by Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// The code for a call or request that ended with this SIP status.
    pub fn of_status(code: u16) -> Self {
        match code {
            200..=299 => Self::Ok,
            401 | 407 => Self::Authentication,
            408 | 480 => Self::NoAnswer,
            488 | 606 => Self::Media,
            _ => Self::Refused,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
