use bytes::Bytes;
use sip::message::{HeaderId, Headers, Limits, Message};
use sip::{
    Action, Answer, Config, Event, FlowId, Hop, Now, Outbox, Path, Question, Role, SendError, SendId, Stack, Time,
    Transport, Usage, WallTime,
};

use super::*;
use crate::passing::way_of;
use crate::{Halt, Own, ProxyConfig};

/// No 100 by the stack itself (section 16.11).
const LATER: sip::Trying = sip::Trying::After(std::time::Duration::from_millis(200));

/// A stack without transactions between 192.0.2.1, the caller, and whoever is asked for.
struct Desk {
    stack: Stack,
    proxy: Proxy,
    out: Outbox,
    targets: Vec<Target>,
    /// Where each message has gone, and what it says.
    sent: Vec<(Path, String)>,
    /// What the last of them is called.
    last: Option<SendId>,
    /// What was asked for: the transport, and by what lot.
    asked: Vec<(Option<Transport>, Option<u64>)>,
    now: Time,
}

fn path(host: u8, transport: Transport) -> Path {
    let (local, remote) = (([192, 0, 2, 9], 5_060).into(), ([192, 0, 2, host], 5_060).into());
    Path { flow: FlowId(u64::from(host)), transport, local, remote }
}

fn headers(text: &str) -> Headers {
    Message::parse(Bytes::from(text.to_owned()), &Limits::default()).expect("a message").headers().clone()
}

fn branch(text: &str) -> String {
    headers(text).branch().expect("a branch").to_owned()
}

impl Desk {
    fn new(targets: &[(u8, u16)]) -> Self {
        Self::with(targets, Config::default())
    }

    /// With these limits.
    fn with(targets: &[(u8, u16)], limits: Config) -> Self {
        let config = Config { role: Role::Proxy, hand_strays: true, trying: LATER, ..limits };
        let target =
            |&(host, q): &(u8, u16)| Target { q, ..Target::new(format!("sip:b@192.0.2.{host}").parse().unwrap()) };
        Self {
            stack: Stack::new(config, [9; 32]),
            proxy: Proxy::new(ProxyConfig::default(), Own::new(["home.example".to_owned()]), [3; 16]),
            out: Outbox::new(),
            targets: targets.iter().map(target).collect(),
            sent: Vec::new(),
            last: None,
            asked: Vec::new(),
            now: Time(1_000_000),
        }
    }

    /// What this makes it send.
    fn hears(&mut self, from: Path, text: &str) -> Vec<(Path, String)> {
        let bytes = Bytes::from(text.replace("\r\n", "\n").replace('\n', "\r\n"));
        self.turn(|turn| turn.receive(&from, bytes))
    }

    /// What it sends when the last of what it has sent could not be sent.
    fn unsent(&mut self, why: SendError) -> Vec<(Path, String)> {
        let last = self.last.take().expect("something was sent");
        self.turn(|turn| turn.unsent(last, why))
    }

    /// What it sends when time passes.
    fn passes(&mut self, span: std::time::Duration) -> Vec<(Path, String)> {
        self.now = self.now + span;
        self.turn(|turn| turn.timeout())
    }

