//! CSeq (RFC 3261 section 20.16).

use std::fmt;

use super::Header;
use crate::message::error::rule;
use crate::message::{Fault, HeaderId, Lexer, Method};

/// Number and method of a request (RFC 3261 section 20.16). Leading zeros do not count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Any 32-bit number; what we choose ourselves stays below 2^31 (section 8.1.1.5).
    pub number: u32,
    /// The method of the request.
    pub method: Method,
}

impl<'a> Header<'a> for CSeq {
    const ID: HeaderId = HeaderId::CSeq;
    const LIST: bool = false;
    #[inline]
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        let number = lexer.number()?;
        let before = lexer.pos();
        lexer.skip_lws();
        let expected = rule!("white space and a method", "RFC 3261 20.16");
        if lexer.pos() == before {
            return Err(lexer.fault(expected));
        }
        let start = lexer.pos();
        let name = lexer.take(crate::message::class::TOKEN);
        let method = Method::from_bytes(name).ok_or(Fault { byte: start as u32, rule: expected })?;
        lexer.end()?;
        Ok(CSeq { number, method })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}
