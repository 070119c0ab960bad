//! Server transactions at work: requests that come in, and the responses that go back.

use std::sync::Arc;

use bytes::Bytes;

use crate::config::{Role, Trying};
use crate::event::Event;
use crate::id::{Id, ServerTx};
use crate::invite;
use crate::message::{Broken, HeaderId, Headers, Lines, Method, Request, StatusCode, begin_response};
use crate::outbox::{Cause, Origin, Path};
use crate::overload::{self, Heed};
use crate::reply::Reply;
use crate::rng::Token;
use crate::stack::{Stack, Timer};
use crate::subscribe;
use crate::time::Time;
use crate::transaction::key::Key;
use crate::transaction::packed::PackedPath;
use crate::transaction::way_back::{Stamp, Way};
use crate::transaction::way_on::Detour;
use crate::transaction::{respond, server_invite, server_other};
use crate::turn::{Owner, Sender, Turn};
use crate::wheel::TimerId;

/// Of the limits on server transactions and on what they keep, this part is added for requests that end what is held, and one like it for what is handed to
/// a connection without a transaction.
pub(super) const RESERVE: usize = 8;

/// A server transaction (RFC 3261 section 17.2). Once the final response is made, the request is let go of and only the octets of that
/// response stay.
#[derive(Debug)]
pub(crate) struct Server {
    pub(super) machine: Machine,
    /// Where requests find it: its own key first.
    keys: Keys,
    pub(super) owner: Owner,
    pub(super) request: Option<Arc<Request>>,
    /// The last response.
    last: Option<Box<[u8]>>,
    pub(super) origin: PackedPath,
    /// Where responses go when that is not where the request came from.
    pub(super) detour: Option<Box<Detour>>,
    /// What the top Via is given (RFC 3261 section 18.2.1, RFC 3581 section 4).
    pub(super) stamp: Stamp,
    /// Where a new connection to the peer goes: the port of its sent-by.
    pub(super) home: u16,
    /// Our tag in To, when the request has none.
    pub(super) tag: Token,
    timer: TimerId,
}

/// The machine, by the method of the request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Machine {
    Invite(server_invite::State),
    Other(server_other::State),
}

/// The entries of one transaction in the table of arrivals.
#[derive(Debug)]
struct Keys {
    own: Key,
    merged: Option<Box<Key>>,
    old_ack: Option<Box<Key>>,
}

impl Server {
    fn deadline(&self) -> Option<Time> {
        match &self.machine {
            Machine::Invite(state) => state.deadline(),
            Machine::Other(state) => Some(state.deadline()),
        }
    }
    /// The tag of an answer of which nothing is kept.
    pub(super) fn stateless_tag(&self) -> Token {
        self.keys.own.tag()
    }
    /// The last response.
    pub(super) fn last(&self) -> Option<&[u8]> {
        self.last.as_deref()
    }
    /// Another last response, or none; `kept` is the sum over all transactions.
    pub(super) fn keep(&mut self, last: Option<Box<[u8]>>, kept: &mut usize) {
        *kept -= self.last.as_deref().map_or(0, <[u8]>::len);
        *kept += last.as_deref().map_or(0, <[u8]>::len);
        self.last = last;
    }
    /// Lets go of the request; `kept` is the sum over all transactions.
    fn take_request(&mut self, kept: &mut usize) -> Option<Arc<Request>> {
        let request = self.request.take()?;
        *kept -= request.bytes().len();
        Some(request)
    }
    pub(super) fn is_open(&self) -> bool {
        match &self.machine {
            Machine::Invite(state) => state.is_open(),
            Machine::Other(state) => state.is_open(),
        }
    }
    /// For [`crate::Stack::states`].
    pub(crate) fn state_name(&self) -> &'static str {
        match &self.machine {
            Machine::Invite(state) => match state {
                server_invite::State::Proceeding { .. } => "server INVITE: proceeding",
                server_invite::State::Completed { .. } => "server INVITE: completed",
                server_invite::State::Confirmed { .. } => "server INVITE: confirmed",
                server_invite::State::Accepted { .. } => "server INVITE: accepted",
            },
            Machine::Other(state) => match state {
                server_other::State::Trying { .. } => "server other: trying",
                server_other::State::Proceeding { .. } => "server other: proceeding",
                server_other::State::Completed { .. } => "server other: completed",
            },
        }
    }
    /// Only repeats are waited for.
    fn is_over(&self) -> bool {
        match &self.machine {
            Machine::Invite(state) => matches!(state, server_invite::State::Confirmed { .. }),
            Machine::Other(state) => matches!(state, server_other::State::Completed { .. }),
        }
    }
    pub(super) fn path(&self) -> Path {
        match &self.detour {
            Some(detour) => detour.path(),
            None => self.origin(),
        }
    }
    /// The request, until the final response is made.
    pub(crate) fn request(&self) -> Option<&Arc<Request>> {
        self.request.as_ref()
    }
    /// Where the request came from.
    pub(crate) fn origin(&self) -> Origin {
        self.origin.get()
    }
    pub(super) fn is_reliable(&self) -> bool {
        self.origin.is_reliable()
    }
    pub(super) fn is_invite(&self) -> bool {
        matches!(self.machine, Machine::Invite(_))
    }
}

