//! Escapes `%XX` (RFC 3261 section 19.1.2, RFC 3986 section 2.1).

use std::borrow::Cow;
use std::fmt;

use super::super::class;

fn nibble(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The octets of an escaped text, each escape resolved once; `%` without two digits stays.
pub(super) fn octets(text: &str) -> impl Iterator<Item = u8> + '_ {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || match rest {
        [b'%', a, b, tail @ ..] if nibble(*a).is_some() && nibble(*b).is_some() => {
            rest = tail;
            Some(nibble(*a).unwrap_or(0) << 4 | nibble(*b).unwrap_or(0))
        }
        [byte, tail @ ..] => {
            rest = tail;
            Some(*byte)
        }
        [] => None,
    })
}

/// Resolves escapes once.
pub fn unescape(text: &str) -> Cow<'_, [u8]> {
    match text.contains('%') {
        true => Cow::Owned(octets(text).collect()),
        false => Cow::Borrowed(text.as_bytes()),
    }
}

/// Resolves escapes once; `None` when the outcome is not UTF-8.
pub(super) fn unescape_utf8(text: &str) -> Option<Cow<'_, str>> {
    match text.contains('%') {
        true => String::from_utf8(octets(text).collect()).ok().map(Cow::Owned),
        false => Some(Cow::Borrowed(text)),
    }
}

/// Prints octets as a part of a URI, escaping what may not stand there.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a> {
    bytes: &'a [u8],
    classes: u16,
}

impl<'a> Escaped<'a> {
    /// As a user part.
    pub fn user(bytes: &'a [u8]) -> Self {
        Escaped { bytes, classes: class::USER }
    }
    /// As name or value of a URI parameter.
    pub fn param(bytes: &'a [u8]) -> Self {
        Escaped { bytes, classes: class::PARAM }
    }
    /// As name or value of a URI header.
    pub fn header(bytes: &'a [u8]) -> Self {
        Escaped { bytes, classes: class::HEADER }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        self.bytes.iter().try_for_each(|byte| match class::is(*byte, self.classes) {
            true => f.write_char(char::from(*byte)),
            false => write!(f, "%{byte:02X}"),
        })
    }
}

/// True when both texts mean the same octets.
pub(super) fn same(a: &str, b: &str) -> bool {
    octets(a).eq(octets(b))
}

/// True when both texts mean the same octets, letters of either case being the same.
pub(super) fn same_ignoring_case(a: &str, b: &str) -> bool {
    let lower = |byte: u8| byte.to_ascii_lowercase();
    octets(a).map(lower).eq(octets(b).map(lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_19_1_2_reserved_characters_of_headers_are_escaped() {
        for byte in 0..=255_u8 {
            let plain = byte.is_ascii_alphanumeric() || b"-_.!~*'()[]/?:+$".contains(&byte);
            let expected = if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") };
            let printed = Escaped::header(&[byte]).to_string();
            assert_eq!(printed, expected);
            assert_eq!(*unescape(&printed), [byte]);
        }
    }
}
