//! A phone with a will of its own: it calls, answers, refuses, gives up, holds, sends things, hangs up, as its seed says.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use sip::digest::{Credential, Credentials, Ha1, Presented, Server, ServerConfig, Verdict};
use sip::invite::{By, SessionEvent};
use sip::message::{Body, HeaderId, Lines, Method, Request, StatusCode, UriBuf};
use sip::register::{RegisterSpec, RegistrationEvent, Removal};
use sip::{Application, ContactSpec, Draft, Event, Origin, RegistrationId, Reply, ServerTx, SessionId, Turn};

use crate::book::{End, Shared, Side};
use crate::chance::Chance;
use crate::plan::{Style, Target, Todo};

/// The password everybody knows.
const PASSWORD: &str = "secret";

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
            guard,
            count: 0,
        }
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

/// Things to do.
impl Phone {
    fn act(&mut self, todo: Todo, turn: &mut Turn<'_>) {
        // A thing whose time has passed (the call is over, the peer was quicker) is refused by the stack, and that is all.
        match todo {
            Todo::Call(target) => self.call(target, turn),
            Todo::Options(target) => self.ask(target, Method::Options, turn),
            Todo::Message(target) => self.ask(target, Method::Message, turn),
            Todo::Register => self.register(turn),
            Todo::Refresh(id) => drop(turn.refresh(id)),
            Todo::Unregister(id) => drop(turn.unregister(id, Removal::Ours)),
            Todo::Ring(s) => {
                let code = if self.chance.permille(500) { StatusCode::RINGING } else { StatusCode::SESSION_PROGRESS };
                drop(turn.answer(s, Reply::new(code)));
            }
            Todo::Answer(s) => self.answer(s, turn),
            Todo::Refuse(s, code) => self.refuse(s, code, turn),
            Todo::Hangup(s) => self.hang_up(s, turn),
            Todo::Reinvite(s, offer) => {
                let body = if offer { self.body_of(s, "change") } else { None };
                drop(turn.reinvite(s, body, Lines::new()));
            }
            Todo::Within(s, what) => self.within(s, what, turn),
            Todo::Ack(s) => drop(turn.ack(s, self.body_of(s, "answer in the ACK"))),
            Todo::AnswerReinvite(s, code) => {
                let mut reply = Reply::new(code.try_into().expect("a code"));
                reply.body = if code < 300 { self.body_of(s, "changed") } else { None };
                drop(turn.answer_reinvite(s, reply));
            }
            Todo::Respond(tx, code) => drop(turn.respond(tx, Reply::new(code.try_into().expect("a code")))),
        }
    }

    fn draft(&mut self, method: Method, target: &Target, turn: &Turn<'_>) -> Draft {
        self.count += 1;
        let uri = format!("sip:{}@{}", target.user(), target.host());
        let mut draft = Draft::new(method, uri.parse::<UriBuf>().expect("a URI"));
        draft.from = format!("<sip:{0}@{0}.sim>;tag={0}{1}", self.name, self.count);
        draft.to = format!("<{uri}>");
        draft.call_id = format!("{}-{}-{}", self.name, self.count, turn.now().mono);
        draft
    }

    fn credentials(&mut self, stranger: bool) -> Credentials {
        let password = if stranger { "wrong" } else { PASSWORD };
        let mut credentials = Credentials::new();
        credentials.add(Credential::password(None, &self.name, password).expect("a user"));
        credentials
    }

