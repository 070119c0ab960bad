//! Masks, eight octets at a time, for any processor.

use super::super::scan::{HIGH, ONES};

/// The octets below `limit`, which is 128 at most.
pub(in super::super) fn below<const N: usize>(chunk: &[u8; N], limit: u8) -> u32 {
    // With the highest bit set, nothing is borrowed from the next octet.
    mask(chunk, |word| !((word | HIGH) - ONES * u64::from(limit)) & !word)
}

/// The octets that are `octet`.
pub(in super::super) fn equal<const N: usize>(chunk: &[u8; N], octet: u8) -> u32 {
    mask(chunk, |word| {
        let differs = word ^ (ONES * u64::from(octet));
        !(((differs & !HIGH) + !HIGH) | differs)
    })
}

/// Gathers the highest bit of each octet of what `marks` makes of each word.
fn mask<const N: usize>(chunk: &[u8; N], marks: impl Fn(u64) -> u64) -> u32 {
    let (words, _) = chunk.as_chunks::<8>();
    words.iter().rev().fold(0, |mask, word| {
        let marks = (marks(u64::from_le_bytes(*word)) & HIGH) >> 7;
        mask << 8 | (marks.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
    })
}
