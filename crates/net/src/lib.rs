//! The network side of Offhook: the only crate with sockets, DNS and the clock.
//!
//! A [`SipLoop`] owns one [`sip::Stack`] and one [`App`] on a thread of its own. Datagrams and stream messages are received until the
//! socket is empty and answered in the same turn; nothing is handed to another thread between a request and its answer.
//! State machines live in `sip`, call control above; here are only sockets, name look-ups and time.
//!
//! Begin with [`SipLoop::spawn`]; for several loops as one server with [`SipLoop::spawn_shards`].

mod backlog;
mod binding;
mod clock;
mod error;
mod files;
mod intake;
pub mod media;
mod resolve;
mod routes;
mod shards;
mod shown;
mod sip_loop;
mod sources;
mod sparingly;
mod stream;
mod tap;
mod udp;
mod wire_log;

pub use binding::{Bind, Bound, Sockets};
pub use clock::Clock;
pub use error::{CommandError, StartError};
pub use files::raise_file_limit;
pub use intake::Intake;
#[cfg(feature = "dns")]
pub use resolve::SystemResolver;
pub use resolve::{LiteralsOnly, Lookup, Names, Resolve, Resolved};
pub use shards::{Seat, Shards};
pub use shown::{shown, without_passwords};
pub use sip_loop::{App, Handle, LoopConfig, Running, SipLoop, StreamLimits};
pub use sources::Sources;
pub use sparingly::Sparingly;
pub use tap::{Direction, Seen, Tap};
