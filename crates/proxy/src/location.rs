//! The location service: which contacts an address of record has (RFC 3261 section 10.1).
//!
//! Nothing here decides anything: [`crate::registrar::Registrar`] makes [`Record`]s, [`Location::apply`] carries them out, at once or when a journal is read back.
//!
//! Inside the process a binding ends by the monotonic clock, so a jump of the wall clock ends nothing early; records carry the wall clock's time, which survives a restart.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt;
use std::hash::BuildHasherDefault;
use std::net::SocketAddr;
use std::time::Duration;

use sip::TextHash;
use sip::id::{FlowId, IdHasher};
use sip::outbox::{Origin, Transport};
use sip::time::{Now, Time, WallTime};
use smallvec::SmallVec;

use crate::instance;
#[cfg(test)]
use crate::packed::Texts;
use crate::packed::{FLOW_GONE, Packed, Piece};
use crate::record::{Kind, Record};

#[derive(Debug)]
struct Slot {
    packed: Packed,
    expires: Time,
    /// Counts changes of the whole table: the higher, the later this one was made or refreshed.
    order: u64,
    cseq: u32,
    q: u16,
}

#[derive(Debug, Default)]
struct Place {
    /// How often the place has been filled: an entry of the heap that knows another number is void.
    generation: u32,
    slot: Option<Slot>,
    /// The earliest entry of the heap that is good for it.
    queued: Time,
}

/// All bindings of a registrar, or of one shard of it.
pub struct Location {
    /// By the hash of their address of record, under a secret, so that nobody can choose names that collide. Those that did would be told
    /// apart by what stands in their places.
    index: HashMap<u64, SmallVec<[u32; 4]>, BuildHasherDefault<IdHasher>>,
    hash: TextHash,
    places: Vec<Place>,
    free: Vec<u32>,
    /// At least one entry for each binding, at or before its end: a refresh need not touch it.
    ends: BinaryHeap<Reverse<(Time, u32, u32)>>,
    /// The places of flows (RFC 5626 section 6), by a number of what each goes along.
    flows: HashMap<u64, SmallVec<[u32; 2]>, BuildHasherDefault<IdHasher>>,
    order: u64,
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Location").field("users", &self.users()).field("bindings", &self.len()).finish_non_exhaustive()
    }
}

/// One contact of an address of record.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    slot: &'a Slot,
}

impl<'a> Binding<'a> {
    /// The address of record.
    pub fn aor(&self) -> &'a str {
        self.slot.packed.text(Piece::Aor)
    }
    /// The Contact URI as it was written: the Request-URI of requests to it.
    pub fn uri(&self) -> &'a str {
        self.slot.packed.text(Piece::Uri)
    }
    /// Contact parameters besides `q` and `expires` (`+sip.instance`, `reg-id`, ...), each with its semicolon, as they were written.
    pub fn params(&self) -> &'a str {
        self.slot.packed.text(Piece::Params)
    }
    /// The instance that registered it (RFC 5626 section 4.1): its URN.
    pub fn instance(&self) -> Option<&'a str> {
        instance::of(self.params())
    }
    /// True for one of the flows of an instance (RFC 5626 section 6).
    pub fn is_flow(&self) -> bool {
        self.flow().is_some()
    }
    /// What tells a flow from all others of its user: instance and number, as they are written. `None` for an ordinary binding.
    pub fn flow(&self) -> Option<&'a str> {
        instance::flow(self.params())
    }
    /// Call-ID of the REGISTER that last changed it.
    pub fn call_id(&self) -> &'a str {
        self.slot.packed.text(Piece::CallId)
    }
    /// CSeq number of that REGISTER.
    pub fn cseq(&self) -> u32 {
        self.slot.cseq
    }
    /// Preference in thousandths, 0 to 1000; 1000 when the device gave none.
    pub fn q(&self) -> u16 {
        self.slot.q
    }
    /// Route values for requests to it, first hop first (RFC 3327 section 5.4).
    pub fn path(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.slot.packed.text(Piece::Path).split('\n').filter(|value| !value.is_empty())
    }
    /// User-Agent of the REGISTER.
    pub fn agent(&self) -> &'a str {
        self.slot.packed.text(Piece::Agent)
    }
    /// Where to send requests when not to the URI's host: whence the REGISTER came. After a restart its flow is [`crate::FLOW_GONE`].
    pub fn origin(&self) -> Option<Origin> {
        self.slot.packed.origin()
    }
    /// How long it still lasts.
    pub fn remaining(&self, now: Now) -> Duration {
        self.slot.expires.since(now.mono)
    }
    /// The higher, the later it was made or refreshed.
    pub fn order(&self) -> u64 {
        self.slot.order
    }
    pub(crate) fn packed(&self) -> &'a Packed {
        &self.slot.packed
    }
    /// A record that this binding is gone.
    pub(crate) fn removal(&self) -> Record {
        Record {
            kind: Kind::Removed,
            expires: WallTime(0),
            cseq: self.slot.cseq,
            q: self.slot.q,
            packed: self.slot.packed.clone(),
        }
    }
}

