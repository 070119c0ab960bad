//! RFC 3264 sections 6.1 and 8.4.

use super::*;
use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};

#[test]
fn rfc3264_6_1_direction_table() {
    // Offered, wanted by the answerer, answered.
    let table = [
        (SendRecv, SendRecv, SendRecv),
        (SendRecv, SendOnly, SendOnly),
        (SendRecv, RecvOnly, RecvOnly),
        (SendRecv, Inactive, Inactive),
        (SendOnly, SendRecv, RecvOnly),
        (SendOnly, SendOnly, Inactive),
        (SendOnly, RecvOnly, RecvOnly),
        (SendOnly, Inactive, Inactive),
        (RecvOnly, SendRecv, SendOnly),
        (RecvOnly, SendOnly, SendOnly),
        (RecvOnly, RecvOnly, Inactive),
        (RecvOnly, Inactive, Inactive),
        (Inactive, SendRecv, Inactive),
        (Inactive, SendOnly, Inactive),
        (Inactive, RecvOnly, Inactive),
        (Inactive, Inactive, Inactive),
    ];
    for (offered, wanted, answered) in table {
        let mut alice = Party::alice(vec![audio(4000, &[0])]);
        let mut bob = Party::bob(vec![audio(5000, &[0])]);
        (alice.media(0).direction, bob.media(0).direction) = (offered, wanted);
        let (_, answer) = exchange(&mut alice, &mut bob);
        assert_eq!(answer.stream(0).unwrap().direction(), answered, "{offered} {wanted}");
        assert_eq!(bob.plan(0).direction, answered);
        assert_eq!(alice.plan(0).direction, answered.reversed());
    }
}

#[test]
fn rfc3264_6_1_answer_without_a_fitting_direction_cannot_widen_the_offer() {
    for (offered, answered, ours) in [
        (SendOnly, SendRecv, SendOnly),
        (RecvOnly, SendRecv, RecvOnly),
        (Inactive, SendRecv, Inactive),
        (SendOnly, SendOnly, Inactive),
    ] {
        let mut alice = Party::alice(vec![audio(4000, &[0])]);
        alice.media(0).direction = offered;
        alice.offer();
        alice.accept(&written(1, "192.0.2.2", &[&format!("audio 5000 0 {answered}")]));
        assert_eq!(alice.plan(0).direction, ours, "{offered} {answered}");
    }
}

/// Two parties in an ordinary call.
fn call() -> (Party, Party) {
    let mut alice = Party::alice(vec![audio(4000, &[0])]);
    let mut bob = Party::bob(vec![audio(5000, &[0])]);
    exchange(&mut alice, &mut bob);
    (alice, bob)
}

fn directions(exchanged: &(Session, Session)) -> (Direction, Direction) {
    (exchanged.0.stream(0).unwrap().direction(), exchanged.1.stream(0).unwrap().direction())
}

#[test]
fn rfc3264_8_4_hold_and_resume() {
    let (mut alice, mut bob) = call();
    alice.capabilities.set_hold(Hold::ByDirection);
    let held = exchange(&mut alice, &mut bob);
    assert_eq!(directions(&held), (SendOnly, RecvOnly));
    assert_eq!(held.0.connection, alice.negotiation.local().unwrap().connection);
    assert_eq!((alice.plan(0).hold, bob.plan(0).hold), (HoldState::Local, HoldState::Remote));
    assert!(alice.plan(0).remote.is_some(), "RTCP goes on");

    let again = exchange(&mut alice, &mut bob);
    assert_eq!(directions(&again), (SendOnly, RecvOnly));
    assert_eq!(version(&again.0), version(&held.0), "nothing changed");

    alice.capabilities.set_hold(Hold::Off);
    let resumed = exchange(&mut alice, &mut bob);
    assert_eq!(directions(&resumed), (SendRecv, SendRecv));
    assert_eq!((alice.plan(0).hold, bob.plan(0).hold), (HoldState::Active, HoldState::Active));
    assert_eq!(version(&resumed.0), version(&held.0) + 1);
}

#[test]
fn rfc3264_8_4_held_by_both_sides_is_inactive_and_each_resumes_alone() {
    let (mut alice, mut bob) = call();
    bob.capabilities.set_hold(Hold::ByDirection);
    exchange(&mut bob, &mut alice);
    alice.capabilities.set_hold(Hold::ByDirection);
    assert_eq!(directions(&exchange(&mut alice, &mut bob)), (Inactive, Inactive));
    assert_eq!((alice.plan(0).hold, bob.plan(0).hold), (HoldState::Local, HoldState::Local));

    alice.capabilities.set_hold(Hold::Off);
    assert_eq!(directions(&exchange(&mut alice, &mut bob)), (SendRecv, SendOnly));
    assert_eq!((alice.plan(0).hold, bob.plan(0).hold), (HoldState::Remote, HoldState::Local));

    bob.capabilities.set_hold(Hold::Off);
    assert_eq!(directions(&exchange(&mut bob, &mut alice)), (SendRecv, SendRecv));
    assert_eq!((alice.plan(0).hold, bob.plan(0).hold), (HoldState::Active, HoldState::Active));
}

