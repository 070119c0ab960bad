//! Rules of SIP that every door shares (ids c..), asked of `offhook call` and of who registers with `offhook serve`.

use sip::dialog::{Phase, Record, Role};
use sip::message::{Lines, Method};
use sip::{ContactSpec, Event, Failure};

use super::agent::Agent;
use super::wire::{Callee, Wire, code, field, number};
use crate::program::offhook::{self, USERS};
use crate::program::{Program, free_port};

/// `offhook call` to a callee of our own, and its INVITE.
fn called(arguments: &[&str]) -> (Program, Callee, String) {
    let mut callee = Callee::new();
    let program = offhook::start(&[&["call", &callee.uri(), "--sip", "127.0.0.1:0"], arguments].concat());
    let invite = callee.request("INVITE");
    (program, callee, invite)
}

#[test]
fn c05_cseq_number_space_per_direction() {
    let (_robot, address) = offhook::answer(&["--for", "1"]);
    let mut wire = Wire::to(&address);
    let mut invite = wire.ask("INVITE");
    invite.cseq = "2000000000 INVITE".into();
    let answer = wire.final_of(&invite);
    assert_eq!(code(&answer), 200);
    let ack = wire.within(&answer, "ACK", 2_000_000_000);
    wire.send(&ack);
    let options = wire.within(&answer, "OPTIONS", 2_000_000_001);
    assert_eq!(wire.code_of(&options), 200);
    // The robot counts for itself: its first number owes nothing to ours.
    let bye = wire.expect("BYE");
    assert!(number(&bye) < 2_000_000_000, "{bye}");
}

#[test]
fn c09_cseq_never_wraps() {
    let record = Record {
        call_id: "one@example.com".into(),
        local: "<sip:a@example.com>".into(),
        local_tag: "a".into(),
        remote: "<sip:b@example.com>".into(),
        remote_tag: "b".into(),
        remote_target: "sip:b@192.0.2.1".into(),
        contact: ContactSpec::Auto { user: None, params: String::new() },
        routes: Vec::new(),
        local_cseq: u32::MAX - 1,
        remote_cseq: None,
        role: Role::Caller,
        phase: Phase::Confirmed,
        secure: false,
        path: None,
    };
    // One after the other, and both before either has left.
    for at_once in [false, true] {
        let mut agent = Agent::new();
        let session = agent.turn().adopt(&record).unwrap();
        let mut left = Vec::new();
        let first = agent.turn().in_dialog(session, Method::Info, Lines::new(), None);
        if !at_once {
            left.extend(std::iter::from_fn(|| agent.leaves()));
        }
        let second = agent.turn().in_dialog(session, Method::Info, Lines::new(), None);
        left.extend(std::iter::from_fn(|| agent.leaves()));
        assert_eq!(left.iter().map(|sent| number(sent)).collect::<Vec<_>>(), [u32::MAX], "4294967295 is the last");
        assert!(first.is_ok());
        let used_up = Failure::NumbersUsedUp;
        let failed = |tx| {
            agent
                .events
                .iter()
                .any(|event| matches!(event, Event::RequestFailed { tx: of, why } if *of == tx && *why == used_up))
        };
        assert!(second.map_or(!at_once, failed), "who asked for another is told");
        assert!(agent.turn().in_dialog(session, Method::Info, Lines::new(), None).is_err(), "none is left");
        agent.turn().hangup(session, None, Lines::new()).unwrap();
        assert_eq!(agent.leaves(), None, "no BYE");
        assert_eq!(agent.turn().unsettled(), 0, "the dialog ends without");
    }
}

