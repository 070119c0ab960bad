//! WwwAuthenticate (RFC 3261 section 20.44).

use std::fmt;

use super::{Challenge, Header};
use crate::message::{Fault, HeaderId, Lexer};

/// A challenge of a UAS or registrar (RFC 3261 section 20.44). Several of them stand in several header fields, never in a comma list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WwwAuthenticate<'a>(
    /// Scheme and parameters.
    pub Challenge<'a>,
);

impl<'a> Header<'a> for WwwAuthenticate<'a> {
    const ID: HeaderId = HeaderId::WwwAuthenticate;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        Challenge::read(lexer).map(WwwAuthenticate)
    }
}

impl<'a> std::ops::Deref for WwwAuthenticate<'a> {
    type Target = Challenge<'a>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Display for WwwAuthenticate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
