//! Figures of a stream, for people, metrics and tests.

use std::net::SocketAddr;

use audio::codec::Codec;
use rtp::Micros;

/// A stream's figures since it began.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StreamReport {
    /// The codec in use.
    pub codec: Codec,
    /// Where packets go.
    pub remote: Option<SocketAddr>,
    /// Where packets come from.
    pub heard_from: Option<SocketAddr>,
    /// Valid packets received.
    pub packets_received: u64,
    /// Their payload octets.
    pub octets_received: u64,
    /// Packets that never came (RFC 3550 appendix A.3).
    pub packets_lost: u64,
    /// Packets that came too late to be played.
    pub packets_late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that came out of order.
    pub reordered: u64,
    /// Interarrival jitter (RFC 3550 section 6.4.1).
    pub jitter: Micros,
    /// Audio made up for lost packets, in milliseconds.
    pub concealed_ms: u64,
    /// Packets sent.
    pub packets_sent: u64,
    /// Their payload octets.
    pub octets_sent: u64,
    /// Whether anything of ours arrives there, where the peer's reports tell.
    pub far_hears: Option<bool>,
    /// Packets of ours the peer says it lost.
    pub far_lost: u64,
    /// The jitter the peer says it sees.
    pub far_jitter: Option<Micros>,
    /// The last round-trip time measured by RTCP.
    pub round_trip: Option<Micros>,
    /// Packets from strangers, ignored.
    pub strangers: u64,
    /// Packets of ours that came back, ignored (RFC 3550 section 8.2).
    pub looped: u64,
}
