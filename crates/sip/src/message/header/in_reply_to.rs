//! In-Reply-To (RFC 3261 section 20.21).

use std::fmt;

use super::{CallId, Header};
use crate::message::{Fault, HeaderId, Lexer};

/// A Call-ID this call refers to or returns (RFC 3261 section 20.21).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InReplyTo<'a>(
    /// The text.
    pub &'a str,
);

impl<'a> Header<'a> for InReplyTo<'a> {
    const ID: HeaderId = HeaderId::InReplyTo;
    const LIST: bool = true;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        CallId::read(lexer, true).map(InReplyTo)
    }
}

impl fmt::Display for InReplyTo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
