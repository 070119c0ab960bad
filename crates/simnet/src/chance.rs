//! Random numbers that a seed fixes.

use std::time::Duration;

/// A small generator (SplitMix64): good enough to shuffle events, no good for secrets.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }
    /// Any number.
    pub fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// A number below `n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.u64().checked_rem(n).unwrap_or(0)
    }
    /// True in so many cases of a thousand.
    pub fn permille(&mut self, cases: u32) -> bool {
        self.below(1_000) < u64::from(cases)
    }
    /// From `least` to `most` milliseconds.
    pub fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most.saturating_sub(least) + 1))
    }
    /// One of these.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
    /// A generator of its own, so that one user's draws do not change another's.
    pub fn split(&mut self) -> Chance {
        Chance::new(self.u64())
    }
    /// 32 octets, for a stack.
    pub fn octets(&mut self) -> [u8; 32] {
        let mut octets = [0; 32];
        for eight in octets.chunks_exact_mut(8) {
            eight.copy_from_slice(&self.u64().to_le_bytes());
        }
        octets
    }
}
