//! Which of 16 or 32 octets are wanted, as a bit each: the lowest bit is the first octet.
//!
//! [`words`] looks at eight octets at a time. Where the target has SSE2, as every x86-64 has, [`vectors`] looks at sixteen; the fuzz target
//! `lines` compares the two with each other and with a look at each octet.

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
pub(super) mod vectors;
pub(super) mod words;

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
pub(super) use vectors::{below, equal};
#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
pub(super) use words::{below, equal};

/// The first `N` octets from `at` on, when there are so many. Masks are made of 16 or 32.
#[inline(always)]
pub(super) fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    bytes.get(at..at.wrapping_add(N))?.first_chunk()
}

/// The same near the end, with NULs behind it.
#[inline(never)]
pub(super) fn padded<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut chunk = [0; N];
    chunk.iter_mut().zip(bytes.get(at..).unwrap_or_default()).for_each(|(place, octet)| *place = *octet);
    chunk
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_mark_the_octets_asked_for_and_no_other() {
        // Every octet stands at every place, among neighbours that a borrow or a carry would touch.
        for octet in 0..=255_u8 {
            for at in 0..32 {
                let mut chunk: [u8; 32] = std::array::from_fn(|i| [0, 0x80, 0x7f, 0xff, b':', b' ', 0x1f][i % 7]);
                chunk[at] = octet;
                let one_by_one =
                    |wanted: &dyn Fn(u8) -> bool| (0..32).fold(0, |mask, i| mask | u32::from(wanted(chunk[i])) << i);
                for limit in [1, b' ', 0x21, 0x7f, 0x80] {
                    let expected = one_by_one(&|octet| octet < limit);
                    assert_eq!(below(&chunk, limit), expected, "below {limit:#x} in {chunk:x?}");
                    assert_eq!(words::below(&chunk, limit), expected, "below {limit:#x} in {chunk:x?}");
                }
                for wanted in [b':', octet] {
                    let expected = one_by_one(&|octet| octet == wanted);
                    assert_eq!(equal(&chunk, wanted), expected, "{wanted:#x} in {chunk:x?}");
                    assert_eq!(words::equal(&chunk, wanted), expected, "{wanted:#x} in {chunk:x?}");
                }
                let half = chunk.first_chunk::<16>().unwrap();
                assert_eq!(below(half, b' '), words::below(half, b' '));
            }
        }
    }
}
