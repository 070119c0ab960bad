//! The application on the SIP loop: which request goes where.

use std::collections::HashMap;
use std::sync::mpsc::SyncSender;

use media::{MediaEvent, StreamReport};
use net::{App, Bound};
use sip::digest;
use sip::message::{HeaderId, Lines, Method, Request, StatusCode};
use sip::uas::{self, Capabilities};
use sip::{Application, ClientTx, Event, Now, Origin, Reply, ServerTx, Turn};

use crate::accounts::Accounts;
use crate::bindings::{Bindings, Home};
use crate::config::Config;
use crate::status::{CallStatus, ContactStatus, Status, UserStatus};
use crate::studio::Studio;

/// The host under which bindings are kept, whatever name devices know us by.
pub(crate) const HOME: &str = "pbx.invalid";
/// The alarm of the bindings; those of calls are their numbers, from 1.
pub(crate) const BINDINGS: u64 = 0;
/// Calls listed in a status.
const LISTED: usize = 1_000;

/// What other threads ask.
pub(crate) enum Command {
    /// The loop runs.
    Begin,
    /// The state.
    Status(SyncSender<Status>),
    /// Hang everything up and take no more.
    Finish,
    /// How many sessions the network has not settled yet.
    Left(SyncSender<usize>),
    /// News of a stream or player.
    Media(MediaEvent),
    /// The figures of a stream that has ended.
    Streamed(Box<StreamReport>),
}

/// The whole PBX on its loop.
pub(crate) struct Switch {
    pub(crate) config: Config,
    pub(crate) accounts: Accounts,
    pub(crate) digest: digest::Server,
    pub(crate) bindings: Bindings,
    pub(crate) studio: Studio,
    pub(crate) capabilities: Capabilities,
    listen: Vec<String>,
    began: Now,
    pub(crate) finishing: bool,
}

/// The stack's settings.
pub(crate) fn stack_config(config: &Config) -> sip::Config {
    sip::Config {
        user_agent: Some(concat!("Offhook/", env!("CARGO_PKG_VERSION")).to_owned()),
        allow: methods(),
        max_sessions: config.limits.calls.saturating_mul(8).max(1_000),
        max_dialogs: config.limits.calls.saturating_mul(16).max(2_000),
        retry_after_secs: u32::try_from(config.limits.retry_after.as_secs()).unwrap_or(u32::MAX),
        session: sip::invite::Policy {
            reach: match config.register.nat {
                proxy::Nat::Always => sip::invite::Reach::Back,
                _ => sip::invite::Reach::ByContact,
            },
            ..sip::invite::Policy::default()
        },
        force_rport: config.register.nat == proxy::Nat::Always,
        ..sip::Config::default()
    }
}

/// What is taken, for Allow.
fn methods() -> Vec<Method> {
    use Method::{Ack, Bye, Cancel, Info, Invite, Message, Options, Register};
    vec![Invite, Ack, Cancel, Bye, Options, Register, Message, Info]
}

impl Switch {
    /// On the loop's thread, before anything is received.
    pub(crate) fn new(
        config: Config,
        accounts: Accounts,
        digest: digest::Server,
        home: Home,
        studio: Studio,
        bound: &[Bound],
        now: Now,
    ) -> Self {
        let listen = bound.iter().map(|one| format!("{}:{}", one.transport.as_str().to_lowercase(), one.address));
        Self {
            bindings: Bindings::new(&config, home, now),
            accounts,
            digest,
            studio,
            capabilities: Capabilities { allow: methods(), ..Capabilities::default() },
            listen: listen.collect(),
            began: now,
            finishing: false,
            config,
        }
    }

    fn request(&mut self, tx: ServerTx, request: &Request, origin: &Origin, turn: &mut Turn<'_>) {
        let reply = match self.decide(tx, request, origin, turn) {
            Some(reply) => reply,
            None => return,
        };
        if let Err(error) = turn.respond(tx, reply) {
            tracing::debug!(%error, "a request was over before it was answered");
        }
    }

    /// The answer, unless it comes later.
    fn decide(&mut self, tx: ServerTx, request: &Request, origin: &Origin, turn: &mut Turn<'_>) -> Option<Reply> {
        if *request.method() == Method::Options {
            return Some(self.options(request));
        }
        let user = match self.admit(request, origin, turn.now()) {
            Ok(user) => user,
            Err(reply) => return Some(*reply),
        };
        if let Some(refusal) = uas::method(request, &self.capabilities) {
            return Some(refusal);
        }
        match request.method() {
            Method::Register => {
                let reply = self.bindings.register(turn.now(), request, &user, origin);
                self.bindings.arm(turn);
                Some(reply)
            }
            // The stack knows its own dialogs; this one has none.
            _ => Some(Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST)),
        }
    }

    /// Open to everybody: whether the address could be called, never by whom (RFC 3261 section 11.2).
    fn options(&self, request: &Request) -> Reply {
        let refusal = uas::scheme(request, &self.capabilities)
            .or_else(|| self.unknown(request).then(|| Reply::new(StatusCode::NOT_FOUND)))
            .or_else(|| uas::extensions(request, &self.capabilities));
        refusal.unwrap_or_else(|| uas::options(StatusCode::OK, &self.capabilities))
    }

    fn unknown(&self, request: &Request) -> bool {
        let number = request.uri().ok().and_then(|uri| uri.user_unescaped().map(|user| user.into_owned()));
        number.is_some_and(|number| self.accounts.by_number(&number).is_none())
    }

    /// The state now.
    fn status(&self, now: Now) -> Status {
        let contact = |binding: proxy::Binding<'_>| ContactStatus {
            uri: binding.uri().to_owned(),
            expires_secs: binding.remaining(now).as_secs(),
            agent: binding.agent().to_owned(),
        };
        let user = |known: &crate::accounts::Known| UserStatus {
            name: known.name.clone(),
            contacts: self.bindings.of(now, &known.name).map(contact).collect(),
        };
        Status {
            v: 1,
            uptime_secs: now.mono.since(self.began.mono).as_secs(),
            listen: self.listen.clone(),
            registrations: self.bindings.len(),
            calls_total: 0,
            calls: Vec::new(),
            users: self.accounts.iter().map(user).collect(),
        }
    }
}

impl Application for Switch {
    fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Request { tx, request, origin } => self.request(tx, &request, &origin, turn),
            Event::Alarm { token: BINDINGS, .. } => self.bindings.expire(turn),
            _ => {}
        }
    }
}

impl App for Switch {
    type Command = Command;

    fn command(&mut self, command: Command, turn: &mut Turn<'_>) {
        match command {
            Command::Begin => self.bindings.arm(turn),
            // Who asked may have stopped waiting.
            Command::Status(answer) => drop(answer.try_send(self.status(turn.now()))),
            Command::Left(answer) => drop(answer.try_send(0)),
            Command::Finish => self.finishing = true,
            Command::Media(_) | Command::Streamed(_) => {}
        }
    }
}
