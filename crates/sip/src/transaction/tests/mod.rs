//! The transactions as the network sees them: driven through Stack, Turn and Outbox with a clock that jumps. What is compared is the
//! trace of actions, one line each: `0.500 INVITE (RetransmitRequest)`.

mod client_invite;
mod client_other;
mod failover;
mod hostile;
mod limits;
mod matching;
mod outgoing;
mod overload;
mod responses;
mod server_invite;
mod server_other;
mod timers;
mod way_on;

use std::net::SocketAddr;

use bytes::Bytes;

use crate::message::{HeaderId, Headers, Limits, Message, Method, StatusCode};
use crate::*;

/// A stack, its clock and what has left it.
struct Bench {
    stack: Stack,
    out: Outbox,
    now: Time,
    trace: Vec<String>,
    sent: Vec<Sent>,
    events: Vec<Event>,
    asked: Vec<(AskId, Question)>,
}

struct Sent {
    path: Path,
    bytes: Bytes,
    id: SendId,
}

impl Sent {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).expect("text")
    }
    fn headers(&self) -> Headers {
        parse(self.bytes.clone()).headers().clone()
    }
    fn value(&self, id: HeaderId) -> String {
        self.headers().text(id).expect("the header").into_owned()
    }
}

fn parse(bytes: Bytes) -> Message {
    Message::parse(bytes, &Limits::default()).expect("a message")
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// The path from us (192.0.2.1) to the peer (192.0.2.`host`).
fn path(transport: Transport, host: u8) -> Path {
    Path {
        flow: FlowId(u64::from(host)),
        transport,
        local: address("192.0.2.1:5060"),
        remote: address(&format!("192.0.2.{host}:5060")),
    }
}

const UDP: Transport = Transport::Udp;
const TCP: Transport = Transport::Tcp;

impl Bench {
    fn new() -> Self {
        Self::with(Config::default())
    }
    fn with(config: Config) -> Self {
        Self {
            stack: Stack::new(config, [42; 32]),
            out: Outbox::new(),
            now: Time(0),
            trace: Vec::new(),
            sent: Vec::new(),
            events: Vec::new(),
            asked: Vec::new(),
        }
    }
    /// One turn, and what comes of it.
    fn turn<R>(&mut self, f: impl FnOnce(&mut Turn<'_>) -> R) -> R {
        let now = Now { mono: self.now, wall: WallTime(0) };
        let result = f(&mut self.stack.at(now, &mut self.out));
        while let Some(action) = self.out.pop() {
            let line = match action {
                Action::Send { id, path, bytes, why } => {
                    let start = String::from_utf8_lossy(&bytes).split("\r\n").next().unwrap_or("").to_owned();
                    let mut words = start.split(' ');
                    let first = words.next().unwrap_or("");
                    let word = if first == "SIP/2.0" { words.next().unwrap_or("") } else { first }.to_owned();
                    self.sent.push(Sent { path, bytes, id });
                    format!("{word} ({why:?})")
                }
                Action::Ask { id, question, .. } => {
                    self.asked.push((id, question));
                    "ask".to_owned()
                }
                Action::Event(event) => {
                    let line = match &event {
                        Event::Request { request, .. } => format!("up {}", request.method()),
                        Event::Response { response, .. } => format!("up {}", response.code()),
                        Event::RequestFailed { why, .. } => format!("failed {why:?}"),
                        Event::Cancelled { .. } => "up cancelled".to_owned(),
                        Event::Alarm { token, .. } => format!("alarm {token}"),
                        Event::Rejected { error, .. } => format!("rejected {}", error.status),
                        Event::Ack { .. } => "up ACK".to_owned(),
                        Event::ResponseUnsent { why, .. } => format!("unsent {why:?}"),
                        Event::Unacknowledged { .. } => "unacknowledged".to_owned(),
                        other => format!("{other:?}"),
                    };
                    self.events.push(event);
                    line
                }
                Action::Close { .. } => "close".to_owned(),
                Action::HandOver { .. } => "hand over".to_owned(),
            };
            self.trace.push(format!("{} {line}", self.now));
        }
        result
    }
    /// Lets the clock jump from deadline to deadline up to `ms`.
    fn run_to(&mut self, ms: u64) {
        let end = Time(ms * 1_000);
        while let Some(at) = self.stack.deadline().filter(|at| *at <= end) {
            assert!(at >= self.now, "the clock goes back");
            self.now = at;
            self.turn(|turn| turn.timeout());
        }
        self.now = end;
    }
    /// The trace since the last call.
    fn took(&mut self) -> Vec<String> {
        std::mem::take(&mut self.trace)
    }
    fn receive(&mut self, from: Path, text: &str) {
        let bytes = Bytes::copy_from_slice(text.replace('\n', "\r\n").as_bytes());
        self.turn(|turn| turn.receive(&from, bytes));
    }
    /// Sends a request to host 2 along a fixed path.
    fn request(&mut self, method: Method, transport: Transport) -> ClientTx {
        let draft = Draft { hop: Hop::Path(path(transport, 2)), ..draft(method) };
        self.turn(|turn| turn.send_request(draft)).expect("sent")
    }
    /// A response to a request we sent, from host 2.
    fn answer(&mut self, sent: usize, code: u16, to_tag: &str) {
        let request = self.sent.get(sent).expect("sent before");
        let from = request.path;
        let code = StatusCode::new(code).expect("a code");
        let headers = request.headers();
        let text = message::write_response(&headers, code, None, Some(to_tag), &message::Lines::default(), None, None);
        self.turn(|turn| turn.receive(&from, text));
    }
    /// The transaction of the last request that came up.
    fn server_tx(&self) -> ServerTx {
        let last = self.events.iter().rev().find_map(|event| match event {
            Event::Request { tx, .. } => Some(*tx),
            _ => None,
        });
        last.expect("a request came up")
    }
    fn respond(&mut self, tx: ServerTx, code: u16) -> Result<(), StackError> {
        let code = StatusCode::new(code).expect("a code");
        self.turn(|turn| turn.respond(tx, Reply::new(code)))
    }
    fn last(&self) -> &Sent {
        self.sent.last().expect("something was sent")
    }
    /// Everything has run out; nothing is left.
    fn ends_empty(&mut self) {
        let far = self.now.0 / 1_000 + 3_600_000;
        self.run_to(far);
        assert_eq!(self.stack.usage(), Usage::default());
    }
}

fn draft(method: Method) -> Draft {
    let mut draft = Draft::new(method, "sip:bob@192.0.2.2".parse().expect("a uri"));
    draft.from = "<sip:alice@192.0.2.1>;tag=a1".to_owned();
    draft.to = "<sip:bob@192.0.2.2>".to_owned();
    draft.call_id = "call-1".to_owned();
    draft.routes = vec!["<sip:192.0.2.2;lr>".to_owned()];
    draft.contact = ContactSpec::Auto { user: Some("alice".to_owned()), params: String::new() };
    draft
}

/// A request from the peer at 192.0.2.2; `more` are whole lines.
fn incoming(method: &str, transport: Transport, branch: &str, more: &str) -> String {
    format!(
        "{method} sip:bob@192.0.2.1 SIP/2.0\nVia: SIP/2.0/{} 192.0.2.2:5060;branch={branch}\nMax-Forwards: 70\n\
         From: <sip:alice@192.0.2.2>;tag=peer\nTo: <sip:bob@192.0.2.1>\nCall-ID: in-1\nCSeq: 7 {method}\n{more}\
         Content-Length: 0\n\n",
        transport.as_str()
    )
}

/// The ACK or CANCEL for [`incoming`] on the same branch.
fn follow(method: &str, transport: Transport, branch: &str, to_tag: &str) -> String {
    let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    incoming(method, transport, branch, "")
        .replace("To: <sip:bob@192.0.2.1>", &format!("To: <sip:bob@192.0.2.1>{to_tag}"))
}
