//! One change of the stack's state, with the time and the place for its output.
//!
//! This file is the switchboard: driver inputs come in here, and results go out to their owner. The machines stand elsewhere:
//! transactions in `transaction/`, sessions in `invite/`, registrations in `register.rs`.

use std::sync::Arc;

use bytes::Bytes;

use crate::counters::Counters;
use crate::event::{Event, Failure};
use crate::id::{
    AlarmId, AskId, ClientTx, FlowId, Id, PublicationId, RegistrationId, SendId, ServerTx, SessionId, SubscriptionId,
    WatcherId,
};
use crate::invite;
use crate::message::{Message, Method, Request, Response};
use crate::outbox::{Action, Answer, Cause, FlowChange, Origin, Outbox, Path, Question, SendError};
use crate::publish;
use crate::register;
use crate::stack::{Alarm, Ask, Asker, Stack, StackError, Timer, Usage};
use crate::subscribe;
use crate::time::{Now, Time};
use crate::wheel::TimerId;

/// A turn: see the crate's first page. Opened with [`Stack::at`].
///
/// *Inputs* (driver): [`receive`](Turn::receive), [`timeout`](Turn::timeout), [`answered`](Turn::answered), [`flow`](Turn::flow),
/// [`unsent`](Turn::unsent). *Commands* (application): all other methods that take `&mut self`. *Getters*: those that take `&self`.
#[derive(Debug)]
pub struct Turn<'a> {
    pub(crate) stack: &'a mut Stack,
    pub(crate) now: Now,
    pub(crate) out: &'a mut Outbox,
}

/// Who is told what comes of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The application, by events.
    Application,
    /// A session; the number is the session's own.
    Session(SessionId, u16),
    /// A registration; the number is the registration's own.
    Registration(RegistrationId, u16),
    /// What asks whether a registrar is still there; the number is its own.
    KeepAlive(RegistrationId, u16),
    /// A subscription of ours; the number is its own.
    Subscription(SubscriptionId, u16),
    /// A watcher; the number is its own.
    Watcher(WatcherId, u16),
    /// A publication; the number is its own.
    Publication(PublicationId, u16),
}

/// What a [`SendId`] names: the object whose message it is. All copies of a message share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// Nothing that wants to hear of a failure.
    Nobody,
    /// A client transaction.
    Client(Id),
    /// A server transaction.
    Server(Id),
    /// A request without a transaction that was handed to a connection.
    Handed(Id),
}

impl Sender {
    const SLOT: u32 = (1 << 30) - 1;

    fn send_id(self, stack: &Stack) -> SendId {
        let (kind, id) = match self {
            Sender::Nobody => (0, Id::new(stack.config.shard, 0, 0)),
            Sender::Client(id) => (1, id),
            Sender::Server(id) => (2, id),
            Sender::Handed(id) => (3, id),
        };
        SendId(Id::new(id.shard(), id.generation(), (id.slot() & Self::SLOT) | (kind << 30)))
    }
    pub(crate) fn of(send: SendId) -> Self {
        let id = Id::new(send.0.shard(), send.0.generation(), send.0.slot() & Self::SLOT);
        match send.0.slot() >> 30 {
            1 => Sender::Client(id),
            2 => Sender::Server(id),
            3 => Sender::Handed(id),
            _ => Sender::Nobody,
        }
    }
}

impl SendId {
    /// Whether it names something that is told when the message cannot be sent: a transaction, most often. All others, of which the stack keeps nothing, are equal.
    pub fn is_told(self) -> bool {
        Sender::of(self) != Sender::Nobody
    }
}

