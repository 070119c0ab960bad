//! Servers of a name that fail, and what is remembered of them (RFC 3263 section 4.3).

use super::*;

/// A request to a name, which is found at hosts 2 and 3; its sends begin here in [`Bench::sent`].
fn to_name(bench: &mut Bench, method: Method) -> usize {
    to(bench, method, "<sip:pbx.example;lr>", &[path(UDP, 2), path(UDP, 3)])
}

fn to(bench: &mut Bench, method: Method, route: &str, paths: &[Path]) -> usize {
    let draft = Draft { routes: vec![route.to_owned()], ..draft(method) };
    bench.turn(|turn| turn.send_request(draft)).expect("taken");
    let begin = bench.sent.len();
    let ask = bench.asked.last().expect("asked").0;
    bench.turn(|turn| turn.answered(ask, Answer::Routes(paths.to_vec())));
    begin
}

/// Where the requests since then went, by the last octet of the address.
fn hosts(bench: &Bench, begin: usize) -> Vec<String> {
    let host = |sent: &Sent| sent.path.remote.ip().to_string().rsplit('.').next().unwrap_or_default().to_owned();
    bench.sent[begin..].iter().filter(|sent| !sent.text().starts_with("ACK")).map(host).collect()
}

fn told(bench: &Bench) -> Vec<String> {
    let of = |event: &Event| match event {
        Event::TargetFailed { path, why, next, .. } => {
            let next = next.map_or("nobody".to_owned(), |next| next.remote.to_string());
            Some(format!("{}: {why}; {next}", path.remote))
        }
        _ => None,
    };
    bench.events.iter().filter_map(of).collect()
}

/// A 503 to the request that was sent last.
fn unavailable(bench: &mut Bench, retry_after: Option<u32>) {
    let request = bench.last();
    let (from, headers) = (request.path, request.headers());
    let mut lines = message::Lines::default();
    if let Some(secs) = retry_after {
        lines.push_id(HeaderId::RetryAfter, secs);
    }
    let code = StatusCode::SERVICE_UNAVAILABLE;
    let bytes = message::write_response(&headers, code, None, Some("b"), &lines, None, None);
    bench.turn(|turn| turn.receive(&from, bytes));
}

#[test]
fn rfc3263_4_3_a_time_out_after_a_provisional_response_is_no_failure_of_the_server() {
    for provisional in [false, true] {
        let mut bench = Bench::new();
        let begin = to_name(&mut bench, Method::Options);
        if provisional {
            bench.answer(begin, 100, "");
        }
        bench.run_to(32_000);
        let tried = hosts(&bench, begin);
        let failed = bench.took().last().is_some_and(|last| last == "32.000 failed Timeout");
        assert_eq!((tried.contains(&"3".to_owned()), failed), (!provisional, provisional), "{tried:?}");
        assert_eq!(told(&bench).len(), usize::from(!provisional));
        bench.ends_empty();
    }
}

/// Who wakes up minutes after he has called rings nobody a second time who has forgotten the first (RFC 3261 section 17.2: 64*T1).
#[test]
fn rfc3263_4_3_a_try_that_ends_long_after_its_time_is_the_last_and_blames_no_server() {
    for method in [Method::Invite, Method::Message, Method::Options] {
        for (woken, goes_on) in [(37_000, true), (37_001, false), (180_000, false)] {
            let mut bench = Bench::new();
            let begin = to_name(&mut bench, method.clone());
            bench.run_to(1_000);
            bench.now = Time(woken * 1_000);
            bench.turn(|turn| turn.timeout());
            assert_eq!(hosts(&bench, begin).contains(&"3".to_owned()), goes_on, "{method} {woken}");
            assert_eq!(told(&bench).len(), usize::from(goes_on));
            let repeated = bench.took().iter().filter(|line| line.contains("Retransmit")).count();
            assert_eq!((repeated, bench.stack.counters().timeouts), (1, 1), "{method}: timer A or E, and B or F alone");
            bench.ends_empty();
            let ended = bench.events.iter().filter(|event| matches!(event, Event::RequestFailed { .. })).count();
            assert_eq!(ended, 1);
            assert!(bench.took().last().is_none_or(|last| last.ends_with("failed Timeout")));
        }
    }
}

#[test]
fn rfc3263_4_3_each_server_that_fails_is_told_with_the_next() {
    let mut bench = Bench::new();
    let begin = to_name(&mut bench, Method::Invite);
    let id = bench.last().id;
    bench.turn(|turn| turn.unsent(id, SendError::Unreachable));
    unavailable(&mut bench, Some(7));
    assert_eq!(hosts(&bench, begin), ["2", "3"]);
    let branches: Vec<_> =
        [begin, begin + 1].map(|at| bench.sent[at].headers().branch().expect("a branch").to_owned()).into();
    assert_ne!(branches[0], branches[1]);
    let expected = [
        "192.0.2.2:5060: nobody listens there, or no way leads there; 192.0.2.3:5060",
        "192.0.2.3:5060: 503 (Service Unavailable), to be tried again in 7 s; nobody",
    ];
    assert_eq!(told(&bench), expected);
    assert!(bench.took().iter().any(|line| line == "0.000 up 503"));
    bench.ends_empty();
}

