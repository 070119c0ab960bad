//! Session-ID (RFC 7989 section 5).

use std::fmt;

use super::Header;
use crate::message::error::rule;
use crate::message::{Fault, HeaderId, Lexer, Params, class};

/// A session across all who stand between its ends: a UUID of each of them (RFC 7989 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId<'a> {
    /// That of who sends this message; the nil UUID when he knows none.
    pub local: &'a str,
    /// The parameters.
    pub params: Params<'a>,
}

/// The UUID of nobody (RFC 7989 section 4.1).
pub const NIL: &str = "00000000000000000000000000000000";

impl<'a> SessionId<'a> {
    /// That of who this message is for. `None`: whoever sends this knows RFC 7329 only, where one value names the session (RFC 7989 section 11).
    pub fn remote(&self) -> Option<&'a str> {
        self.params.token("remote").filter(|uuid| is_uuid(uuid.as_bytes()))
    }

    /// Whether the local UUID is that of nobody.
    pub fn is_nil(&self) -> bool {
        self.local == NIL
    }
}

/// 32 hexadecimal digits in lower case.
fn is_uuid(text: &[u8]) -> bool {
    text.len() == 32 && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl<'a> Header<'a> for SessionId<'a> {
    const ID: HeaderId = HeaderId::SessionId;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        let expected = rule!("32 hexadecimal digits in lower case", "RFC 7989 5");
        let start = lexer.pos();
        let local = lexer.text(class::TOKEN, expected)?;
        if !is_uuid(local.as_bytes()) {
            return Err(Fault { byte: start as u32, rule: expected });
        }
        Ok(SessionId { local, params: Params::parse(lexer)? })
    }
}

impl fmt::Display for SessionId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.local, self.params)
    }
}
