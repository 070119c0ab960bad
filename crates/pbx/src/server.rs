//! Starting and stopping.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use net::Bound;
use net::trace::Trace;
use sip::digest;

use crate::accounts::{Account, AccountError};
use crate::certificate::{Certificate, Shown};
use crate::command::Command;
use crate::config::{Config, ConfigError, ONE_LOOP};
use crate::metrics::Metrics;
use crate::panel::{NoAnswer, Panel};
use crate::status::Status;
use crate::studio::Studio;
use crate::switch::{Given, Switch};
use crate::tables::Begin;
use crate::tally::Tally;
use crate::watch::{Watch, WatchError};

/// The file of the secret under which the server proves to itself what it has written into messages, below the state directory.
const SECRET: &str = "tokens.key";
/// How often the end of calls is looked at while stopping.
const LOOK: Duration = Duration::from_millis(10);

/// Starts a PBX.
#[derive(Debug)]
pub struct Server;

/// Why a PBX did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration.
    Config(ConfigError),
    /// The users or their secrets.
    Accounts(AccountError),
    /// The journal of bindings, or the secret beside it.
    Store(store::StoreError),
    /// The realm, as digest authentication sees it.
    Realm(digest::ServerError),
    /// Sockets and threads.
    Net(net::StartError),
    /// Certificates and keys.
    Tls(net::tls::TlsError),
    /// The runtime socket, or the address for metrics.
    Watch(WatchError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(why) => why.fmt(f),
            Self::Accounts(why) => why.fmt(f),
            Self::Store(why) => why.fmt(f),
            Self::Realm(why) => why.fmt(f),
            Self::Net(why) => why.fmt(f),
            Self::Tls(why) => why.fmt(f),
            Self::Watch(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}

macro_rules! from {
    ($($from:ty => $variant:ident;)*) => {$(
        impl From<$from> for StartError {
            fn from(why: $from) -> Self {
                Self::$variant(why)
            }
        }
    )*};
}

from! {
    ConfigError => Config;
    AccountError => Accounts;
    store::StoreError => Store;
    digest::ServerError => Realm;
    net::StartError => Net;
    net::tls::TlsError => Tls;
    WatchError => Watch;
}

/// A PBX that runs. Dropping it ends it at once, without good-byes; [`Running::stop`] hangs up first.
pub struct Running {
    sip: net::Shards<Command>,
    loops: Panel,
    accounts: Vec<Account>,
    // Behind `sip`: the loops end first.
    media: Vec<net::media::MediaThread>,
    watch: Watch,
    trace: Trace,
    shown: Option<Mutex<Shown>>,
    _users: Option<crate::tables::Users>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("bound", &self.sip.bound()).finish_non_exhaustive()
    }
}

