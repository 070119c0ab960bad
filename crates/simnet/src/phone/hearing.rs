//! What a phone does about what it hears.

use std::time::Duration;

use sip::Failure;
use sip::digest::{Ha1, Presented, Verdict};
use sip::invite::{By, Refusal, SessionEvent};
use sip::message::{HeaderId, Method, Request, StatusCode};
use sip::register::RegistrationEvent;
use sip::{Origin, RegistrationId, Reply, ServerTx, SessionId, Turn};

use super::{PASSWORD, Phone, REFRESH};
use crate::book::{End, Side};
use crate::plan::Todo;
use crate::verdict::FLOW_FAILED;

/// 64*T1.
const PATIENCE: Duration = Duration::from_secs(32);

impl Phone {
    pub(super) fn request(&mut self, tx: ServerTx, request: &Request, origin: &Origin, turn: &mut Turn<'_>) {
        match request.method() {
            Method::Invite => self.invited(tx, request, origin, turn),
            Method::Options | Method::Message => {
                let after = self.thinking();
                self.later(turn, after, Todo::Respond(tx, 200));
            }
            Method::Subscribe => self.subscribed(tx, turn),
            Method::Publish => self.published(tx, request, turn),
            _ => drop(turn.respond(tx, Reply::new(StatusCode::METHOD_NOT_ALLOWED))),
        }
    }

    fn invited(&mut self, tx: ServerTx, request: &Request, origin: &Origin, turn: &mut Turn<'_>) {
        let hunted = request.uri_text().contains("hunt");
        if self.style.guarded && !hunted && !self.admit(tx, request, origin, turn) {
            return;
        }
        let call = request.headers().call_id().to_owned();
        let replaced = match turn.replaced(request) {
            Ok(replaced) => replaced,
            Err(refusal) => return drop(turn.respond(tx, *refusal)),
        };
        let s = match turn.session(tx) {
            Ok(s) => s,
            // 422 has been sent, and the caller will ask for more (RFC 4028 section 7.3).
            Err(_) if request.headers().has(HeaderId::SessionExpires) => return,
            Err(error) => panic!("an INVITE of which no session can be made: {error}"),
        };
        let side = Side {
            called: None,
            stood: false,
            refused: None,
            gave_up: false,
            stranger: false,
            replacing: false,
            end: None,
        };
        if self.book.borrow_mut().sides.insert((call.clone(), self.name.clone()), side).is_some() {
            self.wrong(format!("{call} rang twice"));
        }
        let port = self.take_port(&call);
        self.open(s, &call, port);
        if let Some(old) = replaced {
            return self.replace(old, s, turn);
        }
        for often in [800, 200] {
            if self.chance.permille(often) {
                let after = self.moment(2_000);
                self.later(turn, after, Todo::Ring(s, !hunted));
            }
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

    pub(super) fn session(&mut self, s: SessionId, event: SessionEvent, turn: &mut Turn<'_>) {
        let Some(call) = self.calls.get(&s).cloned() else {
            return self.wrong(format!("{s:?} after its last event or before its first: {event:?}"));
        };
        self.look_at_the_clock(s, turn);
        self.outcome(s, &event, turn);
        match event {
            SessionEvent::RefreshDue => {
                let after = self.thinking();
                self.later(turn, after, Todo::Refresh(s));
            }
            SessionEvent::Refreshed { .. } => self.book.borrow_mut().refreshed += 1,
            SessionEvent::Progress { fork: Some(fork), prack_due: true, .. } => {
                let after = self.thinking();
                self.later(turn, after, Todo::Prack(s, fork));
            }
            SessionEvent::Progress { .. } => self.change_early(s, turn),
            SessionEvent::Pracked { .. } => {
                self.book.borrow_mut().pracked += 1;
                self.change_early(s, turn);
            }
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
                let needed = request.body().is_empty() || String::from_utf8_lossy(request.body()).contains(REFRESH);
                let code = if needed || self.chance.permille(850) { 200 } else { 488 };
                self.later(turn, after, Todo::AnswerReinvite(s, code));
            }
            SessionEvent::NoAck => {
                self.book.borrow_mut().unacknowledged.insert(format!("{} {call}", self.name));
            }
            SessionEvent::Reinvited { ack_due, .. } => self.acknowledge(s, ack_due, turn),
            SessionEvent::Request { tx, request } if *request.method() == Method::Refer => {
                self.referred(s, tx, &request, turn);
            }
            SessionEvent::Request { tx, request } if *request.method() == Method::Notify => {
                self.reported(s, tx, &request, turn);
            }
            SessionEvent::Request { tx, .. } => {
                let after = self.thinking();
                self.later(turn, after, Todo::Respond(tx, 200));
            }
            SessionEvent::Redirected { response } => self.ended(s, &call, End::Failed(response.code().get())),
            SessionEvent::Failed { refusal } => self.ended(s, &call, End::Failed(refusal.code().get())),
            SessionEvent::Cancelled { .. } => self.ended(s, &call, End::Cancelled),
            SessionEvent::Ended { by, refusal, .. } => {
                if matches!(refusal, Some(Refusal::Failure(Failure::NotRefreshed))) {
                    self.book.borrow_mut().expired += 1;
                }
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

    /// An UPDATE before the answer; the stack refuses it where no offer may be made yet.
    fn change_early(&mut self, s: SessionId, turn: &mut Turn<'_>) {
        if self.chance.permille(self.style.reliable / 3) {
            let after = self.moment(1_000);
            self.later(turn, after, Todo::Within(s, 3));
        }
    }

    fn acknowledge(&mut self, s: SessionId, due: bool, turn: &mut Turn<'_>) {
        if due {
            let after = self.thinking();
            self.later(turn, after, Todo::Ack(s));
        }
    }

    /// No session outlasts its interval but for an answer that may still come (RFC 4028 section 10).
    pub(super) fn look_at_the_clock(&self, s: SessionId, turn: &Turn<'_>) {
        let Some(lasting) = turn.session_timer(s) else { return };
        let now = turn.now().mono;
        let woken = self.style.wakes.filter(|at| *at <= now);
        if now > woken.map_or(lasting.expires, |at| at.max(lasting.expires)) + PATIENCE {
            self.wrong(format!("a session goes on that nobody has refreshed: {lasting:?}"));
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

    pub(super) fn registration(&mut self, id: RegistrationId, event: &RegistrationEvent) {
        let text = match event {
            RegistrationEvent::Registered { .. } => "registered".to_owned(),
            RegistrationEvent::Failed { why, .. } => format!("failed {why:?}"),
            RegistrationEvent::Unregistered { code } => format!("unregistered {}", code.map_or(0, |code| code.get())),
            other => format!("{other:?}"),
        };
        let flow = self.flows.get(&id);
        let mut book = self.book.borrow_mut();
        let history = book.registered.entry(flow.unwrap_or(&self.name).clone()).or_default();
        // Others may have failed since: REGISTERs over the way that was none any more.
        let mut since = history.iter().rev().take_while(|one| *one != "registered");
        let stands_again = text == "registered" && since.any(|one| one == FLOW_FAILED);
        history.push(text);
        book.recovered += u64::from(stands_again && flow.is_some_and(|flow| flow.ends_with("flow 1")));
    }

    pub(super) fn settled(&mut self, tx: sip::ClientTx, outcome: Result<u16, String>) {
        let Some(key) = self.asked.remove(&tx) else { return };
        if let Some((_, result)) = self.book.borrow_mut().asked.get_mut(&key) {
            *result = Some(outcome);
        }
    }
}
