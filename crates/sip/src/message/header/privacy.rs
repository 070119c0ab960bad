//! Privacy (RFC 3323 section 4.2).

use std::fmt;

use super::Header;
use crate::message::{Fault, HeaderId, Lexer};

/// What a privacy service is asked to hide: tokens separated by semicolons (RFC 3323 section 4.2). Commas are read as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privacy<'a> {
    raw: &'a [u8],
}

impl<'a> Privacy<'a> {
    /// The tokens in order: `none`, `id`, `user`, `session`, `header`, `critical`, ...
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut lexer = Lexer::new(self.raw);
        std::iter::from_fn(move || {
            let token = lexer.token().ok()?;
            let _ = lexer.separator(b';') || lexer.separator(b',');
            Some(token)
        })
    }

    /// True when the token is among them.
    pub fn has(&self, value: &str) -> bool {
        self.iter().any(|token| token.eq_ignore_ascii_case(value))
    }
}

impl<'a> Header<'a> for Privacy<'a> {
    const ID: HeaderId = HeaderId::Privacy;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        let start = lexer.pos();
        loop {
            lexer.token()?;
            if !(lexer.separator(b';') || lexer.separator(b',')) {
                return Ok(Privacy { raw: lexer.since(start) });
            }
        }
    }
}

impl fmt::Display for Privacy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, token) in self.iter().enumerate() {
            f.write_str(if n > 0 { ";" } else { "" })?;
            f.write_str(token)?;
        }
        Ok(())
    }
}
