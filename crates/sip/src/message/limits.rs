//! How much a peer may make us hold.

/// Limits on one message. Every one of them is checked while parsing; what is larger is refused with the status named here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a whole message, body included; more is refused with 513.
    pub message: usize,
    /// Octets of the start line and all header fields; more is refused with 513. Never above 65,535, whatever is set.
    pub head: usize,
    /// Octets of one header field (folds included) or of the start line; more is refused with 400.
    pub line: usize,
    /// Header fields in one message; more is refused with 400, and a stream that brings them is closed.
    pub headers: usize,
    /// Parts of one multipart body.
    pub parts: usize,
    /// Multipart bodies within multipart bodies.
    pub nesting: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message: 65_535, head: 65_535, line: 8_192, headers: 256, parts: 16, nesting: 4 }
    }
}
