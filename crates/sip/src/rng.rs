//! Random text and numbers from the seed: tags, branches, Call-IDs. The same seed and the same inputs give the same output.

use std::fmt;
use std::time::Duration;

use crate::siphash::Sip13;

/// A keyed counter: each number is SipHash of a counter under a secret key, so seeing some tells nothing about the next.
pub(crate) struct Rng {
    key: (u64, u64),
    count: u64,
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rng").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Rng {
    /// From a 128-bit key.
    pub(crate) fn new(key: (u64, u64)) -> Self {
        Self { key, count: 0 }
    }
    /// 64 random bits.
    pub(crate) fn u64(&mut self) -> u64 {
        self.count = self.count.wrapping_add(1);
        let mut hash = Sip13::new(self.key);
        hash.word(self.count);
        hash.finish()
    }
    /// A number below `n`; zero when `n` is zero.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.u64()) * u128::from(n)) >> 64) as u64
    }
    /// A span from `low` to `high`, in microseconds.
    pub(crate) fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let width = u64::try_from(high.saturating_sub(low).as_micros()).unwrap_or(u64::MAX - 1);
        low.saturating_add(Duration::from_micros(self.below(width + 1)))
    }
    /// A fresh token: for tags (RFC 3261 section 19.3 wants 32 random bits; these are 64).
    pub(crate) fn token(&mut self) -> Token {
        Token::from_u64(self.u64())
    }
    /// A fresh Call-ID (RFC 3261 section 8.1.1.4): 128 random bits, no host name.
    pub(crate) fn call_id(&mut self) -> String {
        format!("{}{}", self.token(), self.token())
    }
}

/// 64 bits as 13 characters of `a-z2-7`: a word of every SIP grammar (tag, branch, Call-ID, user part).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token([u8; 13]);

const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

impl Token {
    /// Writes `bits`.
    pub const fn from_u64(bits: u64) -> Self {
        let mut text = [0; 13];
        let mut at = 0;
        while at < 13 {
            text[12 - at] = DIGITS[((bits >> (5 * at)) & 31) as usize];
            at += 1;
        }
        Self(text)
    }
    /// Reads what [`Token::from_u64`] wrote, or any 13 of its characters that stand for 64 bits.
    pub fn parse(text: &[u8]) -> Option<u64> {
        if text.len() != 13 {
            return None;
        }
        text.iter().try_fold(0_u64, |bits, &byte| {
            let digit = match byte {
                b'a'..=b'z' => byte - b'a',
                b'2'..=b'7' => byte - b'2' + 26,
                _ => return None,
            };
            if bits >> 59 != 0 { None } else { Some((bits << 5) | u64::from(digit)) }
        })
    }
    /// The text, in octets.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        // Only characters of DIGITS are ever stored.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_reads_what_it_wrote_and_refuses_the_rest() {
        for bits in [0, 1, 31, 32, u64::MAX, 0x0123_4567_89ab_cdef] {
            let token = Token::from_u64(bits);
            assert_eq!(token.as_str().len(), 13);
            assert_eq!(Token::parse(token.as_str().as_bytes()), Some(bits));
        }
        for text in ["", "a", "aaaaaaaaaaaa", "aaaaaaaaaaaaaa", "Aaaaaaaaaaaaa", "aaaaaaaaaaaa1", "7777777777777"] {
            assert_eq!(Token::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn rng_repeats_for_a_seed_and_differs_between_seeds() {
        let numbers = |key| {
            let mut rng = Rng::new(key);
            (0..100).map(|_| rng.u64()).collect::<Vec<_>>()
        };
        assert_eq!(numbers((1, 2)), numbers((1, 2)));
        let (a, b) = (numbers((1, 2)), numbers((1, 3)));
        assert!(a.iter().all(|n| !b.contains(n)));
    }

    #[test]
    fn rng_stays_in_its_bounds() {
        let mut rng = Rng::new((3, 4));
        let (low, high) = (Duration::from_millis(2_100), Duration::from_millis(4_000));
        for _ in 0..1_000 {
            assert!(rng.below(11) <= 10);
            let span = rng.between(low, high);
            assert!(low <= span && span <= high);
        }
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.between(high, low), high);
    }
}
