//! Transfers that are asked of us, and others who take the place of the other side.

use ua::{Builder, CallEvent};

use super::Phone;
use crate::acceptance::wire::{Ask, Callee, Wire, body, code, field, number};

/// A REFER of the callee in the call of this INVITE, with these lines. Not sent.
fn refer(callee: &mut Callee, invite: &str, cseq: u32, lines: &[String]) -> Ask {
    let mut ask = callee.within(invite, "REFER", cseq);
    ask.more = lines.to_vec();
    ask
}

/// The next NOTIFY of that: its state without parameters, and the status line that it tells.
fn reported(callee: &mut Callee, cseq: u32) -> (String, String) {
    let notify = callee.request("NOTIFY");
    callee.reply(&notify, "200 OK", "");
    assert_eq!(field(&notify, "Event"), Some(format!("refer;id={cseq}")));
    assert!(field(&notify, "Content-Type").unwrap().starts_with("message/sipfrag"), "{notify}");
    let state = field(&notify, "Subscription-State").unwrap();
    (state.split(';').next().unwrap().to_owned(), body(&notify).trim_end().to_owned())
}

fn report(state: &str, line: &str) -> (String, String) {
    (state.to_owned(), format!("SIP/2.0 {line}"))
}

#[test]
fn ta28_transferee() {
    let phone = Phone::with(Builder::allow_transfer);
    let (mut asks, mut third) = (Callee::new(), Callee::new());
    let (call, invite, _) = phone.call(&mut asks);
    let without = refer(&mut asks, &invite, 1, &[]);
    assert_eq!(asks.wire().code_of(&without), 400);
    let by = format!("Referred-By: <{}>;x=1", asks.uri());
    let attended = format!("Refer-To: <{}?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2&Require=replaces>", third.uri());
    let asked = refer(&mut asks, &invite, 2, &[attended, by]);
    let agreed = asks.wire().final_of(&asked);
    assert_eq!((code(&agreed), field(&agreed, "Refer-Sub")), (202, None), "{agreed}");
    assert_eq!(reported(&mut asks, 2), report("active", "100 Trying"));
    let referral = phone.run(phone.endpoint.referral()).unwrap();
    assert!(referral.is_of(&call) && referral.is_attended() && referral.target() == third.uri());
    let dialing = phone.run(referral.accept().start()).unwrap();
    let placed = third.request("INVITE");
    assert!(placed.starts_with(&format!("INVITE {} SIP/2.0\r\n", third.uri())), "{placed}");
    assert_eq!(field(&placed, "Referred-By"), Some(format!("<{}>;x=1", asks.uri())), "as it came");
    let named = (field(&placed, "Replaces"), field(&placed, "Require"));
    assert_eq!(named, (Some("a@b;to-tag=1;from-tag=2".to_owned()), Some("replaces".to_owned())));
    third.reply(&placed, "180 Ringing", "");
    assert_eq!(reported(&mut asks, 2), report("active", "180 Ringing"));
    third.reply(&placed, "200 OK", "");
    let there = phone.run(dialing.answer()).unwrap();
    assert_eq!(number(&third.request("ACK")), number(&placed));
    assert_eq!(reported(&mut asks, 2), report("terminated", "200 OK"));
    // Nothing happens to the call in which it was asked for.
    assert!(!call.is_over() && !there.is_over() && phone.calls() == 2);
    // Nobody is to be replaced, and the one who is called refuses.
    let plain = refer(&mut asks, &invite, 3, &[format!("Refer-To: <{}>", third.uri())]);
    assert_eq!(asks.wire().code_of(&plain), 202);
    assert_eq!(reported(&mut asks, 3), report("active", "100 Trying"));
    let referral = phone.run(phone.endpoint.referral()).unwrap();
    let dialing = phone.run(referral.accept().start()).unwrap();
    let placed = third.request("INVITE");
    assert_eq!((field(&placed, "Replaces"), field(&placed, "Referred-By")), (None, None));
    third.reply(&placed, "486 Busy Here", "");
    assert_eq!(reported(&mut asks, 3), report("terminated", "486 Busy Here"));
    assert!(phone.run(dialing.answer()).is_err() && !call.is_over());
    // Who does not allow it is sent nowhere.
    let (phone, mut asks) = (Phone::new(), Callee::new());
    let (_call, invite, _) = phone.call(&mut asks);
    let plain = refer(&mut asks, &invite, 1, &[format!("Refer-To: <{}>", third.uri())]);
    assert_eq!(asks.wire().code_of(&plain), 603);
}

/// An INVITE of somebody sent by the callee of a call of ours: it wants his place (RFC 3891). Not sent.
fn replaces(wire: &mut Wire, callee: &Callee, invite: &str, call_id: &str) -> Ask {
    let ours = field(invite, "From").unwrap().rsplit_once(";tag=").unwrap().1.to_owned();
    let mut ask = wire.ask("INVITE");
    ask.more =
        vec![format!("Replaces: {call_id};to-tag={ours};from-tag=callee"), format!("Referred-By: <{}>", callee.uri())];
    ask
}

#[test]
fn ta29_incoming_replaces() {
    let phone = Phone::with(Builder::allow_transfer);
    let (mut callee, mut stranger) = (Callee::new(), Wire::to(&phone.address()));
    let (call, invite, _) = phone.call(&mut callee);
    let call_id = field(&invite, "Call-ID").unwrap();
    // A dialog that there is not.
    let unknown = replaces(&mut stranger, &callee, &invite, "another");
    assert_eq!(stranger.code_of(&unknown), 481);
    let mut events = call.events();
    let wanted = replaces(&mut stranger, &callee, &invite, &call_id);
    stranger.send(&wanted);
    let answer = stranger.acknowledged(&wanted);
    assert_eq!(code(&answer), 200);
    let bye = callee.request("BYE");
    assert_eq!(field(&bye, "Call-ID"), Some(call_id.clone()));
    callee.reply(&bye, "200 OK", "");
    let replaced = std::iter::from_fn(|| phone.run(events.next())).find_map(|event| match event {
        CallEvent::Replaced { peer } => Some(peer),
        _ => None,
    });
    assert_eq!(replaced, Some(format!("sip:tester@{}", stranger.local())));
    assert!(!call.is_over() && phone.calls() == 1);
    // No call has come in: the first that does is the next one.
    let next = stranger.ask("INVITE");
    let incoming = phone.rung(&stranger, &next);
    assert_eq!(incoming.call_id(), next.call_id);
    // The call goes on with who has taken it, and ends with him.
    let bye = stranger.within(&answer, "BYE", 2);
    assert_eq!(stranger.code_of(&bye), 200);
    phone.run(call.ended());
    // Where it is not allowed it is a call like any.
    let (phone, mut callee) = (Phone::new(), Callee::new());
    let mut stranger = Wire::to(&phone.address());
    let (call, invite, _) = phone.call(&mut callee);
    let call_id = field(&invite, "Call-ID").unwrap();
    let wanted = replaces(&mut stranger, &callee, &invite, &call_id);
    let incoming = phone.rung(&stranger, &wanted);
    assert_eq!(incoming.call_id(), wanted.call_id);
    assert!(!call.is_over() && phone.calls() == 2);
}
