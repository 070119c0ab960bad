//! The header fields of a message.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use super::error::ParseError;
use super::header::{CSeq, ContentType, Header};
use super::index::{Entry, Index};
use super::keys::Keys;
use super::lexer::Lexer;
use super::list::{List, first};
use super::parse::Span2;
use super::{HeaderId, Method, quoted, typed, usual};

/// The header fields of one message, its routing keys and its body.
#[derive(Clone)]
pub struct Headers {
    bytes: Bytes,
    index: Index,
    keys: Keys,
    body: Span2,
}

/// One header field as it came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RawHeader<'a> {
    /// What it is.
    pub id: HeaderId,
    /// The name as written.
    pub name: &'a str,
    /// The value: white space at both ends removed, folds inside kept.
    pub value: &'a [u8],
    line: &'a [u8],
}

/// A Via alone on its line, with a name or an IPv4 address and no parameters but branch and an `rport` without value.
#[derive(Clone, Copy)]
pub(crate) struct UsualVia<'a> {
    /// Host and port.
    pub(crate) sent_by: &'a [u8],
    /// Whether it asks for the port.
    pub(crate) rport: bool,
    /// The value before and behind `;rport`.
    pub(super) rest: [&'a [u8]; 2],
}

impl<'a> RawHeader<'a> {
    pub(super) fn new(entry: Entry, bytes: &'a [u8]) -> RawHeader<'a> {
        RawHeader {
            id: entry.id(),
            name: std::str::from_utf8(entry.name_of(bytes)).unwrap_or(""),
            value: entry.value_of(bytes),
            line: entry.line_of(bytes),
        }
    }

    /// The value with each fold as one blank; what is not UTF-8 is replaced by U+FFFD.
    pub fn text(&self) -> Cow<'a, str> {
        quoted::unfold(self.value)
    }

    /// Name, colon and value as they came, without the CRLF.
    pub fn line(&self) -> &'a [u8] {
        self.line
    }
}

impl fmt::Debug for RawHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.name, self.text())
    }
}

impl Headers {
    /// Nothing read yet.
    pub(super) fn new(bytes: Bytes) -> Headers {
        Headers { bytes, index: Index::new(), keys: Keys::new(), body: Span2::default() }
    }

    /// What the pass fills in.
    pub(super) fn parts(&mut self) -> (&[u8], &mut Index, &mut Keys, &mut Span2) {
        (&self.bytes, &mut self.index, &mut self.keys, &mut self.body)
    }

