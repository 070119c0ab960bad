//! The settings of a PBX. Every field has a default; [`Config::from_toml`] reads them from text.

mod agreement;
mod certificates;
mod default;
mod effective;
mod error;
mod file;
mod roles;
mod sections;
#[cfg(test)]
mod tests;
mod text;
mod trust;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use net::{Bind, Dscp, Names, Network};
use proxy::Nat;
use sip::digest::Algorithm;
use sip::invite::SessionTimer;
use sip::message::UriBuf;
use sip::{Timers, Transport};
use store::Durability;

pub(crate) use agreement::{ONE_LOOP, Taken};
pub use error::{ConfigError, Place};
pub use sections::name_server;
pub use trust::Trust;

/// The settings. Start from [`Config::default`] and change fields.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses for SIP. By default UDP and TCP on port 5060 of every address, IPv4 and IPv6.
    pub listen: Vec<Bind>,
    /// The directory for what must survive: bindings and generated passwords (made with mode 0700). `None` keeps nothing.
    pub state: Option<PathBuf>,
    /// The realm of digest authentication, which no other server should have (RFC 3261 section 22.1): changing it makes stored `ha1` values void.
    /// `None`: see [`Config::realm`].
    pub realm: Option<String>,
    /// The hashes offered for digest authentication, the most wanted first: SHA-256, then MD5. Some devices give up when they see one they
    /// do not know; for those there is MD5 alone.
    pub digest: Vec<Algorithm>,
    /// Whether a nonce is good for one request only (RFC 7616 section 5.4), so that each is challenged; otherwise it is for 300 s, with counts that go up.
    pub digest_once: bool,
    /// Whether OPTIONS wants credentials as every other request does; who brings them learns by 480 which users have no device there, as by a call. Without (the
    /// default) monitors can ask, and whoever asks learns by 404 which numbers there are not, and nothing else.
    pub options_auth: bool,
    /// Tell each device where a request has been (RFC 7044), and not only where the request tells it already, or its sender wants to be told. False.
    pub history: bool,
    /// Whether a phone in a call may have the other side talk to somebody else (REFER, RFC 3515); otherwise it is refused with 603. A PBX only. True.
    pub transfers: bool,
    /// Host names and addresses that are served; empty: any.
    pub domains: Vec<String>,
    /// When a REGISTER counts as written.
    pub durability: Durability,
    /// Databases of bindings and users.
    pub sqlite: SqliteConfig,
    /// What the server is for requests to domains that [`Config::roles`] does not name.
    pub role: Role,
    /// What it is for requests to these domains, which are served too.
    pub roles: BTreeMap<String, Role>,
    /// Rules of the proxy and the redirect server.
    pub proxy: ProxyRules,
    /// The users. Without any, [`Config::generated`] names those that get a random password.
    pub users: BTreeMap<String, User>,
    /// Users made when [`Config::users`] is empty: 1001 and 1002.
    pub generated: Vec<String>,
    /// What can be called besides users.
    pub extensions: Extensions,
    /// Addresses and ports of media.
    pub media: MediaConfig,
    /// Bindings.
    pub register: RegisterConfig,
    /// Name servers, for devices whose contact is a host name.
    pub names: Names,
    /// Base values of the timers of RFC 3261.
    pub timers: Timers,
    /// How long a call lasts without a refresh (RFC 4028), for devices that know of it: 1800 s, and no less than 90. `None`: for ever, whatever they
    /// ask for.
    pub session_timer: Option<SessionTimer>,
    /// Overload control with the next hop (RFC 7339): asks for less where there is no room here, and sends less to who asks for that. Off unless said.
    pub overload_control: bool,
    /// Load balancers that say by the PROXY protocol who they connect for. None by default: nobody is believed that.
    pub proxies: Vec<Network>,
    /// Whom we believe who a caller is, and who may know it.
    pub trust: Trust,
    /// How urgent SIP packets are, for routers that look.
    pub dscp: Dscp,
    /// The longest rest of a SIP loop between turns (see [`net::LoopConfig::rest`]).
    pub rest: Duration,
    /// Limits.
    pub limits: Limits,
    /// How long a callee may ring before the caller is told that nobody answers. 60 s.
    pub ring: Duration,
    /// The users at whose call a device of another may answer by itself: what asks for that (Call-Info, Alert-Info, Answer-Mode) is passed on from nobody else. A PBX only.
    pub intercom: Vec<String>,
    /// How long a call may go on without a packet from one side; `None` (the default): for ever.
    pub silence: Option<Duration>,
    /// How often each device is asked whether it is there (OPTIONS); `None` (the default): never.
    pub qualify: Option<Duration>,
    /// Certificates, for what is listened on over TLS, secure WebSockets too, and for devices that are reached by it.
    pub tls: TlsConfig,
    /// The origins of web pages that may connect by WebSocket; empty (the default): any. See [`net::WebSockets::origins`].
    pub origins: Vec<String>,
    /// Where metrics and health are served over HTTP; `None`: nowhere. Port 0 takes a free one.
    pub metrics: Option<SocketAddr>,
    /// The path of the runtime socket; `None`: no socket.
    pub control: Option<PathBuf>,
    /// SIP loops, each with the calls that fall to it; at most [`sip::Spread::MOST`]. 1: a loop does thousands of calls a second, and handing a
    /// message over to another costs as much as reading ten.
    pub shards: u8,
}

