//! Dialogs (RFC 3261 section 12): what two user agents remember of each other, and the table that finds it again.
//!
//! A [`Dialog`] is plain data. All its text stands in one allocation; [`Dialog::to_record`] and [`Dialog::from_record`]
//! carry it over a restart. The table finds a dialog by Call-ID and tags through a 64-bit keyed hash, and compares on a hit.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use crate::draft::ContactSpec;
use crate::id::{DialogId, Id, SessionId, Shard};
use crate::outbox::Path;
use crate::route;
use crate::transaction::key::{Keys, Sip13};

mod text;

use text::{Field, Text};

/// Which side of the call we were when the dialog began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We sent the first request and chose the Call-ID.
    Caller,
    /// The peer did.
    Callee,
}

/// How far a dialog has come (RFC 3261 section 12).
///
/// ```text
///   1xx with To tag          2xx
///  ----------------> Early ------> Confirmed ------> (gone)
///                      |                ^      BYE, 481, 408
///                      +--> (gone)      |
///                        3xx-6xx     2xx first
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Made by a provisional response.
    Early,
    /// Made or confirmed by a 2xx.
    Confirmed,
}

/// Everything a dialog remembers, in the open: for records, and for making one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Call-ID, byte for byte.
    pub call_id: String,
    /// Our From or To without parameters: display name and URI.
    pub local: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's From or To without parameters.
    pub remote: String,
    /// The peer's tag; empty for a peer of RFC 2543 (section 12.1.1).
    pub remote_tag: String,
    /// The peer's Contact: a bare URI.
    pub remote_target: String,
    /// Which Contact our requests carry.
    pub contact: ContactSpec,
    /// Route values in the order in which a request of ours travels them.
    pub routes: Vec<String>,
    /// The number of our last request.
    pub local_cseq: u32,
    /// The number of the peer's last request, once there was one.
    pub remote_cseq: Option<u32>,
    /// Which side we are.
    pub role: Role,
    /// How far it has come.
    pub phase: Phase,
    /// The "secure" flag of section 12.1: SIPS to the end.
    pub secure: bool,
    /// Set when the peer cannot be reached but along the flow it came on (RFC 7118 section 5: a `.invalid` Contact).
    pub path: Option<Path>,
}

/// Why no dialog can be made or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DialogError {
    /// Its text would be larger than [`MAX_TEXT`].
    TooLarge,
    /// Our CSeq numbers are used up (RFC 3261 section 12.2.1.1: they never wrap).
    CSeqExhausted,
    /// A request of the peer has a number that is not above its last one (section 12.2.2: 500).
    OutOfOrder {
        /// The number that came.
        got: u32,
        /// The highest so far.
        seen: u32,
    },
    /// The table is full.
    Full,
    /// Another dialog has the same identifier.
    Exists,
}

impl fmt::Display for DialogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialogError::TooLarge => write!(f, "dialog text above {MAX_TEXT} bytes"),
            DialogError::CSeqExhausted => write!(f, "CSeq numbers of the dialog are used up (RFC 3261 12.2.1.1)"),
            DialogError::OutOfOrder { got, seen } => {
                write!(f, "CSeq {got} after {seen}: expected a higher number (RFC 3261 12.2.2)")
            }
            DialogError::Full => write!(f, "dialog table is full"),
            DialogError::Exists => write!(f, "a dialog with this Call-ID and these tags exists"),
        }
    }
}

impl std::error::Error for DialogError {}

/// The most text one dialog keeps, in bytes: Call-ID, tags, addresses and route set together.
pub const MAX_TEXT: usize = 32_768;

/// One dialog. About 80 bytes and its text.
#[derive(Clone, PartialEq, Eq)]
pub struct Dialog {
    text: Text,
    path: Option<Box<Path>>,
    local_cseq: u32,
    remote_cseq: u32,
    heard: bool,
    role: Role,
    phase: Phase,
    secure: bool,
}

impl Dialog {
    /// Packs a record. Refused when its text is larger than [`MAX_TEXT`].
    pub fn from_record(record: &Record) -> Result<Self, DialogError> {
        let contact = pack_contact(&record.contact);
        let routes = record.routes.join("\n");
        let text = Text::pack([
            &record.call_id,
            &record.local,
            &record.local_tag,
            &record.remote,
            &record.remote_tag,
            &record.remote_target,
            &contact,
            &routes,
        ])?;
        Ok(Self {
            text,
            path: record.path.map(Box::new),
            local_cseq: record.local_cseq,
            remote_cseq: record.remote_cseq.unwrap_or(0),
            heard: record.remote_cseq.is_some(),
            role: record.role,
            phase: record.phase,
            secure: record.secure,
        })
    }

