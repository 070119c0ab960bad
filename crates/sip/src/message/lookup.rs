//! Finds a header field by its name: eight octets at a time, one multiplication, one compare.

use super::scan::{self, HIGH, ONES, word};
use super::{HeaderId, class};

/// No id.
const NONE: u8 = 0xff;
/// Slots of the table.
const SLOTS: usize = 512;
/// Makes every known name fall into a slot of its own; checked when this is compiled.
const FACTOR: u64 = 0x1218_bbae_c6f2_8f67;

/// Letters lower-case; anything else unchanged (setting 0x20 everywhere would take CR for a hyphen).
#[inline(always)]
const fn lower(word: u64) -> u64 {
    word | ((word & (ONES * 0x40)) >> 1)
}

#[inline(always)]
const fn slot(first: u64, second: u64, length: usize) -> usize {
    ((first ^ second.rotate_left(29) ^ length as u64).wrapping_mul(FACTOR) >> 55) as usize
}

/// A name as three words: its first eight octets, the next eight, its last eight (when it has 16 or more). Up to 24 octets they say all.
#[derive(Clone, Copy)]
struct Known {
    first: u64,
    second: u64,
    last: u64,
    length: u8,
}

const fn known(name: &[u8]) -> Known {
    Known {
        first: chunk(name, 0, 8),
        second: chunk(name, 8, 16),
        last: if name.len() >= 16 { chunk(name, name.len() - 8, name.len()) } else { 0 },
        length: name.len() as u8,
    }
}

/// Octets `from` to `to` as a number, the first one lowest.
const fn chunk(name: &[u8], from: usize, to: usize) -> u64 {
    let (mut word, mut i) = (0, from);
    while i < to && i < name.len() {
        word |= (name[i] as u64) << (8 * (i - from));
        i += 1;
    }
    lower(word)
}

const COUNT: usize = HeaderId::ALL.len();

static KNOWN: [Known; COUNT] = {
    let mut table = [Known { first: 0, second: 0, last: 0, length: 0 }; COUNT];
    let mut i = 0;
    while i < COUNT {
        table[i] = known(HeaderId::ALL[i].name().as_bytes());
        i += 1;
    }
    table
};

static TABLE: [u8; SLOTS] = {
    let mut table = [NONE; SLOTS];
    let mut i = 0;
    while i < COUNT {
        let name = known(HeaderId::ALL[i].name().as_bytes());
        let place = slot(name.first, name.second, name.length as usize);
        assert!(table[place] == NONE, "two names in one slot: choose another factor");
        table[place] = i as u8;
        i += 1;
    }
    table
};

static COMPACT: [u8; 256] = {
    let mut table = [NONE; 256];
    let mut i = 0;
    while i < COUNT {
        if let Some(letter) = HeaderId::ALL[i].compact() {
            table[letter as usize] = i as u8;
            table[letter.to_ascii_uppercase() as usize] = i as u8;
        }
        i += 1;
    }
    table
};

/// A name read from a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) id: u8,
    /// Octets up to the colon, which stands right behind the name.
    pub(super) length: usize,
}

/// Where the first colon of eight octets stands, times eight and plus seven; `None` without one. May point at an octet above 0x7f
/// instead.
#[inline(always)]
fn colon(word: u64) -> Option<u32> {
    let marks = (word ^ (ONES * b':' as u64)).wrapping_sub(ONES) & HIGH;
    if marks == 0 { None } else { Some(marks.trailing_zeros()) }
}

/// Reads a known name of at most 15 octets with its colon right behind it, at the start of `line`. Gives `None` for everything else,
/// also near the end of the message.
///
/// Two things are left to the caller, who knows them anyway: that a colon stands behind the name, and that no CR stands in it, which
/// would be taken for a hyphen.
#[inline(always)]
pub(super) fn short(line: &[u8]) -> Option<Found> {
    let (head, _) = line.split_first_chunk::<16>()?;
    let word = u128::from_le_bytes(*head);
    let (first, second) = (word as u64, (word >> 64) as u64);
    let (first, second, length) = match colon(first) {
        Some(15) => {
            let id = *COMPACT.get((first & 0xff) as usize)?;
            return (id != NONE).then_some(Found { id, length: 1 });
        }
        Some(bits) => ((first | (ONES * 0x20)) & !(u64::MAX << (bits & 0x38)), 0, bits / 8),
        None => {
            let bits = colon(second)?;
            (first | (ONES * 0x20), (second | (ONES * 0x20)) & !(u64::MAX << (bits & 0x38)), 8 + bits / 8)
        }
    };
    let length = length as usize;
    let id = *TABLE.get(slot(first, second, length) % SLOTS)?;
    let known = KNOWN.get(usize::from(id))?;
    let same = known.first == first && known.second == second && usize::from(known.length) == length;
    same.then_some(Found { id, length })
}

/// Reads a known name of 16 octets and more.
pub(super) fn long(line: &[u8]) -> Option<Found> {
    let tail = line.get(16..)?;
    let length = scan::find(tail.get(..24).unwrap_or(tail), b':')? + 16;
    let (first, second) = (word(line, 0).map(lower)?, word(line, 8).map(lower)?);
    let id = *TABLE.get(slot(first, second, length) % SLOTS)?;
    let known = KNOWN.get(usize::from(id))?;
    let last = word(line, length - 8).map(lower)?;
    let same = known.first == first && known.second == second && known.last == last;
    let name = line.get(..length).unwrap_or_default();
    let longer = || HeaderId::from_number(id).name().as_bytes().eq_ignore_ascii_case(name);
    (same && usize::from(known.length) == length && (length <= 24 || longer())).then_some(Found { id, length })
}

/// With so many octets of message left every known name is found by [`short`] or [`long`].
pub(super) const ROOM: usize = 48;

/// Looks up a whole name.
pub(super) fn name(name: &[u8]) -> HeaderId {
    // Longer than any known name, with room for the colon behind it and for reading eight octets beyond that.
    let mut line = [b':'; 56];
    match line.get_mut(..name.len()) {
        Some(place) if name.len() < 40 && class::all(name, class::TOKEN) => place.copy_from_slice(name),
        _ => return HeaderId::Other,
    }
    match short(&line).or_else(|| long(&line)) {
        Some(found) if found.length == name.len() => HeaderId::from_number(found.id),
        _ => HeaderId::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_7_3_1_every_name_is_found_in_any_case() {
        for id in HeaderId::ALL {
            for text in [id.name().to_owned(), id.name().to_lowercase(), id.name().to_uppercase()] {
                assert_eq!(name(text.as_bytes()), *id, "{text}");
            }
            for letter in id.compact().into_iter().flat_map(|letter| [letter, letter.to_ascii_uppercase()]) {
                assert_eq!(name(&[letter]), *id);
            }
        }
        assert_eq!(name(b""), HeaderId::Other);
    }

    #[test]
    fn rfc3261_7_3_1_a_name_with_one_octet_changed_is_another_name() {
        for id in HeaderId::ALL {
            for at in 0..id.name().len() {
                for octet in 0..=255_u8 {
                    let mut text = id.name().as_bytes().to_vec();
                    let same = text[at].eq_ignore_ascii_case(&octet);
                    text[at] = octet;
                    assert_eq!(name(&text) == *id, same, "{} with {octet:#x} at {at}", id.name());
                }
            }
        }
    }
}
