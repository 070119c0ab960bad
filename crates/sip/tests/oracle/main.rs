//! The reader of SIP messages against a slow one, on the test data, on mutations of it and on every truncation.
//!
//! `ORACLE_MUTATIONS=400000 cargo test --release --test oracle` runs the long comparison; a plain test run does a part of it.

// The test data lies in files.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "../corpus/mod.rs"]
mod corpus;
mod slow;

use slow::compare;

/// A small generator of numbers, so that a failure repeats itself.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }
}

const PIECES: [&[u8]; 30] = [
    b"\r\n",
    b"\r",
    b"\n",
    b"\r\n ",
    b"\t",
    b" ",
    b":",
    b";",
    b",",
    b"\"",
    b"\\",
    b"<",
    b">",
    b"=",
    b"tag=x",
    b";branch=y",
    b"@",
    b"\0",
    b"\x01",
    b"\x7f",
    b"\xc3\xa9",
    b"\xff",
    b"To",
    b"v:",
    b"Content-Length: 5\r\n",
    b"CSeq",
    b"[::1]",
    b"/",
    b"%",
    b"\r\n\r\n",
];

fn mutate(message: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut out = message.to_vec();
    for _ in 0..=numbers.below(3) {
        // Mostly within the head, where there is something to get wrong.
        let head = out.windows(4).position(|w| w == b"\r\n\r\n").map_or(out.len(), |at| at + 4);
        let within = if numbers.below(10) == 0 { out.len() } else { head };
        let at = numbers.below(within);
        match numbers.below(6) {
            0 if at < out.len() => out[at] = numbers.below(256) as u8,
            1 if at < out.len() => drop(out.remove(at)),
            2 => drop(out.splice(at..at, PIECES[numbers.below(PIECES.len())].iter().copied())),
            3 => {
                let end = (at + numbers.below(20)).min(out.len());
                let piece = out[at..end].to_vec();
                let to = numbers.below(out.len());
                drop(out.splice(to..to, piece));
            }
            4 if at < out.len() => out[at] ^= 0x20,
            _ => drop(out.drain(at..(at + numbers.below(8)).min(out.len()))),
        }
    }
    out
}

#[test]
fn oracle_agrees_on_every_message_of_the_test_data() {
    let accepted = corpus::messages().iter().filter(|message| compare(message)).count();
    assert_eq!(accepted, 49);
}

#[test]
fn oracle_agrees_on_mutated_messages() {
    let count = std::env::var("ORACLE_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000);
    let (corpus, mut numbers, mut accepted) = (corpus::messages(), Numbers(0x9e37_79b9_7f4a_7c15), 0);
    for n in 0..count {
        let message = mutate(&corpus[n % corpus.len()], &mut numbers);
        accepted += usize::from(compare(&message));
        sip::message::fuzz::message(&message);
    }
    // The comparison says something only where both kinds occur.
    assert!(accepted > count / 5 && accepted < count - count / 5, "{accepted} of {count} accepted");
}

#[test]
fn oracle_agrees_on_every_truncation() {
    for message in corpus::messages() {
        for end in 0..message.len() {
            compare(&message[..end]);
        }
    }
}
