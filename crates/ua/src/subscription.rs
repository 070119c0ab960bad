//! Subscriptions to the state of others (RFC 6665).

use std::time::Duration;

use sip::SubscriptionId;
use sip::message::{HeaderId, Lines};
use sip::register;
use sip::subscribe::SubscribeSpec;
use tokio::sync::mpsc;

use crate::account::Standing;
use crate::command::Command;
use crate::error::{CallError, SubscribeError};
use crate::follows::Follows;
use crate::link::Link;
use crate::request::{self, Identity};
use crate::state::{ResourceState, types_of};

/// News that wait for who reads them.
const QUEUE: usize = 64;

/// News of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriptionNews {
    /// The notifier has taken it, or its refresh; it is refreshed without being asked.
    Accepted {
        /// How long it holds.
        expires: Duration,
    },
    /// The state, told by a NOTIFY. The last one of a subscription, which often is empty, says by that that it is over, and not that there is no state: it is told
    /// as a state where it says one, and where the state was asked for once.
    State {
        /// It.
        state: ResourceState,
        /// False while nobody has decided whether we may know: then the state says nothing.
        active: bool,
        /// Which notifier says so, where a SUBSCRIBE was taken by several: 0 is the first.
        notifier: u32,
    },
    /// One of several notifiers that took it has ended what it told, for good: its last state holds no longer. The others go on.
    NotifierEnded {
        /// Which; never 0, whose end is that of the whole. No other gets its number.
        notifier: u32,
        /// Why.
        error: SubscribeError,
    },
    /// It does not stand, or was not refreshed.
    Failed {
        /// Why.
        error: SubscribeError,
        /// When it is tried again; `None`: never, and this was the last.
        retry_in: Option<Duration>,
    },
    /// It was ended by us, or it was a single question. The last.
    Ended,
}

/// A subscription to be made: see [`crate::Account::subscribe`].
#[derive(Clone)]
#[must_use = "nothing is sent before start()"]
pub struct SubscribeBuilder {
    link: Link,
    identity: Identity,
    resource: String,
    event: String,
    accept: Option<Vec<String>>,
    expires: Duration,
    forks: usize,
    lists: bool,
    retry: register::Retry,
    who: Option<Standing>,
}

impl SubscribeBuilder {
    pub(crate) fn new(link: Link, resource: String, event: String, identity: Identity) -> Self {
        let expires = Duration::from_secs(3_600);
        let retry = register::Retry::default();
        Self { link, identity, resource, event, accept: None, expires, forks: 0, lists: false, retry, who: None }
    }

    /// It follows the registration of this account.
    pub(crate) fn of(mut self, who: Standing) -> Self {
        self.who = Some(who);
        self
    }

    /// Asks for these dialogs alone, or for their session descriptions (RFC 4235 section 3.2): the package is `dialog`, whatever it was.
    ///
    /// # Errors
    /// [`CallError::BadText`] for a Call-ID or tag that cannot be written.
    pub fn dialogs(mut self, asked: &::event::dialog::Asked) -> Result<Self, CallError> {
        self.event = asked.event().map_err(|error| CallError::BadText { why: error.to_string() })?;
        Ok(self)
    }

    /// How long it is asked to hold; an hour unless set. Zero asks for the state once.
    pub fn expires(mut self, expires: Duration) -> Self {
        self.expires = expires;
        self
    }

    /// Types of bodies that are taken, instead of the package's own.
    pub fn accept(mut self, types: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.accept = Some(types.into_iter().map(Into::into).collect());
        self
    }

    /// So many further notifiers may take the subscription as well (RFC 6665 section 4.1.4); none unless set.
    pub fn forks(mut self, most: usize) -> Self {
        self.forks = most;
        self
    }

    /// The resource may be a list of several (RFC 4662).
    pub fn lists(mut self) -> Self {
        self.lists = true;
        self
    }

    /// When one that failed is made again: as [`crate::AccountConfig::retry`].
    pub fn retry(mut self, first: Duration, longest: Duration) -> Self {
        self.retry = register::Retry::doubling(first, longest);
        self
    }

    /// Subscribes. What comes of it is told by [`Subscription::next`].
    ///
    /// # Errors
    /// [`CallError::BadUri`] and [`CallError::BadText`] for what cannot be sent; [`CallError::Ended`].
    pub async fn start(self) -> Result<Subscription, CallError> {
        let resource = request::target(&self.resource, &sip::message::Method::Subscribe)?;
        let here = request::here(&self.link.place, &request::next_hop(&resource, &self.identity)).await;
        let from = self.identity.from(&self.link.place, here);
        let package = self.event.split(';').next().unwrap_or_default().trim().to_owned();
        let contact = self.identity.contact(&resource);
        let follows = self.who.map(|who| Follows::new(who, resource.clone(), &self.identity));
        let mut spec = SubscribeSpec::new(resource, from, self.event);
        spec.accept = self.accept.unwrap_or_else(|| types_of(&package));
        spec.expires = u32::try_from(self.expires.as_secs()).unwrap_or(u32::MAX);
        spec.contact = contact;
        spec.routes = self.identity.routes;
        spec.hop = self.identity.hop;
        spec.credentials = self.identity.credentials;
        spec.forks = self.forks;
        spec.retry = self.retry;
        if self.lists {
            let mut lines = Lines::new();
            lines.push_id(HeaderId::Supported, event::list::OPTION);
            spec.lines = lines;
            spec.accept.extend([event::list::WHOLE_TYPE.to_owned(), event::list::TYPE.to_owned()]);
        }
        let (news, told) = mpsc::channel(QUEUE);
        let spec = Box::new(spec);
        let id = self.link.ask(|reply| Command::Subscribe { spec, follows, news, reply }).await??;
        Ok(Subscription { link: self.link, id, told })
    }
}

/// A subscription that is kept up. Dropping it ends it.
pub struct Subscription {
    link: Link,
    id: SubscriptionId,
    told: mpsc::Receiver<SubscriptionNews>,
}

impl Subscription {
    /// The next news; `None` after the last. Dropping the future loses nothing. At most 64 wait; what comes then is dropped until some are read.
    pub async fn next(&mut self) -> Option<SubscriptionNews> {
        self.told.recv().await
    }

    /// Asks for the state again now.
    ///
    /// # Errors
    /// [`CallError::Ended`] when it is over.
    pub async fn refresh(&self) -> Result<(), CallError> {
        self.link.ask(|reply| Command::Resubscribe { id: self.id, reply }).await?
    }

    /// Ends it, and waits until the notifier has said so, or should have (64*T1).
    pub async fn end(mut self) {
        self.link.tell(|| Command::Unsubscribe { id: self.id });
        while self.told.recv().await.is_some() {}
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.link.tell(|| Command::Unsubscribe { id: self.id });
    }
}
