//! Content-Disposition (RFC 3261 section 20.11).

use std::fmt;

use super::Header;
use crate::message::{Fault, HeaderId, Lexer, Params};

/// How the body is meant (RFC 3261 section 20.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentDisposition<'a> {
    /// `session`, `render`, `icon`, `alert` or another token.
    pub kind: &'a str,
    /// The parameters.
    pub params: Params<'a>,
}

impl ContentDisposition<'_> {
    /// False for `handling=optional`: what is not understood must then not be refused.
    pub fn is_required(&self) -> bool {
        !self.params.token("handling").is_some_and(|handling| handling.eq_ignore_ascii_case("optional"))
    }
}

impl<'a> Header<'a> for ContentDisposition<'a> {
    const ID: HeaderId = HeaderId::ContentDisposition;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        Ok(ContentDisposition { kind: lexer.token()?, params: Params::parse(lexer)? })
    }
}

impl fmt::Display for ContentDisposition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind, self.params)
    }
}
