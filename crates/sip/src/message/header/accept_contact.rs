//! Accept-Contact (RFC 3841 section 9.2).

use std::fmt;

use super::Header;
use crate::message::error::rule;
use crate::message::{Fault, HeaderId, Lexer, Params};

/// What the device is to be able to do that is called (RFC 3841 section 9.2): `*` and features as RFC 3840 writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptContact<'a> {
    /// Features, and `require` and `explicit`.
    pub params: Params<'a>,
}

impl AcceptContact<'_> {
    /// Whether devices that are known not to match are not called.
    pub fn is_required(&self) -> bool {
        self.params.has("require")
    }

    /// Whether devices that do not name each of the features count as not matching.
    pub fn is_explicit(&self) -> bool {
        self.params.has("explicit")
    }
}

/// `"*" *( SEMI param )`.
pub(super) fn star<'a>(lexer: &mut Lexer<'a>) -> Result<Params<'a>, Fault> {
    if !lexer.eat(b'*') {
        return Err(lexer.fault(rule!("*", "RFC 3841 9.2")));
    }
    Params::parse(lexer)
}

impl<'a> Header<'a> for AcceptContact<'a> {
    const ID: HeaderId = HeaderId::AcceptContact;
    const LIST: bool = true;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        Ok(AcceptContact { params: star(lexer)? })
    }
}

impl fmt::Display for AcceptContact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "*{}", self.params)
    }
}
