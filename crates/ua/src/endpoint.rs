//! The endpoint: what comes in, and its end.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use net::media::MediaThread;
use net::{Bound, Running};
use sip::Transport;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use crate::account::{Account, AccountConfig};
use crate::command::{Command, Usage};
use crate::error::CallError;
use crate::incoming::IncomingCall;
use crate::link::Link;
use crate::message::{Answer, Said, TextMessage};
use crate::outgoing::OutgoingBuilder;
use crate::referral::Referral;
use crate::request::{Identity, Request};
use crate::subscription::SubscribeBuilder;
use crate::watcher::IncomingSubscription;

/// How long [`Endpoint::close`] waits for the network.
const GRACE: Duration = Duration::from_secs(4);
/// How long dropping an endpoint may block.
const DROP_GRACE: Duration = Duration::from_secs(1);

/// A telephone: it places and receives calls, with accounts or without.
pub struct Endpoint {
    link: Link,
    incoming: Mutex<mpsc::Receiver<IncomingCall>>,
    messages: Mutex<mpsc::Receiver<Said>>,
    referrals: Mutex<mpsc::Receiver<Referral>>,
    subscriptions: Mutex<mpsc::Receiver<IncomingSubscription>>,
    accounts: AtomicU64,
    running: Option<Running<Command>>,
    /// Ends after the loop.
    _media: MediaThread,
}

impl Endpoint {
    pub(crate) fn new(
        link: Link,
        incoming: mpsc::Receiver<IncomingCall>,
        (messages, referrals, subscriptions): (
            mpsc::Receiver<Said>,
            mpsc::Receiver<Referral>,
            mpsc::Receiver<IncomingSubscription>,
        ),
        running: Running<Command>,
        media: MediaThread,
    ) -> Self {
        Self {
            link,
            incoming: Mutex::new(incoming),
            messages: Mutex::new(messages),
            referrals: Mutex::new(referrals),
            subscriptions: Mutex::new(subscriptions),
            accounts: AtomicU64::new(1),
            running: Some(running),
            _media: media,
        }
    }

    /// What it listens on, with the ports that were given.
    pub fn bound(&self) -> &[Bound] {
        &self.link.place.bound
    }

    /// The address at which `user` is called directly, for peers on this machine or in its network: `sip:bob@192.0.2.7:5060`.
    pub fn uri(&self, user: &str) -> Option<String> {
        let bound = self.bound().first()?;
        let ip = bound.address.ip();
        let ip = if ip.is_unspecified() { crate::request::source(None).unwrap_or(ip) } else { ip };
        let uri = sip::message::UriBuf::sip(false, Some(user), &ip.to_string(), Some(bound.address.port())).ok()?;
        let transport = match bound.transport {
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
            _ => "",
        };
        Some(format!("{uri}{transport}"))
    }

    /// An account to call from and to register. Nothing is sent.
    ///
    /// # Errors
    /// [`CallError::BadUri`] when one of its addresses cannot be read.
    pub async fn account(&self, config: AccountConfig) -> Result<Account, CallError> {
        Account::new(self.link.clone(), self.accounts.fetch_add(1, Ordering::Relaxed), config)
    }

    /// Calls an address directly, without an account. Awaiting the builder waits for the answer; [`OutgoingBuilder::start`] does not.
    pub fn call(&self, uri: impl Into<String>) -> OutgoingBuilder {
        OutgoingBuilder::new(self.link.clone(), uri.into(), Identity::nobody())
    }

    /// The next call that comes in; `None` when the endpoint is closing. Dropping the future loses no call.
    pub async fn incoming(&self) -> Option<IncomingCall> {
        self.incoming.lock().await.recv().await
    }

    /// The next text message that comes in outside of calls. At most 64 wait; further ones are answered 503. What is said of who is writing one is passed over:
    /// [`Endpoint::said`] tells that too, instead of this.
    pub async fn messages(&self) -> Option<TextMessage> {
        let mut messages = self.messages.lock().await;
        loop {
            if let Said::Text(text) = messages.recv().await? {
                return Some(text);
            }
        }
    }