impl Location {
    /// An empty one; `seed` keys its index.
    pub fn new(seed: [u8; 16]) -> Location {
        let (index, hash, flows) = (HashMap::default(), TextHash::new(seed), HashMap::default());
        Location { index, hash, places: Vec::new(), free: Vec::new(), ends: BinaryHeap::new(), flows, order: 0 }
    }

    /// Bindings held, those included that have ended and were not collected yet.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// True without any binding.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Addresses of record with a binding.
    pub fn users(&self) -> usize {
        self.index.len()
    }

    /// The live bindings of a canonical address of record, in no particular order.
    pub fn bindings<'a, 'k>(&'a self, now: Now, aor: &'k str) -> impl Iterator<Item = Binding<'a>> + use<'a, 'k> {
        let of_aor = self.held(self.hash.of(aor.as_bytes()), aor.as_bytes()).map(|(_, slot)| slot);
        of_aor.filter(move |slot| slot.expires > now.mono).map(|slot| Binding { slot })
    }

    /// What an address of record of this hash has, with the places.
    fn held<'a, 'k>(&'a self, hash: u64, aor: &'k [u8]) -> impl Iterator<Item = (u32, &'a Slot)> + use<'a, 'k> {
        let places = self.index.get(&hash).map(|places| places.as_slice()).unwrap_or_default();
        let slots = places.iter().filter_map(|place| Some((*place, self.places.get(*place as usize)?.slot.as_ref()?)));
        slots.filter(move |(_, slot)| slot.packed.piece(Piece::Aor) == aor)
    }

    /// The live bindings to call: highest `q` first, among equals the one refreshed last.
    pub fn lookup(&self, now: Now, aor: &str) -> Vec<Binding<'_>> {
        let mut found: Vec<_> = self.bindings(now, aor).collect();
        found.sort_by_key(|binding| (Reverse(binding.q()), Reverse(binding.order())));
        found
    }

    /// Every live binding.
    pub fn iter(&self, now: Now) -> impl Iterator<Item = Binding<'_>> {
        let slots = self.places.iter().filter_map(|place| place.slot.as_ref());
        slots.filter(move |slot| slot.expires > now.mono).map(|slot| Binding { slot })
    }

    /// Records that build the live bindings anew.
    pub fn snapshot(&self, now: Now) -> impl Iterator<Item = Record> + '_ {
        self.iter(now).map(move |binding| {
            let Slot { packed, expires, cseq, q, .. } = binding.slot;
            Record { kind: Kind::Added, expires: to_wall(now, *expires), cseq: *cseq, q: *q, packed: packed.clone() }
        })
    }

    /// Carries out one record. What has ended meanwhile, and a change of what is not there, has no effect.
    pub fn apply(&mut self, now: Now, record: &Record) {
        let aor = record.packed.piece(Piece::Aor);
        let hash = self.hash.of(aor);
        let same = |(_, slot): &(u32, &Slot)| slot.packed.is_same_binding(&record.packed);
        let found = self.held(hash, aor).find(same).map(|(place, _)| place);
        let expires = from_wall(now, record.expires);
        match (record.kind, found) {
            (Kind::Removed, Some(place)) => self.remove(place),
            (Kind::Removed, None) | (Kind::Refreshed, None) => {}
            (_, Some(place)) if expires <= now.mono => self.remove(place),
            (_, None) if expires <= now.mono => {}
            (Kind::Refreshed, Some(place)) => self.refresh(place, record, expires, false),
            (Kind::Added | Kind::Changed, Some(place)) => self.refresh(place, record, expires, true),
            (Kind::Added | Kind::Changed, None) => self.insert(record, hash, expires),
        }
    }

    /// Takes out what has ended, at most `most` bindings so that a turn stays short, and adds a removal of each to `out`. Call it when
    /// [`Location::next_end`] has come, again while it lies in the past.
    pub fn expire(&mut self, now: Now, most: usize, out: &mut Vec<Record>) {
        for _ in 0..most {
            let Some(Reverse((at, place, generation))) = self.ends.peek().copied() else { return };
            if at > now.mono {
                return;
            }
            self.ends.pop();
            let Some(held) = self.places.get_mut(place as usize) else { continue };
            let Some(slot) = held.slot.as_ref().filter(|_| held.generation == generation && held.queued == at) else {
                continue;
            };
            if slot.expires > now.mono {
                held.queued = slot.expires;
                self.ends.push(Reverse((slot.expires, place, generation)));
            } else {
                out.push(Binding { slot }.removal());
                self.remove(place);
            }
        }
    }

    /// A connection is gone: the bindings of flows along it end now (RFC 5626 section 7), and [`Location::expire`] takes them out. Others that came by it
    /// stay: their devices may be connected to.
    pub fn lose(&mut self, now: Now, connection: FlowId) {
        let along = Along::Connection(connection);
        let number = self.number(along);
        let places = self.flows.remove(&number).unwrap_or_default();
        self.end_along(now, along, &places);
    }

    /// Nobody is at an address any more to which datagrams go: the bindings of flows that lead there end now, as with [`Location::lose`]. Whoever comes again from
    /// there makes another.
    pub fn lose_at(&mut self, now: Now, remote: SocketAddr) {
        let along = Along::datagrams(remote);
        // What comes from there before these have been taken out is in their places.
        let places = self.flows.get(&self.number(along)).cloned().unwrap_or_default();
        self.end_along(now, along, &places);
    }

    fn end_along(&mut self, now: Now, along: Along, places: &[u32]) {
        for &place in places {
            let Some(held) = self.places.get_mut(place as usize) else { continue };
            let Some(slot) = held.slot.as_mut().filter(|slot| slot.expires > now.mono) else { continue };
            if Along::of(&slot.packed) == Some(along) {
                (slot.expires, held.queued) = (now.mono, now.mono);
                self.ends.push(Reverse((now.mono, place, held.generation)));
            }
        }
        self.thin_out();
    }

    /// The number of a connection, or a hash under a secret.
    fn number(&self, along: Along) -> u64 {
        match along {
            Along::Connection(flow) => flow.0,
            Along::Datagrams(SocketAddr::V4(to)) => self.hash.of_all([&to.ip().octets()[..], &to.port().to_be_bytes()]),
            Along::Datagrams(SocketAddr::V6(to)) => self.hash.of_all([&to.ip().octets()[..], &to.port().to_be_bytes()]),
        }
    }

    /// No binding ends before this.
    pub fn next_end(&self) -> Option<Time> {
        self.ends.peek().map(|Reverse((at, ..))| *at)
    }

    fn insert(&mut self, record: &Record, hash: u64, expires: Time) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            // 2^32 bindings do not fit into memory.
            (self.places.len() - 1) as u32
        });
        self.order += 1;
        let Some(held) = self.places.get_mut(place as usize) else { return };
        held.generation = held.generation.wrapping_add(1);
        held.queued = expires;
        held.slot =
            Some(Slot { packed: record.packed.clone(), expires, order: self.order, cseq: record.cseq, q: record.q });
        self.ends.push(Reverse((expires, place, held.generation)));
        self.index.entry(hash).or_default().push(place);
        self.moved(place, None, Along::of(&record.packed));
        self.thin_out();
    }

    /// A binding leads along something else than before.
    fn moved(&mut self, place: u32, before: Option<Along>, now: Option<Along>) {
        if before == now {
            return;
        }
        if let Some(before) = before.map(|before| self.number(before))
            && let Some(places) = self.flows.get_mut(&before)
        {
            places.retain(|one| *one != place);
            if places.is_empty() {
                self.flows.remove(&before);
            }
        }
        if let Some(now) = now.map(|now| self.number(now)) {
            self.flows.entry(now).or_default().push(place);
        }
    }

    fn refresh(&mut self, place: u32, record: &Record, expires: Time, text: bool) {
        self.order += 1;
        let Some(held) = self.places.get_mut(place as usize) else { return };
        let Some(slot) = held.slot.as_mut() else { return };
        (slot.expires, slot.order, slot.cseq, slot.q) = (expires, self.order, record.cseq, record.q);
        let before = text.then(|| std::mem::replace(&mut slot.packed, record.packed.clone()));
        if expires < held.queued {
            held.queued = expires;
            self.ends.push(Reverse((expires, place, held.generation)));
            self.thin_out();
        }
        if let Some(before) = before {
            self.moved(place, Along::of(&before), Along::of(&record.packed));
        }
    }

    fn remove(&mut self, place: u32) {
        let Some(slot) = self.places.get_mut(place as usize).and_then(|held| held.slot.take()) else { return };
        self.free.push(place);
        self.moved(place, Along::of(&slot.packed), None);
        let hash = self.hash.of(slot.packed.piece(Piece::Aor));
        if let Some(places) = self.index.get_mut(&hash) {
            places.retain(|one| *one != place);
            if places.is_empty() {
                self.index.remove(&hash);
            }
        }
        self.thin_out();
    }

    /// Keeps the heap within twice what it is for, whatever peers add, shorten and remove.
    fn thin_out(&mut self) {
        if self.ends.len() > 2 * self.len() + 64 {
            let places = &self.places;
            self.ends.retain(|Reverse((at, place, generation))| {
                let good = |held: &Place| held.slot.is_some() && held.generation == *generation && held.queued == *at;
                places.get(*place as usize).is_some_and(good)
            });
        }
    }
}

