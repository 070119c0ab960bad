//! The application on the SIP loop: which request goes where.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use media::{MediaEvent, StreamReport};
use net::{App, Seat};
use sip::digest;
use sip::message::{Method, Request, StatusCode};
use sip::uas::{self, Capabilities};
use sip::{Application, ClientTx, Event, Now, Origin, Reply, ServerTx, Shard, Turn};

use crate::accounts::Accounts;
use crate::bindings::{Bindings, Home};
use crate::call::{Calls, Target};
use crate::config::Config;
use crate::extension::Feature;
use crate::finding::{ALARMS, Findings, Neighbours};
use crate::metrics::{Counts, Gauges, Metrics};
use crate::relay::{Messages, Relayed};
use crate::status::{CallStatus, ContactStatus, LoopStatus, Status, UserStatus};
use crate::studio::Studio;
use crate::tally::Tally;

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
    /// What has been counted, for Prometheus.
    Metrics(SyncSender<Box<Counts>>),
    /// Whether calls are taken; no answer when the loop takes no turns.
    Healthy(SyncSender<bool>),
    /// The state.
    Status(SyncSender<Status>),
    /// Hang everything up and take no more.
    Finish,
    /// How much is held for calls, and how many ends the peers have not confirmed yet.
    Left(SyncSender<usize>),
    /// News of a stream or player.
    Media(MediaEvent),
    /// The figures of a stream that has ended.
    Streamed(Box<StreamReport>),
    /// Another loop asks for the devices of a user of this one.
    Locate {
        /// Whose.
        user: String,
        /// Who asks.
        from: Shard,
        /// To be given back.
        ticket: u64,
    },
    /// The answer.
    Located {
        /// Of the question.
        ticket: u64,
        /// The devices.
        targets: Vec<Target>,
    },
    /// From this address another loop has a device that knows one hash only.
    OneHash(SocketAddr),
}

/// The whole PBX on its loop.
pub(crate) struct Switch {
    pub(crate) config: Config,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) digest: digest::Server,
    /// Whether MD5 is among several hashes offered: then devices that know one hash only matter.
    pub(crate) offers_md5_among_others: bool,
    pub(crate) bindings: Bindings,
    pub(crate) neighbours: Neighbours,
    pub(crate) findings: Findings,
    pub(crate) tally: Arc<Tally>,
    /// Where devices of other loops are that know one hash only.
    pub(crate) one_hash: HashSet<SocketAddr>,
    pub(crate) studio: Studio,
    pub(crate) capabilities: Capabilities,
    pub(crate) calls: Calls,
    pub(crate) messages: Messages,
    pub(crate) relayed: HashMap<ClientTx, Relayed>,
    pub(crate) metrics: Metrics,
    listen: Vec<String>,
    began: Now,
    pub(crate) finishing: bool,
}

/// What every loop is given alike.
#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) config: Config,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) home: Home,
    pub(crate) tally: Arc<Tally>,
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
        Given { config, accounts, home, tally }: Given,
        (digest, offers_md5_among_others): (digest::Server, bool),
        studio: Studio,
        metrics: Metrics,
        seat: &Seat<'_, Command>,
    ) -> Self {
        let now = seat.clock.now();
        let neighbours = Neighbours { me: seat.shard, spread: seat.spread, loops: seat.loops.to_vec() };
        let listen = seat.bound.iter().map(|one| format!("{}:{}", one.transport.as_str().to_lowercase(), one.address));
        Self {
            bindings: Bindings::new(&config, home, now, Arc::clone(&tally), |user| neighbours.keeps(user)),
            neighbours,
            findings: Findings::default(),
            tally,
            one_hash: HashSet::new(),
            accounts,
            digest,
            offers_md5_among_others,
            studio,
            capabilities: Capabilities { allow: methods(), ..Capabilities::default() },
            calls: Calls::default(),
            messages: Messages::default(),
            relayed: HashMap::new(),
            metrics,
            listen: listen.collect(),
            began: now,
            finishing: false,
            config,
        }
    }

    fn request(&mut self, tx: ServerTx, request: &Request, origin: &Origin, turn: &mut Turn<'_>) {
        let reply = self.decide(tx, request, origin, turn);
        self.reply(tx, reply, turn);
    }

    /// The answer, unless it comes later.
    fn decide(&mut self, tx: ServerTx, request: &Request, origin: &Origin, turn: &mut Turn<'_>) -> Option<Reply> {
        // What cannot be read cannot be judged by anybody's password either.
        if let Some(refusal) = uas::syntax(request) {
            return Some(refusal);
        }
        if *request.method() == Method::Options && !self.config.options_auth {
            return Some(self.options(request));
        }
        // 501 for a method nobody knows, before any challenge: there is nothing that a password could open.
        if !request.method().is_known()
            && let Some(refusal) = uas::method(request, &self.capabilities)
        {
            return Some(refusal);
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
                let most = self.accounts.by_name(&user).and_then(|known| known.max_contacts);
                let reply = self.bindings.register(turn.now(), request, &user, most, origin);
                self.bindings.arm(turn);
                if reply.code.is_success() {
                    self.tell_one_hash(request, origin);
                }
                Some(reply)
            }
            Method::Invite => self.invite(tx, request, origin, user, None, turn),
            Method::Message => self.message(tx, request, origin, &user, None, turn),
            Method::Options => Some(self.options(request)),
            // The stack knows its own dialogs; this one has none.
            _ => Some(Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST)),
        }
    }

    /// Whether the address could be called, never by whom (RFC 3261 section 11.2).
    fn options(&self, request: &Request) -> Reply {
        let refusal = uas::scheme(request, &self.capabilities)
            .or_else(|| self.unknown(request).then(|| Reply::new(StatusCode::NOT_FOUND)))
            .or_else(|| uas::extensions(request, &self.capabilities));
        refusal.unwrap_or_else(|| uas::options(StatusCode::OK, &self.capabilities))
    }

    fn unknown(&self, request: &Request) -> bool {
        let number = request.uri().ok().and_then(|uri| uri.user_unescaped().map(|user| user.into_owned()));
        let known = |number: &str| {
            self.accounts.by_number(number).is_some() || Feature::of(&self.config.extensions, number).is_some()
        };
        number.is_some_and(|number| !known(&number))
    }

    /// The state now.
    fn status(&self, turn: &Turn<'_>) -> Status {
        let now = turn.now();
        let contact = |binding: proxy::Binding<'_>| ContactStatus {
            uri: binding.uri().to_owned(),
            expires_secs: binding.remaining(now).as_secs(),
            agent: binding.agent().to_owned(),
        };
        let user = |known: &crate::accounts::Known| UserStatus {
            name: known.name.clone(),
            password_made: known.made,
            contacts: self.bindings.of(now, &known.name).map(contact).collect(),
        };
        Status {
            v: 1,
            uptime_secs: now.mono.since(self.began.mono).as_secs(),
            state: self.config.state.as_deref().map(whole_path),
            listen: self.listen.clone(),
            registrations: self.bindings.len(),
            calls_total: self.metrics.total(),
            calls: self.call_list(now),
            users: self.accounts.iter().map(user).collect(),
            loops: vec![self.loop_status(turn)],
        }
    }
}