    fn call(&mut self, target: Target, turn: &mut Turn<'_>) {
        let mut draft = self.draft(Method::Invite, &target, turn);
        let call = draft.call_id.clone();
        let port = self.take_port(&call);
        let stranger = self.chance.permille(self.style.stranger);
        draft.credentials = self.credentials(stranger);
        draft.contact = ContactSpec::Auto { user: Some(self.name.clone()), params: String::new() };
        let hunted = target == Target::Hunt;
        if hunted {
            // A group of phones takes no connections.
            draft.body = Some(Body::sdp(Bytes::from_static(b"v=0\r\n")));
        } else if !self.chance.permille(self.style.late_offer) {
            draft.body = self.body("offer", port);
        }
        let s = turn.invite(draft).expect("room for a session");
        let side = Side { called: Some(target), stood: false, refused: None, gave_up: false, stranger, end: None };
        self.book.borrow_mut().sides.insert((call.clone(), self.name.clone()), side);
        self.open(s, &call, port);
        let patience = if !hunted && self.chance.permille(self.style.impatient) {
            self.moment(8_000)
        } else {
            Duration::from_secs(100)
        };
        self.later(turn, patience, Todo::Hangup(s));
    }

    fn open(&mut self, s: SessionId, call: &str, port: u16) {
        self.ports.insert(s, port);
        self.calls.insert(s, call.to_owned());
        let key = self.session_key(s, call);
        self.book.borrow_mut().open.insert(key);
    }

    fn ask(&mut self, target: Target, method: Method, turn: &mut Turn<'_>) {
        let mut draft = self.draft(method.clone(), &target, turn);
        draft.credentials = self.credentials(false);
        if method == Method::Message {
            draft.body = Some(Body::new("text/plain", Bytes::from_static(b"hello")));
        }
        let key = format!("{} {method:?} {}", self.name, draft.call_id);
        let tx = turn.send_request(draft).expect("room for a request");
        self.asked.insert(tx, key.clone());
        self.book.borrow_mut().asked.insert(key, (target, None));
    }

    fn register(&mut self, turn: &mut Turn<'_>) {
        let registrar = "sip:home.sim".parse::<UriBuf>().expect("a URI");
        let aor = format!("sip:{}@home.sim", self.name).parse::<UriBuf>().expect("a URI");
        let mut spec = RegisterSpec::new(registrar, aor);
        spec.expires = self.chance.pick(&[20, 60, 120]);
        spec.credentials = self.credentials(false);
        let id = turn.register(spec).expect("room for a registration");
        self.book.borrow_mut().registered.entry(self.name.clone()).or_default();
        if self.chance.permille(300) {
            let after = self.moment(30_000);
            self.later(turn, after, Todo::Refresh(id));
        }
        let end = self.chance.millis(30_000, 150_000);
        self.later(turn, end, Todo::Unregister(id));
    }

    fn answer(&mut self, s: SessionId, turn: &mut Turn<'_>) {
        let mut reply = Reply::new(StatusCode::OK);
        reply.body = self.body_of(s, "answer");
        if turn.answer(s, reply).is_ok() {
            let call = self.calls.get(&s).cloned().unwrap_or_default();
            self.side(&call, |side| side.stood = true);
            self.talk(s, turn);
        }
    }

    fn refuse(&mut self, s: SessionId, code: u16, turn: &mut Turn<'_>) {
        let mut reply = Reply::new(code.try_into().expect("a code"));
        if code == 302 {
            reply.contact = ContactSpec::Given("<sip:elsewhere@bob.sim>".to_owned());
        }
        let call = self.calls.get(&s).cloned().unwrap_or_default();
        if turn.answer(s, reply).is_ok() {
            self.side(&call, |side| side.refused = Some(code));
        }
    }

    fn hang_up(&mut self, s: SessionId, turn: &mut Turn<'_>) {
        let Some(call) = self.calls.get(&s).cloned() else { return };
        if turn.hangup(s, None, Lines::new()).is_ok() {
            self.side(&call, |side| {
                if !side.stood && side.called.is_some() {
                    side.gave_up = true;
                } else if !side.stood {
                    side.refused = Some(603);
                }
            });
        }
    }

