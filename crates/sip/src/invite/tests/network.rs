//! A small network for tests: stacks and scripted peers, one clock that jumps, 5 ms from anywhere to anywhere.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::draft::Draft;
use crate::event::Event;
use crate::id::{AskId, ClientTx, FlowId, ServerTx, SessionId};
use crate::invite::SessionEvent;
use crate::message::{Body, Lines, Method, UriBuf};
use crate::outbox::{Action, Answer, Outbox, Path, Question, SendError, Transport};
use crate::stack::{Stack, Usage};
use crate::time::{Now, Time, WallTime};
use crate::turn::Turn;
use crate::{Config, Reply};

/// One way, in milliseconds.
pub(super) const WAY: u64 = 5;

pub(super) struct Network {
    pub(super) now: Time,
    nodes: Vec<Node>,
    wire: BTreeMap<(Time, u64), Flying>,
    count: u64,
    /// Everything that was sent: when, by whom, to whom, text.
    pub(super) log: Vec<(u64, usize, usize, String)>,
    /// Messages for which it says true are lost.
    pub(super) lose: Loss,
    /// Messages for which it says true are refused by the system.
    pub(super) refuse: Loss,
    /// Questions are left open until [`Network::answer`].
    pub(super) slow: bool,
    open: Vec<(usize, AskId, Answer)>,
}

type Loss = Box<dyn FnMut(usize, &str) -> bool>;

struct Flying {
    from: usize,
    to: usize,
    bytes: Bytes,
}

enum Node {
    Stack { stack: Box<Stack>, events: Vec<Event> },
    Raw { inbox: Vec<String> },
}

fn address(node: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, node as u8 + 1], 5060))
}

pub(super) fn path(from: usize, to: usize) -> Path {
    Path { flow: FlowId(from as u64), transport: Transport::Udp, local: address(from), remote: address(to) }
}

impl Network {
    pub(super) fn new() -> Self {
        Self {
            now: Time(1_000_000_000),
            nodes: Vec::new(),
            wire: BTreeMap::new(),
            count: 0,
            log: Vec::new(),
            lose: Box::new(|_, _| false),
            refuse: Box::new(|_, _| false),
            slow: false,
            open: Vec::new(),
        }
    }

    /// Adds a stack; its number.
    pub(super) fn stack(&mut self, change: impl FnOnce(&mut Config)) -> usize {
        let mut config = Config { allow: METHODS.to_vec(), ..Config::default() };
        change(&mut config);
        let stack = Box::new(Stack::new(config, [self.nodes.len() as u8 + 1; 32]));
        self.nodes.push(Node::Stack { stack, events: Vec::new() });
        self.nodes.len() - 1
    }

    /// Adds a scripted peer; its number.
    pub(super) fn raw(&mut self) -> usize {
        self.nodes.push(Node::Raw { inbox: Vec::new() });
        self.nodes.len() - 1
    }

    fn instant(&self) -> Now {
        Now { mono: self.now, wall: WallTime(1_800_000_000) }
    }