/// Inputs from the driver.
impl Turn<'_> {
    /// The instant of this turn.
    pub fn now(&self) -> Now {
        self.now
    }

    /// A fresh Call-ID that falls to this shard: for requests outside a dialog whose draft wants one (RFC 3261 section 8.1.1.4).
    pub fn call_id(&mut self) -> String {
        let config = &self.stack.config;
        config.spread.call_id(config.shard, &mut self.stack.rng)
    }

    /// What has happened so far: see [`Stack::counters`].
    pub fn counters(&self) -> &Counters {
        &self.stack.counters
    }

    /// How many objects of each kind live: see [`Stack::usage`].
    pub fn usage(&self) -> Usage {
        self.stack.usage()
    }

    /// A message came: one datagram, or one frame of a stream. `from` is where the answer to a request goes back along.
    ///
    /// A keep-alive (nothing but line ends, or nothing) is counted and dropped; a single line end of a stream is the answer to one of ours, and so is a binding response of
    /// STUN (RFC 5626 section 4.4). What cannot be read is answered where its Via says so
    /// (a response and an ACK never) and reported as [`Event::Rejected`].
    pub fn receive(&mut self, from: &Origin, bytes: Bytes) {
        self.stack.place_fresh();
        // No message begins so.
        if bytes.first().is_none_or(|first| *first <= b'\r') && register::ping::on_keep_alive(self, from, &bytes) {
            self.stack.counters.keepalives += 1;
            return;
        }
        let message = Message::parse(bytes, &self.stack.config.limits);
        // Whoever asks or answers, however late, is there: one that has been silent may have begun anew.
        if message.is_ok() && !self.stack.silent.is_empty() {
            self.stack.silent.spoke(from.remote);
        }
        match message {
            Ok(Message::Request(request)) => {
                self.stack.counters.requests_in += 1;
                self.receive_request(Arc::new(request), from);
            }
            Ok(Message::Response(response)) => {
                self.stack.counters.responses_in += 1;
                self.receive_response(Box::new(response), from);
            }
            Err(broken) => {
                self.stack.counters.unreadable += 1;
                self.refuse_broken(&broken, from);
                self.emit(Event::Rejected { origin: *from, error: broken.error });
            }
        }
    }

    /// A message came for which there is no room: nothing of it is kept. A request is answered 503 with Retry-After (RFC 3261 section
    /// 21.5.4), except where the peer repeats it by itself and something under way would be lost by a refusal: over UDP what has a To tag. ACK and
    /// CANCEL are ignored (section 8.2.7), and a response is dropped. True when an answer was given.
    pub fn shed(&mut self, from: &Origin, bytes: Bytes) -> bool {
        self.stack.counters.shed += 1;
        let Ok(Message::Request(request)) = Message::parse(bytes, &self.stack.config.limits) else { return false };
        let under_way = request.headers().to_tag().is_some() && !from.transport.is_reliable();
        if matches!(request.method(), Method::Ack | Method::Cancel) || under_way {
            return false;
        }
        self.refuse_busy(&request, from);
        true
    }

    /// The time of [`Stack::deadline`] has come. May be called at any time.
    pub fn timeout(&mut self) {
        self.stack.place_fresh();
        let mut ended = false;
        while let Some(timer) = self.stack.wheel.fire(self.now.mono) {
            ended |= timer != Timer::Spare;
            match timer {
                Timer::Client(id) => self.client_time(id),
                Timer::Server(id) => self.server_time(id),
                Timer::Ask(ask) => self.answered(ask, Answer::TimedOut),
                Timer::Alarm(id) => {
                    if let Some(alarm) = self.stack.alarms.remove(id) {
                        self.emit(Event::Alarm { alarm: AlarmId(id), token: alarm.token });
                    }
                }
                Timer::Session(id, kind) => invite::on_timer(self, id, kind),
                Timer::Registration(id, kind) => register::on_timer(self, id, kind),
                Timer::Subscription(id) => subscribe::on_timer(self, id),
                Timer::Watcher(id) => subscribe::on_watcher_timer(self, id),
                Timer::Publication(id) => publish::on_timer(self, id),
                Timer::Away(id) => self.forget_away(id),
                Timer::Handed(id) => self.outgoing_handed(id),
                Timer::LeftOut(id) => self.outgoing_left_out(id),
                Timer::Spare => self.stack.give_room_back(),
            }
        }
        if ended {
            self.stack.look_for_spare_room(self.now.mono);
        }
    }

    /// The driver found out what [`Action::Ask`] asked. An answer that comes too late is dropped.
    pub fn answered(&mut self, ask: AskId, answer: Answer) {
        if let Some(waiting) = self.stack.asks.remove(ask.0) {
            self.stop(waiting.timer);
            match waiting.asker {
                Asker::Request(id) => self.outgoing_answered(id, answer),
                Asker::Response(id, why) => self.response_answered(id, why, answer),
            }
        }
    }

    /// A flow changed. Requests that wait for a response on a stream that was lost are sent once more on the same path, for which the
    /// driver connects anew; those on a stream that could not be opened go to their next address or fail. Registrations made on a stream
    /// that was lost are made anew within a second (RFC 5626 section 4.5).
    pub fn flow(&mut self, flow: FlowId, change: FlowChange) {
        if !matches!(change, FlowChange::OpenFailed | FlowChange::Lost) {
            return;
        }
        let all = (flow, Id::from_u64(0))..=(flow, Id::from_u64(u64::MAX));
        let hit: Vec<Id> = self.stack.streams.range(all).map(|(_, id)| *id).collect();
        for id in hit {
            self.client_stream_gone(id, change);
        }
        register::on_flow_lost(self, flow);
    }

    /// A message of [`Action::Send`] could not be sent, or an ICMP error came back for it.
    pub fn unsent(&mut self, send: SendId, why: SendError) {
        self.stack.counters.unsent += 1;
        match Sender::of(send) {
            Sender::Nobody => {}
            Sender::Client(id) => self.client_unsent(id, why),
            Sender::Server(id) => self.server_unsent(id, why),
            Sender::Handed(id) => self.outgoing_unsent(id, &why),
        }
    }
}

