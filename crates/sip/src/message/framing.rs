//! Cuts messages out of a byte stream (RFC 3261 section 18.3, RFC 5626 section 4.4.1).

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::parse::content_length;
use super::{HeaderId, Limits};

/// Cuts a stream into messages. Feed it with [`Framer::push`], then take frames with [`Framer::next_frame`] until it gives `None`.
///
/// After an error the stream cannot be read any further: close it.
#[derive(Debug)]
pub struct Framer {
    buffer: BytesMut,
    /// Octets already searched for the end of the head.
    searched: usize,
    /// The last frame was a lone CRLF: one more makes it a ping after all.
    half_ping: bool,
    limits: Limits,
    broken: Option<FramingError>,
}

/// What came out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One whole message.
    Message(Bytes),
    /// A double CRLF between messages: the peer wants a single CRLF back (RFC 5626 section 4.4.1).
    Ping,
    /// A single CRLF between messages: the answer to a ping of ours. Also comes before a [`Frame::Ping`] that arrived in two pieces.
    Pong,
}

/// Why a stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FramingError {
    /// The head is larger than [`Limits::head`].
    HeadTooLarge,
    /// The announced message is larger than [`Limits::message`].
    MessageTooLarge,
    /// No Content-Length, which streams need (RFC 3261 section 18.3).
    NoContentLength,
    /// A Content-Length that is no number, or two that differ.
    BadContentLength,
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FramingError::HeadTooLarge => "stream: the header fields exceed the limit",
            FramingError::MessageTooLarge => "stream: Content-Length exceeds the limit",
            FramingError::NoContentLength => "stream: expected Content-Length (RFC 3261 18.3)",
            FramingError::BadContentLength => "stream: expected one Content-Length that is a number (RFC 3261 20.14)",
        })
    }
}

impl std::error::Error for FramingError {}

impl Framer {
    /// A framer for one stream.
    pub fn new(limits: Limits) -> Framer {
        Framer { buffer: BytesMut::new(), searched: 0, half_ping: false, limits, broken: None }
    }

    /// Takes octets as they came. Take frames before pushing more: what waits is held.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Octets held.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// The next frame; `None` when more octets are needed. An error is given again at every call.
    pub fn next_frame(&mut self) -> Option<Result<Frame, FramingError>> {
        if let Some(error) = self.broken {
            return Some(Err(error));
        }
        let outcome = self.cut();
        if let Some(Err(error)) = &outcome {
            self.broken = Some(*error);
            self.buffer = BytesMut::new();
        }
        outcome
    }

    fn cut(&mut self) -> Option<Result<Frame, FramingError>> {
        match &self.buffer[..] {
            [b'\r', b'\n', ..] if self.half_ping => return Some(Ok(self.skip(2, Frame::Ping))),
            [b'\r', b'\n', b'\r', b'\n', ..] => return Some(Ok(self.skip(4, Frame::Ping))),
            [b'\r', b'\n', b'\r'] => return None,
            [b'\r', b'\n', ..] => return Some(Ok(self.skip(2, Frame::Pong))),
            [] | [b'\r'] => return None,
            _ => self.half_ping = false,
        }
        let from = self.searched.saturating_sub(3);
        let rest = self.buffer.get(from..).unwrap_or_default();
        let Some(found) = memchr::memmem::find(rest, b"\r\n\r\n") else {
            self.searched = self.buffer.len();
            return (self.buffer.len() > self.limits.head).then_some(Err(FramingError::HeadTooLarge));
        };
        let head = from + found + 4;
        self.searched = from + found;
        if head > self.limits.head {
            return Some(Err(FramingError::HeadTooLarge));
        }
        let length = match announced(self.buffer.get(..head).unwrap_or_default()) {
            Ok(length) => length,
            Err(error) => return Some(Err(error)),
        };
        let whole = match head.checked_add(length) {
            Some(whole) if whole <= self.limits.message => whole,
            _ => return Some(Err(FramingError::MessageTooLarge)),
        };
        if self.buffer.len() < whole {
            return None;
        }
        self.searched = 0;
        Some(Ok(Frame::Message(self.buffer.split_to(whole).freeze())))
    }

    fn skip(&mut self, count: usize, frame: Frame) -> Frame {
        let _ = self.buffer.split_to(count);
        self.half_ping = frame == Frame::Pong;
        frame
    }
}

/// The Content-Length of a head. Folds before the number and blanks before the colon are legal (RFC 3261 section 7.3.1).
fn announced(head: &[u8]) -> Result<usize, FramingError> {
    let mut found = None;
    let mut pos = memchr::memchr(b'\n', head).map_or(head.len(), |lf| lf + 1);
    while let Some(rest) = head.get(pos..).filter(|rest| !rest.is_empty()) {
        let mut end = 0;
        loop {
            end += memchr::memchr(b'\n', rest.get(end..).unwrap_or_default()).map_or(rest.len() - end, |lf| lf + 1);
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let line = rest.get(..end).unwrap_or_default();
        pos += end;
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
        if HeaderId::from_name(name) != HeaderId::ContentLength {
            continue;
        }
        let value = line.get(colon + 1..).unwrap_or_default().trim_ascii();
        let length = content_length(value).map_err(|_| FramingError::BadContentLength)?;
        if found.is_some_and(|other| other != length) {
            return Err(FramingError::BadContentLength);
        }
        found = Some(length);
    }
    found.map(|length| length as usize).ok_or(FramingError::NoContentLength)
}
