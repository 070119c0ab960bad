//! The examples of RFC 4317 played by two of our negotiations: counts, ports, formats, directions and versions.
//! Section numbers are those of that document.

use super::*;

const ALICE: u64 = 2_890_844_526;
const BOB: u64 = 2_808_844_564;

#[test]
fn rfc4317_2_1_several_codecs_offered_one_accepted() {
    let mut alice = Party::alice(vec![audio(49170, &[0, 8, 97]), video(51372, &[31, 32])]);
    let mut bob = Party::bob(vec![audio(49174, &[0]), video(49170, &[32])]);
    let (offer, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&offer), ["audio 49170 0 8 97", "video 51372 31 32"]);
    assert_eq!(shape(&answer), ["audio 49174 0", "video 49170 32"]);
    assert_eq!((version(&offer), version(&answer)), (ALICE, BOB));
    assert_eq!(alice.plan(0).remote, Some((host("host.biloxi.example.com"), 49174)));
    assert_eq!(alice.plan(0).remote_rtcp, Some((host("host.biloxi.example.com"), 49175)));
    assert_eq!(bob.plan(1).codecs[0].send_payload_type().get(), 32);
}

#[test]
fn rfc4317_2_2_second_offer_narrows_to_one_codec() {
    let mut alice = Party::alice(vec![audio(49170, &[0, 8, 97]), video(51372, &[31, 32])]);
    let mut bob = Party::bob(vec![audio(49172, &[0, 8])]);
    let (_, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&answer), ["audio 49172 0 8", "video 0 31"]);
    assert!(alice.negotiation.agreement().streams[1].is_none());

    *alice.media(0) = audio(51372, &[0]);
    let (offer, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&offer), ["audio 51372 0", "video 0 31"]);
    assert_eq!(shape(&answer), ["audio 49172 0", "video 0 31"]);
    assert_eq!((version(&offer), version(&answer)), (ALICE + 1, BOB + 1));
}

#[test]
fn rfc4317_2_3_answer_with_another_dynamic_number() {
    let mut alice = Party::alice(vec![audio(49170, &[0, 8, 97]), video(51372, &[31, 32])]);
    alice.offer();
    alice.accept(&written(BOB, "192.0.2.2", &["audio 49172 99", "video 51374 31"]));
    let plan = alice.plan(0);
    assert_eq!(plan.codecs.len(), 1);
    assert_eq!(plan.codecs[0].local.name, "iLBC");
    assert_eq!(plan.codecs[0].send_payload_type().get(), 99);
    assert_eq!(plan.codecs[0].receive_payload_type().get(), 97);
    assert_eq!(alice.plan(1).codecs[0].local.name, "H261");
}

#[test]
fn rfc4317_2_4_a_stream_of_its_own_for_events() {
    let mut alice = Party::alice(vec![audio(49170, &[0, 97]), events(49172, Direction::SendOnly)]);
    let mut bob = Party::bob(vec![audio(49172, &[97]), events(49174, Direction::SendRecv)]);
    let (offer, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&offer), ["audio 49170 0 97", "audio 49172 98 sendonly"]);
    assert_eq!(shape(&answer), ["audio 49172 97", "audio 49174 98 recvonly"]);
    assert_eq!(alice.plan(1).telephone_event.unwrap().send_payload_type.get(), 98);
    assert_eq!((alice.plan(1).direction, bob.plan(1).direction), (Direction::SendOnly, Direction::RecvOnly));
    assert!(alice.plan(1).codecs.is_empty());
}

#[test]
fn rfc4317_2_5_same_answer_keeps_the_version() {
    let mut alice = Party::alice(vec![audio(49170, &[97]), video(51372, &[31])]);
    let mut bob = Party::bob(vec![audio(49174, &[97]), video(49170, &[31])]);
    let (_, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&answer), ["audio 49174 97", "video 49170 31"]);

    bob.capabilities.address = host("newhost.biloxi.example.com");
    *bob.media(0) = audio(49178, &[97]);
    *bob.media(1) = video(49188, &[31]);
    let (offer, answer) = exchange(&mut bob, &mut alice);
    assert_eq!(shape(&offer), ["audio 49178 97", "video 49188 31"]);
    assert_eq!(shape(&answer), ["audio 49170 97", "video 51372 31"]);
    assert_eq!((version(&offer), version(&answer)), (BOB + 1, ALICE));
    assert_eq!(offer.origin.address, host("host.biloxi.example.com"));
    assert_eq!(alice.plan(0).remote, Some((host("newhost.biloxi.example.com"), 49178)));
}

