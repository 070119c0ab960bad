//! A hierarchical timer wheel: starting, stopping and firing a timer cost the same however many there are.
//!
//! Ticks are 1 ms. Level 0 has 64 slots of one tick, level 1 has 64 of 64 ticks, and so on; seven levels reach 139 years. A timer stands in
//! the level of the highest bit in which its tick differs from the present one, and moves down when that bit's turn comes. Each slot
//! is a doubly linked list through one list of nodes, so there is no allocation per timer.
//!
//! A timer never fires before its time; it fires at the first whole millisecond at or after it.

use crate::chunks::Chunks;
use crate::spare::is_spare;
use crate::time::Time;

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 7;
const NONE: u32 = u32::MAX;
/// The furthest a timer can be: 69 years. What is meant to fire later fires then.
const REACH: u64 = 1 << 41;

/// A timer that was started. Stopping one that has fired or was stopped does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerId {
    node: u32,
    generation: u32,
}

impl TimerId {
    /// No timer: stopping it does nothing.
    pub(crate) const NONE: TimerId = TimerId { node: NONE, generation: 0 };
}

struct Node<T> {
    tick: u64,
    next: u32,
    prev: u32,
    generation: u32,
    /// Level * 64 + slot.
    list: u16,
    what: Option<T>,
}

/// The timers of a stack.
pub(crate) struct Wheel<T> {
    /// Everything up to this tick has fired.
    now: u64,
    /// Timers started now fire at this tick at the earliest: one that starts itself again cannot keep [`Wheel::fire`] busy for ever.
    floor: u64,
    heads: [[u32; SLOTS]; LEVELS],
    tails: [[u32; SLOTS]; LEVELS],
    /// Which slots of a level hold something.
    filled: [u64; LEVELS],
    nodes: Chunks<Node<T>>,
    free: u32,
    len: usize,
    /// The generation of new nodes: above those of all that were let go of.
    first: u32,
}

impl<T> std::fmt::Debug for Wheel<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wheel").field("now", &self.now).field("len", &self.len).finish_non_exhaustive()
    }
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Self {
            now: 0,
            floor: 0,
            heads: [[NONE; SLOTS]; LEVELS],
            tails: [[NONE; SLOTS]; LEVELS],
            filled: [0; LEVELS],
            nodes: Chunks::default(),
            free: NONE,
            len: 0,
            first: 0,
        }
    }
}

impl<T> Wheel<T> {
    /// How many timers run.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Time has passed: timers started from here on count from `now`, as far as nothing is due before.
    pub(crate) fn pass(&mut self, now: Time) {
        let until = now.0 / 1_000;
        if until > self.now {
            self.now = self.next_tick().map_or(until, |tick| until.min(tick - 1));
        }
    }

    /// Starts a timer. One whose time has passed fires a millisecond from now at the latest.
    pub(crate) fn start(&mut self, at: Time, what: T) -> TimerId {
        let tick = at.0.div_ceil(1_000).max(self.now + 1).max(self.floor).min(self.now + REACH);
        let node = match self.nodes.get_mut(self.free as usize) {
            Some(node) => {
                let index = self.free;
                self.free = node.next;
                (node.tick, node.what) = (tick, Some(what));
                index
            }
            None => {
                let index = self.nodes.len() as u32;
                let generation = self.first;
                self.nodes.push(Node { tick, next: NONE, prev: NONE, generation, list: 0, what: Some(what) });
                index
            }
        };
        self.len += 1;
        self.link(node);
        TimerId { node, generation: self.nodes.get(node as usize).map_or(0, |n| n.generation) }
    }

    /// Stops a timer and gives back what it would have said.
    pub(crate) fn stop(&mut self, id: TimerId) -> Option<T> {
        let node = self.nodes.get(id.node as usize)?;
        if node.generation != id.generation || node.what.is_none() {
            return None;
        }
        self.unlink(id.node);
        self.release(id.node)
    }

    /// Whether it is large and mostly empty.
    pub(crate) fn is_spare(&self) -> bool {
        is_spare(self.len, self.nodes.len())
    }

    /// Where it is, gives back the room at the end of its nodes. The first are used first from then on, so that more of the end becomes free in time.
    pub(crate) fn trim(&mut self) {
        let is_free = |node: &Node<T>| node.what.is_none();
        if !self.is_spare() || !self.nodes.trim(is_free, |node| self.first = self.first.max(node.generation)) {
            return;
        }
        self.free = NONE;
        for index in (0..self.nodes.len()).rev() {
            if let Some(node) = self.nodes.get_mut(index).filter(|node| node.what.is_none()) {
                node.next = self.free;
                self.free = index as u32;
            }
        }
    }

