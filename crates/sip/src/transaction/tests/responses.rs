use super::*;
use crate::dialog::{self, Dialog, Phase, Record};
use crate::invite::making;

/// Sends OPTIONS with the given Via from `source`, answers 200, and gives path and Via of the answer.
fn answered(config: Config, transport: Transport, via: &str, source: &str) -> (Path, String) {
    let mut bench = Bench::with(config);
    let from = Path { remote: address(source), local: address("192.0.2.1:5070"), ..path(transport, 2) };
    let head = incoming("OPTIONS", transport, "X", "");
    let start = head.find("Via:").expect("a Via");
    let end = start + head[start..].find('\n').expect("its end");
    let text = format!("{}Via: {via}{}", &head[..start], &head[end..]);
    bench.receive(from, &text);
    let tx = bench.server_tx();
    bench.respond(tx, 200).expect("open");
    let sent = bench.last();
    (sent.path, sent.value(HeaderId::Via))
}

#[test]
fn rfc3261_18_2_2_and_rfc3581_4_where_an_answer_over_udp_goes() {
    // Via of the request, source, destination of the answer, Via of the answer.
    let table = [
        (
            "SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1",
            "192.0.2.2:5060",
            "192.0.2.2:5060",
            "SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1",
        ),
        (
            "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1",
            "192.0.2.2:9999",
            "192.0.2.2:5060",
            "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1",
        ),
        (
            "SIP/2.0/UDP 192.0.2.2:7000;branch=z9hG4bK1",
            "192.0.2.2:9999",
            "192.0.2.2:7000",
            "SIP/2.0/UDP 192.0.2.2:7000;branch=z9hG4bK1",
        ),
        (
            "SIP/2.0/UDP host.example:7000;branch=z9hG4bK1",
            "192.0.2.2:9999",
            "192.0.2.2:7000",
            "SIP/2.0/UDP host.example:7000;branch=z9hG4bK1;received=192.0.2.2",
        ),
        (
            "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1;rport",
            "192.0.2.2:4540",
            "192.0.2.2:4540",
            "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1;received=192.0.2.2;rport=4540",
        ),
        // RFC 3581 section 4: received is added even when it equals sent-by.
        (
            "SIP/2.0/UDP 192.0.2.2:5060;rport;branch=z9hG4bK1",
            "192.0.2.2:5060",
            "192.0.2.2:5060",
            "SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1;received=192.0.2.2;rport=5060",
        ),
        // What the sender claims is replaced.
        (
            "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;received=203.0.113.7",
            "192.0.2.2:4540",
            "192.0.2.2:5060",
            "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;received=192.0.2.2",
        ),
        (
            "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1;received=203.0.113.7",
            "192.0.2.2:4540",
            "192.0.2.2:5060",
            "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1;received=192.0.2.2",
        ),
        (
            "SIP/2.0/UDP 192.0.2.2:7000;maddr=192.0.2.9;branch=z9hG4bK1",
            "192.0.2.2:7000",
            "192.0.2.9:7000",
            "SIP/2.0/UDP 192.0.2.2:7000;maddr=192.0.2.9;branch=z9hG4bK1",
        ),
        (
            "SIP/2.0/UDP 192.0.2.2;maddr=192.0.2.9;branch=z9hG4bK1",
            "192.0.2.2:7000",
            "192.0.2.9:5060",
            "SIP/2.0/UDP 192.0.2.2;maddr=192.0.2.9;branch=z9hG4bK1",
        ),
    ];
    for (via, source, to, answer) in table {
        let (path, stamped) = answered(Config::default(), UDP, via, source);
        assert_eq!((path.remote, stamped.as_str()), (address(to), answer), "{via} from {source}");
        assert_eq!(path.local, address("192.0.2.1:5070"), "RFC 3581 4: from where the request came to");
    }
}

#[test]
fn rfc3581_4_force_rport_answers_where_it_came_from() {
    let config = Config { force_rport: true, ..Config::default() };
    let (path, via) = answered(config, UDP, "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1", "192.0.2.2:4540");
    assert_eq!(path.remote, address("192.0.2.2:4540"));
    assert_eq!(via, "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1;received=192.0.2.2;rport=4540");
}

#[test]
fn rfc3261_18_2_2_maddr_can_be_switched_off() {
    let config = Config { follow_maddr: false, ..Config::default() };
    let via = "SIP/2.0/UDP 192.0.2.2:7000;maddr=192.0.2.9;branch=z9hG4bK1";
    assert_eq!(answered(config, UDP, via, "192.0.2.2:7000").0.remote, address("192.0.2.2:7000"));
}