#[test]
fn rfc4317_2_6_one_of_two_audio_streams_declined() {
    let mut second = audio(51372, &[97]);
    second.telephone_event = Some(EventSet::DTMF);
    let mut alice = Party::alice(vec![audio(49170, &[0]), second.clone()]);
    second.port = 49170;
    let mut bob = Party::bob(vec![second]);
    let (offer, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&offer), ["audio 49170 0", "audio 51372 97 101"]);
    assert_eq!(shape(&answer), ["audio 0 0", "audio 49170 97 101"]);
    assert_eq!(alice.negotiation.agreement().audio().unwrap().index, 1);
    assert_eq!(alice.plan(1).telephone_event.unwrap().events, EventSet::DTMF);
}

#[test]
fn rfc4317_2_7_a_codec_added() {
    let mut alice = Party::alice(vec![audio(49170, &[99]), video(51372, &[31])]);
    let mut bob = Party::bob(vec![audio(49172, &[99]), video(51374, &[31, 32])]);
    let (_, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&answer), ["audio 49172 99", "video 51374 31"]);

    *alice.media(1) = video(51372, &[31, 32]);
    let (offer, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&offer), ["audio 49170 99", "video 51372 31 32"]);
    assert_eq!(shape(&answer), ["audio 49172 99", "video 51374 31 32"]);
    assert_eq!((version(&offer), version(&answer)), (ALICE + 1, BOB + 1));
}

#[test]
fn rfc4317_2_8_video_at_another_address() {
    let mut alice = Party::alice(vec![audio(49170, &[0, 8, 97]), video(51372, &[31, 32])]);
    let mut bob = Party::bob(vec![audio(49174, &[0]), video(49172, &[32])]);
    bob.media(1).address = Some(host("otherhost.biloxi.example.com"));
    let (_, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&answer), ["audio 49174 0", "video 49172 32"]);
    assert_eq!(answer.media[0].connections, []);
    assert_eq!(alice.plan(0).remote, Some((host("host.biloxi.example.com"), 49174)));
    assert_eq!(alice.plan(1).remote, Some((host("otherhost.biloxi.example.com"), 49172)));
}

#[test]
fn rfc4317_3_1_answered_on_hold_then_resumed() {
    let mut alice = Party::alice(vec![audio(49170, &[0, 97])]);
    let mut bob = Party::bob(vec![audio(49172, &[97])]);
    bob.capabilities.address = host("placeholder.biloxi.example.com");
    bob.capabilities.set_hold(Hold::ByDirection);
    let (_, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&answer), ["audio 49172 97 sendonly"]);
    assert_eq!((alice.plan(0).hold, bob.plan(0).hold), (HoldState::Remote, HoldState::Local));

    bob.capabilities.address = host("host.biloxi.example.com");
    *bob.media(0) = audio(49170, &[97]);
    alice.media(0).port = 49178;
    let (offer, answer) = exchange(&mut bob, &mut alice);
    assert_eq!(shape(&offer), ["audio 49170 97"]);
    assert_eq!(shape(&answer), ["audio 49178 97"]);
    assert_eq!((version(&offer), version(&answer)), (BOB + 1, ALICE + 1));
    assert_eq!((alice.plan(0).hold, bob.plan(0).hold), (HoldState::Active, HoldState::Active));
}

#[test]
fn rfc4317_3_2_one_of_two_streams_held() {
    let mut alice = Party::alice(vec![audio(49170, &[0, 97]), events(49172, Direction::SendOnly)]);
    let mut bob = Party::bob(vec![audio(49172, &[97]), events(49174, Direction::RecvOnly)]);
    exchange(&mut alice, &mut bob);
    bob.media(0).hold = Hold::ByDirection;
    let mut careless = bob.negotiation.clone();
    let (offer, answer) = exchange(&mut bob, &mut alice);
    assert_eq!(shape(&offer), ["audio 49172 97 sendonly", "audio 49174 98 recvonly"]);
    // The document repeats Alice's first offer here; RFC 3264 section 6.1 wants recvonly, and formats of the offer.
    assert_eq!(shape(&answer), ["audio 49170 97 recvonly", "audio 49172 98 sendonly"]);
    assert_eq!((version(&offer), version(&answer)), (BOB + 1, ALICE + 1));

    careless.offer(&bob.capabilities).unwrap();
    let literal = written(ALICE + 1, "192.0.2.1", &["audio 49170 0 97", "audio 49172 98 sendonly"]);
    let agreement = careless.accept_answer(&literal).unwrap();
    let held = agreement.streams[0].as_ref().unwrap();
    assert_eq!((held.direction, held.hold), (Direction::SendOnly, HoldState::Local));
    assert_eq!(held.codecs.len(), 1);
}

