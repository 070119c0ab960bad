use super::*;
use crate::message::header::Via;

fn asking(method: Method) -> (Bench, ClientTx) {
    let mut bench = Bench::new();
    let tx = bench.turn(|turn| turn.send_request(draft(method))).expect("taken");
    (bench, tx)
}

fn routes(bench: &mut Bench, paths: &[Path]) {
    let (ask, _) = bench.asked.last().expect("asked").clone();
    bench.turn(|turn| turn.answered(ask, Answer::Routes(paths.to_vec())));
}

#[test]
fn rfc3261_8_1_2_the_driver_is_asked_for_the_next_hop() {
    let (mut bench, tx) = asking(Method::Options);
    assert_eq!(bench.took(), ["0.000 ask"]);
    let expected =
        Question::Route { host: "192.0.2.2".to_owned(), port: None, transport: None, secure: false, lot: None };
    assert_eq!(bench.asked[0].1, expected);
    assert_eq!(bench.turn(|turn| turn.path_of(tx)), None);
    routes(&mut bench, &[path(UDP, 2)]);
    assert_eq!(bench.took(), ["0.000 OPTIONS (Request)"]);
    assert_eq!(bench.turn(|turn| turn.path_of(tx)), Some(path(UDP, 2)));
    bench.ends_empty();
}

#[test]
fn rfc3261_8_1_1_a_request_has_all_that_is_mandatory() {
    let mut bench = Bench::with(Config { user_agent: Some("offhook/1".to_owned()), ..Config::default() });
    let mut draft = Draft { hop: Hop::Path(path(UDP, 2)), cseq: 2_147_483_647, ..draft(Method::Invite) };
    let larger = Draft { cseq: 2_147_483_648, ..draft.clone() };
    let refused = bench.turn(|turn| turn.send_request(larger.clone()));
    assert!(matches!(refused, Err(StackError::Forbidden(_))), "RFC 3261 8.1.1.5: {refused:?}");
    let within = Draft { to: format!("{};tag=t", larger.to), ..larger };
    bench.turn(|turn| turn.send_request(within)).expect("in a dialog it may have grown");
    draft.body = Some(message::Body::sdp("v=0\r\n"));
    bench.turn(|turn| turn.send_request(draft)).expect("sent");
    let sent = bench.last();
    let headers = sent.headers();
    let branch = headers.branch().expect("a branch").to_owned();
    assert!(branch.starts_with("z9hG4bK") && branch.len() == 33, "{branch}");
    assert_eq!(sent.value(HeaderId::Via), format!("SIP/2.0/UDP 192.0.2.1:5060;rport;branch={branch}"));
    for (id, value) in [
        (HeaderId::MaxForwards, "70"),
        (HeaderId::Route, "<sip:192.0.2.2;lr>"),
        (HeaderId::From, "<sip:alice@192.0.2.1>;tag=a1"),
        (HeaderId::To, "<sip:bob@192.0.2.2>"),
        (HeaderId::CallId, "call-1"),
        (HeaderId::CSeq, "2147483647 INVITE"),
        (HeaderId::Contact, "<sip:alice@192.0.2.1:5060>"),
        (HeaderId::UserAgent, "offhook/1"),
        (HeaderId::ContentType, "application/sdp"),
        (HeaderId::ContentLength, "5"),
    ] {
        assert_eq!(sent.value(id), value, "{id:?}");
    }
}

#[test]
fn rfc5923_8_1_a_request_over_tls_says_alias_where_its_sent_by_is_listened_on() {
    let tls = path(Transport::Tls, 2);
    let own_end = Path { local: address("192.0.2.1:40000"), ..tls };
    for (ports, path, expected) in [
        (vec![5060], tls, true),
        (vec![5061, 5060], tls, true),
        // Nobody is asked to; nobody would find us there; and over TCP nobody knows who it is.
        (Vec::new(), tls, false),
        (vec![5060], own_end, false),
        (vec![5060], path(TCP, 2), false),
        (vec![5060], path(UDP, 2), false),
    ] {
        let mut bench = Bench::with(Config { alias_ports: ports.clone(), ..Config::default() });
        bench.turn(|turn| turn.send_request(Draft { hop: Hop::Path(path), ..draft(Method::Invite) })).expect("sent");
        let via = |bench: &Bench| {
            let headers = bench.last().headers();
            let via = headers.get::<Via<'_>>().expect("a Via").expect("a good one");
            (via.alias(), via.to_string())
        };
        let (alias, text) = via(&bench);
        assert_eq!(alias, expected, "{ports:?}: {text}");
        assert_eq!(text.contains("alias"), expected, "{text}");
        // The ACK of a refusal has the same Via (RFC 3261 section 17.1.1.3), and the answer is known by it.
        bench.answer(0, 486, "b");
        assert!(bench.took().iter().any(|line| line.contains("up 486")), "{text}");
        assert_eq!(via(&bench).1, text);
    }
}

