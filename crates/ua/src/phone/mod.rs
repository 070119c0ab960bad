//! The application on the SIP loop: it owns the state of every call and account and never blocks.
//!
//! | file | what stands there |
//! |---|---|
//! | `state` | all that the phone keeps: `call`, `account`, `asked` hold one of each |
//! | `dialing` | calls we place, until they are answered |
//! | `ringing` | calls we receive, until they are answered |
//! | `changing` | hold and resume, ours and the peer's |
//! | `standing` | news of sessions, the end of calls |
//! | `sound` | descriptions to streams |
//! | `asking` | MESSAGE, OPTIONS, INFO of ours |
//! | `requests` | MESSAGE, OPTIONS, INFO, UPDATE of peers; offers in their PRACKs |
//! | `transferring` | transfers that we ask for |
//! | `referred` | those that the other side asks for |
//! | `outside` | those that somebody asks for outside of any call |
//! | `replacing` | who takes the place of the other side of a call |
//! | `accounts` | registrations |
//! | `subscribing`, `publishing` | subscriptions and publications of ours |
//! | `watched` | subscriptions of others with us |
//! | `telling` | what users and peers are told |

mod account;
mod accounts;
mod asked;
mod asking;
mod call;
mod changing;
mod dialing;
mod fragment;
mod joining;
mod outside;
mod publishing;
mod referred;
mod replacing;
mod requests;
mod ringing;
mod sound;
mod standing;
mod state;
mod subscribing;
mod telling;
mod transferring;
mod watched;

use std::sync::Arc;
use std::time::Duration;

use media::{Key, MediaEvent};
use net::App;
use sip::invite;
use sip::message::{Method, Request, StatusCode};
use sip::uas::{self, Capabilities};
use sip::{AlarmId, Application, Event, Origin, Reply, ServerTx, Turn};
use tokio::sync::oneshot;

pub(crate) use state::{Parts, Phone};

use crate::command::{Command, Usage};
use crate::event::{CallEvent, DigitBy};
use telling::{respond, tell};

/// How often the end of an endpoint looks whether everything has settled.
const LOOK: Duration = Duration::from_millis(10);
/// The alarm of that look; calls have theirs under their keys, which count from 1.
const CLOSING: u64 = 0;

