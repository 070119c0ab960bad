//! Requests in a call that cross, come too late or are broken; what is looked at first.

use std::time::{Duration, Instant};

use super::{Device, Pair, Server, code, field, number, server};
use crate::acceptance::wire::{Ask, Wire};
use crate::program::PATIENCE;

/// The ACK of a refusal.
fn acknowledge(wire: &Wire, refused: &Ask, response: &str) {
    let to = field(response, "To").unwrap();
    let cseq = format!("{} ACK", number(response));
    wire.send(&Ask { method: "ACK", to, cseq, body: String::new(), ..refused.clone() });
}

/// That a Retry-After is one of the RFC's 0 to 10 s.
fn soon(response: &str) {
    let after: u32 = field(response, "Retry-After").unwrap_or_else(|| panic!("{response}")).parse().unwrap();
    assert!(after <= 10, "{response}");
}

#[test]
fn tb28_overlapping_reinvites_of_the_device() {
    let server = server("");
    let mut pair = Pair::up(&server);
    // Both sides at once.
    let mut first = pair.of_caller("INVITE", 3);
    first.body = first.body.replace("- 1 1", "- 1 2") + "a=sendonly\r\n";
    pair.caller.wire.send(&first);
    let passed_on = pair.callee.asked("INVITE");
    let crossing = pair.of_callee("INVITE", 1);
    let refused = pair.callee.wire.final_of(&crossing);
    assert_eq!(code(&refused), 491);
    acknowledge(&pair.callee.wire, &crossing, &refused);
    // A second one of the first side, whose first has no answer yet.
    let second = pair.of_caller("INVITE", 4);
    let refused = pair.caller.wire.final_of(&second);
    assert_eq!(code(&refused), 500);
    soon(&refused);
    acknowledge(&pair.caller.wire, &second, &refused);
    // The first goes on.
    pair.callee.wire.reply(&passed_on, "200 OK", "", &(pair.callee.wire.offer() + "a=recvonly\r\n"));
    let answer = pair.caller.wire.answer_within(&first, PATIENCE).unwrap();
    assert!(code(&answer) == 200 && answer.contains("a=recvonly"), "{answer}");
    // In place of the ACK.
    let early = pair.of_caller("INVITE", 5);
    let refused = pair.caller.wire.final_of(&early);
    assert_eq!(code(&refused), 491);
    acknowledge(&pair.caller.wire, &early, &refused);
    assert_eq!(pair.caller.wire.expect("200 OK"), answer, "still repeated");
    let ack = pair.of_caller("ACK", 3);
    pair.caller.wire.send(&ack);
    let bye = pair.of_caller("BYE", 6);
    assert_eq!(pair.caller.wire.code_of(&bye), 200);
}

#[test]
fn tb28_overlapping_reinvites_of_the_pbx() {
    let server = server("");
    // The PBX has called the callee, so that the Call-ID of that leg is its own; that of the other leg is the caller's.
    for (to_callee, least, most) in [(true, 2_100, 4_000), (false, 0, 2_000)] {
        let mut pair = Pair::up(&server);
        for agrees in [true, false] {
            let cseq = if agrees { 10 } else { 11 };
            let mut change = if to_callee { pair.of_caller("INVITE", cseq) } else { pair.of_callee("INVITE", cseq) };
            change.body = change.body.replace("- 1 1", &format!("- 1 {cseq}")) + "a=sendonly\r\n";
            let (asker, asked) = match to_callee {
                true => (&mut pair.caller, &mut pair.callee),
                false => (&mut pair.callee, &mut pair.caller),
            };
            asker.wire.send(&change);
            let crossed = asked.asked("INVITE");
            let refused = Instant::now();
            asked.reply(&crossed, "491 Request Pending");
            asked.asked("ACK");
            let again = asked.asked("INVITE");
            let waited = refused.elapsed();
            let slack = Duration::from_millis(400);
            assert!(
                waited >= Duration::from_millis(least) && waited <= Duration::from_millis(most) + slack,
                "{waited:?}"
            );
            assert!(number(&again) > number(&crossed), "{again}");
            if agrees {
                asked.wire.reply(&again, "200 OK", "", &(asked.wire.offer() + "a=recvonly\r\n"));
                asked.asked("ACK");
                assert_eq!(code(&asker.ends(&change)), 200);
                continue;
            }
            asked.reply(&again, "491 Request Pending");
            asked.asked("ACK");
            assert_eq!(code(&asker.ends(&change)), 491, "not tried a third time");
        }
        // The call goes on unchanged.
        let options = pair.of_caller("OPTIONS", 20);
        assert_eq!(pair.caller.wire.code_of(&options), 200);
        let bye = pair.of_callee("BYE", 20);
        assert_eq!(pair.callee.wire.code_of(&bye), 200);
        pair.caller.asked("BYE");
    }
}

