//! Transfers that devices ask for.

use std::collections::BTreeSet;

use super::{Ask, Device, Pair, Server, code, field, number, server, server_that};
use crate::acceptance::wire::body;

/// A server with carol besides, and these lines of configuration.
fn with_carol(configuration: &str) -> Server {
    server_that(configuration, &["--user", "carol:c"])
}

/// A REFER of the caller of a pair to this address. Not sent.
fn refer(pair: &mut Pair, cseq: u32, refer_to: &str) -> Ask {
    let mut ask = pair.of_caller("REFER", cseq);
    ask.more = vec![format!("Refer-To: <{refer_to}>")];
    ask
}

/// The next NOTIFY: the number of the REFER that it tells of, the state of that, and the status line.
fn reported(device: &Device) -> (u32, String, String) {
    let notify = device.asked("NOTIFY");
    device.reply(&notify, "200 OK");
    let event = field(&notify, "Event").unwrap();
    let id = event.strip_prefix("refer;id=").unwrap_or_else(|| panic!("{notify}")).parse().unwrap();
    let state = field(&notify, "Subscription-State").unwrap();
    let state = if state.starts_with("active;") { "active".to_owned() } else { state };
    (id, state, body(&notify).trim_end().to_owned())
}

const IS_OVER: &str = "terminated;reason=noresource";

fn report(id: u32, state: &str, line: &str) -> (u32, String, String) {
    (id, state.to_owned(), format!("SIP/2.0 {line}"))
}

#[test]
fn tb35_blind_transfer() {
    let server = with_carol("");
    let (mut pair, carol) = (Pair::up(&server), Device::registered(&server, "carol"));
    let asked = refer(&mut pair, 3, &format!("sip:carol@{}", server.address));
    assert_eq!(pair.caller.wire.code_of(&asked), 202);
    assert_eq!(reported(&pair.caller), report(3, "active", "100 Trying"));
    let invite = carol.asked("INVITE");
    assert!(field(&invite, "From").unwrap().starts_with("<sip:bob@"), "who is transferred calls: {invite}");
    assert!(field(&invite, "Referred-By").unwrap().starts_with("<sip:alice@"), "{invite}");
    carol.reply(&invite, "180 Ringing");
    assert_eq!(reported(&pair.caller), report(3, "active", "180 Ringing"));
    carol.reply(&invite, "200 OK");
    carol.asked("ACK");
    assert_eq!(reported(&pair.caller), report(3, IS_OVER, "200 OK"));
    // Who has asked is hung up, and the two others are connected: the end of one is that of the other.
    let bye = pair.caller.asked("BYE");
    pair.caller.reply(&bye, "200 OK");
    let bye = pair.of_callee("BYE", 1);
    assert_eq!(pair.callee.wire.code_of(&bye), 200);
    let bye = carol.asked("BYE");
    carol.reply(&bye, "200 OK");
}

#[test]
fn tb35_blind_transfer_to_an_unknown_extension() {
    let server = server("");
    let mut pair = Pair::up(&server);
    let asked = refer(&mut pair, 3, &format!("sip:nobody@{}", server.address));
    assert_eq!(pair.caller.wire.code_of(&asked), 202);
    assert_eq!(reported(&pair.caller), report(3, "active", "100 Trying"));
    assert_eq!(reported(&pair.caller), report(3, IS_OVER, "404 Not Found"));
    // The call is as it was.
    let bye = pair.of_caller("BYE", 4);
    assert_eq!(pair.caller.wire.code_of(&bye), 200);
    pair.callee.asked("BYE");
}

#[test]
fn tb35_blind_transfer_and_a_second_refer_at_once() {
    let server = with_carol("");
    let (mut pair, carol) = (Pair::up(&server), Device::registered(&server, "carol"));
    let first = refer(&mut pair, 3, &format!("sip:carol@{}", server.address));
    let second = refer(&mut pair, 4, &format!("sip:nobody@{}", server.address));
    // The second leaves before the answer to the first is looked at.
    pair.caller.wire.send(&first);
    pair.caller.wire.send(&second);
    let (mut agreed, mut told) = (Vec::new(), Vec::new());
    while agreed.len() < 2 || told.len() < 3 {
        let message = pair.caller.wire.next(super::PATIENCE).expect("answers and NOTIFYs");
        if message.starts_with("NOTIFY ") {
            pair.caller.reply(&message, "200 OK");
            told.push((field(&message, "Event").unwrap(), body(&message).trim_end().to_owned()));
        } else {
            assert_eq!((code(&message), message.contains(" REFER")), (202, true), "{message}");
            agreed.push(number(&message));
        }
    }
    agreed.sort_unstable();
    assert_eq!(agreed, [3, 4]);
    let of = |id: u32| -> Vec<&str> {
        let event = format!("refer;id={id}");
        told.iter().filter(|(one, _)| *one == event).map(|(_, line)| line.as_str()).collect()
    };
    assert_eq!(of(3), ["SIP/2.0 100 Trying"]);
    assert_eq!(of(4), ["SIP/2.0 100 Trying", "SIP/2.0 404 Not Found"]);
    // The first goes on under its own number.
    let invite = carol.asked("INVITE");
    carol.reply(&invite, "180 Ringing");
    assert_eq!(reported(&pair.caller), report(3, "active", "180 Ringing"));
    carol.reply(&invite, "200 OK");
    carol.asked("ACK");
    assert_eq!(reported(&pair.caller), report(3, IS_OVER, "200 OK"));
    pair.caller.asked("BYE");
}

