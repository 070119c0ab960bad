//! Nonces that carry their own proof, and the bounded memory of which counts were used (RFC 7616 sections 3.3, 3.4 `nc` and 5.4).
//!
//! A nonce is 22 letters: time, serial number and a keyed hash over both and the peer's address. Nothing is stored when a challenge goes out, so challenges cost no memory however
//! many are asked for. Only a nonce that came back with the right response enters the replay window.
//!
//! It is short so that the text hashed with MD5 for a response fits into two blocks of 64 octets where the client's nonce has 16 or less.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::time::Duration;

use subtle::ConstantTimeEq;

use crate::siphash::{Sip13, Sip24};
use crate::time::Time;

/// Letters of a nonce.
pub(crate) const NONCE_LEN: usize = 2 * HALF;
/// Letters of 64 bits.
const HALF: usize = 11;
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A nonce as text.
#[derive(Clone, Copy)]
pub(crate) struct Nonce([u8; NONCE_LEN]);

impl Nonce {
    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }

    #[cfg(test)]
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// When a nonce was made, in milliseconds, and in the lowest 24 bits its serial number: unique for one key, since nobody makes so many in
/// a millisecond, and the later one is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Issue(u64);

const SERIAL_BITS: u32 = 24;
const SERIALS: u64 = (1 << SERIAL_BITS) - 1;

impl Issue {
    /// With the time rounded down. There is room for 34 years.
    pub(crate) fn new(at: Time, serial: u32) -> Issue {
        Issue(((at.0 / 1_000) << SERIAL_BITS) | (u64::from(serial) & SERIALS))
    }

    /// When it was made.
    pub(crate) fn at(self) -> Time {
        Time((self.0 >> SERIAL_BITS) * 1_000)
    }

    fn serial(self) -> usize {
        (self.0 & SERIALS) as usize
    }
}

/// Makes and checks nonces.
#[derive(Clone)]
pub(crate) struct Nonces {
    key: (u64, u64),
    serial: u32,
}

impl Nonces {
    /// With a key of 128 bits: the first half of what is given.
    pub(crate) fn new(key: &[u8; 32]) -> Nonces {
        let word = |from: usize| key.iter().skip(from).take(8).fold(0, |word, byte| word << 8 | u64::from(*byte));
        Nonces { key: (word(0), word(8)), serial: 0 }
    }

    #[cfg(test)]
    pub(crate) fn make(&mut self, now: Time, peer: Option<IpAddr>) -> Nonce {
        let issue = self.issue(now);
        self.write(issue, peer)
    }

    /// Another one.
    pub(crate) fn issue(&mut self, now: Time) -> Issue {
        self.serial = self.serial.wrapping_add(1);
        Issue::new(now, self.serial)
    }

    pub(crate) fn write(&self, issue: Issue, peer: Option<IpAddr>) -> Nonce {
        let halves = [to_letters(issue.0), to_letters(self.prove(issue, peer))];
        let mut text = [0; NONCE_LEN];
        text.iter_mut().zip(halves.as_flattened()).for_each(|(to, from)| *to = *from);
        Nonce(text)
    }

    /// What names a request from there, for [`Recent`] and [`Repeats`].
    pub(crate) fn name(&self, texts: [&[u8]; 2], number: u32, from: IpAddr) -> u64 {
        let mut name = Sip13::new(self.key);
        texts.into_iter().for_each(|text| name.text(text));
        name.word(u64::from(number));
        words(from).into_iter().for_each(|word| name.word(word));
        name.finish()
    }

    /// When it was made, if we made it for this peer.
    pub(crate) fn read(&self, text: &str, peer: Option<IpAddr>) -> Option<Issue> {
        let ([issue, proof], []) = text.as_bytes().as_chunks::<HALF>() else { return None };
        let (issue, proof) = (Issue(from_letters(issue)?), from_letters(proof)?);
        bool::from(self.prove(issue, peer).ct_eq(&proof)).then_some(issue)
    }

    /// What only the holder of the key can know: SipHash-2-4 over time, serial number and address.
    fn prove(&self, issue: Issue, peer: Option<IpAddr>) -> u64 {
        let mut mac = Sip24::new(self.key);
        mac.word(issue.0);
        peer.into_iter().flat_map(words).for_each(|word| mac.word(word));
        mac.finish()
    }
}

/// An address as words: an IPv4 address is the IPv6 address that maps it.
fn words(ip: IpAddr) -> [u64; 2] {
    let bits = match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    };
    [(bits >> 64) as u64, bits as u64]
}

/// A number as text: six bits a letter, the highest first.
fn to_letters(number: u64) -> [u8; HALF] {
    std::array::from_fn(|at| LETTERS[(number >> (60 - 6 * at)) as usize & 63])
}

fn from_letters(text: &[u8; HALF]) -> Option<u64> {
    let values = text.map(|letter| VALUES[usize::from(letter)]);
    let all = values.iter().fold(0, |all, value| all | value);
    let number = values.iter().fold(0, |number, value| number << 6 | u64::from(value & 63));
    // The first letter has room for more than there is.
    let fits = values.first().is_some_and(|first| *first < 16);
    (fits && all & NO_LETTER == 0).then_some(number)
}

