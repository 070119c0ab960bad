//! The application on the SIP loop: it owns the state of every call and account and never blocks.
//!
//! | file | what stands there |
//! |---|---|
//! | `command` | what handles ask of the loop |
//! | `call` | the state of one call |
//! | `dialing` | calls we place, until they are answered |
//! | `ringing` | calls we receive, until they are answered |
//! | `changing` | hold and resume, ours and the peer's |
//! | `standing` | news of sessions, the end of calls |
//! | `sound` | descriptions to streams |
//! | `asking` | MESSAGE, OPTIONS, INFO of ours |
//! | `requests` | MESSAGE, OPTIONS, INFO, UPDATE of peers |
//! | `accounts` | registrations |

mod accounts;
mod asking;
mod call;
mod changing;
mod command;
mod dialing;
mod requests;
mod ringing;
mod sound;
mod standing;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use media::{Key, MediaEvent};
use net::media::MediaHandle;
use net::{App, Handle};
use sip::message::header::Contact;
use sip::message::{Method, Request, Response, StatusCode};
use sip::uas::{self, Capabilities};
use sip::{Application, Event, Origin, RegistrationId, Reply, ServerTx, SessionId, Turn};
use tokio::sync::{mpsc, oneshot};

pub use command::Usage;
pub(crate) use command::{AccountKey, Command, Dial};
pub(crate) use sound::open;

use crate::ended::Farewell;
use crate::error::CallError;
use crate::event::{CallEvent, DigitBy};
use crate::incoming::IncomingCall;
use crate::link::{Link, Place};
use crate::message::TextMessage;
use asking::Asked;
use call::Call;

/// How often the end of an endpoint looks whether everything has settled.
const LOOK: Duration = Duration::from_millis(10);
/// The alarm of that look; calls have theirs under their keys, which count from 1.
const CLOSING: u64 = 0;
/// Addresses of a redirection that are told.
const ADDRESSES: usize = 8;

/// What a phone is made of.
pub(crate) struct Parts {
    pub(crate) media: MediaHandle,
    pub(crate) place: Arc<Place>,
    pub(crate) commands: Arc<OnceLock<Handle<Command>>>,
    pub(crate) incoming: mpsc::Sender<IncomingCall>,
    pub(crate) messages: mpsc::Sender<TextMessage>,
    pub(crate) silence: Option<Duration>,
    pub(crate) capabilities: Capabilities,
    pub(crate) texts: Vec<String>,
}

/// All calls and accounts of an endpoint.
pub(crate) struct Phone {
    parts: Parts,
    calls: HashMap<Key, Call>,
    sessions: HashMap<SessionId, Key>,
    asked: Asked,
    accounts: HashMap<AccountKey, accounts::Account>,
    registrations: HashMap<RegistrationId, AccountKey>,
    /// Who waits for an answer to a BYE.
    farewells: HashMap<SessionId, oneshot::Sender<Farewell>>,
    closing: Option<oneshot::Sender<()>>,
}