#[test]
fn rfc3263_4_3_a_server_that_failed_comes_last_for_a_minute() {
    for failure in ["unsent", "silence"] {
        let mut bench = Bench::new();
        to_name(&mut bench, Method::Options);
        let id = bench.last().id;
        match failure {
            "unsent" => bench.turn(|turn| turn.unsent(id, SendError::Unreachable)),
            _ => bench.run_to(32_000),
        }
        let last = bench.sent.len() - 1;
        bench.answer(last, 200, "b");
        let since = bench.now.0 / 1_000;
        bench.run_to(since + 59_000);
        let second = to_name(&mut bench, Method::Options);
        assert_eq!(hosts(&bench, second), ["3"], "{failure}");
        // It comes last, and is tried all the same when the other fails.
        let id = bench.last().id;
        bench.turn(|turn| turn.unsent(id, SendError::Unreachable));
        assert_eq!(hosts(&bench, second), ["3", "2"], "{failure}");
        // It answers: it is as good as any.
        bench.answer(second + 1, 200, "b");
        let third = to_name(&mut bench, Method::Options);
        assert_eq!(hosts(&bench, third), ["2"], "{failure}");
        bench.ends_empty();
        let fourth = to(&mut bench, Method::Options, "<sip:pbx.example;lr>", &[path(UDP, 3), path(UDP, 2)]);
        assert_eq!(hosts(&bench, fourth), ["3"], "{failure}: a minute is over for the other");
    }
}

#[test]
fn rfc3261_21_5_4_a_server_that_said_when_is_left_alone_until_then() {
    let mut bench = Bench::new();
    to_name(&mut bench, Method::Options);
    unavailable(&mut bench, Some(30));
    let second = to_name(&mut bench, Method::Options);
    let id = bench.last().id;
    bench.turn(|turn| turn.unsent(id, SendError::Unreachable));
    assert_eq!(hosts(&bench, second), ["3"], "not even when the other fails");
    bench.run_to(30_000);
    let third = to_name(&mut bench, Method::Options);
    assert_eq!(hosts(&bench, third), ["2"]);
    // Without Retry-After it is as a 500: nothing is remembered.
    let mut bench = Bench::new();
    to_name(&mut bench, Method::Options);
    unavailable(&mut bench, None);
    let second = to_name(&mut bench, Method::Options);
    assert_eq!(hosts(&bench, second), ["2"]);
}

#[test]
fn rfc3261_21_5_4_who_is_addressed_by_number_is_not_passed_over() {
    let mut bench = Bench::new();
    let numeric = |bench: &mut Bench| to(bench, Method::Options, "<sip:192.0.2.2;lr>", &[path(UDP, 2)]);
    numeric(&mut bench);
    unavailable(&mut bench, Some(60));
    let begin = numeric(&mut bench);
    assert_eq!((hosts(&bench, begin), told(&bench).len()), (vec!["2".to_owned()], 0));
    // And a name with one server is sent there whatever it said.
    for _ in 0..2 {
        let begin = to(&mut bench, Method::Options, "<sip:one.example;lr>", &[path(UDP, 4)]);
        assert_eq!(hosts(&bench, begin), ["4"]);
        unavailable(&mut bench, Some(60));
    }
}

#[test]
fn rfc3263_4_3_what_is_too_large_or_finds_a_queue_full_blames_no_server() {
    for why in [SendError::TooBig, SendError::NoBuffer] {
        let mut bench = Bench::new();
        to(&mut bench, Method::Options, "<sip:pbx.example;lr>", &[path(TCP, 2), path(TCP, 3)]);
        let id = bench.last().id;
        bench.turn(|turn| turn.unsent(id, why));
        assert!(told(&bench).is_empty());
        let begin = to(&mut bench, Method::Message, "<sip:pbx.example;lr>", &[path(TCP, 2), path(TCP, 3)]);
        assert_eq!(hosts(&bench, begin), ["2"]);
    }
}

#[test]
fn rfc3263_4_3_a_foreign_name_that_leads_to_a_server_does_not_have_it_passed_over() {
    let mut bench = Bench::new();
    let foreign = to(&mut bench, Method::Options, "<sip:foreign.example;lr>", &[path(UDP, 2), path(UDP, 9)]);
    unavailable(&mut bench, Some(300));
    assert_eq!(hosts(&bench, foreign), ["2", "9"]);
    let ours = to_name(&mut bench, Method::Options);
    assert_eq!(hosts(&bench, ours), ["2"]);
    // Under its own name it is left alone as it has asked.
    let foreign = to(&mut bench, Method::Options, "<sip:FOREIGN.example;lr>", &[path(UDP, 2), path(UDP, 9)]);
    assert_eq!(hosts(&bench, foreign), ["9"]);
}
