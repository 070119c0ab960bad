//! Digits and texts within a call.

use std::time::{Duration, Instant};

use ua::{CallError, CallEvent, DigitBy};

use super::{Ear, Phone};
use crate::acceptance::wire::{Callee, Wire, body, code, field};
use crate::program::PATIENCE;

/// A packet of a telephone event (RFC 4733 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Press {
    marker: bool,
    timestamp: u32,
    event: u8,
    end: bool,
    duration: u16,
}

/// A packet of this payload type.
fn press(packet: &[u8], payload_type: u8) -> Option<Press> {
    let [_, kind, _, _, a, b, c, d, _, _, _, _, event, flags, high, low] = *packet else { return None };
    (kind & 0x7F == payload_type).then_some(Press {
        marker: kind & 0x80 != 0,
        timestamp: u32::from_be_bytes([a, b, c, d]),
        event,
        end: flags & 0x80 != 0,
        duration: u16::from_be_bytes([high, low]),
    })
}

#[test]
fn ta30_dtmf_by_telephone_event() {
    let phone = Phone::new();
    let (mut wire, ear) = (Wire::to(&phone.address()), Ear::new());
    let mut invite = wire.ask("INVITE");
    // A payload type that nobody takes for granted.
    invite.body = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 0 117\r\n\
         a=rtpmap:117 telephone-event/8000\r\na=fmtp:117 0-15\r\n",
        ear.port()
    );
    let incoming = phone.rung(&wire, &invite);
    let (call, _) = phone.meanwhile(incoming.answer(), || wire.acknowledged(&invite));
    let call = call.unwrap();
    let refused = phone.run(call.dtmf("1X"));
    assert!(matches!(refused, Err(CallError::BadText { .. })), "{refused:?}");
    phone.run(call.dtmf("12#")).unwrap();
    let (mut presses, began) = (Vec::new(), Instant::now());
    while presses.iter().filter(|one: &&Press| one.event == 11 && one.end).count() < 3 {
        assert!(began.elapsed() < PATIENCE, "{presses:?}");
        presses.extend(press(&ear.hears(), 117));
    }
    let events: Vec<&[Press]> = presses.chunk_by(|a, b| a.event == b.event).collect();
    assert_eq!(events.iter().map(|event| event[0].event).collect::<Vec<_>>(), [1, 2, 11], "in order, and no 1 of 1X");
    for event in events {
        let ends: Vec<&Press> = event.iter().filter(|press| press.end).collect();
        assert!(ends.len() >= 3, "{event:?}");
        assert!(ends.iter().all(|press| press.duration == 1_600), "{event:?}");
        assert!(event.iter().all(|press| press.timestamp == event[0].timestamp), "{event:?}");
        let markers: Vec<bool> = event.iter().map(|press| press.marker).collect();
        assert!(markers[0] && markers[1..].iter().all(|marker| !marker), "{event:?}");
    }
}

#[test]
fn ta31_dtmf_by_info() {
    let (phone, mut callee) = (Phone::fast(), Callee::new());
    let (call, invite, _) = phone.call(&mut callee);
    let (sent, ()) = phone.meanwhile(call.dtmf_info("12#"), || {
        for digit in ["1", "2", "#"] {
            let info = callee.request("INFO");
            assert_eq!(field(&info, "Content-Type").as_deref(), Some("application/dtmf-relay"));
            assert_eq!(body(&info), format!("Signal={digit}\r\nDuration=160\r\n"));
            callee.reply(&info, "200 OK", "");
        }
    });
    sent.unwrap();
    let mut events = call.events();
    let mut info = callee.within(&invite, "INFO", 1);
    info.more.push("Content-Type: application/dtmf-relay".into());
    info.body = "Signal=5\r\nDuration=160\r\n".into();
    assert_eq!(callee.wire().code_of(&info), 200);
    let pressed = CallEvent::Digit { digit: '5', duration: Duration::from_millis(160), by: DigitBy::Info };
    while phone.run(events.next()).expect("an event") != pressed {}
    let mut broken = callee.within(&invite, "INFO", 2);
    broken.more.push("Content-Type: application/dtmf-relay".into());
    broken.body = "Duration=160\r\n".into();
    assert_eq!(callee.wire().code_of(&broken), 400);
    // Without an answer the digit fails after 64*T1, 3.2 s here, and the call goes on.
    let began = Instant::now();
    assert_eq!(phone.run(call.dtmf_info("7")), Err(CallError::NoAnswer { after: None }));
    assert!(began.elapsed() >= Duration::from_millis(3_200), "{:?}", began.elapsed());
    assert!(!call.is_over());
    let options = callee.within(&invite, "OPTIONS", 3);
    assert_eq!(callee.wire().code_of(&options), 200);
}

/// What a call without an answer would send texts by.
trait Unanswered {
    fn message(&self, _text: &str) -> NotYet {
        NotYet
    }
}

struct NotYet;

impl Unanswered for ua::Dialing {}

#[test]
fn ta32_message_in_a_dialog() {
    let (phone, mut callee) = (Phone::new(), Callee::new());
    let (dialing, invite) = phone.dial(&mut callee);
    // With a `message` in the API of `Dialing` this line does not compile.
    let NotYet = dialing.message("too early");
    callee.reply(&invite, "200 OK", "");
    let call = phone.run(dialing.answer()).unwrap();
    let text = "Grüße 😀\r\n\r\nzwei";
    let ack = callee.request("ACK");
    for (status, is_taken) in [("200 OK", true), ("415 Unsupported Media Type", false)] {
        let (told, message) = phone.meanwhile(call.message(text), || {
            let message = callee.request("MESSAGE");
            callee.reply(&message, status, "");
            message
        });
        assert!(field(&message, "Content-Type").unwrap().starts_with("text/plain"), "{message}");
        assert_eq!(body(&message), text);
        assert_eq!((field(&message, "To"), field(&message, "From")), (field(&ack, "To"), field(&ack, "From")));
        match told {
            Ok(answer) => assert!(is_taken && answer.code == 200, "{answer:?}"),
            Err(why) => assert_eq!(
                (is_taken, why),
                (
                    false,
                    CallError::Rejected { code: 415, reason: "Unsupported Media Type".into(), told: Box::default() }
                )
            ),
        }
    }
    // And the other way.
    let mut events = call.events();
    let mut message = callee.within(&invite, "MESSAGE", 1);
    message.more.push("Content-Type: text/plain".into());
    message.body = text.into();
    assert_eq!(code(&callee.wire().final_of(&message)), 200);
    let told = std::iter::from_fn(|| phone.run(events.next())).find_map(|event| match event {
        CallEvent::Message(message) => Some(message),
        _ => None,
    });
    assert_eq!(told.unwrap().text, text);
    // After the end there is nowhere to send it.
    let bye = callee.within(&invite, "BYE", 2);
    assert_eq!(callee.wire().code_of(&bye), 200);
    phone.run(call.ended());
    assert_eq!(phone.run(call.message(text)), Err(CallError::Ended));
}
