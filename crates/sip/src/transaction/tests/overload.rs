//! Overload control with the next hop (RFC 7339), on both sides.

use super::*;
use crate::digest::Credential;
use crate::turn::Owner;

/// What we say in a request.
const OFFER: &str = ";oc;oc-algo=\"loss\"";

fn controlled() -> Bench {
    Bench::with(Config { overload: Some(Overload::default()), ..Config::default() })
}

/// Word `number` of a server: so many of a hundred are to be left out for a second.
fn word(loss: u32, number: u32) -> String {
    format!(";oc={loss};oc-algo=\"loss\";oc-validity=1000;oc-seq={number}.0")
}

/// The server answers a request with this word in place of the offer.
fn says(bench: &mut Bench, sent: usize, code: u16, lines: &message::Lines, word: &str) {
    let from = bench.sent.get(sent).expect("sent before").path;
    says_from(bench, from, sent, code, lines, word);
}

/// Somebody answers a request so.
fn says_from(bench: &mut Bench, from: Path, sent: usize, code: u16, lines: &message::Lines, word: &str) {
    let headers = bench.sent.get(sent).expect("sent before").headers();
    let code = StatusCode::new(code).expect("a code");
    let bytes = message::write_response(&headers, code, None, Some("b"), lines, None, None);
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    assert!(text.contains(OFFER), "{text}");
    let bytes = Bytes::from(text.replacen(OFFER, word, 1));
    bench.turn(|turn| turn.receive(&from, bytes));
}

/// A request along this path.
fn along(bench: &mut Bench, path: Path, draft: Draft) -> ClientTx {
    let draft = Draft { hop: Hop::Path(path), ..draft };
    bench.turn(|turn| turn.send_request(draft)).expect("taken")
}

/// Host 2 has asked for so much less.
fn asked_for(loss: u32) -> Bench {
    let mut bench = controlled();
    bench.request(Method::Options, UDP);
    says(&mut bench, 0, 200, &message::Lines::default(), &word(loss, 1));
    bench.took();
    bench
}

/// Lets happen what is to happen at once.
fn settle(bench: &mut Bench) {
    let now = bench.now.0 / 1_000;
    bench.run_to(now + 1);
}

#[test]
fn rfc7339_4_1_each_request_says_that_we_hear_and_nothing_else_of_it() {
    for controlled in [true, false] {
        let overload = controlled.then(Overload::default);
        let mut bench = Bench::with(Config { overload, ..Config::default() });
        let tx = bench.request(Method::Invite, UDP);
        bench.answer(0, 180, "b");
        bench.turn(|turn| turn.cancel(tx)).expect("under way");
        bench.answer(0, 487, "b");
        bench.request(Method::Options, TCP);
        let ack = Draft { hop: Hop::Path(path(UDP, 2)), ..draft(Method::Ack) };
        bench.turn(|turn| turn.send_ack(ack, Owner::Application)).expect("sent");
        let methods: Vec<&str> = bench.sent.iter().filter_map(|sent| sent.text().split(' ').next()).collect();
        assert_eq!(methods, ["INVITE", "CANCEL", "ACK", "OPTIONS", "ACK"]);
        for sent in &bench.sent {
            let via = sent.value(HeaderId::Via);
            assert_eq!(via.matches(OFFER).count(), usize::from(controlled), "{via}");
            assert_eq!(via.matches(";oc").count(), 2 * usize::from(controlled), "{via}");
        }
        bench.ends_empty();
    }
}

#[test]
fn rfc7339_5_5_a_server_that_asks_for_less_gets_less_as_long_as_it_has_asked_for() {
    let mut bench = asked_for(100);
    for transport in [UDP, TCP] {
        bench.request(Method::Options, transport);
        assert_eq!(bench.took(), [""; 0], "told in a turn of its own");
        settle(&mut bench);
        let trace = bench.took();
        assert!(trace.len() == 1 && trace[0].ends_with(" failed Overloaded"), "{transport:?}: {trace:?}");
    }
    assert_eq!((bench.sent.len(), bench.stack.counters().left_out), (1, 2));
    // Nobody else is meant.
    along(&mut bench, path(UDP, 3), draft(Method::Options));
    assert_eq!(bench.sent.len(), 2);
    bench.answer(1, 200, "b");
    bench.run_to(999);
    bench.request(Method::Options, UDP);
    assert_eq!(bench.sent.len(), 2);
    bench.run_to(1_000);
    bench.request(Method::Options, UDP);
    assert_eq!((bench.sent.len(), bench.stack.throttles.is_empty()), (3, true));
    bench.ends_empty();
}

