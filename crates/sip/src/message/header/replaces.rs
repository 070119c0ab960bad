//! Replaces (RFC 3891 section 6.1).

use std::fmt;

use super::Header;
use crate::message::error::rule;
use crate::message::{Fault, HeaderId, Lexer, Params};

/// The dialog that the new one replaces (RFC 3891 section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaces<'a> {
    /// The Call-ID of that dialog: printable ASCII without `;` and `,`.
    pub call_id: &'a str,
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> Replaces<'a> {
    /// The To tag of that dialog, as its UAC saw it; required.
    pub fn to_tag(&self) -> Option<&'a str> {
        self.params.token("to-tag").filter(|tag| !tag.is_empty())
    }

    /// The From tag of that dialog, as its UAC saw it; required.
    pub fn from_tag(&self) -> Option<&'a str> {
        self.params.token("from-tag").filter(|tag| !tag.is_empty())
    }

    /// True when only a dialog that is not confirmed yet may be replaced.
    pub fn is_early_only(&self) -> bool {
        self.params.has("early-only")
    }
}

impl<'a> Header<'a> for Replaces<'a> {
    const ID: HeaderId = HeaderId::Replaces;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        let (call_id, params) = dialog(lexer)?;
        Ok(Replaces { call_id, params })
    }
}

/// A dialog as Replaces and Join name it: exactly one of each tag (RFC 3891 section 6.1, RFC 3911 section 7.1).
pub(super) fn dialog<'a>(lexer: &mut Lexer<'a>) -> Result<(&'a str, Params<'a>), Fault> {
    let expected = rule!("a Call-ID", "RFC 3891 6.1");
    let rest = lexer.rest();
    let ends = |byte: &u8| !byte.is_ascii_graphic() || matches!(byte, b';' | b',');
    let taken = rest.get(..rest.iter().position(ends).unwrap_or(rest.len())).unwrap_or_default();
    let call_id = match std::str::from_utf8(taken) {
        Ok(text) if !text.is_empty() => text,
        _ => return Err(lexer.fault(expected)),
    };
    lexer.advance(taken.len());
    let params = Params::parse(lexer)?;
    for name in ["to-tag", "from-tag"] {
        let mut found = params.iter().filter(|param| param.name.eq_ignore_ascii_case(name));
        if found.next().is_none() || found.next().is_some() {
            return Err(lexer.fault(rule!("one to-tag and one from-tag", "RFC 3891 6.1")));
        }
    }
    Ok((call_id, params))
}

impl fmt::Display for Replaces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.call_id, self.params)
    }
}
