use super::*;

const BRANCH: &str = "z9hG4bKpeer1";

fn ringing(transport: Transport) -> (Bench, ServerTx) {
    let mut bench = Bench::new();
    bench.receive(path(transport, 2), &incoming("INVITE", transport, BRANCH, ""));
    let tx = bench.server_tx();
    (bench, tx)
}

fn to_tag(bench: &Bench) -> String {
    bench.last().headers().to_tag().expect("a tag").to_owned()
}

#[test]
fn rfc3261_17_2_1_100_leaves_before_the_application_hears() {
    let (mut bench, tx) = ringing(UDP);
    assert_eq!(bench.took(), ["0.000 100 (Automatic)", "0.000 up INVITE"]);
    assert_eq!(bench.last().headers().to_tag(), None);
    bench.respond(tx, 486).expect("open");
    bench.ends_empty();
}

#[test]
fn rfc3261_17_2_1_100_leaves_after_200_ms_unless_something_else_did() {
    let config = Config { trying: Trying::After(std::time::Duration::from_millis(200)), ..Config::default() };
    for early in [false, true] {
        let mut bench = Bench::with(config.clone());
        bench.receive(path(UDP, 2), &incoming("INVITE", UDP, BRANCH, ""));
        let tx = bench.server_tx();
        // Nothing has been sent: a repeat finds nothing to repeat.
        bench.receive(path(UDP, 2), &incoming("INVITE", UDP, BRANCH, ""));
        if early {
            bench.run_to(199);
            bench.respond(tx, 180).expect("open");
        }
        bench.run_to(1_000);
        let expected = if early { "0.199 180 (Response)" } else { "0.200 100 (Automatic)" };
        assert_eq!(bench.took(), ["0.000 up INVITE", expected]);
    }
}

#[test]
fn rfc3261_17_2_1_repeat_of_the_invite_gets_the_last_provisional() {
    let (mut bench, tx) = ringing(UDP);
    bench.receive(path(UDP, 2), &incoming("INVITE", UDP, BRANCH, ""));
    bench.respond(tx, 180).expect("open");
    bench.respond(tx, 183).expect("open");
    bench.run_to(5_000);
    bench.receive(path(UDP, 2), &incoming("INVITE", UDP, BRANCH, ""));
    assert_eq!(
        bench.took(),
        [
            "0.000 100 (Automatic)",
            "0.000 up INVITE",
            "0.000 100 (Answer)",
            "0.000 180 (Response)",
            "0.000 183 (Response)",
            "5.000 183 (Answer)",
        ]
    );
    assert_eq!(bench.sent[3].bytes, bench.sent[4].bytes);
    assert_eq!(bench.stack.counters().repeats_in, 2);
}

#[test]
fn rfc3261_17_2_1_timer_g_repeats_a_refusal_until_timer_h() {
    let (mut bench, tx) = ringing(UDP);
    bench.respond(tx, 486).expect("open");
    bench.took();
    bench.run_to(40_000);
    let at = ["0.500", "1.500", "3.500", "7.500", "11.500", "15.500", "19.500", "23.500", "27.500", "31.500"];
    let mut expected: Vec<String> = at.iter().map(|at| format!("{at} 486 (RetransmitResponse)")).collect();
    expected.push("32.000 unacknowledged".to_owned());
    assert_eq!(bench.took(), expected, "and the application hears that nobody has acknowledged");
    assert_eq!(bench.stack.counters().unacknowledged, 1);
    assert_eq!(bench.stack.usage(), Usage::default());
}

#[test]
fn rfc3261_17_2_1_reliable_transport_repeats_nothing_but_waits_for_timer_h() {
    let (mut bench, tx) = ringing(TCP);
    bench.respond(tx, 486).expect("open");
    bench.took();
    bench.run_to(31_999);
    assert_eq!((bench.took().len(), bench.stack.usage().server_transactions), (0, 1));
    bench.run_to(32_000);
    assert_eq!(bench.took(), ["32.000 unacknowledged"]);
    assert_eq!(bench.stack.usage(), Usage::default());
}

