//! Discontinuous transmission: what was not sent is silence, not loss.

use super::{
    super::*,
    line::{Flight, Network, Talker, listen, packet},
};
use crate::random::Random;

/// A talker that speaks for one second and is silent for `pause_ms`, its clock running on, `spurts` times.
fn spurts(talker: &mut Talker, pause_ms: u64, spurts: u64, jitter_us: u64, marker: bool) -> Vec<Flight> {
    let mut random = Random::new(pause_ms);
    let mut flights = Vec::new();
    for n in 0..spurts {
        let from = n * (1000 + pause_ms);
        talker.marker = marker;
        flights.extend(Network { jitter_us, ..Network::default() }.carry(talker, &mut random, from, from + 1000));
        talker.ts = talker.ts.wrapping_add(pause_ms as u32 * 8);
    }
    flights
}

#[test]
fn talk_spurts_are_heard_whole_and_pauses_conceal_at_most_100_ms() {
    for pause_ms in [60u64, 200, 1000, 5000] {
        for marker in [true, false] {
            let mut jitter = JitterBuffer::new(JitterConfig::default());
            let flights = spurts(&mut Talker::new(20), pause_ms, 20, 20_000, marker);
            let sent = flights.len() as u64;
            let heard = listen(&mut jitter, flights, 20 * (1000 + pause_ms) + 500);
            let stats = jitter.stats();
            println!("pause {pause_ms} ms, marker {marker}: {stats:?}");
            assert!(stats.played >= sent - 4, "{stats:?}, {sent} sent");
            let concealed: u32 = heard.ticks.iter().map(|tick| tick.lost).sum();
            assert!(concealed <= 20 * 800 + 800, "{concealed} units concealed in 20 pauses");
        }
    }
}

#[test]
fn rfc3389_after_comfort_noise_a_pause_is_silence_and_nothing_is_concealed() {
    let mut jitter = JitterBuffer::new(JitterConfig::default());
    let mut talker = Talker::new(20);
    let mut flights = Network::default().carry(&mut talker, &mut Random::new(1), 0, 1000);
    for n in 0..10u64 {
        let datagram = packet(talker.ssrc, talker.seq, talker.ts, false, 13, &[70]);
        flights.push(Flight { at_us: 1_000_000 + n * 200_000, datagram });
        talker.seq = talker.seq.wrapping_add(1);
        talker.ts = talker.ts.wrapping_add(1600);
    }
    talker.marker = true;
    flights.extend(Network::default().carry(&mut talker, &mut Random::new(1), 3000, 4000));
    let heard = listen(&mut jitter, flights, 4000);
    assert_eq!(heard.missing_permille(200, 4000), 0);
    assert_eq!(jitter.stats().lost_units, 0);
    let silence: u32 = heard.span(1000, 3100).map(|tick| tick.silence).sum();
    assert!((15_500..=16_600).contains(&silence), "{silence} units of silence");
    assert!(heard.first_heard(3000, 3000).unwrap() <= 3080);
}

#[test]
fn in_a_pause_the_delay_returns_to_the_target_at_once() {
    let mut jitter = JitterBuffer::new(JitterConfig::default());
    let mut talker = Talker::new(60);
    // With packets of 60 ms, an excess of less than 70 ms is not worth leaving one out.
    let rough = Network { jitter_us: 40_000, ..Network::default() };
    let mut flights = rough.carry(&mut talker, &mut Random::new(1), 0, 30_000);
    talker.ts = talker.ts.wrapping_add(8000);
    flights.extend(rough.carry(&mut talker, &mut Random::new(2), 31_000, 33_000));
    let heard = listen(&mut jitter, flights, 33_000);
    let (before, _) = heard.delays(20_000, 30_000);
    let (_, after) = heard.delays(31_000, 33_000);
    println!("before {before} ms, after {after} ms, target {:?}", jitter.target_time());
    assert!(before >= 80, "{before}");
    assert!(after <= 67, "{after} ms");
}

#[test]
fn timestamps_that_wobble_by_a_few_milliseconds_make_no_silence() {
    let mut jitter = JitterBuffer::new(JitterConfig::default());
    let mut random = Random::new(6);
    let mut flights = Vec::new();
    for n in 0..1500u64 {
        let (seq, ts) = (n as u16, (n * 160 + random.below(65)) as u32);
        let datagram = packet(1, seq, ts, false, 0, &(n * 20_000).to_be_bytes().repeat(20));
        flights.push(Flight { at_us: n * 20_000, datagram });
    }
    let heard = listen(&mut jitter, flights, 30_000);
    println!("{:?}", jitter.stats());
    let other: u32 = heard.span(200, 30_000).map(|tick| tick.silence + tick.lost + tick.empty).sum();
    assert_eq!(other, 0);
}
