//! What an application hears of a session, and the policies it may set.

use std::sync::Arc;

use super::session_timer::{Lasting, SessionTimer};
use crate::event::Failure;
use crate::id::{DialogId, ServerTx, SessionId};
use crate::message::{Request, Response, StatusCode, Uri};

/// News of one session. The last is exactly one of [`Redirected`](SessionEvent::Redirected), [`Failed`](SessionEvent::Failed),
/// [`Cancelled`](SessionEvent::Cancelled) and [`Ended`](SessionEvent::Ended); after it the handle finds nothing for the application,
/// while the stack may go on for a while to settle with the network. Only who asks with [`crate::Turn::await_farewell`] hears how that went.
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionEvent {
    /// A provisional response to our INVITE (RFC 3261 section 13.2.2.1).
    Progress {
        /// The response, never 100 unless [`crate::Config::hand_trying`].
        response: Box<Response>,
        /// The early dialog it belongs to, when it has a To tag. A forked INVITE has several.
        fork: Option<DialogId>,
        /// It was sent reliably and waits for [`crate::Turn::prack`], because it carries an offer or with [`Pracks::ByApplication`].
        prack_due: bool,
    },
    /// Our INVITE was answered with a 2xx: the session stands.
    Answered {
        /// The 2xx.
        response: Box<Response>,
        /// The 2xx carries the offer: the ACK waits for [`crate::Turn::ack`] with the answer. Otherwise it has been sent.
        ack_due: bool,
    },
    /// Another 2xx from another user agent, with [`Forks::HandAll`]: a session of its own (RFC 3261 section 13.2.2.4).
    Forked {
        /// The new session; it stands.
        session: SessionId,
        /// The 2xx.
        response: Box<Response>,
        /// As in [`SessionEvent::Answered`].
        ack_due: bool,
    },
    /// Our INVITE was answered with a 3xx. The session has ended; its Contacts may be tried with a new one (RFC 3261 section 8.1.3.4).
    Redirected {
        /// The 3xx.
        response: Box<Response>,
    },
    /// Our INVITE was refused or brought no answer. The session has ended.
    Failed {
        /// What came instead of a 2xx.
        refusal: Refusal,
    },
    /// The ACK for our 2xx came.
    Acked {
        /// The ACK: its body is the answer when our 2xx carried the offer.
        request: Arc<Request>,
    },
    /// The PRACK for a reliable provisional response of ours came; it has been answered. One with a new offer is a
    /// [`SessionEvent::Request`] instead, and its answer goes into the 200.
    Pracked {
        /// The PRACK: its body is the answer when our response carried the offer.
        request: Arc<Request>,
    },
    /// No ACK for our 2xx came within 64*T1; it is no longer repeated (RFC 3261 section 13.3.1.4). With [`NoAck::Tell`] the session stands
    /// and the application decides; with [`NoAck::Bye`] [`SessionEvent::Ended`] follows.
    NoAck,
    /// The peer wants to change the session: answer with [`crate::Turn::answer_reinvite`].
    Reinvite {
        /// The transaction.
        tx: ServerTx,
        /// The INVITE; without a session description the offer goes into our 2xx.
        request: Arc<Request>,
    },
    /// The peer cancelled its re-INVITE; it has been answered 487.
    ReinviteCancelled {
        /// The transaction.
        tx: ServerTx,
    },
    /// Our re-INVITE was accepted.
    Reinvited {
        /// The 2xx.
        response: Box<Response>,
        /// As in [`SessionEvent::Answered`].
        ack_due: bool,
    },
    /// Our re-INVITE was refused, for good: the session goes on as before (RFC 3261 section 14.1).
    ReinviteFailed {
        /// What came instead of a 2xx.
        refusal: Refusal,
    },
    /// Our UPDATE was accepted (RFC 3311).
    Updated {
        /// The 2xx.
        response: Box<Response>,
    },
    /// Our UPDATE was refused, for good: the session goes on as before (RFC 3311 section 5.3).
    UpdateFailed {
        /// What came instead of a 2xx.
        refusal: Refusal,
    },
    /// The session has to be refreshed by a re-INVITE (RFC 4028 section 7.4): [`crate::Turn::refresh_session`], with the description that is in force, its
    /// version unchanged. What comes of it is a [`SessionEvent::Reinvited`] or [`SessionEvent::ReinviteFailed`] like any other. Told again every few
    /// seconds (T2) until the re-INVITE leaves.
    RefreshDue,
    /// The session was refreshed, by either side and by whatever request (RFC 4028): it lasts so long from now on.
    Refreshed {
        /// Interval, and who refreshes next.
        lasting: Lasting,
    },
    /// Any other request in the dialog (INFO, UPDATE, MESSAGE, OPTIONS, REFER, ..): answer with [`crate::Turn::respond`], or
    /// [`SessionEvent::Unanswered`] follows.
    Request {
        /// The transaction.
        tx: ServerTx,
        /// The request.
        request: Arc<Request>,
    },
    /// A [`SessionEvent::Request`] had no final response within 64*T1: the peer has stopped waiting and takes it for failed. Nothing is said any more (RFC 4320
    /// section 4.2), and an answer of ours is [`crate::StackError::Gone`].
    Unanswered {
        /// The transaction.
        tx: ServerTx,
    },
    /// The caller gave up before we answered: CANCEL, or its Expires has passed. 487 has been sent; the session has ended.
    Cancelled {
        /// The CANCEL, for its Reason header; `None` when Expires passed.
        request: Option<Arc<Request>>,
    },
    /// The session has ended.
    Ended {
        /// By whom.
        by: By,
        /// The BYE of the peer, for its Reason header.
        request: Option<Arc<Request>>,
        /// What went wrong, with [`By::Error`].
        refusal: Option<Refusal>,
    },
    /// What became of our BYE, for who asked with [`crate::Turn::await_farewell`]. The session was over before (RFC 3261 section 15.1.1).
    Farewell {
        /// What came instead of a 2xx; `None` also when a BYE of the peer crossed ours.
        refusal: Option<Refusal>,
    },
}