#[test]
fn c11_reinvite_and_retry_use_cseq_plus_one() {
    let mut callee = Callee::new();
    let (own, called) = (format!("sip:alice@{}", callee.wire().local()), callee.uri());
    let account = ["--account", &own, "--password", "secret", "--no-register", "--for", "1"];
    let program = offhook::start(&[&["call", &called, "--sip", "127.0.0.1:0"], &account[..]].concat());
    let invite = callee.request("INVITE");
    callee.reply(&invite, "401 Unauthorized", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n");
    let ack = callee.request("ACK");
    assert_eq!(number(&ack), number(&invite));
    let again = callee.request("INVITE");
    assert_eq!(number(&again), number(&invite) + 1);
    assert_eq!(field(&again, "Call-ID"), field(&invite, "Call-ID"));
    assert!(field(&again, "Authorization").is_some());
    callee.reply(&again, "200 OK", "");
    assert_eq!(number(&callee.request("ACK")), number(&again));
    let bye = callee.request("BYE");
    assert_eq!(number(&bye), number(&again) + 1);
    callee.reply(&bye, "200 OK", "");
    assert_eq!(program.finish().0, 0);
    // A re-INVITE of the peer, one higher, is taken.
    let (_robot, address) = offhook::answer(&[]);
    let mut wire = Wire::to(&address);
    let answer = wire.call();
    let mut change = wire.within(&answer, "INVITE", 2);
    change.body = wire.offer().replace("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n").replace("- 1 1", "- 1 2");
    let held = wire.final_of(&change);
    assert!(code(&held) == 200 && held.contains("a=recvonly"), "{held}");
}

#[test]
fn c14_ack_and_cancel_carry_the_number_of_the_invite() {
    let (mut program, mut callee, invite) = called(&[]);
    callee.reply(&invite, "180 Ringing", "");
    program.wait_for("180");
    program.signal("INT");
    let cancel = callee.request("CANCEL");
    assert_eq!(field(&cancel, "CSeq").unwrap(), format!("{} CANCEL", number(&invite)));
    assert_eq!(field(&cancel, "Via"), field(&invite, "Via"), "and its branch (RFC 3261 9.1)");
    callee.reply(&cancel, "200 OK", "");
    callee.reply(&invite, "487 Request Terminated", "");
    let ack = callee.request("ACK");
    assert_eq!(field(&ack, "CSeq").unwrap(), format!("{} ACK", number(&invite)));
    assert_eq!(program.finish().0, 130);
}

#[test]
fn c15_bye_has_a_higher_number_than_the_invite() {
    let (program, mut callee, invite) = called(&["--for", "1"]);
    callee.reply(&invite, "200 OK", "");
    callee.request("ACK");
    let bye = callee.request("BYE");
    assert!(number(&bye) > number(&invite), "{bye}");
    callee.reply(&bye, "200 OK", "");
    assert_eq!(program.finish().0, 0);
}

#[test]
fn c28_info_and_info_packages() {
    let (_robot, address) = offhook::answer(&[]);
    let mut wire = Wire::to(&address);
    let answer = wire.call();
    let mut package = wire.within(&answer, "INFO", 2);
    package.more.push("Info-Package: nobodyKnowsThis".into());
    let refused = wire.final_of(&package);
    assert_eq!((code(&refused), field(&refused, "Recv-Info").as_deref()), (469, Some("")), "{refused}");
    let old = wire.within(&answer, "INFO", 3);
    assert_eq!(wire.code_of(&old), 200);
    let outside = wire.ask("INFO");
    assert_eq!(wire.code_of(&outside), 481);
    let bye = wire.within(&answer, "BYE", 4);
    assert_eq!(wire.code_of(&bye), 200);
}

#[test]
fn c29_response_classes() {
    // RFC 3261 section 8.1.3.2: a code that is not known means what x00 of its class means.
    for (status, exit) in [("499 Who Knows", 7), ("599 Who Knows", 7), ("699 Who Knows", 7)] {
        let (program, mut callee, invite) = called(&[]);
        callee.reply(&invite, "199 Nearly There", "");
        // No class: not a response at all.
        callee.reply(&invite, "799 Nothing", "");
        callee.reply(&invite, status, "");
        callee.request("ACK");
        let (code, output) = program.finish();
        assert_eq!(code, exit, "{status}: {output}");
        assert!(output.contains(&status[..3]), "{output}");
    }
    let (program, mut callee, invite) = called(&["--for", "1"]);
    callee.reply(&invite, "299 Also Fine", "");
    callee.request("ACK");
    let bye = callee.request("BYE");
    callee.reply(&bye, "200 OK", "");
    assert_eq!(program.finish().0, 0);
}

#[test]
fn c35_a_user_moves() {
    let server = offhook::serve(&USERS);
    let phone = || {
        let (account, own) = (format!("sip:1002@{}", server.address), format!("127.0.0.1:{}", free_port()));
        let mut phone = offhook::start(&["answer", "--account", &account, "--password", "secret2", "--sip", &own]);
        phone.wait_for("registered");
        phone
    };
    let call = || {
        let account = format!("sip:1001@{}", server.address);
        let arguments = ["call", "1002", "--account", &account, "--password", "secret1", "--for", "1", "--no-register"];
        offhook::start(&arguments).finish()
    };
    let mut first = phone();
    assert_eq!(call().0, 0);
    first.wait_for("call 1 answered");
    // He goes, and is nowhere; then he is elsewhere under the same number.
    assert_eq!(first.stop("INT").0, 130);
    let (code, output) = call();
    assert_eq!(code, 8, "{output}");
    let mut second = phone();
    assert_eq!(call().0, 0);
    second.wait_for("call 1 answered");
}
