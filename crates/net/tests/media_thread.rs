//! How the system treats a media thread.

#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use audio::codec::Codec;
use media::{Key, StreamSettings};
use net::Clock;
use net::media::{MediaConfig, MediaThread, PortPair, PortRange};
use rtp::rtcp::{Cname, Compound, CompoundWriter, ReportBlock, RtcpPacket, SenderInfo};
use rtp::{Micros, NtpTime, PayloadType, ShortNtp, Ssrc, Timestamp};

/// The niceness of the calling thread: field 19 of its `stat` (proc_pid_stat(5)).
fn niceness() -> i32 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    // The second field is a name in brackets that may hold blanks.
    stat.rsplit(')').next().unwrap().split_whitespace().nth(16).unwrap().parse().unwrap()
}

#[test]
fn a_media_thread_comes_before_the_others_where_the_system_allows_it() {
    let allowed = std::thread::spawn(|| rustix::process::setpriority_process(None, -11).is_ok()).join().unwrap();
    let config = MediaConfig { engine: media::Config::default(), clock: Clock::start(), commands: 8 };
    let thread = MediaThread::spawn(config, |_| {}).unwrap();
    let (tell, told) = channel();
    thread.handle().run(move |_| tell.send(niceness()).unwrap()).unwrap();
    assert_eq!(told.recv().unwrap(), if allowed { -11 } else { 0 });
    assert_eq!(niceness(), 0, "whoever started it stays what it was");
}

/// The wall clock as reports carry it.
fn wall() -> NtpTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    NtpTime::from_unix(Micros(u64::try_from(since.as_micros()).unwrap()))
}

fn settings(peer: &PortPair) -> StreamSettings {
    let control = SocketAddr::new(peer.address.ip(), peer.address.port() + 1);
    StreamSettings {
        codec: Codec::Pcmu,
        send_type: PayloadType::PCMU,
        receive_types: vec![(PayloadType::PCMU, Codec::Pcmu)],
        events: None,
        remote: Some(peer.address),
        remote_control: Some(control),
        direction: sdp::Direction::SendRecv,
        ptime: Duration::from_millis(20),
        min_delay: Micros::from_millis(20),
        max_delay: Micros::from_millis(200),
    }
}

/// What a phone says before anybody can hear it does not come in a burst once somebody can; what has just come is heard.
#[test]
fn rfc3264_5_1_a_stream_begins_with_what_is_fresh() {
    let config = MediaConfig { engine: media::Config::default(), clock: Clock::start(), commands: 8 };
    let thread = MediaThread::spawn(config, |_| {}).unwrap();
    let range = PortRange::default();
    let (ports, peer) =
        (range.bind(Ipv4Addr::LOCALHOST.into()).unwrap(), range.bind(Ipv4Addr::LOCALHOST.into()).unwrap());
    let (audio, settings, key) = (ports.address, settings(&peer), Key(1));
    let say = |numbers: std::ops::Range<u8>| {
        for number in numbers {
            let head = [0x80, 0, 0, number, 0, 0, 0, number, 0, 0, 0, 77];
            peer.rtp.send_to(&[&head[..], &[0xff; 160]].concat(), audio).unwrap();
        }
    };
    let old = Duration::from_micros(media::Beat::MAKE_UP.0) + Duration::from_millis(1);
    // The system begins to date packets a moment after it is asked to.
    std::thread::sleep(old);
    say(0..60);
    std::thread::sleep(old);
    say(60..63);
    let (tell, told) = channel();
    thread.handle().run(move |desk| desk.add_stream(key, ports, settings).unwrap()).unwrap();
    let (mut fresh, mut received) = (3, 0);
    while received == 0 {
        let tell = tell.clone();
        let look = move |desk: &mut net::media::Desk<'_>| {
            tell.send(desk.engine.report(key).unwrap().packets_received).unwrap();
        };
        thread.handle().run(look).unwrap();
        received = told.recv().unwrap();
        say(60 + fresh..61 + fresh);
        fresh += 1;
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(received <= u64::from(fresh), "{received} packets were heard, {fresh} were fresh");
}

