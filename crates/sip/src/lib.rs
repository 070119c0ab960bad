//! SIP messages and every SIP state machine: transactions, dialogs, INVITE sessions, registrations (RFC 3261 and its family).
//!
//! What it is not: it opens no socket, reads no clock, starts no thread and draws no randomness of its own. It looks into no message
//! body. A *driver* (the `net` crate, or a simulated network in tests) hands in bytes and the time, and carries out what comes back.
//!
//! # The contract: turns
//!
//! Start with [`Stack`]. Each change of its state happens in a [`Turn`], opened with [`Stack::at`], which already holds the time and the
//! [`Outbox`] that the output goes to.
//!
//! * *Inputs* come from the driver: [`Turn::receive`], [`Turn::timeout`], [`Turn::answered`], [`Turn::flow`], [`Turn::unsent`].
//! * *Commands* come from the application: [`Turn::send_request`], [`Turn::respond`], [`Turn::cancel`], [`Turn::alarm`] and those of
//!   sessions and registrations.
//! * *Outputs* are the [`Action`]s in the outbox, to be carried out in order. An [`Action::Event`] is handed to the [`Application`] in a
//!   fresh turn at the same time; what that turn produces goes to the end of the outbox.
//! * *Getters* change nothing: [`Stack::deadline`], [`Stack::counters`], [`Stack::usage`], [`Turn::request_of`].
//!
//! [`Stack::deadline`] says when [`Turn::timeout`] must be called next; being late or early is harmless.

pub mod alert;
mod avoided;
mod away;
pub mod cause;
mod chunks;
pub mod config;
pub mod counters;
pub mod dialog;
pub mod digest;
pub mod draft;
pub mod event;
pub mod forward;
pub mod history;
pub mod id;
pub mod invite;
pub mod locate;
pub mod message;
pub mod outbox;
mod overload;
#[cfg(feature = "planted")]
pub mod planted;
#[cfg(not(feature = "planted"))]
mod planted;
pub mod privacy;
pub mod publish;
pub mod register;
pub mod reply;
mod rng;
pub mod route;
mod siphash;
mod slab;
mod spare;
mod spread;
pub mod stack;
mod states;
pub mod subscribe;
pub mod time;
mod transaction;
mod turn;
pub mod uas;
mod wheel;

pub use config::{Config, Overload, Role, SecuredAs, Timers, Trying};
pub use counters::Counters;
pub use draft::{ContactSpec, Draft, Hop, Whereby};
pub use event::{Application, Event, Failure, TargetFailure};
pub use forward::{Forward, Identity, PathTo, Record, Told};
pub use history::History;
pub use id::{
    AlarmId, AskId, ClientTx, DialogId, FlowId, Id, IdHasher, IdMap, PublicationId, RegistrationId, SendId, ServerTx,
    SessionId, Shard, SubscriptionId, WatcherId,
};
pub use message::header;
pub use outbox::{Action, Answer, Cause, FlowChange, Origin, Outbox, Path, Question, SendError, Transport};
pub use overload::Load;
pub use reply::Reply;
pub use rng::Token;
pub use siphash::TextHash;
pub use spread::Spread;
pub use stack::{Stack, StackError, Usage};
pub use time::{Now, Time, WallTime};
pub use turn::Turn;
