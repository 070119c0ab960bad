//! Control packets: who reports when, to whom, and who says goodbye.

use super::*;

#[test]
fn rfc8866_6_7_1_and_6_7_4_who_does_not_send_reports_all_the_same() {
    for direction in [Direction::RecvOnly, Direction::Inactive, Direction::SendRecv] {
        let (mut alice, mut bob) = pair();
        alice.tone(10, 440.0, 1);
        assert!(alice.engine.update_stream(Micros(0), Key(1), StreamSettings { direction, ..settings(5_000) }));
        let (mut audio, mut reports) = (0, 0);
        run(&mut [&mut alice, &mut bob], 1_000, Micros(0), |to, _| {
            audio += u32::from(to.port() == 5_000);
            reports += u32::from(to.port() == 5_001);
            true
        });
        assert_eq!(audio > 0, direction.sends(), "{direction:?}");
        assert!((2..=8).contains(&reports), "{direction:?}: {reports} in 20 s");
    }
}

#[test]
fn rfc3264_8_4_to_the_null_address_go_neither_packets_nor_reports() {
    use crate::negotiate::CallMedia;
    let description = |address: &str, version: u32| {
        format!("v=0\r\no=- 1 {version} IN IP4 h\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n")
    };
    let mut media = CallMedia::new(at(4_000), &[Codec::Pcmu], 7);
    let mut agree = |address: &str, version: u32| {
        media.answer(description(address, version).as_bytes()).unwrap().1.settings.expect("a stream")
    };
    let (mut alice, mut bob) = (Host::new(1), Host::new(2));
    alice.stream(1, 4_000, agree("192.0.2.1", 1));
    bob.stream(1, 5_000, settings(4_000));
    alice.tone(10, 440.0, 1);
    bob.tone(10, 1_000.0, 1);
    let mut now = Micros(0);
    for (version, address, speaks) in [(2, "192.0.2.1", true), (3, "0.0.0.0", false), (4, "192.0.2.1", true)] {
        alice.engine.update_stream(now, Key(1), agree(address, version));
        let (mut audio, mut reports) = (0, 0);
        now = run(&mut [&mut alice, &mut bob], 1_000, now, |to, _| {
            audio += u32::from(to.port() == 5_000);
            reports += u32::from(to.port() == 5_001);
            // While it is held, bob does as he says: nothing of his comes either.
            speaks || to.port() >= 5_000
        });
        assert_eq!((audio > 0, reports > 0), (speaks, speaks), "{address}: {audio} packets, {reports} reports");
    }
}

#[test]
fn rfc3264_6_a_refused_stream_sends_neither_packets_nor_reports_and_takes_none() {
    use crate::negotiate::CallMedia;
    let description = |port: u16, version: u32| {
        format!("v=0\r\no=- 1 {version} IN IP4 h\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n")
    };
    let mut media = CallMedia::new(at(4_000), &[Codec::Pcmu], 7);
    let agreed = media.answer(description(5_000, 1).as_bytes()).unwrap().1;
    let mut settings_now = agreed.settings_after(None).unwrap();
    let (mut alice, mut bob) = (Host::new(1), Host::new(2));
    alice.stream(1, 4_000, settings_now.clone());
    bob.stream(1, 5_000, settings(4_000));
    alice.tone(10, 440.0, 1);
    bob.tone(10, 1_000.0, 1);
    let at_alice = alice.recorder(11, 1);
    let mut now = Micros(0);
    for (version, port, lives) in [(2, 5_000, true), (3, 0, false), (4, 5_000, true)] {
        let agreed = media.answer(description(port, version).as_bytes()).unwrap().1;
        settings_now = agreed.settings_after(Some(&settings_now)).unwrap();
        assert!(alice.engine.update_stream(now, Key(1), settings_now.clone()));
        let before = alice.engine.report(Key(1)).unwrap().packets_received;
        let _ = at_alice.try_iter().count();
        let (mut audio, mut reports) = (0, 0);
        // Bob does not notice and speaks on, reports and all.
        now = run(&mut [&mut alice, &mut bob], 1_000, now, |to, _| {
            audio += u32::from(to.port() == 5_000);
            reports += u32::from(to.port() == 5_001);
            true
        });
        assert_eq!((audio > 0, reports > 0), (lives, lives), "port {port}: {audio} packets, {reports} reports");
        let taken = alice.engine.report(Key(1)).unwrap().packets_received - before;
        assert_eq!(taken > 0, lives, "port {port}: {taken} packets were counted");
        let loud = at_alice.try_iter().flatten().skip(4_000).any(|sample| sample.unsigned_abs() > 100);
        assert_eq!(loud, lives, "port {port}");
    }
}

