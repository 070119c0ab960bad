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

/// What follows the display name, if there is one, and the angle bracket. A name is in quotes or one token.
#[inline(always)]
fn address(value: &[u8]) -> Option<&[u8]> {
    match value {
        [b'<', address @ ..] => Some(address),
        [b'"', name @ ..] => name.get(class::prefix(name, class::QUOTED)..)?.strip_prefix(b"\" <"),
        _ => match value.split_at_checked(class::prefix(value, class::TOKEN))? {
            ([_, ..], behind) => behind.strip_prefix(b" <"),
            _ => None,
        },
    }
}

/// The tag of `<...>` or `<...>;tag=...`, with or without a plain display name, at `base` of the message, as [`super::keys::tag`] reads it.
#[inline]
pub(super) fn tag(value: &[u8], base: usize) -> Option<Span> {
    let address = address(value)?;
    let params = address.get(scan::find(address, b'>')? + 1..)?;
    if params.is_empty() {
        return Some(Span::default());
    }
    let tag = params.strip_prefix(b";tag=")?;
    let end = base + value.len();
    class::all(tag, class::VALUE).then(|| Span::new(end - tag.len(), end))
}

/// The URI of a From, To or Contact that [`super::header::NameAddr`] reads without fault: a plain display name or none, a URI as
/// [`is_uri`] takes it, parameters without blanks or quotes; or such a URI alone, without brackets or parameters.
pub(super) fn name_addr(value: &[u8]) -> Option<&[u8]> {
    let Some(address) = address(value) else {
        let ends = |octet: &u8| matches!(octet, b';' | b',' | b'?');
        return Some(value).filter(|value| is_uri(value) && !value.iter().any(ends));
    };
    let (uri, params) = address.split_at_checked(scan::find(address, b'>')?)?;
    let sound = is_uri(uri) && are_params(params.get(1..)?, class::TOKEN, class::VALUE);
    sound.then_some(uri)
}

/// What stands before the parameters of an address whose URI has brackets: display name and URI, without folds.
pub(super) fn before_params(value: &[u8]) -> Option<&[u8]> {
    let address = address(value)?;
    let (uri, params) = address.split_at_checked(scan::find(address, b'>')?)?;
    let end = (value.len() + 1).checked_sub(params.len())?;
    value.get(..end).filter(|_| scan::is_printable(uri))
}

/// Whether it is a SIP URI without password, escapes, headers or IPv6 address: one that [`super::Uri::parse`] takes.
pub(super) fn is_uri(text: &[u8]) -> bool {
    let Some(part) = text.strip_prefix(b"sip:").or_else(|| text.strip_prefix(b"sips:")) else { return false };
    let host = match part.split_at_checked(class::prefix(part, class::USER)) {
        Some(([_, ..], [b'@', host @ ..])) => host,
        _ => part,
    };
    let Some((_, mut rest)) = host.split_at_checked(class::prefix(host, class::HOST)) else { return false };
    let named = rest.len() < host.len();
    if let [b':', port @ ..] = rest {
        // A fifth digit may make it too large.
        let digits = class::prefix(port, class::DIGIT);
        match port.get(digits..) {
            Some(behind) if (1..5).contains(&digits) || digits == 5 && port.first() < Some(&b'6') => rest = behind,
            _ => return false,
        }
    }
    named && are_params(rest, class::PARAM, class::PARAM)
}

/// Whether it is nothing or `;name` and `;name=value` of octets of these classes.
#[inline(always)]
fn are_params(mut rest: &[u8], names: u16, values: u16) -> bool {
    while let Some(param) = rest.strip_prefix(b";") {
        let name = class::prefix(param, names);
        let behind = param.get(name..).unwrap_or_default();
        let value = behind.strip_prefix(b"=");
        let length = value.map_or(1, |value| class::prefix(value, values));
        if name == 0 || length == 0 {
            return false;
        }
        rest = value.map_or(behind, |value| value.get(length..).unwrap_or_default());
    }
    rest.is_empty()
}

