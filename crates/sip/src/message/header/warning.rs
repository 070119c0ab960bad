//! Warning (RFC 3261 section 20.43).

use std::fmt;

use super::Header;
use crate::message::class;
use crate::message::error::rule;
use crate::message::lexer::decimal;
use crate::message::{Fault, HeaderId, Lexer, Quoted};

/// More about the status of a response, for people (RFC 3261 section 20.43).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warning<'a> {
    /// Three digits.
    pub code: u16,
    /// Who adds the warning: host and port, or a name.
    pub agent: &'a str,
    /// The text.
    pub text: Quoted<'a>,
}

impl<'a> Header<'a> for Warning<'a> {
    const ID: HeaderId = HeaderId::Warning;
    const LIST: bool = true;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        let start = lexer.pos();
        let digits = lexer.take(class::DIGIT);
        let code = decimal(digits).filter(|_| digits.len() == 3).and_then(|code| u16::try_from(code).ok());
        let code = code.ok_or(Fault { byte: start as u32, rule: rule!("a code of three digits", "RFC 3261 20.43") })?;
        lexer.skip_lws();
        let agent = lexer.text(class::VALUE, rule!("a warn-agent", "RFC 3261 20.43"))?;
        lexer.skip_lws();
        Ok(Warning { code, agent, text: lexer.quoted()? })
    }
}

impl fmt::Display for Warning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {} {}", self.code, self.agent, self.text)
    }
}
