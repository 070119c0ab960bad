mod line;
mod restarts;
mod silences;
mod simulation;

use super::*;
use crate::{ClockRate, random::Random};
use line::packet;
use proptest::prelude::*;

fn buffer() -> JitterBuffer {
    JitterBuffer::new(JitterConfig::default())
}

fn insert(jitter: &mut JitterBuffer, at_ms: u64, seq: u16, ts: u32) -> Inserted {
    jitter.insert(Micros::from_millis(at_ms), &Packet::parse(&packet(1, seq, ts, false, 0, &[seq as u8; 160])).unwrap())
}

/// The sequence number of the frame pulled, or what came instead.
fn pull(jitter: &mut JitterBuffer, at_ms: u64) -> Result<u16, Pulled<'_>> {
    match jitter.pull(Micros::from_millis(at_ms), 160) {
        Pulled::Frame(frame) => {
            assert_eq!(frame.payload, [frame.sequence_number.0 as u8; 160]);
            Ok(frame.sequence_number.0)
        }
        other => Err(other),
    }
}

/// A buffer that has played packet 0 at 40 ms and holds none.
fn playing() -> JitterBuffer {
    let mut jitter = buffer();
    assert_eq!(insert(&mut jitter, 0, 0, 0), Inserted::Resynced);
    assert_eq!(pull(&mut jitter, 0), Err(Pulled::Empty { units: 160 }));
    assert_eq!(pull(&mut jitter, 20), Err(Pulled::Empty { units: 160 }));
    assert_eq!(pull(&mut jitter, 40), Ok(0));
    jitter
}

#[test]
fn packets_are_played_in_order_of_their_numbers() {
    let mut jitter = playing();
    for (seq, at) in [(3, 50), (1, 51), (2, 52)] {
        assert_eq!(insert(&mut jitter, at, seq, 160 * u32::from(seq)), Inserted::Stored);
    }
    for (n, at) in [(1, 60), (2, 80), (3, 100)] {
        assert_eq!(pull(&mut jitter, at), Ok(n));
    }
    assert_eq!(jitter.waiting_packets(), 0);
}

#[test]
fn before_the_first_frame_an_earlier_packet_may_still_become_the_first() {
    let mut jitter = buffer();
    insert(&mut jitter, 0, 1, 160);
    assert_eq!(insert(&mut jitter, 1, 0, 0), Inserted::Stored);
    assert_eq!(pull(&mut jitter, 60), Ok(0));
    assert_eq!(pull(&mut jitter, 80), Ok(1));
}

#[test]
fn a_lost_packet_is_concealed_for_exactly_its_length() {
    let mut jitter = playing();
    insert(&mut jitter, 50, 2, 320);
    assert_eq!(jitter.pull(Micros::from_millis(60), 100), Pulled::Lost { units: 100 });
    assert_eq!(jitter.pull(Micros::from_millis(60), 100), Pulled::Lost { units: 60 });
    assert_eq!(pull(&mut jitter, 80), Ok(2));
    assert_eq!(jitter.stats().lost_units, 160);
}

#[test]
fn a_late_packet_grows_the_delay_instead_of_being_lost() {
    let mut jitter = playing();
    assert_eq!(pull(&mut jitter, 60), Err(Pulled::Lost { units: 160 }));
    assert_eq!(insert(&mut jitter, 70, 1, 160), Inserted::Stored);
    insert(&mut jitter, 71, 2, 320);
    assert_eq!(pull(&mut jitter, 80), Ok(1));
    assert_eq!(pull(&mut jitter, 100), Ok(2));
    assert_eq!(jitter.stats().late, 0);
}

#[test]
fn a_packet_behind_the_last_frame_is_late_and_one_twice_a_duplicate() {
    let mut jitter = playing();
    insert(&mut jitter, 50, 2, 320);
    assert_eq!(insert(&mut jitter, 50, 2, 320), Inserted::Duplicate);
    assert!(pull(&mut jitter, 60).is_err());
    assert_eq!(pull(&mut jitter, 80), Ok(2));
    assert_eq!(insert(&mut jitter, 90, 1, 160), Inserted::Late);
    assert_eq!(insert(&mut jitter, 90, 2, 320), Inserted::Duplicate);
    let stats = jitter.stats();
    assert_eq!((stats.late, stats.duplicates, stats.stored, stats.played), (1, 2, 2, 2));
}

