use super::*;
use crate::{ClockRate, Header, Micros, Packet, PayloadType, SequenceNumber, Ssrc, Timestamp, random::Random};
use proptest::prelude::*;

/// A packet on the wire, and when it was sent.
#[derive(Clone, Debug)]
struct Sent {
    at_ms: u64,
    marker: bool,
    ts: u32,
    payload: EventPayload,
    datagram: Vec<u8>,
}

fn datagram(seq: u16, ts: u32, marker: bool, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        payload_type: PayloadType::new(101).unwrap(),
        marker,
        sequence_number: SequenceNumber(seq),
        timestamp: Timestamp(ts),
        ssrc: Ssrc(1),
    };
    [&header.octets()[..], payload].concat()
}

/// Polls at 20 ms ticks until nothing is left to send, `change` being called before each.
fn run(sender: &mut EventSender, start: u32, mut change: impl FnMut(&mut EventSender, u64, Timestamp)) -> Vec<Sent> {
    let mut sent: Vec<Sent> = Vec::new();
    for tick in 0..2000u32 {
        let now = Timestamp(start).plus(tick * 160);
        let at_ms = u64::from(tick) * 20;
        change(sender, at_ms, now);
        if let Poll::Packet(packet) = sender.poll(now) {
            let (marker, ts) = (packet.marker, packet.timestamp.0);
            let datagram = datagram(1000 + sent.len() as u16, ts, marker, &packet.payload);
            sent.push(Sent { at_ms, marker, ts, payload: EventPayload::read(&packet.payload), datagram });
        }
        if !sender.is_busy() {
            break;
        }
    }
    sent
}

fn sent(digits: &str) -> Vec<Sent> {
    let mut sender = EventSender::new(EventSettings::default());
    sender.queue(digits).unwrap();
    run(&mut sender, 8000, |_, _, _| {})
}

/// What a receiver makes of datagrams that arrive at the given times, with time-outs checked each 10 ms.
fn received(arrivals: &[(u64, Vec<u8>)]) -> Vec<EventReport> {
    let mut receiver = EventReceiver::new(ClockRate::HZ_8000, EventReceiver::DEFAULT_TIMEOUT);
    let mut reports = Vec::new();
    let end = arrivals.iter().map(|(at, _)| *at).max().unwrap_or(0) + 500;
    let mut next = 0;
    for ms in 0..=end {
        while let Some((at, bytes)) = arrivals.get(next)
            && *at <= ms
        {
            receiver.receive(Micros::from_millis(ms), &Packet::parse(bytes).unwrap(), |report| reports.push(report));
            next += 1;
        }
        if ms % 10 == 0 {
            receiver.timeout(Micros::from_millis(ms), |report| reports.push(report));
        }
    }
    reports
}

fn digits_of(reports: &[EventReport]) -> String {
    reports
        .iter()
        .filter_map(|report| match report {
            EventReport::Started { event, .. } => event.digit(),
            EventReport::Ended { .. } => None,
        })
        .collect()
}

fn arrivals(sent: &[Sent]) -> Vec<(u64, Vec<u8>)> {
    sent.iter().map(|packet| (packet.at_ms, packet.datagram.clone())).collect()
}

#[test]
fn rfc4733_3_2_digits_have_their_codes() {
    let codes = "0123456789*#ABCD".chars().map(|digit| Event::from_digit(digit).unwrap().0).collect::<Vec<_>>();
    assert_eq!(codes, (0..16).collect::<Vec<_>>());
    assert_eq!(Event::from_digit('R'), Some(Event::FLASH));
    assert_eq!(Event::from_digit('d'), Some(Event(15)));
    for not in ['X', ' ', '\r', 'e', '٣', '\u{131}'] {
        assert_eq!(Event::from_digit(not), None, "{not:?}");
    }
    for code in 0..17 {
        assert_eq!(Event(code).digit().and_then(Event::from_digit), Some(Event(code)));
    }
    assert_eq!(Event(17).digit(), None);
}

