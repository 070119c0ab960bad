//! Two engines joined back to back, with a network between them that the test rules.

#![allow(clippy::disallowed_types)] // A recording leaves the engine by a channel, as it does in earnest.

mod allocation;
mod early;
mod late;
mod put_through;
mod relay;
mod reports;

use std::collections::VecDeque;

use audio::codec::Codec;
use audio::detector::ToneMeter;
use audio::level::Dbfs;
use audio::tone::ToneGenerator;
use rtp::PayloadType;
use rtp::telephone_event::EventSet;
use sdp::Direction;

use super::*;
use crate::event::MediaEvent;
use crate::settings::EventTypes;

const TICK: Micros = Micros::from_millis(20);

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn events(taken: EventSet) -> EventTypes {
    let number = PayloadType::new(101).unwrap();
    EventTypes { send: number, receive: number, taken }
}

fn settings(remote: u16) -> StreamSettings {
    StreamSettings {
        codec: Codec::Pcmu,
        send_type: PayloadType::PCMU,
        receive_types: vec![(PayloadType::PCMU, Codec::Pcmu), (PayloadType::PCMA, Codec::Pcma)],
        events: Some(events(EventSet::DTMF_AND_FLASH)),
        remote: Some(at(remote)),
        remote_control: Some(at(remote + 1)),
        direction: Direction::SendRecv,
        ptime: Duration::from_millis(20),
        min_delay: Micros::from_millis(20),
        max_delay: Micros::from_millis(200),
    }
}

#[derive(Default)]
struct Wire {
    packets: VecDeque<(Slot, Component, SocketAddr, Vec<u8>)>,
    events: Vec<MediaEvent>,
}

impl Output for Wire {
    fn send(&mut self, stream: Slot, component: Component, to: SocketAddr, packet: &[u8]) {
        self.packets.push_back((stream, component, to, packet.to_vec()));
    }
    fn event(&mut self, event: MediaEvent) {
        self.events.push(event);
    }
}

/// An engine whose streams have ports, and the wire it sends on.
struct Host {
    engine: Engine,
    wire: Wire,
    ports: Vec<(u16, Slot)>,
}

impl Host {
    fn new(seed: u64) -> Self {
        let engine = Engine::new(Config::default(), Duration::from_secs(1_700_000_000), seed);
        Self { engine, wire: Wire::default(), ports: Vec::new() }
    }

    fn stream(&mut self, key: u64, local: u16, settings: StreamSettings) {
        let slot = self.engine.add_stream(Micros(0), Key(key), settings).unwrap();
        self.ports.push((local, slot));
    }

    fn tone(&mut self, key: u64, hertz: f64, to: u64) {
        let mut tone = ToneGenerator::single(SampleRate::NARROW, hertz, Dbfs(-10.0)).unwrap();
        self.engine.add_player(Key(key), Box::new(move |frame: &mut [i16]| tone.fill(frame))).unwrap();
        assert!(self.engine.connect(Key(key), Key(to)));
    }

    fn recorder(&mut self, key: u64, from: u64) -> std::sync::mpsc::Receiver<Vec<i16>> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let sink = move |frame: &[i16]| {
            sender.send(frame.to_vec()).unwrap();
            0
        };
        self.engine.add_recorder(Key(key), Box::new(sink)).unwrap();
        assert!(self.engine.connect(Key(from), Key(key)));
        receiver
    }

    fn receive(&mut self, now: Micros, from: SocketAddr, to: SocketAddr, packet: &mut [u8]) {
        for (port, slot) in self.ports.clone() {
            let component = match to.port() {
                rtp if rtp == port => Component::Rtp,
                rtcp if rtcp == port + 1 => Component::Rtcp,
                _ => continue,
            };
            self.engine.receive(now, slot, component, from, packet, &mut self.wire);
        }
    }

    fn port_of(&self, slot: Slot, component: Component) -> u16 {
        let port = self.ports.iter().find(|(_, held)| *held == slot).unwrap().0;
        if component == Component::Rtp { port } else { port + 1 }
    }
}

/// Ticks all hosts in turn; `pass` says which packets arrive.
fn run(hosts: &mut [&mut Host], ticks: u64, from: Micros, mut pass: impl FnMut(&SocketAddr, &[u8]) -> bool) -> Micros {
    let mut now = from;
    for _ in 0..ticks {
        now = now.plus(TICK);
        hosts.iter_mut().for_each(|host| host.engine.tick(now, &mut host.wire));
        // A relay sends while it receives: until nothing is under way.
        loop {
            let mut moved = Vec::new();
            for host in hosts.iter_mut() {
                while let Some((slot, component, to, packet)) = host.wire.packets.pop_front() {
                    moved.push((at(host.port_of(slot, component)), to, packet));
                }
            }
            if moved.is_empty() {
                break;
            }
            for (from, to, mut packet) in moved {
                if pass(&to, &packet) {
                    hosts.iter_mut().for_each(|host| host.receive(now, from, to, &mut packet));
                }
            }
        }
    }
    now
}

