//! Calls of devices: who may make them, and what both sides must share.

use super::{Device, code, field, fields, server};
use crate::acceptance::wire::{Ask, challenged, with_credentials};

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
