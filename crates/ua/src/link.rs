//! The way from a handle to the SIP loop and the media thread.

use std::sync::Arc;
use std::thread;

use net::media::{Desk, MediaHandle};
use net::{CommandError, Handle};
use tokio::sync::oneshot;

use crate::command::Command;
use crate::error::CallError;
use crate::place::Place;

/// What every handle of an endpoint can reach.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) commands: Handle<Command>,
    pub(crate) media: MediaHandle,
    pub(crate) place: Arc<Place>,
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
