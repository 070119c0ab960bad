//! What the application is told.

use std::fmt;
use std::sync::Arc;

use crate::id::{AlarmId, ClientTx, PublicationId, RegistrationId, ServerTx, SessionId, SubscriptionId, WatcherId};
use crate::invite::SessionEvent;
use crate::message::{ParseError, Request, Response};
use crate::outbox::{Origin, Path, SendError};
use crate::publish::PublicationEvent;
use crate::register::RegistrationEvent;
use crate::subscribe::{SubscriptionEvent, WatcherEvent};
use crate::turn::Turn;

/// One piece of news. Plain data; ids in it may have ended by the time it is read.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A request outside any dialog of ours. Never an ACK or a CANCEL. The application answers with [`Turn::respond`] or, for an INVITE,
    /// [`Turn::session`]; a non-INVITE not answered within 64*T1 is forgotten in silence (RFC 4320 section 4.2).
    Request {
        /// To answer with.
        tx: ServerTx,
        /// The request as it came.
        request: Arc<Request>,
        /// Where it came from.
        origin: Origin,
    },
    /// The peer cancelled an INVITE that was never made a session (RFC 3261 section 9.2). The 200 for the CANCEL has been sent, and the 487 for the
    /// INVITE too, except with [`crate::Role::Proxy`]: a proxy cancels what it has passed on, and passes back what comes of that (section 16.10).
    Cancelled {
        /// The INVITE.
        tx: ServerTx,
    },
    /// An ACK that matches nothing here: only with [`crate::Role::Proxy`].
    Ack {
        /// The request as it came.
        request: Arc<Request>,
        /// Where it came from.
        origin: Origin,
    },
    /// A CANCEL that finds no INVITE, to be answered or let go of: only with [`crate::Config::hand_strays`].
    StrayCancel {
        /// The CANCEL's own.
        tx: ServerTx,
        /// As it came.
        request: Arc<Request>,
        /// Where it came from.
        origin: Origin,
    },
    /// A response to what was passed on by [`Turn::forward_stateless`]: only with [`crate::Config::hand_strays`].
    StrayResponse {
        /// As it came.
        response: Box<Response>,
    },
    /// A response to [`Turn::send_request`]. A provisional one may be followed by others; after the final one nothing comes, except
    /// that every 2xx to an INVITE that arrives within 64*T1 is handed on (RFC 6026 section 7.2).
    Response {
        /// The request.
        tx: ClientTx,
        /// The response as it came.
        response: Box<Response>,
        /// Where it came from.
        origin: Origin,
    },
    /// A server of a next hop that was found by name has failed (RFC 3263 section 4.3): for logs. The request has gone on to the next, or fails.
    TargetFailed {
        /// The request.
        tx: ClientTx,
        /// The server.
        path: Path,
        /// Why.
        why: TargetFailure,
        /// Which is tried now.
        next: Option<Path>,
    },
    /// Nothing (more) comes for this request.
    RequestFailed {
        /// The request.
        tx: ClientTx,
        /// Why.
        why: Failure,
    },
    /// The response of an application's own server transaction could not be sent (RFC 3261 section 17.2.4). The transaction stays.
    ResponseUnsent {
        /// The request that was answered.
        tx: ServerTx,
        /// Why.
        why: SendError,
    },
    /// The ACK for a refusal (300-699) of ours never came in 64*T1: timer H (RFC 3261 section 17.2.1). Nothing need be done about it.
    Unacknowledged {
        /// The INVITE that was refused; gone.
        tx: ServerTx,
    },
    /// News of a publication of ours.
    Publication(PublicationId, PublicationEvent),
    /// News of a subscription of ours.
    Subscription(SubscriptionId, SubscriptionEvent),
    /// News of a watcher: a subscription of a peer with us.
    Watcher(WatcherId, WatcherEvent),
    /// News of a session.
    Session(SessionId, SessionEvent),
    /// News of a registration of ours.
    Registration(RegistrationId, RegistrationEvent),
    /// An alarm of [`Turn::alarm`] has come.
    Alarm {
        /// The alarm, now gone.
        alarm: AlarmId,
        /// What the application gave.
        token: u64,
    },
    /// Something unreadable came: for logs and counters. It has been answered where the RFC says so.
    Rejected {
        /// Where it came from.
        origin: Origin,
        /// What was wrong.
        error: ParseError,
    },
}