/// Whether a tone stands 20 dB above everything else in most of a recording after its first half second.
fn heard(recording: &std::sync::mpsc::Receiver<Vec<i16>>, hertz: f64) -> bool {
    let samples: Vec<i16> = recording.try_iter().flatten().skip(4_000).collect();
    let mut meter = ToneMeter::new(SampleRate::NARROW, &[hertz]).unwrap();
    let (mut all, mut good) = (0, 0);
    meter.push(&samples, |window| {
        all += 1;
        good += u32::from(window.strongest == Some(0));
    });
    all > 0 && good * 10 >= all * 9
}

/// The digits that a host has heard to their end.
fn digits_at(host: &Host) -> String {
    let digit = |event: &MediaEvent| match event {
        MediaEvent::DigitEnded { digit, .. } => Some(*digit),
        _ => None,
    };
    host.wire.events.iter().filter_map(digit).collect()
}

fn pair() -> (Host, Host) {
    let (mut alice, mut bob) = (Host::new(1), Host::new(2));
    alice.stream(1, 4_000, settings(5_000));
    bob.stream(1, 5_000, settings(4_000));
    (alice, bob)
}

/// A relay between two phones; its streams are 1 (towards alice) and 2 (towards bob).
fn through_relay(bob_sends: PayloadType) -> (Host, Host, Host) {
    let (mut alice, mut bob, mut relay) = (Host::new(1), Host::new(2), Host::new(3));
    alice.stream(1, 4_000, settings(6_000));
    bob.stream(1, 5_000, settings(6_002));
    relay.stream(1, 6_000, settings(4_000));
    relay.stream(2, 6_002, StreamSettings { send_type: bob_sends, ..settings(5_000) });
    assert!(relay.engine.link(Key(1), Key(2)));
    (alice, bob, relay)
}

#[test]
fn tones_cross_in_both_directions() {
    let (mut alice, mut bob) = pair();
    alice.tone(10, 440.0, 1);
    bob.tone(10, 1_000.0, 1);
    let (at_alice, at_bob) = (alice.recorder(11, 1), bob.recorder(11, 1));
    run(&mut [&mut alice, &mut bob], 200, Micros(0), |_, _| true);
    assert!(heard(&at_alice, 1_000.0));
    assert!(heard(&at_bob, 440.0));
    let report = alice.engine.report(Key(1)).unwrap();
    assert!(report.packets_received >= 195 && report.packets_lost == 0, "{report:?}");
    assert!(alice.wire.events.contains(&MediaEvent::Heard { stream: Key(1), from: at(5_000) }));
}

#[test]
fn one_direction_lost_is_seen_at_the_far_end_only() {
    let (mut alice, mut bob) = pair();
    alice.tone(10, 440.0, 1);
    bob.tone(10, 1_000.0, 1);
    let (at_alice, at_bob) = (alice.recorder(11, 1), bob.recorder(11, 1));
    run(&mut [&mut alice, &mut bob], 200, Micros(0), |to, _| to.port() >= 5_000);
    assert!(!heard(&at_alice, 1_000.0));
    assert!(heard(&at_bob, 440.0));
}

#[test]
fn loss_is_concealed_and_counted() {
    let (mut alice, mut bob) = pair();
    alice.tone(10, 440.0, 1);
    let _at_bob = bob.recorder(11, 1);
    let mut count = 0;
    run(&mut [&mut alice, &mut bob], 400, Micros(0), |to, _| {
        count += u32::from(to.port() == 5_000);
        to.port() != 5_000 || count % 20 != 7
    });
    let report = bob.engine.report(Key(1)).unwrap();
    assert!((17..=20).contains(&report.packets_lost), "{report:?}");
    assert!(report.concealed_ms >= 300, "{report:?}");
}

#[test]
fn echo_sends_back_what_is_heard() {
    let (mut alice, mut bob) = pair();
    alice.tone(10, 440.0, 1);
    let (at_alice, at_bob) = (alice.recorder(11, 1), bob.recorder(11, 1));
    assert!(bob.engine.echo(Key(1)));
    run(&mut [&mut alice, &mut bob], 200, Micros(0), |_, _| true);
    assert!(heard(&at_alice, 440.0));
    assert!(heard(&at_bob, 440.0), "an echo can be recorded");
}

