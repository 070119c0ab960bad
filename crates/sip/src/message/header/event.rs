//! Event (RFC 6665 section 8.2.1).

use std::fmt;

use super::Header;
use crate::message::{Fault, HeaderId, Lexer, Params};

/// The event package of a subscription (RFC 6665 section 8.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The package with its template, such as `dialog` or `presence.winfo`.
    pub package: &'a str,
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> Event<'a> {
    /// The `id` parameter, which tells subscriptions to the same package apart.
    pub fn id(&self) -> Option<&'a str> {
        self.params.token("id")
    }
}

impl<'a> Header<'a> for Event<'a> {
    const ID: HeaderId = HeaderId::Event;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        Ok(Event { package: lexer.token()?, params: Params::parse(lexer)? })
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.package, self.params)
    }
}
