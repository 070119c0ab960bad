//! Masks, sixteen octets at a time, with SSE2.
#![allow(unsafe_code)]

use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};

/// The octets below `limit`, which is 1 at least.
#[inline(always)]
pub(in super::super) fn below<const N: usize>(chunk: &[u8; N], limit: u8) -> u32 {
    #[inline]
    #[target_feature(enable = "sse2")]
    fn masked<const N: usize>(chunk: &[u8; N], limit: u8) -> u32 {
        let most = _mm_set1_epi8(limit.wrapping_sub(1).cast_signed());
        mask(chunk, |octets| _mm_cmpeq_epi8(_mm_min_epu8(octets, most), octets))
    }
    // SAFETY: this file is compiled only for targets that have SSE2.
    unsafe { masked(chunk, limit) }
}

/// The octets that are `octet`.
#[inline(always)]
pub(in super::super) fn equal<const N: usize>(chunk: &[u8; N], octet: u8) -> u32 {
    #[inline]
    #[target_feature(enable = "sse2")]
    fn masked<const N: usize>(chunk: &[u8; N], octet: u8) -> u32 {
        let wanted = _mm_set1_epi8(octet.cast_signed());
        mask(chunk, |octets| _mm_cmpeq_epi8(octets, wanted))
    }
    // SAFETY: as above.
    unsafe { masked(chunk, octet) }
}

/// Gathers a bit of each octet of what `marks` makes of each half.
#[inline]
#[target_feature(enable = "sse2")]
fn mask<const N: usize>(chunk: &[u8; N], marks: impl Fn(__m128i) -> __m128i) -> u32 {
    let (halves, _) = chunk.as_chunks::<16>();
    halves.iter().rev().fold(0, |mask, half| {
        let half = u128::from_le_bytes(*half);
        let octets = _mm_set_epi64x((half >> 64) as i64, half as i64);
        mask << 16 | _mm_movemask_epi8(marks(octets)).cast_unsigned()
    })
}
