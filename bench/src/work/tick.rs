//! A tick of the conference bridge: 100 ports at 8 kHz that talk and listen, G.711 decoded and encoded.

use audio::bridge::{Bridge, PortId};
use audio::codec::{Codec, Decoder, Encoder};
use audio::frame::{MAX_FRAME, SampleRate};

use crate::count::mark;

/// Ticks that are counted.
pub(super) const COUNT: usize = 100;
const PORTS: usize = 100;

struct Leg {
    port: PortId,
    decoder: Decoder,
    encoder: Encoder,
    codes: Vec<u8>,
}

pub(super) fn run() {
    let mut bridge = Bridge::new(SampleRate::NARROW);
    let room = bridge.add_conference();
    let mut random = 1_u32;
    let mut legs: Vec<Leg> = (0..PORTS)
        .map(|_| {
            let port = bridge.add_port();
            bridge.join(room, port);
            let mut code = || {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                random.to_be_bytes()[0]
            };
            let codes = (0..bridge.samples()).map(|_| code()).collect();
            Leg { port, decoder: Codec::Pcmu.decoder(), encoder: Codec::Pcmu.encoder(), codes }
        })
        .collect();
    tick(&mut bridge, &mut legs);
    mark();
    (0..COUNT).for_each(|_| tick(&mut bridge, &mut legs));
    mark();
}

fn tick(bridge: &mut Bridge, legs: &mut [Leg]) {
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
        let mut packet = [0; MAX_FRAME];
        let written = leg.encoder.encode(frame, &mut packet);
        std::hint::black_box((&packet, written.is_ok()));
    }
}
