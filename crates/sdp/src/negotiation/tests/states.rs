//! The order of offers and answers, and the version in `o=`.

use super::*;

fn pair() -> (Party, Party) {
    (Party::alice(vec![audio(4000, &[0, 8])]), Party::bob(vec![audio(5000, &[0, 8])]))
}

#[test]
fn rfc3264_4_answer_without_an_offer_is_refused() {
    let (mut alice, mut bob) = pair();
    let answer = written(1, "192.0.2.2", &["audio 5000 0"]);
    assert_eq!(alice.negotiation.accept_answer(&answer).unwrap_err(), AcceptError::NoOffer);
    assert_eq!(bob.negotiation.answer_pending(&bob.capabilities).unwrap_err(), AnswerError::NoOffer);
    assert!(!bob.negotiation.rollback());
}

#[test]
fn cve_offer_answer_second_answer_changes_nothing() {
    let (mut alice, mut bob) = pair();
    let (_, answer) = exchange(&mut alice, &mut bob);
    let before = alice.negotiation.agreement().clone();
    let other = written(9, "203.0.113.66", &["audio 6666 8"]);
    for second in [&other, &answer] {
        assert_eq!(alice.negotiation.accept_answer(second).unwrap_err(), AcceptError::NoOffer);
    }
    assert_eq!(alice.negotiation.agreement(), &before);
    assert_eq!(alice.negotiation.remote(), Some(&answer));
    assert_eq!(bob.negotiation.local(), Some(&answer), "for the 200 after the 183");
}

#[test]
fn rfc3261_14_2_glare_is_told_apart() {
    let (mut alice, _) = pair();
    let theirs = written(1, "192.0.2.2", &["audio 5000 0"]);
    alice.offer();
    assert_eq!(alice.negotiation.state(), NegotiationState::OfferSent);
    assert_eq!(alice.negotiation.offer_received(theirs.clone()), Err(AnswerError::OursPending));
    assert_eq!(alice.negotiation.answer(&theirs, &alice.capabilities).unwrap_err(), AnswerError::OursPending);
    assert_eq!(alice.negotiation.offer(&alice.capabilities).unwrap_err(), OfferError::OursPending);
    assert_eq!(alice.negotiation.state(), NegotiationState::OfferSent);
    alice.negotiation.rollback();
    alice.negotiation.offer_received(theirs.clone()).unwrap();
    assert_eq!(alice.negotiation.state(), NegotiationState::OfferReceived);
    assert_eq!(alice.negotiation.pending_offer(), Some(&theirs));
    assert_eq!(alice.negotiation.offer_received(theirs.clone()), Err(AnswerError::TheirsPending));
    assert_eq!(alice.negotiation.offer(&alice.capabilities).unwrap_err(), OfferError::TheirsPending);
    assert_eq!(alice.negotiation.accept_answer(&theirs).unwrap_err(), AcceptError::NoOffer);
    alice.negotiation.answer_pending(&alice.capabilities).unwrap();
    assert_eq!(alice.negotiation.state(), NegotiationState::Stable);
}

#[test]
fn rfc3261_13_2_2_4_each_fork_has_an_answer_of_its_own() {
    let (mut alice, mut bob) = pair();
    let offer = alice.offer();
    let mut fork = alice.negotiation.clone();
    alice.accept(&bob.answer(&offer));
    fork.accept_answer(&written(1, "192.0.2.77", &["audio 7000 8"])).unwrap();
    assert_eq!(alice.plan(0).codecs[0].local.name, "PCMU");
    assert_eq!(fork.agreement().audio().unwrap().remote, Some((ip("192.0.2.77"), 7000)));
}

#[test]
fn rfc3264_8_version_grows_by_one_only_with_a_change() {
    let (mut alice, mut bob) = pair();
    let (first, first_answer) = exchange(&mut alice, &mut bob);
    let (same, same_answer) = exchange(&mut alice, &mut bob);
    assert_eq!((&same, &same_answer), (&first, &first_answer));
    alice.media(0).port = 4002;
    let (moved, moved_answer) = exchange(&mut alice, &mut bob);
    assert_eq!(version(&moved), version(&first) + 1);
    assert_eq!(moved_answer, first_answer);
    assert!(moved.origin.same_session(&first.origin));
    // The roles change, the counting goes on.
    let (theirs, ours) = exchange(&mut bob, &mut alice);
    assert_eq!((version(&theirs), version(&ours)), (version(&first_answer), version(&moved)));
}

