//! INVITEs of both sides that overlap in one dialog.

use super::{Phone, described};
use crate::acceptance::wire::{Ask, Callee, Wire, code, field};
use crate::program::PATIENCE;

#[test]
fn ta24_overlapping_invites_theirs_while_ours_is_unanswered() {
    let (phone, mut callee) = (Phone::new(), Callee::new());
    let (call, invite, _) = phone.call(&mut callee);
    let ours = call.hold();
    let (held, _) = phone.meanwhile(ours, || {
        let reinvite = callee.request("INVITE");
        let mut crossing = callee.within(&invite, "INVITE", 1);
        crossing.body = described(40_000, 2, "sendonly");
        assert_eq!(callee.wire().code_of(&crossing), 491);
        let ack = Ask {
            branch: crossing.branch.clone(),
            cseq: "1 ACK".into(),
            body: String::new(),
            method: "ACK",
            ..crossing.clone()
        };
        callee.wire().send(&ack);
        callee.describe(&reinvite, "200 OK", &described(40_000, 2, "recvonly"));
        callee.request("ACK");
    });
    held.unwrap();
    // Consistent: the next change of either side goes through.
    let mut change = callee.within(&invite, "INVITE", 2);
    change.body = described(40_000, 3, "sendrecv");
    callee.wire().send(&change);
    assert!(callee.wire().acknowledged(&change).contains("a=sendonly"), "we still hold");
    phone.run(call.hangup());
    callee.request("BYE");
}

#[test]
fn ta24_overlapping_invites_a_second_while_the_first_is_unanswered() {
    let phone = Phone::new();
    let mut wire = Wire::to(&phone.address());
    let invite = wire.ask("INVITE");
    let incoming = phone.rung(&wire, &invite);
    phone.run(incoming.ring()).unwrap();
    let ringing = wire.expect("180 Ringing");
    let second = wire.within(&ringing, "INVITE", 2);
    let refused = wire.final_of(&second);
    assert_eq!(code(&refused), 500);
    let after: u32 = field(&refused, "Retry-After").unwrap().parse().unwrap();
    assert!(after <= 10, "{refused}");
    // The first goes on.
    let (call, answer) = phone.meanwhile(incoming.answer(), || wire.acknowledged(&invite));
    assert_eq!(field(&answer, "To"), field(&ringing, "To"));
    phone.run(call.unwrap().hangup());
}

#[test]
fn ta24_overlapping_invites_instead_of_the_ack() {
    let phone = Phone::new();
    let mut wire = Wire::to(&phone.address());
    let invite = wire.ask("INVITE");
    let incoming = phone.rung(&wire, &invite);
    let (call, ()) = phone.meanwhile(incoming.answer(), || {
        let answer = wire.answer_within(&invite, PATIENCE).unwrap();
        let early = wire.within(&answer, "INVITE", 2);
        assert_eq!(wire.code_of(&early), 491);
        assert_eq!(wire.expect("200 OK"), answer, "the INVITE is no ACK");
        let ack = wire.within(&answer, "ACK", 1);
        wire.send(&ack);
    });
    assert!(!call.unwrap().is_over());
}
