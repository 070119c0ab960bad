//! Accept-Encoding (RFC 3261 section 20.2).

use std::fmt;

use super::Header;
use crate::message::{Fault, HeaderId, Lexer, Params};

/// A content coding the sender understands (RFC 3261 section 20.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptEncoding<'a> {
    /// The coding, or `*`.
    pub coding: &'a str,
    /// The parameters.
    pub params: Params<'a>,
}

impl AcceptEncoding<'_> {
    /// The preference in thousandths, 0 to 1000; 1000 when absent or malformed.
    pub fn q(&self) -> u16 {
        self.params.token("q").and_then(super::contact::qvalue).unwrap_or(1_000)
    }
}

impl<'a> Header<'a> for AcceptEncoding<'a> {
    const ID: HeaderId = HeaderId::AcceptEncoding;
    const LIST: bool = true;
    const MAY_BE_EMPTY: bool = true;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        Ok(AcceptEncoding { coding: lexer.token()?, params: Params::parse(lexer)? })
    }
}

impl fmt::Display for AcceptEncoding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.coding, self.params)
    }
}