#[test]
fn conference_of_three_hears_the_others_and_not_itself() {
    let mut room = Host::new(9);
    room.engine.add_conference(Key(100)).unwrap();
    let mut phones: Vec<Host> = (0..3).map(|n| Host::new(n + 1)).collect();
    let mut recordings = Vec::new();
    for (phone, (n, hertz)) in phones.iter_mut().zip([(0, 440.0), (1, 1_000.0), (2, 1_700.0)]) {
        let (local, far) = (4_000 + 2 * n, 6_000 + 2 * n);
        phone.stream(1, local, settings(far));
        room.stream(u64::from(n) + 1, far, settings(local));
        assert!(room.engine.join(Key(100), Key(u64::from(n) + 1)));
        phone.tone(10, hertz, 1);
        recordings.push(phone.recorder(11, 1));
    }
    let [one, two, three] = &mut phones[..] else { panic!("three phones") };
    run(&mut [one, two, three, &mut room], 200, Micros(0), |_, _| true);
    for (n, recording) in recordings.iter().enumerate() {
        let samples: Vec<i16> = recording.try_iter().flatten().skip(4_000).collect();
        let tones = [440.0, 1_000.0, 1_700.0];
        let mut meter = ToneMeter::new(SampleRate::NARROW, &tones).unwrap();
        let mut levels = [0.0_f32; 3];
        let mut windows = 0.0;
        meter.push(&samples, |window| {
            windows += 1.0;
            levels.iter_mut().enumerate().for_each(|(place, sum)| *sum += window.tone(place).0);
        });
        for (place, sum) in levels.iter().enumerate() {
            let level = sum / windows;
            assert_eq!(level > -20.0, place != n, "phone {n}, {} Hz: {level} dBFS", tones[place]);
        }
    }
}

#[test]
fn rfc4733_digits_cross_once_each_even_when_packets_are_lost() {
    let (mut alice, mut bob) = pair();
    alice.tone(10, 440.0, 1);
    alice.engine.dial(Key(1), "12#").unwrap();
    let mut count = 0;
    run(&mut [&mut alice, &mut bob], 100, Micros(0), |_, packet| {
        let event = packet[1] & 0x7f == 101;
        count += u32::from(event);
        !(event && count % 3 == 0)
    });
    let digits: String = bob
        .wire
        .events
        .iter()
        .filter_map(|event| match event {
            MediaEvent::DigitEnded { digit, .. } => Some(*digit),
            _ => None,
        })
        .collect();
    assert_eq!(digits, "12#");
    assert!(matches!(alice.engine.dial(Key(1), "1X"), Err(DialError::Queue(_))));
    assert_eq!(alice.engine.dial(Key(77), "1"), Err(DialError::NoStream));
}

#[test]
fn rfc4733_2_5_1_1_only_events_the_peer_takes_are_sent() {
    let some = StreamSettings { events: Some(events("0-9,11".parse().unwrap())), ..settings(5_000) };
    let (mut alice, mut bob) = pair();
    assert!(alice.engine.update_stream(Micros(0), Key(1), some.clone()));
    for (digits, refused) in [("12A#", 'A'), ("R", 'R'), ("1*", '*')] {
        assert_eq!(alice.engine.dial(Key(1), digits), Err(DialError::NotTaken { digit: refused }));
    }
    alice.engine.dial(Key(1), "1#").unwrap();
    run(&mut [&mut alice, &mut bob], 100, Micros(0), |_, _| true);
    assert_eq!(digits_at(&bob), "1#", "all or none");
    // What is relayed is held to the same.
    let (mut alice, mut bob, mut relay) = through_relay(PayloadType::PCMU);
    assert!(relay.engine.update_stream(Micros(0), Key(2), some));
    alice.engine.dial(Key(1), "1*R2").unwrap();
    run(&mut [&mut alice, &mut bob, &mut relay], 100, Micros(0), |_, _| true);
    assert_eq!(digits_at(&bob), "12");
    // And the description says what that is.
    let offer = "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0 101\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-9,11\r\n";
    let mut media = crate::negotiate::CallMedia::new(at(4_000), &[Codec::Pcmu], 7);
    let agreed = media.answer(offer.as_bytes()).unwrap().1.settings.unwrap().events.unwrap();
    assert_eq!(agreed.taken.to_string(), "0-9,11");
}

