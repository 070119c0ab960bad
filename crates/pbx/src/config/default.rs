//! The defaults.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use net::{Bind, Dscp, Names};
use proxy::Nat;
use sip::digest::Algorithm;
use sip::invite::SessionTimer;
use sip::{Timers, Transport};
use store::Durability;

use super::{
    Authenticate, Config, Extensions, Limits, MediaConfig, ProxyRules, RegisterConfig, Role, Secret, SqliteConfig,
    TlsConfig, Trust,
};

/// The port of SIP (RFC 3261 section 19.1.2).
const SIP_PORT: u16 = 5060;

impl Default for Config {
    fn default() -> Self {
        let any =
            [SocketAddr::from((Ipv4Addr::UNSPECIFIED, SIP_PORT)), SocketAddr::from((Ipv6Addr::UNSPECIFIED, SIP_PORT))];
        let listen = any
            .into_iter()
            .flat_map(|address| [Transport::Udp, Transport::Tcp].map(|transport| Bind { transport, address }));
        Self {
            listen: listen.collect(),
            state: None,
            realm: None,
            digest: vec![Algorithm::Sha256, Algorithm::Md5],
            digest_once: false,
            options_auth: false,
            history: false,
            transfers: true,
            domains: Vec::new(),
            durability: Durability::Second,
            sqlite: SqliteConfig::default(),
            role: Role::default(),
            roles: BTreeMap::new(),
            proxy: ProxyRules::default(),
            users: BTreeMap::new(),
            generated: vec!["1001".to_owned(), "1002".to_owned()],
            extensions: Extensions::default(),
            media: MediaConfig::default(),
            register: RegisterConfig::default(),
            names: Names::default(),
            timers: Timers::default(),
            session_timer: Some(SessionTimer::default()),
            overload_control: false,
            proxies: Vec::new(),
            trust: Trust::default(),
            dscp: Dscp::default(),
            rest: net::REST,
            limits: Limits::default(),
            ring: Duration::from_secs(60),
            intercom: Vec::new(),
            silence: None,
            qualify: None,
            tls: TlsConfig::default(),
            origins: Vec::new(),
            metrics: None,
            control: None,
            shards: 1,
        }
    }
}

/// The realm of stored hashes that name none: what it was before there was a better one.
const OF_HASHES: &str = "offhook";

impl Config {
    /// The realm in force: the one that is named; otherwise the first of [`Config::domains`], otherwise the name of this machine, so that servers
    /// differ (RFC 3261 section 22.1). Where a user has a stored hash and no realm is named it is `offhook`: the hash holds the realm it was made
    /// for, and passwords do not.
    pub fn realm(&self) -> String {
        let named = || self.realm.clone();
        let hashes = || self.has_hashes().then(|| OF_HASHES.to_owned());
        let domain = || self.domains.first().cloned();
        let machine = || nix::unistd::gethostname().ok()?.into_string().ok().filter(|name| !name.is_empty());
        named().or_else(hashes).or_else(domain).or_else(machine).unwrap_or_else(|| OF_HASHES.to_owned())
    }

    /// Whether a user's secret is a hash, which is good for one realm only.
    pub(crate) fn has_hashes(&self) -> bool {
        self.users.values().any(|user| matches!(user.secret, Secret::Ha1(_)))
    }
}

impl Default for Extensions {
    fn default() -> Self {
        let one = |number: &str| vec![number.to_owned()];
        Self { echo: one("600"), tone: one("601"), music: one("602"), conference: one("610") }
    }
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self { address: None, ports: 10_000..=19_999, dscp: Dscp::default(), threads: None }
    }
}

impl Default for RegisterConfig {
    fn default() -> Self {
        Self {
            default_expires: Duration::from_secs(120),
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(3_600),
            clamp: false,
            nat: Nat::Auto,
            flow_timer: Duration::from_secs(120),
            service_route: Vec::new(),
        }
    }
}

impl Default for ProxyRules {
    fn default() -> Self {
        Self {
            authenticate: Authenticate::default(),
            relay: false,
            record_route: true,
            forking: proxy::Forking::default(),
            recurse: false,
            turn: Duration::from_secs(20),
            timer_c: Duration::from_secs(190),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 1_000,
            calls_per_user: 10,
            registrations: 100_000,
            contacts_per_user: 5,
            messages: 10_000,
            forwarded: 100_000,
            questions: 10_000,
            connections: None,
            connections_per_address: 1_000,
            handshakes: 512,
            unfinished_octets: 16 << 20,
            idle: Duration::from_secs(15 * 60),
            handshake_time: Duration::from_secs(10),
            message_time: Duration::from_secs(32),
            message_octets: 65_535,
            users: 100_000,
            calls_listed: 1_000,
            overloaded_servers: 256,
            retry_after: Duration::from_secs(5),
        }
    }
}