/// RFC 3550 section 6.4.1: both times are of the arrival of a report, however long it waits until the thread wakes. The peer looks at the clock
/// right before and after it sends, so that nothing depends on how fast it is.
#[test]
fn rfc3550_6_4_1_reports_are_dated_by_their_arrival() {
    /// Of the clocks, the conversion between them and the 16 bits of a fraction.
    const INEXACT: i64 = 2_000;
    let config = MediaConfig { engine: media::Config::default(), clock: Clock::start(), commands: 8 };
    let thread = MediaThread::spawn(config, |_| {}).unwrap();
    let (ours, peer) = (PortRange::default(), PortRange::default());
    let ports = ours.bind(Ipv4Addr::LOCALHOST.into()).unwrap();
    let peer = peer.bind(Ipv4Addr::LOCALHOST.into()).unwrap();
    let (audio, control) = (ports.address, SocketAddr::new(ports.address.ip(), ports.address.port() + 1));
    let (settings, key) = (settings(&peer), Key(1));
    let run = move |desk: &mut net::media::Desk<'_>| {
        desk.add_stream(key, ports, settings).unwrap();
        desk.engine
            .add_player(
                Key(2),
                Box::new(|frame: &mut [i16]| {
                    frame.fill(1_000);
                    frame.len()
                }),
            )
            .unwrap();
        assert!(desk.engine.connect(Key(2), key));
    };
    thread.handle().run(run).unwrap();
    // Audio, so that we are known, and a report.
    peer.rtcp.set_nonblocking(false).unwrap();
    let (source, cname, mut out) = (Ssrc(77), Cname::new("peer").unwrap(), [0; 256]);
    for number in 0..8_u8 {
        let head = [0x80, 0, 0, number, 0, 0, 0, number, 0, 0, 0, 77];
        peer.rtp.send_to(&[&head[..], &[0xff; 160]].concat(), audio).unwrap();
    }
    let mut heard = [0; 1_500];
    peer.rtp.set_nonblocking(false).unwrap();
    // It has just been awake, and wakes again in 20 ms.
    peer.rtp.recv_from(&mut heard).unwrap();
    peer.rtp.recv_from(&mut heard).unwrap();
    let before = wall();
    let info = SenderInfo { ntp: before, rtp_timestamp: Timestamp(8), packet_count: 8, octet_count: 1_280 };
    let length = CompoundWriter::sender_report(&mut out, source, &info, &[], &cname).unwrap().len();
    peer.rtcp.send_to(&out[..length], control).unwrap();
    let after = wall();
    // Its first report says when ours has come.
    let (length, _) = peer.rtcp.recv_from(&mut heard).unwrap();
    let compound = Compound::parse(&heard[..length]).unwrap();
    let report = compound.packets().find_map(|packet| match packet {
        RtcpPacket::SenderReport(report) => Some(report),
        _ => None,
    });
    let report = report.expect("it sends audio");
    let block = report.blocks.about(source).expect("it has heard us");
    assert_eq!(block.last_sr, before.middle());
    let micros =
        |later: NtpTime, earlier: NtpTime| i64::try_from(later.middle().minus(earlier.middle()).length().0).unwrap();
    let delay = i64::try_from(block.delay_since_last_sr.length().0).unwrap();
    let (most, least) = (micros(report.info.ntp, before) + INEXACT, micros(report.info.ntp, after) - INEXACT);
    assert!((least..=most).contains(&delay), "{delay} us between {least} and {most}");
    // And ours, whose delay is said to be nothing, when its own has come back.
    let theirs = report.info.ntp;
    let block = ReportBlock { ssrc: report.ssrc, last_sr: theirs.middle(), delay_since_last_sr: ShortNtp(0), ..block };
    let length = CompoundWriter::receiver_report(&mut out, source, &[block], &cname).unwrap().len();
    let before = wall();
    peer.rtcp.send_to(&out[..length], control).unwrap();
    let after = wall();
    let (tell, told) = channel();
    let round_trip = loop {
        let tell = tell.clone();
        thread
            .handle()
            .run(move |desk| tell.send(desk.engine.report(key).and_then(|report| report.round_trip)).unwrap())
            .unwrap();
        match told.recv().unwrap() {
            Some(time) => break i64::try_from(time.0).unwrap(),
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let (least, most) = (micros(before, theirs) - INEXACT, micros(after, theirs) + INEXACT);
    assert!((least..=most).contains(&round_trip), "{round_trip} us between {least} and {most}");
}
