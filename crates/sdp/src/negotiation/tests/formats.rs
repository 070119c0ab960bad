//! Codecs, payload types, events and packet times.

use std::time::Duration;

use super::*;

#[test]
fn rfc3264_6_1_answer_follows_the_order_of_the_offer_unless_told_otherwise() {
    let offer = written(1, "192.0.2.1", &["audio 4000 9 0 8"]);
    for (order, expected) in [(CodecOrder::Theirs, "audio 5000 9 0 8"), (CodecOrder::Ours, "audio 5000 8 9 0")] {
        let mut bob = Party::bob(vec![audio(5000, &[8, 9, 0])]);
        bob.capabilities.order = order;
        assert_eq!(shape(&bob.answer(&offer)), [expected]);
        assert_eq!(bob.plan(0).codecs.len(), 3);
    }
    let mut bob = Party::bob(vec![audio(5000, &[8, 13, 9])]);
    (bob.capabilities.order, bob.capabilities.single_codec) = (CodecOrder::Ours, true);
    let offer = written(1, "192.0.2.1", &["audio 4000 9 13 8 101"]);
    assert_eq!(shape(&bob.answer(&offer)), ["audio 5000 8 13"]);
}

#[test]
fn rfc3264_6_no_common_codec_refuses_the_offer() {
    let mut bob = Party::bob(vec![LocalMedia::audio(5000, codecs(&[0, 13]))]);
    for streams in [
        &["audio 4000 8"][..],
        &["audio 4000 8 101"],
        &["audio 4000 8 13 101"],
        &["video 4000 31"],
        &["audio 4000 101"],
    ] {
        let error = bob.negotiation.answer(written(1, "192.0.2.1", streams), &bob.capabilities).unwrap_err();
        assert_eq!(error, AnswerError::NoCommonCodec, "{streams:?}");
    }
    assert_eq!(bob.negotiation.state(), NegotiationState::Stable);
    assert!(bob.negotiation.local().is_none());
    // A stream refused by the offerer himself is no reason to refuse the session.
    assert_eq!(shape(&bob.answer(&written(1, "192.0.2.1", &["audio 0 8"]))), ["audio 0 8"]);
}

#[test]
fn rfc3264_6_1_events_alone_do_not_make_a_voice_stream_acceptable() {
    let mut bob = Party::bob(vec![LocalMedia::audio(5000, codecs(&[0])), LocalMedia::audio(5002, codecs(&[9]))]);
    let offer = written(1, "192.0.2.1", &["audio 4000 8 101", "audio 4002 9 101", "audio 4004 18 101"]);
    assert_eq!(shape(&bob.answer(&offer)), ["audio 0 8", "audio 5002 9 101", "audio 0 18"]);
}

#[test]
fn rfc3264_6_audio_is_required_by_policy() {
    let offer = written(1, "192.0.2.1", &["audio 4000 8", "video 4002 31"]);
    let mut bob = Party::bob(vec![audio(5000, &[0]), video(5002, &[31])]);
    assert_eq!(bob.negotiation.answer(&offer, &bob.capabilities).unwrap_err(), AnswerError::NoCommonCodec);
    bob.capabilities.require_audio = false;
    assert_eq!(shape(&bob.answer(&offer)), ["audio 0 8", "video 5002 31"]);
}

#[test]
fn rfc3264_6_unacceptable_streams_are_refused_in_their_place() {
    let mut bob = Party::bob(vec![audio(5000, &[0]), video(0, &[31])]);
    let text = "v=0\no=- 1 1 IN IP4 h\ns=-\nc=IN IP4 192.0.2.1\nt=3034423619 3042462419\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:d\nm=audio 4000 RTP/SAVP 0\nm=video 4002 RTP/AVP 31\n\
        m=audio 4004 RTP/AVP 0\na=mid:a\nm=audio 4006 RTP/AVP 0\nm=x-new 1 tcp/x a b\nm=audio 4008 RTP/AVP 0\nc=IN IP4 239.1.1.1/5\n";
    let answer = bob.answer(&Session::parse(text.as_bytes()).unwrap());
    assert_eq!(
        shape(&answer),
        [
            "application 0 webrtc-datachannel",
            "audio 0 0",
            "video 0 31",
            "audio 5000 0",
            "audio 0 0",
            "x-new 0 a",
            "audio 0 0"
        ]
    );
    assert_eq!(answer.times[0].start, 3_034_423_619, "RFC 3264 section 6: t= is that of the offer");
    assert_eq!(answer.media[3].attributes.get("mid"), Some("a"));
    assert_eq!(answer.media[0].attributes.get("mid"), Some("d"));
}

