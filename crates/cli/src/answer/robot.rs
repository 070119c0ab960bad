//! The robot on the SIP loop: every call is answered in the turn that brings it, without a task or a thread of its own.
//!
//! ```text
//!   INVITE -- checks --> Ringing --(unless --ring)--> Standing --BYE, --for--> gone
//!                |           +--CANCEL--> gone
//!                +-- --reject, 4xx --> gone
//! ```
//!
//! A robot that has nothing to say opens no sockets for a call: one pair that nobody reads serves all of them, and the answer says
//! `recvonly`. That is what makes it cheap enough to answer a thousand calls a second.

use std::collections::HashMap;
use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use audio::codec::Codec;
use media::{Agreed, CallMedia, Key, MediaEvent, StreamSettings};
use net::App;
use net::media::{MediaHandle, PortRange};
use sdp::LocalCapabilities;
use sip::digest::{Credential, Credentials};
use sip::header::From;
use sip::invite::{By, SessionEvent};
use sip::message::{Body, Lines, Method, Quote, Request, StatusCode};
use sip::register::{RegisterFailure, RegisterSpec, RegistrationEvent, Removal};
use sip::uas::{self, Capabilities};
use sip::{
    Application, ContactSpec, Event, Hop, IdMap, Origin, RegistrationId, Reply, ServerTx, SessionId, StackError, Turn,
};

use super::board::Board;
use super::voice::{Ears, Voice};

/// What the robot does with calls.
pub(super) struct Conduct {
    pub(super) reject: Option<StatusCode>,
    pub(super) ring_only: bool,
    pub(super) hang_up_after: Option<Duration>,
    pub(super) echo: bool,
    pub(super) voice: Option<Voice>,
    pub(super) ears: Option<Ears>,
    pub(super) account: Option<Account>,
}

/// Who registers.
pub(super) struct Account {
    pub(super) spec: Box<RegisterSpec>,
    pub(super) credentials: Option<Credential>,
}

/// Media threads, when the robot speaks or listens.
pub(super) struct Studio {
    pub(super) media: MediaHandle,
    pub(super) ports: PortRange,
}

/// Orders from other threads.
pub(super) enum Order {
    /// Something happened to a stream.
    Media(MediaEvent),
    /// Register, when there is an account.
    Begin,
    /// End every call and registration, and then the robot.
    Leave,
}

