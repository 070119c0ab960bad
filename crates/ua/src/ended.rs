//! What is left of a call: who ended it, and its figures.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use media::StreamReport;

use crate::told::Told;

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// This side: hang-up, refusal, cancel, a dropped handle.
    Us,
    /// The other side.
    Peer,
    /// Nobody: a request failed in a way that ends the dialog, or our answer was never acknowledged.
    Error,
}

/// What the other side said to our hang-up ([`crate::Call::hangup_within`]). The call is over in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Farewell {
    /// It agreed, or had ended the call itself.
    Confirmed,
    /// It refused: with 481 most often, which means that it knew the call no longer.
    Refused {
        /// The status code.
        code: u16,
        /// The reason phrase.
        reason: String,
    },
    /// It said nothing in the time that was allowed.
    Silent,
    /// The BYE could not be brought to it.
    Unreachable {
        /// What stood in the way.
        why: String,
    },
}

/// The end of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Who ended it.
    pub by: EndedBy,
    /// 200 after a hang-up, otherwise the status code that ended it (487 for a call that was given up, 408 for no answer).
    pub code: u16,
    /// The reason phrase, or the text of the peer's Reason header (RFC 3326).
    pub reason: String,
    /// Why, as the other side tells it (RFC 3326), and what its user tells ours at the end (RFC 7433).
    pub told: Told,
    /// From the answer to the end; zero for a call that was never answered.
    pub duration: Duration,
    /// Figures of its audio; `None` when there never was any.
    pub stats: Option<CallStats>,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.by {
            EndedBy::Us => "us",
            EndedBy::Peer => "the peer",
            EndedBy::Error => "an error",
        };
        write!(f, "ended by {by} after {:.1} s: {} {}", self.duration.as_secs_f32(), self.code, self.reason)
    }
}

/// Figures of a call's audio.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CallStats {
    /// The codec, as descriptions name it: `PCMU`.
    pub codec: &'static str,
    /// Where packets go.
    pub remote: Option<SocketAddr>,
    /// Packets sent.
    pub packets_sent: u64,
    /// Valid packets received.
    pub packets_received: u64,
    /// Packets that never came.
    pub packets_lost: u64,
    /// Packets that came too late to be played.
    pub packets_late: u64,
    /// Interarrival jitter (RFC 3550 section 6.4.1).
    pub jitter: Duration,
    /// Audio made up for lost packets.
    pub concealed: Duration,
    /// Whether anything of ours arrives there, where the peer's reports (RTCP) tell.
    pub far_hears: Option<bool>,
    /// Packets of ours that the peer says it lost.
    pub far_lost: u64,
    /// The jitter that the peer says it sees.
    pub far_jitter: Option<Duration>,
    /// Round-trip time by RTCP.
    pub round_trip: Option<Duration>,
    /// Packets from strangers, which were ignored.
    pub strangers: u64,
    /// Packets of ours that came back, by a mirror or a loop of the network, and were ignored (RFC 3550 section 8.2).
    pub looped: u64,
}

impl From<StreamReport> for CallStats {
    fn from(report: StreamReport) -> Self {
        let span = Duration::from_micros;
        Self {
            codec: report.codec.name(),
            remote: report.remote,
            packets_sent: report.packets_sent,
            packets_received: report.packets_received,
            packets_lost: report.packets_lost,
            packets_late: report.packets_late,
            jitter: span(report.jitter.0),
            concealed: Duration::from_millis(report.concealed_ms),
            far_hears: report.far_hears,
            far_lost: report.far_lost,
            far_jitter: report.far_jitter.map(|jitter| span(jitter.0)),
            round_trip: report.round_trip.map(|time| span(time.0)),
            strangers: report.strangers,
            looped: report.looped,
        }
    }
}
