//! Retry-After (RFC 3261 section 20.33).

use std::fmt;

use super::Header;
use crate::message::class;
use crate::message::{Fault, HeaderId, Lexer, Params};

/// When to try again (RFC 3261 section 20.33).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryAfter<'a> {
    /// Seconds; what exceeds 32 bit is 2^32-1.
    pub seconds: u32,
    /// A remark for people, as written, with its parentheses.
    pub comment: Option<&'a [u8]>,
    /// The parameters.
    pub params: Params<'a>,
}

impl RetryAfter<'_> {
    /// How long the sender will then be reachable, in seconds.
    pub fn duration(&self) -> Option<u32> {
        let digits = self.params.token("duration")?.as_bytes();
        class::all(digits, class::DIGIT).then(|| crate::message::lexer::decimal(digits).unwrap_or(u32::MAX))
    }
}

impl<'a> Header<'a> for RetryAfter<'a> {
    const ID: HeaderId = HeaderId::RetryAfter;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        let seconds = lexer.seconds()?;
        lexer.skip_lws();
        let start = lexer.pos();
        let comment = match lexer.peek() {
            Some(b'(') => {
                lexer.comment()?;
                Some(lexer.since(start))
            }
            _ => None,
        };
        Ok(RetryAfter { seconds, comment, params: Params::parse(lexer)? })
    }
}

impl fmt::Display for RetryAfter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seconds.fmt(f)?;
        if let Some(comment) = self.comment {
            write!(f, " {}", crate::message::quoted::unfold(comment))?;
        }
        self.params.fmt(f)
    }
}
