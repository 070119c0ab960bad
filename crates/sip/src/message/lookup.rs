//! Finds a header field by its name: eight octets at a time, one multiplication, one compare.

use super::HeaderId;
use super::scan::{HIGH, ONES, word};

/// No id.
const NONE: u8 = 0xff;
/// Slots of the table.
const SLOTS: usize = 512;
/// Makes every known name fall into a slot of its own; checked when this is compiled.
const FACTOR: u64 = 0x0b85_cce3_3cf7_dc93;

/// Letters lower-case; anything else unchanged (setting 0x20 everywhere would take CR for a hyphen).
#[inline(always)]
const fn lower(word: u64) -> u64 {
    word | ((word & (ONES * 0x40)) >> 1)
}

#[inline(always)]
const fn slot(first: u64, last: u64, length: usize) -> usize {
    ((first ^ last.rotate_left(29) ^ length as u64).wrapping_mul(FACTOR) >> 55) as usize
}

/// A name as three words: its first eight octets, the next eight, its last eight. Up to 24 octets they say all.
#[derive(Clone, Copy)]
struct Known {
    first: u64,
    middle: u64,
    last: u64,
    length: u8,
}

const fn known(name: &[u8]) -> Known {
    Known {
        first: chunk(name, 0, 8),
        middle: if name.len() > 16 { chunk(name, 8, 16) } else { 0 },
        last: if name.len() > 8 { chunk(name, name.len() - 8, name.len()) } else { 0 },
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
    let mut table = [Known { first: 0, middle: 0, last: 0, length: 0 }; COUNT];
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
        let place = slot(name.first, name.last, name.length as usize);
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

/// Reads a known name with its colon right behind it. Gives `None` for everything else, also near the end of the message: the caller
/// then looks again, octet by octet.
#[inline(always)]
pub(super) fn at(bytes: &[u8], start: usize) -> Option<Found> {
    let first = word(bytes, start)?;
    let mut length = 0;
    let mut chunk = first;
    loop {
        let differs = chunk ^ (ONES * b':' as u64);
        let marks = differs.wrapping_sub(ONES) & !differs & HIGH;
        if marks != 0 {
            length += (marks.trailing_zeros() / 8) as usize;
            break;
        }
        length += 8;
        if length >= 40 {
            return None;
        }
        chunk = word(bytes, start + length)?;
    }
    if length <= 1 {
        let id = *COMPACT.get((first & 0xff) as usize).filter(|_| length == 1)?;
        return (id != NONE).then_some(Found { id, length });
    }
    let (first, last) = if length < 8 {
        (lower(first & ((1 << (8 * length)) - 1)), 0)
    } else if length == 8 {
        (lower(first), 0)
    } else {
        (lower(first), lower(word(bytes, start + length - 8)?))
    };
    let id = *TABLE.get(slot(first, last, length) % SLOTS)?;
    let known = KNOWN.get(usize::from(id))?;
    let same = known.first == first && known.last == last && usize::from(known.length) == length;
    if !same || (length > 16 && !middle_agrees(bytes, start, length, id)) {
        return None;
    }
    Some(Found { id, length })
}

/// Looks up a whole name.
pub(super) fn name(name: &[u8]) -> HeaderId {
    // Longer than any known name, with room for the colon behind it and for reading eight octets beyond that.
    let mut line = [b':'; 56];
    match line.get_mut(..name.len()) {
        Some(place) if name.len() < 40 => place.copy_from_slice(name),
        _ => return HeaderId::Other,
    }
    match at(&line, 0) {
        Some(found) if found.length == name.len() => HeaderId::from_number(found.id),
        _ => HeaderId::Other,
    }
}

/// Compares what the first and the last eight octets leave out.
#[inline(always)]
fn middle_agrees(bytes: &[u8], start: usize, length: usize, id: u8) -> bool {
    if length <= 24 {
        return word(bytes, start + 8).map(lower) == KNOWN.get(usize::from(id)).map(|known| known.middle);
    }
    let name = bytes.get(start..start + length).unwrap_or_default();
    HeaderId::from_number(id).name().as_bytes().eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Option<HeaderId> {
        at(line.as_bytes(), 0).map(|found| HeaderId::from_number(found.id))
    }

    #[test]
    fn rfc3261_7_3_1_every_name_is_found_in_any_case() {
        for id in HeaderId::ALL {
            for name in [id.name().to_owned(), id.name().to_lowercase(), id.name().to_uppercase()] {
                assert_eq!(found(&format!("{name}: value and more")), Some(*id), "{name}");
            }
            let letters = id.compact().into_iter().flat_map(|letter| [letter, letter.to_ascii_uppercase()]);
            for letter in letters {
                assert_eq!(found(&format!("{}: value", char::from(letter))), Some(*id));
            }
        }
    }

    #[test]
    fn rfc3261_7_3_1_a_name_with_one_octet_changed_is_another_name() {
        for id in HeaderId::ALL {
            for at in 0..id.name().len() {
                for octet in (0..=255_u8).filter(|octet| *octet != b':') {
                    let mut line = format!("{}: value and more", id.name()).into_bytes();
                    let same = line[at].eq_ignore_ascii_case(&octet);
                    line[at] = octet;
                    let found = super::at(&line, 0).map(|found| HeaderId::from_number(found.id));
                    assert_eq!(found == Some(*id), same, "{} with {octet:#x} at {at}", id.name());
                }
            }
        }
    }
}
