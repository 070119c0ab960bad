//! The two kinds of string a session description is made of. Both are checked when they are made, so that
//! whatever an application or another leg of a call puts into a [`crate::Session`], one value stays one line.

use std::borrow::Cow;
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
pub struct Token(Cow<'static, str>);

/// One `byte-string` of RFC 8866 section 9 in UTF-8: anything but NUL, CR and LF, at least one character.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(Cow<'static, str>);

/// What stands before the first such ASCII character, and what behind it.
pub(crate) fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let (before, rest) = text.split_at_checked(text.bytes().position(|byte| byte == at)?)?;
    Some((before, rest.get(1..)?))
}

/// The first word and what stands behind it; words are parted by ASCII white space.
pub(crate) fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_ascii_start();
    let end = text.bytes().position(|byte| byte.is_ascii_whitespace()).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(word, _)| !word.is_empty())
}

/// Without white space at either end. There is hardly ever any, which two octets tell.
pub(crate) fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// Whether this is a `token` of RFC 8866 section 9.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// RFC 8866 section 9, rule `token-char`.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES.get(usize::from(byte)).copied().unwrap_or_default()
}

static TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let excluded = matches!(
            byte as u8,
            b'"' | b'(' | b')' | b',' | b'/' | b':' | b';' | b'<' | b'=' | b'>' | b'?' | b'@' | b'[' | b'\\' | b']'
        );
        table[byte] = (byte as u8).is_ascii_graphic() && !excluded;
        byte += 1;
    }
    table
};

/// Words found in almost every description: nothing is allocated for them.
macro_rules! known_words {
    ($name:ident: $($word:literal),* $(,)?) => {
        fn $name(value: &str) -> Option<&'static str> {
            match value {
                $($word => Some($word),)*
                _ => None,
            }
        }
    };
}

known_words!(
    known_token: "-",
    "rtpmap",
    "fmtp",
    "ptime",
    "maxptime",
    "sendrecv",
    "sendonly",
    "recvonly",
    "inactive",
    "rtcp",
    "rtcp-mux",
    "mid",
    "PCMU",
    "PCMA",
    "G722",
    "G729",
    "telephone-event",
    "CN",
    "opus",
    "0-15",
    "0-16",
    "IN",
    "IP4",
    "IP6",
);

known_words!(
    known_text: "0 PCMU/8000",
    "8 PCMA/8000",
    "9 G722/8000",
    "18 G729/8000",
    "101 telephone-event/8000",
    "101 0-15",
    "101 0-16",
);

/// The decimal digits of 0 to 127, one number behind the other.
static NUMBERS: &str = match std::str::from_utf8(&NUMBER_DIGITS) {
    Ok(digits) => digits,
    Err(_) => "",
};

const NUMBER_DIGITS: [u8; 10 + 2 * 90 + 3 * 28] = {
    let mut digits = [b'0'; 10 + 2 * 90 + 3 * 28];
    let (mut number, mut at) = (0_u8, 0);
    while number < 128 {
        if number >= 100 {
            digits[at] += number / 100;
            at += 1;
        }
        if number >= 10 {
            digits[at] += number / 10 % 10;
            at += 1;
        }
        digits[at] += number % 10;
        at += 1;
        number += 1;
    }
    digits
};

/// The digits of a number from 0 to 127.
pub(crate) fn known_number(number: u8) -> Option<&'static str> {
    let at = usize::from(number);
    match number {
        0..10 => NUMBERS.get(at..at + 1),
        10..100 => NUMBERS.get(2 * at - 10..2 * at - 8),
        _ => NUMBERS.get(3 * at - 110..3 * at - 107),
    }
}

/// The same number from the table above, if it is there.
fn known_digits(value: &str) -> Option<&'static str> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0');
    match *value.as_bytes() {
        [a] => known_number(digit(a)?),
        [a @ b'1'..=b'9', b] => known_number(digit(a)? * 10 + digit(b)?),
        [b'1', b, c] => known_number(100 + digit(b)? * 10 + digit(c)?),
        _ => None,
    }
}

/// The same characters from the tables above, if they are there and a token.
fn known(value: &str) -> Option<&'static str> {
    known_digits(value).or_else(|| known_token(value))
}

impl Token {
    /// Checks and copies `value`.
    pub fn new(value: &str) -> Result<Token, InvalidText> {
        if let Some(known) = known(value) {
            return Ok(Token(Cow::Borrowed(known)));
        }
        if is_token(value) {
            return Ok(Token(Cow::Owned(value.to_owned())));
        }
        let wrong = value.bytes().enumerate().find(|(_, byte)| !is_token_byte(*byte));
        Err(wrong.map_or(InvalidText::Empty, |(at, byte)| InvalidText::Byte { at, byte }))
    }

    /// Whether this is the word in any case of letters. It is hardly ever written in another than everybody's.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.0 == word || self.0.eq_ignore_ascii_case(word)
    }

    /// A token written in this crate's sources; the unit tests check each of them.
    pub(crate) fn literal(value: &'static str) -> Token {
        debug_assert!(Token::new(value).is_ok(), "not a token: {value}");
        Token(Cow::Borrowed(value))
    }

    /// The digits of a number.
    pub(crate) fn number(number: u8) -> Token {
        Token(known_number(number).map_or_else(|| Cow::Owned(number.to_string()), Cow::Borrowed))
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
            None => Ok(Text::copied(value)),
        }
    }

    fn copied(value: &str) -> Text {
        let known = known_text(value).or_else(|| known(value));
        Text(known.map_or_else(|| Cow::Owned(value.to_owned()), Cow::Borrowed))
    }

    /// Text this crate put together from checked parts.
    pub(crate) fn assembled(value: String) -> Text {
        debug_assert!(Text::new(&value).is_ok(), "not a line of text: {value:?}");
        Text(Cow::Owned(value))
    }

    /// Text written in this crate's sources.
    pub(crate) fn literal(value: &'static str) -> Text {
        debug_assert!(Text::new(value).is_ok(), "not a line of text: {value:?}");
        Text(Cow::Borrowed(value))
    }

    /// Part of a line that has been read, so without line ends and NUL; `None` when it is empty.
    pub(crate) fn of_line(value: &str) -> Option<Text> {
        debug_assert!(value.is_empty() || Text::new(value).is_ok(), "not a line of text: {value:?}");
        (!value.is_empty()).then(|| Text::copied(value))
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
    fn rfc8866_9_known_words_and_numbers_read_as_they_are_written() {
        for number in 0..=255_u8 {
            let text = number.to_string();
            assert_eq!(Token::new(&text).unwrap(), *text);
            assert_eq!(Token::number(number), *text);
        }
        for text in ["00", "07", "007", "-", "1a", "10a", "rtpmap", "rtpmaps", "sendrecv"] {
            assert_eq!(Token::new(text).unwrap(), *text);
            assert_eq!(Text::new(text).unwrap(), *text);
        }
    }

    #[test]
    fn rfc8866_9_text_refuses_line_ends_and_nul() {
        for bad in ["a\rb", "a\nb", "a\0b", ""] {
            assert!(Text::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Text::new("grüße, \u{1}\t").unwrap(), "grüße, \u{1}\t");
    }
}