#[test]
fn rfc3264_8_4_a_stream_that_only_receives_is_held_as_inactive() {
    let mut alice = Party::alice(vec![audio(4000, &[0])]);
    let mut bob = Party::bob(vec![audio(5000, &[0])]);
    alice.media(0).direction = RecvOnly;
    exchange(&mut alice, &mut bob);
    assert_eq!(alice.plan(0).hold, HoldState::Active, "not to send was our own wish");
    alice.capabilities.set_hold(Hold::ByDirection);
    assert_eq!(directions(&exchange(&mut alice, &mut bob)), (Inactive, Inactive));
    assert_eq!(alice.plan(0).hold, HoldState::Local);
}

#[test]
fn hold_matrix_hold_by_null_address() {
    let (mut alice, mut bob) = call();
    alice.capabilities.set_hold(Hold::ByNullAddress);
    let (offer, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(directions(&(offer.clone(), answer)), (Inactive, Inactive));
    assert!(offer.stream(0).unwrap().is_held_by_address());
    assert_ne!(offer.media[0].port, 0, "RFC 3264 section 8.4");
    assert_eq!((alice.plan(0).hold, bob.plan(0).hold), (HoldState::Local, HoldState::Remote));
    assert_eq!(bob.plan(0).remote, None);
    alice.capabilities.set_hold(Hold::Off);
    assert_eq!(directions(&exchange(&mut alice, &mut bob)), (SendRecv, SendRecv));
}

#[test]
fn hold_matrix_what_the_peer_offers_while_we_do_not_hold() {
    // Offered, at the null address, mirrored, answered, our direction, answered at the null address.
    let table = [
        (SendOnly, false, false, RecvOnly, RecvOnly, false),
        (Inactive, false, false, Inactive, Inactive, false),
        (SendRecv, true, false, SendRecv, RecvOnly, false),
        (SendRecv, true, true, Inactive, Inactive, true),
        (Inactive, true, true, Inactive, Inactive, true),
        (SendOnly, true, false, RecvOnly, RecvOnly, false),
    ];
    for (offered, null, mirror, answered, ours, null_answer) in table {
        let (_, mut bob) = call();
        bob.capabilities.null_address = if mirror { NullAddressAnswer::Mirror } else { NullAddressAnswer::Normal };
        let address = if null { "0.0.0.0" } else { "192.0.2.1" };
        let answer = bob.answer(&written(2, address, &[&format!("audio 4000 0 {offered}")]));
        let stream = answer.stream(0).unwrap();
        assert_eq!(
            (stream.direction(), stream.is_held_by_address()),
            (answered, null_answer),
            "{offered} {null} {mirror}"
        );
        assert_eq!((bob.plan(0).direction, bob.plan(0).hold), (ours, HoldState::Remote), "{offered} {null} {mirror}");
    }
}

#[test]
fn hold_matrix_peer_offers_while_we_hold() {
    for (offered, answered) in [(SendRecv, SendOnly), (RecvOnly, SendOnly), (SendOnly, Inactive), (Inactive, Inactive)]
    {
        let (mut alice, mut bob) = call();
        bob.capabilities.set_hold(Hold::ByDirection);
        exchange(&mut bob, &mut alice);
        let answer = bob.answer(&written(2, "192.0.2.1", &[&format!("audio 4000 0 {offered}")]));
        assert_eq!(answer.stream(0).unwrap().direction(), answered, "{offered}");
        assert_eq!(bob.plan(0).hold, HoldState::Local, "{offered}");
    }
}

#[test]
fn hold_matrix_offerless_reinvite_while_we_hold_gets_the_hold_as_offer() {
    let (mut alice, mut bob) = call();
    bob.capabilities.set_hold(Hold::ByDirection);
    let (held, _) = exchange(&mut bob, &mut alice);
    // The re-INVITE without offer makes Bob offer in his 200, with the same capabilities.
    let (offer, answer) = exchange(&mut bob, &mut alice);
    assert_eq!(offer, held);
    assert_eq!(answer.stream(0).unwrap().direction(), RecvOnly);
    assert_eq!(bob.plan(0).hold, HoldState::Local);
}

#[test]
fn a_failed_hold_leaves_the_call_as_it_was() {
    let (mut alice, mut bob) = call();
    let before = alice.plan(0).clone();
    alice.capabilities.set_hold(Hold::ByDirection);
    let refused = alice.offer();
    assert!(alice.negotiation.rollback());
    assert_eq!(alice.plan(0), &before);
    // The next description must not reuse the version of the refused one.
    alice.capabilities.set_hold(Hold::Off);
    let (offer, _) = exchange(&mut alice, &mut bob);
    assert_eq!(version(&offer), version(&refused) + 1);
    assert_eq!(alice.plan(0), &before);
}
