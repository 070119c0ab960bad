//! `offhook subscribe` where several take one SUBSCRIBE, and one of them ends.

use crate::documented::{Printed, held_against_the_document};
use crate::refusals::{answer_with, answering};
use crate::run::Going;

/// Takes a SUBSCRIBE and has two notifiers tell their state; the second ends at once, with nothing more to say.
fn two_notifiers(request: &str) -> String {
    if !request.starts_with("SUBSCRIBE ") {
        return String::new();
    }
    let of = |name: &str| request.split("\r\n").find_map(|line| line.strip_prefix(name)).unwrap();
    let (from, to, call) = (of("To: "), of("From: "), of("Call-ID: "));
    let target = of("Contact: ").split(['<', '>']).nth(1).unwrap();
    let notify = |tag: &str, number: u32, state: &str, body: &str| {
        let kind = if body.is_empty() { "" } else { "Content-Type: text/plain\r\n" };
        format!(
            "NOTIFY {target} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bK{tag}{number}\r\nMax-Forwards: 70\r\n\
             From: {from};tag={tag}\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {number} NOTIFY\r\nContact: <sip:127.0.0.1:9>\r\n\
             Event: weather\r\nSubscription-State: {state}\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    [
        answer_with(request, "200", "Expires: 300\r\nContact: <sip:127.0.0.1:9>\r\n"),
        notify("peer", 1, "active;expires=300", "rain"),
        notify("other", 1, "active;expires=300", "sun"),
        notify("other", 2, "terminated;reason=noresource", ""),
    ]
    .join("\0")
}

const OPTIONS: [&str; 8] = ["--event", "weather", "--accept", "text/plain", "--forks", "1", "--sip", "127.0.0.1:0"];

/// What programs are told.
pub(crate) fn of_one_that_ends() -> Printed {
    let target = format!("sip:x@{}", answering(two_notifiers));
    let mut programs = Going::start(&[&["subscribe", &target, "--json"], &OPTIONS[..]].concat());
    let line = programs.line("notifier_ended");
    assert!(line.contains(r#""notifier":1"#) && line.contains("noresource"), "{line}");
    let states = programs.seen().iter().filter(|line| line.contains(r#""event":"state""#)).count();
    assert_eq!(states, 2, "{:?}", programs.seen());
    programs.interrupt();
    held_against_the_document([line.as_str()])
}

#[test]
fn notifier_that_ends_is_told_and_its_last_word_is_no_state() {
    let target = format!("sip:x@{}", answering(two_notifiers));
    let mut people = Going::start(&[&["subscribe", &target], &OPTIONS[..]].concat());
    let line = people.line("holds no longer");
    let told = "ended by the other side: noresource; what it said holds no longer (notifier 1)";
    assert_eq!(line, format!("{target}: {told}"));
    assert!(!people.seen().iter().any(|line| line.contains("no state")), "{:?}", people.seen());
    people.interrupt();
    people.end();
}
