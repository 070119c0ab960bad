//! The application on the SIP loop: which request and which event goes where.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use bytes::Bytes;
use net::App;
use sip::message::{HeaderId, Method, Request, StatusCode};
use sip::uas;
use sip::{Application, Event, FlowId, Origin, Reply, ServerTx, Shard, Turn};

use crate::bindings::{self, Asked};
use crate::command::{Command, Followed};
use crate::config::Role;
use crate::extension::Feature;
use crate::finding::{self, Seeker};
use crate::outcome::Outcome;
use crate::qualifying;
use crate::request::Admitted;
use crate::roles;
use crate::switch::Switch;
use crate::target::Target;
use crate::watching;

impl Switch {
    /// The answer to a request, unless it comes later.
    fn decide(&mut self, tx: ServerTx, request: Arc<Request>, origin: Origin, turn: &mut Turn<'_>) -> Option<Reply> {
        let role = self.roles.of(&request, &origin, turn.now());
        if role != Role::Pbx {
            return self.by_role(role, tx, request, origin, turn);
        }
        if *request.method() == Method::Register {
            return self.register(tx, &request, &origin, turn);
        }
        // What cannot be read cannot be judged by anybody's password either. Nothing is kept of it, nor of who is challenged: both are answered
        // before anybody has shown who he is.
        if let Some(refusal) = uas::syntax(&request) {
            return Some(refusal.stateless());
        }
        if *request.method() == Method::Options && !self.config.options_auth {
            return Some(self.options_answer(&request));
        }
        // A proxy beside us wants to see all that comes, so the stack has not looked (RFC 3261 section 8.2.2.2).
        if turn.is_merged(tx, &request) {
            return Some(merged());
        }
        // 501 for a method nobody knows, before any challenge: there is nothing that a password could open.
        if !request.method().is_known()
            && let Some(refusal) = uas::method(&request, &self.capabilities)
        {
            return Some(refusal);
        }
        if let Some(user) = self.vouched_for(&request) {
            let reply = self.invite(Admitted { tx, request, origin, user }, None, turn);
            self.looked_at();
            return reply;
        }
        let user = match self.admit(&request, &origin, turn.now()) {
            Ok(user) => user,
            Err(reply) => return Some(*reply),
        };
        if let Some(refusal) = uas::method(&request, &self.capabilities) {
            return Some(refusal);
        }
        // RFC 3891 section 3, RFC 3911 section 4: only an INVITE replaces or joins anything.
        if *request.method() != Method::Invite
            && let Err(refusal) = turn.replaced(&request).and_then(|_| turn.joined(&request))
        {
            return Some(*refusal);
        }
        let user = self.accounts.at(user)?.name.clone();
        match request.method() {
            Method::Invite if is_strayed(&request) => Some(Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST)),
            Method::Invite => {
                // He has shown who he is: no more repeats of this.
                let _ = turn.trying(tx);
                self.invite(Admitted { tx, request, origin, user }, None, turn)
            }
            Method::Message if is_strayed(&request) => Some(Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST)),
            Method::Message => self.message(Admitted { tx, request, origin, user }, None, turn),
            Method::Subscribe if is_strayed(&request) => {
                Some(Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST))
            }
            Method::Subscribe => self.subscribe(Admitted { tx, request, origin, user }, turn),
            Method::Publish if is_strayed(&request) => Some(Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST)),
            Method::Publish => Some(self.publish(&Admitted { tx, request, origin, user }, turn)),
            Method::Options => self.options(Admitted { tx, request, origin, user }, None, turn),
            // Only whom one talks to can be transferred.
            Method::Refer if !is_strayed(&request) => Some(Reply::new(StatusCode::DECLINE)),
            // The stack knows its own dialogs; this one has none.
            _ => Some(Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST)),
        }
    }

    /// The answer to a REGISTER, unless it comes later: challenged first, as every request.
    pub(crate) fn register(
        &mut self,
        tx: ServerTx,
        request: &Request,
        origin: &Origin,
        turn: &mut Turn<'_>,
    ) -> Option<Reply> {
        if !request.headers().has(HeaderId::Authorization) {
            let refusal = uas::syntax(request).map(Reply::stateless);
            return refusal.or_else(|| Some(self.challenge(request, origin, turn.now(), false)));
        }
        let addresses = match uas::Addresses::read(request) {
            Ok(addresses) => addresses,
            Err(refusal) => return Some(refusal.stateless()),
        };
        // Before its credentials are looked at, which are good for one copy only.
        if turn.is_merged(tx, request) {
            return Some(merged());
        }
        let user = match self.admit(request, origin, turn.now()) {
            Ok(user) => user,
            Err(reply) => return Some(*reply),
        };
        if self.bindings.waits(user) {
            self.settle_bindings(turn);
        }
        self.tell_one_hash(request, origin);
        let known = self.accounts.at(user)?;
        self.bindings.register(tx, turn.now(), Asked { request, addresses, origin, user, known })
    }

    /// Whether the address could be called, never by whom, as far as anybody may know it: which numbers there are.
    fn options_answer(&self, request: &Request) -> Reply {
        let refusal = is_strayed(request)
            .then(|| Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST))
            .or_else(|| uas::scheme(request, &self.capabilities))
            .or_else(|| self.unknown(request).then(|| Reply::new(StatusCode::NOT_FOUND)))
            .or_else(|| uas::extensions(request, &self.capabilities));
        refusal.unwrap_or_else(|| watching::allow_events(uas::options(StatusCode::OK, &self.capabilities)))
    }

    /// The same for who has shown who he is: the code that his INVITE would be given (RFC 3261 section 11.2), so also whether the user has a device. `found`: the
    /// devices of the user, when another loop was asked for them. The answer, unless it comes later.
    fn options(&mut self, asked: Admitted, found: Option<Vec<Target>>, turn: &mut Turn<'_>) -> Option<Reply> {
        let answer = self.options_answer(&asked.request);
        if let Some(name) = self.user_dialled(&asked.request).filter(|_| answer.code.is_success()) {
            if found.is_none() && !self.neighbours.keeps(&name) {
                let asked = self.findings.ask(&name, Seeker::Request(asked), &self.neighbours, turn);
                return (!asked).then(Reply::no_room);
            }
            let uri = asked.request.uri().ok();
            if let Err(offline) = self.targets(&name, asked.request.is_secure(), uri.as_ref(), found, turn.now()) {
                return Some(*offline);
            }
        }
        Some(answer)
    }

    /// The user that a request is for, by name, where it is for one.
    fn user_dialled(&self, request: &Request) -> Option<String> {
        let number = self.dialled(request).filter(|number| Feature::of(&self.config.extensions, number).is_none())?;
        self.accounts.by_number(&number).map(|known| known.name.clone())
    }

    fn unknown(&self, request: &Request) -> bool {
        let known = |number: &str| {
            self.accounts.by_number(number).is_some() || Feature::of(&self.config.extensions, number).is_some()
        };
        self.dialled(request).is_some_and(|number| !known(&number))
    }

    /// Answers a request, unless that comes later.
    fn reply(&self, tx: ServerTx, reply: Option<Reply>, turn: &mut Turn<'_>) {
        if let Some(reply) = reply
            && let Err(error) = turn.respond(tx, reply)
        {
            tracing::debug!(%error, "a request was over before it was answered");
        }
    }

    /// Another loop asks for the devices of a user of this one.
    fn locate(&self, user: &str, from: Shard, ticket: u64, turn: &Turn<'_>) {
        let targets = self.devices(user, turn.now());
        // Without room there: its own clock ends the wait.
        self.neighbours.tell(from, Command::Located { ticket, targets });
    }

    /// Another loop has said where the devices of a user are: the request that waited for it goes on.
    fn located(&mut self, ticket: u64, targets: Vec<Target>, turn: &mut Turn<'_>) {
        let waited = match self.findings.answered(ticket, turn) {
            Some(Seeker::Request(waited)) => waited,
            Some(Seeker::Passed(role, job)) => {
                let tx = job.tx;
                let reply = self.pass_to_devices(role, *job, targets, turn);
                return self.reply(tx, reply, turn);
            }
            Some(Seeker::Transfer { call, transfer }) => {
                return self.transfer_located(call, transfer, Some(targets), turn);
            }
            // Answered by something else.
            Some(Seeker::Claim { .. }) | None => return,
        };
        let tx = waited.tx;
        let reply = match waited.request.method() {
            Method::Invite => self.invite(waited, Some(targets), turn),
            Method::Options => self.options(waited, Some(targets), turn),
            _ => self.message(waited, Some(targets), turn),
        };
        self.reply(tx, reply, turn);
    }

    /// Another loop has not said in time where the devices of a user are.
    fn not_located(&mut self, alarm: u64, turn: &mut Turn<'_>) {
        let Some(seeker) = self.findings.expired(alarm) else { return };
        tracing::warn!("a SIP loop did not say in time where a user is");
        let Admitted { tx, request, .. } = match seeker {
            Seeker::Request(admitted) => admitted,
            Seeker::Passed(_, job) => return self.reply(job.tx, Some(Reply::no_room()), turn),
            Seeker::Transfer { call, transfer } => return self.transfer_located(call, transfer, None, turn),
            Seeker::Claim { call, transfer, replaced } => {
                return self.claim_answered((call, transfer), replaced, None, turn);
            }
        };
        if *request.method() == Method::Invite {
            self.metrics.call_refused(Outcome::Shed);
        }
        self.reply(tx, Some(Reply::no_room()), turn);
    }

    /// The caller has given up before its INVITE was made a call.
    fn cancelled(&mut self, tx: ServerTx, turn: &mut Turn<'_>) {
        if let Some(proxy) = &mut self.roles.proxy {
            if proxy.cancelled(tx, turn) {
                return;
            }
            // Not passed on yet: the stack leaves it to us.
            self.reply(tx, Some(Reply::new(StatusCode::REQUEST_TERMINATED)), turn);
        }
        if self.findings.cancelled(tx, turn) {
            self.metrics.call_refused(Outcome::Cancelled);
        }
    }

    /// How much is held for calls and messages, and how many ends the peers have not confirmed yet.
    fn held(&self, turn: &Turn<'_>) -> usize {
        let ours = self.calls.held() + self.relay.len() + self.findings.len() + self.studio.owed() + self.roles.held();
        ours + turn.unsettled()
    }
}