#[test]
fn rfc4733_2_3_payload_octets() {
    // Example octets of the project's vector collection: digit 5, begin and end.
    let cases = [([0x05, 0x0a, 0x00, 0xa0], false, 160), ([0x05, 0x8a, 0x06, 0x40], true, 1600)];
    for (octets, end, duration) in cases {
        let payload = EventPayload { event: Event(5), end, volume: 10, duration };
        assert_eq!(EventPayload::read(&octets), payload);
        assert_eq!(payload.octets(), octets);
    }
    assert!(!EventPayload::read(&[0, 0x40, 0, 1]).end, "R is ignored");
    assert_eq!(EventPayload { event: Event(1), end: false, volume: 255, duration: 0 }.octets()[1], 63);
}

#[test]
fn rfc4733_2_5_1_2_one_digit_packet_by_packet() {
    let sent = sent("5");
    let durations: Vec<_> = sent.iter().map(|packet| packet.payload.duration).collect();
    assert_eq!(durations, [160, 320, 480, 640, 800, 960, 1120, 1280, 1440, 1600, 1600, 1600]);
    assert!(sent.iter().all(|packet| packet.ts == 8000), "one timestamp");
    let markers: Vec<_> = sent.iter().map(|packet| packet.marker).collect();
    assert!(markers[0] && !markers[1..].contains(&true), "marker on the first only");
    let ends: Vec<_> = sent.iter().map(|packet| packet.payload.end).collect();
    assert_eq!(ends.iter().filter(|end| **end).count(), 3);
    assert!(ends[9..] == [true; 3]);
    assert_eq!(sent[0].payload.octets(), [0x05, 0x0a, 0x00, 0xa0]);
    assert_eq!(sent[9].payload.octets(), [0x05, 0x8a, 0x06, 0x40]);
    let times: Vec<_> = sent.iter().map(|packet| packet.at_ms).collect();
    assert_eq!(times, (0..12).map(|n| n * 20).collect::<Vec<_>>());
}

#[test]
fn rfc4733_2_5_1_2_updates_may_come_each_50_ms() {
    let mut sender = EventSender::new(EventSettings { update_ms: 50, ..EventSettings::default() });
    sender.queue("1").unwrap();
    let sent = run(&mut sender, 0, |_, _, _| {});
    let times: Vec<_> = sent.iter().map(|packet| packet.at_ms).collect();
    assert_eq!(times, [0, 60, 100, 160, 200, 260]);
    assert_eq!(sent.last().unwrap().payload.duration, 1600);
    assert!(sent.iter().all(|packet| packet.payload.duration > 0));
}

#[test]
fn rfc4733_digits_follow_each_other_with_a_gap() {
    let sent = sent("12#");
    let starts: Vec<_> =
        sent.iter().filter(|packet| packet.marker).map(|packet| (packet.ts, packet.payload.event.0)).collect();
    // 200 ms each, 60 ms apart, in steps of 20 ms.
    assert_eq!(starts, [(8000, 1), (8000 + 260 * 8, 2), (8000 + 520 * 8, 11)]);
    for event in [1, 2, 11] {
        let ends = sent.iter().filter(|packet| packet.payload.event.0 == event && packet.payload.end);
        assert_eq!(ends.map(|packet| packet.payload.duration).collect::<Vec<_>>(), [1600; 3]);
    }
}

#[test]
fn digits_are_queued_all_or_none() {
    let mut sender = EventSender::new(EventSettings { queue: 3, ..EventSettings::default() });
    assert_eq!(sender.queue("1X"), Err(QueueError::NotADigit { index: 1, found: 'X' }));
    assert_eq!(sender.queue("1234"), Err(QueueError::Full { room: 3 }));
    assert!(!sender.is_busy());
    assert_eq!(sender.poll(Timestamp(0)), Poll::Audio);
    sender.queue("123").unwrap();
    assert_eq!(sender.queue("4"), Err(QueueError::Full { room: 0 }));
    assert_eq!(sender.press(Event(1)), Err(QueueError::Full { room: 0 }));
    assert_eq!(sender.queued(), 3);
    sender.queue("").unwrap();
}

#[test]
fn rfc4733_2_3_4_volume_is_zero_where_it_has_no_meaning() {
    let flash = sent("R");
    assert!(flash.iter().all(|packet| packet.payload.volume == 0 && packet.payload.event == Event::FLASH));
    for (event, heard) in [(Event::FLASH, 0), (Event(66), 0), (Event(15), 7)] {
        let payload = EventPayload { event, end: true, volume: 7, duration: 800 }.octets();
        let reports = received(&[(0, datagram(0, 0, true, &payload))]);
        assert!(matches!(reports[0], EventReport::Started { volume, .. } if volume == heard), "{event:?}: {reports:?}");
    }
    let mut sender = EventSender::new(EventSettings { volume: 99, ..EventSettings::default() });
    sender.queue("D").unwrap();
    assert!(run(&mut sender, 0, |_, _, _| {}).iter().all(|packet| packet.payload.volume == 63));
}

