//! Whole calls over simulated networks. Counts are printed, bounds asserted.

use super::{
    super::*,
    line::{Flight, Network, Talker, listen},
};
use crate::random::Random;

const PTIMES: [u32; 5] = [10, 20, 30, 40, 60];

/// A call of `span_ms` over `network`.
fn call(ptime_ms: u32, network: Network, span_ms: u64, seed: u64) -> (JitterBuffer, super::line::Heard) {
    let mut jitter = JitterBuffer::new(JitterConfig::default());
    let flights = network.carry(&mut Talker::new(ptime_ms), &mut Random::new(seed), 0, span_ms);
    let heard = listen(&mut jitter, flights, span_ms);
    (jitter, heard)
}

#[test]
fn on_a_perfect_network_nothing_is_concealed_and_the_delay_stays_small() {
    for ptime in PTIMES {
        let (jitter, heard) = call(ptime, Network::default(), 60_000, 1);
        assert_eq!(heard.missing_permille(200, 60_000), 0, "{ptime} ms");
        let (_, most) = heard.delays(10_000, 60_000);
        println!("{ptime} ms: delay up to {most} ms, {:?}", jitter.stats());
        assert!(most <= 80, "{ptime} ms packets: {most} ms of delay");
        assert_eq!(jitter.stats().late + jitter.stats().overflow + jitter.stats().stray, 0);
    }
}

#[test]
fn with_40_ms_of_jitter_less_than_one_percent_is_concealed() {
    for ptime in PTIMES {
        for seed in 0..8 {
            let (jitter, heard) = call(ptime, Network { jitter_us: 40_000, ..Network::default() }, 120_000, seed);
            let missing = heard.missing_permille(5000, 120_000);
            let stats = jitter.stats();
            println!(
                "{ptime} ms, seed {seed}: missing {missing} permille, late {}, left out {}, target {} ms, delay {:?} ms",
                stats.late,
                stats.left_out,
                jitter.target_time().as_millis(),
                heard.delays(60_000, 120_000)
            );
            assert!(missing < 10, "{ptime} ms packets, seed {seed}: {missing} permille");
            assert_eq!(stats.stray, 0);
        }
    }
}

#[test]
fn lost_packets_are_concealed_and_cost_no_more_than_themselves() {
    for ptime in PTIMES {
        for loss in [1, 5, 20] {
            let network = Network { loss, jitter_us: 10_000, duplicates: 0 };
            let (jitter, heard) = call(ptime, network, 120_000, 5);
            let missing = heard.missing_permille(5000, 120_000);
            println!("{ptime} ms, loss {loss} %: missing {missing} permille, {:?}", jitter.stats());
            let expected = loss as u32 * 10;
            assert!(missing.abs_diff(expected) <= 4 + expected / 4, "{ptime} ms, loss {loss} %: {missing} permille");
        }
    }
}

#[test]
fn loss_reordering_and_duplicates_together_play_each_packet_at_most_once_and_in_order() {
    for seed in 0..20 {
        let network = Network { loss: 5, jitter_us: 90_000, duplicates: 10 };
        let (jitter, heard) = call(20, network, 60_000, seed);
        let spoken: Vec<_> = heard.ticks.iter().filter_map(|tick| tick.spoken_us).collect();
        assert!(spoken.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}");
        let stats = jitter.stats();
        println!("seed {seed}: {stats:?}");
        assert!(stats.duplicates > 150, "{stats:?}");
        let missing = heard.missing_permille(10_000, 60_000);
        assert!((30..75).contains(&missing), "seed {seed}: {missing} permille");
    }
}

#[test]
fn the_delay_grows_fast_and_shrinks_slowly() {
    let mut jitter = JitterBuffer::new(JitterConfig::default());
    let (mut talker, mut random) = (Talker::new(20), Random::new(8));
    let calm = Network::default();
    let rough = Network { jitter_us: 120_000, ..calm };
    let mut flights = calm.carry(&mut talker, &mut random, 0, 20_000);
    flights.extend(rough.carry(&mut talker, &mut random, 20_000, 40_000));
    flights.extend(calm.carry(&mut talker, &mut random, 40_000, 160_000));
    let heard = listen(&mut jitter, flights, 160_000);
    let (_, before) = heard.delays(10_000, 20_000);
    let grown = heard.missing_permille(22_000, 40_000);
    let (_, rough_most) = heard.delays(30_000, 40_000);
    let (_, after) = heard.delays(140_000, 160_000);
    println!("before {before} ms, rough {rough_most} ms ({grown} permille missing), after {after} ms");
    println!("{:?}", jitter.stats());
    assert!(grown < 20, "two seconds after the change {grown} permille are missing");
    assert!((110..=180).contains(&rough_most), "{rough_most}");
    assert!(after <= before + 20, "{before} ms before, {after} ms a minute and a half after");
    let left_out = jitter.stats().left_out;
    assert!((3..=12).contains(&left_out), "{left_out} packets left out");
    assert_eq!(heard.missing_permille(40_200, 160_000), 0, "shrinking never runs the buffer empty");
}

#[test]
fn a_single_very_late_packet_is_given_up_and_does_not_lengthen_the_delay() {
    let mut jitter = JitterBuffer::new(JitterConfig::default());
    let mut flights = Network::default().carry(&mut Talker::new(20), &mut Random::new(8), 0, 30_000);
    flights.iter_mut().filter(|flight| flight.at_us == 20_000_000).for_each(|flight| flight.at_us += 65_000);
    let heard = listen(&mut jitter, flights, 30_000);
    assert_eq!(heard.delays(10_000, 20_000), heard.delays(20_000, 30_000));
    let stats = jitter.stats();
    assert_eq!((stats.late, stats.lost_units, stats.left_out), (1, 160, 0), "{stats:?}");
}

