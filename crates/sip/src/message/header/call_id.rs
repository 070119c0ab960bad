//! Call-ID (RFC 3261 section 20.8).

use std::fmt;

use super::Header;
use crate::message::error::rule;
use crate::message::{Fault, HeaderId, Lexer};

/// Names a dialog, or all registrations of one client; compared octet by octet (RFC 3261 section 20.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId<'a>(
    /// The text.
    pub &'a str,
);

impl<'a> CallId<'a> {
    /// Any printable ASCII up to a comma or blank: more than the grammar's `word [ "@" word ]`, since it is only ever compared.
    pub(super) fn read(lexer: &mut Lexer<'a>, list: bool) -> Result<&'a str, Fault> {
        let rest = lexer.rest();
        let ends = |byte: &u8| !byte.is_ascii_graphic() || (list && *byte == b',');
        let taken = rest.get(..rest.iter().position(ends).unwrap_or(rest.len())).unwrap_or_default();
        match std::str::from_utf8(taken) {
            Ok(text) if !text.is_empty() => {
                lexer.advance(taken.len());
                Ok(text)
            }
            _ => Err(lexer.fault(rule!("a Call-ID", "RFC 3261 20.8"))),
        }
    }
}

impl<'a> Header<'a> for CallId<'a> {
    const ID: HeaderId = HeaderId::CallId;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        CallId::read(lexer, false).map(CallId)
    }
}

impl fmt::Display for CallId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
