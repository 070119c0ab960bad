//! The one pass over a message: start line, index of header fields, routing keys, body.

use bytes::Bytes;

use super::error::{Broken, Fault, ParseError, rule};
use super::field::field;
use super::header::{CSeq, Header};
use super::headers::Headers;
use super::index::{Entry, Index};
use super::keys::{self, Keys, Span};
use super::lexer::{Lexer, decimal};
use super::scan::{self, End};
use super::start::{self, Start};
use super::usual;
use super::{HeaderId, Limits, Message, Request, Response, StatusCode};

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

/// Header fields that the pass looks into, by their numbers.
mod id {
    use super::HeaderId;

    pub(super) const VIA: u8 = HeaderId::Via as u8;
    pub(super) const FROM: u8 = HeaderId::From as u8;
    pub(super) const TO: u8 = HeaderId::To as u8;
    pub(super) const CALL_ID: u8 = HeaderId::CallId as u8;
    pub(super) const CSEQ: u8 = HeaderId::CSeq as u8;
    pub(super) const CONTENT_LENGTH: u8 = HeaderId::ContentLength as u8;
    pub(super) const CONTENT_TYPE: u8 = HeaderId::ContentType as u8;
    pub(super) const MAX_FORWARDS: u8 = HeaderId::MaxForwards as u8;
}

/// The bit of a header field whose number is below 64.
pub(super) const fn bit(id: HeaderId) -> u64 {
    assert!((id as u8) < 64, "a header field whose number is below 64");
    1 << (id as u8)
}

/// Header fields without which there is no transaction (RFC 3261 section 8.1.1).
const NEEDED: [HeaderId; 5] = [HeaderId::Via, HeaderId::From, HeaderId::To, HeaderId::CallId, HeaderId::CSeq];

impl<'b> Pass<'b> {
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
        let (start, fault) = match usual::request(line, begin) {
            Some((method, uri)) => (Some(Start::Request { method: Some(method), uri }), None),
            None => start::read(line, begin),
        };
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
    #[inline(never)]
    fn fields(&mut self, mut pos: usize) -> Option<usize> {
        let bytes = self.bytes;
        // Where the CRLF of a field may stand at most.
        let most = self.limits.head.min(usize::from(u16::MAX)).saturating_sub(2);
        let longest = self.limits.line.saturating_sub(2);
        loop {
            let (entry, next) = match usual::field(bytes, pos, most.min(pos.saturating_add(longest))) {
                Some(entry) => (entry, entry.end() + 2),
                None => match self.other(pos) {
                    Other::Field(entry, next) => (entry, next),
                    Other::Broken(next) => {
                        pos = next;
                        continue;
                    }
                    Other::End(body) => return body,
                },
            };
            if !self.index.push(entry, bytes, next, self.limits.headers) {
                self.too_much(pos, false);
                return None;
            }
            self.look(entry);
            pos = next;
        }
    }

