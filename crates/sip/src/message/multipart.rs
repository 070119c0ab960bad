//! Multipart bodies (RFC 2046 section 5.1, RFC 5621).

use std::fmt;

use super::error::ParseError;
use super::field::field;
use super::header::{ContentDisposition, ContentType, Header};
use super::headers::RawHeader;
use super::index::{Entry, Index};
use super::list::first;
use super::{HeaderId, Limits};

/// Why a multipart body cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MultipartError {
    /// The type is not `multipart`.
    NotMultipart,
    /// No boundary, or one of more than 70 octets or with octets that may not stand there (RFC 2046 section 5.1.1).
    Boundary,
    /// The body ends without the closing boundary.
    Unclosed,
    /// More parts than [`Limits::parts`].
    TooManyParts,
    /// A part with more header fields than [`Limits::headers`].
    TooManyHeaders,
    /// Multiparts within multiparts beyond [`Limits::nesting`].
    TooDeep,
    /// The header fields of a part cannot be read.
    Header(ParseError),
}

impl fmt::Display for MultipartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MultipartError::NotMultipart => f.write_str("multipart body: expected a multipart type (RFC 2046 5.1)"),
            MultipartError::Boundary => {
                f.write_str("multipart body: expected a boundary of 1 to 70 octets (RFC 2046 5.1.1)")
            }
            MultipartError::Unclosed => f.write_str("multipart body: expected the closing boundary (RFC 2046 5.1.1)"),
            MultipartError::TooManyParts => f.write_str("multipart body: more parts than the limit"),
            MultipartError::TooManyHeaders => f.write_str("multipart body: more header fields than the limit"),
            MultipartError::TooDeep => f.write_str("multipart body: nested more deeply than the limit"),
            MultipartError::Header(error) => write!(f, "multipart body: {error}"),
        }
    }
}

impl std::error::Error for MultipartError {}

/// One part of a multipart body, borrowed from it.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    head: &'a [u8],
    index: Index,
    body: &'a [u8],
    depth: u8,
}

impl<'a> Part<'a> {
    /// The body of the part.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The header fields of the part in order.
    pub fn headers(&self) -> impl Iterator<Item = RawHeader<'a>> {
        let head = self.head;
        self.index.entries().iter().map(move |entry| RawHeader::new(*entry, head))
    }

    /// The value of the first header field of this name.
    pub fn raw(&self, id: HeaderId) -> Option<&'a [u8]> {
        self.entry(id).map(|entry| entry.value_of(self.head))
    }

    fn entry(&self, id: HeaderId) -> Option<Entry> {
        self.index.entries().iter().copied().find(|entry| entry.is(id))
    }

    /// The first value of a type.
    pub fn get<H: Header<'a>>(&self) -> Option<Result<H, ParseError>> {
        first(self.raw(H::ID)?).map_err(|fault| fault.in_header(H::ID, 1)).transpose()
    }

    /// The type of the part; without one it is plain text (RFC 2046 section 5.2).
    pub fn content_type(&self) -> Option<Result<ContentType<'a>, ParseError>> {
        self.get()
    }

    /// How the part is meant.
    pub fn content_disposition(&self) -> Option<Result<ContentDisposition<'a>, ParseError>> {
        self.get()
    }

    /// The parts within this part.
    ///
    /// # Errors
    /// When it is no multipart, or one nested too deeply.
    pub fn parts(&self, limits: &Limits) -> Result<Parts<'a>, MultipartError> {
        match self.content_type() {
            Some(Ok(kind)) => Parts::open(&kind, self.body, limits, self.depth.saturating_add(1)),
            Some(Err(error)) => Err(MultipartError::Header(error)),
            None => Err(MultipartError::NotMultipart),
        }
    }
}

/// Iterator over the parts of a multipart body. Ends after an error.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// What follows the last boundary read, its line end included.
    rest: Option<&'a [u8]>,
    delimiter: Vec<u8>,
    limits: Limits,
    count: usize,
    depth: u8,
}

