//! A relayed packet: in at one stream's port, out at the other's, without the sockets.

use std::net::SocketAddr;
use std::time::Duration;

use audio::codec::Codec;
use media::{Component, Config, Engine, Key, MediaEvent, Output, Slot, StreamSettings};
use rtp::{Micros, PayloadType};

use crate::count::mark;

/// Packets that are counted.
pub(super) const COUNT: usize = 1_000;
const BEFORE: usize = 100;

/// Counts what leaves.
#[derive(Default)]
struct Leaving(usize);

impl Output for Leaving {
    fn send(&mut self, _: Slot, _: Component, _: SocketAddr, packet: &[u8]) {
        self.0 += usize::from(packet.len() == 172);
    }

    fn event(&mut self, _: MediaEvent) {}
}

fn settings(port: u16) -> StreamSettings {
    StreamSettings {
        codec: Codec::Pcmu,
        send_type: PayloadType::PCMU,
        receive_types: vec![(PayloadType::PCMU, Codec::Pcmu)],
        events: None,
        remote: Some(([192, 0, 2, 2], port).into()),
        remote_control: Some(([192, 0, 2, 2], port + 1).into()),
        direction: sdp::Direction::SendRecv,
        ptime: Duration::from_millis(20),
        min_delay: Micros::from_millis(20),
        max_delay: Micros::from_millis(200),
    }
}

pub(super) fn run() {
    let mut engine = Engine::new(Config::default(), Duration::from_secs(1_700_000_000), 7);
    let (here, there) = (Key(1), Key(2));
    let added = [(here, 4_000), (there, 4_002)].map(|(key, port)| engine.add_stream(Micros(0), key, settings(port)));
    let [Ok(slot), Ok(_)] = added else { return };
    engine.link(here, there);
    let mut out = Leaving::default();
    let mut packet = [0xd5_u8; 172];
    let mut pass = |n: usize, out: &mut Leaving| {
        let [.., high, low] = n.to_be_bytes();
        let stamp = u32::try_from(n).unwrap_or_default().wrapping_mul(160).to_be_bytes();
        let [a, b, c, d] = stamp;
        packet[..12].copy_from_slice(&[0x80, 0, high, low, a, b, c, d, 1, 2, 3, 4]);
        let from = ([192, 0, 2, 2], 4_000).into();
        engine.receive(Micros(n as u64 * 20_000), slot, Component::Rtp, from, &mut packet, out);
    };
    (0..BEFORE).for_each(|n| pass(n, &mut out));
    mark();
    (BEFORE..BEFORE + COUNT).for_each(|n| pass(n, &mut out));
    mark();
    assert!(out.0 >= COUNT, "{} of {COUNT} packets leave", out.0);
}
