//! A tap on the wire: every message that passes a loop, for ladders and traces.

use std::net::SocketAddr;

use sip::{Cause, Time, Transport};

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the network.
    In,
    /// To the network, and why.
    Out(Cause),
}

/// One message on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// When, on the loop's monotonic clock.
    pub at: Time,
    /// Which way.
    pub direction: Direction,
    /// Protocol.
    pub transport: Transport,
    /// Our end.
    pub local: SocketAddr,
    /// The peer's end.
    pub remote: SocketAddr,
    /// The whole message.
    pub bytes: &'a [u8],
}

/// Called on the loop's thread for each message; must not block.
pub type Tap = Box<dyn FnMut(&Seen<'_>) + Send>;