#[test]
fn jitter_with_a_long_tail_is_concealed_in_less_than_two_percent() {
    for deviation_ms in [10u64, 20, 40] {
        let mut jitter = JitterBuffer::new(JitterConfig::default());
        let mut random = Random::new(deviation_ms);
        let mut flights = Network::default().carry(&mut Talker::new(20), &mut Random::new(8), 0, 120_000);
        for flight in &mut flights {
            // A sum of twelve even distributions is close to a normal one of deviation 1, mean 6.
            let sum: u64 = (0..12).map(|_| random.below(1000)).sum();
            flight.at_us += sum * deviation_ms;
        }
        let heard = listen(&mut jitter, flights, 120_000);
        let missing = heard.missing_permille(10_000, 120_000);
        println!("deviation {deviation_ms} ms: missing {missing} permille, target {:?}", jitter.target_time());
        println!("{:?}, delay {:?} ms", jitter.stats(), heard.delays(60_000, 120_000));
        assert!(missing < 20, "deviation {deviation_ms} ms: {missing} permille");
        assert!(jitter.target_time() <= Micros::from_millis(8 * deviation_ms + 20));
    }
}

#[test]
fn the_delay_shrinks_when_the_route_becomes_shorter() {
    let mut jitter = JitterBuffer::new(JitterConfig::default());
    let mut flights = Network::default().carry(&mut Talker::new(20), &mut Random::new(8), 0, 30_000);
    for flight in flights.iter_mut().filter(|flight| flight.at_us < 10_000_000) {
        flight.at_us += 250_000;
    }
    let heard = listen(&mut jitter, flights, 30_000);
    let long = |tick: &&super::line::Tick| tick.spoken_us.is_some_and(|at| tick.at_ms - at / 1000 > 100);
    let last = heard.ticks.iter().rfind(long).unwrap().at_ms;
    println!("delay above 100 ms up to {last} ms, {:?}", jitter.stats());
    assert_eq!(heard.missing_permille(10_300, 30_000), 0);
    assert!(
        (11_500..17_000).contains(&last),
        "below 100 ms again at {last} ms, after the route became 250 ms shorter at 10 s"
    );
}

#[test]
fn a_drifting_clock_is_followed_without_loss() {
    for ppm in [-300i64, -50, 50, 300] {
        let mut jitter = JitterBuffer::new(JitterConfig::default());
        let mut talker = Talker::new(20);
        let span = 600_000u64;
        let flights: Vec<_> = (0..span / 20)
            .map(|n| {
                let at_us = (n as i64 * (20_000 * 1_000_000 + 20_000 * ppm) / 1_000_000) as u64;
                Flight { at_us, datagram: talker.packet(at_us) }
            })
            .collect();
        let heard = listen(&mut jitter, flights, span - 1000);
        let missing = heard.missing_permille(1000, span - 1000);
        let (_, most) = heard.delays(span / 2, span - 1000);
        println!("{ppm} ppm: missing {missing} permille, delay up to {most} ms, {:?}", jitter.stats());
        // 300 ppm of 600 s are 180 ms: nine packets too many or too few.
        assert!(missing <= 1, "{ppm} ppm: {missing} permille");
        assert!(most <= 120, "{ppm} ppm: {most} ms");
        assert!(jitter.stats().left_out <= 14, "{ppm} ppm: {:?}", jitter.stats());
    }
}

#[test]
fn a_changed_route_is_followed_both_ways() {
    for (before_ms, after_ms) in [(0u64, 100u64), (100, 0), (0, 250)] {
        let mut jitter = JitterBuffer::new(JitterConfig::default());
        let mut flights = Network::default().carry(&mut Talker::new(20), &mut Random::new(1), 0, 120_000);
        for flight in &mut flights {
            flight.at_us += 1000 * if flight.at_us < 10_000_000 { before_ms } else { after_ms };
        }
        let heard = listen(&mut jitter, flights, 120_000);
        let missing = heard.missing_permille(11_000, 120_000);
        let (_, most) = heard.delays(100_000, 120_000);
        println!(
            "{before_ms} -> {after_ms} ms: missing {missing} permille, at the end {most} ms, {:?}",
            jitter.stats()
        );
        assert!(missing <= 2, "{before_ms} -> {after_ms} ms: {missing} permille");
        assert!(most <= after_ms + 100, "{before_ms} -> {after_ms} ms: {most} ms at the end");
    }
}

#[test]
fn a_stall_longer_than_the_maximum_is_over_when_the_packets_come_in_time_again() {
    for stall_ms in [400u64, 2000, 10_000] {
        let mut jitter = JitterBuffer::new(JitterConfig::default());
        let mut flights = Network::default().carry(&mut Talker::new(20), &mut Random::new(1), 0, 30_000);
        let end_us = 5_000_000 + stall_ms * 1000;
        for flight in &mut flights {
            if (5_000_000..end_us).contains(&flight.at_us) {
                flight.at_us = end_us;
            }
        }
        let heard = listen(&mut jitter, flights, 30_000);
        let resumed = heard.first_heard(5000 + stall_ms, 5000 + stall_ms - 320).unwrap();
        println!("stall {stall_ms} ms: heard again at {resumed} ms, {:?}", jitter.stats());
        assert!(resumed <= 5000 + stall_ms + 200, "stall {stall_ms} ms: {resumed}");
        assert_eq!(heard.missing_permille(5000 + stall_ms + 1000, 30_000), 0, "stall {stall_ms} ms");
    }
}