#[test]
fn held_stream_sends_nothing() {
    let (mut alice, mut bob) = pair();
    alice.tone(10, 440.0, 1);
    let now = run(&mut [&mut alice, &mut bob], 50, Micros(0), |_, _| true);
    let inactive = StreamSettings { direction: Direction::Inactive, ..settings(5_000) };
    assert!(alice.engine.update_stream(now, Key(1), inactive));
    let mut packets = 0;
    run(&mut [&mut alice, &mut bob], 50, now, |to, _| {
        packets += u32::from(to.port() == 5_000);
        true
    });
    assert_eq!(packets, 0);
}

#[test]
fn rfc8866_6_5_a_packet_holds_the_milliseconds_that_were_asked_for() {
    for (ms, payload, packets) in [(20, 160, 100), (40, 320, 50), (60, 480, 33)] {
        let (mut alice, mut bob) = pair();
        let longer = StreamSettings { ptime: Duration::from_millis(ms), ..settings(5_000) };
        assert!(alice.engine.update_stream(Micros(0), Key(1), longer));
        alice.tone(10, 440.0, 1);
        let mut sizes = Vec::new();
        run(&mut [&mut alice, &mut bob], 100, Micros(0), |to, packet| {
            sizes.extend((to.port() == 5_000).then_some(packet.len() - 12));
            true
        });
        assert_eq!(sizes, vec![payload; packets], "{ms} ms");
    }
}

/// The RTP packets that went to a port, parsed: sequence number, timestamp, SSRC and payload type.
fn fields(packets: &[Vec<u8>]) -> Vec<(u16, u32, u32, u8)> {
    let field = |packet: &Vec<u8>| {
        let header = rtp::Packet::parse(packet).unwrap().header();
        (header.sequence_number.0, header.timestamp.0, header.ssrc.0, header.payload_type.number())
    };
    packets.iter().map(field).collect()
}

#[test]
fn rfc4733_2_1_digits_share_numbers_source_and_clock_with_the_audio() {
    let (mut alice, mut bob) = pair();
    alice.tone(10, 440.0, 1);
    let mut packets = Vec::new();
    let mut record = |to: &SocketAddr, packet: &[u8]| {
        packets.extend((to.port() == 5_000).then(|| packet.to_vec()));
        true
    };
    let now = run(&mut [&mut alice, &mut bob], 10, Micros(0), &mut record);
    alice.engine.dial(Key(1), "5").unwrap();
    run(&mut [&mut alice, &mut bob], 40, now, &mut record);
    let sent = fields(&packets);
    let (first, begin) = (sent[0], sent[10]);
    assert!(sent.iter().all(|packet| packet.2 == first.2), "one source");
    for (n, pair) in sent.windows(2).enumerate() {
        assert_eq!(pair[1].0, pair[0].0.wrapping_add(1), "packet {n}");
    }
    let types: Vec<u8> = sent.iter().map(|packet| packet.3).collect();
    assert_eq!(types, [vec![0; 10], vec![101; 12], vec![0; 28]].concat());
    // The event begins where the audio before it ends, and the audio goes on where it would be without the event.
    assert_eq!(begin.1, first.1.wrapping_add(10 * 160));
    assert!(sent[10..22].iter().all(|packet| packet.1 == begin.1));
    assert_eq!(sent[22].1, first.1.wrapping_add(22 * 160));
}

#[test]
fn rfc3550_5_1_packets_of_a_payload_type_nobody_agreed_on_are_not_played() {
    for (number, plays) in [(0, true), (8, true), (3, false), (96, false)] {
        let (mut alice, mut bob) = pair();
        let odd = StreamSettings { send_type: PayloadType::new(number).unwrap(), ..settings(4_000) };
        assert!(bob.engine.update_stream(Micros(0), Key(1), odd));
        bob.tone(10, 1_000.0, 1);
        let at_alice = alice.recorder(11, 1);
        run(&mut [&mut alice, &mut bob], 100, Micros(0), |_, _| true);
        let loud = at_alice.try_iter().flatten().any(|sample| sample.unsigned_abs() > 100);
        assert_eq!(loud, plays, "payload type {number}");
    }
}

/// The SSRC of the report a compound packet begins with, and whether it says goodbye to it.
fn report_of(packet: &[u8]) -> (u32, bool) {
    let ssrc = u32::from_be_bytes(packet[4..8].try_into().unwrap());
    let compound = rtp::rtcp::Compound::parse(packet).unwrap();
    let bye = compound.packets().any(|packet| match packet {
        rtp::rtcp::RtcpPacket::Goodbye(bye) => bye.sources().any(|source| source.0 == ssrc),
        _ => false,
    });
    (ssrc, bye)
}

