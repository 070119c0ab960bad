//! What an application on a loop is.

use sip::{Application, Turn};

/// What lives on the loop's own thread beside the stack and decides.
pub trait App: Application {
    /// What other threads may ask of it.
    type Command: Send + 'static;
    /// Carries a command out, on the loop's thread, without blocking.
    fn command(&mut self, command: Self::Command, turn: &mut Turn<'_>);
    /// All that waited on a socket, or a batch of it, has been handed over, or a turn of another kind has ended. What an application gathers,
    /// to write it to a disk in one piece for example, it completes and answers here.
    fn settle(&mut self, turn: &mut Turn<'_>) {
        let _ = turn;
    }
}
