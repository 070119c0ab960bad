//! The user's end of a call, whatever its state.

use std::sync::Arc;
use std::time::Duration;

use media::Key;
use net::media::Desk;
use sip::message::StatusCode;
use tokio::sync::{mpsc, watch};

use crate::attached::Attached;
use crate::command::{Command, Ends};
use crate::ended::{Ended, EndedBy};
use crate::error::AudioError;
use crate::event::{self, EVENTS, Events};
use crate::link::Link;
use crate::told::Told;

/// A call as its user holds it. Dropping it hangs up.
pub(crate) struct Line {
    pub(crate) link: Link,
    pub(crate) key: Key,
    pub(crate) events: Events,
    pub(crate) ended: watch::Receiver<Option<Arc<Ended>>>,
    pub(crate) attached: Arc<Attached>,
}

impl Line {
    /// Both ends of a new call.
    pub(crate) fn new(link: Link, key: Key) -> (Self, Ends) {
        let (news, inbox) = mpsc::channel(EVENTS);
        let (ended, end) = watch::channel(None);
        let attached = Arc::<Attached>::default();
        let events = Events::new(inbox, end.clone());
        let line = Self { link, key, events, ended: end, attached: Arc::clone(&attached) };
        (line, Ends { news, ended, attached })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Runs a job of the call's audio on the media thread, without waiting.
    pub(crate) fn run(&self, job: impl FnOnce(&mut Desk<'_>) + Send + 'static) -> Result<(), AudioError> {
        self.link.media.run(job).map_err(|error| AudioError::Media(error.to_string()))
    }

    pub(crate) async fn hang_up(&self, code: Option<StatusCode>, reason: Option<String>) -> Arc<Ended> {
        let make = |reply| Command::HangUp { call: self.key, code, reason, farewell: None, reply: Some(reply) };
        // Without a loop the call has ended.
        let _ = self.link.ask(make).await;
        self.ended().await
    }

    pub(crate) async fn ended(&self) -> Arc<Ended> {
        event::wait(&mut self.ended.clone()).await.unwrap_or_else(|| {
            let reason = "the endpoint has ended".to_owned();
            Arc::new(Ended {
                by: EndedBy::Us,
                code: 200,
                reason,
                told: Told::default(),
                duration: Duration::ZERO,
                stats: None,
            })
        })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.is_over() {
            let key = self.key;
            self.link.tell(|| Command::HangUp { call: key, code: None, reason: None, farewell: None, reply: None });
        }
    }
}