#[test]
fn rfc3264_6_1_offered_numbers_are_reused_in_the_answer() {
    let mut bob = Party::bob(vec![LocalMedia::audio(5000, vec![codec(97), codec(0)])]);
    let text = "v=0\no=- 1 1 IN IP4 h\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 4000 RTP/AVP 120 121 0\n\
        a=rtpmap:120 ILBC/8000\na=fmtp:120 mode=20\na=rtpmap:121 TELEPHONE-EVENT/8000\na=fmtp:121 0-11,66\n";
    let answer = bob.answer(&Session::parse(text.as_bytes()).unwrap());
    assert_eq!(shape(&answer), ["audio 5000 120 0 121"]);
    let plan = bob.plan(0);
    assert_eq!(plan.codecs[0].remote.parameter("mode"), Some("20"));
    assert_eq!(plan.codecs[0].local.fmtp, None);
    let events = plan.telephone_event.unwrap();
    assert_eq!((events.send_payload_type.get(), events.events.to_string().as_str()), (121, "0-11,66"));
    assert_eq!(answer.media[0].fmtp(PayloadType::new(121).unwrap()).unwrap(), "0-15");
    // Our next offer uses the same numbers.
    assert_eq!(shape(&bob.offer()), ["audio 5000 120 0 121"]);
}

#[test]
fn rfc3264_8_3_2_a_number_never_changes_its_meaning() {
    let mut alice = Party::alice(vec![audio(4000, &[97, 0])]);
    let mut bob = Party::bob(vec![audio(5000, &[97, 0])]);
    exchange(&mut alice, &mut bob);
    // Another codec which would like 97, one that would like the static number of another, and the old one.
    let speex = Codec::new(97, "speex", 16_000).unwrap();
    let gsm = Codec::new(8, "GSM-EFR", 8000).unwrap();
    alice.media(0).codecs = vec![speex, gsm, codec(97)];
    let offer = alice.offer();
    let named: Vec<String> = offer.media[0].codecs().iter().map(|c| format!("{} {c}", c.payload_type)).collect();
    assert_eq!(named, ["96 speex/16000", "98 GSM-EFR/8000", "97 iLBC/8000"]);
}

#[test]
fn rfc3264_8_3_2_a_number_whose_codec_is_gone_is_given_to_no_other() {
    let named = |name: &str| vec![Codec::new(96, name, 8000).unwrap()];
    let mut alice = Party::alice(vec![LocalMedia::new(MediaKind::Audio, 4000, named("iLBC"))]);
    let mut bob = Party::bob(vec![LocalMedia::new(MediaKind::Audio, 5000, named("iLBC"))]);
    exchange(&mut alice, &mut bob);
    for (name, number) in [("speex", "97"), ("AMR", "98"), ("speex", "97"), ("iLBC", "96")] {
        (alice.media(0).codecs, bob.media(0).codecs) = (named(name), named(name));
        let (offer, _) = exchange(&mut alice, &mut bob);
        assert_eq!(shape(&offer), [format!("audio 4000 {number}")], "{name}");
    }
}

#[test]
fn rfc3264_8_3_2_a_number_the_peer_used_keeps_its_meaning_too() {
    let mut alice = Party::alice(vec![audio(4000, &[97])]);
    alice.offer();
    alice.accept(&written(1, "192.0.2.2", &["audio 5000 99"]));
    alice.media(0).codecs = vec![Codec::new(99, "speex", 8000).unwrap(), codec(97)];
    assert_eq!(shape(&alice.offer()), ["audio 4000 96 97"]);
}

#[test]
fn rfc3264_8_3_2_more_codecs_than_numbers() {
    let wanted: Vec<Codec> = (0..200).map(|n| Codec::new(96, &format!("x{n}"), 8000).unwrap()).collect();
    let mut alice = Party::alice(vec![LocalMedia::audio(4000, wanted)]);
    let offer = alice.offer();
    let offered = offer.media[0].codecs();
    assert_eq!(offered.len(), 32 + 29, "96-127 and 35-63, one of them for the events");
    assert!(offered.iter().all(|codec| codec.payload_type.get() >= 35));
}

