//! Who is watched, and who is writing.

use std::time::{Duration, Instant};

use ua::composing::{self, IsComposing};
use ua::{AccountConfig, Buddy, CallError, CallEvent, Said, SubscribeError};

use super::Phone;
use crate::acceptance::wire::{Ask, Callee, Wire, body, field};

/// Whether a message says that its sender writes; it is one of that kind, and whole.
fn writes(message: &str) -> bool {
    assert_eq!(field(message, "Content-Type").as_deref(), Some("application/im-iscomposing+xml"), "{message}");
    let text = body(message);
    assert!(text.contains("urn:ietf:params:xml:ns:im-iscomposing"), "{text}");
    let state = text.split("<state>").nth(1).and_then(|rest| rest.split("</state>").next()).expect("a state");
    assert!(["active", "idle"].contains(&state), "{text}");
    state == "active"
}

/// The same of a peer that says it. Not sent.
fn says(mut message: Ask, active: bool) -> Ask {
    let state = if active { "active" } else { "idle" };
    message.more.push("Content-Type: application/im-iscomposing+xml".into());
    message.body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>{state}</state></isComposing>"
    );
    message
}

/// A text. Not sent.
fn text(mut message: Ask, text: &str) -> Ask {
    message.more.push("Content-Type: text/plain".into());
    message.body = text.into();
    message
}

fn status(active: bool) -> IsComposing {
    IsComposing { active, ..IsComposing::default() }
}

#[test]
fn ta33_typing_indication_in_a_call() {
    let (phone, mut callee) = (Phone::new(), Callee::new());
    let (call, invite, ack) = phone.call(&mut callee);
    for active in [true, false] {
        let written = status(active).write();
        let (sent, message) = phone.meanwhile(call.message_as(composing::TYPE, written.as_bytes()), || {
            let message = callee.request("MESSAGE");
            callee.reply(&message, "200 OK", "");
            message
        });
        assert_eq!((sent.unwrap().code, writes(&message)), (200, active));
        assert_eq!((field(&message, "To"), field(&message, "From")), (field(&ack, "To"), field(&ack, "From")));
    }
    let refused = phone.run(call.message_as("no type", b"x"));
    assert!(matches!(refused, Err(CallError::BadText { .. })), "{refused:?}");
    // And the other way: none of it is a text.
    let mut events = call.events();
    for (cseq, active) in (1..).zip([true, false]) {
        let message = says(callee.within(&invite, "MESSAGE", cseq), active);
        assert_eq!(callee.wire().code_of(&message), 200);
    }
    let message = text(callee.within(&invite, "MESSAGE", 3), "lunch?");
    assert_eq!(callee.wire().code_of(&message), 200);
    let mut broken = says(callee.within(&invite, "MESSAGE", 4), true);
    broken.body.truncate(60);
    assert_eq!(callee.wire().code_of(&broken), 400);
    phone.run(call.hangup());
    let told: Vec<CallEvent> = std::iter::from_fn(|| phone.run(events.next()))
        .filter(|event| matches!(event, CallEvent::Composing(_) | CallEvent::Message(_)))
        .collect();
    let [CallEvent::Composing(first), CallEvent::Composing(second), CallEvent::Message(last)] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((first, second, last.text.as_str()), (&status(true), &status(false), "lunch?"));
}

#[test]
fn ta33_typing_indication_outside_of_calls() {
    let (phone, mut peer) = (Phone::new(), Callee::new());
    let account = phone.run(phone.endpoint.account(AccountConfig::new("sip:alice@example.org"))).unwrap();
    let uri = peer.uri();
    for active in [true, false] {
        let written = status(active).write();
        let (sent, message) = phone.meanwhile(account.message_as(&uri, composing::TYPE, written.as_bytes()), || {
            let message = peer.request("MESSAGE");
            peer.reply(&message, "200 OK", "");
            message
        });
        assert_eq!((sent.unwrap().code, writes(&message)), (200, active));
        assert!(!field(&message, "To").unwrap().contains(";tag="), "{message}");
    }
    // And the other way, for who wants to know it and for who reads texts alone.
    let mut wire = Wire::to(&phone.address());
    let tester = format!("sip:tester@{}", wire.local());
    for wants in [true, false] {
        for message in [says(wire.ask("MESSAGE"), true), says(wire.ask("MESSAGE"), false)] {
            assert_eq!(wire.code_of(&message), 200);
        }
        let message = text(wire.ask("MESSAGE"), "lunch?");
        assert_eq!(wire.code_of(&message), 200);
        if wants {
            for active in [true, false] {
                let said = phone.run(phone.endpoint.said());
                assert_eq!(said, Some(Said::Composing { from: tester.clone(), status: status(active) }));
            }
        }
        let text = phone.run(phone.endpoint.messages()).unwrap();
        assert_eq!((text.text.as_str(), text.from.as_str()), ("lunch?", tester.as_str()));
    }
}

