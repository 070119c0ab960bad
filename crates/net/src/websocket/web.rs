//! A WebSocket that both sides have agreed on: one SIP message in each of its messages (RFC 7118 section 5).

use std::io::{self, Read, Write};

use bytes::Bytes;
use tungstenite::Utf8Bytes;
use tungstenite::error::{CapacityError, Error, ProtocolError};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig, WebSocketContext};

use super::frames::Frames;
use crate::octets::{Octets, Taken};

/// What is read at a time.
const PIECE: usize = 4_096;
/// The longest head of a control frame.
const LONGEST_HEAD: usize = 6;
/// Octets of pongs that may wait to be sent.
const PONGS: usize = 4_096;

/// One of the two sides.
pub(crate) struct Web {
    context: WebSocketContext,
    frames: Frames,
    /// Octets of pongs that the peer does not take, at most.
    pongs: usize,
    /// What is said when it ends.
    goodbye: CloseCode,
}

impl Web {
    /// `early`: what has been read already. A message of more octets than `message` ends the connection, and so does a frame without a mask that
    /// comes to a server (RFC 6455 section 5.1).
    pub(super) fn new(role: Role, early: Vec<u8>, message: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(PIECE)
            .write_buffer_size(0)
            .max_message_size(Some(message))
            .max_frame_size(Some(message))
            .accept_unmasked_frames(false);
        let mut frames = Frames::default();
        frames.take(&early);
        let context = WebSocketContext::from_partially_read(early, role, Some(config));
        Self { context, frames, pongs: 0, goodbye: CloseCode::Normal }
    }

    /// Octets of something that has begun and must end: frames in part, messages in fragments.
    pub(crate) fn begun(&self) -> usize {
        self.frames.begun()
    }

    /// Takes one piece of what came, and puts each message that ends in it behind the others. Pings are answered; who sends them and takes no answers
    /// is not listened to for long.
    ///
    /// # Errors
    /// The connection has ended: by its peer, by a fault, or by what WebSockets do not allow. What came before that counts.
    pub(crate) fn read(&mut self, octets: &mut Octets, into: &mut Vec<Bytes>) -> io::Result<Taken> {
        let mut wire = Wire::new(octets, &mut self.frames);
        loop {
            let outcome = self.context.read(&mut wire);
            match outcome {
                Ok(Message::Text(text)) => into.push(text.into()),
                Ok(Message::Binary(bytes)) => into.push(bytes),
                Ok(Message::Ping(payload)) => {
                    // All before this one have left, unless something is in their way.
                    self.pongs = payload.len() + LONGEST_HEAD + if wire.is_blocked { self.pongs } else { 0 };
                    if self.pongs > PONGS {
                        self.goodbye = CloseCode::Policy;
                        return Err(io::Error::new(io::ErrorKind::InvalidData, "pings whose answers are not taken"));
                    }
                }
                // The answer to a close leaves with the next step.
                Ok(Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(wire.taken.unwrap_or(Taken::Nothing));
                }
                Err(error) => return Err(self.ended(error)),
            }
        }
    }

    /// Takes a message when none before it waits. As text where it is one, since browsers read that (RFC 7118 section 4.2).
    ///
    /// # Errors
    /// `WouldBlock` while another waits; anything else ends the connection.
    pub(crate) fn write(&mut self, octets: &mut Octets, bytes: &Bytes) -> io::Result<usize> {
        if !self.flush(octets)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let message = match Utf8Bytes::try_from(bytes.clone()) {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Binary(bytes.clone()),
        };
        match self.context.write(&mut Wire::new(octets, &mut self.frames), message) {
            Ok(()) => {}
            // It is kept.
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(self.ended(error)),
        }
        Ok(bytes.len())
    }

    /// Sends what is ready, pongs too; false when some of it still waits.
    pub(crate) fn flush(&mut self, octets: &mut Octets) -> io::Result<bool> {
        match self.context.flush(&mut Wire::new(octets, &mut self.frames)) {
            Ok(()) => {
                self.pongs = 0;
                octets.flush()
            }
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(self.ended(error)),
        }
    }

    /// Tells the peer that this is the end, and whose fault it was (RFC 6455 section 7.4), if that can be said at once.
    pub(crate) fn say_goodbye(&mut self, octets: &mut Octets) {
        let frame = CloseFrame { code: self.goodbye, reason: Utf8Bytes::default() };
        let _ = self.context.close(&mut Wire::new(octets, &mut self.frames), Some(frame));
    }

    /// Why there will be nothing more.
    fn ended(&mut self, error: Error) -> io::Error {
        self.goodbye = match &error {
            Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed => CloseCode::Normal,
            Error::Capacity(CapacityError::MessageTooLong { .. }) => CloseCode::Size,
            Error::Utf8(_) => CloseCode::Invalid,
            _ => CloseCode::Protocol,
        };
        match error {
            Error::Io(error) => error,
            Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing) => {
                io::ErrorKind::UnexpectedEof.into()
            }
            other => io::Error::new(io::ErrorKind::InvalidData, other),
        }
    }
}

/// What tungstenite reads from and writes to. It reads on until the socket is empty: here it gets one piece, so that others get their turn.
struct Wire<'a> {
    octets: &'a mut Octets,
    frames: &'a mut Frames,
    /// What came of reading.
    taken: Option<Taken>,
    /// Something could not be written.
    is_blocked: bool,
}

impl<'a> Wire<'a> {
    fn new(octets: &'a mut Octets, frames: &'a mut Frames) -> Self {
        Self { octets, frames, taken: None, is_blocked: false }
    }
}

impl Read for Wire<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.taken.is_some() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match self.taken.insert(self.octets.read(into)?) {
            Taken::Octets(length) => {
                self.frames.take(into.get(..*length).unwrap_or_default());
                Ok(*length)
            }
            Taken::Nothing | Taken::Empty => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.octets.write(bytes);
        self.is_blocked |= written.is_err();
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