/// Whether a request goes to host 2, to which such a request may be left out.
fn goes(bench: &mut Bench, method: Method) -> bool {
    goes_by(bench, UDP, method)
}

/// The same by this transport.
fn goes_by(bench: &mut Bench, transport: Transport, method: Method) -> bool {
    let before = bench.sent.len();
    let within = Draft { to: "<sip:bob@192.0.2.2>;tag=b".to_owned(), ..draft(method) };
    along(bench, path(transport, 2), within);
    bench.sent.len() > before
}

/// Host 2 answers nothing to so many requests, one after the other.
fn silent_to(bench: &mut Bench, requests: u64) {
    for _ in 0..requests {
        assert!(goes(bench, Method::Options));
        let now = bench.now.0 / 1_000;
        bench.run_to(now + 32_000);
        assert!(bench.took().last().is_some_and(|last| last.ends_with(" failed Timeout")));
    }
}

#[test]
fn rfc7339_5_9_to_a_server_that_answers_nothing_a_request_goes_now_and_then() {
    let mut bench = controlled();
    silent_to(&mut bench, 3);
    let begun = bench.now.0 / 1_000;
    for (at, probes) in [(0, false), (999, false), (1_000, true), (2_999, false), (3_000, true), (3_001, false)] {
        bench.run_to(begun + at);
        assert_eq!(goes(&mut bench, Method::Options), probes, "{at}");
    }
    assert_eq!(bench.stack.counters().left_out, 4);
    settle(&mut bench);
    let left_out = bench.took().iter().filter(|line| line.ends_with(" failed Overloaded")).count();
    assert_eq!(left_out, 4);
    // Others are not meant, nor is what ends a call.
    along(&mut bench, path(UDP, 3), draft(Method::Options));
    assert_eq!(bench.last().path, path(UDP, 3));
    assert!(goes(&mut bench, Method::Bye));
    bench.run_to(begun + 300_000);
    bench.ends_empty();
}

#[test]
fn rfc7339_5_9_whatever_comes_from_a_server_that_was_silent_ends_it() {
    // How long after it was asked host 2 answers, and from which port: late is after the transaction has ended.
    let answers = [Some((1, 5060)), Some((1, 7000)), Some((33_000, 5060))];
    for answers in [None].into_iter().chain(answers) {
        let mut bench = controlled();
        silent_to(&mut bench, 3);
        assert!(!goes(&mut bench, Method::Options), "the control");
        if let Some((after, port)) = answers {
            // It has got one of them after all.
            let now = bench.now.0 / 1_000;
            bench.run_to(now + 1_000);
            assert!(goes(&mut bench, Method::Options));
            let probe = bench.sent.len() - 1;
            bench.run_to(now + 1_000 + after);
            let mut from = path(UDP, 2);
            from.remote.set_port(port);
            says_from(&mut bench, from, probe, 404, &message::Lines::default(), "");
        } else {
            bench.receive(path(UDP, 2), &incoming("OPTIONS", UDP, "z9hG4bK1", ""));
        }
        assert!(goes(&mut bench, Method::Options) && goes(&mut bench, Method::Options), "{answers:?}");
    }
}

#[test]
fn rfc7339_5_9_what_says_nothing_of_a_server_does_not_count() {
    let silence = |bench: &Bench| !bench.stack.silent.is_empty();
    // Twice is not again and again, and nothing is reckoned where this is not switched on.
    let mut bench = controlled();
    silent_to(&mut bench, 2);
    assert!(silence(&bench) && goes(&mut bench, Method::Options));
    let mut bench = Bench::new();
    silent_to(&mut bench, 4);
    assert!(!silence(&bench) && goes(&mut bench, Method::Options));
    for (why, counts) in [
        (SendError::Unreachable, true),
        (SendError::Closed, true),
        (SendError::NoBuffer, false),
        (SendError::TooBig, false),
    ] {
        let mut bench = controlled();
        for _ in 0..3 {
            bench.request(Method::Options, TCP);
            let id = bench.last().id;
            bench.turn(|turn| turn.unsent(id, why.clone()));
        }
        assert_eq!(!goes_by(&mut bench, TCP, Method::Options), counts, "{why}");
        assert!(goes(&mut bench, Method::Options), "who takes no connection may take datagrams: {why}");
    }
    // Who rings has answered, and who answers one of several is there.
    let mut bench = controlled();
    silent_to(&mut bench, 2);
    bench.request(Method::Options, UDP);
    let answered = bench.sent.len() - 1;
    bench.answer(answered, 404, "b");
    assert!(!silence(&bench));
    silent_to(&mut bench, 2);
    assert!(goes(&mut bench, Method::Options));
}

