use super::*;

const BRANCH: &str = "z9hG4bKpeer3";

#[test]
fn rfc3261_17_2_3_branch_sent_by_and_method_make_a_transaction() {
    let base = incoming("OPTIONS", UDP, BRANCH, "");
    let same = [
        base.clone(),
        base.replace("192.0.2.2:5060;branch", "192.0.2.2:5060;rport;branch"),
        base.replace("CSeq: 7", "CSeq:  007"),
        base.replace("sip:bob@192.0.2.1 SIP", "sip:carol@192.0.2.1 SIP"),
        base.replace("z9hG4bK", "Z9HG4BK").replace("Z9HG4BK", "z9hG4bK"),
    ];
    for text in same {
        let mut bench = Bench::new();
        bench.receive(path(UDP, 2), &base);
        bench.receive(path(UDP, 2), &text);
        assert_eq!(bench.took(), ["0.000 up OPTIONS"], "{text}");
        assert_eq!(bench.stack.counters().repeats_in, 1);
    }
    let other = [
        base.replace(BRANCH, "z9hG4bKpeer4"),
        base.replace("192.0.2.2:5060;", "192.0.2.2:5062;"),
        base.replace("192.0.2.2:5060;", "192.0.2.2;"),
        base.replace("OPTIONS", "MESSAGE"),
    ];
    for text in other {
        let text = text.replace("CSeq: 7", "CSeq: 8");
        let mut bench = Bench::new();
        bench.receive(path(UDP, 2), &base);
        bench.receive(path(UDP, 2), &text);
        assert_eq!(bench.took().len(), 2, "{text}");
    }
}

#[test]
fn rfc3261_17_2_3_sent_by_has_no_case() {
    let base = incoming("OPTIONS", UDP, BRANCH, "").replace("192.0.2.2:5060;", "Host.Example;");
    let mut bench = Bench::new();
    bench.receive(path(UDP, 2), &base);
    bench.receive(path(UDP, 2), &base.replace("Host.Example", "host.EXAMPLE"));
    assert_eq!(bench.stack.counters().repeats_in, 1);
}

#[test]
fn rfc3261_17_2_3_peers_without_the_cookie_match_by_the_whole() {
    for branch in [";branch=1", ""] {
        let base = incoming("OPTIONS", UDP, "X", "").replace(";branch=X", branch);
        let mut bench = Bench::new();
        bench.receive(path(UDP, 2), &base);
        bench.receive(path(UDP, 2), &base);
        assert_eq!(bench.stack.counters().repeats_in, 1, "{branch:?}");
        let changed = [
            base.replace("sip:bob@192.0.2.1 SIP", "sip:carol@192.0.2.1 SIP").replace("in-1", "in-4"),
            base.replace("tag=peer", "tag=other"),
            base.replace("Call-ID: in-1", "Call-ID: in-2"),
            base.replace("CSeq: 7", "CSeq: 8"),
            base.replace("UDP 192.0.2.2", "UDP 192.0.2.3").replace("in-1", "in-3"),
        ];
        for text in changed {
            bench.took();
            bench.receive(path(UDP, 2), &text);
            assert_eq!(bench.took(), ["0.000 up OPTIONS"], "{text}");
        }
    }
}

#[test]
fn rfc3261_17_2_3_ack_of_an_old_peer_matches_by_the_tag_of_our_answer() {
    let old = |text: String| text.replace(";branch=X", "");
    for (tagged, stray) in [(true, 0), (false, 1)] {
        let mut bench = Bench::new();
        bench.receive(path(UDP, 2), &old(incoming("INVITE", UDP, "X", "")));
        let tx = bench.server_tx();
        bench.receive(path(UDP, 2), &old(incoming("INVITE", UDP, "X", "")));
        bench.respond(tx, 486).expect("open");
        let tag = bench.last().headers().to_tag().expect("a tag").to_owned();
        let tag = if tagged { tag } else { "wrong".to_owned() };
        bench.receive(path(UDP, 2), &old(follow("ACK", UDP, "X", &tag)));
        bench.took();
        bench.run_to(4_000);
        assert_eq!(bench.took().is_empty(), tagged, "repeats end with the right ACK only");
        assert_eq!(bench.stack.counters().stray_acks, stray);
        bench.ends_empty();
    }
}