/// Alarms.
impl Turn<'_> {
    /// Starts an alarm: [`Event::Alarm`] with `token` comes at `at`, or at once when that has passed.
    ///
    /// # Errors
    /// [`StackError::Full`] when [`crate::Config::max_alarms`] run.
    pub fn alarm(&mut self, at: Time, token: u64) -> Result<AlarmId, StackError> {
        let limit = self.stack.config.max_alarms;
        if self.stack.alarms.len() >= limit {
            return Err(StackError::Full { what: "alarms", limit });
        }
        // The timer must know the alarm and the alarm its timer.
        let unset = TimerId::NONE;
        let id = self.stack.alarms.insert(self.stack.config.shard, Alarm { token, timer: unset });
        let timer = self.start(at, Timer::Alarm(id));
        if let Some(alarm) = self.stack.alarms.get_mut(id) {
            alarm.timer = timer;
        }
        Ok(AlarmId(id))
    }

    /// Stops an alarm; one that has gone off is left alone.
    pub fn silence(&mut self, alarm: AlarmId) {
        if let Some(gone) = self.stack.alarms.remove(alarm.0) {
            self.stop(gone.timer);
        }
    }
}

/// Results, to whom they belong.
impl Turn<'_> {
    /// A response for the owner of a request.
    pub(crate) fn deliver(&mut self, owner: Owner, tx: ClientTx, response: Box<Response>, origin: &Origin) {
        match owner {
            Owner::Application => self.emit(Event::Response { tx, response, origin: *origin }),
            Owner::Session(id, purpose) => invite::on_response(self, id, purpose, tx, response, origin),
            Owner::Registration(id, purpose) => register::on_response(self, id, purpose, tx, response, origin),
            Owner::KeepAlive(id, attempt) => {
                if response.code().is_final() {
                    register::keep_alive::on_response(self, id, attempt, &response);
                }
            }
            Owner::Subscription(id, attempt) => subscribe::on_response(self, id, attempt, tx, &response),
            Owner::Watcher(id, attempt) => subscribe::on_notify_response(self, id, attempt, &response),
            Owner::Publication(id, attempt) => publish::on_response(self, id, attempt, tx, &response),
        }
    }

    /// No (more) response for the owner of a request; `used` is its last CSeq number, if it was sent.
    pub(crate) fn deliver_failure(&mut self, owner: Owner, tx: ClientTx, used: Option<u32>, why: Failure) {
        match owner {
            Owner::Application => self.emit(Event::RequestFailed { tx, why }),
            Owner::Session(id, purpose) => invite::on_failure(self, id, purpose, tx, why),
            Owner::Registration(id, purpose) => register::on_failure(self, id, purpose, used, why),
            Owner::KeepAlive(id, attempt) => register::keep_alive::on_failure(self, id, attempt, &why),
            Owner::Subscription(id, attempt) => subscribe::on_failure(self, id, attempt, used, why),
            Owner::Watcher(id, attempt) => subscribe::on_notify_failure(self, id, attempt, why),
            Owner::Publication(id, attempt) => publish::on_failure(self, id, attempt, used, why),
        }
    }

    /// An ACK for a 2xx has gone out.
    pub(crate) fn deliver_ack_sent(&mut self, owner: Owner, path: Path, bytes: Bytes) {
        if let Owner::Session(id, purpose) = owner {
            invite::on_ack_sent(self, id, purpose, path, bytes);
        }
    }

    /// A CANCEL came for an INVITE without a final response.
    pub(crate) fn deliver_cancel(&mut self, owner: Owner, tx: ServerTx, cancel: &Arc<Request>) {
        match owner {
            Owner::Session(id, _) => invite::on_cancel(self, id, tx, cancel),
            _ => self.cancelled_by_peer(tx),
        }
    }

    /// A response of ours could not be sent (RFC 3261 section 17.2.4).
    pub(crate) fn deliver_unsent(&mut self, owner: Owner, tx: ServerTx, why: SendError) {
        match owner {
            Owner::Session(id, _) => invite::on_unsent(self, id, tx, why),
            Owner::Application => self.emit(Event::ResponseUnsent { tx, why }),
            _ => {}
        }
    }

    /// News for the application.
    pub(crate) fn emit(&mut self, event: Event) {
        self.out.push(Action::Event(event));
    }
}

