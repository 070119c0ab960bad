//! Start lines (RFC 3261 sections 7.1 and 7.2).

use super::class;
use super::error::{Fault, rule};
use super::keys::Span;
use super::lexer::decimal;
use super::{Method, StatusCode, scan};

/// What a start line says.
#[derive(Debug)]
pub(super) enum Start {
    /// `method` is `None` when the line is a request line but not even the method can be read.
    Request {
        method: Option<Method>,
        uri: Span,
    },
    Response {
        code: StatusCode,
        reason: Span,
    },
}

/// Reads a line that starts at `base`. A fault may come with as much as could be read.
pub(super) fn read(line: &[u8], base: usize) -> (Option<Start>, Option<Fault>) {
    let outcome = match line {
        [b'S' | b's', b'I' | b'i', b'P' | b'p', b'/', ..] => response(line, base).map_err(|fault| (None, fault)),
        _ => request(line, base),
    };
    match outcome {
        Ok(start) => (Some(start), None),
        Err((start, fault)) => (start, Some(fault.shifted(base))),
    }
}

/// `Method SP Request-URI SP SIP-Version`, with exactly one blank each.
fn request(line: &[u8], base: usize) -> Result<Start, (Option<Start>, Fault)> {
    let end = scan::find(line, b' ').unwrap_or(line.len());
    let method = Method::from_bytes(line.get(..end).unwrap_or_default());
    let known = |method| Some(Start::Request { method, uri: Span::default() });
    let Some(method) = method else {
        return Err((known(None), Fault::new(0, rule!("a method and a blank", "RFC 3261 7.1"))));
    };
    let rest = line.get(end + 1..).unwrap_or_default();
    let length = scan::find(rest, b' ').unwrap_or(rest.len());
    let uri = rest.get(..length).unwrap_or_default();
    let version = rest.get(length + 1..).unwrap_or_default();
    let at = end + 1 + length + 1;
    if uri.is_empty() || !uri.is_ascii() {
        let fault = Fault::new(end + 1, rule!("one blank and a Request-URI in ASCII", "RFC 3261 7.1"));
        return Err((known(Some(method)), fault));
    }
    if let Err(fault) = self::version(version) {
        return Err((known(Some(method)), fault.shifted(at)));
    }
    let start = base + end + 1;
    let uri = if start == 0 { Span::default() } else { Span::new(start, start + length) };
    Ok(Start::Request { method: Some(method), uri })
}

/// `SIP/2.0` in any case; another number is another version.
fn version(text: &[u8]) -> Result<(), Fault> {
    if text == b"SIP/2.0" || text.eq_ignore_ascii_case(b"SIP/2.0") {
        return Ok(());
    }
    let number = text.get(..4).filter(|name| name.eq_ignore_ascii_case(b"SIP/")).and_then(|_| text.get(4..));
    let other = number.is_some_and(|number| {
        let mut parts = number.split(|byte| *byte == b'.');
        let mut digits = || parts.next().is_some_and(|part| class::all(part, class::DIGIT));
        digits() && digits() && parts.next().is_none()
    });
    Err(match other {
        true => Fault::new(4, rule!("version 2.0", "RFC 3261 21.5.6", StatusCode::VERSION_NOT_SUPPORTED)),
        false => Fault::new(0, rule!("one blank and SIP/2.0, nothing behind it", "RFC 3261 7.1")),
    })
}

/// `SIP-Version SP Status-Code SP Reason-Phrase`; the second blank may be missing when the phrase is.
fn response(line: &[u8], base: usize) -> Result<Start, Fault> {
    let end = scan::find(line, b' ').unwrap_or(line.len());
    version(line.get(..end).unwrap_or_default())?;
    let rest = line.get(end + 1..).unwrap_or_default();
    let length = scan::find(rest, b' ').unwrap_or(rest.len());
    let code = match rest.get(..length) {
        Some(digits @ [_, _, _]) => decimal(digits).and_then(|code| u16::try_from(code).ok()).and_then(StatusCode::new),
        _ => None,
    };
    let Some(code) = code else {
        return Err(Fault::new(end + 1, rule!("a status code from 100 to 699", "RFC 3261 7.2")));
    };
    let reason = (end + 1 + length + 1).min(line.len());
    Ok(Start::Response { code, reason: Span::new(base + reason, base + line.len()) })
}
