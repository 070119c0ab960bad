//! Streams whose device is put through to one party after another: it hears one stream go on.

use super::*;

/// What came to bob: packets, and reports.
#[derive(Default)]
struct AtBob {
    packets: Vec<Vec<u8>>,
    reports: Vec<Vec<u8>>,
}

impl AtBob {
    fn take(&mut self, to: &SocketAddr, packet: &[u8]) -> bool {
        match to.port() {
            5_000 => self.packets.push(packet.to_vec()),
            5_001 => self.reports.push(packet.to_vec()),
            _ => {}
        }
        true
    }

    /// Each packet is the next of the one before, in number and time.
    fn goes_on(&self) {
        for pair in fields(&self.packets).windows(2) {
            let (before, next) = (pair[0], pair[1]);
            let units = next.1.wrapping_sub(before.1);
            assert!(next.0 == before.0.wrapping_add(1) && (1..=480).contains(&units), "{before:?}, then {next:?}");
        }
    }

    /// The sources, in order.
    fn sources(&self) -> Vec<u32> {
        let mut sources: Vec<u32> = fields(&self.packets).iter().map(|field| field.2).collect();
        sources.dedup();
        sources
    }
}

/// Alice, bob and carol, all of whom talk, and a host with a stream to each: 1, 2 and 3.
fn three() -> [Host; 4] {
    let [mut alice, mut bob, mut carol, mut relay] = [1, 2, 3, 4].map(Host::new);
    alice.stream(1, 4_000, settings(6_000));
    bob.stream(1, 5_000, settings(6_002));
    carol.stream(1, 7_000, settings(6_004));
    for (key, local, remote) in [(1, 6_000, 4_000), (2, 6_002, 5_000), (3, 6_004, 7_000)] {
        relay.stream(key, local, settings(remote));
    }
    alice.tone(10, 440.0, 1);
    bob.tone(10, 1_000.0, 1);
    carol.tone(10, 600.0, 1);
    [alice, bob, carol, relay]
}

#[test]
fn rfc3550_7_1_who_is_put_through_to_another_hears_numbers_and_time_go_on() {
    let [mut alice, mut bob, mut carol, mut relay] = three();
    let (at_bob, at_carol) = (bob.recorder(11, 1), carol.recorder(11, 1));
    let mut came = AtBob::default();
    assert!(relay.engine.link(Key(1), Key(2)));
    let mut now = run(&mut [&mut alice, &mut bob, &mut relay], 300, Micros(0), |to, packet| came.take(to, packet));
    let (first, reports) = (came.sources(), came.reports.len());
    assert!(reports > 0 && heard(&at_bob, 440.0));
    // Asked for again, nothing changes.
    assert!(relay.engine.link(Key(1), Key(2)));
    now = run(&mut [&mut alice, &mut bob, &mut relay], 5, now, |to, packet| came.take(to, packet));
    assert_eq!(came.sources(), first);
    let reports = came.reports.len();
    // To carol in the place of alice.
    relay.engine.remove_stream(now, Key(1), &mut relay.wire).unwrap();
    assert!(relay.engine.link(Key(2), Key(3)));
    now = run(&mut [&mut bob, &mut carol, &mut relay], 400, now, |to, packet| came.take(to, packet));
    assert!(heard(&at_bob, 600.0) && heard(&at_carol, 1_000.0));
    // To music, and back.
    relay.engine.unlink(Key(2));
    relay.tone(20, 800.0, 2);
    now = run(&mut [&mut bob, &mut carol, &mut relay], 100, now, |to, packet| came.take(to, packet));
    assert!(heard(&at_bob, 800.0));
    assert!(relay.engine.remove(Key(20)) && relay.engine.link(Key(2), Key(3)));
    run(&mut [&mut bob, &mut carol, &mut relay], 100, now, |to, packet| came.take(to, packet));
    assert!(heard(&at_bob, 600.0));
    came.goes_on();
    // Once somebody else is heard, the source is ours, whoever it is, and reports are about nothing else.
    let sources = came.sources();
    assert!(sources.len() == 2 && sources[0] == first[0], "{sources:?}");
    let told: Vec<_> = came.reports[reports..].iter().map(|report| report_of(report)).collect();
    assert!(told.len() > 1 && told.iter().all(|(ssrc, bye)| *ssrc == sources[1] && !bye), "{told:?}");
}