#[test]
fn rfc4317_4_1_second_audio_stream_added_by_the_callee() {
    let mut alice = Party::alice(vec![audio(49170, &[0, 97])]);
    let mut bob = Party::bob(vec![audio(49170, &[97])]);
    exchange(&mut alice, &mut bob);

    let mut added = events(48282, Direction::RecvOnly);
    added.address = Some(host("mediaserver.biloxi.example.com"));
    added.add = true;
    bob.capabilities.media.push(added);
    alice.capabilities.media.push(events(49172, Direction::SendOnly));
    let (offer, answer) = exchange(&mut bob, &mut alice);
    assert_eq!(shape(&offer), ["audio 49170 97", "audio 48282 98 recvonly"]);
    assert_eq!(shape(&answer), ["audio 49170 97", "audio 49172 98 sendonly"]);
    assert_eq!((version(&offer), version(&answer)), (BOB + 1, ALICE + 1));
    assert_eq!(alice.plan(1).remote, Some((host("mediaserver.biloxi.example.com"), 48282)));
    assert_eq!(bob.plan(1).remote_rtcp, Some((host("host.atlanta.example.com"), 49173)));
}

#[test]
fn rfc4317_4_2_video_added_by_the_caller() {
    let mut alice = Party::alice(vec![audio(49170, &[0])]);
    let mut bob = Party::bob(vec![audio(49172, &[0]), video(49168, &[31])]);
    let (_, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&answer), ["audio 49172 0"]);

    let mut added = video(49172, &[31]);
    added.add = true;
    alice.capabilities.media.push(added);
    let (offer, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&offer), ["audio 49170 0", "video 49172 31"]);
    assert_eq!(shape(&answer), ["audio 49172 0", "video 49168 31"]);
    assert_eq!((version(&offer), version(&answer)), (ALICE + 1, BOB + 1));
}

#[test]
fn rfc4317_4_3_video_deleted_by_the_callee() {
    let mut alice = Party::alice(vec![audio(49170, &[97]), video(51372, &[31])]);
    let mut bob = Party::bob(vec![audio(49174, &[97]), video(49170, &[31])]);
    exchange(&mut alice, &mut bob);

    bob.media(1).port = 0;
    let (offer, answer) = exchange(&mut bob, &mut alice);
    assert_eq!(shape(&offer), ["audio 49174 97", "video 0 31"]);
    assert_eq!(shape(&answer), ["audio 49170 97", "video 0 31"]);
    assert_eq!((version(&offer), version(&answer)), (BOB + 1, ALICE + 1));
    // And it stays deleted, unless Alice asks for it.
    let (offer, _) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&offer)[1], "video 0 31");
    alice.media(1).add = true;
    assert_eq!(shape(&alice.offer())[1], "video 51372 31");
}

#[test]
fn rfc4317_5_1_no_media_then_audio_added() {
    let mut alice = Party::alice(vec![]);
    let mut bob = Party::bob(vec![audio(49172, &[97])]);
    let (offer, answer) = exchange(&mut alice, &mut bob);
    assert_eq!((offer.media.len(), answer.media.len()), (0, 0));

    let mut added = audio(49170, &[97]);
    added.add = true;
    alice.capabilities.media.push(added);
    let (offer, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&offer), ["audio 49170 97"]);
    assert_eq!(shape(&answer), ["audio 49172 97"]);
    assert_eq!((version(&offer), version(&answer)), (ALICE + 1, BOB + 1));
}

#[test]
fn rfc4317_5_2_offer_at_the_null_address() {
    let mut alice = Party::alice(vec![audio(23442, &[97])]);
    let mut bob = Party::bob(vec![audio(49170, &[97])]);
    alice.capabilities.address = ip("0.0.0.0");
    let (_, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(shape(&answer), ["audio 49170 97"]);
    assert_eq!((bob.plan(0).remote.as_ref(), bob.plan(0).remote_rtcp.as_ref()), (None, None));
    assert_eq!((bob.plan(0).direction, bob.plan(0).hold), (Direction::RecvOnly, HoldState::Remote));

    alice.capabilities.address = host("host.atlanta.example.com");
    alice.media(0).port = 49170;
    let (offer, answer) = exchange(&mut alice, &mut bob);
    assert_eq!((version(&offer), version(&answer)), (ALICE + 1, BOB));
    assert_eq!(shape(&answer), ["audio 49170 97"]);
    assert_eq!((bob.plan(0).direction, bob.plan(0).hold), (Direction::SendRecv, HoldState::Active));
}

#[test]
fn rfc4317_5_3_answer_at_the_null_address() {
    let mut alice = Party::alice(vec![audio(49170, &[97])]);
    let mut bob = Party::bob(vec![audio(9322, &[97])]);
    bob.capabilities.address = ip("0.0.0.0");
    exchange(&mut alice, &mut bob);
    assert_eq!((alice.plan(0).remote.as_ref(), alice.plan(0).hold), (None, HoldState::Remote));

    bob.capabilities.address = host("host.biloxi.example.com");
    bob.media(0).port = 49172;
    let (offer, answer) = exchange(&mut bob, &mut alice);
    assert_eq!((version(&offer), version(&answer)), (BOB + 1, ALICE));
    assert_eq!(shape(&offer), ["audio 49172 97"]);
    assert_eq!(alice.plan(0).hold, HoldState::Active);
}
