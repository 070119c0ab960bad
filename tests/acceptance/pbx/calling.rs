//! Calls of devices: who may make them, and what both sides must share.

use super::{Device, code, field, fields, number, server, server_that};
use crate::acceptance::wire::{Ask, challenged, with_credentials};
use crate::program::PATIENCE;

#[test]
fn tb09_invite_challenged() {
    let server = server("");
    let (mut alice, bob) = (Device::new(&server, "alice"), Device::registered(&server, "bob"));
    let invite = alice.invite("bob");
    let challenge = alice.wire.final_of(&invite);
    assert_eq!(code(&challenge), 401);
    assert!(fields(&challenge, "WWW-Authenticate").iter().all(|value| value.contains("realm=\"test\"")));
    let to = field(&challenge, "To").unwrap();
    alice.wire.send(&Ask { method: "ACK", to, cseq: "1 ACK".into(), body: String::new(), ..invite.clone() });
    assert_eq!(alice.wire.rest(), Vec::<String>::new(), "the ACK ends the repeats of the 401");
    assert_eq!(bob.wire.rest(), Vec::<String>::new(), "nobody has been called");
    let mut signed = with_credentials(invite, &mut challenged(&challenge, "alice", "a"));
    (signed.branch, signed.cseq) = (signed.branch + "signed", "2 INVITE".into());
    alice.wire.send(&signed);
    alice.wire.expect("100 Trying");
    let called = bob.asked("INVITE");
    bob.reply(&called, "180 Ringing");
    alice.wire.expect("180 Ringing");
    bob.reply(&called, "200 OK");
    let answer = alice.ends(&signed);
    assert_eq!(code(&answer), 200);
    bob.asked("ACK");
    let bye = alice.wire.within(&answer, "BYE", 3);
    assert_eq!(alice.wire.code_of(&bye), 200);
    bob.asked("BYE");
}

#[test]
fn tb11_digest_user_must_be_the_device() {
    let server = server("");
    let bob = Device::registered(&server, "bob");
    let mut alice = Device::new(&server, "alice");
    // Whose credentials, and who the From says it is.
    for (user, password, from, due) in [
        ("nobody", "a", "alice", 403),
        ("alice", "b", "alice", 403),
        ("alice", "a", "bob", 403),
        ("alice", "a", "alice", 200),
    ] {
        let mut invite = alice.invite("bob");
        invite.from = format!("<sip:{from}@{}>;tag=tester", server.address);
        let challenge = alice.wire.final_of(&invite);
        assert_eq!(code(&challenge), 401);
        let mut signed = with_credentials(invite.clone(), &mut challenged(&challenge, user, password));
        (signed.branch, signed.cseq) = (signed.branch + "signed", "2 INVITE".into());
        alice.wire.send(&signed);
        if due == 200 {
            bob.takes();
        }
        assert_eq!(code(&alice.ends(&signed)), due, "digest of {user}, From {from}");
        if due != 200 {
            assert_eq!(bob.wire.rest(), Vec::<String>::new(), "digest of {user}, From {from}");
        }
    }
    // A REGISTER for bob with alice's credentials.
    let mut other = Device { user: "bob", password: "a", ..Device::new(&server, "alice") };
    let ask = other.registration(&[]);
    let challenge = other.wire.final_of(&ask);
    let mut signed = with_credentials(ask, &mut challenged(&challenge, "alice", "a"));
    (signed.branch, signed.cseq) = (signed.branch + "signed", "2 REGISTER".into());
    assert_eq!(other.wire.code_of(&signed), 403);
}

