use super::*;

fn numbered(method: &str, n: usize) -> String {
    incoming(method, UDP, &format!("z9hG4bK{n}"), "").replace("Call-ID: in-1", &format!("Call-ID: in-{n}"))
}

#[test]
fn limit_of_server_transactions_sheds_with_503_and_keeps_nothing() {
    let config = Config { max_server_transactions: 2, retry_after_secs: 9, ..Config::default() };
    let mut bench = Bench::with(config);
    for n in 0..2 {
        bench.receive(path(UDP, 2), &numbered("OPTIONS", n));
    }
    assert_eq!(bench.took(), ["0.000 up OPTIONS", "0.000 up OPTIONS"]);
    let before = bench.stack.usage();
    for method in ["OPTIONS", "INVITE"] {
        bench.receive(path(UDP, 2), &numbered(method, 3));
        assert_eq!(bench.took(), ["0.000 503 (Automatic)"], "{method}");
        assert_eq!(bench.last().value(HeaderId::RetryAfter), "9");
    }
    let tags: Vec<_> = (0..2)
        .map(|_| {
            bench.receive(path(UDP, 2), &numbered("INVITE", 4));
            bench.last().headers().to_tag().expect("a tag").to_owned()
        })
        .collect();
    assert_eq!(tags[0], tags[1], "RFC 3261 8.2.7: the same tag for every repeat");
    bench.took();
    bench.receive(path(UDP, 2), &numbered("ACK", 4));
    assert_eq!(bench.took(), [""; 0]);
    assert_eq!((bench.stack.usage(), bench.stack.counters().shed), (before, 4));
    // Repeats of what was taken still meet their transactions.
    bench.receive(path(UDP, 2), &numbered("OPTIONS", 0));
    assert_eq!(bench.stack.counters().repeats_in, 1);
    let tx = bench.server_tx();
    bench.respond(tx, 200).expect("open");
    bench.run_to(32_000);
    bench.took();
    bench.receive(path(UDP, 2), &numbered("OPTIONS", 5));
    assert_eq!(bench.took(), ["32.000 up OPTIONS"]);
    bench.ends_empty();
}

#[test]
fn rfc3261_8_2_7_a_cancel_without_room_is_ignored_unless_it_finds_its_invite() {
    for transport in [UDP, TCP] {
        let mut bench = Bench::with(Config { max_server_transactions: 2, ..Config::default() });
        for (method, n) in [("INVITE", 0), ("OPTIONS", 1)] {
            bench.receive(path(transport, 2), &numbered(method, n));
        }
        bench.took();
        let before = bench.stack.usage();
        for _ in 0..2 {
            bench.receive(path(transport, 2), &numbered("CANCEL", 3));
            assert_eq!(bench.took(), [""; 0], "of nothing that is known here");
        }
        assert_eq!((bench.stack.usage(), bench.stack.counters().shed), (before, 2));
        // One that ends what is held is carried out, and each time it comes it gets the same answer.
        let tags = [(); 2].map(|()| {
            bench.receive(path(transport, 2), &numbered("CANCEL", 0));
            let ok = bench.sent.iter().rfind(|sent| sent.value(HeaderId::CSeq).ends_with("CANCEL")).expect("an answer");
            (ok.headers().to_tag().expect("a tag").to_owned(), bench.took())
        });
        let refused = bench.sent.iter().rfind(|sent| sent.value(HeaderId::CSeq).ends_with("INVITE")).expect("a 487");
        assert_eq!(refused.headers().to_tag(), Some(tags[0].0.as_str()));
        assert_eq!(tags[0].1, ["0.000 200 (Automatic)", "0.000 487 (Automatic)", "0.000 up cancelled"]);
        assert_eq!((&tags[1].0, &tags[1].1[..]), (&tags[0].0, &["0.000 200 (Automatic)".to_owned()][..]));
        assert_eq!(bench.stack.usage().server_transactions, 2, "nothing is kept of either");
    }
}

#[test]
fn limit_of_kept_octets_sheds_one_octet_past_it_and_frees_again() {
    let vias = format!("Via: SIP/2.0/UDP h{}\n", ";x=y".repeat(1_000)).repeat(7);
    let text = |n: usize| numbered("OPTIONS", n).replacen("Max-Forwards", &format!("{vias}Max-Forwards"), 1);
    let size = text(0).replace('\n', "\r\n").len();
    for (past, third) in [(0, "0.000 up OPTIONS"), (1, "0.000 503 (Automatic)")] {
        let limit = 3 * size - past;
        let mut bench = Bench::with(Config { max_kept_octets: limit, ..Config::default() });
        for n in 0..3 {
            bench.receive(path(UDP, 2), &text(n));
        }
        assert_eq!(bench.took(), ["0.000 up OPTIONS", "0.000 up OPTIONS", third]);
        assert_eq!((bench.stack.usage().kept_octets, bench.stack.counters().shed), ((3 - past) * size, past as u64));
    }
    // The answer takes the place of the request until timer J, and repeats every Via.
    let mut bench = Bench::with(Config { max_kept_octets: 2 * size, retry_after_secs: 9, ..Config::default() });
    bench.receive(path(UDP, 2), &text(0));
    let tx = bench.server_tx();
    bench.respond(tx, 200).expect("open");
    let answer = bench.last().bytes.len();
    assert_eq!((bench.stack.usage().kept_octets, answer > size - 200), (answer, true));
    bench.receive(path(UDP, 2), &text(1));
    bench.took();
    let before = bench.stack.usage();
    for n in 2..1_500 {
        bench.receive(path(UDP, 2), &text(n));
        assert_eq!(bench.took(), ["0.000 503 (Automatic)"]);
    }
    assert_eq!((bench.last().value(HeaderId::RetryAfter).as_str(), bench.stack.usage()), ("9", before));
    bench.receive(path(UDP, 2), &text(0));
    assert_eq!(bench.took(), ["0.000 200 (Answer)"], "what was let in is answered");
    bench.run_to(32_000);
    bench.took();
    bench.receive(path(UDP, 2), &text(1_500));
    assert_eq!(bench.took(), ["32.000 up OPTIONS"]);
    bench.ends_empty();
}