#[test]
fn rfc4733_2_5_1_3_long_events_are_split_into_segments() {
    let mut sender = EventSender::new(EventSettings::default());
    sender.queue_event(Event(7), 20_000).unwrap();
    let start = u32::MAX - 1000;
    let sent = run(&mut sender, start, |_, _, _| {});
    let mut segments: Vec<u32> = sent.iter().map(|packet| packet.ts).collect();
    segments.dedup();
    assert_eq!(segments, [0, 1, 2].map(|n| start.wrapping_add(n * 0xffff)));
    for (n, segment) in segments.iter().enumerate() {
        let of: Vec<_> = sent.iter().filter(|packet| packet.ts == *segment).collect();
        let last = of[of.len() - 3..].iter().map(|packet| (packet.payload.duration, packet.payload.end));
        let expected = if n < 2 { (0xffff, false) } else { (160_000 - 2 * 0xffff_u32, true) };
        assert_eq!(
            last.map(|(duration, end)| (u32::from(duration), end)).collect::<Vec<_>>(),
            vec![(u32::from(u16::try_from(expected.0).unwrap()), expected.1); 3]
        );
        assert_eq!(of[0].marker, n == 0, "no marker on a later segment");
        assert!(of.windows(2).all(|pair| pair[0].payload.duration <= pair[1].payload.duration));
    }
    let reports = received(&arrivals(&sent));
    assert_eq!(reports.len(), 2, "{reports:?}");
    let EventReport::Ended { event: Event(7), duration, confirmed: true } = reports[1] else { panic!("{reports:?}") };
    assert_eq!(duration, Micros::from_millis(20_000));
}

#[test]
fn rfc4733_2_5_2_3_a_segment_whose_end_was_lost_goes_on() {
    let mut sender = EventSender::new(EventSettings::default());
    sender.queue_event(Event(7), 10_000).unwrap();
    let sent = run(&mut sender, 0, |_, _, _| {});
    let kept: Vec<_> = sent.into_iter().filter(|packet| packet.payload.duration != 0xffff).collect();
    let reports = received(&arrivals(&kept));
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(matches!(reports[1], EventReport::Ended { duration: Micros(10_000_000), confirmed: true, .. }));
}

#[test]
fn a_held_key_lasts_until_it_is_released() {
    let mut sender = EventSender::new(EventSettings::default());
    sender.press(Event(9)).unwrap();
    let sent = run(&mut sender, 0, |sender, at_ms, now| {
        if at_ms == 1000 {
            sender.release(now);
            sender.release(now);
        }
    });
    let last = sent.last().unwrap();
    assert_eq!((last.payload.duration, last.payload.end), (8000, true));
    assert_eq!(sent.iter().filter(|packet| packet.payload.end).count(), 3);
    assert!(!sender.is_busy());
}

#[test]
fn cancelling_ends_the_current_event_properly_and_forgets_the_rest() {
    let mut sender = EventSender::new(EventSettings::default());
    sender.queue("123").unwrap();
    let sent = run(&mut sender, 0, |sender, at_ms, now| {
        if at_ms == 100 {
            sender.cancel(now);
        }
    });
    let reports = received(&arrivals(&sent));
    assert_eq!(digits_of(&reports), "1");
    assert!(matches!(reports[1], EventReport::Ended { confirmed: true, duration: Micros(100_000), .. }), "{reports:?}");
}

#[test]
fn rfc4733_2_5_2_2_a_digit_is_reported_once_with_its_duration() {
    let reports = received(&arrivals(&sent("5")));
    assert_eq!(
        reports,
        [
            EventReport::Started { event: Event(5), volume: 10, timestamp: Timestamp(8000) },
            EventReport::Ended { event: Event(5), duration: Micros::from_millis(200), confirmed: true }
        ]
    );
}

