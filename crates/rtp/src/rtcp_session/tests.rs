use super::*;
use crate::{ClockRate, Packet, PayloadType};

const RATE: ClockRate = ClockRate::HZ_8000;

/// One end of a call.
struct End {
    sender: Sender,
    reception: Reception,
    session: RtcpSession,
    heard: Vec<Heard>,
}

impl End {
    fn new(seed: u64) -> Self {
        let bandwidth = Bandwidth { session: 80_000, reduced_minimum: false };
        Self {
            sender: Sender::new(seed, RATE),
            reception: Reception::new(RATE),
            session: RtcpSession::new(Cname::from_seed(seed), bandwidth, Micros(0), seed),
            heard: Vec::new(),
        }
    }

    fn audio(&mut self, now: Micros) -> [u8; 172] {
        let mut out = [0; 172];
        self.sender.audio(now, PayloadType::PCMU, &mut out, 160, 160).unwrap();
        out
    }

    fn poll(&mut self, now: Micros) -> Option<Vec<u8>> {
        let mut out = [0; RtcpSession::MAX_LEN];
        let length = self.session.poll(now, wall(now), &self.sender, &mut self.reception, &mut out).unwrap()?;
        Some(out[..length].to_vec())
    }

    fn leave(&mut self, now: Micros) -> Option<Vec<u8>> {
        let mut out = [0; RtcpSession::MAX_LEN];
        let length =
            self.session.leave(now, wall(now), &self.sender, &mut self.reception, "done", &mut out).unwrap()?;
        Some(out[..length].to_vec())
    }

    fn hear(&mut self, now: Micros, datagram: &[u8]) -> Heard {
        let heard = self.session.receive(now, wall(now), datagram, &self.sender, &mut self.reception).unwrap();
        self.heard.push(heard);
        heard
    }
}

fn wall(now: Micros) -> NtpTime {
    NtpTime::from_unix(Micros(1_700_000_000_000_000 + now.0))
}

fn first_type(datagram: &[u8]) -> &'static str {
    match Compound::parse(datagram).unwrap().packets().next() {
        Some(RtcpPacket::SenderReport(_)) => "SR",
        Some(RtcpPacket::ReceiverReport(_)) => "RR",
        other => panic!("{other:?}"),
    }
}

/// Runs both ends for `span_ms`; packets of `a` take 30 ms, those of `b` 50 ms. `b` sends audio only if `talks`.
fn run(a: &mut End, b: &mut End, span_ms: u64, b_talks: bool) {
    let mut late: Vec<(u64, bool, Vec<u8>)> = Vec::new();
    for ms in (0..span_ms).step_by(10) {
        let now = Micros::from_millis(ms);
        let (ready, rest): (Vec<_>, Vec<_>) = late.into_iter().partition(|(due, ..)| *due <= ms);
        late = rest;
        for (_, to_a, datagram) in ready {
            if to_a {
                a.hear(now, &datagram)
            } else {
                b.hear(now, &datagram)
            };
        }
        if ms % 20 == 0 {
            let datagram = a.audio(now);
            b.reception.received(now, &Packet::parse(&datagram).unwrap());
            if b_talks {
                let datagram = b.audio(now);
                a.reception.received(now, &Packet::parse(&datagram).unwrap());
            }
        }
        late.extend(a.poll(now).map(|datagram| (ms + 30, false, datagram)));
        late.extend(b.poll(now).map(|datagram| (ms + 50, true, datagram)));
    }
}

#[test]
fn rfc3550_6_4_both_ends_learn_loss_jitter_and_round_trip() {
    let (mut a, mut b) = (End::new(1), End::new(2));
    run(&mut a, &mut b, 60_000, true);
    for (end, other) in [(&a, &b), (&b, &a)] {
        assert!(end.heard.len() > 8, "{}", end.heard.len());
        assert!(end.heard.iter().all(|heard| heard.from == Some(other.sender.ssrc()) && !heard.collision));
        let report = end.session.far_end().report.unwrap();
        assert_eq!((report.ssrc, report.cumulative_lost), (end.sender.ssrc(), 0));
        let time = end.session.far_end().round_trip.unwrap();
        assert!((79_900..80_100).contains(&time.0), "{time:?}");
    }
}

