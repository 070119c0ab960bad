//! Start lines and header fields written as nearly all are, read at a glance.
//!
//! Every function here gives `None` for what is written otherwise, legal or not, and else what the one that reads all forms gives: the
//! fuzz target `lines` compares them.

use super::header::CSeq;
use super::index::Entry;
use super::keys::Span;
use super::{HeaderId, Method, class, lookup, masks, scan};

/// Method and Request-URI of a line at `base`, as [`super::start`] reads it: one blank each, and printable ASCII between them.
pub(super) fn request(line: &[u8], base: usize) -> Option<(Method, Span)> {
    let front = line.strip_suffix(b" SIP/2.0")?;
    let end = scan::find(front, b' ')?;
    let uri = front.get(end + 1..).filter(|uri| scan::is_printable(uri))?;
    let start = base + end + 1;
    Some((Method::from_bytes(front.get(..end)?)?, Span::new(start, start + uri.len())))
}

/// Octets of a message that are looked at without asking whether it has so many.
const NEAR: usize = 64;

/// Reads the header field at `start` when it is a known name, a colon, one blank, a value without control characters or blanks at its
/// ends, CRLF, no fold, and not behind `most`.
#[inline(always)]
pub(super) fn field(bytes: &[u8], start: usize, most: usize) -> Option<Entry> {
    let rest = bytes.get(start..)?;
    match rest.first_chunk::<NEAR>() {
        Some(head) => read(head, rest, start, most),
        None => near_end(rest, start, most),
    }
}

#[inline(always)]
fn read(head: &[u8; NEAR], rest: &[u8], start: usize, most: usize) -> Option<Entry> {
    let front = head.first_chunk::<16>()?;
    // A control character ends the name too: to the look-up CR would be a hyphen.
    let name = (masks::below(front, b' ') | masks::equal(front, b':')).trailing_zeros() as usize;
    let (id, name) = if name.wrapping_sub(2) < 14 { (lookup::short(front, name)?, name) } else { named(head)? };
    let [b':', b' ', first] = *head.get(name..name + 3)? else { return None };
    let end = match masks::below(masks::chunk::<32>(head, name)?, b' ') {
        0 => scan::next_control(rest, name + 32),
        found => name + found.trailing_zeros() as usize,
    };
    let [last, crlf @ .., next] = *masks::chunk::<4>(rest, end - 1)?;
    let usual = first > b' ' && last > b' ' && crlf == *b"\r\n" && !matches!(next, b' ' | b'\t') && start + end <= most;
    usual.then(|| Entry::new(start, start + name + 2, start + end, name, id))
}

/// A name of one octet or of more than 15.
#[inline(never)]
fn named(head: &[u8; NEAR]) -> Option<(u8, usize)> {
    if head.starts_with(b"\r\n") {
        return None;
    }
    let length = masks::equal(head.first_chunk::<32>()?, b':').trailing_zeros() as usize;
    match lookup::name(head.get(..length)?) {
        HeaderId::Other => None,
        id => Some((id as u8, length)),
    }
}

/// The same with NULs behind the end of the message, where none may stand.
#[inline(never)]
fn near_end(rest: &[u8], start: usize, most: usize) -> Option<Entry> {
    let mut padded = [0; 2 * NEAR];
    padded.get_mut(..rest.len())?.copy_from_slice(rest);
    read(padded.first_chunk()?, &padded, start, most)
}

/// A CSeq as [`CSeq`] reads it: at most nine digits, one blank, a method.
pub(super) fn cseq(value: &[u8]) -> Option<CSeq> {
    let mut number = 0;
    for (at, octet) in value.iter().enumerate().take(10) {
        match octet.wrapping_sub(b'0') {
            digit @ 0..=9 if at < 9 => number = number * 10 + u32::from(digit),
            _ if *octet == b' ' && at > 0 => {
                return Some(CSeq { number, method: Method::from_bytes(value.get(at + 1..)?)? });
            }
            _ => return None,
        }
    }
    None
}

/// The tag of `<...>` or `<...>;tag=...`, with or without a plain display name in quotes, at `base` of the message, as [`super::keys::tag`]
/// reads it.
#[inline]
pub(super) fn tag(value: &[u8], base: usize) -> Option<Span> {
    let display = match value.strip_prefix(b"\"") {
        Some(behind) => class::prefix(behind, class::QUOTED) + 1,
        None => 0,
    };
    let address = value.get(display..)?.strip_prefix(if display > 0 { b"\" <".as_slice() } else { b"<" })?;
    let params = address.get(scan::find(address, b'>')? + 1..)?;
    if params.is_empty() {
        return Some(Span::default());
    }
    let tag = params.strip_prefix(b";tag=")?;
    let end = base + value.len();
    class::all(tag, class::VALUE).then(|| Span::new(end - tag.len(), end))
}

/// Sent-by and branch of `SIP/2.0/UDP host:port;branch=...`, with `;rport` behind it or not, as [`super::keys::via`] reads them.
#[inline]
pub(super) fn via(value: &[u8], base: usize) -> Option<(Span, Span)> {
    let behind = value.strip_prefix(b"SIP/2.0/")?;
    let sent_by = behind.get(class::prefix(behind, class::TOKEN)..).filter(|rest| rest.len() < behind.len())?;
    let sent_by = sent_by.strip_prefix(b" ")?;
    let at = |rest: &[u8]| base + value.len() - rest.len();
    let mut rest = sent_by.get(class::prefix(sent_by, class::HOST)..)?;
    if rest.len() == sent_by.len() {
        return None;
    }
    if let Some(port) = rest.strip_prefix(b":") {
        rest = port.get(class::prefix(port, class::DIGIT)..)?;
        if rest.len() == port.len() {
            return None;
        }
    }
    let branch = rest.strip_prefix(b";branch=")?;
    let behind = branch.get(class::prefix(branch, class::VALUE)..)?;
    if behind.len() == branch.len() || !(behind.is_empty() || behind == b";rport") {
        return None;
    }
    Some((Span::new(at(sent_by), at(rest)), Span::new(at(branch), at(behind))))
}
