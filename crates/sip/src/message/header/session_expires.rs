//! Session-Expires (RFC 4028 section 4).

use std::fmt;

use super::Header;
use crate::message::{Fault, HeaderId, Lexer, Params};

/// How long the session lasts without a refresh (RFC 4028 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires<'a> {
    /// Seconds; what exceeds 32 bit is 2^32-1.
    pub seconds: u32,
    /// The parameters.
    pub params: Params<'a>,
}

/// Who refreshes a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// The side that sent the request.
    Uac,
    /// The side that answers it.
    Uas,
}

impl SessionExpires<'_> {
    /// The `refresher` parameter; `None` when absent or unknown.
    pub fn refresher(&self) -> Option<Refresher> {
        match self.params.token("refresher")? {
            who if who.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            who if who.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            _ => None,
        }
    }
}

impl<'a> Header<'a> for SessionExpires<'a> {
    const ID: HeaderId = HeaderId::SessionExpires;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        Ok(SessionExpires { seconds: lexer.seconds()?, params: Params::parse(lexer)? })
    }
}

impl fmt::Display for SessionExpires<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.seconds, self.params)
    }
}
