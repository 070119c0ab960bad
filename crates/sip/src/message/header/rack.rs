//! RAck (RFC 3262 section 7.2).

use std::fmt;

use super::{CSeq, Header};
use crate::message::error::rule;
use crate::message::{Fault, HeaderId, Lexer};

/// The provisional response that a PRACK acknowledges (RFC 3262 section 7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RAck {
    /// The RSeq of the response.
    pub rseq: u32,
    /// The CSeq of the response.
    pub cseq: CSeq,
}

impl<'a> Header<'a> for RAck {
    const ID: HeaderId = HeaderId::RAck;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        let rseq = lexer.number()?;
        let before = lexer.pos();
        lexer.skip_lws();
        if lexer.pos() == before {
            return Err(lexer.fault(rule!("white space and a CSeq", "RFC 3262 7.2")));
        }
        Ok(RAck { rseq, cseq: CSeq::parse_value(lexer)? })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rseq, self.cseq)
    }
}
