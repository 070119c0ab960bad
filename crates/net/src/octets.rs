//! The octets of one stream connection: as they are, or through TLS. Nothing here waits.

use std::io::{self, Read, Write};
use std::rc::Rc;

use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;

use crate::tls::Records;

/// What TLS may hold back until the peer reads: one message, mostly. More waits outside, where it is counted.
const SEALED: usize = 4_096;

/// The octets of a connection that stands, with or without TLS on it.
pub(crate) struct Octets {
    socket: Rc<TcpStream>,
    tls: Option<Box<rustls::Connection>>,
    /// What of TLS has come and not ended.
    records: Records,
}

/// What came of reading.
pub(crate) enum Taken {
    /// So many octets.
    Octets(usize),
    /// Something came that holds none.
    Nothing,
    /// There is no more at present.
    Empty,
}

/// Why a handshake comes to nothing.
pub(crate) enum Trouble {
    /// The connection broke.
    Broken,
    /// The other side does not do what TLS asks, or is not who it should be.
    Tls(rustls::Error),
    /// There is no WebSocket with the other side, and why: for a person.
    #[cfg(feature = "websocket")]
    Web(String),
    /// The server wants to know who we are before there is a WebSocket: its challenges.
    #[cfg(feature = "websocket")]
    Asked(Vec<Vec<u8>>),
}

/// How far a handshake is.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Shaking {
    /// Something must come first.
    Reading,
    /// Something must leave first.
    Writing,
    /// More may be done at once.
    Going,
    Done,
}

impl Octets {
    pub(crate) fn plain(socket: Rc<TcpStream>) -> Self {
        Self { socket, tls: None, records: Records::of_client() }
    }

    pub(crate) fn secured(socket: Rc<TcpStream>, mut tls: rustls::Connection) -> Self {
        tls.set_buffer_limit(Some(SEALED));
        let records = match &tls {
            rustls::Connection::Client(_) => Records::of_server(),
            rustls::Connection::Server(_) => Records::of_client(),
        };
        Self { socket, tls: Some(Box::new(tls)), records }
    }

    /// One step of the handshake: what waits is sent, and one piece of what came is taken.
    pub(crate) fn shake(&mut self) -> Result<Shaking, Trouble> {
        let Self { tls: Some(tls), records, .. } = self else { return Ok(Shaking::Done) };
        if !send(tls, &self.socket).map_err(|_| Trouble::Broken)? {
            return Ok(Shaking::Writing);
        }
        if !tls.is_handshaking() {
            records.gave();
            return Ok(Shaking::Done);
        }
        match tls.read_tls(&mut Incoming(&self.socket, records)) {
            Ok(0) => return Err(Trouble::Broken),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Shaking::Reading),
            Err(_) => return Err(Trouble::Broken),
        }
        let outcome = tls.process_new_packets();
        // An alert tells the other side why.
        let sent = send(tls, &self.socket);
        outcome.map_err(Trouble::Tls)?;
        sent.map_err(|_| Trouble::Broken)?;
        Ok(Shaking::Going)
    }

    /// Takes what came. [`Taken::Empty`] only when the socket has said so.
    ///
    /// # Errors
    /// The connection has ended: by its peer, by a fault, or by what TLS does not allow.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> io::Result<Taken> {
        let Self { tls: Some(tls), records, .. } = self else {
            return match self.socket.try_read(into) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => Ok(Taken::Octets(length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Taken::Empty),
                Err(error) => Err(error),
            };
        };
        match tls.reader().read(into) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => return Ok(Taken::Octets(length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        match tls.read_tls(&mut Incoming(&self.socket, records)) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Taken::Empty),
            Err(error) => return Err(error),
        }
        let outcome = tls.process_new_packets();
        // What TLS itself answers, or an alert.
        let sent = send(tls, &self.socket);
        outcome.map_err(io::Error::other)?;
        sent?;
        match tls.reader().read(into) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                records.gave();
                Ok(Taken::Octets(length))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Taken::Nothing),
            Err(error) => Err(error),
        }
    }

    /// The certificate that the other side has shown, and behind it those that lead to its authority. Of who connected to us one from an authority that was
    /// named for that (RFC 5922 section 7.4): others are not let in, or were not asked.
    pub(crate) fn certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.tls.as_ref()?.peer_certificates()
    }

    /// Octets that TLS holds because something has begun and not ended.
    pub(crate) fn held(&self) -> usize {
        self.records.held()
    }

    /// Takes as much of `bytes` as can leave, or be sealed to leave next.
    ///
    /// # Errors
    /// `WouldBlock` when nothing can; anything else ends the connection.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.try_write(bytes) };
        if tls.is_handshaking() || !send(tls, &self.socket)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = tls.writer().write(bytes)?;
        send(tls, &self.socket)?;
        Ok(taken)
    }

    /// Sends what has been sealed; false when some of it still waits.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        self.tls.as_mut().map_or(Ok(true), |tls| send(tls, &self.socket))
    }

    /// Tells the peer that this is the end and no attack cut it off (RFC 8446 section 6.1), if that can be said at once.
    pub(crate) fn say_goodbye(&mut self) {
        if let Some(tls) = &mut self.tls
            && !tls.is_handshaking()
        {
            tls.send_close_notify();
            let _ = send(tls, &self.socket);
        }
    }
}

/// Sends what TLS has sealed, as far as there is room; whether that was all.
fn send(tls: &mut rustls::Connection, socket: &TcpStream) -> io::Result<bool> {
    while tls.wants_write() {
        match tls.write_tls(&mut Outgoing(socket)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

struct Incoming<'a>(&'a TcpStream, &'a mut Records);

impl Read for Incoming<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Self(socket, records) = self;
        let length = socket.try_read(into)?;
        records.take(into.get(..length).unwrap_or_default());
        Ok(length)
    }
}

struct Outgoing<'a>(&'a TcpStream);

impl Write for Outgoing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }
    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(parts)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
