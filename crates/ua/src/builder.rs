//! How an endpoint is made.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::event::composing;
use audio::codec::Codec;
use net::media::{MediaConfig, MediaThread, PortRange};
use net::tls::{TlsClient, TlsServer};
use net::trace::Trace;
use net::{Bind, Clock, Handle, LoopConfig, Names, Network, Seen, SipLoop, StartError, Tap};
use sdp::Hold;
use sip::digest::Credential;
use sip::invite::{JOIN, NO_REPORTS, REPLACES, SessionTimer};
use sip::message::Method;
use sip::uas::{Capabilities, RELIABLE, TIMER};
use sip::{Timers, Transport};
use tokio::sync::{mpsc, oneshot};

use crate::command::Command;
use crate::endpoint::Endpoint;
use crate::link::Link;
use crate::phone::{Parts, Phone};
use crate::place::Place;
use crate::websocket::WebSocketUrl;

/// Text messages that may wait to be read.
const MESSAGES: usize = 64;
/// Transfers that may wait to be decided on.
const REFERRALS: usize = 16;
/// Subscriptions of others that may wait to be decided on.
const SUBSCRIPTIONS: usize = 64;
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
    /// A user name that cannot be written where a server of WebSockets wants to know it.
    User {
        /// What was expected.
        why: String,
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
            Self::User { why } => f.write_str(why),
            Self::Start(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Address { .. } | Self::User { .. } => None,
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
    hold: Hold,
    timers: Timers,
    reliable: bool,
    by_update: bool,
    transfers: bool,
    history: bool,
    believed: Vec<Network>,
    referrers: Vec<Network>,
    packages: Vec<(String, String)>,
    info_packages: Option<Vec<String>>,
    max_watchers: usize,
    session_timer: Option<SessionTimer>,
    names: Names,
    trust: TlsClient,
    shown: Option<TlsServer>,
    overload: bool,
    resource: Option<String>,
    login: Option<(WebSocketUrl, String, String)>,
    tap: Option<Tap>,
    trace: Trace,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            binds: Vec::new(),
            user_agent: Some(concat!("Offhook/", env!("CARGO_PKG_VERSION")).to_owned()),
            ports: PortRange::default(),
            media_address: None,
            public_address: None,
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            max_calls: 32,
            silence: Some(Duration::from_secs(10)),
            hold: Hold::ByDirection,
            timers: Timers::default(),
            reliable: false,
            by_update: false,
            transfers: false,
            history: false,
            believed: Vec::new(),
            referrers: Vec::new(),
            packages: Vec::new(),
            info_packages: None,
            max_watchers: 100,
            session_timer: Some(SessionTimer::default()),
            names: Names::default(),
            trust: TlsClient::default(),
            shown: None,
            overload: false,
            resource: None,
            login: None,
            tap: None,
            trace: Trace::default(),
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

    /// Listens for SIP over TLS, and shows this certificate there; where it is called repeatedly, the one given last on all addresses. An address of the
    /// system's own choice (port 0) stands in [`Endpoint::bound`].
    pub fn tls(mut self, address: impl ToString, shown: TlsServer) -> Self {
        self.binds.push((Transport::Tls, address.to_string()));
        self.shown = Some(shown);
        self
    }

    /// Sends less to servers that ask for it, and says that it does (RFC 7339): what is left out then fails at once,
    /// [`CallError::Unreachable`](crate::CallError::Unreachable). Off unless set.
    pub fn overload_control(mut self) -> Self {
        self.overload = true;
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

    /// Holds in the way of RFC 2543 (RFC 3264 section 8.4): besides `a=inactive` the connection address is 0.0.0.0. For peers that know no
    /// directions.
    pub fn hold_by_null_address(mut self) -> Self {
        self.hold = Hold::ByNullAddress;
        self
    }

    /// Holds and resumes with UPDATE (RFC 3311) where the other side's Allow has it, else with a re-INVITE as everywhere without this: one message and
    /// its answer instead of three, but no person is asked there.
    pub fn hold_by_update(mut self) -> Self {
        self.by_update = true;
        self
    }

    /// Other base values of the protocol's timers: for tests, and for networks that need them.
    pub fn timers(mut self, timers: Timers) -> Self {
        self.timers = timers;
        self
    }

    /// Says reliably that it rings here, to callers that can take it (RFC 3262): with early media it is what makes sure that they are heard.
    /// Who requires it is told reliably in any case.
    pub fn reliable(mut self) -> Self {
        self.reliable = true;
        self
    }

    /// Lets the other side of a call transfer us: it may have us call somebody else (REFER, RFC 3515), for which [`Endpoint::referral`] asks, and who
    /// stands in for it may take its place in a call (Replaces, RFC 3891) or ask to be in it besides (Join, RFC 3911: [`crate::IncomingCall::joins`]). Without this the one is refused (603), since it lets others spend
    /// our money, and the other is a call like any.
    ///
    /// Who may take the place of the other side: that one itself, and whom it has sent, as its Referred-By says (RFC 3892); others are
    /// refused (403). Both are claims, and their proof is that the tags of the call are known, which nobody but its sides and who reads along
    /// does. Where somebody is believed ([`Builder::believe`]) that is not enough: such an INVITE has to come from there, with the name of who sends it.
    ///
    /// Outside of any call nobody has us call anybody (603), unless it is allowed, too: [`Builder::refer_outside`].
    pub fn allow_transfer(mut self) -> Self {
        self.transfers = true;
        self
    }

    /// Asks those on the way of our calls to tell where they have been (histinfo, RFC 7044 section 6.1), and begins their history with whom we call. What comes back
    /// stands in [`crate::Told::history`]. Where a call to us has been is told there in any case, and told back to callers who ask.
    pub fn history(mut self) -> Self {
        self.history = true;
        self
    }

    /// Believes who sends us requests from these addresses who a caller is (P-Asserted-Identity, RFC 3325): the proxies of our own network, as a rule. Nobody
    /// unless set, since everybody can write it (section 8). Where somebody is, calls are taken over with its word only ([`Builder::allow_transfer`]).
    pub fn believe(mut self, networks: impl IntoIterator<Item = Network>) -> Self {
        self.believed.extend(networks);
        self
    }

    /// Lets who sends us requests from these addresses have us call somebody outside of any call, too (REFER, RFC 3515), where transfers are allowed
    /// ([`Builder::allow_transfer`]): a server of our own. Nobody unless set, since such calls cost our money.
    ///
    /// The server has to vouch for who asks (P-Asserted-Identity, RFC 3325; [`crate::Referral::asked_by`]), since it passes on what others send; and
    /// it has to ask over a connection, since everybody can write its address into a datagram, but from this machine itself. Others are refused (603). Sixteen
    /// may be asked for that have come to no end, whoever is told of them: not decided on, or placed and not answered. One more is refused (503).
    pub fn refer_outside(mut self, networks: impl IntoIterator<Item = Network>) -> Self {
        self.referrers.extend(networks);
        self
    }

    /// Lets others subscribe to a state of ours (RFC 6665): to this package, whose bodies have this type. [`Endpoint::subscription`] tells of each who
    /// wants to. May be called repeatedly; a package that is not named is answered 489, with those that are.
    pub fn tells(mut self, package: impl Into<String>, content_type: impl Into<String>) -> Self {
        self.packages.push((package.into(), content_type.into()));
        self
    }

    /// Takes INFOs of these packages within calls (RFC 6086), told by [`crate::CallEvent::Info`], and says so in each call; those that the other side takes may
    /// be sent by [`Call::info`](crate::Call::info). May be called repeatedly; an empty list takes nothing, and packages are spoken of all the same.
    /// Without this they are not, and an INFO of one is refused (469).
    pub fn info_packages<P: Into<String>>(mut self, packages: impl IntoIterator<Item = P>) -> Self {
        self.info_packages.get_or_insert_default().extend(packages.into_iter().map(Into::into));
        self
    }

    /// Watchers at a time; 100 unless set. One more is answered 503.
    pub fn max_watchers(mut self, watchers: usize) -> Self {
        self.max_watchers = watchers;
        self
    }

    /// How long calls last without a refresh (RFC 4028): 1800 s where the other side knows of it, unless set. `None`: for ever, and the other side is told
    /// that it is not understood here. Refreshes are [`crate::CallEvent::Refreshed`]; a call whose other side has gone without a word ends by an error, with
    /// code 408.
    pub fn session_timer(mut self, timer: Option<SessionTimer>) -> Self {
        self.session_timer = timer;
        self
    }

    /// Who is asked for the addresses of host names, and how long that may take: the system's name servers and 8 s unless set.
    pub fn names(mut self, names: Names) -> Self {
        self.names = names;
        self
    }

    /// Who is trusted where a call or an account goes over TLS (`sips:`, `;transport=tls`), and what certificate we show: those whom the system trusts
    /// and none unless set.
    pub fn trust(mut self, trust: TlsClient) -> Self {
        self.trust = trust;
        self
    }

    /// What is asked for where a WebSocket is opened: the path of this URL; `/` unless set. For a single server: others are asked for the same.
    pub fn websocket(mut self, server: &WebSocketUrl) -> Self {
        self.resource = Some(server.resource().to_owned());
        self
    }

    /// Who we are for this server, where it asks for that by HTTP before there is a WebSocket (RFC 7118 section 7): answered by digest (RFC 7616), or over TLS by Basic
    /// (RFC 7617), once; a second refusal ends it. Nobody else is answered. Accounts prove who they are by themselves in SIP.
    pub fn websocket_login(
        mut self,
        server: &WebSocketUrl,
        user: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        self.login = Some((server.clone(), user.into(), password.into()));
        self
    }

    /// Shows every SIP message that passes. Runs on the loop's thread: it must not block.
    pub fn tap(mut self, tap: impl FnMut(&Seen<'_>) + Send + 'static) -> Self {
        self.tap = Some(Box::new(tap));
        self
    }

    /// Shows every SIP message that passes, without secrets, to whoever watches this trace.
    pub fn trace(mut self, trace: Trace) -> Self {
        self.trace = trace;
        self
    }

    /// Binds the sockets and starts the threads.
    ///
    /// # Errors
    /// [`BuildError`].
    pub async fn build(self) -> Result<Endpoint, BuildError> {
        let binds = self.addresses()?;
        let capabilities = capabilities(self.session_timer.is_some(), self.transfers, self.history);
        let mut stack = stack(self.timers, self.user_agent, &capabilities);
        stack.session.timer = self.session_timer.unwrap_or_default();
        stack.info_packages = self.info_packages;
        stack.overload = self.overload.then(sip::Overload::default);
        let mut config = LoopConfig::new(binds, stack);
        config.tap = self.tap;
        config.trace = self.trace;
        config.look_up(self.names);
        config.tls.client = self.trust;
        config.tls.server = self.shown;
        let mut web = net::WebSockets::default();
        web.resource = self.resource.unwrap_or(web.resource);
        if let Some((server, user, password)) = self.login {
            let own = Credential::password(None, &user, &password);
            let own = own.map_err(|error| BuildError::User { why: error.to_string() })?;
            web.credentials = own.at(&server.hop().as_uri()).into();
        }
        config.web = Arc::new(web);
        let commands: Arc<OnceLock<Handle<Command>>> = Arc::default();
        let thread = start_media(Arc::clone(&commands)).map_err(BuildError::Start)?;
        let (calls, incoming) = mpsc::channel(self.max_calls.max(1));
        let (texts, messages) = mpsc::channel(MESSAGES);
        let (referred, referrals) = mpsc::channel(REFERRALS);
        let (asked, subscriptions) = mpsc::channel(SUBSCRIPTIONS);
        let media = thread.handle();
        let (parts_media, parts_commands) = (media.clone(), Arc::clone(&commands));
        let place = Place {
            bound: Vec::new(),
            ports: self.ports,
            media_address: self.media_address,
            public_address: self.public_address,
            codecs: self.codecs,
            max_calls: self.max_calls,
            hold: self.hold,
        };
        let (packages, max_watchers) = (self.packages, self.max_watchers);
        let (silence, reliable, by_update, transfers) = (self.silence, self.reliable, self.by_update, self.transfers);
        let history = self.history;
        let (believed, referrers) = (self.believed, self.referrers);
        let (given, made) = oneshot::channel();
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
                texts: vec!["text/plain".into(), composing::TYPE.into()],
                reliable,
                by_update,
                transfers,
                history,
                believed,
                referrers,
                referrals: referred,
                packages,
                max_watchers,
                subscriptions: asked,
            })
        })
        .map_err(BuildError::Start)?;
        let ended =
            || BuildError::Start(StartError::System(std::io::Error::other("the SIP loop ended while starting")));
        let place = made.await.map_err(|_| ended())?;
        // Nobody else sets it.
        let _ = commands.set(running.handle());
        let link = Link { commands: running.handle(), media, place };
        Ok(Endpoint::new(link, incoming, (messages, referrals, subscriptions), running, thread))
    }

    /// Where to listen, read.
    fn addresses(&self) -> Result<Vec<Bind>, BuildError> {
        if self.binds.is_empty() {
            return Ok(vec![Bind { transport: Transport::Udp, address: SocketAddr::from(([0, 0, 0, 0], 0)) }]);
        }
        let read = |(transport, given): &(Transport, String)| match given.parse() {
            Ok(address) => Ok(Bind { transport: *transport, address }),
            Err(_) => Err(BuildError::Address { given: given.clone() }),
        };
        self.binds.iter().map(read).collect()
    }
}

