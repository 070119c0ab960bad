//! Client transactions at work: one try of one request along one path.

use bytes::Bytes;

use crate::config::Timers;
use crate::event::{Event, Failure};
use crate::id::Id;
use crate::invite;
use crate::message::header::Via;
use crate::message::{HeaderId, Headers, Lines, Method, Response};
use crate::outbox::{Cause, FlowChange, Origin, Path, SendError};
use crate::overload::Feedback;
use crate::planted::{Bug, planted};
use crate::stack::Timer;
use crate::time::Time;
use crate::transaction::key::Branch;
use crate::transaction::{client_invite, client_other, print};
use crate::turn::{Sender, Turn};
use crate::wheel::TimerId;

/// A client transaction (RFC 3261 section 17.1).
#[derive(Debug)]
pub(crate) struct Client {
    machine: Machine,
    branch: Branch,
    pub(super) path: Path,
    /// The request as sent; let go of when it can be needed no more.
    bytes: Bytes,
    /// The request it is a try of; `None` once that has its result.
    outgoing: Option<Id>,
    /// The other half of an INVITE and its CANCEL, which share a branch.
    partner: Option<Id>,
    timer: TimerId,
    /// A lost connection was made again once.
    reconnected: bool,
    /// The request is somebody else's, whose Via is in the responses below ours.
    passed: bool,
}

/// The machine, by the method of the request.
#[derive(Debug)]
enum Machine {
    Invite { state: client_invite::State, ack: Option<Bytes> },
    Other { state: client_other::State, method: Method },
}

impl Client {
    /// The octets of a copy of somebody else's request; what we ask ourselves is bounded by what made us ask.
    fn copied(&self) -> usize {
        if self.passed { self.bytes.len() } else { 0 }
    }
    /// Lets go of the request; `kept` is the sum over all transactions.
    fn let_go(&mut self, kept: &mut usize) {
        *kept -= self.copied();
        self.bytes = Bytes::new();
    }
    fn is_for(&self, method: &Method) -> bool {
        match &self.machine {
            Machine::Invite { .. } => *method == Method::Invite,
            Machine::Other { method: ours, .. } => ours == method,
        }
    }
    fn deadline(&self) -> Option<Time> {
        match &self.machine {
            Machine::Invite { state, .. } => state.deadline(),
            Machine::Other { state, .. } => Some(state.deadline()),
        }
    }
    /// Timer B or F is so long overdue that this machine must have been suspended, or held up: longer than a message stays in the network.
    fn is_overdue(&self, now: Time, timers: &Timers) -> bool {
        let give_up_at = match &self.machine {
            Machine::Invite { state, .. } => state.give_up_at(),
            Machine::Other { state, .. } => state.give_up_at(),
        };
        give_up_at.is_some_and(|at| now > at + timers.t4)
    }
    /// For [`crate::Stack::states`].
    pub(crate) fn state_name(&self) -> &'static str {
        match &self.machine {
            Machine::Invite { state, .. } => match state {
                client_invite::State::Calling { .. } => "client INVITE: calling",
                client_invite::State::Proceeding { .. } => "client INVITE: proceeding",
                client_invite::State::Completed { .. } => "client INVITE: completed",
                client_invite::State::Accepted { .. } => "client INVITE: accepted",
            },
            Machine::Other { state, .. } => match state {
                client_other::State::Trying { .. } => "client other: trying",
                client_other::State::Proceeding { .. } => "client other: proceeding",
                client_other::State::Completed { .. } => "client other: completed",
            },
        }
    }
    /// Only repeats of the final response are waited for.
    fn is_over(&self) -> bool {
        match &self.machine {
            Machine::Invite { state, .. } => matches!(state, client_invite::State::Completed { .. }),
            Machine::Other { state, .. } => matches!(state, client_other::State::Completed { .. }),
        }
    }
    /// A failed send ends it: nothing has come back from an INVITE, nothing final from another request.
    fn is_waiting(&self) -> bool {
        match &self.machine {
            Machine::Invite { state, .. } => matches!(state, client_invite::State::Calling { .. }),
            Machine::Other { state, .. } => !matches!(state, client_other::State::Completed { .. }),
        }
    }
}

