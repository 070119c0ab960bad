//! Answers to a REGISTER.

use std::cell::RefCell;
use std::fmt::{self, Write as _};

use sip::Reply;
use sip::header::Date;
use sip::message::{HeaderId, Lines, ParseError, StatusCode};
use sip::time::{Now, WallTime};

use super::Draft;
use crate::packed::{Packed, Piece};

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

/// Adds a Contact of the 200 (RFC 3261 section 10.3 step 8).
fn list(lines: &mut Lines, packed: &Packed, seconds: u64, q: u16) {
    let (mut room, mut shown) = ([0; 20], String::new());
    if q != 1_000 {
        // Writing into a String cannot fail.
        let _ = write!(shown, ";q=0.{q:03}");
    }
    let (uri, params) = (packed.piece(Piece::Uri), packed.piece(Piece::Params));
    let seconds = decimal(seconds, &mut room);
    lines.push_parts(HeaderId::Contact, &[b"<", uri, b">;expires=", seconds, shown.as_bytes(), params]);
}

/// A number as text, at the end of `room`.
fn decimal(mut number: u64, room: &mut [u8; 20]) -> &[u8] {
    let mut start = room.len();
    for digit in room.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        start -= 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    room.get(start..).unwrap_or_default()
}

impl Draft<'_> {
    /// Every binding there will be, with the time it has left.
    pub(super) fn lines(&self, now: Now) -> Lines {
        let mut lines = Lines::new();
        for binding in self.staying() {
            let seconds = binding.remaining(now).as_millis().div_ceil(1_000) as u64;
            list(&mut lines, binding.packed(), seconds, binding.q());
        }
        for fresh in &self.fresh {
            list(&mut lines, &fresh.packed, fresh.seconds.into(), fresh.q);
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