    /// The next text message that comes in outside of calls, or word that somebody is writing one (RFC 3994), in the order in which they came. Together at most
    /// 64 wait.
    pub async fn said(&self) -> Option<Said> {
        self.messages.lock().await.recv().await
    }

    /// The next transfer that the other side of a call asks for, with [`crate::Builder::allow_transfer`]; never without. At most 16 wait; further
    /// ones are answered 503.
    pub async fn referral(&self) -> Option<Referral> {
        self.referrals.lock().await.recv().await
    }

    /// The next who wants to know a state of ours, with [`crate::Builder::tells`]; never without. At most 64 wait; further ones are answered 503.
    pub async fn subscription(&self) -> Option<IncomingSubscription> {
        self.subscriptions.lock().await.recv().await
    }

    /// Sends a text message (RFC 3428). Messages to one address go one after the other (section 8): this one leaves when those before have their
    /// answers, unless the future is dropped before; at most 64 wait.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn message(&self, to: &str, text: &str) -> Result<Answer, CallError> {
        Request::message(to, text, &Identity::nobody()).send(&self.link).await
    }

    /// Sends a message whose body is of another type than plain text (RFC 3428 section 4).
    ///
    /// # Errors
    /// [`CallError::BadText`] when `content_type` is none, before anything is sent.
    pub async fn message_as(&self, to: &str, content_type: &str, body: &[u8]) -> Result<Answer, CallError> {
        Request::message_as(to, content_type, body, &Identity::nobody())?.send(&self.link).await
    }

    /// Asks an address what it can do (RFC 3261 section 11).
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn options(&self, uri: &str) -> Result<Answer, CallError> {
        Request::options(uri, &Identity::nobody()).send(&self.link).await
    }

    /// Subscribes to the state of an address, without an account: see [`Account::subscribe`].
    pub fn subscribe(&self, resource: &str, event: &str) -> SubscribeBuilder {
        SubscribeBuilder::new(self.link.clone(), resource.to_owned(), event.to_owned(), Identity::nobody())
    }

    /// What lives in it now; `None` when its loop has ended.
    pub async fn usage(&self) -> Option<Usage> {
        let usage = self.link.ask(|reply| Command::Usage { reply }).await.ok()?;
        let (streams, ports) = self.link.at_desk(|desk| desk.engine.counts()).await.ok()?;
        Some(Usage { streams, ports, ..usage })
    }

    /// Ends every call, takes every registration back, and waits until the network has been told, for 4 s at most. Of what was published for one address one
    /// thing after the other is taken back (RFC 3903 section 4): where a server does not answer the first in that time, the rest stands until its own end.
    pub async fn close(self) {
        self.close_within(GRACE).await;
    }

    /// As [`Endpoint::close`], but waits for `most` at most: a peer that has said nothing so far may never confirm an end either.
    pub async fn close_within(mut self, most: Duration) {
        let closing = self.link.ask(|done| Command::Close { done });
        if timeout(most, closing).await.is_err() {
            tracing::info!("not every peer has confirmed the end in time");
        }
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

impl Drop for Endpoint {
    /// Says good-bye as [`Endpoint::close`] does, but blocks for a second at most.
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        let (done, mut settled) = oneshot::channel();
        if self.link.commands.try_send(Command::Close { done }).is_ok() {
            let until = Instant::now() + DROP_GRACE;
            while matches!(settled.try_recv(), Err(oneshot::error::TryRecvError::Empty)) && Instant::now() < until {
                thread::sleep(Duration::from_millis(2));
            }
        }
        running.stop();
    }
}

/// Futures that hold an endpoint may move between threads.
#[allow(dead_code, reason = "checked by the compiler, never called")]
fn is_send(endpoint: &Endpoint) -> impl Future + Send + '_ {
    endpoint.incoming()
}
