//! What a tick of the conference bridge costs: every port talks, every port listens.
//!
//! `cargo run --release -p offhook-audio --example bridge_cost` prints microseconds of CPU time per tick, the median of
//! eleven rounds with the smallest and the largest, for 32 and 100 ports at 8 and 16 kHz. At 8 kHz each port's G.711 is
//! decoded before and encoded after; "mix" is what the bridge itself takes.
#![allow(clippy::print_stdout)]

use audio::bridge::{Bridge, PortId};
use audio::codec::{Codec, Decoder, Encoder};
use audio::frame::{MAX_FRAME, SampleRate};
use nix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 11;
/// Few where nothing is optimised: then only that it runs is of interest.
const TICKS: u32 = if cfg!(debug_assertions) { 10 } else { 2_000 };

struct Leg {
    port: PortId,
    decoder: Decoder,
    encoder: Encoder,
    codes: Vec<u8>,
    voice: Vec<i16>,
}

fn legs(bridge: &mut Bridge, count: usize, codec: Codec) -> Vec<Leg> {
    let room = bridge.add_conference();
    let mut random = 1_u32;
    let mut legs = Vec::new();
    for _ in 0..count {
        let port = bridge.add_port();
        bridge.join(room, port);
        let codes: Vec<u8> = (0..bridge.samples())
            .map(|_| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (random >> 24) as u8
            })
            .collect();
        let mut voice = vec![0; codes.len()];
        codec.decoder().decode(&codes, &mut voice).expect("as many samples as codes");
        legs.push(Leg { port, decoder: codec.decoder(), encoder: codec.encoder(), codes, voice });
    }
    legs
}

fn with_codec(bridge: &mut Bridge, legs: &mut [Leg]) {
    let mut frame = [0; MAX_FRAME];
    for leg in &mut *legs {
        let samples = leg.decoder.decode(&leg.codes, &mut frame).unwrap_or(0);
        bridge.put(leg.port, frame.get(..samples));
    }
    bridge.mix();
    let samples = bridge.samples();
    for leg in legs {
        let Some(frame) = frame.get_mut(..samples) else { return };
        bridge.get(leg.port, frame);
        // Into a packet of its own: the codes to decode stay as they are.
        let mut packet = [0; MAX_FRAME];
        let written = leg.encoder.encode(frame, &mut packet);
        std::hint::black_box((&packet, written.is_ok()));
    }
}

fn mix_only(bridge: &mut Bridge, legs: &mut [Leg]) {
    let mut frame = [0; MAX_FRAME];
    for leg in &*legs {
        bridge.put(leg.port, Some(&leg.voice));
    }
    bridge.mix();
    let samples = bridge.samples();
    for leg in legs {
        let Some(frame) = frame.get_mut(..samples) else { return };
        bridge.get(leg.port, frame);
        std::hint::black_box(frame);
    }
}

fn cpu_micros() -> f64 {
    let now = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("the clock of this process");
    now.tv_sec() as f64 * 1e6 + now.tv_nsec() as f64 / 1e3
}

fn measure(rate: SampleRate, ports: usize, codec: Codec, tick: fn(&mut Bridge, &mut [Leg])) -> String {
    let mut bridge = Bridge::new(rate);
    let mut legs = legs(&mut bridge, ports, codec);
    (0..TICKS).for_each(|_| tick(&mut bridge, &mut legs));
    let mut costs: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = cpu_micros();
            (0..TICKS).for_each(|_| tick(&mut bridge, &mut legs));
            (cpu_micros() - start) / f64::from(TICKS)
        })
        .collect();
    costs.sort_by(f64::total_cmp);
    match (costs.first(), costs.get(ROUNDS / 2), costs.last()) {
        (Some(least), Some(median), Some(most)) => format!("{median:6.1} us ({least:.1}-{most:.1})"),
        _ => String::new(),
    }
}

fn main() {
    for ports in [32, 100] {
        for codec in Codec::ALL {
            let cost = measure(SampleRate::NARROW, ports, codec, with_codec);
            println!("{ports:3} ports  8 kHz, {} decoded and encoded: {cost}", codec.name());
        }
        println!("{ports:3} ports  8 kHz, mix: {}", measure(SampleRate::NARROW, ports, Codec::Pcmu, mix_only));
        println!("{ports:3} ports 16 kHz, mix: {}", measure(SampleRate::WIDE, ports, Codec::Pcmu, mix_only));
    }
}
