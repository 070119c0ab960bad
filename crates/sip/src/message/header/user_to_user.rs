//! User-to-User (RFC 7433 section 4).

use std::borrow::Cow;
use std::fmt;

use super::Header;
use crate::message::{Fault, HeaderId, Lexer, ParamValue, Params};

/// Data that the users at both ends say to each other (RFC 7433 section 4.1). Nobody in between looks into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserToUser<'a> {
    /// A token or a quoted string.
    pub data: ParamValue<'a>,
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> UserToUser<'a> {
    /// Which application it is for; `isdn-uui` (RFC 7434) when absent.
    pub fn purpose(&self) -> &'a str {
        self.params.token("purpose").unwrap_or("isdn-uui")
    }

    /// What the data are about, in the words of the package.
    pub fn content(&self) -> Option<&'a str> {
        self.params.token("content")
    }

    /// How the data are written: `hex` when nothing is said. What is none of ours to understand is passed over (section 4.1).
    pub fn encoding(&self) -> &'a str {
        self.params.token("encoding").unwrap_or("hex")
    }

    /// The data as written, quotes and escapes removed.
    pub fn text(&self) -> Cow<'a, str> {
        self.data.text()
    }

    /// The octets that hexadecimal data mean; `None` for another encoding, or when it is not hexadecimal.
    pub fn octets(&self) -> Option<Vec<u8>> {
        let text = self.text();
        if !self.encoding().eq_ignore_ascii_case("hex") || !text.len().is_multiple_of(2) {
            return None;
        }
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pair = |pair: &[u8]| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        };
        text.as_bytes().chunks(2).map(pair).collect()
    }
}

impl<'a> Header<'a> for UserToUser<'a> {
    const ID: HeaderId = HeaderId::UserToUser;
    const LIST: bool = true;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        let data = match lexer.peek() {
            Some(b'"') => ParamValue::Quoted(lexer.quoted()?),
            _ => ParamValue::Token(lexer.token()?),
        };
        Ok(UserToUser { data, params: Params::parse(lexer)? })
    }
}

impl fmt::Display for UserToUser<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.data {
            ParamValue::Quoted(quoted) => write!(f, "{quoted}{}", self.params),
            other => write!(f, "{}{}", other.text(), self.params),
        }
    }
}