#[test]
fn rfc5923_8_2_who_answers_along_his_own_connection_is_where_the_request_was_for() {
    let resolved = path(Transport::Tls, 2);
    let from = |path: Path| Path { remote: SocketAddr::new(path.remote.ip(), 49_160), ..path };
    let another = |path: Path| Path { flow: FlowId(path.flow.0 + 100), ..from(path) };
    for (path, origin, expected) in [
        (resolved, from(resolved), resolved),
        (resolved, resolved, resolved),
        (resolved, another(resolved), another(resolved)),
        // One socket serves all over UDP.
        (path(UDP, 2), from(path(UDP, 2)), from(path(UDP, 2))),
    ] {
        let mut bench = Bench::new();
        bench.turn(|turn| turn.send_request(Draft { hop: Hop::Path(path), ..draft(Method::Options) })).expect("sent");
        let headers = bench.last().headers();
        let code = StatusCode::new(200).expect("a code");
        let lines = message::Lines::default();
        let text = message::write_response(&headers, code, None, Some("b"), &lines, None, None);
        bench.turn(|turn| turn.receive(&origin, text));
        let came = bench.events.iter().find_map(|event| match event {
            Event::Response { origin, .. } => Some(*origin),
            _ => None,
        });
        assert_eq!(came, Some(expected), "{origin:?}");
    }
}

#[test]
fn rfc3263_4_3_the_next_address_is_tried_with_a_new_branch() {
    for (method, failure) in [
        (Method::Options, "timeout"),
        (Method::Invite, "timeout"),
        (Method::Options, "503"),
        (Method::Invite, "503"),
        (Method::Options, "unsent"),
    ] {
        let (mut bench, _) = asking(method.clone());
        routes(&mut bench, &[path(UDP, 2), path(UDP, 3)]);
        bench.took();
        let id = bench.last().id;
        match failure {
            "timeout" => bench.run_to(32_000),
            "503" => bench.answer(0, 503, "b"),
            _ => bench.turn(|turn| turn.unsent(id, SendError::Unreachable)),
        }
        let trace = bench.took();
        assert!(trace.last().is_some_and(|line| line.ends_with(&format!("{method} (Retry)"))), "{trace:?}");
        assert!(!trace.iter().any(|line| line.contains("up") || line.contains("failed")), "{trace:?}");
        let (first, second) = (&bench.sent[0], bench.last());
        assert_eq!(second.path, path(UDP, 3));
        assert_ne!(first.headers().branch(), second.headers().branch());
        assert_eq!(first.value(HeaderId::CSeq), second.value(HeaderId::CSeq));
        assert_eq!(bench.stack.counters().failovers, 1);
        let last = bench.sent.len() - 1;
        bench.answer(last, 503, "b");
        assert!(bench.took().last().is_some_and(|line| line.ends_with("up 503")), "the last address' answer counts");
        bench.ends_empty();
    }
}