impl Phone {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts,
            calls: HashMap::new(),
            sessions: HashMap::new(),
            asked: Asked::default(),
            accounts: HashMap::new(),
            registrations: HashMap::new(),
            farewells: HashMap::new(),
            closing: None,
        }
    }

    /// A link for handles made on the loop; `None` while the endpoint is not yet complete.
    fn link(&self) -> Option<Link> {
        let commands = self.parts.commands.get()?.clone();
        Some(Link { commands, media: self.parts.media.clone(), place: Arc::clone(&self.parts.place) })
    }

    fn call_of(&mut self, session: SessionId) -> Option<(Key, &mut Call)> {
        let key = *self.sessions.get(&session)?;
        Some((key, self.calls.get_mut(&key)?))
    }

    /// A request outside any dialog, checked in the order of RFC 3261 section 8.2.
    fn request(&mut self, tx: ServerTx, request: &Request, origin: &Origin, turn: &mut Turn<'_>) {
        let refusal = match request.method() {
            Method::Message => {
                let accept = self.parts.texts.clone();
                uas::check(request, &Capabilities { accept, ..self.parts.capabilities.clone() })
            }
            _ => uas::check(request, &self.parts.capabilities),
        };
        if let Some(reply) = refusal {
            return respond(turn, tx, reply);
        }
        match request.method() {
            Method::Invite => self.invited(tx, request, origin, turn),
            Method::Options => {
                let code = if self.is_full() { StatusCode::BUSY_HERE } else { StatusCode::OK };
                respond(turn, tx, uas::options(code, &self.parts.capabilities));
            }
            Method::Message => self.message(tx, request, turn),
            // INFO and UPDATE make no sense without a dialog (RFC 3261 section 12.2.2).
            _ => respond(turn, tx, Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST)),
        }
    }

    fn is_full(&self) -> bool {
        self.calls.len() >= self.parts.place.max_calls
    }

    fn media_event(&mut self, event: MediaEvent) {
        let (key, news) = match event {
            MediaEvent::Heard { stream, .. } => (stream, CallEvent::Heard),
            MediaEvent::DigitEnded { stream, digit, duration } => {
                let duration = Duration::from_micros(duration.0);
                (stream, CallEvent::Digit { digit, duration, by: DigitBy::Rtp })
            }
            MediaEvent::Silence { stream, for_ms } => {
                (stream, CallEvent::Silence { lasting: Duration::from_millis(for_ms) })
            }
            _ => return,
        };
        if let Some(call) = self.calls.get(&key) {
            call.tell(news);
        }
    }

    fn alarm(&mut self, token: u64, turn: &mut Turn<'_>) {
        if token == CLOSING {
            return self.look(turn);
        }
        self.rang_long_enough(Key(token), turn);
        self.change_again(Key(token), turn);
    }

    /// The endpoint ends: every call and registration goes, and `done` is told when the network has been told.
    fn close(&mut self, done: oneshot::Sender<()>, turn: &mut Turn<'_>) {
        self.closing = Some(done);
        let calls: Vec<Key> = self.calls.keys().copied().collect();
        for call in calls {
            self.hang_up(call, Some(StatusCode::TEMPORARILY_UNAVAILABLE), None, turn);
        }
        self.unregister_all(turn);
        self.look(turn);
    }

    fn look(&mut self, turn: &mut Turn<'_>) {
        if turn.unsettled() == 0 && turn.usage().registrations == 0 {
            if let Some(done) = self.closing.take() {
                // Whoever asked may be gone.
                let _ = done.send(());
            }
        } else if let Err(error) = turn.alarm(turn.now().mono + LOOK, CLOSING) {
            tracing::warn!(%error, "the end of the endpoint is not awaited");
            self.closing = None;
        }
    }
}

impl Application for Phone {
    fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Request { tx, request, origin } => self.request(tx, &request, &origin, turn),
            Event::Session(session, event) => self.session_event(session, event, turn),
            Event::Response { tx, response, .. } => self.answered(tx, &response, turn),
            Event::RequestFailed { tx, why } => self.unanswered(tx, why, turn),
            Event::Registration(id, event) => self.registration_event(id, event),
            Event::Alarm { token, .. } => self.alarm(token, turn),
            Event::Rejected { origin, error } => {
                tracing::debug!(remote = %origin.remote, %error, "an unreadable message");
            }
            _ => {}
        }
    }
}

impl App for Phone {
    type Command = Command;

