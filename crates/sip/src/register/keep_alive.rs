//! Whether the way to the registrar still is one, asked while a binding stands: OPTIONS along the very path that the REGISTER took (RFC 5626 section 3.5 has the
//! reasons: routers on the way forget who is silent, and registrars are started anew).
//!
//! Where the registrar does outbound, keep-alives are those of `ping`.
//!
//! Whatever is answered, somebody is there. No answer means that the path has failed: a connection is closed, and the binding is made anew. So it is where the answer tells
//! of another address than that of the REGISTER was seen at (RFC 3581): a translator on the way has forgotten us meanwhile, and nobody is reached by what it knew.

use std::net::SocketAddr;
use std::time::Duration;

use super::outcome;
use super::table::{Purpose, Registration};
use crate::draft::{Draft, Hop};
use crate::event::Failure;
use crate::id::RegistrationId;
use crate::message::{Method, Response};
use crate::outbox::{Action, Path};
use crate::stack::Timer;
use crate::turn::{Owner, Turn};
use crate::wheel::TimerId;

/// The timer of the next question, beside that of the next REGISTER.
pub(super) const TIMER: u8 = 1;
/// How much sooner than configured one may be asked, so that those who were started together do not ask together (RFC 5626 section 4.4.1 has 80 to 100 %).
pub(super) const EARLIER: u32 = 5;

/// What is asked, and when.
#[derive(Debug)]
pub(super) struct KeepAlive {
    pub(super) timer: TimerId,
    /// The way of the REGISTER that was accepted last.
    pub(super) path: Option<Path>,
    /// The address that REGISTER was seen at, over UDP.
    pub(super) seen: Option<SocketAddr>,
    call_id: Option<String>,
    cseq: u32,
    /// Counts questions: an answer to an earlier one has no effect.
    attempt: u16,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self { timer: TimerId::NONE, path: None, seen: None, call_id: None, cseq: 0, attempt: 0 }
    }
}

impl Turn<'_> {
    /// The next question comes after the time that is configured, if any.
    pub(super) fn keep_alive_later(&mut self, id: RegistrationId) {
        let Some(registration) = self.stack.registrations.get(id) else { return };
        let (least, every) =
            match (registration.ping.outbound, registration.keep_alive.path, registration.spec.keep_alive) {
                (true, Some(path), _) => registration.ping.every(&path),
                (_, _, Some(every)) => (every - every / EARLIER, every),
                _ => return,
            };
        let wait: Duration = self.stack.rng.between(least, every);
        let timer = self.start(self.now.mono + wait, Timer::Registration(id, TIMER));
        if let Some(registration) = self.stack.registrations.get(id) {
            let before = std::mem::replace(&mut registration.keep_alive.timer, timer);
            self.stop(before);
        }
    }

    /// Asks, unless the registrar is spoken to already or no binding stands: its next 200 begins anew.
    pub(super) fn keep_alive(&mut self, id: RegistrationId) {
        let (now, fresh) = (self.now.mono, self.call_id());
        let Some(registration) = self.stack.registrations.get(id) else { return };
        registration.keep_alive.timer = TimerId::NONE;
        if registration.ping.outbound {
            return self.ping(id);
        }
        let stands = registration.until.is_some_and(|until| until > now);
        let Some(path) = registration.keep_alive.path.filter(|_| stands) else { return };
        if registration.under_way.is_some() {
            return;
        }
        let (draft, attempt) = registration.question(path, fresh);
        // What finds no room now is asked next time.
        if self.request(draft, Owner::KeepAlive(id, attempt)).is_err() {
            self.keep_alive_later(id);
        }
    }
}

impl Registration {
    fn question(&mut self, path: Path, fresh: String) -> (Draft, u16) {
        let mut draft = Draft::new(Method::Options, self.target().clone());
        let aor = self.spec.aor.as_str();
        draft.from = format!("<{aor}>;tag={}", self.tag);
        draft.to = format!("<{}>", self.target());
        draft.routes = self.spec.routes.clone();
        draft.hop = Hop::Path(path);
        let keep_alive = &mut self.keep_alive;
        draft.call_id = keep_alive.call_id.get_or_insert(fresh).clone();
        // It stays below 2^31 (RFC 3261 section 8.1.1.5).
        keep_alive.cseq = keep_alive.cseq % (u32::MAX / 2) + 1;
        draft.cseq = keep_alive.cseq;
        keep_alive.attempt = keep_alive.attempt.wrapping_add(1);
        (draft, keep_alive.attempt)
    }
}

/// Somebody has answered: all is well, unless we are seen elsewhere by now.
pub(crate) fn on_response(turn: &mut Turn<'_>, id: RegistrationId, attempt: u16, response: &Response) {
    let Some(registration) = turn.stack.registrations.get(id) else { return };
    let keep_alive = &registration.keep_alive;
    if keep_alive.attempt != attempt {
        return;
    }
    match keep_alive.seen.zip(outcome::seen(response)) {
        Some((before, now)) if now != before => turn.registration_next(id, Purpose::Bind),
        _ => turn.keep_alive_later(id),
    }
}

/// Nobody has: the path is none any more. A connection that is closed has its registrations made anew by itself. Where the registrar has asked for less, nobody was
/// asked, and nothing is known of the path (RFC 7339 section 5.10).
pub(crate) fn on_failure(turn: &mut Turn<'_>, id: RegistrationId, attempt: u16, why: &Failure) {
    let Some(registration) = turn.stack.registrations.get(id) else { return };
    if registration.keep_alive.attempt != attempt {
        return;
    }
    if *why == Failure::Overloaded {
        return turn.keep_alive_later(id);
    }
    match registration.flow {
        Some(flow) => turn.out.push(Action::Close { flow }),
        None => turn.registration_next(id, Purpose::Bind),
    }
}
