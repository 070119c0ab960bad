//! SipHash (Aumasson and Bernstein, 2012): a keyed function of short inputs that nobody without the key can predict or make collide.
//!
//! What is hashed here is a row of words of 64 bits. A text is told by its length and then its octets, eight a word; where the last word is
//! not full it is the last eight octets once more, or all there are. So no two rows of texts are the same row of words: `("ab", "c")` and
//! `("a", "bc")` differ.

/// SipHash with `C` rounds a word and `D` at the end, 64 or 128 bits.
#[derive(Clone, Copy)]
pub(crate) struct Sip<const C: usize, const D: usize> {
    v: [u64; 4],
    words: u64,
}

/// For tables and random numbers.
pub(crate) type Sip13 = Sip<1, 3>;
/// For proofs: as many rounds as its authors want where it is a message authentication code.
pub(crate) type Sip24 = Sip<2, 4>;

/// Hashes texts under a secret, for tables whose keys strangers choose: SipHash-1-3.
#[derive(Clone, Copy)]
pub struct TextHash(Sip13);

impl TextHash {
    /// Under this secret.
    pub fn new(secret: [u8; 16]) -> Self {
        let key = u128::from_le_bytes(secret);
        Self(Sip13::new((key as u64, (key >> 64) as u64)))
    }

    /// The hash of several texts in this order.
    pub fn of_all<'a>(&self, texts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
        let mut hash = self.0;
        texts.into_iter().for_each(|text| hash.text(text));
        hash.finish()
    }

    /// The hash of a text: all 64 bits depend on all of it.
    pub fn of(&self, text: &[u8]) -> u64 {
        let mut hash = self.0;
        hash.text(text);
        hash.finish()
    }
}

/// Never prints the secret.
impl std::fmt::Debug for TextHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TextHash")
    }
}

impl<const C: usize, const D: usize> Sip<C, D> {
    /// Under a key.
    pub(crate) fn new(key: (u64, u64)) -> Self {
        Self {
            v: [
                key.0 ^ 0x736f_6d65_7073_6575,
                key.1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
                key.0 ^ 0x6c79_6765_6e65_7261,
                key.1 ^ 0x7465_6462_7974_6573,
            ],
            words: 0,
        }
    }

    fn rounds(&mut self, count: usize) {
        let [mut a, mut b, mut c, mut d] = self.v;
        for _ in 0..count {
            a = a.wrapping_add(b);
            b = b.rotate_left(13) ^ a;
            a = a.rotate_left(32);
            c = c.wrapping_add(d);
            d = d.rotate_left(16) ^ c;
            a = a.wrapping_add(d);
            d = d.rotate_left(21) ^ a;
            c = c.wrapping_add(b);
            b = b.rotate_left(17) ^ c;
            c = c.rotate_left(32);
        }
        self.v = [a, b, c, d];
    }

    fn block(&mut self, word: u64) {
        self.v[3] ^= word;
        self.rounds(C);
        self.v[0] ^= word;
    }

    /// A number.
    #[inline]
    pub(crate) fn word(&mut self, word: u64) {
        self.words += 1;
        self.block(word);
    }

    /// A text of any octets.
    #[inline]
    pub(crate) fn text(&mut self, text: &[u8]) {
        self.word(text.len() as u64);
        let mut rest = text;
        while let Some((eight, behind)) = rest.split_first_chunk::<8>() {
            self.word(u64::from_le_bytes(*eight));
            rest = behind;
        }
        match (text.last_chunk::<8>(), text.first_chunk::<4>(), text.last_chunk::<4>()) {
            _ if rest.is_empty() => {}
            (Some(last), ..) => self.word(u64::from_le_bytes(*last)),
            (_, Some(first), Some(last)) => {
                self.word(u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32);
            }
            _ => self.word(rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))),
        }
    }

    /// 64 bits: the lower half of all.
    pub(crate) fn finish(mut self) -> u64 {
        self.end()
    }

    /// All 128 bits.
    pub(crate) fn finish128(mut self) -> u128 {
        let low = self.end();
        self.v[1] ^= 0xdd;
        self.rounds(D);
        u128::from(self.folded()) << 64 | u128::from(low)
    }

    /// The block with the length in octets, and the first half.
    fn end(&mut self) -> u64 {
        self.block((self.words * 8) << 56);
        self.v[2] ^= 0xee;
        self.rounds(D);
        self.folded()
    }

    fn folded(&self) -> u64 {
        self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (u64, u64) = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);

    /// The published values of SipHash-2-4 with 128 bits for the octets 0, 1, 2, ..., of whole words: none, one, two.
    #[test]
    fn sip24_gives_the_published_values() {
        let published: [u128; 3] = [
            0xa381_7f04_ba25_a8e6_6df6_7214_c755_0293,
            0x3b62_a9ba_6258_f561_0f83_e264_f314_97b4,
            0x6ee2_a4ca_67b0_54bb_fd33_15bf_8523_0577,
        ];
        let mut hash = Sip24::new(KEY);
        for (expected, next) in published.into_iter().zip([KEY.0, KEY.1, 0]) {
            assert_eq!(hash.finish128().to_le_bytes(), expected.to_be_bytes());
            hash.word(next);
        }
    }

    #[test]
    fn sip13_differs_by_key_text_length_and_where_texts_end() {
        let hash = |key, texts: &[&[u8]]| {
            let mut hash = Sip13::new(key);
            texts.iter().for_each(|text| hash.text(text));
            hash.finish128()
        };
        let zeros = [0; 40];
        let mut all = vec![hash((1, 0), &[]), hash((0, 1), &[]), hash((0, 0), &[]), hash((1, 0), &[b""])];
        all.extend((0..zeros.len()).map(|length| hash((0, 0), &[&zeros[..length]])));
        // Every octet counts, wherever it stands in a text of any length.
        for length in 1..zeros.len() {
            for at in 0..length {
                let mut text = zeros;
                text[at] = 1;
                all.push(hash((0, 0), &[&text[..length]]));
            }
        }
        all.extend([hash((0, 0), &[b"ab", b"c"]), hash((0, 0), &[b"a", b"bc"]), hash((0, 0), &[b"", b"abc"])]);
        for (n, a) in all.iter().enumerate() {
            assert!(all.iter().skip(n + 1).all(|b| a != b && *a as u64 != *b as u64));
        }
    }

    #[test]
    fn finish_is_the_lower_half() {
        let mut hash = Sip13::new((7, 9));
        hash.text(b"some text of more than eight octets");
        assert_eq!(hash.finish128() as u64, hash.finish());
    }
}
