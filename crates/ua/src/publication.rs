//! Publishing our own state (RFC 3903).

use std::time::Duration;

use event::presence::Presence;
use sip::message::{Body, Method};
use sip::publish::PublishSpec;
use sip::{PublicationId, register};
use tokio::sync::watch;

use crate::account::Standing;
use crate::command::Command;
use crate::error::CallError;
use crate::follows::Follows;
use crate::link::Link;
use crate::request;

/// How a publication stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Published {
    /// On its way.
    Publishing,
    /// The other side has the newest state; it is refreshed in time.
    Stands {
        /// How long it holds.
        expires: Duration,
    },
    /// It has not.
    Failed {
        /// Why.
        error: CallError,
        /// When it is tried again; `None`: never.
        retry_in: Option<Duration>,
    },
    /// It was taken back.
    Ended,
}

/// A state of ours that is kept published. Dropping it takes it back.
pub struct Publication {
    link: Link,
    id: PublicationId,
    state: watch::Receiver<Published>,
}

/// What is to be published, and by whom.
pub(crate) struct ToPublish {
    pub(crate) resource: String,
    pub(crate) event: String,
    pub(crate) body: Body,
    pub(crate) expires: Duration,
    pub(crate) who: Standing,
}

impl Publication {
    pub(crate) async fn begin(link: Link, what: ToPublish) -> Result<Self, CallError> {
        let ToPublish { resource, event, body, expires, who } = what;
        let identity = who.identity();
        let resource = request::target(&resource, &Method::Publish)?;
        let here = request::here(&link.place, &request::next_hop(&resource, &identity)).await;
        let follows = Follows::new(who, resource.clone(), &identity);
        let mut spec = PublishSpec::new(resource, identity.from(&link.place, here), event);
        spec.expires = u32::try_from(expires.as_secs()).unwrap_or(u32::MAX).max(1);
        spec.routes = identity.routes;
        spec.hop = identity.hop;
        spec.credentials = identity.credentials;
        spec.retry = register::Retry::default();
        let (told, state) = watch::channel(Published::Publishing);
        let spec = Box::new(spec);
        let id = link.ask(|reply| Command::Publish { spec, follows, body, told, reply }).await??;
        Ok(Self { link, id, state })
    }

    /// How it stands, now and with every change.
    pub fn state(&self) -> watch::Receiver<Published> {
        self.state.clone()
    }

    /// Waits until the other side has the newest state, or has refused it for good.
    ///
    /// # Errors
    /// What the first failure was.
    pub async fn stands(&mut self) -> Result<Duration, CallError> {
        loop {
            match &*self.state.borrow_and_update() {
                Published::Stands { expires } => return Ok(*expires),
                Published::Failed { error, .. } => return Err(error.clone()),
                Published::Ended => return Err(CallError::Ended),
                Published::Publishing => {}
            }
            if self.state.changed().await.is_err() {
                return Err(CallError::Ended);
            }
        }
    }

    /// Publishes another state instead. Of several at once the newest counts.
    ///
    /// # Errors
    /// [`CallError::BadText`] for a type that is none; [`CallError::Ended`].
    pub async fn update(&self, content_type: &str, body: &[u8]) -> Result<(), CallError> {
        let body = self::body(content_type, body)?;
        self.link.ask(|reply| Command::Republish { id: self.id, body, reply }).await?
    }

    /// The same, of presence.
    ///
    /// # Errors
    /// As [`Publication::update`].
    pub async fn presence(&self, presence: &Presence) -> Result<(), CallError> {
        self.update(event::presence::TYPE, presence.write().as_bytes()).await
    }

    /// Takes it back, and waits for the other side, or for its silence (64*T1).
    pub async fn end(mut self) {
        self.link.tell(|| Command::Unpublish { id: self.id });
        while self.state.changed().await.is_ok() {}
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        self.link.tell(|| Command::Unpublish { id: self.id });
    }
}

/// A body, if its type is one.
pub(crate) fn body(content_type: &str, body: &[u8]) -> Result<Body, CallError> {
    let kind = sip::message::Headers::read::<sip::message::header::ContentType<'_>>(content_type.as_bytes());
    match kind {
        Ok(_) if !content_type.contains(char::is_control) => Ok(Body::new(content_type.to_owned(), body.to_vec())),
        _ => Err(CallError::BadText {
            why: format!("{content_type:?} is no content type; expected TYPE/SUBTYPE, as in application/pidf+xml"),
        }),
    }
}
