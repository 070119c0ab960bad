//! Whose description it is and which version of it: the `o=` line.

use std::fmt;

use crate::connection::Address;
use crate::print::{Printout, display};
use crate::text::{Text, Token};
use crate::time::read_digits;

/// Session identifier or version of `o=`: digits of any length, compared as text.
///
/// RFC 8866 section 5.2 sets no bound; RFC 3264 section 5 wants 63 bits, which is what we send. A leading minus,
/// sent by devices which print an unsigned number as a signed one, is kept, and so are zeros in front.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(Digits);

/// What 64 bits give back as it was read needs no allocation.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Digits {
    Value(u64),
    Text(Box<str>),
}

impl Number {
    pub(crate) fn read(text: &str) -> Option<Number> {
        let plain = text.len() == 1 || !text.starts_with('0');
        if let Some(value) = read_digits(text).filter(|_| plain) {
            return Some(Number(Digits::Value(value)));
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        let good = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        good.then(|| Number(Digits::Text(text.into())))
    }

    /// The number, when it is not negative and fits.
    pub fn value(&self) -> Option<u64> {
        match &self.0 {
            Digits::Value(value) => Some(*value),
            Digits::Text(text) => read_digits(text),
        }
    }

    fn print(&self, out: &mut Printout) {
        match &self.0 {
            Digits::Value(value) => out.decimal(*value),
            Digits::Text(text) => out.text(text),
        }
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Number {
        Number(Digits::Value(value))
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| self.print(out))
    }
}

/// The digits as they were sent.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| self.print(out))
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
    pub(crate) fn print(&self, out: &mut Printout) {
        let mut parts = self.username.split(char::is_whitespace);
        out.text(parts.next().filter(|first| !first.is_empty()).unwrap_or("_"));
        for part in parts {
            out.text("_");
            out.text(part);
        }
        for number in [&self.session_id, &self.version] {
            out.text(" ");
            number.print(out);
        }
        out.text(" ");
        self.address.print(out);
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| self.print(out))
    }
}