#[test]
fn tb16_no_common_codec_488() {
    let server = server("");
    let (mut alice, bob) = (Device::new(&server, "alice"), Device::registered(&server, "bob"));
    for number in ["bob", "600"] {
        let mut invite = alice.invite(number);
        invite.body = invite.body.replace("RTP/AVP 0", "RTP/AVP 111\r\na=rtpmap:111 opus/48000/2");
        let signed = alice.wire.signed(&invite, "alice", "a");
        alice.wire.send(&signed);
        assert_eq!(code(&alice.ends(&signed)), 488, "{number}");
    }
    assert_eq!(bob.wire.rest(), Vec::<String>::new(), "nobody has been called");
    // With a codec that both have among those offered it goes.
    let mut invite = alice.invite("600");
    invite.body = invite.body.replace("RTP/AVP 0", "RTP/AVP 111 0\r\na=rtpmap:111 opus/48000/2");
    let signed = alice.wire.signed(&invite, "alice", "a");
    alice.wire.send(&signed);
    let answer = alice.ends(&signed);
    assert!(code(&answer) == 200 && answer.contains(" RTP/AVP 0\r\n"), "{answer}");
}

/// CANCEL of this INVITE, with its branch (RFC 3261 section 9.1).
fn cancel_of(invite: &Ask) -> Ask {
    let cseq = format!("{} CANCEL", invite.cseq.split(' ').next().unwrap());
    let (body, more) = (String::new(), Vec::new());
    Ask { method: "CANCEL", cseq, body, more, without: vec!["Contact"], ..invite.clone() }
}

#[test]
fn tb24_cancel_by_the_caller() {
    let mut server = server_that("", &["-v"]);
    let (mut alice, bob) = (Device::registered(&server, "alice"), Device::registered(&server, "bob"));
    let invite = alice.dial("bob");
    let called = bob.asked("INVITE");
    bob.reply(&called, "180 Ringing");
    alice.wire.expect("180 Ringing");
    // With another branch it is of no call, and the call rings on.
    let stray = Ask { branch: invite.branch.clone() + "other", ..cancel_of(&invite) };
    assert_eq!(alice.wire.code_of(&stray), 481);
    assert_eq!(bob.wire.rest(), Vec::<String>::new());
    let cancel = cancel_of(&invite);
    alice.wire.send(&cancel);
    // Both answers have the branch of the INVITE; who is first does not matter.
    let answers = [(); 2].map(|()| alice.wire.answer_within(&invite, PATIENCE).expect("a final response"));
    let of = |method: &str| {
        let found = answers.iter().find(|answer| field(answer, "CSeq").unwrap().ends_with(method));
        found.unwrap_or_else(|| panic!("no answer to {method}: {answers:?}"))
    };
    let end = of(" INVITE");
    assert_eq!((code(of(" CANCEL")), code(end)), (200, 487));
    assert_eq!(field(of(" CANCEL"), "To"), field(end, "To"), "one tag for both (RFC 3261 section 9.2)");
    let ack = Ask {
        method: "ACK",
        to: field(end, "To").unwrap(),
        cseq: format!("{} ACK", number(end)),
        ..cancel_of(&invite)
    };
    alice.wire.send(&ack);
    let cancelled = bob.asked("CANCEL");
    assert_eq!(field(&cancelled, "Via"), field(&called, "Via"), "the branch of bob's INVITE");
    bob.reply(&cancelled, "200 OK");
    bob.reply(&called, "487 Request Terminated");
    bob.asked("ACK");
    server.program.wait_for("result=\"cancelled\"");
}

#[test]
fn tb24_cancel_after_the_answer_changes_nothing() {
    let mut server = server_that("", &["-v"]);
    let (mut alice, bob) = (Device::registered(&server, "alice"), Device::registered(&server, "bob"));
    let invite = alice.dial("bob");
    bob.takes();
    let answer = alice.ends(&invite);
    assert_eq!(code(&answer), 200);
    assert_eq!(alice.wire.code_of(&cancel_of(&invite)), 200);
    assert_eq!((alice.wire.rest(), bob.wire.rest()), (Vec::<String>::new(), Vec::<String>::new()), "the call stays");
    let bye = alice.wire.within(&answer, "BYE", 3);
    assert_eq!(alice.wire.code_of(&bye), 200);
    bob.asked("BYE");
    server.program.wait_for("result=\"answered\"");
}
