//! Finds a header field by its name: one multiplication and one compare.

use super::HeaderId;
use super::scan::ONES;

/// No id.
const NONE: u8 = 0xff;
/// Slots of the table.
const SLOTS: usize = 512;
/// Makes every known name fall into a slot of its own; checked when this is compiled.
const FACTOR: u64 = 0x1218_bbae_c6f2_8f67;

#[inline(always)]
const fn slot(first: u64, second: u64, length: usize) -> usize {
    ((first ^ second.rotate_left(29) ^ length as u64).wrapping_mul(FACTOR) >> 55) as usize
}

/// The first 16 octets in lower case, NULs behind them.
const fn words(name: &[u8]) -> [u64; 2] {
    let (mut words, mut i) = ([0; 2], 0);
    while i < name.len() && i < 16 {
        words[i / 8] |= (name[i].to_ascii_lowercase() as u64) << (8 * (i % 8));
        i += 1;
    }
    words
}

/// Keeps so many octets of two words.
static MASKS: [[u64; 2]; 16] = {
    let mut masks = [[0; 2]; 16];
    let mut length = 0;
    while length < 16 {
        let mut i = 0;
        while i < length {
            masks[length][i / 8] |= 0xff << (8 * (i % 8));
            i += 1;
        }
        length += 1;
    }
    masks
};

const COUNT: usize = HeaderId::ALL.len();

/// Where a name falls: its first two words and its number. The second word of a name of 16 octets and more is that of no shorter one.
#[derive(Clone, Copy)]
struct Slot {
    first: u64,
    second: u64,
    id: u8,
}

static TABLE: [Slot; SLOTS] = {
    let mut table = [Slot { first: 0, second: 0, id: NONE }; SLOTS];
    let mut i = 0;
    while i < COUNT {
        let name = HeaderId::ALL[i].name().as_bytes();
        assert!(name.len() <= 32, "a name is longer than its two ends");
        let [first, second] = words(name);
        let place = slot(first, second, name.len());
        assert!(table[place].id == NONE, "two names in one slot: choose another factor");
        table[place] = Slot { first, second, id: i as u8 };
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

/// The number of the known name that the first `length` octets are, 2 to 15, in any case. One thing is left to the caller: that there is
/// no CR among them, which would be taken for a hyphen.
#[inline(always)]
pub(super) fn short(octets: &[u8; 16], length: usize) -> Option<u8> {
    let octets = u128::from_le_bytes(*octets);
    let [first, second] = *MASKS.get(length)?;
    let first = (octets as u64 | (ONES * 0x20)) & first;
    let second = ((octets >> 64) as u64 | (ONES * 0x20)) & second;
    let found = TABLE.get(slot(first, second, length) % SLOTS)?;
    (found.first == first && found.second == second).then_some(found.id)
}

/// The id of a known name of 16 octets and more.
fn long(name: &[u8]) -> Option<HeaderId> {
    let [first, second] = lower(name.first_chunk()?);
    let found = TABLE.get(slot(first, second, name.len()) % SLOTS)?;
    let id = HeaderId::from_number(found.id);
    // No name has more than 32 octets, so both ends are all of it.
    let same = id.name().len() == name.len() && lower(id.name().as_bytes().last_chunk()?) == lower(name.last_chunk()?);
    (found.first == first && found.second == second && same).then_some(id)
}

/// Letters lower-case; anything else stays what no name has.
#[inline(always)]
fn lower(octets: &[u8; 16]) -> [u64; 2] {
    let octets = u128::from_le_bytes(*octets);
    [octets as u64, (octets >> 64) as u64].map(|word| word | ((word & (ONES * 0x40)) >> 1))
}

/// Looks up a whole name.
pub(super) fn name(name: &[u8]) -> HeaderId {
    match name {
        [] => HeaderId::Other,
        [letter] => COMPACT.get(usize::from(*letter)).map_or(HeaderId::Other, |id| HeaderId::from_number(*id)),
        _ if name.len() < 16 => {
            let mut octets = [0; 16];
            octets.iter_mut().zip(name).for_each(|(place, octet)| *place = *octet);
            let id = short(&octets, name.len()).filter(|_| !name.contains(&b'\r'));
            id.map_or(HeaderId::Other, HeaderId::from_number)
        }
        _ => long(name).unwrap_or(HeaderId::Other),
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