    /// The inverse of [`Dialog::from_record`].
    pub fn to_record(&self) -> Record {
        Record {
            call_id: self.call_id().to_owned(),
            local: self.local().to_owned(),
            local_tag: self.local_tag().to_owned(),
            remote: self.remote().to_owned(),
            remote_tag: self.remote_tag().to_owned(),
            remote_target: self.remote_target().to_owned(),
            contact: self.contact(),
            routes: self.routes().map(str::to_owned).collect(),
            local_cseq: self.local_cseq,
            remote_cseq: self.remote_cseq(),
            role: self.role,
            phase: self.phase,
            secure: self.secure,
            path: self.path.as_deref().copied(),
        }
    }

    /// Call-ID.
    pub fn call_id(&self) -> &str {
        self.text.get(Field::CallId)
    }
    /// Our address: display name and URI, no parameters.
    pub fn local(&self) -> &str {
        self.text.get(Field::Local)
    }
    /// Our tag.
    pub fn local_tag(&self) -> &str {
        self.text.get(Field::LocalTag)
    }
    /// The peer's address: display name and URI, no parameters.
    pub fn remote(&self) -> &str {
        self.text.get(Field::Remote)
    }
    /// The peer's tag; may be empty.
    pub fn remote_tag(&self) -> &str {
        self.text.get(Field::RemoteTag)
    }
    /// Where the peer wants to be reached: a bare URI.
    pub fn remote_target(&self) -> &str {
        self.text.get(Field::Target)
    }
    /// The Contact we give.
    pub fn contact(&self) -> ContactSpec {
        unpack_contact(self.text.get(Field::Contact))
    }
    /// The route set in our order.
    pub fn routes(&self) -> impl Iterator<Item = &str> {
        self.text.get(Field::Routes).split('\n').filter(|route| !route.is_empty())
    }
    /// Number of our last request.
    pub fn local_cseq(&self) -> u32 {
        self.local_cseq
    }
    /// Number of the peer's last request.
    pub fn remote_cseq(&self) -> Option<u32> {
        self.heard.then_some(self.remote_cseq)
    }
    /// Which side we are.
    pub fn role(&self) -> Role {
        self.role
    }
    /// How far it has come.
    pub fn phase(&self) -> Phase {
        self.phase
    }
    /// The "secure" flag of section 12.1.
    pub fn is_secure(&self) -> bool {
        self.secure
    }
    /// The only way to the peer, when there is but one.
    pub fn path(&self) -> Option<Path> {
        self.path.as_deref().copied()
    }
    /// The From value of our next request (RFC 3261 section 12.2.1.1).
    pub fn from_value(&self) -> String {
        tagged(self.local(), self.local_tag())
    }
    /// The To value of our next request (RFC 3261 section 12.2.1.1).
    pub fn to_value(&self) -> String {
        tagged(self.remote(), self.remote_tag())
    }
    /// Request-URI and Route values of our next request (RFC 3261 section 12.2.1.1).
    pub fn target(&self) -> route::Target {
        route::target(self.remote_target(), self.routes())
    }

    /// The number for our next request: one more than the last (RFC 3261 section 12.2.1.1).
    pub fn next_cseq(&mut self) -> Result<u32, DialogError> {
        self.local_cseq = self.local_cseq.checked_add(1).ok_or(DialogError::CSeqExhausted)?;
        Ok(self.local_cseq)
    }

    /// Follows a number that was used for us elsewhere (a request repeated with credentials); never goes back.
    pub fn follow_cseq(&mut self, used: u32) {
        self.local_cseq = self.local_cseq.max(used);
    }

    /// Takes note of the number of a request of the peer; gaps are fine, anything not above the last is out of order
    /// (RFC 3261 section 12.2.2). Not for ACK and CANCEL, whose numbers repeat.
    pub fn heard_cseq(&mut self, got: u32) -> Result<(), DialogError> {
        if self.heard && got <= self.remote_cseq {
            return Err(DialogError::OutOfOrder { got, seen: self.remote_cseq });
        }
        (self.heard, self.remote_cseq) = (true, got);
        Ok(())
    }

    /// Target refresh (RFC 3261 sections 12.2.1.2 and 12.2.2): the peer's new Contact URI. Too large a one is refused and the old stays.
    pub fn set_remote_target(&mut self, uri: &str) -> Result<(), DialogError> {
        self.text.set(Field::Target, uri)
    }

