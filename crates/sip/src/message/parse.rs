//! The one pass over a message: start line, index of header fields, routing keys, body.

use bytes::Bytes;

use super::error::{Broken, Fault, ParseError, rule};
use super::headers::Headers;
use super::index::{Entry, Index};
use super::keys::{self, Keys, Span};
use super::lexer::{Lexer, decimal};
use super::scan::{self, End};
use super::start::{self, Start};
use super::{HeaderId, Limits, Message, Request, Response, StatusCode, class, header::Header};

/// Reads a datagram or one message cut from a stream.
pub(super) fn parse(bytes: Bytes, limits: &Limits) -> Result<Message, Broken> {
    let mut pass = Pass {
        bytes: &bytes,
        limits,
        index: Index::new(),
        keys: Keys::new(),
        seen: 0,
        content_length: None,
        fault: None,
    };
    let (start, body) = pass.run();
    let Pass { index, keys, seen, fault, .. } = pass;
    match (start, fault) {
        (Some(Start::Request { uri, .. }), None) => {
            Ok(Message::Request(Request::new(Headers::new(bytes, index, keys, seen, body), uri)))
        }
        (Some(Start::Response { code, reason }), None) => {
            Ok(Message::Response(Response::new(Headers::new(bytes, index, keys, seen, body), code, reason)))
        }
        (start, fault) => Err(broken(start, fault, Headers::new(bytes, index, keys, seen, body))),
    }
}

#[cold]
fn broken(start: Option<Start>, fault: Option<ParseError>, head: Headers) -> Broken {
    let error = fault.unwrap_or_else(|| ParseError::from(Fault::new(0, rule!("a start line", "RFC 3261 7.1"))));
    match start {
        Some(Start::Request { method, .. }) => {
            let answerable = !head.sent_by().is_empty();
            Broken { error, method, head: answerable.then(|| Box::new(head)) }
        }
        _ => Broken { error, method: None, head: None },
    }
}

struct Pass<'b> {
    bytes: &'b [u8],
    limits: &'b Limits,
    index: Index,
    keys: Keys,
    /// One bit for each known name seen.
    seen: u128,
    content_length: Option<u32>,
    fault: Option<ParseError>,
}

/// Header fields that must stand exactly once (RFC 3261 sections 8.1.1, 20; RFC 4475 sections 3.3.8 and 3.3.9).
const ONCE: u128 = bit(HeaderId::From)
    | bit(HeaderId::To)
    | bit(HeaderId::CallId)
    | bit(HeaderId::CSeq)
    | bit(HeaderId::MaxForwards)
    | bit(HeaderId::ContentLength)
    | bit(HeaderId::ContentType);

/// Header fields without which there is no transaction (RFC 3261 section 8.1.1).
const NEEDED: [HeaderId; 5] = [HeaderId::Via, HeaderId::From, HeaderId::To, HeaderId::CallId, HeaderId::CSeq];

pub(super) const fn bit(id: HeaderId) -> u128 {
    match id {
        HeaderId::Other => 0,
        id => 1 << (id as u8),
    }
}

