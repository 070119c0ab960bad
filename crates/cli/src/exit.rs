//! What the process says when it ends.

use std::fmt::Display;
use std::process::ExitCode;

use ua::{AudioError, BuildError, CallError, RegisterError};

/// Exit codes, the same for every verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
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
    /// There is no TLS with the next hop, or it is not who it should be.
    Tls = 5,
    /// Credentials were refused.
    Authentication = 6,
    /// The callee refused: 486, 600, 603, 404, 484, 604, 403, 5xx.
    Refused = 7,
    /// Nobody answered: 408, 480, time-out.
    NoAnswer = 8,
    /// Media failed: 488 and 606, none, one-way.
    Media = 9,
    /// An `--expect-*` was not met.
    Expectation = 10,
    /// Ended by Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// The code for a call or request that ended with this SIP status.
    pub(crate) fn of_status(code: u16) -> Self {
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

/// Why a verb ends badly: for a person, with the code for programs.
#[derive(Debug)]
pub(crate) struct Fault {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What, where, what was expected, what mends it.
    pub(crate) what: String,
    /// The status code of the response that said so.
    pub(crate) status: Option<u16>,
    /// Where it sent us.
    pub(crate) moved_to: Vec<String>,
}

impl Fault {
    pub(crate) fn new(exit: Exit, what: impl Display) -> Self {
        Self { exit, what: what.to_string(), status: None, moved_to: Vec::new() }
    }

    pub(crate) fn general(what: impl Display) -> Self {
        Self::new(Exit::General, what)
    }

    pub(crate) fn usage(what: impl Display) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// Says of whom it is.
    pub(crate) fn of(mut self, target: &str) -> Self {
        let target = ua::shown_address(target);
        if !self.what.contains(&*target) {
            self.what = format!("{target}: {}", self.what);
        }
        self
    }
}

impl From<BuildError> for Fault {
    fn from(error: BuildError) -> Self {
        let exit = if matches!(error, BuildError::Address { .. }) { Exit::Usage } else { Exit::General };
        Self::new(exit, error)
    }
}

impl From<CallError> for Fault {
    fn from(error: CallError) -> Self {
        let (exit, status) = match &error {
            CallError::Rejected { code, .. } | CallError::Redirected { code, .. } => {
                (Exit::of_status(*code), Some(*code))
            }
            CallError::Authentication { code } => (Exit::Authentication, Some(*code)),
            CallError::CalleeGone => (Exit::Refused, None),
            CallError::Cancelled => (Exit::Interrupted, None),
            CallError::NoAnswer { .. } => (Exit::NoAnswer, None),
            CallError::Unreachable { .. } => (Exit::Unreachable, None),
            CallError::Untrusted { .. } => (Exit::Tls, None),
            CallError::Unauthorized { .. } => (Exit::Authentication, None),
            CallError::Media(_) => (Exit::Media, None),
            CallError::BadUri { .. } | CallError::BadText { .. } | CallError::TooLong { .. } => (Exit::Usage, None),
            _ => (Exit::General, None),
        };
        let what = error.to_string();
        let moved_to = if let CallError::Redirected { to, .. } = error { to } else { Vec::new() };
        Self { exit, what, status, moved_to }
    }
}

impl From<RegisterError> for Fault {
    fn from(error: RegisterError) -> Self {
        let (exit, status) = match &error {
            RegisterError::Rejected { code, .. } | RegisterError::Authentication { code } => {
                (Exit::Authentication, Some(*code))
            }
            RegisterError::Unreachable { .. } => (Exit::Unreachable, None),
            RegisterError::Untrusted { .. } => (Exit::Tls, None),
            RegisterError::Unauthorized { .. } => (Exit::Authentication, None),
            RegisterError::NoAnswer { .. } => (Exit::NoAnswer, None),
            _ => (Exit::General, None),
        };
        Self { status, ..Self::new(exit, error) }
    }
}

impl From<AudioError> for Fault {
    fn from(error: AudioError) -> Self {
        Self::general(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registrar_that_says_nothing_is_8_and_one_that_is_not_there_4() {
        let silent = RegisterError::NoAnswer { first: "sip:pbx.example".into() };
        assert_eq!(Fault::from(silent).exit, Exit::NoAnswer);
        let absent =
            RegisterError::Unreachable { registrar: "sip:pbx.example".into(), proxy: None, why: "no such host".into() };
        assert_eq!(Fault::from(absent).exit, Exit::Unreachable);
        let untrusted = RegisterError::Untrusted { first: "sips:pbx.example".into(), why: "another name".into() };
        assert_eq!(Fault::from(untrusted).exit, Exit::Tls);
    }
}