#[test]
fn rfc3263_4_repeats_ack_and_cancel_go_where_the_request_was_delivered() {
    let (mut bench, tx) = asking(Method::Invite);
    routes(&mut bench, &[path(UDP, 2), path(UDP, 3)]);
    // Nobody at the first: all repeats go there, then all go to the second.
    bench.run_to(32_000);
    bench.run_to(34_000);
    let to = |bench: &Bench| bench.sent.iter().map(|sent| sent.path.remote).collect::<Vec<_>>();
    let there = to(&bench);
    let second = there.iter().position(|remote| *remote == path(UDP, 3).remote).expect("the second was tried");
    assert!(second >= 7 && there.len() >= second + 3, "{there:?}");
    assert!(there[..second].iter().all(|remote| *remote == path(UDP, 2).remote), "{there:?}");
    let last = bench.sent.len() - 1;
    bench.answer(last, 180, "b");
    bench.turn(|turn| turn.cancel(tx)).expect("under way");
    bench.answer(last, 487, "b");
    let trace = bench.took().join("; ");
    assert!(trace.contains("CANCEL") && trace.contains("ACK"), "{trace}");
    assert!(to(&bench)[second..].iter().all(|remote| *remote == path(UDP, 3).remote), "{:?}", to(&bench));
    assert_eq!(bench.asked.len(), 1, "looked up once");
    bench.ends_empty();
}

#[test]
fn rfc3263_4_3_other_refusals_are_final() {
    for code in [302, 404, 486, 500, 600] {
        let (mut bench, _) = asking(Method::Options);
        routes(&mut bench, &[path(UDP, 2), path(UDP, 3)]);
        bench.answer(0, code, "b");
        assert_eq!(bench.took().last().map(String::as_str), Some(format!("0.000 up {code}").as_str()));
        assert_eq!(bench.sent.len(), 1);
        bench.ends_empty();
    }
}

#[test]
fn rfc3263_4_3_no_more_addresses_than_the_limit() {
    let mut bench = Bench::with(Config { max_routes: 2, ..Config::default() });
    bench.turn(|turn| turn.send_request(draft(Method::Options))).expect("taken");
    routes(&mut bench, &[path(UDP, 2), path(UDP, 3), path(UDP, 4)]);
    for n in 0..2 {
        bench.answer(n, 503, "b");
    }
    assert_eq!(bench.took().last().map(String::as_str), Some("0.000 up 503"));
    bench.ends_empty();
}

#[test]
fn rfc3263_4_look_ups_that_bring_nothing_fail_the_request() {
    let table = [
        (Answer::None, "NoSuchHost"),
        (Answer::Routes(Vec::new()), "NoRoute(\"no address of the host is reached from here\")"),
        (Answer::Failed("SERVFAIL".to_owned()), "NoRoute(\"SERVFAIL\")"),
        (Answer::TimedOut, "NoRoute(\"the look-up of the host took too long\")"),
    ];
    for (answer, why) in table {
        let (mut bench, _) = asking(Method::Invite);
        let ask = bench.asked[0].0;
        bench.turn(|turn| turn.answered(ask, answer));
        assert_eq!(bench.took(), ["0.000 ask".to_owned(), format!("0.000 failed {why}")]);
        assert_eq!(bench.stack.usage(), Usage::default());
        // An answer that comes twice is dropped.
        bench.turn(|turn| turn.answered(ask, Answer::Routes(vec![path(UDP, 2)])));
        assert_eq!(bench.took(), [""; 0]);
    }
}

#[test]
fn rfc3263_4_a_driver_that_never_answers_is_not_waited_for() {
    let (mut bench, _) = asking(Method::Options);
    bench.run_to(10_000);
    assert_eq!(bench.took().len(), 2);
    assert!(matches!(bench.events.last(), Some(Event::RequestFailed { why: Failure::NoRoute(_), .. })));
    assert_eq!(bench.stack.usage(), Usage::default());
}

#[test]
fn rfc3261_9_1_cancelled_before_anything_was_sent() {
    let (mut bench, tx) = asking(Method::Invite);
    bench.turn(|turn| turn.cancel(tx)).expect("taken back");
    assert_eq!(bench.took(), ["0.000 ask", "0.000 failed Cancelled"]);
    routes(&mut bench, &[path(UDP, 2)]);
    assert_eq!(bench.took(), [""; 0]);
    assert_eq!(bench.stack.usage(), Usage::default());
}

#[test]
fn rfc3263_4_3_a_cancelled_invite_goes_nowhere_else() {
    let (mut bench, tx) = asking(Method::Invite);
    routes(&mut bench, &[path(TCP, 2), path(TCP, 3)]);
    bench.turn(|turn| turn.cancel(tx)).expect("kept");
    bench.run_to(32_000);
    assert_eq!(bench.took(), ["0.000 ask", "0.000 INVITE (Request)", "32.000 failed Timeout"]);
    bench.ends_empty();
}

