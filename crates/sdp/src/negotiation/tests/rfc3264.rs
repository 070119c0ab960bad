//! The examples of RFC 3264 section 10 and rules which the other files do not name.

use std::time::Duration;

use super::*;
use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};

#[test]
fn rfc3264_10_1_one_of_three_refused_then_an_event_stream_added() {
    let mut alice = Party::alice(vec![audio(49170, &[0]), video(51372, &[31]), video(53000, &[32])]);
    let mut bob = Party::bob(vec![audio(49920, &[0]), video(53000, &[32])]);
    let (offer, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&offer), ["audio 49170 0", "video 51372 31", "video 53000 32"]);
    assert_eq!(shape(&answer), ["audio 49920 0", "video 0 31", "video 53000 32"]);

    bob.media(0).port = 65422;
    let mut added = events(51434, RecvOnly);
    added.add = true;
    bob.capabilities.media.push(added);
    alice.capabilities.media.push(events(53122, SendOnly));
    let (offer, answer) = exchange(&mut bob, &mut alice);
    assert_eq!(shape(&offer), ["audio 65422 0", "video 0 31", "video 53000 32", "audio 51434 98 recvonly"]);
    assert_eq!(shape(&answer), ["audio 49170 0", "video 0 31", "video 53000 32", "audio 53122 98 sendonly"]);
    assert_eq!(alice.plan(0).remote.as_ref().map(|(_, port)| *port), Some(65422));
}

#[test]
fn rfc3264_10_2_one_codec_of_several_is_locked_by_a_second_offer() {
    let mut alice = Party::alice(vec![audio(62986, &[0, 4, 18])]);
    let mut bob = Party::bob(vec![audio(54344, &[0, 4])]);
    alice.media(0).direction = Inactive;
    let (offer, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&offer), ["audio 62986 0 4 18 inactive"]);
    assert_eq!(shape(&answer), ["audio 54344 0 4 inactive"]);

    *alice.media(0) = audio(62986, &[4]);
    let (offer, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&offer), ["audio 62986 4"]);
    assert_eq!(shape(&answer), ["audio 54344 4"]);
    assert_eq!(version(&offer), 2_890_844_527);
}

#[test]
fn rfc3264_5_an_offer_is_one_valid_description() {
    let mut alice = Party::alice(vec![audio(4000, &[0]), video(4002, &[31])]);
    let offer = alice.offer();
    assert_eq!((offer.name.as_str(), offer.times.as_slice()), ("-", &[TimeDescription::default()][..]));
    let text = offer.to_string();
    assert_eq!(text.matches("v=0\r\n").count(), 1);
    assert!(text.contains("\r\nt=0 0\r\n"));
    // Two descriptions in one body are no offer.
    assert!(Session::parse(text.repeat(2).as_bytes()).is_err());
}

#[test]
fn rfc3264_5_1_an_offer_says_what_is_wanted() {
    for direction in [SendRecv, SendOnly, RecvOnly, Inactive] {
        let mut alice = Party::alice(vec![LocalMedia::audio(4000, codecs(&[9, 97, 8]))]);
        alice.media(0).direction = direction;
        alice.media(0).ptime = Some(Duration::ZERO);
        let offer = alice.offer();
        assert_eq!(offer.media[0].attributes.direction(), Some(direction));
        assert_eq!(offer.media[0].attributes.get("ptime"), None, "never zero");
        let listed: Vec<String> =
            offer.media[0].rtpmaps().map(|codec| format!("{} {codec}", codec.payload_type)).collect();
        assert_eq!(listed, ["9 G722/8000", "97 iLBC/8000", "8 PCMA/8000", "101 telephone-event/8000"]);
    }
}

#[test]
fn rfc3264_5_1_a_disabled_stream_is_not_used() {
    let mut alice = Party::alice(vec![audio(4000, &[0]), video(4002, &[31])]);
    let mut bob = Party::bob(vec![audio(5000, &[0]), video(5002, &[31])]);
    exchange(&mut alice, &mut bob);
    alice.media(1).port = 0;
    let offer = alice.offer();
    assert_eq!(shape(&offer)[1], "video 0 31");
    // Even if the peer accepts it all the same.
    alice.accept(&written(9, "192.0.2.2", &["audio 5000 0", "video 5002 31"]));
    assert!(alice.negotiation.agreement().streams[1].is_none());
}

#[test]
fn rfc3264_6_the_answer_has_an_origin_of_its_own() {
    let mut bob = Party::bob(vec![audio(5000, &[0])]);
    let offer = written(77, "192.0.2.1", &["audio 4000 0"]);
    let answer = bob.answer(&offer);
    assert!(!answer.origin.same_session(&offer.origin));
    assert_eq!(version(&answer), 2_808_844_564, "unrelated to theirs");
}

