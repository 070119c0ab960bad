//! Transfers that a peer asks for, and peers that take another's place.

use std::net::SocketAddr;
use std::time::Duration;

use ua::{AccountConfig, CallError, CallEvent, EndedBy};

use super::{Peer, SDP};
use crate::tone::Ear;
use crate::{builder, call, header, until};

const TO_CAROL: &str = "Refer-To: <sip:carol@127.0.0.1:9>\r\nReferred-By: <sip:peer@example.com>\r\n";

/// An endpoint that allows transfers, in a call with a peer, and the INVITE of that.
async fn stood() -> (ua::Endpoint, Peer, ua::Call, String) {
    let (alice, mut peer) = (builder().allow_transfer().build().await.unwrap(), Peer::new().await);
    let dialing = alice.call(peer.uri()).start().await.unwrap();
    let invite = peer.expect("INVITE").await;
    peer.accept(&invite, "a").await;
    let call = dialing.answer().await.unwrap();
    peer.expect("ACK").await;
    (alice, peer, call, invite)
}

/// What the peer is told next: the state of its subscription, and the line.
async fn told(peer: &mut Peer) -> (String, String) {
    let notify = peer.expect("NOTIFY").await;
    peer.reply(&notify, "200 OK", "a", "", "").await;
    assert_eq!(header(&notify, "Content-Type"), Some("message/sipfrag;version=2.0"));
    (
        header(&notify, "Subscription-State").unwrap().to_owned(),
        notify.split("\r\n\r\n").nth(1).unwrap().trim().to_owned(),
    )
}

async fn told_last(peer: &mut Peer, line: &str) {
    assert_eq!(told(peer).await, ("terminated;reason=noresource".to_owned(), line.to_owned()));
}

#[tokio::test]
async fn rfc3515_2_4_2_a_transfer_is_refused_unless_it_is_allowed() {
    let (alice, mut peer, call, invite) = super::stood().await;
    peer.request(&invite, "a", "REFER", 1, TO_CAROL, "").await;
    peer.expect("SIP/2.0 603 ").await;
    // Nobody is asked, and the call stands.
    assert!(tokio::time::timeout(Duration::from_millis(50), alice.referral()).await.is_err());
    assert!(!call.is_over());
    // The control: the same where it is allowed.
    let (alice, mut peer, _call, invite) = stood().await;
    peer.request(&invite, "a", "REFER", 1, TO_CAROL, "").await;
    peer.expect("SIP/2.0 202 ").await;
    assert_eq!(alice.referral().await.unwrap().target(), "sip:carol@127.0.0.1:9");
}

#[tokio::test]
async fn rfc3515_2_4_4_who_asks_is_told_how_the_call_goes_that_we_place() {
    let (alice, mut peer, call, invite) = stood().await;
    let bob = builder().build().await.unwrap();
    let target = bob.uri("bob").unwrap();
    let lines = format!("Refer-To: <{target}?Subject=x>\r\nReferred-By: \"P\" <sip:peer@example.com>\r\n");
    peer.request(&invite, "a", "REFER", 7, &lines, "").await;
    let accepted = peer.expect("SIP/2.0 202 ").await;
    assert!(header(&accepted, "Contact").is_some_and(|contact| contact.starts_with("<sip:")), "{accepted}");
    let notify = peer.expect("NOTIFY").await;
    assert_eq!(header(&notify, "Event"), Some("refer;id=7"));
    assert!(header(&notify, "Subscription-State").unwrap().starts_with("active;expires="), "{notify}");
    assert!(notify.ends_with("\r\n\r\nSIP/2.0 100 Trying\r\n"), "{notify}");
    peer.reply(&notify, "200 OK", "a", "", "").await;
    let referral = alice.referral().await.unwrap();
    assert_eq!((referral.target(), referral.referred_by()), (target.as_str(), Some("\"P\" <sip:peer@example.com>")));
    assert!(referral.is_of(&call) && !referral.is_attended());
    let dialing = referral.accept().start().await.unwrap();
    let incoming = bob.incoming().await.unwrap();
    assert_eq!(incoming.header("Referred-By").as_deref(), Some("\"P\" <sip:peer@example.com>"));
    assert_eq!((incoming.header("Subject"), incoming.uri()), (None, target.as_str()));
    // RFC 7989 section 6: under our UUID as before, and to somebody of whom nothing is known.
    let ours = header(&invite, "Session-ID").unwrap().split(';').next().unwrap();
    assert_eq!(incoming.header("Session-ID"), Some(format!("{ours};remote={}", "0".repeat(32))));
    incoming.ring().await.unwrap();
    assert_eq!(told(&mut peer).await.1, "SIP/2.0 180 Ringing");
    let (placed, taken) = tokio::join!(dialing.answer(), incoming.answer());
    told_last(&mut peer, "SIP/2.0 200 OK").await;
    let (placed, taken) = (placed.unwrap(), taken.unwrap());
    let _tone = placed.audio().tone(440.0, None).unwrap();
    let ear = Ear::on(&taken);
    until("a second of tone", async || ear.heard(0) >= Duration::from_secs(1)).await;
    assert!(!call.is_over(), "who asked hangs up");
}

