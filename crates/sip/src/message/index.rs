//! The index of a message's header fields.

use super::HeaderId;

/// Entries kept without allocation.
const INLINE: usize = 32;

/// One header field: ranges in the message, whose head is at most 65,535 octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where the name starts.
    pub(super) start: u16,
    /// Where the value starts, behind white space.
    pub(super) value: u16,
    /// Where the value ends, before white space.
    pub(super) end: u16,
    /// Octets of the name.
    pub(super) name: u8,
    /// The [`HeaderId`] as a number.
    pub(super) id: u8,
}

impl Entry {
    pub(super) fn id(self) -> HeaderId {
        HeaderId::from_number(self.id)
    }
    pub(super) fn value_of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(usize::from(self.value)..usize::from(self.end)).unwrap_or_default()
    }
    pub(super) fn name_of(self, bytes: &[u8]) -> &[u8] {
        let start = usize::from(self.start);
        bytes.get(start..start + usize::from(self.name)).unwrap_or_default()
    }
    pub(super) fn line_of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }
}

/// The entries in order; the first 32 need no allocation, more need exactly one.
#[derive(Clone, Debug)]
pub(super) struct Index {
    inline: [Entry; INLINE],
    used: usize,
    spilled: Vec<Entry>,
}

impl Index {
    pub(super) fn new() -> Self {
        Index { inline: [Entry::default(); INLINE], used: 0, spilled: Vec::new() }
    }

    /// Adds an entry. `next` is where the next line starts and `most` how many entries may still come: for the one allocation.
    #[inline(always)]
    pub(super) fn push(&mut self, entry: Entry, bytes: &[u8], next: usize, most: usize) {
        match self.inline.get_mut(self.used) {
            Some(place) => {
                *place = entry;
                self.used += 1;
            }
            None => self.spill(entry, bytes, next, most),
        }
    }

    #[cold]
    #[inline(never)]
    fn spill(&mut self, entry: Entry, bytes: &[u8], next: usize, most: usize) {
        if self.spilled.is_empty() {
            let rest = bytes.get(next..).unwrap_or_default();
            let head = memchr::memmem::find(rest, b"\r\n\r\n").and_then(|end| rest.get(..end + 2)).unwrap_or_default();
            let more = memchr::memchr_iter(b'\n', head).take(most).count();
            self.spilled.reserve_exact(INLINE + 1 + more);
            self.spilled.extend_from_slice(&self.inline);
        }
        self.spilled.push(entry);
    }

    #[inline]
    pub(super) fn entries(&self) -> &[Entry] {
        match self.spilled.is_empty() {
            true => self.inline.get(..self.used).unwrap_or_default(),
            false => &self.spilled,
        }
    }

    pub(super) fn heap_size(&self) -> usize {
        self.spilled.capacity() * size_of::<Entry>()
    }
}