#[test]
fn rfc7339_5_9_what_does_not_go_to_a_silent_server_goes_to_the_next() {
    let mut bench = controlled();
    silent_to(&mut bench, 3);
    let draft = Draft { routes: vec!["<sip:pbx.example;lr>".to_owned()], ..draft(Method::Options) };
    bench.turn(|turn| turn.send_request(draft)).expect("taken");
    let ask = bench.asked.last().expect("asked").0;
    bench.turn(|turn| turn.answered(ask, Answer::Routes(vec![path(UDP, 2), path(UDP, 3)])));
    assert_eq!(bench.last().path, path(UDP, 3));
}

#[test]
fn what_is_over_is_forgotten_also_where_nothing_goes_there_any_more() {
    let mut bench = asked_for(100);
    for (at, forgotten) in [(999, false), (2_000, true)] {
        bench.run_to(at);
        along(&mut bench, path(UDP, 3), draft(Method::Options));
        assert_eq!(bench.stack.throttles.is_empty(), forgotten, "{at}");
    }
}

#[test]
fn rfc7339_5_4_a_word_is_heard_in_any_response_and_only_with_overload_control() {
    for code in [100, 180, 200, 486] {
        let mut bench = controlled();
        bench.request(Method::Invite, UDP);
        says(&mut bench, 0, code, &message::Lines::default(), &word(100, 1));
        assert!(!bench.stack.throttles.is_empty(), "{code}");
    }
    let mut bench = Bench::new();
    bench.request(Method::Options, UDP);
    let sent = bench.last();
    let (from, headers) = (sent.path, sent.headers());
    let bytes =
        message::write_response(&headers, StatusCode::OK, None, Some("b"), &message::Lines::default(), None, None);
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    let branch = format!("branch={}", headers.branch().expect("a branch"));
    let told = text.replacen(&branch, &format!("{branch}{}", word(100, 1)), 1);
    assert_ne!(told, text);
    bench.turn(|turn| turn.receive(&from, Bytes::from(told)));
    assert!(bench.took().last().is_some_and(|last| last.ends_with("up 200")), "read all the same");
    bench.request(Method::Options, UDP);
    assert_eq!(bench.sent.len(), 2);
}

/// Along a connection that the server has made its answer comes from another port than it is reached by.
#[test]
fn rfc7339_5_4_a_word_along_the_connection_of_the_request_is_heard_whoever_has_made_that() {
    let reached = path(Transport::Tls, 2);
    let from = Path { remote: address("192.0.2.2:49160"), ..reached };
    let another = Path { flow: FlowId(99), ..from };
    // One socket serves all over UDP.
    let (plain, elsewhere) = (path(UDP, 2), Path { remote: from.remote, ..path(UDP, 2) });
    for (reached, from, heard) in [(reached, from, true), (reached, another, false), (plain, elsewhere, false)] {
        let mut bench = controlled();
        along(&mut bench, reached, draft(Method::Options));
        says_from(&mut bench, from, 0, 200, &message::Lines::default(), &word(100, 1));
        along(&mut bench, reached, draft(Method::Options));
        assert_eq!(bench.sent.len(), if heard { 1 } else { 2 }, "{from:?}");
        // The port that it speaks from is nobody's.
        along(&mut bench, Path { remote: from.remote, ..plain }, draft(Method::Options));
        assert_eq!(bench.sent.len(), if heard { 2 } else { 3 }, "{from:?}");
    }
}

