//! ProxyAuthenticate (RFC 3261 section 20.27).

use std::fmt;

use super::{Challenge, Header};
use crate::message::{Fault, HeaderId, Lexer};

/// A challenge of a proxy (RFC 3261 section 20.27). Several of them stand in several header fields, never in a comma list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyAuthenticate<'a>(
    /// Scheme and parameters.
    pub Challenge<'a>,
);

impl<'a> Header<'a> for ProxyAuthenticate<'a> {
    const ID: HeaderId = HeaderId::ProxyAuthenticate;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        Challenge::read(lexer).map(ProxyAuthenticate)
    }
}

impl<'a> std::ops::Deref for ProxyAuthenticate<'a> {
    type Target = Challenge<'a>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Display for ProxyAuthenticate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