/// The answer to another copy of a request that is being looked at (RFC 3261 section 8.2.2.2).
pub(crate) fn merged() -> Reply {
    Reply::new(StatusCode::LOOP_DETECTED).stateless()
}

/// Within a dialog, but of none that there is (RFC 3261 section 12.2.2): the stack hands requests of its own dialogs to their sessions.
fn is_strayed(request: &Request) -> bool {
    request.headers().to_tag().is_some()
}

impl Application for Switch {
    fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Request { tx, request, origin } => {
                let reply = self.decide(tx, request, origin, turn);
                self.reply(tx, reply, turn);
            }
            Event::Cancelled { tx } => self.cancelled(tx, turn),
            Event::Session(session, event) => self.session_event(session, event, turn),
            Event::Watcher(id, event) => self.watcher_event(id, event, turn),
            Event::Alarm { token: bindings::ALARM, .. } => self.expire_bindings(turn),
            Event::Alarm { token: qualifying::ALARM, .. } => self.qualify(turn),
            Event::Alarm { token: watching::ALARM, .. } => self.publications_expire(turn),
            Event::Alarm { token, .. } if token >= finding::ALARMS => self.not_located(token, turn),
            Event::Alarm { token, .. } if token >= roles::ALARMS => {
                if let Some(proxy) = &mut self.roles.proxy {
                    proxy.alarm(token, turn);
                }
            }
            Event::Alarm { token, alarm } => self.call_alarm(token, alarm, turn),
            Event::StrayCancel { tx, request, origin } => match self.follows(&request, &origin, turn) {
                true => turn.forget(tx),
                false => {
                    let reply = Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
                    self.reply(tx, Some(reply), turn);
                }
            },
            Event::StrayResponse { response } => {
                if let Some(proxy) = &self.roles.proxy {
                    proxy.response_stateless(&response, turn);
                }
            }
            Event::Ack { request, origin } => {
                if self.follows(&request, &origin, turn) {
                    return;
                }
                if let Some(proxy) = &mut self.roles.proxy {
                    proxy.ack(&request, &origin, turn);
                }
            }
            Event::Response { tx, response, .. } => {
                if let Some(proxy) = self.roles.proxy.as_mut().filter(|proxy| proxy.owns(tx)) {
                    return proxy.response(tx, response, turn);
                }
                if self.qualifying.is_asked(tx) {
                    if response.code().is_final() {
                        self.qualifying.over(tx, true, turn.now().mono);
                    }
                    return;
                }
                let told = self.relay.told(tx).filter(|_| response.code().is_final());
                for (tx, reply) in self.relay.response(tx, &response, turn) {
                    self.reply(tx, Some(reply), turn);
                }
                if let Some(leg) = told {
                    self.packages_told(leg, turn);
                }
            }
            Event::RequestFailed { tx, why } => {
                if let Some(proxy) = self.roles.proxy.as_mut().filter(|proxy| proxy.owns(tx)) {
                    return proxy.failed(tx, &why, turn);
                }
                let was_asked = match why {
                    sip::Failure::Overloaded => self.qualifying.left_out(tx),
                    _ => self.qualifying.over(tx, false, turn.now().mono),
                };
                if was_asked {
                    return;
                }
                tracing::debug!(?why, "no answer to a request that was passed on");
                for (tx, reply) in self.relay.failure(tx, &why, turn) {
                    self.reply(tx, Some(reply), turn);
                }
            }
            _ => {}
        }
    }
}

