//! The proxy between scripted neighbours: a stack in the role of a proxy, a clock that jumps, and a trace of what leaves.

mod breadth;
mod calls;
mod flows;
mod forking;
mod hostile;
mod overload;
mod past;
mod timers;

use bytes::Bytes;
use sip::message::{HeaderId, Headers, Limits, Message};
use sip::{
    Action, Answer, Cause, Config, Event, FlowId, Now, Outbox, Path, Question, Role, SendError, SendId, Stack, Time,
    Transport, WallTime,
};

use super::*;

/// A message that has left.
struct Sent {
    id: SendId,
    to: String,
    text: String,
    headers: Headers,
}

impl Sent {
    fn value(&self, id: HeaderId) -> String {
        self.headers.text(id).expect("the header").into_owned()
    }
    fn all(&self, id: HeaderId) -> Vec<String> {
        self.headers.all(id).map(|header| header.text().into_owned()).collect()
    }
    fn start(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }
}

/// The proxy, its clock and what has left it.
struct Desk {
    stack: Stack,
    proxy: Proxy,
    out: Outbox,
    now: Time,
    /// Not looked at yet.
    sent: Vec<Sent>,
    /// Where requests to us go, best first.
    targets: Vec<Target>,
    trusted: bool,
    edge: bool,
    /// Who vouches for what is said of the caller.
    vouched: Vouched,
}

/// The path between us, 192.0.2.1, and 192.0.2.N.
fn path(transport: Transport, host: u8) -> Path {
    Path {
        flow: FlowId(u64::from(host)),
        transport,
        local: ([192, 0, 2, 1], 5_060).into(),
        remote: ([192, 0, 2, host], 5_060).into(),
    }
}

fn target(host: u8, q: u16) -> Target {
    Target { q, ..Target::new(format!("sip:b@192.0.2.{host}").parse().expect("a uri")) }
}

impl Desk {
    fn new(config: ProxyConfig, targets: Vec<Target>) -> Self {
        let stack = Stack::new(Config { role: Role::Proxy, ..Config::default() }, [9; 32]);
        let config = ProxyConfig { realm: Some("ours".into()), ..config };
        let proxy = Proxy::new(config, Own::new(["home.example".to_owned()]), [3; 16]);
        Self {
            stack,
            proxy,
            out: Outbox::new(),
            now: Time(1_000_000),
            sent: Vec::new(),
            targets,
            trusted: false,
            edge: false,
            vouched: Vouched::Nobody,
        }
    }

    /// With these targets of these preferences.
    fn to(targets: &[(u8, u16)]) -> Self {
        let targets = targets.iter().map(|(host, q)| target(*host, *q)).collect();
        Self::new(ProxyConfig::default(), targets)
    }