#[test]
fn player_that_ends_is_told_and_forgotten() {
    let mut host = Host::new(1);
    let mut left = 3;
    let source = move |frame: &mut [i16]| {
        left -= 1;
        if left > 0 { frame.len() } else { 0 }
    };
    host.engine.add_player(Key(5), Box::new(source)).unwrap();
    assert!(host.engine.is_busy());
    run(&mut [&mut host], 5, Micros(0), |_, _| true);
    assert_eq!(host.wire.events, [MediaEvent::Played { player: Key(5) }]);
    assert!(!host.engine.is_busy());
    assert!(!host.engine.remove(Key(5)));
}

#[test]
fn silence_is_told_once() {
    let (mut alice, mut bob) = pair();
    alice.engine.watch_silence(Micros(0), Key(1), Some(Micros::from_millis(500)));
    run(&mut [&mut alice, &mut bob], 100, Micros(0), |_, _| false);
    let silences = alice.wire.events.iter().filter(|event| matches!(event, MediaEvent::Silence { .. })).count();
    assert_eq!(silences, 1);
}

#[test]
fn stranger_is_neither_played_nor_answered() {
    let (mut alice, mut bob) = pair();
    bob.tone(10, 1_000.0, 1);
    let now = run(&mut [&mut alice, &mut bob], 50, Micros(0), |_, _| true);
    let slot = alice.ports[0].1;
    let stranger = SocketAddr::from(([203, 0, 113, 5], 7_000));
    for number in 0..200_u8 {
        let mut packet = [0_u8; 172];
        packet[..12].copy_from_slice(&[0x80, 0, 0, number, 0, 0, number, 0, 9, 9, 9, 9]);
        alice.engine.receive(now, slot, Component::Rtp, stranger, &mut packet, &mut alice.wire);
    }
    let report = alice.engine.report(Key(1)).unwrap();
    assert_eq!((report.strangers, report.heard_from), (200, Some(at(5_000))));
    let mut leaked = 0;
    run(&mut [&mut alice, &mut bob], 50, now, |to, _| {
        leaked += u32::from(to.ip() == stranger.ip());
        true
    });
    assert_eq!(leaked, 0);
}

#[test]
fn full_engine_refuses_one_more() {
    let mut engine = Engine::new(Config { max_streams: 1, max_ports: 1, ..Config::default() }, Duration::ZERO, 1);
    assert!(engine.add_stream(Micros(0), Key(1), settings(5_000)).is_ok());
    assert_eq!(engine.add_stream(Micros(0), Key(1), settings(5_000)), Err(AddError::KeyInUse));
    assert_eq!(engine.add_stream(Micros(0), Key(2), settings(5_000)), Err(AddError::Full));
    assert!(engine.add_player(Key(3), Box::new(|_: &mut [i16]| 0)).is_ok());
    assert_eq!(engine.add_player(Key(4), Box::new(|_: &mut [i16]| 0)), Err(AddError::Full));
}

#[test]
fn rfc3264_8_3_2_what_is_sent_changes_with_the_settings() {
    let (mut alice, mut bob) = pair();
    alice.tone(10, 440.0, 1);
    let at_bob = bob.recorder(11, 1);
    let mut now = Micros(0);
    for (codec, number) in [(Codec::Pcmu, 0), (Codec::Pcma, 8), (Codec::Pcma, 97), (Codec::Pcmu, 0)] {
        let send_type = PayloadType::new(number).unwrap();
        assert!(alice.engine.update_stream(now, Key(1), StreamSettings { codec, send_type, ..settings(5_000) }));
        let receive_types = vec![(send_type, codec)];
        assert!(bob.engine.update_stream(now, Key(1), StreamSettings { receive_types, ..settings(4_000) }));
        let mut types = Vec::new();
        now = run(&mut [&mut alice, &mut bob], 100, now, |to, packet| {
            types.extend((to.port() == 5_000).then_some(packet[1] & 0x7f));
            true
        });
        types.dedup();
        assert_eq!(types, [number]);
        // A tone of -10 dBFS has no step above 3,600 from sample to sample; what the wrong codec decodes has.
        let samples: Vec<i16> = at_bob.try_iter().flatten().skip(4_000).collect();
        let loudest = samples.iter().map(|sample| sample.unsigned_abs()).max();
        assert!(loudest.is_some_and(|loudest| loudest > 8_000), "{codec:?} as {number}: {loudest:?}");
        let step = samples.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max();
        assert!(step.is_some_and(|step| step < 4_500), "{codec:?} as {number}: a step of {step:?}");
    }
}