/// News for the terminal.
#[derive(Debug)]
pub(super) enum News {
    Registered { expires: Duration },
    RegistrationFailed { why: String, retry_in: Option<Duration> },
    Ringing { call: u64, from: String },
    Refused { call: u64, code: u16, why: String },
    Answered { call: u64, codec: Option<Codec> },
    Digit { call: u64, digit: char },
    Ended { call: u64, by: &'static str, lasted: Duration, heard: Option<Box<media::StreamReport>> },
    Message { from: String, text: String },
    Trouble { what: String },
    Left,
}

/// The descriptions of a call.
enum Described {
    /// As they are negotiated.
    Whole(Box<CallMedia>),
    /// Those of a silent call, which may stand for hours: its answered offer, of which they are made again should they change. That is a tenth
    /// of their size.
    Answered(Box<[u8]>),
}

struct Live {
    number: u64,
    media: Described,
    /// The number in the `o=` line of our descriptions.
    origin: u64,
    stream: Option<Key>,
    local: IpAddr,
    since: sip::Time,
    standing: bool,
}

/// What accepts a call.
struct Ready {
    body: Vec<u8>,
    /// `None`: the offer is ours.
    agreed: Option<Agreed>,
    ports: Option<net::media::PortPair>,
}

/// What silent calls at one address have in common: a socket, bound and never read, and what their descriptions say.
struct Silent {
    _socket: UdpSocket,
    capabilities: Arc<LocalCapabilities>,
}

/// The application of `offhook answer`.
pub(super) struct Robot {
    conduct: Conduct,
    studio: Option<Studio>,
    news: Board<News>,
    capabilities: Capabilities,
    /// The same for text messages: what they may hold.
    texts: Capabilities,
    /// Allow and Supported of a 200, printed once.
    abilities: Lines,
    calls: IdMap<SessionId, Live>,
    streams: HashMap<Key, SessionId>,
    registration: Option<RegistrationId>,
    /// Where the REGISTER goes, for a person, and whether it has a password.
    registrar: (String, bool),
    /// What calls at each of our addresses have in common.
    silent: HashMap<IpAddr, Silent>,
    counted: u64,
    leaving: bool,
}

impl Robot {
    pub(super) fn new(conduct: Conduct, studio: Option<Studio>, news: Board<News>) -> Self {
        let capabilities = Capabilities {
            allow: vec![
                Method::Invite,
                Method::Ack,
                Method::Cancel,
                Method::Bye,
                Method::Options,
                Method::Info,
                Method::Message,
            ],
            schemes: ["sip", "sips", "tel"].map(str::to_owned).to_vec(),
            ..Capabilities::default()
        };
        Self {
            conduct,
            studio,
            news,
            texts: Capabilities { accept: vec!["text/plain".to_owned()], ..capabilities.clone() },
            abilities: uas::capability_lines(&Method::Invite, StatusCode::OK, &capabilities),
            capabilities,
            calls: IdMap::default(),
            streams: HashMap::new(),
            registration: None,
            registrar: (String::new(), false),
            silent: HashMap::new(),
            counted: 0,
            leaving: false,
        }
    }

    /// Begins to register, when there is an account. Must be called once, with the first turn.
    fn register(&mut self, turn: &mut Turn<'_>) {
        let Some(account) = self.conduct.account.take() else { return };
        let mut spec = *account.spec;
        let first = match &spec.hop {
            Hop::Uri(proxy) => format!("the proxy {proxy}"),
            _ => format!("the registrar {}", spec.registrar),
        };
        self.registrar = (first, account.credentials.is_some());
        if let Some(credential) = account.credentials {
            let mut credentials = Credentials::new();
            credentials.add(credential);
            spec.credentials = credentials;
        }
        match turn.register(spec) {
            Ok(id) => self.registration = Some(id),
            Err(error) => self.tell(News::RegistrationFailed { why: error.to_string(), retry_in: None }),
        }
    }

    /// News that nobody reads are dropped: calls do not wait for a terminal.
    fn tell(&self, news: News) {
        self.news.put(news);
    }

    fn invited(&mut self, tx: ServerTx, request: &Request, origin: &Origin, turn: &mut Turn<'_>) {
        self.counted += 1;
        let number = self.counted;
        let refusal = if self.leaving {
            Some(Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE))
        } else if let Some(code) = self.conduct.reject {
            Some(Reply::new(code))
        } else {
            uas::check(request, &self.capabilities)
        };
        if let Some(reply) = refusal {
            self.tell(News::Refused { call: number, code: reply.code.get(), why: String::new() });
            let _ = turn.respond(tx, reply);
            return;
        }
        let session = match turn.session(tx) {
            Ok(session) => session,
            // Nobody waits for an answer any more.
            Err(StackError::Gone) => return,
            // The stack has answered.
            Err(error) => {
                let code = if matches!(error, StackError::Full { .. }) { 503 } else { 400 };
                return self.tell(News::Refused { call: number, code, why: error.to_string() });
            }
        };
        let local = origin.local.ip();
        let live = match self.prepare(number, local, turn) {
            Ok(live) => live,
            Err(why) => {
                self.tell(News::Refused { call: number, code: 503, why });
                let _ = turn.answer(session, Reply::new(StatusCode::SERVICE_UNAVAILABLE));
                return;
            }
        };
        self.tell(News::Ringing { call: number, from: caller(request) });
        self.calls.insert(session, live);
        let _ = turn.answer(session, Reply::new(StatusCode::RINGING).contact(contact()));
        if !self.conduct.ring_only {
            self.accept(session, request, turn);
        }
    }