impl Keys {
    fn all(&self) -> impl Iterator<Item = Key> {
        let others = [&self.merged, &self.old_ack].into_iter().flatten();
        std::iter::once(self.own).chain(others.map(|key| **key))
    }
}

/// The transaction that came last.
impl Stack {
    /// Puts it where requests find it, and starts its timer. That waits until something else comes or the next deadline is asked for: most
    /// are answered before, many for good, and need neither a timer that is stopped at once nor, where nothing of them is kept, a place.
    pub(crate) fn place_fresh(&mut self) {
        let Some(id) = self.fresh.take() else { return };
        let Some(server) = self.servers.get_mut(id) else { return };
        for key in server.keys.all() {
            self.arrivals.insert(key, id);
        }
        if let Some(at) = server.deadline() {
            server.timer = self.wheel.start(at, Timer::Server(id));
        }
    }

    /// How many entries it will have in the table of arrivals, and how many timers.
    pub(crate) fn fresh_usage(&self) -> (usize, usize) {
        let server = self.fresh.and_then(|id| self.servers.get(id));
        server.map_or((0, 0), |server| (server.keys.all().count(), usize::from(server.deadline().is_some())))
    }
}

/// Requests that come in.
impl Turn<'_> {
    /// Whether a request that has no To tag is another copy of one that there is already, come by another way (RFC 3261 section 8.2.2.2): to be refused
    /// with 482. With [`Role::UserAgent`] the stack does it; with [`Role::Proxy`] it is for whoever is the user agent of a request to ask, once and
    /// before the request is answered.
    pub fn is_merged(&mut self, tx: ServerTx, request: &Request) -> bool {
        if self.stack.config.role == Role::UserAgent {
            return false;
        }
        let Some(key) = self.stack.keys.merged(request.headers(), request.method()) else { return false };
        match self.stack.arrivals.get(&key) {
            Some(id) if *id != tx.0 => {
                self.stack.counters.merged += 1;
                return true;
            }
            Some(_) => return false,
            None => {}
        }
        if let Some(server) = self.stack.servers.get_mut(tx.0) {
            server.keys.merged = Some(Box::new(key));
            // One that stands in no table yet gets there with all its keys.
            if self.stack.fresh != Some(tx.0) {
                self.stack.arrivals.insert(key, tx.0);
            }
        }
        false
    }

    /// RFC 3261 section 18.2.1 and 17.2.3.
    pub(crate) fn receive_request(&mut self, request: Arc<Request>, origin: &Origin) {
        match request.method() {
            Method::Ack => return self.receive_ack(request, origin),
            Method::Cancel => return self.receive_cancel(request, origin),
            _ => {}
        }
        let key = self.stack.keys.server(&request, request.method());
        if let Some(&id) = self.stack.arrivals.get(&key) {
            return self.server_repeat(id);
        }
        if self.send_request_after(&request, origin) {
            return;
        }
        let merged = match self.stack.config.role {
            Role::UserAgent => self.stack.keys.merged(request.headers(), request.method()),
            Role::Proxy => None,
        };
        if merged.is_some_and(|merged| self.stack.arrivals.contains_key(&merged)) {
            self.stack.counters.merged += 1;
            if let Some(id) = self.server_new(request, origin, key, None) {
                self.server_refuse(id, StatusCode::LOOP_DETECTED);
            }
            return;
        }
        let is_invite = *request.method() == Method::Invite;
        let Some(id) = self.server_new(request.clone(), origin, key, merged) else { return };
        if is_invite && self.stack.config.trying == Trying::AtOnce {
            self.server_trying(id);
        }
        self.route_request(id, request, origin);
    }

    /// To whom a new request goes.
    fn route_request(&mut self, id: Id, request: Arc<Request>, origin: &Origin) {
        let tx = ServerTx(id);
        let method = request.method();
        let tagged = request.headers().to_tag_octets().is_some();
        // These mean nothing outside a dialog, tag or no tag (RFC 3261 section 12.2.2, RFC 3262 section 3, RFC 3311 section 5.2, RFC 6086
        // section 4.2.2).
        let bound = matches!(method, Method::Bye | Method::Prack | Method::Update | Method::Info);
        if tagged && belongs_to_packages(method) && subscribe::on_request(self, tx, &request, origin) {
            return;
        }
        if (tagged || bound) && invite::on_request(self, tx, &request, origin) {
            return;
        }
        let dialogs_only = bound || *method == Method::Notify || tagged && makes_sense_in_dialogs_only(method);
        if dialogs_only && self.stack.config.role == Role::UserAgent {
            self.stack.counters.unknown_dialog += 1;
            return self.server_refuse(id, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
        }
        self.emit(Event::Request { tx, request, origin: *origin });
    }

    /// An ACK: for a refusal it ends the repeats (RFC 3261 section 17.2.1), otherwise it belongs to a 2xx. Never answered.
    fn receive_ack(&mut self, request: Arc<Request>, origin: &Origin) {
        let key = self.stack.keys.server(&request, &Method::Invite);
        let (now, timers) = (self.now.mono, self.stack.config.timers);
        let found = self.stack.arrivals.get(&key).copied();
        if let Some((id, server)) = found.and_then(|id| Some((id, self.stack.servers.get_mut(id)?)))
            && let Machine::Invite(state) = &mut server.machine
        {
            let reliable = server.origin.is_reliable();
            match state.step(server_invite::Input::Ack, now, reliable, &timers) {
                server_invite::Effect::AckUp => {}
                _ => return self.server_rearm(id),
            }
        }
        if invite::on_ack(self, &request, origin) || self.send_after(request.headers(), origin) {
            return;
        }
        self.stack.counters.stray_acks += 1;
        if self.stack.config.role == Role::Proxy {
            self.emit(Event::Ack { request, origin: *origin });
        }
    }

    /// A CANCEL is a request with a transaction of its own, and acts on another (RFC 3261 section 9.2). Of one that was answered without leaving a
    /// trace nothing is known: 481, as for whatever else is not there. Nobody sends it who has heard no 1xx, and that one has not.
    fn receive_cancel(&mut self, request: Arc<Request>, origin: &Origin) {
        let key = self.stack.keys.server(&request, &Method::Cancel);
        if let Some(&id) = self.stack.arrivals.get(&key) {
            return self.server_repeat(id);
        }
        let invite = self.cancel_target(&request);
        if invite.is_none() && self.send_after(request.headers(), origin) {
            return;
        }
        if !self.has_room(&request) {
            return self.cancel_without_room(invite, &request, origin);
        }
        let Some(id) = self.server_new(request.clone(), origin, key, None) else { return };
        let target = invite.and_then(|invite| Some((invite, self.stack.servers.get(invite)?)));
        let Some((invite, server)) = target else {
            self.stack.counters.unknown_dialog += 1;
            if self.stack.config.hand_strays {
                return self.emit(Event::StrayCancel { tx: ServerTx(id), request, origin: *origin });
            }
            return self.server_refuse(id, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
        };
        let (tag, owner) = (server.tag, server.owner);
        let open = server.is_open() && matches!(server.machine, Machine::Invite(_));
        if let Some(server) = self.stack.servers.get_mut(id) {
            // Section 9.2: the tag of this response SHOULD be that of the INVITE's.
            server.tag = tag;
        }
        let mut answer = Reply::new(StatusCode::OK);
        if let Owner::Session(session, _) = owner {
            invite::sign_answer(self, session, ServerTx(id), &mut answer);
        }
        let _ = self.respond_as(ServerTx(id), answer, Cause::Automatic);
        if open {
            self.deliver_cancel(owner, ServerTx(invite), &request);
        }
    }

    /// A CANCEL for which no transaction can be kept. Where its INVITE is known it is carried out, since it ends what is held, and answered alike each
    /// time it comes. All others are ignored, as a stateless UAS has to (RFC 3261 section 8.2.7).
    fn cancel_without_room(&mut self, invite: Option<Id>, cancel: &Arc<Request>, origin: &Origin) {
        self.stack.counters.shed += 1;
        let Some((invite, server)) = invite.and_then(|invite| Some((invite, self.stack.servers.get(invite)?))) else {
            return;
        };
        let (tag, owner) = (server.tag, server.owner);
        let open = server.is_open() && matches!(server.machine, Machine::Invite(_));
        self.answer_stateless(cancel.headers(), origin, StatusCode::OK, None, tag, Lines::default());
        if open {
            self.deliver_cancel(owner, ServerTx(invite), cancel);
        }
    }

    /// What a CANCEL would cancel: any method but ACK and CANCEL. Only an INVITE is affected by it.
    fn cancel_target(&self, cancel: &Request) -> Option<Id> {
        let find = |method: &Method| self.stack.arrivals.get(&self.stack.keys.server(cancel, method)).copied();
        let rest =
            Method::KNOWN.iter().filter(|method| !matches!(method, Method::Invite | Method::Ack | Method::Cancel));
        find(&Method::Invite).or_else(|| rest.into_iter().find_map(find))
    }

    /// A message that could not be read: answered when it is a request other than ACK and its Via says where to (RFC 3261 sections 8.2.6 and 18.2.2).
    pub(crate) fn refuse_broken(&mut self, broken: &Broken, origin: &Origin) {
        let (Some(method), Some(head)) = (&broken.method, &broken.head) else { return };
        if *method != Method::Ack {
            let reason = format!("{} ({})", broken.error.status.default_reason(), broken.error);
            let (tag, mut lines) = (self.stack.keys.stateless_tag(head), Lines::default());
            invite::name_refuser(self, (method, head), tag.as_str(), &mut lines);
            self.answer_stateless(head, origin, broken.error.status, Some(&reason), tag, lines);
        }
    }

    /// An answer that leaves nothing behind (RFC 3261 section 8.2.7).
    fn answer_stateless(
        &mut self,
        headers: &Headers,
        origin: &Origin,
        code: StatusCode,
        reason: Option<&str>,
        tag: Token,
        lines: Lines,
    ) {
        let config = &self.stack.config;
        let way = Way::of(headers, origin, config);
        let received = way.stamp.values(origin);
        let load = config.load.told_to(headers, origin, self.now.mono, config, &mut self.stack.hearers);
        let (page, tag) = (Vec::with_capacity(1_024), Some(tag.as_bytes()));
        let mut writer = begin_response(page, headers, code, reason, tag, received, load.as_deref());
        writer.lines(&lines);
        let bytes = writer.finish(None);
        self.stack.counters.responses_out += 1;
        self.send_raw(Path { remote: way.to, ..*origin }, bytes, Cause::Automatic);
    }

    /// 503 with Retry-After, and nothing is kept (RFC 3261 section 21.5.4). With overload control it has none, for who stays away for seconds and comes back at
    /// once is no help (RFC 7339 section 5.10.2).
    pub(crate) fn refuse_busy(&mut self, request: &Request, origin: &Origin) {
        self.has_come(false);
        self.answer_busy(request, origin);
    }

    fn answer_busy(&mut self, request: &Request, origin: &Origin) {
        let mut lines = Lines::default();
        if self.stack.config.overload.is_none() {
            lines.push_id(HeaderId::RetryAfter, self.stack.config.retry_after_secs);
        }
        let tag = self.stack.keys.stateless_tag(request.headers());
        invite::sign_unkept(self, request, tag.as_str(), &mut lines);
        self.answer_stateless(request.headers(), origin, StatusCode::SERVICE_UNAVAILABLE, None, tag, lines);
    }

    /// A new request came, and there was room for it or none: by that it is reckoned what we ask of others (RFC 7339 section 5.3).
    fn has_come(&mut self, has_room: bool) {
        if self.stack.config.overload.is_some() {
            self.stack.config.load.came(self.now.mono, !has_room);
        }
    }

    /// What who has sent a request does about what we ask for (RFC 7339); `None` where nobody is refused for that: within a dialog, a call for help, and where a proxy keeps
    /// nothing, which knows no repeat, and would refuse that of what it has passed on.
    fn heed_of(&mut self, request: &Request, origin: &Origin) -> Option<Heed> {
        let limits = self.stack.config.overload.filter(|_| !self.stack.config.hand_strays)?;
        let headers = request.headers();
        if *request.method() == Method::Cancel
            || headers.to_tag_octets().is_some()
            || overload::is_for_help(request.uri_text())
        {
            return None;
        }
        match overload::is_offered_in(headers) {
            true => Some(self.stack.hearers.came(origin, self.now.mono, limits.max_clients)),
            false => Some(Heed::Unknown),
        }
    }

    /// Who says that he hears and goes on is refused before others are: what we ask for we leave out ourselves, and half of the room is enough for all like him.
    fn leaves_out_first(&mut self, request: &Request) -> bool {
        let loss = self.stack.config.load.asked(self.now.mono);
        !self.has_room_in_half(request) || self.draws(loss)
    }

    /// Who does not hear leaves nothing out by himself: of what he begins so much is refused as others leave out, or theirs would be the places that he takes (RFC 7339
    /// section 5.10.2). It counts neither as taken nor as refused, as what others leave out does not. What answers a challenge was let in before.
    fn leaves_out(&mut self, request: &Request) -> bool {
        let loss = self.stack.config.load.left_out(self.now.mono);
        let now = self.now.mono;
        loss > 0 && !self.stack.challenged.is_answered(&self.stack.keys, request, None, now) && self.draws(loss)
    }

    fn draws(&mut self, loss: u8) -> bool {
        loss > 0 && self.stack.rng.below(100) < u64::from(loss)
    }

    /// A request is answered so: where others are refused as often as is left out elsewhere, what answers a challenge is not drawn once more.
    pub(super) fn server_challenged(&mut self, tx: ServerTx, code: StatusCode) {
        let Some(limits) = self.stack.config.overload else { return };
        let now = self.now.mono;
        if !matches!(code, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED)
            || self.stack.config.load.left_out(now) == 0
        {
            return;
        }
        let Some(request) = self.stack.servers.get(tx.0).and_then(Server::request) else { return };
        self.stack.challenged.challenge(&self.stack.keys, request, now, limits.max_challenged);
    }

    /// A challenge of somebody further on is passed back: where servers have asked for less, its answer is among what is left out last.
    pub(super) fn server_challenged_beyond(&mut self, tx: ServerTx, code: StatusCode) {
        let Some(limits) = self.stack.config.overload else { return };
        let now = self.now.mono;
        if !matches!(code, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED)
            || self.stack.throttles.is_quiet(now)
        {
            return;
        }
        let Some(request) = self.stack.servers.get(tx.0).and_then(Server::request) else { return };
        self.stack.challenged_beyond.challenge(&self.stack.keys, request, now, limits.max_challenged);
    }

    /// A response is passed back to who has sent a request, and tells him of our load where he asks for it.
    pub(super) fn server_told(&mut self, tx: ServerTx) {
        let Some(server) = self.stack.servers.get(tx.0) else { return };
        if let Some(request) = server.request() {
            let (config, now, origin) = (&self.stack.config, self.now.mono, server.origin());
            config.load.is_told_to(request.headers(), &origin, now, config, &mut self.stack.hearers);
        }
    }

    /// Whether there is room for the transaction of a request. What belongs to a dialog, or cancels a request, ends what is held: for it an
    /// eighth more is kept free, so that a flood of new requests keeps nobody from hanging up.
    fn has_room(&self, request: &Request) -> bool {
        let within = |reserve: bool| {
            self.has_room_in(request, |most| if reserve { most.saturating_add(most / RESERVE) } else { most })
        };
        let stands = || match request.method() {
            Method::Cancel => self.cancel_target(request).is_some(),
            method if belongs_to_packages(method) && subscribe::has_dialog(self, request) => true,
            _ => invite::has_dialog(self, request),
        };
        within(false) || within(true) && stands()
    }

    fn has_room_in_half(&self, request: &Request) -> bool {
        self.has_room_in(request, |most| most / 2)
    }

    fn has_room_in(&self, request: &Request, limit: impl Fn(usize) -> usize) -> bool {
        let config = &self.stack.config;
        let kept = self.stack.kept.saturating_add(request.bytes().len());
        self.stack.servers.len() < limit(config.max_server_transactions) && kept <= limit(config.max_kept_octets)
    }

    /// A new transaction; `None` when there are too many or they keep too much, and the request has been answered 503.
    fn server_new(&mut self, request: Arc<Request>, origin: &Origin, key: Key, merged: Option<Key>) -> Option<Id> {
        let heed = self.heed_of(&request, origin);
        let is_first = heed == Some(Heed::Ignores) && self.leaves_out_first(&request);
        if !is_first && !self.has_room(&request) {
            self.stack.counters.shed += 1;
            self.refuse_busy(&request, origin);
            return None;
        }
        if is_first || heed == Some(Heed::Unknown) && self.leaves_out(&request) {
            self.stack.counters.shed += 1;
            self.answer_busy(&request, origin);
            return None;
        }
        let config = &self.stack.config;
        let machine = match (request.method(), config.trying) {
            (Method::Invite, Trying::AtOnce) => Machine::Invite(server_invite::State::new(None)),
            (Method::Invite, Trying::After(span)) => {
                Machine::Invite(server_invite::State::new(Some(self.now.mono + span)))
            }
            _ => Machine::Other(server_other::State::new(self.now.mono, &config.timers)),
        };
        let way = Way::of(request.headers(), origin, config);
        let octets = request.bytes().len();
        let server = Server {
            machine,
            keys: Keys { own: key, merged: merged.map(Box::new), old_ack: None },
            owner: Owner::Application,
            request: Some(request),
            last: None,
            origin: PackedPath::new(origin),
            detour: (way.to != origin.remote).then(|| Detour::to(way.to, origin)),
            stamp: way.stamp,
            home: way.home,
            tag: self.stack.rng.token(),
            timer: TimerId::NONE,
        };
        self.has_come(true);
        self.stack.kept += octets;
        let id = self.stack.servers.insert(self.stack.config.shard, server);
        self.stack.fresh = Some(id);
        Some(id)
    }

    /// Takes a transaction away.
    pub(crate) fn server_end(&mut self, id: Id) {
        let Some(mut server) = self.stack.servers.remove(id) else { return };
        server.take_request(&mut self.stack.kept);
        server.keep(None, &mut self.stack.kept);
        if self.stack.fresh.take_if(|fresh| *fresh == id).is_some() {
            return;
        }
        self.stop(server.timer);
        for key in server.keys.all() {
            self.stack.arrivals.remove(&key);
        }
    }

    /// The request came again.
    fn server_repeat(&mut self, id: Id) {
        self.stack.counters.repeats_in += 1;
        let (now, timers) = (self.now.mono, self.stack.config.timers);
        let Some(server) = self.stack.servers.get_mut(id) else { return };
        let reliable = server.is_reliable();
        let again = match &mut server.machine {
            Machine::Invite(state) => {
                state.step(server_invite::Input::Invite, now, reliable, &timers) == server_invite::Effect::Again
            }
            Machine::Other(state) => {
                state.step(server_other::Input::Request, now, reliable, &timers) == server_other::Effect::Again
            }
        };
        if again {
            self.server_again(id, Cause::Answer);
        }
    }

    /// The last response, byte for byte.
    pub(super) fn server_again(&mut self, id: Id, why: Cause) {
        let Some(server) = self.stack.servers.get(id) else { return };
        if let Some(bytes) = server.last().map(Bytes::copy_from_slice) {
            let path = server.path();
            self.stack.counters.responses_repeated += 1;
            self.send(Sender::Server(id), path, bytes, why);
        }
    }

    /// Its timer fired.
    pub(crate) fn server_time(&mut self, id: Id) {
        let (now, timers) = (self.now.mono, self.stack.config.timers);
        let Some(server) = self.stack.servers.get_mut(id) else { return };
        let reliable = server.is_reliable();
        match &mut server.machine {
            Machine::Invite(state) => match state.step(server_invite::Input::Timeout, now, reliable, &timers) {
                server_invite::Effect::Repeat => self.server_again(id, Cause::RetransmitResponse),
                server_invite::Effect::Trying => self.server_trying(id),
                server_invite::Effect::Gone => return self.server_end(id),
                server_invite::Effect::Unacknowledged => {
                    self.stack.counters.unacknowledged += 1;
                    self.server_end(id);
                    return self.emit(Event::Unacknowledged { tx: ServerTx(id) });
                }
                _ => {}
            },
            Machine::Other(state) => match state.step(server_other::Input::Timeout, now, reliable, &timers) {
                server_other::Effect::Trying => self.server_trying(id),
                server_other::Effect::Gone => {
                    let unanswered = state.is_open().then_some(server.owner);
                    self.server_end(id);
                    if let Some(Owner::Session(session, _)) = unanswered {
                        invite::on_unanswered(self, session, ServerTx(id));
                    }
                    return;
                }
                _ => {}
            },
        }
        self.server_rearm(id);
    }

    /// Sets the timer to what the state says; a time that has come already (timers I and J on reliable transports) counts at once.
    pub(super) fn server_rearm(&mut self, id: Id) {
        let Some(server) = self.stack.servers.get(id) else { return };
        let (old, deadline, over) = (server.timer, server.deadline(), server.is_over());
        self.stop(old);
        let timer = match deadline {
            Some(at) if at <= self.now.mono && over => return self.server_end(id),
            _ if self.stack.fresh == Some(id) => return,
            Some(at) => self.start(at, Timer::Server(id)),
            None => TimerId::NONE,
        };
        if let Some(server) = self.stack.servers.get_mut(id) {
            server.timer = timer;
        }
    }

    /// Lets go of what only an open transaction needs, and makes its final response findable for the ACK of an RFC 2543 peer.
    pub(super) fn server_close(&mut self, id: Id, to_tag: &[u8]) {
        let Some(server) = self.stack.servers.get_mut(id) else { return };
        let request = server.take_request(&mut self.stack.kept);
        let invite = matches!(server.machine, Machine::Invite(_));
        let Some(request) = request.filter(|_| invite) else { return };
        let to_tag = request.headers().to_tag_octets().unwrap_or(to_tag);
        if let Some(key) = self.stack.keys.old_ack(&request, to_tag)
            && key != server.keys.own
        {
            server.keys.old_ack = Some(Box::new(key));
            if self.stack.fresh != Some(id) {
                self.stack.arrivals.insert(key, id);
            }
        }
    }

    /// An answer of the stack itself.
    fn server_refuse(&mut self, id: Id, code: StatusCode) {
        let mut reply = Reply::new(code);
        self.name_answer(ServerTx(id), &mut reply);
        // Nothing of it can fail: no lines of anybody's, an open transaction.
        let _ = self.respond_as(ServerTx(id), reply, Cause::Automatic);
    }

    /// The peer cancelled an INVITE of the application's. A proxy answers it with what comes back from its targets (RFC 3261 section 16.10).
    pub(crate) fn cancelled_by_peer(&mut self, tx: ServerTx) {
        if self.stack.config.role == Role::UserAgent {
            self.server_refuse(tx.0, StatusCode::REQUEST_TERMINATED);
        }
        self.emit(Event::Cancelled { tx });
    }

    fn server_trying(&mut self, id: Id) {
        respond::trying(self, id);
    }
}

/// Methods of event packages (RFC 6665), which subscriptions have before calls.
fn belongs_to_packages(method: &Method) -> bool {
    matches!(method, Method::Subscribe | Method::Notify)
}

/// Methods that, with a To tag, belong to a dialog and to nothing else (RFC 3261 section 12.2.2). REGISTER, OPTIONS, MESSAGE, PUBLISH and
/// unknown ones are handed to the application, which may know better.
fn makes_sense_in_dialogs_only(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Info | Method::Refer | Method::Subscribe)
}
