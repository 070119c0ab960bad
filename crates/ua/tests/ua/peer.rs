//! A peer that is played by hand: what other implementations, and hostile ones, may do.

mod credentials;
mod early;
mod history;
mod notifiers;
mod secured;
mod sentences;
mod timers;
mod transfers;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use ua::{Call, CallError, CallEvent, Dialing, DigitBy, EndedBy, Endpoint, Farewell};

use crate::{builder, header, until};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

struct Peer {
    socket: UdpSocket,
    address: SocketAddr,
    far: Option<SocketAddr>,
    /// INVITEs and NOTIFYs that have come.
    asked: HashSet<String>,
}

impl Peer {
    async fn new() -> Self {
        let (socket, address) = crate::socket().await;
        Self { socket, address, far: None, asked: HashSet::new() }
    }

    fn uri(&self) -> String {
        format!("sip:peer@{}", self.address)
    }

    /// The next message that begins so; others are passed over, and so is an INVITE or NOTIFY that comes again on a slow machine.
    async fn expect(&mut self, begin: &str) -> String {
        let mut buffer = [0; 8_192];
        let waiting = async {
            loop {
                let (length, from) = self.socket.recv_from(&mut buffer).await.unwrap();
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                self.far = Some(from);
                let asks = text.starts_with("INVITE") || text.starts_with("NOTIFY");
                let is_repeat = asks && !self.asked.insert(text.clone());
                if text.starts_with(begin) && !is_repeat {
                    return text;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap_or_else(|_| panic!("{begin} never came"))
    }

    async fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.far.unwrap()).await.unwrap();
    }

    /// Answers a request; `tag` goes into To unless it has one.
    async fn reply(&self, request: &str, status: &str, tag: &str, lines: &str, body: &str) {
        self.reply_for(&self.uri(), request, status, tag, lines, body).await;
    }

    /// The same for somebody with this address.
    async fn reply_for(&self, contact: &str, request: &str, status: &str, tag: &str, lines: &str, body: &str) {
        let copied =
            ["Via", "From", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", header(request, name).unwrap()));
        let to = header(request, "To").unwrap();
        let tag = if to.contains(";tag=") { String::new() } else { format!(";tag={tag}") };
        let length = body.len();
        let copied = copied.concat();
        self.send(&format!(
            "SIP/2.0 {status}\r\n{copied}To: {to}{tag}\r\nContact: <{contact}>\r\n{lines}Content-Length: {length}\r\n\r\n{body}"
        ))
        .await;
    }

    async fn accept(&self, invite: &str, tag: &str) {
        self.reply(invite, "200 OK", tag, "Content-Type: application/sdp\r\n", SDP).await;
    }

    /// A request of ours in the dialog that `invite` and `tag` made.
    async fn request(&self, invite: &str, tag: &str, method: &str, number: u32, lines: &str, body: &str) {
        let (from, to) = (header(invite, "To").unwrap(), header(invite, "From").unwrap());
        let target = header(invite, "Contact").unwrap().trim_matches(['<', '>']);
        let (call, via, contact, length) = (header(invite, "Call-ID").unwrap(), self.address, self.uri(), body.len());
        let branch = rand::random::<u64>();
        self.send(&format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bK{branch:x}\r\nMax-Forwards: 70\r\n\
             From: {from};tag={tag}\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {number} {method}\r\nContact: <{contact}>\r\n{lines}\
             Content-Length: {length}\r\n\r\n{body}"
        ))
        .await;
    }
}

/// An endpoint that calls a peer, and the INVITE.
async fn called() -> (Endpoint, Peer, Dialing, String) {
    let (alice, mut peer) = (builder().build().await.unwrap(), Peer::new().await);
    let dialing = alice.call(peer.uri()).start().await.unwrap();
    let invite = peer.expect("INVITE").await;
    (alice, peer, dialing, invite)
}

/// The same once the peer has answered, with the To tag `a`, and has our ACK.
async fn stood() -> (Endpoint, Peer, Call, String) {
    let (alice, mut peer, dialing, invite) = called().await;
    peer.accept(&invite, "a").await;
    let call = dialing.answer().await.unwrap();
    peer.expect("ACK").await;
    (alice, peer, call, invite)
}

#[tokio::test]
async fn an_answer_that_cannot_be_used_is_acknowledged_and_ended() {
    let answers = [
        ("Content-Type: application/sdp\r\n", "nonsense"),
        ("Content-Type: application/sdp\r\n", ""),
        ("", ""),
        ("Content-Type: application/sdp\r\n", &SDP.replace("AVP 0", "AVP 18")),
        ("Content-Type: application/sdp\r\n", &SDP.replace("audio 9", "audio 0")),
        ("Content-Type: application/sdp\r\n", &SDP.replace("127.0.0.1\r\nt=", "media.example.com\r\nt=")),
    ];
    for (lines, body) in answers {
        let (_alice, mut peer, dialing, invite) = called().await;
        peer.reply(&invite, "200 OK", "a", lines, body).await;
        let error = dialing.answer().await.err();
        assert!(matches!(error, Some(CallError::Media(_))), "{body:?}: {error:?}");
        peer.expect("ACK").await;
        peer.expect("BYE").await;
    }
}

#[tokio::test]
async fn rfc3261_13_2_2_4_a_late_offer_that_cannot_be_taken_is_refused_in_the_ack() {
    let (alice, mut peer) = (builder().build().await.unwrap(), Peer::new().await);
    let dialing = alice.call(peer.uri()).late_offer().start().await.unwrap();
    let invite = peer.expect("INVITE").await;
    let offer = SDP.replace("AVP 0", "AVP 18") + "m=video 11 RTP/AVP 31\r\n";
    peer.reply(&invite, "200 OK", "a", "Content-Type: application/sdp\r\n", &offer).await;
    assert!(matches!(dialing.answer().await.err(), Some(CallError::Media(_))));
    let ack = peer.expect("ACK").await;
    assert!(ack.contains("\r\nm=audio 0 RTP/AVP 18\r\nm=video 0 RTP/AVP 31\r\n"), "{ack}");
    peer.expect("BYE").await;
}

#[tokio::test]
async fn rfc3261_13_2_2_4_a_second_answer_of_another_fork_gets_ack_and_bye() {
    let (_alice, mut peer, dialing, invite) = called().await;
    peer.accept(&invite, "first").await;
    let call = dialing.answer().await.unwrap();
    assert!(peer.expect("ACK").await.contains(";tag=first"));
    peer.accept(&invite, "second").await;
    assert!(peer.expect("ACK").await.contains(";tag=second"));
    assert!(peer.expect("BYE").await.contains(";tag=second"));
    assert!(!call.is_over());
}

#[tokio::test]
async fn rfc3261_13_2_1_early_media_of_one_fork_gives_way_to_the_answer_of_another() {
    let (_alice, mut peer, mut dialing, invite) = called().await;
    let sdp = "Content-Type: application/sdp\r\n";
    let mut events = dialing.events();
    peer.reply(&invite, "183 Session Progress", "early", sdp, SDP).await;
    assert_eq!(dialing.progress().await.map(|progress| (progress.code, progress.early_media)), Some((183, true)));
    assert_eq!(events.next().await, Some(CallEvent::MediaReady { codec: "PCMU" }));
    // The same dialog answers once: what it says later is passed over.
    peer.reply(&invite, "183 Session Progress", "early", sdp, &SDP.replace("AVP 0", "AVP 8")).await;
    assert_eq!(dialing.progress().await.map(|progress| progress.early_media), Some(true));
    peer.reply(&invite, "200 OK", "late", sdp, &SDP.replace("AVP 0", "AVP 8")).await;
    let call = dialing.answer().await.unwrap();
    assert_eq!(events.next().await, Some(CallEvent::MediaReady { codec: "PCMA" }));
    assert_eq!(call.stats().await.unwrap().codec, "PCMA");
    assert!(peer.expect("ACK").await.contains(";tag=late"));
}

#[tokio::test]
async fn refusals_that_ask_for_something_keep_their_meaning() {
    for (status, lines) in [
        ("401 Unauthorized", "WWW-Authenticate: Digest realm=\"x\", nonce=\"y\"\r\n"),
        ("407 Proxy Authentication Required", "Proxy-Authenticate: Digest realm=\"x\", nonce=\"y\"\r\n"),
    ] {
        let (_alice, mut peer, dialing, invite) = called().await;
        peer.reply(&invite, status, "a", lines, "").await;
        let error = dialing.answer().await.err();
        assert!(matches!(error, Some(CallError::Authentication { code: 401 | 407 })), "{error:?}");
        peer.expect("ACK").await;
    }
}

#[tokio::test]
async fn rfc3261_8_1_3_4_redirection_is_told_with_what_the_peer_prefers_first() {
    let (_alice, mut peer, dialing, invite) = called().await;
    let many = (0..9).map(|n| format!("Contact: <sip:n{n}@192.0.2.9>;q=0.1\r\n")).collect::<String>();
    let contacts = format!("Contact: \"B\" <sip:b@192.0.2.1>;q=0.2, <sip:c@192.0.2.2>;q=0.7\r\n{many}");
    peer.reply(&invite, "302 Moved", "a", &contacts, "").await;
    let Some(CallError::Redirected { code: 302, reason, to }) = dialing.answer().await.err() else {
        panic!("expected a redirection");
    };
    // The peer's own Contact, to which it gives no other weight than 1, comes first.
    assert_eq!((reason.as_str(), to.len()), ("Moved", 8));
    assert_eq!(to[..4], [&peer.uri(), "sip:c@192.0.2.2", "sip:b@192.0.2.1", "sip:n0@192.0.2.9"]);
    peer.expect("ACK").await;
}

#[tokio::test]
async fn rfc3261_12_2_2_requests_of_a_call_that_is_over_are_481() {
    let (_alice, mut peer, dialing, invite) = called().await;
    peer.accept(&invite, "a").await;
    let call = dialing.answer().await.unwrap();
    peer.expect("ACK").await;
    // The control: while the call stands its requests are taken.
    peer.request(&invite, "a", "OPTIONS", 1, "", "").await;
    peer.expect("SIP/2.0 200").await;
    peer.request(&invite, "a", "BYE", 2, "", "").await;
    peer.expect("SIP/2.0 200").await;
    drop(call);
    for (number, method, lines, body) in
        [(3, "OPTIONS", "", ""), (4, "MESSAGE", "Content-Type: text/plain\r\n", "hello"), (5, "UPDATE", "", "")]
    {
        peer.request(&invite, "a", method, number, lines, body).await;
        let answer = peer.expect("SIP/2.0").await;
        assert!(answer.starts_with("SIP/2.0 481 "), "{method}: {answer}");
    }
}

#[tokio::test]
async fn rfc3311_4_a_call_is_held_with_update_only_where_the_peer_takes_it() {
    for (allow, method) in
        [("", "INVITE"), ("Allow: INVITE, ACK, BYE\r\n", "INVITE"), ("Allow: INVITE, ACK, BYE, UPDATE\r\n", "UPDATE")]
    {
        let alice = builder().hold_by_update().build().await.unwrap();
        let mut peer = Peer::new().await;
        let dialing = alice.call(peer.uri()).start().await.unwrap();
        let invite = peer.expect("INVITE").await;
        let lines = format!("{allow}Content-Type: application/sdp\r\n");
        peer.reply(&invite, "200 OK", "a", &lines, SDP).await;
        let call = dialing.answer().await.unwrap();
        peer.expect("ACK").await;
        let (held, ()) = tokio::join!(call.hold(), async {
            let change = peer.expect(method).await;
            assert!(change.contains("\r\na=sendonly\r\n"), "{change}");
            peer.reply(&change, "488 Not Acceptable Here", "a", "", "").await;
        });
        assert!(matches!(held, Err(CallError::Rejected { code: 488, .. })), "{allow}: {held:?}");
        assert!(!call.is_over());
    }
}

#[tokio::test]
async fn rfc3261_14_2_a_reinvite_without_offer_gets_ours() {
    let (_alice, mut peer, call, invite) = stood().await;
    peer.request(&invite, "a", "INVITE", 1, "", "").await;
    let offer = peer.expect("SIP/2.0 200").await;
    assert!(offer.contains("\r\nm=audio ") && offer.contains("telephone-event/8000"), "{offer}");
    // The answer in the ACK holds us.
    let held = SDP.replace("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n");
    peer.request(&invite, "a", "ACK", 1, "Content-Type: application/sdp\r\n", &held).await;
    let mut events = call.events();
    until("the hold", async || events.next().await == Some(CallEvent::HeldByPeer)).await;
    // The null address of old (RFC 3264 section 8.4) holds as well; then the call goes on.
    peer.request(&invite, "a", "INVITE", 2, "Content-Type: application/sdp\r\n", SDP).await;
    peer.expect("SIP/2.0 200").await;
    peer.request(&invite, "a", "ACK", 2, "", "").await;
    until("the end of the hold", async || events.next().await == Some(CallEvent::Resumed)).await;
    let null = SDP.replace("127.0.0.1\r\nt=", "0.0.0.0\r\nt=");
    peer.request(&invite, "a", "UPDATE", 3, "Content-Type: application/sdp\r\n", &null).await;
    assert!(peer.expect("SIP/2.0 200").await.contains("\r\nm=audio "));
    until("the hold", async || events.next().await == Some(CallEvent::HeldByPeer)).await;
}

#[tokio::test]
async fn a_change_that_cannot_be_taken_is_refused_and_the_call_goes_on() {
    let (_alice, mut peer, call, invite) = stood().await;
    let rows = [
        ("INVITE", "nonsense".to_owned(), "400"),
        ("INVITE", SDP.replace("AVP 0", "AVP 18"), "488"),
        ("UPDATE", SDP.replace("AVP 0", "AVP 18"), "488"),
    ];
    for (number, (method, body, code)) in (1..).zip(rows) {
        peer.request(&invite, "a", method, number, "Content-Type: application/sdp\r\n", &body).await;
        peer.expect(&format!("SIP/2.0 {code}")).await;
        if method == "INVITE" {
            peer.request(&invite, "a", "ACK", number, "", "").await;
        }
    }
    assert!(!call.is_over() && call.stats().await.is_some());
    // What is sent in a dialog that is none.
    peer.request(&invite, "b", "INVITE", 9, "", "").await;
    peer.expect("SIP/2.0 481").await;
}

#[tokio::test]
async fn rfc3428_8_messages_in_a_call_go_one_after_the_other() {
    let (_alice, mut peer, call, _) = stood().await;
    let asked = async { tokio::join!(call.message("one"), call.message("two")) };
    let answering = async {
        let first = peer.expect("MESSAGE").await;
        let again = peer.expect("MESSAGE").await;
        assert_eq!(first, again, "a repeat, and not the second message");
        assert!(first.ends_with("\r\none"), "{first}");
        peer.reply(&first, "200 OK", "a", "", "").await;
        let mut second = again;
        while second == first {
            second = peer.expect("MESSAGE").await;
        }
        assert!(second.ends_with("\r\ntwo"), "{second}");
        peer.reply(&second, "200 OK", "a", "", "").await;
    };
    let ((one, two), ()) = tokio::join!(asked, answering);
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
}

#[tokio::test]
async fn digits_in_info_are_read_with_care() {
    let (_alice, mut peer, call, invite) = stood().await;
    let relay = "Content-Type: application/dtmf-relay\r\n";
    let rows = [
        ("", "", "200", None),
        (relay, "Signal=5\r\nDuration=250\r\n", "200", Some(('5', 250))),
        (relay, "Signal= a\r\n", "200", Some(('A', 0))),
        (relay, "Duration=99999\r\nSignal=11\r\n", "200", Some(('#', 0))),
        ("Content-Type: application/dtmf\r\n", "9", "200", Some(('9', 0))),
        (relay, "Signal=\r\n", "400", None),
        (relay, "Signal=55\r\n", "400", None),
        (relay, "Signal=é\r\n", "400", None),
        (relay, "nothing", "400", None),
        ("Content-Type: text/html\r\n", "<p>", "415", None),
    ];
    let mut events = call.events();
    for (number, (lines, body, code, digit)) in (1..).zip(rows) {
        peer.request(&invite, "a", "INFO", number, lines, body).await;
        let answer = peer.expect("SIP/2.0").await;
        assert!(answer.starts_with(&format!("SIP/2.0 {code}")), "{body:?}: {answer}");
        let Some((digit, duration)) = digit else { continue };
        let wanted = CallEvent::Digit { digit, duration: Duration::from_millis(duration), by: DigitBy::Info };
        until("the digit", async || events.next().await == Some(wanted.clone())).await;
    }
}

#[tokio::test]
async fn the_peers_bye_and_its_reason_end_the_call() {
    let (_alice, mut peer, call, invite) = stood().await;
    peer.request(&invite, "a", "BYE", 1, "Reason: Q.850;cause=16;text=\"bye\"\r\n", "").await;
    peer.expect("SIP/2.0 200").await;
    let ended = call.ended().await;
    assert_eq!((ended.by, ended.code, ended.reason.as_str()), (EndedBy::Peer, 200, "Q.850;cause=16;text=\"bye\""));
}

#[tokio::test]
async fn rfc5057_a_peer_that_knows_no_such_call_ends_it() {
    let (_alice, mut peer, call, _) = stood().await;
    let (sent, ()) = tokio::join!(call.message("are you there?"), async {
        let message = peer.expect("MESSAGE").await;
        peer.reply(&message, "481 Call/Transaction Does Not Exist", "", "", "").await;
    });
    assert!(matches!(sent, Err(CallError::Rejected { code: 481, .. })), "{sent:?}");
    let ended = call.ended().await;
    assert_eq!((ended.by, ended.code), (EndedBy::Error, 481));
}

#[tokio::test]
async fn rfc3261_15_1_1_what_the_peer_says_to_our_bye_is_told() {
    let most = Duration::from_secs(20);
    for gone in [false, true] {
        let (_alice, mut peer, call, _) = stood().await;
        if gone {
            // Its port is closed: the system says so.
            drop(peer);
            let (ended, farewell) = call.hangup_within(most).await;
            assert_eq!(ended.by, EndedBy::Us);
            assert!(matches!(farewell, Farewell::Unreachable { .. }), "{farewell:?}");
            continue;
        }
        let ((_, farewell), ()) = tokio::join!(call.hangup_within(most), async {
            let bye = peer.expect("BYE").await;
            peer.reply(&bye, "481 No Such Call", "", "", "").await;
        });
        assert_eq!(farewell, Farewell::Refused { code: 481, reason: "No Such Call".into() });
    }
    let (_alice, mut peer, call, _) = stood().await;
    let (ended, farewell) = call.hangup_within(Duration::from_millis(50)).await;
    assert_eq!((ended.by, farewell), (EndedBy::Us, Farewell::Silent));
    peer.expect("BYE").await;
}

#[tokio::test]
async fn rfc3261_13_3_1_4_an_answer_that_is_never_acknowledged_is_no_call() {
    let bob = builder().build().await.unwrap();
    let mut peer = Peer::new().await;
    peer.far = Some(bob.bound()[0].address);
    let (here, to) = (peer.address, peer.far.unwrap());
    let length = SDP.len();
    peer.send(&format!(
        "INVITE sip:bob@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKq\r\nMax-Forwards: 70\r\nFrom: <sip:x@{here}>;tag=1\r\n\
         To: <sip:bob@{to}>\r\nCall-ID: q\r\nCSeq: 1 INVITE\r\nContact: <sip:x@{here}>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {length}\r\n\r\n{SDP}"
    ))
    .await;
    let answered = bob.incoming().await.unwrap().answer().await;
    assert_eq!(answered.err(), Some(CallError::Ended));
    peer.expect("BYE").await;
}

#[tokio::test]
async fn rfc3515_2_4_4_news_of_a_transfer_may_come_before_its_answer() {
    let (_alice, mut peer, call, invite) = stood().await;
    let mut events = call.events();
    let asking = tokio::spawn(async move { call.transfer("sip:carol@example.com").await.map(|()| call) });
    let refer = peer.expect("REFER").await;
    assert!(refer.contains("\r\nRefer-To: <sip:carol@example.com>\r\n"), "{refer}");
    // RFC 3892 section 2.1: who wants it is said once.
    let by: Vec<&str> = refer.split("\r\n").filter(|line| line.starts_with("Referred-By:")).collect();
    assert!(by.len() == 1 && by[0].contains("<sip:") && !by[0].contains(">,"), "{refer}");
    let number = header(&refer, "CSeq").unwrap().split(' ').next().unwrap().to_owned();
    let (from, to) = (header(&refer, "To").unwrap(), header(&refer, "From").unwrap());
    let notify = |id: &str, count: u32, state: &str, line: &str| {
        format!(
            "NOTIFY sip:alice@invalid SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKn{count}\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {count} NOTIFY\r\n\
             Max-Forwards: 70\r\nContact: <sip:peer@{}>\r\nEvent: refer;id={id}\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag\r\n\
             Content-Length: {}\r\n\r\n{line}",
            peer.address,
            header(&invite, "Call-ID").unwrap(),
            peer.address,
            line.len(),
        )
    };
    let first = notify(&number, 1, "active;expires=60", "SIP/2.0 100 Trying\r\n");
    let other = notify("77", 2, "active;expires=60", "SIP/2.0 180 Ringing\r\n");
    let last = notify(&number, 3, "terminated;reason=noresource", "SIP/2.0 486 Busy Here\r\n");
    peer.send(&first).await;
    peer.expect("SIP/2.0 200 ").await;
    peer.reply(&refer, "202 Accepted", "a", "", "").await;
    let call = asking.await.unwrap().unwrap();
    // Now it is known which one counts.
    peer.send(&other).await;
    peer.expect("SIP/2.0 481 ").await;
    peer.send(&last).await;
    peer.expect("SIP/2.0 200 ").await;
    let mut told = Vec::new();
    while told.len() < 2 {
        if let CallEvent::Transfer { code, reason, last } = events.next().await.unwrap() {
            told.push((code, reason, last));
        }
    }
    assert_eq!(told, [(100, "Trying".to_owned(), false), (486, "Busy Here".to_owned(), true)]);
    drop(call);
}
