mod ends;
mod forks;
mod notifies;
mod refreshes;
mod watchers;

use std::time::Duration;

use super::*;
use crate::event::Event;
use crate::id::WatcherId;
use crate::message::{Body, HeaderId, Limits, Lines, Message, Response, write_response};
use crate::outbox::{Action, Answer, Outbox, Path, Transport};
use crate::stack::Usage;
use crate::time::{Now, Time, WallTime};
use crate::{Config, FlowId, Stack};

const SECOND: u64 = 1_000_000;

/// A stack, the time, and what it sent and told.
struct Rig {
    stack: Stack,
    now: u64,
    requests: Vec<(u64, Request)>,
    responses: Vec<Response>,
    events: Vec<(u64, SubscriptionId, SubscriptionEvent)>,
    watchers: Vec<(WatcherId, WatcherEvent)>,
    /// SUBSCRIBEs that were handed on.
    asked: Vec<ServerTx>,
    count: u32,
}

fn path() -> Path {
    Path {
        flow: FlowId(1),
        transport: Transport::Udp,
        local: "192.0.2.7:5060".parse().unwrap(),
        remote: "192.0.2.1:5060".parse().unwrap(),
    }
}

fn spec() -> SubscribeSpec {
    let mut spec = SubscribeSpec::new("sip:bob@example.com".parse().unwrap(), "<sip:alice@example.com>", "presence");
    spec.accept = vec!["application/pidf+xml".to_owned()];
    spec
}

impl Rig {
    fn new() -> Rig {
        Rig::with(Config::default())
    }

    fn with(config: Config) -> Rig {
        Rig {
            stack: Stack::new(config, [5; 32]),
            now: 0,
            requests: Vec::new(),
            responses: Vec::new(),
            events: Vec::new(),
            watchers: Vec::new(),
            asked: Vec::new(),
            count: 0,
        }
    }

    fn turn<T>(&mut self, act: impl FnOnce(&mut Turn<'_>) -> T) -> T {
        let now = Now { mono: Time(self.now), wall: WallTime(1_700_000_000) };
        let mut out = Outbox::new();
        let done = act(&mut self.stack.at(now, &mut out));
        while let Some(action) = out.pop() {
            match action {
                Action::Ask { id, .. } => self.stack.at(now, &mut out).answered(id, Answer::Routes(vec![path()])),
                Action::Send { bytes, .. } => match Message::parse(bytes, &Limits::default()) {
                    Ok(Message::Request(request)) => self.requests.push((self.now, request)),
                    Ok(Message::Response(response)) => self.responses.push(response),
                    other => panic!("sent {other:?}"),
                },
                Action::Event(Event::Subscription(id, event)) => self.events.push((self.now, id, event)),
                Action::Event(Event::Watcher(id, event)) => self.watchers.push((id, event)),
                Action::Event(Event::Request { tx, .. }) => self.asked.push(tx),
                Action::Event(Event::TargetFailed { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        done
    }

    fn subscribe(&mut self, spec: SubscribeSpec) -> SubscriptionId {
        self.turn(|turn| turn.subscribe(spec)).unwrap()
    }

    /// Lets time pass to `seconds`, every timer at its moment.
    fn wait_until(&mut self, seconds: f64) {
        let until = (seconds * SECOND as f64) as u64;
        while let Some(at) = self.stack.deadline().filter(|at| at.0 <= until) {
            self.now = self.now.max(at.0);
            self.turn(|turn| turn.timeout());
        }
        self.now = until;
    }

    fn receive(&mut self, text: String) {
        self.turn(|turn| turn.receive(&path(), text.into_bytes().into()));
    }

    /// Answers the last request sent.
    fn answer(&mut self, code: u16, lines: &[(&str, &str)]) {
        let request = self.last().clone();
        let mut list = Lines::new();
        lines.iter().for_each(|(name, value)| list.push(name, value).unwrap());
        let tag = request.headers().to_tag().unwrap_or("notifier").to_owned();
        let code = StatusCode::new(code).unwrap();
        let bytes = write_response(request.headers(), code, None, Some(&tag), &list, None, None);
        self.turn(|turn| turn.receive(&path(), bytes));
    }

    /// A NOTIFY of the notifier with this tag, for the last SUBSCRIBE.
    fn notify_from(&mut self, tag: &str, state: &str, more: &str) -> u16 {
        let ours = self.last_of(&Method::Subscribe).clone();
        let headers = ours.headers();
        let (call_id, to) = (headers.call_id().to_owned(), headers.text(HeaderId::From).unwrap().into_owned());
        self.count += 1;
        let count = self.count;
        let event = if more.contains("Event:") { "" } else { "Event: presence\r\n" };
        let state = if state.is_empty() { String::new() } else { format!("Subscription-State: {state}\r\n") };
        let (lines, body) = more.split_once("\r\n\r\n").unwrap_or((more, ""));
        let lines = if lines.is_empty() { String::new() } else { format!("{lines}\r\n") };
        self.receive(format!(
            "NOTIFY sip:alice@192.0.2.7 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKn{count}\r\nFrom: <sip:bob@example.com>;tag={tag}\r\n\
             To: {to}\r\nCall-ID: {call_id}\r\nCSeq: {count} NOTIFY\r\nMax-Forwards: 70\r\nContact: <sip:bob@192.0.2.1>\r\n{event}{state}{lines}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        self.responses.last().unwrap().code().get()
    }

    fn notify(&mut self, state: &str) -> u16 {
        self.notify_from("notifier", state, "")
    }

    fn last(&self) -> &Request {
        &self.requests.last().unwrap().1
    }

    fn last_of(&self, method: &Method) -> &Request {
        &self.requests.iter().rev().find(|(_, request)| request.method() == method).unwrap().1
    }

    fn expires(request: &Request) -> u32 {
        request.headers().get::<crate::header::Expires>().unwrap().unwrap().0
    }

    fn event(&self) -> &SubscriptionEvent {
        &self.events.last().unwrap().2
    }

    /// Why it failed last, and when it is tried again.
    fn failed(&self) -> (SubscribeFailure, Option<Duration>) {
        match self.event() {
            SubscriptionEvent::Failed { why, retry_in } => (why.clone(), *retry_in),
            other => panic!("{other:?}"),
        }
    }

    /// Everything has run out.
    fn nothing_left(&mut self) {
        self.wait_until(self.now as f64 / SECOND as f64 + 100.0);
        assert_eq!(self.stack.usage(), Usage::default());
    }

    /// A subscription that stands for `secs`.
    fn standing(secs: u32) -> (Rig, SubscriptionId) {
        let mut rig = Rig::new();
        let id = rig.subscribe(spec());
        rig.answer(200, &[("Expires", &secs.to_string())]);
        assert_eq!(rig.notify(&format!("active;expires={secs}")), 200);
        (rig, id)
    }
}
