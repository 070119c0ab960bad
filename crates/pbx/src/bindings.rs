//! Where devices are: the registrar with its journal or database (RFC 3261 section 10).
//!
//! What the REGISTERs of one batch from the network change is gathered and written down together, then carried out, then answered. A
//! change that waits so, for a few milliseconds at most, has not happened yet: nobody has been told of it, and nobody finds it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proxy::{Gruu, Kind, Nat, Overflow, Ownership, Plan, Record, Registrar, RegistrarConfig};
use sip::id::FlowId;
use sip::message::Request;
use sip::uas::Addresses;
use sip::{AlarmId, Now, Origin, Reply, ServerTx, TextHash, Time, Turn};
use store::{Durability, Journal, Options};

use crate::accounts::{Contacts, Known};
use crate::config::{Config, Role};
use crate::tally::Tally;

/// The host under which bindings are kept, whatever name devices know us by.
pub(crate) const HOME: &str = "pbx.invalid";
/// The number of the alarm for the next end of a binding; those of calls are from 1.
pub(crate) const ALARM: u64 = 0;
/// The file of bindings, below the state directory.
const JOURNAL: &str = "bindings.journal";
/// The most bindings that end in one turn: the rest follows in the next.
const AT_ONCE: usize = 500;

/// The journal and what it held. There is one for all loops: each appends what concerns its users, and takes their records back after a
/// restart, however many loops there are then. An append is a system call on one file, so it does not matter that they wait for each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Home {
    keeper: Option<Keeper>,
    records: Arc<Vec<Record>>,
}

/// What outlives the process.
#[derive(Clone, Debug)]
enum Keeper {
    Journal(Arc<Mutex<Journal>>),
    #[cfg(feature = "sqlite")]
    Sqlite(Arc<store::sqlite::Bindings>),
}

impl Keeper {
    /// Takes in the changes of several requests, all or none.
    fn append_all<'a>(&self, requests: impl IntoIterator<Item = &'a [Record]>) -> Result<(), store::StoreError> {
        match self {
            // A journal is whole at every point where it could panic.
            Self::Journal(journal) => journal.lock().unwrap_or_else(PoisonError::into_inner).append_all(requests),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(bindings) => bindings.append_all(requests),
        }
    }
}

/// How many bindings more there are at most once these records have been carried out.
fn growth(records: &[Record]) -> usize {
    let count = |kind: Kind| records.iter().filter(|record| record.kind() == kind).count();
    count(Kind::Added).saturating_sub(count(Kind::Removed))
}

/// The user of an address of record.
fn user_of(aor: &str) -> Option<Box<str>> {
    let uri = sip::message::Uri::parse(aor).ok()?;
    Some(uri.user_unescaped()?.into())
}

/// Opens the database of a configuration, or the journal of one with a state directory.
pub(crate) fn open(config: &Config) -> Result<Home, store::StoreError> {
    #[cfg(feature = "sqlite")]
    if let Some(path) = &config.sqlite.bindings {
        let begun = std::time::Instant::now();
        let (bindings, records) = store::sqlite::Bindings::open(path, store::sqlite::Options::default())?;
        tracing::info!(
            bindings = records.len(),
            ms = begun.elapsed().as_millis() as u64,
            "bindings restored from SQLite"
        );
        return Ok(Home { keeper: Some(Keeper::Sqlite(Arc::new(bindings))), records: Arc::new(records) });
    }
    let begun = std::time::Instant::now();
    let Some(state) = &config.state else { return Ok(Home::default()) };
    let options = Options { durability: config.durability, ..Options::default() };
    let (journal, found) = Journal::open(&state.join(JOURNAL), options)?;
    if found.torn > 0 {
        tracing::warn!(octets = found.torn, "the last write before the end was unfinished and has been cut off");
    }
    let durable = config.durability == Durability::Sync;
    tracing::info!(
        bindings = found.records.len(),
        ms = begun.elapsed().as_millis() as u64,
        durable,
        "bindings restored"
    );
    Ok(Home { keeper: Some(Keeper::Journal(Arc::new(Mutex::new(journal)))), records: Arc::new(found.records) })
}

/// Bindings in memory and on disk.
#[derive(Debug)]
pub(crate) struct Bindings {
    registrar: Registrar,
    keeper: Option<Keeper>,
    tally: Arc<Tally>,
    /// Bindings of this loop as last told to the tally.
    told: usize,
    limit: usize,
    alarm: Option<(AlarmId, Time)>,
    /// In the order they came; never two of one user.
    waiting: Vec<Waiting>,
    /// Where nothing is kept of requests.
    doors: Option<Doors>,
}

/// From which addresses users have registered: how many bindings there are of each, wherever requests to them go.
#[derive(Debug)]
struct Doors {
    hash: TextHash,
    /// Where the last REGISTER of a binding came from, by the hash of its address of record and name.
    of_bindings: HashMap<u64, IpAddr>,
    counts: HashMap<IpAddr, usize>,
}

impl Doors {
    fn new() -> Self {
        Self { hash: TextHash::new(rand::random()), of_bindings: HashMap::new(), counts: HashMap::new() }
    }

