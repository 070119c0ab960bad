//! Cuts a description into lines.

use std::borrow::Cow;

use crate::limits::Limits;
use crate::parse_error::{ParseError, ParseErrorKind};

/// One line, without its end.
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub(super) number: usize,
    /// Of the letter, from the start of the description.
    pub(super) offset: usize,
    pub(super) letter: char,
    /// What stands behind the equals sign.
    pub(super) value: &'a str,
}

impl Line<'_> {
    /// A mistake of this line as a whole.
    pub(super) fn error(&self, kind: ParseErrorKind, expected: &'static str, rule: &'static str) -> ParseError {
        ParseError { line: self.number, byte: self.offset, kind, expected, rule }
    }

    /// A mistake `at` bytes into the value.
    pub(super) fn malformed(&self, at: usize, expected: &'static str, rule: &'static str) -> ParseError {
        let byte = self.offset + 2 + at.min(self.value.len());
        ParseError { line: self.number, byte, kind: ParseErrorKind::Malformed(self.letter), expected, rule }
    }
}

pub(super) struct Lines<'a> {
    rest: &'a str,
    /// Number of the next line.
    number: usize,
    /// Offset of the next line.
    offset: usize,
    limits: &'a Limits,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str, limits: &'a Limits) -> Lines<'a> {
        Lines { rest: text, number: 1, offset: 0, limits }
    }

    fn error(&self, byte: usize, kind: ParseErrorKind, expected: &'static str, rule: &'static str) -> ParseError {
        ParseError { line: self.number, byte, kind, expected, rule }
    }

    /// That the line `found` is not the one that was due.
    pub(super) fn missing(
        &self,
        found: Option<&Line<'_>>,
        letter: char,
        expected: &'static str,
        rule: &'static str,
    ) -> ParseError {
        let (line, byte) = found.map_or((self.number, self.offset), |line| (line.number, line.offset));
        ParseError { line, byte, kind: ParseErrorKind::Missing(letter), expected, rule }
    }

    /// The next line; `None` at the end, where empty lines are skipped. RFC 8866 section 5: CRLF, or LF alone.
    pub(super) fn next_line(&mut self) -> Result<Option<Line<'a>>, ParseError> {
        if self.rest.bytes().all(|byte| matches!(byte, b'\r' | b'\n')) {
            return Ok(None);
        }
        let end = mark(self.rest.as_bytes()).unwrap_or(self.rest.len());
        let (line, behind) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.check_limits(line)?;
        let width = match *behind.as_bytes() {
            [] => 0,
            [b'\n', ..] | [b'\r'] => 1,
            [b'\r', b'\n', ..] => 2,
            [byte, ..] => {
                let kind = ParseErrorKind::ForbiddenByte(byte);
                let byte = self.offset + end;
                return Err(self.error(byte, kind, "no NUL and no CR within a line", "RFC 8866 section 9"));
            }
        };
        let (letter, value) = self.read(line)?;
        let line = Line { number: self.number, offset: self.offset, letter, value };
        self.offset += end + width;
        self.rest = behind.get(width..).unwrap_or_default();
        self.number += 1;
        Ok(Some(line))
    }

    fn check_limits(&self, line: &str) -> Result<(), ParseError> {
        if self.number > self.limits.lines {
            let kind = ParseErrorKind::TooLarge(self.limits.lines);
            return Err(self.error(self.offset, kind, "fewer lines", "Limits::lines"));
        }
        if line.len() > self.limits.line_bytes {
            let kind = ParseErrorKind::TooLarge(self.limits.line_bytes);
            let byte = self.offset + self.limits.line_bytes;
            return Err(self.error(byte, kind, "a shorter line", "Limits::line_bytes"));
        }
        Ok(())
    }

    /// Letter and value of a line.
    fn read(&self, line: &'a str) -> Result<(char, &'a str), ParseError> {
        let [letter, b'=', ..] = *line.as_bytes() else {
            return Err(self.error(self.offset, ParseErrorKind::NotALine, "<letter>=<value>", "RFC 8866 section 5"));
        };
        let letter = char::from(letter);
        if !matches!(letter, 'v' | 'o' | 's' | 'i' | 'u' | 'e' | 'p' | 'c' | 'b' | 't' | 'r' | 'z' | 'k' | 'a' | 'm') {
            let kind = ParseErrorKind::UnknownLetter(letter);
            return Err(self.error(self.offset, kind, "one of v o s i u e p c b t r z k a m", "RFC 8866 section 5"));
        }
        Ok((letter, line.get(2..).unwrap_or_default()))
    }
}

/// The description as text: lines that are not UTF-8 are taken for ISO 8859-1.
pub(super) fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() * 2);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match std::str::from_utf8(line) {
            Ok(line) => text.push_str(line),
            Err(_) => text.extend(line.iter().copied().map(char::from)),
        }
    }
    Cow::Owned(text)
}

/// The place of a mistake in `bytes` that was found in what they were decoded to.
pub(super) fn undecoded(bytes: &[u8], decoded: &str, error: ParseError) -> ParseError {
    let before = error.line.saturating_sub(1);
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let start: usize = lines.clone().take(before).map(<[u8]>::len).sum();
    let decoded_start: usize = decoded.split_inclusive('\n').take(before).map(str::len).sum();
    let length = lines.skip(before).map(<[u8]>::trim_ascii_end).next().map_or(0, <[u8]>::len);
    let byte = start + error.byte.saturating_sub(decoded_start).min(length);
    ParseError { byte, ..error }
}

/// Where the first octet stands that ends a line or may not be in one: NUL, LF or CR. Eight octets at a time.
fn mark(text: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let is_mark = |octet: &u8| matches!(octet, 0 | b'\n' | b'\r');
    let mut at = 0;
    let mut words = text.chunks_exact(8);
    for word in &mut words {
        let octets = word.first_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word));
        // The highest bit of octets that are 13 at most, and perhaps of some behind the first of them.
        let low = octets.wrapping_sub(ONES * 14) & !octets & (ONES << 7);
        if low != 0 {
            let first = (low.trailing_zeros() / 8) as usize;
            let rest = word.get(first..).unwrap_or_default();
            if let Some(within) = rest.iter().position(is_mark) {
                return Some(at + first + within);
            }
        }
        at += 8;
    }
    words.remainder().iter().position(is_mark).map(|within| at + within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8866_9_the_first_octet_is_found_wherever_it_stands() {
        for length in 0..40 {
            // Octets next to those looked for, and others that a borrow could mark.
            for filler in [1, 9, 11, 12, 14, b'a', 0x80, 0x8a, 0x8d, 0xff] {
                assert_eq!(mark(&vec![filler; length]), None, "{length} of {filler}");
                for octet in [0, b'\n', b'\r'] {
                    let mut text = vec![filler; length];
                    for at in (0..length).rev() {
                        text[at] = octet;
                        assert_eq!(mark(&text), Some(at), "{text:?}");
                    }
                }
            }
        }
    }
}