    fn turn(&mut self, act: impl FnOnce(&mut Proxy, &mut Turn<'_>)) {
        let now = Now { mono: self.now, wall: WallTime(self.now.0 / 1_000_000) };
        act(&mut self.proxy, &mut self.stack.at(now, &mut self.out));
        while let Some(action) = self.out.pop() {
            let mut turn = self.stack.at(now, &mut self.out);
            match action {
                Action::Send { id, path, bytes, why } => {
                    let headers = match Message::parse(bytes.clone(), &Limits { headers: 1_000, ..Limits::default() }) {
                        Ok(read) => read.headers().clone(),
                        // The answer to what could not be read may be no better than that.
                        Err(_) if why == Cause::Automatic => continue,
                        Err(error) => panic!("{error:?}: {}", String::from_utf8_lossy(&bytes)),
                    };
                    let (to, text) = (path.remote.to_string(), String::from_utf8_lossy(&bytes).into_owned());
                    self.sent.push(Sent { id, to, text, headers });
                }
                Action::Ask { id, question: Question::Route { host, port, transport, secure, .. }, .. } => {
                    let transport = if secure { Some(Transport::Tls) } else { transport };
                    let two = || [3, 4].map(|host| path(Transport::Udp, host)).to_vec();
                    let answer = match host.parse() {
                        _ if host == "two.example" => Answer::Routes(two()),
                        Ok(ip) => {
                            let remote = std::net::SocketAddr::new(ip, port.unwrap_or(5_060));
                            Answer::Routes(vec![Path { remote, ..path(transport.unwrap_or(Transport::Udp), 9) }])
                        }
                        Err(_) => Answer::None,
                    };
                    turn.answered(id, answer);
                }
                Action::Event(event) => {
                    self.proxy.event(event, &self.targets, (self.trusted, self.edge, self.vouched.clone()), &mut turn)
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Something comes from 192.0.2.`host`.
    fn hears(&mut self, host: u8, text: &str) {
        self.hears_on(path(Transport::Udp, host), text);
    }

    fn hears_on(&mut self, from: Path, text: &str) {
        let bytes = Bytes::from(text.replace("\r\n", "\n").replace('\n', "\r\n"));
        self.turn(|_, turn| turn.receive(&from, bytes));
    }

    /// 192.0.2.`host` answers what we sent it.
    fn answers(&mut self, host: u8, request: &Sent, code: u16, lines: &str) {
        let copied: String = request
            .headers
            .iter()
            .filter(|header| {
                use HeaderId::{CSeq, CallId, From, RecordRoute, To, Via};
                matches!(header.id, Via | From | To | CallId | CSeq | RecordRoute)
            })
            .map(|header| {
                let tag = if header.id == HeaderId::To && code > 100 && !header.text().contains("tag=") {
                    format!(";tag=of{host}")
                } else {
                    String::new()
                };
                format!("{}: {}{tag}\n", header.id, header.text())
            })
            .collect();
        self.hears(host, &format!("SIP/2.0 {code} Said\n{copied}{lines}Content-Length: 0\n\n"));
    }

    /// Time passes, deadline by deadline.
    fn passes(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.stack.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.turn(|_, turn| turn.timeout());
        }
        self.now = end;
    }

    fn unsent(&mut self, sent: &Sent) {
        let id = sent.id;
        self.turn(|_, turn| turn.unsent(id, SendError::Unreachable));
    }

    /// Takes the oldest message that has left; it went to 192.0.2.`host` and begins so.
    fn next(&mut self, host: u8, start: &str) -> Sent {
        assert!(!self.sent.is_empty(), "nothing has left; expected {start}");
        let sent = self.sent.remove(0);
        assert!(
            sent.to.starts_with(&format!("192.0.2.{host}:")) && sent.start().starts_with(start),
            "{} {}, expected .{host} {start}",
            sent.to,
            sent.start()
        );
        sent
    }

    /// Nothing more has left.
    fn silent(&self) {
        let left: Vec<_> = self.sent.iter().map(|sent| (sent.to.as_str(), sent.start())).collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// Everything has run out.
    fn empty(&mut self) {
        self.passes(Duration::from_secs(80));
        assert_eq!(self.stack.usage(), sip::stack::Usage::default());
        let Proxy { forks, by_server, by_client, .. } = &self.proxy;
        assert_eq!((forks.len(), by_server.len(), by_client.len()), (0, 0, 0));
    }
}

impl Proxy {
    /// What the application of a loop does with it.
    fn event(
        &mut self,
        event: Event,
        targets: &[Target],
        (trusted, edge, vouched): (bool, bool, Vouched),
        turn: &mut Turn<'_>,
    ) {
        match event {
            Event::Request { tx, request, origin } => {
                let reply = match self.arrived(&request, &origin, turn.now()) {
                    Err(Halt::Refused(reply)) => Some(*reply),
                    Err(Halt::Asked) => Some(Reply::new(StatusCode::OK)),
                    Ok(arrival) => {
                        let targets = if arrival.ours { targets.to_vec() } else { vec![way_of(&arrival)] };
                        self.pass(Job { tx, request, origin, arrival, trusted, edge, vouched }, targets, turn)
                    }
                };
                if let Some(reply) = reply {
                    turn.respond(tx, reply).expect("an open request");
                }
            }
            Event::Response { tx, response, .. } => self.response(tx, response, turn),
            Event::RequestFailed { tx, why } => self.failed(tx, &why, turn),
            Event::Cancelled { tx } => assert!(self.cancelled(tx, turn)),
            Event::Ack { request, origin } => self.ack(&request, &origin, turn),
            Event::Alarm { token, .. } => self.alarm(token, turn),
            _ => {}
        }
    }
}

/// From 192.0.2.2, in call `c`.
fn request(method: &str, uri: &str, branch: &str, lines: &str) -> String {
    let to = if matches!(method, "BYE" | "ACK") { ";tag=of3" } else { "" };
    format!(
        "{method} {uri} SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{branch}\nMax-Forwards: 70\nFrom: <sip:a@192.0.2.2>;tag=a\n\
         To: <sip:b@home.example>{to}\nCall-ID: c\nCSeq: 1 {}\nContact: <sip:a@192.0.2.2>\n{lines}Content-Length: 0\n\n",
        if method == "ACK" || method == "CANCEL" { if method == "ACK" { "ACK" } else { "CANCEL" } } else { method }
    )
}

fn invite() -> String {
    request("INVITE", "sip:b@home.example", "1", "")
}
