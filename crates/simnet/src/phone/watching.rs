//! What a phone wants to know of others and tells of itself.

use std::time::Duration;

use sip::message::{Body, HeaderId, Lines, Request, StatusCode, UriBuf};
use sip::publish::{PublicationEvent, PublishSpec};
use sip::register::Retry;
use sip::subscribe::{EndReason, SubscribeSpec, SubscriptionEvent, Terms, WatcherEvent};
use sip::{PublicationId, Reply, ServerTx, StackError, SubscriptionId, Turn, WatcherId};

use super::Phone;
use crate::plan::{Target, Todo};

/// When what failed is tried again.
const AGAIN: Retry = Retry::Every { wait: Duration::from_secs(5), attempts: None };

impl Phone {
    /// The next document that is told or published.
    pub(super) fn document(&mut self) -> Body {
        self.told += 1;
        Body::new("text/plain", format!("{} {}", self.name, self.told).into_bytes())
    }

    fn resource(target: &Target) -> UriBuf {
        format!("sip:{}@{}", target.user(), target.host()).parse().expect("a URI")
    }

    pub(super) fn subscribe(&mut self, target: &Target, turn: &mut Turn<'_>) {
        let from = format!("<sip:{0}@{0}.sim>", self.name);
        let mut spec = SubscribeSpec::new(Self::resource(target), from, "presence");
        spec.expires = self.whim.pick(&[0, 5, 20, 60]);
        spec.forks = if self.whim.permille(500) { 3 } else { 0 };
        spec.retry = AGAIN;
        let id = turn.subscribe(spec).expect("room for a subscription");
        self.book.borrow_mut().open.insert(self.watch_key(id));
        self.leave_later(id, turn);
    }

    /// It ends one day, or the run would not.
    fn leave_later(&mut self, id: SubscriptionId, turn: &mut Turn<'_>) {
        let after = self.whim.millis(0, 100_000);
        self.later(turn, after, Todo::Unsubscribe(id));
    }

    fn watch_key(&self, id: SubscriptionId) -> String {
        format!("{} subscription {id:?}", self.name)
    }

    fn over(&self, key: &str) {
        if !self.book.borrow_mut().open.remove(key) {
            self.wrong(format!("{key} ended twice"));
        }
    }

    pub(super) fn subscription(&mut self, id: SubscriptionId, event: &SubscriptionEvent, turn: &mut Turn<'_>) {
        let key = self.watch_key(id);
        if !self.book.borrow().open.contains(&key) {
            return self.wrong(format!("{key} after its last event: {event:?}"));
        }
        match event {
            SubscriptionEvent::Forked { subscription } => {
                self.book.borrow_mut().open.insert(self.watch_key(*subscription));
                self.leave_later(*subscription, turn);
            }
            SubscriptionEvent::Ended | SubscriptionEvent::Failed { retry_in: None, .. } => self.over(&key),
            _ => {}
        }
    }

    /// A SUBSCRIBE of another phone.
    pub(super) fn subscribed(&mut self, tx: ServerTx, turn: &mut Turn<'_>) {
        let terms = Terms { least: 1, most: 60, interval: Duration::from_secs(1), ..Terms::default() };
        let Ok(id) = turn.accept_subscription(tx, terms, self.whim.permille(200)) else { return };
        self.book.borrow_mut().open.insert(self.watcher_key(id));
        drop(self.tell(id, turn));
        // A single question is over with its answer.
        if turn.watcher_left(id).is_none() {
            self.book.borrow_mut().open.remove(&self.watcher_key(id));
        }
        for _ in 0..self.whim.below(4) {
            let after = self.whim.millis(0, 20_000);
            self.later(turn, after, Todo::Tell(id));
        }
        if self.whim.permille(200) {
            let after = self.whim.millis(0, 20_000);
            self.later(turn, after, Todo::Dismiss(id));
        }
    }

    fn watcher_key(&self, id: WatcherId) -> String {
        format!("{} watcher {id:?}", self.name)
    }

    fn tell(&mut self, id: WatcherId, turn: &mut Turn<'_>) -> Result<(), StackError> {
        let body = self.document();
        turn.allow_watcher(id)?;
        turn.notify(id, Some(body))
    }

    /// What was due while the machine slept comes together with the end of the watcher, and before the word of it: nothing is told then.
    pub(super) fn tell_watcher(&mut self, id: WatcherId, turn: &mut Turn<'_>) {
        let over = turn.watcher_left(id).is_none();
        if self.tell(id, turn).is_ok() && over {
            self.wrong(format!("{} is told something after its end", self.watcher_key(id)));
        }
    }

    pub(super) fn dismiss(&mut self, id: WatcherId, turn: &mut Turn<'_>) {
        let reasons = [EndReason::Deactivated, EndReason::Probation, EndReason::Rejected, EndReason::NoResource];
        let reason = self.whim.pick(&reasons);
        if turn.watcher_left(id).is_some() && turn.end_watcher(id, reason, None, None).is_ok() {
            self.over(&self.watcher_key(id));
        }
    }

    pub(super) fn watcher(&mut self, id: WatcherId, event: &WatcherEvent, turn: &mut Turn<'_>) {
        match event {
            WatcherEvent::Wanted { .. } => self.tell_watcher(id, turn),
            WatcherEvent::Ended { .. } => self.over(&self.watcher_key(id)),
            _ => {}
        }
    }

    pub(super) fn publish(&mut self, target: &Target, turn: &mut Turn<'_>) {
        let from = format!("<sip:{0}@{0}.sim>", self.name);
        let mut spec = PublishSpec::new(Self::resource(target), from, "presence");
        spec.expires = self.whim.pick(&[5, 20, 60]);
        spec.retry = AGAIN;
        let body = self.document();
        let id = turn.publish(spec, body).expect("room for a publication");
        self.book.borrow_mut().open.insert(self.publication_key(id));
        for _ in 0..self.whim.below(3) {
            let after = self.whim.millis(0, 40_000);
            self.later(turn, after, Todo::Republish(id));
        }
        let after = self.whim.millis(0, 100_000);
        self.later(turn, after, Todo::Unpublish(id));
    }

    fn publication_key(&self, id: PublicationId) -> String {
        format!("{} publication {id:?}", self.name)
    }

    pub(super) fn publication(&mut self, id: PublicationId, event: &PublicationEvent) {
        if matches!(event, PublicationEvent::Ended { .. } | PublicationEvent::Failed { retry_in: None, .. }) {
            self.over(&self.publication_key(id));
        }
    }

    /// A PUBLISH of another phone: taken, unless its tag is forgotten.
    pub(super) fn published(&mut self, tx: ServerTx, request: &Request, turn: &mut Turn<'_>) {
        let refused = match request.headers().has(HeaderId::SipIfMatch) {
            true if self.whim.permille(200) => Some(StatusCode::CONDITIONAL_REQUEST_FAILED),
            _ if self.whim.permille(100) => Some(StatusCode::SERVER_INTERNAL_ERROR),
            _ => None,
        };
        let mut lines = Lines::new();
        if refused.is_none() {
            self.told += 1;
            lines.push_id(HeaderId::SipEtag, format_args!("{}{}", self.name, self.told));
        }
        drop(turn.respond(tx, Reply::new(refused.unwrap_or(StatusCode::OK)).lines(lines)));
    }
}
