//! Whatever comes from the network: cut off, changed, made up. Nothing may panic, what is read must survive printing,
//! and what we answer must be a description.

#![allow(clippy::unwrap_used, reason = "a test may stop at once")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "a test may look at the clock")]

use std::net::Ipv4Addr;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use sdp::{
    Codec, Hold, Limits, LocalCapabilities, LocalMedia, MediaKind, Negotiation, NegotiationState, NullAddressAnswer,
    Origin, Session, round_trip,
};

/// Descriptions of the kinds met in the field, and one that uses every line.
const SAMPLES: [&str; 7] = [
    "v=0\r\no=- 20518 20518 IN IP4 192.0.2.42\r\ns=SDP data\r\nc=IN IP4 192.0.2.42\r\nt=0 0\r\n\
     m=audio 11784 RTP/AVP 0 8 9 18 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\n\
     a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
     a=ptime:20\r\na=maxptime:150\r\na=rtcp:11790 IN IP4 192.0.2.43\r\na=sendrecv\r\n",
    "v=0\no=J\u{fc}rgen Meier 971731711378798081 0 IN IP6 2001:db8::20\ni=x\nu=http://h/\ne=a@b (c)\np=+1 2\nc=IN IP6 2001:db8::20\n\
     b=AS:64\nb=X-y:1\nt=3338481189 3370017201\nr=7d 1h 0 25h\nz=3338481189 -1h 3338481190 0\na=tool:x\nm=audio 6000 RTP/AVP 2\n\
     a=rtpmap:2 G726-32/8000\nm=video 6024/2 RTP/AVP 107\nc=IN IP4 233.252.0.1/127/2\nc=IN IP4 233.252.0.4/127\n",
    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=ice-options:trickle\r\n\
     m=audio 9 UDP/TLS/RTP/SAVPF 111 0 126\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
     a=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 00:11\r\na=setup:actpass\r\na=mid:0\r\na=rtcp-mux\r\n\
     a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:126 telephone-event/8000\r\n",
    "v=0\r\no=- 3 3 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 8\r\n\
     a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH|2^20|1:4\r\na=sendonly\r\n",
    "v=0\no=- 4 4 IN IP4 h.example\ns=\nt=0 0\na=inactive\nc=IN IP4 h.example\nm=image 4002 udptl t38\na=T38FaxVersion:0\n\
     m=audio 0 RTP/AVP\nm=message 7 TCP/MSRP *\nm=audio 4004 RTP/AVP 97 98\na=rtpmap:97 iLBC/8000\na=rtpmap:98 iLBC/8000\n",
    "v=0\r\no=- 5 5 IN IP4 192.0.2.1\r\n",
    "v=0\r\no=- 6 6 TN RFC2543 5551212\r\ns=-\r\nc=TN RFC2543 +1-201-406-4090\r\nt=2873397496 0\r\nk=clear:x\r\nm=audio 9 PSTN/x -\r\n",
];

/// A small generator, seeded, so that a failure comes again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
}

fn capabilities() -> LocalCapabilities {
    let codecs = |numbers: &[(u8, &str, u32)]| {
        numbers.iter().filter_map(|(number, name, rate)| Codec::new(*number, name, *rate)).collect::<Vec<Codec>>()
    };
    let mut audio =
        LocalMedia::audio(5004, codecs(&[(8, "PCMA", 8000), (0, "PCMU", 8000), (97, "iLBC", 8000), (13, "CN", 8000)]));
    audio.protocols.extend(["RTP/SAVP", "UDP/TLS/RTP/SAVPF"].into_iter().filter_map(sdp::Protocol::new));
    audio.rtcp_mux = true;
    let mut video =
        LocalMedia::new(MediaKind::Video, 5006, codecs(&[(31, "H261", 90_000), (107, "H263-1998", 90_000)]));
    video.multicast = true;
    LocalCapabilities::new(Ipv4Addr::new(198, 51, 100, 7), vec![audio, video])
}

/// Offers `bytes` to a negotiation; whatever it answers must be readable and fit.
fn negotiate(ours: &mut Negotiation, capabilities: &LocalCapabilities, session: &Session) -> bool {
    let before = ours.agreement().clone();
    match ours.answer(session, capabilities) {
        Err(_) => {
            assert_eq!(ours.agreement(), &before);
            false
        }
        Ok(answer) => {
            assert_eq!(answer.session.media.len(), session.media.len());
            let printed = answer.session.to_string();
            assert_eq!(Session::parse(printed.as_bytes()).as_ref(), Ok(&answer.session), "{printed}");
            for plan in answer.agreement.plans() {
                assert!(plan.ptime >= Duration::from_millis(10) && plan.ptime <= Duration::from_millis(120));
                assert!(plan.remote.as_ref().is_none_or(|(_, port)| *port > 0));
            }
            assert_eq!(ours.state(), NegotiationState::Stable);
            true
        }
    }
}

