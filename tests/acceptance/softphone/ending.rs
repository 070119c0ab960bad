//! How calls end.

use std::time::{Duration, Instant};

use ua::{EndedBy, Farewell};

use super::{Ear, Phone, described};
use crate::acceptance::wire::{Callee, Wire, field, number};
use crate::program::PATIENCE;

#[test]
fn ta13_bye_on_a_confirmed_call() {
    let (phone, mut callee) = (Phone::new(), Callee::new());
    let (call, invite, _) = phone.call(&mut callee);
    let ended = phone.run(call.hangup());
    assert_eq!((ended.by, ended.code, ended.reason.as_str()), (EndedBy::Us, 200, "Normal call clearing"));
    let bye = callee.request("BYE");
    assert_eq!(number(&bye), number(&invite) + 1);
    callee.reply(&bye, "200 OK", "");
    // A hang-up of what has ended is a success and sends nothing.
    let (call, invite, _) = phone.call(&mut callee);
    let bye = callee.within(&invite, "BYE", 1);
    assert_eq!(callee.wire().code_of(&bye), 200);
    phone.run(call.ended());
    let sent = phone.sent();
    let ended = phone.run(call.hangup());
    assert_eq!((ended.by, ended.code), (EndedBy::Peer, 200));
    assert_eq!((callee.wire().rest(), phone.sent()), (Vec::new(), sent));
}

#[test]
fn ta15_remote_bye() {
    let (phone, mut callee, ear) = (Phone::new(), Callee::new(), Ear::new());
    let (dialing, invite) = phone.dial(&mut callee);
    callee.describe(&invite, "200 OK", &described(ear.port(), 1, "sendrecv"));
    let call = phone.run(dialing.answer()).unwrap();
    callee.request("ACK");
    let _tone = call.audio().tone(440.0, None).unwrap();
    ear.hears();
    assert!(phone.run(call.stats()).is_some());
    let bye = callee.within(&invite, "BYE", 1);
    assert_eq!(callee.wire().code_of(&bye), 200);
    assert!(ear.falls_silent_within(Duration::from_millis(100)), "packets later than 100 ms after the BYE");
    let ended = phone.run(call.ended());
    assert_eq!((ended.by, ended.code, phone.calls()), (EndedBy::Peer, 200, 0));
    assert!(phone.run(call.stats()).is_none(), "there is nothing to report on any longer");
}

#[test]
fn ta16_remote_silent_to_bye() {
    let (phone, mut callee) = (Phone::fast(), Callee::new());
    let (call, _, _) = phone.call(&mut callee);
    let began = Instant::now();
    let ((ended, farewell), copies) = phone.meanwhile(call.hangup_within(PATIENCE), || {
        let mut copies = vec![callee.request("BYE")];
        // Timer F is 3.2 s here; the longest wait between two copies is T2, 0.4 s.
        while let Some(copy) = callee.next(Duration::from_millis(1_500)) {
            copies.push(copy);
        }
        copies
    });
    assert_eq!((ended.by, ended.code, farewell), (EndedBy::Us, 200, Farewell::Silent));
    assert!(copies.iter().all(|copy| *copy == copies[0]), "{copies:?}");
    // Timer E: 50, 100, 200, then every 400 ms until 3.2 s have passed.
    assert!((9..=11).contains(&copies.len()), "{} copies", copies.len());
    assert!(began.elapsed() > Duration::from_millis(3_200));
    let usage = phone.run(phone.endpoint.usage()).unwrap();
    assert_eq!((usage.calls, usage.stack.sessions, usage.stack.dialogs, usage.streams), (0, 0, 0, 0));
}

#[test]
fn ta16_a_call_is_freed_before_its_bye_is_answered() {
    let phone = Phone::new();
    let mut wire = Wire::to(&phone.address());
    let (call, _, answer) = phone.taken(&mut wire);
    phone.run(call.hangup());
    assert_eq!(phone.calls(), 0);
    let bye = wire.expect("BYE");
    assert_eq!(field(&bye, "Call-ID"), field(&answer, "Call-ID"));
    assert_eq!(wire.expect("BYE"), bye, "repeated");
    wire.reply(&bye, "200 OK", "", "");
    let again = wire.within(&answer, "BYE", 2);
    assert_eq!(wire.code_of(&again), 481);
}