impl Phone {
    /// A request outside any dialog, checked in the order of RFC 3261 section 8.2.
    fn request(&mut self, tx: ServerTx, request: &Arc<Request>, origin: &Origin, turn: &mut Turn<'_>) {
        // RFC 3261 section 12.2.2: within a dialog, but of none that there is. The stack itself refuses an INVITE of that kind.
        if request.headers().to_tag().is_some() && *request.method() != Method::Invite {
            return respond(turn, tx, Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST));
        }
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
        // RFC 3891 section 3: only an INVITE replaces anything.
        if *request.method() != Method::Invite
            && self.parts.transfers
            && let Err(refusal) = turn.replaced(request)
        {
            return respond(turn, tx, *refusal);
        }
        match request.method() {
            Method::Invite => self.invited(tx, request, origin, turn),
            Method::Options => {
                let code = if self.is_full() { StatusCode::BUSY_HERE } else { StatusCode::OK };
                respond(turn, tx, self.allow_events(uas::options(code, &self.parts.capabilities)));
            }
            Method::Message => self.message(tx, request, turn),
            Method::Refer => self.referred_outside(tx, request, origin, turn),
            Method::Subscribe if !self.parts.packages.is_empty() && !Self::is_of_refer(request) => {
                self.watched(tx, request, turn);
            }
            // Nothing but a REFER makes a subscription to that (RFC 3515 section 2.4.4).
            Method::Subscribe => {
                let refusal = invite::resubscribed(request).err();
                respond(turn, tx, refusal.map_or_else(|| Reply::new(StatusCode::FORBIDDEN), |refusal| *refusal));
            }
            // INFO and UPDATE make no sense without a dialog (RFC 3261 section 12.2.2).
            _ => respond(turn, tx, Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST)),
        }
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

    fn alarm(&mut self, alarm: AlarmId, token: u64, turn: &mut Turn<'_>) {
        if token == CLOSING {
            return self.look(turn);
        }
        // Before its answer a call may have two.
        if !self.change_again(Key(token), alarm, turn) {
            self.rang_long_enough(Key(token), turn);
        }
    }

    /// The endpoint ends: every call and registration goes, and `done` is told when the network has been told.
    fn close(&mut self, done: oneshot::Sender<()>, turn: &mut Turn<'_>) {
        self.closing = Some(done);
        let calls: Vec<Key> = self.calls.keys().copied().collect();
        for call in calls {
            self.hang_up(call, Some(StatusCode::TEMPORARILY_UNAVAILABLE), None, turn);
        }
        self.unsubscribe_all(turn);
        self.end_watchers(turn);
        self.unpublish_all(turn);
        self.unregister_all(turn);
        self.look(turn);
    }

    fn look(&mut self, turn: &mut Turn<'_>) {
        if turn.unsettled() == 0 && nothing_stands(&turn.usage()) {
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

/// Nothing of ours is left with anybody.
fn nothing_stands(usage: &sip::Usage) -> bool {
    usage.registrations + usage.subscriptions + usage.publications + usage.watchers == 0
}

impl Application for Phone {
    fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Request { tx, request, origin } => self.request(tx, &request, &origin, turn),
            Event::Session(session, event) => self.session_event(session, event, turn),
            Event::Response { tx, response, .. } => self.answered(tx, &response, turn),
            Event::RequestFailed { tx, why } => self.unanswered(tx, why, turn),
            Event::Registration(id, event) => self.registration_event(id, event, turn),
            Event::Publication(id, event) => self.publication_event(id, event),
            Event::Watcher(id, event) => self.watcher_event(id, event, turn),
            Event::Subscription(id, event) => self.subscription_event(id, event, turn),
            Event::Alarm { alarm, token } => self.alarm(alarm, token, turn),
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
            Command::Ring { call, early, reply } => tell(reply, self.ring(call, early, turn)),
            Command::Accept { call, lines, reply } => self.accept(call, lines, reply, turn),
            Command::HangUp { call, code, reason, farewell, reply } => {
                let session = self.calls.get(&call).map(|call| call.session);
                self.hang_up(call, code, reason, turn);
                if let (Some(session), Some(farewell)) = (session, farewell) {
                    self.await_farewell(session, farewell, turn);
                }
                if let Some(reply) = reply {
                    tell(reply, ());
                }
            }
            Command::Hold { call, on, reply } => self.hold(call, on, reply, turn),
            Command::Update { call, reply } => self.update(call, reply, turn),
            Command::InDialog { call, method, lines, body, reply } => {
                self.ask_in_dialog(call, method, lines, body, reply, turn);
            }
            Command::Info { call, package, body, reply } => self.inform(call, &package, body, reply, turn),
            Command::Transfer { call, to, told, reply } => self.transfer(call, to, told, reply, turn),
            Command::Decline { referred, code } => self.report(referred, code, code.default_reason(), turn),
            Command::Ask { draft, proved, reply } => self.ask(draft, proved, reply, turn),
            Command::Register { account, specs, state, reply } => self.register(account, specs, state, reply, turn),
            Command::Unregister { account, reply } => self.unregister(account, reply, turn),
            Command::Publish { spec, follows, body, told, reply } => {
                self.publish(*spec, follows, body, told, reply, turn)
            }
            Command::Republish { id, body, reply } => self.republish(id, body, reply, turn),
            Command::Unpublish { id } => {
                // One that is over is over.
                let _ = turn.unpublish(id);
            }
            Command::Subscribe { spec, follows, news, reply } => self.subscribe(*spec, follows, news, reply, turn),
            Command::Resubscribe { id, reply } => self.resubscribe(id, reply, turn),
            Command::Unsubscribe { id } => self.unsubscribe(id, turn),
            Command::TakeWatcher { tx, body, pending, reply } => {
                self.take_watcher(tx, (body, pending), reply, turn);
            }
            Command::RefuseWatcher { tx, code } => respond(turn, tx, Reply::new(code)),
            Command::Notify { id, body, allowed, reply } => self.tell_watcher(id, (body, allowed), reply, turn),
            Command::EndWatcher { id, reason, retry_after } => self.end_watcher(id, reason, retry_after, turn),
            Command::Media(event) => self.media_event(event),
            Command::MediaFailed { call, why } => self.media_failed(call, why),
            Command::RecordingFailed { call, why } => {
                if let Some(call) = self.calls.get(&call) {
                    call.tell(CallEvent::RecordingFailed(why));
                }
            }
            Command::Usage { reply } => {
                let (calls, accounts) = (self.calls.len(), self.accounts.len());
                tell(reply, Usage { calls, accounts, streams: 0, ports: 0, stack: turn.usage() });
            }
            Command::Close { done } => self.close(done, turn),
        }
    }
}