/// Output and timers.
impl Turn<'_> {
    /// Hands a message to the driver.
    pub(crate) fn send(&mut self, from: Sender, path: Path, bytes: Bytes, why: Cause) {
        let id = from.send_id(self.stack);
        self.out.push(Action::Send { id, path, bytes, why });
    }

    /// A message that belongs to no transaction: an ACK repeated byte for byte.
    pub(crate) fn send_raw(&mut self, path: Path, bytes: Bytes, why: Cause) {
        self.send(Sender::Nobody, path, bytes, why);
    }

    /// Asks the driver.
    pub(crate) fn ask(&mut self, asker: Asker, question: Question) -> AskId {
        let until = self.now.mono + self.stack.config.ask_timeout;
        let id = AskId(self.stack.asks.insert(self.stack.config.shard, Ask { asker, timer: TimerId::NONE }));
        let timer = self.start(until, Timer::Ask(id));
        if let Some(waiting) = self.stack.asks.get_mut(id.0) {
            waiting.timer = timer;
        }
        self.out.push(Action::Ask { id, question, until });
        id
    }

    /// Starts a timer.
    pub(crate) fn start(&mut self, at: Time, timer: Timer) -> TimerId {
        self.stack.wheel.start(at, timer)
    }

    /// Stops a timer; one that has fired is left alone.
    pub(crate) fn stop(&mut self, timer: TimerId) {
        self.stack.wheel.stop(timer);
    }
}