#[test]
fn rfc6026_6_the_ack_of_an_old_peer_goes_up_after_a_2xx_and_stays_below_after_a_refusal() {
    let old = |text: String| text.replace(";branch=X", "");
    for (code, expected) in [(200, &["0.000 up ACK"][..]), (486, &[])] {
        let mut bench = Bench::with(Config { role: Role::Proxy, ..Config::default() });
        bench.receive(path(UDP, 2), &old(incoming("INVITE", UDP, "X", "")));
        let tx = bench.server_tx();
        bench.respond(tx, code).expect("open");
        let tag = bench.last().headers().to_tag().expect("a tag").to_owned();
        bench.took();
        bench.receive(path(UDP, 2), &old(follow("ACK", UDP, "X", &tag)));
        assert_eq!(bench.took(), expected, "{code}");
        bench.ends_empty();
    }
}

#[test]
fn rfc3261_17_2_3_cancel_of_an_old_peer_finds_its_invite() {
    let old = |text: String| text.replace(";branch=X", "");
    let mut bench = Bench::new();
    bench.receive(path(UDP, 2), &old(incoming("INVITE", UDP, "X", "")));
    bench.took();
    bench.receive(path(UDP, 2), &old(follow("CANCEL", UDP, "X", "")));
    assert_eq!(bench.took(), ["0.000 200 (Automatic)", "0.000 487 (Automatic)", "0.000 up cancelled"]);
    bench.ends_empty();
}

#[test]
fn rfc3261_17_1_3_responses_match_by_branch_and_cseq_method() {
    let mut bench = Bench::new();
    bench.request(Method::Options, UDP);
    let (from, headers) = (bench.sent[0].path, bench.sent[0].headers());
    let ok = message::write_response(&headers, StatusCode::OK, None, Some("b"), &message::Lines::default(), None, None);
    let ok = String::from_utf8(ok.to_vec()).expect("text");
    let branch = headers.branch().expect("a branch").to_owned();
    let mut guess = branch.clone().into_bytes();
    if let Some(last) = guess.last_mut() {
        *last = if *last == b'a' { b'b' } else { b'a' };
    }
    let guess = String::from_utf8(guess).expect("text");
    // Even one made with our key is no use when it is not the one that was sent.
    let (_, id) = crate::transaction::key::Branch::parse(&bench.stack.keys, &branch).expect("ours");
    let forged = crate::transaction::key::Branch::new(&bench.stack.keys, 7, id).to_string();
    for stray in [
        ok.replace(&branch, &forged),
        ok.replace(&branch, &guess),
        ok.replace(&branch, "z9hG4bKother"),
        ok.replace(&branch, &branch.to_uppercase()),
        ok.replace("1 OPTIONS", "1 INVITE"),
        ok.replace("1 OPTIONS", "1 CANCEL"),
    ] {
        bench.turn(|turn| turn.receive(&from, Bytes::from(stray)));
    }
    assert_eq!((bench.took().len(), bench.stack.counters().stray_responses), (1, 6));
    bench.turn(|turn| turn.receive(&from, Bytes::from(ok)));
    assert_eq!(bench.took(), ["0.000 up 200"]);
}

#[test]
fn rfc3261_18_1_2_a_response_whose_sent_by_is_not_ours_is_dropped() {
    let sent_by = "192.0.2.1:5060";
    for (there, taken) in [
        (sent_by, true),
        ("192.0.2.1", false),
        ("192.0.2.1:50600", false),
        ("192.0.2.1:5061", false),
        ("192.0.2.2:5060", false),
        ("host", false),
    ] {
        let mut bench = Bench::new();
        bench.request(Method::Options, UDP);
        let (from, headers) = (bench.sent[0].path, bench.sent[0].headers());
        let lines = message::Lines::default();
        let ok = message::write_response(&headers, StatusCode::OK, None, Some("b"), &lines, None, None);
        let ok = String::from_utf8(ok.to_vec()).expect("text");
        assert_eq!(ok.matches(sent_by).count(), 1);
        bench.took();
        bench.turn(|turn| turn.receive(&from, Bytes::from(ok.replace(sent_by, there))));
        assert_eq!(bench.took().len(), usize::from(taken), "{there}");
        assert_eq!(bench.stack.counters().stray_responses, u64::from(!taken));
    }
}

