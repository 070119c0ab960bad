//! Subscriptions of others to what the application tells (RFC 6665 section 4.2).

use std::sync::Arc;

use sip::message::{Body, HeaderId, Lines, Request, StatusCode};
use sip::subscribe::{self, EndReason, Terms, WatcherEvent};
use sip::{ContactSpec, Reply, ServerTx, StackError, Turn, WatcherId};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::state::Phone;
use super::telling::{respond, tell};
use crate::error::CallError;
use crate::watcher::{IncomingSubscription, Watcher, WatcherNews};

/// Somebody who watches.
pub(super) struct Watching {
    news: mpsc::Sender<WatcherNews>,
    /// What it was told last: a refresh is answered with it.
    last: Option<Body>,
}

impl Phone {
    /// A SUBSCRIBE for one of the packages that are told, or for none.
    pub(super) fn watched(&mut self, tx: ServerTx, request: &Arc<Request>, turn: &mut Turn<'_>) {
        let packages: Vec<_> = self.parts.packages.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
        if let Some(refusal) = subscribe::check(request, &packages) {
            return respond(turn, tx, refusal);
        }
        if self.closing.is_some() || self.watchers.len() >= self.parts.max_watchers {
            return respond(turn, tx, busy());
        }
        let Some(link) = self.link() else { return respond(turn, tx, busy()) };
        match self.parts.subscriptions.try_send(IncomingSubscription::new(link, tx, Arc::clone(request))) {
            Ok(()) => {}
            // What comes back refuses by being dropped, and finds that this was answered.
            Err(TrySendError::Full(_)) => respond(turn, tx, busy()),
            Err(TrySendError::Closed(_)) => respond(turn, tx, Reply::new(StatusCode::FORBIDDEN)),
        }
    }

    /// The application takes it.
    pub(super) fn take_watcher(
        &mut self,
        tx: ServerTx,
        (body, pending): (Option<Body>, bool),
        reply: oneshot::Sender<Result<Watcher, CallError>>,
        turn: &mut Turn<'_>,
    ) {
        let link = self.link().filter(|_| self.closing.is_none() && self.watchers.len() < self.parts.max_watchers);
        let Some(link) = link else {
            respond(turn, tx, busy());
            return tell(reply, Err(rejected(StatusCode::SERVICE_UNAVAILABLE)));
        };
        // Where it came by the way of a registration, that leads to us (RFC 6665 section 4.5.1).
        let contact = turn
            .origin_of(tx)
            .and_then(|origin| self.registered_at(&origin)?.contact_for(turn.request_of(tx)?, &origin))
            .map(ContactSpec::Given);
        match turn.accept_subscription_at(tx, Terms::default(), pending, contact) {
            Ok(id) => {
                // It is there.
                let _ = turn.notify(id, body.clone());
                let (watcher, news) = Watcher::new(link, id);
                self.watchers.insert(id, Watching { news, last: body });
                tell(reply, Ok(watcher));
            }
            Err(StackError::Refused { code, .. }) => tell(reply, Err(rejected(code))),
            Err(StackError::Full { .. }) => {
                respond(turn, tx, busy());
                tell(reply, Err(rejected(StatusCode::SERVICE_UNAVAILABLE)));
            }
            Err(_) => tell(reply, Err(CallError::Ended)),
        }
    }

    pub(super) fn tell_watcher(
        &mut self,
        id: WatcherId,
        (body, allowed): (Body, bool),
        reply: oneshot::Sender<Result<(), CallError>>,
        turn: &mut Turn<'_>,
    ) {
        let Some(watching) = self.watchers.get_mut(&id) else { return tell(reply, Err(CallError::Ended)) };
        watching.last = Some(body.clone());
        let told = if allowed { turn.allow_watcher(id) } else { Ok(()) };
        let told = told.and_then(|()| turn.notify(id, Some(body)));
        tell(reply, told.map_err(|_| CallError::Ended));
    }

    pub(super) fn end_watcher(
        &mut self,
        id: WatcherId,
        reason: EndReason,
        retry_after: Option<u32>,
        turn: &mut Turn<'_>,
    ) {
        if self.watchers.remove(&id).is_some() {
            // One that is over is over.
            let _ = turn.end_watcher(id, reason, retry_after, None);
        }
    }

    /// The endpoint ends.
    pub(super) fn end_watchers(&mut self, turn: &mut Turn<'_>) {
        let all = self.watchers.drain().map(|(id, _)| id).chain(self.outside.drain().map(|(id, _)| id));
        for id in all {
            let _ = turn.end_watcher(id, EndReason::NoResource, None, None);
        }
    }

    pub(super) fn watcher_event(&mut self, id: WatcherId, event: WatcherEvent, turn: &mut Turn<'_>) {
        if self.outside_event(id, &event, turn) {
            return;
        }
        match event {
            WatcherEvent::Wanted { expires } => {
                let Some(watching) = self.watchers.get(&id) else { return };
                let _ = turn.notify(id, watching.last.clone());
                watching.tell(WatcherNews::Refreshed { expires });
            }
            WatcherEvent::Ended { why } => {
                if let Some(watching) = self.watchers.remove(&id) {
                    watching.tell(WatcherNews::Ended { why });
                }
            }
            // Of one that asked once: nothing else says that it is over.
            WatcherEvent::Gone => drop(self.watchers.remove(&id)),
            _ => {}
        }
    }

    /// Names the packages that are told, where there are any (RFC 6665 section 4.4.4).
    pub(super) fn allow_events(&self, mut reply: Reply) -> Reply {
        if !self.parts.packages.is_empty() {
            let mut lines = Lines::new();
            let names: Vec<&str> = self.parts.packages.iter().map(|(name, _)| name.as_str()).collect();
            lines.push_id(HeaderId::AllowEvents, names.join(", "));
            reply.lines.extend(&lines);
        }
        reply
    }

    /// Whether a SUBSCRIBE is for a package that only REFER makes a subscription to.
    pub(super) fn is_of_refer(request: &Request) -> bool {
        let event = request.headers().get::<sip::header::Event<'_>>().and_then(Result::ok);
        event.is_some_and(|event| event.package == "refer")
    }
}

impl Watching {
    fn tell(&self, news: WatcherNews) {
        if self.news.try_send(news).is_err() {
            tracing::debug!("news of a watcher is lost: nobody reads it");
        }
    }
}

/// 503, to come again in half a minute.
pub(super) fn busy() -> Reply {
    let mut lines = Lines::new();
    lines.push_id(HeaderId::RetryAfter, 30);
    Reply::new(StatusCode::SERVICE_UNAVAILABLE).lines(lines)
}

fn rejected(code: StatusCode) -> CallError {
    CallError::Rejected { code: code.get(), reason: code.default_reason().to_owned(), told: Box::default() }
}