#[test]
fn a_stream_that_goes_to_another_engine_keeps_numbers_and_source() {
    let [mut alice, mut bob, mut carol, mut relay] = three();
    let mut came = AtBob::default();
    assert!(relay.engine.link(Key(1), Key(2)));
    let mut now = run(&mut [&mut alice, &mut bob, &mut relay], 20, Micros(0), |to, packet| came.take(to, packet));
    let mut other = Host::new(9);
    let move_over = |from: &mut Host, to: &mut Host, now: Micros| {
        let (report, voice) = from.engine.release_stream(Key(2)).unwrap();
        let slot = to.engine.add_released(now, Key(2), voice, settings(5_000)).unwrap();
        from.ports.retain(|(port, _)| *port != 6_002);
        to.ports.push((6_002, slot));
        report
    };
    assert_eq!(move_over(&mut relay, &mut other, now).packets_sent, 20);
    other.stream(3, 6_004, settings(7_000));
    assert!(other.engine.link(Key(2), Key(3)));
    now = run(&mut [&mut bob, &mut carol, &mut other], 30, now, |to, packet| came.take(to, packet));
    assert_eq!(other.engine.report(Key(2)).unwrap().packets_sent, 30);
    assert_eq!(other.engine.report(Key(2)).unwrap().octets_sent, 30 * 160);
    // And back, where a tone is played to it.
    assert_eq!(move_over(&mut other, &mut relay, now).packets_sent, 30);
    relay.tone(20, 800.0, 2);
    run(&mut [&mut bob, &mut relay], 40, now, |to, packet| came.take(to, packet));
    assert_eq!(relay.engine.report(Key(2)).unwrap().packets_sent, 40);
    came.goes_on();
    assert_eq!((came.packets.len(), came.sources().len()), (90, 2));
    assert!(came.reports.iter().all(|report| !report_of(report).1), "it has not said goodbye");
}

#[test]
fn rfc3550_6_4_reports_after_a_move_say_that_the_device_is_heard() {
    let [mut alice, mut bob, mut carol, mut relay] = three();
    let mut came = AtBob::default();
    assert!(relay.engine.link(Key(1), Key(2)));
    let now = run(&mut [&mut alice, &mut bob, &mut relay], 1_000, Micros(0), |_, _| true);
    let mut other = Host::new(9);
    let voice = relay.engine.release_stream(Key(2)).unwrap().1;
    let slot = other.engine.add_released(now, Key(2), voice, settings(5_000)).unwrap();
    other.ports.push((6_002, slot));
    other.stream(3, 6_004, settings(7_000));
    assert!(other.engine.link(Key(2), Key(3)));
    run(&mut [&mut bob, &mut carol, &mut other], 500, now, |to, packet| came.take(to, packet));
    let about_bob = |report: &Vec<u8>| {
        rtp::rtcp::Compound::parse(report).unwrap().packets().any(|packet| match packet {
            rtp::rtcp::RtcpPacket::SenderReport(report) => report.blocks.iter().count() == 1,
            rtp::rtcp::RtcpPacket::ReceiverReport(report) => report.blocks.iter().count() == 1,
            _ => false,
        })
    };
    assert!(came.reports.len() > 1 && came.reports.iter().all(about_bob));
}