#[test]
fn limit_of_kept_octets_weighs_an_invite_and_its_last_response() {
    let mut bench = Bench::new();
    let text = incoming("INVITE", UDP, "z9hG4bK1", "");
    let request = text.replace('\n', "\r\n").len();
    bench.receive(path(UDP, 2), &text);
    let tx = bench.server_tx();
    assert_eq!(bench.stack.usage().kept_octets, request + bench.last().bytes.len(), "the INVITE and its 100");
    bench.respond(tx, 180).expect("open");
    assert_eq!(bench.stack.usage().kept_octets, request + bench.last().bytes.len(), "the INVITE and its 180");
    bench.respond(tx, 486).expect("open");
    assert_eq!(bench.stack.usage().kept_octets, bench.last().bytes.len(), "the 486");
    bench.ends_empty();
}

#[test]
fn limit_of_client_transactions_refuses_one_more() {
    let mut bench = Bench::with(Config { max_client_transactions: 2, ..Config::default() });
    bench.request(Method::Options, UDP);
    bench.request(Method::Options, UDP);
    let draft = Draft { hop: Hop::Path(path(UDP, 2)), ..draft(Method::Options) };
    let refused = bench.turn(|turn| turn.send_request(draft.clone()));
    assert!(matches!(refused, Err(StackError::Full { limit: 2, .. })), "{refused:?}");
    bench.run_to(33_000);
    bench.turn(|turn| turn.send_request(draft)).expect("room again");
    bench.ends_empty();
}

#[test]
fn limit_of_alarms_refuses_one_more() {
    let mut bench = Bench::with(Config { max_alarms: 2, ..Config::default() });
    let first = bench.turn(|turn| turn.alarm(Time(5_000_000), 1)).expect("room");
    bench.turn(|turn| turn.alarm(Time(3_000_000), 2)).expect("room");
    let full = bench.turn(|turn| turn.alarm(Time(1), 3));
    assert!(matches!(full, Err(StackError::Full { limit: 2, .. })));
    bench.turn(|turn| turn.silence(first));
    bench.turn(|turn| turn.silence(first));
    bench.turn(|turn| turn.alarm(Time(0), 4)).expect("room again");
    bench.run_to(10_000);
    assert_eq!(bench.took(), ["0.001 alarm 4", "3.000 alarm 2"]);
    bench.ends_empty();
}

#[test]
fn rfc3261_18_3_keep_alives_are_dropped_and_counted() {
    let mut bench = Bench::new();
    for text in ["", "\n\n", "\0\0\0\0"] {
        bench.receive(path(UDP, 2), text);
    }
    assert_eq!((bench.took().len(), bench.stack.counters().keepalives), (0, 3));
}

#[test]
fn e_06_broken_requests_are_answered_where_their_via_says() {
    let good = incoming("OPTIONS", UDP, "z9hG4bK1", "");
    for (from, to, answer) in [
        ("CSeq: 7 OPTIONS\n", "", Some("400")),
        ("CSeq: 7 OPTIONS\n", "CSeq: 7\n", Some("400")),
        ("CSeq: 7 OPTIONS\n", "CSeq: 7 INVITE\n", Some("400")),
        ("CSeq: 7 OPTIONS\n", "CSeq: 4294967296 OPTIONS\n", Some("400")),
        ("Call-ID: in-1\n", "", Some("400")),
        ("From: <sip:alice@192.0.2.2>;tag=peer\n", "", Some("400")),
        ("SIP/2.0\n", "SIP/3.0\n", Some("505")),
        ("Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1\n", "", None),
    ] {
        let mut bench = Bench::new();
        bench.receive(path(UDP, 2), &good.replacen(from, to, 1));
        let trace = bench.took();
        let sent = trace.iter().find(|line| line.contains("Automatic"));
        assert_eq!(sent.map(|line| &line[6..9]), answer, "{to:?}: {trace:?}");
        assert!(trace.iter().any(|line| line.contains("rejected")), "{trace:?}");
        assert_eq!((bench.stack.counters().unreadable, bench.stack.usage()), (1, Usage::default()));
    }
}

