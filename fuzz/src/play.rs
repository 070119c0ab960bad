//! A whole stack as user agent against a peer that says anything: messages, time, and commands of an application, then
//! everything is hung up and the clock runs. Nothing may be left. The input is a script of steps, whose first byte says what is done with the rest; where the first
//! step is `-`, the stack has no overload control.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use sip::digest::{Credential, Credentials};
use sip::invite::SessionEvent;
use sip::message::{Body, HeaderId, Lines, Message, Method, StatusCode, UriBuf};
use sip::publish::{PublicationEvent, PublishSpec};
use sip::register::{Instance, RegisterSpec, RegistrationEvent, Removal};
use sip::subscribe::{EndReason, SubscribeSpec, SubscriptionEvent, Terms, WatcherEvent};
use sip::{
    Action, Answer, Application, Cause, Config, ContactSpec, Draft, Event, FlowId, Now, Outbox, Overload, Path,
    PublicationId, RegistrationId, Reply, ServerTx, SessionId, Stack, StackError, SubscriptionId, Time, Transport,
    Turn, WallTime, WatcherId,
};

use crate::steps;

/// More steps show nothing new and take long.
const STEPS: usize = 16;

const SECOND: u64 = 1_000_000;

/// Plays a script to its end, and tells what came of it.
pub fn play(input: &[u8]) -> Seen {
    let mut world = World::new(steps(input).next() != Some(&b"-"[..]));
    for step in steps(input).take(STEPS) {
        let Some((what, rest)) = step.split_first() else { continue };
        match what {
            b'm' => world.receive(rest),
            b't' => {
                let seconds = rest.first().map_or(1, |byte| u64::from(byte % 64));
                world.run_until(Time(world.now.0 + seconds * SECOND));
            }
            b'i' => world.command(invite),
            b'h' => world.hang_up(),
            b'b' => world.phone.answer = busy,
            b'r' => world.phone.answer = ring,
            b'e' => world.phone.answer = early,
            b'u' => world.command(|phone, turn| {
                for session in phone.sessions.clone() {
                    let _ = turn.update(session, Some(Body::sdp(&b"v=0\r\n"[..])), Lines::default());
                }
            }),
            b'v' => world.command(|phone, turn| {
                for session in phone.sessions.clone() {
                    let _ = turn.reinvite(session, Some(Body::sdp(&b"v=0\r\n"[..])), Lines::default());
                }
            }),
            b's' => world.command(subscribe),
            b'p' => world.command(publish),
            b'R' => world.command(|phone, turn| register(phone, turn, rest.first() == Some(&b'o'))),
            b'a' => world.command(ask_again),
            _ => {}
        }
    }
    let seen = Seen { sent: world.sent, ..world.phone.seen };
    world.hang_up();
    world.phone.answer = busy;
    // 64*T1 for each of the last transactions, one behind the other, and time to spare.
    world.run_until(Time(world.now.0 + 400 * SECOND));
    let usage = world.stack.usage();
    assert_eq!(usage, sip::Usage::default(), "something is left after everything was hung up");
    assert_eq!(world.stack.deadline(), None);
    seen
}

/// How often something was seen before everything was hung up.
#[derive(Clone, Copy, Default)]
pub struct Seen {
    /// Messages that have left.
    pub sent: usize,
    /// 2xx to INVITEs and re-INVITEs of ours.
    pub answered: u32,
    /// ACKs to 2xx of ours.
    pub acked: u32,
    /// re-INVITEs of the peer.
    pub reinvited: u32,
    /// 2xx to REGISTERs of ours.
    pub registered: u32,
    /// NOTIFYs that belong to subscriptions of ours.
    pub notified: u32,
    /// 2xx to PUBLISHes of ours.
    pub published: u32,
    /// Peers who watch us.
    pub watched: u32,
}