#[test]
fn tb29_cseq_and_mandatory_headers() {
    let server = server("");
    let mut alice = Device::new(&server, "alice");
    let mut invite = alice.invite("600");
    invite.cseq = "100 INVITE".into();
    let mut signed = alice.wire.signed(&invite, "alice", "a");
    signed.cseq = "101 INVITE".into();
    alice.wire.send(&signed);
    let answer = alice.ends(&signed);
    assert_eq!(code(&answer), 200, "{answer}");
    let lower = alice.wire.within(&answer, "BYE", 99);
    assert_eq!(alice.wire.code_of(&lower), 500);
    let lower = alice.wire.within(&answer, "INVITE", 99);
    let refused = alice.wire.final_of(&lower);
    assert_eq!(code(&refused), 500);
    soon(&refused);
    acknowledge(&alice.wire, &lower, &refused);
    let gap = alice.wire.within(&answer, "OPTIONS", 201);
    let answered = alice.wire.final_of(&gap);
    assert_eq!(code(&answered), 200);
    assert_eq!(alice.wire.final_of(&gap), answered, "a repeated request gets the same answer");
    for (cseq, method) in [("202 INVITE", "OPTIONS"), ("202 BYE", "INFO"), ("202", "OPTIONS")] {
        let mut wrong = alice.wire.within(&answer, method, 202);
        wrong.cseq = cseq.into();
        let refused = alice.wire.final_of(&wrong);
        assert_eq!(code(&refused), 400, "CSeq: {cseq}");
        assert!(field(&refused, "Via").unwrap().contains(&wrong.branch));
    }
    for name in ["Call-ID", "From", "To", "CSeq"] {
        let mut without = alice.wire.within(&answer, "OPTIONS", 203);
        without.without = vec![name];
        let refused = alice.wire.final_of(&without);
        assert_eq!(code(&refused), 400, "without {name}");
        assert!(field(&refused, "Via").unwrap().contains(&without.branch));
    }
    let mut silent = vec![alice.wire.within(&answer, "OPTIONS", 204)];
    silent[0].without = vec!["Via"];
    for name in ["Call-ID", "From", "To", "CSeq"] {
        let mut ack = alice.wire.within(&answer, "ACK", 101);
        ack.without = vec![name];
        silent.push(ack);
    }
    for cseq in ["101", "101 OPTIONS", "4 ACK"] {
        let mut ack = alice.wire.within(&answer, "ACK", 101);
        ack.cseq = cseq.into();
        silent.push(ack);
    }
    for ask in &silent {
        alice.wire.send(ask);
    }
    assert_eq!(alice.wire.rest(), Vec::<String>::new());
    let bye = alice.wire.within(&answer, "BYE", 205);
    assert_eq!(alice.wire.code_of(&bye), 200, "the call was still there");
}

/// The answer to OPTIONS about this, of a stranger.
fn options(server: &Server, uri: &str, lines: &[&str]) -> String {
    let mut wire = Wire::to(&server.address);
    let mut ask = wire.ask("OPTIONS");
    ask.uri = uri.replace("{}", &server.address);
    ask.more = lines.iter().map(|line| (*line).to_owned()).collect();
    wire.final_of(&ask)
}

#[test]
fn tb15_unknown_require_and_the_order_of_checks() {
    let server = server("");
    let mut alice = Device::new(&server, "alice");
    let mut invite = alice.invite("600");
    invite.more = vec!["Require: foo".into()];
    // `signed` sees the 401 before anything else is said.
    let signed = alice.wire.signed(&invite, "alice", "a");
    alice.wire.send(&signed);
    let refused = alice.ends(&signed);
    assert_eq!((code(&refused), field(&refused, "Unsupported").as_deref()), (420, Some("foo")), "{refused}");
    let mut invite = alice.invite("600");
    invite.more = vec!["Require: replaces".into()];
    let signed = alice.wire.signed(&invite, "alice", "a");
    alice.wire.send(&signed);
    let taken = alice.ends(&signed);
    assert_eq!(code(&taken), 200, "{taken}");
    let bye = alice.wire.within(&taken, "BYE", 3);
    assert_eq!(alice.wire.code_of(&bye), 200);

    let [required, scheme, user] = [("sip:600@{}", "Require: foo"), ("mailto:x@y", "X: y"), ("sip:999@{}", "X: y")];
    let open = options(&server, required.0, &[required.1]);
    assert_eq!((code(&open), field(&open, "Unsupported").as_deref()), (420, Some("foo")), "{open}");
    assert_eq!(code(&options(&server, scheme.0, &[scheme.1])), 416);
    assert_eq!(code(&options(&server, user.0, &[user.1])), 404);
    let server = self::server("options_auth = true\n");
    for (uri, line) in [required, scheme, user] {
        assert_eq!(code(&options(&server, uri, &[line])), 401, "{uri} {line}");
    }
}
