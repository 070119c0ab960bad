//! What other threads tell a SIP loop of the PBX, and ask it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use bytes::Bytes;
use media::{Key, MediaEvent, StreamReport};
use net::Share;
use sip::message::StatusCode;
use sip::{Origin, Shard};

use crate::accounts::Accounts;
use crate::call::elsewhere::{Claim, Handed, Mover};
use crate::call::guests::Notice;
use crate::metrics::Counts;
use crate::status::Status;
use crate::target::Target;
use crate::watching::Facet;

/// A message that is sent after its call.
pub(crate) struct Followed {
    /// Where it came from.
    pub(crate) from: Origin,
    pub(crate) bytes: Bytes,
    /// How often it was sent on.
    pub(crate) hops: u8,
    /// Its share of the room for commands: peers send these, and must not take that of all the others.
    pub(crate) share: Share,
}

/// What other threads tell, and what they ask: with a question comes the channel for its answer.
pub(crate) enum Command {
    /// The loop runs.
    Begin,
    /// What has been counted, for Prometheus.
    Metrics(SyncSender<Box<Counts>>),
    /// Whether calls are taken; no answer when the loop takes no turns.
    Healthy(SyncSender<bool>),
    /// The state.
    Status(SyncSender<Status>),
    /// Hang everything up and take no more.
    Finish,
    /// How much is held for calls, and how many ends the peers have not confirmed yet.
    Left(SyncSender<usize>),
    /// News of a stream or player.
    Media(MediaEvent),
    /// The figures of a stream that has ended.
    Streamed(Box<StreamReport>),
    /// A stream has come to the media thread it was moved to: what waits for that can go on.
    Moved,
    /// Another loop asks for the devices of a user of this one.
    Locate {
        /// Whose.
        user: String,
        /// Who asks.
        from: Shard,
        /// To be given back.
        ticket: u64,
    },
    /// The answer.
    Located {
        /// Of the question.
        ticket: u64,
        /// The devices.
        targets: Vec<Target>,
    },
    /// An INVITE about a call of the loop it is told to.
    Handed(Box<Handed>),
    /// Another loop asks for a leg that a call of its own is to be joined with.
    Claim(Box<Claim>),
    /// The answer: names for the streams of that call, or why not.
    Claimed {
        /// Of the question.
        ticket: u64,
        /// Who has the leg.
        from: Shard,
        /// The names.
        found: Result<[Key; 2], StatusCode>,
    },
    /// A call comes here.
    Arrives(Box<Mover>),
    /// A message of a call that has gone to the loop it is told to: it comes behind the call.
    Followed(Box<Followed>),
    /// Where a call is that falls to this loop.
    Whereabouts(Notice),
    /// Somebody watches now: what each loop knows goes on the board.
    Watched,
    /// This of a user or extension is another, for those who watch it here.
    Changed(String, Facet),
    /// Who there is now: users have changed in their database.
    Accounts(Arc<Accounts>),
    /// From this address another loop has a device that knows one hash only.
    OneHash(SocketAddr),
}