impl Pass<'_> {
    /// Keeps the first fault.
    #[cold]
    fn note(&mut self, error: impl Into<ParseError>) {
        let error = error.into();
        self.fault.get_or_insert(error);
    }

    fn run(&mut self) -> (Option<Start>, Span2) {
        let none = Span2 { start: 0, end: 0 };
        if self.bytes.len() > self.limits.message {
            let rule = rule!("a message within the limit", "RFC 3261 21.5.7", StatusCode::MESSAGE_TOO_LARGE);
            self.note(Fault::new(self.limits.message, rule));
        }
        let begin = self.bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let (end, next) = match scan::start_line(self.bytes, begin) {
            End::Line { end, next } if next <= self.limits.line.min(usize::from(u16::MAX) - 4) => (end, next),
            End::Line { .. } | End::Missing => {
                self.note(Fault::new(begin, rule!("a start line within the limit, ended by CRLF", "RFC 3261 7.1")));
                return (None, none);
            }
            End::Control(at) => {
                self.note(Fault::new(at, rule!("CRLF or no control character", "RFC 3261 7.1")));
                return (None, none);
            }
        };
        let line = self.bytes.get(begin..end).unwrap_or_default();
        let (start, fault) = start::read(line, begin);
        if let Some(fault) = fault {
            self.note(fault);
        }
        let body = match self.fields(next) {
            Some(body) => body,
            None => return (start, none),
        };
        self.check_needed();
        self.check_method(start.as_ref());
        let body = self.body(body);
        (start, body)
    }

    /// Reads header fields up to the empty line; gives where the body starts, `None` when the head has no end.
    fn fields(&mut self, mut pos: usize) -> Option<usize> {
        let bytes = self.bytes;
        let most = self.limits.head.min(usize::from(u16::MAX));
        loop {
            match bytes.get(pos..) {
                Some([b'\r', b'\n', ..]) => return Some(pos + 2),
                Some([_, ..]) => {}
                _ => {
                    self.note(Fault::new(pos, rule!("an empty line behind the header fields", "RFC 3261 7")));
                    return None;
                }
            }
            if self.index.entries().len() >= self.limits.headers {
                self.note(Fault::new(pos, rule!("no more header fields than the limit", "RFC 3261 21.4.1")));
                return None;
            }
            let next = match self.field(pos) {
                Ok(next) => next,
                Err(fault) => {
                    self.note(fault);
                    scan::resume(bytes, pos)
                }
            };
            if next > most {
                let rule = rule!("header fields within the limit", "RFC 3261 21.5.7", StatusCode::MESSAGE_TOO_LARGE);
                self.note(Fault::new(most, rule));
                return None;
            }
            pos = next;
        }
    }

    /// Reads the header field at `start` into the index; gives where the next line starts.
    #[inline(always)]
    fn field(&mut self, start: usize) -> Result<usize, ParseError> {
        let (entry, next) = field(self.bytes, start, self.limits)?;
        let (bytes, most) = (self.bytes, self.limits.headers);
        self.index.push(entry, || memchr::memchr_iter(b'\n', bytes.get(next..).unwrap_or_default()).take(most).count());
        let id = entry.id();
        if self.seen & ONCE & bit(id) != 0 {
            let fault = Fault::new(0, rule!("this header field only once", "RFC 3261 7.3.1"));
            self.note(fault.in_header(id, 2));
        } else {
            self.key(id, usize::from(entry.value), usize::from(entry.end));
        }
        self.seen |= bit(id);
        Ok(next)
    }

    /// Takes the routing keys out of the header fields that hold them.
    #[inline(always)]
    fn key(&mut self, id: HeaderId, start: usize, end: usize) {
        let value = self.bytes.get(start..end).unwrap_or_default();
        let outcome = match id {
            HeaderId::Via if self.seen & bit(HeaderId::Via) == 0 => keys::via(value, start).map(|(sent_by, branch)| {
                self.keys.sent_by = sent_by;
                self.keys.branch = branch;
            }),
            HeaderId::From => keys::tag(value, start).map(|tag| self.keys.from_tag = tag),
            HeaderId::To => keys::tag(value, start).map(|tag| self.keys.to_tag = tag),
            HeaderId::CallId => keys::call_id(value).map(|()| self.keys.call_id = Span::new(start, end)),
            HeaderId::CSeq => super::header::CSeq::parse_value(&mut Lexer::new(value)).map(|cseq| self.keys.cseq = cseq),
            HeaderId::ContentLength => content_length(value).map(|length| self.content_length = Some(length)),
            _ => return,
        };
        if let Err(fault) = outcome {
            self.note(fault.in_header(id, 1));
        }
    }

    fn check_needed(&mut self) {
        for id in NEEDED {
            if self.seen & bit(id) == 0 {
                let fault = Fault::new(0, rule!("this header field to be there", "RFC 3261 8.1.1"));
                self.note(fault.in_header(id, 1));
            }
        }
    }

    fn check_method(&mut self, start: Option<&Start>) {
        if let Some(Start::Request { method: Some(method), .. }) = start
            && self.seen & bit(HeaderId::CSeq) != 0
            && self.fault.is_none()
            && *method != self.keys.cseq.method
        {
            let fault = Fault::new(0, rule!("the method of the request line", "RFC 3261 8.1.1.5"));
            self.note(fault.in_header(HeaderId::CSeq, 1));
        }
    }

    /// RFC 3261 section 18.3: a longer datagram is cut, a shorter one is an error, without Content-Length all is body.
    fn body(&mut self, start: usize) -> Span2 {
        let rest = self.bytes.len().saturating_sub(start);
        let length = match self.content_length {
            None => rest,
            Some(length) if length as usize <= rest => length as usize,
            Some(_) => {
                let fault = Fault::new(0, rule!("as many octets of body as announced", "RFC 3261 18.3"));
                self.note(fault.in_header(HeaderId::ContentLength, 1));
                rest
            }
        };
        Span2 { start: start as u32, end: (start + length) as u32 }
    }
}