/// What the server is for whoever sends it a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// A PBX: both sides of a call talk to us.
    #[default]
    Pbx,
    /// A proxy with registrar (RFC 3261 section 16): both sides of a call talk to each other, through us.
    Proxy,
    /// The same without transactions (RFC 3261 section 16.11): each request goes to one device of a user, and nothing is kept of it.
    Stateless,
    /// A redirect server with registrar (RFC 3261 section 8.3): tells who asks where somebody is.
    Redirect,
    /// A registrar and nothing else.
    Registrar,
    /// The edge of a domain whose home is elsewhere (RFC 5626): requests for it are passed on, and its devices are reached through us. For single domains
    /// only ([`Config::roles`]): for all it would be an open relay.
    Edge,
}

impl Role {
    /// The word that stands for it.
    pub fn word(self) -> &'static str {
        Self::OF_DOMAINS.iter().find(|(_, role)| *role == self).map_or("", |(word, _)| word)
    }

    /// By the words that stand for them.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("pbx", Self::Pbx),
        ("proxy", Self::Proxy),
        ("stateless", Self::Stateless),
        ("redirect", Self::Redirect),
        ("registrar", Self::Registrar),
    ];
    /// The same with those for single domains.
    pub(crate) const OF_DOMAINS: [(&'static str, Self); 6] = [
        ("pbx", Self::Pbx),
        ("proxy", Self::Proxy),
        ("stateless", Self::Stateless),
        ("redirect", Self::Redirect),
        ("registrar", Self::Registrar),
        ("edge", Self::Edge),
    ];
}

/// Of whom a proxy or redirect server wants credentials, outside dialogs that were made through it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authenticate {
    /// Of everybody: who has none does not even learn which users there are.
    #[default]
    All,
    /// Of who says he is one of ours, and of who wants to reach others than ours: everybody else may call ours.
    Own,
    /// Of nobody; and nobody reaches others than ours, unless [`ProxyRules::relay`] says so.
    Off,
}

/// Rules of the proxy and the redirect server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyRules {
    /// Of whom credentials are wanted.
    pub authenticate: Authenticate,
    /// Pass requests on to others than ours for whoever sends them, without credentials: an open relay, for closed networks only. False.
    pub relay: bool,
    /// Stay in the way of calls (Record-Route). True.
    pub record_route: bool,
    /// In which order the devices of a user are tried. By preference: those with the highest `q` at once, then those of the next.
    pub forking: proxy::Forking,
    /// Follow redirections of devices for callers with credentials, instead of passing them back. False.
    pub recurse: bool,
    /// How long devices of one preference may ring before the next are tried. 20 s.
    pub turn: Duration,
    /// How long a call may ring at all (timer C). 190 s, and more than 180.
    pub timer_c: Duration,
}

/// A user: one or more devices that share a name and a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// What devices authenticate with.
    pub secret: Secret,
    /// Shown to who is called; the caller's own choice when `None`.
    pub display: Option<String>,
    /// Other numbers that reach this user.
    pub numbers: Vec<String>,
    /// Contacts at a time; that of [`Limits::contacts_per_user`] when `None`.
    pub max_contacts: Option<usize>,
    /// A contact too many takes the place of the one refreshed longest ago, instead of being refused with 403.
    pub remove_existing: bool,
}

