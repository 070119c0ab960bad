//! The state of one call on the loop.

use std::time::Duration;

use media::{Agreed, CallMedia, Key, StreamSettings};
use net::media::PortPair;
use sip::message::Lines;
use sip::uas::Reliability;
use sip::{AlarmId, SessionId, Time};
use tokio::sync::{mpsc, oneshot};

use super::referred;
use super::transferring::Transfer;
use crate::command::Ends;
use crate::error::CallError;
use crate::event::CallEvent;
use crate::progress::Progress;
use crate::referral::Debt;
use crate::told::Told;

/// One call.
///
/// ```text
///   Dialing --2xx--> Standing <--ACK-- Ringing
///      |                 |                |
///      +--------------> gone <------------+
/// ```
pub(super) struct Call {
    pub(super) session: SessionId,
    /// For the log.
    pub(super) call_id: Box<str>,
    pub(super) stage: Stage,
    pub(super) sound: Sound,
    pub(super) ends: Ends,
    /// We placed it: the Call-ID is ours.
    pub(super) caller: bool,
    /// Our hold, resume or update that is under way.
    pub(super) change: Option<Change>,
    /// The re-INVITE that is under way changes nothing: it keeps the call up.
    pub(super) refreshing: bool,
    /// Transfers that we have asked for and that have not come to an end.
    pub(super) transfers: Vec<Transfer>,
    /// Those that the other side has asked for.
    pub(super) referrals: Vec<referred::Asked>,
    /// When it was answered.
    pub(super) since: Option<Time>,
    /// Why it ends, as the other side tells it.
    pub(super) told: Told,
    /// Who is called or calls, for error messages.
    pub(super) peer: String,
}

/// How far a call has come.
pub(super) enum Stage {
    Dialing(Box<Dialing>),
    Ringing(Ringing),
    Standing,
}

/// A call of ours before its answer.
pub(super) struct Dialing {
    pub(super) progress: mpsc::Sender<Progress>,
    pub(super) answer: oneshot::Sender<Result<(), CallError>>,
    pub(super) alarm: Option<AlarmId>,
    pub(super) ring_for: Duration,
    /// The negotiation while the offer was pending: each early dialog brings an answer of its own (RFC 3261 section 13.2.2.4).
    pub(super) offered: CallMedia,
    /// The To tag whose answer is in force.
    pub(super) answered_by: Option<String>,
    /// What each early dialog has described: whoever picks up without a word more is heard as he said there (RFC 3262 section 5).
    pub(super) described: Vec<Described>,
    /// Why we gave up, when we did.
    pub(super) given_up: Option<CallError>,
    /// As [`super::telling::refused`] wants it.
    pub(super) unproved: Option<u32>,
    /// Where the INVITE went, for a person.
    pub(super) hop: String,
    /// Who wants this call is told how it goes.
    pub(super) owed: Option<Debt>,
}

/// What the early dialog with this To tag has described.
pub(super) struct Described {
    pub(super) tag: String,
    pub(super) body: Vec<u8>,
    /// An offer in a reliable response, to an INVITE without one; otherwise the answer.
    pub(super) is_offer: bool,
}

impl Dialing {
    /// Early dialogs whose descriptions are remembered: of others the last counts alone.
    const MOST_DESCRIBED: usize = 8;

    /// Remembers what an early dialog describes first.
    pub(super) fn remember(&mut self, tag: &str, body: &[u8], is_offer: bool) {
        if self.described.len() < Self::MOST_DESCRIBED && self.described.iter().all(|one| one.tag != tag) {
            self.described.push(Described { tag: tag.to_owned(), body: body.to_vec(), is_offer });
        }
    }
}

/// A call to us before its ACK.
pub(super) struct Ringing {
    /// The answer to the offer of the INVITE; `None` when it had none: the offer is then ours.
    pub(super) description: Option<Box<(Vec<u8>, Agreed)>>,
    /// Who waits for the ACK; set once the 200 has left.
    pub(super) accepting: Option<oneshot::Sender<Result<(), CallError>>>,
    /// What the caller's INVITE says of reliable provisional responses.
    pub(super) reliability: Reliability,
    pub(super) said: Said,
    /// Where it has been, for each response (RFC 7044 section 9.4).
    pub(super) past: Lines,
}

/// Which description of ours was sent in a reliable provisional response (RFC 3262 section 5): the 200 has none then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    Answer,
    /// Its answer is in the PRACK.
    Offer,
}

/// The audio of a call.
pub(super) struct Sound {
    pub(super) media: CallMedia,
    /// Bound sockets until the stream has them.
    pub(super) ports: Option<PortPair>,
    /// The settings that were agreed on.
    pub(super) settings: Option<StreamSettings>,
    /// The stream runs with others, for an offer of ours that waits for its answer.
    pub(super) offering: bool,
    /// The player of silence that keeps packets flowing.
    pub(super) room: Key,
    pub(super) held_by_us: bool,
    pub(super) held_by_peer: bool,
}

/// A hold or resume of ours, or the same description once more.
pub(super) struct Change {
    pub(super) hold: bool,
    /// Whether we held before, which counts again if it fails.
    pub(super) held: bool,
    /// By UPDATE, and by nothing else.
    pub(super) by_update: bool,
    pub(super) reply: oneshot::Sender<Result<(), CallError>>,
    pub(super) step: Step,
    /// It has been answered 491 once.
    pub(super) crossed: bool,
}

/// How far a change has come.
pub(super) enum Step {
    /// For the end of an exchange of the peer.
    Waiting,
    /// The re-INVITE or UPDATE has left.
    Sent,
    /// For the alarm after a 491.
    Crossed(AlarmId),
    /// Sent before the answer, to one of several who were called; another's description is in force since then. For its end.
    Lost,
}

/// Another's description is in force now: what comes of a change that was sent to the one before is nothing to us.
pub(super) fn lose(change: &mut Option<Change>) {
    if let Some(change) = change.as_mut().filter(|change| matches!(change.step, Step::Sent)) {
        change.step = Step::Lost;
    }
}

impl Call {
    /// One that has just begun; whether we placed it.
    pub(super) fn new(
        (session, call_id, stage, caller): (SessionId, Box<str>, Stage, bool),
        sound: Sound,
        ends: Ends,
        peer: String,
    ) -> Self {
        ends.attached.belongs_to(&call_id);
        Self {
            session,
            call_id,
            stage,
            sound,
            ends,
            caller,
            change: None,
            refreshing: false,
            transfers: Vec::new(),
            referrals: Vec::new(),
            since: None,
            told: Told::default(),
            peer,
        }
    }

    /// Tells the user. False when he does not read and the news is dropped.
    pub(super) fn tell(&self, news: CallEvent) -> bool {
        match self.ends.news.try_send(news) {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(parent: &net::call_span!(self.call_id), %error, "dropped: nobody reads the events of the call");
                false
            }
        }
    }
}