impl Endpoint {
    /// To be filled in and built.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

/// What an endpoint takes; session timers, transfers and the history of calls where they are wanted.
fn capabilities(timed: bool, transfers: bool, history: bool) -> Capabilities {
    use Method::{Ack, Bye, Cancel, Info, Invite, Message, Notify, Options, Prack, Refer, Subscribe, Update};
    let transferred: &[&str] = if transfers { &[REPLACES, JOIN, NO_REPORTS] } else { &[] };
    let told = history.then_some(&sip::history::TAG);
    let supported = [RELIABLE].iter().chain(timed.then_some(&TIMER)).chain(transferred).chain(told);
    Capabilities {
        allow: vec![Invite, Ack, Cancel, Bye, Options, Info, Update, Message, Prack, Notify, Refer, Subscribe],
        supported: supported.map(|&tag| tag.to_owned()).collect(),
        accept: vec!["application/sdp".into(), "multipart/mixed".into()],
        ..Capabilities::default()
    }
}

fn stack(timers: Timers, user_agent: Option<String>, capabilities: &Capabilities) -> sip::Config {
    sip::Config {
        timers,
        user_agent,
        allow: capabilities.allow.clone(),
        supported: capabilities.supported.clone(),
        session_id: true,
        session: sip::invite::Policy { glare: sip::invite::Glare::Tell, ..sip::invite::Policy::default() },
        ..sip::Config::default()
    }
}

/// The thread that plays, hears and records. What happens there is told to the loop, as soon as there is one.
fn start_media(commands: Arc<OnceLock<Handle<Command>>>) -> Result<MediaThread, StartError> {
    let config = MediaConfig { engine: media::Config::default(), clock: Clock::start(), commands: JOBS };
    MediaThread::spawn(config, move |event| {
        if let Some(commands) = commands.get()
            && commands.try_send(Command::Media(event)).is_err()
        {
            tracing::warn!("an event of the media thread is lost, a digit perhaps: the SIP loop is too busy");
        }
    })
}
