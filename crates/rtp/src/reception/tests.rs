use super::*;
use crate::{Header, PayloadType, SequenceNumber, Timestamp};

const RATE: ClockRate = ClockRate::HZ_8000;

fn feed(reception: &mut Reception, at_ms: u64, ssrc: u32, seq: u16, ts: u32) -> Arrival {
    feed_us(reception, at_ms * 1000, ssrc, seq, ts)
}

fn feed_us(reception: &mut Reception, at_us: u64, ssrc: u32, seq: u16, ts: u32) -> Arrival {
    let header = Header {
        payload_type: PayloadType::PCMU,
        marker: false,
        sequence_number: SequenceNumber(seq),
        timestamp: Timestamp(ts),
        ssrc: Ssrc(ssrc),
    };
    let mut datagram = [0; 172];
    header.write(&mut datagram).unwrap();
    reception.received(Micros(at_us), &Packet::parse(&datagram).unwrap())
}

/// A reception that is past probation, its first counted packet being number 1.
fn started() -> Reception {
    let mut reception = Reception::new(RATE);
    assert_eq!(feed(&mut reception, 0, 1, 0, 0), Arrival::Probation);
    assert_eq!(feed(&mut reception, 20, 1, 1, 160), Arrival::InOrder);
    reception
}

#[test]
fn what_comes_late_does_not_say_how_far_a_source_has_come() {
    let mut reception = Reception::new(RATE);
    assert_eq!(reception.position(), None);
    feed(&mut reception, 5, 1, 65_535, 100);
    let position = |next, at_ms, timestamp| {
        Some(Position { next: SequenceNumber(next), at: Micros::from_millis(at_ms), timestamp: Timestamp(timestamp) })
    };
    assert_eq!(reception.position(), position(0, 5, 100));
    assert_eq!(feed(&mut reception, 15, 1, 65_530, 90), Arrival::Probation);
    assert_eq!(reception.position(), position(65_531, 15, 90));
    feed(&mut reception, 16, 1, 65_535, 100);
    feed(&mut reception, 20, 1, 0, 260);
    feed(&mut reception, 60, 1, 2, 580);
    assert_eq!(feed(&mut reception, 80, 1, 1, 0), Arrival::Reordered);
    assert_eq!(feed(&mut reception, 90, 1, 2, 5), Arrival::Duplicate);
    assert_eq!(reception.position(), position(3, 60, 580));
}

#[test]
fn rfc3550_a_1_two_packets_in_sequence_end_the_probation() {
    let mut reception = Reception::new(RATE);
    assert_eq!(reception.report(Micros(0)), None);
    assert_eq!(feed(&mut reception, 0, 1, 10, 0), Arrival::Probation);
    assert_eq!(feed(&mut reception, 20, 1, 12, 320), Arrival::Probation);
    assert_eq!(reception.report(Micros(0)), None);
    assert_eq!(reception.last_arrival(), None);
    assert_eq!(feed(&mut reception, 40, 1, 13, 480), Arrival::InOrder);
    let block = reception.report(Micros::from_millis(40)).unwrap();
    assert_eq!((block.ssrc, block.highest_sequence, block.cumulative_lost), (Ssrc(1), 13, 0));
    assert_eq!(reception.totals(), Totals { packets: 1, octets: 160, discarded: 2, ..Totals::default() });
}

#[test]
fn rfc3550_a_1_sequence_steps_are_told_apart() {
    let steps: [(u16, Arrival); 9] = [
        (2, Arrival::InOrder),
        (5, Arrival::Gap { missing: 2 }),
        (4, Arrival::Reordered),
        (4, Arrival::Duplicate),
        (5, Arrival::Duplicate),
        (3004, Arrival::Gap { missing: 2998 }),
        (6004, Arrival::Outlier),
        (2800, Arrival::Outlier),
        (2801, Arrival::Restarted),
    ];
    let mut reception = started();
    for (seq, expected) in steps {
        assert_eq!(feed(&mut reception, 40, 1, seq, 160 * u32::from(seq)), expected, "{seq}");
    }
    let mut reception = started();
    feed(&mut reception, 40, 1, 200, 32_000);
    assert_eq!(feed(&mut reception, 40, 1, 101, 0), Arrival::Reordered, "99 behind is misordered");
    assert_eq!(feed(&mut reception, 40, 1, 100, 0), Arrival::Outlier, "100 behind is not");
}

