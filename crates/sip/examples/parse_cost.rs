//! What reading messages costs: run it under a profiler with two repeat counts and divide the difference.
//!
//! `parse_cost MODE REPEATS FILE...`, where MODE is `index` (start line, index, routing keys) or `typed` (also every value that has a
//! type) or `none` (only the loop). Prints the number of header fields seen, so that nothing can be left out.

// It reads its messages from files.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::hint::black_box;

use bytes::Bytes;
use sip::message::{Limits, Message};

fn main() {
    let mut args = std::env::args().skip(1);
    let (mode, repeats) =
        (args.next().unwrap_or_default(), args.next().and_then(|n| n.parse().ok()).unwrap_or(1_usize));
    let limits = Limits::default();
    for file in args {
        let Ok(bytes) = std::fs::read(&file).map(Bytes::from) else {
            println!("{file}: cannot be read");
            continue;
        };
        // The first clone makes the buffer shared, which no later one has to do again.
        let shared = bytes.clone();
        let mut seen = 0;
        for _ in 0..repeats {
            let bytes = black_box(&shared).clone();
            if mode == "none" {
                seen += black_box(&bytes).len();
                continue;
            }
            let Ok(message) = Message::parse(bytes, &limits) else {
                println!("{file}: broken");
                break;
            };
            let message = black_box(&message);
            if mode == "typed" && message.check().is_err() {
                println!("{file}: a value is broken");
            }
            seen += message.headers().len();
        }
        println!("{file}: {seen}");
    }
}
