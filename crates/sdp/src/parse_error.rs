//! What was wrong with a session description, and where.

use std::fmt;

/// Why bytes are not a session description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Line, counted from 1.
    pub line: usize,
    /// Offset of the offending byte from the start of the description, counted from 0. In a line which is not
    /// UTF-8 it can lie a few bytes further on, never past the line.
    pub byte: usize,
    /// What went wrong.
    pub kind: ParseErrorKind,
    /// What stands there in a valid description.
    pub expected: &'static str,
    /// The rule: document and section.
    pub rule: &'static str,
}

/// What kind of mistake a [`ParseError`] is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// A bound of [`crate::Limits`] was passed; the value is the bound.
    TooLarge(usize),
    /// A line which does not look like `<letter>=<value>`.
    NotALine,
    /// A byte no line may contain: NUL, or CR without LF.
    ForbiddenByte(u8),
    /// A letter which is not one of the fifteen of RFC 8866 section 5.
    UnknownLetter(char),
    /// A line that may not stand here.
    OutOfOrder(char),
    /// A second line of a kind that may appear once.
    Duplicate(char),
    /// A line that has to be there is not; reported at the line where it was due.
    Missing(char),
    /// A value which does not follow the grammar of its line.
    Malformed(char),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, byte {}: ", self.line, self.byte)?;
        match &self.kind {
            ParseErrorKind::TooLarge(bound) => write!(f, "larger than the limit of {bound}")?,
            ParseErrorKind::NotALine => f.write_str("not a line of a session description")?,
            ParseErrorKind::ForbiddenByte(byte) => write!(f, "byte 0x{byte:02x} is not allowed")?,
            ParseErrorKind::UnknownLetter(letter) => write!(f, "unknown line {letter:?}")?,
            ParseErrorKind::OutOfOrder(letter) => write!(f, "{letter}= may not stand here")?,
            ParseErrorKind::Duplicate(letter) => write!(f, "second {letter}=")?,
            ParseErrorKind::Missing(letter) => write!(f, "no {letter}=")?,
            ParseErrorKind::Malformed(letter) => write!(f, "malformed {letter}=")?,
        }
        write!(f, ": expected {} ({})", self.expected, self.rule)
    }
}

impl std::error::Error for ParseError {}