#[test]
fn rfc3261_17_2_1_ack_ends_the_repeats_and_timer_i_absorbs_more() {
    let (mut bench, tx) = ringing(UDP);
    bench.respond(tx, 486).expect("open");
    let tag = to_tag(&bench);
    bench.run_to(600);
    bench.receive(path(UDP, 2), &follow("ACK", UDP, BRANCH, &tag));
    bench.took();
    bench.run_to(5_599);
    bench.receive(path(UDP, 2), &follow("ACK", UDP, BRANCH, &tag));
    bench.receive(path(UDP, 2), &incoming("INVITE", UDP, BRANCH, ""));
    assert_eq!((bench.took().len(), bench.stack.usage().server_transactions), (0, 1));
    bench.run_to(5_600);
    assert_eq!(bench.stack.usage(), Usage::default());
    assert_eq!(bench.stack.counters().stray_acks, 0);
}

#[test]
fn rfc3261_17_2_1_timer_i_is_zero_on_reliable_transports() {
    let (mut bench, tx) = ringing(TCP);
    bench.respond(tx, 603).expect("open");
    let tag = to_tag(&bench);
    bench.receive(path(TCP, 2), &follow("ACK", TCP, BRANCH, &tag));
    assert_eq!(bench.stack.usage(), Usage::default());
}

#[test]
fn rfc3261_17_2_1_lost_ack_is_made_good_by_a_repeat_of_the_invite() {
    let (mut bench, tx) = ringing(UDP);
    bench.respond(tx, 486).expect("open");
    bench.run_to(100);
    bench.took();
    bench.receive(path(UDP, 2), &incoming("INVITE", UDP, BRANCH, ""));
    assert_eq!(bench.took(), ["0.100 486 (Answer)"]);
}

#[test]
fn rfc6026_8_6_accepted_absorbs_the_invite_until_timer_l_and_repeats_by_order() {
    for transport in [UDP, TCP] {
        let (mut bench, tx) = ringing(transport);
        bench.respond(tx, 200).expect("open");
        bench.took();
        bench.run_to(10_000);
        bench.receive(path(transport, 2), &incoming("INVITE", transport, BRANCH, ""));
        assert_eq!(bench.took(), [""; 0], "{transport:?}");
        bench.turn(|turn| turn.repeat(tx)).expect("alive");
        assert_eq!(bench.took(), ["10.000 200 (RetransmitResponse)"]);
        let count = bench.sent.len();
        assert_eq!(bench.sent[count - 2].bytes, bench.sent[count - 1].bytes);
        bench.run_to(31_999);
        assert_eq!(bench.stack.usage().server_transactions, 1);
        bench.run_to(32_000);
        assert_eq!(bench.stack.usage(), Usage::default());
        assert_eq!(bench.turn(|turn| turn.repeat(tx)), Err(StackError::Gone));
    }
}

#[test]
fn rfc6026_7_1_failed_sends_change_nothing() {
    let (mut bench, tx) = ringing(UDP);
    bench.respond(tx, 486).expect("open");
    let id = bench.last().id;
    bench.took();
    bench.turn(|turn| turn.unsent(id, SendError::Unreachable));
    bench.run_to(500);
    assert_eq!(bench.took(), ["0.000 unsent Unreachable", "0.500 486 (RetransmitResponse)"]);
}

#[test]
fn rfc3261_17_2_1_nothing_follows_a_final_response() {
    for (first, transport) in [(200, UDP), (200, TCP), (486, UDP), (486, TCP)] {
        let (mut bench, tx) = ringing(transport);
        bench.respond(tx, first).expect("open");
        for code in [180, 200, 404] {
            assert!(matches!(bench.respond(tx, code), Err(StackError::State(_))), "{code} after {first}");
        }
        bench.ends_empty();
        assert_eq!(bench.respond(tx, 200), Err(StackError::Gone));
    }
}

