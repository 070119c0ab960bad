//! Join (RFC 3911 section 7.1).

use std::fmt;

use super::{Header, replaces};
use crate::message::{Fault, HeaderId, Lexer, Params};

/// The dialog whose conversation the new one is to be part of (RFC 3911 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join<'a> {
    /// The Call-ID of that dialog: printable ASCII without `;` and `,`.
    pub call_id: &'a str,
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> Join<'a> {
    /// The To tag of that dialog, as its UAC saw it; required.
    pub fn to_tag(&self) -> Option<&'a str> {
        self.params.token("to-tag").filter(|tag| !tag.is_empty())
    }

    /// The From tag of that dialog, as its UAC saw it; required.
    pub fn from_tag(&self) -> Option<&'a str> {
        self.params.token("from-tag").filter(|tag| !tag.is_empty())
    }
}

impl<'a> Header<'a> for Join<'a> {
    const ID: HeaderId = HeaderId::Join;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        let (call_id, params) = replaces::dialog(lexer)?;
        Ok(Join { call_id, params })
    }
}

impl fmt::Display for Join<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.call_id, self.params)
    }
}