    /// The call's descriptions, at an address where something listens.
    fn prepare(&mut self, number: u64, local: IpAddr, turn: &Turn<'_>) -> Result<Live, String> {
        let since = turn.now().mono;
        let origin = since.0 ^ (number << 20);
        let media = Described::Whole(Box::new(CallMedia::sharing(self.described_at(local)?, origin)));
        Ok(Live { number, media, origin, stream: None, local, since, standing: false })
    }

    fn speaks(&self) -> bool {
        self.conduct.echo || self.conduct.voice.is_some()
    }

    fn described_at(&mut self, local: IpAddr) -> Result<Arc<LocalCapabilities>, String> {
        if let Some(known) = self.silent.get(&local) {
            return Ok(Arc::clone(&known.capabilities));
        }
        let bound = UdpSocket::bind((local, 0)).and_then(|socket| Ok((socket.local_addr()?, socket)));
        let (address, socket) = bound.map_err(|error| format!("no media port on {local}: {error}"))?;
        let mut media = CallMedia::new(address, &Codec::ALL, 0);
        if !self.speaks() {
            for stream in &mut media.capabilities().media {
                stream.direction = sdp::Direction::RecvOnly;
            }
        }
        let capabilities = media.shared();
        self.silent.insert(local, Silent { _socket: socket, capabilities: Arc::clone(&capabilities) });
        Ok(capabilities)
    }

    fn accept(&mut self, session: SessionId, request: &Request, turn: &mut Turn<'_>) {
        let Some(call) = self.calls.get(&session).map(|live| live.number) else { return };
        let ready = match self.describe(session, request) {
            Ok(ready) => ready,
            Err((code, why)) => return self.refuse(session, code, call, why, turn),
        };
        let reply = Reply::new(StatusCode::OK).contact(contact()).lines(self.abilities.clone());
        if let Err(error) = turn.answer(session, reply.body(Body::sdp(ready.body))) {
            return self.refuse(session, StatusCode::SERVER_INTERNAL_ERROR, call, error.to_string(), turn);
        }
        let settings = ready.agreed.and_then(|agreed| agreed.settings);
        self.tell(News::Answered { call, codec: settings.as_ref().map(|settings| settings.codec) });
        let key = ready.ports.zip(self.studio.as_ref()).map(|(ports, studio)| (ports, studio.media.key()));
        if let Some(live) = self.calls.get_mut(&session) {
            live.standing = true;
            live.since = turn.now().mono;
            live.stream = key.as_ref().map(|(_, key)| *key);
        }
        if let Some((ports, key)) = key {
            self.streams.insert(key, session);
            self.open(key, ports, settings);
        }
        if let Some(after) = self.conduct.hang_up_after {
            let _ = turn.alarm(turn.now().mono + after, session.0.to_u64());
        }
    }

