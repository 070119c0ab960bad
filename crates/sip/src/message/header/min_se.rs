//! Min-SE (RFC 4028 section 5).

use std::fmt;

use super::Header;
use crate::message::{Fault, HeaderId, Lexer, Params};

/// The shortest session interval accepted (RFC 4028 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinSe<'a> {
    /// Seconds; what exceeds 32 bit is 2^32-1.
    pub seconds: u32,
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> Header<'a> for MinSe<'a> {
    const ID: HeaderId = HeaderId::MinSe;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        Ok(MinSe { seconds: lexer.seconds()?, params: Params::parse(lexer)? })
    }
}

impl fmt::Display for MinSe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.seconds, self.params)
    }
}