    /// The Contact we gave last.
    pub fn set_contact(&mut self, contact: &ContactSpec) -> Result<(), DialogError> {
        let packed = pack_contact(contact);
        self.text.set(Field::Contact, &packed)
    }

    /// A 2xx confirms the dialog, and its route set counts (RFC 3261 section 13.2.2.4).
    pub fn confirm(&mut self, routes: &[String]) -> Result<(), DialogError> {
        self.phase = Phase::Confirmed;
        if self.routes().eq(routes.iter().map(String::as_str)) {
            return Ok(());
        }
        self.text.set(Field::Routes, &routes.join("\n"))
    }

    /// A 2xx of ours confirms the dialog.
    pub fn confirmed(&mut self) {
        self.phase = Phase::Confirmed;
    }

    /// The flow that alone leads to the peer.
    pub fn set_path(&mut self, path: Option<Path>) {
        self.path = path.map(Box::new);
    }

    /// Bytes on the heap.
    pub fn heap_size(&self) -> usize {
        self.text.len() + if self.path.is_some() { size_of::<Path>() } else { 0 }
    }
}

impl fmt::Debug for Dialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_record().fmt(f)
    }
}

fn tagged(address: &str, tag: &str) -> String {
    // A tag behind a bare addr-spec would be read as a header parameter as well, which is what we want (section 20).
    if tag.is_empty() { address.to_owned() } else { format!("{address};tag={tag}") }
}

fn pack_contact(contact: &ContactSpec) -> String {
    match contact {
        ContactSpec::None => String::new(),
        ContactSpec::Auto { user: None, params } => format!("a{params}"),
        ContactSpec::Auto { user: Some(user), params } => format!("u{user}\n{params}"),
        ContactSpec::Given(value) => format!("g{value}"),
    }
}

fn unpack_contact(packed: &str) -> ContactSpec {
    let rest = packed.get(1..).unwrap_or("");
    match packed.as_bytes().first() {
        Some(b'a') => ContactSpec::Auto { user: None, params: rest.to_owned() },
        Some(b'u') => {
            let (user, params) = rest.split_once('\n').unwrap_or((rest, ""));
            ContactSpec::Auto { user: Some(user.to_owned()), params: params.to_owned() }
        }
        Some(_) => ContactSpec::Given(rest.to_owned()),
        None => ContactSpec::None,
    }
}

/// Hashes are already spread: the map takes them as they are.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// No slot.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Slot {
    dialog: Option<Dialog>,
    owner: SessionId,
    generation: u32,
    /// The next slot with the same hash, or the next free one.
    next: u32,
}

/// All dialogs of a shard.
pub(crate) struct Dialogs {
    slots: Vec<Slot>,
    index: HashMap<u64, u32, BuildHasherDefault<AsIs>>,
    free: u32,
    len: usize,
    max: usize,
    shard: Shard,
    keys: Keys,
}

impl Default for Dialogs {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            index: HashMap::default(),
            free: NONE,
            len: 0,
            max: 0,
            shard: Shard(0),
            keys: Keys((0, 0)),
        }
    }
}

