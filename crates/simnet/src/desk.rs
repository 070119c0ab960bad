//! The registrar of the network: [`proxy::Registrar`] behind a stack, with digest.

use std::collections::BTreeMap;
use std::time::Duration;

use proxy::{Registrar, RegistrarConfig};
use sip::digest::{Ha1, Presented, Server, ServerConfig, Verdict};
use sip::message::{HeaderId, Method, Request, StatusCode};
use sip::{Application, Event, Now, Origin, Reply, ServerTx, Time, Turn};

use crate::book::Shared;
use crate::chance::Chance;

/// A registrar that asks for passwords.
pub struct Desk {
    registrar: Registrar,
    digest: Server,
    book: Shared,
    /// When each binding ends, as it was when a REGISTER last came.
    promised: BTreeMap<Promise, Time>,
}

/// Address of record and contact; Call-ID and CSeq of the REGISTER that last changed it.
type Promise = (String, String, String, u32);

impl Desk {
    /// Without bindings.
    pub fn new(mut chance: Chance, book: Shared) -> Self {
        let mut seed = [0; 16];
        seed.copy_from_slice(&chance.octets()[..16]);
        let config = RegistrarConfig { min_expires: 30, flow_timer: Some(20), ..RegistrarConfig::default() };
        let secret = chance.octets();
        let mut asking = ServerConfig::new("home");
        if secret[0].is_multiple_of(2) {
            // No binding is refreshed as soon: each refresh comes with a nonce that is good no more.
            asking.lifetime = Duration::from_secs(20);
        }
        let digest = Server::new(asking, secret).expect("a realm and algorithms");
        Self { registrar: Registrar::new(config, seed), digest, book, promised: BTreeMap::new() }
    }

    fn register(&mut self, tx: ServerTx, request: &Request, origin: &Origin, turn: &mut Turn<'_>) {
        let (now, peer) = (turn.now(), origin.remote.ip());
        self.keep_promises(now);
        let presented = Presented { method: "REGISTER", uri: request.uri_text(), body: request.body() };
        let values = request.headers().all(HeaderId::Authorization).map(|header| header.value);
        let verdict = self.digest.judge(now.mono, peer, presented, values, |user, algorithm| {
            Ha1::new(algorithm, user, "home", "secret").ok()
        });
        let user = match verdict {
            Verdict::Ok(verified) => Some(verified.user.into_owned()),
            Verdict::Challenge { stale } => {
                let lines = self.digest.challenge_to(now, request, origin, false, stale, |_| true);
                return drop(turn.respond(tx, Reply::new(StatusCode::UNAUTHORIZED).lines(lines).stateless()));
            }
            _ => return drop(turn.respond(tx, Reply::new(StatusCode::FORBIDDEN))),
        };
        let plan = self.registrar.handle(now, request, user.as_deref(), origin);
        drop(turn.respond(tx, plan.reply));
        self.expire(turn);
        self.promised = self.held(now);
    }

    fn expire(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now();
        self.registrar.expire(now, 100, &mut Vec::new());
        self.book.borrow_mut().bindings = self.registrar.location().iter(now).count();
        if let Some(at) = self.registrar.deadline() {
            turn.alarm(at, 0).expect("room for alarms");
        }
    }

    /// When each binding ends.
    fn held(&self, now: Now) -> BTreeMap<Promise, Time> {
        let bindings = self.registrar.location().iter(now).map(|one| {
            let texts = [one.aor(), one.uri(), one.call_id()].map(str::to_owned);
            let [aor, uri, call] = texts;
            ((aor, uri, call, one.cseq()), now.mono + one.remaining(now))
        });
        bindings.collect()
    }

    /// What a device was granted holds to its end, whatever the clock on the wall shows; nobody has been granted anything else meanwhile.
    fn keep_promises(&self, now: Now) {
        let held = self.held(now);
        for (promise, end) in self.promised.iter().filter(|(_, end)| **end > now.mono) {
            if held.get(promise) != Some(end) {
                let found = held.get(promise);
                let wrong = format!("home: at {} {promise:?} ends at {found:?} and not at {end}", now.mono);
                self.book.borrow_mut().wrong.insert(wrong);
            }
        }
    }
}

impl Application for Desk {
    fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Request { tx, request, origin } if *request.method() == Method::Register => {
                self.register(tx, &request, &origin, turn);
            }
            Event::Request { tx, .. } => drop(turn.respond(tx, Reply::new(StatusCode::NOT_IMPLEMENTED))),
            Event::Alarm { .. } => {
                self.expire(turn);
                self.keep_promises(turn.now());
            }
            _ => {}
        }
    }
}
