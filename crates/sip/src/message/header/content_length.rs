//! Content-Length (RFC 3261 section 20.14).

use std::fmt;

use super::Header;
use crate::message::{Fault, HeaderId, Lexer};

/// Octets of the body (RFC 3261 section 20.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContentLength(
    /// Octets.
    pub u32,
);

impl<'a> Header<'a> for ContentLength {
    const ID: HeaderId = HeaderId::ContentLength;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        lexer.number().map(ContentLength)
    }
}

impl fmt::Display for ContentLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
