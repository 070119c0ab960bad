//! What comes before the answer to our offer (RFC 3264 section 5.1).

use super::*;
use crate::negotiate::CallMedia;

/// Alice has offered, at port 4000; nobody has answered.
fn offering() -> (Host, CallMedia) {
    let mut media = CallMedia::new(at(4_000), &[Codec::Pcmu, Codec::Pcma], 7);
    media.offer().unwrap();
    let mut alice = Host::new(1);
    alice.stream(1, 4_000, media.awaiting(None).expect("the offer has audio"));
    (alice, media)
}

/// Someone at `port` who speaks to alice.
fn speaker(seed: u64, port: u16, hertz: f64) -> Host {
    let mut host = Host::new(seed);
    host.stream(1, port, settings(4_000));
    host.tone(10, hertz, 1);
    host
}

/// The answer that names `port` arrives.
fn answer(alice: &mut Host, media: &mut CallMedia, now: Micros, port: u16) {
    let answer =
        format!("v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n");
    let agreed = media.accept(answer.as_bytes()).unwrap();
    assert!(alice.engine.update_stream(now, Key(1), agreed.settings.unwrap()));
}

#[test]
fn rfc3264_5_1_what_comes_before_the_answer_is_heard_and_nothing_is_sent() {
    for codec in [Codec::Pcmu, Codec::Pcma] {
        let (mut alice, _) = offering();
        let mut bob = Host::new(2);
        let send_type = if codec == Codec::Pcma { PayloadType::PCMA } else { PayloadType::PCMU };
        bob.stream(1, 5_000, StreamSettings { codec, send_type, ..settings(4_000) });
        bob.tone(10, 1_000.0, 1);
        alice.tone(10, 440.0, 1);
        let at_alice = alice.recorder(11, 1);
        let mut from_alice = 0;
        run(&mut [&mut alice, &mut bob], 1_000, Micros(0), |to, _| {
            from_alice += u32::from(to.port() >= 5_000);
            true
        });
        assert!(heard(&at_alice, 1_000.0), "{codec:?}");
        assert_eq!(from_alice, 0, "neither packets nor reports, to nobody");
        assert!(alice.wire.events.contains(&MediaEvent::Heard { stream: Key(1), from: at(5_000) }));
        let report = alice.engine.remove_stream(Micros(0), Key(1), &mut alice.wire).unwrap();
        assert!(report.packets_received > 900 && alice.wire.packets.is_empty(), "{report:?}");
    }
}

#[test]
fn rfc3264_5_1_without_packets_nothing_is_heard_before_the_answer() {
    let (mut alice, _) = offering();
    let at_alice = alice.recorder(11, 1);
    run(&mut [&mut alice], 100, Micros(0), |_, _| true);
    assert!(at_alice.try_iter().flatten().all(|sample| sample == 0));
}

#[test]
fn rfc3264_5_1_the_answer_joins_what_came_before_without_a_gap() {
    let (mut alice, mut media) = offering();
    let mut bob = speaker(2, 5_000, 1_000.0);
    alice.tone(10, 440.0, 1);
    let (at_alice, at_bob) = (alice.recorder(11, 1), bob.recorder(11, 1));
    let now = run(&mut [&mut alice, &mut bob], 100, Micros(0), |_, _| true);
    answer(&mut alice, &mut media, now, 5_000);
    run(&mut [&mut alice, &mut bob], 100, now, |_, _| true);
    let samples: Vec<i16> = at_alice.try_iter().flatten().skip(1_600).collect();
    assert!(samples.chunks(160).all(|frame| frame.iter().any(|sample| sample.unsigned_abs() > 5_000)), "a gap");
    assert!(at_bob.try_iter().flatten().any(|sample| sample.unsigned_abs() > 5_000), "bob hears alice now");
    let told = alice.wire.events.iter().filter(|event| matches!(event, MediaEvent::Heard { .. })).count();
    assert_eq!(told, 1, "he has been heard before");
}

#[test]
fn rfc3264_5_1_a_stranger_who_speaks_before_the_answer_gets_nothing_by_it() {
    let (mut alice, mut media) = offering();
    let (mut mallory, mut bob) = (speaker(3, 6_000, 2_000.0), speaker(2, 5_000, 1_000.0));
    alice.tone(10, 440.0, 1);
    let now = run(&mut [&mut alice, &mut mallory], 100, Micros(0), |_, _| true);
    assert_eq!(alice.engine.report(Key(1)).unwrap().heard_from, Some(at(6_000)));
    let at_alice = alice.recorder(11, 1);
    answer(&mut alice, &mut media, now, 5_000);
    let mut to_mallory = 0;
    // Both speak; what the stranger had said already is not played on.
    run(&mut [&mut alice, &mut bob, &mut mallory], 200, now, |to, _| {
        to_mallory += u32::from(to.port() == 6_000);
        true
    });
    assert_eq!(to_mallory, 0);
    assert!(heard(&at_alice, 1_000.0));
    let report = alice.engine.report(Key(1)).unwrap();
    assert_eq!((report.heard_from, report.remote), (Some(at(5_000)), Some(at(5_000))));
    assert!(report.strangers > 190, "{}", report.strangers);
}

#[test]
fn rfc3264_5_1_what_a_stranger_said_before_the_answer_is_not_played_after_it() {
    let (mut alice, mut media) = offering();
    let mut mallory = speaker(3, 6_000, 2_000.0);
    let now = run(&mut [&mut alice, &mut mallory], 100, Micros(0), |_, _| true);
    let at_alice = alice.recorder(11, 1);
    answer(&mut alice, &mut media, now, 5_000);
    run(&mut [&mut alice], 100, now, |_, _| true);
    assert!(at_alice.try_iter().flatten().all(|sample| sample == 0));
}

#[test]
fn rfc3264_5_1_early_packets_are_kept_for_no_longer_than_others() {
    let (mut alice, _) = offering();
    let mut bob = speaker(2, 5_000, 1_000.0);
    // Nobody ticks alice's engine: the jitter buffer takes what it holds and no more.
    let mut now = Micros(0);
    for _ in 0..3_000 {
        now = now.plus(TICK);
        bob.engine.tick(now, &mut bob.wire);
        for (_, _, to, mut packet) in std::mem::take(&mut bob.wire.packets) {
            alice.receive(now, at(5_000), to, &mut packet);
        }
    }
    let at_alice = alice.recorder(11, 1);
    run(&mut [&mut alice], 200, now, |_, _| true);
    let left = at_alice.try_iter().flatten().filter(|sample| *sample != 0).count();
    assert!(left > 0 && left <= 8_000, "{left} samples");
}
