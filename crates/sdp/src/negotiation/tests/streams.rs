//! Lines that come and go, transports, RTCP, multicast, and descriptions of another leg.

use super::*;

#[test]
fn rfc3264_8_1_a_new_stream_takes_the_slot_of_a_dead_one_of_its_kind() {
    let mut bob = Party::bob(vec![audio(5000, &[0])]);
    bob.answer(&written(1, "192.0.2.1", &["video 4002 31", "audio 4000 0"]));
    let mut added = video(5002, &[31]);
    added.add = true;
    let mut second = audio(5004, &[0]);
    second.add = true;
    bob.capabilities.media.extend([added, second]);
    assert_eq!(shape(&bob.offer()), ["video 5002 31", "audio 5000 0", "audio 5004 0"]);
}

#[test]
fn rfc3264_8_what_was_never_there_is_not_added_by_a_hold() {
    let mut bob = Party::bob(vec![audio(5000, &[0]), video(5002, &[31])]);
    bob.answer(&written(1, "192.0.2.1", &["audio 4000 0"]));
    bob.capabilities.set_hold(Hold::ByDirection);
    assert_eq!(shape(&bob.offer()), ["audio 5000 0 sendonly"]);
}

#[test]
fn rfc3264_8_3_3_a_stream_may_change_from_audio_to_fax() {
    let mut fax = LocalMedia::new(MediaKind::Image, 5002, vec![]);
    fax.protocols = vec![Protocol::Udptl];
    fax.formats = vec![Token::new("t38").unwrap()];
    let mut bob = Party::bob(vec![audio(5000, &[0]), fax]);
    bob.answer(&written(1, "192.0.2.1", &["audio 4000 0"]));
    let text = "v=0\no=- 7 2 IN IP4 h\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=image 4010 udptl T38\na=T38FaxVersion:0\n";
    let answer = bob.answer(&Session::parse(text.as_bytes()).unwrap());
    assert_eq!(shape(&answer), ["image 5002 T38"]);
    let plan = bob.plan(0);
    assert_eq!((plan.capability, plan.formats.len(), plan.codecs.len()), (Some(1), 1, 0));
    // And back.
    assert_eq!(shape(&bob.answer(&written(3, "192.0.2.1", &["audio 4000 0"]))), ["audio 5000 0"]);
}

#[test]
fn rfc3264_8_3_1_the_agreed_transport_is_offered_again() {
    let mut local = audio(5000, &[0]);
    local.protocols = vec![Protocol::RtpSavp, Protocol::RtpAvp];
    let mut bob = Party::bob(vec![local]);
    assert_eq!(bob.offer().media[0].protocol, Protocol::RtpSavp);
    bob.negotiation.rollback();
    bob.answer(&written(1, "192.0.2.1", &["audio 4000 0"]));
    assert_eq!(bob.offer().media[0].protocol, Protocol::RtpAvp);
}

#[test]
fn offering_nothing_is_an_error() {
    for broken in [audio(5000, &[]), LocalMedia { protocols: vec![], ..audio(5000, &[0]) }] {
        let mut bob = Party::bob(vec![broken]);
        assert_eq!(bob.negotiation.offer(&bob.capabilities).unwrap_err(), OfferError::NothingToOffer { capability: 0 });
        assert_eq!(bob.negotiation.state(), NegotiationState::Stable);
    }
}

#[test]
fn rfc5761_5_1_1_rtcp_mux_needs_both() {
    for (ours, theirs) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut alice = Party::alice(vec![audio(4000, &[0])]);
        let mut bob = Party::bob(vec![audio(5000, &[0])]);
        (alice.media(0).rtcp_mux, bob.media(0).rtcp_mux) = (theirs, ours);
        exchange(&mut alice, &mut bob);
        let port = if ours && theirs { 5000 } else { 5001 };
        assert_eq!(alice.plan(0).remote_rtcp.as_ref().map(|(_, port)| *port), Some(port));
        assert_eq!((alice.plan(0).rtcp_mux, bob.plan(0).rtcp_mux), (ours && theirs, ours && theirs));
        assert_eq!(bob.negotiation.local().unwrap().media[0].rtcp_mux(), ours && theirs);
    }
}

#[test]
fn rfc3605_2_1_rtcp_elsewhere_is_offered_and_answered() {
    let mut alice = Party::alice(vec![audio(4000, &[0])]);
    let mut bob = Party::bob(vec![audio(5000, &[0])]);
    alice.media(0).rtcp = Some(RtcpAttribute { port: 4444, address: None });
    bob.media(0).rtcp = Some(RtcpAttribute { port: 5555, address: Some(ip("2001:db8::5")) });
    exchange(&mut alice, &mut bob);
    assert_eq!(alice.plan(0).remote_rtcp, Some((ip("2001:db8::5"), 5555)));
    assert_eq!(bob.plan(0).remote_rtcp, Some((host("host.atlanta.example.com"), 4444)));
}

#[test]
fn rfc3264_6_2_multicast_is_mirrored() {
    let text =
        "v=0\no=- 1 1 IN IP4 h\ns=-\nc=IN IP4 239.1.1.1/15\nt=0 0\nm=audio 4000 RTP/AVP 0 8\na=ptime:40\na=recvonly\n";
    let offer = Session::parse(text.as_bytes()).unwrap();
    let mut bob = Party::bob(vec![audio(5000, &[0])]);
    assert_eq!(bob.negotiation.answer(&offer, &bob.capabilities).unwrap_err(), AnswerError::NoCommonCodec);
    bob.media(0).multicast = true;
    let answer = bob.negotiation.answer(&offer, &bob.capabilities).unwrap().session;
    let stream = answer.stream(0).unwrap();
    assert_eq!(stream.connection(), offer.connection.as_ref());
    assert_eq!((stream.port, stream.direction()), (4000, Direction::RecvOnly));
    assert_eq!(stream.ptime(), offer.stream(0).unwrap().ptime());
    assert_eq!(shape(&answer), ["audio 4000 0 recvonly"]);
    assert_eq!(bob.plan(0).direction, Direction::RecvOnly, "one view for all");
}

