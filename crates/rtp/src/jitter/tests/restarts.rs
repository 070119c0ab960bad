//! Streams that start anew without a word: audio resumes within 200 ms.

use super::{
    super::*,
    line::{Flight, Heard, Network, Talker, listen, packet},
};
use crate::random::Random;

const PTIMES: [u32; 5] = [10, 20, 30, 40, 60];
const CHANGE_MS: u64 = 6000;

/// A call in which `change` happens to the sender after six seconds, over a network with some jitter.
fn changed(ptime_ms: u32, seed: u64, change: impl FnOnce(&mut Talker)) -> (JitterBuffer, Heard) {
    let mut jitter = JitterBuffer::new(JitterConfig::default());
    let (mut talker, mut random) = (Talker::new(ptime_ms), Random::new(seed));
    let network = Network { jitter_us: 15_000, ..Network::default() };
    let mut flights = network.carry(&mut talker, &mut random, 0, CHANGE_MS);
    change(&mut talker);
    flights.extend(network.carry(&mut talker, &mut random, CHANGE_MS, 15_000));
    let heard = listen(&mut jitter, flights, 15_000);
    (jitter, heard)
}

fn assert_resumes(name: &str, change: impl Fn(&mut Talker)) {
    for ptime in PTIMES {
        for seed in 0..10 {
            let (jitter, heard) = changed(ptime, seed, &change);
            let resumed = heard.first_heard(CHANGE_MS, CHANGE_MS).unwrap();
            // The first packet after the change is complete, and sent, at the change itself.
            let took = resumed - CHANGE_MS;
            assert!(took <= 200, "{name}, {ptime} ms packets, seed {seed}: {took} ms, {:?}", jitter.stats());
            let missing = heard.missing_permille(CHANGE_MS + 1000, 15_000);
            assert!(missing <= 10, "{name}, {ptime} ms packets: {missing} permille missing afterwards");
        }
    }
}

#[test]
fn cve_rtp_timestamp_backwards_by_8e8_is_heard_within_200_ms() {
    assert_resumes("backwards", |talker| talker.ts = talker.ts.wrapping_sub(800_000_000));
}

#[test]
fn cve_rtp_timestamp_forwards_by_8e8_is_heard_within_200_ms() {
    assert_resumes("forwards", |talker| talker.ts = talker.ts.wrapping_add(800_000_000));
}

#[test]
fn cve_rtp_timestamp_steps_of_any_size_are_heard_within_200_ms() {
    for step in [-80_000i32, -8000, -3200, -1600, -320, 320, 1600, 3200, 8000, 80_000, i32::MIN] {
        assert_resumes(&format!("step {step}"), |talker| talker.ts = talker.ts.wrapping_add(step as u32));
    }
}

#[test]
fn cve_rtp_ssrc_change_is_heard_within_200_ms() {
    assert_resumes("ssrc", |talker| talker.ssrc = 2);
    assert_resumes("ssrc, seq and timestamp", |talker| *talker = Talker { ssrc: 2, seq: 7, ts: 99, ..talker.clone() });
}

#[test]
fn cve_rtp_sequence_restart_is_heard_within_200_ms() {
    for seq in [0u16, 5000, 40_000] {
        assert_resumes(&format!("seq {seq}"), |talker| talker.seq = seq);
    }
    assert_resumes("seq a little back", |talker| talker.seq = talker.seq.wrapping_sub(20));
}

#[test]
fn cve_rtp_sequence_and_timestamp_wrap_is_not_noticed() {
    // Talkers start 36 packets and 4001 units before the wrap.
    let (jitter, heard) = changed(20, 1, |_| {});
    assert_eq!(heard.missing_permille(200, 15_000), 0);
    assert_eq!((jitter.stats().resyncs, jitter.stats().stray), (0, 0));
}

