use super::*;

#[test]
fn rfc3261_17_1_1_2_timer_a_doubles_until_timer_b() {
    let mut bench = Bench::new();
    bench.request(Method::Invite, UDP);
    bench.run_to(40_000);
    assert_eq!(
        bench.took(),
        [
            "0.000 INVITE (Request)",
            "0.500 INVITE (RetransmitRequest)",
            "1.500 INVITE (RetransmitRequest)",
            "3.500 INVITE (RetransmitRequest)",
            "7.500 INVITE (RetransmitRequest)",
            "15.500 INVITE (RetransmitRequest)",
            "31.500 INVITE (RetransmitRequest)",
            "32.000 failed Timeout",
        ]
    );
    assert!(bench.sent.windows(2).all(|pair| pair[0].bytes == pair[1].bytes), "repeats are byte-identical");
    assert_eq!((bench.stack.counters().requests_repeated, bench.stack.counters().timeouts), (6, 1));
    bench.ends_empty();
}

#[test]
fn rfc3261_17_1_1_2_reliable_transport_does_not_repeat() {
    let mut bench = Bench::new();
    bench.request(Method::Invite, TCP);
    bench.run_to(40_000);
    assert_eq!(bench.took(), ["0.000 INVITE (Request)", "32.000 failed Timeout"]);
    bench.ends_empty();
}

#[test]
fn rfc3261_17_1_1_2_provisional_stops_timers_a_and_b() {
    for transport in [UDP, TCP] {
        let mut bench = Bench::new();
        bench.request(Method::Invite, transport);
        bench.run_to(400);
        bench.answer(0, 100, "");
        bench.answer(0, 180, "b1");
        bench.run_to(200_000);
        bench.answer(0, 183, "b1");
        assert_eq!(bench.took(), ["0.000 INVITE (Request)", "0.400 up 180", "200.000 up 183"], "{transport:?}");
        bench.answer(0, 486, "b1");
        bench.ends_empty();
    }
}

#[test]
fn rfc3261_17_1_1_2_the_first_provisional_response_goes_up() {
    for code in [180, 183, 199] {
        let mut bench = Bench::new();
        bench.request(Method::Invite, UDP);
        bench.answer(0, code, "b1");
        assert_eq!(bench.took(), ["0.000 INVITE (Request)".to_owned(), format!("0.000 up {code}")]);
    }
    // A 100 goes up where that is wanted, and is heard of above in any case: a CANCEL that was kept leaves.
    let mut bench = Bench::with(Config { hand_trying: true, ..Config::default() });
    let tx = bench.request(Method::Invite, UDP);
    bench.turn(|turn| turn.cancel(tx)).expect("kept");
    bench.answer(0, 100, "");
    assert_eq!(bench.took(), ["0.000 INVITE (Request)", "0.000 CANCEL (Request)", "0.000 up 100"]);
}

#[test]
fn rfc3261_17_1_1_2_refusal_is_acknowledged_and_timer_d_absorbs_repeats() {
    let mut bench = Bench::new();
    bench.request(Method::Invite, UDP);
    bench.answer(0, 486, "b1");
    bench.run_to(10_000);
    bench.answer(0, 486, "b1");
    bench.answer(0, 180, "b1");
    bench.run_to(31_999);
    bench.answer(0, 486, "b1");
    bench.run_to(32_000);
    bench.answer(0, 486, "b1");
    assert_eq!(
        bench.took(),
        ["0.000 INVITE (Request)", "0.000 ACK (Ack)", "0.000 up 486", "10.000 ACK (Ack)", "31.999 ACK (Ack)",]
    );
    assert_eq!(bench.sent[1].bytes, bench.sent[3].bytes);
    assert_eq!(bench.stack.counters().stray_responses, 1);
    bench.ends_empty();
}

#[test]
fn rfc3261_17_1_1_2_timer_d_is_zero_on_reliable_transports() {
    let mut bench = Bench::new();
    bench.request(Method::Invite, TCP);
    bench.answer(0, 603, "b1");
    assert_eq!(bench.took(), ["0.000 INVITE (Request)", "0.000 ACK (Ack)", "0.000 up 603"]);
    assert_eq!(bench.stack.usage(), Usage::default());
}

#[test]
fn rfc3261_17_1_1_3_ack_is_cut_from_the_invite() {
    let mut bench = Bench::new();
    bench.request(Method::Invite, UDP);
    bench.answer(0, 404, "b1");
    let (invite, ack) = (&bench.sent[0], &bench.sent[1]);
    assert_eq!(ack.path, invite.path);
    assert!(ack.text().starts_with("ACK sip:bob@192.0.2.2 SIP/2.0\r\n"), "{}", ack.text());
    for id in [HeaderId::Via, HeaderId::Route, HeaderId::From, HeaderId::CallId] {
        assert_eq!(ack.value(id), invite.value(id), "{id:?}");
    }
    assert_eq!(ack.value(HeaderId::To), "<sip:bob@192.0.2.2>;tag=b1");
    assert_eq!(ack.value(HeaderId::CSeq), "1 ACK");
    assert_eq!(ack.headers().count(HeaderId::Via), 1);
    for id in [HeaderId::Contact, HeaderId::ContentType] {
        assert!(!ack.headers().has(id), "{id:?}");
    }
}

