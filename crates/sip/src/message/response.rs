//! Responses (RFC 3261 section 7.2).

use bytes::Bytes;

use super::StatusCode;
use super::headers::Headers;
use super::keys::Span;

/// A response whose start line and routing keys have been read.
#[derive(Clone, Debug)]
pub struct Response {
    headers: Headers,
    code: StatusCode,
    reason: Span,
}

impl Response {
    pub(super) fn new(headers: Headers, code: StatusCode, reason: Span) -> Response {
        Response { headers, code, reason }
    }

    /// The status code.
    pub fn code(&self) -> StatusCode {
        self.code
    }

    /// The reason phrase; `""` when there is none or it is not UTF-8.
    pub fn reason(&self) -> &str {
        self.reason.text(self.headers.bytes())
    }

    /// The reason phrase as it came.
    pub fn reason_bytes(&self) -> &[u8] {
        self.reason.bytes(self.headers.bytes())
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
