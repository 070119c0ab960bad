//! Responses whose way back has failed (RFC 3263 section 5).

use super::*;

const TLS: Transport = Transport::Tls;

/// A request with this sent-by over a transport, from port 40000 of 192.0.2.2, answered 486; the answer's id.
fn answered(bench: &mut Bench, transport: Transport, sent_by: &str) -> SendId {
    let from = Path { remote: address("192.0.2.2:40000"), ..path(transport, 2) };
    let request = incoming("INVITE", transport, "z9hG4bK1", "").replace("192.0.2.2:5060;", &format!("{sent_by};"));
    bench.receive(from, &request);
    let tx = bench.server_tx();
    bench.respond(tx, 486).expect("open");
    bench.took();
    bench.last().id
}

fn fails(bench: &mut Bench, id: SendId) {
    bench.turn(|turn| turn.unsent(id, SendError::Closed));
}

fn asks(bench: &Bench) -> Vec<&Question> {
    bench.asked.iter().map(|(_, question)| question).collect()
}

fn question(host: &str, port: Option<u16>, transport: Transport) -> Question {
    Question::Route { host: host.into(), port, transport: Some(transport), secure: transport == TLS, lot: None }
}

#[test]
fn rfc3263_5_a_sent_by_that_is_a_name_is_looked_up_when_the_way_back_has_failed() {
    for (transport, sent_by, expected) in [
        (UDP, "pbx.example:5070", question("pbx.example", Some(5070), UDP)),
        (UDP, "pbx.example", question("pbx.example", None, UDP)),
        (TCP, "pbx.example", question("pbx.example", None, TCP)),
        (TLS, "pbx.example", question("pbx.example", None, TLS)),
    ] {
        let mut bench = Bench::new();
        let id = answered(&mut bench, transport, sent_by);
        fails(&mut bench, id);
        if transport != UDP {
            // First a new connection to where the request came from (RFC 3261 section 18.2.2).
            assert!(bench.asked.is_empty() && bench.last().path.transport == transport, "{sent_by}");
            fails(&mut bench, id);
        }
        assert_eq!(asks(&bench), [&expected], "{transport:?} {sent_by}");
        bench.took();
        let (ask, ways) = (bench.asked[0].0, vec![path(transport, 8), path(transport, 9)]);
        bench.turn(|turn| turn.answered(ask, Answer::Routes(ways)));
        assert_eq!((bench.took(), bench.last().path), (vec!["0.000 486 (Retry)".to_owned()], path(transport, 8)));
        // The next entry is tried if the one before it results in a failure; then it is told.
        fails(&mut bench, id);
        assert_eq!(bench.last().path, path(transport, 9));
        fails(&mut bench, id);
        assert_eq!(bench.took(), ["0.000 486 (Retry)", "0.000 unsent Closed"]);
        assert_eq!(bench.asked.len(), 1, "looked up once");
        bench.ends_empty();
    }
}

#[test]
fn rfc3263_5_a_sent_by_that_is_an_address_is_tried_unless_it_has_failed_already() {
    let mut bench = Bench::new();
    let id = answered(&mut bench, UDP, "192.0.2.7:5070");
    assert_eq!(bench.last().path.remote, address("192.0.2.2:5070"), "where it came from, with the port of the sent-by");
    fails(&mut bench, id);
    assert_eq!(asks(&bench), [&question("192.0.2.7", Some(5070), UDP)]);
    // The control: that is where it has gone.
    let mut bench = Bench::new();
    let id = answered(&mut bench, UDP, "192.0.2.2:5070");
    fails(&mut bench, id);
    assert_eq!((bench.asked.len(), bench.took()), (0, vec!["0.000 unsent Closed".to_owned()]));
}