#[test]
fn rfc6026_8_4_accepted_hands_on_every_2xx_until_timer_m() {
    for transport in [UDP, TCP] {
        let mut bench = Bench::new();
        bench.request(Method::Invite, transport);
        bench.answer(0, 200, "b1");
        bench.run_to(1_000);
        bench.answer(0, 200, "b1");
        bench.answer(0, 200, "b2");
        bench.answer(0, 180, "b2");
        bench.answer(0, 486, "b3");
        bench.run_to(31_999);
        bench.answer(0, 200, "b1");
        bench.run_to(32_000);
        bench.answer(0, 200, "b1");
        let expected = ["0.000 INVITE (Request)", "0.000 up 200", "1.000 up 200", "1.000 up 200", "31.999 up 200"];
        assert_eq!(bench.took(), expected, "{transport:?}");
        bench.ends_empty();
    }
}

#[test]
fn rfc3261_17_1_4_transport_error_ends_a_calling_invite() {
    for why in [SendError::Unreachable, SendError::Closed, SendError::TooBig] {
        let mut bench = Bench::new();
        bench.request(Method::Invite, UDP);
        let id = bench.last().id;
        bench.turn(|turn| turn.unsent(id, why.clone()));
        assert_eq!(bench.took(), ["0.000 INVITE (Request)".to_owned(), format!("0.000 failed Transport({why:?})")]);
        bench.ends_empty();
    }
}

#[test]
fn rfc3261_17_1_4_a_full_queue_is_a_lost_datagram() {
    let mut bench = Bench::new();
    bench.request(Method::Invite, UDP);
    let id = bench.last().id;
    bench.turn(|turn| turn.unsent(id, SendError::NoBuffer));
    bench.run_to(500);
    assert_eq!(bench.took(), ["0.000 INVITE (Request)", "0.500 INVITE (RetransmitRequest)"]);
}

#[test]
fn rfc3261_9_1_cancel_waits_for_a_provisional_response() {
    let mut bench = Bench::new();
    let tx = bench.request(Method::Invite, UDP);
    bench.turn(|turn| turn.cancel(tx)).expect("kept");
    bench.turn(|turn| turn.cancel(tx)).expect("nothing new");
    assert_eq!(bench.took(), ["0.000 INVITE (Request)"]);
    bench.run_to(500);
    bench.answer(0, 100, "");
    bench.answer(0, 180, "b1");
    assert_eq!(bench.took(), ["0.500 INVITE (RetransmitRequest)", "0.500 CANCEL (Request)", "0.500 up 180"]);
    bench.answer(2, 200, "b1");
    bench.answer(0, 487, "b1");
    bench.run_to(2_000);
    assert_eq!(bench.took(), ["0.500 ACK (Ack)", "0.500 up 487"]);
    bench.ends_empty();
}

#[test]
fn rfc3261_9_1_cancel_is_cut_from_the_invite() {
    let mut bench = Bench::new();
    let mut draft = Draft { hop: Hop::Path(path(UDP, 2)), ..draft(Method::Invite) };
    draft.lines.push("Require", "100rel").expect("a line");
    draft.lines.push("Proxy-Require", "foo").expect("a line");
    draft.routes.push("<sip:p2.example;lr>".to_owned());
    let tx = bench.turn(|turn| turn.send_request(draft)).expect("sent");
    bench.answer(0, 180, "b1");
    let mut reason = message::Lines::default();
    reason.push("Reason", "SIP;cause=200;text=\"Call completed elsewhere\"").expect("a line");
    bench.turn(|turn| turn.cancel_with(tx, reason)).expect("sent");
    let (invite, cancel) = (&bench.sent[0], &bench.sent[1]);
    assert_eq!(cancel.path, invite.path);
    assert!(cancel.text().starts_with("CANCEL sip:bob@192.0.2.2 SIP/2.0\r\n"));
    for id in [HeaderId::Via, HeaderId::Route, HeaderId::From, HeaderId::To, HeaderId::CallId] {
        let all = |sent: &Sent| sent.headers().all(id).map(|one| one.text().into_owned()).collect::<Vec<_>>();
        assert_eq!(all(cancel), all(invite), "{id:?}");
    }
    assert_eq!((cancel.headers().count(HeaderId::Via), cancel.headers().count(HeaderId::Route)), (1, 2));
    assert_eq!(cancel.value(HeaderId::CSeq), "1 CANCEL");
    assert!(cancel.text().contains("\r\nReason: SIP;cause=200"));
    for id in [HeaderId::Require, HeaderId::ProxyRequire, HeaderId::Contact] {
        assert!(!cancel.headers().has(id), "{id:?}");
    }
}

