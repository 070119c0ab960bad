//! Timestamp (RFC 3261 section 20.38).

use std::fmt;

use super::Header;
use crate::message::class;
use crate::message::error::{Fault, rule};
use crate::message::{HeaderId, Lexer};

/// When the request was sent, and how long the server took (RFC 3261 section 20.38). Both are decimal numbers as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp<'a> {
    /// Seconds, fraction allowed; only its sender knows since when.
    pub time: &'a str,
    /// Seconds, fraction allowed.
    pub delay: Option<&'a str>,
}

fn seconds<'a>(lexer: &mut Lexer<'a>) -> Result<&'a str, Fault> {
    let start = lexer.pos();
    lexer.take(class::DIGIT);
    if lexer.eat(b'.') {
        lexer.take(class::DIGIT);
    }
    match std::str::from_utf8(lexer.since(start)) {
        Ok(text) if text.bytes().any(|byte| byte.is_ascii_digit()) => Ok(text),
        _ => Err(Fault::new(start, rule!("a number of seconds", "RFC 3261 20.38"))),
    }
}

impl<'a> Header<'a> for Timestamp<'a> {
    const ID: HeaderId = HeaderId::Timestamp;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        let time = seconds(lexer)?;
        lexer.skip_lws();
        let delay = if lexer.at_end() { None } else { Some(seconds(lexer)?) };
        Ok(Timestamp { time, delay })
    }
}

impl fmt::Display for Timestamp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.time)?;
        self.delay.map_or(Ok(()), |delay| write!(f, " {delay}"))
    }
}