#[tokio::test]
async fn rfc3515_2_4_5_what_comes_to_nothing_is_told() {
    let (alice, mut peer, call, invite) = stood().await;
    let bob = builder().build().await.unwrap();
    let lines = format!("Refer-To: <{}>\r\n", bob.uri("bob").unwrap());
    let mut number = 0;
    let mut refer = async |peer: &mut Peer| {
        number += 1;
        peer.request(&invite, "a", "REFER", number, &lines, "").await;
        peer.expect("SIP/2.0 202 ").await;
        assert_eq!(told(peer).await.1, "SIP/2.0 100 Trying");
    };
    // Dropped.
    refer(&mut peer).await;
    drop(alice.referral().await.unwrap());
    told_last(&mut peer, "SIP/2.0 603 Decline").await;
    // Refused in one's own way.
    refer(&mut peer).await;
    alice.referral().await.unwrap().refuse(480);
    told_last(&mut peer, "SIP/2.0 480 Temporarily Unavailable").await;
    // Agreed to, and not placed.
    refer(&mut peer).await;
    drop(alice.referral().await.unwrap().accept());
    told_last(&mut peer, "SIP/2.0 603 Decline").await;
    // Refused there.
    refer(&mut peer).await;
    let dialing = alice.referral().await.unwrap().accept().start().await.unwrap();
    bob.incoming().await.unwrap().reject(486, None).await;
    assert!(matches!(dialing.answer().await.err(), Some(CallError::Rejected { code: 486, .. })));
    told_last(&mut peer, "SIP/2.0 486 Busy Here").await;
    // Given up here.
    refer(&mut peer).await;
    let dialing = alice.referral().await.unwrap().accept().start().await.unwrap();
    let incoming = bob.incoming().await.unwrap();
    dialing.cancel().await;
    told_last(&mut peer, "SIP/2.0 487 Request Terminated").await;
    incoming.gone().await;
    assert!(!call.is_over());
}

#[tokio::test]
async fn rfc4488_4_who_wants_no_reports_gets_none() {
    let (alice, mut peer, _call, invite) = stood().await;
    let lines = format!("{TO_CAROL}Refer-Sub: false\r\nSupported: norefersub\r\n");
    peer.request(&invite, "a", "REFER", 1, &lines, "").await;
    let accepted = peer.expect("SIP/2.0 202 ").await;
    assert_eq!(header(&accepted, "Refer-Sub"), Some("false"));
    alice.referral().await.unwrap().refuse(603);
    peer.request(&invite, "a", "OPTIONS", 2, "", "").await;
    // What comes next is the answer to that, and no NOTIFY.
    assert!(peer.expect("").await.starts_with("SIP/2.0 200 "));
}

#[tokio::test]
async fn rfc3515_2_4_2_what_cannot_be_asked_for_is_refused_at_once() {
    let (_alice, mut peer, call, invite) = stood().await;
    for (number, (lines, code)) in (1..).zip([
        ("", 400),
        ("Refer-To: <sip:a@h>\r\nRefer-To: <sip:a@h>\r\n", 400),
        ("Refer-To: <tel:1003>\r\n", 416),
        ("Refer-To: <sip:a@h;method=BYE>\r\n", 603),
        ("Refer-To: <sip:a@h?Replaces=x>\r\n", 400),
    ]) {
        peer.request(&invite, "a", "REFER", number, lines, "").await;
        peer.expect(&format!("SIP/2.0 {code} ")).await;
    }
    // Four at a time: one more has to wait for its turn.
    for number in 11..15 {
        peer.request(&invite, "a", "REFER", number, TO_CAROL, "").await;
        peer.expect("SIP/2.0 202 ").await;
        told(&mut peer).await;
    }
    peer.request(&invite, "a", "REFER", 15, TO_CAROL, "").await;
    peer.expect("SIP/2.0 491 ").await;
    assert!(!call.is_over());
}

#[tokio::test]
async fn rfc3515_2_4_4_a_subscribe_refreshes_what_a_refer_has_made_or_ends_it() {
    let (alice, mut peer, _call, invite) = stood().await;
    peer.request(&invite, "a", "REFER", 1, TO_CAROL, "").await;
    peer.expect("SIP/2.0 202 ").await;
    told(&mut peer).await;
    for (number, lines, code) in [
        (2, "Event: presence\r\nExpires: 60\r\n", "489"),
        (3, "Event: refer;id=9\r\nExpires: 60\r\n", "403"),
        (4, "Event: refer;id=x\r\nExpires: 60\r\n", "403"),
    ] {
        peer.request(&invite, "a", "SUBSCRIBE", number, lines, "").await;
        peer.expect(&format!("SIP/2.0 {code} ")).await;
    }
    peer.request(&invite, "a", "SUBSCRIBE", 5, "Event: refer;id=1\r\nExpires: 60\r\n", "").await;
    let taken = peer.expect("SIP/2.0 200 ").await;
    assert_eq!(header(&taken, "Expires"), Some("60"));
    assert!(header(&taken, "Contact").is_some(), "{taken}");
    assert_eq!(told(&mut peer).await, ("active;expires=60".to_owned(), "SIP/2.0 100 Trying".to_owned()));
    peer.request(&invite, "a", "SUBSCRIBE", 6, "Event: refer\r\nExpires: 0\r\n", "").await;
    peer.expect("SIP/2.0 200 ").await;
    assert_eq!(told(&mut peer).await, ("terminated;reason=timeout".to_owned(), "SIP/2.0 100 Trying".to_owned()));
    // Nothing more is told.
    alice.referral().await.unwrap().refuse(603);
    peer.request(&invite, "a", "OPTIONS", 7, "", "").await;
    assert!(peer.expect("").await.starts_with("SIP/2.0 200 "));
}

