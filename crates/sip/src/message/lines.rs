//! Header fields that an application adds to a message.

use std::fmt;
use std::io::Write;

use super::headers::Headers;
use super::quoted::unfold_bytes;
use super::{HeaderId, class};

/// Header fields in order, each checked when it was added: nothing in here can begin another line or hide a core header field.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// `Name: value CRLF`, again and again.
    text: Vec<u8>,
    /// Which known names are there: one bit each.
    known: u128,
}

const _: () = assert!(HeaderId::Other as u8 <= 128, "a bit for each known name");

/// The bit of a name; none for an unknown one.
const fn bit(id: HeaderId) -> u128 {
    match id {
        HeaderId::Other => 0,
        id => 1 << (id as u8 & 127),
    }
}

/// Why a header field was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineError {
    /// The name is empty or no token (RFC 3261 section 25.1).
    Name,
    /// The value holds CR, LF, NUL or another control character.
    Value,
    /// Via, CSeq, Call-ID, Content-Length, From, To and Max-Forwards are written by the stack itself.
    Core(HeaderId),
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineError::Name => f.write_str("a header name must be a token (RFC 3261 25.1)"),
            LineError::Value => f.write_str("a header value must not hold control characters (RFC 3261 25.1)"),
            LineError::Core(id) => write!(f, "{id} is written by the stack"),
        }
    }
}

impl std::error::Error for LineError {}

impl Lines {
    /// No lines.
    pub fn new() -> Lines {
        Lines::default()
    }

    /// Adds a line.
    ///
    /// # Errors
    /// See [`LineError`]; nothing is added then.
    pub fn push(&mut self, name: &str, value: &str) -> Result<(), LineError> {
        use HeaderId::{CSeq, CallId, ContentLength, From, MaxForwards, To, Via};
        match HeaderId::from_name(name.as_bytes()) {
            id @ (Via | CSeq | CallId | ContentLength | From | To | MaxForwards) => Err(LineError::Core(id)),
            id => self.push_named(id, name, value),
        }
    }

    /// Adds a line of any name, core header fields included.
    ///
    /// # Errors
    /// Name and value are checked as by [`Lines::push`].
    pub fn push_core(&mut self, name: &str, value: &str) -> Result<(), LineError> {
        self.push_named(HeaderId::from_name(name.as_bytes()), name, value)
    }

    fn push_named(&mut self, id: HeaderId, name: &str, value: &str) -> Result<(), LineError> {
        if !class::all(name.as_bytes(), class::TOKEN) || name.len() > usize::from(u8::MAX) {
            return Err(LineError::Name);
        }
        if value.bytes().any(|byte| byte != b'\t' && byte.is_ascii_control()) {
            return Err(LineError::Value);
        }
        let start = self.open(id, name);
        self.text.extend_from_slice(value.as_bytes());
        self.close(start);
        Ok(())
    }

    /// Adds a known header field; control characters of what is printed become blanks.
    pub fn push_id(&mut self, id: HeaderId, value: impl fmt::Display) {
        let start = self.open(id, id.name());
        // Writing to a Vec cannot fail.
        let _ = write!(self.text, "{value}");
        self.close_clean(start);
    }

    /// The same for what is text already.
    pub fn push_text(&mut self, id: HeaderId, value: &str) {
        let start = self.open(id, id.name());
        self.text.extend_from_slice(value.as_bytes());
        self.close_clean(start);
    }

    /// The same for a value in parts.
    pub fn push_parts(&mut self, id: HeaderId, parts: &[&[u8]]) {
        let start = self.open(id, id.name());
        parts.iter().for_each(|part| self.text.extend_from_slice(part));
        self.close_clean(start);
    }

    /// A comma list.
    pub(crate) fn push_list<'a>(&mut self, id: HeaderId, items: impl Iterator<Item = &'a str>) {
        let start = self.open(id, id.name());
        for (n, item) in items.enumerate() {
            self.text.extend_from_slice(if n == 0 { b"" } else { b", " });
            self.text.extend_from_slice(item.as_bytes());
        }
        self.close_clean(start);
    }

    /// Copies every header field of this name, folds as one blank: Record-Route into a response (RFC 3261 section 12.1.1).
    pub fn copy(&mut self, from: &Headers, id: HeaderId) {
        for header in from.all(id) {
            let start = self.open(id, id.name());
            self.text.extend_from_slice(&unfold_bytes(header.value));
            self.close(start);
        }
    }

    /// Adds all lines of another list.
    pub fn extend(&mut self, other: &Lines) {
        self.text.extend_from_slice(&other.text);
        self.known |= other.known;
    }

    /// Begins a line; where its value starts.
    fn open(&mut self, id: HeaderId, name: &str) -> usize {
        self.known |= bit(id);
        if self.text.capacity() == 0 {
            self.text.reserve(256);
        }
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b": ");
        self.text.len()
    }

    /// Ends the line whose value stands from `start` on: control characters become blanks.
    fn close_clean(&mut self, start: usize) {
        class::blank_controls(self.text.get_mut(start..).unwrap_or_default());
        self.close(start);
    }

    /// Ends the line whose value stands from `start` on: blanks at its ends go.
    fn close(&mut self, start: usize) {
        let value = self.text.get(start..).unwrap_or_default();
        let (length, leading) = (value.trim_ascii_end().len(), value.len() - value.trim_ascii_start().len());
        self.text.truncate(start + length);
        if (1..=length).contains(&leading) {
            self.text.drain(start..start + leading);
        }
        self.text.extend_from_slice(b"\r\n");
    }

    /// Name and value of each line.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut rest = self.text.as_slice();
        std::iter::from_fn(move || {
            let end = memchr::memchr(b'\n', rest)?;
            let line = rest.get(..end.saturating_sub(1))?;
            rest = rest.get(end + 1..)?;
            let colon = memchr::memchr(b':', line)?;
            Some((std::str::from_utf8(line.get(..colon)?).ok()?, line.get(colon + 2..)?))
        })
    }

    /// True when a line of this known name is there, compact forms being the same name. Always false for [`HeaderId::Other`].
    pub fn has(&self, id: HeaderId) -> bool {
        self.known & bit(id) != 0
    }

    /// True without lines.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The lines as they go out, each ended by CRLF.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value)))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_7_3_3_a_line_is_there_under_its_long_and_its_compact_name() {
        let mut lines = Lines::new();
        lines.push("k", "path").expect("a line");
        lines.push("X-Own", "1").expect("a line");
        lines.push_id(HeaderId::Expires, 60);
        let mut all = Lines::new();
        assert!(!all.has(HeaderId::Supported));
        all.extend(&lines);
        for lines in [&lines, &all] {
            let there = |id: &&HeaderId| lines.has(**id);
            let known: Vec<_> = HeaderId::ALL.iter().filter(there).collect();
            assert_eq!(known, [&HeaderId::Expires, &HeaderId::Supported]);
            assert!(!lines.has(HeaderId::Other));
        }
    }

    #[test]
    fn rfc3261_25_1_values_lose_blanks_at_their_ends_and_what_would_end_their_line() {
        let mut lines = Lines::new();
        lines.push("Subject", " \tlunch\tat one ").expect("a line");
        lines.push_text(HeaderId::Reason, " a\r\nb\0 ");
        lines.push_id(HeaderId::Organization, "   ");
        assert_eq!(lines.as_bytes(), b"Subject: lunch\tat one\r\nReason: a  b\r\nOrganization: \r\n");
    }
}
