//! Rules of SIP that every door shares (ids c..), asked of the robot of `offhook answer`.

use super::wire::{Wire, code, field};
use crate::program::offhook;
use crate::program::registering::{Devices, Wish};
use crate::program::{PATIENCE, Program};

/// A robot that answers, and a wire to it. Hold the program: it ends when dropped.
fn robot(arguments: &[&str]) -> (Program, Wire) {
    let (program, address) = offhook::answer(arguments);
    let wire = Wire::to(&address);
    (program, wire)
}

#[test]
fn c01_cseq_is_one_number_and_a_method() {
    let (_robot, mut wire) = robot(&[]);
    for cseq in ["OPTIONS", "1 2 OPTIONS", "0x1 OPTIONS", "-1 OPTIONS", "one OPTIONS"] {
        let mut ask = wire.ask("OPTIONS");
        ask.cseq = cseq.into();
        assert_eq!(wire.code_of(&ask), 400, "CSeq: {cseq}");
    }
    let sane = wire.ask("OPTIONS");
    assert_eq!(wire.code_of(&sane), 200);
}

#[test]
fn c02_transactions_match_by_branch() {
    let (_robot, mut wire) = robot(&["--ring"]);
    let invite = wire.ask("INVITE");
    wire.send(&invite);
    let first = wire.expect("180");
    wire.send(&invite);
    assert_eq!(wire.expect("180"), first, "the same branch is a retransmission");
    let mut merged = wire.ask("INVITE");
    merged.call_id = invite.call_id.clone();
    assert_eq!(wire.code_of(&merged), 482, "another branch of the same request is a merged one (RFC 3261 8.2.2.2)");
}

#[test]
fn c03_cseq_numbers_compare_as_numbers() {
    let (_robot, mut wire) = robot(&[]);
    let mut invite = wire.ask("INVITE");
    invite.cseq = "0007 INVITE".into();
    let answer = wire.final_of(&invite);
    let ack = wire.within(&answer, "ACK", 7);
    wire.send(&ack);
    let copies = wire.rest().len();
    assert!(copies <= 1, "the ACK with 7 is for 0007, yet {copies} copies came");
    let bye = wire.within(&answer, "BYE", 8);
    assert_eq!(wire.code_of(&bye), 200);
}

#[test]
fn c04_cseq_method_must_match_the_request() {
    let (_robot, mut wire) = robot(&[]);
    let mut ask = wire.ask("INVITE");
    ask.cseq = "1 OPTIONS".into();
    assert_eq!(wire.code_of(&ask), 400);
    ask = wire.ask("OPTIONS");
    ask.cseq = "1 options".into();
    assert_eq!(wire.code_of(&ask), 400, "methods compare with case");
}

#[test]
fn c06_cseq_number_range() {
    let (_robot, mut wire) = robot(&[]);
    for (number, due) in [("2147483647", 200), ("4294967295", 200), ("4294967296", 400), ("99999999999999999999", 400)]
    {
        let mut ask = wire.ask("OPTIONS");
        ask.cseq = format!("{number} OPTIONS");
        assert_eq!(wire.code_of(&ask), due, "CSeq {number}");
    }
}

#[test]
fn c07_cseq_0_and_any_start_accepted() {
    for start in [0, 1, 2_000_000_000] {
        let (_robot, mut wire) = robot(&[]);
        let mut invite = wire.ask("INVITE");
        invite.cseq = format!("{start} INVITE");
        let answer = wire.final_of(&invite);
        assert_eq!(code(&answer), 200, "CSeq {start}");
        let ack = wire.within(&answer, "ACK", start);
        wire.send(&ack);
        let bye = wire.within(&answer, "BYE", start + 1);
        assert_eq!(wire.code_of(&bye), 200);
    }
}

#[test]
fn c08_gaps_in_cseq_accepted() {
    let (_robot, mut wire) = robot(&[]);
    let answer = wire.call();
    let info = wire.within(&answer, "OPTIONS", 105);
    assert_eq!(wire.code_of(&info), 200);
    let bye = wire.within(&answer, "BYE", 4_000_000_000);
    assert_eq!(wire.code_of(&bye), 200);
}

#[test]
fn c10_retransmission_is_byte_identical() {
    let (_robot, mut wire) = robot(&["--for", "1"]);
    wire.call();
    let first = wire.expect("BYE");
    assert_eq!(wire.expect("BYE"), first, "a BYE that is not answered");
    let invite = wire.ask("INVITE");
    let first = wire.final_of(&invite);
    assert_eq!(wire.expect("200"), first, "a 200 that is not acknowledged");
}

