use bytes::Bytes;
use sip::message::{HeaderId, Headers, Limits, Message};
use sip::{
    Action, Answer, Config, Event, FlowId, Now, Outbox, Path, Question, Role, Stack, Time, Transport, Usage, WallTime,
};

use super::*;
use crate::passing::way_of;
use crate::{Own, ProxyConfig};

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
        let config = Config { role: Role::Proxy, hand_strays: true, trying: LATER, ..Config::default() };
        let target =
            |&(host, q): &(u8, u16)| Target { q, ..Target::new(format!("sip:b@192.0.2.{host}").parse().unwrap()) };
        Self {
            stack: Stack::new(config, [9; 32]),
            proxy: Proxy::new(ProxyConfig::default(), Own::new(["home.example".to_owned()]), [3; 16]),
            out: Outbox::new(),
            targets: targets.iter().map(target).collect(),
            sent: Vec::new(),
        }
    }

    /// What this makes it send.
    fn hears(&mut self, from: Path, text: &str) -> Vec<(Path, String)> {
        let now = Now { mono: Time(1_000_000), wall: WallTime(0) };
        let bytes = Bytes::from(text.replace("\r\n", "\n").replace('\n', "\r\n"));
        self.stack.at(now, &mut self.out).receive(&from, bytes);
        while let Some(action) = self.out.pop() {
            let turn = &mut self.stack.at(now, &mut self.out);
            match action {
                Action::Send { path, bytes, .. } => {
                    self.sent.push((path, String::from_utf8_lossy(&bytes).into_owned()));
                }
                Action::Ask { id, question: Question::Route { host, .. }, .. } => {
                    let host = host.rsplit('.').next().and_then(|last| last.parse().ok());
                    let answer = host.map_or(Answer::None, |host| Answer::Routes(vec![path(host, Transport::Udp)]));
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
        let arrival = proxy.arrived(&request, &origin).expect("it can be passed on");
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
