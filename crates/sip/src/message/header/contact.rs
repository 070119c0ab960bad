//! Contact (RFC 3261 section 20.10).

use std::fmt;

use super::{Header, NameAddr};
use crate::message::class;
use crate::message::lexer::decimal;
use crate::message::{Fault, HeaderId, Lexer};

/// Where the sender can be reached directly (RFC 3261 section 20.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact<'a> {
    /// `*`: every binding, in a REGISTER with `Expires: 0` only (section 10.2.2).
    Any,
    /// An address.
    Address(NameAddr<'a>),
}

impl<'a> Contact<'a> {
    /// The address, unless it is `*`.
    pub fn address(&self) -> Option<&NameAddr<'a>> {
        match self {
            Contact::Any => None,
            Contact::Address(address) => Some(address),
        }
    }

    /// The `q` parameter in thousandths, 0 to 1000; `None` when absent or malformed.
    pub fn q(&self) -> Option<u16> {
        qvalue(self.address()?.params.token("q")?)
    }

    /// The `expires` parameter in seconds. A malformed one counts as 3600 (section 10.2.1.1), what exceeds 32 bit as 2^32-1.
    pub fn expires(&self) -> Option<u32> {
        let value = self.address()?.params.get("expires")?;
        let digits = value.token().unwrap_or("").as_bytes();
        Some(match class::all(digits, class::DIGIT) {
            true => decimal(digits).unwrap_or(u32::MAX),
            false => 3_600,
        })
    }
}

/// A qvalue in thousandths (RFC 3261 section 25.1).
pub(super) fn qvalue(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.as_bytes();
    if digits.len() > 3 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let thousandths =
        [100, 10, 1].iter().zip(digits).map(|(weight, digit)| weight * u16::from(digit.wrapping_sub(b'0'))).sum();
    match (whole, thousandths) {
        ("0", part) => Some(part),
        ("1", 0) => Some(1_000),
        _ => None,
    }
}

impl<'a> Header<'a> for Contact<'a> {
    const ID: HeaderId = HeaderId::Contact;
    const LIST: bool = true;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        let start = lexer.pos();
        if lexer.eat(b'*') {
            lexer.skip_lws();
            if lexer.at_end() {
                return Ok(Contact::Any);
            }
            lexer.rewind(start);
        }
        NameAddr::read(lexer, true).map(Contact::Address)
    }
}

impl fmt::Display for Contact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Contact::Any => f.write_str("*"),
            Contact::Address(address) => address.fmt(f),
        }
    }
}