#[test]
fn rfc3550_a_1_wraps_are_counted_in_the_high_half() {
    let mut reception = Reception::new(RATE);
    for n in 0..5u32 {
        feed(&mut reception, u64::from(n) * 20, 1, 65533u16.wrapping_add(n as u16), n * 160);
    }
    let block = reception.report(Micros(0)).unwrap();
    assert_eq!(block.highest_sequence, 0x1_0001);
    assert_eq!(block.cumulative_lost, 0);
}

#[test]
fn rfc3550_a_1_restart_resets_the_loss_statistics_but_not_our_totals() {
    let mut reception = started();
    feed(&mut reception, 40, 1, 12, 1920);
    assert_eq!(reception.total_lost(), 10);
    feed(&mut reception, 60, 1, 20_000, 2080);
    assert_eq!(feed(&mut reception, 80, 1, 20_001, 2240), Arrival::Restarted);
    let block = reception.report(Micros(0)).unwrap();
    assert_eq!((block.cumulative_lost, block.highest_sequence), (0, 20_001));
    assert_eq!((reception.total_lost(), reception.totals().restarts), (10, 1));
}

#[test]
fn rfc3550_a_3_fraction_is_of_the_interval_and_loss_of_the_whole_time() {
    let mut reception = started();
    // 2 to 5 arrive, 6 and 7 are lost, 8 arrives.
    for seq in [2, 3, 4, 5, 8] {
        feed(&mut reception, 20 * u64::from(seq), 1, seq, 160 * u32::from(seq));
    }
    let block = reception.report(Micros(0)).unwrap();
    assert_eq!((block.fraction_lost, block.cumulative_lost), ((2 * 256 / 8) as u8, 2));
    // Nothing lost in the next interval; one late packet arrives and lowers the loss.
    for seq in [9, 10, 6] {
        feed(&mut reception, 400, 1, seq, 160 * u32::from(seq));
    }
    let block = reception.report(Micros(0)).unwrap();
    assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 1));
    // An interval without packets.
    let block = reception.report(Micros(0)).unwrap();
    assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 1));
}

#[test]
fn rfc3550_a_3_cumulative_loss_is_negative_for_duplicates_and_clamped() {
    let mut reception = started();
    for _ in 0..3 {
        assert_eq!(feed(&mut reception, 40, 1, 1, 160), Arrival::Duplicate);
    }
    assert_eq!(reception.report(Micros(0)).unwrap().cumulative_lost, -3);

    // 2998 of each 2999 packets are lost, until the 24 bits are full.
    let mut reception = started();
    let mut seq = 1u16;
    for _ in 0..3000u32 {
        seq = seq.wrapping_add(2999);
        feed(&mut reception, 40, 1, seq, 0);
    }
    assert_eq!(reception.total_lost(), 3000 * 2998);
    assert_eq!(reception.report(Micros(0)).unwrap().cumulative_lost, 0x7f_ffff);
}

#[test]
fn rfc3550_a_8_jitter_follows_the_recurrence() {
    let mut reception = started();
    let (mut scaled, mut previous) = (0i64, 0i64);
    let mut at_us = 20_000u64;
    for n in 2..200u16 {
        // Arrival alternates between 0 and 7 ms late.
        let late = if n % 2 == 0 { 7000 } else { 0 };
        at_us += 20_000;
        let ts = 160 * u32::from(n);
        feed_us(&mut reception, at_us + late, 1, n, ts);
        let transit = ((at_us + late) * 8 / 1000) as i64 - i64::from(ts);
        scaled += (transit - previous).abs() - ((scaled + 8) >> 4);
        previous = transit;
        assert_eq!(i64::from(reception.report(Micros(0)).unwrap().jitter), scaled >> 4, "packet {n}");
    }
    // |D| is 56 units each time, so the estimate has converged to it.
    assert!((54..=56).contains(&(scaled >> 4)), "{}", scaled >> 4);
    assert_eq!(reception.jitter().as_millis(), 6);
}

