//! A stack without a network: what it asks for is answered at once, and its clock jumps from one deadline to the next.

use std::net::SocketAddr;

use bytes::Bytes;
use sip::{Action, Answer, Config, Event, FlowId, Now, Outbox, Path, Stack, Time, Transport, Turn, WallTime};

/// A user agent and the one peer that it knows the way to.
pub(crate) struct Agent {
    stack: Stack,
    out: Outbox,
    now: Now,
    path: Path,
    /// What the application has been told.
    pub(crate) events: Vec<Event>,
}

impl Agent {
    pub(crate) fn new() -> Self {
        let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let path = Path { flow: FlowId(1), transport: Transport::Udp, local: at(5060), remote: at(5070) };
        let now = Now { mono: Time(1), wall: WallTime(1_800_000_000) };
        let stack = Stack::new(Config::default(), [7; 32]);
        Self { stack, out: Outbox::new(), now, path, events: Vec::new() }
    }

    /// What is asked for in a turn waits until the next look at what leaves.
    pub(crate) fn turn(&mut self) -> Turn<'_> {
        self.stack.at(self.now, &mut self.out)
    }

    pub(crate) fn receive(&mut self, text: String) {
        self.stack.at(self.now, &mut self.out).receive(&self.path, Bytes::from(text));
    }

    /// The next message that leaves now.
    pub(crate) fn leaves(&mut self) -> Option<String> {
        loop {
            match self.out.pop()? {
                Action::Send { bytes, .. } => return Some(String::from_utf8(bytes.to_vec()).unwrap()),
                Action::Ask { id, .. } => {
                    let routes = Answer::Routes(vec![self.path]);
                    self.stack.at(self.now, &mut self.out).answered(id, routes);
                }
                Action::Event(event) => self.events.push(event),
                _ => {}
            }
        }
    }

    /// The next message, whenever it leaves, and when that is in seconds since the start.
    pub(crate) fn sends(&mut self) -> (f64, String) {
        loop {
            if let Some(text) = self.leaves() {
                return (self.now.mono.0 as f64 / 1e6, text);
            }
            self.now.mono = self.stack.deadline().expect("something is due");
            self.stack.at(self.now, &mut self.out).timeout();
        }
    }
}