fn large(bench: &mut Bench, size: usize) -> ClientTx {
    let mut draft = draft(Method::Options);
    draft.body = Some(message::Body::new("text/plain", vec![b'x'; size]));
    bench.turn(|turn| turn.send_request(draft)).expect("taken")
}

#[test]
fn rfc3428_8_a_message_has_1300_octets_at_most_unless_all_hops_are_known_to_be_streams() {
    let message = |octets: usize, by_streams: bool| {
        let body = Some(message::Body::new("text/plain", vec![b'x'; octets]));
        Draft { body, by_streams, ..draft(Method::Message) }
    };
    let mut probe = Bench::new();
    probe.turn(|turn| turn.send_request(message(100, false))).expect("taken");
    routes(&mut probe, &[path(TCP, 2)]);
    let most = 1_300 - (probe.last().bytes.len() - 100);
    for (octets, by_streams, leaves) in
        [(most, false, true), (most + 1, false, false), (most + 1, true, true), (60_000, true, true)]
    {
        // By TCP: what is behind the next hop may be another matter.
        let mut bench = Bench::new();
        bench.turn(|turn| turn.send_request(message(octets, by_streams))).expect("taken");
        bench.took();
        routes(&mut bench, &[path(TCP, 2)]);
        assert_eq!(bench.sent.len(), usize::from(leaves), "{octets}");
        let failed = bench.took().iter().any(|line| line.contains("TooLarge"));
        assert_eq!(failed, !leaves, "{octets}");
        bench.ends_empty();
    }
}

#[test]
fn rfc3261_18_1_1_large_requests_go_by_tcp() {
    let mut probe = Bench::new();
    large(&mut probe, 100);
    routes(&mut probe, &[path(UDP, 2)]);
    let head = probe.last().bytes.len() - 100;
    for (size, asks) in [(1_300 - head, 1), (1_300 - head + 1, 2)] {
        let mut bench = Bench::new();
        large(&mut bench, size);
        routes(&mut bench, &[path(UDP, 2), path(UDP, 3)]);
        assert_eq!(bench.asked.len(), asks, "{size}");
        if asks == 1 {
            assert_eq!(bench.last().bytes.len(), 1_300);
            continue;
        }
        assert!(matches!(bench.asked[1].1, Question::Route { transport: Some(TCP), .. }));
        assert!(bench.sent.is_empty());
        routes(&mut bench, &[path(TCP, 2)]);
        assert!(bench.last().value(HeaderId::Via).starts_with("SIP/2.0/TCP "));
        // Refused over TCP: UDP after all, with the Via to match.
        bench.turn(|turn| turn.flow(FlowId(2), FlowChange::OpenFailed));
        assert_eq!(bench.last().path, path(UDP, 2));
        assert!(bench.last().value(HeaderId::Via).starts_with("SIP/2.0/UDP "));
        bench.ends_empty();
    }
}

#[test]
fn rfc3261_18_1_1_what_a_connection_may_have_carried_does_not_come_by_udp_too() {
    let mut bench = Bench::new();
    large(&mut bench, 2_000);
    routes(&mut bench, &[path(UDP, 2)]);
    routes(&mut bench, &[path(TCP, 2)]);
    // Lost: the same octets once more over a new connection. Lost again, or refused: the peer may have had them twice already.
    for again in [FlowChange::Lost, FlowChange::OpenFailed] {
        bench.turn(|turn| turn.flow(FlowId(2), again));
    }
    assert!(bench.sent.iter().all(|sent| sent.path.transport == TCP), "nothing by UDP");
    assert_eq!(bench.took().last().map(String::as_str), Some("0.000 failed Transport(Closed)"));
    bench.ends_empty();
}

