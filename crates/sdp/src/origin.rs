//! Whose description it is and which version of it: the `o=` line.

use std::fmt;

use crate::connection::Address;
use crate::print::decimal_digits;
use crate::text::{Text, Token};

/// Session identifier or version of `o=`: digits of any length, compared as text.
///
/// RFC 8866 section 5.2 sets no bound; RFC 3264 section 5 wants 63 bits, which is what we send. A leading minus,
/// sent by devices which print an unsigned number as a signed one, is kept.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(Digits);

/// What has at most 20 digits, as every number of 64 bits, needs no allocation.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Digits {
    Short { octets: [u8; 20], length: u8 },
    Long(Box<str>),
}

impl Number {
    pub(crate) fn read(text: &str) -> Option<Number> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let good = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        good.then(|| Number::of_digits(text))
    }

    fn of_digits(text: &str) -> Number {
        let mut octets = [0; 20];
        match (octets.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text.as_bytes());
                Number(Digits::Short { octets, length })
            }
            _ => Number(Digits::Long(text.into())),
        }
    }

    /// The number, when it is not negative and fits.
    pub fn value(&self) -> Option<u64> {
        self.as_str().parse().ok()
    }

    /// The digits as they were sent.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Digits::Short { octets, length } => {
                let digits = octets.get(..usize::from(*length)).unwrap_or_default();
                // Only digits were put there.
                std::str::from_utf8(digits).unwrap_or_default()
            }
            Digits::Long(text) => text,
        }
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Number {
        let (digits, first) = decimal_digits(value);
        let digits = digits.get(first..).and_then(|digits| std::str::from_utf8(digits).ok());
        Number::of_digits(digits.unwrap_or_default())
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The `o=` line: RFC 8866 section 5.2.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Login of the author, `-` for none. Spaces are printed as `_`, which is also how they are read.
    pub username: Text,
    /// Names the session together with the other fields but the version.
    pub session_id: Number,
    /// Grows by one with each change (RFC 3264 section 8).
    pub version: Number,
    /// Network, address type and address of the author; nothing is sent there.
    pub address: Address,
}

impl Origin {
    /// An origin without a user name.
    pub fn new(session_id: u64, version: u64, address: impl Into<Address>) -> Origin {
        let (session_id, version) = (session_id.into(), version.into());
        Origin { username: Token::literal("-").into(), session_id, version, address: address.into() }
    }

    /// Whether both belong to one session, be the versions as they may.
    pub fn same_session(&self, other: &Origin) -> bool {
        self.username == other.username && self.session_id == other.session_id && self.address == other.address
    }
}

impl Origin {
    pub(crate) fn print(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let mut parts = self.username.split(char::is_whitespace);
        out.write_str(parts.next().filter(|first| !first.is_empty()).unwrap_or("_"))?;
        for part in parts {
            out.write_str("_")?;
            out.write_str(part)?;
        }
        for number in [&self.session_id, &self.version] {
            out.write_str(" ")?;
            out.write_str(number.as_str())?;
        }
        out.write_str(" ")?;
        self.address.print(out)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f)
    }
}
