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
    pub(super) value: Cow<'a, str>,
    /// Bytes of the line as they were received.
    length: usize,
}

impl Line<'_> {
    /// A mistake of this line as a whole.
    pub(super) fn error(&self, kind: ParseErrorKind, expected: &'static str, rule: &'static str) -> ParseError {
        ParseError { line: self.number, byte: self.offset, kind, expected, rule }
    }

    /// A mistake `at` bytes into the value.
    pub(super) fn malformed(&self, at: usize, expected: &'static str, rule: &'static str) -> ParseError {
        let byte = self.offset + at.saturating_add(2).min(self.length);
        ParseError { line: self.number, byte, kind: ParseErrorKind::Malformed(self.letter), expected, rule }
    }
}

pub(super) struct Lines<'a> {
    rest: &'a [u8],
    /// All of it, when it is UTF-8.
    text: Option<&'a str>,
    /// Number of the next line.
    number: usize,
    /// Offset of the next line.
    offset: usize,
    limits: &'a Limits,
    /// Whether a line was not UTF-8.
    pub(super) latin1: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(bytes: &'a [u8], limits: &'a Limits) -> Result<Lines<'a>, ParseError> {
        let mut lines = Lines { rest: bytes, text: None, number: 1, offset: 0, limits, latin1: false };
        if bytes.len() > limits.session_bytes {
            let kind = ParseErrorKind::TooLarge(limits.session_bytes);
            return Err(lines.error(limits.session_bytes, kind, "a shorter description", "Limits::session_bytes"));
        }
        lines.text = std::str::from_utf8(bytes).ok();
        Ok(lines)
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
        if self.rest.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            return Ok(None);
        }
        let end = find(self.rest, |word| zeros(word ^ (ONES * u64::from(b'\n'))), |byte| byte == b'\n');
        let (raw, next) = match end.and_then(|end| self.rest.split_at_checked(end)) {
            Some((line, rest)) => (line, rest.get(1..).unwrap_or_default()),
            None => (self.rest, &[] as &[u8]),
        };
        let bytes = raw.strip_suffix(b"\r").unwrap_or(raw);
        let line = self.cut(bytes)?;
        self.offset += self.rest.len() - next.len();
        self.rest = next;
        self.number += 1;
        Ok(Some(line))
    }

    fn cut(&mut self, bytes: &'a [u8]) -> Result<Line<'a>, ParseError> {
        if self.number > self.limits.lines {
            let kind = ParseErrorKind::TooLarge(self.limits.lines);
            return Err(self.error(self.offset, kind, "fewer lines", "Limits::lines"));
        }
        if bytes.len() > self.limits.line_bytes {
            let kind = ParseErrorKind::TooLarge(self.limits.line_bytes);
            let byte = self.offset + self.limits.line_bytes;
            return Err(self.error(byte, kind, "a shorter line", "Limits::line_bytes"));
        }
        let marks = |word: u64| zeros(word) | zeros(word ^ (ONES * u64::from(b'\r')));
        let forbidden = find(bytes, marks, |byte| matches!(byte, 0 | b'\r'));
        if let Some((at, byte)) = forbidden.and_then(|at| Some((at, *bytes.get(at)?))) {
            let kind = ParseErrorKind::ForbiddenByte(byte);
            return Err(self.error(self.offset + at, kind, "no NUL and no CR within a line", "RFC 8866 section 9"));
        }
        let (Some((letter, rest)), b'=') = (bytes.split_first(), bytes.get(1).copied().unwrap_or_default()) else {
            return Err(self.error(self.offset, ParseErrorKind::NotALine, "<letter>=<value>", "RFC 8866 section 5"));
        };
        if !b"vosiuepcbtrzkam".contains(letter) {
            let kind = ParseErrorKind::UnknownLetter(char::from(*letter));
            return Err(self.error(self.offset, kind, "one of v o s i u e p c b t r z k a m", "RFC 8866 section 5"));
        }
        let value = rest.get(1..).unwrap_or_default();
        let start = self.offset + 2;
        let known = self.text.and_then(|text| text.get(start..start + value.len()));
        let value = match known.map_or_else(|| std::str::from_utf8(value), Ok) {
            Ok(value) => Cow::Borrowed(value),
            Err(_) => {
                self.latin1 = true;
                Cow::Owned(value.iter().copied().map(char::from).collect())
            }
        };
        Ok(Line { number: self.number, offset: self.offset, letter: char::from(*letter), value, length: bytes.len() })
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// Marks the octets that are zero by their highest bit. The lowest mark is exact; a borrow can only make wrong marks above it.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

/// Where the first octet stands that `is` says yes to, eight at a time: `marks` marks the same octets of a word, the lowest exactly.
#[inline(always)]
fn find(text: &[u8], marks: impl Fn(u64) -> u64, is: impl Fn(u8) -> bool) -> Option<usize> {
    let mut rest = text;
    while let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
        let marked = marks(u64::from_le_bytes(*chunk));
        if marked != 0 {
            return Some(text.len() - rest.len() + (marked.trailing_zeros() / 8) as usize);
        }
        rest = behind;
    }
    rest.iter().position(|byte| is(*byte)).map(|at| text.len() - rest.len() + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8866_9_the_first_octet_is_found_wherever_it_stands() {
        let newline = |text: &[u8]| find(text, |word| zeros(word ^ (ONES * u64::from(b'\n'))), |byte| byte == b'\n');
        let marks = |word: u64| zeros(word) | zeros(word ^ (ONES * u64::from(b'\r')));
        let forbidden = |text: &[u8]| find(text, marks, |byte| matches!(byte, 0 | b'\r'));
        for length in 0..40 {
            // Octets next to those looked for, which a borrow could mark.
            for filler in [1, 9, 11, 12, 14, b'a', 0x80, 0x8a, 0x8d, 0xff] {
                let mut text = vec![filler; length];
                assert_eq!((newline(&text), forbidden(&text)), (None, None), "{length} of {filler}");
                for at in (0..length).rev() {
                    text[at] = b'\n';
                    assert_eq!(newline(&text), Some(at), "{text:?}");
                    assert_eq!(forbidden(&text), None, "{text:?}");
                }
                for octet in [0, b'\r'] {
                    let mut text = vec![filler; length];
                    for at in (0..length).rev() {
                        text[at] = octet;
                        assert_eq!(forbidden(&text), Some(at), "{text:?}");
                        assert_eq!(newline(&text), None, "{text:?}");
                    }
                }
            }
        }
    }
}
