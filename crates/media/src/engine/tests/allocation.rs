//! No packet allocates, from the first on: what two phones say to an engine is recorded and said once more to another one like it, whose
//! allocations are counted.

use allocation_counter::{AllocationInfo, measure};

use super::relay::between_codecs;
use super::*;

/// Counts what leaves, and keeps nothing.
#[derive(Default)]
struct Counts {
    packets: u64,
    events: u64,
}

impl Output for Counts {
    fn send(&mut self, _: Slot, _: Component, _: SocketAddr, _: &[u8]) {
        self.packets += 1;
    }
    fn event(&mut self, _: MediaEvent) {
        self.events += 1;
    }
}

/// A packet, and when and how it comes.
struct Coming {
    now: Micros,
    slot: Slot,
    component: Component,
    from: SocketAddr,
    packet: Vec<u8>,
}

/// Two phones and the engine in the middle.
type Scene = (Host, Host, Host);

/// What comes to the engine in the middle within 20 s: tones and digits, some of it lost, some late, some twice; and what is no RTP at all.
fn recorded((mut alice, mut bob, mut middle): Scene) -> Vec<Coming> {
    alice.tone(10, 440.0, 1);
    bob.tone(10, 1_000.0, 1);
    let (mut now, mut came) = (Micros(0), Vec::new());
    for tick in 0..1_000 {
        if tick % 100 == 50 {
            alice.engine.dial(Key(1), "1#").unwrap();
        }
        let ports = middle.ports.clone();
        let from = now.plus(TICK);
        now = run(&mut [&mut alice, &mut bob, &mut middle], 1, now, |to, packet| {
            let port = to.port() & !1;
            if let Some((_, slot)) = ports.iter().find(|(held, _)| *held == port) {
                let component = if to.port() == port { Component::Rtp } else { Component::Rtcp };
                // Each phone has the port that the middle sends to.
                let from_port = if port == 6_000 { 4_000 } else { 5_000 } + to.port() - port;
                came.push(Coming { now: from, slot: *slot, component, from: at(from_port), packet: packet.to_vec() });
            }
            true
        });
    }
    let goodbye = now.plus(TICK);
    alice.engine.remove_stream(now, Key(1), &mut alice.wire).unwrap();
    for (_, component, _, packet) in alice.wire.packets.drain(..) {
        let port = if component == Component::Rtp { 4_000 } else { 4_001 };
        came.push(Coming { now: goodbye, slot: middle.ports[0].1, component, from: at(port), packet });
    }
    // A network that is none of the best.
    let mut number = 0;
    came.retain(|_| (number += 1, number % 17 != 0).1);
    for at in (30..came.len() - 30).step_by(29) {
        let (late, later) = (came[at].now, came[at + 9].now);
        came.swap(at, at + 9);
        (came[at].now, came[at + 9].now) = (late, later);
        came[at + 1].packet = came[at].packet.clone();
        came[at + 2].packet.truncate(at % 40);
        came[at + 3].from = super::at(7_000);
        came[at + 4].packet = vec![at as u8; 200];
    }
    came
}

/// Says all of it to the engine in the middle, with its ticks.
fn said(coming: &mut [Coming], middle: &mut Engine, out: &mut impl Output) {
    let mut now = Micros(0);
    for Coming { now: at, slot, component, from, packet } in coming {
        while now < *at {
            now = now.plus(TICK);
            middle.tick(now, out);
        }
        middle.receive(now, *slot, *component, *from, packet, out);
    }
}

fn allocations(scene: fn() -> Scene) -> (AllocationInfo, Counts) {
    let mut coming = recorded(scene());
    let (_, _, mut middle) = scene();
    let mut out = Counts::default();
    (measure(|| said(&mut coming, &mut middle.engine, &mut out)), out)
}

fn relaying() -> Scene {
    through_relay(PayloadType::new(96).unwrap())
}

/// Both phones in a conference with a player, and a recorder that listens to one of them.
fn conferring() -> Scene {
    let (alice, bob, mut middle) = between_codecs();
    middle.engine.unlink(Key(1));
    middle.engine.add_conference(Key(20)).unwrap();
    for key in [1, 2] {
        assert!(middle.engine.join(Key(20), Key(key)));
    }
    middle.tone(21, 300.0, 1);
    let mut loudest = 0;
    let sink = move |frame: &[i16]| {
        loudest = frame.iter().map(|sample| sample.unsigned_abs()).fold(loudest, u16::max);
        0
    };
    middle.engine.add_recorder(Key(22), Box::new(sink)).unwrap();
    assert!(middle.engine.connect(Key(1), Key(22)));
    (alice, bob, middle)
}

fn echoing() -> Scene {
    let (alice, bob, mut middle) = between_codecs();
    assert!(middle.engine.echo(Key(1)) && middle.engine.echo(Key(2)));
    (alice, bob, middle)
}

#[test]
fn no_packet_and_no_tick_allocates() {
    for (name, scene) in
        [("relay", relaying as fn() -> Scene), ("decode", between_codecs), ("confer", conferring), ("echo", echoing)]
    {
        let (counted, out) = allocations(scene);
        assert!(out.packets > 1_500 && out.events > 10, "{name}: {} packets, {} events", out.packets, out.events);
        assert_eq!(counted.count_total, 0, "{name}: {counted:?}");
    }
}

/// The control: whoever keeps what leaves is seen to allocate.
#[test]
fn an_output_that_keeps_packets_is_seen() {
    let mut coming = recorded(relaying());
    let (_, _, mut middle) = relaying();
    let mut out = Wire::default();
    let counted = measure(|| said(&mut coming, &mut middle.engine, &mut out));
    assert!(counted.count_total > 1_500, "{counted:?}");
}
