//! Offers and answers: RFC 3264 as a state machine without I/O.

mod answer;
mod capabilities;
mod error;
mod offer;
mod places;
mod plan;
mod section;
mod slot;
#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use capabilities::{CodecOrder, Hold, LocalCapabilities, LocalMedia, NullAddressAnswer};
pub use error::{AcceptError, AnswerError, OfferError};
pub use plan::{Agreement, HoldState, NegotiatedCodec, NegotiatedEvents, Role, StreamPlan};

use std::sync::Arc;

use crate::origin::{Number, Origin};
use crate::session::Session;
use slot::Slot;

/// Our side of the descriptions of one dialog.
///
/// ```text
///                         offer                     accept_answer
///      +--------+ ---------------------> +-----------+ ----------+
///      | Stable |                        | OfferSent |           |
///      +--------+ <--------------------- +-----------+           |
///        ^  |  ^        rollback                                 |
///        |  |  +-------------------------------------------------+
///        |  |     offer_received         +---------------+
///        |  +--------------------------> | OfferReceived |
///        +------------------------------ +---------------+
///                answer_pending, rollback
/// ```
///
/// Methods which return an error have changed nothing. The value is plain data: where an INVITE forks, each early
/// dialog gets a clone made while the offer was pending, since each brings an answer of its own (RFC 3261
/// section 13.2.2.4).
///
/// The version in `o=` grows by one when a description of ours differs from the last one sent, and stays the same
/// otherwise (RFC 3264 section 8). A description counts as sent once it is returned, even if the offer is rolled back
/// later, because the peer may have seen it.
#[derive(Clone, Debug)]
pub struct Negotiation {
    /// Our `o=` line, with the version of the last description.
    origin: Origin,
    version: u64,
    phase: Phase,
    /// The last description returned for sending; most often the one in force, too.
    last_sent: Option<Arc<Session>>,
    /// Both descriptions in force: ours, theirs.
    in_force: Option<(Arc<Session>, Box<Session>)>,
    agreement: Agreement,
    slots: Vec<Slot>,
}

#[derive(Clone, Debug)]
enum Phase {
    Stable,
    OfferSent { offer: Arc<Session>, slots: Vec<Slot> },
    OfferReceived { offer: Box<Session> },
}

/// Where a [`Negotiation`] stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NegotiationState {
    /// Nothing is pending; either side may offer.
    Stable,
    /// Our offer waits for its answer.
    OfferSent,
    /// Their offer waits for our answer.
    OfferReceived,
}

impl Negotiation {
    /// A dialog without any description yet. `origin` gives user name, session id, first version and address of all
    /// descriptions of ours; make id and version random or from the time. Of the id 63 bits are used, and the first
    /// version is below 2^62 - 1: what is larger is cut to fit. RFC 3264 section 5.
    pub fn new(origin: Origin) -> Negotiation {
        let (origin, version) = bounded(origin);
        let (phase, agreement) = (Phase::Stable, Agreement::default());
        Negotiation { origin, version, phase, last_sent: None, in_force: None, agreement, slots: Vec::new() }
    }

    /// Where the exchange stands.
    pub fn state(&self) -> NegotiationState {
        match self.phase {
            Phase::Stable => NegotiationState::Stable,
            Phase::OfferSent { .. } => NegotiationState::OfferSent,
            Phase::OfferReceived { .. } => NegotiationState::OfferReceived,
        }
    }

    /// Our description in force, for repeating an answer in a later response.
    pub fn local(&self) -> Option<&Session> {
        self.in_force.as_ref().map(|(local, _)| &**local)
    }

    /// Their description in force.
    pub fn remote(&self) -> Option<&Session> {
        self.in_force.as_ref().map(|(_, remote)| &**remote)
    }

    /// The offer which is pending: ours while [`NegotiationState::OfferSent`], theirs while
    /// [`NegotiationState::OfferReceived`].
    pub fn pending_offer(&self) -> Option<&Session> {
        match &self.phase {
            Phase::Stable => None,
            Phase::OfferSent { offer, .. } => Some(offer),
            Phase::OfferReceived { offer } => Some(offer),
        }
    }

    /// What the descriptions in force agree on; without streams before the first exchange.
    pub fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    /// Drops a pending offer, ours or theirs, because it was refused, cancelled or timed out. What was agreed before
    /// stays in force: RFC 3261 section 14.1. Returns whether there was one.
    pub fn rollback(&mut self) -> bool {
        !matches!(std::mem::replace(&mut self.phase, Phase::Stable), Phase::Stable)
    }

    /// Takes an offer of the peer, to be answered by [`Negotiation::answer_pending`].
    ///
    /// # Errors
    /// [`AnswerError::OursPending`] and [`AnswerError::TheirsPending`] for glare, [`AnswerError::FewerMedia`] when `m=`
    /// lines were removed.
    pub fn offer_received(&mut self, offer: Session) -> Result<(), AnswerError> {
        match self.phase {
            Phase::OfferSent { .. } => return Err(AnswerError::OursPending),
            Phase::OfferReceived { .. } => return Err(AnswerError::TheirsPending),
            Phase::Stable => {}
        }
        if offer.media.len() < self.slots.len() {
            return Err(AnswerError::FewerMedia { had: self.slots.len(), got: offer.media.len() });
        }
        self.phase = Phase::OfferReceived { offer: Box::new(offer) };
        Ok(())
    }

