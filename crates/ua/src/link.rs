//! The way from a handle to the SIP loop and the media thread.

use std::sync::Arc;
use std::thread;

use media::Key;
use net::media::{Desk, MediaHandle};
use net::{CommandError, Handle};
use sip::Transport;
use tokio::sync::{mpsc, oneshot, watch};

use crate::ended::Ended;
use crate::error::CallError;
use crate::event::{CallEvent, EVENTS, Events};
use crate::phone::Command;
use crate::sound::Attached;

/// What every handle of an endpoint can reach.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) commands: Handle<Command>,
    pub(crate) media: MediaHandle,
    pub(crate) place: Arc<Place>,
}

/// What a handle must know of its endpoint.
pub(crate) struct Place {
    pub(crate) bound: Vec<net::Bound>,
    pub(crate) ports: net::media::PortRange,
    pub(crate) media_address: Option<std::net::IpAddr>,
    pub(crate) public_address: Option<std::net::IpAddr>,
    pub(crate) codecs: Vec<audio::codec::Codec>,
    pub(crate) max_calls: usize,
    /// How a call is held.
    pub(crate) hold: sdp::Hold,
}

impl Place {
    /// The port that we are called at.
    pub(crate) fn port(&self) -> Option<u16> {
        let udp = self.bound.iter().find(|bound| bound.transport == Transport::Udp);
        udp.or_else(|| self.bound.first()).map(|bound| bound.address.port())
    }
}

impl Link {
    /// Asks the loop and waits for its answer.
    pub(crate) async fn ask<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, CallError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(make(reply)).await.map_err(|_| CallError::Ended)?;
        answer.await.map_err(|_| CallError::Ended)
    }

    /// Tells the loop without waiting, and without losing it when the queue is full: for `Drop`.
    pub(crate) fn tell(&self, make: impl Fn() -> Command) {
        if self.commands.try_send(make()) != Err(CommandError::Full) {
            return;
        }
        let (commands, command) = (self.commands.clone(), make());
        let sent = thread::Builder::new().name("ua-tell".into()).spawn(move || commands.blocking_send(command));
        if sent.is_err() {
            tracing::error!("a command is lost: the SIP loop is overloaded and the system refuses a thread");
        }
    }

    /// Has something done on the media thread and waits for what comes of it.
    pub(crate) async fn at_desk<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Desk<'_>) -> T + Send + 'static,
    ) -> Result<T, CallError> {
        let (reply, answer) = oneshot::channel();
        let job = move |desk: &mut Desk<'_>| {
            // Nobody may be waiting any more.
            let _ = reply.send(job(desk));
        };
        self.media.run(job).map_err(|error| CallError::Media(error.to_string()))?;
        answer.await.map_err(|_| CallError::Ended)
    }
}

/// The loop's ends of a call's channels.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) news: mpsc::Sender<CallEvent>,
    pub(crate) ended: watch::Sender<Option<Arc<Ended>>>,
    pub(crate) attached: Arc<Attached>,
}

/// The user's end of a call, whatever its state. Dropping it hangs up.
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
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.is_over() {
            let key = self.key;
            self.link.tell(|| Command::HangUp { call: key, code: None, reason: None, farewell: None, reply: None });
        }
    }
}
