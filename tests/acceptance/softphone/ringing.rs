//! Calls that come in, before their answer.

use std::time::Duration;

use ua::EndedBy;

use super::{Ear, Phone, described, line, version};
use crate::acceptance::wire::{Wire, body, code, field};
use crate::program::PATIENCE;

#[test]
fn ta06_answer_180_183_200() {
    let phone = Phone::new();
    let mut wire = Wire::to(&phone.address());
    let invite = wire.ask("INVITE");
    wire.send(&invite);
    // Nobody has asked the endpoint for calls yet.
    let trying = wire.next(PATIENCE).unwrap();
    assert_eq!(code(&trying), 100, "{trying}");
    let incoming = phone.run(phone.endpoint.incoming()).unwrap();
    phone.run(incoming.ring()).unwrap();
    let ringing = wire.expect("180 Ringing");
    assert_eq!(body(&ringing), "");
    phone.run(incoming.progress_with_media()).unwrap();
    let progress = wire.expect("183 Session Progress");
    assert!(line(body(&progress), "m=audio ").ends_with(" RTP/AVP 0"), "{progress}");
    let (call, answer) = phone.meanwhile(incoming.answer(), || wire.acknowledged(&invite));
    assert_eq!(body(&answer), body(&progress), "one answer, word for word");
    assert_eq!(version(body(&answer)), version(body(&progress)));
    assert_eq!(field(&answer, "To"), field(&ringing, "To"), "one dialog");
    // `answer` has taken the call: a second answer does not compile (the documentation of `IncomingCall` shows it).
    assert!(!call.unwrap().is_over());
}

#[test]
fn ta07_answer_486_with_a_reason() {
    let phone = Phone::new();
    let mut wire = Wire::to(&phone.address());
    let invite = wire.ask("INVITE");
    let incoming = phone.rung(&wire, &invite);
    let ended = phone.run(incoming.reject(486, Some("Lunch")));
    let refused = wire.answer_within(&invite, PATIENCE).unwrap();
    assert!(refused.starts_with("SIP/2.0 486 Lunch\r\n"), "{refused}");
    assert_eq!((body(&refused), field(&refused, "Content-Length").as_deref()), ("", Some("0")));
    assert!(field(&refused, "To").unwrap().contains(";tag="), "{refused}");
    assert_eq!((ended.by, ended.code, ended.reason.as_str(), phone.calls()), (EndedBy::Us, 486, "Lunch", 0));
    // What a program shows as a reason is no way to write header fields.
    let invite = wire.ask("INVITE");
    let incoming = phone.rung(&wire, &invite);
    phone.run(incoming.reject(486, Some("Lunch\r\nX-Own: 1")));
    let refused = wire.answer_within(&invite, PATIENCE).unwrap();
    assert_eq!(field(&refused, "X-Own"), None, "{refused}");
}

#[test]
fn ta08_invite_without_an_offer() {
    let phone = Phone::new();
    let mut wire = Wire::to(&phone.address());
    let ear = Ear::new();
    let mut invite = wire.ask("INVITE");
    invite.body.clear();
    let incoming = phone.rung(&wire, &invite);
    let (call, answer) = phone.meanwhile(incoming.answer(), || {
        let answer = wire.answer_within(&invite, PATIENCE).unwrap();
        let mut ack = wire.within(&answer, "ACK", 1);
        ack.body = described(ear.port(), 1, "sendrecv");
        wire.send(&ack);
        answer
    });
    assert!(line(body(&answer), "m=audio ").ends_with(" RTP/AVP 0 8 101"), "the 200 carries an offer: {answer}");
    let call = call.unwrap();
    let _tone = call.audio().tone(440.0, None).unwrap();
    let packet = ear.hears();
    assert_eq!(packet[1] & 0x7F, 0, "PCMU, as the ACK says");
}

#[test]
fn ta09_default_rejection_is_603() {
    let phone = Phone::new();
    let mut wire = Wire::to(&phone.address());
    let invite = wire.ask("INVITE");
    let incoming = phone.rung(&wire, &invite);
    phone.run(incoming.ring()).unwrap();
    let ended = phone.run(incoming.reject(0, None));
    let refused = wire.answer_within(&invite, PATIENCE).unwrap();
    assert!(refused.starts_with("SIP/2.0 603 Decline\r\n"), "{refused}");
    assert_eq!(ended.code, 603);
    // As is one of which the program lets go.
    let invite = wire.ask("INVITE");
    drop(phone.rung(&wire, &invite));
    assert_eq!(code(&wire.answer_within(&invite, PATIENCE).unwrap()), 603);
}

#[test]
fn ta14_hang_up_before_the_ack_and_no_ack_at_all() {
    let phone = Phone::fast();
    let mut wire = Wire::to(&phone.address());
    let invite = wire.ask("INVITE");
    let incoming = phone.rung(&wire, &invite);
    // Given up after its 200, before the ACK.
    let answered = phone.run(async { tokio::time::timeout(Duration::from_millis(300), incoming.answer()).await });
    assert!(answered.is_err(), "it waits for the ACK");
    let answer = wire.expect("200 OK");
    for _ in 0..3 {
        assert_eq!(wire.next(PATIENCE).unwrap(), answer, "no BYE before the ACK");
    }
    let ack = wire.within(&answer, "ACK", 1);
    wire.send(&ack);
    let bye = wire.expect("BYE");
    wire.reply(&bye, "200 OK", "", "");
    assert_eq!(phone.calls(), 0);
    // Nobody hangs up, and no ACK comes in 64*T1, which are 3.2 s.
    let invite = wire.ask("INVITE");
    let incoming = phone.rung(&wire, &invite);
    let began = std::time::Instant::now();
    let (call, copies) = phone.meanwhile(incoming.answer(), || {
        let mut copies = Vec::new();
        while let Some(message) = wire.next(PATIENCE) {
            if message.starts_with("BYE ") {
                wire.reply(&message, "200 OK", "", "");
                break;
            }
            if code(&message) == 200 {
                copies.push((began.elapsed(), message));
            }
        }
        copies
    });
    assert!(call.is_err() && phone.calls() == 0);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(3_200) && took < Duration::from_millis(4_500), "{took:?}");
    assert!(copies.windows(2).all(|pair| pair[0].1 == pair[1].1));
    // T1, doubling to T2: after 50, 100, 200, then each 400 ms. None is seen before it is due, however late those before it were seen.
    let seen: Vec<Duration> = copies.iter().map(|(at, _)| *at).collect();
    for (at, due) in seen.iter().zip([0, 50, 150, 350, 750, 1_150, 1_550, 1_950, 2_350, 2_750, 3_150]) {
        assert!(*at >= Duration::from_millis(due), "{seen:?}");
    }
    assert!((8..=11).contains(&copies.len()), "{seen:?}");
}
