//! All SIP state of one shard.

use std::collections::BTreeSet;
use std::fmt;

use crate::avoided::Avoided;
use crate::away::Away;
use crate::config::Config;
use crate::counters::Counters;
use crate::id::{AskId, FlowId, Id, PublicationId, RegistrationId, SessionId, SubscriptionId, WatcherId};
use crate::invite;
use crate::message::{LineError, ParseError, StatusCode};
use crate::outbox::{Outbox, SendError};
use crate::overload::{Challenged, Hearers, Silent, Throttles};
use crate::publish;
use crate::register;
use crate::rng::Rng;
use crate::slab::Slab;
use crate::subscribe;
use crate::time::{Now, Time};
use crate::transaction::client::Client;
use crate::transaction::key::{Keys, Table};
use crate::transaction::outgoing::Outgoing;
use crate::transaction::server::Server;
use crate::turn::Turn;
use crate::wheel::{TimerId, Wheel};

/// Everything a SIP element remembers: plain data that can be moved to another thread, replayed and compared.
///
/// ```
/// use sip::{Config, Now, Outbox, Stack};
/// let mut stack = Stack::new(Config::default(), [7; 32]);
/// let mut out = Outbox::new();
/// stack.at(Now::default(), &mut out).timeout();
/// assert!(out.is_empty() && stack.deadline().is_none());
/// ```
#[derive(Debug)]
pub struct Stack {
    pub(crate) config: Config,
    pub(crate) rng: Rng,
    pub(crate) keys: Keys,
    pub(crate) counters: Counters,
    pub(crate) wheel: Wheel<Timer>,
    /// Requests of ours under way: what a [`crate::ClientTx`] names.
    pub(crate) outgoing: Slab<Outgoing>,
    /// Client transactions: each try of a request of ours.
    pub(crate) clients: Slab<Client>,
    /// Which of them stand on which stream.
    pub(crate) streams: BTreeSet<(FlowId, Id)>,
    /// Server transactions.
    pub(crate) servers: Slab<Server>,
    /// Octets of the messages they keep, and of the copies that are passed on.
    pub(crate) kept: usize,
    /// Octets of what a connection may refuse yet, and is in no transaction. Apart, so that it keeps no request out.
    pub(crate) handed: usize,
    /// Where requests find them.
    pub(crate) arrivals: Table<Id>,
    /// The one that came last, which stands in no table and has no timer yet: see [`Stack::place_fresh`].
    pub(crate) fresh: Option<Id>,
    /// What their responses are printed on, one after the other.
    pub(crate) page: Vec<u8>,
    /// Servers that are passed over for a time.
    pub(crate) avoided: Avoided,
    /// Addresses that have refused connections: what is too large for a datagram and has no transaction goes there by UDP for a time.
    pub(crate) without_tcp: Avoided,
    /// What servers ask us to leave out; nothing without [`Config::overload`].
    pub(crate) throttles: Throttles,
    /// Servers that answer nothing; none without it.
    pub(crate) silent: Silent,
    /// Who says that he hears what we ask for, and what answers a challenge while others are refused; nothing without it, too.
    pub(crate) hearers: Hearers,
    pub(crate) challenged: Challenged,
    /// The same of what is passed on to servers that have asked for less.
    pub(crate) challenged_beyond: Challenged,
    /// Calls that are with another shard.
    pub(crate) away: Away,
    pub(crate) asks: Slab<Ask>,
    pub(crate) alarms: Slab<Alarm>,
    /// [`Timer::Spare`] runs.
    pub(crate) spare_soon: bool,
    pub(crate) sessions: invite::Sessions,
    pub(crate) registrations: register::Registrations,
    pub(crate) subscriptions: subscribe::Subscriptions,
    pub(crate) watchers: subscribe::Watchers,
    pub(crate) publications: publish::Publications,
}

/// A question that waits for its answer.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) asker: Asker,
    pub(crate) timer: TimerId,
}

/// Who waits for an answer.
#[derive(Debug)]
pub(crate) enum Asker {
    /// A request of ours: an [`Outgoing`].
    Request(Id),
    /// A response whose way back has failed so: a [`Server`].
    Response(Id, SendError),
}

/// An alarm of the application.
#[derive(Debug)]
pub(crate) struct Alarm {
    pub(crate) token: u64,
    pub(crate) timer: TimerId,
}

/// What a timer is for. One per transaction: its state says what is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A client transaction.
    Client(Id),
    /// A server transaction.
    Server(Id),
    /// A question nobody answered.
    Ask(AskId),
    /// An alarm of the application.
    Alarm(Id),
    /// A session's, with a number of its choice.
    Session(SessionId, u8),
    /// A registration's, with a number of its choice.
    Registration(RegistrationId, u8),
    /// A subscription's.
    Subscription(SubscriptionId),
    /// A watcher's.
    Watcher(WatcherId),
    /// A publication's.
    Publication(PublicationId),
    /// A call with another shard is to be forgotten.
    Away(Id),
    /// A request that was handed to a connection has left by it.
    Handed(Id),
    /// A request is not sent, since all servers it could go to have asked for less.
    LeftOut(Id),
    /// Tables that are mostly empty give room back.
    Spare,
}