/// One of the two machines' effects, in the words they share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Nothing,
    Up,
    AckAndUp,
    Ack,
    Repeat,
    Failed,
    Gone,
}

impl From<client_invite::Effect> for Effect {
    fn from(effect: client_invite::Effect) -> Self {
        match effect {
            client_invite::Effect::Nothing => Effect::Nothing,
            client_invite::Effect::Up => Effect::Up,
            client_invite::Effect::AckAndUp => Effect::AckAndUp,
            client_invite::Effect::Ack => Effect::Ack,
            client_invite::Effect::Repeat => Effect::Repeat,
            client_invite::Effect::Failed => Effect::Failed,
            client_invite::Effect::Gone => Effect::Gone,
        }
    }
}

impl From<client_other::Effect> for Effect {
    fn from(effect: client_other::Effect) -> Self {
        match effect {
            client_other::Effect::Nothing => Effect::Nothing,
            client_other::Effect::Up => Effect::Up,
            client_other::Effect::Repeat => Effect::Repeat,
            client_other::Effect::Failed => Effect::Failed,
            client_other::Effect::Gone => Effect::Gone,
        }
    }
}

impl Turn<'_> {
    /// Reserves the place of a client transaction, so that its branch can be written into the request; [`Turn::client_send`] follows.
    pub(super) fn client_new(
        &mut self,
        method: &Method,
        path: Path,
        outgoing: Option<Id>,
        passed: bool,
    ) -> (Id, Branch) {
        let (now, reliable, timers) = (self.now.mono, path.transport.is_reliable(), &self.stack.config.timers);
        let machine = match method {
            Method::Invite => Machine::Invite { state: client_invite::State::new(now, reliable, timers), ack: None },
            other => Machine::Other { state: client_other::State::new(now, reliable, timers), method: other.clone() },
        };
        let nonce = self.stack.rng.u64();
        let unset = Branch::new(&self.stack.keys, nonce, Id::from_u64(0));
        let client = Client {
            machine,
            branch: unset,
            path,
            bytes: Bytes::new(),
            outgoing,
            partner: None,
            timer: TimerId::NONE,
            reconnected: false,
            passed,
        };
        let id = self.stack.clients.insert(self.stack.config.shard, client);
        let branch = Branch::new(&self.stack.keys, nonce, id);
        if let Some(client) = self.stack.clients.get_mut(id) {
            client.branch = branch;
        }
        (id, branch)
    }

    /// Sends the request of a transaction for the first time.
    pub(super) fn client_send(&mut self, id: Id, bytes: Bytes, why: Cause) {
        let Some(client) = self.stack.clients.get_mut(id) else { return };
        client.bytes = bytes.clone();
        self.stack.kept += client.copied();
        let path = client.path;
        if path.transport.is_reliable() {
            self.stack.streams.insert((path.flow, id));
        }
        self.stack.counters.requests_out += 1;
        self.send(Sender::Client(id), path, bytes, why);
        self.client_rearm(id);
    }

    /// Takes a transaction away, and with an INVITE its CANCEL.
    pub(super) fn client_end(&mut self, id: Id) {
        let Some(client) = self.stack.clients.remove(id) else { return };
        self.stack.kept -= client.copied();
        self.stop(client.timer);
        self.stack.streams.remove(&(client.path.flow, id));
        let Some(partner) = client.partner else { return };
        match client.machine {
            // Answers to a CANCEL are found through the INVITE: it cannot outlive it.
            Machine::Invite { .. } => self.client_end(partner),
            Machine::Other { .. } => {
                if let Some(invite) = self.stack.clients.get_mut(partner) {
                    invite.partner = None;
                }
            }
        }
    }

    /// A response came in (RFC 3261 sections 17.1.3 and 18.1.2): one whose top Via is not ours, sent-by and branch, is dropped.
    pub(crate) fn receive_response(&mut self, response: Box<Response>, origin: &Origin) {
        // Section 8.1.3.3: a response with somebody else's Via under ours is not for us. Section 16.7 step 3: one to what was passed on and without
        // another Via is for nobody else; a refusal is acknowledged all the same, and ends the branch.
        let headers = response.headers();
        let only = || headers.count(HeaderId::Via) < 2 && headers.list::<Via<'_>>().nth(1).is_none();
        let fits = |id: &Id| match self.stack.clients.get(*id) {
            Some(client) if client.passed => response.code().class() > 2 || !only(),
            _ => only(),
        };
        match self.client_of(response.headers()).filter(fits) {
            Some(id) => self.client_response(id, response, origin),
            None if self.send_after(response.headers(), origin) => {}
            None => {
                let Some(response) = invite::on_stray(self, response, origin) else { return };
                self.stack.counters.stray_responses += 1;
                if self.stack.config.hand_strays && self.is_of_no_transaction(&response, origin) {
                    self.emit(Event::StrayResponse { response });
                }
            }
        }
    }

    /// Whether the top Via of a response is one that we have written without a transaction (RFC 3261 section 16.11).
    fn is_of_no_transaction(&self, response: &Response, origin: &Origin) -> bool {
        let headers = response.headers();
        let written = headers.branch().and_then(|branch| Branch::parse(&self.stack.keys, branch));
        written.is_some_and(|(_, id)| id == Id::from_u64(0)) && print::is_sent_by(headers.way_back().1, origin.local)
    }

    fn client_of(&self, headers: &Headers) -> Option<Id> {
        let (branch, id) = Branch::parse(&self.stack.keys, headers.branch()?)?;
        let client = self.stack.clients.get(id)?;
        if client.branch != branch || !print::is_sent_by(headers.way_back().1, client.path.local) {
            return None;
        }
        let method = headers.method();
        if client.is_for(method) {
            return Some(id);
        }
        // A CANCEL has the branch of its INVITE (RFC 3261 section 9.1).
        let partner = client.partner?;
        (*method == Method::Cancel && self.stack.clients.get(partner)?.is_for(method)).then_some(partner)
    }

    fn client_response(&mut self, id: Id, response: Box<Response>, origin: &Origin) {
        let (now, code) = (self.now.mono, response.code());
        let Some(client) = self.stack.clients.get(id) else { return };
        let reliable = client.path.transport.is_reliable();
        // Along a connection that the peer has made the answer comes from a port of the peer's system; who answers is reached where the request was for
        // (RFC 5923 section 8.2), and nobody else speaks on that connection.
        let resolved;
        let origin = if reliable && client.path.flow == origin.flow {
            resolved = Origin { remote: client.path.remote, ..*origin };
            &resolved
        } else {
            origin
        };
        if let Some(limits) = self.stack.config.overload {
            // From whatever address it answers.
            self.stack.silent.spoke(client.path.remote);
            self.client_told_load(id, response.headers(), origin, limits.max_servers);
        }
        let Some(client) = self.stack.clients.get_mut(id) else { return };
        let timers = &self.stack.config.timers;
        let effect: Effect = match &mut client.machine {
            Machine::Invite { state, .. } => {
                let input = match code.class() {
                    1 => client_invite::Input::Provisional,
                    2 => client_invite::Input::Success,
                    _ => client_invite::Input::Refusal,
                };
                state.step(input, now, reliable, timers).into()
            }
            Machine::Other { state, .. } => {
                let input =
                    if code.is_provisional() { client_other::Input::Provisional } else { client_other::Input::Final };
                state.step(input, now, reliable, timers).into()
            }
        };
        let outgoing = client.outgoing;
        match effect {
            Effect::Up | Effect::AckAndUp => {
                if effect == Effect::AckAndUp {
                    self.client_ack(id, response.headers());
                } else if code.is_final() {
                    self.client_forget_request(id);
                }
                // A refusal ends the request: the transaction stays behind to absorb repeats, and tells nobody.
                let last = code.is_final() && !(code.is_success() && self.client_is_invite(id));
                if let (true, Some(client)) = (last, self.stack.clients.get_mut(id)) {
                    client.outgoing = None;
                }
                if let Some(outgoing) = outgoing {
                    self.outgoing_response(outgoing, id, response, origin);
                }
                self.client_rearm(id);
            }
            Effect::Ack => self.client_ack(id, response.headers()),
            Effect::Nothing | Effect::Repeat | Effect::Failed | Effect::Gone => self.client_rearm(id),
        }
    }

    /// What the topmost Via of a response, ours, says of the load of the server that it comes from (RFC 7339 section 5.4), also where it is too late for its
    /// request. From elsewhere it is not heard: whoever the request went on to knows our branch, and could speak for the one in between. Along the connection of
    /// the request it is, whoever has made that.
    fn client_told_load(&mut self, id: Id, response: &Headers, origin: &Origin, most: usize) {
        let Some(client) = self.stack.clients.get(id).filter(|client| client.path.remote == origin.remote) else {
            return;
        };
        let feedback = response.get::<Via<'_>>().and_then(Result::ok).as_ref().and_then(Feedback::of);
        if let Some(feedback) = feedback {
            self.stack.throttles.heard(client.path.remote, self.now.mono, feedback, most);
        }
    }

    fn client_is_invite(&self, id: Id) -> bool {
        self.stack.clients.get(id).is_some_and(|client| matches!(client.machine, Machine::Invite { .. }))
    }

    fn client_forget_request(&mut self, id: Id) {
        if let Some(client) = self.stack.clients.get_mut(id) {
            client.let_go(&mut self.stack.kept);
        }
    }

    /// Makes and sends the ACK for a refusal, or the same again.
    fn client_ack(&mut self, id: Id, response: &Headers) {
        let Some(client) = self.stack.clients.get_mut(id) else { return };
        let path = client.path;
        let Machine::Invite { ack, .. } = &mut client.machine else { return };
        if ack.is_none() {
            *ack = print::ack(&client.bytes, response, &self.stack.config.limits);
        }
        let ack = ack.clone();
        client.let_go(&mut self.stack.kept);
        if let Some(bytes) = ack.map(|ack| if planted(Bug::AckBranch) { print::planted_branch(&ack) } else { ack }) {
            self.send(Sender::Client(id), path, bytes, Cause::Ack);
        }
    }

    /// Its timer fired.
    pub(crate) fn client_time(&mut self, id: Id) {
        let now = self.now.mono;
        let Some(client) = self.stack.clients.get_mut(id) else { return };
        let reliable = client.path.transport.is_reliable();
        let timers = &self.stack.config.timers;
        let effect: Effect = match &mut client.machine {
            Machine::Invite { state, .. } => state.step(client_invite::Input::Timeout, now, reliable, timers).into(),
            Machine::Other { state, .. } => state.step(client_other::Input::Timeout, now, reliable, timers).into(),
        };
        match effect {
            Effect::Repeat => {
                let (path, bytes) = (client.path, client.bytes.clone());
                self.stack.counters.requests_repeated += 1;
                self.send(Sender::Client(id), path, bytes, Cause::RetransmitRequest);
                self.client_rearm(id);
            }
            Effect::Failed => {
                let is_overdue = client.is_overdue(now, timers);
                self.stack.counters.timeouts += 1;
                if is_overdue {
                    self.client_overdue(id);
                } else {
                    self.client_failed(id, Failure::Timeout);
                }
            }
            Effect::Gone => {
                let outgoing = client.outgoing;
                self.client_end(id);
                if let Some(outgoing) = outgoing {
                    self.outgoing_done(outgoing);
                }
            }
            Effect::Nothing | Effect::Up | Effect::AckAndUp | Effect::Ack => self.client_rearm(id),
        }
    }

    /// The transaction has failed: its request goes elsewhere or fails too.
    fn client_failed(&mut self, id: Id, why: Failure) {
        let client = self.stack.clients.get(id);
        let (outgoing, connected) = client.map_or((None, false), |client| (client.outgoing, client.reconnected));
        self.client_end(id);
        if let Some(outgoing) = outgoing {
            // Who gives no answer has the request, or does not read.
            if connected || matches!(why, Failure::Timeout | Failure::Transport(SendError::NoBuffer)) {
                self.outgoing_takes_tcp(outgoing);
            }
            self.outgoing_failed(outgoing, why);
        }
    }

    /// The transaction has failed long after its time: its request goes nowhere else. Its server may have had it, answered and forgotten it (timers H and J, RFC
    /// 3261 section 17.2), and would take a further try, which may well end there, for another request. Nor is anything known of the server.
    fn client_overdue(&mut self, id: Id) {
        let outgoing = self.stack.clients.get(id).and_then(|client| client.outgoing);
        self.client_end(id);
        if let Some(outgoing) = outgoing {
            self.outgoing_fail(outgoing, Failure::Timeout);
        }
    }

    /// A send failed (RFC 3261 sections 17.1.4 and 18.4).
    pub(crate) fn client_unsent(&mut self, id: Id, why: SendError) {
        let Some(client) = self.stack.clients.get(id) else { return };
        // A full queue is a lost datagram; the timers mend that. An answer shows that the peer is there; and a lost ACK is asked for again.
        if !client.is_waiting() || (why == SendError::NoBuffer && !client.path.transport.is_reliable()) {
            return;
        }
        self.client_failed(id, Failure::Transport(why));
    }

    /// Its stream is gone. One that was lost may have been closed as idle in the moment we wrote: the same octets go out once more, over
    /// a new connection; the server absorbs them if it had them.
    pub(crate) fn client_stream_gone(&mut self, id: Id, change: FlowChange) {
        let Some(client) = self.stack.clients.get_mut(id) else { return };
        if !client.is_waiting() {
            return;
        }
        if change == FlowChange::Lost && !client.reconnected {
            client.reconnected = true;
            let (path, bytes) = (client.path, client.bytes.clone());
            self.stack.counters.requests_repeated += 1;
            self.send(Sender::Client(id), path, bytes, Cause::Retry);
        } else {
            self.client_failed(id, Failure::Transport(SendError::Closed));
        }
    }

    /// Sends the CANCEL of an INVITE that has a provisional response (RFC 3261 section 9.1).
    pub(super) fn client_cancel(&mut self, id: Id, lines: &Lines) {
        let (now, timers) = (self.now.mono, self.stack.config.timers);
        let Some(client) = self.stack.clients.get_mut(id) else { return };
        let (path, branch) = (client.path, client.branch);
        if client.partner.is_some() {
            return;
        }
        let Machine::Invite { state, .. } = &mut client.machine else { return };
        state.step(client_invite::Input::Cancelled, now, path.transport.is_reliable(), &timers);
        let bytes = print::cancel(&client.bytes, lines, &self.stack.config);
        self.client_rearm(id);
        let Some(bytes) = bytes else { return };
        let (cancel, _) = self.client_new(&Method::Cancel, path, None, false);
        if let Some(made) = self.stack.clients.get_mut(cancel) {
            (made.partner, made.branch) = (Some(id), branch);
        }
        if let Some(client) = self.stack.clients.get_mut(id) {
            client.partner = Some(cancel);
        }
        self.client_send(cancel, bytes, Cause::Request);
    }

    /// Sets the timer to what the state says; a time that has come already (timers D and K on reliable transports) counts at once.
    fn client_rearm(&mut self, id: Id) {
        let Some(client) = self.stack.clients.get(id) else { return };
        let (old, deadline, over) = (client.timer, client.deadline(), client.is_over());
        self.stop(old);
        let timer = match deadline {
            Some(at) if at <= self.now.mono && over => return self.client_time(id),
            Some(at) => self.start(at, Timer::Client(id)),
            None => TimerId::NONE,
        };
        if let Some(client) = self.stack.clients.get_mut(id) {
            client.timer = timer;
        }
    }
}