#[test]
fn rfc4733_2_5_2_2_all_packets_of_a_timestamp_count_for_the_jitter() {
    let mut reception = started();
    let mut scaled = 0_u32;
    // Updates of an event, 20 ms apart under one timestamp: by the formula each is late by those 20 ms.
    for n in 2..30_u16 {
        feed(&mut reception, 20 * u64::from(n), 1, n, 320);
        let change = if n == 2 { 0 } else { 160 };
        scaled += change - ((scaled + 8) >> 4);
        assert_eq!(reception.report(Micros(0)).unwrap().jitter, scaled >> 4, "packet {n}");
    }
    assert!((120..160).contains(&(scaled >> 4)), "{}", scaled >> 4);
    // The audio after it stands where it would without the event: one step back, and the estimate falls again.
    for n in 30..120_u16 {
        feed(&mut reception, 20 * u64::from(n), 1, n, 160 * u32::from(n));
    }
    assert!(reception.report(Micros(0)).unwrap().jitter < 8);
}

#[test]
fn rfc3550_6_4_1_last_sr_and_delay_come_from_the_current_source_only() {
    let mut reception = started();
    let ntp = NtpTime(0x0102_0304_0506_0708);
    reception.sender_report_arrived(Micros(0), Ssrc(99), ntp);
    assert_eq!(reception.report(Micros(0)).unwrap().last_sr, ShortNtp(0));
    reception.sender_report_arrived(Micros(1_000_000), Ssrc(1), ntp);
    let block = reception.report(Micros(3_500_000)).unwrap();
    assert_eq!((block.last_sr, block.delay_since_last_sr), (ShortNtp(0x0304_0506), ShortNtp(0x0002_8000)));
}

#[test]
fn rfc3550_6_4_1_round_trip_is_now_less_lsr_less_dlsr() {
    // The figures of the RFC's example: A = b710:8000, DLSR = 0005:4000, LSR = b705:2000.
    let block = ReportBlock {
        last_sr: ShortNtp(0xb705_2000),
        delay_since_last_sr: ShortNtp(0x0005_4000),
        ..ReportBlock::default()
    };
    let now = NtpTime(0xb44d_b710_8000_0000);
    assert_eq!(round_trip(now, &block), Some(Micros(6_125_000)));
    assert_eq!(round_trip(now, &ReportBlock::default()), None);
    let slightly_negative = ReportBlock { last_sr: ShortNtp(0xb710_8001), ..ReportBlock::default() };
    assert_eq!(round_trip(now, &slightly_negative), Some(Micros(0)));
    let absurd = ReportBlock { last_sr: ShortNtp(0xc000_0000), ..ReportBlock::default() };
    assert_eq!(round_trip(now, &absurd), None);
}

#[test]
fn rfc3550_8_2_another_source_takes_over_after_two_packets_in_sequence() {
    let mut reception = started();
    assert_eq!(feed(&mut reception, 40, 2, 500, 0), Arrival::Foreign);
    assert_eq!(feed(&mut reception, 40, 1, 2, 320), Arrival::InOrder);
    assert_eq!(feed(&mut reception, 60, 2, 501, 160), Arrival::Foreign, "the current source spoke in between");
    assert_eq!(feed(&mut reception, 80, 2, 502, 320), Arrival::Switched);
    assert_eq!(reception.source(), Some(Ssrc(2)));
    assert_eq!(feed(&mut reception, 100, 2, 503, 480), Arrival::InOrder);
    let block = reception.report(Micros(0)).unwrap();
    assert_eq!((block.ssrc, block.highest_sequence, block.cumulative_lost), (Ssrc(2), 503, 0));
    assert_eq!(block.jitter, 0);
}

#[test]
fn cve_rtp_spray_of_strangers_changes_nothing() {
    let mut reception = started();
    for n in 0..10_000u32 {
        assert_eq!(feed(&mut reception, 30, 1000 + n, n as u16, n), Arrival::Foreign);
    }
    assert_eq!(reception.source(), Some(Ssrc(1)));
    assert_eq!(reception.totals().discarded, 10_001);
}

#[test]
fn cve_rtp_extreme_timestamps_do_not_overflow() {
    let mut reception = started();
    for n in 2..1000u16 {
        let ts = if n % 2 == 0 { 0 } else { 0x8000_0000 };
        feed(&mut reception, u64::MAX / 2000 * u64::from(n % 3), 1, n, ts);
    }
    assert!(reception.report(Micros(u64::MAX)).is_some());
}