#[test]
fn c12_response_echoes_cseq() {
    let (_robot, mut wire) = robot(&[]);
    let mut ask = wire.ask("OPTIONS");
    ask.cseq = "4711 OPTIONS".into();
    let answer = wire.final_of(&ask);
    assert_eq!(field(&answer, "CSeq").unwrap(), "4711 OPTIONS");
}

#[test]
fn c13_cseq_without_method_400() {
    let (_robot, mut wire) = robot(&[]);
    let mut ask = wire.ask("OPTIONS");
    ask.cseq = "1".into();
    let answer = wire.final_of(&ask);
    assert_eq!(code(&answer), 400);
    assert!(field(&answer, "Via").unwrap().contains(&ask.branch));
    assert_eq!(field(&answer, "From").unwrap(), ask.from);
    assert!(field(&answer, "To").unwrap().starts_with(&ask.to));
    assert_eq!(field(&answer, "Call-ID").unwrap(), ask.call_id);
}

#[test]
fn c16_remote_cseq_kept_per_dialog() {
    let (_robot, mut wire) = robot(&[]);
    let mut high = wire.ask("INVITE");
    high.cseq = "500 INVITE".into();
    let first = wire.final_of(&high);
    let ack = wire.within(&first, "ACK", 500);
    wire.send(&ack);
    // The same Call-ID from another party, as a fork upstream makes it: a dialog of its own, whose numbers begin low.
    let mut low = wire.ask("INVITE");
    low.from = low.from.replace("tag=tester", "tag=other");
    low.call_id = high.call_id.clone();
    low.cseq = "3 INVITE".into();
    let second = wire.final_of(&low);
    assert_eq!(code(&second), 200);
    let ack = wire.within(&second, "ACK", 3);
    wire.send(&ack);
    let bye = wire.within(&second, "BYE", 4);
    assert_eq!(wire.code_of(&bye), 200);
    let bye = wire.within(&first, "BYE", 501);
    assert_eq!(wire.code_of(&bye), 200);
}

#[test]
fn c17_lower_cseq_500_overlapping_invite() {
    let (_robot, mut wire) = robot(&[]);
    let mut invite = wire.ask("INVITE");
    invite.cseq = "10 INVITE".into();
    let answer = wire.final_of(&invite);
    // Before the ACK: 491, and the 200 goes on being repeated.
    let early = wire.within(&answer, "INVITE", 11);
    assert_eq!(wire.code_of(&early), 491);
    wire.expect("200 OK");
    let ack = wire.within(&answer, "ACK", 10);
    wire.send(&ack);
    for method in ["BYE", "INVITE"] {
        let lower = wire.within(&answer, method, 9);
        assert_eq!(wire.code_of(&lower), 500, "{method} with a lower number");
    }
    let bye = wire.within(&answer, "BYE", 12);
    assert_eq!(wire.code_of(&bye), 200, "the call was still there");
}

#[test]
fn c18_call_id_and_dialog_identity() {
    let (_robot, mut wire) = robot(&[]);
    let answer = wire.call();
    let mut strange = wire.within(&answer, "BYE", 2);
    strange.call_id = strange.call_id.to_uppercase();
    assert_eq!(wire.code_of(&strange), 481, "Call-IDs compare octet by octet");
    let mut strange = wire.within(&answer, "BYE", 2);
    strange.to += "x";
    assert_eq!(wire.code_of(&strange), 481, "another To tag is another dialog");
    let bye = wire.within(&answer, "BYE", 2);
    assert_eq!(wire.code_of(&bye), 200);
}

#[test]
fn c19_basic_call_flow() {
    let (_robot, mut wire) = robot(&[]);
    let invite = wire.ask("INVITE");
    wire.send(&invite);
    wire.expect("100 Trying");
    let ringing = wire.expect("180 Ringing");
    let answer = wire.expect("200 OK");
    assert_eq!(field(&ringing, "To"), field(&answer, "To"), "one dialog");
    assert_eq!(wire.expect("200 OK"), answer, "repeated until the ACK");
    let ack = wire.within(&answer, "ACK", 1);
    wire.send(&ack);
    let copies = wire.rest().len();
    assert!(copies <= 1, "{copies} copies after the ACK");
    let bye = wire.within(&answer, "BYE", 2);
    assert_eq!(wire.code_of(&bye), 200);
    let again = wire.within(&answer, "BYE", 3);
    assert_eq!(wire.code_of(&again), 481);
}