/// From the root, whatever directory this process was started in.
fn whole_path(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

impl Switch {
    /// What this loop knows of itself; what stands before it is seen from outside.
    fn loop_status(&self, turn: &Turn<'_>) -> LoopStatus {
        let usage = turn.usage();
        LoopStatus {
            shard: self.neighbours.me.0,
            calls: self.calls.len(),
            transactions: usage.client_transactions + usage.server_transactions,
            kept_octets: usage.kept_octets,
            shed: turn.counters().shed,
            ..LoopStatus::default()
        }
    }

    fn call_list(&self, now: Now) -> Vec<CallStatus> {
        let mut calls: Vec<CallStatus> = self
            .calls
            .iter()
            .map(|call| CallStatus {
                id: call.id,
                from: call.user.clone(),
                to: call.number.clone(),
                state: call.state(),
                secs: now.mono.since(call.since).as_secs(),
            })
            .collect();
        calls.sort_unstable_by_key(|call| call.id);
        calls.truncate(LISTED);
        calls
    }

    fn gauges(&self, turn: &Turn<'_>) -> Gauges {
        let LoopStatus { calls, transactions, kept_octets, shed, .. } = self.loop_status(turn);
        Gauges { calls, registrations: self.bindings.len(), transactions, kept_octets, shed }
    }
}

impl Application for Switch {
    fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Request { tx, request, origin } => self.request(tx, &request, &origin, turn),
            Event::Session(session, event) => self.session_event(session, event, turn),
            Event::Alarm { token: BINDINGS, .. } => self.bindings.expire(turn),
            Event::Alarm { token, .. } if token >= ALARMS => self.not_located(token, turn),
            Event::Cancelled { tx } => self.no_longer_sought(tx, turn),
            Event::Alarm { token, .. } => self.call_alarm(token, turn),
            Event::Response { tx, response, .. } => self.relayed_response(tx, &response, turn),
            Event::RequestFailed { tx, why } => self.relayed_failure(tx, &why, turn),
            _ => {}
        }
    }
}

impl App for Switch {
    type Command = Command;

    fn command(&mut self, command: Command, turn: &mut Turn<'_>) {
        match command {
            Command::Begin => self.bindings.arm(turn),
            Command::Status(answer) => told(&answer, self.status(turn)),
            Command::Healthy(answer) => told(&answer, !self.finishing),
            Command::Metrics(answer) => told(&answer, Box::new(self.metrics.counts(self.gauges(turn)))),
            Command::Locate { user, from, ticket } => self.locate(&user, from, ticket, turn),
            Command::Located { ticket, targets } => self.located(ticket, targets, turn),
            Command::OneHash(address) => self.learn_one_hash(address),
            Command::Left(answer) => {
                let held = self.calls.held()
                    + self.messages.len()
                    + self.findings.len()
                    + self.relayed.len()
                    + self.studio.owed();
                told(&answer, held + turn.unsettled());
            }
            Command::Finish => {
                self.finishing = true;
                self.end_all(turn);
            }
            Command::Media(event) => self.media_event(event, turn),
            Command::Streamed(report) => self.metrics.streamed(&report),
        }
    }
}

/// Answers another thread; who asked may have stopped waiting.
fn told<T>(answer: &SyncSender<T>, value: T) {
    let _ = answer.try_send(value);
}
