//! Who watches whose calls.

use super::{Device, Server, code, field, server_that};
use crate::acceptance::wire::body;

/// A server with carol, who watches.
fn server() -> Server {
    server_that("", &["--user", "carol:c"])
}

/// The final response to a SUBSCRIBE of carol to the calls of somebody, with these lines besides what is usual.
fn subscribe(carol: &mut Device, whom: &str, lines: &[&str]) -> String {
    let asked = carol.signed("SUBSCRIBE", whom, lines, "");
    carol.wire.send(&asked);
    carol.ends(&asked)
}

const DIALOG: &str = "Event: dialog";
const TYPE: &str = "Accept: application/dialog-info+xml";

/// The number of the next document that a watcher is told, and the states of the calls in it.
fn told(carol: &Device) -> (u32, Vec<String>) {
    let notify = carol.asked("NOTIFY");
    carol.reply(&notify, "200 OK");
    assert_eq!(field(&notify, "Content-Type").as_deref(), Some("application/dialog-info+xml"), "{notify}");
    assert!(field(&notify, "Subscription-State").unwrap().starts_with("active;expires="), "{notify}");
    let text = body(&notify);
    assert!(text.contains(" state=\"full\"") && text.contains(" entity=\"sip:alice@"), "{text}");
    let root = text.split_once("<dialog-info ").expect("a document").1;
    let version = root.split("version=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a version");
    let states = text.split("<state>").skip(1).map(|rest| rest.split("</state>").next().unwrap().to_owned());
    (version.parse().unwrap(), states.collect())
}

#[test]
fn tb33_dialog_state_subscription() {
    let server = server();
    let (mut alice, mut bob) = (Device::registered(&server, "alice"), Device::new(&server, "bob"));
    let mut carol = Device::new(&server, "carol");
    let taken = subscribe(&mut carol, "alice", &[DIALOG, TYPE, "Expires: 600"]);
    assert_eq!((code(&taken), field(&taken, "Expires").as_deref()), (200, Some("600")), "{taken}");
    // Idle: all there is, which is no call (RFC 4235 section 6.1).
    assert_eq!(told(&carol), (0, vec![]));
    let dialled = bob.dial("alice");
    let invite = alice.asked("INVITE");
    alice.reply(&invite, "180 Ringing");
    assert_eq!(told(&carol), (1, vec!["early".to_owned()]));
    alice.reply(&invite, "200 OK");
    alice.asked("ACK");
    let answer = bob.ends(&dialled);
    assert_eq!(code(&answer), 200);
    assert_eq!(told(&carol), (2, vec!["confirmed".to_owned()]));
    let bye = bob.wire.within(&answer, "BYE", 3);
    assert_eq!(bob.wire.code_of(&bye), 200);
    let bye = alice.asked("BYE");
    alice.reply(&bye, "200 OK");
    assert_eq!(told(&carol), (3, vec!["terminated".to_owned()]));
    // Calls that come and go within the second in which nothing is told: no number is left out, and no end.
    let (mut last, mut ends) = (3, 0);
    for _ in 0..2 {
        let called = alice.dial("600");
        let answer = alice.ends(&called);
        let bye = alice.wire.within(&answer, "BYE", 3);
        assert_eq!(alice.wire.code_of(&bye), 200);
    }
    while ends < 2 {
        let (version, states) = told(&carol);
        assert_eq!(version, last + 1, "{states:?}");
        last = version;
        ends += states.iter().filter(|state| *state == "terminated").count();
    }
    assert_eq!(ends, 2);
}

#[test]
fn tb33_dialog_state_subscription_that_is_refused() {
    let server = server();
    let mut carol = Device::new(&server, "carol");
    let unknown = subscribe(&mut carol, "nobody", &[DIALOG, TYPE]);
    assert_eq!(code(&unknown), 404, "{unknown}");
    let other = subscribe(&mut carol, "alice", &[DIALOG, "Accept: text/plain"]);
    assert_eq!(code(&other), 406, "{other}");
    let event = subscribe(&mut carol, "alice", &["Event: foo"]);
    let known = field(&event, "Allow-Events").unwrap_or_default();
    assert!(code(&event) == 489 && known.split(',').any(|one| one.trim() == "dialog"), "{event}");
    let brief = subscribe(&mut carol, "alice", &[DIALOG, TYPE, "Expires: 5"]);
    assert_eq!((code(&brief), field(&brief, "Min-Expires").as_deref()), (423, Some("60")), "{brief}");
    assert_eq!(carol.wire.rest(), Vec::<String>::new(), "nothing is told to who may not know it");
}
