use super::*;

#[test]
fn rfc3261_17_1_2_2_timer_e_doubles_to_t2_until_timer_f() {
    let mut bench = Bench::new();
    bench.request(Method::Options, UDP);
    bench.run_to(40_000);
    let at = [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5];
    let mut expected: Vec<String> = at
        .iter()
        .map(|at| format!("{at:.3} OPTIONS ({})", if *at == 0.0 { "Request" } else { "RetransmitRequest" }))
        .collect();
    expected.push("32.000 failed Timeout".to_owned());
    assert_eq!(bench.took(), expected);
    assert!(bench.sent.windows(2).all(|pair| pair[0].bytes == pair[1].bytes));
    bench.ends_empty();
}

#[test]
fn rfc3261_17_1_2_2_reliable_transport_does_not_repeat() {
    let mut bench = Bench::new();
    bench.request(Method::Register, TCP);
    bench.run_to(40_000);
    assert_eq!(bench.took(), ["0.000 REGISTER (Request)", "32.000 failed Timeout"]);
    bench.ends_empty();
}

#[test]
fn rfc3261_17_1_2_2_provisional_moves_the_interval_to_t2() {
    let mut bench = Bench::new();
    bench.request(Method::Options, UDP);
    bench.run_to(600);
    bench.answer(0, 100, "");
    bench.run_to(9_000);
    bench.answer(0, 182, "b");
    bench.run_to(13_000);
    bench.answer(0, 200, "b");
    assert_eq!(
        bench.took(),
        [
            "0.000 OPTIONS (Request)",
            "0.500 OPTIONS (RetransmitRequest)",
            "4.600 OPTIONS (RetransmitRequest)",
            "8.600 OPTIONS (RetransmitRequest)",
            "9.000 up 182",
            "12.600 OPTIONS (RetransmitRequest)",
            "13.000 up 200",
        ]
    );
    bench.ends_empty();
}

#[test]
fn rfc3261_17_1_2_2_responses_go_up_in_trying_and_in_proceeding() {
    for (provisional, code) in [(None, 200), (None, 404), (Some(182), 200), (Some(182), 603)] {
        let mut bench = Bench::new();
        bench.request(Method::Options, UDP);
        let mut expected = vec!["0.000 OPTIONS (Request)".to_owned()];
        if let Some(first) = provisional {
            bench.answer(0, first, "b");
            expected.push(format!("0.000 up {first}"));
        }
        bench.answer(0, code, "b");
        expected.push(format!("0.000 up {code}"));
        // Completed: nothing is repeated, and what comes again is swallowed until timer K.
        bench.run_to(4_999);
        bench.answer(0, code, "b");
        assert_eq!((bench.took(), bench.stack.usage().client_transactions), (expected, 1), "{provisional:?}");
        bench.run_to(5_000);
        assert_eq!(bench.stack.usage(), Usage::default());
    }
}

#[test]
fn rfc3261_17_1_2_2_timer_f_ends_proceeding_too() {
    for transport in [UDP, TCP] {
        let mut bench = Bench::new();
        bench.request(Method::Options, transport);
        bench.answer(0, 100, "");
        bench.run_to(31_999);
        bench.took();
        bench.run_to(32_000);
        assert_eq!(bench.took(), ["32.000 failed Timeout"], "{transport:?}");
        bench.ends_empty();
    }
}

#[test]
fn rfc3261_17_1_2_2_timer_k_absorbs_repeats_of_the_answer() {
    let mut bench = Bench::new();
    bench.request(Method::Bye, UDP);
    bench.answer(0, 200, "b");
    bench.run_to(4_999);
    bench.answer(0, 200, "b");
    bench.answer(0, 100, "");
    bench.run_to(5_000);
    assert_eq!(bench.stack.usage(), Usage::default());
    bench.answer(0, 200, "b");
    assert_eq!(bench.took(), ["0.000 BYE (Request)", "0.000 up 200"]);
    assert_eq!(bench.stack.counters().stray_responses, 1);
}

#[test]
fn rfc3261_17_1_2_2_timer_k_is_zero_on_reliable_transports() {
    let mut bench = Bench::new();
    bench.request(Method::Bye, TCP);
    bench.answer(0, 481, "b");
    assert_eq!(bench.took(), ["0.000 BYE (Request)", "0.000 up 481"]);
    assert_eq!(bench.stack.usage(), Usage::default());
}

#[test]
fn rfc3261_17_1_4_transport_error_ends_the_request_in_trying_and_proceeding() {
    for provisional in [false, true] {
        let mut bench = Bench::new();
        bench.request(Method::Options, UDP);
        if provisional {
            bench.answer(0, 100, "");
        }
        let id = bench.sent[0].id;
        bench.turn(|turn| turn.unsent(id, SendError::Unreachable));
        assert_eq!(bench.took(), ["0.000 OPTIONS (Request)", "0.000 failed Transport(Unreachable)"]);
        bench.ends_empty();
    }
}

#[test]
fn rfc3261_18_4_a_lost_stream_is_tried_once_more() {
    for method in [Method::Options, Method::Invite] {
        let mut bench = Bench::new();
        bench.request(method.clone(), TCP);
        bench.turn(|turn| turn.flow(FlowId(2), FlowChange::Lost));
        bench.turn(|turn| turn.flow(FlowId(9), FlowChange::Lost));
        bench.turn(|turn| turn.flow(FlowId(2), FlowChange::Opened));
        assert_eq!(bench.sent[0].bytes, bench.sent[1].bytes);
        bench.turn(|turn| turn.flow(FlowId(2), FlowChange::Lost));
        assert_eq!(
            bench.took(),
            [
                format!("0.000 {method} (Request)"),
                format!("0.000 {method} (Retry)"),
                "0.000 failed Transport(Closed)".to_owned()
            ]
        );
        bench.ends_empty();
    }
}

#[test]
fn rfc3261_18_4_a_stream_that_cannot_be_opened_fails_at_once() {
    let mut bench = Bench::new();
    bench.request(Method::Options, TCP);
    bench.turn(|turn| turn.flow(FlowId(2), FlowChange::OpenFailed));
    assert_eq!(bench.took(), ["0.000 OPTIONS (Request)", "0.000 failed Transport(Closed)"]);
    bench.ends_empty();
}

#[test]
fn rfc3261_18_4_an_invite_that_rings_survives_its_stream() {
    let mut bench = Bench::new();
    bench.request(Method::Invite, TCP);
    bench.answer(0, 180, "b");
    bench.turn(|turn| turn.flow(FlowId(2), FlowChange::Lost));
    bench.answer(0, 200, "b");
    assert_eq!(bench.took(), ["0.000 INVITE (Request)", "0.000 up 180", "0.000 up 200"]);
    bench.ends_empty();
}