#[test]
fn rfc3261_18_2_2_streams_answer_on_the_same_connection() {
    for via in ["SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bK1", "SIP/2.0/TCP 10.0.0.1;maddr=192.0.2.9;branch=z9hG4bK1"] {
        let (path, stamped) = answered(Config::default(), TCP, via, "192.0.2.2:40000");
        assert_eq!((path.remote, path.flow), (address("192.0.2.2:40000"), FlowId(2)));
        assert!(stamped.ends_with(";received=192.0.2.2"), "{stamped}");
    }
}

#[test]
fn rfc3261_18_2_2_a_broken_connection_is_replaced_by_one_to_the_sent_by_port() {
    let mut bench = Bench::new();
    let from = Path { remote: address("192.0.2.2:40000"), ..path(TCP, 2) };
    bench.receive(from, &incoming("INVITE", TCP, "z9hG4bK1", "").replace("192.0.2.2:5060", "192.0.2.2:5099"));
    let tx = bench.server_tx();
    bench.respond(tx, 486).expect("open");
    bench.took();
    let id = bench.last().id;
    bench.turn(|turn| turn.unsent(id, SendError::Closed));
    assert_eq!(bench.last().path.remote, address("192.0.2.2:5099"));
    bench.turn(|turn| turn.unsent(id, SendError::Closed));
    assert_eq!(bench.took(), ["0.000 486 (Retry)", "0.000 unsent Closed"]);
    bench.ends_empty();
}

#[test]
fn rfc3261_8_2_6_2_an_answer_copies_what_the_request_decides() {
    let mut bench = Bench::with(Config { user_agent: Some("offhook/1".to_owned()), ..Config::default() });
    let more = "Record-Route: <sip:p2;lr>\nRecord-Route: <sip:p1;lr>\nTimestamp: 54.21\n";
    bench.receive(path(UDP, 2), &incoming("INVITE", UDP, "z9hG4bK1", more));
    let tx = bench.server_tx();
    let contact = ContactSpec::Auto { user: Some("bob".to_owned()), params: ";q=0.5".to_owned() };
    let reply = Reply::new(StatusCode::RINGING).contact(contact.clone()).line("X-A", "1").expect("a line");
    bench.turn(|turn| turn.respond(tx, reply)).expect("open");
    bench.turn(|turn| turn.respond(tx, Reply::new(StatusCode::OK).contact(contact).reason("Fine"))).expect("open");
    let [trying, ringing, ok] = [0, 1, 2].map(|n| bench.sent[n].headers());
    assert_eq!(trying.text(HeaderId::Timestamp).as_deref(), Some("54.21"));
    assert!(!trying.has(HeaderId::RecordRoute) && !trying.has(HeaderId::Server) && trying.to_tag().is_none());
    for headers in [&ringing, &ok] {
        let routes: Vec<_> = headers.all(HeaderId::RecordRoute).map(|header| header.text().into_owned()).collect();
        assert_eq!(routes, ["<sip:p2;lr>", "<sip:p1;lr>"]);
        assert_eq!(headers.text(HeaderId::Contact).as_deref(), Some("<sip:bob@192.0.2.1:5060>;q=0.5"));
        assert_eq!(headers.text(HeaderId::Server).as_deref(), Some("offhook/1"));
        assert_eq!((headers.call_id(), headers.cseq().number, headers.from_tag()), ("in-1", 7, Some("peer")));
        assert!(!headers.has(HeaderId::Timestamp));
    }
    assert_eq!(ringing.to_tag(), ok.to_tag());
    assert!(bench.sent[2].text().starts_with("SIP/2.0 200 Fine\r\n"));
    assert!(bench.sent[1].text().contains("\r\nX-A: 1\r\n"));
    bench.ends_empty();
}

#[test]
fn rfc3261_8_2_6_2_a_tag_of_the_application_is_used() {
    let mut bench = Bench::new();
    bench.receive(path(UDP, 2), &incoming("OPTIONS", UDP, "z9hG4bK1", ""));
    let tx = bench.server_tx();
    bench.turn(|turn| turn.respond(tx, Reply::new(StatusCode::OK).to_tag("mine"))).expect("open");
    assert_eq!(bench.last().headers().to_tag(), Some("mine"));
}

