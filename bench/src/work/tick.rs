//! A tick of the conference bridge: ports that all talk and listen, with G.711 decoded before and encoded after, or the bridge alone.

use std::hint::black_box;

use audio::bridge::{Bridge, PortId};
use audio::codec::{Codec, Decoder, Encoder};
use audio::frame::{MAX_FRAME, SampleRate};

use crate::count::mark;

/// Ticks that are counted.
pub(super) const COUNT: usize = 100;
/// Ports that talk.
pub(crate) const PORTS: usize = 100;

/// A conference.
pub(crate) struct Room {
    bridge: Bridge,
    legs: Vec<Leg>,
}

struct Leg {
    port: PortId,
    decoder: Decoder,
    encoder: Encoder,
    /// What it says, as codes and as samples: noise.
    codes: Vec<u8>,
    voice: Vec<i16>,
}

/// Work of one tick.
pub(crate) type Tick = fn(&mut Room);

pub(super) fn run() {
    let mut room = Room::new(SampleRate::NARROW);
    room.with_codec();
    mark();
    (0..COUNT).for_each(|_| room.with_codec());
    mark();
}

impl Room {
    /// [`PORTS`] ports.
    pub(crate) fn new(rate: SampleRate) -> Self {
        let mut bridge = Bridge::new(rate);
        let conference = bridge.add_conference();
        let mut random = 1_u32;
        let legs = (0..PORTS).map(|_| {
            let port = bridge.add_port();
            bridge.join(conference, port);
            let mut code = || {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                random.to_be_bytes()[0]
            };
            let codes: Vec<u8> = (0..bridge.samples()).map(|_| code()).collect();
            let mut voice = vec![0; codes.len()];
            let decoded = Codec::Pcmu.decoder().decode(&codes, &mut voice);
            assert_eq!(decoded.ok(), Some(codes.len()), "as many samples as codes");
            Leg { port, decoder: Codec::Pcmu.decoder(), encoder: Codec::Pcmu.encoder(), codes, voice }
        });
        let legs = legs.collect();
        Self { bridge, legs }
    }

    /// Decodes, mixes and encodes.
    pub(crate) fn with_codec(&mut self) {
        let mut frame = [0; MAX_FRAME];
        for leg in &mut self.legs {
            let samples = leg.decoder.decode(&leg.codes, &mut frame).unwrap_or(0);
            self.bridge.put(leg.port, frame.get(..samples));
        }
        self.bridge.mix();
        let samples = self.bridge.samples();
        for leg in &mut self.legs {
            let Some(frame) = frame.get_mut(..samples) else { return };
            self.bridge.get(leg.port, frame);
            // Into a packet of its own: the codes to decode stay as they are.
            let mut packet = [0; MAX_FRAME];
            let written = leg.encoder.encode(frame, &mut packet);
            black_box((&packet, written.is_ok()));
        }
    }

    /// Mixes.
    pub(crate) fn mix(&mut self) {
        let mut frame = [0; MAX_FRAME];
        for leg in &self.legs {
            self.bridge.put(leg.port, Some(&leg.voice));
        }
        self.bridge.mix();
        let samples = self.bridge.samples();
        for leg in &self.legs {
            let Some(frame) = frame.get_mut(..samples) else { return };
            self.bridge.get(leg.port, frame);
            black_box(frame);
        }
    }

    /// Does nothing: what each port says is copied in, and as much is copied out to each.
    pub(crate) fn copy_codes(&mut self) {
        copy(self.legs.iter().map(|leg| leg.codes.as_slice()));
    }

    /// The same with samples.
    pub(crate) fn copy_samples(&mut self) {
        copy(self.legs.iter().map(|leg| leg.voice.as_slice()));
    }
}

fn copy<'a, T: Copy + Default + 'a>(voices: impl Iterator<Item = &'a [T]>) {
    let mut room = [T::default(); MAX_FRAME];
    for voice in voices {
        let Some(inside) = room.get_mut(..voice.len()) else { return };
        inside.copy_from_slice(voice);
        let inside = black_box(inside);
        let mut packet = [T::default(); MAX_FRAME];
        if let Some(packet) = packet.get_mut(..inside.len()) {
            packet.copy_from_slice(inside);
        }
        black_box(&packet);
    }
}
