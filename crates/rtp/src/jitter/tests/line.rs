//! A simulated line: packets of numbered audio, a network that delays, drops and repeats, and a listener's ticks.

use super::super::*;
use crate::{Header, SequenceNumber, Ssrc, Timestamp, random::Random};

/// One packet under way.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) at_us: u64,
    pub(super) datagram: Vec<u8>,
}

/// A sender whose payloads all say at which microsecond they were spoken.
#[derive(Clone, Debug)]
pub(super) struct Talker {
    pub(super) ssrc: u32,
    pub(super) seq: u16,
    pub(super) ts: u32,
    pub(super) ptime_ms: u32,
    pub(super) marker: bool,
}

impl Talker {
    pub(super) fn new(ptime_ms: u32) -> Self {
        Self { ssrc: 1, seq: 65_500, ts: u32::MAX - 4000, ptime_ms, marker: true }
    }

    /// The packet spoken until `at_us`.
    pub(super) fn packet(&mut self, at_us: u64) -> Vec<u8> {
        let units = self.ptime_ms * 8;
        let mut payload = vec![0x55; units as usize];
        payload[..8].copy_from_slice(&at_us.to_be_bytes());
        let datagram = packet(self.ssrc, self.seq, self.ts, self.marker, 0, &payload);
        self.seq = self.seq.wrapping_add(1);
        self.ts = self.ts.wrapping_add(units);
        self.marker = false;
        datagram
    }
}

pub(super) fn packet(ssrc: u32, seq: u16, ts: u32, marker: bool, payload_type: u8, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        payload_type: PayloadType::new(payload_type).unwrap(),
        marker,
        sequence_number: SequenceNumber(seq),
        timestamp: Timestamp(ts),
        ssrc: Ssrc(ssrc),
    };
    [&header.octets()[..], payload].concat()
}

/// What a network does to packets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Network {
    /// Each packet is late by up to this much, evenly spread.
    pub(super) jitter_us: u64,
    /// Packets lost, in percent.
    pub(super) loss: u64,
    /// Packets doubled, in percent.
    pub(super) duplicates: u64,
}

impl Network {
    /// Sends everything `talker` says from `from_ms` to `to_ms`.
    pub(super) fn carry(self, talker: &mut Talker, random: &mut Random, from_ms: u64, to_ms: u64) -> Vec<Flight> {
        let mut flights = Vec::new();
        for ms in (from_ms..to_ms).step_by(talker.ptime_ms as usize) {
            let datagram = talker.packet(ms * 1000);
            let copies =
                if random.below(100) < self.loss { 0 } else { 1 + u64::from(random.below(100) < self.duplicates) };
            for _ in 0..copies {
                let at_us = ms * 1000 + random.below(self.jitter_us + 1);
                flights.push(Flight { at_us, datagram: datagram.clone() });
            }
        }
        flights
    }
}

/// What a listener heard, tick by tick.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    pub(super) ticks: Vec<Tick>,
}

/// What one tick of 20 ms was made of, in units.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tick {
    pub(super) at_ms: u64,
    pub(super) audio: u32,
    pub(super) lost: u32,
    pub(super) silence: u32,
    pub(super) empty: u32,
    /// When the newest frame begun in this tick was spoken.
    pub(super) spoken_us: Option<u64>,
}

impl Heard {
    /// Ticks of the span.
    pub(super) fn span(&self, from_ms: u64, to_ms: u64) -> impl Iterator<Item = &Tick> {
        self.ticks.iter().filter(move |tick| (from_ms..to_ms).contains(&tick.at_ms))
    }

    /// The share of the span that was concealed or empty, in thousandths.
    pub(super) fn missing_permille(&self, from_ms: u64, to_ms: u64) -> u32 {
        let missing: u32 = self.span(from_ms, to_ms).map(|tick| tick.lost + tick.empty).sum();
        let total = self.span(from_ms, to_ms).count() as u32 * 160;
        missing * 1000 / total.max(1)
    }

    /// The first tick from `from_ms` on with audio spoken at or after `spoken_ms`.
    pub(super) fn first_heard(&self, from_ms: u64, spoken_ms: u64) -> Option<u64> {
        self.ticks
            .iter()
            .find(|tick| tick.at_ms >= from_ms && tick.spoken_us.is_some_and(|at| at >= spoken_ms * 1000))
            .map(|tick| tick.at_ms)
    }

    /// The least and the largest time from a frame's arrival on a perfect network to its playing, in ms.
    pub(super) fn delays(&self, from_ms: u64, to_ms: u64) -> (u64, u64) {
        let delays =
            self.span(from_ms, to_ms).filter_map(|tick| Some(tick.at_ms.saturating_sub(tick.spoken_us? / 1000)));
        delays.fold((u64::MAX, 0), |(least, most), delay| (least.min(delay), most.max(delay)))
    }
}

/// Plays what arrives through `jitter`, a tick each 20 ms up to `to_ms`, the ticks 7 ms out of step with the packets.
/// Checks what must hold whatever happens.
pub(super) fn listen(jitter: &mut JitterBuffer, mut flights: Vec<Flight>, to_ms: u64) -> Heard {
    flights.sort_by_key(|flight| flight.at_us);
    let mut flights = flights.into_iter().peekable();
    let mut heard = Heard::default();
    let mut left_over = 0u32;
    for at_ms in (7..to_ms).step_by(20) {
        while let Some(flight) = flights.next_if(|flight| flight.at_us <= at_ms * 1000) {
            jitter.insert(Micros(flight.at_us), &Packet::parse(&flight.datagram).unwrap());
        }
        let mut tick = Tick { at_ms, audio: left_over.min(160), ..Tick::default() };
        let mut missing = 160 - tick.audio;
        left_over -= tick.audio;
        let mut pulls = 0;
        while missing > 0 {
            pulls += 1;
            assert!(pulls <= 100, "a tick ends");
            let (taken, kind) = match jitter.pull(Micros(at_ms * 1000), missing) {
                Pulled::Frame(frame) => {
                    assert_eq!(frame.units as usize, if frame.units == 0 { 0 } else { frame.payload.len() });
                    if let Some(spoken) = frame.payload.first_chunk::<8>().filter(|_| frame.units > 0) {
                        tick.spoken_us = Some(u64::from_be_bytes(*spoken));
                    }
                    let taken = frame.units.min(missing);
                    left_over = frame.units - taken;
                    (taken, &mut tick.audio)
                }
                Pulled::Lost { units } => (units, &mut tick.lost),
                Pulled::Silence { units } => (units, &mut tick.silence),
                Pulled::Empty { units } => (units, &mut tick.empty),
            };
            assert!(taken <= missing);
            *kind += taken;
            missing -= taken;
        }
        heard.ticks.push(tick);
    }
    heard
}
