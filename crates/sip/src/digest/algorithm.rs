//! The hash functions of RFC 7616 section 6.1 and RFC 8760 section 2.1, and the hexadecimal text they are used as.

use std::fmt;

use md5::Md5;
use sha2::digest::{Digest, Output};
use sha2::{Sha256, Sha512_256};

/// A hash function, weakest first, so that `max` picks the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Algorithm {
    /// MD5: what is meant when a challenge names none (RFC 7616 section 3.3).
    Md5,
    /// SHA-256.
    Sha256,
    /// SHA-512/256: SHA-512 with its own start values, 256 bit kept (FIPS 180-4; the figures printed in RFC 7616 section 3.9.2 used the wrong start values).
    Sha512_256,
}

impl Algorithm {
    /// All of them, strongest first.
    pub const STRONGEST_FIRST: [Algorithm; 3] = [Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5];

    /// The name in the registry of RFC 7616 section 6.1.
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512_256 => "SHA-512-256",
        }
    }

    /// Length of the hash in bytes; the text is twice as long.
    pub const fn size(self) -> usize {
        match self {
            Algorithm::Md5 => 16,
            Algorithm::Sha256 | Algorithm::Sha512_256 => 32,
        }
    }

    /// The hash of all `parts` joined, as bytes: the first [`Algorithm::size`] of them, the others are zero.
    pub(crate) fn bytes(self, parts: &[&[u8]]) -> [u8; 32] {
        match self {
            Algorithm::Md5 => run::<Md5>(parts),
            Algorithm::Sha256 => run::<Sha256>(parts),
            Algorithm::Sha512_256 => run::<Sha512_256>(parts),
        }
    }

    /// The hash of all `parts` joined, as lower-case hexadecimal text (RFC 8760 section 2.2).
    pub(crate) fn hex(self, parts: &[&[u8]]) -> Hex {
        Hex::of(self.bytes(parts).get(..self.size()).unwrap_or_default())
    }
}

fn run<D: Digest>(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = D::new();
    // Gathered first: the hash is faster with a few long parts than with many short ones.
    let (mut gathered, mut length) = ([0; 256], 0);
    for part in parts {
        match gathered.get_mut(length..length + part.len()) {
            Some(room) => {
                room.copy_from_slice(part);
                length += part.len();
            }
            None => {
                hash.update(gathered.get(..length).unwrap_or_default());
                hash.update(part);
                length = 0;
            }
        }
    }
    hash.update(gathered.get(..length).unwrap_or_default());
    let done: Output<D> = hash.finalize();
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(done.iter()).for_each(|(to, from)| *to = *from);
    bytes
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the `algorithm` parameter names: the hash, and whether the session variant is used (RFC 7616 section 3.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scheme {
    /// The hash.
    pub algorithm: Algorithm,
    /// True for the `-sess` variant.
    pub session: bool,
}

impl Scheme {
    /// MD5, plain.
    pub const MD5: Scheme = Scheme { algorithm: Algorithm::Md5, session: false };

    /// Reads a name of the registry, letters in any case; `None` for one that is not known.
    pub fn from_name(name: &str) -> Option<Scheme> {
        if name == Algorithm::Md5.name() {
            return Some(Scheme::MD5);
        }
        let (plain, session) = match name.len().checked_sub(5).and_then(|cut| name.split_at_checked(cut)) {
            Some((plain, tail)) if tail.eq_ignore_ascii_case("-sess") => (plain, true),
            _ => (name, false),
        };
        let algorithm =
            Algorithm::STRONGEST_FIRST.into_iter().find(|known| known.name().eq_ignore_ascii_case(plain))?;
        Some(Scheme { algorithm, session })
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.name())?;
        f.write_str(if self.session { "-sess" } else { "" })
    }
}

/// Lower-case hexadecimal text of at most 32 bytes, kept in place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hex {
    text: [u8; 64],
    len: u8,
}

impl Hex {
    pub(crate) fn of(bytes: &[u8]) -> Hex {
        let digit = |value: u8| value + if value < 10 { b'0' } else { b'a' - 10 };
        let mut text = [0; 64];
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        Hex { text, len: 2 * bytes.len().min(32) as u8 }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.get(..usize::from(self.len)).unwrap_or_default()
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// Reads exactly `into.len()` bytes of hexadecimal text, letters in any case.
pub(crate) fn read_hex(text: &str, into: &mut [u8]) -> bool {
    let digits = text.as_bytes();
    if digits.len() != into.len() * 2 {
        return false;
    }
    let mut broken = 0;
    for (to, [high, low]) in into.iter_mut().zip(digits.as_chunks::<2>().0) {
        let (high, low) = (VALUES[usize::from(*high)], VALUES[usize::from(*low)]);
        broken |= high | low;
        *to = high << 4 | low & 15;
    }
    broken <= 15
}

/// What each hexadecimal digit stands for; more than 15 for what is none.
const VALUES: [u8; 256] = {
    let mut values = [0xf0; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value] as usize] = value as u8;
        values[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7616_6_1_names_are_read_in_any_case_and_printed_as_registered() {
        for (name, algorithm, session) in [
            ("MD5", Algorithm::Md5, false),
            ("MD5-sess", Algorithm::Md5, true),
            ("SHA-256", Algorithm::Sha256, false),
            ("SHA-256-sess", Algorithm::Sha256, true),
            ("SHA-512-256", Algorithm::Sha512_256, false),
            ("SHA-512-256-sess", Algorithm::Sha512_256, true),
        ] {
            let read = Scheme::from_name(&name.to_ascii_lowercase()).unwrap();
            assert_eq!(read, Scheme { algorithm, session });
            assert_eq!(read.to_string(), name);
        }
        for name in ["", "-sess", "SHA-512", "MD5-", "SHA-256-session", "ä-sess", "€sess"] {
            assert_eq!(Scheme::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn hex_reads_back_what_it_prints() {
        let bytes: Vec<u8> = (0..32).map(|n| n * 8 + 3).collect();
        let mut back = [0; 32];
        assert!(read_hex(Hex::of(&bytes).as_str(), &mut back));
        assert_eq!(back.as_slice(), bytes);
        assert!(!read_hex("0", &mut [0]));
        assert!(!read_hex("0g", &mut [0]));
        assert!(!read_hex("000", &mut [0]));
    }
}