    fn within(&mut self, s: SessionId, what: u8, turn: &mut Turn<'_>) {
        let text = |kind: &'static str| Some(Body::new(kind, Bytes::from_static(b"Signal=5\r\n")));
        let sent = match what {
            0 => turn.in_dialog(s, Method::Info, Lines::new(), text("application/dtmf-relay")),
            1 => turn.in_dialog(s, Method::Message, Lines::new(), text("text/plain")),
            2 => turn.in_dialog(s, Method::Options, Lines::new(), None),
            _ => turn.update(s, self.body_of(s, "update"), Lines::new()),
        };
        drop(sent);
    }

    /// The session stands: what happens in it, and when it ends at the latest.
    fn talk(&mut self, s: SessionId, turn: &mut Turn<'_>) {
        for _ in 0..self.chance.below(self.style.acts + 1) {
            let after = self.moment(6_000);
            let todo = match self.chance.below(3) {
                0 => Todo::Reinvite(s, self.chance.permille(800)),
                _ => Todo::Within(s, self.chance.below(4) as u8),
            };
            self.later(turn, after, todo);
        }
        let end = if self.chance.permille(500) { self.moment(10_000) } else { self.chance.millis(5_000, 60_000) };
        self.later(turn, end, Todo::Hangup(s));
    }
}

/// Things heard.
impl Phone {
    fn request(&mut self, tx: ServerTx, request: &Request, origin: &Origin, turn: &mut Turn<'_>) {
        match request.method() {
            Method::Invite => self.invited(tx, request, origin, turn),
            Method::Options | Method::Message => {
                let after = self.thinking();
                self.later(turn, after, Todo::Respond(tx, 200));
            }
            _ => drop(turn.respond(tx, Reply::new(StatusCode::METHOD_NOT_ALLOWED))),
        }
    }

    fn invited(&mut self, tx: ServerTx, request: &Request, origin: &Origin, turn: &mut Turn<'_>) {
        let hunted = request.uri_text().contains("hunt");
        if self.style.guarded && !hunted && !self.admit(tx, request, origin, turn) {
            return;
        }
        let call = request.headers().call_id().to_owned();
        let s = turn.session(tx).expect("an INVITE of which a session can be made");
        let side = Side { called: None, stood: false, refused: None, gave_up: false, stranger: false, end: None };
        if self.book.borrow_mut().sides.insert((call.clone(), self.name.clone()), side).is_some() {
            self.wrong(format!("{call} rang twice"));
        }
        let port = self.take_port(&call);
        self.open(s, &call, port);
        if self.chance.permille(800) {
            let after = self.moment(2_000);
            self.later(turn, after, Todo::Ring(s));
        }
        let after = self.moment(8_000);
        if !hunted && self.chance.permille(self.style.refusing) {
            let code = self.chance.pick(&[486, 603, 480, 488, 302]);
            self.later(turn, after, Todo::Refuse(s, code));
        } else if hunted || self.chance.permille(800) {
            self.later(turn, after, Todo::Answer(s));
        } else {
            // After a minute the provisional response is repeated.
            let after = self.chance.millis(20_000, if self.style.quick { 50_000 } else { 80_000 });
            self.later(turn, after, Todo::Refuse(s, 480));
        }
    }

    /// Digest authentication of a caller.
    fn admit(&mut self, tx: ServerTx, request: &Request, origin: &Origin, turn: &mut Turn<'_>) -> bool {
        let (now, peer) = (turn.now().mono, origin.remote.ip());
        let presented = Presented { method: "INVITE", uri: request.uri_text(), body: request.body() };
        let values = request.headers().all(HeaderId::Authorization).map(|header| header.value);
        let verdict = self
            .guard
            .judge(now, peer, presented, values, |user, algorithm| Ha1::new(algorithm, user, "sim", PASSWORD).ok());
        let mut reply = match verdict {
            Verdict::Ok(_) => return true,
            Verdict::Challenge { .. } => Reply::new(StatusCode::UNAUTHORIZED),
            _ => Reply::new(StatusCode::FORBIDDEN),
        };
        if reply.code == StatusCode::UNAUTHORIZED {
            for challenge in self.guard.challenges(now, peer, false) {
                reply = reply.line("WWW-Authenticate", &challenge).expect("a challenge that can stand in a message");
            }
        }
        drop(turn.respond(tx, reply));
        false
    }

