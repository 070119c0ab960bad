//! Transfers that we ask for.

use ua::{AccountConfig, CallError, CallEvent, Events};

use super::Phone;
use crate::acceptance::wire::{Ask, Callee, contact, field, number};

/// A NOTIFY of how a transfer goes, in the call of this INVITE: its Subscription-State and the status line that it tells. Not sent.
fn notify(callee: &mut Callee, invite: &str, cseq: u32, state: &str, line: &str) -> Ask {
    let mut ask = callee.within(invite, "NOTIFY", cseq);
    ask.more = vec![
        "Event: refer".to_owned(),
        format!("Subscription-State: {state}"),
        "Content-Type: message/sipfrag;version=2.0".to_owned(),
    ];
    ask.body = format!("SIP/2.0 {line}\r\n");
    ask
}

/// The next that is told of a transfer: the code, and whether nothing more comes of it.
fn told(phone: &Phone, events: &mut Events) -> (u16, bool) {
    loop {
        if let CallEvent::Transfer { code, last, .. } = phone.run(events.next()).expect("an event") {
            return (code, last);
        }
    }
}

/// Whether anything more is told of a transfer until the call has ended.
fn anything_more(phone: &Phone, events: &mut Events) -> bool {
    std::iter::from_fn(|| phone.run(events.next())).any(|event| matches!(event, CallEvent::Transfer { .. }))
}

const GOES_ON: &str = "active;expires=60";
const IS_OVER: &str = "terminated;reason=noresource";

#[test]
fn ta25_blind_transfer_transferor() {
    let (phone, mut callee) = (Phone::new(), Callee::new());
    let account = phone.run(phone.endpoint.account(AccountConfig::new("sip:alice@example.org"))).unwrap();
    let dialing = phone.run(account.call(callee.uri()).start()).unwrap();
    let invite = callee.request("INVITE");
    callee.reply(&invite, "200 OK", "");
    let call = phone.run(dialing.answer()).unwrap();
    let ack = callee.request("ACK");
    let mut events = call.events();
    // Refused: nothing comes of it.
    let (refused, ()) = phone.meanwhile(call.transfer("sip:x@h.example"), || {
        let refer = callee.request("REFER");
        callee.reply(&refer, "603 Decline", "");
    });
    assert!(matches!(refused, Err(CallError::Rejected { code: 603, .. })), "{refused:?}");
    let (agreed, refer) = phone.meanwhile(call.transfer("sip:x@h.example"), || {
        let refer = callee.request("REFER");
        callee.reply(&refer, "202 Accepted", "");
        refer
    });
    agreed.unwrap();
    assert!(refer.starts_with(&format!("REFER {} SIP/2.0\r\n", callee.uri())), "{refer}");
    assert_eq!((field(&refer, "To"), field(&refer, "From")), (field(&ack, "To"), field(&ack, "From")));
    assert_eq!(field(&refer, "Refer-To").as_deref(), Some("<sip:x@h.example>"));
    assert_eq!(field(&refer, "Referred-By").as_deref(), Some("<sip:alice@example.org>"));
    let told_of = [
        ("100 Trying", GOES_ON, (100, false)),
        ("180 Ringing", GOES_ON, (180, false)),
        ("200 OK", IS_OVER, (200, true)),
    ];
    for (cseq, (line, state, expected)) in (1..).zip(told_of) {
        let notify = notify(&mut callee, &invite, cseq, state, line);
        assert_eq!(callee.wire().code_of(&notify), 200, "{line}");
        assert_eq!(told(&phone, &mut events), expected, "{line}");
    }
    // The subscription is over, and the call goes on until somebody hangs up.
    let late = notify(&mut callee, &invite, 4, IS_OVER, "200 OK");
    assert_eq!(callee.wire().code_of(&late), 481);
    let options = callee.within(&invite, "OPTIONS", 5);
    assert_eq!(callee.wire().code_of(&options), 200);
    assert!(!call.is_over() && phone.calls() == 1);
    phone.run(call.hangup());
    callee.request("BYE");
    assert!(!anything_more(&phone, &mut events), "three are told, and no more");
}

#[test]
fn ta26_refer_with_refer_sub_false() {
    // Whether the other side knows what it means (RFC 4488).
    for knows in [true, false] {
        let (phone, mut callee) = (Phone::new(), Callee::new());
        let (call, invite, _) = phone.call(&mut callee);
        let mut events = call.events();
        let (agreed, refer) = phone.meanwhile(call.transfer_untold("sip:x@h.example"), || {
            let refer = callee.request("REFER");
            callee.reply(&refer, "202 Accepted", if knows { "Refer-Sub: false\r\n" } else { "" });
            refer
        });
        agreed.unwrap();
        assert_eq!(field(&refer, "Refer-Sub").as_deref(), Some("false"));
        if !knows {
            // What is told first is told by the first NOTIFY: its consent alone told nothing.
            let ringing = notify(&mut callee, &invite, 1, GOES_ON, "180 Ringing");
            assert_eq!(callee.wire().code_of(&ringing), 200);
            assert_eq!(told(&phone, &mut events), (180, false));
            let done = notify(&mut callee, &invite, 2, IS_OVER, "200 OK");
            assert_eq!(callee.wire().code_of(&done), 200);
        }
        assert_eq!(told(&phone, &mut events), (200, true));
        let unasked = notify(&mut callee, &invite, 3, IS_OVER, "200 OK");
        assert_eq!(callee.wire().code_of(&unasked), 481, "there is no subscription");
        phone.run(call.hangup());
        callee.request("BYE");
        assert!(!anything_more(&phone, &mut events), "one is told, and no more");
    }
}

