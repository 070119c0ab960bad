//! Offers and answers of a call, from their text to what the engine is told.

use sdp::NegotiationState;

use super::*;

fn ours() -> CallMedia {
    CallMedia::new(([192, 0, 2, 9], 4_000).into(), &[Codec::Pcmu, Codec::Pcma], 7)
}

/// A description of the peer, of its lines below `t=`.
fn theirs(version: u32, address: &str, lines: &[&str]) -> Vec<u8> {
    let mut text = format!("v=0\r\no=- 7 {version} IN IP4 h\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n");
    lines.iter().for_each(|line| text += &format!("{line}\r\n"));
    text.into_bytes()
}

fn plain(version: u32) -> Vec<u8> {
    theirs(version, "192.0.2.1", &["m=audio 5000 RTP/AVP 0"])
}

fn version(description: &[u8]) -> u64 {
    Session::parse(description).unwrap().origin.version.value().unwrap()
}

fn numbers(settings: &StreamSettings) -> Vec<u8> {
    settings.receive_types.iter().map(|(number, _)| number.number()).collect()
}

#[test]
fn rfc3264_4_an_exchange_that_comes_to_nothing_leaves_what_was() {
    // A host name is a good description, but not one a stream can be made of.
    let by_name = |version| theirs(version, "media.example.com", &["m=audio 5000 RTP/AVP 8"]);
    for first in [None, Some(plain(1))] {
        let mut call = ours();
        if let Some(first) = &first {
            call.answer(first).unwrap();
        }
        let (local, agreement) = (call.local(), call.agreement().clone());
        let error = call.answer(&by_name(2)).unwrap_err();
        assert_eq!(error, NegotiateError::Unusable(UnusablePlan::HostName("media.example.com".into())));
        assert_eq!((call.local(), call.agreement()), (local.clone(), &agreement));
        assert_eq!(call.state(), NegotiationState::Stable);

        call.offer().unwrap();
        assert!(matches!(call.accept(&by_name(3)), Err(NegotiateError::Unusable(_))));
        assert_eq!((call.local(), call.agreement()), (local, &agreement));
        assert_eq!(call.state(), NegotiationState::Stable);
    }
}

#[test]
fn rfc3264_8_a_refused_offer_uses_up_no_version_of_ours() {
    let mut call = ours();
    let (first, _) = call.answer(&plain(1)).unwrap();
    let by_name = theirs(2, "media.example.com", &["m=audio 5000 RTP/AVP 8"]);
    call.answer(&by_name).unwrap_err();
    call.capabilities().set_hold(sdp::Hold::ByDirection);
    assert_eq!(version(&call.offer().unwrap()), version(&first) + 1);
}

#[test]
fn rfc3264_8_a_refusal_is_a_version_of_its_own() {
    let mut call = ours();
    let (first, _) = call.answer(&plain(1)).unwrap();
    let foreign = theirs(2, "192.0.2.1", &["m=audio 5000 RTP/AVP 18"]);
    call.answer(&foreign).unwrap_err();
    let refusal = call.refusal(&foreign).unwrap();
    assert!(refusal != first && version(&refusal) == version(&first) + 1, "{}", String::from_utf8_lossy(&refusal));
    assert_eq!(call.local().as_ref(), Some(&first), "what was agreed stays");
    // What is said next differs from the refusal, even if it is what was said before.
    let (again, _) = call.answer(&plain(3)).unwrap();
    assert_eq!(version(&again), version(&refusal) + 1);
}

#[test]
fn rfc3264_6_1_what_the_answerer_sends_is_in_offer_and_answer_and_has_the_numbers_of_the_offer() {
    // PCMA under a number of the peer's own, and a codec we do not have in front.
    let offer = ["m=audio 5000 RTP/AVP 18 99 0 101", "a=rtpmap:99 PCMA/8000", "a=rtpmap:101 telephone-event/8000"];
    let (answer, agreed) = ours().answer(&theirs(1, "192.0.2.1", &offer)).unwrap();
    let settings = agreed.settings.unwrap();
    assert_eq!((settings.codec, settings.send_type.number()), (Codec::Pcma, 99));
    assert_eq!(settings.events.unwrap().send.number(), 101);
    // Whatever the answer lists is understood.
    let listed =
        Session::parse(&answer).unwrap().media[0].payload_types().map(|number| number.get()).collect::<Vec<_>>();
    assert_eq!(listed, [99, 0, 101]);
    assert_eq!((numbers(&settings), settings.events.unwrap().receive.number()), (vec![99, 0], 101));
}