    /// The description that accepts a call, and the sockets for it where it has some of its own; otherwise with which status it is refused, and why.
    fn describe(&mut self, session: SessionId, request: &Request) -> Result<Ready, (StatusCode, String)> {
        let live = self.calls.get_mut(&session).ok_or((StatusCode::SERVER_INTERNAL_ERROR, String::new()))?;
        let media = negotiated(live.origin, live.local, &mut live.media, &self.silent)
            .ok_or((StatusCode::SERVER_INTERNAL_ERROR, "its descriptions are gone".to_owned()))?;
        let ports = self.studio.as_ref().map(|studio| studio.ports.bind(live.local)).transpose();
        let ports = ports.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
        if let Some(pair) = &ports
            && let Some(stream) = media.capabilities().media.first_mut()
        {
            stream.port = pair.address.port();
        }
        let offer = request.body();
        let outcome = if offer.is_empty() {
            media.offer().map(|body| (body, None))
        } else {
            media.answer(offer).map(|(body, agreed)| (body, Some(agreed)))
        };
        let (body, agreed) = outcome.map_err(|error| {
            let code = StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE);
            (code, error.to_string())
        })?;
        if self.studio.is_none() && !offer.is_empty() {
            live.media = Described::Answered(offer.into());
        }
        Ok(Ready { body, agreed, ports })
    }

    /// Refuses a call that rings. It is taken out first: it is over with this, and its end is no more news.
    fn refuse(&mut self, session: SessionId, code: StatusCode, call: u64, why: String, turn: &mut Turn<'_>) {
        self.calls.remove(&session);
        self.tell(News::Refused { call, code: code.get(), why });
        let _ = turn.answer(session, Reply::new(code));
    }

    /// Gives a call its stream, voice and ears on the media thread.
    fn open(&self, key: Key, ports: net::media::PortPair, settings: Option<StreamSettings>) {
        let Some(studio) = &self.studio else { return };
        let (player, recorder) = (studio.media.key(), studio.media.key());
        let voice = self.conduct.voice.as_ref().map(Voice::source);
        let news = self.news.clone();
        let trouble = move |what| {
            news.put(News::Trouble { what });
        };
        let ears = match self.conduct.ears.as_ref().map(|ears| ears.sink(trouble)).transpose() {
            Ok(ears) => ears,
            Err(error) => {
                self.tell(News::Trouble { what: error });
                None
            }
        };
        let echo = self.conduct.echo;
        let settings = settings.unwrap_or_else(silent_settings);
        let news = self.news.clone();
        let ran = studio.media.run(move |desk| {
            if let Err(error) = desk.add_stream(key, ports, settings) {
                news.put(News::Trouble { what: format!("no media for a call: {error}") });
                return;
            }
            if echo {
                desk.engine.echo(key);
            }
            if let Some(source) = voice
                && desk.engine.add_player(player, source).is_ok()
            {
                desk.engine.connect(player, key);
            }
            if let Some(sink) = ears
                && desk.engine.add_recorder(recorder, sink).is_ok()
            {
                desk.engine.connect(key, recorder);
            }
        });
        if let Err(error) = ran {
            self.tell(News::Trouble { what: format!("no media for a call: {error}") });
        }
    }

    /// What an exchange of descriptions changed for the stream.
    fn change(&self, session: SessionId, agreed: Agreed) {
        let Some(key) = self.calls.get(&session).and_then(|live| live.stream) else { return };
        let (Some(studio), Some(settings)) = (&self.studio, agreed.settings) else { return };
        let _ = studio.media.run(move |desk| {
            desk.engine.update_stream(desk.now, key, settings);
        });
    }

    fn reinvited(&mut self, session: SessionId, request: &Request, turn: &mut Turn<'_>) {
        let Some(live) = self.calls.get_mut(&session) else { return };
        let Some(media) = negotiated(live.origin, live.local, &mut live.media, &self.silent) else { return };
        let outcome = if request.body().is_empty() {
            media.offer().map(|body| (body, None))
        } else {
            media.answer(request.body()).map(|(body, agreed)| (body, Some(agreed)))
        };
        let reply = match outcome {
            Ok((body, agreed)) => {
                if let Some(agreed) = agreed {
                    self.change(session, agreed);
                }
                Reply::new(StatusCode::OK).contact(contact()).body(Body::sdp(body))
            }
            Err(error) => Reply::new(StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE)),
        };
        let _ = turn.answer_reinvite(session, reply);
    }

    fn acked(&mut self, session: SessionId, request: &Request, turn: &mut Turn<'_>) {
        let Some(live) = self.calls.get_mut(&session) else { return };
        // What was made small has no offer of ours that waits.
        let Described::Whole(media) = &mut live.media else { return };
        if media.state() != sdp::NegotiationState::OfferSent {
            return;
        }
        match media.accept(request.body()) {
            Ok(agreed) => self.change(session, agreed),
            // RFC 3261 section 13.2.2.4: a session without an answer is ended.
            Err(_) => {
                let _ = turn.hangup(session, None, Lines::default());
            }
        }
    }

    fn ended(&mut self, session: SessionId, by: &'static str, turn: &Turn<'_>) {
        let Some(live) = self.calls.remove(&session) else { return };
        let (call, lasted) = (live.number, turn.now().mono.since(live.since));
        let lasted = if live.standing { lasted } else { Duration::ZERO };
        match (live.stream, &self.studio) {
            (Some(key), Some(studio)) => {
                self.streams.remove(&key);
                let news = self.news.clone();
                let _ = studio.media.run(move |desk| {
                    let heard = desk.remove_stream(key);
                    news.put(News::Ended { call, by, lasted, heard: heard.map(Box::new) });
                });
            }
            _ => self.tell(News::Ended { call, by, lasted, heard: None }),
        }
        self.leave_when_empty();
    }

    fn leave_when_empty(&mut self) {
        if !self.leaving || !self.calls.is_empty() || self.registration.is_some() {
            return;
        }
        // Behind the last news of the media thread: what it says of the calls that ended comes before.
        let news = self.news.clone();
        let told = self.studio.as_ref().map(|studio| studio.media.run(move |_| news.put(News::Left)));
        if !matches!(told, Some(Ok(()))) {
            self.tell(News::Left);
        }
    }

    fn session(&mut self, session: SessionId, event: SessionEvent, turn: &mut Turn<'_>) {
        match event {
            SessionEvent::Acked { request } => self.acked(session, &request, turn),
            SessionEvent::Reinvite { request, .. } => self.reinvited(session, &request, turn),
            SessionEvent::Request { tx, request } => self.asked(tx, &request, turn),
            SessionEvent::Cancelled { .. } => self.ended(session, "caller", turn),
            SessionEvent::Ended { by, .. } => {
                let by = match by {
                    By::Us => "us",
                    By::Peer => "caller",
                    By::Error => "error",
                };
                self.ended(session, by, turn);
            }
            _ => {}
        }
    }

    /// A request other than INVITE, in a call or not.
    fn asked(&mut self, tx: ServerTx, request: &Request, turn: &mut Turn<'_>) {
        let is_text = *request.method() == Method::Message;
        let reply = match uas::check(request, if is_text { &self.texts } else { &self.capabilities }) {
            Some(reply) => reply,
            None if is_text => {
                let text = String::from_utf8_lossy(request.body()).into_owned();
                self.tell(News::Message { from: caller(request), text });
                Reply::new(StatusCode::OK)
            }
            None if *request.method() == Method::Options => uas::options(StatusCode::OK, &self.capabilities),
            None => Reply::new(StatusCode::OK),
        };
        let _ = turn.respond(tx, reply);
    }

    fn registration(&mut self, event: RegistrationEvent) {
        match event {
            RegistrationEvent::Registered { expires, .. } => self.tell(News::Registered { expires }),
            RegistrationEvent::Failed { why, retry_in } => {
                self.tell(News::RegistrationFailed { why: self.words(&why), retry_in });
            }
            RegistrationEvent::Unregistered { .. } => {
                self.registration = None;
                self.leave_when_empty();
            }
            _ => {}
        }
    }
}

