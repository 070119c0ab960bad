//! Answers to a REGISTER.

use std::fmt;

use sip::Reply;
use sip::message::{HeaderId, Lines, ParseError, StatusCode};
use sip::time::Now;

use super::{Draft, Fate};

/// Seconds until a registrar that is full may be asked again.
const LATER: u32 = 60;

/// Why a REGISTER is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Status(StatusCode),
    /// 400 with a reason for people.
    Reason(&'static str),
    /// 420 with these options.
    Unsupported(String),
    /// 423 with the least.
    TooBrief(u32),
    /// 503.
    Busy,
    Unreadable(ParseError),
}

impl From<ParseError> for Refusal {
    fn from(error: ParseError) -> Self {
        Refusal::Unreadable(error)
    }
}

impl Refusal {
    pub(super) fn reply(self) -> Reply {
        let with = |code, id, value: &dyn fmt::Display| {
            let mut lines = Lines::new();
            lines.push_id(id, value);
            Reply::new(code).lines(lines)
        };
        match self {
            Refusal::Status(code) => Reply::new(code),
            Refusal::Reason(reason) => Reply::new(StatusCode::BAD_REQUEST).reason(reason),
            Refusal::Unsupported(options) => with(StatusCode::BAD_EXTENSION, HeaderId::Unsupported, &options),
            Refusal::TooBrief(least) => with(StatusCode::INTERVAL_TOO_BRIEF, HeaderId::MinExpires, &least),
            Refusal::Busy => with(StatusCode::SERVICE_UNAVAILABLE, HeaderId::RetryAfter, &LATER),
            Refusal::Unreadable(error) => Reply::new(error.status),
        }
    }
}

/// A Contact of the 200 (RFC 3261 section 10.3 step 8).
struct Listed<'a> {
    uri: &'a str,
    seconds: u64,
    q: u16,
    params: &'a str,
}

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>;expires={}", self.uri, self.seconds)?;
        if self.q != 1_000 {
            write!(f, ";q=0.{:03}", self.q)?;
        }
        f.write_str(self.params)
    }
}

impl Draft<'_> {
    /// Every binding there will be, with the time it has left.
    pub(super) fn lines(&self, now: Now) -> Lines {
        let mut lines = Lines::new();
        let mut list = |listed: Listed<'_>| lines.push_id(HeaderId::Contact, listed);
        for (binding, _) in self.current.iter().filter(|(_, fate)| *fate == Fate::Stays) {
            let seconds = binding.remaining(now).as_millis().div_ceil(1_000) as u64;
            list(Listed { uri: binding.uri(), seconds, q: binding.q(), params: binding.params() });
        }
        for fresh in &self.fresh {
            let texts = fresh.packed.texts();
            list(Listed { uri: texts.uri, seconds: fresh.seconds.into(), q: fresh.q, params: texts.params });
        }
        lines
    }
}