    fn session(&mut self, s: SessionId, event: SessionEvent, turn: &mut Turn<'_>) {
        let Some(call) = self.calls.get(&s).cloned() else {
            return self.wrong(format!("{s:?} after its last event or before its first: {event:?}"));
        };
        match event {
            SessionEvent::Answered { ack_due, .. } => {
                self.side(&call, |side| side.stood = true);
                self.acknowledge(s, ack_due, turn);
                self.talk(s, turn);
            }
            SessionEvent::Forked { session, ack_due, .. } => {
                let port = self.take_port(&call);
                self.open(session, &call, port);
                self.acknowledge(session, ack_due, turn);
                self.talk(session, turn);
            }
            SessionEvent::Reinvite { request, .. } => {
                let after = self.thinking();
                let code = if self.chance.permille(850) || request.body().is_empty() { 200 } else { 488 };
                self.later(turn, after, Todo::AnswerReinvite(s, code));
            }
            SessionEvent::NoAck => {
                self.book.borrow_mut().unacknowledged.insert(format!("{} {call}", self.name));
            }
            SessionEvent::Reinvited { ack_due, .. } => self.acknowledge(s, ack_due, turn),
            SessionEvent::Request { tx, .. } => {
                let after = self.thinking();
                self.later(turn, after, Todo::Respond(tx, 200));
            }
            SessionEvent::Redirected { response } => self.ended(s, &call, End::Failed(response.code().get())),
            SessionEvent::Failed { refusal } => self.ended(s, &call, End::Failed(refusal.code().get())),
            SessionEvent::Cancelled { .. } => self.ended(s, &call, End::Cancelled),
            SessionEvent::Ended { by, .. } => {
                let end = match by {
                    By::Us => End::Us,
                    By::Peer => End::Peer,
                    By::Error => End::Error,
                };
                self.ended(s, &call, end);
            }
            _ => {}
        }
    }

    fn acknowledge(&mut self, s: SessionId, due: bool, turn: &mut Turn<'_>) {
        if due {
            let after = self.thinking();
            self.later(turn, after, Todo::Ack(s));
        }
    }

    fn ended(&mut self, s: SessionId, call: &str, end: End) {
        self.calls.remove(&s);
        if let Some(port) = self.ports.remove(&s) {
            self.book.borrow_mut().ports.remove(&(self.name.clone(), port));
        }
        let key = self.session_key(s, call);
        self.book.borrow_mut().open.remove(&key);
        // Of several answers kept, the one that ends last counts.
        self.side(call, |side| side.end = Some(end));
    }

    fn registration(&mut self, id: RegistrationId, event: &RegistrationEvent) {
        let text = match event {
            RegistrationEvent::Registered { .. } => "registered".to_owned(),
            RegistrationEvent::Failed { why, .. } => format!("failed {why:?}"),
            RegistrationEvent::Unregistered { code } => format!("unregistered {}", code.map_or(0, |code| code.get())),
            other => format!("{other:?}"),
        };
        let _ = id;
        self.book.borrow_mut().registered.entry(self.name.clone()).or_default().push(text);
    }

    fn settled(&mut self, tx: sip::ClientTx, outcome: Result<u16, String>) {
        let Some(key) = self.asked.remove(&tx) else { return };
        if let Some((_, result)) = self.book.borrow_mut().asked.get_mut(&key) {
            *result = Some(outcome);
        }
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
            Event::Registration(id, event) => self.registration(id, &event),
            Event::Rejected { error, .. } => self.wrong(format!("unreadable: {error}")),
            _ => {}
        }
    }
}
