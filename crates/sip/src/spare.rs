//! Room of tables that is given back.
//!
//! A table grows with what stands in it. What a flood has made it grow to is not needed afterwards, and is more than all that a quiet server has. So a second
//! after timers have gone off, tables that are mostly empty give back what they can: hash tables are made anew for what is in them, and lists
//! ([`Chunks`](crate::chunks::Chunks)) let go of their end, as far as nothing stands there. What stands in the way, a call say, will have gone by one of the next
//! times. That is no more work than to look at each place once, never happens while a table is in use, and no message waits for it but those of that very moment.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use crate::stack::{Stack, Timer};
use crate::time::Time;

/// Room for so many is kept in any case.
const KEPT: usize = 1_024;
/// What is mostly empty: less than one place of so many is taken.
const MOSTLY: usize = 8;
/// How long after timers have gone off it is looked for spare room, and so how often at most.
const LATER: Duration = Duration::from_secs(1);

/// Whether a table with room for `room` that has `len` is mostly empty.
pub(crate) fn is_spare(len: usize, room: usize) -> bool {
    room > KEPT && len < room / MOSTLY
}

/// Makes a hash table that is mostly empty anew, with room for twice what is in it.
pub(crate) fn shrink<K: Eq + Hash, V, S: BuildHasher>(table: &mut HashMap<K, V, S>) {
    if is_spare(table.len(), table.capacity()) {
        table.shrink_to(table.len() * 2);
    }
}

impl Stack {
    /// Timers have gone off at `now`: where tables are mostly empty by now, they give room back a second later.
    pub(crate) fn look_for_spare_room(&mut self, now: Time) {
        if !self.spare_soon && self.has_spare_room() {
            self.spare_soon = true;
            self.wheel.start(now + LATER, Timer::Spare);
        }
    }

    fn has_spare_room(&self) -> bool {
        self.servers.is_spare()
            || self.clients.is_spare()
            || self.outgoing.is_spare()
            || self.asks.is_spare()
            || self.alarms.is_spare()
            || self.wheel.is_spare()
            || is_spare(self.arrivals.len(), self.arrivals.capacity())
            || self.sessions.is_spare()
    }

    /// What can grow with what peers send, and is mostly empty, gives room back.
    pub(crate) fn give_room_back(&mut self) {
        self.spare_soon = false;
        self.servers.trim();
        self.clients.trim();
        self.outgoing.trim();
        self.asks.trim();
        self.alarms.trim();
        self.wheel.trim();
        shrink(&mut self.arrivals);
        self.sessions.trim();
    }

    /// Octets of the tables themselves, their spare room included.
    #[cfg(test)]
    pub(crate) fn table_size(&self) -> usize {
        let index = self.arrivals.capacity() * (size_of::<(crate::transaction::key::Key, crate::id::Id)>() + 1);
        let requests = self.servers.heap_size() + self.clients.heap_size() + self.outgoing.heap_size();
        requests + self.asks.heap_size() + self.alarms.heap_size() + self.wheel.heap_size() + index
    }
}
