//! What a standing call costs, and how it survives.

use super::network::*;
use super::{NO_CODE, called};
use crate::dialog::{Phase, Record, Role};
use crate::draft::ContactSpec;
use crate::message::{Lines, Method};

#[test]
fn dialogs_can_be_written_and_adopted_again() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = called(&mut net);
    let record = net.turn(a, |turn| turn.dialog_of(s).unwrap().to_record());
    assert_eq!(record.phase, Phase::Confirmed);
    // Another stack with the address of the first: the first is cut off.
    let mut other = Network::new();
    let (b, q) = (other.stack(|_| {}), other.raw());
    assert_eq!((a, r), (b, q));
    let t = other.turn(b, |turn| turn.adopt(&record)).unwrap();
    assert!(other.turn(b, |turn| turn.adopt(&record)).is_err(), "once");
    assert_eq!((other.usage(b).sessions, other.usage(b).dialogs), (1, 1));
    let info = peer.request("INFO", "", "");
    other.say(q, b, &info);
    other.settle();
    assert_eq!(other.news(b), ["Request"]);
    let lower = peer.numbered("INFO", 1, "", "");
    other.say(q, b, &lower);
    other.settle();
    assert_eq!(kinds(&other.inbox(q)), ["500 INFO"], "the numbers go on");
    other.turn(b, |turn| turn.in_dialog(t, Method::Info, Lines::default(), None)).unwrap();
    other.settle();
    let ours = other.one(q);
    assert_eq!((cseq(&ours), header(&ours, "To")), (record.local_cseq + 1, peer.local.as_str()));
    other.turn(b, |turn| turn.hangup(t, NO_CODE, Lines::default())).unwrap();
    other.assert_nothing_left();
}

#[test]
fn early_dialogs_are_not_adopted() {
    let mut net = Network::new();
    let (a, _, s, _) = called(&mut net);
    let record = net.turn(a, |turn| Record { phase: Phase::Early, ..turn.dialog_of(s).unwrap().to_record() });
    let b = net.stack(|_| {});
    assert!(net.turn(b, |turn| turn.adopt(&record)).is_err());
    assert_eq!(net.usage(b).sessions, 0);
}

/// A dialog with texts of the usual lengths: Call-ID 36, tags 10 and 17, URIs 35, target 39, one route 61.
fn usual(n: u32) -> Record {
    Record {
        call_id: format!("{n:08x}-0000-4000-8000-{:012x}", n),
        local: "<sip:alice.some@atlanta.example.com>".into(),
        local_tag: format!("{n:010}"),
        remote: "<sip:bob.someone@biloxi.example.com>".into(),
        remote_tag: format!("{n:017}"),
        remote_target: "sip:bob.someone@198.51.100.77:5060;ob=1".into(),
        contact: ContactSpec::Auto { user: Some("alice".into()), params: String::new() },
        routes: vec!["<sip:proxy-07.atlanta.example.com:5060;lr;ftag=1234567890abc>".into()],
        local_cseq: n,
        remote_cseq: Some(n),
        role: Role::Callee,
        phase: Phase::Confirmed,
        secure: false,
        path: None,
    }
}

#[test]
fn standing_call_costs_at_most_600_bytes() {
    const CALLS: u32 = 20_000;
    let mut net = Network::new();
    let a = net.stack(|_| {});
    for n in 0..CALLS {
        net.turn(a, |turn| turn.adopt(&usual(n))).unwrap();
    }
    let bytes = net.turn(a, |turn| turn.stack.sessions.heap_size());
    let each = bytes / CALLS as usize;
    println!("{each} bytes for a standing call");
    assert!(each <= 600, "{each} bytes for a standing call");
    assert!(each >= 300, "{each}: the text alone is that long");
}

#[test]
fn answered_call_costs_no_more_than_its_dialog_after_64_t1() {
    let mut net = Network::new();
    let (a, _, _, _) = called(&mut net);
    let before = net.turn(a, |turn| turn.stack.sessions.parts_under_way());
    net.run(40_000);
    let after = net.turn(a, |turn| turn.stack.sessions.parts_under_way());
    assert_eq!((before, after), (0, 0), "after the ACK nothing but session and dialog");
    let usage = net.usage(a);
    assert_eq!((usage.server_transactions, usage.timers, usage.matches), (0, 0, 0));
}
