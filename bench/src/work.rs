//! The work of a server without sockets: stack, rules and media fed with octets in this process. What is counted is between two marks.

mod call;
mod guess;
mod offer;
mod packet;
mod proxied;
mod register;
mod tick;

use std::hint::black_box;

use bytes::Bytes;
use sip::message::{Limits, Message};

pub(crate) use tick::{Room, Tick};

use crate::count::mark;

/// How often each message is read.
pub(crate) const READINGS: usize = 10;

/// The message that the goals of reading are for: an INVITE of 1.1 kB.
pub(crate) const INVITE: &str = "tests/data/parse/2_invite.sip";

/// Something the guard counts.
pub(crate) struct Work {
    /// Its name in the file of limits.
    pub(crate) name: &'static str,
    /// Units of it within its pieces together.
    pub(crate) units: usize,
    /// Pieces between marks.
    pub(crate) pieces: usize,
    /// Warms up, marks, does it, marks.
    run: fn(),
}

/// Everything the guard counts, in the order it is done.
pub(crate) const WORKS: [Work; 11] = [
    Work { name: "parse-index", units: READINGS, pieces: 1, run: || read(INVITE, false) },
    Work { name: "parse-typed", units: READINGS, pieces: 1, run: || read(INVITE, true) },
    Work { name: "short-offer", units: offer::COUNT, pieces: 1, run: || offer::run(offer::SHORT) },
    Work { name: "rich-offer", units: offer::COUNT, pieces: 1, run: || offer::run(offer::RICH) },
    Work { name: "answered-call", units: call::COUNT, pieces: 1, run: call::run },
    Work { name: "proxied-call", units: proxied::COUNT, pieces: 1, run: proxied::run },
    Work { name: "register", units: register::COUNT, pieces: 2, run: register::run },
    Work { name: "guess-somebody", units: 2 * guess::COUNT, pieces: 2, run: || guess::run("1500") },
    Work { name: "guess-nobody", units: 2 * guess::COUNT, pieces: 2, run: || guess::run("2500") },
    Work { name: "bridge-tick", units: tick::COUNT, pieces: 1, run: tick::run },
    Work { name: "relayed-packet", units: packet::COUNT, pieces: 1, run: packet::run },
];

/// Does everything once.
pub(crate) fn all() {
    for work in WORKS {
        (work.run)();
    }
}

/// Reads each file, first with index and routing keys, then with everything typed, then only to count its lines: three pieces a file.
pub(crate) fn read_all(files: &[&str]) {
    for file in files {
        read(file, false);
        read(file, true);
        pass(file);
    }
}

/// Passes over the octets and does nothing with them but count the lines: what looking at each of them takes.
fn pass(file: &str) {
    let Ok(bytes) = std::fs::read(file) else { return };
    // Counted in octets, as wide as the processor can: no part is longer than an octet can count.
    let ends = |part: &[u8]| usize::from(part.iter().map(|octet| u8::from(*octet == b'\n')).sum::<u8>());
    mark();
    for _ in 0..READINGS {
        black_box(black_box(&bytes).chunks(255).map(ends).sum::<usize>());
    }
    mark();
}

fn read(file: &str, typed: bool) {
    let Ok(bytes) = std::fs::read(file).map(Bytes::from) else { return };
    let limits = Limits::default();
    // The first clone makes the buffer shared, which no later one has to do again.
    let once = || one(&bytes, &limits, typed);
    once();
    mark();
    for _ in 0..READINGS {
        once();
    }
    mark();
}

fn one(bytes: &Bytes, limits: &Limits, typed: bool) {
    let read = Message::parse(black_box(bytes).clone(), limits);
    if typed && let Ok(message) = &read {
        let _ = black_box(message.check());
    }
    drop(black_box(read));
}

/// Reads a file so many times, with index and routing keys; for counting allocations.
pub(crate) fn read_again(file: &str, times: usize) {
    let Ok(bytes) = std::fs::read(file).map(Bytes::from) else { return };
    (0..times).for_each(|_| one(&bytes, &Limits::default(), false));
}
