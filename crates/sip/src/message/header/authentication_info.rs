//! Authentication-Info (RFC 3261 section 20.6).

use std::fmt;

use super::{AuthParams, Header};
use crate::message::{Fault, HeaderId, Lexer};

/// The server's proof, and the next nonce (RFC 3261 section 20.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthenticationInfo<'a>(
    /// The parameters.
    pub AuthParams<'a>,
);

impl<'a> Header<'a> for AuthenticationInfo<'a> {
    const ID: HeaderId = HeaderId::AuthenticationInfo;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        AuthParams::read(lexer).map(AuthenticationInfo)
    }
}

impl fmt::Display for AuthenticationInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