impl Robot {
    /// Why there is no registration, for a person.
    fn words(&self, why: &RegisterFailure) -> String {
        let (first, has_password) = &self.registrar;
        match why {
            RegisterFailure::Refused { code, .. } if !has_password && matches!(code.get(), 401 | 407) => {
                "a password is wanted: give --password @FILE".into()
            }
            RegisterFailure::Refused { code, reason } => format!("refused with {} {reason}", code.get()),
            RegisterFailure::Unreachable(why) => format!("cannot reach {first}: {why}"),
            _ => "the registrar keeps no binding of ours".into(),
        }
    }
}

impl Application for Robot {
    fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Request { tx, request, origin } if *request.method() == Method::Invite => {
                self.invited(tx, &request, &origin, turn);
            }
            // RFC 3261 section 12.2.2: within a dialog, but of none that there is.
            Event::Request { tx, request, .. } if request.headers().to_tag().is_some() => {
                let _ = turn.respond(tx, Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST));
            }
            Event::Request { tx, request, .. } => self.asked(tx, &request, turn),
            Event::Session(session, event) => self.session(session, event, turn),
            Event::Registration(_, event) => self.registration(event),
            Event::Alarm { token, .. } => {
                let session = SessionId(sip::Id::from_u64(token));
                if self.calls.contains_key(&session) {
                    let _ = turn.hangup(session, None, Lines::default());
                }
            }
            _ => {}
        }
    }
}

