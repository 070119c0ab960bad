//! What a turn produces: actions for the driver, in the only order there is.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::event::Event;
use crate::id::{AskId, FlowId, SendId, Shard};
use crate::time::Time;

/// Transport protocols of RFC 3261 section 18 and RFC 7118.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Transport {
    /// True where the transport itself repeats what was lost (RFC 3261 section 17: no timers A, E, G; D, I, J, K are zero).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Transport::Udp)
    }
    /// True where what is sent goes through TLS.
    pub const fn is_secured(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }
    /// True for a WebSocket (RFC 7118).
    pub const fn is_web(self) -> bool {
        matches!(self, Transport::Ws | Transport::Wss)
    }
    /// The protocol as written in Via (RFC 3261 section 20.42).
    pub const fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }
    /// The port when none is written (RFC 3261 section 19.1.2).
    pub const fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
            Transport::Ws => 80,
            Transport::Wss => 443,
        }
    }
}

/// Where something goes: which flow, and both its ends. When a stream flow is gone, the driver connects to `remote` anew; over
/// TLS only where it knows whom it must find there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// The socket or connection.
    pub flow: FlowId,
    /// Its protocol.
    pub transport: Transport,
    /// Our address on it, as the peer can reach it (never 0.0.0.0).
    pub local: SocketAddr,
    /// The peer.
    pub remote: SocketAddr,
}

/// Where something came from. The same shape as [`Path`]: answering means sending back along it.
pub type Origin = Path;

/// Why a message leaves: for traces and counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// A new request.
    Request,
    /// A request that is passed on (RFC 3261 section 16.6), an ACK too.
    Passed,
    /// A response made for the application.
    Response,
    /// A response made by the stack itself (100, 481, 482, 400, ...).
    Automatic,
    /// Repeated by timer A or E.
    RetransmitRequest,
    /// Repeated by timer G, or the 2xx of RFC 3261 section 13.3.1.4.
    RetransmitResponse,
    /// The peer repeated its request; the last response goes out again.
    Answer,
    /// An ACK.
    Ack,
    /// The same request to the next address, or with credentials.
    Retry,
    /// A keep-alive.
    KeepAlive,
}

impl Cause {
    /// In the words of RFC 3261, for a trace: `timer A` rather than a repeat. What is sent decides between the timers: an INVITE or another request, and the status
    /// code of a response.
    pub const fn words(self, invite: bool, code: Option<u16>) -> &'static str {
        match (self, code) {
            (Self::Request, _) => "request",
            (Self::Passed, _) => "passed on",
            (Self::Response, _) => "response",
            (Self::Automatic, _) => "automatic",
            (Self::RetransmitRequest, _) if invite => "timer A",
            (Self::RetransmitRequest, _) => "timer E",
            (Self::RetransmitResponse, Some(300..)) => "timer G",
            (Self::RetransmitResponse, Some(..200)) => "again until PRACK",
            (Self::RetransmitResponse, _) => "again until ACK",
            (Self::Answer, _) => "answer",
            (Self::Ack, _) => "ack",
            (Self::Retry, _) => "retry",
            (Self::KeepAlive, _) => "keep-alive",
        }
    }
}

/// What the driver is asked to find out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Question {
    /// Where does a request to this next hop go (RFC 3263)? Answered with [`Answer::Routes`].
    Route {
        /// Host name or address literal (IPv6 without brackets).
        host: String,
        /// Port when one was written.
        port: Option<u16>,
        /// Protocol when one was asked for, or forced by size (RFC 3261 section 18.1.1).
        transport: Option<Transport>,
        /// Only TLS will do.
        secure: bool,
        /// What decides between servers of one priority, where that is to be the same for several requests (RFC 3263 section 4.4); otherwise the driver
        /// draws one.
        lot: Option<u64>,
    },
}

/// What came of a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// To be tried in this order.
    Routes(Vec<Path>),
    /// No such name.
    None,
    /// The look-up failed, with the reason for a person.
    Failed(String),
    /// Nobody answered in time.
    TimedOut,
}

/// What became of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlowChange {
    /// A connection of ours stands.
    Opened,
    /// A peer connected.
    Accepted,
    /// Connecting failed.
    OpenFailed,
    /// The connection ended.
    Lost,
}

