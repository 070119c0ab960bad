//! Accept (RFC 3261 section 20.1).

use std::fmt;

use super::{Header, MediaType};
use crate::message::{Fault, HeaderId, Lexer};

/// A type of body the sender understands (RFC 3261 section 20.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept<'a>(
    /// The type with its parameters.
    pub MediaType<'a>,
);

impl<'a> Header<'a> for Accept<'a> {
    const ID: HeaderId = HeaderId::Accept;
    const LIST: bool = true;
    const MAY_BE_EMPTY: bool = true;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        MediaType::read(lexer).map(Accept)
    }
}

impl<'a> std::ops::Deref for Accept<'a> {
    type Target = MediaType<'a>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Display for Accept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