#[test]
fn rfc3264_5_1_the_offerer_sends_with_the_numbers_of_the_answer() {
    let mut call = ours();
    call.offer().unwrap();
    let answer = ["m=audio 5000 RTP/AVP 97 99", "a=rtpmap:97 PCMA/8000", "a=rtpmap:99 telephone-event/8000"];
    let settings = call.accept(&theirs(1, "192.0.2.1", &answer)).unwrap().settings.unwrap();
    assert_eq!((settings.codec, settings.send_type.number()), (Codec::Pcma, 97));
    assert_eq!(settings.events.map(|events| (events.send.number(), events.receive.number())), Some((99, 101)));
    // What comes has the numbers of the offer.
    assert_eq!(numbers(&settings), [8]);
}

#[test]
fn rfc3264_8_3_2_what_is_sent_changes_with_the_formats_of_offer_and_answer() {
    let mut call = ours();
    call.answer(&plain(1)).unwrap();
    for (version, formats, codec) in [(2, "8", Codec::Pcma), (3, "0 8", Codec::Pcmu), (4, "8 0", Codec::Pcma)] {
        let line = format!("m=audio 5000 RTP/AVP {formats}");
        let settings = call.answer(&theirs(version, "192.0.2.1", &[&line])).unwrap().1.settings.unwrap();
        assert_eq!(settings.codec, codec, "we answer: {formats}");
        call.offer().unwrap();
        let settings = call.accept(&theirs(version, "192.0.2.1", &[&line])).unwrap().settings.unwrap();
        assert_eq!(settings.codec, codec, "we are answered: {formats}");
    }
}

const ONCE: &[u8] =
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\n\
                      a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-11,16\r\n";

#[test]
fn rfc3264_6_an_answer_that_is_not_kept_is_the_one_that_would_be() {
    let mut kept = CallMedia::new(([192, 0, 2, 1], 5_000).into(), &Codec::ALL, 77);
    let capabilities = kept.shared();
    let (body, agreed) = kept.answer(ONCE).unwrap();
    assert_eq!(CallMedia::answer_once(&capabilities, 77, ONCE).unwrap(), (body, agreed));
    let refused = CallMedia::answer_once(&capabilities, 77, b"v=1\r\n").unwrap_err();
    assert_eq!(refused.status(), 400, "{refused}");
}

#[test]
fn rfc4733_2_5_1_1_exactly_the_events_of_the_peer_are_taken() {
    let capabilities = CallMedia::new(([192, 0, 2, 1], 5_000).into(), &Codec::ALL, 77).shared();
    let (_, agreed) = CallMedia::answer_once(&capabilities, 77, ONCE).unwrap();
    let taken = agreed.settings.and_then(|settings| settings.events).unwrap().taken;
    let expected: Vec<u8> = (0..=11).chain([16]).collect();
    let listed: Vec<u8> = (0..=255).filter(|event| taken.contains(rtp::telephone_event::Event(*event))).collect();
    assert_eq!(listed, expected);
}

#[test]
fn rfc4028_7_4_a_refresh_offers_what_is_in_force_under_the_same_version() {
    let (mut caller, mut callee) = (ours(), ours());
    let offer = caller.offer().unwrap();
    let (answer, _) = callee.answer(&offer).unwrap();
    let agreed = caller.accept(&answer).unwrap();
    // Of either side, again and again; and each knows that the other says nothing new.
    for _ in 0..3 {
        let again = caller.offer_again().unwrap();
        assert_eq!(again, offer);
        assert!(callee.is_in_force(&again));
        assert_eq!(callee.answer(&again).unwrap().0, answer);
        assert_eq!(caller.accept(&answer).unwrap(), agreed);
        let theirs = callee.offer_again().unwrap();
        assert_eq!(theirs, answer);
        assert!(caller.is_in_force(&theirs));
        let (back, _) = caller.answer(&theirs).unwrap();
        callee.accept(&back).unwrap();
        // Both took the same of it, so nothing is new in that either.
        assert_eq!((back, callee.local().unwrap()), (offer.clone(), theirs));
    }
    assert!(!callee.is_in_force(b"nonsense") && !callee.is_in_force(&plain(9)));
}

#[test]
fn rfc4028_7_4_after_a_change_that_was_refused_the_refresh_offers_what_stayed() {
    let (mut caller, mut callee) = (ours(), ours());
    let first = caller.offer().unwrap();
    let (answer, _) = callee.answer(&first).unwrap();
    caller.accept(&answer).unwrap();
    caller.capabilities().set_hold(sdp::Hold::ByDirection);
    let hold = caller.offer().unwrap();
    assert!(caller.offer_again().is_err(), "one at a time");
    caller.rollback();
    let again = caller.offer_again().unwrap();
    let but_origin = |text: &[u8]| {
        let text = String::from_utf8(text.to_vec()).unwrap();
        text.lines().filter(|line| !line.starts_with("o=")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(but_origin(&again), but_origin(&first));
    assert_ne!(but_origin(&again), but_origin(&hold));
    assert_eq!(version(&again), version(&hold) + 1, "the peer has seen the other");
}
