//! The network side of Offhook: the only crate with sockets, DNS and the clock.
//!
//! A [`SipLoop`] owns one [`sip::Stack`] and one [`App`] on a thread of its own. Datagrams and stream messages are received until the
//! socket is empty and answered in the same turn; nothing is handed to another thread between a request and its answer.
//! State machines live in `sip`, call control above; here are only sockets, name look-ups and time.
//!
//! Begin with [`SipLoop::spawn`]; for several loops as one server with [`SipLoop::spawn_shards`].

mod aliases;
mod app;
mod arrivals;
mod backlog;
mod binding;
mod bundle;
mod call_span;
mod channel;
mod clock;
mod config;
mod crowd;
mod datagrams;
mod driver;
mod dscp;
mod error;
mod files;
mod flows;
mod handle;
mod handshake;
mod icmp;
mod intake;
pub mod media;
#[cfg(test)]
mod numbers;
mod octets;
mod opening;
mod others;
mod pace;
mod planned;
mod proxy_protocol;
mod racing;
mod resolve;
mod routes;
mod shards;
mod shown;
mod sip_loop;
mod sources;
mod sparingly;
mod streams;
mod stun;
mod tap;
mod tcp;
pub mod tls;
pub mod trace;
mod udp;
#[cfg(feature = "websocket")]
mod websocket;
mod wire_log;

pub use app::App;
pub use binding::{Bind, Bound, Sockets};
pub use clock::Clock;
pub use config::{LoopConfig, REST, StreamLimits, WebSockets};
pub use dscp::Dscp;
pub use error::{CommandError, StartError};
pub use files::raise_file_limit;
pub use handle::{Handle, Place, Running, Share};
pub use intake::Intake;
pub use proxy_protocol::Network;
#[cfg(feature = "dns")]
pub use resolve::SystemResolver;
pub use resolve::{LiteralsOnly, Lookup, Names, Resolve};
pub use shards::{Seat, Shards};
pub use shown::{shown, without_passwords};
pub use sip_loop::SipLoop;
pub use sources::Sources;
pub use sparingly::Sparingly;
pub use tap::{Direction, Seen, Tap};
