//! Sentences of RFC 3261 about offers, changes, Contacts and ends, each with a peer who looks.

use super::*;

const BODY: &str = "Content-Type: application/sdp\r\n";

fn body(message: &str) -> &str {
    message.split_once("\r\n\r\n").unwrap().1
}

/// The media line and its formats.
fn audio(description: &str) -> (u16, Vec<&str>) {
    let mut lines = description.lines().filter_map(|line| line.strip_prefix("m="));
    let mut words = lines.next().unwrap().split(' ');
    assert_eq!((words.next(), lines.next()), (Some("audio"), None), "{description}");
    (words.next().unwrap().parse().unwrap(), words.skip(1).collect())
}

/// A socket that hears RTP, and a description that names it.
async fn ear() -> (UdpSocket, String) {
    let (socket, address) = crate::socket().await;
    (socket, SDP.replace("audio 9", &format!("audio {}", address.port())))
}

async fn heard(socket: &UdpSocket, what: &str) {
    let packet = tokio::time::timeout(Duration::from_secs(5), socket.recv(&mut [0; 2_048])).await;
    packet.unwrap_or_else(|_| panic!("no packet {what}")).unwrap();
}

/// What waits is thrown away; how many packets that was.
fn drain(socket: &UdpSocket) -> usize {
    std::iter::from_fn(|| socket.try_recv(&mut [0; 2_048]).ok()).count()
}

/// An INVITE of a peer to an endpoint.
pub(super) async fn invites(bob: &Endpoint, call_id: &str, description: &str) -> (Peer, String) {
    let mut peer = Peer::new().await;
    let to = bob.bound()[0].address;
    peer.far = Some(to);
    let (here, length) = (peer.address, description.len());
    let kind = if description.is_empty() { "" } else { BODY };
    let invite = format!(
        "INVITE sip:bob@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{call_id}\r\nMax-Forwards: 70\r\nFrom: <sip:x@{here}>;tag=1\r\n\
         To: <sip:bob@{to}>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\nContact: <sip:x@{here}>\r\n{kind}Content-Length: {length}\r\n\r\n{description}"
    );
    peer.send(&invite).await;
    (peer, invite)
}

impl Peer {
    /// The ACK for our INVITE's 200.
    pub(super) async fn acknowledge(&self, invite: &str, ok: &str, lines: &str, body: &str) {
        let field = |name| header(invite, name).unwrap();
        let to = header(ok, "To").unwrap();
        let target = header(ok, "Contact").unwrap().trim_matches(['<', '>']);
        let (branch, length) = (rand::random::<u64>(), body.len());
        self.send(&format!(
            "ACK {target} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{branch:x}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {to}\r\n\
             Call-ID: {}\r\nCSeq: 1 ACK\r\n{lines}Content-Length: {length}\r\n\r\n{body}",
            self.address,
            field("From"),
            field("Call-ID")
        ))
        .await;
    }
}