#[test]
fn rfc7339_11_nobody_else_says_how_much_a_server_wants() {
    for (host, heard) in [(2, true), (3, false)] {
        let mut bench = controlled();
        bench.request(Method::Options, UDP);
        says_from(&mut bench, path(UDP, host), 0, 200, &message::Lines::default(), &word(100, 1));
        assert!(bench.took().last().is_some_and(|last| last.ends_with("up 200")), "{host}: the answer counts");
        for server in [2, 3] {
            let before = bench.sent.len();
            along(&mut bench, path(UDP, server), draft(Method::Options));
            assert_eq!(bench.sent.len() == before, heard && server == 2, "{host}, {server}");
        }
    }
}

#[test]
fn rfc7339_7_2_a_share_of_what_begins_is_left_out_and_what_belongs_to_calls_is_not() {
    let within = Draft { to: "<sip:bob@192.0.2.2>;tag=b".to_owned(), ..draft(Method::Info) };
    let help = Draft { uri: "urn:service:sos.fire".parse().expect("a uri"), ..draft(Method::Options) };
    let mut urgent = draft(Method::Options);
    urgent.lines.push_id(HeaderId::ResourcePriority, "esnet.1");
    for kept in [within, help, urgent] {
        let mut bench = asked_for(30);
        // The first two hundred change what is usual, four of five, into what the mix is here.
        let [_, left_out] = [(); 2].map(|()| {
            let before = bench.sent.len();
            let mut left_out = [0; 2];
            for number in 0..200 {
                let before = bench.stack.counters().left_out;
                let one = if number % 2 == 1 { draft(Method::Options) } else { kept.clone() };
                along(&mut bench, path(UDP, 2), one);
                left_out[number % 2] += bench.stack.counters().left_out - before;
            }
            assert_eq!((bench.sent.len() - before) as u64, 200 - left_out[1]);
            // Of these none is, and one of them was the first.
            assert_eq!(left_out[0], 0);
            left_out[1]
        });
        // Thirty of a hundred are sixty of the hundred that may be left out.
        assert!((40..=80).contains(&left_out), "{left_out}");
    }
    // When all are to be left out, so are they.
    let mut bench = asked_for(100);
    let within = |method| Draft { to: "<sip:bob@192.0.2.2>;tag=b".to_owned(), ..draft(method) };
    along(&mut bench, path(UDP, 2), within(Method::Info));
    assert_eq!(bench.sent.len(), 1);
    // But not what ends a call or keeps one that begins.
    for (count, method) in [Method::Bye, Method::Prack].into_iter().enumerate() {
        along(&mut bench, path(UDP, 2), within(method));
        assert_eq!((bench.sent.len(), bench.stack.counters().left_out), (2 + count, 1));
    }
}

#[test]
fn rfc7339_5_10_what_is_left_out_for_one_server_goes_to_the_next() {
    let mut bench = asked_for(100);
    let to_both = |bench: &mut Bench| {
        let draft = Draft { routes: vec!["<sip:pbx.example;lr>".to_owned()], ..draft(Method::Options) };
        bench.turn(|turn| turn.send_request(draft)).expect("taken");
        let ask = bench.asked.last().expect("asked").0;
        bench.turn(|turn| turn.answered(ask, Answer::Routes(vec![path(UDP, 2), path(UDP, 3)])));
    };
    to_both(&mut bench);
    assert_eq!((bench.sent.len(), bench.last().path), (2, path(UDP, 3)));
    says(&mut bench, 1, 200, &message::Lines::default(), &word(100, 1));
    bench.took();
    to_both(&mut bench);
    settle(&mut bench);
    let trace = bench.took();
    assert!(trace.last().is_some_and(|last| last.ends_with(" failed Overloaded")), "{trace:?}");
    assert_eq!((bench.sent.len(), bench.stack.counters().left_out), (2, 3));
    bench.ends_empty();
}

