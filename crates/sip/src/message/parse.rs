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
    let mut headers = Headers::new(bytes);
    let (start, fault) = {
        let (bytes, index, keys, body) = headers.parts();
        let mut pass = Pass { bytes, limits, index, keys, seen: 0, content_length: None, fault: None };
        let start;
        (start, *body) = pass.run();
        (start, pass.fault)
    };
    match (start, fault) {
        (Some(Start::Request { uri, .. }), None) => Ok(Message::Request(Request::new(headers, uri))),
        (Some(Start::Response { code, reason }), None) => Ok(Message::Response(Response::new(headers, code, reason))),
        (start, fault) => Err(broken(start, fault, headers)),
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
    index: &'b mut Index,
    keys: &'b mut Keys,
    /// One bit for each header field that was there, of those whose number is below 64.
    seen: u64,
    content_length: Option<u32>,
    fault: Option<ParseError>,
}

/// Header fields that the pass looks into, as bits.
const KEYED: u64 =
    bits(&[HeaderId::Via, HeaderId::From, HeaderId::To, HeaderId::CallId, HeaderId::CSeq, HeaderId::ContentLength]);

/// Header fields that must not stand twice (RFC 3261 section 7.3.1, RFC 4475 sections 3.3.8 and 3.3.9), as bits.
const ONCE: u64 = bits(&[
    HeaderId::From,
    HeaderId::To,
    HeaderId::CallId,
    HeaderId::CSeq,
    HeaderId::MaxForwards,
    HeaderId::ContentLength,
    HeaderId::ContentType,
]);

const fn bits(ids: &[HeaderId]) -> u64 {
    let (mut bits, mut i) = (0, 0);
    while i < ids.len() {
        assert!((ids[i] as u8) < 64);
        bits |= bit(ids[i]);
        i += 1;
    }
    bits
}

