//! ErrorInfo (RFC 3261 section 20.18).

use std::fmt;

use super::{Header, InfoUri};
use crate::message::{Fault, HeaderId, Lexer};

/// More about an error (RFC 3261 section 20.18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorInfo<'a>(
    /// The URI with its parameters.
    pub InfoUri<'a>,
);

impl<'a> Header<'a> for ErrorInfo<'a> {
    const ID: HeaderId = HeaderId::ErrorInfo;
    const LIST: bool = true;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        InfoUri::read(lexer).map(ErrorInfo)
    }
}

impl fmt::Display for ErrorInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