#[test]
fn cve_sdp_codec_offered_32_times_is_answered_once() {
    let numbers: Vec<String> = (96..128).map(|n: u8| n.to_string()).collect();
    let maps: String = (96..128).map(|n| format!("a=rtpmap:{n} PCMU/8000\n")).collect();
    let text = format!(
        "v=0\no=- 1 1 IN IP4 h\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 4000 RTP/AVP {} 0 0\n{maps}",
        numbers.join(" ")
    );
    let offer = Session::parse(text.as_bytes()).unwrap();
    let mut bob = Party::bob(vec![audio(5000, &[0])]);
    for _ in 0..50 {
        assert_eq!(shape(&bob.answer(&offer)), ["audio 5000 96"]);
    }
}

#[test]
fn rfc4733_2_5_1_events_at_the_clock_rate_of_the_codec() {
    let offer = |numbers: &str| {
        let text = format!(
            "v=0\no=- 1 1 IN IP4 h\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 4000 RTP/AVP {numbers}\na=rtpmap:111 opus/48000/2\n\
             a=rtpmap:100 telephone-event/48000\na=rtpmap:101 telephone-event/8000\na=rtpmap:102 telephone-event/16000\n"
        );
        Session::parse(text.as_bytes()).unwrap()
    };
    let local = || LocalMedia::audio(5000, codecs(&[111, 0]));
    for (offered, answered, event) in [
        ("111 0 101 100 102", "audio 5000 111 0 101 100", Some(100)),
        ("0 111 100 101", "audio 5000 0 111 100 101", Some(101)),
        ("111 101", "audio 5000 111 101", Some(101)),
        ("0 102", "audio 5000 0 102", Some(102)),
        ("0", "audio 5000 0", None),
    ] {
        let mut bob = Party::bob(vec![local()]);
        assert_eq!(shape(&bob.answer(&offer(offered))), [answered]);
        assert_eq!(bob.plan(0).telephone_event.map(|events| events.send_payload_type.get()), event, "{offered}");
    }
    let mut deaf = Party::bob(vec![audio(5000, &[0])]);
    assert_eq!(shape(&deaf.answer(&offer("0 101"))), ["audio 5000 0"]);
    assert_eq!(shape(&Party::alice(vec![local()]).offer()), ["audio 5000 111 0 101 96"]);
}

#[test]
fn rfc4733_2_5_2_1_who_takes_events_lists_them() {
    let mut alice = Party::alice(vec![LocalMedia::audio(4000, codecs(&[0, 97]))]);
    let mut bob = Party::bob(vec![LocalMedia::audio(5000, codecs(&[97, 0]))]);
    let (offer, answer) = exchange(&mut alice, &mut bob);
    for text in [offer.to_string(), answer.to_string()] {
        assert!(text.contains("a=rtpmap:101 telephone-event/8000\r\n"), "{text}");
        assert!(text.contains("a=fmtp:101 0-15\r\n"), "{text}");
    }
    alice.media(0).telephone_event = Some(EventSet::DTMF_AND_FLASH);
    assert!(alice.offer().to_string().contains("a=fmtp:101 0-16\r\n"));
    // Without events there is nothing to list.
    let without = Party::alice(vec![audio(4000, &[0])]).offer().to_string();
    assert!(!without.contains("fmtp") && !without.contains("telephone-event"), "{without}");
}

#[test]
fn rfc8866_8_2_3_a_dynamic_number_stands_with_its_rtpmap() {
    let mut alice = Party::alice(vec![LocalMedia::audio(4000, codecs(&[0, 97, 111, 8]))]);
    let mut bob = Party::bob(vec![LocalMedia::audio(5000, codecs(&[97, 111, 8]))]);
    let (offer, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&offer), ["audio 4000 0 97 111 8 101 96"]);
    assert_eq!(shape(&answer), ["audio 5000 97 111 8 101 96"]);
    for session in [offer, answer] {
        let text = session.to_string();
        for format in &session.media[0].formats {
            let number: u8 = format.as_str().parse().expect("a payload type number");
            assert!(number < 96 || text.matches(&format!("a=rtpmap:{number} ")).count() == 1, "{number}: {text}");
        }
    }
}

