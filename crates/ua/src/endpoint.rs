//! The endpoint: sockets, loop and media thread, and what comes in.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use audio::codec::Codec;
use net::media::{MediaConfig, MediaThread, PortRange};
use net::{Bind, Bound, Clock, Handle, LoopConfig, Names, Running, Seen, SipLoop, StartError, Tap};
use sip::message::Method;
use sip::uas::Capabilities;
use sip::{Timers, Transport};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use crate::account::{Account, AccountConfig};
use crate::error::CallError;
use crate::incoming::IncomingCall;
use crate::link::{Link, Place};
use crate::message::{Answer, TextMessage};
use crate::outgoing::OutgoingBuilder;
use crate::phone::{Command, Parts, Phone, Usage};
use crate::request::{Identity, Request};

/// How long [`Endpoint::close`] waits for the network.
const GRACE: Duration = Duration::from_secs(4);
/// How long dropping an endpoint may block.
const DROP_GRACE: Duration = Duration::from_secs(1);
/// Text messages that may wait to be read.
const MESSAGES: usize = 64;
/// Jobs that may wait on the media thread.
const JOBS: usize = 16_384;

/// An endpoint could not be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// An address to listen on cannot be read.
    Address {
        /// What was given.
        given: String,
    },
    /// Sockets or threads could not be had.
    Start(StartError),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { given } => {
                write!(f, "cannot listen on {given:?}: expected an IP address and a port, such as 0.0.0.0:5060")
            }
            Self::Start(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Address { .. } => None,
            Self::Start(error) => Some(error),
        }
    }
}

/// How an [`Endpoint`] is made. Without an address it listens on UDP, all addresses, a free port.
pub struct Builder {
    binds: Vec<(Transport, String)>,
    user_agent: Option<String>,
    ports: PortRange,
    media_address: Option<IpAddr>,
    public_address: Option<IpAddr>,
    codecs: Vec<Codec>,
    max_calls: usize,
    silence: Option<Duration>,
    timers: Timers,
    names: Names,
    tap: Option<Tap>,
}

impl Builder {
    fn new() -> Self {
        Self {
            binds: Vec::new(),
            user_agent: Some(concat!("Offhook/", env!("CARGO_PKG_VERSION")).to_owned()),
            ports: PortRange::default(),
            media_address: None,
            public_address: None,
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            max_calls: 32,
            silence: Some(Duration::from_secs(10)),
            timers: Timers::default(),
            names: Names::default(),
            tap: None,
        }
    }

    /// Listens for SIP over UDP, on `127.0.0.1:5060` for instance. Port 0 takes a free one. May be called repeatedly.
    pub fn udp(mut self, address: impl ToString) -> Self {
        self.binds.push((Transport::Udp, address.to_string()));
        self
    }

    /// Listens for SIP over TCP.
    pub fn tcp(mut self, address: impl ToString) -> Self {
        self.binds.push((Transport::Tcp, address.to_string()));
        self
    }