/// A text without its escapes (RFC 3986 section 2.1).
fn unescaped(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut plain = pieces.next().unwrap().to_owned();
    for piece in pieces {
        plain.push(char::from(u8::from_str_radix(&piece[..2], 16).unwrap()));
        plain.push_str(&piece[2..]);
    }
    plain
}

/// The tag of a From or To.
fn tag(value: Option<String>) -> String {
    value.unwrap().rsplit_once(";tag=").expect("a tag").1.to_owned()
}

#[test]
fn ta27_attended_transfer() {
    let (phone, mut first, mut second) = (Phone::new(), Callee::new(), Callee::new());
    second.wire().tag = "other".into();
    let (call, invite, _) = phone.call(&mut first);
    let (consulted, _, ack) = phone.call(&mut second);
    let mut events = call.events();
    for (cseq, required) in (1..).zip([true, false]) {
        let asks = async {
            if required { call.transfer_to(&consulted).await } else { call.transfer_to_unrequired(&consulted).await }
        };
        let (agreed, refer) = phone.meanwhile(asks, || {
            let refer = first.request("REFER");
            first.reply(&refer, "202 Accepted", "");
            refer
        });
        agreed.unwrap();
        let refer_to = field(&refer, "Refer-To").unwrap();
        let inner = refer_to.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).expect("brackets");
        let (uri, headers) = inner.split_once('?').expect("header fields in the URI");
        assert_eq!(uri, second.uri());
        let headers: Vec<&str> = headers.split('&').collect();
        assert_eq!(headers.contains(&"Require=replaces"), required, "{refer_to}");
        assert_eq!(headers.len(), if required { 2 } else { 1 }, "{refer_to}");
        let replaces = headers.iter().find_map(|one| one.strip_prefix("Replaces=")).expect("Replaces");
        assert!(replaces.contains("%3Bto-tag%3D") && replaces.contains("%3Bfrom-tag%3D"), "{replaces}");
        assert!(!replaces.contains([';', '=', '@', ' ']), "{replaces}");
        // Ours is the From of what we send there: what we know as its tag is the remote one.
        let (call_id, ours) = (field(&ack, "Call-ID").unwrap(), tag(field(&ack, "From")));
        assert_eq!(unescaped(replaces), format!("{call_id};to-tag=other;from-tag={ours}"));
        let done = notify(&mut first, &invite, cseq, IS_OVER, "200 OK");
        assert_eq!(first.wire().code_of(&done), 200);
        assert_eq!(told(&phone, &mut events), (200, true));
        assert_eq!(phone.calls(), 2, "both stand until somebody hangs up");
    }
}

#[test]
fn ta56_transfer_to_a_bad_uri() {
    let (phone, mut callee, mut other) = (Phone::new(), Callee::new(), Callee::new());
    let (call, invite, _) = phone.call(&mut callee);
    let mut events = call.events();
    let (gone, placed, _) = phone.call(&mut other);
    let bye = other.within(&placed, "BYE", 1);
    assert_eq!(other.wire().code_of(&bye), 200);
    phone.run(gone.ended());
    let sent = phone.sent();
    let endless = format!("sip:{}@h.example", "x".repeat(5_000));
    for bad in ["", "not a uri", "sip:", "sip:x@h\r\nX: 1", &endless] {
        for refused in [phone.run(call.transfer(bad)), phone.run(call.transfer_untold(bad))] {
            assert!(matches!(refused, Err(CallError::BadUri { .. })), "{bad:?}: {refused:?}");
        }
    }
    let itself = phone.run(call.transfer_to(&call));
    assert!(matches!(itself, Err(CallError::NotNow { .. })), "{itself:?}");
    assert_eq!(phone.run(call.transfer_to(&gone)), Err(CallError::Ended));
    assert_eq!(phone.run(gone.transfer_to(&call)), Err(CallError::Ended));
    assert_eq!((phone.sent(), callee.wire().rest()), (sent, Vec::new()), "no packet");
    // One that rings is waited for, and asked for only once it is answered: here it is not.
    let (dialing, ringing) = phone.dial(&mut other);
    let (refused, ()) = phone.meanwhile(call.transfer_to_ringing(dialing), || {
        other.reply(&ringing, "180 Ringing", "");
        assert_eq!(callee.wire().rest(), Vec::<String>::new(), "no REFER while it rings");
        other.reply(&ringing, "486 Busy Here", "");
        other.request("ACK");
    });
    assert!(matches!(refused, Err(CallError::Rejected { code: 486, .. })), "{:?}", refused.err());
    assert_eq!(callee.wire().rest(), Vec::<String>::new(), "no REFER");
    assert!(!call.is_over() && phone.calls() == 1);
    // A good one works.
    let (agreed, refer) = phone.meanwhile(call.transfer(&other.uri()), || {
        let refer = callee.request("REFER");
        callee.reply(&refer, "202 Accepted", "");
        refer
    });
    agreed.unwrap();
    assert_eq!(field(&refer, "Refer-To").unwrap(), format!("<{}>", other.uri()));
    assert_eq!((number(&refer), contact(&refer)), (number(&invite) + 1, contact(&invite)));
    let done = notify(&mut callee, &invite, 1, IS_OVER, "200 OK");
    assert_eq!(callee.wire().code_of(&done), 200);
    assert_eq!(told(&phone, &mut events), (200, true), "the first that is told at all");
}
