//! What was wrong with a message: where, what was expected, and which answer is due.

use std::fmt;

use super::headers::Headers;
use super::{HeaderId, Method, StatusCode};

/// A rule of the grammar that can be broken.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// What should have stood there.
    pub expected: &'static str,
    /// Where that is written, as `RFC 3261 8.1.1.7`.
    pub section: &'static str,
    /// The answer due to a request that breaks it.
    pub status: StatusCode,
}

macro_rules! rule {
    ($expected:expr, $section:expr) => {
        rule!($expected, $section, $crate::message::StatusCode::BAD_REQUEST)
    };
    ($expected:expr, $section:expr, $status:expr) => {{
        const RULE: &$crate::message::error::Rule =
            &$crate::message::error::Rule { expected: $expected, section: $section, status: $status };
        RULE
    }};
}
pub(crate) use rule;

/// A broken rule and the octet where that was noticed, relative to what was being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Octet, counted from 0 at the start of the value.
    pub byte: u32,
    /// The rule.
    pub rule: &'static Rule,
}

impl Fault {
    /// A fault at `byte`.
    #[cold]
    pub fn new(byte: usize, rule: &'static Rule) -> Fault {
        Fault { byte: u32::try_from(byte).unwrap_or(u32::MAX), rule }
    }

    /// The same fault, seen from `offset` octets further out.
    pub fn shifted(self, offset: usize) -> Fault {
        Fault::new((self.byte as usize).saturating_add(offset), self.rule)
    }

    /// The fault with the header field it stands in.
    pub fn in_header(self, id: HeaderId, index: u16) -> ParseError {
        ParseError { header: Some(id), index, ..ParseError::from(self) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: expected {} ({})", self.byte, self.rule.expected, self.rule.section)
    }
}

impl std::error::Error for Fault {}

/// Why a message, or one header field of it, could not be read.
///
/// Prints as `Via header 2, byte 41: expected branch (RFC 3261 8.1.1.7)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The header field; `None` for the start line and for the message as a whole.
    pub header: Option<HeaderId>,
    /// Which of the fields of that name (or, for [`HeaderId::Other`], which of all fields), counted from 1; 0 without a header.
    pub index: u16,
    /// Octet in the value of the field, or in the message when `header` is `None`; counted from 0.
    pub byte: u32,
    /// What should have stood there.
    pub expected: &'static str,
    /// Where that is written.
    pub section: &'static str,
    /// The answer due to a request with this fault.
    pub status: StatusCode,
}

impl From<Fault> for ParseError {
    fn from(fault: Fault) -> Self {
        ParseError {
            header: None,
            index: 0,
            byte: fault.byte,
            expected: fault.rule.expected,
            section: fault.rule.section,
            status: fault.rule.status,
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.header {
            Some(HeaderId::Other) => write!(f, "header line {}, ", self.index)?,
            Some(id) => write!(f, "{} header {}, ", id.name(), self.index)?,
            None => write!(f, "message, ")?,
        }
        write!(f, "byte {}: expected {} ({})", self.byte, self.expected, self.section)
    }
}

impl std::error::Error for ParseError {}

/// A message that must not be processed, with what is needed to refuse it.
#[derive(Debug)]
pub struct Broken {
    /// The first fault found.
    pub error: ParseError,
    /// The method, when it is a request whose method could be read. An ACK is never answered; a response is dropped.
    pub method: Option<Method>,
    /// The header fields, when it is a request whose top Via says where an answer goes: [`super::write_response`] works with them.
    /// Routing keys other than the top Via's may be empty here.
    pub head: Option<Box<Headers>>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Broken {}