    /// Gives a command to a stack.
    pub(super) fn turn<R>(&mut self, node: usize, command: impl FnOnce(&mut Turn<'_>) -> R) -> R {
        let now = self.instant();
        let Node::Stack { stack, .. } = &mut self.nodes[node] else { panic!("{node} is no stack") };
        let mut out = Outbox::new();
        let result = command(&mut stack.at(now, &mut out));
        self.carry_out(node, out);
        result
    }

    fn carry_out(&mut self, node: usize, mut out: Outbox) {
        while let Some(action) = out.pop() {
            match action {
                Action::Send { id, bytes, .. } if (self.refuse)(node, &String::from_utf8_lossy(&bytes)) => {
                    let now = self.instant();
                    let Node::Stack { stack, .. } = &mut self.nodes[node] else { panic!() };
                    stack.at(now, &mut out).unsent(id, SendError::Unreachable);
                }
                Action::Send { path, bytes, .. } => {
                    let to = usize::from(match path.remote {
                        SocketAddr::V4(v4) => v4.ip().octets()[3] - 1,
                        SocketAddr::V6(_) => panic!("no IPv6 here"),
                    });
                    self.fly(node, to, bytes);
                }
                Action::Ask { id, question: Question::Route { host, .. }, .. } => {
                    let answer = match host.rsplit('.').next().map(str::parse::<usize>) {
                        Some(Ok(n)) if n <= self.nodes.len() => Answer::Routes(vec![path(node, n - 1)]),
                        _ => Answer::None,
                    };
                    if self.slow {
                        self.open.push((node, id, answer));
                        continue;
                    }
                    let now = self.instant();
                    let Node::Stack { stack, .. } = &mut self.nodes[node] else { panic!() };
                    stack.at(now, &mut out).answered(id, answer);
                }
                Action::Event(event) => {
                    let Node::Stack { events, .. } = &mut self.nodes[node] else { panic!() };
                    events.push(event);
                }
                // A shard is the stack of that number.
                Action::HandOver { to, from, bytes, hops } => {
                    let to = usize::from(to.0);
                    self.turn(to, |turn| turn.receive_after(&from, bytes, hops));
                }
                Action::Close { .. } => {}
            }
        }
    }

    /// Answers the questions that were left open, in their order.
    pub(super) fn answer(&mut self) {
        for (node, id, answer) in std::mem::take(&mut self.open) {
            self.turn(node, |turn| turn.answered(id, answer));
        }
    }

    /// To each open question: there is no way.
    pub(super) fn find_nothing(&mut self) {
        for (node, id, _) in std::mem::take(&mut self.open) {
            self.turn(node, |turn| turn.answered(id, Answer::None));
        }
    }

    fn fly(&mut self, from: usize, to: usize, bytes: Bytes) {
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        self.log.push((self.millis(), from, to, text.clone()));
        if (self.lose)(from, &text) {
            return;
        }
        self.count += 1;
        let at = self.now + Duration::from_millis(WAY);
        self.wire.insert((at, self.count), Flying { from, to, bytes });
    }

    /// Milliseconds since the start.
    pub(super) fn millis(&self) -> u64 {
        (self.now.0 - 1_000_000_000) / 1_000
    }

    /// Sends what a scripted peer says.
    pub(super) fn say(&mut self, from: usize, to: usize, text: &str) {
        assert!(text.contains("\r\n\r\n"), "not a message: {text}");
        self.fly(from, to, Bytes::copy_from_slice(text.as_bytes()));
    }

    /// Lets time pass, event by event.
    pub(super) fn run(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        loop {
            let arrival = self.wire.keys().next().map(|(at, _)| *at);
            let deadline = self.nodes.iter_mut().filter_map(|node| match node {
                Node::Stack { stack, .. } => stack.deadline(),
                Node::Raw { .. } => None,
            });
            let next = deadline.chain(arrival).min().filter(|at| *at <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            self.deliver();
            for node in 0..self.nodes.len() {
                if let Node::Stack { stack, .. } = &mut self.nodes[node]
                    && stack.deadline().is_some_and(|at| at <= self.now)
                {
                    self.turn(node, |turn| turn.timeout());
                }
            }
        }
        self.now = end;
    }

    fn deliver(&mut self) {
        while let Some(entry) = self.wire.first_entry()
            && entry.key().0 <= self.now
        {
            let Flying { from, to, bytes } = entry.remove();
            match &mut self.nodes[to] {
                Node::Raw { inbox } => inbox.push(String::from_utf8(bytes.to_vec()).expect("text")),
                Node::Stack { .. } => {
                    let origin = path(to, from);
                    self.turn(to, |turn| turn.receive(&origin, bytes));
                }
            }
        }
    }

    /// There and back, and what follows at once.
    pub(super) fn settle(&mut self) {
        self.run(4 * WAY);
    }

    /// What a scripted peer received since it was last asked.
    pub(super) fn inbox(&mut self, node: usize) -> Vec<String> {
        let Node::Raw { inbox } = &mut self.nodes[node] else { panic!("{node} is a stack") };
        std::mem::take(inbox)
    }

    /// The only message received since.
    pub(super) fn one(&mut self, node: usize) -> String {
        let mut inbox = self.inbox(node);
        assert_eq!(inbox.len(), 1, "{}", summary(&inbox));
        inbox.remove(0)
    }

    /// What came for the application of a stack since it was last asked.
    pub(super) fn events(&mut self, node: usize) -> Vec<Event> {
        let Node::Stack { events, .. } = &mut self.nodes[node] else { panic!("{node} is no stack") };
        std::mem::take(events)
    }

    /// The names of the session events since; other events by their own.
    pub(super) fn news(&mut self, node: usize) -> Vec<String> {
        self.events(node).iter().map(name).collect()
    }

    pub(super) fn usage(&self, node: usize) -> Usage {
        let Node::Stack { stack, .. } = &self.nodes[node] else { panic!("{node} is no stack") };
        stack.usage()
    }

    /// After five minutes nothing is left in any stack.
    pub(super) fn assert_nothing_left(&mut self) {
        self.run(300_000);
        for node in 0..self.nodes.len() {
            if let Node::Stack { stack, .. } = &self.nodes[node] {
                assert_eq!(stack.usage(), Usage::default(), "stack {node}");
            }
        }
    }

    /// What was sent by a node since `from` of the log: `at kind`.
    pub(super) fn sent(&self, node: usize) -> Vec<(u64, String)> {
        self.log.iter().filter(|(_, from, _, _)| *from == node).map(|(at, _, _, text)| (*at, kind(text))).collect()
    }
}

const METHODS: [Method; 8] = [
    Method::Invite,
    Method::Ack,
    Method::Cancel,
    Method::Bye,
    Method::Options,
    Method::Info,
    Method::Update,
    Method::Message,
];

/// The same response, whose sender asks for everything to be left out for so long (RFC 7339).
pub(super) fn asking_for_nothing(response: &str, millis: u64) -> String {
    const OFFER: &str = ";oc;oc-algo=\"loss\"";
    assert!(response.contains(OFFER), "{response}");
    response.replacen(OFFER, &format!(";oc=100;oc-algo=\"loss\";oc-validity={millis};oc-seq=1.1"), 1)
}

/// The peer of a session answers an INFO so; another INFO, which is the control, does not come.
pub(super) fn asks_for_nothing(net: &mut Network, a: usize, r: usize, s: SessionId, millis: u64) {
    net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).unwrap();
    net.settle();
    let info = net.one(r);
    net.say(r, a, &asking_for_nothing(&respond(&info, 200, "", "", ""), millis));
    net.settle();
    assert_eq!(net.news(a), ["Response"]);
    net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).unwrap();
    net.settle();
    assert_eq!((net.news(a), net.inbox(r).len()), (vec!["RequestFailed".to_owned()], 0));
}