#[test]
fn rfc3261_9_2_cancel_ends_a_ringing_invite() {
    let (mut bench, tx) = ringing(UDP);
    bench.respond(tx, 180).expect("open");
    bench.took();
    bench.receive(path(UDP, 2), &follow("CANCEL", UDP, BRANCH, ""));
    assert_eq!(bench.took(), ["0.000 200 (Automatic)", "0.000 487 (Automatic)", "0.000 up cancelled"]);
    let tags: Vec<_> = bench.sent[1..].iter().map(|sent| sent.headers().to_tag().map(str::to_owned)).collect();
    assert!(tags.iter().all(|tag| tag.is_some() && *tag == tags[0]), "180, 200 and 487 share the tag: {tags:?}");
    // A repeat of the CANCEL gets its 200 again and does nothing else.
    bench.receive(path(UDP, 2), &follow("CANCEL", UDP, BRANCH, ""));
    assert_eq!(bench.took(), ["0.000 200 (Answer)"]);
    let tag = tags[0].clone().expect("a tag");
    bench.receive(path(UDP, 2), &follow("ACK", UDP, BRANCH, &tag));
    bench.ends_empty();
}

#[test]
fn rfc3261_8_2_2_3_what_a_cancel_or_an_ack_for_a_refusal_requires_is_ignored() {
    let demands = "Require: strange\nProxy-Require: strange\nContent-Length";
    for cancelled in [true, false] {
        let (mut bench, tx) = ringing(UDP);
        bench.respond(tx, 180).expect("open");
        bench.took();
        if cancelled {
            bench.receive(path(UDP, 2), &follow("CANCEL", UDP, BRANCH, "").replace("Content-Length", demands));
            assert_eq!(bench.took(), ["0.000 200 (Automatic)", "0.000 487 (Automatic)", "0.000 up cancelled"]);
        } else {
            bench.respond(tx, 486).expect("open");
        }
        let tag = to_tag(&bench);
        bench.receive(path(UDP, 2), &follow("ACK", UDP, BRANCH, &tag).replace("Content-Length", demands));
        bench.took();
        bench.run_to(4_999);
        assert_eq!((bench.took().len(), bench.stack.usage().server_transactions > 0), (0, true), "no repeat");
        bench.ends_empty();
    }
}

#[test]
fn rfc3261_9_2_cancel_after_the_final_response_has_no_effect() {
    for code in [200, 486] {
        let (mut bench, tx) = ringing(UDP);
        bench.respond(tx, code).expect("open");
        bench.took();
        bench.receive(path(UDP, 2), &follow("CANCEL", UDP, BRANCH, ""));
        assert_eq!(bench.took(), ["0.000 200 (Automatic)"], "after {code}");
        bench.ends_empty();
    }
}

#[test]
fn rfc3261_9_2_cancel_of_nothing_is_481() {
    let mut bench = Bench::new();
    bench.receive(path(UDP, 2), &follow("CANCEL", UDP, BRANCH, ""));
    assert_eq!(bench.took(), ["0.000 481 (Automatic)"]);
    bench.ends_empty();
}

#[test]
fn rfc3261_9_2_cancel_of_a_non_invite_is_200_without_effect() {
    let mut bench = Bench::new();
    bench.receive(path(UDP, 2), &incoming("OPTIONS", UDP, BRANCH, ""));
    let tx = bench.server_tx();
    bench.receive(path(UDP, 2), &follow("CANCEL", UDP, BRANCH, ""));
    assert_eq!(bench.took(), ["0.000 up OPTIONS", "0.000 200 (Automatic)"]);
    bench.respond(tx, 200).expect("still open");
    bench.ends_empty();
}

#[test]
fn rfc3261_17_2_1_stray_acks_are_never_answered() {
    let mut bench = Bench::new();
    bench.receive(path(UDP, 2), &follow("ACK", UDP, BRANCH, "nobody"));
    bench.receive(path(UDP, 2), &follow("ACK", UDP, BRANCH, ""));
    assert_eq!(bench.took(), [""; 0]);
    assert_eq!(bench.stack.counters().stray_acks, 2);
    let (mut bench, _) = ringing(UDP);
    bench.took();
    // Before any final response there is nothing to acknowledge.
    bench.receive(path(UDP, 2), &follow("ACK", UDP, BRANCH, ""));
    assert_eq!(bench.took(), [""; 0]);
    assert_eq!(bench.stack.usage().server_transactions, 1);
}