impl fmt::Debug for Dialogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialogs").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Dialogs {
    /// Sets what an empty table must know: its shard, the most dialogs it may hold, and the key of its hash, so that nobody outside
    /// can aim at one chain.
    pub(crate) fn prepare(&mut self, shard: Shard, max: usize, keys: Keys) {
        if self.len == 0 {
            (self.shard, self.max, self.keys) = (shard, max.min(NONE as usize), keys);
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds a dialog for its session.
    pub(crate) fn insert(&mut self, dialog: Dialog, owner: SessionId) -> Result<DialogId, DialogError> {
        if self.len >= self.max {
            return Err(DialogError::Full);
        }
        if self.find(dialog.call_id(), dialog.local_tag(), dialog.remote_tag()).is_some() {
            return Err(DialogError::Exists);
        }
        let hash = self.hash_of(&dialog);
        let slot = self.take_slot(owner)?;
        let next = self.index.insert(hash, slot).unwrap_or(NONE);
        let Some(place) = self.slots.get_mut(slot as usize) else { return Err(DialogError::Full) };
        (place.dialog, place.owner, place.next) = (Some(dialog), owner, next);
        self.len += 1;
        Ok(DialogId(Id::new(self.shard, place.generation, slot)))
    }

    fn take_slot(&mut self, owner: SessionId) -> Result<u32, DialogError> {
        if self.free != NONE {
            let slot = self.free;
            self.free = self.slots.get(slot as usize).map_or(NONE, |place| place.next);
            return Ok(slot);
        }
        let slot = u32::try_from(self.slots.len()).map_err(|_| DialogError::Full)?;
        if self.slots.len() == self.slots.capacity() {
            // Growing by a quarter keeps what lies idle below a quarter.
            self.slots.reserve_exact((self.slots.len() / 4).max(16));
        }
        self.slots.push(Slot { dialog: None, owner, generation: 0, next: NONE });
        Ok(slot)
    }

    /// The dialog of a handle.
    pub(crate) fn get(&self, id: DialogId) -> Option<&Dialog> {
        self.slots.get(id.0.slot() as usize).filter(|slot| slot.generation == id.0.generation())?.dialog.as_ref()
    }

    /// The dialog of a handle, to change its counters and addresses.
    pub(crate) fn get_mut(&mut self, id: DialogId) -> Option<&mut Dialog> {
        self.slots.get_mut(id.0.slot() as usize).filter(|slot| slot.generation == id.0.generation())?.dialog.as_mut()
    }

    /// Whose dialog it is.
    pub(crate) fn owner(&self, id: DialogId) -> Option<SessionId> {
        self.get(id)?;
        Some(self.slots.get(id.0.slot() as usize)?.owner)
    }

    /// Gives the dialog to another session.
    pub(crate) fn set_owner(&mut self, id: DialogId, owner: SessionId) {
        if self.get(id).is_some()
            && let Some(slot) = self.slots.get_mut(id.0.slot() as usize)
        {
            slot.owner = owner;
        }
    }

    /// Finds by the dialog ID of RFC 3261 section 12: Call-ID, our tag, the peer's tag, each byte for byte.
    pub(crate) fn find(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> Option<DialogId> {
        let mut at = *self.index.get(&self.hash(call_id, local_tag, remote_tag))?;
        while let Some(slot) = self.slots.get(at as usize) {
            if let Some(dialog) = &slot.dialog
                && dialog.local_tag() == local_tag
                && dialog.remote_tag() == remote_tag
                && dialog.call_id() == call_id
            {
                return Some(DialogId(Id::new(self.shard, slot.generation, at)));
            }
            at = slot.next;
        }
        None
    }

    /// Takes a dialog out; its handle finds nothing any more.
    pub(crate) fn remove(&mut self, id: DialogId) -> Option<Dialog> {
        let hash = self.hash_of(self.get(id)?);
        let at = id.0.slot();
        self.unlink(hash, at);
        let slot = self.slots.get_mut(at as usize)?;
        let dialog = slot.dialog.take();
        slot.generation = slot.generation.wrapping_add(1) & 0x00ff_ffff;
        slot.next = self.free;
        self.free = at;
        self.len -= 1;
        dialog
    }

    fn unlink(&mut self, hash: u64, at: u32) {
        let next = self.slots.get(at as usize).map_or(NONE, |slot| slot.next);
        let Entry::Occupied(mut head) = self.index.entry(hash) else { return };
        if *head.get() == at {
            if next == NONE {
                head.remove();
            } else {
                head.insert(next);
            }
            return;
        }
        let mut before = *head.get();
        while let Some(slot) = self.slots.get_mut(before as usize) {
            if slot.next == at {
                slot.next = next;
                return;
            }
            before = slot.next;
        }
    }

    /// Bytes of the table, its spare room and index, and of all texts.
    #[cfg(test)]
    pub(crate) fn heap_size(&self) -> usize {
        // A hash table of the standard library: one control byte an entry, at most seven eighths full.
        let index = (self.index.capacity() * 8 / 7).next_power_of_two() * (size_of::<(u64, u32)>() + 1);
        let texts: usize = self.slots.iter().filter_map(|slot| slot.dialog.as_ref()).map(Dialog::heap_size).sum();
        self.slots.capacity() * size_of::<Slot>() + index + texts
    }

    fn hash_of(&self, dialog: &Dialog) -> u64 {
        self.hash(dialog.call_id(), dialog.local_tag(), dialog.remote_tag())
    }

    fn hash(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> u64 {
        let mut hash = Sip13::new(self.keys.0);
        hash.write(&[3]);
        for part in [call_id, local_tag, remote_tag] {
            hash.part(part.as_bytes());
        }
        hash.finish()
    }
}

#[cfg(test)]
mod tests;