/// What is kept in SQLite. None by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SqliteConfig {
    /// The database of bindings, in place of the journal in [`Config::state`].
    pub bindings: Option<PathBuf>,
    /// The database of users besides [`Config::users`]; changes of other programs are noticed within a second.
    pub users: Option<PathBuf>,
}

/// What a device proves to know. Never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Secret {
    /// None: nobody can authenticate as this user.
    #[default]
    Nothing,
    /// The password.
    Password(String),
    /// The first line of this file is the password. Read at the start.
    File(PathBuf),
    /// The hash of user, realm and password in hexadecimal: 32 digits (MD5) or 64 (SHA-256).
    Ha1(String),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Password(_) => "Password(..)",
            Self::File(_) => "File(..)",
            Self::Ha1(_) => "Ha1(..)",
        })
    }
}

/// What can be called besides users, each by any of its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extensions {
    /// The caller hears itself. 600.
    pub echo: Vec<String>,
    /// 440 Hz without end. 601.
    pub tone: Vec<String>,
    /// A melody. 602.
    pub music: Vec<String>,
    /// Everybody hears everybody else; each number is a conference of its own. 610.
    pub conference: Vec<String>,
}

/// Addresses and ports of media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaConfig {
    /// The address in our session descriptions; `None`: the one that the peer reaches us at.
    pub address: Option<IpAddr>,
    /// Ports for RTP (even) and RTCP (the odd ones above).
    pub ports: RangeInclusive<u16>,
    /// How urgent RTP packets are, for routers that look.
    pub dscp: Dscp,
    /// Media threads; `None`: one for each core.
    pub threads: Option<usize>,
}

/// Certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// PEM file with our certificate and those between it and its authority. `None`: one that signs itself is made at the first start and kept in
    /// the folder `tls` of [`Config::state`].
    pub certificate: Option<PathBuf>,
    /// PEM file with its private key.
    pub key: Option<PathBuf>,
    /// What is shown instead to who asks for one of these host names (server name indication, RFC 6066 section 3). None by default.
    pub names: BTreeMap<String, CertificateFiles>,
    /// PEM file with the authorities of devices' certificates. `None`: no device is asked for one.
    pub client_ca: Option<PathBuf>,
    /// Refuse devices without a certificate.
    pub client_required: bool,
    /// Send requests back along connections over TLS that others have made, where their certificate is for the host of the request and we would trust a server with it, and let servers that we connect to do the same, to
    /// which our certificate is shown (RFC 5923). Needs `certificate` and `client_ca`.
    pub reuse_connections: bool,
    /// PEM file with those who are trusted where we connect; `None`: whom the system trusts.
    pub ca: Option<PathBuf>,
    /// What Record-Route and Path call us over TLS.
    pub route_host: RouteHost,
}

/// What Record-Route and Path call us where they lead over TLS: who checks certificates finds there whom he expects only by a name that ours is for (RFC 5922 section
/// 7.5). It is settled at the start, and read again by none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RouteHost {
    /// The first of our domains that the certificate is for which is shown to who asks for it; where there is none, and where the certificate is for our address
    /// as well, that address.
    #[default]
    Auto,
    /// Our address.
    Address,
    /// This host name.
    Name(String),
}

/// A certificate that is kept in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM file with it and those between it and its authority.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
}

/// Bindings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterConfig {
    /// When a device names no expiry. 120 s.
    pub default_expires: Duration,
    /// Less is refused with 423, or raised with `clamp`. 60 s.
    pub min_expires: Duration,
    /// More is lowered. 3600 s.
    pub max_expires: Duration,
    /// Raise a short expiry instead of refusing it.
    pub clamp: bool,
    /// Whether requests to a device go back to where its REGISTER came from.
    pub nat: Nat,
    /// Within which time devices that register over a flow are asked to send keep-alives (RFC 5626 section 4.4). 120 s.
    pub flow_timer: Duration,
    /// The route that devices are told for their requests (RFC 3608): URIs with `lr`, in order; at most 8. None.
    pub service_route: Vec<UriBuf>,
}