#[test]
fn rfc3550_8_2_who_meets_his_own_ssrc_says_goodbye_to_it_once_and_takes_another() {
    let (mut alice, mut bob) = (Host::new(1), Host::new(1));
    alice.stream(1, 4_000, settings(5_000));
    bob.stream(1, 5_000, settings(4_000));
    alice.tone(10, 440.0, 1);
    bob.tone(10, 1_000.0, 1);
    let (mut control, mut audio) = (Vec::new(), Vec::new());
    run(&mut [&mut alice, &mut bob], 1_500, Micros(0), |to, packet| {
        match to.port() {
            5_000 => audio.push(packet.to_vec()),
            5_001 => control.push(packet.to_vec()),
            _ => {}
        }
        true
    });
    let reports: Vec<_> = control.iter().map(|packet| report_of(packet)).collect();
    let old = fields(&audio)[0].2;
    assert_eq!(reports.iter().filter(|(_, bye)| *bye).collect::<Vec<_>>(), [&(old, true)], "{reports:?}");
    let new = fields(&audio).last().unwrap().2;
    assert!(new != old && reports.last().unwrap() == &(new, false), "{reports:?}");
}

#[test]
fn rfc3550_8_2_reports_of_ours_that_come_back_change_the_ssrc_no_more_than_once() {
    let mut alice = Host::new(1);
    alice.stream(1, 4_000, settings(5_000));
    alice.tone(10, 440.0, 1);
    let (mut sources, mut now) = (Vec::new(), Micros(0));
    for _ in 0..3_000 {
        now = now.plus(TICK);
        alice.engine.tick(now, &mut alice.wire);
        for (slot, component, _, mut packet) in std::mem::take(&mut alice.wire.packets) {
            if component == Component::Rtcp {
                // A mirror.
                alice.engine.receive(now, slot, component, at(5_001), &mut packet, &mut alice.wire);
            } else {
                sources.push(fields(&[packet])[0].2);
            }
        }
    }
    sources.dedup();
    assert_eq!(sources.len(), 2);
}

/// Alice, whose packets of these components come back from where they went. What she sent, and what she heard of it after the first second.
fn mirrored(alice: &mut Host, back: &[Component], ticks: u64) -> (Vec<u32>, Vec<(u32, bool)>, bool) {
    alice.stream(1, 4_000, settings(5_000));
    alice.tone(10, 440.0, 1);
    let at_alice = alice.recorder(11, 1);
    let (mut sources, mut reports, mut now) = (Vec::new(), Vec::new(), Micros(0));
    for _ in 0..ticks {
        now = now.plus(TICK);
        alice.engine.tick(now, &mut alice.wire);
        for (slot, component, to, mut packet) in std::mem::take(&mut alice.wire.packets) {
            match component {
                Component::Rtp => sources.push(fields(&[packet.clone()])[0].2),
                Component::Rtcp => reports.push(report_of(&packet)),
            }
            if back.contains(&component) {
                alice.engine.receive(now, slot, component, to, &mut packet, &mut alice.wire);
            }
        }
    }
    sources.dedup();
    let loud = at_alice.try_iter().flatten().skip(8_000).any(|sample| sample.unsigned_abs() > 100);
    (sources, reports, loud)
}

#[test]
fn rfc3550_8_2_packets_of_ours_that_come_back_are_a_loop_and_not_heard() {
    let mut alice = Host::new(1);
    let (sources, reports, loud) = mirrored(&mut alice, &[Component::Rtp], 3_000);
    assert_eq!(sources.len(), 2, "one change");
    // Nothing but one packet had left under the first SSRC when it came back: that one says goodbye.
    let byes: Vec<u32> = reports.iter().filter(|(_, bye)| *bye).map(|(source, _)| *source).collect();
    assert_eq!(byes, sources[..1]);
    assert!(!loud, "alice hears herself");
    let report = alice.engine.report(Key(1)).unwrap();
    assert!(report.looped > 2_900 && report.packets_received <= 2, "{report:?}");
    assert!((2_999..=3_000).contains(&report.packets_sent), "none is forgotten: {}", report.packets_sent);
}

