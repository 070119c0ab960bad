//! The two kinds of string a session description is made of. Both are checked when they are made, so that
//! whatever an application or another leg of a call puts into a [`crate::Session`], one value stays one line.

use std::fmt;
use std::ops::Deref;

/// Why a string cannot be a [`Token`] or [`Text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidText {
    /// The string is empty, which neither kind may be.
    Empty,
    /// The byte at this offset is not allowed.
    Byte {
        /// Offset from the start of the string.
        at: usize,
        /// The offending byte.
        byte: u8,
    },
}

impl fmt::Display for InvalidText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidText::Empty => f.write_str("empty string where RFC 8866 section 9 wants at least one character"),
            InvalidText::Byte { at, byte } => {
                write!(f, "byte {at} (0x{byte:02x}) is not allowed here (RFC 8866 section 9)")
            }
        }
    }
}

impl std::error::Error for InvalidText {}

/// One `token` of RFC 8866 section 9: letters, digits and ``!#$%&'*+-.^_`{|}~``, at least one. Case is kept.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(String);

/// One `byte-string` of RFC 8866 section 9 in UTF-8: anything but NUL, CR and LF, at least one character.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(String);

/// RFC 8866 section 9, rule `token-char`.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte)
}

impl Token {
    /// Checks and copies `value`.
    pub fn new(value: &str) -> Result<Token, InvalidText> {
        if value.is_empty() {
            return Err(InvalidText::Empty);
        }
        match value.bytes().enumerate().find(|(_, byte)| !is_token_byte(*byte)) {
            Some((at, byte)) => Err(InvalidText::Byte { at, byte }),
            None => Ok(Token(value.to_owned())),
        }
    }

    /// A token written in this crate's sources; the unit tests check each of them.
    pub(crate) fn literal(value: &'static str) -> Token {
        debug_assert!(Token::new(value).is_ok(), "not a token: {value}");
        Token(value.to_owned())
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Text {
    /// Checks and copies `value`.
    pub fn new(value: &str) -> Result<Text, InvalidText> {
        if value.is_empty() {
            return Err(InvalidText::Empty);
        }
        match value.bytes().enumerate().find(|(_, byte)| matches!(byte, 0 | b'\r' | b'\n')) {
            Some((at, byte)) => Err(InvalidText::Byte { at, byte }),
            None => Ok(Text(value.to_owned())),
        }
    }

    /// Text this crate put together from checked parts.
    pub(crate) fn assembled(value: String) -> Text {
        debug_assert!(Text::new(&value).is_ok(), "not a line of text: {value:?}");
        Text(value)
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! string_like {
    ($kind:ident) => {
        impl Deref for $kind {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }
        impl AsRef<str> for $kind {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
        impl PartialEq<str> for $kind {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }
        impl PartialEq<&str> for $kind {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }
        impl TryFrom<&str> for $kind {
            type Error = InvalidText;
            fn try_from(value: &str) -> Result<$kind, InvalidText> {
                $kind::new(value)
            }
        }
        impl std::str::FromStr for $kind {
            type Err = InvalidText;
            fn from_str(value: &str) -> Result<$kind, InvalidText> {
                $kind::new(value)
            }
        }
    };
}

string_like!(Token);
string_like!(Text);

impl From<Token> for Text {
    fn from(token: Token) -> Text {
        Text(token.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8866_9_token_takes_every_token_char_and_nothing_else() {
        for byte in 0u8..128 {
            let s = char::from(byte).to_string();
            let allowed = byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]".contains(&byte);
            assert_eq!(Token::new(&s).is_ok(), allowed, "byte {byte:#x}");
        }
        assert_eq!(Token::new(""), Err(InvalidText::Empty));
        assert_eq!(Token::new("a b"), Err(InvalidText::Byte { at: 1, byte: b' ' }));
    }

    #[test]
    fn rfc8866_9_text_refuses_line_ends_and_nul() {
        for bad in ["a\rb", "a\nb", "a\0b", ""] {
            assert!(Text::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Text::new("grüße, \u{1}\t").unwrap(), "grüße, \u{1}\t");
    }
}