#[test]
fn an_interrupted_stream_is_concealed_for_100_ms_and_then_silent() {
    let mut jitter = playing();
    let mut lost = 0;
    for n in 0..20 {
        match pull(&mut jitter, 60 + 20 * n) {
            Err(Pulled::Lost { units }) => lost += units,
            Err(Pulled::Empty { units: 160 }) => assert!(lost == 800, "{lost}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(lost, 800);
}

#[test]
fn a_packet_without_payload_or_with_an_event_counts_as_no_loss() {
    let mut jitter = playing();
    let at = Micros::from_millis(50);
    let empty = packet(1, 1, 160, false, 0, &[]);
    let event = packet(1, 2, 160, true, 101, &[5, 10, 0, 160]);
    assert_eq!(jitter.insert(at, &Packet::parse(&empty).unwrap()), Inserted::Stored);
    assert_eq!(jitter.pass_over(&Packet::parse(&event).unwrap()), Inserted::Stored);
    insert(&mut jitter, 100, 3, 640);
    // The timestamp skips what lasted three packets; none of it is a loss.
    assert_eq!(pull(&mut jitter, 60), Err(Pulled::Silence { units: 160 }));
    assert_eq!(pull(&mut jitter, 140), Ok(3));
    assert_eq!(jitter.stats().lost_units, 0);
    let stranger = packet(2, 4, 800, false, 101, &[5, 10, 0, 160]);
    assert_eq!(jitter.pass_over(&Packet::parse(&stranger).unwrap()), Inserted::Stray);
}

#[test]
fn limit_64_packets_wait_and_the_65th_pushes_the_oldest_out() {
    let mut jitter = JitterBuffer::new(JitterConfig { capacity: 1 << 16, max_ms: 1000, ..JitterConfig::default() });
    for seq in 0..64u16 {
        insert(&mut jitter, 10 * u64::from(seq), seq, 80 * u32::from(seq));
    }
    assert_eq!((jitter.waiting_packets(), jitter.stats().overflow), (64, 0));
    insert(&mut jitter, 640, 64, 80 * 64);
    assert_eq!((jitter.waiting_packets(), jitter.stats().overflow), (64, 1));
    assert_eq!(pull(&mut jitter, 700), Ok(1));
}

#[test]
fn limit_memory_is_given_to_the_newest_packets() {
    let mut jitter = JitterBuffer::new(JitterConfig { capacity: 1024, ..JitterConfig::default() });
    // Six packets of 160 octets fit into 1024.
    for seq in 0..6u16 {
        insert(&mut jitter, 0, seq, 160 * u32::from(seq));
    }
    assert_eq!((jitter.waiting_packets(), jitter.stats().overflow), (6, 0));
    insert(&mut jitter, 0, 6, 960);
    assert_eq!((jitter.waiting_packets(), jitter.stats().overflow), (6, 1));
    let half = packet(1, 7, 1120, false, 0, &[7; 512]);
    assert_eq!(jitter.insert(Micros(0), &Packet::parse(&half).unwrap()), Inserted::Stored);
    let more = packet(1, 8, 1632, false, 0, &[8; 513]);
    assert_eq!(jitter.insert(Micros(0), &Packet::parse(&more).unwrap()), Inserted::TooLarge);
}

#[test]
fn settings_out_of_range_are_brought_into_it() {
    let wild = JitterConfig { min_ms: 9000, initial_ms: 0, max_ms: 0, capacity: 0, ..JitterConfig::default() };
    let jitter = JitterBuffer::new(wild);
    assert_eq!((jitter.config.min_ms, jitter.config.initial_ms, jitter.config.max_ms), (20, 20, 20));
    assert_eq!(jitter.config.capacity, 1024);
    let wild = JitterConfig { max_ms: u32::MAX, capacity: usize::MAX, ..JitterConfig::default() };
    assert_eq!((JitterBuffer::new(wild).config.max_ms, JitterBuffer::new(wild).config.capacity), (1000, 1 << 20));
}

#[test]
fn clearing_forgets_the_source_and_keeps_the_network() {
    let mut jitter = playing();
    insert(&mut jitter, 20, 1, 160);
    jitter.clear();
    assert_eq!(jitter.waiting_packets(), 0);
    assert_eq!(insert(&mut jitter, 10_000, 9000, 77), Inserted::Resynced);
    assert_eq!(pull(&mut jitter, 10_040), Ok(9000));
}

/// One step of an arbitrary life.
#[derive(Clone, Debug)]
enum Step {
    Insert { ssrc: u32, seq: u16, ts: u32, marker: bool, payload_type: u8, length: usize },
    PassOver { seq: u16, ts: u32 },
    Pull(u32),
    Wait(u64),
    Clear,
}

fn any_step() -> impl Strategy<Value = Step> {
    let near = prop_oneof![8 => 0u16..200, 1 => any::<u16>()];
    prop_oneof![
        8 => (0u32..2, near, -3i64..3, any::<bool>(), prop_oneof![Just(0u8), Just(13)], 0usize..700).prop_map(
            |(ssrc, seq, shift, marker, payload_type, length)| {
                let ts = (i64::from(seq) * 160 + shift * 8000) as u32;
                Step::Insert { ssrc, seq, ts, marker, payload_type, length }
            }
        ),
        1 => (any::<u32>(), any::<u16>(), any::<u32>()).prop_map(|(ssrc, seq, ts)| Step::Insert {
            ssrc: ssrc % 3, seq, ts, marker: true, payload_type: 0, length: 160
        }),
        1 => (0u16..200, any::<u32>()).prop_map(|(seq, ts)| Step::PassOver { seq, ts }),
        8 => (0u32..400).prop_map(Step::Pull),
        6 => (0u64..40_000).prop_map(Step::Wait),
        1 => any::<u64>().prop_map(|time| Step::Wait(time / 4)),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #[test]
    fn cve_rtp_whatever_arrives_the_promises_hold(steps in proptest::collection::vec(any_step(), 1..300), capacity in 1024usize..8192) {
        let mut jitter = JitterBuffer::new(JitterConfig { capacity, ..JitterConfig::default() });
        let mut now = Micros(0);
        for step in steps {
            match step {
                Step::Insert { ssrc, seq, ts, marker, payload_type, length } => {
                    let datagram = packet(ssrc, seq, ts, marker, payload_type, &vec![seq as u8; length]);
                    jitter.insert(now, &Packet::parse(&datagram).unwrap());
                }
                Step::PassOver { seq, ts } => {
                    jitter.pass_over(&Packet::parse(&packet(1, seq, ts, false, 101, &[1, 0, 0, 9])).unwrap());
                }
                Step::Pull(wanted) => match jitter.pull(now, wanted) {
                    Pulled::Frame(frame) => {
                        prop_assert!(!frame.payload.is_empty());
                        prop_assert!(frame.payload.iter().all(|octet| *octet == frame.sequence_number.0 as u8));
                    }
                    Pulled::Lost { units } => prop_assert!(units >= 1 && units <= wanted.max(1)),
                    Pulled::Silence { units } | Pulled::Empty { units } => prop_assert_eq!(units, wanted.max(1)),
                },
                Step::Wait(time) => now = now.plus(Micros(time)),
                Step::Clear => jitter.clear(),
            }
            let (stats, waiting) = (jitter.stats(), u64::from(jitter.waiting_packets()));
            prop_assert!(waiting <= 64);
            prop_assert!(stats.played + stats.overflow + stats.left_out + waiting <= stats.stored + 64);
            prop_assert!((160..=2400).contains(&jitter.target()));
        }
    }
}

#[test]
fn cve_rtp_random_numbers_are_strays() {
    let mut jitter = buffer();
    let mut random = Random::new(3);
    let started = jitter.stats();
    for n in 0..300_000u64 {
        let datagram = packet(1, random.next() as u16, random.next() as u32, random.below(2) == 0, 0, &[0; 160]);
        jitter.insert(Micros(n * 100), &Packet::parse(&datagram).unwrap());
        jitter.pull(Micros(n * 100), 160);
    }
    assert!(jitter.stats().stray > started.stray + 100_000);
}

#[test]
fn a_high_clock_counts_in_its_own_units() {
    let config = JitterConfig { clock: ClockRate::HZ_48000, payload: PayloadDuration::Opus, ..JitterConfig::default() };
    let mut jitter = JitterBuffer::new(config);
    for n in 0..50u32 {
        // 20 ms of Opus: configuration 1, one frame.
        let datagram = packet(1, n as u16, n * 960, false, 111, &[1 << 3, n as u8]);
        jitter.insert(Micros::from_millis(u64::from(n) * 20), &Packet::parse(&datagram).unwrap());
        let pulled = jitter.pull(Micros::from_millis(u64::from(n) * 20), 960);
        match n {
            0 | 1 => assert_eq!(pulled, Pulled::Empty { units: 960 }),
            _ => assert!(matches!(pulled, Pulled::Frame(frame) if frame.units == 960), "{n}: {pulled:?}"),
        }
    }
    assert_eq!(jitter.target_time(), Micros::from_millis(40));
}