    /// What stands in User-Agent and Server. Empty: neither is sent.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = Some(name.into()).filter(|name| !name.is_empty());
        self
    }

    /// Ports for RTP and RTCP; 10000 to 19999 unless set.
    pub fn media_ports(mut self, range: RangeInclusive<u16>) -> Self {
        self.ports = PortRange::new(range);
        self
    }

    /// The address on which RTP is received; the one that faces the peer unless set.
    pub fn media_address(mut self, address: IpAddr) -> Self {
        self.media_address = Some(address);
        self
    }

    /// The address that descriptions name instead: the outside of a NAT that forwards the media ports.
    pub fn public_address(mut self, address: IpAddr) -> Self {
        self.public_address = Some(address);
        self
    }

    /// Codecs in order of preference; PCMU, PCMA unless set.
    pub fn codecs(mut self, codecs: &[Codec]) -> Self {
        self.codecs = codecs.to_vec();
        self
    }

    /// Calls at a time, ringing ones included; 32 unless set. One more is answered 486.
    pub fn max_calls(mut self, calls: usize) -> Self {
        self.max_calls = calls;
        self
    }

    /// After so long without a packet from a peer that should be talking, [`crate::CallEvent::Silence`]; 10 s unless set, `None` never.
    pub fn silence_after(mut self, after: Option<Duration>) -> Self {
        self.silence = after;
        self
    }

    /// Other base values of the protocol's timers: for tests, and for networks that need them.
    pub fn timers(mut self, timers: Timers) -> Self {
        self.timers = timers;
        self
    }

    /// Who is asked for the addresses of host names, and how long that may take: the system's name servers and 8 s unless set.
    pub fn names(mut self, names: Names) -> Self {
        self.names = names;
        self
    }

    /// Shows every SIP message that passes. Runs on the loop's thread: it must not block.
    pub fn tap(mut self, tap: impl FnMut(&Seen<'_>) + Send + 'static) -> Self {
        self.tap = Some(Box::new(tap));
        self
    }

    /// Binds the sockets and starts the threads.
    ///
    /// # Errors
    /// [`BuildError`].
    pub async fn build(self) -> Result<Endpoint, BuildError> {
        let mut binds = Vec::new();
        for (transport, given) in &self.binds {
            let address: SocketAddr = given.parse().map_err(|_| BuildError::Address { given: given.clone() })?;
            binds.push(Bind { transport: *transport, address });
        }
        if binds.is_empty() {
            binds.push(Bind { transport: Transport::Udp, address: SocketAddr::from(([0, 0, 0, 0], 0)) });
        }
        let capabilities = Capabilities {
            allow: vec![
                Method::Invite,
                Method::Ack,
                Method::Cancel,
                Method::Bye,
                Method::Options,
                Method::Info,
                Method::Update,
                Method::Message,
            ],
            accept: vec!["application/sdp".into(), "multipart/mixed".into()],
            ..Capabilities::default()
        };
        let stack = sip::Config {
            timers: self.timers,
            user_agent: self.user_agent,
            allow: capabilities.allow.clone(),
            supported: capabilities.supported.clone(),
            session: sip::invite::Policy { glare: sip::invite::Glare::Tell, ..sip::invite::Policy::default() },
            ..sip::Config::default()
        };
        let commands: Arc<OnceLock<Handle<Command>>> = Arc::default();
        let heard = Arc::clone(&commands);
        let config = MediaConfig { engine: media::Config::default(), clock: Clock::start(), commands: JOBS };
        let thread = MediaThread::spawn(config, move |event| {
            if let Some(commands) = heard.get()
                && commands.try_send(Command::Media(event)).is_err()
            {
                tracing::debug!("an event of the media thread is dropped: the SIP loop is busy");
            }
        })
        .map_err(BuildError::Start)?;
        let (calls, incoming) = mpsc::channel(self.max_calls.max(1));
        let (texts, messages) = mpsc::channel(MESSAGES);
        let media = thread.handle();
        let (parts_media, parts_commands) = (media.clone(), Arc::clone(&commands));
        let place = Place {
            bound: Vec::new(),
            ports: self.ports,
            media_address: self.media_address,
            public_address: self.public_address,
            codecs: self.codecs,
            max_calls: self.max_calls,
        };
        let silence = self.silence;
        let (given, made) = oneshot::channel();
        let mut config = LoopConfig::new(binds, stack);
        config.tap = self.tap;
        config.look_up(self.names);
        let running = SipLoop::spawn(config, move |bound, _| {
            let place = Arc::new(Place { bound: bound.to_vec(), ..place });
            // The endpoint waits for it.
            let _ = given.send(Arc::clone(&place));
            Phone::new(Parts {
                media: parts_media,
                place,
                commands: parts_commands,
                incoming: calls,
                messages: texts,
                silence,
                capabilities,
                texts: vec!["text/plain".into(), "application/im-iscomposing+xml".into()],
            })
        })
        .map_err(BuildError::Start)?;
        let ended =
            || BuildError::Start(StartError::System(std::io::Error::other("the SIP loop ended while starting")));
        let place = made.await.map_err(|_| ended())?;
        // Nobody else sets it.
        let _ = commands.set(running.handle());
        Ok(Endpoint {
            link: Link { commands: running.handle(), media, place },
            incoming: Mutex::new(incoming),
            messages: Mutex::new(messages),
            accounts: AtomicU64::new(1),
            running: Some(running),
            _media: thread,
        })
    }
}

/// A telephone: it places and receives calls, with accounts or without.
pub struct Endpoint {
    link: Link,
    incoming: Mutex<mpsc::Receiver<IncomingCall>>,
    messages: Mutex<mpsc::Receiver<TextMessage>>,
    accounts: AtomicU64,
    running: Option<Running<Command>>,
    /// Ends after the loop.
    _media: MediaThread,
}