#[test]
fn rfc3261_9_1_cancel_is_repeated_by_its_own_timers() {
    let mut bench = Bench::new();
    let tx = bench.request(Method::Invite, UDP);
    bench.answer(0, 180, "b1");
    bench.turn(|turn| turn.cancel(tx)).expect("sent");
    bench.run_to(1_500);
    bench.answer(1, 200, "b1");
    bench.run_to(10_000);
    assert_eq!(
        bench.took(),
        [
            "0.000 INVITE (Request)",
            "0.000 up 180",
            "0.000 CANCEL (Request)",
            "0.500 CANCEL (RetransmitRequest)",
            "1.500 CANCEL (RetransmitRequest)",
        ]
    );
    bench.answer(0, 487, "b1");
    bench.ends_empty();
}

#[test]
fn rfc3261_9_1_a_cancelled_invite_gives_up_after_64_t1() {
    let mut bench = Bench::new();
    let tx = bench.request(Method::Invite, TCP);
    bench.answer(0, 180, "b1");
    bench.run_to(60_000);
    bench.turn(|turn| turn.cancel(tx)).expect("sent");
    bench.answer(1, 200, "b1");
    bench.run_to(100_000);
    let expected = ["0.000 INVITE (Request)", "0.000 up 180", "60.000 CANCEL (Request)", "92.000 failed Timeout"];
    assert_eq!(bench.took(), expected);
    bench.ends_empty();
}

#[test]
fn rfc3261_9_1_a_2xx_before_the_cancel_wins() {
    let mut bench = Bench::new();
    let tx = bench.request(Method::Invite, UDP);
    bench.turn(|turn| turn.cancel(tx)).expect("kept");
    bench.answer(0, 200, "b1");
    bench.run_to(1_000);
    assert_eq!(bench.took(), ["0.000 INVITE (Request)", "0.000 up 200"]);
    assert!(matches!(bench.turn(|turn| turn.cancel(tx)), Err(StackError::State(_))));
    bench.ends_empty();
    assert_eq!(bench.turn(|turn| turn.cancel(tx)), Err(StackError::Gone));
}

#[test]
fn rfc3261_9_1_only_an_invite_is_cancelled() {
    let mut bench = Bench::new();
    let tx = bench.request(Method::Options, UDP);
    assert!(matches!(bench.turn(|turn| turn.cancel(tx)), Err(StackError::Forbidden(_))));
    for method in [Method::Ack, Method::Cancel] {
        let result = bench.turn(|turn| turn.send_request(draft(method)));
        assert!(matches!(result, Err(StackError::Forbidden(_))));
    }
}

#[test]
fn rfc3261_8_1_3_3_a_response_with_a_second_via_is_not_for_us() {
    let mut bench = Bench::new();
    bench.request(Method::Invite, UDP);
    let (from, headers) = (bench.sent[0].path, bench.sent[0].headers());
    let ok = message::write_response(&headers, StatusCode::OK, None, Some("b"), &message::Lines::default(), None, None);
    let text = String::from_utf8(ok.to_vec()).expect("text");
    let via = "Via: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKother\r\n";
    for two in [
        text.replace("From:", &format!("{via}From:")),
        text.replacen("\r\nFrom", ", SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom", 1),
    ] {
        bench.turn(|turn| turn.receive(&from, Bytes::from(two)));
    }
    assert_eq!(bench.took(), ["0.000 INVITE (Request)"]);
    assert_eq!(bench.stack.counters().stray_responses, 2);
}

#[test]
fn rfc3261_8_2_2_3_an_ack_for_a_refusal_requires_nothing() {
    let mut bench = Bench::new();
    let mut draft = Draft { hop: Hop::Path(path(UDP, 2)), ..draft(Method::Invite) };
    draft.lines.push("Require", "100rel").expect("a line");
    draft.lines.push("Proxy-Require", "foo").expect("a line");
    bench.turn(|turn| turn.send_request(draft)).expect("sent");
    bench.answer(0, 404, "b1");
    let (invite, ack) = (&bench.sent[0].headers(), &bench.sent[1].headers());
    assert_eq!(ack.cseq().method, Method::Ack);
    for id in [HeaderId::Require, HeaderId::ProxyRequire] {
        assert_eq!((invite.has(id), ack.has(id)), (true, false), "{id:?}");
    }
}