#[test]
fn c19_basic_call_flow_without_a_100_where_it_rings_before_one_is_due() {
    for (arguments, first) in [(&["--trying-ms", "200"][..], "SIP/2.0 180 "), (&[], "SIP/2.0 100 ")] {
        let (_robot, mut wire) = robot(arguments);
        let invite = wire.ask("INVITE");
        wire.send(&invite);
        let came = wire.next(PATIENCE).unwrap();
        assert!(came.starts_with(first), "{arguments:?}: {came}");
        let answer = wire.expect("200 OK");
        let bye = wire.within(&answer, "BYE", 2);
        assert_eq!(wire.code_of(&bye), 200);
    }
}

#[test]
fn c20_either_side_hangs_up() {
    let (_robot, mut wire) = robot(&["--for", "1"]);
    let answer = wire.call();
    let bye = wire.expect("BYE");
    assert_eq!(field(&bye, "Call-ID"), field(&answer, "Call-ID"));
    let echoed = |name| field(&bye, name).unwrap();
    wire.send_text(&format!(
        "SIP/2.0 200 OK\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {}\r\nContent-Length: 0\r\n\r\n",
        echoed("Via"),
        echoed("From"),
        echoed("To"),
        echoed("Call-ID"),
        echoed("CSeq")
    ));
    assert!(wire.rest().iter().all(|message| !message.starts_with("BYE")), "an answered BYE is not repeated");
}

#[test]
fn c21_offer_and_answer() {
    let (_robot, mut wire) = robot(&[]);
    let answer = wire.call();
    assert_eq!(field(&answer, "Content-Type").unwrap(), "application/sdp");
    assert!(answer.contains("m=audio ") && answer.contains(" RTP/AVP 0\r\n"), "{answer}");
    let mut refused = wire.ask("INVITE");
    refused.body = refused.body.replace("RTP/AVP 0", "RTP/AVP 99\r\na=rtpmap:99 nonsense/8000");
    assert_eq!(wire.code_of(&refused), 488);
}

#[test]
fn c22_invite_without_body() {
    let (_robot, mut wire) = robot(&[]);
    let mut invite = wire.ask("INVITE");
    invite.body.clear();
    let answer = wire.final_of(&invite);
    assert!(answer.contains("m=audio "), "the 200 carries the offer:\n{answer}");
    let mut ack = wire.within(&answer, "ACK", 1);
    ack.body = wire.offer();
    wire.send(&ack);
    let bye = wire.within(&answer, "BYE", 2);
    assert_eq!(wire.code_of(&bye), 200);
}

#[test]
fn c23_ack_only_for_invite_never_answered() {
    let (_robot, mut wire) = robot(&[]);
    let stray = wire.ask("ACK");
    wire.send(&stray);
    let mut broken = wire.ask("ACK");
    broken.without = vec!["Call-ID"];
    wire.send(&broken);
    assert_eq!(wire.rest(), Vec::<String>::new());
    let options = wire.ask("OPTIONS");
    assert_eq!(wire.code_of(&options), 200);
}

#[test]
fn c24_callee_may_send_bye() {
    let (_robot, mut wire) = robot(&["--for", "1"]);
    let answer = wire.call();
    let bye = wire.expect("BYE sip:tester@");
    assert_eq!(field(&bye, "From"), field(&answer, "To"), "the callee's own side of the dialog");
    assert_eq!(field(&bye, "To"), field(&answer, "From"));
}

#[test]
fn c25_cancel_rules() {
    let (_robot, mut wire) = robot(&["--ring"]);
    let invite = wire.ask("INVITE");
    wire.send(&invite);
    wire.expect("180");
    let mut cancel = wire.ask("CANCEL");
    (cancel.branch, cancel.call_id) = (invite.branch.clone(), invite.call_id.clone());
    wire.send(&cancel);
    let (one, other) = (wire.expect("SIP/2.0"), wire.expect("SIP/2.0"));
    let mut codes = [code(&one), code(&other)];
    codes.sort_unstable();
    assert_eq!(codes, [200, 487]);
    assert_eq!(field(&one, "To"), field(&other, "To"), "both from the same side of the dialog (RFC 3261 9.2)");
    let mut ack = wire.ask("ACK");
    (ack.branch, ack.call_id) = (invite.branch.clone(), invite.call_id.clone());
    ack.to = field(&one, "To").unwrap();
    wire.send(&ack);
    let late = super::wire::Ask { branch: "z9hG4bKnothing".into(), ..cancel };
    assert_eq!(wire.code_of(&late), 481, "a CANCEL for nothing");
}

