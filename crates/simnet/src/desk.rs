//! The registrar of the network: [`proxy::Registrar`] behind a stack, with digest.

use proxy::{Registrar, RegistrarConfig};
use sip::digest::{Ha1, Presented, Server, ServerConfig, Verdict};
use sip::message::{HeaderId, Method, Request, StatusCode};
use sip::{Application, Event, Origin, Reply, ServerTx, Turn};

use crate::book::Shared;
use crate::chance::Chance;

/// A registrar that asks for passwords.
pub struct Desk {
    registrar: Registrar,
    digest: Server,
    book: Shared,
}

impl Desk {
    /// Without bindings.
    pub fn new(mut chance: Chance, book: Shared) -> Self {
        let mut seed = [0; 16];
        seed.copy_from_slice(&chance.octets()[..16]);
        let config = RegistrarConfig { min_expires: 30, ..RegistrarConfig::default() };
        let digest = Server::new(ServerConfig::new("home"), chance.octets()).expect("a realm and algorithms");
        Self { registrar: Registrar::new(config, seed), digest, book }
    }

    fn register(&mut self, tx: ServerTx, request: &Request, origin: &Origin, turn: &mut Turn<'_>) {
        let (now, peer) = (turn.now(), origin.remote.ip());
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
    }

    fn expire(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now();
        self.registrar.expire(now, 100, &mut Vec::new());
        self.book.borrow_mut().bindings = self.registrar.location().iter(now).count();
        if let Some(at) = self.registrar.deadline() {
            turn.alarm(at, 0).expect("room for alarms");
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
            Event::Alarm { .. } => self.expire(turn),
            _ => {}
        }
    }
}