/// Who ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// We: [`crate::Turn::hangup`], or a refusal through [`crate::Turn::answer`].
    Us,
    /// The peer, with a BYE.
    Peer,
    /// A request of ours failed in a way that ends the dialog (RFC 3261 section 12.2.1.2, RFC 5057), or no ACK came.
    Error,
}

/// What came instead of success.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// A final response above 299.
    Response(Box<Response>),
    /// No response.
    Failure(Failure),
}

impl Refusal {
    /// The code it stands for: a time-out and the end of a session count as 408, everything else that stopped a request as 503 (RFC 3261 section 8.1.3.1).
    pub fn code(&self) -> StatusCode {
        match self {
            Refusal::Response(response) => response.code(),
            Refusal::Failure(Failure::Timeout | Failure::NotRefreshed) => StatusCode::REQUEST_TIMEOUT,
            Refusal::Failure(Failure::Cancelled) => StatusCode::REQUEST_TERMINATED,
            Refusal::Failure(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// What a door decides about sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Several user agents answered one INVITE.
    pub forks: Forks,
    /// Our 2xx was never acknowledged.
    pub no_ack: NoAck,
    /// Where requests in a dialog without route set go.
    pub reach: Reach,
    /// Our change of a session was answered 491.
    pub glare: Glare,
    /// Who acknowledges reliable provisional responses.
    pub pracks: Pracks,
    /// How long sessions last without a refresh.
    pub timer: SessionTimer,
    /// Most dialogs that responses to one INVITE may make, early and confirmed; responses beyond are ignored.
    pub max_forks: usize,
    /// Most unanswered requests of the peer in one dialog; one more is answered 503 with Retry-After. Also most unanswered PRACKs of ours for
    /// one INVITE; responses beyond are ignored, and come again.
    pub max_unanswered: usize,
    /// Most packages of INFO that a peer can say it takes (RFC 6086); further ones are passed over.
    pub max_info_packages: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            forks: Forks::KeepFirst,
            no_ack: NoAck::Bye,
            reach: Reach::ByContact,
            glare: Glare::Again,
            pracks: Pracks::ByStack,
            timer: SessionTimer::default(),
            max_forks: 16,
            max_unanswered: 16,
            max_info_packages: 32,
        }
    }
}

/// What to do when a re-INVITE or UPDATE of ours crossed one of the peer (RFC 3261 section 14.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glare {
    /// Send the same again, once, after the wait of that section.
    Again,
    /// Tell the application at once, which makes a new offer after a wait of its own: the peer's change may come first and make the old
    /// one stale.
    Tell,
}

/// Who acknowledges reliable provisional responses to our INVITE (RFC 3262 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pracks {
    /// The stack, at once, unless the answer to an offer is needed.
    ByStack,
    /// The application, with [`crate::Turn::prack`]: for who makes new offers.
    ByApplication,
}

/// Which of several answers to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forks {
    /// The first; the later ones get ACK and BYE.
    KeepFirst,
    /// All: each later one is a session of its own ([`SessionEvent::Forked`]).
    HandAll,
}

/// Where our requests in a dialog without route set go. A peer on a WebSocket or with a `.invalid` Contact (RFC 7118 section 5), and one
/// whose INVITE of ours went along a given path ([`crate::Hop::Path`]), is always reached back along its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To the address in the peer's Contact (RFC 3261 section 12.2.1.1).
    ByContact,
    /// Back along the flow that the peer's last Contact came on: reaches phones behind address translators.
    Back,
    /// The same for a peer whose Contact is an address of its instance (`gr`, RFC 5627), and to its Contact for any other: for who is the domain that such
    /// addresses lead to.
    BackToInstances,
}

impl Reach {
    /// Whether a peer with this Contact is reached back along its flow.
    pub(super) fn is_back(self, target: &[u8]) -> bool {
        match self {
            Reach::ByContact => false,
            Reach::Back => true,
            Reach::BackToInstances => {
                let uri = || Uri::parse(std::str::from_utf8(target).ok()?).ok();
                memchr::memmem::find(target, b";gr").is_some() && uri().is_some_and(|uri| uri.params().has("gr"))
            }
        }
    }
}

/// What to do when no ACK comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAck {
    /// End the session with a BYE (RFC 3261 section 13.3.1.4).
    Bye,
    /// Tell the application, which decides.
    Tell,
}
