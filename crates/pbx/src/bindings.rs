//! Where devices are: the registrar with its journal or database (RFC 3261 section 10).
//!
//! What the REGISTERs of one batch from the network change is gathered and written down together, then carried out, then answered. A
//! change that waits so, for a few milliseconds at most, has not happened yet: nobody has been told of it, and nobody finds it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proxy::{Gruu, Kind, Overflow, Ownership, Plan, Registrar, RegistrarConfig};
use sip::id::FlowId;
use sip::message::Request;
use sip::uas::Addresses;
use sip::{AlarmId, Now, Origin, Reply, ServerTx, Time, Turn};
use store::{Durability, Journal, Options};

use crate::accounts::{Contacts, Known};
use crate::config::Config;
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
    records: Arc<Vec<proxy::Record>>,
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
    fn append_all<'a>(&self, requests: impl IntoIterator<Item = &'a [proxy::Record]>) -> Result<(), store::StoreError> {
        match self {
            // A journal is whole at every point where it could panic.
            Self::Journal(journal) => journal.lock().unwrap_or_else(PoisonError::into_inner).append_all(requests),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(bindings) => bindings.append_all(requests),
        }
    }
}

/// How many bindings more there are at most once these records have been carried out.
fn growth(records: &[proxy::Record]) -> usize {
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

/// From which addresses users have registered. Whether they are still there is looked at when somebody asks, so what has become of bindings is not told
/// here.
#[derive(Debug, Default)]
struct Doors(BTreeSet<(IpAddr, Box<str>)>);

impl Doors {
    /// More than twice as many as there are bindings, and these, are too many: those that nobody uses any more are let go then.
    const SPARE: usize = 16;

    fn put(&mut self, from: IpAddr, user: &str, bindings: usize, is_there: impl Fn(&str, IpAddr) -> bool) {
        let (door, most) = ((from, Box::from(user)), 2 * bindings + Self::SPARE);
        if self.0.len() >= most && !self.0.contains(&door) {
            self.0.retain(|(from, user)| is_there(user, *from));
        }
        self.0.insert(door);
    }

    /// Who has registered from there.
    fn at(&self, from: IpAddr) -> impl Iterator<Item = &str> {
        let first = (from, Box::default());
        self.0.range(first..).take_while(move |(at, _)| *at == from).map(|(_, user)| &**user)
    }
}

/// A REGISTER that is decided and neither written down nor answered.
#[derive(Debug)]
struct Waiting {
    tx: ServerTx,
    user: usize,
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
            domains: config.domains.clone(),
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
        let ours = |record: &&proxy::Record| keeps(&user_of(record.aor()).unwrap_or_default());
        let records: Vec<proxy::Record> = home.records.iter().filter(ours).cloned().collect();
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
            let restored = bindings.registrar.location().iter(now);
            let doors = restored.filter_map(|one| Some((one.origin()?.remote.ip(), user_of(one.aor())?)));
            bindings.doors = Some(Doors(doors.collect()));
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

    fn write<'a>(&self, requests: impl IntoIterator<Item = &'a [proxy::Record]>) -> Result<(), store::StoreError> {
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

    /// Whether this user has registered from this address.
    fn has_from(&self, user: &str, from: IpAddr, now: Now) -> bool {
        self.of(now, user).any(|binding| binding.origin().is_some_and(|origin| origin.remote.ip() == from))
    }

    /// Whether a user has registered from this address. Always false where requests are kept.
    pub(crate) fn is_home(&self, from: IpAddr, now: Now) -> bool {
        self.doors.as_ref().is_some_and(|doors| doors.at(from).any(|user| self.has_from(user, from, now)))
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
        if let Some(mut doors) = self.doors.take() {
            let is_there = |user: &str, from| self.has_from(user, from, now);
            doors.put(origin.remote.ip(), &known.name, self.len(), is_there);
            self.doors = Some(doors);
        }
        self.waiting.push(Waiting { tx, user, plan });
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
        for Waiting { tx, plan, .. } in self.waiting.drain(..) {
            let reply = match written {
                Ok(()) => {
                    self.registrar.commit(turn.now(), &plan.records);
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

    /// The alarm has come: takes out what has ended, and tells whose that was.
    pub(crate) fn expire(&mut self, turn: &mut Turn<'_>) -> Vec<proxy::Record> {
        self.alarm = None;
        let mut gone = Vec::new();
        self.registrar.expire(turn.now(), AT_ONCE, &mut gone);
        // Not needed for a restart, which looks at the times: it lets the journal shrink.
        if let Err(error) = self.write([gone.as_slice()]) {
            tracing::warn!(%error, "the end of bindings could not be written down");
        }
        self.count();
        self.arm(turn);
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_16_11_addresses_that_nobody_uses_any_more_are_let_go() {
        let mut doors = Doors::default();
        let from = |last: u8| IpAddr::from([192, 0, 2, last]);
        let nobody = |_: &str, _: IpAddr| false;
        (0..18).for_each(|last| doors.put(from(last), "a", 1, nobody));
        doors.put(from(3), "a", 1, nobody);
        assert_eq!(doors.0.len(), 18, "as many as there is room for, one of them once more");
        doors.put(from(3), "b", 1, |user, at| user == "a" && at == from(3));
        assert_eq!(doors.0.len(), 2, "one who is there, and the new one");
        assert!(doors.at(from(3)).eq(["a", "b"]) && doors.at(from(2)).eq([""; 0]) && doors.at(from(4)).eq([""; 0]));
    }
}