#[test]
fn rfc3550_8_2_conflicting_data_and_control_addresses_are_kept_apart() {
    let mut alice = Host::new(1);
    let (sources, reports, _) = mirrored(&mut alice, &[Component::Rtp, Component::Rtcp], 6_000);
    assert_eq!(sources.len(), 3, "one change for each kind");
    assert_eq!(reports.iter().filter(|(_, bye)| *bye).count(), 2);
    // Reports of ours say nothing about whether somebody else hears us.
    assert_eq!(alice.engine.report(Key(1)).unwrap().far_hears, None);
}

#[test]
fn rfc3550_8_2_a_stranger_with_our_ssrc_changes_nothing() {
    let (mut alice, mut bob) = pair();
    alice.tone(10, 440.0, 1);
    bob.tone(10, 1_000.0, 1);
    let (mut sources, mut mallory) = (Vec::new(), Vec::new());
    let mut now = Micros(0);
    for _ in 0..100 {
        now = run(&mut [&mut alice, &mut bob], 1, now, |to, packet| {
            if to.port() == 5_000 {
                sources.push(fields(&[packet.to_vec()])[0].2);
                mallory = packet.to_vec();
            }
            true
        });
        alice.receive(now, at(6_000), at(4_000), &mut mallory.clone());
    }
    sources.dedup();
    assert_eq!(sources.len(), 1);
    let report = alice.engine.report(Key(1)).unwrap();
    assert!(report.looped == 0 && report.strangers > 90, "{report:?}");
}

#[test]
fn rfc3550_8_2_who_has_our_ssrc_by_chance_is_heard_once_we_have_another() {
    let (mut alice, mut bob) = (Host::new(1), Host::new(1));
    alice.stream(1, 4_000, settings(5_000));
    bob.stream(1, 5_000, settings(4_000));
    alice.tone(10, 440.0, 1);
    bob.tone(10, 1_000.0, 1);
    let (at_alice, at_bob) = (alice.recorder(11, 1), bob.recorder(11, 1));
    run(&mut [&mut alice, &mut bob], 500, Micros(0), |_, _| true);
    assert!(heard(&at_alice, 1_000.0) && heard(&at_bob, 440.0));
    for host in [&alice, &bob] {
        let report = host.engine.report(Key(1)).unwrap();
        assert!(report.looped == 0 && report.packets_received > 490, "{report:?}");
    }
}

#[test]
fn removed_stream_says_goodbye_and_its_slot_means_nothing() {
    let (mut alice, mut bob) = pair();
    alice.tone(10, 440.0, 1);
    let now = run(&mut [&mut alice, &mut bob], 300, Micros(0), |_, _| true);
    let slot = alice.ports[0].1;
    let report = alice.engine.remove_stream(now, Key(1), &mut alice.wire).unwrap();
    assert!(report.packets_sent >= 299);
    run(&mut [&mut alice, &mut bob], 1, now, |_, _| true);
    assert!(bob.wire.events.contains(&MediaEvent::Goodbye { stream: Key(1) }));
    assert!(alice.engine.report(Key(1)).is_none());
    alice.stream(1, 4_100, settings(5_000));
    assert_ne!(alice.ports[1].1, slot);
    alice.engine.receive(now, slot, Component::Rtp, at(5_000), &mut [0x80; 12], &mut alice.wire);
    assert_eq!(alice.engine.report(Key(1)).unwrap().packets_received, 0);
}

/// RFC 3550 section 6.4.1, on a network that takes 3 ms each way: however late both threads make their ticks, that is what they find.
#[test]
fn rfc3550_6_4_1_round_trips_do_not_tell_of_late_ticks() {
    const WAY: Micros = Micros::from_millis(3);
    for late in [0, 7, 19, 150].map(Micros::from_millis) {
        let (mut alice, mut bob) = pair();
        alice.tone(10, 440.0, 1);
        bob.tone(10, 1_000.0, 1);
        for tick in 1..=1_500 {
            let due = Micros(TICK.0 * tick);
            let made = due.plus(late);
            let mut moved = Vec::new();
            for host in [&mut alice, &mut bob] {
                host.engine.tick_late(due, made, &mut host.wire);
                while let Some((slot, component, to, packet)) = host.wire.packets.pop_front() {
                    moved.push((at(host.port_of(slot, component)), to, packet));
                }
            }
            for (from, to, mut packet) in moved {
                for host in [&mut alice, &mut bob] {
                    host.receive(made.plus(WAY), from, to, &mut packet);
                }
            }
        }
        for host in [&alice, &bob] {
            let found = host.engine.report(Key(1)).unwrap().round_trip.expect("30 s have reports").0;
            // They count in 1/65536 s.
            assert!(found.abs_diff(2 * WAY.0) <= 50, "{found} us, late by {} us", late.0);
        }
    }
}
