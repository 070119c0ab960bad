//! The one pass over a message: start line, index of header fields, routing keys, body.

use bytes::Bytes;

use super::error::{Broken, Fault, ParseError, rule};
use super::headers::Headers;
use super::index::{Entry, Index};
use super::keys::{self, Keys, Span};
use super::lexer::{Lexer, decimal};
use super::scan::{self, End};
use super::start::{self, Start};
use super::{HeaderId, Limits, Message, Request, Response, StatusCode, class, header::Header, lookup};

/// Reads a datagram or one message cut from a stream.
pub(super) fn parse(bytes: Bytes, limits: &Limits) -> Result<Message, Broken> {
    let mut pass = Pass {
        bytes: &bytes,
        limits,
        index: Index::new(),
        keys: Keys::new(),
        seen: Seen::default(),
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
    seen: Seen,
    content_length: Option<u32>,
    fault: Option<ParseError>,
}

/// One bit for each [`HeaderId`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen([u64; 2]);

impl Seen {
    #[inline(always)]
    fn add(&mut self, id: u8) {
        if let Some(word) = self.0.get_mut(usize::from(id >> 6)) {
            *word |= 1 << (id & 63);
        }
    }
    #[inline(always)]
    pub(super) fn has(&self, id: u8) -> bool {
        self.0.get(usize::from(id >> 6)).is_some_and(|word| word >> (id & 63) & 1 != 0)
    }
}

/// Header fields that the pass looks into or counts, as bits: those of [`NEEDED`], and those that must not stand twice.
const LOOKED_AT: u64 = {
    let ids = [
        HeaderId::Via,
        HeaderId::From,
        HeaderId::To,
        HeaderId::CallId,
        HeaderId::CSeq,
        HeaderId::ContentLength,
        HeaderId::MaxForwards,
        HeaderId::ContentType,
    ];
    let (mut bits, mut i) = (0, 0);
    while i < ids.len() {
        assert!((ids[i] as u8) < 64);
        bits |= 1 << (ids[i] as u8);
        i += 1;
    }
    bits
};

/// Header fields without which there is no transaction (RFC 3261 section 8.1.1).
const NEEDED: [HeaderId; 5] = [HeaderId::Via, HeaderId::From, HeaderId::To, HeaderId::CallId, HeaderId::CSeq];

impl Pass<'_> {
    /// Keeps the first fault.
    #[cold]
    #[inline(never)]
    fn note(&mut self, error: ParseError) {
        self.fault.get_or_insert(error);
    }

    fn run(&mut self) -> (Option<Start>, Span2) {
        let none = Span2 { start: 0, end: 0 };
        if self.bytes.len() > self.limits.message {
            let rule = rule!("a message within the limit", "RFC 3261 21.5.7", StatusCode::MESSAGE_TOO_LARGE);
            self.note(Fault::new(self.limits.message, rule).into());
        }
        let begin = self.bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let (end, next) = match scan::start_line(self.bytes, begin) {
            End::Line { end, next } if next <= self.limits.line.min(usize::from(u16::MAX) - 4) => (end, next),
            End::Line { .. } | End::Missing => {
                let rule = rule!("a start line within the limit, ended by CRLF", "RFC 3261 7.1");
                self.note(Fault::new(begin, rule).into());
                return (None, none);
            }
            End::Control(at) => {
                self.note(Fault::new(at, rule!("CRLF or no control character", "RFC 3261 7.1")).into());
                return (None, none);
            }
        };
        let line = self.bytes.get(begin..end).unwrap_or_default();
        let (start, fault) = start::read(line, begin);
        if let Some(fault) = fault {
            self.note(fault.into());
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
    #[inline(always)]
    fn fields(&mut self, mut pos: usize) -> Option<usize> {
        let bytes = self.bytes;
        let most = self.limits.head.min(usize::from(u16::MAX));
        let mut left = self.limits.headers;
        loop {
            let (entry, next) = match field(bytes, pos, self.limits) {
                Ok(found) => found,
                Err(fault) => match self.no_field(pos, fault) {
                    Ok(next) => {
                        pos = next;
                        continue;
                    }
                    Err(body) => return body,
                },
            };
            if left == 0 || next > most {
                self.too_much(pos, left, most);
                return None;
            }
            left -= 1;
            self.index.push(entry, bytes, next, left);
            if entry.id < 64 && LOOKED_AT >> entry.id & 1 != 0 {
                self.look(entry);
            }
            self.seen.add(entry.id);
            pos = next;
        }
    }

    /// Where no header field can be read: `Err` with the start of the body when it is the empty line or with `None` when the message
    /// ends, `Ok` with the next line when this one is broken.
    #[inline(never)]
    fn no_field(&mut self, pos: usize, fault: ParseError) -> Result<usize, Option<usize>> {
        match self.bytes.get(pos..) {
            Some([b'\r', b'\n', ..]) => Err(Some(pos + 2)),
            Some([_, ..]) => {
                self.note(fault);
                Ok(scan::resume(self.bytes, pos))
            }
            _ => {
                self.note(Fault::new(pos, rule!("an empty line behind the header fields", "RFC 3261 7")).into());
                Err(None)
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn too_much(&mut self, pos: usize, left: usize, most: usize) {
        let fault = match left {
            0 => Fault::new(pos, rule!("no more header fields than the limit", "RFC 3261 21.4.1")),
            _ => {
                let rule = rule!("header fields within the limit", "RFC 3261 21.5.7", StatusCode::MESSAGE_TOO_LARGE);
                Fault::new(most, rule)
            }
        };
        self.note(fault.into());
    }

    /// Takes the routing keys out of the header fields that hold them, and refuses those that stand twice.
    #[inline(never)]
    fn look(&mut self, entry: Entry) {
        let id = entry.id();
        if id != HeaderId::Via && self.seen.has(entry.id) {
            // RFC 4475 sections 3.3.8 and 3.3.9.
            let fault = Fault::new(0, rule!("this header field only once", "RFC 3261 7.3.1"));
            return self.note(fault.in_header(id, 2));
        }
        let (start, value) = (usize::from(entry.value), entry.value_of(self.bytes));
        let outcome = match id {
            HeaderId::Via if !self.seen.has(HeaderId::Via as u8) => keys::via(value, start).map(|(sent_by, branch)| {
                self.keys.sent_by = sent_by;
                self.keys.branch = branch;
            }),
            HeaderId::From => keys::tag(value, start).map(|tag| self.keys.from_tag = tag),
            HeaderId::To => keys::tag(value, start).map(|tag| self.keys.to_tag = tag),
            HeaderId::CallId => {
                keys::call_id(value).map(|()| self.keys.call_id = Span::new(start, usize::from(entry.end)))
            }
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
            if !self.seen.has(id as u8) {
                let fault = Fault::new(0, rule!("this header field to be there", "RFC 3261 8.1.1"));
                self.note(fault.in_header(id, 1));
            }
        }
    }

    fn check_method(&mut self, start: Option<&Start>) {
        if let Some(Start::Request { method: Some(method), .. }) = start
            && self.seen.has(HeaderId::CSeq as u8)
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
    let (colon, name, id) = match lookup::at(bytes, start) {
        Some(found) => (start + found.length, found.length, found.id),
        None => unusual_name(bytes, start)?,
    };
    let (end, next) = match scan::field(bytes, colon + 1) {
        End::Line { end, next } => (end, next),
        End::Missing => (bytes.len(), bytes.len()),
        End::Control(at) => return Err(control(at)),
    };
    if next - start > limits.line || next > usize::from(u16::MAX) {
        return Err(too_long(start, next, limits));
    }
    // Mostly there is one blank behind the colon and none at the end.
    let (value, end) = match bytes.get(colon + 1..end) {
        Some([b' ', first, .., last]) if *first > b' ' && *last > b' ' => (colon + 2, end),
        _ => trim(bytes, colon + 1, end),
    };
    Ok((Entry { start: start as u16, value: value as u16, end: end as u16, name: name as u8, id }, next))
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
    let rule = rule!("header fields within 65,535 octets", "RFC 3261 21.5.7", StatusCode::MESSAGE_TOO_LARGE);
    Fault::new(usize::from(u16::MAX), rule).into()
}

/// Reads a name that is unknown, or has blanks before its colon, or stands near the end of the message.
#[inline(never)]
fn unusual_name(bytes: &[u8], start: usize) -> Result<(usize, usize, u8), ParseError> {
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
    let id = lookup::name(rest.get(..length).unwrap_or_default());
    Ok((start + colon, length, id as u8))
}

/// Takes the white space away from both ends of a value.
#[inline(never)]
fn trim(bytes: &[u8], mut start: usize, mut end: usize) -> (usize, usize) {
    while start < end && matches!(bytes.get(start), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        start += 1;
    }
    while end > start && matches!(bytes.get(end - 1), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        end -= 1;
    }
    (start, end)
}

/// A Content-Length (RFC 3261 section 20.14).
pub(super) fn content_length(value: &[u8]) -> Result<u32, Fault> {
    decimal(value).ok_or(Fault::new(0, rule!("a number of octets", "RFC 3261 20.14")))
}