#[test]
fn attributes_and_bandwidth_of_ours_are_in_the_description() {
    let mut alice = Party::alice(vec![audio(4000, &[0])]);
    alice.capabilities.attributes.push(Attribute::new("fingerprint", "sha-256 00:11").unwrap());
    alice.media(0).attributes.push(Attribute::new("setup", "actpass").unwrap());
    alice.media(0).bandwidths.push(Bandwidth { kind: Token::new("AS").unwrap(), value: 64 });
    let mut bob = Party::bob(vec![audio(5000, &[0])]);
    let (offer, _) = exchange(&mut alice, &mut bob);
    assert_eq!(offer.stream(0).unwrap().inherited("fingerprint"), Some("sha-256 00:11"));
    assert_eq!(offer.media[0].attributes.get("setup"), Some("actpass"));
    assert_eq!(bob.plan(0).bandwidth, Some(64));
}

/// A back-to-back user agent between Alice and Bob which relays media.
#[test]
fn a_description_is_forwarded_between_two_legs() {
    let mut alice = Party::alice(vec![LocalMedia::audio(4000, codecs(&[97, 0])), video(4002, &[31])]);
    let mut bob = Party::bob(vec![LocalMedia::audio(5000, codecs(&[0, 97]))]);
    let relay = ip("198.51.100.1");
    let mut to_alice = Negotiation::new(Origin::new(11, 100, relay.clone()));
    let mut to_bob = Negotiation::new(Origin::new(22, 200, relay.clone()));

    for round in 0..3u64 {
        alice.capabilities.set_hold(if round == 1 { Hold::ByDirection } else { Hold::Off });
        let offer = alice.offer();
        to_alice.offer_received(offer.clone()).unwrap();
        let mut forwarded = offer.clone();
        forwarded.readdress(relay.clone(), |index, _| 6000 + 2 * u16::try_from(index).unwrap());
        let forwarded = to_bob.forward_offer(forwarded).unwrap().clone();
        assert_eq!((forwarded.origin.session_id.value(), version(&forwarded)), (Some(22), 200 + round));

        let answer = bob.answer(&reread(&forwarded));
        to_bob.accept_answer(&answer).unwrap();
        let mut back = answer.clone();
        back.readdress(relay.clone(), |index, _| 7000 + 2 * u16::try_from(index).unwrap());
        let back = to_alice.forward_answer(back).unwrap().clone();
        check_answer(&offer, &back);
        alice.accept(&reread(&back));
        assert_eq!(alice.plan(0).remote, Some((relay.clone(), 7000)));
        assert_eq!(bob.plan(0).remote, Some((relay.clone(), 6000)));
        assert_eq!(to_bob.agreement().audio().unwrap().remote, Some((host("host.biloxi.example.com"), 5000)));
        assert_eq!(alice.plan(0).codecs[0].send_payload_type().get(), 97);
        let held = if round == 1 { HoldState::Remote } else { HoldState::Active };
        assert_eq!(bob.plan(0).hold, held);
    }
    // A third leg with one stream: the line it does not have is ended, not removed.
    let next = to_bob.forward_offer(written(1, "192.0.2.3", &["audio 9000 0"])).unwrap();
    assert_eq!(shape(next), ["audio 9000 0", "video 0 31"]);
}

#[test]
fn a_forwarded_answer_must_fit_the_offer() {
    let mut offer = written(1, "192.0.2.1", &["audio 4000 0", "video 0 31"]);
    offer.times[0].start = 3_034_423_619;
    let mut leg = Negotiation::new(Origin::new(1, 1, ip("198.51.100.1")));
    leg.offer_received(offer).unwrap();
    let short = leg.forward_answer(written(1, "192.0.2.2", &["audio 5000 0"])).unwrap_err();
    assert_eq!(short, AnswerError::MediaCount { offered: 2, answered: 1 });
    let wrong = leg.forward_answer(written(1, "192.0.2.2", &["video 5000 31", "video 0 31"])).unwrap_err();
    assert_eq!(wrong, AnswerError::MediaMismatch { index: 0 });
    let answer = leg.forward_answer(written(1, "192.0.2.2", &["audio 5000 0", "video 5002 31"])).unwrap();
    assert_eq!(shape(answer), ["audio 5000 0", "video 0 31"]);
    assert_eq!(answer.times[0].start, 3_034_423_619);
}

#[test]
fn rfc8866_7_no_keys_are_sent_in_the_clear() {
    let text = "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 0\r\n\
        a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\nm=audio 4002 RTP/AVP 0\r\n\
        a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
    let offer = Session::parse(text.as_bytes()).unwrap();
    let mut bob = Party::bob(vec![audio(5000, &[0])]);
    let answer = bob.answer(&offer);
    assert_eq!(shape(&answer), ["audio 0 0", "audio 5000 0"]);
    assert!(!answer.to_string().contains("inline"), "{answer}");
    assert!(!bob.offer().to_string().contains("crypto"));
}
