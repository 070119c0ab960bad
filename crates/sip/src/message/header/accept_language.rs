//! Accept-Language (RFC 3261 section 20.3).

use std::fmt;

use super::Header;
use crate::message::{Fault, HeaderId, Lexer, Params};

/// A language the sender prefers (RFC 3261 section 20.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptLanguage<'a> {
    /// The language range, such as `en-GB`, or `*`.
    pub language: &'a str,
    /// The parameters.
    pub params: Params<'a>,
}

impl AcceptLanguage<'_> {
    /// The preference in thousandths, 0 to 1000; 1000 when absent or malformed.
    pub fn q(&self) -> u16 {
        self.params.token("q").and_then(super::contact::qvalue).unwrap_or(1_000)
    }
}

impl<'a> Header<'a> for AcceptLanguage<'a> {
    const ID: HeaderId = HeaderId::AcceptLanguage;
    const LIST: bool = true;
    const MAY_BE_EMPTY: bool = true;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        Ok(AcceptLanguage { language: lexer.token()?, params: Params::parse(lexer)? })
    }
}

impl fmt::Display for AcceptLanguage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.language, self.params)
    }
}