/// Why a request of ours brought no (further) response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Nobody answered in time: timers B, F, or 64*T1 after a CANCEL (RFC 3261 section 8.1.3.1: treated as 408).
    Timeout,
    /// The message could not be sent, or the connection broke (treated as 503).
    Transport(SendError),
    /// The next hop could not be found; the text is for a person.
    NoRoute(String),
    /// The name of the next hop has no address, and the name servers are sure of it.
    NoSuchHost,
    /// A 2xx came of which no dialog can be made: it is larger than a dialog may be, there is no room for one more, or another call has it (treated as 503).
    Unusable,
    /// It was cancelled before anything had been sent.
    Cancelled,
    /// A MESSAGE would have more octets than it may where a hop on its way could be UDP (RFC 3428 section 8). Nothing was sent, or no more than what
    /// was challenged: the credentials are what is too much.
    TooLarge {
        /// So many it would have.
        octets: usize,
        /// So many it may have.
        most: usize,
    },
    /// The other side has let the time pass in which it had to refresh the session, or refused to have it refreshed (RFC 4028 section 10; treated as
    /// 408).
    NotRefreshed,
    /// All servers it could go to have asked for less, and it is among what is left out, or they have answered nothing again and again (RFC 7339 sections 5.10 and 5.9;
    /// treated as 503). Nothing was sent.
    Overloaded,
    /// The dialog has counted to 2^32-1: nothing more can be asked in it, for CSeq numbers never wrap (RFC 3261 section 8.1.1.5).
    NumbersUsedUp,
}

impl Failure {
    /// Nobody was met at the next hop: another way to the same device may lead there (RFC 5626 section 7), and nobody is asked twice.
    pub fn is_unreached(&self) -> bool {
        matches!(self, Self::Transport(_) | Self::NoRoute(_) | Self::NoSuchHost | Self::Overloaded)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("no response in time"),
            Self::Transport(why) => why.fmt(f),
            Self::NoRoute(why) => f.write_str(why),
            Self::NoSuchHost => f.write_str("no such host"),
            Self::Unusable => f.write_str("no dialog can be made of the 2xx"),
            Self::Cancelled => f.write_str("cancelled before anything was sent"),
            Self::TooLarge { octets, most } => {
                write!(f, "the request has {octets} octets, and a message may have {most} (RFC 3428 section 8)")
            }
            Self::NotRefreshed => f.write_str("the session was not refreshed in time"),
            Self::Overloaded => {
                f.write_str("the next hop has too much to do: it has asked for less, or answers nothing")
            }
            Self::NumbersUsedUp => f.write_str("the CSeq numbers of the dialog are used up"),
        }
    }
}

/// Why a server is passed over (RFC 3263 section 4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetFailure {
    /// No response at all in time.
    NoAnswer,
    /// The request could not be sent.
    Unsent(SendError),
    /// 503, with the seconds of its Retry-After.
    Unavailable {
        /// How long it wants to be left alone.
        retry_after: Option<u32>,
    },
}

impl fmt::Display for TargetFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer => Failure::Timeout.fmt(f),
            Self::Unsent(why) => why.fmt(f),
            Self::Unavailable { retry_after: None } => f.write_str("503 (Service Unavailable)"),
            Self::Unavailable { retry_after: Some(secs) } => {
                write!(f, "503 (Service Unavailable), to be tried again in {secs} s")
            }
        }
    }
}

/// Who uses a stack.
pub trait Application {
    /// Takes one piece of news, in a turn of its own, on the loop's thread: it must not block.
    fn event(&mut self, event: Event, turn: &mut Turn<'_>);
}