#[tokio::test]
async fn rfc6665_4_2_2_a_subscription_whose_time_has_passed_says_so_and_nothing_more() {
    let (alice, mut peer, _call, invite) = stood().await;
    let mut target = Peer::new().await;
    peer.request(&invite, "a", "REFER", 1, &format!("Refer-To: <{}>\r\n", target.uri()), "").await;
    peer.expect("SIP/2.0 202 ").await;
    told(&mut peer).await;
    peer.request(&invite, "a", "SUBSCRIBE", 2, "Event: refer\r\nExpires: 1\r\n", "").await;
    peer.expect("SIP/2.0 200 ").await;
    assert_eq!(told(&mut peer).await.0, "active;expires=1");
    let _dialing = alice.referral().await.unwrap().accept().start().await.unwrap();
    let placed = target.expect("INVITE").await;
    let mut progress = ["180 Ringing", "183 Session Progress"].into_iter().cycle();
    loop {
        target.reply(&placed, progress.next().unwrap(), "b", "", "").await;
        match told(&mut peer).await.0.as_str() {
            "terminated;reason=timeout" => break,
            state => assert!(state.starts_with("active;expires="), "{state}"),
        }
    }
    target.reply(&placed, progress.next().unwrap(), "b", "", "").await;
    peer.request(&invite, "a", "OPTIONS", 3, "", "").await;
    let next = peer.expect("").await;
    assert!(next.starts_with("SIP/2.0 200 "), "{next}");
}

#[tokio::test]
async fn rfc6665_4_2_2_who_refuses_a_notify_gets_no_more_and_the_call_stands() {
    let (alice, mut peer, call, invite) = stood().await;
    peer.request(&invite, "a", "REFER", 1, TO_CAROL, "").await;
    peer.expect("SIP/2.0 202 ").await;
    let notify = peer.expect("NOTIFY").await;
    peer.reply(&notify, "481 Subscription Does Not Exist", "a", "", "").await;
    let referral = alice.referral().await.unwrap();
    // The answer to this comes behind that one.
    peer.request(&invite, "a", "OPTIONS", 2, "", "").await;
    peer.expect("SIP/2.0 200 ").await;
    referral.refuse(603);
    peer.request(&invite, "a", "OPTIONS", 3, "", "").await;
    assert!(peer.expect("").await.starts_with("SIP/2.0 200 "));
    assert!(!call.is_over());
}

/// An INVITE of a stranger with these lines, from this address.
async fn stranger(peer: &Peer, far: &ua::Endpoint, from: &str, call_id: &str, lines: &str, sdp: &str) {
    let (to, here, length) = (far.bound()[0].address, peer.address, sdp.len());
    let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let text = format!(
        "INVITE sip:alice@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{call_id}\r\nMax-Forwards: 70\r\nFrom: <{from}>;tag=s\r\n\
         To: <sip:alice@{to}>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\nContact: <sip:s@{here}>\r\n{lines}{kind}\
         Content-Length: {length}\r\n\r\n{sdp}"
    );
    peer.socket.send_to(text.as_bytes(), to).await.unwrap();
}

/// A REFER of a stranger, outside of any call, with these lines.
async fn asks(peer: &Peer, far: &ua::Endpoint, call_id: &str, lines: &str) {
    let lines = format!("P-Asserted-Identity: <sip:s@example.com>\r\n{lines}");
    says(peer, far, ("REFER", 1), (call_id, ""), &lines).await;
}

/// The same for another method, or with a To tag.
async fn says(
    peer: &Peer,
    far: &ua::Endpoint,
    (method, number): (&str, u32),
    (call_id, tag): (&str, &str),
    lines: &str,
) {
    let (to, here) = (far.bound()[0].address, peer.address);
    let text = format!(
        "{method} sip:alice@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{call_id}x{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:s@example.com>;tag=s\r\nTo: <sip:alice@{to}>{tag}\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\n\
         Contact: <sip:s@{here}>\r\n{lines}Content-Length: 0\r\n\r\n"
    );
    peer.socket.send_to(text.as_bytes(), to).await.unwrap();
}

/// An endpoint that allows transfers, and what servers here ask for outside of any call.
async fn obliging() -> ua::Endpoint {
    let loopback = ua::Network::read("127.0.0.1").unwrap();
    builder().allow_transfer().refer_outside([loopback]).build().await.unwrap()
}

#[tokio::test]
async fn rfc3515_2_4_4_who_is_allowed_to_has_us_call_somebody_outside_of_any_call() {
    let (alice, bob, mut peer) = (obliging().await, builder().build().await.unwrap(), Peer::new().await);
    let refer_to = format!("Refer-To: <{}>\r\n", bob.uri("bob").unwrap());
    for (call_id, answers, last) in [("one", true, "SIP/2.0 200 OK"), ("two", false, "SIP/2.0 486 Busy Here")] {
        asks(&peer, &alice, call_id, &refer_to).await;
        let accepted = peer.expect("SIP/2.0 202 ").await;
        assert!(header(&accepted, "Contact").is_some(), "{accepted}");
        let (state, line) = told(&mut peer).await;
        assert!(state.starts_with("active;expires=") && line == "SIP/2.0 100 Trying", "{state} {line}");
        let dialing = alice.referral().await.unwrap().accept().start().await.unwrap();
        let incoming = bob.incoming().await.unwrap();
        if answers {
            let (placed, taken) = tokio::join!(dialing.answer(), incoming.answer());
            told_last(&mut peer, last).await;
            placed.unwrap().hangup().await;
            taken.unwrap().ended().await;
        } else {
            let (placed, _) = tokio::join!(dialing.answer(), incoming.reject(486, None));
            assert!(placed.is_err());
            told_last(&mut peer, last).await;
        }
    }
    // One that is declined, and one who wants to be told nothing.
    asks(&peer, &alice, "three", &refer_to).await;
    peer.expect("SIP/2.0 202 ").await;
    told(&mut peer).await;
    drop(alice.referral().await);
    told_last(&mut peer, "SIP/2.0 603 Decline").await;
    asks(&peer, &alice, "four", &format!("{refer_to}Refer-Sub: false\r\nSupported: norefersub\r\n")).await;
    let accepted = peer.expect("SIP/2.0 202 ").await;
    assert_eq!(header(&accepted, "Refer-Sub"), Some("false"));
    assert_eq!(alice.referral().await.unwrap().asked_by(), ["sip:s@example.com"]);
    until("nothing is left", async || alice.usage().await.unwrap().stack.watchers == 0).await;
}

