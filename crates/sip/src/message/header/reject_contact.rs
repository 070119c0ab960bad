//! Reject-Contact (RFC 3841 section 9.2).

use std::fmt;

use super::Header;
use super::accept_contact::star;
use crate::message::{Fault, HeaderId, Lexer, Params};

/// Which devices are not to be called (RFC 3841 section 9.2): those that name all these features, and with these values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectContact<'a> {
    /// Features as RFC 3840 writes them.
    pub params: Params<'a>,
}

impl<'a> Header<'a> for RejectContact<'a> {
    const ID: HeaderId = HeaderId::RejectContact;
    const LIST: bool = true;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        Ok(RejectContact { params: star(lexer)? })
    }
}

impl fmt::Display for RejectContact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "*{}", self.params)
    }
}