/// The bit of a header field whose number is below 64.
const fn bit(id: HeaderId) -> u64 {
    1 << (id as u8 & 63)
}

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
        let text = self.bytes.get(begin..).unwrap_or_default();
        let (end, next) = match scan::start_line(text) {
            End::Line { end, next } if begin + next <= self.limits.line.min(usize::from(u16::MAX) - 4) => {
                (begin + end, begin + next)
            }
            End::Line { .. } | End::Missing => {
                let rule = rule!("a start line within the limit, ended by CRLF", "RFC 3261 7.1");
                self.note(Fault::new(begin, rule).into());
                return (None, none);
            }
            End::Control(at) => {
                self.note(Fault::new(begin + at, rule!("CRLF or no control character", "RFC 3261 7.1")).into());
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
        // Where the CRLF of a field may stand at most.
        let most = self.limits.head.min(usize::from(u16::MAX)).saturating_sub(2);
        let longest = self.limits.line.saturating_sub(2);
        loop {
            let line = bytes.get(pos..)?;
            let (entry, next) = match usual(line) {
                Some((id, name, end)) if end <= longest && pos + end <= most => {
                    (Entry::new(pos, pos + name + 2, pos + end, name, id), pos + end + 2)
                }
                _ if line.starts_with(b"\r\n") => return self.end_of_head(Some(pos + 2)),
                _ => match field(bytes, pos, self.limits) {
                    Ok(found) => found,
                    Err(fault) => match self.no_field(pos, fault) {
                        Ok(next) => {
                            pos = next;
                            continue;
                        }
                        Err(()) => return None,
                    },
                },
            };
            if !self.index.push(entry, bytes, next, self.limits.headers) {
                self.too_much(pos, false);
                return None;
            }
            let number = entry.number();
            if number < 64 {
                let bit = 1 << number;
                if bit & (KEYED | self.seen & ONCE) != 0 {
                    self.look(entry);
                }
                self.seen |= bit;
            }
            pos = next;
        }
    }

    /// Counts the header fields where the limit is so low that the index has not counted them.
    fn end_of_head(&mut self, body: Option<usize>) -> Option<usize> {
        if self.index.entries().len() > self.limits.headers {
            self.too_much(0, false);
            return None;
        }
        body
    }

    /// Where no header field can be read: gives the line behind it, `Err` when the message ends.
    #[cold]
    #[inline(never)]
    fn no_field(&mut self, pos: usize, fault: ParseError) -> Result<usize, ()> {
        match self.bytes.get(pos..) {
            Some([_, ..]) => {
                self.note(fault);
                Ok(scan::resume(self.bytes, pos))
            }
            _ => {
                self.note(Fault::new(pos, rule!("an empty line behind the header fields", "RFC 3261 7")).into());
                Err(())
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn too_much(&mut self, pos: usize, octets: bool) {
        let large = rule!("header fields within the limit", "RFC 3261 21.5.7", StatusCode::MESSAGE_TOO_LARGE);
        let many = rule!("no more header fields than the limit", "RFC 3261 21.4.1");
        self.note(Fault::new(pos, if octets { large } else { many }).into());
    }

    /// Takes the routing keys out of the header fields that hold them, and refuses those that stand twice.
    #[inline(never)]
    fn look(&mut self, entry: Entry) {
        let id = entry.id();
        let seen = self.seen;
        if ONCE & seen & bit(id) != 0 {
            let fault = Fault::new(0, rule!("this header field only once", "RFC 3261 7.3.1"));
            return self.note(fault.in_header(id, 2));
        }
        let (start, value) = (entry.value(), entry.value_of(self.bytes));
        let outcome = match id {
            HeaderId::Via if seen & bit(id) == 0 => keys::via(value, start, self.keys),
            HeaderId::From => keys::tag(value, start).map(|tag| self.keys.from_tag = tag),
            HeaderId::To => keys::tag(value, start).map(|tag| self.keys.to_tag = tag),
            HeaderId::CallId => keys::call_id(value).map(|()| self.keys.call_id = Span::new(start, entry.end())),
            HeaderId::CSeq => {
                super::header::CSeq::parse_value(&mut Lexer::new(value)).map(|cseq| self.keys.cseq = cseq)
            }
            HeaderId::ContentLength => content_length(value).map(|length| self.content_length = Some(length)),
            _ => return,
        };
        if let Err(fault) = outcome {
            self.note(fault.in_header(id, 1));
        }
    }

    fn check_needed(&mut self) {
        const ALL: u64 = bit(NEEDED[0]) | bit(NEEDED[1]) | bit(NEEDED[2]) | bit(NEEDED[3]) | bit(NEEDED[4]);
        if self.seen & ALL == ALL {
            return;
        }
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

/// Reads a header field as nearly all are written: a known name of at most 15 octets, a colon, one blank, a value without control
/// characters or blanks at its end, CRLF, and no fold. Gives number and length of the name, and where the CRLF stands.
#[inline(always)]
fn usual(line: &[u8]) -> Option<(u8, usize, usize)> {
    let found = lookup::short(line)?;
    let end = scan::usual_end(line)?;
    match line.get(found.length..end) {
        Some([b':', b' ', first, .., last]) if *first > b' ' && *last > b' ' => Some((found.id, found.length, end)),
        _ => None,
    }
}

/// Reads the header field at `start`; gives where the next line starts.
#[inline(never)]
pub(super) fn field(bytes: &[u8], start: usize, limits: &Limits) -> Result<(Entry, usize), ParseError> {
    let line = bytes.get(start..).unwrap_or_default();
    let (colon, name, id) = name_at(line, start)?;
    let tail = line.get(colon + 1..).unwrap_or_default();
    // Octets from the colon to the end of the field, and to the next line.
    let (end, next) = match scan::field(tail) {
        End::Line { end, next } => (end, next),
        End::Missing => (tail.len(), tail.len()),
        End::Control(at) => return Err(control(start + colon + 1 + at)),
    };
    let from = start + colon + 1;
    let next = from + next;
    if next - start > limits.line || next > limits.head.min(usize::from(u16::MAX)) {
        return Err(too_long(start, next, limits));
    }
    let (value, end) = trim(bytes, from, from + end);
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
    if let Some(found) = lookup::long(line) {
        return Ok((found.length, found.length, found.id));
    }
    let length = class::prefix(line, class::TOKEN);
    let mut colon = length;
    while matches!(line.get(colon), Some(b' ' | b'\t')) {
        colon += 1;
    }
    if line.get(colon) != Some(&b':') || length == 0 || length > usize::from(u8::MAX) {
        let rule = rule!("a header name of at most 255 octets and a colon", "RFC 3261 7.3.1");
        return Err(Fault::new(start + colon, rule).into());
    }
    // With blanks before the colon, or near the end of the message, the quick look-ups see nothing.
    if colon == length && line.len() >= lookup::ROOM {
        let id = lookup::short(line).filter(|found| found.length == length).map(|found| found.id);
        return Ok((colon, length, id.unwrap_or(HeaderId::Other as u8)));
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

/// A Content-Length (RFC 3261 section 20.14).
pub(super) fn content_length(value: &[u8]) -> Result<u32, Fault> {
    decimal(value).ok_or_else(|| Fault::new(0, rule!("a number of octets", "RFC 3261 20.14")))
}
