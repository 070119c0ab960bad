//! Two streams that talk to each other: packets passed on as they are, or decoded in between.

use super::*;

#[test]
fn relay_passes_packets_on_undecoded() {
    let (mut alice, mut bob, mut relay) = through_relay(PayloadType::PCMU);
    alice.tone(10, 440.0, 1);
    bob.tone(10, 1_000.0, 1);
    let (at_alice, at_bob) = (alice.recorder(11, 1), bob.recorder(11, 1));
    let (mut to_relay, mut to_bob) = (Vec::new(), Vec::new());
    run(&mut [&mut alice, &mut bob, &mut relay], 200, Micros(0), |to, packet| {
        match to.port() {
            6_000 => to_relay.push(packet.to_vec()),
            5_000 => to_bob.push(packet.to_vec()),
            _ => {}
        }
        true
    });
    assert!(heard(&at_alice, 1_000.0) && heard(&at_bob, 440.0));
    assert_eq!(to_relay, to_bob, "every octet is the same");
    assert!(relay.engine.is_relaying());
    relay.engine.unlink(Key(1));
    assert!(!relay.engine.is_relaying());
}

#[test]
fn relay_translates_the_payload_number_and_nothing_else() {
    let number = PayloadType::new(96).unwrap();
    let (mut alice, mut bob, mut relay) = through_relay(number);
    alice.tone(10, 440.0, 1);
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    run(&mut [&mut alice, &mut bob, &mut relay], 20, Micros(0), |to, packet| {
        match to.port() {
            6_000 => sent.push(packet.to_vec()),
            5_000 => received.push(packet.to_vec()),
            _ => {}
        }
        true
    });
    assert!(!received.is_empty() && sent.len() == received.len());
    for (one, other) in sent.iter().zip(&received) {
        assert_eq!((one[1] & 0x7f, other[1] & 0x7f), (0, 96));
        assert_eq!((one[1] & 0x80, &one[2..]), (other[1] & 0x80, &other[2..]));
    }
}

/// Alice with one law, Bob with the other, and a host that links a stream to each.
pub(super) fn between_codecs() -> (Host, Host, Host) {
    let (mut alice, mut bob, mut between) = (Host::new(1), Host::new(2), Host::new(3));
    let pcma = |remote| StreamSettings {
        codec: Codec::Pcma,
        send_type: PayloadType::PCMA,
        receive_types: vec![(PayloadType::PCMA, Codec::Pcma)],
        ..settings(remote)
    };
    alice.stream(1, 4_000, settings(6_000));
    bob.stream(1, 5_000, pcma(6_002));
    between.stream(1, 6_000, settings(4_000));
    between.stream(2, 6_002, pcma(5_000));
    assert!(between.engine.link(Key(1), Key(2)));
    (alice, bob, between)
}

#[test]
fn different_codecs_are_linked_by_decoding() {
    let (mut alice, mut bob, mut relay) = between_codecs();
    assert!(!relay.engine.is_relaying());
    alice.tone(10, 440.0, 1);
    let at_bob = bob.recorder(11, 1);
    run(&mut [&mut alice, &mut bob, &mut relay], 200, Micros(0), |_, _| true);
    assert!(heard(&at_bob, 440.0));
}

#[test]
fn rfc3550_7_1_what_is_decoded_in_between_gets_numbers_source_and_reports_of_its_own() {
    let (mut alice, mut bob, mut between) = between_codecs();
    alice.tone(10, 440.0, 1);
    let (mut from_alice, mut to_bob, mut reports) = (Vec::new(), Vec::new(), Vec::new());
    let mut count = 0;
    run(&mut [&mut alice, &mut bob, &mut between], 1_000, Micros(0), |to, packet| {
        match to.port() {
            6_000 => {
                count += 1;
                from_alice.push(packet.to_vec());
                return count % 10 != 3;
            }
            5_000 => to_bob.push(packet.to_vec()),
            5_001 | 6_001 => reports.push((to.port(), packet.to_vec())),
            _ => {}
        }
        true
    });
    let (heard, said) = (fields(&from_alice), fields(&to_bob));
    assert_ne!(heard[0].2, said[0].2);
    assert!(to_bob.iter().all(|packet| packet[0] == 0x80), "no contributing sources are listed");
    for pair in said.windows(2) {
        assert_eq!(
            (pair[1].0, pair[1].2),
            (pair[0].0.wrapping_add(1), pair[0].2),
            "a packet that was lost before is no loss here"
        );
    }
    let names = |port| reports.iter().filter(move |(to, _)| *to == port).map(|(_, packet)| report_of(packet).0);
    assert!(names(6_001).count() > 1 && names(6_001).all(|ssrc| ssrc == heard[0].2));
    assert!(names(5_001).count() > 1 && names(5_001).all(|ssrc| ssrc == said[0].2), "nothing of alice's goes on");
}

#[test]
fn rfc3550_7_2_a_relay_passes_reports_and_goodbyes_on_as_they_are() {
    let (mut alice, mut bob, mut relay) = through_relay(PayloadType::PCMU);
    alice.tone(10, 440.0, 1);
    bob.tone(10, 1_000.0, 1);
    let (mut to_relay, mut to_bob) = (Vec::new(), Vec::new());
    let mut record = |to: &SocketAddr, packet: &[u8]| {
        match to.port() {
            6_001 => to_relay.push(packet.to_vec()),
            5_001 => to_bob.push(packet.to_vec()),
            _ => {}
        }
        true
    };
    let now = run(&mut [&mut alice, &mut bob, &mut relay], 1_000, Micros(0), &mut record);
    alice.engine.remove_stream(now, Key(1), &mut alice.wire).unwrap();
    run(&mut [&mut alice, &mut bob, &mut relay], 1, now, &mut record);
    assert!(to_relay.len() > 2 && to_relay == to_bob);
    assert!(report_of(to_bob.last().unwrap()).1, "the last one says goodbye");
    assert!(bob.wire.events.contains(&MediaEvent::Goodbye { stream: Key(1) }));
}
