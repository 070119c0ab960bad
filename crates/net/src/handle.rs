//! What other threads hold of a loop: the way to its application, and its life.

use std::sync::Arc;
use std::thread;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::binding::Bound;
use crate::clock::Clock;
use crate::error::CommandError;

/// Of the commands that may wait for a loop one in so many may hold a [`Share`].
const SHARED: usize = 4;

/// Speaks to a running loop from any thread. Cloning is cheap.
pub struct Handle<C> {
    commands: mpsc::Sender<C>,
    shares: Arc<Semaphore>,
}

impl<C> Clone for Handle<C> {
    fn clone(&self) -> Self {
        Self { commands: self.commands.clone(), shares: Arc::clone(&self.shares) }
    }
}

impl<C> Handle<C> {
    /// A way to a loop that is still to be started, or to whatever else takes its commands, and its other end.
    pub fn channel(room: usize) -> (Self, mpsc::Receiver<C>) {
        let (commands, inbox) = mpsc::channel(room.max(1));
        let shares = Arc::new(Semaphore::new((room / SHARED).max(1)));
        (Self { commands, shares }, inbox)
    }
}

impl<C: Send + 'static> Handle<C> {
    /// Sends a command without waiting.
    ///
    /// # Errors
    /// [`CommandError::Full`] when too many wait, [`CommandError::Ended`] when the loop is gone.
    pub fn try_send(&self, command: C) -> Result<(), CommandError> {
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommandError::Full,
            mpsc::error::TrySendError::Closed(_) => CommandError::Ended,
        })
    }

    /// The same; gives back what finds no room, or no loop.
    ///
    /// # Errors
    /// The command.
    pub fn offer(&self, command: C) -> Result<(), C> {
        self.commands.try_send(command).map_err(mpsc::error::TrySendError::into_inner)
    }

    /// Room for one command, kept for it until it is sent or the place is dropped; `None` when too many wait, or the loop is gone.
    pub fn reserve(&self) -> Option<Place<C>> {
        self.commands.clone().try_reserve_owned().ok().map(Place)
    }

    /// A share of the room, for a command that peers can cause as often as they like: it holds the share until it has been carried out. A quarter of the
    /// room can be had so, whoever asks; all other commands find room beside. `None` when that much waits.
    pub fn share(&self) -> Option<Share> {
        Arc::clone(&self.shares).try_acquire_owned().ok().map(|held| Share { _held: held })
    }

    /// Commands that the loop has not carried out yet.
    pub fn waiting(&self) -> usize {
        self.commands.max_capacity() - self.commands.capacity()
    }

    /// Sends a command, waiting while the queue is full.
    ///
    /// # Errors
    /// [`CommandError::Ended`] when the loop is gone.
    pub async fn send(&self, command: C) -> Result<(), CommandError> {
        self.commands.send(command).await.map_err(|_| CommandError::Ended)
    }

    /// The same from a thread without an async runtime.
    ///
    /// # Errors
    /// [`CommandError::Ended`] when the loop is gone.
    pub fn blocking_send(&self, command: C) -> Result<(), CommandError> {
        self.commands.blocking_send(command).map_err(|_| CommandError::Ended)
    }
}

/// Room for one command of a loop: see [`Handle::reserve`].
pub struct Place<C>(mpsc::OwnedPermit<C>);

impl<C> Place<C> {
    /// Sends the command, behind all that were sent before.
    pub fn fill(self, command: C) {
        self.0.send(command);
    }
}

/// A share of the room for commands of a loop: see [`Handle::share`]. Dropping it gives it back.
#[derive(Debug)]
pub struct Share {
    _held: OwnedSemaphorePermit,
}

/// A loop that runs. Dropping it ends the loop at once, without good-byes; [`Running::stop`] waits for the thread.
pub struct Running<C> {
    handle: Handle<C>,
    bound: Vec<Bound>,
    clock: Clock,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl<C> Running<C> {
    pub(crate) fn new(
        handle: Handle<C>,
        bound: Vec<Bound>,
        clock: Clock,
        stop: oneshot::Sender<()>,
        thread: thread::JoinHandle<()>,
    ) -> Self {
        Self { handle, bound, clock, stop: Some(stop), thread: Some(thread) }
    }
}

impl<C: Send + 'static> Running<C> {
    /// To speak to it.
    pub fn handle(&self) -> Handle<C> {
        self.handle.clone()
    }
    /// What it listens on, in the order of the configuration.
    pub fn bound(&self) -> &[Bound] {
        &self.bound
    }
    /// The clock its turns are dated by.
    pub fn clock(&self) -> Clock {
        self.clock
    }
    /// Whether the loop's thread is gone, by a panic for example, though nobody ended it.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(thread::JoinHandle::is_finished)
    }
    /// Ends the loop and waits for its thread.
    pub fn stop(mut self) {
        self.end();
    }
}

impl<C> Running<C> {
    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the SIP loop ended by a panic");
        }
    }
}

impl<C> Drop for Running<C> {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_room_is_shared_whoever_asks() {
        for (room, most) in [(8, 2), (4, 1), (1, 1)] {
            let (handle, _inbox) = Handle::<()>::channel(room);
            let others = handle.clone();
            let mut held: Vec<Share> = std::iter::from_fn(|| handle.share()).take(room + 1).collect();
            assert_eq!((held.len(), others.share().is_none()), (most, true), "{room}");
            held.pop();
            assert!(others.share().is_some(), "what was dropped is free again");
        }
    }

    #[test]
    fn a_place_is_kept_whoever_fills_the_queue_meanwhile() {
        let (handle, mut inbox) = Handle::channel(2);
        let place = handle.reserve().unwrap();
        assert_eq!((handle.offer(1), handle.offer(2)), (Ok(()), Err(2)));
        assert!(handle.reserve().is_none());
        place.fill(3);
        assert_eq!((inbox.try_recv(), inbox.try_recv()), (Ok(1), Ok(3)));
        drop((handle.reserve(), handle.reserve()));
        assert_eq!((handle.offer(4), handle.offer(5)), (Ok(()), Ok(())), "what was dropped is free again");
    }
}
