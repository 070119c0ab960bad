//! How a loop is made.

use std::sync::Arc;
use std::time::Duration;

use crate::binding::Bind;
use crate::dscp::Dscp;
use crate::proxy_protocol::Network;
use crate::resolve::{Names, Resolve, resolver};
use crate::tap::Tap;
use crate::tls::Tls;
use crate::trace::Trace;

/// Limits on stream connections.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Connections at a time; one more is closed at once.
    pub connections: usize,
    /// Of so many files that the process may have open one may be a connection, whatever `connections` says: the others are for media, journal and whoever
    /// watches.
    pub files: usize,
    /// Accepted connections at a time from one address (IPv6: one network of 64 bits); one more is closed at once. Never more than three
    /// quarters of all.
    pub per_address: usize,
    /// What waits to be written on one connection, in octets, each message with 64 more for its keeping; one more closes it.
    pub backlog: usize,
    /// The same of all connections of the loop together; one more closes the connection that has the most waiting.
    pub backlogs: usize,
    /// What has come of messages that have not ended, in octets, of all connections of the loop together, and what TLS holds for want of its end (in pieces of
    /// 4 KiB); one more ends the connection whose message began first.
    pub unfinished: usize,
    /// Connections over TLS at a time, of the loop, along which our requests go back to who made them and showed a certificate for the host of the
    /// request, one that we would trust a server with (RFC 5923); one more is used for what comes along it, as ever. Our own requests over TLS then ask for the
    /// same of servers that we connect to, where we listen over TLS and show a certificate. 0: neither.
    pub aliases: usize,
    /// How long connecting may take.
    pub connect: Duration,
    /// How long the handshakes of TLS and of a WebSocket may take together, on either side.
    pub handshake: Duration,
    /// Handshakes at a time with those who connected, each of which may take up to 64 KiB; one more connection is closed at once. A quarter of them, and at least one, may be with
    /// one address (IPv6: one network of 64 bits).
    pub handshakes: usize,
    /// How long a message may take from its first byte to its last, and an accepted connection to send its first byte.
    pub message: Duration,
    /// How long a connection may stay silent.
    pub idle: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            files: 4,
            per_address: 1_000,
            backlog: 1 << 20,
            backlogs: 64 << 20,
            unfinished: 16 << 20,
            aliases: 0,
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            handshakes: 512,
            message: Duration::from_secs(32),
            idle: Duration::from_secs(15 * 60),
        }
    }
}

/// How WebSockets are made (RFC 7118).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSockets {
    /// The origins whose pages may connect, as browsers write them: `https://phone.example.com`; empty: any. Programs that are no browsers send none
    /// and may connect in either case (RFC 6455 section 10.2).
    pub origins: Vec<String>,
    /// The resource that is asked for where we connect: path and query of a WebSocket URI, with nothing in it that may not stand there.
    pub resource: String,
    /// What we prove who we are with where a server asks for that before there is a WebSocket (RFC 7118 section 7): those that are tied to it
    /// ([`sip::digest::Credential::at`]).
    pub credentials: sip::digest::Credentials,
}

impl Default for WebSockets {
    fn default() -> Self {
        Self { origins: Vec::new(), resource: "/".into(), credentials: sip::digest::Credentials::new() }
    }
}

/// The longest rest between turns, unless configured.
pub const REST: Duration = Duration::from_millis(10);

/// How a loop is made.
pub struct LoopConfig {
    /// Addresses to listen on; at least one.
    pub binds: Vec<Bind>,
    /// The stack's own settings.
    pub stack: sip::Config,
    /// Fixes every tag, branch and nonce; random when `None`.
    pub seed: Option<[u8; 32]>,
    /// Limits on connections.
    pub streams: StreamLimits,
    /// Commands that may wait; a quarter of them for what peers can cause ([`crate::Handle::share`]).
    pub commands: usize,
    /// What other loops may leave waiting for this one (see [`crate::SipLoop::spawn_shards`]); one more message is shed.
    pub crossings: usize,
    /// Certificates, and whom we trust.
    pub tls: Tls,
    /// WebSockets, accepted and our own.
    pub web: Arc<WebSockets>,
    /// The longest rest between turns under steady load (see `pace`), so what an answer may be delayed to be cheaper; zero: never any.
    pub rest: Duration,
    /// Who connects for others and says so by the PROXY protocol, which must come first on every connection from there. Whoever else sends it is closed.
    pub proxies: Vec<Network>,
    /// How urgent SIP packets are.
    pub dscp: Dscp,
    /// Sees every message on the wire.
    pub tap: Option<Tap>,
    /// Shows every message to whoever watches.
    pub trace: Trace,
    /// Makes the resolver on the loop's thread; the system's own when `None`.
    pub resolver: Option<Box<dyn FnOnce() -> Box<dyn Resolve> + Send>>,
}

impl LoopConfig {
    /// Listens on `binds` with defaults for the rest.
    pub fn new(binds: Vec<Bind>, stack: sip::Config) -> Self {
        Self {
            binds,
            stack,
            seed: None,
            streams: StreamLimits::default(),
            commands: 1024,
            crossings: 4096,
            tls: Tls::default(),
            web: Arc::default(),
            rest: REST,
            proxies: Vec::new(),
            dscp: Dscp::default(),
            tap: None,
            trace: Trace::default(),
            resolver: None,
        }
    }

    /// Has names looked up there, and no longer than that.
    pub fn look_up(&mut self, names: Names) {
        self.stack.ask_timeout = names.timeout;
        self.resolver = Some(Box::new(move || resolver(&names)));
    }
}
