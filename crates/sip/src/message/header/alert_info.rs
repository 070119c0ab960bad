//! AlertInfo (RFC 3261 section 20.4).

use std::fmt;

use super::{Header, InfoUri};
use crate::message::{Fault, HeaderId, Lexer};

/// Another ring tone (RFC 3261 section 20.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertInfo<'a>(
    /// The URI with its parameters.
    pub InfoUri<'a>,
);

impl<'a> Header<'a> for AlertInfo<'a> {
    const ID: HeaderId = HeaderId::AlertInfo;
    const LIST: bool = true;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        InfoUri::read(lexer).map(AlertInfo)
    }
}

impl fmt::Display for AlertInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
