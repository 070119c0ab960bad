use super::*;

const BRANCH: &str = "z9hG4bKpeer2";

fn asked(transport: Transport) -> (Bench, ServerTx) {
    let mut bench = Bench::new();
    bench.receive(path(transport, 2), &incoming("OPTIONS", transport, BRANCH, ""));
    let tx = bench.server_tx();
    (bench, tx)
}

#[test]
fn rfc3261_17_2_2_repeats_before_an_answer_are_swallowed() {
    let (mut bench, tx) = asked(UDP);
    bench.receive(path(UDP, 2), &incoming("OPTIONS", UDP, BRANCH, ""));
    bench.respond(tx, 200).expect("open");
    bench.receive(path(UDP, 2), &incoming("OPTIONS", UDP, BRANCH, ""));
    assert_eq!(bench.took(), ["0.000 up OPTIONS", "0.000 200 (Response)", "0.000 200 (Answer)"]);
    assert_eq!(bench.sent[0].bytes, bench.sent[1].bytes);
    bench.ends_empty();
}

#[test]
fn rfc3261_17_2_2_timer_j_answers_repeats_for_64_t1() {
    let (mut bench, tx) = asked(UDP);
    bench.respond(tx, 200).expect("open");
    bench.run_to(31_999);
    bench.took();
    bench.receive(path(UDP, 2), &incoming("OPTIONS", UDP, BRANCH, ""));
    assert_eq!(bench.took(), ["31.999 200 (Answer)"]);
    bench.run_to(32_000);
    assert_eq!(bench.stack.usage(), Usage::default());
    // Now it is a new request.
    bench.receive(path(UDP, 2), &incoming("OPTIONS", UDP, BRANCH, ""));
    assert_eq!(bench.took(), ["32.000 up OPTIONS"]);
}

#[test]
fn rfc3261_17_2_2_timer_j_is_zero_on_reliable_transports() {
    let (mut bench, tx) = asked(TCP);
    bench.respond(tx, 200).expect("open");
    assert_eq!(bench.took(), ["0.000 up OPTIONS", "0.000 200 (Response)"]);
    assert_eq!(bench.stack.usage(), Usage::default());
    assert_eq!(bench.respond(tx, 200), Err(StackError::Gone));
}

#[test]
fn rfc4320_4_1_100_leaves_by_itself_when_timer_e_has_grown_to_t2() {
    for transport in [UDP, TCP] {
        let (mut bench, tx) = asked(transport);
        bench.run_to(20_000);
        assert_eq!(bench.took(), ["0.000 up OPTIONS", "3.500 100 (Automatic)"], "{transport:?}");
        bench.receive(path(transport, 2), &incoming("OPTIONS", transport, BRANCH, ""));
        bench.respond(tx, 200).expect("open");
        assert_eq!(bench.took(), ["20.000 100 (Answer)", "20.000 200 (Response)"]);
        bench.ends_empty();
    }
}

#[test]
fn rfc4320_4_1_no_100_over_udp_before_that() {
    let (mut bench, tx) = asked(UDP);
    bench.run_to(3_499);
    assert!(matches!(bench.respond(tx, 100), Err(StackError::Forbidden(_))));
    let (mut bench, tx) = asked(TCP);
    bench.respond(tx, 100).expect("a stream may");
    assert_eq!(bench.took(), ["0.000 up OPTIONS", "0.000 100 (Response)"]);
    bench.respond(tx, 100).expect("RFC 3261 17.2.2: and again in Proceeding");
    assert_eq!(bench.took(), ["0.000 100 (Response)"]);
}

#[test]
fn rfc4320_4_1_100_is_the_only_provisional() {
    for transport in [UDP, TCP] {
        let (mut bench, tx) = asked(transport);
        for code in [101, 180, 183, 199] {
            assert!(matches!(bench.respond(tx, code), Err(StackError::Forbidden(_))), "{code}");
        }
        bench.respond(tx, 200).expect("nothing has changed");
    }
}

#[test]
fn rfc4320_4_2_408_is_forbidden_and_an_unanswered_request_is_forgotten() {
    let (mut bench, tx) = asked(UDP);
    assert!(matches!(bench.respond(tx, 408), Err(StackError::Forbidden(_))));
    bench.run_to(31_999);
    assert_eq!(bench.stack.usage().server_transactions, 1);
    bench.took();
    bench.run_to(32_000);
    assert_eq!((bench.took().len(), bench.stack.usage()), (0, Usage::default()));
    assert_eq!(bench.respond(tx, 200), Err(StackError::Gone));
}

#[test]
fn rfc3261_17_2_2_nothing_follows_a_final_response() {
    let (mut bench, tx) = asked(UDP);
    bench.respond(tx, 404).expect("open");
    for code in [100, 200, 404] {
        assert!(matches!(bench.respond(tx, code), Err(StackError::State(_))), "{code}");
    }
    bench.ends_empty();
}

#[test]
fn rfc3261_8_2_7_a_stateless_answer_leaves_nothing_and_has_the_same_to_tag_each_time() {
    for transport in [UDP, TCP] {
        let (mut bench, tx) = asked(transport);
        let challenge = || Reply::new(StatusCode::UNAUTHORIZED).stateless();
        bench.turn(|turn| turn.respond(tx, challenge())).expect("open");
        assert_eq!(bench.stack.usage(), Usage::default());
        assert_eq!(bench.respond(tx, 200), Err(StackError::Gone));
        bench.receive(path(transport, 2), &incoming("OPTIONS", transport, BRANCH, ""));
        let again = bench.server_tx();
        bench.turn(|turn| turn.respond(again, challenge())).expect("open");
        let seen = ["0.000 up OPTIONS", "0.000 401 (Response)", "0.000 up OPTIONS", "0.000 401 (Response)"];
        assert_eq!(bench.took(), seen, "{transport:?}");
        let tags: Vec<_> = bench.sent.iter().map(|sent| sent.headers().to_tag().map(str::to_owned)).collect();
        assert!(tags[0].is_some() && (tags[0] == tags[1] || transport == TCP), "{tags:?}");
        bench.ends_empty();
    }
}