/// Limits: what a peer can make grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls at a time; one more is answered 503 with Retry-After. 1000.
    pub calls: usize,
    /// Calls at a time that one user makes; one more is answered 503 with Retry-After. 10.
    pub calls_per_user: usize,
    /// Bindings at a time; one more is answered 503. 100,000.
    pub registrations: usize,
    /// Contacts of one user; one more is answered 403, or see [`User::remove_existing`]. 5.
    pub contacts_per_user: usize,
    /// MESSAGEs under way at a time in each SIP loop; one more is answered 503 with Retry-After. 10,000.
    pub messages: usize,
    /// Requests at a time in each SIP loop that a proxy has passed on and that have no final response; one more is answered 503 with Retry-After.
    /// 100,000.
    pub forwarded: usize,
    /// Requests at a time in each SIP loop that wait until another loop has said where a user is; one more is answered 503 with Retry-After.
    /// 10,000.
    pub questions: usize,
    /// Connections at a time; one more is closed at once. Up to half of the files that the process may have open. `None`: 10,000, and no more than a quarter of
    /// the files.
    pub connections: Option<usize>,
    /// Accepted connections at a time from one address (IPv6: one network of 64 bits), never more than three quarters of all; one more is closed at once. 1000.
    pub connections_per_address: usize,
    /// Handshakes at a time, of TLS and of WebSockets; one more connection is closed at once. 512.
    pub handshakes: usize,
    /// Octets in each SIP loop of messages that have not come to their end on connections; with one more the connection whose message began first is closed.
    /// 16 MiB.
    pub unfinished_octets: usize,
    /// How long a connection may stay silent: more than [`RegisterConfig::flow_timer`], or devices that keep to that are cut off. 15 minutes.
    pub idle: Duration,
    /// How long the handshakes of TLS and of a WebSocket may take together, on either side. 10 s.
    pub handshake_time: Duration,
    /// How long a message on a connection may take from its first octet to its last, and who connects to send his first. 32 s.
    pub message_time: Duration,
    /// Octets of a message; one of more is answered 513, or ends its connection. 65,535.
    pub message_octets: usize,
    /// Users of [`SqliteConfig::users`] and [`Config::users`] together. With one more the server does not start, or does not take the change. 100,000.
    pub users: usize,
    /// Calls that a [`crate::Status`] lists. 1000.
    pub calls_listed: usize,
    /// Servers at a time in each SIP loop whose word is remembered that they want less ([`Config::overload_control`]); beyond that the host with the most ports
    /// there loses one. 256.
    ///
    /// As many are remembered that answer nothing again and again.
    pub overloaded_servers: usize,
    /// Seconds of Retry-After. 5.
    pub retry_after: Duration,
}

impl Config {
    /// The domains that we are responsible for: those of which we are but the edge are another's.
    pub(crate) fn own_domains(&self) -> impl Iterator<Item = &String> {
        let by_role = self.roles.iter().filter(|(_, role)| **role != Role::Edge).map(|(domain, _)| domain);
        self.domains.iter().chain(by_role)
    }

    /// Whether anything but a PBX is asked for.
    pub fn is_more_than_pbx(&self) -> bool {
        self.role != Role::Pbx || self.roles.values().any(|role| *role != Role::Pbx)
    }

    /// Whether there is a proxy without transactions.
    pub fn is_stateless(&self) -> bool {
        self.role == Role::Stateless || self.roles.values().any(|role| *role == Role::Stateless)
    }

    /// The number of users that will exist.
    pub fn user_count(&self) -> usize {
        if self.users.is_empty() { self.generated.len() } else { self.users.len() }
    }
}

/// What an address to listen on looks like.
pub(crate) const LISTEN: &str = "PROTOCOL:ADDRESS:PORT with udp, tcp, tls, ws or wss, as in udp:0.0.0.0:5060";

/// Reads an address to listen on: `udp:0.0.0.0:5060`, `tcp:[::]:5060`, `tls:0.0.0.0:5061`, `ws:127.0.0.1:8080`, `wss:0.0.0.0:8443`.
///
/// # Errors
/// What was expected.
pub fn listen(text: &str) -> Result<Bind, ConfigError> {
    let expected = || ConfigError::value("listen", text, LISTEN);
    let (transport, address) = text.split_once(':').ok_or_else(expected)?;
    let transport = match transport.to_ascii_lowercase().as_str() {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        "tls" => Transport::Tls,
        "ws" => Transport::Ws,
        "wss" => Transport::Wss,
        _ => return Err(expected()),
    };
    Ok(Bind { transport, address: address.parse().map_err(|_| expected())? })
}