/// In [`VALUES`]: this octet is no letter of a nonce.
const NO_LETTER: u8 = 0x80;
/// What each letter of a nonce stands for.
const VALUES: [u8; 256] = {
    let mut values = [NO_LETTER; 256];
    let mut value = 0;
    while value < LETTERS.len() {
        values[LETTERS[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// Requests whose nonce is remembered, in rows of [`ROW`].
pub(crate) const RECENT: usize = 1_024;
const ROW: usize = 4;
/// How long a client repeats a request: 64*T1 (RFC 3261 section 17.1.2.2).
const REPEATED: Duration = Duration::from_secs(32);

/// Which nonces the last requests were given that were challenged: a repeat gets the same again, where not too many others have come between.
/// A client takes no harm from another one, but SIPp and others take what differs for a new answer.
#[derive(Clone, Default)]
pub(crate) struct Recent(Vec<Option<(u64, Issue)>>);

impl Recent {
    /// The nonce of the request of that name, by [`Nonces::name`]: the one it has been given, or a new one.
    pub(crate) fn of(&mut self, request: u64, now: Time, new: impl FnOnce() -> Issue) -> Issue {
        self.0.resize(RECENT, None);
        let (rows, _) = self.0.as_chunks_mut::<ROW>();
        let Some(row) = rows.get_mut(request as usize % (RECENT / ROW)) else { return new() };
        let counts = |(known, issue): &&(u64, Issue)| *known == request && now.since(issue.at()) <= REPEATED;
        if let Some((_, issue)) = row.iter().flatten().find(counts) {
            return *issue;
        }
        let issue = new();
        if let Some(oldest) = row.iter_mut().min_by_key(|place| place.map(|(_, issue)| issue)) {
            *oldest = Some((request, issue));
        }
        issue
    }
}

/// Which counts of one nonce were seen: the highest, and the 64 below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    highest: u32,
    /// Bit n: `highest - n` was used.
    mask: u64,
}

impl Seen {
    fn take(&mut self, count: u32) -> bool {
        if let Some(ahead) = count.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            self.mask = self.mask.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        match 1u64.checked_shl(self.highest - count) {
            Some(bit) if self.mask & bit == 0 => {
                self.mask |= bit;
                true
            }
            _ => false,
        }
    }
}

/// What became of a nonce and its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Used {
    Fresh,
    /// This count came before, or the nonce is too old to know.
    Before,
}

/// Counts used. Each nonce has its place, by its serial number, and keeps it until a later nonce of the same place is used: from then on the
/// earlier one is no longer taken. So no count is ever good twice, and nonces that are asked for and not used put nobody out.
#[derive(Clone)]
pub(crate) struct Window {
    /// A nonce, and of [`Seen`] mask and highest. Zeros where none is yet: a page that was never used costs no memory.
    places: Vec<[u64; 3]>,
    capacity: usize,
}

impl Window {
    pub(crate) fn new(capacity: usize) -> Window {
        Window { places: Vec::new(), capacity: capacity.max(1) }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.iter().filter(|place| **place != [0; 3]).count()
    }

    /// Marks `count` of a genuine nonce that is within its lifetime. `once` refuses any second use.
    pub(crate) fn take(&mut self, issue: Issue, count: u32, once: bool) -> Used {
        if self.places.is_empty() {
            self.places = vec![[0; 3]; self.capacity];
        }
        let at = issue.serial() % self.capacity;
        let Some([held, mask, highest]) = self.places.get_mut(at) else { return Used::Before };
        let mut seen = match issue.0.cmp(held) {
            Ordering::Less => return Used::Before,
            Ordering::Equal if once => return Used::Before,
            Ordering::Equal => Seen { highest: *highest as u32, mask: *mask },
            Ordering::Greater => Seen { highest: 0, mask: 0 },
        };
        if !seen.take(count) {
            return Used::Before;
        }
        (*held, *mask, *highest) = (issue.0, seen.mask, seen.highest.into());
        Used::Fresh
    }
}

/// Requests whose credentials were right, by [`Nonces::name`], and when they came first: for who keeps nothing else of them and is to do the same with
/// each repeat (RFC 3261 section 16.11).
#[derive(Clone)]
pub(crate) struct Repeats {
    /// A name, and a time. Zeros where none is yet, as in [`Window`].
    places: Vec<[u64; 2]>,
    rows: usize,
}

impl Repeats {
    /// For as many, in rows of [`ROW`].
    pub(crate) fn new(capacity: usize) -> Repeats {
        Repeats { places: Vec::new(), rows: capacity.div_ceil(ROW).max(1) }
    }

    /// Whether it came before, within the time that a client repeats it.
    pub(crate) fn has(&self, request: u64, now: Time) -> bool {
        let (rows, _) = self.places.as_chunks::<ROW>();
        let row = rows.get(request as usize % self.rows);
        row.is_some_and(|row| row.iter().any(|[known, at]| *known == request && now.since(Time(*at)) <= REPEATED))
    }

    /// It has come, and was right. The oldest of its row gives way.
    pub(crate) fn put(&mut self, request: u64, now: Time) {
        if self.places.is_empty() {
            self.places = vec![[0; 2]; self.rows * ROW];
        }
        let (rows, _) = self.places.as_chunks_mut::<ROW>();
        let row = rows.get_mut(request as usize % self.rows);
        if let Some(oldest) = row.and_then(|row| row.iter_mut().min_by_key(|[_, at]| *at)) {
            *oldest = [request, now.0];
        }
    }
}

#[cfg(test)]
mod tests;