    /// This has happened to a binding, by a REGISTER from there.
    fn take(&mut self, record: &Record, from: IpAddr) {
        if record.kind() == Kind::Removed {
            return self.left(record);
        }
        let (binding, from) = (self.key(record), from.to_canonical());
        *self.counts.entry(from).or_default() += 1;
        if let Some(before) = self.of_bindings.insert(binding, from) {
            self.one_less(before);
        }
    }

    /// A binding is gone.
    fn left(&mut self, record: &Record) {
        let binding = self.key(record);
        if let Some(before) = self.of_bindings.remove(&binding) {
            self.one_less(before);
        }
    }

    fn key(&self, record: &Record) -> u64 {
        self.hash.of_all([record.aor().as_bytes(), record.name().as_bytes()])
    }

    fn one_less(&mut self, from: IpAddr) {
        if let Some(count) = self.counts.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&from);
            }
        }
    }
}

/// Where a binding that was read back has registered from, as far as that is known: where requests to it go back to, or else its Contact, where that was found to be
/// the address that it came from. Of who stands behind a Path it is not known.
fn came_from(record: &Record, nat: Nat) -> Option<IpAddr> {
    let texts = record.texts();
    let says = || {
        let is_true = nat == Nat::Auto && texts.path.is_empty();
        sip::message::Uri::parse(texts.uri).ok().filter(|_| is_true)?.host().ip()
    };
    texts.origin.map(|origin| origin.remote.ip()).or_else(says)
}

/// A REGISTER that is decided and neither written down nor answered.
#[derive(Debug)]
struct Waiting {
    tx: ServerTx,
    user: usize,
    /// Where he registers from.
    from: IpAddr,
    plan: Plan,
}

/// A REGISTER of a user who has proved to be one.
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a Request,
    pub(crate) addresses: Addresses<'a>,
    pub(crate) origin: &'a Origin,
    /// The place of the user among all.
    pub(crate) user: usize,
    pub(crate) known: &'a Known,
}

/// The names under which devices register, where not under any: those of the configuration, and those that have a role of their own here. Of others we are the edge.
fn served(config: &Config) -> Vec<String> {
    let own = config.roles.iter().filter(|(_, role)| **role != Role::Edge).map(|(domain, _)| domain);
    let own = own.filter(|_| !config.domains.is_empty());
    config.domains.iter().chain(own).cloned().collect()
}

impl Bindings {
    /// Restores what the journal held for users that this loop `keeps`.
    pub(crate) fn new(
        config: &Config,
        home: Home,
        now: Now,
        tally: Arc<Tally>,
        gruu: &Gruu,
        keeps: impl Fn(&str) -> bool,
    ) -> Self {
        let secs = |span: Duration| u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
        let rules = RegistrarConfig {
            domains: served(config),
            any_address: true,
            // One realm, one set of users: whatever name a device knows us by.
            canonical_host: Some(HOME.to_owned()),
            default_expires: secs(config.register.default_expires),
            min_expires: secs(config.register.min_expires),
            max_expires: secs(config.register.max_expires),
            clamp: config.register.clamp,
            max_contacts: config.limits.contacts_per_user,
            // The limit is that of all loops together: `Tally::bind`.
            max_bindings: usize::MAX,
            ownership: Ownership::Own,
            nat: config.register.nat,
            gruu: Some(gruu.clone()),
            flow_timer: Some(secs(config.register.flow_timer)),
            service_route: config.register.service_route.iter().map(|uri| format!("<{uri}>")).collect(),
            ..RegistrarConfig::default()
        };
        let mut registrar = Registrar::new(rules, rand::random());
        let ours = |record: &&Record| keeps(&user_of(record.aor()).unwrap_or_default());
        let records: Vec<Record> = home.records.iter().filter(ours).cloned().collect();
        registrar.commit(now, &records);
        let limit = config.limits.registrations;
        let mut bindings = Self {
            registrar,
            keeper: home.keeper,
            tally,
            told: 0,
            limit,
            alarm: None,
            waiting: Vec::new(),
            doors: None,
        };
        bindings.count();
        if config.is_stateless() {
            let mut doors = Doors::new();
            for record in bindings.registrar.location().snapshot(now) {
                if let Some(from) = came_from(&record, config.register.nat) {
                    doors.take(&record, from);
                }
            }
            bindings.doors = Some(doors);
        }
        bindings
    }

    /// Tells the tally how many there are now.
    fn count(&mut self) {
        let now = self.len();
        if now != self.told {
            self.tally.bindings(self.told, now);
            self.told = now;
        }
    }