#[test]
fn rfc3263_5_names_that_lead_nowhere_or_back_are_told_as_failures() {
    let back = Path { remote: address("192.0.2.2:5070"), ..path(UDP, 2) };
    for answer in [Answer::None, Answer::Failed("SERVFAIL".into()), Answer::TimedOut, Answer::Routes(vec![back])] {
        let mut bench = Bench::new();
        let id = answered(&mut bench, UDP, "pbx.example:5070");
        fails(&mut bench, id);
        bench.took();
        let ask = bench.asked[0].0;
        bench.turn(|turn| turn.answered(ask, answer));
        assert_eq!(bench.took(), ["0.000 unsent Closed"]);
        bench.ends_empty();
    }
    // One whose transaction is over by then is answered to nobody.
    let mut bench = Bench::new();
    let id = answered(&mut bench, UDP, "pbx.example:5070");
    fails(&mut bench, id);
    bench.ends_empty();
}

#[test]
fn rfc7118_5_3_what_came_by_a_websocket_is_answered_on_it_or_not_at_all() {
    for transport in [Transport::Ws, Transport::Wss] {
        for sent_by in ["df7jal23ls0d.invalid", "192.0.2.7:5070"] {
            let mut bench = Bench::new();
            let id = answered(&mut bench, transport, sent_by);
            fails(&mut bench, id);
            assert_eq!((bench.asked.len(), bench.took()), (0, vec!["0.000 unsent Closed".to_owned()]), "{sent_by}");
        }
    }
}

#[test]
fn rfc3263_5_what_came_over_tls_is_not_answered_in_the_clear_and_switched_off_nothing_is_asked() {
    let mut bench = Bench::new();
    let from = Path { remote: address("192.0.2.2:40000"), ..path(TLS, 2) };
    bench.receive(from, &incoming("OPTIONS", UDP, "z9hG4bK1", "").replace("192.0.2.2:5060;", "pbx.example;"));
    let tx = bench.server_tx();
    bench.respond(tx, 200).expect("open");
    let id = bench.last().id;
    fails(&mut bench, id);
    fails(&mut bench, id);
    assert!(bench.asked.is_empty() && bench.sent.iter().all(|sent| sent.path.transport == TLS));
    let mut bench = Bench::with(Config { follow_maddr: false, ..Config::default() });
    let id = answered(&mut bench, UDP, "pbx.example:5070");
    fails(&mut bench, id);
    assert_eq!((bench.asked.len(), bench.took()), (0, vec!["0.000 unsent Closed".to_owned()]));
}

#[test]
fn rfc3263_5_a_full_queue_and_a_size_are_no_failures_of_the_way_back() {
    for why in [SendError::NoBuffer, SendError::TooBig] {
        let mut bench = Bench::new();
        let id = answered(&mut bench, UDP, "pbx.example:5070");
        bench.turn(|turn| turn.unsent(id, why.clone()));
        assert_eq!((bench.asked.len(), bench.took()), (0, vec![format!("0.000 unsent {why:?}")]));
    }
}

#[test]
fn rfc3581_4_who_asks_for_the_port_he_sends_from_is_not_answered_at_the_address_he_writes() {
    let mut bench = Bench::new();
    let id = answered(&mut bench, UDP, "10.0.0.7:5070;rport");
    assert_eq!(bench.last().path.remote, address("192.0.2.2:40000"));
    fails(&mut bench, id);
    assert_eq!((bench.asked.len(), bench.took()), (0, vec!["0.000 unsent Closed".to_owned()]));
}

#[test]
fn rfc3263_5_where_all_ways_have_failed_the_first_is_taken_again() {
    let mut bench = Bench::new();
    let id = answered(&mut bench, UDP, "pbx.example:5070");
    let first = bench.last().path;
    fails(&mut bench, id);
    let ask = bench.asked[0].0;
    bench.turn(|turn| turn.answered(ask, Answer::Routes(vec![path(UDP, 8)])));
    fails(&mut bench, id);
    // Whoever repeats his request is there after all.
    let from = Path { remote: address("192.0.2.2:40000"), ..path(UDP, 2) };
    let again = incoming("INVITE", UDP, "z9hG4bK1", "").replace("192.0.2.2:5060;", "pbx.example:5070;");
    bench.receive(from, &again);
    assert_eq!((bench.last().path, bench.asked.len()), (first, 1));
}
