//! MESSAGE and OPTIONS outside of calls, and what a softphone answers to strangers.

use std::time::Duration;

use tokio::net::UdpSocket;
use ua::{CallError, CallEvent, Endpoint, Said};

use crate::{Wire, builder, call, header, pair, socket, until};

/// Sends a request from a bare socket and returns the final answer.
async fn ask(socket: &UdpSocket, to: &Endpoint, method: &str, uri: &str, lines: &str, body: &str) -> String {
    let address = to.bound()[0].address;
    let here = socket.local_addr().unwrap();
    let number = rand_text();
    let request = format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:x@{here}>;tag=1\r\nTo: <sip:bob@{address}>\r\nCall-ID: {number}\r\nCSeq: 1 {method}\r\n{lines}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.send_to(request.as_bytes(), address).await.unwrap();
    let mut buffer = [0; 4_096];
    loop {
        let received =
            tokio::time::timeout(Duration::from_secs(5), socket.recv(&mut buffer)).await.expect("an answer").unwrap();
        let answer = String::from_utf8_lossy(&buffer[..received]).into_owned();
        if !answer.starts_with("SIP/2.0 1") && answer.contains(&number) {
            return answer;
        }
    }
}

fn rand_text() -> String {
    format!("{:016x}", rand::random::<u64>())
}

#[tokio::test]
async fn rfc3428_a_message_arrives_and_is_confirmed() {
    let (alice, bob) = pair().await;
    let answer = alice.message(&bob.uri("bob").unwrap(), "Mahlzeit").await.unwrap();
    assert_eq!(answer.code, 200);
    let message = bob.messages().await.unwrap();
    assert_eq!((message.text.as_str(), message.content_type.as_str()), ("Mahlzeit", "text/plain;charset=UTF-8"));
    assert!(message.from.starts_with("sip:phone@127.0.0.1:") && !message.from.contains("tag="), "{}", message.from);
    // 64 may wait; then nobody reads, and the sender is told.
    for _ in 0..64 {
        alice.message(&bob.uri("bob").unwrap(), "again").await.unwrap();
    }
    let refused = alice.message(&bob.uri("bob").unwrap(), "too much").await;
    assert!(matches!(refused, Err(CallError::Rejected { code: 503, .. })), "{refused:?}");
}

/// The next request that comes to a bare socket, repeats passed over; and answers it with these lines.
async fn answer_next(peer: &UdpSocket, seen: &mut Vec<String>, status: &str) -> String {
    let mut buffer = [0; 4_096];
    loop {
        let (length, from) = tokio::time::timeout(Duration::from_secs(5), peer.recv_from(&mut buffer))
            .await
            .expect("a request")
            .unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let copied = ["Via", "From", "To", "Call-ID", "CSeq"];
        let copied = copied.map(|name| format!("{name}: {}\r\n", header(&text, name).unwrap())).concat();
        let answer = format!("SIP/2.0 {status}\r\n{copied}Content-Length: 0\r\n\r\n");
        peer.send_to(answer.as_bytes(), from).await.unwrap();
        let branch = header(&text, "Via").unwrap().to_owned();
        if !seen.contains(&branch) {
            seen.push(branch);
            return text;
        }
    }
}

