//! Requests (RFC 3261 section 7.1).

use bytes::Bytes;

use super::error::{Fault, ParseError, rule};
use super::headers::Headers;
use super::keys::Span;
use super::{Method, Uri, usual};

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

    /// True when the scheme of the Request-URI is `sips`.
    pub fn is_secure(&self) -> bool {
        let uri = self.uri.bytes(self.headers.bytes());
        uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"sips:"))
    }

    /// The Request-URI.
    ///
    /// # Errors
    /// 400 when it does not follow the grammar, or has headers, which may not stand here (RFC 3261 section 19.1.1, table 1). Which
    /// schemes are served (416) is for the caller to say.
    pub fn uri(&self) -> Result<Uri<'_>, ParseError> {
        let shift = |fault: Fault| ParseError::from(fault.shifted(usize::from(self.uri.start)));
        let uri = Uri::parse(self.uri_text()).map_err(shift)?;
        match uri.headers().is_empty() {
            true => Ok(uri),
            false => Err(shift(Fault::new(0, rule!("no headers in a Request-URI", "RFC 3261 19.1.1")))),
        }
    }

    /// True when the Request-URI is written as nearly all are: [`Request::uri`] gives no fault then, and takes longer.
    pub(crate) fn has_usual_uri(&self) -> bool {
        usual::is_uri(self.uri.bytes(self.headers.bytes()))
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