#[test]
fn rfc4733_2_5_2_2_any_single_packet_of_a_digit_is_enough() {
    let all = sent("8");
    for packet in &all {
        let reports = received(&[(0, packet.datagram.clone())]);
        assert_eq!(reports.len(), 2, "{packet:?}: {reports:?}");
        let EventReport::Ended { confirmed, duration, .. } = reports[1] else { panic!("{reports:?}") };
        assert_eq!(confirmed, packet.payload.end);
        assert_eq!(duration, Micros(u64::from(packet.payload.duration) * 125));
    }
}

#[test]
fn rfc4733_2_5_2_2_lost_ends_are_made_up_for_by_time_out_and_by_the_next_event() {
    let without_ends: Vec<_> = sent("11").into_iter().filter(|packet| !packet.payload.end).collect();
    let reports = received(&arrivals(&without_ends));
    assert_eq!(digits_of(&reports), "11");
    assert_eq!(reports.len(), 4);
    assert!(matches!(reports[1], EventReport::Ended { confirmed: false, .. }));
    assert!(matches!(reports[3], EventReport::Ended { confirmed: false, .. }));

    // What arrives about an event after its time-out is ignored.
    let all = sent("1");
    let mut late = arrivals(&all[..3]);
    late.extend(all[3..].iter().map(|packet| (packet.at_ms + 1000, packet.datagram.clone())));
    assert_eq!(received(&late).len(), 2);
}

#[test]
fn rfc4733_2_5_2_2_reordering_and_duplication_report_nothing_twice() {
    let all = sent("123");
    let mut random = Random::new(1);
    for _ in 0..300 {
        let mut shuffled: Vec<(u64, Vec<u8>)> = Vec::new();
        for packet in &all {
            for _ in 0..=random.below(2) {
                shuffled.push((packet.at_ms + random.below(60), packet.datagram.clone()));
            }
        }
        shuffled.sort_by_key(|(at, _)| *at);
        let reports = received(&shuffled);
        assert_eq!(digits_of(&reports), "123", "{reports:?}");
        assert_eq!(reports.len(), 6, "{reports:?}");
    }
}

#[test]
fn rfc4733_random_loss_of_a_third_loses_no_digit() {
    let digits = "0123456789*#ABCD";
    let all = sent(digits);
    let mut random = Random::new(4);
    let (mut unconfirmed, mut ended) = (0, 0);
    for _ in 0..200 {
        let kept: Vec<_> = all.iter().filter(|_| random.below(3) != 0).cloned().collect();
        let reports = received(&arrivals(&kept));
        assert_eq!(digits_of(&reports), digits);
        for report in reports {
            if let EventReport::Ended { confirmed, .. } = report {
                ended += 1;
                unconfirmed += u32::from(!confirmed);
            }
        }
    }
    println!("ended {ended}, of them not confirmed {unconfirmed}");
    assert_eq!(ended, 200 * 16);
    // All three ends are lost one time in 27.
    assert!((40..240).contains(&unconfirmed), "{unconfirmed}");
}

#[test]
fn rfc4733_2_5_2_4_several_events_in_one_packet_are_contiguous() {
    let blocks = [
        EventPayload { event: Event(1), end: true, volume: 0, duration: 400 },
        EventPayload { event: Event(2), end: true, volume: 0, duration: 800 },
        EventPayload { event: Event(3), end: false, volume: 0, duration: 160 },
    ];
    let payload = blocks.map(|block| block.octets()).concat();
    let packets: Vec<_> = (0..3).map(|n| (n * 20, datagram(n as u16, 5000, n == 0, &payload))).collect();
    let reports = received(&packets);
    assert_eq!(digits_of(&reports), "123", "{reports:?}");
    assert_eq!(reports.len(), 6, "{reports:?}");
    assert!(matches!(reports[4], EventReport::Started { timestamp: Timestamp(6200), .. }));
}

#[test]
fn cve_rtp_timestamps_backwards_and_new_sources_begin_new_events() {
    let end = |event| EventPayload { event: Event(event), end: true, volume: 0, duration: 800 }.octets();
    let far_back = 1_000_000u32.wrapping_sub(800_000_000);
    let mut other_source = datagram(2, far_back, true, &end(3));
    other_source[8..12].copy_from_slice(&[9; 4]);
    let reports = received(&[
        (0, datagram(0, 1_000_000, true, &end(1))),
        (400, datagram(1, far_back, true, &end(2))),
        (800, other_source),
    ]);
    assert_eq!(digits_of(&reports), "123");
}