#[test]
fn cve_rtp_stray_packets_of_any_kind_change_nothing() {
    let mut jitter = JitterBuffer::new(JitterConfig::default());
    let (mut talker, mut random) = (Talker::new(20), Random::new(1));
    let mut flights = Network::default().carry(&mut talker, &mut random, 0, 20_000);
    for n in 0..900u64 {
        // Never two that follow each other from one source.
        let (ssrc, seq) = (if n % 2 == 0 { 1 } else { 100 + n as u32 }, random.next() as u16 | 0x4000);
        let ts = random.next() as u32;
        let datagram = packet(ssrc, seq, ts, random.below(2) == 0, 0, &[0xee; 160]);
        flights.push(Flight { at_us: 1_000_000 + n * 20_000 + 5000, datagram });
    }
    let heard = listen(&mut jitter, flights, 20_000);
    println!("{:?}", jitter.stats());
    assert_eq!(heard.missing_permille(200, 20_000), 0);
    assert_eq!(jitter.stats().resyncs, 0);
    assert_eq!(jitter.stats().stray, 900);
}

#[test]
fn cve_rtp_strays_that_do_not_agree_confirm_nothing() {
    let mut jitter = JitterBuffer::new(JitterConfig::default());
    let mut talker = Talker::new(20);
    let inserted = |jitter: &mut JitterBuffer, at_ms: u64, datagram: &[u8]| {
        jitter.insert(Micros::from_millis(at_ms), &Packet::parse(datagram).unwrap())
    };
    inserted(&mut jitter, 0, &talker.packet(0));
    inserted(&mut jitter, 20, &talker.packet(0));
    // In sequence, but with timestamps seconds apart; then in time, but not in sequence.
    for n in 0..50u32 {
        let datagram = packet(2, n as u16, n * 50_000, false, 0, &[0; 160]);
        assert_eq!(inserted(&mut jitter, 40, &datagram), Inserted::Stray, "timestamp {n}");
        let datagram = packet(3, (n * 100) as u16, n, false, 0, &[0; 160]);
        assert_eq!(inserted(&mut jitter, 40, &datagram), Inserted::Stray, "sequence {n}");
    }
    for n in 0..50u32 {
        let datagram = packet(3, (n * 100) as u16, n, false, 0, &[0; 160]);
        assert_eq!(inserted(&mut jitter, 40, &datagram), Inserted::Stray, "sequence {n} alone");
        assert_eq!(inserted(&mut jitter, 40, &datagram), Inserted::Stray, "the same one twice");
    }
    for n in 0..50u32 {
        let datagram = packet(2, n as u16, n * 50_000, false, 0, &[0; 160]);
        assert_eq!(inserted(&mut jitter, 40, &datagram), Inserted::Stray, "timestamp {n} alone");
    }
    assert_eq!(inserted(&mut jitter, 40, &talker.packet(0)), Inserted::Stored);
}

#[test]
fn a_second_source_is_not_heard_while_the_first_one_talks() {
    let mut jitter = JitterBuffer::new(JitterConfig::default());
    let mut flights = Network::default().carry(&mut Talker::new(20), &mut Random::new(1), 0, 5000);
    let mut other = Talker { ssrc: 2, seq: 1, ts: 1, ..Talker::new(20) };
    flights.extend(
        (1000..10_000).step_by(20).map(|ms| Flight { at_us: ms * 1000 + 9000, datagram: other.packet(ms * 1000) }),
    );
    let heard = listen(&mut jitter, flights, 10_000);
    assert_eq!(jitter.stats().resyncs, 1);
    assert_eq!(heard.missing_permille(200, 4900), 0);
    assert!(heard.first_heard(5000, 5000).unwrap() <= 5200);
}

#[test]
fn a_sender_that_stopped_its_clock_while_on_hold_is_heard_within_200_ms() {
    for (pause_ms, marker) in [(500u64, false), (500, true), (10_000, false), (10_000, true)] {
        let mut jitter = JitterBuffer::new(JitterConfig::default());
        let mut talker = Talker::new(20);
        let mut flights = Network::default().carry(&mut talker, &mut Random::new(1), 0, 5000);
        talker.marker = marker;
        let resume = 5000 + pause_ms;
        flights.extend(Network::default().carry(&mut talker, &mut Random::new(1), resume, resume + 5000));
        let heard = listen(&mut jitter, flights, resume + 5000);
        let took = heard.first_heard(resume, resume).unwrap() - resume;
        println!("pause {pause_ms} ms, marker {marker}: {took} ms, {:?}", jitter.stats());
        assert!(took <= 200, "pause {pause_ms} ms, marker {marker}: {took} ms");
        assert_eq!(heard.missing_permille(resume + 500, resume + 4900), 0);
    }
}