/// Runs one input through all; returns whether it was a description.
fn survive(bytes: &[u8], ours: &mut Negotiation, capabilities: &LocalCapabilities) -> bool {
    match round_trip(bytes, &Limits::DEFAULT) {
        Err(error) => panic!("{error}\nfrom {:?}", String::from_utf8_lossy(bytes)),
        Ok(None) => false,
        Ok(Some(session)) => {
            negotiate(ours, capabilities, &session);
            let kept = negotiation().answer(&session, capabilities);
            let kept = kept.map(|kept| (kept.session.to_bytes(), kept.agreement));
            assert_eq!(capabilities.answer(&session, origin()), kept, "the same answer when nothing is kept");
            let mut caller = ours.clone();
            caller.offer(capabilities).unwrap();
            let _ = caller.accept_answer(&session);
            let printed = session.to_string();
            assert_eq!(Session::parse(printed.as_bytes()), Ok(session), "{printed}");
            true
        }
    }
}

fn negotiation() -> Negotiation {
    Negotiation::new(origin())
}

fn origin() -> Origin {
    Origin::new(1, 1, Ipv4Addr::new(198, 51, 100, 7))
}

#[test]
fn every_sample_is_a_description() {
    for sample in SAMPLES {
        let session = round_trip(sample.as_bytes(), &Limits::DEFAULT).unwrap();
        assert!(session.is_some(), "{sample:?}: {:?}", Session::parse(sample.as_bytes()));
    }
}

#[test]
fn cve_sdp_truncated_at_every_byte() {
    let capabilities = capabilities();
    let mut good = 0;
    for sample in SAMPLES {
        for end in 0..sample.len() {
            good += usize::from(survive(&sample.as_bytes()[..end], &mut negotiation(), &capabilities));
        }
    }
    assert!(good > 100, "only {good} prefixes were descriptions, so little was tried");
}

#[test]
fn cve_sdp_bytes_changed_at_random() {
    let capabilities = capabilities();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let tokens: [&[u8]; 16] = [
        b"\0",
        b"\r",
        b"\n",
        b"\r\n",
        b" ",
        b"=",
        b":",
        b"/",
        b"\xff",
        b"0",
        b"65536",
        b"4294967296",
        b"18446744073709551616",
        b"-1",
        b"m=audio 1 RTP/AVP 0\r\n",
        b"a=inactive\r\n",
    ];
    let mut good = 0;
    for _ in 0..30_000 {
        let mut bytes = SAMPLES[random.below(SAMPLES.len())].as_bytes().to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            match random.below(5) {
                0 => bytes[at] = u8::try_from(random.next() & 0xff).unwrap(),
                1 => drop(bytes.remove(at)),
                2 => drop(bytes.splice(at..at, tokens[random.below(tokens.len())].iter().copied())),
                3 => bytes.truncate(at.max(1)),
                _ => {
                    let (from, until) = (at, (at + random.below(40)).min(bytes.len()));
                    let copy = bytes[from..until].to_vec();
                    let to = random.below(bytes.len());
                    drop(bytes.splice(to..to, copy));
                }
            }
            if bytes.is_empty() {
                bytes.push(b'v');
            }
        }
        good += usize::from(survive(&bytes, &mut negotiation(), &capabilities));
    }
    assert!(good > 5000, "only {good} inputs were descriptions, so little was tried");
}