impl Server {
    /// Reads secrets and bindings, binds the sockets and serves. Works on threads of its own; from here on nothing blocks the caller.
    ///
    /// # Errors
    /// [`StartError`]: nothing runs then.
    pub fn start(mut config: Config) -> Result<Running, StartError> {
        if config.listen == Config::default().listen && !has_ipv6() {
            tracing::info!("this machine has no IPv6: listening on IPv4 only");
            config.listen.retain(|bind| bind.address.is_ipv4());
        }
        if config.is_stateless_in_loops() {
            return Err(ConfigError::value("shards", &config.shards.to_string(), ONE_LOOP).into());
        }
        // Ports first: a start that fails for want of them makes no passwords and no journal.
        let sockets = net::Sockets::bind_shared(&config.listen, usize::from(config.shards.max(1)))?;
        let (tls, shown) = crate::certificate::open(&config)?;
        let watch = crate::watch::open(config.metrics, config.control.as_deref())?;
        if config.realm.is_none() && config.has_hashes() {
            tracing::warn!(
                realm = config.realm(),
                "no realm is named: it is that of stored hashes, the same on every server that names none"
            );
        }
        // Looked up once: hashes of passwords and challenges must agree on it.
        config.realm = Some(config.realm());
        let table = crate::tables::open(&mut config)?;
        let (accounts, told) = crate::accounts::Accounts::load(&config)?;
        let studio = crate::studio::start(&config, config.shards.max(1))?;
        let home = crate::bindings::open(&config)?;
        let secret = match &config.state {
            Some(state) => secret_in(&state.join(SECRET))?,
            None => rand::random(),
        };
        let rules = digest::ServerConfig {
            algorithms: accounts.common(&config.digest)?,
            uri: digest::UriRule::Server,
            once: config.digest_once,
            ..digest::ServerConfig::new(&config.realm())
        };
        let listed = config.limits.calls_listed;
        let tally = Tally::new(if table.is_some() { told.len().max(config.limits.users) } else { told.len() });
        let board = crate::board::Board::new();
        let accounts = Arc::new(accounts);
        let begin = Begin {
            config: config.clone(),
            accounts: Arc::clone(&accounts),
            offered: rules.algorithms.clone(),
            tally: Arc::clone(&tally),
        };
        let load = sip::Load::default();
        let called = shown.as_ref().and_then(|shown| shown.called.clone());
        let given = Given { config, accounts, home, tally, board, secret, run: rand::random(), load, called };
        let trace = Trace::default();
        let member = |studio| member(given.clone(), &rules, (tls.clone(), trace.clone()), studio);
        let members = studio.studios.into_iter().map(member);
        let sip = net::SipLoop::spawn_shards(sockets, members.collect::<Result<_, _>>()?)?;
        // The loops have their turn before anything arrives from the media threads.
        studio.lines.connect(sip.handles());
        let loops = Panel::new(sip.handles(), sip.intakes(), listed);
        let watch = watch.serve(loops.clone(), trace.clone()).map_err(net::StartError::System)?;
        loops.tell(|| Command::Begin).map_err(|_| net::StartError::NothingToBind)?;
        let users = table.map(|table| crate::tables::watch(table, begin, loops.clone())).transpose()?;
        Ok(Running {
            sip,
            loops,
            accounts: told,
            media: studio.threads,
            watch,
            trace,
            shown: shown.map(Mutex::new),
            _users: users,
        })
    }
}

/// One loop: its settings, and how its switch is made. Each has nonces of its own: one of another loop is answered like one that is too old
/// (`stale`), so that none is good twice and no device gives up.
pub(crate) fn member(
    given: Given,
    rules: &digest::ServerConfig,
    (tls, trace): (net::tls::Tls, Trace),
    studio: Studio,
) -> Result<(net::LoopConfig, impl FnOnce(net::Seat<'_, Command>) -> Switch + Send + 'static), digest::ServerError> {
    let offers_md5_among_others = rules.algorithms.len() > 1 && rules.algorithms.contains(&digest::Algorithm::Md5);
    let digest = digest::Server::new(rules.clone(), rand::random())?;
    let usual = crate::switch::stack_config(&given.config);
    let stack = sip::Config { load: given.load.clone(), secured_as: given.called.clone(), ..usual };
    let mut looped = net::LoopConfig::new(Vec::new(), stack);
    let wire = crate::metrics::Shared::default();
    looped.rest = given.config.rest;
    looped.streams = streams(&given.config.limits);
    if given.config.tls.reuse_connections {
        // Each may be one that requests go back along.
        looped.streams.aliases = looped.streams.connections;
    }
    looped.dscp = given.config.dscp;
    looped.proxies = given.config.proxies.clone();
    looped.look_up(given.config.names.clone());
    looped.tls = tls;
    looped.trace = trace;
    looped.web = Arc::new(net::WebSockets { origins: given.config.origins.clone(), ..net::WebSockets::default() });
    looped.tap = Some(crate::metrics::tap(&wire));
    let make = move |seat: net::Seat<'_, Command>| {
        Switch::new(given, (digest, offers_md5_among_others), studio, Metrics::new(wire), &seat)
    };
    Ok((looped, make))
}

/// The secret that is kept at `path`, or drawn now.
fn secret_in(path: &Path) -> Result<[u8; 16], StartError> {
    let kept = store::secret::kept(path, rand::random())?;
    if kept.was_open {
        tracing::warn!(file = %path.display(), "others could read the secret until now: who has makes proofs of his own; remove the file and start again to have another");
    }
    Ok(kept.secret)
}