#[tokio::test]
async fn rfc3261_8_1_1_8_the_contact_of_a_call_leads_to_us_outside_of_it_too() {
    let (_alice, _peer, _dialing, invite) = called().await;
    let contacts: Vec<&str> = invite.lines().filter_map(|line| line.strip_prefix("Contact: ")).collect();
    assert_eq!(contacts.len(), 1, "{invite}");
    let uri = contacts[0].strip_prefix('<').unwrap().split('>').next().unwrap();
    assert!(uri.starts_with("sip:"), "{uri}");
    let host = uri.trim_start_matches("sip:").split('@').next_back().unwrap().split(';').next().unwrap();
    let mut stranger = Peer::new().await;
    stranger.far = Some(host.parse().unwrap());
    let here = stranger.address;
    stranger
        .send(&format!(
            "OPTIONS {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKo\r\nMax-Forwards: 70\r\nFrom: <sip:x@{here}>;tag=1\r\n\
             To: <{uri}>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        ))
        .await;
    stranger.expect("SIP/2.0 200").await;
}

#[tokio::test]
async fn rfc3261_13_2_1_an_offer_in_the_invite_is_answered_in_the_200_and_once() {
    let bob = builder().build().await.unwrap();
    let offer = SDP.replace("AVP 0", "AVP 3 8 0 101") + "a=rtpmap:101 telephone-event/8000\r\n";
    let (mut peer, invite) = invites(&bob, "early", &offer).await;
    let incoming = bob.incoming().await.unwrap();
    incoming.progress_with_media().await.unwrap();
    let early = peer.expect("SIP/2.0 183").await;
    let answering = tokio::spawn(incoming.answer());
    let ok = peer.expect("SIP/2.0 200").await;
    let (port, formats) = audio(body(&ok));
    assert!(port > 0 && formats.iter().all(|format| ["3", "8", "0", "101"].contains(format)), "{ok}");
    assert!(formats.contains(&"0") || formats.contains(&"8"), "{ok}");
    assert_eq!(body(&early), body(&ok), "what was said before is the answer, not another offer");
    assert_eq!(peer.expect("SIP/2.0 200").await, ok);
    peer.acknowledge(&invite, &ok, "", "").await;
    assert!(answering.await.unwrap().is_ok());
}

#[tokio::test]
async fn rfc3261_13_3_1_without_an_offer_ours_comes_in_the_200_and_not_before() {
    let bob = builder().build().await.unwrap();
    let (mut peer, invite) = invites(&bob, "late", "").await;
    let incoming = bob.incoming().await.unwrap();
    assert!(matches!(incoming.progress_with_media().await, Err(CallError::Media(_))));
    incoming.ring().await.unwrap();
    assert_eq!(body(&peer.expect("SIP/2.0 180").await), "", "a provisional response may be lost");
    let answering = tokio::spawn(incoming.answer());
    let ok = peer.expect("SIP/2.0 200").await;
    let (port, formats) = audio(body(&ok));
    assert!(port > 0 && formats.contains(&"0"), "{ok}");
    // The answer is in the ACK: that makes the call, and says where the audio goes.
    let (ear, answer) = ear().await;
    peer.acknowledge(&invite, &ok, BODY, &answer).await;
    let _call = answering.await.unwrap().unwrap();
    heard(&ear, "where the ACK says").await;
}

#[tokio::test]
async fn rfc3261_13_2_1_our_offer_is_in_the_invite_or_our_answer_in_the_ack() {
    for late in [false, true] {
        let (alice, mut peer) = (builder().build().await.unwrap(), Peer::new().await);
        let call = alice.call(peer.uri());
        let dialing = if late { call.late_offer().start().await } else { call.start().await }.unwrap();
        let invite = peer.expect("INVITE").await;
        assert_eq!(body(&invite).is_empty(), late);
        let (ear, description) = ear().await;
        peer.reply(&invite, "200 OK", "a", BODY, &description).await;
        let _call = dialing.answer().await.unwrap();
        let ack = peer.expect("ACK").await;
        assert_eq!(body(&ack).is_empty(), !late, "{ack}");
        let (port, formats) = audio(body(if late { &ack } else { &invite }));
        assert!(port > 0 && formats.contains(&"0"));
        heard(&ear, "where the 200 says").await;
    }
}

#[tokio::test]
async fn rfc3261_14_1_a_refused_hold_leaves_everything_as_it_was() {
    let (_alice, mut peer, dialing, invite) = called().await;
    let (ear, description) = ear().await;
    peer.reply(&invite, "200 OK", "a", BODY, &description).await;
    let call = dialing.answer().await.unwrap();
    peer.expect("ACK").await;
    let (held, ()) = tokio::join!(call.hold(), async {
        let change = peer.expect("INVITE").await;
        assert!(change.contains("\r\na=sendonly\r\n"), "{change}");
        peer.reply(&change, "488 Not Acceptable Here", "a", "", "").await;
        peer.expect("ACK").await;
    });
    assert!(matches!(held, Err(CallError::Rejected { code: 488, .. })), "{held:?}");
    drain(&ear);
    heard(&ear, "after the refusal").await;
    // What we offer next is what stood before.
    peer.request(&invite, "a", "INVITE", 1, "", "").await;
    let ok = peer.expect("SIP/2.0 200").await;
    assert_eq!(audio(body(&ok)).0, audio(body(&invite)).0);
    assert!(!["sendonly", "recvonly", "inactive"].iter().any(|way| ok.contains(&format!("\r\na={way}\r\n"))), "{ok}");
}

#[tokio::test]
async fn rfc3261_14_2_what_has_changed_in_a_reinvite_counts_and_what_has_not_changes_nothing() {
    let (_alice, mut peer, dialing, invite) = called().await;
    let (first, description) = ear().await;
    peer.reply(&invite, "200 OK", "a", BODY, &description).await;
    let call = dialing.answer().await.unwrap();
    peer.expect("ACK").await;
    let mut answers = Vec::new();
    for number in [1, 2] {
        peer.request(&invite, "a", "INVITE", number, BODY, &description).await;
        answers.push(body(&peer.expect("SIP/2.0 200").await).to_owned());
        peer.request(&invite, "a", "ACK", number, "", "").await;
        drain(&first);
        heard(&first, "when nothing has changed").await;
    }
    assert_eq!(answers[0], answers[1], "the same version of the same description");
    // The next version: another port.
    let (second, moved) = ear().await;
    peer.request(&invite, "a", "INVITE", 3, BODY, &moved.replace("o=- 1 1", "o=- 1 2")).await;
    peer.expect("SIP/2.0 200").await;
    peer.request(&invite, "a", "ACK", 3, "", "").await;
    heard(&second, "where the change says").await;
    drain(&first);
    for _ in 0..5 {
        heard(&second, "where the change says").await;
    }
    assert_eq!(drain(&first), 0, "nothing goes where it went before");
    assert!(!call.is_over());
}

#[tokio::test]
async fn rfc3261_14_2_an_offer_for_a_reinvite_without_one_goes_on_from_what_was_agreed() {
    let (_alice, mut peer, dialing, invite) = called().await;
    let (_ear, description) = ear().await;
    let description = description.replace("AVP 0", "AVP 8");
    peer.reply(&invite, "200 OK", "a", BODY, &description).await;
    let call = dialing.answer().await.unwrap();
    assert_eq!(call.stats().await.unwrap().codec, "PCMA");
    peer.expect("ACK").await;
    peer.request(&invite, "a", "INVITE", 1, "", "").await;
    let ok = peer.expect("SIP/2.0 200").await;
    let (port, formats) = audio(body(&ok));
    assert_eq!(port, audio(body(&invite)).0, "RFC 6337 3.1: the same transport");
    assert!(formats.contains(&"8") && ok.contains(" RTP/AVP "), "{ok}");
    peer.request(&invite, "a", "ACK", 1, BODY, &description.replace("o=- 1 1", "o=- 1 2")).await;
    assert_eq!(call.stats().await.unwrap().codec, "PCMA");
}

#[tokio::test]
async fn rfc3261_15_1_1_nothing_is_sent_any_more_once_the_bye_is_out() {
    let (_alice, mut peer, dialing, invite) = called().await;
    let (ear, description) = ear().await;
    peer.reply(&invite, "200 OK", "a", BODY, &description).await;
    let call = dialing.answer().await.unwrap();
    peer.expect("ACK").await;
    heard(&ear, "while the call stands").await;
    let ended = tokio::spawn(async move { call.hangup().await });
    // Nobody answers: it is repeated after T1, 2*T1 and 4*T1, 350 ms in all.
    peer.expect("BYE").await;
    peer.expect("BYE").await;
    drain(&ear);
    peer.expect("BYE").await;
    let bye = peer.expect("BYE").await;
    assert_eq!(drain(&ear), 0, "packets after the BYE");
    peer.reply(&bye, "200 OK", "", "", "").await;
    assert_eq!(ended.await.unwrap().by, EndedBy::Us);
}

#[tokio::test]
async fn rfc3261_22_3_credentials_for_a_proxy_are_not_taken_from_one_call_to_the_next() {
    let (alice, mut peer) = (builder().build().await.unwrap(), Peer::new().await);
    let config = ua::AccountConfig::new(format!("sip:alice@{}", peer.address)).password("secret");
    let account = alice.account(config).await.unwrap();
    for tag in ["one", "two"] {
        let dialing = account.call("600").start().await.unwrap();
        let first = peer.expect("INVITE").await;
        assert_eq!(header(&first, "Proxy-Authorization"), None, "{tag}");
        let challenge = "Proxy-Authenticate: Digest realm=\"p\", nonce=\"n\", qop=\"auth\"\r\n";
        peer.reply(&first, "407 Proxy Authentication Required", tag, challenge, "").await;
        peer.expect("ACK").await;
        let second = peer.expect("INVITE").await;
        assert!(header(&second, "Proxy-Authorization").is_some());
        peer.accept(&second, tag).await;
        let call = dialing.answer().await.unwrap();
        peer.expect("ACK").await;
        let ended = tokio::spawn(async move { call.hangup().await });
        let bye = peer.expect("BYE").await;
        peer.reply(&bye, "200 OK", "", "", "").await;
        ended.await.unwrap();
    }
}
