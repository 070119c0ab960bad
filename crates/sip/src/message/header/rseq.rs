//! RSeq (RFC 3262 section 7.1).

use std::fmt;

use super::Header;
use crate::message::{Fault, HeaderId, Lexer};

/// The number of a reliable provisional response (RFC 3262 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RSeq(
    /// 1 to 2^32-1; 0 is read too.
    pub u32,
);

impl<'a> Header<'a> for RSeq {
    const ID: HeaderId = HeaderId::RSeq;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        lexer.number().map(RSeq)
    }
}

impl fmt::Display for RSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
