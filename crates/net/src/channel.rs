//! What is said on one stream connection: octets that the caller divides into messages, or the messages of a WebSocket. Nothing here waits.

use std::io;
use std::rc::Rc;

use bytes::Bytes;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;

use crate::octets::{Octets, Shaking, Taken, Trouble};
#[cfg(feature = "websocket")]
use crate::websocket::{Handshake, Web};

/// A connection that stands.
pub(crate) struct Channel {
    octets: Octets,
    #[cfg(feature = "websocket")]
    talk: Talk,
}

/// How the octets are divided.
#[cfg(feature = "websocket")]
enum Talk {
    /// By the messages themselves.
    Stream,
    /// The two sides are still to agree on a WebSocket.
    Agreeing(Box<Handshake>),
    Web(Box<Web>),
}

impl Channel {
    /// Over TLS where that is given.
    pub(crate) fn new(socket: Rc<TcpStream>, tls: Option<rustls::Connection>) -> Self {
        let octets = match tls {
            None => Octets::plain(socket),
            Some(tls) => Octets::secured(socket, tls),
        };
        Self {
            octets,
            #[cfg(feature = "websocket")]
            talk: Talk::Stream,
        }
    }

    /// What both sides agree on is to become a WebSocket.
    #[cfg(feature = "websocket")]
    pub(crate) fn agreeing(mut self, handshake: Handshake) -> Self {
        self.talk = Talk::Agreeing(Box::new(handshake));
        self
    }

    /// One step of the handshakes: that of TLS, then that of the WebSocket.
    pub(crate) fn shake(&mut self) -> Result<Shaking, Trouble> {
        let secured = self.octets.shake()?;
        #[cfg(feature = "websocket")]
        if let (Shaking::Done, Talk::Agreeing(handshake)) = (secured, &mut self.talk) {
            let agreed = handshake.step(&mut self.octets)?;
            if agreed == Shaking::Done {
                self.talk = Talk::Web(Box::new(handshake.done()));
            }
            return Ok(agreed);
        }
        Ok(secured)
    }

    /// Takes octets that came, where the caller divides them.
    ///
    /// # Errors
    /// As [`Octets::read`].
    pub(crate) fn read(&mut self, into: &mut [u8]) -> io::Result<Taken> {
        self.octets.read(into)
    }

    /// What the other side has shown, as [`Octets::certificates`].
    pub(crate) fn certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.octets.certificates()
    }

    /// Octets below what is said that are held because something has begun and not ended.
    pub(crate) fn held(&self) -> usize {
        self.octets.held()
    }

    /// The WebSocket on it, and what that takes its octets from.
    #[cfg(feature = "websocket")]
    pub(crate) fn web(&mut self) -> Option<(&mut Web, &mut Octets)> {
        match &mut self.talk {
            Talk::Web(web) => Some((web, &mut self.octets)),
            _ => None,
        }
    }

    /// Takes as much of `bytes` as can leave, or be made ready to leave next; of a WebSocket's message all or nothing.
    ///
    /// # Errors
    /// `WouldBlock` when nothing can; anything else ends the connection.
    pub(crate) fn write(&mut self, bytes: &Bytes) -> io::Result<usize> {
        #[cfg(feature = "websocket")]
        match &mut self.talk {
            Talk::Stream => {}
            Talk::Agreeing(_) => return Err(io::ErrorKind::WouldBlock.into()),
            Talk::Web(web) => return web.write(&mut self.octets, bytes),
        }
        self.octets.write(bytes)
    }

    /// Sends what has been made ready; false when some of it still waits.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        #[cfg(feature = "websocket")]
        if let Some((web, octets)) = self.web() {
            return web.flush(octets);
        }
        self.octets.flush()
    }

    /// Tells the peer that this is the end and no attack cut it off, if that can be said at once.
    pub(crate) fn say_goodbye(&mut self) {
        #[cfg(feature = "websocket")]
        if let Some((web, octets)) = self.web() {
            web.say_goodbye(octets);
        }
        self.octets.say_goodbye();
    }
}
