//! Reliable provisional responses (RFC 3262), both ways.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use ua::{CallError, CallEvent};

use crate::{Wire, builder, header, until};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

/// A caller that is played by hand.
struct Caller {
    socket: UdpSocket,
    address: SocketAddr,
    callee: SocketAddr,
    cseq: u32,
    to: String,
    /// What came twice counts once.
    came: Vec<String>,
}

impl Caller {
    async fn new(callee: SocketAddr) -> Self {
        let (socket, address) = crate::socket().await;
        Self { socket, address, callee, cseq: 0, to: format!("<sip:bob@{callee}>"), came: Vec::new() }
    }

    async fn send(&mut self, method: &str, lines: &str, body: &str) {
        if method != "ACK" {
            self.cseq += 1;
        }
        let cseq = if method == "ACK" { 1 } else { self.cseq };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{method} sip:bob@{callee} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{method}{cseq}\r\nMax-Forwards: 70\r\n\
             From: <sip:caller@{here}>;tag=c\r\nTo: {to}\r\nCall-ID: reliable-{here}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:caller@{here}>\r\n{lines}{kind}Content-Length: {length}\r\n\r\n{body}",
            callee = self.callee,
            here = self.address,
            to = self.to,
            length = body.len(),
        );
        self.socket.send_to(text.as_bytes(), self.callee).await.unwrap();
    }

    /// The next message that is not a repeat and no 100.
    async fn next(&mut self) -> String {
        let mut buffer = [0; 8_192];
        let waiting = async {
            loop {
                let (length, _) = self.socket.recv_from(&mut buffer).await.unwrap();
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if !text.starts_with("SIP/2.0 100") && !self.came.contains(&text) {
                    return text;
                }
            }
        };
        let text = tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("a message");
        self.came.push(text.clone());
        self.to = header(&text, "To").unwrap().to_owned();
        text
    }

    /// The next message begins so.
    async fn hear(&mut self, begin: &str) -> String {
        let text = self.next().await;
        assert!(text.starts_with(begin), "{begin} was awaited: {text}");
        text
    }

    async fn prack(&mut self, response: &str, body: &str) {
        let rack = format!("RAck: {} 1 INVITE\r\n", header(response, "RSeq").unwrap());
        self.send("PRACK", &rack, body).await;
    }
}