    fn command(&mut self, command: Command, turn: &mut Turn<'_>) {
        match command {
            Command::Dial(dial) => self.dial(*dial, turn),
            Command::Ring { call, early, reply } => answer(reply, self.ring(call, early, turn)),
            Command::Accept { call, lines, reply } => self.accept(call, lines, reply, turn),
            Command::HangUp { call, code, reason, farewell, reply } => {
                let session = self.calls.get(&call).map(|call| call.session);
                self.hang_up(call, code, reason, turn);
                if let (Some(session), Some(farewell)) = (session, farewell) {
                    self.await_farewell(session, farewell, turn);
                }
                if let Some(reply) = reply {
                    answer(reply, ());
                }
            }
            Command::Hold { call, on, reply } => self.hold(call, on, reply, turn),
            Command::InDialog { call, method, lines, body, reply } => {
                self.ask_in_dialog(call, method, lines, body, reply, turn);
            }
            Command::Ask { draft, proved, reply } => self.ask(draft, proved, reply, turn),
            Command::Register { account, spec, state, reply } => self.register(account, *spec, state, reply, turn),
            Command::Unregister { account, reply } => self.unregister(account, reply, turn),
            Command::Media(event) => self.media_event(event),
            Command::MediaFailed { call, why } => self.media_failed(call, why),
            Command::RecordingFailed { call, why } => {
                if let Some(call) = self.calls.get(&call) {
                    call.tell(CallEvent::RecordingFailed(why));
                }
            }
            Command::Usage { reply } => {
                let (calls, accounts) = (self.calls.len(), self.accounts.len());
                answer(reply, Usage { calls, accounts, streams: 0, ports: 0, stack: turn.usage() });
            }
            Command::Close { done } => self.close(done, turn),
        }
    }
}

/// Whoever asked may have stopped waiting.
fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    let _ = reply.send(value);
}

/// Answers a request; one that is gone needs no answer.
fn respond(turn: &mut Turn<'_>, tx: ServerTx, reply: Reply) {
    if let Err(error) = turn.respond(tx, reply) {
        tracing::debug!(%error, "a request could not be answered");
    }
}

/// The refusal that a final response stands for. `unproved`: the CSeq number the request began with, where nothing has shown yet that our
/// credentials are good. It is counted up for each challenge that is answered (RFC 3261 section 22.2), so that a higher one tells that they went
/// along.
fn refused(response: &Response, unproved: Option<u32>) -> CallError {
    let code = response.code();
    let signed = || unproved.is_some_and(|first| response.headers().cseq().number > first);
    let to = if code.class() == 3 { elsewhere(response) } else { Vec::new() };
    match code {
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            CallError::Authentication { code: code.get() }
        }
        StatusCode::FORBIDDEN if signed() => CallError::Authentication { code: code.get() },
        _ if !to.is_empty() => CallError::Redirected { code: code.get(), reason: reason_of(response), to },
        _ => CallError::Rejected { code: code.get(), reason: reason_of(response) },
    }
}

/// The addresses of a 3xx, what the peer prefers first (RFC 3261 sections 8.1.3.4 and 20.10).
fn elsewhere(response: &Response) -> Vec<String> {
    let contacts = response.headers().list::<Contact<'_>>().filter_map(Result::ok);
    let uris = contacts.filter_map(|contact| Some((contact.q().unwrap_or(1_000), contact.address()?.uri.to_string())));
    let mut uris: Vec<_> = uris.take(ADDRESSES).collect();
    uris.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
    uris.into_iter().map(|(_, uri)| uri).collect()
}

fn reason_of(response: &Response) -> String {
    match response.reason() {
        "" => response.code().default_reason().to_owned(),
        said => said.to_owned(),
    }
}

/// The proxy that a request with these routes goes to first, for a person.
fn proxy(routes: &[String]) -> Option<String> {
    routes.first().map(|route| route.trim_matches(['<', '>']).trim_end_matches(";lr").to_owned())
}

/// Where a request to `uri` goes first, for a person.
fn first_hop(routes: &[String], uri: &str) -> String {
    proxy(routes).map_or_else(|| uri.to_owned(), |proxy| format!("the proxy {proxy}"))
}

/// Why nothing came back.
fn failed(why: sip::Failure, to: &str) -> CallError {
    match why {
        sip::Failure::Timeout => CallError::NoAnswer { after: None },
        sip::Failure::Cancelled => CallError::Cancelled,
        why => CallError::Unreachable { to: to.to_owned(), why: why.to_string() },
    }
}