    /// The message as received; behind the body there may be octets that do not belong to it (RFC 3261 section 18.3).
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Every header field in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = RawHeader<'_>> + ExactSizeIterator {
        self.index.entries().iter().map(|entry| RawHeader::new(*entry, &self.bytes))
    }

    /// Number of header fields.
    pub fn len(&self) -> usize {
        self.index.entries().len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of the first header field of this name.
    pub fn raw(&self, id: HeaderId) -> Option<&[u8]> {
        self.index.entries().iter().find(|entry| entry.is(id)).map(|entry| entry.value_of(&self.bytes))
    }

    /// Every header field of this known name, in order.
    pub fn all(&self, id: HeaderId) -> impl Iterator<Item = RawHeader<'_>> {
        let entries = self.index.entries().iter().filter(move |entry| entry.is(id));
        entries.map(|entry| RawHeader::new(*entry, &self.bytes))
    }

    /// The value of every header field of this known name, in order.
    pub fn values(&self, id: HeaderId) -> impl Iterator<Item = &[u8]> {
        let entries = self.index.entries().iter().filter(move |entry| entry.is(id));
        entries.map(|entry| entry.value_of(&self.bytes))
    }

    /// The lines of these names as they came, with the CRLF where it follows at once. The names are bits, by their numbers.
    pub(super) fn lines_of(&self, names: u64) -> impl Iterator<Item = (HeaderId, &[u8])> {
        let wanted = move |entry: &&Entry| names.checked_shr(entry.number().into()).is_some_and(|names| names & 1 != 0);
        self.index.entries().iter().filter(wanted).map(|entry| (entry.id(), entry.ended_line_of(&self.bytes)))
    }

    /// Every line as it came, with the CRLF where it follows at once.
    pub(super) fn lines(&self) -> impl Iterator<Item = (HeaderId, &[u8])> {
        self.index.entries().iter().map(|entry| (entry.id(), entry.ended_line_of(&self.bytes)))
    }

    /// Every header field of this name, known or not, compact form included.
    pub fn by_name<'a>(&'a self, name: &'a str) -> impl Iterator<Item = RawHeader<'a>> {
        let id = HeaderId::from_name(name.as_bytes());
        self.iter().filter(move |header| match id {
            HeaderId::Other => header.name.eq_ignore_ascii_case(name),
            id => header.id == id,
        })
    }

    /// The first value of this name, each fold as one blank, what is not UTF-8 replaced.
    pub fn text(&self, id: HeaderId) -> Option<Cow<'_, str>> {
        self.raw(id).map(quoted::unfold)
    }

    /// The first value of a type: of a comma list its first item. An empty list is `None`.
    pub fn get<'a, H: Header<'a>>(&'a self) -> Option<Result<H, ParseError>> {
        let value = self.raw(H::ID)?;
        first(value).map_err(|fault| fault.in_header(H::ID, 1)).transpose()
    }

    /// The URI of the only header field of this name where it is an address written as nearly all are: reading it by its type gives no
    /// fault, and takes longer.
    pub(crate) fn usual_uri(&self, id: HeaderId) -> Option<&[u8]> {
        let mut entries = self.index.entries().iter().filter(|entry| entry.is(id));
        let only = entries.next().filter(|_| entries.next().is_none())?;
        usual::name_addr(only.value_of(&self.bytes))
    }

    /// What stands before the parameters of the first header field of this name where that is an address written as nearly all are, from the
    /// display name to the bracket behind the URI.
    pub(crate) fn usual_address(&self, id: HeaderId) -> Option<&[u8]> {
        usual::before_params(self.raw(id)?)
    }

    /// Every value of a type, over all lines and items of comma lists. A broken item ends its line.
    pub fn list<'a, H: Header<'a>>(&'a self) -> List<'a, H> {
        List::new(&self.bytes, self.index.entries())
    }

    /// True when a header field of this known name is there. Always false for [`HeaderId::Other`].
    pub fn has(&self, id: HeaderId) -> bool {
        id != HeaderId::Other && self.index.entries().iter().any(|entry| entry.is(id))
    }

    /// How many header fields of this name there are.
    pub fn count(&self, id: HeaderId) -> usize {
        self.index.entries().iter().filter(|entry| entry.is(id)).count()
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        self.keys.call_id.text(&self.bytes)
    }

    /// Number and method of CSeq.
    pub fn cseq(&self) -> &CSeq {
        &self.keys.cseq
    }

    /// The method of CSeq: that of the request, and of the request a response answers.
    pub fn method(&self) -> &Method {
        &self.keys.cseq.method
    }

    /// The tag of From; absent in messages of RFC 2543.
    pub fn from_tag(&self) -> Option<&str> {
        self.keys.from_tag.option(&self.bytes)
    }

    /// The tag of To.
    pub fn to_tag(&self) -> Option<&str> {
        self.keys.to_tag.option(&self.bytes)
    }

    /// The tag of To, in octets.
    pub(crate) fn to_tag_octets(&self) -> Option<&[u8]> {
        self.keys.to_tag.is_some().then(|| self.keys.to_tag.bytes(&self.bytes))
    }

    /// The branch of the top Via.
    pub fn branch(&self) -> Option<&str> {
        self.keys.branch.option(&self.bytes)
    }

    /// Host and port of the top Via as written.
    pub fn sent_by(&self) -> &str {
        self.keys.sent_by.text(&self.bytes)
    }

    /// Branch and sent-by of the top Via, in octets.
    pub(crate) fn way_back(&self) -> (&[u8], &[u8]) {
        (self.keys.branch.bytes(&self.bytes), self.keys.sent_by.bytes(&self.bytes))
    }

    /// The top Via where it is written as nearly all are.
    pub(crate) fn usual_via(&self) -> Option<UsualVia<'_>> {
        let keys = Some(&self.keys).filter(|keys| keys.usual_via)?;
        let value = self.index.entries().iter().find(|entry| entry.is(HeaderId::Via))?;
        let (front, behind) = match keys.rport.is_some() {
            true => (value.value()..usize::from(keys.rport.start), usize::from(keys.rport.end)..value.end()),
            false => (value.value()..value.end(), value.end()..value.end()),
        };
        let part = |range| self.bytes.get(range).unwrap_or_default();
        Some(UsualVia {
            sent_by: keys.sent_by.bytes(&self.bytes),
            rport: keys.rport.is_some(),
            rest: [part(front), part(behind)],
        })
    }

    /// Call-ID and tag of From, in octets.
    pub(crate) fn call(&self) -> (&[u8], &[u8]) {
        (self.keys.call_id.bytes(&self.bytes), self.keys.from_tag.bytes(&self.bytes))
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(self.body.start as usize..self.body.end as usize).unwrap_or_default()
    }

    /// The body, sharing the message's buffer.
    pub fn body_bytes(&self) -> Bytes {
        match self.body().is_empty() {
            true => Bytes::new(),
            false => self.bytes.slice(self.body.start as usize..self.body.end as usize),
        }
    }

    /// The Content-Type.
    pub fn content_type(&self) -> Option<Result<ContentType<'_>, ParseError>> {
        self.get()
    }

    /// Octets allocated for the index, the message's buffer not counted.
    pub fn heap_size(&self) -> usize {
        let method = match &self.keys.cseq.method {
            Method::Other(name) => name.len(),
            _ => 0,
        };
        self.index.heap_size() + method
    }

    /// Reads every header field that has a type, all items of all lines.
    ///
    /// # Errors
    /// The first fault. What is opaque, or of an RFC this code does not know, has none.
    pub fn check(&self) -> Result<(), ParseError> {
        typed::check(&self.bytes, self.index.entries())
    }

    /// Reads the value of any header field, as that of the type asked for.
    pub fn read<'a, H: Header<'a>>(value: &'a [u8]) -> Result<H, super::Fault> {
        let mut lexer = Lexer::new(value);
        lexer.skip_lws();
        let parsed = H::parse_value(&mut lexer)?;
        lexer.end()?;
        Ok(parsed)
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