#[test]
fn rfc3550_8_2_a_mirror_is_noticed_where_numbers_are_ours() {
    let [_, _, mut carol, mut relay] = three();
    let at_carol = carol.recorder(11, 1);
    relay.tone(20, 800.0, 2);
    let mirror = |relay: &mut Host, carol: &mut Host, ticks: u64, from: Micros| {
        let mut back = VecDeque::new();
        let mut now = from;
        for _ in 0..ticks {
            run(&mut [relay, carol], 1, now, |to, packet| {
                if to.port() == 5_000 {
                    back.push_back(packet.to_vec());
                }
                true
            });
            now = now.plus(TICK);
            while let Some(mut packet) = back.pop_front() {
                relay.receive(now, at(5_000), at(6_002), &mut packet);
            }
        }
        now
    };
    let now = mirror(&mut relay, &mut carol, 10, Micros(0));
    assert!(relay.engine.remove(Key(20)) && relay.engine.link(Key(2), Key(3)));
    mirror(&mut relay, &mut carol, 100, now);
    assert!(relay.engine.report(Key(2)).unwrap().looped > 80);
    assert!(!heard(&at_carol, 600.0), "she hears herself");
}

#[test]
fn what_a_device_does_not_take_leaves_no_gap_where_numbers_are_ours() {
    let [_, mut bob, mut carol, mut relay] = three();
    let mut came = AtBob::default();
    relay.tone(20, 800.0, 2);
    let mut now = run(&mut [&mut bob, &mut carol, &mut relay], 10, Micros(0), |to, packet| came.take(to, packet));
    let without = StreamSettings { events: None, ..settings(5_000) };
    assert!(relay.engine.update_stream(now, Key(2), without));
    assert!(relay.engine.remove(Key(20)) && relay.engine.link(Key(2), Key(3)));
    now = run(&mut [&mut bob, &mut carol, &mut relay], 10, now, |to, packet| came.take(to, packet));
    carol.engine.dial(Key(1), "1").unwrap();
    run(&mut [&mut bob, &mut carol, &mut relay], 60, now, |to, packet| came.take(to, packet));
    assert_eq!(digits_at(&bob), "");
    let numbers: Vec<u16> = fields(&came.packets).iter().map(|field| field.0).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)) && numbers.len() > 50);
}

#[test]
fn rfc4733_2_1_digits_keep_their_time_where_numbers_are_ours() {
    let [_, mut bob, mut carol, mut relay] = three();
    relay.tone(20, 800.0, 2);
    let mut now = run(&mut [&mut bob, &mut carol, &mut relay], 10, Micros(0), |_, _| true);
    assert!(relay.engine.remove(Key(20)) && relay.engine.link(Key(2), Key(3)));
    let (mut said, mut came) = (Vec::new(), Vec::new());
    let mut record = |to: &SocketAddr, packet: &[u8]| {
        match to.port() {
            6_004 => said.push(packet.to_vec()),
            5_000 => came.push(packet.to_vec()),
            _ => {}
        }
        true
    };
    now = run(&mut [&mut bob, &mut carol, &mut relay], 10, now, &mut record);
    carol.engine.dial(Key(1), "12").unwrap();
    run(&mut [&mut bob, &mut carol, &mut relay], 60, now, &mut record);
    assert_eq!(digits_at(&bob), "12");
    let (said, came) = (fields(&said), fields(&came));
    assert_eq!(said.len(), came.len());
    for (theirs, ours) in said.windows(2).zip(came.windows(2)) {
        let step =
            |pair: &[(u16, u32, u32, u8)]| (pair[1].0.wrapping_sub(pair[0].0), pair[1].1.wrapping_sub(pair[0].1));
        assert_eq!((step(theirs), theirs[1].3), (step(ours), ours[1].3));
    }
}

#[test]
fn rfc3550_7_1_one_packet_of_somebody_is_enough_to_go_on_after() {
    let [mut alice, mut bob, mut carol, mut relay] = three();
    let mut came = AtBob::default();
    assert!(relay.engine.link(Key(1), Key(2)));
    let now = run(&mut [&mut alice, &mut bob, &mut relay], 1, Micros(0), |to, packet| came.take(to, packet));
    assert_eq!(came.packets.len(), 1);
    relay.engine.remove_stream(now, Key(1), &mut relay.wire).unwrap();
    assert!(relay.engine.link(Key(2), Key(3)));
    run(&mut [&mut bob, &mut carol, &mut relay], 10, now, |to, packet| came.take(to, packet));
    assert_eq!(came.packets.len(), 11);
    came.goes_on();
}