#[tokio::test]
async fn rfc3428_4_and_7_a_message_and_its_answer_carry_no_contact_and_the_answer_no_body() {
    let (alice, bob) = (builder().build().await.unwrap(), builder().build().await.unwrap());
    let (socket, address) = socket().await;
    let to = format!("sip:bob@{address}");
    let mut seen = Vec::new();
    let (sent, came) = tokio::join!(alice.message(&to, "x"), answer_next(&socket, &mut seen, "200 OK"));
    assert_eq!(sent.unwrap().code, 200);
    assert!(came.starts_with("MESSAGE ") && came.ends_with("\r\n\r\nx"), "{came}");
    assert_eq!((header(&came, "Contact"), header(&came, "Content-Type")), (None, Some("text/plain;charset=UTF-8")));
    let answer = ask(&socket, &bob, "MESSAGE", "sip:bob@127.0.0.1", "Content-Type: text/plain\r\n", "y").await;
    assert!(answer.starts_with("SIP/2.0 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert_eq!((header(&answer, "Contact"), header(&answer, "Content-Length")), (None, Some("0")), "{answer}");
}

#[tokio::test]
async fn rfc3428_8_messages_to_one_address_go_one_after_the_other() {
    let alice = builder().build().await.unwrap();
    let (socket, address) = socket().await;
    let (bob, carol) = (format!("sip:bob@{address}"), format!("sip:carol@{address}"));
    let asked = async {
        tokio::join!(
            alice.message(&bob, "one"),
            alice.message(&bob, "two"),
            alice.message(&bob, "three"),
            alice.message(&carol, "elsewhere")
        )
    };
    let peer = async {
        let mut bodies = Vec::new();
        // What comes before an answer is given: one message for each address.
        let mut waiting = Vec::new();
        let mut buffer = [0; 4_096];
        while waiting.len() < 2 {
            let length = socket.recv(&mut buffer).await.unwrap();
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let body = text.rsplit("\r\n").next().unwrap().to_owned();
            if !waiting.contains(&body) {
                waiting.push(body);
            }
        }
        waiting.sort();
        assert_eq!(waiting, ["elsewhere", "one"]);
        let mut seen = Vec::new();
        while bodies.len() < 4 {
            // A refusal makes room as a 200 does.
            let status = if bodies.len() == 1 { "480 Away" } else { "200 OK" };
            let text = answer_next(&socket, &mut seen, status).await;
            bodies.push(text.rsplit("\r\n").next().unwrap().to_owned());
        }
        bodies.retain(|body| body != "elsewhere");
        assert_eq!(bodies, ["one", "two", "three"]);
    };
    let ((one, two, three, elsewhere), ()) = tokio::join!(asked, peer);
    let taken = [&one, &two, &three, &elsewhere].into_iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(taken, 3, "{one:?} {two:?} {three:?} {elsewhere:?}");
}

#[tokio::test]
async fn rfc3428_8_so_many_messages_wait_for_one_address_and_no_more() {
    let alice = std::sync::Arc::new(builder().build().await.unwrap());
    let (_deaf, address) = socket().await;
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..66 {
        let (alice, to) = (std::sync::Arc::clone(&alice), format!("sip:bob@{address}"));
        asked.spawn(async move { alice.message(&to, "x").await });
    }
    // One is under way and 64 wait, for an answer that nobody gives.
    let first = asked.join_next().await.unwrap().unwrap();
    assert!(matches!(first, Err(CallError::TooManyMessages { limit: 64 })), "{first:?}");
    assert_eq!(asked.len(), 65);
}

#[tokio::test]
async fn rfc3261_19_1_5_a_request_keeps_what_its_address_says_and_is_of_no_other_method() {
    let alice = builder().build().await.unwrap();
    let (peer, _) = socket().await;
    let bob = format!("sip:bob@{};transport=udp;user=phone;ttl=3;maddr=127.0.0.1;x=y", peer.local_addr().unwrap());
    let to = format!("{bob};method=OPTIONS?Subject=z&Require=novel");
    let mut buffer = [0; 4_096];
    let received = tokio::select! {
        answer = alice.options(&to) => panic!("{answer:?}"),
        received = peer.recv(&mut buffer) => received.unwrap(),
    };
    let request = String::from_utf8_lossy(&buffer[..received]).into_owned();
    assert!(request.starts_with(&format!("OPTIONS {bob} SIP/2.0\r\n")), "{request}");
    assert_eq!(header(&request, "Require"), None);
    for other in ["MESSAGE", "BYE", "invite", "NOVEL"] {
        let to = format!("{bob};method={other}");
        assert!(matches!(alice.call(to.as_str()).await.err(), Some(CallError::BadUri { .. })), "{other}");
        assert!(matches!(alice.options(&to).await.err(), Some(CallError::BadUri { .. })), "{other}");
    }
    // Of what else may have come, the first OPTIONS again is all.
    while let Ok(received) = peer.try_recv(&mut buffer) {
        assert_eq!(String::from_utf8_lossy(&buffer[..received]), request);
    }
}

#[tokio::test]
async fn rfc3261_11_2_options_tells_what_is_possible() {
    let (alice, bob) = pair().await;
    let answer = alice.options(&bob.uri("bob").unwrap()).await.unwrap();
    assert_eq!(answer.code, 200);
    assert_eq!(
        answer.allow,
        [
            "INVITE",
            "ACK",
            "CANCEL",
            "BYE",
            "OPTIONS",
            "INFO",
            "UPDATE",
            "MESSAGE",
            "PRACK",
            "NOTIFY",
            "REFER",
            "SUBSCRIBE"
        ]
    );
    assert!(answer.server.unwrap().starts_with("Offhook/"));
    let (socket, _) = socket().await;
    let answer = ask(&socket, &bob, "OPTIONS", "sip:bob@127.0.0.1", "", "").await;
    assert!(header(&answer, "Accept").unwrap().contains("application/sdp"), "{answer}");
    assert_eq!(header(&answer, "Supported"), Some("100rel, timer"), "the extensions that there are");
}

#[tokio::test]
async fn rfc3261_8_2_what_is_not_understood_is_refused_in_order() {
    let bob = builder().build().await.unwrap();
    let (socket, _) = socket().await;
    let sip = "sip:bob@127.0.0.1";
    let sdp = "Contact: <sip:x@127.0.0.1>\r\nContent-Type: application/sdp\r\n";
    let rows = [
        ("REGISTER", sip, "", "", "405 ", Some("Allow")),
        ("DANCE", sip, "", "", "501 ", Some("Allow")),
        ("OPTIONS", "tel:+431", "", "", "416 ", None),
        ("OPTIONS", sip, "Require: flying\r\n", "", "420 ", Some("Unsupported")),
        ("MESSAGE", sip, "Content-Type: image/png\r\n", "png", "415 ", Some("Accept")),
        ("INVITE", sip, "Contact: <sip:x@127.0.0.1>\r\nContent-Type: text/html\r\n", "<p>", "415 ", Some("Accept")),
        ("INVITE", sip, sdp, "v=1\r\nnonsense", "400 ", None),
        ("BYE", sip, "", "", "481 ", None),
        ("UPDATE", sip, "Contact: <sip:x@127.0.0.1>\r\n", "", "481 ", None),
        ("INFO", sip, "", "", "481 ", None),
    ];
    for (method, uri, lines, body, code, line) in rows {
        let answer = ask(&socket, &bob, method, uri, lines, body).await;
        assert!(answer.starts_with(&format!("SIP/2.0 {code}")), "{method} {uri} {lines}: {answer}");
        assert!(line.is_none_or(|line| header(&answer, line).is_some()), "{method}: {line:?} is missing in {answer}");
    }
    assert_eq!(bob.usage().await.unwrap().calls, 0);
}

#[tokio::test]
async fn an_offer_in_a_multipart_body_is_found() {
    let bob = builder().build().await.unwrap();
    let (socket, address) = socket().await;
    let body = format!(
        "--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x\r\nContent-Type: application/sdp\r\n\r\n\
         v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 8\r\n\r\n--x--\r\n",
        address.port()
    );
    let lines = format!("Contact: <sip:x@{address}>\r\nContent-Type: multipart/mixed;boundary=x\r\n");
    let asked = ask(&socket, &bob, "INVITE", "sip:bob@127.0.0.1", &lines, &body);
    let taken = async {
        let incoming = bob.incoming().await.unwrap();
        // Nobody acknowledges: the answer is given up with the 2xx repeats.
        tokio::time::timeout(Duration::from_millis(300), incoming.answer()).await
    };
    let (answer, _) = tokio::join!(asked, taken);
    assert!(
        answer.starts_with("SIP/2.0 200") && answer.contains("\r\nm=audio ") && answer.contains(" RTP/AVP 8"),
        "{answer}"
    );
}

#[tokio::test]
async fn rfc3428_8_a_text_that_is_too_long_is_not_sent() {
    let wire = Wire::default();
    let alice = wire.tap(builder()).build().await.unwrap();
    let bob = builder().build().await.unwrap();
    let uri = bob.uri("bob").unwrap();
    alice.message(&uri, &"x".repeat(800)).await.unwrap();
    // Not by TCP either: nobody knows what is behind the next hop.
    for to in [uri.clone(), format!("{uri};transport=tcp")] {
        let error = alice.message(&to, &"x".repeat(1_300)).await.unwrap_err();
        assert!(matches!(error, CallError::TooLong { octets: 1_301.., most: 1_300 }), "{error:?}");
        assert!(error.to_string().starts_with("the text is too long"), "{error}");
    }
    let (placed, taken) = call(&alice, &bob).await;
    let error = placed.message(&"x".repeat(1_300)).await.unwrap_err();
    assert!(matches!(error, CallError::TooLong { .. }), "{error:?}");
    placed.message("short").await.unwrap();
    drop(taken);
    assert_eq!(wire.lines().iter().filter(|line| *line == "> MESSAGE").count(), 2);
}

#[tokio::test]
async fn rfc3994_3_1_who_writes_is_told_by_messages_and_the_text_ends_it() {
    use ua::composing::{Composer, Reader, TYPE};
    let (alice, bob) = pair().await;
    let uri = bob.uri("bob").unwrap();
    let (mut composer, mut reader, second) =
        (Composer::new(Duration::from_secs(60)), Reader::default(), Duration::from_secs(1));
    let status = composer.typed(second).unwrap();
    assert_eq!(composer.typed(second * 2), None);
    alice.message_as(&uri, TYPE, status.write().as_bytes()).await.unwrap();
    composer.sent();
    alice.message(&uri, "lunch?").await.unwrap();
    let Some(Said::Composing { status, .. }) = bob.said().await else { panic!("no status") };
    assert!(reader.heard(second, &status) && reader.is_active(second));
    let Some(Said::Text(text)) = bob.said().await else { panic!("no text") };
    assert_eq!(text.text, "lunch?");
    assert!(reader.received(second) && !reader.is_active(second));
    // What cannot be read is neither a status nor a text.
    let refused = alice.message_as(&uri, TYPE, b"<isComposing>").await.unwrap_err();
    assert!(matches!(refused, CallError::Rejected { code: 400, .. }), "{refused:?}");
    // Who reads texts alone is told of no other.
    alice.message_as(&uri, TYPE, status.write().as_bytes()).await.unwrap();
    alice.message(&uri, "now?").await.unwrap();
    assert_eq!(bob.messages().await.unwrap().text, "now?");
}

#[tokio::test]
async fn rfc6086_4_3_2_an_info_of_a_package_arrives_and_its_answer_has_no_body() {
    let wire = Wire::default();
    let alice = builder().info_packages(["news"]).build().await.unwrap();
    let bob = wire.tap(builder()).info_packages(["weather"]).build().await.unwrap();
    let (placed, taken) = call(&alice, &bob).await;
    let mut events = taken.events();
    assert_eq!(placed.info("weather", "text/plain", "snow").await.unwrap().code, 200);
    let (package, content_type) = ("weather".to_owned(), "text/plain".to_owned());
    let snow = CallEvent::Info { package, content_type, body: b"snow".to_vec() };
    until("the INFO", async || events.next().await.as_ref() == Some(&snow)).await;
    let answers = wire.messages(true, "SIP/2.0 200 ");
    let answer = answers.iter().find(|text| header(text, "CSeq").unwrap().ends_with(" INFO")).unwrap();
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    // Each is sent what it takes.
    assert!(matches!(placed.info("news", "text/plain", "x").await, Err(CallError::NotNow { .. })));
    assert_eq!(taken.info("news", "text/plain", "x").await.unwrap().code, 200);
}

/// Where one of the two does not speak of packages, nothing is sent of any.
#[tokio::test]
async fn rfc6086_5_2_2_who_says_nothing_of_packages_is_sent_none() {
    let alice = builder().info_packages(["news"]).build().await.unwrap();
    let bob = builder().build().await.unwrap();
    let (placed, taken) = call(&alice, &bob).await;
    for (from, package) in [(&placed, "news"), (&taken, "news")] {
        let sent = from.info(package, "text/plain", "x").await;
        assert!(matches!(sent, Err(CallError::NotNow { .. })), "{sent:?}");
    }
    assert!(!placed.is_over() && !taken.is_over());
}