/// What a flow (RFC 5626 section 6) goes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Along {
    /// A connection of ours. None is left of those of the process before.
    Connection(FlowId),
    /// Datagrams to this address.
    Datagrams(SocketAddr),
}

impl Along {
    fn of(packed: &Packed) -> Option<Self> {
        instance::flow(packed.text(Piece::Params))?;
        match packed.origin()? {
            origin if origin.transport == Transport::Udp => Some(Self::datagrams(origin.remote)),
            origin => Some(Self::Connection(origin.flow)).filter(|_| origin.flow != FLOW_GONE),
        }
    }

    /// To whatever else the system says of an address.
    fn datagrams(remote: SocketAddr) -> Self {
        Self::Datagrams(SocketAddr::new(remote.ip(), remote.port()))
    }
}

/// The monotonic time at which the wall clock, as it goes now, will show `wall`.
fn from_wall(now: Now, wall: WallTime) -> Time {
    let left = wall.0.saturating_sub(now.wall.0);
    now.mono + Duration::from_secs(left)
}

/// The inverse, rounded up to the next second.
fn to_wall(now: Now, end: Time) -> WallTime {
    let left = end.0.saturating_sub(now.mono.0).div_ceil(1_000_000);
    WallTime(now.wall.0.saturating_add(left))
}

/// For tests: a record as a REGISTER would make it.
#[cfg(test)]
pub(crate) fn added(aor: &str, uri: &str, expires: u64) -> Record {
    let texts = Texts { aor, uri, call_id: "call@host", ..Texts::default() };
    Record {
        kind: Kind::Added,
        expires: WallTime(expires),
        cseq: 1,
        q: 1000,
        packed: Packed::new(&texts, None).unwrap(),
    }
}

#[cfg(test)]
mod tests;
