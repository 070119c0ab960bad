//! The other SIP loops of this server.

use net::{Handle, Place, Share};
use sip::{Shard, Spread};

use crate::command::Command;

/// The loops of this server, and which of them this is.
pub(crate) struct Neighbours {
    pub(crate) me: Shard,
    pub(crate) spread: Spread,
    pub(crate) loops: Vec<Handle<Command>>,
}

impl Neighbours {
    /// Whether this loop keeps the bindings of a user.
    pub(crate) fn keeps(&self, user: &str) -> bool {
        self.spread.of_user(user) == self.me
    }

    /// Sends to another loop; false when it has no room.
    pub(crate) fn tell(&self, to: Shard, command: Command) -> bool {
        self.loops.get(usize::from(to.0)).is_some_and(|handle| handle.try_send(command).is_ok())
    }

    /// Room with another loop for one command, kept for it.
    pub(crate) fn reserve(&self, to: Shard) -> Option<Place<Command>> {
        self.loops.get(usize::from(to.0))?.reserve()
    }

    /// A share of the room with another loop, for what peers send.
    pub(crate) fn share(&self, to: Shard) -> Option<Share> {
        self.loops.get(usize::from(to.0))?.share()
    }

    /// The loop to which a call falls by its Call-ID, when that is another.
    pub(crate) fn home(&self, call_id: &str) -> Option<Shard> {
        Some(self.spread.of_call(call_id.as_bytes())).filter(|home| *home != self.me)
    }

    /// Sends to another loop; gives back what it has no room for.
    pub(crate) fn offer(&self, to: Shard, command: Command) -> Result<(), Command> {
        match self.loops.get(usize::from(to.0)) {
            Some(handle) => handle.offer(command),
            None => Err(command),
        }
    }

    /// Sends to all others; who has no room goes without.
    pub(crate) fn tell_others(&self, command: impl Fn() -> Command) {
        for (shard, handle) in self.loops.iter().enumerate() {
            if shard != usize::from(self.me.0) {
                let _ = handle.try_send(command());
            }
        }
    }
}
