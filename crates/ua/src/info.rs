//! Digits in INFO requests.

use std::time::Duration;

use sip::Reply;
use sip::message::{Body, Request, StatusCode};
use sip::uas::{self, Capabilities};

/// The body types of digits in INFO.
const KINDS: [&str; 2] = ["application/dtmf-relay", "application/dtmf"];

/// How a digit is written in an INFO of ours: both are old usages without a package, of which no document tells (RFC 6086 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InfoKind {
    /// `application/dtmf-relay`: the digit and how long it is held.
    Relay,
    /// `application/dtmf`: the digit alone.
    Plain,
}

impl InfoKind {
    pub(crate) fn body(self, digit: char) -> Body {
        match self {
            Self::Relay => Body::new("application/dtmf-relay", format!("Signal={digit}\r\nDuration=160\r\n")),
            Self::Plain => Body::new("application/dtmf", digit.to_string()),
        }
    }
}

/// What an INFO says of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InfoDigit {
    /// 0-9 A-D * # or R, and how long it was held; zero when the sender does not say.
    Pressed(char, Duration),
    /// An empty INFO: only a sign of life.
    None,
    /// A digit was meant, and cannot be read: 400.
    Broken,
    /// The body is something else: [`no_digit`].
    OtherType,
}

/// The digit of an INFO without a package (RFC 6086 section 2: legacy usage): `application/dtmf-relay` with `Signal` and `Duration`, or
/// `application/dtmf`.
pub fn info_digit(request: &Request) -> InfoDigit {
    let kind = match request.headers().content_type() {
        _ if request.body().is_empty() => return InfoDigit::None,
        Some(Ok(kind)) => kind,
        _ => return InfoDigit::OtherType,
    };
    let text = String::from_utf8_lossy(request.body());
    if kind.is("application", "dtmf") {
        return pressed(text.trim(), Duration::ZERO);
    }
    if !kind.is("application", "dtmf-relay") {
        return InfoDigit::OtherType;
    }
    let field = |name: &str| {
        let mut fields = text.lines().take(16).filter_map(|line| line.split_once('='));
        fields.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let duration = field("Duration").and_then(|value| value.parse::<u16>().ok()).unwrap_or(0);
    field("Signal").map_or(InfoDigit::Broken, |signal| pressed(signal, Duration::from_millis(duration.into())))
}

fn pressed(signal: &str, duration: Duration) -> InfoDigit {
    let digit = match signal {
        "10" => '*',
        "11" => '#',
        "16" | "R" | "r" => 'R',
        one => match one.chars().next() {
            Some(first) if one.len() == 1 => first.to_ascii_uppercase(),
            _ => return InfoDigit::Broken,
        },
    };
    let known = matches!(digit, '0'..='9' | 'A'..='D' | '*' | '#' | 'R');
    if known { InfoDigit::Pressed(digit, duration) } else { InfoDigit::Broken }
}

/// The answer to an INFO whose body is no digit: 415 with what would be.
pub fn no_digit(request: &Request, capabilities: Capabilities) -> Reply {
    let accept = KINDS.map(str::to_owned).to_vec();
    uas::body(request, &Capabilities { accept, ..capabilities })
        .unwrap_or_else(|| Reply::new(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}