#[test]
fn rfc3261_18_1_1_what_finds_the_queue_of_a_connection_full_does_not_go_by_udp_instead() {
    let mut bench = Bench::new();
    large(&mut bench, 2_000);
    routes(&mut bench, &[path(UDP, 2)]);
    routes(&mut bench, &[path(TCP, 2), path(TCP, 3)]);
    for host in [2, 3] {
        assert_eq!(bench.last().path, path(TCP, host));
        let id = bench.last().id;
        bench.turn(|turn| turn.unsent(id, SendError::NoBuffer));
    }
    assert_eq!(bench.sent.len(), 2, "nothing by UDP");
    assert_eq!(bench.took().last().map(String::as_str), Some("0.000 failed Transport(NoBuffer)"));
    bench.ends_empty();
}

/// Who does not read in time, or has read it and is busy: either way there was a connection.
#[test]
fn rfc3261_18_1_1_what_gets_no_answer_by_a_connection_does_not_go_by_udp_instead() {
    for (code, heard) in [(None, " failed Timeout"), (Some(503), " up 503")] {
        let mut bench = Bench::new();
        large(&mut bench, 2_000);
        routes(&mut bench, &[path(UDP, 2)]);
        routes(&mut bench, &[path(TCP, 2), path(TCP, 3)]);
        for (at, host) in [2, 3].into_iter().enumerate() {
            assert_eq!((bench.sent.len(), bench.last().path), (at + 1, path(TCP, host)));
            match code {
                Some(code) => bench.answer(at, code, "b"),
                None => bench.run_to(33_000 * (at as u64 + 1)),
            }
        }
        assert_eq!(bench.sent.len(), 2, "nothing by UDP");
        let trace = bench.took();
        assert!(trace.last().is_some_and(|last| last.ends_with(heard)), "{trace:?}");
        bench.ends_empty();
    }
}

#[test]
fn rfc3261_18_1_1_without_tcp_large_requests_go_by_udp() {
    for answer in [Answer::None, Answer::Failed("refused".to_owned()), Answer::TimedOut] {
        let mut bench = Bench::new();
        large(&mut bench, 2_000);
        routes(&mut bench, &[path(UDP, 2)]);
        let ask = bench.asked[1].0;
        bench.turn(|turn| turn.answered(ask, answer));
        assert_eq!(bench.last().path, path(UDP, 2));
        bench.ends_empty();
    }
}

#[test]
fn rfc3261_18_1_1_too_big_for_the_path_is_tried_by_tcp_once() {
    let mut bench = Bench::new();
    large(&mut bench, 100);
    routes(&mut bench, &[path(UDP, 2)]);
    let id = bench.last().id;
    bench.turn(|turn| turn.unsent(id, SendError::TooBig));
    routes(&mut bench, &[path(TCP, 2)]);
    bench.turn(|turn| turn.flow(FlowId(2), FlowChange::OpenFailed));
    assert_eq!(bench.took().last().map(String::as_str), Some("0.000 failed Transport(Closed)"));
    bench.ends_empty();
}

#[test]
fn rfc3261_18_1_1_a_fixed_path_is_kept_whatever_the_size() {
    let mut bench = Bench::new();
    let mut draft = Draft { hop: Hop::Path(path(UDP, 2)), ..draft(Method::Options) };
    draft.body = Some(message::Body::new("text/plain", vec![b'x'; 2_000]));
    bench.turn(|turn| turn.send_request(draft)).expect("sent");
    assert_eq!((bench.last().path, bench.asked.len()), (path(UDP, 2), 0));
}

fn with_credentials(method: Method) -> Draft {
    let mut draft = Draft { hop: Hop::Path(path(UDP, 2)), ..draft(method) };
    draft.credentials.add(digest::Credential::password(None, "alice", "secret").expect("clean"));
    draft
}

fn challenge(bench: &mut Bench, sent: usize, code: u16, nonce: &str, more: &str) {
    let request = &bench.sent[sent];
    let (from, headers) = (request.path, request.headers());
    let name = if code == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
    let mut lines = message::Lines::default();
    let value = format!("Digest realm=\"r{code}\", nonce=\"{nonce}\", algorithm=MD5, qop=\"auth\"{more}");
    lines.push(name, &value).expect("a line");
    let code = StatusCode::new(code).expect("a code");
    let bytes = message::write_response(&headers, code, None, Some("b"), &lines, None, None);
    bench.turn(|turn| turn.receive(&from, bytes));
}