/// An INVITE that the application looks at before anything is sent.
fn looked_at(transport: Transport) -> (Bench, ServerTx) {
    let trying = Trying::After(std::time::Duration::from_millis(200));
    let mut bench = Bench::with(Config { trying, ..Config::default() });
    bench.receive(path(transport, 2), &incoming("INVITE", transport, BRANCH, ""));
    let tx = bench.server_tx();
    (bench, tx)
}

fn challenge() -> Reply {
    Reply::new(StatusCode::UNAUTHORIZED).stateless()
}

#[test]
fn rfc3261_8_2_7_an_invite_refused_statelessly_is_answered_once_each_time_it_comes() {
    for transport in [UDP, TCP] {
        let (mut bench, tx) = looked_at(transport);
        bench.turn(|turn| turn.respond(tx, challenge())).expect("open");
        assert_eq!(bench.stack.usage(), Usage::default());
        assert_eq!(bench.respond(tx, 200), Err(StackError::Gone));
        bench.run_to(40_000);
        bench.receive(path(transport, 2), &incoming("INVITE", transport, BRANCH, ""));
        let again = bench.server_tx();
        bench.turn(|turn| turn.respond(again, challenge())).expect("open");
        bench.run_to(80_000);
        let seen = ["0.000 up INVITE", "0.000 401 (Response)", "40.000 up INVITE", "40.000 401 (Response)"];
        assert_eq!(bench.took(), seen, "{transport:?}");
        let tags: Vec<_> = bench.sent.iter().map(|sent| sent.headers().to_tag().map(str::to_owned)).collect();
        assert!(tags[0].is_some() && tags[0] == tags[1], "{tags:?}");
        // Its ACK fits nothing, and is not answered.
        bench.receive(path(transport, 2), &incoming("ACK", transport, BRANCH, ""));
        assert_eq!(bench.took(), Vec::<String>::new(), "{transport:?}");
        assert_eq!((bench.stack.counters().stray_acks, bench.stack.usage()), (1, Usage::default()));
    }
}

#[test]
fn rfc3261_17_2_1_an_invite_that_has_heard_anything_is_never_refused_statelessly() {
    for heard in [100, 180] {
        let (mut bench, tx) = looked_at(UDP);
        match heard {
            100 => bench.turn(|turn| turn.trying(tx)).expect("open"),
            code => bench.respond(tx, code).expect("open"),
        }
        bench.turn(|turn| turn.respond(tx, challenge())).expect("open");
        bench.run_to(600);
        assert_eq!(bench.took()[2..], ["0.000 401 (Response)", "0.500 401 (RetransmitResponse)"], "{heard}");
    }
    // Nor is one accepted so.
    let (mut bench, tx) = looked_at(UDP);
    bench.turn(|turn| turn.respond(tx, Reply::new(StatusCode::OK).stateless())).expect("open");
    assert_eq!(bench.stack.usage().server_transactions, 1);
}

#[test]
fn rfc3261_17_2_1_100_leaves_when_the_application_says_so_and_once() {
    let (mut bench, tx) = looked_at(UDP);
    bench.turn(|turn| turn.trying(tx).and_then(|()| turn.trying(tx))).expect("open");
    bench.receive(path(UDP, 2), &incoming("INVITE", UDP, BRANCH, ""));
    bench.run_to(1_000);
    assert_eq!(bench.took(), ["0.000 up INVITE", "0.000 100 (Automatic)", "0.000 100 (Answer)"]);
    assert_eq!(bench.last().headers().to_tag(), None);
    bench.respond(tx, 486).expect("open");
    bench.turn(|turn| turn.trying(tx)).expect("closed, but there");
    assert_eq!(bench.took(), ["1.000 486 (Response)"]);
    bench.receive(path(UDP, 2), &incoming("OPTIONS", UDP, "z9hG4bKother", ""));
    let other = bench.server_tx();
    assert!(matches!(bench.turn(|turn| turn.trying(other)), Err(StackError::State(_))));
}