#[test]
fn what_came_while_nobody_was_to_be_heard_leaves_no_gap_where_numbers_are_ours() {
    let [_, mut bob, mut carol, mut relay] = three();
    let mut came = AtBob::default();
    relay.tone(20, 800.0, 2);
    let mut now = run(&mut [&mut bob, &mut carol, &mut relay], 10, Micros(0), |to, packet| came.take(to, packet));
    assert!(relay.engine.remove(Key(20)) && relay.engine.link(Key(2), Key(3)));
    for direction in [Direction::SendRecv, Direction::SendOnly, Direction::SendRecv] {
        let held = StreamSettings { direction, ..settings(7_000) };
        assert!(relay.engine.update_stream(now, Key(3), held));
        let before = came.packets.len();
        now = run(&mut [&mut bob, &mut carol, &mut relay], 50, now, |to, packet| came.take(to, packet));
        assert_eq!(came.packets.len() > before, direction.receives());
    }
    let numbers: Vec<u16> = fields(&came.packets).iter().map(|field| field.0).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)) && numbers.len() > 100);
}

/// A phone speaks to a host for so many ticks, from another address than its description says: where the packets of the host go meanwhile.
fn speaks(
    (phone, address): (&mut Host, [u8; 4]),
    host: &mut Host,
    ticks: u64,
    from: Micros,
) -> (Micros, std::collections::BTreeSet<SocketAddr>) {
    let (mut now, mut sent) = (from, std::collections::BTreeSet::new());
    for _ in 0..ticks {
        now = now.plus(TICK);
        phone.engine.tick(now, &mut phone.wire);
        while let Some((_, component, to, mut packet)) = phone.wire.packets.pop_front() {
            let port = if component == Component::Rtp { 61_000 } else { 61_001 };
            host.receive(now, SocketAddr::from((address, port)), to, &mut packet);
        }
        host.engine.tick(now, &mut host.wire);
        sent.extend(host.wire.packets.drain(..).map(|(_, _, to, _)| to));
    }
    (now, sent)
}

#[test]
fn a_device_that_was_found_elsewhere_than_it_says_is_there_also_after_a_move() {
    const NAT: [u8; 4] = [198, 51, 100, 7];
    const STRANGER: [u8; 4] = [203, 0, 113, 9];
    let found = [61_000, 61_001].map(|port| SocketAddr::from((NAT, port)));
    // The control: where another address is named, nothing is known of it.
    for named in [5_000, 5_010] {
        let [mut relay, mut bob, mut mallory, mut other] = [1, 2, 3, 4].map(Host::new);
        relay.stream(2, 6_002, settings(5_000));
        relay.tone(20, 800.0, 2);
        for phone in [&mut bob, &mut mallory] {
            phone.stream(1, 5_000, settings(6_002));
            phone.tone(10, 1_000.0, 1);
        }
        let (now, _) = speaks((&mut bob, NAT), &mut relay, 500, Micros(0));
        let (now, sent) = speaks((&mut bob, NAT), &mut relay, 500, now);
        assert!(sent.into_iter().eq(found));
        let voice = relay.engine.release_stream(Key(2)).unwrap().1;
        let slot = other.engine.add_released(now, Key(2), voice, settings(named)).unwrap();
        other.ports.push((6_002, slot));
        other.tone(20, 800.0, 2);
        // The device says nothing now, and somebody else does.
        let (_, sent) = speaks((&mut mallory, STRANGER), &mut other, 250, now);
        let report = other.engine.report(Key(2)).unwrap();
        if named == 5_000 {
            assert!(sent.into_iter().eq(found));
            assert!(report.heard_from == Some(found[0]) && report.strangers > 200, "{report:?}");
        } else {
            assert!(sent.contains(&at(named)) && found.iter().all(|known| !sent.contains(known)), "{sent:?}");
        }
    }
}
