//! Media types: `type/subtype *( ;param )`.

use std::fmt;

use crate::message::error::rule;
use crate::message::{Fault, Lexer, Params};

/// A media type or range with its parameters (RFC 3261 section 25.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaType<'a> {
    /// `application`, or `*`.
    pub kind: &'a str,
    /// `sdp`, or `*`.
    pub subtype: &'a str,
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> MediaType<'a> {
    pub(crate) fn read(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        let kind = lexer.token()?;
        if !lexer.separator(b'/') {
            return Err(lexer.fault(rule!("/", "RFC 3261 20.15")));
        }
        Ok(MediaType { kind, subtype: lexer.token()?, params: Params::parse(lexer)? })
    }

    /// True when type and subtype are these, letters of either case being the same, parameters aside.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// True when this range holds that type: `*/*`, `application/*` or the same (RFC 3261 section 20.1).
    pub fn accepts(&self, kind: &str, subtype: &str) -> bool {
        (self.kind == "*" || self.kind.eq_ignore_ascii_case(kind))
            && (self.subtype == "*" || self.subtype.eq_ignore_ascii_case(subtype))
    }
}

impl fmt::Display for MediaType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}