impl Endpoint {
    /// To be filled in and built.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// What it listens on, with the ports that were given.
    pub fn bound(&self) -> &[Bound] {
        &self.link.place.bound
    }

    /// The address at which `user` is called directly, for peers on this machine or in its network: `sip:bob@192.0.2.7:5060`.
    pub fn uri(&self, user: &str) -> Option<String> {
        let bound = self.bound().first()?;
        let ip = bound.address.ip();
        let ip = if ip.is_unspecified() { crate::request::source(None).unwrap_or(ip) } else { ip };
        let uri = sip::message::UriBuf::sip(false, Some(user), &ip.to_string(), Some(bound.address.port())).ok()?;
        let transport = if bound.transport == Transport::Tcp { ";transport=tcp" } else { "" };
        Some(format!("{uri}{transport}"))
    }

    /// An account to call from and to register. Nothing is sent.
    ///
    /// # Errors
    /// [`CallError::BadUri`] when one of its addresses cannot be read.
    pub async fn account(&self, config: AccountConfig) -> Result<Account, CallError> {
        Account::new(self.link.clone(), self.accounts.fetch_add(1, Ordering::Relaxed), config)
    }

    /// Calls an address directly, without an account. Awaiting the builder waits for the answer; [`OutgoingBuilder::start`] does not.
    pub fn call(&self, uri: impl Into<String>) -> OutgoingBuilder {
        OutgoingBuilder::new(self.link.clone(), uri.into(), Identity::nobody())
    }

    /// The next call that comes in; `None` when the endpoint is closing. Dropping the future loses no call.
    pub async fn incoming(&self) -> Option<IncomingCall> {
        self.incoming.lock().await.recv().await
    }

    /// The next text message that comes in outside of calls. At most 64 wait; further ones are answered 503.
    pub async fn messages(&self) -> Option<TextMessage> {
        self.messages.lock().await.recv().await
    }

    /// Sends a text message (RFC 3428).
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn message(&self, to: &str, text: &str) -> Result<Answer, CallError> {
        Request::message(to, text, &Identity::nobody()).send(&self.link).await
    }

    /// Sends a message whose body is of another type than plain text (RFC 3428 section 4).
    ///
    /// # Errors
    /// [`CallError::BadText`] when `content_type` is none, before anything is sent.
    pub async fn message_as(&self, to: &str, content_type: &str, body: &[u8]) -> Result<Answer, CallError> {
        Request::message_as(to, content_type, body, &Identity::nobody())?.send(&self.link).await
    }

    /// Asks an address what it can do (RFC 3261 section 11).
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn options(&self, uri: &str) -> Result<Answer, CallError> {
        Request::options(uri, &Identity::nobody()).send(&self.link).await
    }

    /// What lives in it now; `None` when its loop has ended.
    pub async fn usage(&self) -> Option<Usage> {
        let usage = self.link.ask(|reply| Command::Usage { reply }).await.ok()?;
        let (streams, ports) = self.link.at_desk(|desk| desk.engine.counts()).await.ok()?;
        Some(Usage { streams, ports, ..usage })
    }

    /// Ends every call, takes every registration back, and waits until the network has been told, for 4 s at most.
    pub async fn close(self) {
        self.close_within(GRACE).await;
    }

    /// As [`Endpoint::close`], but waits for `most` at most: a peer that has said nothing so far may never confirm an end either.
    pub async fn close_within(mut self, most: Duration) {
        let closing = self.link.ask(|done| Command::Close { done });
        if timeout(most, closing).await.is_err() {
            tracing::info!("not every peer has confirmed the end in time");
        }
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

impl Drop for Endpoint {
    /// Says good-bye as [`Endpoint::close`] does, but blocks for a second at most.
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        let (done, mut settled) = oneshot::channel();
        if self.link.commands.try_send(Command::Close { done }).is_ok() {
            let until = Instant::now() + DROP_GRACE;
            while matches!(settled.try_recv(), Err(oneshot::error::TryRecvError::Empty)) && Instant::now() < until {
                thread::sleep(Duration::from_millis(2));
            }
        }
        running.stop();
    }
}

/// Futures that hold an endpoint may move between threads.
#[allow(dead_code, reason = "checked by the compiler, never called")]
fn is_send(endpoint: &Endpoint) -> impl Future + Send + '_ {
    endpoint.incoming()
}