impl Stack {
    /// An empty stack. The seed fixes every tag, branch, Call-ID and nonce it will ever make, and must be secret and fresh where peers
    /// are not trusted: it also keeps the tables safe from chosen collisions.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let mut words = seed.chunks_exact(8).map(|eight| <[u8; 8]>::try_from(eight).map_or(0, u64::from_le_bytes));
        let mut word = || words.next().unwrap_or(0);
        Self {
            config,
            rng: Rng::new((word(), word())),
            keys: Keys((word(), word())),
            counters: Counters::default(),
            wheel: Wheel::default(),
            outgoing: Slab::new(),
            clients: Slab::new(),
            streams: BTreeSet::new(),
            servers: Slab::new(),
            kept: 0,
            handed: 0,
            arrivals: Table::default(),
            fresh: None,
            page: Vec::new(),
            avoided: Avoided::default(),
            without_tcp: Avoided::default(),
            throttles: Throttles::default(),
            silent: Silent::default(),
            hearers: Hearers::default(),
            challenged: Challenged::default(),
            challenged_beyond: Challenged::default(),
            away: Away::default(),
            asks: Slab::new(),
            alarms: Slab::new(),
            spare_soon: false,
            sessions: invite::Sessions::default(),
            registrations: register::Registrations::default(),
            subscriptions: subscribe::Subscriptions::default(),
            watchers: subscribe::Watchers::default(),
            publications: publish::Publications::default(),
        }
    }

    /// Opens a turn: `now` holds for everything in it, `out` takes what it produces. `now.mono` must not go back from one turn to the
    /// next; if it does, nothing fires until it has caught up.
    pub fn at<'a>(&'a mut self, now: Now, out: &'a mut Outbox) -> Turn<'a> {
        self.wheel.pass(now.mono);
        Turn { stack: self, now, out }
    }

    /// When [`Turn::timeout`] must be called next. May be earlier than anything visible happens. To be asked when all that came has been
    /// handled.
    pub fn deadline(&mut self) -> Option<Time> {
        self.place_fresh();
        self.wheel.deadline()
    }

    /// What has happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The settings given at the start.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What lives now. All zero once everything has run out: tests for leaks end with this.
    pub fn usage(&self) -> Usage {
        let (keys, timers) = self.fresh_usage();
        let mut usage = Usage {
            requests: self.outgoing.len(),
            client_transactions: self.clients.len(),
            server_transactions: self.servers.len(),
            kept_octets: self.kept + self.handed,
            matches: self.arrivals.len() + keys + self.streams.len(),
            asks: self.asks.len(),
            alarms: self.alarms.len(),
            away: self.away.len(),
            timers: self.wheel.len() + timers,
            ..Usage::default()
        };
        self.sessions.usage(&mut usage);
        self.registrations.usage(&mut usage);
        self.subscriptions.usage(&mut usage);
        self.watchers.usage(&mut usage);
        self.publications.usage(&mut usage);
        usage
    }
}

/// How many objects of each kind live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Requests of ours that wait for a route or a response.
    pub requests: usize,
    /// Client transactions, those that only absorb repeats included.
    pub client_transactions: usize,
    /// Server transactions, those that only absorb repeats included.
    pub server_transactions: usize,
    /// Octets of the messages that server transactions keep, and of the copies of requests that are passed on.
    pub kept_octets: usize,
    /// Entries of the tables by which messages and flows find transactions.
    pub matches: usize,
    /// Questions to the driver.
    pub asks: usize,
    /// Alarms of the application.
    pub alarms: usize,
    /// Calls that are with another shard.
    pub away: usize,
    /// Running timers.
    pub timers: usize,
    /// Dialogs.
    pub dialogs: usize,
    /// INVITE sessions.
    pub sessions: usize,
    /// Registrations of ours.
    pub registrations: usize,
    /// Subscriptions of ours, forks included.
    pub subscriptions: usize,
    /// Watchers: subscriptions of peers with us.
    pub watchers: usize,
    /// Publications of ours.
    pub publications: usize,
}

/// Why a command was not carried out. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StackError {
    /// The handle finds nothing: what it named has ended.
    Gone,
    /// A limit of [`Config`] is reached.
    Full {
        /// What there may be no more of.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// Not possible in the present state; the text says what was expected.
    State(&'static str),
    /// A request of the peer has been refused instead; the text says what was expected of it.
    Refused {
        /// With which status.
        code: StatusCode,
        /// What it lacks.
        expected: &'static str,
    },
    /// RFC 3261 or its family forbids it; the text says what and where.
    Forbidden(&'static str),
    /// A text cannot stand in a message: a control character, or nothing at all.
    Text {
        /// Which one.
        what: &'static str,
    },
    /// A header line cannot stand in a message.
    Line(LineError),
    /// A URI or header cannot be read.
    Parse(ParseError),
    /// The next hop's URI says nowhere to go, as `tel:` without a Route does.
    NoHop,
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StackError::Gone => f.write_str("it has already ended"),
            StackError::Full { what, limit } => write!(f, "the limit of {limit} {what} is reached"),
            StackError::State(expected) => write!(f, "not possible now: expected {expected}"),
            StackError::Refused { code, expected } => write!(f, "refused with {}: expected {expected}", code.get()),
            StackError::Forbidden(rule) => write!(f, "not allowed: {rule}"),
            StackError::Text { what } => write!(f, "{what}: expected text without control characters"),
            StackError::Line(error) => write!(f, "{error}"),
            StackError::Parse(error) => write!(f, "{error}"),
            StackError::NoHop => {
                f.write_str("next hop: expected a sip or sips URI in Route, outbound proxy or Request-URI")
            }
        }
    }
}

impl std::error::Error for StackError {}

impl From<LineError> for StackError {
    fn from(error: LineError) -> Self {
        StackError::Line(error)
    }
}

impl From<ParseError> for StackError {
    fn from(error: ParseError) -> Self {
        StackError::Parse(error)
    }
}
