//! Reason (RFC 3326 section 2).

use std::borrow::Cow;
use std::fmt;

use super::Header;
use crate::message::{Fault, HeaderId, Lexer, ParamValue, Params};

/// Why a request was sent or a response made (RFC 3326 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason<'a> {
    /// `SIP`, `Q.850` or another token.
    pub protocol: &'a str,
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> Reason<'a> {
    /// The cause: a status code for `SIP`, a cause value for `Q.850`.
    pub fn cause(&self) -> Option<u16> {
        self.params.token("cause").and_then(|cause| cause.parse().ok())
    }

    /// The text for people.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        self.params.get("text").map(ParamValue::text)
    }
}

impl<'a> Header<'a> for Reason<'a> {
    const ID: HeaderId = HeaderId::Reason;
    const LIST: bool = true;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        Ok(Reason { protocol: lexer.token()?, params: Params::parse(lexer)? })
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.protocol, self.params)
    }
}
