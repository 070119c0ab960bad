//! The form that Alert-Info, Call-Info and Error-Info share: `<URI> *( ;param )`.

use std::fmt;

use super::name_addr::bracketed_uri;
use crate::message::error::rule;
use crate::message::{Fault, Lexer, Params, Uri};

/// A URI in angle brackets with parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InfoUri<'a> {
    /// The URI.
    pub uri: Uri<'a>,
    /// Its parameters.
    pub params: Params<'a>,
}

impl<'a> InfoUri<'a> {
    pub(super) fn read(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        if lexer.peek() != Some(b'<') {
            return Err(lexer.fault(rule!("a URI in angle brackets", "RFC 3261 25.1")));
        }
        let uri = bracketed_uri(lexer)?;
        Ok(InfoUri { uri, params: Params::parse(lexer)? })
    }
}

impl fmt::Display for InfoUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>{}", self.uri, self.params)
    }
}
