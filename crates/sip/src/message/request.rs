//! Requests (RFC 3261 section 7.1).

use bytes::Bytes;

use super::error::{Fault, ParseError};
use super::headers::Headers;
use super::keys::Span;
use super::{Method, Uri};

/// A request whose start line and routing keys have been read.
#[derive(Clone, Debug)]
pub struct Request {
    headers: Headers,
    uri: Span,
}

impl Request {
    pub(super) fn new(headers: Headers, uri: Span) -> Request {
        Request { headers, uri }
    }

    /// The method; that of CSeq is the same.
    pub fn method(&self) -> &Method {
        self.headers.method()
    }

    /// The Request-URI as written; ASCII, but otherwise not checked yet.
    pub fn uri_text(&self) -> &str {
        self.uri.text(self.headers.bytes())
    }

    /// The Request-URI.
    ///
    /// # Errors
    /// 400 when it does not follow the grammar. Which schemes are served (416) is for the caller to say.
    pub fn uri(&self) -> Result<Uri<'_>, ParseError> {
        let shift = |fault: Fault| ParseError::from(fault.shifted(usize::from(self.uri.start)));
        Uri::parse(self.uri_text()).map_err(shift)
    }

    /// The header fields.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        self.headers.body()
    }

    /// The message as received.
    pub fn bytes(&self) -> &Bytes {
        self.headers.bytes()
    }
}
