//! MIME-Version (RFC 3261 section 20.24).

use std::fmt;

use super::Header;
use crate::message::{Fault, HeaderId, Lexer};

/// The version of MIME, `1.0` (RFC 3261 section 20.24).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MimeVersion<'a>(
    /// The token as written.
    pub &'a str,
);

impl<'a> Header<'a> for MimeVersion<'a> {
    const ID: HeaderId = HeaderId::MimeVersion;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        lexer.token().map(MimeVersion)
    }
}

impl fmt::Display for MimeVersion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