#[test]
fn rfc3550_6_4_a_far_end_that_reports_and_names_nothing_of_ours_does_not_hear_us() {
    let (mut a, mut b, mut deaf) = (End::new(1), End::new(2), End::new(3));
    assert_eq!(a.session.far_end().hears_us(), None, "no report has come");
    let at = |ms: u64| Micros::from_millis(ms);
    for n in 0..49 {
        a.audio(at(n * 20));
    }
    let report = deaf.poll(at(10_000)).unwrap();
    a.hear(at(10_000), &report);
    assert_eq!(a.session.far_end().hears_us(), None, "it may not have heard us yet");
    a.audio(at(10_020));
    a.hear(at(10_020), &report);
    assert_eq!(a.session.far_end().hears_us(), Some(false));
    // Control: a block about us, at any time.
    for ms in [10_040, 10_060, 10_080] {
        let datagram = a.audio(at(ms));
        b.reception.received(at(ms), &Packet::parse(&datagram).unwrap());
    }
    let report = b.poll(at(20_000)).unwrap();
    a.hear(at(20_000), &report);
    assert_eq!(a.session.far_end().hears_us(), Some(true));
}

#[test]
fn rfc3550_6_4_who_sent_lately_reports_as_sender_and_who_did_not_as_receiver() {
    let (mut a, mut b) = (End::new(1), End::new(2));
    run(&mut a, &mut b, 30_000, false);
    let from_a = a.poll(Micros::from_millis(40_000)).unwrap();
    let from_b = b.poll(Micros::from_millis(40_000)).unwrap();
    assert_eq!((first_type(&from_a), first_type(&from_b)), ("SR", "RR"));
    // a falls silent: one more SR covers the last interval but one, then RR.
    let mut types = Vec::new();
    for n in 5..9 {
        types.push(first_type(&a.poll(Micros::from_millis(n * 10_000)).unwrap()));
    }
    assert_eq!(types, ["SR", "RR", "RR", "RR"]);
}

#[test]
fn rfc3550_6_1_every_packet_is_a_report_and_a_cname() {
    let (mut a, mut b) = (End::new(1), End::new(2));
    run(&mut a, &mut b, 30_000, true);
    for end in [&mut a, &mut b] {
        let datagram = end.poll(Micros::from_millis(60_000)).unwrap();
        let packets: Vec<_> = Compound::parse(&datagram).unwrap().packets().collect();
        let [_, RtcpPacket::SourceDescription(description)] = packets[..] else { panic!("{packets:?}") };
        let cname = description.cname_of(end.sender.ssrc()).unwrap();
        assert_eq!(cname, end.session.cname.as_str().as_bytes());
    }
}

#[test]
fn rfc3550_6_5_1_the_cname_binds_a_new_ssrc_to_the_same_source() {
    let mut a = End::new(1);
    let mut named = Vec::new();
    for n in 1..4 {
        let datagram = a.poll(Micros::from_millis(n * 20_000)).unwrap();
        let packets: Vec<_> = Compound::parse(&datagram).unwrap().packets().collect();
        let Some(RtcpPacket::SourceDescription(description)) = packets.last() else { panic!("{packets:?}") };
        named.push((a.sender.ssrc(), description.cname_of(a.sender.ssrc()).map(<[u8]>::to_vec)));
        a.sender.change_ssrc(n, None);
    }
    assert!(named[0].0 != named[1].0 && named[1].0 != named[2].0);
    assert!(named.iter().all(|(_, cname)| cname.as_deref() == Some(a.session.cname.as_str().as_bytes())), "{named:?}");
}