    /// Octets of its nodes, spare room included.
    #[cfg(test)]
    pub(crate) fn heap_size(&self) -> usize {
        self.nodes.heap_size()
    }

    /// When [`Wheel::fire`] has something to do: the time of the next timer, or the earlier moment at which a far one must be sorted
    /// anew.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.next_tick().map(|tick| Time(tick.saturating_mul(1_000)))
    }

    /// Takes the next timer that is due at `now`, if any. In order of ticks, and within one in order of starting (but for timers that
    /// came from a higher level, which come last).
    pub(crate) fn fire(&mut self, now: Time) -> Option<T> {
        let until = now.0 / 1_000;
        self.floor = until + 1;
        loop {
            let tick = match self.next_tick() {
                Some(tick) if tick <= until => tick,
                _ => {
                    // Nothing lies between: timers started later count from here.
                    self.now = self.now.max(until);
                    return None;
                }
            };
            if tick > self.now + 1 {
                self.now = tick - 1;
            }
            self.sort_down(tick);
            let slot = (tick as usize) & (SLOTS - 1);
            let first = self.heads[0][slot];
            if first != NONE {
                self.unlink(first);
                return self.release(first);
            }
            self.now = tick;
        }
    }

    /// The first tick after `self.now` at which a slot of some level begins that holds something.
    fn next_tick(&self) -> Option<u64> {
        let mut best: Option<u64> = None;
        for level in 0..LEVELS {
            let filled = self.filled[level];
            if filled == 0 {
                continue;
            }
            let shift = BITS * level as u32;
            // Timers of a level lie strictly after the slot in which `now + 1` stands, or in it at level 0.
            let base = self.now + 1;
            let at = ((base >> shift) & (SLOTS as u64 - 1)) as u32;
            let ahead = u64::from(filled.rotate_right(at).trailing_zeros());
            let tick = ((base >> shift) + ahead) << shift;
            let tick = tick.max(base);
            best = Some(best.map_or(tick, |best| best.min(tick)));
        }
        best
    }

    /// Moves the slots that begin at `tick` to the levels below.
    fn sort_down(&mut self, tick: u64) {
        for level in (1..LEVELS).rev() {
            let shift = BITS * level as u32;
            if tick & ((1 << shift) - 1) != 0 {
                continue;
            }
            let slot = ((tick >> shift) & (SLOTS as u64 - 1)) as usize;
            while self.heads[level][slot] != NONE {
                let node = self.heads[level][slot];
                self.unlink(node);
                self.link(node);
            }
        }
    }

    fn link(&mut self, index: u32) {
        let base = self.now + 1;
        let Some(node) = self.nodes.get_mut(index as usize) else { return };
        let differ = (node.tick ^ base) | 1;
        let level = (((63 - differ.leading_zeros()) / BITS) as usize).min(LEVELS - 1);
        let slot = ((node.tick >> (BITS * level as u32)) as usize) & (SLOTS - 1);
        node.list = (level * SLOTS + slot) as u16;
        node.next = NONE;
        let tail = self.tails[level][slot];
        node.prev = tail;
        match self.nodes.get_mut(tail as usize) {
            Some(last) => last.next = index,
            None => self.heads[level][slot] = index,
        }
        self.tails[level][slot] = index;
        self.filled[level] |= 1 << slot;
    }

    fn unlink(&mut self, index: u32) {
        let Some(node) = self.nodes.get(index as usize) else { return };
        let (next, prev) = (node.next, node.prev);
        let (level, slot) = (node.list as usize / SLOTS, node.list as usize % SLOTS);
        match self.nodes.get_mut(prev as usize) {
            Some(before) => before.next = next,
            None => self.heads[level][slot] = next,
        }
        match self.nodes.get_mut(next as usize) {
            Some(after) => after.prev = prev,
            None => self.tails[level][slot] = prev,
        }
        if self.heads[level][slot] == NONE {
            self.filled[level] &= !(1 << slot);
        }
    }

    fn release(&mut self, index: u32) -> Option<T> {
        let free = self.free;
        let node = self.nodes.get_mut(index as usize)?;
        node.generation = node.generation.wrapping_add(1);
        node.next = free;
        self.free = index;
        self.len -= 1;
        node.what.take()
    }
}

#[cfg(test)]
mod tests;