#[tokio::test]
async fn rfc3515_2_4_4_a_subscribe_refreshes_what_a_refer_outside_of_any_call_has_made_or_ends_it() {
    let (alice, mut peer) = (obliging().await, Peer::new().await);
    asks(&peer, &alice, "one", TO_CAROL).await;
    let accepted = peer.expect("SIP/2.0 202 ").await;
    told(&mut peer).await;
    let (_, tag) = header(&accepted, "To").unwrap().split_once('>').unwrap();
    says(&peer, &alice, ("SUBSCRIBE", 2), ("one", tag), "Event: refer\r\nExpires: 60\r\n").await;
    let taken = peer.expect("SIP/2.0 200 ").await;
    assert_eq!(header(&taken, "Expires"), Some("60"));
    assert_eq!(told(&mut peer).await, ("active;expires=60".to_owned(), "SIP/2.0 100 Trying".to_owned()));
    says(&peer, &alice, ("SUBSCRIBE", 3), ("one", tag), "Event: refer\r\nExpires: 0\r\n").await;
    peer.expect("SIP/2.0 200 ").await;
    assert_eq!(told(&mut peer).await, ("terminated;reason=timeout".to_owned(), "SIP/2.0 100 Trying".to_owned()));
    // Nothing more is told: what comes next is the answer to this.
    alice.referral().await.unwrap().refuse(603);
    alice.usage().await.unwrap();
    says(&peer, &alice, ("OPTIONS", 1), ("two", ""), "").await;
    let next = peer.expect("").await;
    assert!(header(&next, "CSeq") == Some("1 OPTIONS"), "{next}");
}

/// Those count that have no end, decided on or not, told of or not.
#[tokio::test]
async fn rfc3515_2_4_2_sixteen_are_asked_for_outside_of_any_call_and_not_one_more() {
    let (alice, mut peer, mut held) = (obliging().await, Peer::new().await, Vec::new());
    for number in 0..16 {
        asks(&peer, &alice, &format!("n{number}"), TO_CAROL).await;
        peer.expect("SIP/2.0 202 ").await;
        told(&mut peer).await;
        held.push(alice.referral().await.unwrap());
    }
    asks(&peer, &alice, "more", TO_CAROL).await;
    let refused = peer.expect("SIP/2.0 503 ").await;
    assert!(header(&refused, "Retry-After").is_some(), "{refused}");
    drop(held.pop());
    told_last(&mut peer, "SIP/2.0 603 Decline").await;
    asks(&peer, &alice, "again", TO_CAROL).await;
    let accepted = peer.expect("SIP/2.0 202 ").await;
    told(&mut peer).await;
    // Who wants to hear no more of one has not ended it.
    let (_, tag) = header(&accepted, "To").unwrap().split_once('>').unwrap();
    says(&peer, &alice, ("SUBSCRIBE", 2), ("again", tag), "Event: refer\r\nExpires: 0\r\n").await;
    assert_eq!(told(&mut peer).await.0, "terminated;reason=timeout");
    asks(&peer, &alice, "unheard", TO_CAROL).await;
    peer.expect("SIP/2.0 503 ").await;
    drop(alice.referral().await);
    asks(&peer, &alice, "last", TO_CAROL).await;
    peer.expect("SIP/2.0 202 ").await;
}

/// Nobody is told of these, and calls that ring count as well.
#[tokio::test]
async fn rfc4488_4_sixteen_are_asked_for_silently_outside_of_any_call_and_not_one_more() {
    let (alice, mut peer, mut target) = (obliging().await, Peer::new().await, Peer::new().await);
    let lines = format!("Refer-To: <{}>\r\nRefer-Sub: false\r\nSupported: norefersub\r\n", target.uri());
    let (mut held, mut number) = (Vec::new(), 0);
    let mut asked = async |peer: &mut Peer, answer: &str| {
        number += 1;
        asks(peer, &alice, &format!("n{number}"), &lines).await;
        peer.expect(answer).await;
    };
    for _ in 0..16 {
        asked(&mut peer, "SIP/2.0 202 ").await;
        held.push(alice.referral().await.unwrap());
    }
    asked(&mut peer, "SIP/2.0 503 ").await;
    // One is agreed to, then placed, then it rings: each time one more is too many.
    let agreed = held.pop().unwrap().accept();
    asked(&mut peer, "SIP/2.0 503 ").await;
    let mut dialing = agreed.start().await.unwrap();
    let invite = target.expect("INVITE").await;
    asked(&mut peer, "SIP/2.0 503 ").await;
    target.reply(&invite, "180 Ringing", "b", "", "").await;
    assert_eq!(dialing.progress().await.unwrap().code, 180);
    asked(&mut peer, "SIP/2.0 503 ").await;
    // It has come to an end.
    target.reply(&invite, "486 Busy Here", "b", "", "").await;
    assert!(matches!(dialing.answer().await.err(), Some(CallError::Rejected { code: 486, .. })));
    asked(&mut peer, "SIP/2.0 202 ").await;
    asked(&mut peer, "SIP/2.0 503 ").await;
    // So has one that is declined.
    held.pop().unwrap().refuse(603);
    asked(&mut peer, "SIP/2.0 202 ").await;
}