    /// Takes an offer of the peer, by value or by reference, and answers it: [`Negotiation::offer_received`] and
    /// [`Negotiation::answer_pending`] in one.
    ///
    /// # Errors
    /// Those of both; the offer is then not pending, and what was agreed before stays in force.
    pub fn answer(
        &mut self,
        offer: impl Into<Session>,
        capabilities: &LocalCapabilities,
    ) -> Result<Answer, AnswerError> {
        let (session, agreement) = self.answer_borrowed(offer.into(), capabilities)?;
        Ok(Answer { session: session.clone(), agreement: agreement.clone() })
    }

    /// As [`Negotiation::answer`], but without copies: what to send, and what is agreed from now on.
    ///
    /// # Errors
    /// As [`Negotiation::answer`].
    pub fn answer_borrowed(
        &mut self,
        offer: Session,
        capabilities: &LocalCapabilities,
    ) -> Result<(&Session, &Agreement), AnswerError> {
        self.offer_received(offer)?;
        if let Err(error) = self.settle_answer(capabilities) {
            self.rollback();
            return Err(error);
        }
        let local = self.in_force.as_ref().map(|(local, _)| &**local);
        // Answering has just put a description in force.
        Ok((local.ok_or(AnswerError::NoOffer)?, &self.agreement))
    }

    /// Takes the peer's answer to our offer and returns what is agreed. RFC 3264 section 7.
    ///
    /// The agreement may be without streams: the peer may refuse all.
    ///
    /// # Errors
    /// [`AcceptError`]; the offer stays pending until [`Negotiation::rollback`]. A second answer is
    /// [`AcceptError::NoOffer`], and what was agreed stays in force.
    pub fn accept_answer(&mut self, answer: &Session) -> Result<&Agreement, AcceptError> {
        let Phase::OfferSent { offer, slots } = &self.phase else { return Err(AcceptError::NoOffer) };
        if offer.media.len() != answer.media.len() {
            return Err(AcceptError::MediaCount { offered: offer.media.len(), answered: answer.media.len() });
        }
        if let Some(index) = mismatch(offer, answer) {
            return Err(AcceptError::MediaMismatch { index });
        }
        let mut slots = slots.clone();
        let mut agreement = Agreement { streams: Vec::with_capacity(slots.len()) };
        for (index, (slot, (ours, theirs))) in slots.iter_mut().zip(offer.streams().zip(answer.streams())).enumerate() {
            let (offered, answered) = (ours.codecs(), theirs.codecs());
            let plan = StreamPlan::of_codecs(index, (ours, &offered), (theirs, &answered), Role::Offerer, slot.wanted);
            agreement.streams.push(slot.agree(plan));
            slot.remember(answered);
            slot.remember(offered);
            slot.refused = if ours.is_rejected() { slot.refused } else { theirs.is_rejected() };
        }
        let accepted = |(ours, theirs): (&crate::Media, &crate::Media)| !ours.is_rejected() && !theirs.is_rejected();
        let wanted = offer.media.iter().zip(&answer.media).any(accepted);
        if wanted && !agreement.plans().any(StreamPlan::carries_media) {
            return Err(AcceptError::NoCommonCodec);
        }
        let both = (Arc::clone(offer), Box::new(answer.clone()));
        self.settle(both, slots, agreement);
        Ok(&self.agreement)
    }

    /// Makes both descriptions, ours and theirs, the ones in force.
    fn settle(&mut self, both: (Arc<Session>, Box<Session>), slots: Vec<Slot>, agreement: Agreement) {
        self.slots = slots;
        self.agreement = agreement;
        self.in_force = Some(both);
        self.phase = Phase::Stable;
    }

    /// Puts our `o=` line on a description about to be sent: the last version when nothing changed, else the next.
    /// RFC 3264 section 8.
    fn stamp(&mut self, mut description: Session) -> Arc<Session> {
        if description.origin != self.origin {
            description.origin = self.origin.clone();
        }
        if let Some(last) = &self.last_sent {
            if **last == description {
                return Arc::clone(last);
            }
            self.version = self.version.saturating_add(1);
            self.origin.version = Number::from(self.version);
            description.origin.version = self.origin.version.clone();
        }
        let description = Arc::new(description);
        self.last_sent = Some(Arc::clone(&description));
        description
    }
}

/// An origin whose numbers are those of RFC 3264 section 5, and its version.
fn bounded(mut origin: Origin) -> (Origin, u64) {
    let version = origin.version.value().unwrap_or_default() % ((1 << 62) - 1);
    let id = origin.session_id.value().unwrap_or_default() & (u64::MAX >> 1);
    (origin.session_id, origin.version) = (id.into(), version.into());
    (origin, version)
}

/// The first stream both sides keep whose media type differs, or whose transport differs in security: no answer may
/// turn secure media into plain media.
fn mismatch(offer: &Session, answer: &Session) -> Option<usize> {
    offer.media.iter().zip(&answer.media).position(|(offered, answered)| {
        !offered.is_rejected()
            && !answered.is_rejected()
            && (offered.kind != answered.kind
                || offered.protocol.is_secure() != answered.protocol.is_secure()
                || offered.protocol.is_rtp() != answered.protocol.is_rtp())
    })
}
