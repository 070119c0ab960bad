//! Authorization (RFC 3261 section 20.7).

use std::fmt;

use super::{Credentials, Header};
use crate::message::{Fault, HeaderId, Lexer};

/// Credentials for a UAS or registrar (RFC 3261 section 20.7). Several of them stand in several header fields, never in a comma list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authorization<'a>(
    /// Scheme and parameters.
    pub Credentials<'a>,
);

impl<'a> Header<'a> for Authorization<'a> {
    const ID: HeaderId = HeaderId::Authorization;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        Credentials::read(lexer).map(Authorization)
    }
}

impl<'a> std::ops::Deref for Authorization<'a> {
    type Target = Credentials<'a>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Display for Authorization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
