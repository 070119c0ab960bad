//! What a received packet costs: parsing, statistics, jitter buffer.
//!
//! ```text
//! cargo build --release -p offhook-rtp --example packet_cost
//! for n in 1000 11000; do
//!     valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/examples/packet_cost all $n
//! done
//! ```
//!
//! The difference of the two totals, divided by 10000, is the count of instructions a packet. The first argument names
//! the last stage that runs: `none`, `parse`, `reception`, `jitter`, `all` (everything and a pull each tick).

// A program of its own, outside the rules of the library.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::hint::black_box;

use rtp::{ClockRate, JitterBuffer, JitterConfig, Micros, Packet, PayloadType, Pulled, Reception, Sender};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let stage = arguments.first().map_or("all", String::as_str);
    let stages = ["none", "parse", "reception", "jitter", "all"];
    let Some(depth) = stages.iter().position(|name| *name == stage) else {
        println!("unknown stage {stage}, expected one of {stages:?}");
        std::process::exit(2);
    };
    let packets: u64 = arguments.get(1).and_then(|count| count.parse().ok()).unwrap_or(1000);
    println!("{stage}: {packets} packets, checksum {}", run(depth, packets));
}

fn run(depth: usize, packets: u64) -> u64 {
    let mut sender = Sender::new(1, ClockRate::HZ_8000);
    let mut reception = Reception::new(ClockRate::HZ_8000);
    let mut jitter = JitterBuffer::new(JitterConfig::default());
    let mut datagram = [0xd5; 172];
    let mut checksum = 0;
    for n in 0..packets {
        // Packets arrive up to 12 ms late, in a repeating pattern.
        let now = Micros(n * 20_000 + n * 7919 % 12_000);
        if sender.audio(now, PayloadType::PCMA, &mut datagram, 160, 160).is_err() {
            break;
        }
        let bytes: &[u8] = black_box(&datagram);
        if depth < 1 {
            continue;
        }
        let Ok(packet) = Packet::parse(bytes) else { break };
        checksum += u64::from(black_box(&packet).sequence_number().0);
        if depth >= 2 {
            checksum += u64::from(reception.received(now, &packet).is_valid());
        }
        if depth >= 3 {
            black_box(jitter.insert(now, &packet));
        }
        if depth >= 4
            && let Pulled::Frame(frame) = black_box(jitter.pull(Micros(n * 20_000 + 13_000), 160))
        {
            checksum += frame.payload.len() as u64;
        }
    }
    checksum
}
