//! Answers to a REGISTER.

use std::cell::RefCell;
use std::fmt::{self, Write as _};

use sip::Reply;
use sip::header::Date;
use sip::message::{HeaderId, Lines, ParseError, StatusCode};
use sip::time::{Now, WallTime};

use super::{Draft, Fate};
use crate::packed::{Piece, Texts};

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
fn listed(texts: &Texts<'_>, seconds: u64, q: u16) -> String {
    let mut text = String::with_capacity(texts.uri.len() + texts.params.len() + 32);
    text.push('<');
    text.push_str(texts.uri);
    text.push_str(">;expires=");
    push_number(&mut text, seconds);
    if q != 1_000 {
        // Writing into a String cannot fail.
        let _ = write!(text, ";q=0.{q:03}");
    }
    text.push_str(texts.params);
    text
}

fn push_number(text: &mut String, number: u64) {
    if number >= 10 {
        push_number(text, number / 10);
    }
    text.push(char::from(b'0' + (number % 10) as u8));
}

impl Draft<'_> {
    /// Every binding there will be, with the time it has left.
    pub(super) fn lines(&self, now: Now) -> Lines {
        let mut lines = Lines::new();
        for (binding, _) in self.current.iter().filter(|(_, fate)| *fate == Fate::Stays) {
            let seconds = binding.remaining(now).as_millis().div_ceil(1_000) as u64;
            let texts = Texts { uri: binding.uri(), params: binding.params(), ..Texts::default() };
            lines.push_text(HeaderId::Contact, &listed(&texts, seconds, binding.q()));
        }
        for fresh in &self.fresh {
            let texts = Texts {
                uri: fresh.packed.text(Piece::Uri),
                params: fresh.packed.text(Piece::Params),
                ..Texts::default()
            };
            lines.push_text(HeaderId::Contact, &listed(&texts, fresh.seconds.into(), fresh.q));
        }
        lines
    }
}

/// The Date header, printed once a second.
#[derive(Debug, Default)]
pub(super) struct Clock {
    shown: RefCell<(WallTime, Lines)>,
}

impl Clock {
    pub(super) fn show(&self, now: WallTime, lines: &mut Lines) {
        let mut shown = self.shown.borrow_mut();
        if shown.0 != now || shown.1.is_empty() {
            let seconds = i64::try_from(now.0).unwrap_or(i64::MAX);
            *shown = (now, Lines::new());
            shown.1.push_id(HeaderId::Date, Date::from_unix(seconds));
        }
        lines.extend(&shown.1);
    }
}
