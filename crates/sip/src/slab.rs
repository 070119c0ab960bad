//! A table whose keys are never reused: each slot counts how often it has been filled.

use crate::chunks::Chunks;
use crate::id::{Id, Shard};
use crate::spare::is_spare;

/// The generation at which a slot is used up.
pub(crate) const LAST: u32 = 1 << 24;
/// At which one stays where it is: new slots begin above those that were let go of, and are to last as long again.
pub(crate) const STAYS: u32 = LAST / 2;

/// Values found by [`Id`]. Slots are used again in last-out-first-in order, under another generation.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Chunks<Slot<T>>,
    free: Vec<u32>,
    len: usize,
    /// The generation of new slots: above those of all that were let go of.
    first: u32,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Chunks::default(), free: Vec::new(), len: 0, first: 1 }
    }
}

impl<T> Slab<T> {
    /// An empty table.
    pub(crate) fn new() -> Self {
        Self::default()
    }
    /// Puts `value` into a free slot. A slot whose 2^24 generations are used up is never filled again.
    pub(crate) fn insert(&mut self, shard: Shard, value: T) -> Id {
        self.len += 1;
        if let Some(at) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(at as usize)
        {
            slot.value = Some(value);
            return Id::new(shard, slot.generation, at);
        }
        let at = self.slots.len() as u32;
        self.slots.push(Slot { generation: self.first, value: Some(value) });
        Id::new(shard, self.first, at)
    }
    /// The value, unless it has been removed.
    pub(crate) fn get(&self, id: Id) -> Option<&T> {
        let slot = self.slots.get(id.slot() as usize)?;
        if slot.generation == id.generation() { slot.value.as_ref() } else { None }
    }
    /// The value, unless it has been removed.
    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.slot() as usize)?;
        if slot.generation == id.generation() { slot.value.as_mut() } else { None }
    }
    /// Takes the value out.
    pub(crate) fn remove(&mut self, id: Id) -> Option<T> {
        let slot = self.slots.get_mut(id.slot() as usize)?;
        if slot.generation != id.generation() {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation += 1;
        if slot.generation < LAST {
            self.free.push(id.slot());
        }
        self.len -= 1;
        Some(value)
    }
    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
    /// Whether it is large and mostly empty.
    pub(crate) fn is_spare(&self) -> bool {
        is_spare(self.len, self.slots.len())
    }
    /// Where it is, gives back the room at its end. The first slots are filled first from then on, so that more of the end becomes free in time.
    pub(crate) fn trim(&mut self) {
        let is_free = |slot: &Slot<T>| slot.value.is_none() && slot.generation < LAST;
        let goes = |slot: &Slot<T>| is_free(slot) && slot.generation < STAYS;
        if !self.is_spare() || !self.slots.trim(goes, |slot| self.first = self.first.max(slot.generation)) {
            return;
        }
        self.free.clear();
        self.free.extend((0_u32..).zip(self.slots.iter()).filter(|(_, slot)| is_free(slot)).map(|(at, _)| at));
        self.free.reverse();
        self.free.shrink_to_fit();
    }
    /// Octets of the table itself, its spare room included.
    #[cfg(test)]
    pub(crate) fn heap_size(&self) -> usize {
        self.slots.heap_size() + self.free.capacity() * size_of::<u32>()
    }
    /// All values, in the order of their slots, with their handles.
    pub(crate) fn iter(&self, shard: Shard) -> impl Iterator<Item = (Id, &T)> {
        self.slots.iter().enumerate().filter_map(move |(at, slot)| {
            slot.value.as_ref().map(|value| (Id::new(shard, slot.generation, at as u32), value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slab_never_finds_what_has_gone() {
        let mut slab = Slab::new();
        let a = slab.insert(Shard(3), 'a');
        assert_eq!((slab.get(a), a.shard()), (Some(&'a'), Shard(3)));
        assert_eq!(slab.remove(a), Some('a'));
        let b = slab.insert(Shard(3), 'b');
        assert_eq!(a.slot(), b.slot());
        assert_eq!(slab.get(a), None);
        assert_eq!((slab.remove(a), slab.len()), (None, 1));
        assert_eq!(slab.get_mut(b).copied(), Some('b'));
        assert_eq!(slab.get(Id::new(Shard(3), 1, 99)), None);
    }

    #[test]
    fn slab_gives_room_back_and_never_finds_what_stood_there() {
        let mut slab = Slab::new();
        let before: Vec<Id> = (0..10_000).map(|n| slab.insert(Shard(0), n)).collect();
        let (size, kept) = (slab.heap_size(), before[2_000]);
        before.iter().filter(|id| **id != kept).for_each(|id| assert!(slab.remove(*id).is_some()));
        // Some slots have been used more often than others.
        for _ in 0..5 {
            let again = slab.insert(Shard(0), 0);
            slab.remove(again);
        }
        slab.trim();
        assert_eq!((slab.get(kept), slab.len()), (Some(&2_000), 1));
        assert!(slab.heap_size() * 3 < size, "{} octets of {size}", slab.heap_size());
        let after: Vec<Id> = (0..10_000).map(|n| slab.insert(Shard(0), n)).collect();
        assert_eq!(after[0].slot(), 0, "the first are filled first");
        assert!(before.iter().filter(|id| **id != kept).all(|id| slab.get(*id).is_none()));
        assert!((0..).zip(&after).all(|(n, id)| slab.get(*id) == Some(&n)));
        after.iter().chain([&kept]).for_each(|id| assert!(slab.remove(*id).is_some()));
        slab.trim();
        assert!(slab.heap_size() * 10 < size, "{} octets of {size}", slab.heap_size());
    }

    #[test]
    fn slab_that_is_in_use_or_small_keeps_its_room() {
        for (count, left) in [(10_000, 1_250), (1_024, 0)] {
            let mut slab = Slab::new();
            let all: Vec<Id> = (0..count).map(|n| slab.insert(Shard(0), n)).collect();
            all.iter().skip(left).for_each(|id| assert!(slab.remove(*id).is_some()));
            let size = slab.heap_size();
            slab.trim();
            assert_eq!(slab.heap_size(), size);
        }
    }

    #[test]
    fn slab_keeps_slots_that_are_used_up() {
        let mut slab = Slab::new();
        (0..2_000).for_each(|n| {
            slab.insert(Shard(0), n);
        });
        slab.slots.push(Slot { generation: LAST - 1, value: Some(0) });
        slab.len += 1;
        let used_up = Id::new(Shard(0), LAST - 1, 2_000);
        let ids: Vec<Id> = slab.iter(Shard(0)).map(|(id, _)| id).collect();
        ids.iter().for_each(|id| assert!(slab.remove(*id).is_some()));
        slab.trim();
        assert_eq!((slab.slots.len(), slab.first, slab.get(used_up)), (2_001, 1, None));
    }

    #[test]
    fn slab_retires_a_slot_after_its_last_generation() {
        let mut slab = Slab::new();
        slab.slots.push(Slot { generation: (1 << 24) - 1, value: Some(1) });
        slab.len = 1;
        let id = Id::new(Shard(0), (1 << 24) - 1, 0);
        assert_eq!(slab.remove(id), Some(1));
        assert_eq!(slab.insert(Shard(0), 2).slot(), 1);
    }

    /// One that is nearly used up would have all that come after it used up as soon, for ever.
    #[test]
    fn slab_keeps_the_slot_that_new_ones_would_not_outlast() {
        for (generation, goes) in [(STAYS - 1, true), (STAYS, false), (LAST - 1, false)] {
            let mut slab = Slab::new();
            let ids: Vec<Id> = (0..10_000).map(|n| slab.insert(Shard(0), n)).collect();
            ids.iter().for_each(|id| assert!(slab.remove(*id).is_some()));
            slab.slots.get_mut(9_999).unwrap().generation = generation;
            let size = slab.heap_size();
            slab.trim();
            assert_eq!((slab.heap_size() * 3 < size, slab.first), (goes, if goes { generation } else { 1 }));
            let after: Vec<Id> = (0..10_000).map(|n| slab.insert(Shard(0), n)).collect();
            let last = after.iter().find(|id| id.slot() == 9_999).unwrap();
            assert_eq!(last.generation(), generation);
            after.iter().for_each(|id| assert!(slab.remove(*id).is_some()));
            // None is lost but the one that is used up.
            assert_eq!(slab.free.len(), if generation == LAST - 1 { 9_999 } else { 10_000 });
        }
    }
}