/// Anybody else would spend our money.
#[tokio::test]
async fn rfc3515_2_4_2_nobody_else_has_us_call_anybody_outside_of_any_call() {
    let network = |text: &str| ua::Network::read(text).unwrap();
    for builder in [
        builder(),
        builder().allow_transfer(),
        builder().refer_outside([network("127.0.0.1")]),
        builder().allow_transfer().believe([network("127.0.0.1")]),
        builder().allow_transfer().refer_outside([network("192.0.2.0/24")]),
    ] {
        let (alice, mut peer) = (builder.build().await.unwrap(), Peer::new().await);
        asks(&peer, &alice, "one", TO_CAROL).await;
        peer.expect("SIP/2.0 603 ").await;
        assert!(tokio::time::timeout(Duration::from_millis(50), alice.referral()).await.is_err());
    }
    // A server that passes on what somebody sends, for whom it does not vouch.
    let (alice, mut peer) = (obliging().await, Peer::new().await);
    says(&peer, &alice, ("REFER", 1), ("one", ""), TO_CAROL).await;
    peer.expect("SIP/2.0 603 ").await;
    assert!(tokio::time::timeout(Duration::from_millis(50), alice.referral()).await.is_err());
}

/// The final answer to the call of this Call-ID.
async fn answered(peer: &mut Peer, call_id: &str) -> String {
    loop {
        let answer = peer.expect("SIP/2.0 ").await;
        if header(&answer, "Call-ID") == Some(call_id) && !answer.starts_with("SIP/2.0 1") {
            return answer;
        }
    }
}

/// A request in the dialog that a stranger's INVITE made.
async fn within(peer: &Peer, far: &ua::Endpoint, (method, number): (&str, u32), call_id: &str, to: &str) {
    let (at, here) = (far.bound()[0].address, peer.address);
    let text = format!(
        "{method} sip:alice@{at} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{method}{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:s@example.com>;tag=s\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n"
    );
    peer.socket.send_to(text.as_bytes(), at).await.unwrap();
}

/// The ACK to the 2xx that a stranger's INVITE has got.
async fn acknowledge(peer: &Peer, far: &ua::Endpoint, call_id: &str, accepted: &str) {
    within(peer, far, ("ACK", 1), call_id, header(accepted, "To").unwrap()).await;
}

/// The dialog that `invite` and the tag `a` made, as Replaces names it.
fn named(invite: &str) -> String {
    let tag = header(invite, "From").unwrap().split(";tag=").nth(1).unwrap();
    format!("{};to-tag={tag};from-tag=a", header(invite, "Call-ID").unwrap())
}

#[tokio::test]
async fn rfc3891_3_replaces_is_refused_with_the_code_for_each_case() {
    let (alice, mut peer, call, invite) = stood().await;
    let (mut other, own) = (Peer::new().await, peer.uri());
    let name = named(&invite);
    let far = SDP.replace("AVP 0", "AVP 18");
    for (count, (lines, from, sdp, code)) in (0..).zip([
        (format!("Replaces: {name}\r\nReplaces: {name}\r\n"), own.as_str(), SDP, 400),
        (format!("Replaces: {name}\r\nJoin: {name}\r\n"), &own, SDP, 400),
        ("Replaces: x;to-tag=1\r\n".to_owned(), &own, SDP, 400),
        ("Replaces: x;to-tag=1;from-tag=2\r\n".to_owned(), &own, SDP, 481),
        (format!("Replaces: {name}x\r\n"), &own, SDP, 481),
        (format!("Replaces: {name};early-only\r\n"), &own, SDP, 486),
        (format!("Replaces: {name}\r\n"), "sip:mallory@example.com", SDP, 403),
        (
            format!("Replaces: {name}\r\nReferred-By: <sip:mallory@example.com>\r\n"),
            "sip:mallory@example.com",
            SDP,
            403,
        ),
        (format!("Replaces: {name}\r\n"), &own, &far, 488),
    ]) {
        let call_id = format!("refused{count}");
        stranger(&other, &alice, from, &call_id, &lines, sdp).await;
        let answer = answered(&mut other, &call_id).await;
        assert!(answer.starts_with(&format!("SIP/2.0 {code} ")), "{lines}: {answer}");
    }
    assert!(!call.is_over());
    // It has ended: 603, whether the BYE has been confirmed or not.
    call.hangup().await;
    stranger(&other, &alice, &own, "late", &format!("Replaces: {name}\r\n"), SDP).await;
    assert!(answered(&mut other, "late").await.starts_with("SIP/2.0 603 "));
    let bye = peer.expect("BYE").await;
    peer.reply(&bye, "200 OK", "a", "", "").await;
    until("the BYE is confirmed", async || alice.usage().await.unwrap().stack.sessions == 0).await;
    stranger(&other, &alice, &own, "after", &format!("Replaces: {name}\r\n"), SDP).await;
    assert!(answered(&mut other, "after").await.starts_with("SIP/2.0 603 "));
}

#[tokio::test]
async fn rfc3911_4_join_is_refused_with_the_code_for_each_case() {
    let (alice, mut peer, call, invite) = stood().await;
    let (mut other, own) = (Peer::new().await, peer.uri());
    let name = named(&invite);
    for (count, (lines, from, code)) in (0..).zip([
        (format!("Join: {name}\r\nJoin: {name}\r\n"), own.as_str(), 400),
        ("Join: x;to-tag=1\r\n".to_owned(), &own, 400),
        ("Join: x;to-tag=1;from-tag=2\r\n".to_owned(), &own, 481),
        (format!("Join: {name}\r\n"), "sip:mallory@example.com", 403),
    ]) {
        let call_id = format!("refused{count}");
        stranger(&other, &alice, from, &call_id, &lines, SDP).await;
        let answer = answered(&mut other, &call_id).await;
        assert!(answer.starts_with(&format!("SIP/2.0 {code} ")), "{lines}: {answer}");
    }
    assert!(!call.is_over());
    // One that rings here is none that two talk in.
    stranger(&peer, &alice, "sip:carol@example.com", "rings", "", SDP).await;
    let incoming = alice.incoming().await.unwrap();
    assert!(!incoming.joins(&call));
    incoming.ring().await.unwrap();
    let ringing = peer.expect("SIP/2.0 180 ").await;
    let tag = header(&ringing, "To").unwrap().split(";tag=").nth(1).unwrap();
    let lines = format!("Join: rings;to-tag={tag};from-tag=s\r\n");
    stranger(&other, &alice, "sip:carol@example.com", "early", &lines, SDP).await;
    let answer = answered(&mut other, "early").await;
    assert!(answer.starts_with("SIP/2.0 488 "), "{answer}");
    drop(incoming);
}