impl App for Robot {
    type Command = Order;

    fn command(&mut self, order: Order, turn: &mut Turn<'_>) {
        match order {
            Order::Media(MediaEvent::DigitEnded { stream, digit, .. }) => {
                if let Some(live) = self.streams.get(&stream).and_then(|session| self.calls.get(session)) {
                    self.tell(News::Digit { call: live.number, digit });
                }
            }
            Order::Media(_) => {}
            Order::Begin => self.register(turn),
            Order::Leave => {
                self.leaving = true;
                let sessions: Vec<_> = self.calls.keys().copied().collect();
                for session in sessions {
                    // Of a call that stands it becomes a BYE.
                    let _ = turn.hangup(session, Some(StatusCode::TEMPORARILY_UNAVAILABLE), Lines::default());
                }
                if let Some(id) = self.registration
                    && turn.unregister(id, Removal::Ours).is_err()
                {
                    self.registration = None;
                }
                self.leave_when_empty();
            }
        }
    }
}

/// A call's descriptions as they are negotiated, made again where only the offer was kept: the same offer, number and capabilities give the same answer.
fn negotiated<'a>(
    origin: u64,
    local: IpAddr,
    media: &'a mut Described,
    silent: &HashMap<IpAddr, Silent>,
) -> Option<&'a mut CallMedia> {
    if let Described::Answered(offer) = media {
        let mut again = CallMedia::sharing(Arc::clone(&silent.get(&local)?.capabilities), origin);
        again.answer(offer).ok()?;
        *media = Described::Whole(Box::new(again));
    }
    match media {
        Described::Whole(media) => Some(media),
        Described::Answered(_) => None,
    }
}

/// Who sent it, as he claims: name and URI. The tag says nothing to a person.
fn caller(request: &Request) -> String {
    let Some(Ok(from)) = request.headers().get::<From<'_>>() else { return String::new() };
    let uri = from.0.uri.as_str();
    match from.0.display.map(|name| name.text()) {
        Some(name) if !name.is_empty() => [&Quote(&name).to_string(), " <", uri, ">"].concat(),
        _ => uri.to_owned(),
    }
}

fn contact() -> ContactSpec {
    ContactSpec::Auto { user: None, params: String::new() }
}

/// Settings of a stream whose peer has not described itself yet: nothing is sent, G.711 is understood.
fn silent_settings() -> StreamSettings {
    StreamSettings {
        codec: Codec::Pcmu,
        send_type: rtp::PayloadType::PCMU,
        receive_types: vec![(rtp::PayloadType::PCMU, Codec::Pcmu), (rtp::PayloadType::PCMA, Codec::Pcma)],
        events: None,
        remote: None,
        remote_control: None,
        direction: sdp::Direction::Inactive,
        ptime: Duration::from_millis(20),
        min_delay: rtp::Micros::from_millis(20),
        max_delay: rtp::Micros::from_millis(200),
    }
}