    fn write<'a>(&self, requests: impl IntoIterator<Item = &'a [Record]>) -> Result<(), store::StoreError> {
        self.keeper.as_ref().map_or(Ok(()), |keeper| keeper.append_all(requests))
    }

    /// Bindings at present.
    pub(crate) fn len(&self) -> usize {
        self.registrar.location().len()
    }

    /// The bindings of a user.
    pub(crate) fn of(&self, now: Now, user: &str) -> impl Iterator<Item = proxy::Binding<'_>> {
        let aor = sip::message::UriBuf::sip(false, Some(user), HOME, None).ok().map(|uri| uri.as_uri().aor());
        aor.into_iter().flat_map(move |aor| self.registrar.location().bindings(now, aor.as_str()).collect::<Vec<_>>())
    }

    /// Whether a user has registered from this address. Always false where requests are kept.
    pub(crate) fn is_home(&self, from: IpAddr) -> bool {
        self.doors.as_ref().is_some_and(|doors| doors.counts.contains_key(&from.to_canonical()))
    }

    /// Whether a REGISTER of this user waits: it comes before the next of his is looked at.
    pub(crate) fn waits(&self, user: usize) -> bool {
        self.waiting.iter().any(|one| one.user == user)
    }

    /// Decides about a REGISTER. The answer, unless something changes: that waits for [`Bindings::settle`].
    pub(crate) fn register(&mut self, tx: ServerTx, now: Now, asked: Asked<'_>) -> Option<Reply> {
        let Asked { request, addresses, origin, user, known } = asked;
        let contacts = known.contacts;
        let usual = (contacts != Contacts::default()).then(|| {
            let usual = self.registrar.config().clone();
            self.registrar.set_config(RegistrarConfig {
                max_contacts: contacts.most.unwrap_or(usual.max_contacts),
                overflow: if contacts.remove_existing { Overflow::ReplaceOldest } else { usual.overflow },
                ..usual.clone()
            });
            usual
        });
        let plan = self.registrar.plan_for(now, request, &addresses, Some(&known.name), origin);
        if let Some(usual) = usual {
            self.registrar.set_config(usual);
        }
        if plan.records.is_empty() {
            return Some(plan.reply);
        }
        // Taken before anything is written, so that two loops never take the same room; what is not used is given back by `count`.
        let growth = growth(&plan.records);
        if !self.tally.bind(growth, self.limit) {
            return Some(Plan::full());
        }
        self.told += growth;
        self.waiting.push(Waiting { tx, user, from: origin.remote.ip(), plan });
        None
    }

    /// Writes down what waits, carries it out and answers: all of it, or none and 500 for each (RFC 3261 section 10.3 step 7).
    ///
    /// Where somebody watches: the places of the users whose bindings are others.
    pub(crate) fn settle(&mut self, watched: bool, turn: &mut Turn<'_>) -> Vec<usize> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let written = self.write(self.waiting.iter().map(|one| one.plan.records.as_slice()));
        if let Err(error) = &written {
            tracing::error!(%error, requests = self.waiting.len(), "a REGISTER could not be written down");
        }
        let changed = if watched { self.waiting.iter().map(|one| one.user).collect() } else { Vec::new() };
        for Waiting { tx, plan, from, .. } in self.waiting.drain(..) {
            let reply = match written {
                Ok(()) => {
                    self.registrar.commit(turn.now(), &plan.records);
                    if let Some(doors) = &mut self.doors {
                        plan.records.iter().for_each(|record| doors.take(record, from));
                    }
                    plan.reply
                }
                Err(_) => Plan::failed(),
            };
            if let Err(error) = turn.respond(tx, reply) {
                tracing::debug!(%error, "a request was over before it was answered");
            }
        }
        self.count();
        self.arm(turn);
        changed
    }

    /// A connection is gone: bindings of flows along it end now (RFC 5626 section 7), as if their time had come.
    pub(crate) fn lose(&mut self, connection: FlowId, turn: &mut Turn<'_>) {
        self.registrar.lose(turn.now(), connection);
        self.arm(turn);
    }

    /// Nobody is at this address any more to which datagrams go: bindings of flows that lead there end as well.
    pub(crate) fn lose_at(&mut self, remote: SocketAddr, turn: &mut Turn<'_>) {
        self.registrar.lose_at(turn.now(), remote);
        self.arm(turn);
    }

    /// Sees to it that the next end of a binding is noticed.
    pub(crate) fn arm(&mut self, turn: &mut Turn<'_>) {
        let Some(due) = self.registrar.deadline() else { return };
        if let Some((alarm, at)) = self.alarm {
            if at <= due {
                return;
            }
            turn.silence(alarm);
        }
        self.alarm = turn.alarm(due, ALARM).ok().map(|alarm| (alarm, due));
    }

    /// The alarm has come: takes out what has ended, and tells whose that was. What waits has come before: see [`Bindings::settle`] for the first half.
    pub(crate) fn expire(&mut self, watched: bool, turn: &mut Turn<'_>) -> (Vec<usize>, Vec<Record>) {
        let changed = self.settle(watched, turn);
        self.alarm = None;
        let mut gone = Vec::new();
        self.registrar.expire(turn.now(), AT_ONCE, &mut gone);
        if let Some(doors) = &mut self.doors {
            gone.iter().for_each(|record| doors.left(record));
        }
        // Not needed for a restart, which looks at the times: it lets the journal shrink.
        if let Err(error) = self.write([gone.as_slice()]) {
            tracing::warn!(%error, "the end of bindings could not be written down");
        }
        self.count();
        self.arm(turn);
        (changed, gone)
    }
}

#[cfg(test)]
mod tests;
