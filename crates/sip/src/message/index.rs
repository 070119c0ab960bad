//! The index of a message's header fields.

use std::num::NonZeroU64;

use super::HeaderId;

/// Entries kept without allocation.
const INLINE: usize = 32;

/// One header field: ranges in the message, whose head is at most 65,535 octets. From the lowest bit on: where the name starts (16 bit),
/// where the value starts behind white space (16), where it ends before white space (16), octets of the name (8), the [`HeaderId`] (8).
/// Never 0, since the name and its colon stand before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry(NonZeroU64);

impl Entry {
    /// `start`, `value` and `end` must be at most 65,535.
    #[inline(always)]
    pub(super) fn new(start: usize, value: usize, end: usize, name: usize, id: u8) -> Entry {
        let name = (name as u64 & 0xff) << 48;
        let entry = start as u64 | (value as u64) << 16 | (end as u64) << 32 | name | u64::from(id) << 56;
        Entry(NonZeroU64::new(entry).unwrap_or(NonZeroU64::MIN))
    }
    /// The [`HeaderId`] as a number.
    #[inline(always)]
    pub(super) fn number(self) -> u8 {
        (self.0.get() >> 56) as u8
    }
    #[inline]
    pub(super) fn is(self, id: HeaderId) -> bool {
        self.number() == id as u8
    }
    pub(super) fn id(self) -> HeaderId {
        HeaderId::from_number(self.number())
    }
    fn start(self) -> usize {
        usize::from(self.0.get() as u16)
    }
    pub(super) fn value(self) -> usize {
        usize::from((self.0.get() >> 16) as u16)
    }
    pub(super) fn end(self) -> usize {
        usize::from((self.0.get() >> 32) as u16)
    }
    #[inline]
    pub(super) fn value_of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.value()..self.end()).unwrap_or_default()
    }
    pub(super) fn name_of(self, bytes: &[u8]) -> &[u8] {
        let name = (self.0.get() >> 48) as u8;
        bytes.get(self.start()..self.start() + usize::from(name)).unwrap_or_default()
    }
    pub(super) fn line_of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start()..self.end()).unwrap_or_default()
    }
    /// The line with the CRLF behind it, where that follows at once.
    pub(super) fn ended_line_of(self, bytes: &[u8]) -> &[u8] {
        let ended = bytes.get(self.start()..self.end() + 2).filter(|line| line.ends_with(b"\r\n"));
        ended.unwrap_or_else(|| self.line_of(bytes))
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
        Index { inline: [Entry(NonZeroU64::MIN); INLINE], used: 0, spilled: Vec::new() }
    }

    /// Adds an entry. `next` is where the next line starts, for the one allocation. Gives false when there are `most` entries already;
    /// the first 32 are not counted.
    #[inline(always)]
    pub(super) fn push(&mut self, entry: Entry, bytes: &[u8], next: usize, most: usize) -> bool {
        match self.inline.get_mut(self.used) {
            Some(place) => {
                *place = entry;
                self.used += 1;
                true
            }
            None => self.spill(entry, bytes, next, most),
        }
    }

    #[cold]
    #[inline(never)]
    fn spill(&mut self, entry: Entry, bytes: &[u8], next: usize, most: usize) -> bool {
        if self.entries().len() >= most {
            return false;
        }
        if self.spilled.is_empty() {
            let rest = bytes.get(next..).unwrap_or_default();
            let head = memchr::memmem::find(rest, b"\r\n\r\n").and_then(|end| rest.get(..end + 2)).unwrap_or_default();
            let more = memchr::memchr_iter(b'\n', head).take(most).count();
            self.spilled.reserve_exact(INLINE + 1 + more);
            self.spilled.extend_from_slice(&self.inline);
        }
        self.spilled.push(entry);
        true
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