/// What a loop's connections may take.
fn streams(limits: &crate::config::Limits) -> net::StreamLimits {
    let usual = net::StreamLimits::default();
    let (connections, files) = limits.connections.map_or((usual.connections, usual.files), |given| (given, 2));
    net::StreamLimits {
        connections,
        files,
        per_address: limits.connections_per_address,
        handshakes: limits.handshakes,
        unfinished: limits.unfinished_octets,
        idle: limits.idle,
        handshake: limits.handshake_time,
        message: limits.message_time,
        ..usual
    }
}

impl Running {
    /// What is listened on, in the order of the configuration.
    pub fn bound(&self) -> &[Bound] {
        self.sip.bound()
    }

    /// The users; those with generated passwords tell them.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Where metrics and health are served.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.watch.http
    }

    /// Shows what passes the loops.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The certificates that are shown over TLS, first that for who asks for none of the names of the others; none where nothing listens there.
    pub fn certificates(&self) -> Vec<Certificate> {
        self.shown().map(|shown| shown.certificates.clone()).unwrap_or_default()
    }

    /// Reads certificates, their keys and the authorities of devices once more and shows them from now on, or where one of them cannot be used none. Connections
    /// that stand go on with what they have.
    ///
    /// # Errors
    /// [`net::tls::TlsError`]; then nothing has changed.
    pub fn reload_certificates(&self) -> Result<Vec<Certificate>, net::tls::TlsError> {
        let reloaded = self.shown().map(|mut shown| shown.reload().map(<[_]>::to_vec));
        Ok(reloaded.transpose()?.unwrap_or_default())
    }

    fn shown(&self) -> Option<MutexGuard<'_, Shown>> {
        self.shown.as_ref().map(|shown| shown.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The thread, named for people, that is gone by a fault of its own though calls cannot do without it: a server to be started anew.
    pub fn lost(&self) -> Option<&'static str> {
        match () {
            () if self.sip.has_ended() => Some("a SIP loop"),
            () if self.media.iter().any(net::media::MediaThread::has_ended) => Some("a media thread"),
            () => None,
        }
    }

    /// The state now. Waits for the loops, a moment; for one that takes no turns 5 s, and then it is told to be silent.
    ///
    /// # Errors
    /// [`NoAnswer`] within 5 s, when all are.
    pub fn status(&self) -> Result<Status, NoAnswer> {
        self.loops.status()
    }

    /// What has been counted, in Prometheus' text format; by a loop that takes no turns, as it said last.
    ///
    /// # Errors
    /// [`NoAnswer`] within 5 s, when none takes any.
    pub fn metrics(&self) -> Result<String, NoAnswer> {
        self.loops.metrics()
    }

    /// How much is held for calls and messages, and how many ends of calls the peers have not confirmed: zero once all calls are over.
    /// (The SIP stack remembers an answered call for another 32 s, for repeats of the answer.)
    ///
    /// # Errors
    /// [`NoAnswer`] within 5 s.
    pub fn held(&self) -> Result<usize, NoAnswer> {
        self.loops.held()
    }

    /// Ends every call with a BYE, takes no more, and stops as soon as the network has caught up, or when `graceful` has passed.
    pub fn stop(self, graceful: Duration) {
        let until = Instant::now() + graceful;
        if self.loops.tell(|| Command::Finish).is_ok() {
            while Instant::now() < until && self.loops.held().is_ok_and(|left| left > 0) {
                std::thread::sleep(LOOK);
            }
        }
        self.sip.stop();
    }
}

/// Whether sockets of IPv6 can be had at all.
fn has_ipv6() -> bool {
    std::net::UdpSocket::bind((std::net::Ipv6Addr::UNSPECIFIED, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;

    #[test]
    fn what_connections_may_take_is_what_the_configuration_says() {
        let limits = Limits {
            connections_per_address: 2,
            handshakes: 3,
            unfinished_octets: 4,
            idle: Duration::from_secs(5),
            handshake_time: Duration::from_secs(6),
            message_time: Duration::from_secs(7),
            ..Limits::default()
        };
        let streams = streams(&limits);
        assert_eq!((streams.per_address, streams.handshakes, streams.unfinished), (2, 3, 4));
        assert_eq!([streams.idle, streams.handshake, streams.message].map(|span| span.as_secs()), [5, 6, 7]);
        let (usual, net) = (super::streams(&Limits::default()), net::StreamLimits::default());
        assert_eq!(format!("{usual:?}"), format!("{net:?}"), "the defaults are those of connections anywhere");
    }
}