#[test]
fn rfc3261_8_2_6_2_a_tag_that_is_there_stays() {
    let mut bench = Bench::new();
    bench.receive(path(UDP, 2), &follow("OPTIONS", UDP, "z9hG4bK1", "old"));
    let tx = bench.server_tx();
    assert_eq!(bench.turn(|turn| turn.tag_of(tx)).as_deref(), Some("old"));
    bench.respond(tx, 200).expect("open");
    assert_eq!(bench.last().value(HeaderId::To), "<sip:bob@192.0.2.1>;tag=old");
}

#[test]
fn rfc3261_8_2_6_2_every_answer_but_a_100_has_the_to_of_its_request_and_a_tag() {
    let ask = |method: &str, n: usize| {
        let text = incoming(method, UDP, &format!("z9hG4bK{n}"), "").replace("in-1", &format!("in-{n}"));
        text.replace("To: <sip:bob@192.0.2.1>", "To: \"Bob <B>\" <sip:bob@192.0.2.1;x=y>;z=1")
    };
    let mut bench = Bench::with(Config { max_server_transactions: 5, ..Config::default() });
    bench.receive(path(UDP, 2), &ask("INVITE", 1));
    bench.receive(path(UDP, 2), &ask("INVITE", 1).replace("z9hG4bK1", "z9hG4bKmerged"));
    bench.receive(path(UDP, 2), &ask("CANCEL", 1));
    bench.receive(path(UDP, 2), &ask("BYE", 2));
    bench.receive(path(UDP, 2), &ask("OPTIONS", 3).replace("CSeq: 7", "CSeq: x"));
    bench.receive(path(UDP, 2), &ask("OPTIONS", 4));
    bench.receive(path(UDP, 2), &ask("OPTIONS", 5));
    let trace = bench.took();
    let answers: Vec<&str> = trace.iter().filter(|line| line.contains("Automatic")).map(|line| &line[6..9]).collect();
    assert_eq!(answers, ["100", "482", "200", "487", "481", "400", "503"]);
    for (sent, code) in bench.sent.iter().zip(answers) {
        let to = sent.text().lines().find_map(|line| line.strip_prefix("To: ")).expect("a To");
        let tag = to.strip_prefix("\"Bob <B>\" <sip:bob@192.0.2.1;x=y>;z=1").expect("what the request said");
        assert_eq!(tag.strip_prefix(";tag=").is_some_and(|tag| tag.len() >= 8), code != "100", "{code}: {to}");
    }
}

#[test]
fn cve_injection_a_reply_cannot_break_its_lines() {
    let mut bench = Bench::new();
    bench.receive(path(UDP, 2), &incoming("OPTIONS", UDP, "z9hG4bK1", ""));
    let tx = bench.server_tx();
    let evil = "x\r\nX-Evil: 1";
    for reply in [
        Reply::new(StatusCode::OK).reason(evil),
        Reply::new(StatusCode::OK).to_tag(evil),
        Reply::new(StatusCode::OK).contact(ContactSpec::Given(evil.to_owned())),
        Reply::new(StatusCode::OK).contact(ContactSpec::Auto { user: Some(evil.to_owned()), params: String::new() }),
        Reply::new(StatusCode::OK).contact(ContactSpec::Auto { user: None, params: evil.to_owned() }),
    ] {
        assert!(matches!(bench.turn(|turn| turn.respond(tx, reply)), Err(StackError::Text { .. })));
    }
    assert!(Reply::new(StatusCode::OK).line("X-A", evil).is_err());
    bench.respond(tx, 200).expect("nothing has changed");
}

#[test]
fn rfc3261_8_1_1_8_contact_follows_the_transport() {
    for (transport, expected) in [
        (Transport::Udp, "<sip:bob@192.0.2.1:5060>"),
        (Transport::Tcp, "<sip:bob@192.0.2.1:5060;transport=tcp>"),
        (Transport::Tls, "<sip:bob@192.0.2.1:5060;transport=tls>"),
        (Transport::Ws, "<sip:bob@192.0.2.1:5060;transport=ws>"),
        (Transport::Wss, "<sip:bob@192.0.2.1:5060;transport=ws>"),
    ] {
        let mut bench = Bench::new();
        bench.receive(path(transport, 2), &incoming("INVITE", transport, "z9hG4bK1", ""));
        let tx = bench.server_tx();
        let contact = ContactSpec::Auto { user: Some("bob".to_owned()), params: String::new() };
        bench.turn(|turn| turn.respond(tx, Reply::new(StatusCode::OK).contact(contact))).expect("open");
        assert_eq!(bench.last().value(HeaderId::Contact), expected);
    }
}