#[test]
fn rfc3264_7_the_offerer_sends_what_the_answer_lists() {
    let mut alice = Party::alice(vec![audio(4000, &[0, 8, 9])]);
    alice.offer();
    // 97 was not offered, so we cannot send it; the order is that of the answer.
    alice.accept(&written(1, "192.0.2.2", &["audio 5000 97 9 0"]));
    let names: Vec<&str> = alice.plan(0).codecs.iter().map(|codec| codec.remote.name.as_str()).collect();
    assert_eq!(names, ["G722", "PCMU"]);
}

#[test]
fn rfc3264_8_an_unchanged_version_is_answered_all_the_same() {
    let mut bob = Party::bob(vec![audio(5000, &[0])]);
    let offer = written(5, "192.0.2.1", &["audio 4000 0"]);
    let first = bob.answer(&offer);
    assert_eq!(bob.answer(&offer), first);
    // A peer which changes the description but not the version breaks the rule; its media would still go astray.
    bob.answer(&written(5, "192.0.2.9", &["audio 4000 0"]));
    assert_eq!(bob.plan(0).remote, Some((ip("192.0.2.9"), 4000)));
}

#[test]
fn rfc3264_8_1_a_new_stream_stands_below_the_others() {
    let mut added = audio(5002, &[0]);
    added.add = true;
    let mut bob = Party::bob(vec![audio(5000, &[0])]);
    bob.answer(&written(1, "192.0.2.1", &["audio 4000 0", "video 4002 31"]));
    bob.capabilities.media.insert(1, added);
    assert_eq!(shape(&bob.offer()), ["audio 5000 0", "video 0 31", "audio 5002 0"]);
}

#[test]
fn rfc3264_8_2_a_removed_stream_is_answered_with_port_0() {
    let mut bob = Party::bob(vec![audio(5000, &[0]), video(5002, &[31])]);
    bob.answer(&written(1, "192.0.2.1", &["audio 4000 0", "video 4002 31"]));
    let answer = bob.answer(&written(2, "192.0.2.1", &["audio 4000 0", "video 0 31"]));
    assert_eq!(shape(&answer), ["audio 5000 0", "video 0 31"]);
    assert!(answer.media[1].attributes.is_empty() && bob.negotiation.agreement().streams[1].is_none());
    // The peer may bring it back.
    let answer = bob.answer(&written(3, "192.0.2.1", &["audio 4000 0", "video 4002 31"]));
    assert_eq!(shape(&answer), ["audio 5000 0", "video 5002 31"]);
}

#[test]
fn rfc3264_8_3_1_a_changed_address_is_in_the_next_plan() {
    let mut bob = Party::bob(vec![audio(5000, &[0])]);
    bob.answer(&written(1, "192.0.2.1", &["audio 4000 0"]));
    bob.answer(&written(2, "2001:db8::1", &["audio 4002 0"]));
    assert_eq!(bob.plan(0).remote, Some((ip("2001:db8::1"), 4002)));
}

#[test]
fn rfc3264_8_3_4_a_changed_attribute_is_in_the_next_plan() {
    let mut bob = Party::bob(vec![audio(5000, &[0])]);
    let mut offer = written(1, "192.0.2.1", &["audio 4000 0"]);
    bob.answer(&offer);
    let before = bob.plan(0).clone();
    bob.answer(&offer);
    assert_eq!(bob.plan(0), &before, "an equal plan means that nothing is to be done");
    offer.media[0].attributes.set(Attribute::new("ptime", "40").unwrap());
    bob.answer(&offer);
    assert_eq!((before.ptime, bob.plan(0).ptime), (Duration::from_millis(20), Duration::from_millis(40)));
}

#[test]
fn rfc3264_9_capabilities_are_indicated_with_port_0() {
    let mut party = Party::alice(vec![LocalMedia::audio(4000, codecs(&[0, 97])), video(0, &[31])]);
    let told = party.capabilities.indication(Origin::new(99, 1, ip("192.0.2.1")));
    assert_eq!(shape(&reread(&told)), ["audio 0 0 97 101", "video 0 31"]);
    assert_eq!((told.origin.session_id.value(), told.times[0].start, told.times[0].stop), (Some(99), 0, 0));
    assert_eq!(told.media[0].codecs()[1].name, "iLBC");
    assert_eq!(shape(&party.offer()), ["audio 4000 0 97 101"]);
}