#[test]
fn e_06_a_broken_ack_and_a_broken_response_are_never_answered() {
    let mut bench = Bench::new();
    bench.receive(path(UDP, 2), &incoming("ACK", UDP, "z9hG4bK1", "").replace("Call-ID: in-1\n", ""));
    bench.receive(path(UDP, 2), "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1\n\n");
    bench.receive(path(UDP, 2), "garbage");
    assert!(bench.sent.is_empty());
    assert_eq!(bench.stack.counters().unreadable, 3);
}

#[test]
fn memory_of_a_transaction_that_waits_for_repeats_is_small() {
    // Beside it: the octets of its response, one or two entries of 24 octets in a table, one timer of 40.
    let server = size_of::<crate::transaction::server::Server>();
    assert!(server <= 200, "{server}");
    let client = size_of::<crate::transaction::client::Client>();
    assert!(client <= 256, "{client}");
    let mut bench = Bench::new();
    bench.receive(path(UDP, 2), &incoming("OPTIONS", UDP, "z9hG4bK1", ""));
    let tx = bench.server_tx();
    assert!(bench.turn(|turn| turn.request_of(tx).is_some()));
    bench.respond(tx, 200).expect("open");
    assert!(bench.turn(|turn| turn.request_of(tx).is_none()), "the request is let go of");
}

#[test]
fn rfc3261_21_5_4_what_is_shed_is_answered_503_unless_the_peer_repeats_it() {
    use crate::{FlowId, Now, Outbox, Path, Stack, Transport};
    let mut stack = Stack::new(Config { retry_after_secs: 9, ..Config::default() }, [1; 32]);
    let path = |transport| Path {
        flow: FlowId(1),
        transport,
        local: "192.0.2.9:5060".parse().unwrap(),
        remote: "192.0.2.1:5060".parse().unwrap(),
    };
    let text = |method: &str, to: &str| {
        format!(
            "{method} sip:x@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=a\r\nTo: <sip:x@h>{to}\r\n\
             Call-ID: c\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
    };
    for (method, to, by_udp, by_tcp) in [
        ("INVITE", "", true, true),
        ("REGISTER", "", true, true),
        ("ACK", "", false, false),
        ("CANCEL", "", false, false),
        ("BYE", ";tag=b", false, true),
    ] {
        for (transport, answered) in [(Transport::Udp, by_udp), (Transport::Tcp, by_tcp)] {
            let mut out = Outbox::new();
            let bytes = text(method, to).into_bytes().into();
            assert_eq!(
                stack.at(Now::default(), &mut out).shed(&path(transport), bytes),
                answered,
                "{method} {transport:?}"
            );
            let sent = out.pop().map(|action| format!("{action:?}"));
            assert_eq!(sent.is_some(), answered, "{method} {transport:?}");
            assert!(sent.is_none_or(|sent| sent.contains("SIP/2.0 503") && sent.contains("Retry-After: 9")));
        }
    }
    assert_eq!(stack.usage(), crate::Usage::default());
    assert_eq!(stack.counters().shed, 10);
}

#[test]
fn limits_are_reached_again_and_again_and_the_room_of_each_flood_is_given_back() {
    let mut bench = Bench::new();
    let flood = |bench: &mut Bench, count: usize| {
        for n in 0..count {
            bench.receive(path(UDP, 2), &numbered("OPTIONS", n));
            let tx = bench.server_tx();
            bench.respond(tx, 200).expect("open");
            (bench.events, bench.sent, bench.trace) = Default::default();
        }
        bench.stack.table_size()
    };
    flood(&mut bench, 200);
    bench.ends_empty();
    let few = bench.stack.table_size();
    let mut many = 0;
    for _ in 0..3 {
        let now = flood(&mut bench, 5_000);
        assert!(
            now > 8 * few && (many == 0 || now < many * 11 / 10),
            "{now} octets with 5,000, before {many}, few {few}"
        );
        many = now;
        bench.ends_empty();
        let after = bench.stack.table_size();
        assert!(after < 3 * few, "{after} octets after a flood, {few} after 200 transactions, {many} with 5,000");
        assert_eq!(bench.stack.deadline(), None);
    }
}

#[test]
fn room_of_a_flood_is_given_back_though_one_request_of_it_waits_for_its_answer() {
    let mut bench = Bench::new();
    bench.receive(path(UDP, 2), &numbered("INVITE", 0));
    let tx = bench.server_tx();
    for n in 1..5_000 {
        bench.receive(path(UDP, 2), &numbered("OPTIONS", n));
        let tx = bench.server_tx();
        bench.respond(tx, 200).expect("open");
    }
    let many = bench.stack.table_size();
    bench.run_to(60_000);
    let after = bench.stack.table_size();
    assert!(after * 5 < many, "{after} octets of {many}");
    assert_eq!((bench.stack.usage().server_transactions, bench.stack.deadline()), (1, None));
    bench.respond(tx, 200).expect("still open");
    assert_eq!(bench.last().value(HeaderId::CallId), "in-0");
    bench.ends_empty();
}