#[test]
fn rfc3550_6_3_7_goodbye_is_sent_only_by_those_who_sent_something() {
    let mut silent = End::new(3);
    assert_eq!(silent.leave(Micros(5)), None);
    let (mut a, mut b) = (End::new(1), End::new(2));
    run(&mut a, &mut b, 2000, true);
    let bye = a.leave(Micros::from_millis(2000)).unwrap();
    let heard = b.hear(Micros::from_millis(2000), &bye);
    assert!(heard.goodbye);
    assert_eq!(heard.from, Some(a.sender.ssrc()));
}

#[test]
fn rfc3550_6_3_4_a_goodbye_of_a_stranger_means_nothing() {
    let (mut a, mut b) = (End::new(1), End::new(2));
    run(&mut a, &mut b, 2000, true);
    let mut stranger = End::new(9);
    stranger.audio(Micros(0));
    let bye = stranger.leave(Micros(1)).unwrap();
    assert!(!b.hear(Micros::from_millis(2000), &bye).goodbye);
}

#[test]
fn rfc3550_6_3_5_a_silent_far_end_is_no_sender_after_two_intervals_and_gone_after_five() {
    let group = |end: &End, ms: u64| {
        let group = end.session.group(Micros::from_millis(ms), &end.sender, &end.reception);
        (group.members, group.senders)
    };
    // The last packet of b comes at 1.98 s, its last report before that; an interval is 5 s.
    let (mut a, mut b) = (End::new(1), End::new(2));
    assert_eq!(group(&a, 0), (1, 0), "nobody was heard yet");
    run(&mut a, &mut b, 2_000, true);
    let seen: Vec<_> = [2_000, 11_900, 12_100, 26_900, 27_100].map(|ms| group(&a, ms)).to_vec();
    assert_eq!(seen, [(2, 2), (2, 2), (2, 1), (2, 1), (1, 1)]);
    // Who sends reports only is there all the same, and never a sender.
    let (mut a, mut b) = (End::new(1), End::new(2));
    run(&mut a, &mut b, 20_000, false);
    assert_eq!(group(&a, 20_000), (2, 1));
    assert_eq!(group(&a, 50_000), (1, 1));
}

#[test]
fn rfc3550_6_4_2_who_has_nothing_to_report_sends_an_empty_receiver_report() {
    let mut a = End::new(1);
    let datagram = a.poll(Micros::from_millis(10_000)).unwrap();
    let packets: Vec<_> = Compound::parse(&datagram).unwrap().packets().collect();
    let [RtcpPacket::ReceiverReport(report), RtcpPacket::SourceDescription(_)] = packets[..] else {
        panic!("{packets:?}")
    };
    assert_eq!((report.ssrc, report.blocks.about(a.sender.ssrc())), (a.sender.ssrc(), None));
    assert_eq!(datagram[..4], [0x80, 201, 0, 1], "RC is 0 and nothing follows the SSRC");
}

#[test]
fn rfc3550_8_2_our_own_ssrc_in_a_report_is_a_collision() {
    let mut a = End::new(1);
    let mut b = End::new(1);
    b.audio(Micros(0));
    let report = b.poll(Micros::from_millis(10_000)).unwrap();
    assert!(a.hear(Micros::from_millis(10_000), &report).collision);
    a.sender.change_ssrc(77, None);
    assert!(!a.hear(Micros::from_millis(10_000), &report).collision);
}

#[test]
fn a_short_buffer_leaves_the_report_due_and_garbage_changes_nothing() {
    let mut a = End::new(1);
    let now = Micros::from_millis(10_000);
    let error = a.session.poll(now, wall(now), &a.sender, &mut a.reception, &mut [0; 10]).unwrap_err();
    assert_eq!(error, BufferTooSmall { need: RtcpSession::MAX_LEN, have: 10 });
    assert!(a.poll(now).is_some());
    let error = a.session.receive(now, wall(now), &[0x80, 0xc8], &a.sender, &mut a.reception).unwrap_err();
    assert_eq!(error, RtcpError::HeaderTooShort { at: 0, have: 2 });
}