/// What matters of a Via, as ranges of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Via {
    pub(super) sent_by: Span,
    pub(super) branch: Span,
    /// `;rport` without a value, where it stands.
    pub(super) rport: Span,
}

/// Reads `SIP/2.0/UDP host:port;branch=...`, with `;rport` before or behind the branch or without it.
#[inline]
pub(super) fn via(value: &[u8], base: usize) -> Option<Via> {
    const RPORT: &[u8] = b";rport";
    let behind = value.strip_prefix(b"SIP/2.0/")?;
    let sent_by = behind.get(class::prefix(behind, class::TOKEN)..).filter(|rest| rest.len() < behind.len())?;
    let sent_by = sent_by.strip_prefix(b" ")?;
    let at = |rest: &[u8]| base + value.len() - rest.len();
    let mut params = sent_by.get(class::prefix(sent_by, class::HOST)..)?;
    if params.len() == sent_by.len() {
        return None;
    }
    if let Some(port) = params.strip_prefix(b":") {
        let digits = class::prefix(port, class::DIGIT);
        if !port.get(..digits).is_some_and(is_port) {
            return None;
        }
        params = port.get(digits..)?;
    }
    let first = params.strip_prefix(RPORT).filter(|rest| rest.starts_with(b";"));
    let branch = first.unwrap_or(params).strip_prefix(b";branch=")?;
    let last = branch.get(class::prefix(branch, class::VALUE)..)?;
    if last.len() == branch.len() || !(last.is_empty() || last == RPORT && first.is_none()) {
        return None;
    }
    let rport = match first {
        Some(behind) => Span::new(at(params), at(behind)),
        None if last.is_empty() => Span::default(),
        None => Span::new(at(last), base + value.len()),
    };
    Some(Via { sent_by: Span::new(at(sent_by), at(params)), branch: Span::new(at(branch), at(last)), rport })
}

/// Digits that are a port without more ado: the typed reader takes more zeros before it.
fn is_port(digits: &[u8]) -> bool {
    let number = |digits: &[u8]| digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit & 0xf));
    (1..=5).contains(&digits.len()) && number(digits) <= u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::{before_params, via};
    use crate::route::without_params;

    #[test]
    fn rfc3261_12_1_1_an_address_without_parameters_is_found_at_a_glance_or_not_at_all() {
        for (value, at_once) in [
            ("<sip:a@b>", true),
            ("<sip:a@b;x=y>;tag=1", true),
            ("\"A > B\" <sip:a@b>;tag=1", true),
            ("\"\" <sip:a@b>", true),
            ("\"grüße\" <sip:a@b>;tag=\">\"", true),
            ("\"A \\\" <\" <sip:a@b>;tag=1", false),
            ("Alice <sip:a@b>;tag=1", true),
            ("Alice B <sip:a@b>;tag=1", false),
            ("Alice<sip:a@b>", false),
            ("sip:a@b;tag=1", false),
            ("<sip:a\r\n @b>", false),
            ("<>", false),
        ] {
            let found = before_params(value.as_bytes());
            assert_eq!(found, at_once.then(|| without_params(value).as_bytes()), "{value}");
        }
    }

    #[test]
    fn rfc3261_20_42_a_via_is_read_at_a_glance_only_with_a_port_that_there_is() {
        for (port, usual) in [
            (":0", true),
            (":5060", true),
            (":65535", true),
            (":65536", false),
            (":99999", false),
            (":100000", false),
            (":50777777777760", false),
            (":05060", true),
            (":005060", false),
            (":", false),
            ("", true),
        ] {
            let value = format!("SIP/2.0/UDP 192.0.2.1{port};branch=z9hG4bK1;rport");
            assert_eq!(via(value.as_bytes(), 0).is_some(), usual, "{value}");
        }
    }
}