#[test]
fn rfc3261_12_1_1_contact_of_a_response_is_sips_where_the_peer_was_so() {
    const SIPS: &str = "Contact: <sips:a@192.0.2.2>\n";
    const SIP: &str = "Contact: <sip:a@192.0.2.2;transport=tls>\n";
    for (transport, lines, sips) in [
        (Transport::Tls, SIPS.to_owned(), true),
        (Transport::Tls, SIP.to_owned(), false),
        (Transport::Tls, format!("Record-Route: <sips:p1;lr>, <sip:p2;lr>\n{SIP}"), true),
        (Transport::Tls, format!("Record-Route: <sip:p1;lr>, <sips:p2;lr>\n{SIPS}"), false),
        (Transport::Udp, SIPS.to_owned(), false),
    ] {
        let mut bench = Bench::new();
        bench.receive(path(transport, 2), &incoming("INVITE", transport, "z9hG4bK1", &lines));
        let tx = bench.server_tx();
        let contact = ContactSpec::Auto { user: Some("bob".to_owned()), params: String::new() };
        bench.turn(|turn| turn.respond(tx, Reply::new(StatusCode::OK).contact(contact))).expect("open");
        let is_sips = bench.last().value(HeaderId::Contact).starts_with("<sips:");
        assert_eq!(is_sips, sips, "{transport:?} {lines}");
    }
}

#[test]
fn rfc3261_8_1_1_8_contact_is_sips_where_the_request_uri_or_the_first_route_is() {
    for (uri, routes, sips) in [
        ("sip:bob@192.0.2.2", &[][..], false),
        ("sips:bob@192.0.2.2", &[], true),
        ("SIPS:bob@192.0.2.2", &["<sip:p1;lr>"], true),
        ("sip:bob@192.0.2.2", &["<sips:p1;lr>", "<sip:p2;lr>"], true),
        ("sip:bob@192.0.2.2", &["\"sips:\" <sip:p1;lr>", "<sips:p2;lr>"], false),
        ("sip:bob@192.0.2.2", &["<sips:strict>", "<sip:p2;lr>"], true),
    ] {
        let mut bench = Bench::new();
        let mut draft = Draft { hop: Hop::Path(path(Transport::Tls, 2)), ..draft(Method::Invite) };
        draft.uri = uri.parse().expect("a uri");
        draft.routes = routes.iter().map(|route| (*route).to_owned()).collect();
        bench.turn(|turn| turn.send_request(draft)).expect("sent");
        let contact = if sips { "<sips:alice@192.0.2.1:5060>" } else { "<sip:alice@192.0.2.1:5060;transport=tls>" };
        assert_eq!(bench.last().value(HeaderId::Contact), contact, "{uri} {routes:?}");
    }
}

#[test]
fn rfc5630_5_1_1_the_route_set_goes_with_the_scheme_of_what_is_asked_for() {
    let routes = ["<sip:p1;lr>", "\"<sip:p2>\" <SIP:p2;lr>;x=<sip:p2>", "<sips:p3;lr>"];
    for (uri, routes, line, sent) in [
        (
            "sips:bob@b",
            &routes[..],
            "sips:bob@b",
            &["<sips:p1;lr>", "\"<sip:p2>\" <SIPs:p2;lr>;x=<sip:p2>", "<sips:p3;lr>"][..],
        ),
        ("sip:bob@b", &routes, "sip:bob@b", &routes),
        ("sip:bob@b", &["<sips:p1;lr>", "<sip:p2;lr>"], "sip:bob@b", &["<sips:p1;lr>", "<sip:p2;lr>"]),
        ("sip:bob@b", &["<sips:strict>", "<sip:p2;lr>"], "sips:strict", &["<sip:p2;lr>", "<sip:bob@b>"]),
        ("sips:bob@b", &["<sip:strict>"], "sips:strict", &["<sips:bob@b>"]),
    ] {
        let mut bench = Bench::new();
        let mut draft = Draft { hop: Hop::Path(path(Transport::Tls, 2)), ..draft(Method::Invite) };
        draft.uri = uri.parse().expect("a uri");
        draft.routes = routes.iter().map(|route| (*route).to_owned()).collect();
        bench.turn(|turn| turn.send_request(draft)).expect("sent");
        let invite = bench.last();
        assert!(
            invite.text().starts_with(&format!("INVITE {line} SIP/2.0\r\n")),
            "{uri} {routes:?}: {}",
            invite.text()
        );
        let said: Vec<String> = invite.headers().all(HeaderId::Route).map(|one| one.text().into_owned()).collect();
        assert_eq!(said, sent, "{uri} {routes:?}");
    }
}

