//! Media threads: sockets, the tick and the engine (ARCHITECTURE.md, journey RTP).

mod arrival;
mod line;
mod ports;
mod thread;

pub use ports::{NoPorts, PortPair, PortRange};
pub use thread::{Desk, MediaConfig, MediaHandle, MediaThread, Released};
