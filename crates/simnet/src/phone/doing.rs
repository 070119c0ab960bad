//! Things a phone does of its own accord.

use std::time::Duration;

use bytes::Bytes;
use sip::dialog::Phase;
use sip::digest::{Credential, Credentials};
use sip::invite::NamedDialog;
use sip::message::{Body, HeaderId, Lines, Method, StatusCode, UriBuf};
use sip::register::{Instance, RegisterSpec, Removal, Retry};
use sip::{ContactSpec, Draft, Reply, SessionId, Turn};

use super::{PASSWORD, Phone, REFRESH};
use crate::book::Side;
use crate::plan::{Target, Todo};

impl Phone {
    pub(super) fn act(&mut self, todo: Todo, turn: &mut Turn<'_>) {
        // A thing whose time has passed (the call is over, the peer was quicker) is refused by the stack, and that is all.
        match todo {
            Todo::Call(target) => self.call(target, turn),
            Todo::Options(target) => self.ask(target, Method::Options, turn),
            Todo::Message(target) => self.ask(target, Method::Message, turn),
            Todo::Register => self.register(turn),
            Todo::Flows => self.register_flows(turn),
            Todo::Renew(id) => drop(turn.refresh(id)),
            Todo::Unregister(id) => drop(turn.unregister(id, Removal::Ours)),
            Todo::Subscribe(target) => self.subscribe(&target, turn),
            Todo::Unsubscribe(id) => drop(turn.unsubscribe(id)),
            Todo::Tell(id) => self.tell_watcher(id, turn),
            Todo::Dismiss(id) => self.dismiss(id, turn),
            Todo::Publish(target) => self.publish(&target, turn),
            Todo::Republish(id) => {
                let body = self.document();
                drop(turn.modify_publication(id, body));
            }
            Todo::Unpublish(id) => drop(turn.unpublish(id)),
            Todo::Ring(s, alone) => {
                let code = if self.chance.permille(500) { StatusCode::RINGING } else { StatusCode::SESSION_PROGRESS };
                let mut reply = Reply::new(code);
                // Who has accepted another answer acknowledges nothing more: it would be repeated.
                if (alone || !self.style.quick) && self.chance.permille(self.style.reliable) {
                    reply = reply.reliable();
                    reply.body = if alone && self.chance.permille(500) { self.body_of(s, "early") } else { None };
                }
                drop(turn.answer(s, reply));
            }
            Todo::Answer(s) => self.answer(s, turn),
            Todo::Refuse(s, code) => self.refuse(s, code, turn),
            Todo::Hangup(s) => self.hang_up(s, turn),
            Todo::GiveUp(s) => {
                if turn.dialog_of(s).is_none_or(|dialog| dialog.phase() == Phase::Early) {
                    self.hang_up(s, turn);
                }
            }
            Todo::Refer(s) => self.refer(s, turn),
            Todo::Refresh(s) => {
                let body = self.body_of(s, REFRESH);
                drop(turn.reinvite(s, body, Lines::new()));
            }
            Todo::Reinvite(s, offer) => {
                let body = if offer { self.body_of(s, "change") } else { None };
                drop(turn.reinvite(s, body, Lines::new()));
            }
            Todo::Within(s, what) => self.within(s, what, turn),
            Todo::Prack(s, fork) => {
                let body = if self.chance.permille(500) { self.body_of(s, "in the PRACK") } else { None };
                if turn.prack(s, fork, body.clone(), Lines::new()).is_err() {
                    // With or without: one of both is what it has to be.
                    let other = if body.is_some() { None } else { self.body_of(s, "in the PRACK") };
                    drop(turn.prack(s, fork, other, Lines::new()));
                }
            }
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
        self.call_for(target, None, turn);
    }

    /// A call, to take the place of another at whom it goes to.
    pub(super) fn call_for(&mut self, target: Target, replaces: Option<NamedDialog>, turn: &mut Turn<'_>) -> SessionId {
        let mut draft = self.draft(Method::Invite, &target, turn);
        let call = draft.call_id.clone();
        let port = self.take_port(&call);
        let stranger = self.chance.permille(self.style.stranger);
        draft.credentials = self.credentials(stranger);
        draft.contact = ContactSpec::Auto { user: Some(self.name.clone()), params: String::new() };
        let hunted = target == Target::Hunt;
        if !(hunted && self.style.quick) && self.chance.permille(self.style.requiring) {
            draft.lines.push("Require", "100rel").expect("a line");
        }
        if hunted {
            // A group of phones takes no connections.
            draft.body = Some(Body::sdp(Bytes::from_static(b"v=0\r\n")));
        } else if !self.chance.permille(self.style.late_offer) {
            draft.body = self.body("offer", port);
        }
        if let Some(named) = &replaces {
            draft.lines.push_id(HeaderId::Replaces, named);
        }
        let s = turn.invite(draft).expect("room for a session");
        let replacing = replaces.is_some();
        let side =
            Side { called: Some(target), stood: false, refused: None, gave_up: false, stranger, replacing, end: None };
        self.book.borrow_mut().sides.insert((call.clone(), self.name.clone()), side);
        self.open(s, &call, port);
        let patience = if !hunted && self.chance.permille(self.style.impatient) {
            self.moment(8_000)
        } else {
            Duration::from_secs(100)
        };
        self.later(turn, patience, Todo::GiveUp(s));
        s
    }

    pub(super) fn open(&mut self, s: SessionId, call: &str, port: u16) {
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

    pub(super) fn register(&mut self, turn: &mut Turn<'_>) {
        let registrar = "sip:home.sim".parse::<UriBuf>().expect("a URI");
        let aor = format!("sip:{}@home.sim", self.name).parse::<UriBuf>().expect("a URI");
        let mut spec = RegisterSpec::new(registrar, aor);
        spec.expires = self.chance.pick(&[20, 60, 120]);
        spec.credentials = self.credentials(false);
        let id = turn.register(spec).expect("room for a registration");
        self.book.borrow_mut().registered.entry(self.name.clone()).or_default();
        if self.chance.permille(300) {
            let after = self.moment(30_000);
            self.later(turn, after, Todo::Renew(id));
        }
        let end = self.chance.millis(30_000, 150_000);
        self.later(turn, end, Todo::Unregister(id));
    }

    /// Flows over UDP and over TCP to the same registrar (RFC 5626 section 4.2).
    fn register_flows(&mut self, turn: &mut Turn<'_>) {
        let user = format!("{}.flows", self.name);
        for (number, registrar) in [(1, "sip:home.sim"), (2, "sip:home.sim;transport=tcp")] {
            let aor = format!("sip:{user}@home.sim").parse::<UriBuf>().expect("a URI");
            let mut spec = RegisterSpec::new(registrar.parse::<UriBuf>().expect("a URI"), aor);
            spec.expires = self.streak.pick(&[60, 120, 300]);
            spec.credentials.add(Credential::password(None, &user, PASSWORD).expect("a user"));
            spec.instance = Some(Instance { urn: format!("urn:sim:{}", self.name), reg_id: Some(number), gruu: false });
            spec.flow_of = Some(1);
            spec.retry = Retry::doubling(Duration::from_secs(2), Duration::from_secs(20));
            let id = turn.register(spec).expect("room for a registration");
            let name = format!("{} flow {number}", self.name);
            self.book.borrow_mut().registered.entry(name.clone()).or_default();
            self.flows.insert(id, name);
            let end = self.streak.millis(30_000, 400_000);
            self.later(turn, end, Todo::Unregister(id));
        }
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
        self.look_at_the_clock(s, turn);
        let Some(call) = self.calls.get(&s).cloned() else { return };
        // An answer that still waits for a PRACK is none.
        let early = turn.dialog_of(s).is_some_and(|dialog| dialog.phase() == Phase::Early);
        if turn.hangup(s, None, Lines::new()).is_ok() {
            self.side(&call, |side| {
                if !side.stood && side.called.is_some() {
                    side.gave_up = true;
                } else if !side.stood || side.called.is_none() && early {
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
    pub(super) fn talk(&mut self, s: SessionId, turn: &mut Turn<'_>) {
        for _ in 0..self.chance.below(self.style.acts + 1) {
            let after = self.moment(6_000);
            let todo = match self.chance.below(3) {
                0 => Todo::Reinvite(s, self.chance.permille(800)),
                _ => Todo::Within(s, self.chance.below(4) as u8),
            };
            self.later(turn, after, todo);
        }
        if self.streak.permille(400) {
            let after = self.streak.millis(500, 10_000);
            self.later(turn, after, Todo::Refer(s));
        }
        let long = self.chance.permille(self.style.long);
        let end = if long {
            self.chance.millis(100_000, 1_000_000)
        } else if self.chance.permille(500) {
            self.moment(10_000)
        } else {
            self.chance.millis(5_000, 60_000)
        };
        self.later(turn, end, Todo::Hangup(s));
    }
}
