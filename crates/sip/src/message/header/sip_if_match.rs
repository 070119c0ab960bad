//! SIP-If-Match (RFC 3903 section 11.3.2).

use std::fmt;

use super::Header;
use crate::message::{Fault, HeaderId, Lexer};

/// Which publication a PUBLISH is about (RFC 3903 section 11.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SipIfMatch<'a>(
    /// The entity-tag that was given last.
    pub &'a str,
);

impl<'a> Header<'a> for SipIfMatch<'a> {
    const ID: HeaderId = HeaderId::SipIfMatch;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        lexer.token().map(SipIfMatch)
    }
}

impl fmt::Display for SipIfMatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