#[test]
fn rfc7339_5_10_what_the_first_server_has_said_or_not_is_not_hidden_by_what_the_next_asks_for() {
    for (code, heard) in [(None, " failed Timeout"), (Some(503), " up 503")] {
        let mut bench = controlled();
        bench.request(Method::Options, UDP);
        says(&mut bench, 0, 200, &message::Lines::default(), ";oc=100;oc-algo=\"loss\";oc-validity=60000;oc-seq=1.0");
        let draft = Draft { routes: vec!["<sip:pbx.example;lr>".to_owned()], ..draft(Method::Options) };
        bench.turn(|turn| turn.send_request(draft)).expect("taken");
        let ask = bench.asked.last().expect("asked").0;
        bench.turn(|turn| turn.answered(ask, Answer::Routes(vec![path(UDP, 3), path(UDP, 2)])));
        bench.took();
        match code {
            Some(code) => bench.answer(1, code, "b"),
            None => bench.run_to(33_000),
        }
        let trace = bench.took();
        assert!(trace.last().is_some_and(|last| last.ends_with(heard)), "{trace:?}");
        assert!(bench.sent.iter().skip(1).all(|sent| sent.path == path(UDP, 3)));
        let counters = bench.stack.counters();
        assert_eq!((counters.failovers, counters.left_out), (0, 1));
        bench.ends_empty();
    }
}

#[test]
fn rfc7339_5_10_what_has_gone_there_once_goes_again_with_credentials_and_an_ack_always() {
    let mut bench = controlled();
    let mut asking = draft(Method::Invite);
    asking.credentials.add(Credential::password(None, "alice", "secret").expect("credentials"));
    along(&mut bench, path(UDP, 2), asking);
    let mut lines = message::Lines::default();
    lines.push("WWW-Authenticate", "Digest realm=\"r\", nonce=\"n\", algorithm=MD5, qop=\"auth\"").expect("a line");
    says(&mut bench, 0, 401, &lines, &word(100, 1));
    assert!(bench.last().text().contains("Authorization: Digest"), "{}", bench.last().text());
    let before = bench.sent.len();
    let ack = Draft { hop: Hop::Path(path(UDP, 2)), ..draft(Method::Ack) };
    bench.turn(|turn| turn.send_ack(ack, Owner::Application)).expect("sent");
    assert_eq!(bench.sent.len(), before + 1);
    bench.request(Method::Options, UDP);
    assert_eq!(bench.sent.len(), before + 1);
}

#[test]
fn rfc7339_5_10_what_is_left_out_can_be_cancelled_before_it_is_told() {
    let mut bench = asked_for(100);
    let tx = bench.request(Method::Invite, UDP);
    bench.turn(|turn| turn.cancel(tx)).expect("under way");
    let trace = bench.took();
    assert!(trace.len() == 1 && trace[0].ends_with(" failed Cancelled"), "{trace:?}");
    settle(&mut bench);
    assert_eq!(bench.took(), [""; 0]);
    bench.ends_empty();
}

#[test]
fn limit_of_overloaded_servers_holds() {
    let mut bench =
        Bench::with(Config { overload: Some(Overload { max_servers: 2, ..Overload::default() }), ..Config::default() });
    for host in 2..5 {
        along(&mut bench, path(UDP, host), draft(Method::Options));
        let sent = bench.sent.len() - 1;
        let word = format!(";oc=100;oc-algo=\"loss\";oc-validity={host}000;oc-seq=1.0");
        says(&mut bench, sent, 200, &message::Lines::default(), &word);
    }
    // The one whose word is over first has made room.
    for (host, goes) in [(2, true), (3, false), (4, false)] {
        let before = bench.sent.len();
        along(&mut bench, path(UDP, host), draft(Method::Options));
        assert_eq!(bench.sent.len() > before, goes, "{host}");
    }
}

/// The top Via of the last message, whatever stands below it.
fn told(bench: &Bench) -> String {
    bench.last().text().lines().find_map(|line| line.strip_prefix("Via: ")).expect("a Via").to_owned()
}