/// What the peer names as his target meanwhile makes no difference.
#[test]
fn rfc3261_12_2_1_1_contact_in_a_dialog_that_began_by_sips_stays_sips() {
    for (secure, target, expected) in [
        (true, "sip:bob@192.0.2.2;transport=tls", "<sips:alice@192.0.2.1:5060>"),
        (true, "sips:bob@192.0.2.2", "<sips:alice@192.0.2.1:5060>"),
        (false, "sip:bob@192.0.2.2;transport=tls", "<sip:alice@192.0.2.1:5060;transport=tls>"),
    ] {
        for method in [Method::Invite, Method::Update, Method::Subscribe, Method::Notify, Method::Refer] {
            let dialog = Dialog::from_record(&Record {
                call_id: "call-1".to_owned(),
                local: "<sip:alice@192.0.2.1>".to_owned(),
                local_tag: "a1".to_owned(),
                remote: "<sip:bob@192.0.2.2>".to_owned(),
                remote_tag: "b1".to_owned(),
                remote_target: target.to_owned(),
                contact: ContactSpec::Auto { user: Some("alice".to_owned()), params: String::new() },
                routes: Vec::new(),
                local_cseq: 1,
                remote_cseq: None,
                role: dialog::Role::Caller,
                phase: Phase::Confirmed,
                secure,
                path: Some(path(Transport::Tls, 2)),
            })
            .expect("a dialog");
            let mut bench = Bench::new();
            let draft = making::within(&dialog, method.clone(), None).expect("a request");
            bench.turn(|turn| turn.send_request(draft)).expect("sent");
            assert_eq!(bench.last().value(HeaderId::Contact), expected, "{method} {target}");
        }
    }
}

#[test]
fn rfc3261_18_3_a_response_that_ends_before_its_body_does_is_dropped() {
    for (length, taken) in [("4", true), ("3", true), ("5", false), ("99999", false)] {
        let mut bench = Bench::new();
        bench.request(Method::Options, UDP);
        bench.took();
        let (from, headers) = (bench.sent[0].path, bench.sent[0].headers());
        let mut text = "SIP/2.0 200 OK\r\n".to_owned();
        for id in [HeaderId::Via, HeaderId::From, HeaderId::To, HeaderId::CallId, HeaderId::CSeq] {
            text += &format!("{}: {}\r\n", id.name(), headers.text(id).expect("the header"));
        }
        text += &format!("Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\nbody");
        bench.turn(|turn| turn.receive(&from, Bytes::from(text)));
        assert_eq!(bench.took().iter().any(|line| line.contains("up 200")), taken, "{length}");
        assert_eq!((bench.sent.len(), bench.stack.usage().client_transactions), (1, 1), "{length}");
        // A whole one still counts where that did not.
        bench.answer(0, 200, "b");
        assert_eq!(bench.took().len(), usize::from(!taken), "{length}");
    }
}

#[test]
fn rfc3261_20_10_a_contact_of_ours_has_brackets_whatever_its_user_is() {
    for user in ["a,b", "a;b", "a?b", "bob"] {
        let mut bench = Bench::new();
        let mut draft = Draft { hop: Hop::Path(path(UDP, 2)), ..draft(Method::Invite) };
        draft.contact = ContactSpec::Auto { user: Some(user.to_owned()), params: ";x=y".to_owned() };
        bench.turn(|turn| turn.send_request(draft)).expect("sent");
        assert_eq!(bench.last().value(HeaderId::Contact), format!("<sip:{user}@192.0.2.1:5060>;x=y"));
    }
}

/// A message on the wire: every line ends with CRLF, an empty one ends the head, and Content-Length counts what follows.
fn assert_framed(sent: &Sent, body: &str) {
    let text = sent.text();
    let (head, rest) = text.split_once("\r\n\r\n").expect("an empty line");
    assert_eq!(rest, body, "{text}");
    assert!(!head.replace("\r\n", "").contains(['\r', '\n']), "{text:?}");
    assert_eq!(head.matches(&format!("\r\nContent-Length: {}", body.len())).count(), 1, "{text}");
    for none in ["Content-Encoding", "Transfer-Encoding"] {
        assert!(!head.contains(none), "{text}");
    }
}