    /// What stands where no usual header field does.
    #[inline(never)]
    fn other(&mut self, pos: usize) -> Other {
        match self.bytes.get(pos..) {
            None => Other::End(None),
            Some([b'\r', b'\n', ..]) => Other::End(self.end_of_head(Some(pos + 2))),
            Some(_) => match field(self.bytes, pos, self.limits) {
                Ok((entry, next)) => Other::Field(entry, next),
                Err(fault) => self.no_field(pos, fault).map_or(Other::End(None), Other::Broken),
            },
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
    #[inline(always)]
    fn look(&mut self, entry: Entry) {
        match entry.number() {
            id::VIA => self.via(entry),
            id::FROM => self.from(entry),
            id::TO => self.to(entry),
            id::CALL_ID => self.call_id(entry),
            id::CSEQ => self.cseq(entry),
            id::CONTENT_LENGTH => self.content_length(entry),
            id::CONTENT_TYPE => drop(self.once(HeaderId::ContentType, entry)),
            id::MAX_FORWARDS => drop(self.once(HeaderId::MaxForwards, entry)),
            _ => {}
        }
    }

    /// The value of the first header field of this name; any other is a fault (RFC 3261 section 7.3.1, RFC 4475 sections 3.3.8 and 3.3.9).
    #[inline(always)]
    fn once(&mut self, id: HeaderId, entry: Entry) -> Option<&'b [u8]> {
        if self.seen & bit(id) != 0 {
            let fault = Fault::new(0, rule!("this header field only once", "RFC 3261 7.3.1"));
            self.note(fault.in_header(id, 2));
            return None;
        }
        self.seen |= bit(id);
        self.bytes.get(entry.value()..entry.end())
    }

    #[inline(never)]
    fn via(&mut self, entry: Entry) {
        if self.seen & bit(HeaderId::Via) != 0 {
            return;
        }
        self.seen |= bit(HeaderId::Via);
        let value = entry.value_of(self.bytes);
        if let Some(via) = usual::via(value, entry.value()) {
            self.keys.usual_via = true;
            (self.keys.sent_by, self.keys.branch, self.keys.rport) = (via.sent_by, via.branch, via.rport);
        } else if let Err(fault) = keys::via(value, entry.value(), self.keys) {
            self.note(fault.in_header(HeaderId::Via, 1));
        }
    }

    #[inline(never)]
    fn from(&mut self, entry: Entry) {
        let Some(value) = self.once(HeaderId::From, entry) else { return };
        match usual::tag(value, entry.value()).map_or_else(|| keys::tag(value, entry.value()), Ok) {
            Ok(tag) => self.keys.from_tag = tag,
            Err(fault) => self.note(fault.in_header(HeaderId::From, 1)),
        }
    }

    #[inline(never)]
    fn to(&mut self, entry: Entry) {
        let Some(value) = self.once(HeaderId::To, entry) else { return };
        match usual::tag(value, entry.value()).map_or_else(|| keys::tag(value, entry.value()), Ok) {
            Ok(tag) => self.keys.to_tag = tag,
            Err(fault) => self.note(fault.in_header(HeaderId::To, 1)),
        }
    }

    #[inline(never)]
    fn call_id(&mut self, entry: Entry) {
        let Some(value) = self.once(HeaderId::CallId, entry) else { return };
        match keys::call_id(value) {
            Ok(()) => self.keys.call_id = Span::new(entry.value(), entry.end()),
            Err(fault) => self.note(fault.in_header(HeaderId::CallId, 1)),
        }
    }

    #[inline(never)]
    fn cseq(&mut self, entry: Entry) {
        let Some(value) = self.once(HeaderId::CSeq, entry) else { return };
        match usual::cseq(value).map_or_else(|| CSeq::parse_value(&mut Lexer::new(value)), Ok) {
            Ok(cseq) => self.keys.cseq = cseq,
            Err(fault) => self.note(fault.in_header(HeaderId::CSeq, 1)),
        }
    }

    #[inline(never)]
    fn content_length(&mut self, entry: Entry) {
        let Some(value) = self.once(HeaderId::ContentLength, entry) else { return };
        match content_length(value) {
            Ok(length) => self.content_length = Some(length),
            Err(fault) => self.note(fault.in_header(HeaderId::ContentLength, 1)),
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

/// What stands where no usual header field does.
enum Other {
    /// A header field, and where the next line starts.
    Field(Entry, usize),
    /// A broken line that ends here.
    Broken(usize),
    /// The end of the head, and where the body starts; without that, the end of the message.
    End(Option<usize>),
}

/// A range that may reach beyond the head.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span2 {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// A Content-Length (RFC 3261 section 20.14).
pub(super) fn content_length(value: &[u8]) -> Result<u32, Fault> {
    decimal(value).ok_or_else(|| Fault::new(0, rule!("a number of octets", "RFC 3261 20.14")))
}