#[test]
fn rfc3261_22_2_a_challenge_is_answered_with_the_next_cseq() {
    for (method, acks) in [(Method::Register, 0), (Method::Invite, 1)] {
        let mut bench = Bench::new();
        let draft = with_credentials(method.clone());
        bench.turn(|turn| turn.send_request(draft)).expect("sent");
        challenge(&mut bench, 0, 401, "n1", "");
        let last = bench.sent.len() - 1;
        assert_eq!(last, 1 + acks);
        let (first, second) = (&bench.sent[0], &bench.sent[last]);
        assert_eq!(second.value(HeaderId::CSeq), format!("2 {method}"));
        assert!(second.value(HeaderId::Authorization).contains("username=\"alice\""));
        assert!(!first.headers().has(HeaderId::Authorization));
        for id in [HeaderId::CallId, HeaderId::From, HeaderId::To] {
            assert_eq!(first.value(id), second.value(id));
        }
        assert_ne!(first.headers().branch(), second.headers().branch());
        bench.answer(last, 200, "b");
        assert_eq!(bench.took().last().map(String::as_str), Some("0.000 up 200"));
        assert_eq!(bench.stack.counters().authorized, 1);
        bench.ends_empty();
    }
}

#[test]
fn rfc7616_3_5_the_next_nonce_is_used_at_once() {
    let mut bench = Bench::new();
    let first = with_credentials(Method::Invite);
    let tx = bench.turn(|turn| turn.send_request(first)).expect("sent");
    challenge(&mut bench, 0, 401, "n1", "");
    let retry = bench.last();
    let (from, headers) = (retry.path, retry.headers());
    let mut lines = message::Lines::default();
    lines.push("Authentication-Info", "nextnonce=\"n2\"").expect("a line");
    let ok = message::write_response(&headers, StatusCode::OK, None, Some("b"), &lines, None, None);
    let signed = bench.turn(|turn| turn.signed_lines(tx));
    assert!(signed.has(HeaderId::Authorization), "for the ACK");
    bench.turn(|turn| turn.receive(&from, ok));
    let auth = bench.turn(|turn| turn.take_auth(tx));
    let next = Draft { auth, ..with_credentials(Method::Message) };
    bench.turn(|turn| turn.send_request(next)).expect("sent");
    let value = bench.last().value(HeaderId::Authorization);
    assert!(value.contains("nonce=\"n2\"") && value.contains("nc=00000001"), "{value}");
    bench.ends_empty();
}

#[test]
fn rfc3261_20_7_and_20_28_credentials_for_several_realms_stand_on_lines_of_their_own() {
    for (code, name) in [(401, "Authorization"), (407, "Proxy-Authorization")] {
        let mut bench = Bench::new();
        let draft = with_credentials(Method::Message);
        bench.turn(|turn| turn.send_request(draft)).expect("sent");
        challenge(&mut bench, 0, code, "n1", "");
        let (from, headers) = (bench.last().path, bench.last().headers());
        let mut lines = message::Lines::default();
        let challenge =
            name.replace("Authorization", "Authenticate").replace("Au", if code == 401 { "WWW-Au" } else { "Au" });
        lines.push(&challenge, "Digest realm=\"further\", nonce=\"n2\", algorithm=MD5, qop=\"auth\"").expect("a line");
        let code = StatusCode::new(code).expect("a code");
        let bytes = message::write_response(&headers, code, None, Some("b"), &lines, None, None);
        bench.turn(|turn| turn.receive(&from, bytes));
        let text = bench.last().text();
        let values: Vec<&str> =
            text.split("\r\n").filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect();
        assert_eq!(values.len(), 2, "{text}");
        assert!(values.iter().all(|value| value.matches("Digest ").count() == 1), "{text}");
    }
}

#[test]
fn rfc3261_22_3_a_proxy_and_a_server_may_both_challenge() {
    let mut bench = Bench::new();
    let draft = with_credentials(Method::Message);
    bench.turn(|turn| turn.send_request(draft)).expect("sent");
    challenge(&mut bench, 0, 407, "n1", "");
    challenge(&mut bench, 1, 401, "n2", "");
    let last = bench.last();
    assert!(last.headers().has(HeaderId::Authorization) && last.headers().has(HeaderId::ProxyAuthorization));
    assert_eq!(last.value(HeaderId::CSeq), "3 MESSAGE");
}

