//! ProxyAuthorization (RFC 3261 section 20.28).

use std::fmt;

use super::{Credentials, Header};
use crate::message::{Fault, HeaderId, Lexer};

/// Credentials for a proxy (RFC 3261 section 20.28). Several of them stand in several header fields, never in a comma list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyAuthorization<'a>(
    /// Scheme and parameters.
    pub Credentials<'a>,
);

impl<'a> Header<'a> for ProxyAuthorization<'a> {
    const ID: HeaderId = HeaderId::ProxyAuthorization;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        Credentials::read(lexer).map(ProxyAuthorization)
    }
}

impl<'a> std::ops::Deref for ProxyAuthorization<'a> {
    type Target = Credentials<'a>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Display for ProxyAuthorization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
