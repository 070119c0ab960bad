//! Offers and answers: RFC 3264 as a state machine without I/O.

mod answer;
mod capabilities;
mod error;
mod offer;
mod plan;
mod slot;
#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use capabilities::{CodecOrder, Hold, LocalCapabilities, LocalMedia, NullAddressAnswer};
pub use error::{AcceptError, AnswerError, OfferError};
pub use plan::{Agreement, HoldState, NegotiatedCodec, NegotiatedEvents, Role, StreamPlan};

use std::sync::Arc;

use crate::codec::Codec;
use crate::media::Media;
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
        let mut origin = origin;
        let version = bounded(&mut origin.version, |version| version % ((1 << 62) - 1));
        bounded(&mut origin.session_id, |id| id & (u64::MAX >> 1));
        let agreement = Agreement::default();
        Negotiation {
            origin,
            version,
            phase: Phase::Stable,
            last_sent: None,
            in_force: None,
            agreement,
            slots: Vec::new(),
        }
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
        let (ours, theirs) = (codecs(offer), codecs(answer));
        let agreement = agree((offer, &ours), (answer, &theirs), Role::Offerer, &slots);
        let accepted = |(ours, theirs): (&crate::Media, &crate::Media)| !ours.is_rejected() && !theirs.is_rejected();
        let wanted = offer.media.iter().zip(&answer.media).any(accepted);
        if wanted && !agreement.plans().any(StreamPlan::carries_media) {
            return Err(AcceptError::NoCommonCodec);
        }
        for ((slot, ours), theirs) in slots.iter_mut().zip(&offer.media).zip(&answer.media) {
            slot.refused = match ours.is_rejected() {
                true => slot.refused,
                false => theirs.is_rejected(),
            };
        }
        let both = (Arc::clone(offer), Box::new(answer.clone()));
        self.settle(both, (ours, theirs), slots, agreement);
        Ok(&self.agreement)
    }

    /// Makes both descriptions, whose streams have these codecs, the ones in force.
    fn settle(
        &mut self,
        both: (Arc<Session>, Box<Session>),
        codecs: (Vec<Vec<Codec>>, Vec<Vec<Codec>>),
        mut slots: Vec<Slot>,
        agreement: Agreement,
    ) {
        let sections = codecs.0.into_iter().zip(codecs.1);
        for (index, (slot, (ours, theirs))) in slots.iter_mut().zip(sections).enumerate() {
            let plan = agreement.streams.get(index).and_then(Option::as_ref);
            slot.direction = plan.map(|plan| plan.direction);
            slot.remember(theirs);
            slot.remember(ours);
        }
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

/// Writes a number anew where `cut` changes it, or where it is none of 64 bits.
fn bounded(number: &mut Number, cut: impl FnOnce(u64) -> u64) -> u64 {
    let was = number.value();
    let now = cut(was.unwrap_or_default());
    if was != Some(now) {
        *number = now.into();
    }
    now
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

/// The codecs of each stream.
fn codecs(session: &Session) -> Vec<Vec<Codec>> {
    session.media.iter().map(Media::codecs).collect()
}

/// What two descriptions, each with the codecs of its streams, agree on. `local` is ours; `role` says whether it is the
/// offer.
fn agree(local: (&Session, &[Vec<Codec>]), remote: (&Session, &[Vec<Codec>]), role: Role, slots: &[Slot]) -> Agreement {
    let locals = local.0.streams().zip(local.1);
    let remotes = remote.0.streams().zip(remote.1);
    let both = locals.zip(remotes).zip(slots.iter());
    let streams = both.enumerate().map(|(index, ((local, remote), slot))| {
        let local = (local.0, local.1.as_slice());
        let remote = (remote.0, remote.1.as_slice());
        let mut plan = StreamPlan::of_codecs(index, local, remote, role, slot.wanted)?;
        plan.capability = slot.capability;
        Some(plan)
    });
    Agreement { streams: streams.collect() }
}