    fn turn(&mut self, act: impl FnOnce(&mut Turn<'_>)) -> Vec<(Path, String)> {
        let now = Now { mono: self.now, wall: WallTime(0) };
        act(&mut self.stack.at(now, &mut self.out));
        while let Some(action) = self.out.pop() {
            let turn = &mut self.stack.at(now, &mut self.out);
            match action {
                Action::Send { id, path, bytes, .. } => {
                    self.last = Some(id);
                    self.sent.push((path, String::from_utf8_lossy(&bytes).into_owned()));
                }
                Action::Ask { id, question: Question::Route { host, transport, lot, .. }, .. } => {
                    self.asked.push((transport, lot));
                    let host = host.rsplit('.').next().and_then(|last| last.parse().ok());
                    let by = transport.unwrap_or(Transport::Udp);
                    let answer = host.map_or(Answer::None, |host| Answer::Routes(vec![path(host, by)]));
                    turn.answered(id, answer);
                }
                Action::Event(event) => Self::event(&mut self.proxy, &self.targets, event, turn),
                other => panic!("{other:?}"),
            }
        }
        std::mem::take(&mut self.sent)
    }

    fn event(proxy: &mut Proxy, targets: &[Target], event: Event, turn: &mut Turn<'_>) {
        let (tx, request, origin) = match event {
            Event::Request { tx, request, origin } | Event::StrayCancel { tx, request, origin } => {
                (Some(tx), request, origin)
            }
            Event::Ack { request, origin } if !turn.is_acked_here(&request) => (None, request, origin),
            Event::StrayResponse { response } => return proxy.response_stateless(&response, turn),
            _ => return,
        };
        let arrival = match proxy.arrived(&request, &origin, turn.now()) {
            Ok(arrival) => arrival,
            Err(Halt::Refused(reply)) => {
                return tx.into_iter().for_each(|tx| turn.respond(tx, *reply.clone()).expect("an open request"));
            }
            Err(Halt::Asked) => panic!("an OPTIONS"),
        };
        let targets = if arrival.ours { targets.to_vec() } else { vec![way_of(&arrival)] };
        let passed = proxy.pass_stateless((&request, &origin), &arrival, &Vouched::Nobody, targets, turn);
        match (passed, tx) {
            (Ok(()), Some(tx)) => turn.forget(tx),
            (Err(reply), Some(tx)) => turn.respond(tx, *reply).expect("an open request"),
            _ => {}
        }
    }

    /// It remembers nothing.
    fn is_blank(&mut self) -> bool {
        self.stack.deadline().is_none() && self.stack.usage() == Usage::default()
    }
}

fn request(method: &str, branch: &str, more: &str) -> String {
    format!(
        "{method} sip:b@home.example SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch={branch}\nMax-Forwards: 70\nFrom: <sip:a@a>;tag=1\n\
         To: <sip:b@b>{more}\nCall-ID: c\nCSeq: 1 {method}\nContent-Length: 0\n\n"
    )
}

/// The answer of the callee to what came to him.
fn answer(code: &str, to_what: &str) -> String {
    let vias: String = headers(to_what).all(HeaderId::Via).map(|via| format!("Via: {}\n", via.text())).collect();
    format!(
        "SIP/2.0 {code}\n{vias}From: <sip:a@a>;tag=1\nTo: <sip:b@b>;tag=2\nCall-ID: c\nCSeq: 1 INVITE\nContent-Length: 0\n\n"
    )
}

#[test]
fn rfc3261_16_11_a_repeat_an_ack_and_a_cancel_get_the_branch_of_their_invite() {
    let mut desk = Desk::new(&[(5, 200), (6, 900), (7, 900)]);
    let from = path(1, Transport::Udp);
    let first = desk.hears(from, &request("INVITE", "z9hG4bK1", ""));
    let [(to, invite)] = &first[..] else { panic!("no 100, and one copy: {first:?}") };
    assert!(invite.starts_with("INVITE sip:b@192.0.2.6 SIP/2.0\r\n"), "the first of those preferred most: {invite}");
    assert_eq!(to.remote, path(6, Transport::Udp).remote);
    assert_eq!(desk.hears(from, &request("INVITE", "z9hG4bK1", "")), first, "the repeat is the same, octet by octet");
    for (method, more) in [("ACK", ";tag=2"), ("CANCEL", "")] {
        let sent = desk.hears(from, &request(method, "z9hG4bK1", more));
        let [(to, text)] = &sent[..] else { panic!("{method}: {sent:?}") };
        assert!(text.starts_with(&format!("{method} sip:b@192.0.2.6 SIP/2.0\r\n")), "{text}");
        assert_eq!((to.remote, branch(text)), (path(6, Transport::Udp).remote, branch(invite)));
    }
    let other = desk.hears(from, &request("INVITE", "z9hG4bK2", ""));
    assert_ne!(branch(&other[0].1), branch(invite), "another transaction");
    assert!(desk.is_blank());
}

#[test]
fn rfc3261_16_11_responses_go_back_along_the_flow_that_our_via_names_and_no_other() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut desk = Desk::new(&[(6, 900)]);
        let (caller, callee) = (path(1, transport), path(6, Transport::Udp));
        let [(_, invite)] = &desk.hears(caller, &request("INVITE", "z9hG4bK1", ""))[..] else { panic!("one copy") };
        for code in ["100 Trying", "180 Ringing", "200 OK", "200 OK", "486 Busy Here"] {
            let sent = desk.hears(callee, &answer(code, invite));
            let [(to, text)] = &sent[..] else { panic!("{code}: {sent:?}") };
            assert_eq!(*to, caller, "{code}");
            assert!(
                text.starts_with(&format!("SIP/2.0 {code}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")),
                "{text}"
            );
            assert_eq!(headers(text).count(HeaderId::Via), 1);
        }
        let via = |from: &str, to: &str| answer("200 OK", invite).replacen(from, to, 1);
        let token = headers(invite).raw(HeaderId::Via).map(|via| String::from_utf8_lossy(via).into_owned()).unwrap();
        let token = token.split(";b=").nth(1).unwrap().to_owned();
        let forged = token.chars().rev().collect::<String>();
        for (what, broken) in [
            ("another sent-by", via("192.0.2.9:5060", "192.0.2.8:5060")),
            ("another branch", via(&branch(invite), "z9hG4bKaaaaaaaaaaaaabbbbbbbbbbbbb")),
            ("another way", via(&token, &forged)),
            ("no way", via(&format!(";b={token}"), "")),
        ] {
            assert_ne!(broken, answer("200 OK", invite), "{what}");
            assert_eq!(desk.hears(callee, &broken), [], "{what}");
        }
        assert!(desk.is_blank());
    }
}

