//! Content-Type (RFC 3261 section 20.15).

use std::fmt;

use super::{Header, MediaType};
use crate::message::{Fault, HeaderId, Lexer};

/// The type of the body (RFC 3261 section 20.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentType<'a>(
    /// The type with its parameters.
    pub MediaType<'a>,
);

impl<'a> Header<'a> for ContentType<'a> {
    const ID: HeaderId = HeaderId::ContentType;
    const LIST: bool = false;
    const MANY_TEXTS: bool = true;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        MediaType::read(lexer).map(ContentType)
    }
}

impl<'a> std::ops::Deref for ContentType<'a> {
    type Target = MediaType<'a>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Display for ContentType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
