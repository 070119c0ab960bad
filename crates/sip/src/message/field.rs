//! Reads one header field, however it is written.

use super::error::{Fault, ParseError, rule};
use super::index::Entry;
use super::scan::{self, End};
use super::{Limits, StatusCode, class, lookup};

/// Reads the header field at `start`; gives where the next line starts.
#[inline(never)]
pub(super) fn field(bytes: &[u8], start: usize, limits: &Limits) -> Result<(Entry, usize), ParseError> {
    let line = bytes.get(start..).unwrap_or_default();
    let (colon, name, id) = name_at(line, start)?;
    let from = start + colon + 1;
    let (end, next) = match scan::field(bytes, from) {
        End::Line { end, next } => (end, next),
        End::Missing => (bytes.len(), bytes.len()),
        End::Control(at) => return Err(control(at)),
    };
    if next - start > limits.line || next > limits.head.min(usize::from(u16::MAX)) {
        return Err(too_long(start, next, limits));
    }
    let (value, end) = trim(bytes, from, end);
    Ok((Entry::new(start, value, end, name, id), next))
}

#[cold]
#[inline(never)]
fn control(at: usize) -> ParseError {
    Fault::new(at, rule!("CRLF or no control character", "RFC 3261 25.1")).into()
}

#[cold]
#[inline(never)]
fn too_long(start: usize, next: usize, limits: &Limits) -> ParseError {
    let at = start.saturating_add(limits.line);
    if next > at {
        return Fault::new(at, rule!("a header field within the limit", "RFC 3261 21.4.1")).into();
    }
    let rule = rule!("header fields within the limit", "RFC 3261 21.5.7", StatusCode::MESSAGE_TOO_LARGE);
    Fault::new(limits.head.min(usize::from(u16::MAX)), rule).into()
}

/// Reads any name; gives where its colon stands, its length and its number.
fn name_at(line: &[u8], start: usize) -> Result<(usize, usize, u8), ParseError> {
    let length = class::prefix(line, class::TOKEN);
    let mut colon = length;
    while matches!(line.get(colon), Some(b' ' | b'\t')) {
        colon += 1;
    }
    if line.get(colon) != Some(&b':') || length == 0 || length > usize::from(u8::MAX) {
        let rule = rule!("a header name of at most 255 octets and a colon", "RFC 3261 7.3.1");
        return Err(Fault::new(start + colon, rule).into());
    }
    let id = lookup::name(line.get(..length).unwrap_or_default());
    Ok((colon, length, id as u8))
}

/// Takes the white space away from both ends of a value.
fn trim(bytes: &[u8], mut start: usize, mut end: usize) -> (usize, usize) {
    while start < end && matches!(bytes.get(start), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        start += 1;
    }
    while end > start && matches!(bytes.get(end - 1), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        end -= 1;
    }
    (start, end)
}