#[test]
fn rfc3261_16_11_what_reaches_nobody_is_refused_and_its_ack_ends_here() {
    let mut desk = Desk::new(&[]);
    let from = path(1, Transport::Udp);
    let sent = desk.hears(from, &request("INVITE", "z9hG4bK1", ""));
    let [(_, refusal)] = &sent[..] else { panic!("{sent:?}") };
    assert!(refusal.starts_with("SIP/2.0 480 "), "{refusal}");
    let tag = headers(refusal).to_tag().expect("a tag").to_owned();
    assert_eq!(desk.hears(from, &request("ACK", "z9hG4bK1", &format!(";tag={tag}"))), []);
    assert!(desk.is_blank());
}

#[test]
fn rfc3261_16_11_a_stack_that_keeps_transactions_hands_no_strays() {
    let mut desk = Desk::new(&[(6, 900)]);
    desk.stack = Stack::new(Config { role: Role::Proxy, trying: LATER, ..Config::default() }, [9; 32]);
    let sent = desk.hears(path(1, Transport::Udp), &request("CANCEL", "z9hG4bK1", ""));
    assert!(sent.len() == 1 && sent[0].1.starts_with("SIP/2.0 481 "), "{sent:?}");
}

/// What stands in our Via is known to the callee and to whoever is in between.
#[test]
fn rfc3261_16_11_a_way_back_is_good_for_one_branch_and_for_half_an_hour() {
    let mut desk = Desk::new(&[(6, 900)]);
    let (caller, callee) = (path(1, Transport::Udp), path(6, Transport::Udp));
    let copy = |desk: &mut Desk, branch: &str| desk.hears(caller, &request("INVITE", branch, "")).remove(0).1;
    let (one, other) = (copy(&mut desk, "z9hG4bK1"), copy(&mut desk, "z9hG4bK2"));
    let mixed = answer("200 OK", &one).replacen(&branch(&one), &branch(&other), 1);
    assert_eq!(desk.hears(callee, &mixed), [], "the way of one with the branch of another");
    for (minutes, passed) in [(0, 1), (14, 1), (60, 0), (24 * 60, 0)] {
        desk.now = Time(1_000_000 + minutes * 60_000_000);
        assert_eq!(desk.hears(callee, &answer("200 OK", &one)).len(), passed, "{minutes} minutes later");
    }
    // A repeat is given a way for the time that it comes at, and the same branch.
    let again = copy(&mut desk, "z9hG4bK1");
    assert_eq!(branch(&again), branch(&one));
    assert_eq!(desk.hears(callee, &answer("200 OK", &again)).len(), 1);
}

#[test]
fn rfc3261_16_11_no_maddr_says_where_responses_go() {
    let mut desk = Desk::new(&[(6, 900)]);
    let (caller, callee) = (path(1, Transport::Udp), path(6, Transport::Udp));
    for (via, port) in [("192.0.2.1:1234;maddr=10.0.0.7", 1_234), ("192.0.2.1:1234;maddr=10.0.0.7;rport", 5_060)] {
        let text = request("INVITE", "z9hG4bK1", "").replacen("UDP 192.0.2.1;", &format!("UDP {via};"), 1);
        let invite = desk.hears(caller, &text).remove(0).1;
        let sent = desk.hears(callee, &answer("200 OK", &invite));
        let remotes: Vec<_> = sent.iter().map(|(to, _)| to.remote).collect();
        assert_eq!(remotes, [([192, 0, 2, 1], port).into()], "{via}");
    }
}