#[test]
fn rfc3264_6_1_answer_without_rtpmap_means_what_was_offered() {
    let mut alice = Party::alice(vec![LocalMedia::audio(4000, codecs(&[97]))]);
    alice.offer();
    let text = "v=0\no=- 1 1 IN IP4 h\ns=-\nc=IN IP4 192.0.2.2\nt=0 0\nm=audio 5000 RTP/AVP 97 101\n";
    alice.accept(&Session::parse(text.as_bytes()).unwrap());
    assert_eq!(alice.plan(0).codecs[0].remote.name, "iLBC");
    assert_eq!(alice.plan(0).telephone_event.unwrap().send_payload_type.get(), 101);
}

#[test]
fn rfc3264_6_1_annex_b_of_g729_is_used_only_if_both_want_it() {
    let text =
        |fmtp: &str| format!("v=0\no=- 1 1 IN IP4 h\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 4000 RTP/AVP 18\n{fmtp}");
    for (fmtp, ours, answered) in [
        ("a=fmtp:18 annexb=no\n", None, Some("annexb=no")),
        ("", None, None),
        ("", Some("annexb=no"), Some("annexb=no")),
    ] {
        let mut local = codec(18);
        local.fmtp = ours.map(|value| Text::new(value).unwrap());
        let mut bob = Party::bob(vec![LocalMedia::new(MediaKind::Audio, 5000, vec![local])]);
        let answer = bob.answer(&Session::parse(text(fmtp).as_bytes()).unwrap());
        let fmtp = answer.media[0].fmtp(PayloadType::new(18).unwrap());
        assert_eq!(fmtp.as_deref(), answered);
    }
}

#[test]
fn cve_sdp_ptime_cannot_make_us_send_absurd_packets() {
    for (theirs, ours, expected) in [
        ("", None, 20),
        ("", Some(30), 30),
        ("a=ptime:40\n", Some(30), 40),
        ("a=ptime:0\n", None, 20),
        ("a=ptime:1\n", None, 10),
        ("a=ptime:65535\n", None, 120),
        ("a=ptime:60\na=maxptime:40\n", None, 40),
        ("a=ptime:20\na=maxptime:1\n", None, 10),
        ("a=maxptime:0\n", None, 20),
        ("a=maxptime:10\n", None, 10),
    ] {
        let text = format!("v=0\no=- 1 1 IN IP4 h\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 4000 RTP/AVP 0\n{theirs}");
        let mut bob = Party::bob(vec![audio(5000, &[0])]);
        bob.media(0).ptime = ours.map(Duration::from_millis);
        let answer = bob.answer(&Session::parse(text.as_bytes()).unwrap());
        assert_eq!(bob.plan(0).ptime, Duration::from_millis(expected), "{theirs:?} {ours:?}");
        assert_eq!(answer.stream(0).unwrap().ptime(), ours.map(Duration::from_millis), "ours is our own");
    }
}

#[test]
fn rfc8866_6_4_packet_times_are_printed_in_milliseconds() {
    let mut alice = Party::alice(vec![audio(4000, &[0])]);
    alice.media(0).ptime = Some(Duration::from_micros(2500));
    alice.media(0).maxptime = Some(Duration::from_millis(60));
    let offer = alice.offer();
    assert_eq!(
        (offer.media[0].attributes.get("ptime"), offer.media[0].attributes.get("maxptime")),
        (Some("2.5"), Some("60"))
    );
}

#[test]
fn rfc8866_5_8_and_5_13_what_is_unknown_changes_nothing() {
    let text = |session: &str, media: &str| {
        format!(
            "v=0\no=- 1 1 IN IP4 h\ns=-\nc=IN IP4 192.0.2.1\n{session}t=0 0\nm=audio 4000 RTP/AVP 0 101\n\
             a=rtpmap:101 telephone-event/8000\n{media}"
        )
    };
    let answered = |text: String| {
        let mut bob = Party::bob(vec![LocalMedia::audio(5000, codecs(&[0]))]);
        let answer = bob.answer(&Session::parse(text.as_bytes()).unwrap());
        (answer.to_string(), bob.plan(0).clone())
    };
    let plain = answered(text("", ""));
    for unknown in ["b=X-YZ:128\n", "b=as:1\n", "a=x-new\n", "a=x-new:sendonly\n", "a=SENDONLY\n", "a=ptimes:60\n"] {
        assert_eq!(answered(text(unknown, "")), plain, "{unknown}");
        assert_eq!(answered(text("", unknown)), plain, "{unknown}");
    }
    // The negative control: what is known does change it.
    assert_ne!(answered(text("", "b=AS:1\n")), plain);
    assert_ne!(answered(text("", "a=sendonly\n")), plain);
}