/// The application: takes every call, by default with 180 and 200, and tells whoever asks.
struct Phone {
    sessions: Vec<SessionId>,
    registrations: Vec<RegistrationId>,
    subscriptions: Vec<SubscriptionId>,
    publications: Vec<PublicationId>,
    watchers: Vec<WatcherId>,
    answer: fn(SessionId, &mut Turn<'_>),
    calls: u32,
    seen: Seen,
}

fn accept(session: SessionId, turn: &mut Turn<'_>) {
    let _ = turn.answer(session, Reply::new(StatusCode::RINGING));
    let _ = turn.answer(session, Reply::new(StatusCode::OK).body(Body::sdp(&b"v=0\r\n"[..])));
}

fn ring(session: SessionId, turn: &mut Turn<'_>) {
    let _ = turn.answer(session, Reply::new(StatusCode::RINGING));
}

/// Reliably, and the answer behind it.
fn early(session: SessionId, turn: &mut Turn<'_>) {
    let description = || Body::sdp(&b"v=0\r\n"[..]);
    let _ = turn.answer(session, Reply::new(StatusCode::SESSION_PROGRESS).body(description()).reliable());
    let _ = turn.answer(session, Reply::new(StatusCode::RINGING).reliable());
    let _ = turn.answer(session, Reply::new(StatusCode::OK));
}

fn busy(session: SessionId, turn: &mut Turn<'_>) {
    let _ = turn.answer(session, Reply::new(StatusCode::BUSY_HERE));
}

fn invite(phone: &mut Phone, turn: &mut Turn<'_>) {
    let uri: UriBuf = "sip:b@192.0.2.2".parse().expect("a URI");
    let mut draft = Draft::new(Method::Invite, uri);
    phone.calls += 1;
    draft.from = format!("<sip:a@192.0.2.1>;tag=f{}", phone.calls);
    draft.to = "<sip:b@192.0.2.2>".into();
    draft.call_id = format!("ours{}", phone.calls);
    draft.contact = ContactSpec::Auto { user: Some("a".into()), params: String::new() };
    draft.body = Some(Body::sdp(&b"v=0\r\n"[..]));
    if let Ok(session) = turn.invite(draft) {
        phone.sessions.push(session);
    }
}

const US: &str = "<sip:a@192.0.2.1>";

fn peer() -> UriBuf {
    "sip:b@192.0.2.2".parse().expect("a URI")
}

fn state() -> Body {
    Body::new("text/plain", &b"state"[..])
}

fn credentials() -> Credentials {
    let mut all = Credentials::new();
    all.add(Credential::password(None, "a", "secret").expect("a user and a password"));
    all
}

/// One that may fork.
fn subscribe(phone: &mut Phone, turn: &mut Turn<'_>) {
    let spec = SubscribeSpec { forks: 2, credentials: credentials(), ..SubscribeSpec::new(peer(), US, "presence") };
    phone.subscriptions.extend(turn.subscribe(spec));
}

/// Another state where something was published before.
fn publish(phone: &mut Phone, turn: &mut Turn<'_>) {
    let before = phone.publications.last().copied();
    if before.is_some_and(|publication| turn.modify_publication(publication, state()).is_ok()) {
        return;
    }
    let spec = PublishSpec { credentials: credentials(), ..PublishSpec::new(peer(), US, "presence") };
    phone.publications.extend(turn.publish(spec, state()));
}

/// With `outbound` a flow of an instance (RFC 5626) that wants addresses of its own (RFC 5627).
fn register(phone: &mut Phone, turn: &mut Turn<'_>, outbound: bool) {
    let (registrar, aor) = ("sip:192.0.2.2".parse().expect("a URI"), "sip:a@192.0.2.2".parse().expect("a URI"));
    let urn = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6".to_owned();
    let spec = RegisterSpec {
        credentials: credentials(),
        follow_address: true,
        instance: outbound.then_some(Instance { urn, reg_id: Some(1), gruu: true }),
        ..RegisterSpec::new(registrar, aor)
    };
    phone.registrations.extend(turn.register(spec));
}

/// Whatever stands is refreshed, whatever has failed is begun anew.
fn ask_again(phone: &mut Phone, turn: &mut Turn<'_>) {
    for subscription in &phone.subscriptions {
        let _ = turn.resubscribe(*subscription);
    }
    for registration in &phone.registrations {
        let _ = turn.refresh(*registration);
    }
}

/// Whoever asks may watch.
fn watched(phone: &mut Phone, turn: &mut Turn<'_>, tx: ServerTx) {
    match turn.accept_subscription(tx, Terms::default(), false) {
        Ok(watcher) => {
            phone.seen.watched += 1;
            phone.watchers.push(watcher);
            let _ = turn.notify(watcher, Some(state()));
        }
        Err(StackError::Refused { .. }) => {}
        Err(_) => {
            let _ = turn.respond(tx, Reply::new(StatusCode::SERVER_INTERNAL_ERROR));
        }
    }
}

impl Application for Phone {
    fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Request { tx, request, .. } if *request.method() == Method::Invite => {
                if let Ok(session) = turn.session(tx) {
                    self.sessions.push(session);
                    (self.answer)(session, turn);
                }
            }
            Event::Request { tx, request, .. } if matches!(request.method(), Method::Subscribe | Method::Refer) => {
                watched(self, turn, tx);
            }
            Event::Request { tx, .. } => {
                let _ = turn.respond(tx, Reply::new(StatusCode::OK));
            }
            Event::Registration(_, RegistrationEvent::Registered { .. }) => self.seen.registered += 1,
            Event::Publication(_, PublicationEvent::Published { .. }) => self.seen.published += 1,
            Event::Subscription(_, SubscriptionEvent::Notified { .. }) => self.seen.notified += 1,
            Event::Subscription(_, SubscriptionEvent::Forked { subscription }) => self.subscriptions.push(subscription),
            Event::Watcher(watcher, WatcherEvent::Wanted { .. }) => {
                let _ = turn.notify(watcher, Some(state()));
            }
            Event::Session(session, event) => match event {
                SessionEvent::Reinvite { .. } => {
                    self.seen.reinvited += 1;
                    let _ = turn.answer_reinvite(session, Reply::new(StatusCode::OK).body(Body::sdp(&b"v=0\r\n"[..])));
                }
                SessionEvent::Request { tx, .. } => {
                    let _ = turn.respond(tx, Reply::new(StatusCode::OK));
                }
                SessionEvent::Answered { ack_due, .. } | SessionEvent::Reinvited { ack_due, .. } => {
                    self.seen.answered += 1;
                    if ack_due {
                        let _ = turn.ack(session, Some(Body::sdp(&b"v=0\r\n"[..])));
                    }
                }
                SessionEvent::Progress { fork: Some(fork), prack_due: true, .. } => {
                    let _ = turn.prack(session, fork, Some(Body::sdp(&b"v=0\r\n"[..])), Lines::default());
                }
                SessionEvent::RefreshDue => {
                    let _ = turn.reinvite(session, Some(Body::sdp(&b"v=0\r\n"[..])), Lines::default());
                }
                SessionEvent::Acked { .. } => self.seen.acked += 1,
                _ => {}
            },
            _ => {}
        }
    }
}