#[test]
fn cve_endless_challenge_stops() {
    let mut bench = Bench::new();
    let draft = with_credentials(Method::Message);
    bench.turn(|turn| turn.send_request(draft)).expect("sent");
    let mut n = 0;
    while n < bench.sent.len() {
        assert!(n < 6, "it goes on for ever");
        challenge(&mut bench, n, 401, &format!("nonce{n}"), ", stale=true");
        n += 1;
    }
    assert_eq!(bench.took().last().map(String::as_str), Some("0.000 up 401"));
    bench.ends_empty();
}

#[test]
fn rfc3261_22_2_without_credentials_the_challenge_is_the_owners() {
    let mut bench = Bench::new();
    bench.request(Method::Message, UDP);
    challenge(&mut bench, 0, 401, "n1", "");
    assert_eq!(bench.took(), ["0.000 MESSAGE (Request)", "0.000 up 401"]);
    bench.ends_empty();
}

#[test]
fn rfc3261_12_2_1_1_a_strict_router_takes_the_request_uri() {
    let mut bench = Bench::new();
    let mut draft = draft(Method::Options);
    draft.routes = vec!["<sip:strict.example>".to_owned(), "<sip:p2;lr>".to_owned()];
    bench.turn(|turn| turn.send_request(draft)).expect("taken");
    assert!(matches!(&bench.asked[0].1, Question::Route { host, .. } if host == "strict.example"));
    routes(&mut bench, &[path(UDP, 2)]);
    let sent = bench.last();
    assert!(sent.text().starts_with("OPTIONS sip:strict.example SIP/2.0\r\n"));
    let headers = sent.headers();
    let all: Vec<_> = headers.all(HeaderId::Route).map(|header| header.text().into_owned()).collect();
    assert_eq!(all, ["<sip:p2;lr>", "<sip:bob@192.0.2.2>"]);
}

#[test]
fn cve_injection_a_draft_cannot_break_its_lines() {
    let evil = "<sip:a@b>\r\nX-Evil: 1".to_owned();
    let base = draft(Method::Options);
    let drafts = [
        Draft { from: evil.clone(), ..base.clone() },
        Draft { to: evil.clone(), ..base.clone() },
        Draft { call_id: evil.clone(), ..base.clone() },
        Draft { from: String::new(), ..base.clone() },
        Draft { routes: vec![evil.clone()], ..base.clone() },
        Draft { contact: ContactSpec::Given(evil), ..base },
    ];
    let mut bench = Bench::new();
    for draft in drafts {
        assert!(matches!(bench.turn(|turn| turn.send_request(draft)), Err(StackError::Text { .. })));
    }
    assert_eq!((bench.took().len(), bench.stack.usage()), (0, Usage::default()));
}

#[test]
fn rfc3263_4_3_a_try_that_was_refused_does_not_touch_the_next() {
    let (mut bench, _) = asking(Method::Invite);
    routes(&mut bench, &[path(UDP, 2), path(UDP, 3)]);
    bench.answer(0, 503, "b");
    let second = bench.sent.len() - 1;
    bench.answer(second, 180, "c");
    // Timer D of the first try passes meanwhile.
    bench.run_to(60_000);
    bench.took();
    bench.answer(second, 200, "c");
    assert_eq!(bench.took(), ["60.000 up 200"]);
    bench.ends_empty();
}

#[test]
fn rfc3261_9_1_each_try_waits_for_a_provisional_of_its_own() {
    let (mut bench, tx) = asking(Method::Invite);
    routes(&mut bench, &[path(UDP, 2), path(UDP, 3)]);
    bench.answer(0, 180, "b");
    bench.answer(0, 503, "b");
    bench.took();
    bench.turn(|turn| turn.cancel(tx)).expect("kept");
    assert_eq!(bench.took(), [""; 0]);
    let second = bench.sent.len() - 1;
    bench.answer(second, 100, "");
    assert_eq!(bench.took(), ["0.000 CANCEL (Request)"]);
    assert_eq!(bench.last().path, path(UDP, 3));
    bench.answer(second, 487, "c");
    bench.ends_empty();
}
