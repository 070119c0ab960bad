//! Max-Forwards (RFC 3261 section 20.22).

use std::fmt;

use super::Header;
use crate::message::error::rule;
use crate::message::{Fault, HeaderId, Lexer};

/// Hops left, 0 to 255 (RFC 3261 section 20.22).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxForwards(
    /// Hops.
    pub u8,
);

impl<'a> Header<'a> for MaxForwards {
    const ID: HeaderId = HeaderId::MaxForwards;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        let start = lexer.pos();
        let hops = lexer.number().ok().and_then(|hops| u8::try_from(hops).ok());
        hops.map(MaxForwards).ok_or(Fault { byte: start as u32, rule: rule!("0 to 255", "RFC 3261 20.22") })
    }
}

impl fmt::Display for MaxForwards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