#[test]
fn cve_rtp_short_long_and_empty_events_are_harmless() {
    let whole = EventPayload { event: Event(1), end: false, volume: 0, duration: 160 }.octets();
    for length in 0..4 {
        assert_eq!(received(&[(0, datagram(0, 0, true, &whole[..length]))]), []);
    }
    let zero = EventPayload { event: Event(1), end: true, volume: 0, duration: 0 }.octets();
    assert_eq!(received(&[(0, datagram(0, 0, true, &zero))]), [], "no duration (RFC 4733 2.3.5)");
    assert_eq!(received(&[(0, datagram(0, 0, true, &zero.repeat(300)))]), []);
    let reports = received(&[(0, datagram(0, 0, true, &whole.repeat(300)))]);
    assert!(reports.len() <= 16, "{}", reports.len());
    assert_eq!(received(&[(0, datagram(0, 0, true, &[&whole[..], &[1, 2, 3]].concat()))]).len(), 2);
}

#[test]
fn rfc4733_one_event_per_timestamp_whatever_code_it_claims() {
    let payload = |event| EventPayload { event: Event(event), end: false, volume: 0, duration: 160 }.octets();
    let packets: Vec<_> = (0..200u16).map(|n| (0, datagram(n, 0, true, &payload(n as u8)))).collect();
    assert_eq!(received(&packets).len(), 2);
}

#[test]
fn rfc4733_2_4_event_lists_are_read_and_printed() {
    for (text, printed) in
        [("0-15", "0-15"), ("0-15,16", "0-16"), ("66, 0-3,5", "0-3,5,66"), ("7", "7"), ("0-255", "0-255")]
    {
        let set: EventSet = text.parse().unwrap();
        assert_eq!(set.to_string(), printed);
        assert_eq!(printed.parse(), Ok(set));
    }
    assert_eq!("0-15".parse(), Ok(EventSet::DTMF));
    assert_eq!("0-16".parse(), Ok(EventSet::DTMF_AND_FLASH));
    for (text, expected) in [
        ("", InvalidEventSet::Number { element: 0 }),
        ("0-15,", InvalidEventSet::Number { element: 1 }),
        ("256", InvalidEventSet::Number { element: 0 }),
        ("1,+2", InvalidEventSet::Number { element: 1 }),
        ("5-4", InvalidEventSet::Range { element: 0 }),
        ("1-2-3", InvalidEventSet::Number { element: 0 }),
        ("0-4294967296", InvalidEventSet::Number { element: 0 }),
    ] {
        assert_eq!(text.parse::<EventSet>(), Err(expected), "{text:?}");
    }
    assert!(EventSet::EMPTY.is_empty());
}

proptest! {
    #[test]
    fn any_event_packets_keep_starts_and_ends_in_pairs(
        packets in proptest::collection::vec((0u16..40, 0u32..20_000, any::<bool>(), proptest::collection::vec(any::<u8>(), 0..24)), 0..60)
    ) {
        let arrivals: Vec<_> = packets.iter().enumerate()
            .map(|(n, (seq, ts, marker, payload))| (n as u64 * 7, datagram(*seq, *ts, *marker, payload)))
            .collect();
        let mut going_on = None;
        for report in received(&arrivals) {
            match report {
                EventReport::Started { event, .. } => {
                    prop_assert_eq!(going_on, None);
                    going_on = Some(event);
                }
                EventReport::Ended { event, .. } => {
                    prop_assert_eq!(going_on.take(), Some(event));
                }
            }
        }
        prop_assert_eq!(going_on, None, "everything has ended");
    }

    #[test]
    fn any_digits_arrive_as_they_were_dialled(digits in "[0-9A-D*#R]{1,20}", update_ms in 20u32..60, digit_ms in 40u32..400) {
        let mut sender = EventSender::new(EventSettings { update_ms, digit_ms, ..EventSettings::default() });
        sender.queue(&digits).unwrap();
        let sent = run(&mut sender, 4_294_960_000, |_, _, _| {});
        prop_assert_eq!(digits_of(&received(&arrivals(&sent))), digits);
    }
}
