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
