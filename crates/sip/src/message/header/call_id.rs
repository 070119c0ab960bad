//! Call-ID (RFC 3261 section 20.8).

use std::fmt;

use super::Header;
use crate::message::class;
use crate::message::error::rule;
use crate::message::{Fault, HeaderId, Lexer};

/// Names a dialog, or all registrations of one client; compared octet by octet (RFC 3261 section 20.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId<'a>(
    /// The text.
    pub &'a str,
);

impl<'a> CallId<'a> {
    /// `word [ "@" word ]`.
    pub(super) fn read(lexer: &mut Lexer<'a>) -> Result<&'a str, Fault> {
        let expected = rule!("a Call-ID", "RFC 3261 20.8");
        let start = lexer.pos();
        let first = lexer.take(class::WORD).len();
        if first == 0 || (lexer.eat(b'@') && lexer.take(class::WORD).is_empty()) {
            return Err(lexer.fault(expected));
        }
        std::str::from_utf8(lexer.since(start)).map_err(|_| Fault::new(start, expected))
    }
}

impl<'a> Header<'a> for CallId<'a> {
    const ID: HeaderId = HeaderId::CallId;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        CallId::read(lexer).map(CallId)
    }
}

impl fmt::Display for CallId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
