//! SIP-ETag (RFC 3903 section 11.3.1).

use std::fmt;

use super::Header;
use crate::message::{Fault, HeaderId, Lexer};

/// What a publication is named by from now on (RFC 3903 section 11.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SipEtag<'a>(
    /// The entity-tag.
    pub &'a str,
);

impl<'a> Header<'a> for SipEtag<'a> {
    const ID: HeaderId = HeaderId::SipEtag;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        lexer.token().map(SipEtag)
    }
}

impl fmt::Display for SipEtag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
