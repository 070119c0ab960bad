//! Answers to a REGISTER.

use std::cell::RefCell;
use std::fmt::{self, Write as _};

use sip::Reply;
use sip::header::Date;
use sip::message::{HeaderId, Lines, ParseError, StatusCode, Uri, UriBuf};
use sip::time::{Now, WallTime};

use super::{Draft, Order};
use crate::gruu::Gruu;
use crate::instance;
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

/// What makes addresses of instances (RFC 5627 section 5.3): of this user, in an answer to this REGISTER.
pub(super) struct Addressed<'a> {
    gruu: &'a Gruu,
    /// Of the user: by `sip`, and by `sips`.
    aors: [UriBuf; 2],
    order: Order<'a>,
}

impl<'a> Addressed<'a> {
    pub(super) fn of(gruu: &'a Gruu, to: &Uri<'_>, order: Order<'a>) -> Option<Self> {
        let user = to.user_unescaped()?;
        let aor = |secure| UriBuf::sip(secure, Some(&user), to.host_text(), to.port()).ok();
        Some(Self { gruu, aors: [aor(false)?, aor(true)?], order })
    }

    /// Those of a binding, as parameters of its Contact, by the scheme of that (RFC 5630 section 5.2.1).
    fn params(&self, packed: &Packed, cseq: u32) -> String {
        let Some(urn) = instance::of(packed.text(Piece::Params)) else { return String::new() };
        let [sip, sips] = &self.aors;
        let is_sips = packed.text(Piece::Uri).get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sips:"));
        let aor = if is_sips { sips } else { sip };
        let public = Gruu::public(aor, urn);
        let temporary = self.gruu.temporary(aor, urn, packed.text(Piece::CallId), cseq);
        let named = [("pub-gruu", public), ("temp-gruu", temporary)];
        named.into_iter().filter_map(|(name, uri)| Some(format!(";{name}=\"{}\"", uri?))).collect()
    }
}

/// Adds a Contact of the 200 (RFC 3261 section 10.3 step 8).
fn list(lines: &mut Lines, packed: &Packed, seconds: u64, q: u16, more: &str) {
    let (mut room, mut shown) = ([0; 20], String::new());
    if q != 1_000 {
        // Writing into a String cannot fail.
        let _ = write!(shown, ";q=0.{q:03}");
    }
    let (uri, params) = (packed.piece(Piece::Uri), packed.piece(Piece::Params));
    let seconds = decimal(seconds, &mut room);
    lines
        .push_parts(HeaderId::Contact, &[b"<", uri, b">;expires=", seconds, shown.as_bytes(), params, more.as_bytes()]);
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
    pub(super) fn lines(&self, now: Now, addressed: Option<&Addressed<'_>>) -> Lines {
        let mut lines = Lines::new();
        let more = |packed: &Packed, cseq: u32| addressed.map(|given| given.params(packed, cseq)).unwrap_or_default();
        for binding in self.staying() {
            let seconds = binding.remaining(now).as_millis().div_ceil(1_000) as u64;
            list(&mut lines, binding.packed(), seconds, binding.q(), &more(binding.packed(), binding.cseq()));
        }
        for fresh in &self.fresh {
            let cseq = addressed.map_or(0, |given| given.order.cseq);
            list(&mut lines, &fresh.packed, fresh.seconds.into(), fresh.q, &more(&fresh.packed, cseq));
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
