//! The table of all dialogs, and how it finds one (RFC 3261 section 12).

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use super::{Dialog, DialogError};
use crate::chunks::Chunks;
use crate::id::{DialogId, Id, SessionId, Shard};
use crate::siphash::Sip13;
use crate::slab::{LAST, STAYS};
use crate::spare::{self, is_spare};
use crate::transaction::key::Keys;

/// Hashes are already spread: the map takes them as they are.
#[derive(Default)]
pub(super) struct AsIs(u64);

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
pub(super) const NONE: u32 = u32::MAX;
/// So many dialogs that have ended are known as such.
const REMEMBERED: usize = 256;

#[derive(Debug)]
pub(super) struct Slot {
    dialog: Option<Dialog>,
    owner: SessionId,
    /// Of Call-ID and our tag.
    hash: u64,
    generation: u32,
    /// The next slot with the same hash, or the next free one.
    pub(super) next: u32,
}

/// All dialogs of a shard.
pub(crate) struct Dialogs {
    pub(super) slots: Chunks<Slot>,
    pub(super) index: HashMap<u64, u32, BuildHasherDefault<AsIs>>,
    free: u32,
    len: usize,
    /// The generation of new slots: above those of all that were let go of.
    first: u32,
    max: usize,
    shard: Shard,
    keys: Keys,
    /// The last that have ended, by the hash of Call-ID and our tag.
    ended: VecDeque<u64>,
}

impl Default for Dialogs {
    fn default() -> Self {
        Self {
            slots: Chunks::default(),
            index: HashMap::default(),
            free: NONE,
            len: 0,
            first: 0,
            max: 0,
            shard: Shard(0),
            keys: Keys((0, 0)),
            ended: VecDeque::new(),
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
        let hash = self.hash_of(&dialog);
        let (call_id, local_tag, remote_tag) = (dialog.call_id(), dialog.local_tag(), dialog.remote_tag());
        if self.find_hashed(hash, call_id.as_bytes(), local_tag.as_bytes(), remote_tag.as_bytes()).is_some() {
            return Err(DialogError::Exists);
        }
        let slot = self.take_slot(owner)?;
        let next = self.index.insert(hash, slot).unwrap_or(NONE);
        let Some(place) = self.slots.get_mut(slot as usize) else { return Err(DialogError::Full) };
        (place.dialog, place.owner, place.hash, place.next) = (Some(dialog), owner, hash, next);
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
        self.slots.push(Slot { dialog: None, owner, hash: 0, generation: self.first, next: NONE });
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
    pub(crate) fn find(
        &self,
        call_id: impl AsRef<[u8]>,
        local_tag: impl AsRef<[u8]>,
        remote_tag: impl AsRef<[u8]>,
    ) -> Option<DialogId> {
        let (call_id, local_tag, remote_tag) = (call_id.as_ref(), local_tag.as_ref(), remote_tag.as_ref());
        self.find_hashed(self.hash(call_id, local_tag), call_id, local_tag, remote_tag)
    }

    fn find_hashed(&self, hash: u64, call_id: &[u8], local_tag: &[u8], remote_tag: &[u8]) -> Option<DialogId> {
        let mut at = *self.index.get(&hash)?;
        while let Some(slot) = self.slots.get(at as usize) {
            if let Some(dialog) = &slot.dialog
                && dialog.local_tag().as_bytes() == local_tag
                && dialog.remote_tag().as_bytes() == remote_tag
                && dialog.call_id().as_bytes() == call_id
            {
                return Some(DialogId(Id::new(self.shard, slot.generation, at)));
            }
            at = slot.next;
        }
        None
    }

    /// The sessions of all dialogs with this Call-ID and tag of ours: those of one INVITE of ours, and its forks.
    pub(crate) fn siblings<'a>(&'a self, call_id: &'a str, local_tag: &'a str) -> impl Iterator<Item = SessionId> + 'a {
        let mut at = self.index.get(&self.hash(call_id, local_tag)).copied().unwrap_or(NONE);
        let slots = std::iter::from_fn(move || {
            let slot = self.slots.get(at as usize)?;
            at = slot.next;
            Some(slot)
        });
        let is_one = move |dialog: &Dialog| dialog.local_tag() == local_tag && dialog.call_id() == call_id;
        slots.filter(move |slot| slot.dialog.as_ref().is_some_and(is_one)).map(|slot| slot.owner)
    }

    /// Takes a dialog out that has ended; its handle finds nothing any more.
    pub(crate) fn remove(&mut self, id: DialogId) -> Option<Dialog> {
        let hash = self.slots.get(id.0.slot() as usize)?.hash;
        let dialog = self.take(id)?;
        if self.ended.len() >= REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back(hash);
        Some(dialog)
    }

    /// Takes a dialog out that goes on elsewhere.
    pub(crate) fn take(&mut self, id: DialogId) -> Option<Dialog> {
        self.get(id)?;
        let at = id.0.slot();
        let hash = self.slots.get(at as usize)?.hash;
        self.unlink(hash, at);
        let slot = self.slots.get_mut(at as usize)?;
        let dialog = slot.dialog.take();
        slot.generation += 1;
        // A slot whose 2^24 generations are used up is never filled again.
        if slot.generation < LAST {
            slot.next = self.free;
            self.free = at;
        }
        self.len -= 1;
        dialog
    }

    /// Whether it is large and mostly empty.
    pub(crate) fn is_spare(&self) -> bool {
        is_spare(self.len, self.slots.len()) || is_spare(self.index.len(), self.index.capacity())
    }

    /// Where it is, gives room back: that of the index, and that at the end of the slots, of which the first are filled first from then on.
    pub(crate) fn trim(&mut self) {
        spare::shrink(&mut self.index);
        let is_free = |slot: &Slot| slot.dialog.is_none() && slot.generation < LAST;
        // See `slab`.
        let goes = |slot: &Slot| is_free(slot) && slot.generation < STAYS;
        let has_spare = is_spare(self.len, self.slots.len());
        if !has_spare || !self.slots.trim(goes, |slot| self.first = self.first.max(slot.generation)) {
            return;
        }
        self.free = NONE;
        for at in (0..self.slots.len()).rev() {
            if let Some(slot) = self.slots.get_mut(at).filter(|slot| is_free(slot)) {
                slot.next = self.free;
                self.free = at as u32;
            }
        }
    }

    /// Whether a dialog with this Call-ID and tag of ours was among the last that have ended.
    pub(crate) fn has_ended(&self, call_id: &str, local_tag: &str) -> bool {
        let hash = self.hash(call_id, local_tag);
        self.ended.contains(&hash)
    }

    pub(super) fn unlink(&mut self, hash: u64, at: u32) {
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
        self.slots.heap_size() + index + texts + self.ended.capacity() * size_of::<u64>()
    }

    pub(super) fn hash_of(&self, dialog: &Dialog) -> u64 {
        self.hash(dialog.call_id(), dialog.local_tag())
    }

    /// The peer's tag is left out: dialogs that differ in it alone are forks of one INVITE of ours, of which [`crate::invite::Policy`] allows
    /// a few.
    pub(super) fn hash(&self, call_id: impl AsRef<[u8]>, local_tag: impl AsRef<[u8]>) -> u64 {
        let mut hash = Sip13::new(self.keys.0);
        hash.word(3);
        hash.text(call_id.as_ref());
        hash.text(local_tag.as_ref());
        hash.finish()
    }
}
