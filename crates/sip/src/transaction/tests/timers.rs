//! Other base values: every timer follows T1, T2 and T4.

use std::time::Duration;

use super::*;

fn quick() -> Config {
    let ms = Duration::from_millis;
    Config { timers: Timers { t1: ms(100), t2: ms(300), t4: ms(700), d: ms(2_000) }, ..Config::default() }
}

#[test]
fn rfc3261_17_table_4_client_timers_follow_their_base_values() {
    let mut bench = Bench::with(quick());
    bench.request(Method::Options, UDP);
    bench.run_to(1_000);
    let repeats = ["0.100", "0.300", "0.600", "0.900"].map(|at| format!("{at} OPTIONS (RetransmitRequest)"));
    assert_eq!(bench.took().split_off(1), repeats);
    bench.run_to(6_399);
    assert_eq!(bench.stack.usage().client_transactions, 1);
    bench.run_to(6_400);
    assert_eq!(bench.took().last().map(String::as_str), Some("6.400 failed Timeout"));
    bench.request(Method::Bye, UDP);
    let last = bench.sent.len() - 1;
    bench.answer(last, 200, "b");
    bench.run_to(7_099);
    assert_eq!(bench.stack.usage().client_transactions, 1, "timer K is T4");
    bench.run_to(7_100);
    assert_eq!(bench.stack.usage(), Usage::default());
    bench.request(Method::Invite, UDP);
    let last = bench.sent.len() - 1;
    bench.answer(last, 486, "b");
    bench.run_to(9_099);
    assert_eq!(bench.stack.usage().client_transactions, 1, "timer D");
    bench.run_to(9_100);
    assert_eq!(bench.stack.usage(), Usage::default());
}

#[test]
fn rfc3261_17_table_4_server_timers_follow_their_base_values() {
    let mut bench = Bench::with(quick());
    bench.receive(path(UDP, 2), &incoming("INVITE", UDP, "z9hG4bK1", ""));
    let tx = bench.server_tx();
    bench.respond(tx, 486).expect("open");
    bench.took();
    bench.run_to(1_000);
    assert_eq!(bench.took(), ["0.100", "0.300", "0.600", "0.900"].map(|at| format!("{at} 486 (RetransmitResponse)")));
    bench.run_to(6_400);
    assert_eq!(bench.stack.usage(), Usage::default());
    bench.receive(path(UDP, 2), &incoming("OPTIONS", UDP, "z9hG4bK2", ""));
    bench.took();
    bench.run_to(7_000);
    assert_eq!(bench.took(), ["6.700 100 (Automatic)"], "T1 + 2*T1 have brought timer E to T2");
}

#[test]
fn timers_of_zero_neither_hang_nor_recurse() {
    let zero = Timers { t1: Duration::ZERO, t2: Duration::ZERO, t4: Duration::ZERO, d: Duration::ZERO };
    let mut bench = Bench::with(Config { timers: zero, ..Config::default() });
    for method in [Method::Invite, Method::Options] {
        bench.request(method, UDP);
    }
    bench.receive(path(UDP, 2), &incoming("INVITE", UDP, "z9hG4bK1", ""));
    let tx = bench.server_tx();
    bench.respond(tx, 486).expect("open");
    bench.receive(path(UDP, 2), &incoming("OPTIONS", UDP, "z9hG4bK2", ""));
    bench.run_to(100);
    assert_eq!(bench.stack.usage(), Usage::default());
    let slow = Timers { t2: Duration::ZERO, ..Timers::default() };
    let mut bench = Bench::with(Config { timers: slow, ..Config::default() });
    bench.request(Method::Options, UDP);
    bench.run_to(20);
    assert!(bench.sent.len() <= 22, "one copy a millisecond at most");
}