/// The stack with its application, the clock, and what a peer would have learned from our messages.
struct World {
    stack: Stack,
    out: Outbox,
    phone: Phone,
    now: Time,
    sent: usize,
    learned: [String; 6],
}

impl World {
    fn new(is_controlled: bool) -> Self {
        let phone = Phone {
            sessions: Vec::new(),
            registrations: Vec::new(),
            subscriptions: Vec::new(),
            publications: Vec::new(),
            watchers: Vec::new(),
            answer: accept,
            calls: 0,
            seen: Seen::default(),
        };
        let supported = ["100rel", "timer"].map(str::to_owned).to_vec();
        let config = Config { supported, overload: is_controlled.then(Overload::default), ..Config::default() };
        let stack = Stack::new(config, [1; 32]);
        World { stack, out: Outbox::new(), phone, now: Time(SECOND), sent: 0, learned: Default::default() }
    }

    fn path() -> Path {
        let at = |last: u8| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 5060));
        Path { flow: FlowId(1), transport: Transport::Udp, local: at(1), remote: at(2) }
    }

    fn instant(&self) -> Now {
        Now { mono: self.now, wall: WallTime(1_700_000_000 * SECOND + self.now.0) }
    }

    /// `$T`, `$F`, `$B`, `$C`, `$R` and `$N` stand for the To tag, From tag, branch, Call-ID, RSeq and CSeq number last seen in a message of ours.
    fn receive(&mut self, bytes: &[u8]) {
        let mut filled = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            let known = (*first == b'$')
                .then(|| after.first().and_then(|name| b"TFBCRN".iter().position(|known| known == name)))
                .flatten();
            match known.and_then(|at| self.learned.get(at)) {
                Some(text) => {
                    filled.extend_from_slice(text.as_bytes());
                    rest = after.get(1..).unwrap_or_default();
                }
                None => filled.push(*first),
            }
        }
        let now = self.instant();
        self.stack.at(now, &mut self.out).receive(&Self::path(), Bytes::from(filled));
        self.carry_out();
    }

    fn command(&mut self, run: impl FnOnce(&mut Phone, &mut Turn<'_>)) {
        let now = self.instant();
        run(&mut self.phone, &mut self.stack.at(now, &mut self.out));
        self.carry_out();
    }

    fn hang_up(&mut self) {
        self.command(|phone, turn| {
            for session in phone.sessions.drain(..) {
                let _ = turn.hangup(session, None, Lines::default());
            }
            for subscription in phone.subscriptions.drain(..) {
                let _ = turn.unsubscribe(subscription);
            }
            for publication in phone.publications.drain(..) {
                let _ = turn.unpublish(publication);
            }
            for registration in phone.registrations.drain(..) {
                let _ = turn.unregister(registration, Removal::Ours);
            }
            for watcher in phone.watchers.drain(..) {
                let _ = turn.end_watcher(watcher, EndReason::NoResource, None, None);
            }
        });
    }

    fn run_until(&mut self, end: Time) {
        // A timer that never moves on would keep us here: that is a finding, too.
        for _ in 0..20_000 {
            match self.stack.deadline().filter(|deadline| *deadline <= end) {
                Some(deadline) => self.now = self.now.max(deadline),
                None => {
                    self.now = end;
                    return;
                }
            }
            let now = self.instant();
            self.stack.at(now, &mut self.out).timeout();
            self.carry_out();
        }
        panic!("20,000 timers fired before {} s had passed", end.0 / SECOND);
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.out.pop() {
            let now = self.instant();
            match action {
                Action::Send { bytes, why, .. } => self.learn(bytes, why),
                Action::Ask { id, .. } => {
                    self.stack.at(now, &mut self.out).answered(id, Answer::Routes(vec![Self::path()]));
                }
                Action::Event(event) => self.phone.event(event, &mut self.stack.at(now, &mut self.out)),
                _ => {}
            }
        }
    }

    /// What we send must be readable by our own parser; only a refusal (400, 505) of somebody whose request lacked what a response
    /// must copy cannot be.
    fn learn(&mut self, bytes: Bytes, why: Cause) {
        self.sent += 1;
        // A question to a STUN server that keeps a flow up (RFC 5626 section 4.4.2).
        if bytes.starts_with(&[0, 1]) {
            return;
        }
        let message = match Message::parse(bytes.clone(), &self.stack.config().limits) {
            Ok(message) => message,
            Err(_)
                if why == Cause::Automatic
                    && (bytes.starts_with(b"SIP/2.0 4") || bytes.starts_with(b"SIP/2.0 505")) =>
            {
                return;
            }
            Err(broken) => panic!("we sent {:?}: {broken}", String::from_utf8_lossy(&bytes)),
        };
        let headers = message.headers();
        let rseq = headers.text(HeaderId::RSeq);
        let number = headers.cseq().number.to_string();
        let (to, from, branch) = (headers.to_tag(), headers.from_tag(), headers.branch());
        let seen = [to, from, branch, Some(headers.call_id()), rseq.as_deref(), Some(&number)];
        for (place, text) in self.learned.iter_mut().zip(seen) {
            if let Some(text) = text {
                *place = text.to_string();
            }
        }
    }
}