#[test]
fn rfc7339_5_1_who_asks_is_told_in_each_response() {
    let calm = ";oc=0;oc-algo=\"loss\";oc-validity=0;oc-seq=0.00000";
    for (controlled, asks, said) in [
        (true, OFFER, calm),
        (
            true,
            ";rport;oc;oc-algo=\"rate,loss\"",
            ";received=192.0.2.2;rport=5060;oc=0;oc-algo=\"loss\";oc-validity=0;oc-seq=0.00000",
        ),
        (true, ";oc=7;oc-seq=1.1", calm),
        // The controls: who does not ask, or cannot take it, and who does not tell.
        (true, "", ""),
        (true, ";oc;oc-algo=\"rate\"", ";oc;oc-algo=\"rate\""),
        (false, OFFER, OFFER),
    ] {
        let overload = controlled.then(Overload::default);
        let mut bench = Bench::with(Config { overload, ..Config::default() });
        bench.receive(path(UDP, 2), &incoming("INVITE", UDP, &format!("z9hG4bK1{asks}"), ""));
        let expected = format!("SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1{said}");
        assert_eq!((bench.last().text().starts_with("SIP/2.0 100"), told(&bench)), (true, expected.clone()));
        let tx = bench.server_tx();
        for code in [180, 486] {
            bench.respond(tx, code).expect("open");
            assert_eq!(told(&bench), expected, "{code}");
        }
        // What is answered without a transaction.
        let unreadable = incoming("OPTIONS", UDP, &format!("z9hG4bK2{asks}"), "").replace("CSeq: 7", "CSeq: x");
        bench.receive(path(UDP, 2), &unreadable);
        assert_eq!(told(&bench), expected.replace("z9hG4bK1", "z9hG4bK2"));
    }
}

#[test]
fn rfc7339_5_2_who_asks_is_asked_for_less_while_there_is_no_room() {
    let mut bench =
        Bench::with(Config { overload: Some(Overload::default()), max_server_transactions: 2, ..Config::default() });
    let options = |n: usize, asks: &str| {
        incoming("OPTIONS", UDP, &format!("z9hG4bK{n}{asks}"), "").replace("Call-ID: in-1", &format!("Call-ID: in-{n}"))
    };
    for n in 0..10 {
        bench.receive(path(UDP, 2), &options(n, OFFER));
    }
    assert_eq!(bench.stack.counters().shed, 8);
    bench.run_to(500);
    // Eight of ten found no room.
    let asked = ";oc=80;oc-algo=\"loss\";oc-validity=1000;oc-seq=0.50000";
    bench.receive(path(UDP, 2), &options(10, OFFER));
    assert_eq!(told(&bench), format!("SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK10{asked}"));
    let refused = bench.last();
    assert!(refused.text().starts_with("SIP/2.0 503"), "{}", refused.text());
    assert!(!refused.headers().has(HeaderId::RetryAfter), "RFC 7339 5.10.2");
    // Who does not ask is refused alike, and told nothing.
    bench.receive(path(UDP, 2), &options(11, ""));
    assert!(bench.last().text().starts_with("SIP/2.0 503") && !told(&bench).contains("oc"), "{}", bench.last().text());
    assert!(!bench.last().headers().has(HeaderId::RetryAfter));
    // What another loop has no room for counts as well.
    bench.run_to(1_000);
    let bytes = Bytes::from(options(12, OFFER).replace('\n', "\r\n"));
    assert!(bench.turn(|turn| turn.shed(&path(UDP, 2), bytes)));
    let asked = ";oc=90;oc-algo=\"loss\";oc-validity=1000;oc-seq=1.00000";
    assert_eq!(told(&bench), format!("SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK12{asked}"));
    // In time it is over.
    bench.run_to(40_000);
    bench.receive(path(UDP, 2), &options(13, OFFER));
    let tx = bench.server_tx();
    bench.respond(tx, 200).expect("open");
    assert!(told(&bench).contains(";oc=0;oc-algo=\"loss\";oc-validity=0;oc-seq=40."), "{}", told(&bench));
}

/// A new request from a host, with these lines and this in its Via: whether it was let in.
fn comes(bench: &mut Bench, host: u8, (call, cseq): (u32, u32), asks: &str, lines: &str) -> bool {
    let text = incoming("OPTIONS", UDP, &format!("z9hG4bK{call}x{cseq}{asks}"), lines)
        .replace("Call-ID: in-1", &format!("Call-ID: in-{call}"))
        .replace("CSeq: 7", &format!("CSeq: {cseq}"));
    let shed = bench.stack.counters().shed;
    bench.receive(path(UDP, host), &text);
    bench.stack.counters().shed == shed
}