/// A range that may reach beyond the head.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span2 {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// Reads the header field at `start`; gives where the next line starts.
#[inline(always)]
pub(super) fn field(bytes: &[u8], start: usize, limits: &Limits) -> Result<(Entry, usize), ParseError> {
    let (colon, name, id) = name_at(bytes, start)?;
    let (end, next) = match scan::field(bytes, colon + 1) {
        End::Line { end, next } => (end, next),
        End::Missing => (bytes.len(), bytes.len()),
        End::Control(at) => {
            return Err(Fault::new(at, rule!("CRLF or no control character", "RFC 3261 25.1")).into());
        }
    };
    if next - start > limits.line {
        let at = start + limits.line;
        return Err(Fault::new(at, rule!("a header field within the limit", "RFC 3261 21.4.1")).into());
    }
    if next > usize::from(u16::MAX) {
        let rule = rule!("header fields within 65,535 octets", "RFC 3261 21.5.7", StatusCode::MESSAGE_TOO_LARGE);
        return Err(Fault::new(usize::from(u16::MAX), rule).into());
    }
    let value = skip_blanks(bytes, colon + 1, end);
    let end = trim_blanks(bytes, value, end);
    Ok((Entry { start: start as u16, value: value as u16, end: end as u16, name: name as u8, id: id as u8 }, next))
}

/// Reads a name; gives where its colon stands, its length and what it is.
#[inline(always)]
fn name_at(bytes: &[u8], start: usize) -> Result<(usize, usize, HeaderId), ParseError> {
    let rest = bytes.get(start..).unwrap_or_default();
    let length = class::prefix(rest, class::TOKEN);
    let mut colon = length;
    while matches!(rest.get(colon), Some(b' ' | b'\t')) {
        colon += 1;
    }
    if rest.get(colon) != Some(&b':') || length == 0 || length > usize::from(u8::MAX) {
        let rule = rule!("a header name of at most 255 octets and a colon", "RFC 3261 7.3.1");
        return Err(Fault::new(start + colon, rule).into());
    }
    let id = HeaderId::from_name(rest.get(..length).unwrap_or_default());
    Ok((start + colon, length, id))
}

#[inline(always)]
fn skip_blanks(bytes: &[u8], mut pos: usize, end: usize) -> usize {
    while pos < end && matches!(bytes.get(pos), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        pos += 1;
    }
    pos
}

#[inline(always)]
fn trim_blanks(bytes: &[u8], start: usize, mut end: usize) -> usize {
    while end > start && matches!(bytes.get(end - 1), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        end -= 1;
    }
    end
}

/// A Content-Length (RFC 3261 section 20.14).
pub(super) fn content_length(value: &[u8]) -> Result<u32, Fault> {
    decimal(value).ok_or(Fault::new(0, rule!("a number of octets", "RFC 3261 20.14")))
}