#[test]
fn c25_cancel_after_the_answer_has_no_effect() {
    let (_robot, mut wire) = robot(&[]);
    let answer = wire.call();
    let mut cancel = wire.ask("CANCEL");
    cancel.call_id = field(&answer, "Call-ID").unwrap();
    cancel.branch = field(&answer, "Via").unwrap().split("branch=").nth(1).unwrap().split(';').next().unwrap().into();
    wire.send(&cancel);
    let answered = wire.expect("200 OK");
    assert_eq!(field(&answered, "CSeq").unwrap(), "1 CANCEL");
    let bye = wire.within(&answer, "BYE", 2);
    assert_eq!(wire.code_of(&bye), 200, "the call was still there");
}

#[test]
fn c26_options_answers_capabilities() {
    let (_robot, mut wire) = robot(&[]);
    let ask = wire.ask("OPTIONS");
    let answer = wire.final_of(&ask);
    assert_eq!(code(&answer), 200);
    for name in ["Allow", "Accept", "Accept-Encoding", "Accept-Language", "Supported"] {
        assert!(field(&answer, name).is_some(), "{name} is missing in\n{answer}");
    }
    assert!(field(&answer, "Allow").unwrap().contains("INVITE"));
}

#[test]
fn c27_register_adds_refreshes_lists_and_removes_bindings() {
    let file = offhook::configuration("digest = [\"md5\"]\n[register]\nmin_expires_secs = 60\n");
    let server = offhook::serve(&[&["--config", file.path().to_str().unwrap()], &offhook::USERS[..]].concat());
    let mut devices = Devices::of(&server.address);
    let mut register = |contact: Option<&str>, expires| {
        let number = devices.sent();
        let wish = Wish {
            user: "1001".into(),
            contact: contact.map(|host| format!("sip:1001@{host}")),
            expires,
            call_id: format!("c27-{number}"),
            cseq: 1,
        };
        let answer = devices.all(&[wish], "secret1").remove(0);
        let hosts = answer.contacts.iter().map(|(uri, left)| (uri.replace("sip:1001@", ""), *left)).collect::<Vec<_>>();
        (answer.code, hosts)
    };
    let bound = |host: &str, secs| (host.to_owned(), secs);
    assert_eq!(register(None, 0), (200, vec![]), "asks");
    assert_eq!(register(Some("a.example"), 600), (200, vec![bound("a.example", 600)]), "adds");
    assert_eq!(register(Some("b.example"), 3), (423, vec![]), "too brief");
    let (code, hosts) = register(Some("b.example"), 700);
    assert_eq!((code, hosts.len()), (200, 2), "adds another");
    let (code, hosts) = register(Some("a.example"), 900);
    assert!(code == 200 && hosts.contains(&bound("a.example", 900)), "refreshes: {hosts:?}");
    let (code, hosts) = register(Some("b.example"), 0);
    assert!(code == 200 && matches!(hosts.as_slice(), [(host, _)] if host == "a.example"), "removes: {hosts:?}");
}

#[test]
fn c30_start_lines_and_version_505() {
    let (_robot, mut wire) = robot(&[]);
    for (version, due) in [("SIP/2.0", 200), ("sip/2.0", 200), ("SIP/3.0", 505), ("SIP/1.0", 505)] {
        let mut ask = wire.ask("OPTIONS");
        ask.version = version;
        assert_eq!(wire.code_of(&ask), due, "{version}");
    }
    let unknown = wire.ask("DANCE");
    assert_eq!(wire.code_of(&unknown), 501);
}

#[test]
fn c31_mandatory_headers_max_forwards() {
    let (_robot, mut wire) = robot(&[]);
    for name in ["From", "To", "Call-ID", "CSeq"] {
        let mut ask = wire.ask("OPTIONS");
        ask.without = vec![name];
        assert_eq!(wire.code_of(&ask), 400, "without {name}");
    }
    let mut ask = wire.ask("OPTIONS");
    ask.without = vec!["Via"];
    wire.send(&ask);
    assert_eq!(wire.rest(), Vec::<String>::new(), "without a Via there is nowhere to answer");
    let mut ask = wire.ask("OPTIONS");
    ask.without = vec!["Max-Forwards"];
    assert_eq!(wire.code_of(&ask), 200, "absent counts as 70");
    let mut ask = wire.ask("OPTIONS");
    (ask.without, ask.more) = (vec!["Max-Forwards"], vec!["Max-Forwards: 0".into()]);
    assert_eq!(wire.code_of(&ask), 200, "0 matters only to who forwards");
}

#[test]
fn c36_call_by_ip_address_without_an_account() {
    let (mut robot, mut wire) = robot(&[]);
    let answer = wire.call();
    let bye = wire.within(&answer, "BYE", 2);
    assert_eq!(wire.code_of(&bye), 200);
    robot.wait_for("ended by caller");
}
