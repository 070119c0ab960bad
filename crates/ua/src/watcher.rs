//! Watchers: others who subscribe to a state of ours (RFC 6665 section 4.2).

use std::sync::Arc;
use std::time::Duration;

use ::event::dialog::{Asked, AskedError};
use sip::header::{Event, From};
use sip::message::{Body, Request, StatusCode};
use sip::{ServerTx, WatcherId};
use tokio::sync::mpsc;

pub use sip::subscribe::{EndReason, WatcherEnd};

use crate::command::Command;
use crate::error::CallError;
use crate::link::Link;
use crate::publication;

/// News that wait for who reads them.
const QUEUE: usize = 16;

/// News of a watcher.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatcherNews {
    /// It has asked for more time. It was told once more what it was told last.
    Refreshed {
        /// How long it holds now.
        expires: Duration,
    },
    /// It is no more: the last news, unless it was ended by us.
    Ended {
        /// Why.
        why: WatcherEnd,
    },
}

/// Somebody wants to know a state of ours: see [`crate::Builder::tells`]. Dropping it refuses (403).
///
/// Who it is, is a claim. An answer is waited for no longer than 64*T1, 32 s: where somebody has to be asked first, [`IncomingSubscription::pend`].
pub struct IncomingSubscription {
    link: Link,
    tx: Option<ServerTx>,
    request: Arc<Request>,
}

impl IncomingSubscription {
    pub(crate) fn new(link: Link, tx: ServerTx, request: Arc<Request>) -> Self {
        Self { link, tx: Some(tx), request }
    }

    /// The package: `presence`, `dialog`, or one of our own.
    pub fn package(&self) -> String {
        let event = self.request.headers().get::<Event<'_>>().and_then(Result::ok);
        event.map(|event| event.package.to_owned()).unwrap_or_default()
    }

    /// Which dialogs it is about, where the package is `dialog` (RFC 4235 section 3.2): only these are to be told. Refuse what this cannot read (400).
    ///
    /// # Errors
    /// [`AskedError::Incomplete`] for a dialog that is named by some of what it takes.
    pub fn dialogs(&self) -> Result<Asked, AskedError> {
        asked_dialogs(&self.request)
    }

    /// Whose state: the address it was sent to.
    pub fn resource(&self) -> &str {
        self.request.uri_text()
    }

    /// Who wants to know, as he says.
    pub fn from(&self) -> String {
        let from = self.request.headers().get::<From<'_>>().and_then(Result::ok);
        from.map(|from| from.0.uri.to_string()).unwrap_or_default()
    }

    /// Whether it asks once and does not want to hear of changes (Expires 0).
    pub fn asks_once(&self) -> bool {
        self.request.headers().get::<sip::header::Expires>().and_then(Result::ok).is_some_and(|expires| expires.0 == 0)
    }

    /// Takes it, and tells the state.
    ///
    /// # Errors
    /// [`CallError::BadText`] for a type that is none, [`CallError::Rejected`] where it was refused for its Expires or Contact or there is no room,
    /// [`CallError::Ended`] when it waits no more.
    pub async fn accept(self, content_type: &str, body: impl Into<Vec<u8>>) -> Result<Watcher, CallError> {
        let body = publication::body(content_type, &body.into())?;
        self.take(Some(body), false).await
    }

    /// Takes it without telling anything: nobody has decided yet whether it may know ([`Watcher::allow`]).
    ///
    /// # Errors
    /// As [`IncomingSubscription::accept`].
    pub async fn pend(self) -> Result<Watcher, CallError> {
        self.take(None, true).await
    }

    async fn take(mut self, body: Option<Body>, pending: bool) -> Result<Watcher, CallError> {
        let Some(tx) = self.tx.take() else { return Err(CallError::Ended) };
        let link = self.link.clone();
        link.ask(|reply| Command::TakeWatcher { tx, body, pending, reply }).await?
    }

    /// Refuses it with a code of 400 to 699; others count as 403.
    pub fn reject(mut self, code: u16) {
        self.refuse(StatusCode::new(code).filter(|code| code.class() >= 4).unwrap_or(StatusCode::FORBIDDEN));
    }

    fn refuse(&mut self, code: StatusCode) {
        if let Some(tx) = self.tx.take() {
            self.link.tell(|| Command::RefuseWatcher { tx, code });
        }
    }
}

impl Drop for IncomingSubscription {
    fn drop(&mut self) {
        self.refuse(StatusCode::FORBIDDEN);
    }
}

/// Which dialogs a SUBSCRIBE to the package `dialog` is about (RFC 4235 section 3.2).
///
/// # Errors
/// [`AskedError::Incomplete`] for a dialog that is named by some of what it takes.
pub fn asked_dialogs(request: &Request) -> Result<Asked, AskedError> {
    let event = request.headers().get::<Event<'_>>().and_then(Result::ok);
    Asked::of(|name| event.as_ref()?.params.get(name).map(|value| value.text().into_owned()))
}

/// Somebody who is told a state of ours. Dropping it ends the subscription: there is no such state any more.
pub struct Watcher {
    link: Link,
    id: WatcherId,
    told: mpsc::Receiver<WatcherNews>,
    over: bool,
}

impl Watcher {
    /// One that has been taken, and the way by which it hears news. Where nobody waits for it any more, it ends by being dropped.
    pub(crate) fn new(link: Link, id: WatcherId) -> (Self, mpsc::Sender<WatcherNews>) {
        let (news, told) = mpsc::channel(QUEUE);
        (Self { link, id, told, over: false }, news)
    }

    /// Tells the state: at once, or when the NOTIFY before has its answer; of several that wait the newest.
    ///
    /// # Errors
    /// [`CallError::BadText`] for a type that is none, [`CallError::Ended`] when it watches no more.
    pub async fn notify(&self, content_type: &str, body: impl Into<Vec<u8>>) -> Result<(), CallError> {
        self.say(content_type, body.into(), false).await
    }

    /// It may know: tells the state. For one that pends.
    ///
    /// # Errors
    /// As [`Watcher::notify`].
    pub async fn allow(&self, content_type: &str, body: impl Into<Vec<u8>>) -> Result<(), CallError> {
        self.say(content_type, body.into(), true).await
    }

    async fn say(&self, content_type: &str, body: Vec<u8>, allowed: bool) -> Result<(), CallError> {
        let (id, body) = (self.id, publication::body(content_type, &body)?);
        self.link.ask(|reply| Command::Notify { id, body, allowed, reply }).await?
    }

    /// The next news; `None` after the last. Dropping the future loses nothing. At most 16 wait; what comes then is dropped.
    pub async fn next(&mut self) -> Option<WatcherNews> {
        self.told.recv().await
    }

    /// Ends it, for this reason; with how long it had better wait before it subscribes again.
    pub fn end(mut self, reason: EndReason, retry_after: Option<Duration>) {
        self.over = true;
        self.leave(reason, retry_after);
    }

    fn leave(&self, reason: EndReason, retry_after: Option<Duration>) {
        let (id, secs) = (self.id, retry_after.map(|after| u32::try_from(after.as_secs()).unwrap_or(u32::MAX)));
        self.link.tell(|| Command::EndWatcher { id, reason, retry_after: secs });
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if !self.over {
            self.leave(EndReason::NoResource, None);
        }
    }
}