#[test]
fn rfc3264_8_fifty_reoffers_neither_grow_nor_drift() {
    let (mut alice, mut bob) = pair();
    let (first, answer) = exchange(&mut alice, &mut bob);
    for _ in 0..50 {
        assert_eq!(exchange(&mut alice, &mut bob), (first.clone(), answer.clone()));
        exchange(&mut bob, &mut alice);
    }
}

#[test]
fn rfc3264_5_first_version_is_below_2_to_the_62() {
    let mut large = Negotiation::new(Origin::new(u64::MAX, 1, ip("192.0.2.1")));
    let offer = large.offer(&LocalCapabilities::new(ip("192.0.2.1"), vec![])).unwrap();
    assert_eq!(offer.origin.session_id.value(), Some(u64::MAX >> 1), "64 bits with a sign");
    for (given, used) in [(u64::MAX, 3), ((1 << 62) - 1, 0), (5, 5)] {
        let mut negotiation = Negotiation::new(Origin::new(1, given, ip("192.0.2.1")));
        let offer = negotiation.offer(&LocalCapabilities::new(ip("192.0.2.1"), vec![audio(4000, &[0])])).unwrap();
        assert_eq!(offer.origin.session_id.value(), Some(1));
        assert_eq!(version(offer), used, "{given}");
    }
}

#[test]
fn rfc3264_6_answer_with_another_number_of_lines_is_refused() {
    let (mut alice, _) = pair();
    alice.offer();
    for streams in [&[][..], &["audio 5000 0", "audio 5002 0"][..]] {
        let error = alice.negotiation.accept_answer(&written(1, "192.0.2.2", streams)).unwrap_err();
        assert_eq!(error, AcceptError::MediaCount { offered: 1, answered: streams.len() });
    }
    let video = written(1, "192.0.2.2", &["video 5000 31"]);
    assert_eq!(alice.negotiation.accept_answer(&video).unwrap_err(), AcceptError::MediaMismatch { index: 0 });
    let foreign = written(1, "192.0.2.2", &["audio 5000 9"]);
    assert_eq!(alice.negotiation.accept_answer(&foreign).unwrap_err(), AcceptError::NoCommonCodec);
    assert_eq!(alice.negotiation.state(), NegotiationState::OfferSent, "errors change nothing");
    alice.accept(&written(1, "192.0.2.2", &["audio 0 9"]));
    assert!(alice.negotiation.agreement().audio().is_none());
}

#[test]
fn cve_srtp_answer_cannot_turn_secure_media_into_plain() {
    let (mut alice, _) = pair();
    alice.media(0).protocols = vec![Protocol::RtpSavp];
    alice.offer();
    let plain = written(1, "192.0.2.2", &["audio 5000 0"]);
    assert_eq!(alice.negotiation.accept_answer(&plain).unwrap_err(), AcceptError::MediaMismatch { index: 0 });
}

#[test]
fn cve_offer_answer_reinvite_with_fewer_or_no_lines_is_refused() {
    let (mut alice, mut bob) = pair();
    exchange(&mut alice, &mut bob);
    let before = bob.negotiation.agreement().clone();
    let empty = written(2, "192.0.2.1", &[]);
    let error = bob.negotiation.answer(&empty, &bob.capabilities).unwrap_err();
    assert_eq!(error, AnswerError::FewerMedia { had: 1, got: 0 });
    assert_eq!((bob.negotiation.agreement(), bob.negotiation.state()), (&before, NegotiationState::Stable));
}

#[test]
fn errors_say_what_and_why() {
    for (text, part) in [
        (OfferError::OursPending.to_string(), "RFC 3264 section 4"),
        (OfferError::TheirsPending.to_string(), "their offer"),
        (OfferError::NothingToOffer { capability: 3 }.to_string(), "local media 3"),
        (AnswerError::NoOffer.to_string(), "no offer"),
        (AnswerError::OursPending.to_string(), "14.2"),
        (AnswerError::TheirsPending.to_string(), "14.2"),
        (AnswerError::FewerMedia { had: 2, got: 1 }.to_string(), "1 m= lines in a session with 2"),
        (AnswerError::NoCommonCodec.to_string(), "no common codec"),
        (AcceptError::NoOffer.to_string(), "without an offer"),
        (AcceptError::MediaCount { offered: 1, answered: 2 }.to_string(), "2 m= lines to an offer with 1"),
        (AcceptError::MediaMismatch { index: 0 }.to_string(), "line 1"),
        (AcceptError::NoCommonCodec.to_string(), "none of the offered"),
    ] {
        assert!(text.contains(part), "{text}");
    }
}