impl<'a> Parts<'a> {
    /// Begins reading a body of this type.
    ///
    /// # Errors
    /// When the type is no multipart, or has no usable boundary.
    pub fn new(kind: &ContentType<'_>, body: &'a [u8], limits: &Limits) -> Result<Parts<'a>, MultipartError> {
        Parts::open(kind, body, limits, 1)
    }

    fn open(kind: &ContentType<'_>, body: &'a [u8], limits: &Limits, depth: u8) -> Result<Parts<'a>, MultipartError> {
        if !kind.kind.eq_ignore_ascii_case("multipart") {
            return Err(MultipartError::NotMultipart);
        }
        if depth > limits.nesting {
            return Err(MultipartError::TooDeep);
        }
        let boundary = kind.params.get("boundary").map(|value| value.text()).unwrap_or_default();
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
        let fits = (1..=70).contains(&boundary.len()) && boundary.bytes().all(legal) && !boundary.ends_with(' ');
        if !fits {
            return Err(MultipartError::Boundary);
        }
        let mut parts =
            Parts { rest: None, delimiter: [b"--", boundary.as_bytes()].concat(), limits: *limits, count: 0, depth };
        parts.rest = match parts.next_delimiter(body) {
            // What stands before the first boundary is for nobody (RFC 2046 section 5.1.1).
            Some(found) if found.closes => None,
            Some(found) => body.get(found.end..),
            None => return Err(MultipartError::Unclosed),
        };
        Ok(parts)
    }

    /// The next delimiter line. Looks at every octet once for each line that begins like one.
    fn next_delimiter(&self, body: &[u8]) -> Option<Delimiter> {
        memchr::memmem::find_iter(body, &self.delimiter).find_map(|start| {
            let opens = start == 0 || body.get(start.saturating_sub(2)..start) == Some(b"\r\n");
            let after = body.get(start + self.delimiter.len()..).filter(|_| opens)?;
            let closes = after.starts_with(b"--");
            let line = if closes { after.get(2..)? } else { after };
            let blanks = line.iter().take(MAX_PADDING).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            let end = match line.get(blanks..)? {
                [b'\r', b'\n', ..] => 2,
                [] if closes => 0,
                _ if closes => 0,
                _ => return None,
            };
            let end = body.len() - line.len() + blanks + end;
            Some(Delimiter { start: start.saturating_sub(2), end, closes })
        })
    }

    fn read(&mut self, rest: &'a [u8]) -> Result<Part<'a>, MultipartError> {
        // The CRLF before a delimiter belongs to it; an empty part has only the one of the delimiter before.
        let found = self.next_delimiter(rest).ok_or(MultipartError::Unclosed)?;
        if self.count >= self.limits.parts {
            return Err(MultipartError::TooManyParts);
        }
        self.count += 1;
        self.rest = if found.closes { None } else { rest.get(found.end..) };
        let text = rest.get(..found.start).unwrap_or_default();
        let mut index = Index::new();
        let mut pos = 0;
        loop {
            match text.get(pos..) {
                Some([b'\r', b'\n', ..]) => break pos += 2,
                None | Some([]) => break,
                Some(_) => {
                    let (entry, next) = field(text, pos, &self.limits).map_err(MultipartError::Header)?;
                    if !index.push(entry, text, next, self.limits.headers) {
                        return Err(MultipartError::TooManyHeaders);
                    }
                    pos = next;
                }
            }
        }
        // The index counts only beyond its first 32.
        if index.entries().len() > self.limits.headers {
            return Err(MultipartError::TooManyHeaders);
        }
        let (head, body) = text.split_at_checked(pos).unwrap_or((text, &[]));
        Ok(Part { head, index, body, depth: self.depth })
    }
}

/// Blanks behind a boundary that are looked at.
const MAX_PADDING: usize = 128;

struct Delimiter {
    start: usize,
    end: usize,
    closes: bool,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>, MultipartError>;
    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        Some(self.read(rest))
    }
}