/// `INVITE`, `200 INVITE`.
pub(super) fn kind(text: &str) -> String {
    let first = text.lines().next().unwrap_or("");
    match first.strip_prefix("SIP/2.0 ") {
        Some(status) => {
            let method = header(text, "CSeq").split(' ').nth(1).unwrap_or("").to_owned();
            format!("{} {method}", &status[..3])
        }
        None => first.split(' ').next().unwrap_or("").to_owned(),
    }
}

pub(super) fn kinds(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| kind(text)).collect()
}

fn summary(texts: &[String]) -> String {
    kinds(texts).join(", ")
}

/// The value of the first header of that name; empty when there is none.
pub(super) fn header<'a>(text: &'a str, name: &str) -> &'a str {
    headers(text, name).into_iter().next().unwrap_or("")
}

pub(super) fn headers<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let head = text.split("\r\n\r\n").next().unwrap_or("");
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(n, _)| n.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}

pub(super) fn body(text: &str) -> &str {
    text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

pub(super) fn tag(value: &str) -> &str {
    value.split(";tag=").nth(1).unwrap_or("")
}

pub(super) fn cseq(text: &str) -> u32 {
    header(text, "CSeq").split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn name(event: &Event) -> String {
    let text = match event {
        Event::Session(_, event) => format!("{event:?}"),
        other => format!("{other:?}"),
    };
    text.split([' ', '{', '(']).next().unwrap_or("").to_owned()
}

/// A response of a scripted peer. `tag` is added to a To without one; `more` are whole lines, each with its line end.
pub(super) fn respond(request: &str, code: u16, tag: &str, more: &str, body: &str) -> String {
    let mut text = format!("SIP/2.0 {code} Reason\r\n");
    for via in headers(request, "Via") {
        text += &format!("Via: {via}\r\n");
    }
    let to = header(request, "To");
    let to = if to.contains(";tag=") || tag.is_empty() { to.to_owned() } else { format!("{to};tag={tag}") };
    text += &format!("From: {}\r\nTo: {to}\r\n", header(request, "From"));
    text += &format!("Call-ID: {}\r\nCSeq: {}\r\n{more}", header(request, "Call-ID"), header(request, "CSeq"));
    if !body.is_empty() {
        text += "Content-Type: application/sdp\r\n";
    }
    text + &format!("Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A scripted peer's side of a dialog with a stack.
#[derive(Clone, Debug)]
pub(super) struct RawDialog {
    /// Number of the peer.
    pub(super) node: usize,
    pub(super) call_id: String,
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) target: String,
    pub(super) cseq: u32,
    count: u32,
}

impl RawDialog {
    /// The peer was called: from the INVITE it received and the tag it answers with.
    pub(super) fn called(node: usize, invite: &str, tag: &str) -> Self {
        Self {
            node,
            call_id: header(invite, "Call-ID").to_owned(),
            local: format!("{};tag={tag}", header(invite, "To")),
            remote: header(invite, "From").to_owned(),
            target: uri(header(invite, "Contact")),
            cseq: 100,
            count: 0,
        }
    }

    /// The peer calls: the INVITE is `request("INVITE", ..)`.
    pub(super) fn calling(node: usize, to: usize) -> Self {
        Self {
            node,
            call_id: format!("raw-{node}@test"),
            local: format!("<sip:raw@10.0.0.{}>;tag=rawtag", node + 1),
            remote: format!("<sip:bob@10.0.0.{}>", to + 1),
            target: format!("sip:bob@10.0.0.{}", to + 1),
            cseq: 0,
            count: 0,
        }
    }

    /// What a response to the INVITE tells.
    pub(super) fn learn(&mut self, response: &str) {
        self.remote = header(response, "To").to_owned();
        let contact = header(response, "Contact");
        if !contact.is_empty() {
            self.target = uri(contact);
        }
    }

    /// The next request, with a new branch; ACK keeps the number it is given.
    pub(super) fn request(&mut self, method: &str, more: &str, body: &str) -> String {
        self.cseq += 1;
        self.numbered(method, self.cseq, more, body)
    }

    pub(super) fn numbered(&mut self, method: &str, cseq: u32, more: &str, body: &str) -> String {
        self.count += 1;
        let ip = self.node + 1;
        let contact = if matches!(method, "INVITE" | "UPDATE") && !more.contains("Contact:") {
            format!("Contact: <sip:raw@10.0.0.{ip}>\r\n")
        } else {
            String::new()
        };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.{ip}:5060;branch=z9hG4bKraw{ip}x{}\r\nMax-Forwards: 70\r\n\
             From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n{contact}{more}{kind}Content-Length: {}\r\n\r\n{body}",
            self.target,
            self.count,
            self.local,
            self.remote,
            self.call_id,
            body.len()
        )
    }
}

/// A CANCEL for an INVITE of a scripted peer.
pub(super) fn cancel(invite: &str) -> String {
    let first = invite.lines().next().unwrap_or("").replace("INVITE", "CANCEL");
    format!(
        "{first}\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} CANCEL\r\nContent-Length: 0\r\n\r\n",
        header(invite, "Via"),
        header(invite, "From"),
        header(invite, "To"),
        header(invite, "Call-ID"),
        cseq(invite)
    )
}

fn uri(value: &str) -> String {
    value.split('<').nth(1).and_then(|rest| rest.split('>').next()).unwrap_or("").to_owned()
}

pub(super) const OFFER: &str = "v=0\r\no=offer\r\n";
pub(super) const ANSWER: &str = "v=0\r\no=answer\r\n";

pub(super) fn sdp(text: &'static str) -> Option<Body> {
    Some(Body::sdp(Bytes::from_static(text.as_bytes())))
}

pub(super) fn contact(node: usize) -> String {
    format!("Contact: <sip:raw@10.0.0.{}>\r\n", node + 1)
}

/// The draft of an INVITE to a node.
pub(super) fn invitation(from: usize, to: usize, body: Option<Body>) -> Draft {
    let mut draft = Draft::new(Method::Invite, format!("sip:bob@10.0.0.{}", to + 1).parse::<UriBuf>().unwrap());
    draft.from = format!("\"Alice\" <sip:alice@10.0.0.{}>", from + 1);
    draft.to = format!("<sip:bob@10.0.0.{}>", to + 1);
    draft.cseq = 10;
    draft.body = body;
    draft
}

/// Reply with a body.
pub(super) fn reply(code: u16, body: Option<Body>) -> Reply {
    let mut reply = Reply::new(code.try_into().expect("a code"));
    reply.body = body;
    reply
}

/// The transaction of the first INVITE that came in.
pub(super) fn incoming(events: &[Event]) -> ServerTx {
    let found = events.iter().find_map(|event| match event {
        Event::Request { tx, request, .. } if *request.method() == Method::Invite => Some(*tx),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no INVITE in {events:?}"))
}

/// The transaction of the first request that came in within a session.
pub(super) fn asked(net: &mut Network, a: usize) -> ServerTx {
    pick(&net.events(a), |_, event| match event {
        SessionEvent::Request { tx, .. } => Some(*tx),
        _ => None,
    })
}

/// Picks something out of the session events.
pub(super) fn pick<T>(events: &[Event], pick: impl Fn(SessionId, &SessionEvent) -> Option<T>) -> T {
    let found = events.iter().find_map(|event| match event {
        Event::Session(s, event) => pick(*s, event),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("not in {events:?}"))
}

/// The final response to a request in a dialog.
pub(super) fn response_code(events: &[Event], wanted: ClientTx) -> u16 {
    let found = events.iter().find_map(|event| match event {
        Event::Response { tx, response, .. } if *tx == wanted && response.code().is_final() => {
            Some(response.code().get())
        }
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no response in {events:?}"))
}
