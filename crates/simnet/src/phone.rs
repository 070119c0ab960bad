//! A phone with a will of its own: it calls, answers, refuses, gives up, holds, sends things, hangs up, as its seed says.

mod doing;
mod hearing;
mod referring;
mod watching;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use sip::digest::{Server, ServerConfig};
use sip::message::Body;
use sip::{Application, Event, RegistrationId, SessionId, Turn};

use crate::book::{Shared, Side};
use crate::chance::Chance;
use crate::plan::{Style, Todo};

/// The password everybody knows.
const PASSWORD: &str = "secret";

/// What the re-INVITE that refreshes a session is about: it is always accepted.
const REFRESH: &str = "refresh";

/// The first media port of every phone.
const FIRST_PORT: u16 = 16_384;

/// A phone.
pub struct Phone {
    name: String,
    style: Style,
    chance: Chance,
    book: Shared,
    todo: BTreeMap<u64, Todo>,
    calls: BTreeMap<SessionId, String>,
    ports: BTreeMap<SessionId, u16>,
    asked: BTreeMap<sip::ClientTx, String>,
    /// Calls that the other side of a call has asked for: that call, and the number of its REFER.
    referrals: BTreeMap<SessionId, (SessionId, u32)>,
    /// Flows among the registrations, by the name they have in the book.
    flows: BTreeMap<RegistrationId, String>,
    /// For what concerns subscriptions: what the other draws stays as it was.
    whim: Chance,
    /// The same for what concerns flows and transfers.
    streak: Chance,
    /// Documents told and published so far.
    told: u32,
    guard: Server,
    count: u64,
}

impl Phone {
    /// A phone that does nothing until told with [`Phone::plan`].
    pub fn new(name: &str, style: Style, mut chance: Chance, book: Shared) -> Self {
        let guard = Server::new(ServerConfig::new("sim"), chance.octets()).expect("a realm and algorithms");
        Self {
            name: name.to_owned(),
            style,
            chance,
            book,
            todo: BTreeMap::new(),
            calls: BTreeMap::new(),
            ports: BTreeMap::new(),
            asked: BTreeMap::new(),
            referrals: BTreeMap::new(),
            flows: BTreeMap::new(),
            whim: Chance::new(0),
            streak: Chance::new(0),
            told: 0,
            guard,
            count: 0,
        }
    }

    /// Draws what concerns subscriptions from this.
    pub fn whims(&mut self, whim: Chance) {
        self.whim = whim;
    }

    /// Draws what concerns flows and transfers from this.
    pub fn streaks(&mut self, streak: Chance) {
        self.streak = streak;
    }

    /// It takes no connections: by the Contact of a request that is large enough for TCP nobody would reach it.
    pub fn sends_nothing_large(&mut self) {
        self.style.oversize = 0;
    }

    /// The numbers of things to do from the start: the caller sets an alarm for each.
    pub fn plan(&mut self, todo: Todo) -> u64 {
        self.count += 1;
        self.todo.insert(self.count, todo);
        self.count
    }

    fn later(&mut self, turn: &mut Turn<'_>, after: Duration, todo: Todo) {
        let token = self.plan(todo);
        turn.alarm(turn.now().mono + after, token).expect("room for alarms");
    }

    fn wrong(&self, what: String) {
        self.book.borrow_mut().wrong.insert(format!("{}: {what}", self.name));
    }

    fn side(&self, call: &str, change: impl FnOnce(&mut Side)) {
        if let Some(side) = self.book.borrow_mut().sides.get_mut(&(call.to_owned(), self.name.clone())) {
            change(side);
        }
    }

    fn session_key(&self, s: SessionId, call: &str) -> String {
        format!("{} {call} {s:?}", self.name)
    }

    /// A few ways, or some seconds: the moments at which things cross.
    fn moment(&mut self, most: u64) -> Duration {
        match self.chance.below(6) {
            0 => Duration::ZERO,
            1 => self.style.way,
            2 => self.style.way * 2,
            3 => self.style.way * 3,
            4 => self.style.way * 2 + self.chance.millis(0, 300),
            _ => self.chance.millis(0, most),
        }
    }

    /// How long an answer takes that the other side repeats its request for.
    fn thinking(&mut self) -> Duration {
        if self.style.quick || self.chance.permille(700) { Duration::ZERO } else { self.chance.millis(0, 6_000) }
    }

    /// The first media port that no call of this phone has.
    fn take_port(&mut self, call: &str) -> u16 {
        let mut book = self.book.borrow_mut();
        let free = |port: &u16| !book.ports.contains_key(&(self.name.clone(), *port));
        let port = (FIRST_PORT..u16::MAX).step_by(2).find(free).expect("a free media port");
        book.ports.insert((self.name.clone(), port), call.to_owned());
        port
    }

    fn body_of(&mut self, s: SessionId, what: &str) -> Option<Body> {
        self.body(what, self.ports.get(&s).copied().unwrap_or(0))
    }

    fn body(&mut self, what: &str, port: u16) -> Option<Body> {
        let oversize = self.chance.permille(self.style.oversize);
        let padding = if oversize { "a=x\r\n".repeat(300) } else { String::new() };
        Some(Body::sdp(Bytes::from(format!("v=0\r\ns={what}\r\nm=audio {port} RTP/AVP 0\r\n{padding}"))))
    }
}

impl Application for Phone {
    fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Request { tx, request, origin } => self.request(tx, &request, &origin, turn),
            Event::Session(s, event) => self.session(s, event, turn),
            Event::Alarm { token, .. } => {
                if let Some(todo) = self.todo.remove(&token) {
                    self.act(todo, turn);
                }
            }
            Event::Response { tx, response, .. } if response.code().is_final() => {
                self.settled(tx, Ok(response.code().get()))
            }
            Event::RequestFailed { tx, why } => self.settled(tx, Err(format!("{why:?}"))),
            Event::Subscription(id, event) => self.subscription(id, &event, turn),
            Event::Watcher(id, event) => self.watcher(id, &event, turn),
            Event::Publication(id, event) => self.publication(id, &event),
            Event::Registration(id, event) => self.registration(id, &event),
            Event::Rejected { error, .. } => self.wrong(format!("unreadable: {error}")),
            _ => {}
        }
    }
}