#[test]
fn rfc7339_5_10_2_who_says_that_he_hears_and_goes_on_has_half_of_the_room_and_others_all_of_it() {
    let overload = Some(Overload::default());
    let mut bench = Bench::with(Config { overload, max_server_transactions: 40, ..Config::default() });
    let mut calls = 0..;
    let mut come = |bench: &mut Bench, count: usize, host: u8, asks: &str| {
        let calls = calls.by_ref().take(count);
        calls.filter(|call| comes(bench, host, (*call, 7), asks, "")).count()
    };
    for (look, let_in) in [40, 0, 0, 0].into_iter().enumerate() {
        bench.run_to(look as u64 * 500);
        assert_eq!(come(&mut bench, 100, 2, OFFER), let_in, "{look}");
    }
    bench.run_to(2_000);
    let open: Vec<ServerTx> = bench
        .events
        .drain(..)
        .filter_map(|event| match event {
            Event::Request { tx, .. } => Some(tx),
            _ => None,
        })
        .collect();
    for tx in open {
        bench.turn(|turn| turn.respond(tx, Reply::new(StatusCode::OK).stateless())).expect("open");
    }
    // Nothing is asked for any more, and what he did is not forgotten.
    bench.run_to(10_000);
    assert_eq!(come(&mut bench, 100, 2, OFFER), 20);
    assert_eq!(come(&mut bench, 1, 2, ""), 1, "who does not say so at his address is not meant");
    assert_eq!(come(&mut bench, 20, 3, ""), 19);
}

#[test]
fn rfc7339_5_10_2_nobody_is_refused_for_the_sake_of_who_does_not_do_what_he_is_asked_for() {
    // So many come in a look from one who says that he hears, once nine of ten are to be left out, where forty came before.
    for (sends, obeys) in [(5, true), (40, false)] {
        let (mut bench, mut calls, mut refused) = (controlled(), 0.., 0);
        for look in 0..8 {
            bench.run_to(look * 500 + 1);
            for _ in 0..1_000 {
                bench.stack.config.load.came(bench.now, true);
            }
            for call in calls.by_ref().take(if look < 2 { 40 } else { sends }) {
                comes(&mut bench, 2, (call, 7), OFFER, "");
                // One that was refused has been told by that.
                let _ = bench.respond(bench.server_tx(), 200);
            }
            let plain = calls.by_ref().take(20);
            refused += plain.filter(|call| !comes(&mut bench, 3, (*call, 7), "", "")).count();
        }
        assert_eq!(refused > 20, obeys, "{sends}: {refused}");
        assert!(obeys || refused == 0, "{sends}: {refused}");
    }
}

/// Half is to be left out, somebody does it, and of the others as much is refused.
fn drawing() -> Bench {
    let mut bench = controlled();
    for number in 0..10 {
        bench.stack.config.load.came(bench.now, number % 2 == 0);
    }
    bench.run_to(500);
    bench.stack.config.load.is_heeded(bench.now);
    bench
}

#[test]
fn rfc7339_5_10_2_what_answers_a_challenge_is_not_drawn_once_more() {
    let (www, proxy) = ("Authorization: Digest realm=\"r\"\n", "Proxy-Authorization: Digest realm=\"r\"\n");
    for (code, cseq, lines, all) in [
        (401, 8, www, true),
        (407, 8, proxy, true),
        // The controls: no challenge, no answer to it, or another one.
        (404, 8, www, false),
        (401, 8, "", false),
        (401, 9, www, false),
    ] {
        let mut bench = drawing();
        let first: Vec<u32> = (0..200).filter(|call| comes_and_hears(&mut bench, *call, code)).collect();
        let again = first.iter().filter(|call| comes(&mut bench, 2, (**call, cseq), "", lines)).count();
        assert!((60..140).contains(&first.len()), "{code} {cseq}: {}", first.len());
        match all {
            true => assert_eq!(again, first.len(), "{code}"),
            false => assert!(again < first.len() * 3 / 4, "{code} {cseq} {lines}: {again} of {}", first.len()),
        }
    }
}

/// A new request that is answered so, where it is let in.
fn comes_and_hears(bench: &mut Bench, call: u32, code: u16) -> bool {
    if !comes(bench, 2, (call, 7), "", "") {
        return false;
    }
    let (tx, code) = (bench.server_tx(), StatusCode::new(code).expect("a code"));
    bench.turn(|turn| turn.respond(tx, Reply::new(code).stateless())).expect("open");
    true
}