#[test]
fn rfc3261_16_3_4_what_comes_round_is_refused_though_nothing_is_kept_of_it() {
    let mut desk = Desk::new(&[]);
    let (caller, round) = (path(1, Transport::Udp), path(7, Transport::Udp));
    desk.targets = vec![Target { hop: Hop::Path(round), ..Target::new("sip:b@home.example".parse().unwrap()) }];
    for (method, branch, refusal) in [("INVITE", "z9hG4bK1", Some("SIP/2.0 482 ")), ("ACK", "z9hG4bK3", None)] {
        let first = desk.hears(caller, &request(method, branch, ""));
        let [(to, text)] = &first[..] else { panic!("{method}: {first:?}") };
        assert_eq!(*to, round);
        let sent = desk.hears(round, text);
        assert_eq!(sent.len(), refusal.iter().count(), "{method} goes no further: {sent:?}");
        assert!(refusal.is_none_or(|refusal| sent[0].1.starts_with(refusal)), "{sent:?}");
    }
    // One that comes back another, as another proxy may want it, does go on.
    let first = desk.hears(caller, &request("INVITE", "z9hG4bK2", ""));
    let other = first[0].1.replacen("sip:b@home", "sip:c@home", 1);
    assert!(desk.hears(round, &other)[0].1.starts_with("INVITE "));
}

#[test]
fn rfc3263_4_4_a_repeat_an_ack_and_a_cancel_are_sent_by_the_lot_of_their_invite() {
    let mut desk = Desk::new(&[(6, 900)]);
    let from = path(1, Transport::Udp);
    for (method, more) in [("INVITE", ""), ("INVITE", ""), ("CANCEL", ""), ("ACK", ";tag=2")] {
        assert_eq!(desk.hears(from, &request(method, "z9hG4bK1", more)).len(), 1, "{method}");
    }
    let lots: Vec<u64> = desk.asked.drain(..).map(|(_, lot)| lot.expect("a lot of its own")).collect();
    assert!(lots.len() == 4 && lots.iter().all(|lot| *lot == lots[0]), "{lots:?}");
    desk.hears(from, &request("INVITE", "z9hG4bK2", ""));
    assert_ne!(desk.asked[0].1, Some(lots[0]), "another transaction");
}

#[test]
fn rfc3261_18_1_1_what_is_too_large_for_a_datagram_goes_by_tcp_though_it_has_no_transaction() {
    let mut desk = Desk::new(&[(6, 900)]);
    for (text, by) in [(request("INVITE", "z9hG4bK2", ""), Transport::Udp), (large(), Transport::Tcp)] {
        let sent = desk.hears(path(1, Transport::Tcp), &text);
        let [(to, copy)] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!(*to, path(6, by));
        assert_eq!(desk.is_blank(), by == Transport::Udp, "of what is not too large nothing is kept");
        assert!(copy.contains(&format!("Via: SIP/2.0/{} 192.0.2.9:5060;", by.as_str())), "{copy}");
    }
    let asked: Vec<_> = desk.asked.iter().map(|(transport, _)| *transport).collect();
    assert_eq!(asked, [None, None, Some(Transport::Tcp)]);
    assert_eq!(desk.asked[1].1, desk.asked[2].1, "the same server");
    // What may be refused is kept until it can be taken to have left, and no longer.
    assert!(desk.passes(std::time::Duration::from_millis(31_999)).is_empty() && !desk.is_blank());
    assert!(desk.passes(std::time::Duration::from_millis(1)).is_empty() && desk.is_blank());
}

/// An INVITE of more than 5,000 octets.
fn large() -> String {
    let head = request("INVITE", "z9hG4bK1", "").replacen("Content-Length: 0\n\n", "Content-Length: 5000\n\n", 1);
    head + &"x".repeat(5_000)
}

/// The only copy, which has gone by this transport and says so.
fn only_by(sent: &[(Path, String)], by: Transport) -> &str {
    let [(to, copy)] = sent else { panic!("{sent:?}") };
    assert_eq!(*to, path(6, by));
    assert!(copy.contains(&format!("Via: SIP/2.0/{} 192.0.2.9:5060;", by.as_str())), "{copy}");
    copy
}