impl App for Switch {
    type Command = Command;

    fn command(&mut self, command: Command, turn: &mut Turn<'_>) {
        match command {
            Command::Begin => {
                self.bindings.arm(turn);
                self.qualify(turn);
            }
            Command::Status(answer) => told(&answer, self.status(turn)),
            Command::Healthy(answer) => told(&answer, !self.finishing),
            Command::Metrics(answer) => told(&answer, Box::new(self.metrics.counts(self.gauges(turn)))),
            Command::Locate { user, from, ticket } => self.locate(&user, from, ticket, turn),
            Command::Located { ticket, targets } => self.located(ticket, targets, turn),
            Command::Accounts(accounts) => {
                // What waits has the places of users who were there before.
                self.settle_bindings(turn);
                self.accounts = accounts;
            }
            Command::OneHash(address) => self.one_hash.learn(address),
            Command::Left(answer) => {
                self.studio.settle();
                told(&answer, self.held(turn));
            }
            Command::Finish => {
                self.finishing = true;
                self.end_watchers(turn);
                self.end_all(turn);
            }
            Command::Media(event) => self.media_event(event, turn),
            Command::Streamed(report) => self.metrics.streamed(&report),
            Command::Moved => self.studio.settle(),
            Command::Watched => self.write_all(turn),
            Command::Handed(handed) => self.handed(*handed, turn),
            Command::Claim(claim) => self.claimed(claim, turn),
            Command::Claimed { ticket, from, found } => {
                if let Some(Seeker::Claim { call, transfer, replaced }) = self.findings.answered(ticket, turn) {
                    self.claim_answered((call, transfer), replaced, Some((from, found)), turn);
                }
            }
            Command::Arrives(mover) => self.arrives(*mover, turn),
            Command::Followed(message) => {
                let Followed { from, bytes, hops, share } = *message;
                drop(share);
                turn.receive_after(&from, bytes, hops);
            }
            Command::Whereabouts(notice) => Self::noticed(&notice, turn),
            Command::Changed(resource, facet) => self.changed_elsewhere(resource, facet),
        }
    }

    fn hand_over(&mut self, to: Shard, from: Origin, bytes: Bytes, hops: u8) -> Result<(), (Origin, Bytes)> {
        if !self.has_told(to) {
            return Err((from, bytes));
        }
        let Some(share) = self.neighbours.share(to) else { return Err((from, bytes)) };
        match self.neighbours.offer(to, Command::Followed(Box::new(Followed { from, bytes, hops, share }))) {
            Err(Command::Followed(message)) => Err((message.from, message.bytes)),
            _ => Ok(()),
        }
    }

    fn flow_lost(&mut self, flow: FlowId, turn: &mut Turn<'_>) {
        // What waits has come before.
        self.settle_bindings(turn);
        self.bindings.lose(flow, turn);
    }

    fn address_lost(&mut self, remote: SocketAddr, turn: &mut Turn<'_>) {
        self.settle_bindings(turn);
        self.bindings.lose_at(remote, turn);
    }

    fn settle(&mut self, turn: &mut Turn<'_>) {
        self.settle_bindings(turn);
        self.tell_notices();
        self.tell_watchers(turn);
    }
}

/// Answers another thread; who asked may have stopped waiting.
fn told<T>(answer: &SyncSender<T>, value: T) {
    let _ = answer.try_send(value);
}
