//! Nonces that carry their own proof, and the bounded memory of which counts were used (RFC 7616 sections 3.3, 3.4 `nc` and 5.4).
//!
//! A nonce is 32 letters: time, serial number and a keyed hash over both and the peer's address. Nothing is stored when a challenge goes out, so challenges cost no memory however
//! many are asked for. Only a nonce that came back with the right response enters the replay window.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use subtle::ConstantTimeEq;

use crate::siphash::Sip24;
use crate::time::Time;

/// Letters of a nonce.
pub(crate) const NONCE_LEN: usize = 32;
const PLAIN: usize = 12;
const MAC: usize = 12;
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A nonce as text.
#[derive(Clone, Copy)]
pub(crate) struct Nonce([u8; NONCE_LEN]);

impl Nonce {
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// When a nonce was made, and its number: unique for one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Issue {
    pub(crate) at: Time,
    pub(crate) serial: u32,
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
        Issue { at: now, serial: self.serial }
    }

    pub(crate) fn write(&self, issue: Issue, peer: Option<IpAddr>) -> Nonce {
        let mut bytes = [0; PLAIN + MAC];
        let (time, rest) = bytes.split_at_mut(8);
        let (serial, proof) = rest.split_at_mut(4);
        time.copy_from_slice(&issue.at.0.to_be_bytes());
        serial.copy_from_slice(&issue.serial.to_be_bytes());
        proof.copy_from_slice(&self.prove(issue, peer));
        Nonce(to_letters(&bytes))
    }

    /// What names a request from there, for [`Recent`].
    pub(crate) fn name(&self, texts: [&[u8]; 2], number: u32, from: IpAddr) -> u64 {
        let mut name = Sip24::new(self.key);
        texts.into_iter().for_each(|text| name.text(text));
        name.word(u64::from(number));
        match from {
            IpAddr::V4(ip) => name.text(&ip.octets()),
            IpAddr::V6(ip) => name.text(&ip.octets()),
        }
        name.finish()
    }

    /// When it was made, if we made it for this peer.
    pub(crate) fn read(&self, text: &str, peer: Option<IpAddr>) -> Option<Issue> {
        let bytes = from_letters(text)?;
        let (time, rest) = bytes.split_first_chunk::<8>()?;
        let (serial, proof) = rest.split_first_chunk::<4>()?;
        let issue = Issue { at: Time(u64::from_be_bytes(*time)), serial: u32::from_be_bytes(*serial) };
        let proof = <[u8; MAC]>::try_from(proof).ok()?;
        bool::from(number(self.prove(issue, peer)).ct_eq(&number(proof))).then_some(issue)
    }

    /// What only the holder of the key can know: SipHash-2-4, 96 bits of it, over time, serial number and address.
    fn prove(&self, issue: Issue, peer: Option<IpAddr>) -> [u8; MAC] {
        let mut mac = Sip24::new(self.key);
        mac.word(issue.at.0);
        mac.word(u64::from(issue.serial));
        match peer.map(|ip| ip.to_canonical()) {
            None => mac.text(&[]),
            Some(IpAddr::V4(ip)) => mac.text(&ip.octets()),
            Some(IpAddr::V6(ip)) => mac.text(&ip.octets()),
        }
        let mut proof = [0; MAC];
        proof.iter_mut().zip(mac.finish128().to_le_bytes()).for_each(|(to, byte)| *to = byte);
        proof
    }
}

/// A proof as a number, which is compared at once.
fn number(proof: [u8; MAC]) -> u128 {
    let mut octets = [0; 16];
    octets.iter_mut().zip(proof).for_each(|(to, from)| *to = from);
    u128::from_le_bytes(octets)
}

fn to_letters(bytes: &[u8; PLAIN + MAC]) -> [u8; NONCE_LEN] {
    let mut text = [0; NONCE_LEN];
    for (four, three) in text.chunks_exact_mut(4).zip(bytes.chunks_exact(3)) {
        let group = three.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte));
        for (letter, shift) in four.iter_mut().zip([18, 12, 6, 0]) {
            *letter = LETTERS[(group >> shift & 63) as usize];
        }
    }
    text
}

fn from_letters(text: &str) -> Option<[u8; PLAIN + MAC]> {
    if text.len() != NONCE_LEN {
        return None;
    }
    let (mut bytes, mut all) = ([0; PLAIN + MAC], 0);
    for (three, four) in bytes.chunks_exact_mut(3).zip(text.as_bytes().chunks_exact(4)) {
        let mut group = 0;
        for letter in four {
            let value = VALUES[usize::from(*letter)];
            all |= value;
            group = group << 6 | u32::from(value & 63);
        }
        three.iter_mut().zip([16, 8, 0]).for_each(|(byte, shift)| *byte = (group >> shift & 255) as u8);
    }
    (all & NO_LETTER == 0).then_some(bytes)
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

/// Requests whose nonce is remembered.
pub(crate) const RECENT: usize = 1_024;
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
        let Some(place) = self.0.get_mut(request as usize % RECENT) else { return new() };
        match place {
            Some((known, issue)) if *known == request && now.since(issue.at) <= REPEATED => *issue,
            _ => place.insert((request, new())).1,
        }
    }
}

/// Mixes the eight bytes of a time and a serial: both are proved ours before they get here, so no peer can choose them.
#[derive(Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }
    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(29) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
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

type Generation = HashMap<Issue, Seen, BuildHasherDefault<Mix>>;

/// What became of a nonce and its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Used {
    Fresh,
    /// This count came before, or the nonce is too old to know.
    Before,
}

/// Counts used, in two generations that replace each other: never more than `capacity` nonces, each forgotten only once it can no longer be used.
#[derive(Clone)]
pub(crate) struct Window {
    young: Generation,
    old: Generation,
    young_since: Time,
    /// The latest issue time in `old`.
    old_until: Option<Time>,
    young_until: Option<Time>,
    /// Nonces made up to here were forgotten early, for lack of room: they are no longer taken.
    floor: Option<Time>,
    capacity: usize,
    lifetime: Duration,
}

impl Window {
    pub(crate) fn new(capacity: usize, lifetime: Duration) -> Window {
        Window {
            young: Generation::default(),
            old: Generation::default(),
            young_since: Time(0),
            old_until: None,
            young_until: None,
            floor: None,
            capacity: capacity.max(2),
            lifetime,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Marks `count` of a genuine nonce that is within its lifetime. `once` refuses any second use.
    pub(crate) fn take(&mut self, now: Time, issue: Issue, count: u32, once: bool) -> Used {
        self.turn(now);
        if let Some(seen) = self.young.get_mut(&issue).or_else(|| self.old.get_mut(&issue)) {
            return if !once && seen.take(count) { Used::Fresh } else { Used::Before };
        }
        if self.floor.is_some_and(|floor| issue.at <= floor) {
            return Used::Before;
        }
        if self.young.len() >= self.capacity / 2 {
            self.floor = self.floor.max(self.old_until);
            self.shift(now);
        }
        self.young.insert(issue, Seen { highest: count, mask: 1 });
        self.young_until = self.young_until.max(Some(issue.at));
        Used::Fresh
    }

    /// Lets go of what has outlived itself.
    fn turn(&mut self, now: Time) {
        if now.since(self.young_since) > self.lifetime {
            // Everything in `old` was made before `young` began, so its lifetime is over.
            self.shift(now);
        }
    }

    fn shift(&mut self, now: Time) {
        self.old = std::mem::take(&mut self.young);
        self.old_until = self.young_until.take();
        self.young_since = now;
    }
}

#[cfg(test)]
mod tests;
