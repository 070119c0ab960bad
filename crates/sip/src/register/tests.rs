mod asking;
mod challenged;
mod ending;
mod keeping;
mod outbound;
mod refused;
mod sentences;
mod standing;

use std::time::Duration;

use super::*;
use crate::event::Event;
use crate::message::header::{Contact, Expires};
use crate::message::{HeaderId, Limits, Lines, Message, Method, Request, write_response};
use crate::outbox::{Action, Answer, FlowChange, Outbox, Path, Transport};
use crate::stack::Usage;
use crate::time::{Now, Time, WallTime};
use crate::{Config, Stack};

const SECOND: u64 = 1_000_000;

/// A stack, the time, and what it sent and told.
struct Rig {
    stack: Stack,
    now: u64,
    sent: Vec<(u64, Request)>,
    events: Vec<(u64, RegistrationEvent)>,
    transport: Transport,
    closed: Vec<FlowId>,
    /// Keep-alives.
    pings: Vec<(u64, bytes::Bytes)>,
}

fn path() -> Path {
    path_over(Transport::Udp)
}

fn path_over(transport: Transport) -> Path {
    Path {
        flow: FlowId(1),
        transport,
        local: "192.0.2.7:5060".parse().unwrap(),
        remote: "192.0.2.1:5060".parse().unwrap(),
    }
}

fn spec() -> RegisterSpec {
    RegisterSpec::new("sip:example.com".parse().unwrap(), "sip:alice@example.com".parse().unwrap())
}

impl Rig {
    fn new() -> Rig {
        Rig {
            stack: Stack::new(Config::default(), [3; 32]),
            now: 0,
            sent: Vec::new(),
            events: Vec::new(),
            transport: Transport::Udp,
            closed: Vec::new(),
            pings: Vec::new(),
        }
    }

    fn turn<T>(&mut self, act: impl FnOnce(&mut Turn<'_>) -> T) -> T {
        let now = Now { mono: Time(self.now), wall: WallTime(1_700_000_000) };
        let mut out = Outbox::new();
        let done = act(&mut self.stack.at(now, &mut out));
        while let Some(action) = out.pop() {
            match action {
                Action::Ask { id, .. } => {
                    self.stack.at(now, &mut out).answered(id, Answer::Routes(vec![path_over(self.transport)]))
                }
                Action::Send { bytes, why: crate::outbox::Cause::KeepAlive, .. } => self.pings.push((self.now, bytes)),
                Action::Send { bytes, .. } => match Message::parse(bytes, &Limits::default()) {
                    Ok(Message::Request(request)) => self.sent.push((self.now, request)),
                    other => panic!("sent {other:?}"),
                },
                Action::Event(Event::Registration(_, event)) => self.events.push((self.now, event)),
                Action::Event(Event::TargetFailed { .. }) => {}
                Action::Close { flow } => self.closed.push(flow),
                other => panic!("{other:?}"),
            }
        }
        done
    }

    fn register(&mut self, spec: RegisterSpec) -> RegistrationId {
        self.turn(|turn| turn.register(spec)).unwrap()
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

    /// Answers the last request sent.
    fn answer(&mut self, code: u16, lines: &[(&str, &str)]) {
        let request = self.sent.last().unwrap().1.clone();
        let mut list = Lines::new();
        lines.iter().for_each(|(name, value)| list.push(name, value).unwrap());
        let bytes = write_response(
            request.headers(),
            StatusCode::new(code).unwrap(),
            None,
            Some("registrar"),
            &list,
            None,
            None,
        );
        let from = path_over(self.transport);
        self.turn(|turn| turn.receive(&from, bytes));
    }

    /// 200 with the Contact of the last request, and this expiry.
    fn accept(&mut self, expires: u32) {
        let contact = self.last().headers().text(HeaderId::Contact).unwrap().into_owned();
        self.answer(200, &[("Contact", &format!("{contact};expires={expires}"))]);
    }

    fn last(&self) -> &Request {
        &self.sent.last().unwrap().1
    }

    fn last_expires(&self) -> u32 {
        self.last().headers().get::<Expires>().unwrap().unwrap().0
    }

    fn last_at(&self) -> f64 {
        self.sent.last().unwrap().0 as f64 / SECOND as f64
    }

    fn failed(&self) -> (Option<u16>, Option<Duration>) {
        match &self.events.last().unwrap().1 {
            RegistrationEvent::Failed { why: RegisterFailure::Refused { code, .. }, retry_in } => {
                (Some(code.get()), *retry_in)
            }
            RegistrationEvent::Failed { retry_in, .. } => (None, *retry_in),
            other => panic!("{other:?}"),
        }
    }

    fn registered(&self) -> (u64, &[Bound]) {
        match &self.events.last().unwrap().1 {
            RegistrationEvent::Registered { expires, contacts, .. } => (expires.as_secs(), contacts),
            other => panic!("{other:?}"),
        }
    }
}