#[test]
fn rfc3261_7_and_20_14_every_message_ends_its_lines_and_says_how_long_its_body_is() {
    for transport in [UDP, TCP] {
        let mut bench = Bench::new();
        let tx = bench.request(Method::Invite, transport);
        bench.answer(0, 180, "b");
        bench.turn(|turn| turn.cancel(tx)).expect("under way");
        bench.answer(0, 487, "b");
        let mut draft = Draft { hop: Hop::Path(path(transport, 2)), ..draft(Method::Message) };
        draft.body = Some(message::Body::new("text/plain", "h\u{e9}\n"));
        bench.turn(|turn| turn.send_request(draft)).expect("sent");
        bench.receive(path(transport, 2), &incoming("INVITE", transport, "z9hG4bK1", ""));
        let tx = bench.server_tx();
        let mut reply = Reply::new(StatusCode::OK);
        reply.body = Some(message::Body::sdp("v=0\r\n"));
        bench.turn(|turn| turn.respond(tx, reply)).expect("open");
        bench.receive(path(transport, 2), &incoming("BYE", transport, "z9hG4bK2", ""));
        bench
            .receive(path(transport, 2), &incoming("OPTIONS", transport, "z9hG4bK3", "").replace("CSeq: 7", "CSeq: x"));
        let kinds: Vec<&str> = bench.sent.iter().map(|sent| sent.text().split(' ').next().expect("a word")).collect();
        assert_eq!(kinds[..4], ["INVITE", "CANCEL", "ACK", "MESSAGE"]);
        assert_eq!(kinds.len(), 8, "{kinds:?}");
        for (n, sent) in bench.sent.iter().enumerate() {
            assert_framed(
                sent,
                match n {
                    3 => "h\u{e9}\n",
                    5 => "v=0\r\n",
                    _ => "",
                },
            );
        }
    }
}

/// History-Info of the last response.
fn told(bench: &Bench) -> Vec<String> {
    let headers = bench.last().headers();
    headers.all(HeaderId::HistoryInfo).map(|line| String::from_utf8_lossy(line.value).into_owned()).collect()
}

#[test]
fn rfc7044_9_4_answers_of_a_stack_and_challenges_tell_where_their_request_has_been() {
    const ASKS: &str = "Supported: 100rel, HistInfo\n";
    const CAME: &str =
        "History-Info: <sip:old@example.com>;index=1,<sip:other@example.com?Privacy=history>;index=1.1;mp=1\n";
    let entries = ["<sip:old@example.com>;index=1", "<sip:other@example.com?Privacy=history>;index=1.1;mp=1"];
    for (lines, brought) in [(ASKS, 0), (CAME, 2), ("Supported: 100rel, history, hist\n", 0)] {
        let is_wanted = lines != "Supported: 100rel, history, hist\n";
        let right = |found: Vec<String>| match is_wanted {
            // Whom the request is for now stands behind what it has brought.
            true => found.len() == brought + 1 && found[..brought] == entries[..brought],
            false => found.is_empty(),
        };
        // 487 of the stack to an INVITE that is cancelled, and nothing of it in the 100 before or the 200 to the CANCEL.
        let mut bench = Bench::new();
        let udp = path(Transport::Udp, 2);
        bench.receive(udp, &incoming("INVITE", Transport::Udp, "X", lines));
        assert!(told(&bench).is_empty(), "{}", bench.last().text());
        bench.receive(udp, &incoming("CANCEL", Transport::Udp, "X", lines));
        let [.., two_hundred, refusal] = &bench.sent[..] else { panic!("two answers") };
        assert!(two_hundred.text().starts_with("SIP/2.0 200 ") && !two_hundred.text().contains("History-Info"));
        assert!(refusal.text().starts_with("SIP/2.0 487 ") && right(told(&bench)), "{}", refusal.text());
        // A challenge of which nothing is kept.
        bench.receive(udp, &incoming("MESSAGE", Transport::Udp, "Y", lines));
        let tx = bench.server_tx();
        let challenge = || Reply::new(StatusCode::UNAUTHORIZED).stateless();
        bench.turn(|turn| turn.respond(tx, challenge())).expect("open");
        assert!(right(told(&bench)), "{}", bench.last().text());
        // What an application tells is all that is told.
        bench.receive(udp, &incoming("MESSAGE", Transport::Udp, "Z", lines));
        let tx = bench.server_tx();
        let own = challenge().line("History-Info", "<sip:own@example.com>;index=1").expect("clean");
        bench.turn(|turn| turn.respond(tx, own)).expect("open");
        assert_eq!(told(&bench), ["<sip:own@example.com>;index=1"]);
    }
}