/// Why a send failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// Refused, or an ICMP error came back.
    Unreachable,
    /// Larger than the transport carries.
    TooBig,
    /// The queue is full.
    NoBuffer,
    /// The connection is gone and cannot be made again.
    Closed,
    /// The peer was there, but is not to be trusted or spoken to in secret (RFC 3261 section 26.3.2.1, RFC 5922): for a person, what was expected
    /// and what was found. Nothing has been sent.
    Tls(Box<str>),
    /// The peer was there, but would not have a WebSocket for SIP (RFC 7118 section 4.1): for a person, what was expected and what was found. Nothing
    /// has been sent.
    NoWebSocket(Box<str>),
    /// The peer was there, but wants to know who we are before there is a WebSocket, and we could not prove it (RFC 7118 section 7): for a person, why.
    /// Nothing has been sent.
    Unauthorized(Box<str>),
}

impl SendError {
    /// All that can happen without TLS and WebSockets, for tests that want to have met each.
    pub const ALL: [Self; 4] = [Self::Unreachable, Self::TooBig, Self::NoBuffer, Self::Closed];
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "nobody listens there, or no way leads there",
            Self::TooBig => "the message is larger than the transport carries",
            Self::NoBuffer => "too much waits to be sent already",
            Self::Closed => "the connection is gone",
            Self::Tls(why) | Self::NoWebSocket(why) | Self::Unauthorized(why) => why,
        })
    }
}

/// One thing to do for the driver.
#[derive(Debug)]
#[non_exhaustive]
pub enum Action {
    /// Send these bytes.
    Send {
        /// For [`crate::Turn::unsent`].
        id: SendId,
        /// Where to.
        path: Path,
        /// One whole message.
        bytes: Bytes,
        /// For traces and counters.
        why: Cause,
    },
    /// Find something out; answered by [`crate::Turn::answered`], at `until` at the latest.
    Ask {
        /// To be given back.
        id: AskId,
        /// What.
        question: Question,
        /// When the stack stops waiting.
        until: Time,
    },
    /// Close this stream flow (RFC 3261 section 18.3: what cannot be framed).
    Close {
        /// Which.
        flow: FlowId,
    },
    /// A message of a call that is with another shard (see [`crate::Turn::is_away`]): its [`crate::Turn::receive_after`] is to be given it.
    HandOver {
        /// Which.
        to: Shard,
        /// Where the message came from.
        from: Origin,
        /// The message.
        bytes: Bytes,
        /// How often it was sent on with this time.
        hops: u8,
    },
    /// For the application, in a fresh turn at the same time.
    Event(Event),
}

/// The actions of a turn, first in, first out. The driver empties it; it may be kept and used again.
#[derive(Debug, Default)]
pub struct Outbox {
    actions: VecDeque<Action>,
}

impl Outbox {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }
    /// Adds at the end.
    pub fn push(&mut self, action: Action) {
        self.actions.push_back(action);
    }
    /// Takes the oldest.
    pub fn pop(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }
    /// How many wait.
    pub fn len(&self) -> usize {
        self.actions.len()
    }
}

#[cfg(test)]
mod tests {
    use super::SendError::{self, Closed, NoBuffer, NoWebSocket, Tls, TooBig, Unauthorized, Unreachable};
    use super::Transport;

    #[test]
    fn rfc7118_5_websockets_are_reliable() {
        let all = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
        assert_eq!(all.map(Transport::is_reliable), [false, true, true, true, true]);
        // RFC 7118 section 5.5.
        assert_eq!(all.map(Transport::default_port), [5060, 5060, 5061, 80, 443]);
    }

    #[test]
    fn all_send_errors_but_those_of_tls_and_websockets_are_among_all() {
        // Does not compile when there is another.
        let place = |why: SendError| match why {
            Unreachable => 0,
            TooBig => 1,
            NoBuffer => 2,
            Closed => 3,
            Tls(_) => 4,
            NoWebSocket(_) => 5,
            Unauthorized(_) => 6,
        };
        assert_eq!(SendError::ALL.map(place), [0, 1, 2, 3]);
    }
}
