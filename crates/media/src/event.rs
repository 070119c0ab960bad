//! What the engine gives back: packets and events, at once and without queues.

use std::net::SocketAddr;

use rtp::Micros;

use crate::settings::{Component, Key, Slot};

/// Takes what the engine produces during a call.
pub trait Output {
    /// Sends a packet from the stream's port. Must not block; a packet that cannot leave is dropped.
    fn send(&mut self, stream: Slot, component: Component, to: SocketAddr, packet: &[u8]);
    /// Tells the application. Must not block.
    fn event(&mut self, event: MediaEvent);
}

/// Something happened to a stream or player.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum MediaEvent {
    /// The peer is heard for the first time, or from a new address.
    Heard {
        /// Which stream.
        stream: Key,
        /// The address packets come from.
        from: SocketAddr,
    },
    /// A digit begins (RFC 4733).
    DigitBegan {
        /// Which stream.
        stream: Key,
        /// 0-9 A-D * # R.
        digit: char,
    },
    /// A digit has ended.
    DigitEnded {
        /// Which stream.
        stream: Key,
        /// 0-9 A-D * # R.
        digit: char,
        /// How long it lasted.
        duration: Micros,
    },
    /// Nothing was heard for the time that is watched.
    Silence {
        /// Which stream.
        stream: Key,
        /// Since when, in milliseconds.
        for_ms: u64,
    },
    /// The peer said goodbye by RTCP.
    Goodbye {
        /// Which stream.
        stream: Key,
    },
    /// A player has played all it had.
    Played {
        /// Which player.
        player: Key,
    },
    /// A recorder lost samples: its writer does not keep up.
    Overrun {
        /// Which recorder.
        recorder: Key,
        /// Samples lost so far.
        samples: u64,
    },
}