#[test]
fn tb35_blind_transfer_that_is_refused() {
    let server = with_carol("transfers = false\n");
    let carol = Device::registered(&server, "carol");
    let mut pair = Pair::up(&server);
    let asked = refer(&mut pair, 3, &format!("sip:carol@{}", server.address));
    assert_eq!(pair.caller.wire.code_of(&asked), 603, "it is not allowed");
    let bye = pair.of_caller("BYE", 4);
    assert_eq!(pair.caller.wire.code_of(&bye), 200, "the call was as before");
    // Outside of a call nobody is there to be transferred, allowed or not.
    for server in [&server, &with_carol("")] {
        let mut alice = Device::new(server, "alice");
        let to = format!("Refer-To: <sip:carol@{}>", server.address);
        let asked = alice.signed("REFER", "bob", &[&to], "");
        assert_eq!(alice.wire.code_of(&asked), 603);
    }
    assert_eq!(carol.wire.rest(), Vec::<String>::new(), "nobody has been called");
}

/// A dialog of a device as its other side must know it, in Replaces: its tag there, and the device's own.
fn named(answer: &str) -> [String; 3] {
    let tag = |name| field(answer, name).unwrap().rsplit_once(";tag=").unwrap().1.to_owned();
    [field(answer, "Call-ID").unwrap(), tag("To"), tag("From")]
}

#[test]
fn tb36_attended_transfer() {
    let server = with_carol("");
    let (mut pair, carol) = (Pair::up(&server), Device::registered(&server, "carol"));
    let consults = pair.caller.dial("carol");
    let consulted = carol.takes();
    let answer = pair.caller.ends(&consults);
    assert_eq!(code(&answer), 200);
    // One that there is not first: the call is as it was.
    let [call_id, theirs, ours] = named(&answer);
    for (call_id, told) in [("another", "481 Call/Transaction Does Not Exist"), (&call_id, "200 OK")] {
        let replaces = format!("{call_id}%3Bto-tag%3D{theirs}%3Bfrom-tag%3D{ours}");
        let cseq = if told == "200 OK" { 4 } else { 3 };
        let asked = refer(&mut pair, cseq, &format!("sip:carol@{}?Replaces={replaces}", server.address));
        assert_eq!(pair.caller.wire.code_of(&asked), 202);
        assert_eq!(reported(&pair.caller), report(cseq, "active", "100 Trying"));
        assert_eq!(reported(&pair.caller), report(cseq, IS_OVER, told));
    }
    // Both calls of who has asked are hung up, in whatever order.
    let both = BTreeSet::from([call_id, field(&pair.answer, "Call-ID").unwrap()]);
    let mut gone = BTreeSet::new();
    while gone != both {
        let bye = pair.caller.asked("BYE");
        pair.caller.reply(&bye, "200 OK");
        gone.insert(field(&bye, "Call-ID").unwrap());
    }
    // The two others are connected: the end of one is that of the other.
    let bye = pair.of_callee("BYE", 1);
    assert_eq!(pair.callee.wire.code_of(&bye), 200);
    let bye = carol.asked("BYE");
    assert_eq!(field(&bye, "Call-ID"), field(&consulted, "Call-ID"));
    carol.reply(&bye, "200 OK");
}

#[test]
fn tb36_attended_transfer_invite_that_replaces_what_there_is_not() {
    let server = with_carol("");
    let mut pair = Pair::up(&server);
    let mut carol = Device::new(&server, "carol");
    let [call_id, theirs, ours] = named(&pair.answer);
    for wanted in [
        "another;to-tag=1;from-tag=2".to_owned(),
        format!("{call_id};to-tag={ours};from-tag={theirs}"),
        format!("{call_id};to-tag={theirs};from-tag=other"),
    ] {
        let mut invite = carol.invite("bob");
        invite.more = vec![format!("Replaces: {wanted}"), "Require: replaces".into()];
        let signed = carol.wire.signed(&invite, "carol", "c");
        carol.wire.send(&signed);
        assert_eq!(code(&carol.ends(&signed)), 481, "{wanted}");
    }
    let bye = pair.of_caller("BYE", 3);
    assert_eq!(pair.caller.wire.code_of(&bye), 200, "the call was as before");
}