/// A subscription to the presence of a peer: it, and the SUBSCRIBE.
fn watched(phone: &Phone, peer: &mut Callee) -> (Buddy, String) {
    let account = phone.run(phone.endpoint.account(AccountConfig::new("sip:alice@example.org"))).unwrap();
    let buddy = phone.run(account.buddy(&peer.uri())).unwrap();
    (buddy, peer.request("SUBSCRIBE"))
}

/// A NOTIFY of a subscription in this state, and of presence where `basic` says so: sent and answered 200.
fn notified(peer: &mut Callee, subscribe: &str, (cseq, state): (u32, &str), basic: Option<&str>) {
    let mut ask = peer.within(subscribe, "NOTIFY", cseq);
    ask.more = vec!["Event: presence".to_owned(), format!("Subscription-State: {state}")];
    if let Some(basic) = basic {
        ask.more.push("Content-Type: application/pidf+xml".into());
        ask.body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"{}\"><tuple id=\"t1\"><status>\
             <basic>{basic}</basic></status></tuple></presence>",
            peer.uri()
        );
    }
    assert_eq!(peer.wire().code_of(&ask), 200, "{state}");
}

/// What keeps the buddy from being watched.
fn failure(buddy: &Buddy) -> SubscribeError {
    buddy.failure().expect("it has failed").clone()
}

#[test]
fn ta42_presence_subscription() {
    let (phone, mut peer) = (Phone::new(), Callee::new());
    let (mut buddy, subscribe) = watched(&phone, &mut peer);
    assert!(subscribe.starts_with(&format!("SUBSCRIBE {} SIP/2.0\r\n", peer.uri())), "{subscribe}");
    let asked = ["Event", "Expires", "Accept"].map(|name| field(&subscribe, name).unwrap());
    assert_eq!(asked, ["presence", "600", "application/pidf+xml"]);
    peer.reply(&subscribe, "200 OK", "Expires: 600\r\n");
    for (cseq, basic) in (1..).zip(["open", "closed", "open"]) {
        notified(&mut peer, &subscribe, (cseq, "active;expires=600"), Some(basic));
        assert!(phone.run(buddy.changed()));
        assert_eq!((buddy.is_reachable(), buddy.failure()), (basic == "open", None), "{basic}");
    }
    // It may come back: at once, and anew.
    let ended = Instant::now();
    notified(&mut peer, &subscribe, (4, "terminated;reason=deactivated"), None);
    let again = peer.request("SUBSCRIBE");
    assert!(ended.elapsed() < Duration::from_secs(1), "{:?}", ended.elapsed());
    assert_ne!(field(&again, "Call-ID"), field(&subscribe, "Call-ID"));
    assert!(!field(&again, "To").unwrap().contains(";tag="), "{again}");
    assert!(phone.run(buddy.changed()) && !buddy.is_reachable());
    assert_eq!(failure(&buddy), SubscribeError::Terminated { reason: Some("deactivated".into()) });
    peer.reply(&again, "200 OK", "Expires: 600\r\n");
    notified(&mut peer, &again, (1, "active;expires=600"), Some("open"));
    assert!(phone.run(buddy.changed()) && buddy.is_reachable());
}

#[test]
fn ta42_presence_subscription_that_is_not_made_again() {
    let phone = Phone::new();
    let subscriptions = || phone.run(phone.endpoint.usage()).unwrap().stack.subscriptions;
    // Refused at once.
    let mut peer = Callee::new();
    let (mut buddy, subscribe) = watched(&phone, &mut peer);
    peer.reply(&subscribe, "403 Forbidden", "");
    assert!(phone.run(buddy.changed()) && !buddy.is_reachable());
    let refused = failure(&buddy);
    assert!(matches!(refused, SubscribeError::Refused(CallError::Rejected { code: 403, .. })), "{refused:?}");
    assert!(!phone.run(buddy.changed()), "nothing more comes of it");
    assert_eq!((subscriptions(), peer.wire().rest()), (0, Vec::new()));
    // Rejected by who is watched.
    let mut peer = Callee::new();
    let (mut buddy, subscribe) = watched(&phone, &mut peer);
    peer.reply(&subscribe, "200 OK", "Expires: 600\r\n");
    notified(&mut peer, &subscribe, (1, "terminated;reason=rejected"), None);
    assert!(phone.run(buddy.changed()) && !buddy.is_reachable());
    assert_eq!(failure(&buddy), SubscribeError::Terminated { reason: Some("rejected".into()) });
    assert!(!phone.run(buddy.changed()), "nothing more comes of it");
    // There is nothing left that could be made again, whenever.
    assert_eq!((subscriptions(), peer.wire().rest()), (0, Vec::new()));
    // The control: one that is only given up for now is still there.
    let mut peer = Callee::new();
    let (mut buddy, subscribe) = watched(&phone, &mut peer);
    peer.reply(&subscribe, "200 OK", "Expires: 600\r\n");
    notified(&mut peer, &subscribe, (1, "terminated;reason=probation;retry-after=300"), None);
    assert!(phone.run(buddy.changed()) && !buddy.is_reachable());
    assert_eq!(subscriptions(), 1);
}
