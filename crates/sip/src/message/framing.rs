//! Cuts messages out of a byte stream (RFC 3261 section 18.3, RFC 5626 section 4.4.1).

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

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
    /// Octets of the message at the front, body included, once its head is whole: no head is read twice.
    whole: Option<usize>,
    /// The last frame was a lone CRLF: one more makes it a ping after all.
    half_ping: bool,
    /// The peer may send pings in pieces.
    pinged: bool,
    limits: Limits,
    broken: Option<FramingError>,
    /// Octets looked at so far.
    #[cfg(test)]
    scanned: usize,
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
    /// More header fields than [`Limits::headers`].
    TooManyHeaders,
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
            FramingError::TooManyHeaders => "stream: there are more header fields than the limit",
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
        Framer {
            buffer: BytesMut::new(),
            searched: 0,
            whole: None,
            half_ping: false,
            pinged: true,
            limits,
            broken: None,
            #[cfg(test)]
            scanned: 0,
        }
    }

    /// One for a stream on which we are the one who pings: a lone CRLF is a pong, and never half of a ping.
    pub fn pinging(limits: Limits) -> Framer {
        Framer { pinged: false, ..Framer::new(limits) }
    }

    /// Takes octets as they came. Take frames before pushing more: what waits is held.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Gives back the room for octets where none are held: most connections say nothing most of the time.
    pub fn rest(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
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
        if self.whole.is_none() {
            match &self.buffer[..] {
                [b'\r', b'\n', ..] if self.half_ping => return Some(Ok(self.skip(2, Frame::Ping))),
                [b'\r', b'\n', b'\r', b'\n', ..] => return Some(Ok(self.skip(4, Frame::Ping))),
                [b'\r', b'\n', b'\r'] => return None,
                [b'\r', b'\n', ..] => return Some(Ok(self.skip(2, Frame::Pong))),
                [] | [b'\r'] => return None,
                _ => self.half_ping = false,
            }
            match self.measure()? {
                Ok(whole) => self.whole = Some(whole),
                Err(error) => return Some(Err(error)),
            }
        }
        let whole = self.whole.filter(|whole| self.buffer.len() >= *whole)?;
        (self.whole, self.searched) = (None, 0);
        // A copy: a part of the buffer would hold all of it for as long as the message is kept.
        let message = Bytes::copy_from_slice(self.buffer.get(..whole).unwrap_or_default());
        self.buffer.advance(whole);
        Some(Ok(Frame::Message(message)))
    }

    /// How long the message at the front is, body included; `None` while its head has no end. The search goes on where it stopped.
    fn measure(&mut self) -> Option<Result<usize, FramingError>> {
        let from = self.searched.saturating_sub(3);
        let rest = self.buffer.get(from..).unwrap_or_default();
        let found = memchr::memmem::find(rest, b"\r\n\r\n");
        #[cfg(test)]
        {
            self.scanned += found.unwrap_or(rest.len());
        }
        let Some(found) = found else {
            self.searched = self.buffer.len();
            return (self.buffer.len() > self.limits.head).then_some(Err(FramingError::HeadTooLarge));
        };
        let head = from + found + 4;
        if head > self.limits.head {
            return Some(Err(FramingError::HeadTooLarge));
        }
        #[cfg(test)]
        {
            self.scanned += head;
        }
        let length = match announced(self.buffer.get(..head).unwrap_or_default(), self.limits.headers) {
            Ok(length) => length,
            Err(error) => return Some(Err(error)),
        };
        let whole = head.checked_add(length).filter(|whole| *whole <= self.limits.message);
        Some(whole.ok_or(FramingError::MessageTooLarge))
    }

    fn skip(&mut self, count: usize, frame: Frame) -> Frame {
        let _ = self.buffer.split_to(count);
        self.half_ping = self.pinged && frame == Frame::Pong;
        frame
    }
}

/// The Content-Length of a head of `most` header fields at most. Folds before the number and blanks before the colon are legal (RFC 3261 section 7.3.1).
fn announced(head: &[u8], most: usize) -> Result<usize, FramingError> {
    let (mut found, mut fields) = (None, 0);
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
        fields += 1;
        if fields > most {
            return Err(FramingError::TooManyHeaders);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives `text` to a framer octet by octet: what came out, and how many octets were looked at.
    fn drip(text: &str) -> (Vec<Result<Frame, FramingError>>, usize) {
        let mut framer = Framer::new(Limits::default());
        let mut frames = Vec::new();
        for octet in text.as_bytes() {
            framer.push(&[*octet]);
            frames.extend(framer.next_frame());
        }
        (frames, framer.scanned)
    }

    #[test]
    fn rfc3261_18_3_a_head_is_read_once_however_slowly_the_body_comes() {
        let head = format!("MESSAGE sip:a@b SIP/2.0\r\n{}l: 30000\r\n\r\n", "X: y\r\n".repeat(250));
        let text = format!("{head}{}", "b".repeat(30_000));
        let (frames, scanned) = drip(&text.repeat(2));
        assert_eq!(frames, vec![Ok(Frame::Message(Bytes::from(text))); 2]);
        // The search sees each octet of a head with the three before it, the reading once.
        assert!(scanned <= 2 * 5 * head.len(), "{scanned} octets for two heads of {}", head.len());
    }

    #[test]
    fn rfc3261_18_3_a_head_without_an_end_is_searched_once() {
        let (frames, scanned) = drip(&"X: y\r\n".repeat(9_000));
        assert_eq!(frames, []);
        assert!(scanned <= 4 * 6 * 9_000, "{scanned}");
    }
}