/// Where transfers are not allowed nobody knows what it means, and it is a call like any other.
#[tokio::test]
async fn rfc3911_4_nobody_joins_unless_that_is_allowed() {
    let (alice, peer, call, invite) = super::stood().await;
    let other = Peer::new().await;
    stranger(&other, &alice, &peer.uri(), "joins", &format!("Join: {}\r\n", named(&invite)), SDP).await;
    assert!(!alice.incoming().await.unwrap().joins(&call));
}

/// Who takes a call over says in From that he is the other side of it.
#[tokio::test]
async fn rfc3891_8_where_somebody_is_believed_nobody_takes_a_call_over_without_his_word() {
    const MALLORY: &str = "sip:mallory@example.com";
    for (believed, asserted, is_sent, code) in [
        ("127.0.0.1", None, false, 403),
        ("127.0.0.1", None, true, 403),
        ("127.0.0.1", Some(MALLORY), false, 403),
        ("127.0.0.1", Some(MALLORY), true, 200),
        ("127.0.0.1", Some(""), false, 200),
        ("192.0.2.0/24", Some(""), true, 403),
    ] {
        let alice = builder().allow_transfer().believe([ua::Network::read(believed).unwrap()]).build().await.unwrap();
        let (mut peer, mut other) = (Peer::new().await, Peer::new().await);
        let dialing = alice.call(peer.uri()).start().await.unwrap();
        let invite = peer.expect("INVITE").await;
        peer.accept(&invite, "a").await;
        let call = dialing.answer().await.unwrap();
        let own = peer.uri();
        let mut lines = format!("Replaces: {}\r\n", named(&invite));
        if let Some(who) = asserted {
            lines += &format!("P-Asserted-Identity: <{}>\r\n", if who.is_empty() { &own } else { who });
        }
        if is_sent {
            lines += &format!("Referred-By: <{own}>\r\n");
        }
        stranger(&other, &alice, &own, "takes", &lines, SDP).await;
        let answer = answered(&mut other, "takes").await;
        assert!(answer.starts_with(&format!("SIP/2.0 {code} ")), "{believed} {lines}: {answer}");
        assert!(!call.is_over());
    }
}

#[tokio::test]
async fn rfc3891_3_who_stands_in_gets_the_call_and_the_replaced_one_a_bye() {
    let (alice, mut peer, call, invite) = stood().await;
    let (mut other, mut events) = (Peer::new().await, call.events());
    let lines = format!("Require: replaces\r\nReplaces: {}\r\nReferred-By: <{}>\r\n", named(&invite), peer.uri());
    stranger(&other, &alice, "sip:carol@example.com", "standsin", &lines, SDP).await;
    let accepted = other.expect("SIP/2.0 200 ").await;
    assert!(accepted.contains("\r\nm=audio "), "{accepted}");
    peer.expect("BYE").await;
    until("the news", async || {
        events.next().await == Some(CallEvent::Replaced { peer: "sip:carol@example.com".to_owned() })
    })
    .await;
    assert!(!call.is_over());
    // The call is with the new one now.
    let to = header(&accepted, "To").unwrap();
    let bye = format!(
        "BYE sip:alice@{} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKbye\r\nMax-Forwards: 70\r\nFrom: <sip:carol@example.com>;tag=s\r\nTo: {to}\r\n\
         Call-ID: standsin\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n",
        alice.bound()[0].address,
        other.address
    );
    other.send(&bye).await;
    assert_eq!(call.ended().await.by, EndedBy::Peer);
}

#[tokio::test]
async fn rfc3891_3_a_call_that_we_place_is_picked_up_by_who_stands_in() {
    let (alice, mut peer) = (builder().allow_transfer().build().await.unwrap(), Peer::new().await);
    let mut dialing = alice.call(peer.uri()).start().await.unwrap();
    let invite = peer.expect("INVITE").await;
    peer.reply(&invite, "180 Ringing", "a", "", "").await;
    assert_eq!(dialing.progress().await.unwrap().code, 180);
    let mut other = Peer::new().await;
    let lines = format!("Replaces: {};early-only\r\n", named(&invite));
    stranger(&other, &alice, &peer.uri(), "pickup", &lines, SDP).await;
    other.expect("SIP/2.0 200 ").await;
    let call = dialing.answer().await.unwrap();
    peer.expect("CANCEL").await;
    assert!(!call.is_over());
}

/// Our 200 has left, and its ACK has not come: it stands for the other side.
#[tokio::test]
async fn rfc3891_3_a_call_that_waits_for_its_ack_goes_on_with_who_stands_in() {
    let (alice, mut peer) = (builder().allow_transfer().build().await.unwrap(), Peer::new().await);
    stranger(&peer, &alice, "sip:carol@example.com", "unacked", "", SDP).await;
    let incoming = alice.incoming().await.unwrap();
    let answering = tokio::spawn(incoming.answer());
    let accepted = peer.expect("SIP/2.0 200 ").await;
    let tag = header(&accepted, "To").unwrap().split(";tag=").nth(1).unwrap();
    let mut other = Peer::new().await;
    let lines = format!("Replaces: unacked;to-tag={tag};from-tag=s\r\n");
    stranger(&other, &alice, "sip:carol@example.com", "instead", &lines, SDP).await;
    let accepted = other.expect("SIP/2.0 200 ").await;
    let call = answering.await.unwrap().unwrap();
    acknowledge(&other, &alice, "instead", &accepted).await;
    // What comes next is the answer to this, and no BYE.
    let to = header(&accepted, "To").unwrap();
    within(&other, &alice, ("OPTIONS", 2), "instead", to).await;
    assert!(answered(&mut other, "instead").await.contains("CSeq: 2 OPTIONS"));
    assert!(!call.is_over());
}