#[test]
fn rfc3261_17_1_3_answer_to_a_cancel_finds_the_cancel() {
    let mut bench = Bench::new();
    let tx = bench.request(Method::Invite, UDP);
    bench.answer(0, 180, "b");
    bench.turn(|turn| turn.cancel(tx)).expect("sent");
    bench.answer(1, 200, "b");
    bench.took();
    bench.run_to(4_000);
    assert_eq!(bench.took(), [""; 0], "the CANCEL is answered, the INVITE not");
    assert_eq!((bench.stack.counters().stray_responses, bench.stack.usage().requests), (0, 1));
}

#[test]
fn rfc3261_8_2_2_2_merged_requests_are_482() {
    let mut bench = Bench::new();
    bench.receive(path(UDP, 2), &incoming("INVITE", UDP, "z9hG4bKone", ""));
    let tx = bench.server_tx();
    bench.took();
    bench.receive(path(UDP, 3), &incoming("INVITE", UDP, "z9hG4bKtwo", ""));
    assert_eq!(bench.took(), ["0.000 482 (Automatic)"]);
    // Its repeat meets a transaction of its own, which waits for its ACK.
    bench.receive(path(UDP, 3), &incoming("INVITE", UDP, "z9hG4bKtwo", ""));
    assert_eq!(bench.took(), ["0.000 482 (Answer)"]);
    bench.respond(tx, 200).expect("untouched");
    bench.ends_empty();
}

#[test]
fn rfc3261_8_2_2_2_not_merged_are_other_numbers_tags_and_dialogs() {
    for (from, to) in [("CSeq: 7", "CSeq: 8"), ("tag=peer", "tag=other"), ("Call-ID: in-1", "Call-ID: in-2")] {
        let mut bench = Bench::new();
        bench.receive(path(UDP, 2), &incoming("OPTIONS", UDP, "z9hG4bKone", ""));
        bench.receive(path(UDP, 2), &incoming("OPTIONS", UDP, "z9hG4bKtwo", "").replace(from, to));
        assert_eq!(bench.took().len(), 2);
        assert_eq!(bench.stack.counters().merged, 0);
    }
    // A proxy sees the same request twice when it spirals: that is none of the stack's business.
    let mut bench = Bench::with(Config { role: Role::Proxy, ..Config::default() });
    bench.receive(path(UDP, 2), &incoming("OPTIONS", UDP, "z9hG4bKone", ""));
    bench.receive(path(UDP, 2), &incoming("OPTIONS", UDP, "z9hG4bKtwo", ""));
    assert_eq!(bench.took(), ["0.000 up OPTIONS", "0.000 up OPTIONS"]);
}

#[test]
fn rfc3261_12_2_2_requests_of_unknown_dialogs_are_481() {
    let tagged = |text: String| text.replace("To: <sip:bob@192.0.2.1>", "To: <sip:bob@192.0.2.1>;tag=gone");
    for (method, with_tag, without) in [
        ("BYE", true, true),
        ("UPDATE", true, true),
        ("PRACK", true, true),
        ("NOTIFY", true, true),
        ("INFO", true, true),
        ("INVITE", true, false),
        ("REFER", true, false),
        ("SUBSCRIBE", true, false),
        ("OPTIONS", false, false),
        ("MESSAGE", false, false),
        ("REGISTER", false, false),
        ("FOO", false, false),
    ] {
        for (tag, refused) in [(true, with_tag), (false, without)] {
            let text = incoming(method, UDP, BRANCH, "");
            let text = if tag { tagged(text) } else { text };
            let mut bench = Bench::new();
            bench.receive(path(UDP, 2), &text);
            let trace: Vec<String> = bench.took().into_iter().filter(|line| !line.contains(" 100 ")).collect();
            let expected = if refused { "0.000 481 (Automatic)".to_owned() } else { format!("0.000 up {method}") };
            assert_eq!(trace, [expected], "{method} tag {tag}");
            let mut proxy = Bench::with(Config { role: Role::Proxy, ..Config::default() });
            proxy.receive(path(UDP, 2), &text);
            assert!(proxy.took().iter().any(|line| line.ends_with(&format!("up {method}"))));
        }
    }
}

#[test]
fn rfc3261_16_a_proxy_is_handed_acks_that_match_nothing() {
    let mut bench = Bench::with(Config { role: Role::Proxy, ..Config::default() });
    bench.receive(path(UDP, 2), &follow("ACK", UDP, BRANCH, "far"));
    assert_eq!(bench.took(), ["0.000 up ACK"]);
}
