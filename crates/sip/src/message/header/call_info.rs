//! CallInfo (RFC 3261 section 20.9).

use std::fmt;

use super::{Header, InfoUri};
use crate::message::{Fault, HeaderId, Lexer};

/// More about the caller or the callee (RFC 3261 section 20.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallInfo<'a>(
    /// The URI with its parameters.
    pub InfoUri<'a>,
);

impl<'a> Header<'a> for CallInfo<'a> {
    const ID: HeaderId = HeaderId::CallInfo;
    const LIST: bool = true;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        InfoUri::read(lexer).map(CallInfo)
    }
}

impl fmt::Display for CallInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