#[tokio::test]
async fn rfc3891_3_the_replaced_one_hears_nothing_more_and_who_names_no_audio_is_hung_up_on() {
    let (alice, mut peer) = (builder().allow_transfer().build().await.unwrap(), Peer::new().await);
    let ear = crate::socket().await.0;
    let port = ear.local_addr().unwrap().port();
    let dialing = alice.call(peer.uri()).start().await.unwrap();
    let invite = peer.expect("INVITE").await;
    let sdp = SDP.replace("audio 9 ", &format!("audio {port} "));
    peer.reply(&invite, "200 OK", "a", "Content-Type: application/sdp\r\n", &sdp).await;
    let call = dialing.answer().await.unwrap();
    let _tone = call.audio().tone(440.0, None).unwrap();
    let mut buffer = [0; 2_048];
    ear.recv_from(&mut buffer).await.unwrap();
    let mut other = Peer::new().await;
    stranger(&other, &alice, &peer.uri(), "late", &format!("Replaces: {}\r\n", named(&invite)), "").await;
    let accepted = other.expect("SIP/2.0 200 ").await;
    assert!(accepted.contains("\r\nm=audio "), "an offer: {accepted}");
    peer.expect("BYE").await;
    let quiet = Duration::from_millis(300);
    until("silence", async || tokio::time::timeout(quiet, ear.recv_from(&mut [0; 2_048])).await.is_err()).await;
    assert!(!call.is_over());
    acknowledge(&other, &alice, "late", &accepted).await;
    other.expect("BYE").await;
    assert_eq!(call.ended().await.by, EndedBy::Us);
}

#[tokio::test]
async fn rfc3891_3_a_call_that_rings_here_is_no_match() {
    let (alice, mut peer) = (builder().allow_transfer().build().await.unwrap(), Peer::new().await);
    stranger(&peer, &alice, "sip:carol@example.com", "rings", "", SDP).await;
    let incoming = alice.incoming().await.unwrap();
    incoming.ring().await.unwrap();
    let ringing = peer.expect("SIP/2.0 180 ").await;
    let tag = header(&ringing, "To").unwrap().split(";tag=").nth(1).unwrap();
    let lines = format!("Replaces: rings;to-tag={tag};from-tag=s\r\n");
    stranger(&peer, &alice, "sip:carol@example.com", "second", &lines, SDP).await;
    peer.expect("SIP/2.0 481 ").await;
    drop(incoming);
}

#[tokio::test]
async fn rfc3891_6_2_who_takes_replaces_says_so() {
    for (builder, takes) in [(builder(), false), (builder().allow_transfer(), true)] {
        let (alice, mut peer) = (builder.build().await.unwrap(), Peer::new().await);
        let _dialing = alice.call(peer.uri()).start().await.unwrap();
        let invite = peer.expect("INVITE").await;
        assert_eq!(header(&invite, "Supported").unwrap().contains("replaces"), takes, "{invite}");
        stranger(&peer, &alice, "sip:x@example.com", "needs", "Require: replaces\r\n", SDP).await;
        let answer = answered(&mut peer, "needs");
        if takes {
            let (answer, incoming) = tokio::join!(answer, async {
                let incoming = alice.incoming().await.unwrap();
                incoming.reject(486, None).await
            });
            assert!(answer.starts_with("SIP/2.0 486 ") && incoming.code == 486, "{answer}");
        } else {
            let answer = answer.await;
            assert!(answer.starts_with("SIP/2.0 420 "), "{answer}");
            assert_eq!(header(&answer, "Unsupported"), Some("replaces"));
        }
    }
}

/// All three roles are ours: one that transfers, one that is transferred, one it is transferred to.
#[tokio::test]
async fn rfc5589_7_1_an_attended_transfer_between_three_phones_and_the_two_hear_each_other() {
    let one = builder().build().await.unwrap();
    let two = builder().allow_transfer().build().await.unwrap();
    let three = builder().allow_transfer().build().await.unwrap();
    let (first, at_two) = call(&one, &two).await;
    let (second, at_three) = call(&one, &three).await;
    let _tone = at_three.audio().tone(1_000.0, None).unwrap();
    let mut events = first.events();
    first.transfer_to(&second).await.unwrap();
    let referral = two.referral().await.unwrap();
    assert!(referral.is_attended() && referral.is_of(&at_two));
    let joined = referral.accept().await.unwrap();
    until("the outcome", async || {
        matches!(events.next().await, Some(CallEvent::Transfer { code: 200, last: true, .. }))
    })
    .await;
    assert_eq!(second.ended().await.by, EndedBy::Peer);
    first.hangup().await;
    assert_eq!(at_two.ended().await.by, EndedBy::Peer);
    let _other_tone = joined.audio().tone(440.0, None).unwrap();
    let ears = (Ear::on(&joined), Ear::on(&at_three));
    let long = Duration::from_secs(1);
    until("a second of tone both ways", async || ears.0.heard(1) >= long && ears.1.heard(0) >= long).await;
    joined.hangup().await;
    assert_eq!(at_three.ended().await.by, EndedBy::Peer);
}

