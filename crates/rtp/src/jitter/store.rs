//! Where packets wait: 64 slots by sequence number, and one ring of memory for their payloads.

use crate::{Packet, PayloadType, SequenceNumber, Timestamp};

/// How many consecutive sequence numbers can wait.
pub(super) const SLOTS: u16 = 64;

/// A waiting packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) sequence_number: SequenceNumber,
    pub(super) timestamp: Timestamp,
    /// How long it lasts, in units of the clock.
    pub(super) units: u32,
    /// Where the payload lies, counted on without wrapping at the ring's end.
    position: u32,
    length: u16,
    pub(super) payload_type: PayloadType,
    pub(super) marker: bool,
    /// It only fills its place in the sequence: there is nothing to play.
    pub(super) filler: bool,
}

const VACANT: Slot = Slot {
    sequence_number: SequenceNumber(0),
    timestamp: Timestamp(0),
    units: 0,
    position: 0,
    length: 0,
    payload_type: PayloadType::PCMU,
    marker: false,
    filler: true,
};

/// What became of a packet that was to be stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stored {
    Yes,
    Occupied,
    NoRoom,
}

#[derive(Clone, Debug)]
pub(super) struct Store {
    slots: Box<[Slot; SLOTS as usize]>,
    /// Bit n: slot n waits.
    occupied: u64,
    /// A power of two long.
    memory: Box<[u8]>,
    /// Where the next payload goes.
    head: u32,
    /// No waiting payload lies before this.
    tail: u32,
}

impl Store {
    /// A store with `capacity` octets, which must be a power of two.
    pub(super) fn new(capacity: usize) -> Self {
        debug_assert!(capacity.is_power_of_two());
        Self {
            slots: Box::new([VACANT; SLOTS as usize]),
            occupied: 0,
            memory: vec![0; capacity].into(),
            head: 0,
            tail: 0,
        }
    }

    /// Copies a packet in. The caller keeps all waiting packets within 64 sequence numbers.
    pub(super) fn insert(&mut self, packet: &Packet<'_>, units: u32, filler: bool) -> Stored {
        let sequence_number = packet.sequence_number();
        if self.occupied & bit(sequence_number) != 0 {
            return Stored::Occupied;
        }
        let payload: &[u8] = if filler { &[] } else { packet.payload() };
        let Some(position) = self.room(payload.len()) else { return Stored::NoRoom };
        let start = position as usize & (self.memory.len() - 1);
        let (Some(target), Ok(length), Some(slot)) = (
            self.memory.get_mut(start..start + payload.len()),
            u16::try_from(payload.len()),
            self.slots.get_mut(index(sequence_number)),
        ) else {
            return Stored::NoRoom;
        };
        target.copy_from_slice(payload);
        *slot = Slot {
            sequence_number,
            timestamp: packet.timestamp(),
            units,
            position,
            length,
            payload_type: packet.payload_type(),
            marker: packet.marker(),
            filler,
        };
        self.head = position.wrapping_add(u32::from(length));
        self.occupied |= bit(sequence_number);
        Stored::Yes
    }

    /// The first waiting packet from `from` on, which no waiting packet precedes.
    pub(super) fn first_from(&self, from: SequenceNumber) -> Option<&Slot> {
        if self.occupied == 0 {
            return None;
        }
        let ahead = self.occupied.rotate_right(u32::from(from.0 % SLOTS)).trailing_zeros();
        self.slots.get(index(from.plus(ahead as u16)))
    }

    /// Frees a slot; its payload stays readable until the next insertion.
    pub(super) const fn remove(&mut self, sequence_number: SequenceNumber) {
        self.occupied &= !bit(sequence_number);
    }

    pub(super) const fn clear(&mut self) {
        self.occupied = 0;
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.occupied == 0
    }

    pub(super) const fn len(&self) -> u32 {
        self.occupied.count_ones()
    }

    pub(super) fn payload(&self, slot: &Slot) -> &[u8] {
        let start = slot.position as usize & (self.memory.len() - 1);
        self.memory.get(start..start + usize::from(slot.length)).unwrap_or(&[])
    }

    /// How long all waiting packets last together.
    pub(super) fn units(&self) -> u32 {
        self.waiting().map(|slot| slot.units).sum()
    }

    fn waiting(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().enumerate().filter(|(n, _)| self.occupied >> n & 1 == 1).map(|(_, slot)| slot)
    }

    /// A place for `length` contiguous octets, without overwriting a waiting payload.
    fn room(&mut self, length: usize) -> Option<u32> {
        let capacity = self.memory.len();
        if length > capacity / 2 {
            return None;
        }
        if self.occupied == 0 {
            (self.head, self.tail) = (0, 0);
        }
        let start = self.head as usize & (capacity - 1);
        let skipped = if start + length > capacity { capacity - start } else { 0 };
        let used = |store: &Self| store.head.wrapping_sub(store.tail) as usize + skipped + length;
        if used(self) > capacity {
            let oldest = self.waiting().map(|slot| self.head.wrapping_sub(slot.position)).max().unwrap_or(0);
            self.tail = self.head.wrapping_sub(oldest);
            if used(self) > capacity {
                return None;
            }
        }
        Some(self.head.wrapping_add(skipped as u32))
    }
}

const fn index(sequence_number: SequenceNumber) -> usize {
    (sequence_number.0 % SLOTS) as usize
}

const fn bit(sequence_number: SequenceNumber) -> u64 {
    1 << (sequence_number.0 % SLOTS)
}
