//! A call through a proxy that stays in its way: INVITE, 100, 180, 200, ACK, BYE, 200, with the transactions, the location of the callee aside; one every
//! 100 ms, so that timers and tables are as full as they are in life. The callee's answers are cut out of what came to him: that is counted along.

use std::net::IpAddr;

use bytes::Bytes;
use proxy::passing::way_of;
use proxy::{Job, Own, Proxy, ProxyConfig, Target};
use sip::message::Method;
use sip::{Action, Answer, Config, Event, FlowId, Now, Origin, Outbox, Question, Role, Stack, Time, Transport};

use crate::count::mark;

/// Calls that are counted.
pub(super) const COUNT: usize = 500;
/// Calls before them: 32 s and more, so that as many transactions end as begin.
const BEFORE: usize = 400;
const CALLER: [u8; 4] = [192, 0, 2, 2];
const CALLEE: [u8; 4] = [192, 0, 2, 3];

struct Middle {
    stack: Stack,
    proxy: Proxy,
    out: Outbox,
    now: Now,
    target: Target,
    /// The last request that went to the callee.
    passed: Bytes,
    /// The route within the call.
    route: String,
    answered: usize,
    ended: usize,
}

fn path(remote: [u8; 4]) -> Origin {
    let (local, remote) = (([192, 0, 2, 1], 5060).into(), (remote, 5060).into());
    Origin { flow: FlowId(1), transport: Transport::Udp, local, remote }
}

pub(super) fn run() {
    let Ok(uri) = "sip:bob@192.0.2.3:5060".parse() else { return };
    let config = Config { role: Role::Proxy, ..Config::default() };
    let mut middle = Middle {
        stack: Stack::new(config, [9; 32]),
        proxy: Proxy::new(ProxyConfig::default(), Own::new(["home.example".to_owned()]), [7; 16]),
        out: Outbox::new(),
        now: Now::default(),
        target: Target::new(uri),
        passed: Bytes::new(),
        route: String::new(),
        answered: 0,
        ended: 0,
    };
    (0..BEFORE).for_each(|n| middle.call(n));
    mark();
    (BEFORE..BEFORE + COUNT).for_each(|n| middle.call(n));
    mark();
    assert_eq!((middle.answered, middle.ended), (BEFORE + COUNT, BEFORE + COUNT), "every call is answered and ends");
}

impl Middle {
    fn call(&mut self, n: usize) {
        self.now.mono = Time(n as u64 * 100_000);
        self.stack.at(self.now, &mut self.out).timeout();
        self.carry_out();
        self.receive(CALLER, request("INVITE", n, 1, "sip:bob@home.example", ""));
        self.answer(b"SIP/2.0 180 Ringing");
        self.answer(b"SIP/2.0 200 OK");
        let route = self.route.clone();
        self.receive(CALLER, request("ACK", n, 1, "sip:bob@192.0.2.3:5060", &route));
        self.receive(CALLER, request("BYE", n, 2, "sip:bob@192.0.2.3:5060", &route));
        self.answer(b"SIP/2.0 200 OK");
    }

    /// The callee says this to what came last: its head, without what he would not copy.
    fn answer(&mut self, start: &[u8]) {
        let passed = self.passed.clone();
        let text = std::str::from_utf8(&passed).unwrap_or_default();
        let end = text.find("Contact:").unwrap_or(text.len());
        let from = text.find('\r').unwrap_or_default();
        let head = text.get(from..end).unwrap_or_default();
        let answer =
            [start, head.as_bytes(), b"Contact: <sip:bob@192.0.2.3:5060>\r\nContent-Length: 0\r\n\r\n"].concat();
        self.receive(CALLEE, Bytes::from(answer));
    }

    fn receive(&mut self, from: [u8; 4], bytes: Bytes) {
        self.stack.at(self.now, &mut self.out).receive(&path(from), bytes);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.out.pop() {
            let turn = &mut self.stack.at(self.now, &mut self.out);
            match action {
                Action::Send { path, bytes, .. } if path.remote.ip() == IpAddr::from(CALLEE) => {
                    if bytes.starts_with(b"INVITE") {
                        self.route = route(&bytes);
                    }
                    if !bytes.starts_with(b"ACK") {
                        self.passed = bytes;
                    }
                }
                Action::Send { bytes, .. } if bytes.starts_with(b"SIP/2.0 200") => {
                    let bye = std::str::from_utf8(&bytes).is_ok_and(|text| text.contains("2 BYE"));
                    self.ended += usize::from(bye);
                    self.answered += usize::from(!bye);
                }
                Action::Ask { id, question: Question::Route { .. }, .. } => {
                    turn.answered(id, Answer::Routes(vec![path(CALLEE)]));
                }
                Action::Event(Event::Request { tx, request, origin }) => {
                    let Ok(arrival) = self.proxy.arrived(&request, &origin, turn.now()) else { continue };
                    let target = if arrival.ours { self.target.clone() } else { way_of(&arrival) };
                    let job = Job {
                        tx,
                        request,
                        origin,
                        arrival,
                        trusted: false,
                        edge: false,
                        vouched: proxy::Vouched::Nobody,
                    };
                    self.proxy.pass(job, vec![target], turn);
                }
                Action::Event(Event::Response { tx, response, .. }) => self.proxy.response(tx, response, turn),
                Action::Event(Event::Ack { request, origin }) => self.proxy.ack(&request, &origin, turn),
                _ => {}
            }
        }
    }
}

/// The Route of the caller within the call.
fn route(invite: &[u8]) -> String {
    let text = String::from_utf8_lossy(invite);
    let record = text.lines().find_map(|line| line.strip_prefix("Record-Route: "));
    format!("Route: {}\r\n", record.unwrap_or_default())
}

/// What the caller sends in its n-th call.
fn request(method: &str, n: usize, cseq: u32, uri: &str, route: &str) -> Bytes {
    let tag = if method == Method::Invite.as_str() { "" } else { ";tag=bob" };
    Bytes::from(format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{method}{n}\r\nMax-Forwards: 70\r\n{route}\
         From: <sip:alice@192.0.2.2:5060>;tag=peer{n}\r\nTo: <sip:bob@home.example>{tag}\r\nCall-ID: {n}-1234@192.0.2.2\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:alice@192.0.2.2:5060>\r\nContent-Length: 0\r\n\r\n"
    ))
}