fn body(text: &str) -> &str {
    text.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn rfc3262_5_early_media_are_acknowledged_before_the_answer() {
    let wire = Wire::default();
    let alice = wire.tap(builder()).build().await.unwrap();
    let bob = builder().reliable().build().await.unwrap();
    let mut dialing = alice.call(bob.uri("bob").unwrap()).start().await.unwrap();
    let mut events = dialing.events();
    let incoming = bob.incoming().await.unwrap();
    incoming.progress_with_media().await.unwrap();
    let progress = dialing.progress().await.unwrap();
    assert_eq!((progress.code, progress.early_media, progress.reliable), (183, true, true));
    assert!(matches!(events.next().await, Some(CallEvent::MediaReady { .. })));
    let (placed, taken) = tokio::join!(dialing.answer(), incoming.answer());
    let (_placed, _taken) = (placed.unwrap(), taken.unwrap());
    let mut lines = wire.lines();
    lines.retain(|line| !line.contains("100 Trying"));
    lines.dedup();
    let place = |wanted: &str| lines.iter().position(|line| line == wanted).unwrap_or_else(|| panic!("{lines:?}"));
    assert!(place("< SIP/2.0 183 Session Progress") < place("> PRACK"));
    assert!(place("> PRACK") < place("< SIP/2.0 200 OK"));
    let answers = wire.messages(false, "SIP/2.0 200");
    let invited = answers.iter().find(|text| header(text, "CSeq").unwrap().ends_with("INVITE")).unwrap();
    assert_eq!(body(invited), "", "the answer has been given");
}

#[tokio::test]
async fn rfc3262_3_a_phone_says_plainly_that_it_rings_unless_it_is_told_to_or_asked() {
    for (told, asked, reliably) in [(false, false, false), (true, false, true), (false, true, true)] {
        let alice = builder().build().await.unwrap();
        let bob = if told { builder().reliable() } else { builder() }.build().await.unwrap();
        let placing = alice.call(bob.uri("bob").unwrap());
        let mut dialing = if asked { placing.reliable() } else { placing }.start().await.unwrap();
        let incoming = bob.incoming().await.unwrap();
        incoming.ring().await.unwrap();
        let progress = dialing.progress().await.unwrap();
        assert_eq!((progress.code, progress.reliable), (180, reliably), "{told} {asked}");
        dialing.cancel().await;
    }
}

#[tokio::test]
async fn rfc3262_3_the_answer_waits_for_the_prack_and_its_absence_ends_the_call() {
    for acknowledged in [true, false] {
        let bob = builder().reliable().build().await.unwrap();
        let mut caller = Caller::new(bob.bound()[0].address).await;
        caller.send("INVITE", "Supported: 100rel\r\n", SDP).await;
        let incoming = bob.incoming().await.unwrap();
        incoming.progress_with_media().await.unwrap();
        let early = caller.hear("SIP/2.0 183").await;
        assert_eq!((header(&early, "Require"), body(&early).is_empty()), (Some("100rel"), false));
        let answering = tokio::spawn(incoming.answer());
        if acknowledged {
            caller.prack(&early, "").await;
            caller.hear("SIP/2.0 200").await;
            let answer = caller.hear("SIP/2.0 200").await;
            assert_eq!((header(&answer, "CSeq"), body(&answer)), (Some("1 INVITE"), ""));
            caller.send("ACK", "", "").await;
            assert!(answering.await.unwrap().is_ok());
        } else {
            caller.hear("SIP/2.0 504").await;
            assert!(answering.await.unwrap().is_err());
        }
    }
}

#[tokio::test]
async fn rfc3262_5_a_call_without_offer_gets_it_with_the_180_and_answers_in_the_prack() {
    for (answer, fine) in [(SDP, true), ("", false)] {
        let bob = builder().build().await.unwrap();
        let mut caller = Caller::new(bob.bound()[0].address).await;
        caller.send("INVITE", "Require: 100rel\r\n", "").await;
        let incoming = bob.incoming().await.unwrap();
        let mut events = incoming.events();
        incoming.ring().await.unwrap();
        let ringing = caller.hear("SIP/2.0 180").await;
        assert!(body(&ringing).starts_with("v=0"), "{ringing}");
        if fine {
            let answering = tokio::spawn(incoming.answer());
            caller.prack(&ringing, answer).await;
            caller.hear("SIP/2.0 200").await;
            assert!(matches!(events.next().await, Some(CallEvent::MediaReady { .. })));
            let accepted = caller.hear("SIP/2.0 200").await;
            assert_eq!((header(&accepted, "CSeq"), body(&accepted)), (Some("1 INVITE"), ""));
            caller.send("ACK", "", "").await;
            assert!(answering.await.unwrap().is_ok());
        } else {
            caller.prack(&ringing, answer).await;
            caller.hear("SIP/2.0 200").await;
            caller.hear("SIP/2.0 488").await;
            assert!(incoming.answer().await.is_err());
        }
    }
}

#[tokio::test]
async fn rfc3262_5_an_offer_in_the_prack_is_answered_in_its_200() {
    for (offer, port) in [(SDP.to_owned(), false), (SDP.replace("AVP 0", "AVP 18"), true)] {
        let bob = builder().reliable().build().await.unwrap();
        let mut caller = Caller::new(bob.bound()[0].address).await;
        caller.send("INVITE", "Supported: 100rel\r\n", SDP).await;
        let incoming = bob.incoming().await.unwrap();
        incoming.progress_with_media().await.unwrap();
        let early = caller.hear("SIP/2.0 183").await;
        caller.prack(&early, &offer.replace("1 1 IN", "1 2 IN")).await;
        let answer = caller.hear("SIP/2.0 200").await;
        assert_eq!(header(&answer, "CSeq"), Some("2 PRACK"));
        assert!(body(&answer).contains("m=audio "), "{answer}");
        assert_eq!(body(&answer).contains("m=audio 0 "), port, "what cannot be taken is answered so: {answer}");
    }
}

#[tokio::test]
async fn rfc3262_5_an_offer_in_a_provisional_response_is_answered_in_the_prack() {
    let wire = Wire::default();
    let alice = wire.tap(builder()).build().await.unwrap();
    let bob = builder().build().await.unwrap();
    let mut dialing = alice.call(bob.uri("bob").unwrap()).late_offer().reliable().start().await.unwrap();
    let incoming = bob.incoming().await.unwrap();
    incoming.ring().await.unwrap();
    let progress = dialing.progress().await.unwrap();
    assert_eq!((progress.code, progress.early_media, progress.reliable), (180, true, true));
    until("the PRACK", async || !wire.messages(true, "PRACK").is_empty()).await;
    assert!(body(&wire.messages(true, "PRACK")[0]).starts_with("v=0"));
    let (placed, taken) = tokio::join!(dialing.answer(), incoming.answer());
    let (placed, taken) = (placed.unwrap(), taken.unwrap());
    assert_eq!(placed.hangup().await.by, ua::EndedBy::Us);
    taken.events().next().await;
}

#[tokio::test]
async fn rfc3262_4_a_callee_that_cannot_refuses_who_insists() {
    let alice = builder().build().await.unwrap();
    let (socket, address) = crate::socket().await;
    let placed = tokio::spawn(async move { alice.call(format!("sip:old@{address}")).reliable().await.err() });
    let mut buffer = [0; 8_192];
    let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
    let invite = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert_eq!(header(&invite, "Require"), Some("100rel"));
    let copied =
        ["Via", "From", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", header(&invite, name).unwrap()));
    let refusal = format!(
        "SIP/2.0 420 Bad Extension\r\n{}To: {};tag=o\r\nUnsupported: 100rel\r\nContent-Length: 0\r\n\r\n",
        copied.concat(),
        header(&invite, "To").unwrap()
    );
    socket.send_to(refusal.as_bytes(), from).await.unwrap();
    assert!(matches!(placed.await.unwrap(), Some(CallError::Rejected { code: 420, .. })));
}
