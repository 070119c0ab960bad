//! Priority (RFC 3261 section 20.26).

use std::fmt;

use super::Header;
use crate::message::{Fault, HeaderId, Lexer};

/// How urgent the sender finds it: `emergency`, `urgent`, `normal`, `non-urgent` (RFC 3261 section 20.26).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority<'a>(
    /// The token as written.
    pub &'a str,
);

impl<'a> Header<'a> for Priority<'a> {
    const ID: HeaderId = HeaderId::Priority;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        lexer.token().map(Priority)
    }
}

impl fmt::Display for Priority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