#[test]
fn cve_offer_answer_random_order_of_events() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let sessions: Vec<Session> = SAMPLES.iter().map(|sample| Session::parse(sample.as_bytes()).unwrap()).collect();
    let (mut answered, mut accepted) = (0, 0);
    for _ in 0..300 {
        let (mut ours, mut capabilities) = (negotiation(), capabilities());
        let mut sent: Option<Session> = None;
        for _ in 0..40 {
            let mut theirs = sessions[random.below(sessions.len())].clone();
            let lines = ours.local().map_or(0, |local| local.media.len());
            while theirs.media.len() < lines {
                theirs.media.push(sessions[0].media[0].clone());
            }
            let mut fresh: Option<Session> = None;
            match random.below(7) {
                0 => fresh = ours.offer(&capabilities).ok().cloned(),
                1 => accepted += usize::from(ours.accept_answer(&theirs).is_ok()),
                2 => answered += usize::from(negotiate_any(&mut ours, &capabilities, &theirs, &mut fresh)),
                3 => drop(ours.offer_received(theirs)),
                4 => fresh = ours.answer_pending(&capabilities).ok().map(|answer| answer.session),
                5 => drop(ours.rollback()),
                _ => {
                    let hold = [Hold::Off, Hold::ByDirection, Hold::ByNullAddress][random.below(3)];
                    capabilities.set_hold(hold);
                    capabilities.null_address = [NullAddressAnswer::Normal, NullAddressAnswer::Mirror][random.below(2)];
                    capabilities.media[1].add = random.below(2) == 0;
                }
            }
            let Some(fresh) = fresh else { continue };
            // RFC 3264 section 8: same version, same description; else one more, and no line is lost.
            if let Some(sent) = sent.replace(fresh.clone()) {
                let (was, is) = (sent.origin.version.value().unwrap(), fresh.origin.version.value().unwrap());
                assert_eq!(
                    is,
                    was + u64::from(
                        fresh.media != sent.media || fresh != Session { origin: fresh.origin.clone(), ..sent }
                    )
                );
            }
            assert!(fresh.media.len() >= lines);
        }
    }
    assert!(answered > 100 && accepted > 30, "{answered} answered, {accepted} accepted: too few to mean much");
}

fn negotiate_any(
    ours: &mut Negotiation,
    capabilities: &LocalCapabilities,
    theirs: &Session,
    fresh: &mut Option<Session>,
) -> bool {
    let answer = ours.answer(theirs, capabilities).ok();
    *fresh = answer.map(|answer| answer.session);
    fresh.is_some()
}

#[test]
fn cve_sdp_what_is_read_can_be_printed_within_the_same_limits() {
    let head = "v=0\no=- 1 1 IN IP4 h\n";
    let latin1 = |n: usize| [head.as_bytes(), b"s=", &vec![0xe9; n], b"\n"].concat();
    assert!(Session::parse(&latin1(2047)).is_ok(), "2 + 2 * 2047 bytes in UTF-8");
    assert!(Session::parse(&latin1(2048)).is_err());
    let mut limits = Limits::DEFAULT;
    let text = format!("{head}a=x\n");
    let printed = Session::parse(text.as_bytes()).unwrap().to_string();
    limits.session_bytes = printed.len();
    limits.lines = 5;
    assert!(round_trip(text.as_bytes(), &limits).unwrap().is_some());
    limits.session_bytes -= 1;
    assert!(Session::parse_with(text.as_bytes(), &limits).is_err());
    limits.session_bytes += 1;
    limits.lines -= 1;
    assert!(Session::parse_with(text.as_bytes(), &limits).is_err());
}

/// The time this thread has had a processor.
fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

/// The largest inputs the limits allow, each of a shape that would be slow if anything were quadratic.
#[test]
fn cve_sdp_largest_inputs_take_linear_time() {
    let head = "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
    let numbers: String = (0..128).map(|n| format!(" {n}")).collect();
    let maps: String = (0..512).map(|n| format!("a=rtpmap:{} PCMU/{}\r\n", n % 128, n + 1)).collect();
    let section = format!("m=audio 9 RTP/AVP{numbers}\r\n{maps}");
    let several = section.repeat(3);
    let shapes = [
        format!("{head}{several}"),
        format!("{head}{}", "m=audio 9 RTP/AVP 0\r\n".repeat(32)),
        format!("{head}{}", "a=sendonly\r\n".repeat(512)),
        format!("{head}a={}\r\n", "x".repeat(4000)).repeat(1),
        format!("{head}a=x:{}\r\n", " ".repeat(4000)),
        format!("v=0\r\no={}- 1 1 IN IP4 h\r\n", "x ".repeat(2000)),
        "\r\n".repeat(30_000),
        "\n".repeat(65_536),
        format!("v=0\r\n{}", "\r".repeat(65_000)),
    ];
    let capabilities = capabilities();
    for shape in shapes {
        assert!(shape.len() <= 65_536, "{}", shape.len());
        let start = spent();
        survive(shape.as_bytes(), &mut negotiation(), &capabilities);
        let took = spent() - start;
        // The rule is 50 ms on an optimised build; debug code has ten times that.
        assert!(took < Duration::from_millis(500), "{took:?} for {:?}", shape.get(..60));
    }
}
