//! A table whose keys are never reused: each slot counts how often it has been filled.

use crate::chunks::Chunks;
use crate::id::{Id, Shard};

/// Values found by [`Id`]. Slots are used again in last-out-first-in order, under another generation.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Chunks<Slot<T>>,
    free: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Chunks::default(), free: Vec::new(), len: 0 }
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
        self.slots.push(Slot { generation: 1, value: Some(value) });
        Id::new(shard, 1, at)
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
        if slot.generation < 1 << 24 {
            self.free.push(id.slot());
        }
        self.len -= 1;
        Some(value)
    }
    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.len
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
    fn slab_retires_a_slot_after_its_last_generation() {
        let mut slab = Slab::new();
        slab.slots.push(Slot { generation: (1 << 24) - 1, value: Some(1) });
        slab.len = 1;
        let id = Id::new(Shard(0), (1 << 24) - 1, 0);
        assert_eq!(slab.remove(id), Some(1));
        assert_eq!(slab.insert(Shard(0), 2).slot(), 1);
    }
}