/// The same while the third one still rings: it is asked for when it has answered, and not at all when it refuses.
#[tokio::test]
async fn rfc5589_7_6_a_transfer_to_a_call_that_rings_waits_for_its_answer() {
    let one = builder().build().await.unwrap();
    let two = builder().allow_transfer().build().await.unwrap();
    let three = builder().allow_transfer().build().await.unwrap();
    let (first, at_two) = call(&one, &two).await;
    let mut events = first.events();
    let not_asked = async || tokio::time::timeout(Duration::from_millis(50), two.referral()).await.is_err();
    let dialing = one.call(three.uri("three").unwrap()).start().await.unwrap();
    let (refused, ()) = tokio::join!(first.transfer_to_ringing(dialing), async {
        three.incoming().await.unwrap().reject(486, None).await;
        assert!(not_asked().await);
    });
    assert!(matches!(refused, Err(CallError::Rejected { code: 486, .. })), "{:?}", refused.err());
    assert!(!first.is_over());
    let dialing = one.call(three.uri("three").unwrap()).start().await.unwrap();
    let (second, (at_three, joined)) = tokio::join!(first.transfer_to_ringing(dialing), async {
        let ringing = three.incoming().await.unwrap();
        ringing.ring().await.unwrap();
        assert!(not_asked().await);
        let at_three = ringing.answer().await.unwrap();
        let referral = two.referral().await.unwrap();
        assert!(referral.is_attended() && referral.is_of(&at_two));
        (at_three, referral.accept().await.unwrap())
    });
    let second = second.unwrap();
    until("the outcome", async || {
        matches!(events.next().await, Some(CallEvent::Transfer { code: 200, last: true, .. }))
    })
    .await;
    assert_eq!(second.ended().await.by, EndedBy::Peer);
    first.hangup().await;
    joined.hangup().await;
    assert_eq!(at_three.ended().await.by, EndedBy::Peer);
}

/// A call that ends meanwhile takes the one with it that rings.
#[tokio::test]
async fn rfc5589_7_6_nobody_goes_on_ringing_for_a_call_that_has_ended() {
    let (one, two, three) =
        (builder().build().await.unwrap(), builder().build().await.unwrap(), builder().build().await.unwrap());
    let (first, at_two) = call(&one, &two).await;
    let dialing = one.call(three.uri("three").unwrap()).start().await.unwrap();
    let (outcome, gone) = tokio::join!(first.transfer_to_ringing(dialing), async {
        let ringing = three.incoming().await.unwrap();
        at_two.hangup().await;
        ringing.gone().await
    });
    assert_eq!(outcome.err(), Some(CallError::Ended));
    assert_eq!(gone.by, EndedBy::Peer);
}

#[tokio::test]
async fn rfc4488_4_a_transfer_of_which_nothing_is_to_be_told_says_so() {
    let (_alice, mut peer, call, _) = super::stood().await;
    let asking = tokio::spawn(async move { call.transfer("sip:carol@example.com").await.map(|()| call) });
    let refer = peer.expect("REFER").await;
    assert_eq!(header(&refer, "Refer-Sub"), None, "the control");
    peer.reply(&refer, "603 Decline", "a", "", "").await;
    assert!(asking.await.unwrap().is_err());
    let (_bob, mut peer, call, _) = super::stood().await;
    let mut events = call.events();
    let asking = tokio::spawn(async move { call.transfer_untold("sip:carol@example.com").await.map(|()| call) });
    let refer = peer.expect("REFER").await;
    assert_eq!(header(&refer, "Refer-Sub"), Some("false"));
    assert!(header(&refer, "Supported").unwrap().contains("norefersub"), "{refer}");
    peer.reply(&refer, "202 Accepted", "a", "Refer-Sub: false\r\n", "").await;
    let _call = asking.await.unwrap().unwrap();
    loop {
        if let CallEvent::Transfer { code, last, .. } = events.next().await.unwrap() {
            assert_eq!((code, last), (200, true));
            break;
        }
    }
}

/// What comes of it that the peer sends us to `target`, who asks for our password: the credentials that he gets.
async fn proved_to(peer: &mut Peer, domain: SocketAddr, target: &mut Peer) -> Option<String> {
    let alice = builder().allow_transfer().build().await.unwrap();
    let config = AccountConfig::new(format!("sip:alice@{domain}")).password("secret");
    let account = alice.account(config).await.unwrap();
    let dialing = account.call(peer.uri()).start().await.unwrap();
    let invite = peer.expect("INVITE").await;
    peer.accept(&invite, "a").await;
    let _call = dialing.answer().await.unwrap();
    peer.expect("ACK").await;
    let to = target.uri();
    peer.request(&invite, "a", "REFER", 1, &format!("Refer-To: <{to}>\r\n"), "").await;
    let placed = alice.referral().await.unwrap().accept_by(&account).start().await.unwrap();
    let invite = target.expect("INVITE").await;
    let challenge = "WWW-Authenticate: Digest realm=\"any\", nonce=\"1\", algorithm=SHA-256, qop=\"auth\"\r\n";
    target.reply(&invite, "401 Unauthorized", "b", challenge, "").await;
    tokio::select! {
        again = target.expect("INVITE") => Some(header(&again, "Authorization").unwrap().to_owned()),
        outcome = placed.answer() => {
            assert!(matches!(outcome, Err(CallError::Authentication { code: 401 })), "{:?}", outcome.err());
            None
        }
    }
}

#[tokio::test]
async fn cve_our_client_leaks_its_hash_who_a_referral_names_gets_none() {
    let (mut peer, mut domain, mut evil) = (Peer::new().await, Peer::new().await, Peer::new().await);
    assert_eq!(proved_to(&mut peer, domain.address, &mut evil).await, None);
    // The control: the domain of the account is given a proof, also when it is a peer that names it.
    let home = domain.address;
    let proof = proved_to(&mut peer, home, &mut domain).await;
    assert!(proof.is_some_and(|line| line.contains("realm=\"any\"")));
}