#[test]
fn rfc3261_18_1_1_what_a_connection_is_refused_for_goes_by_udp_though_it_has_no_transaction() {
    let (from, tcp, udp) = (path(1, Transport::Tcp), Transport::Tcp, Transport::Udp);
    // Of whoever refuses connections it is remembered, for a time. A connection that is lost and a full queue say nothing of the next.
    for (why, next) in [(SendError::Unreachable, udp), (SendError::Closed, tcp), (SendError::NoBuffer, tcp)] {
        let mut desk = Desk::new(&[(6, 900)]);
        let sent = desk.hears(from, &large());
        let first = branch(only_by(&sent, tcp));
        let reads_slowly = why == SendError::NoBuffer;
        let sent = desk.unsent(why);
        if reads_slowly {
            assert!(sent.is_empty(), "who reads slowly is sent no datagrams instead: {sent:?}");
        } else {
            assert_eq!(branch(only_by(&sent, udp)), first, "who has got both takes the second for a repeat");
        }
        assert!(desk.is_blank());
        only_by(&desk.hears(from, &large()), next);
        desk.passes(std::time::Duration::from_secs(61));
        only_by(&desk.hears(from, &large()), tcp);
    }
}

/// It has to go by TCP whatever is kept of it (RFC 3261 section 18.1.1).
#[test]
fn rfc3261_18_1_1_what_there_is_no_room_for_goes_by_tcp_and_is_not_kept() {
    let (from, tcp, udp) = (path(1, Transport::Tcp), Transport::Tcp, Transport::Udp);
    // An eighth is for these.
    let max_kept_octets = 8 * only_by(&Desk::new(&[(6, 900)]).hears(from, &large()), tcp).len();
    for (limits, is_kept) in [
        (Config { max_kept_octets, ..Config::default() }, true),
        (Config { max_kept_octets: max_kept_octets - 1, ..Config::default() }, false),
        (Config { max_client_transactions: 2, ..Config::default() }, true),
        (Config { max_client_transactions: 1, ..Config::default() }, false),
    ] {
        let mut desk = Desk::with(&[(6, 900)], limits);
        only_by(&desk.hears(from, &large()), tcp);
        assert_eq!(desk.is_blank(), !is_kept);
        let sent = desk.unsent(SendError::Unreachable);
        assert_eq!(sent.len(), usize::from(is_kept), "{sent:?}");
        sent.iter().for_each(|(to, _)| assert_eq!(*to, path(6, udp)));
        assert!(desk.is_blank());
    }
}

#[test]
fn rfc7044_7_a_request_that_nothing_is_kept_of_tells_where_it_has_been() {
    let mut desk = Desk::new(&[(6, 900)]);
    let from = path(1, Transport::Udp);
    for (method, lines, told) in [
        ("INVITE", "\nSupported: histinfo", vec!["<sip:b@home.example>;index=1", "<sip:b@192.0.2.6>;index=1.1;rc=1"]),
        ("CANCEL", "\nSupported: histinfo", Vec::new()),
        ("INVITE", "", Vec::new()),
    ] {
        let sent = desk.hears(from, &request(method, "z9hG4bK1", lines));
        let passed = headers(only_by(&sent, Transport::Udp));
        let history: Vec<String> = passed.all(HeaderId::HistoryInfo).map(|line| line.text().into_owned()).collect();
        assert_eq!(history, told, "{method} {lines}");
    }
}

/// Nothing says here whom the response goes to, and what he may know.
#[test]
fn rfc7044_10_1_2_a_response_that_nothing_is_kept_for_tells_nothing_of_the_way() {
    let mut desk = Desk::new(&[(6, 900)]);
    let sent = desk.hears(path(1, Transport::Udp), &request("INVITE", "z9hG4bK1", "\nSupported: histinfo"));
    let told =
        "History-Info: <sip:b@home.example>;index=1, <sip:b@192.0.2.6>;index=1.1;rc=1\nServer: x\nContent-Length";
    let rings = answer("180 Ringing", only_by(&sent, Transport::Udp)).replace("Content-Length", told);
    let back = desk.hears(path(6, Transport::Udp), &rings);
    let [(to, text)] = &back[..] else { panic!("one response: {back:?}") };
    assert_eq!(to.remote, path(1, Transport::Udp).remote);
    assert!(text.contains("\r\nServer: x\r\n") && !text.contains("History-Info"), "{text}");
}
