//! Answering an offer: RFC 3264 section 6.

use super::capabilities::LocalCapabilities;
use super::error::AnswerError;
use super::places::Places;
use super::plan::Agreement;
use super::section::Section;
use super::slot::Slot;
use super::{Negotiation, Phase, bounded};
use crate::codec::Codec;
use crate::connection::Connection;
use crate::media::{Media, MediaKind};
use crate::origin::Origin;
use crate::print::Printout;
use crate::session::Session;
use crate::time::TimeDescription;

/// An answer of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What to send.
    pub session: Session,
    /// What is agreed from now on.
    pub agreement: Agreement,
}

impl Negotiation {
    /// Answers the pending offer: as many `m=` lines in the same order, the payload types of the offer, port 0 for
    /// what we cannot take, the direction table of RFC 3264 section 6.1, and the `t=` of the offer.
    ///
    /// # Errors
    /// [`AnswerError::NoCommonCodec`] when nothing offered can be taken (an offer without `m=` lines, or with port 0 in
    /// all, can); the offer stays pending until [`Negotiation::rollback`].
    pub fn answer_pending(&mut self, capabilities: &LocalCapabilities) -> Result<Answer, AnswerError> {
        self.settle_answer(capabilities)?;
        let session = self.local().ok_or(AnswerError::NoOffer)?.clone();
        Ok(Answer { session, agreement: self.agreement.clone() })
    }

    /// A valid answer that takes nothing of an offer: each stream with port 0 (RFC 3264 section 6). It is for an offer that a response
    /// cannot refuse any more, since it came in one (RFC 3261 section 13.2.2.4). What was agreed stays in force; like any other description
    /// that was sent, the refusal has a version of its own (RFC 3264 section 8).
    pub fn refusal(&mut self, offer: &Session, capabilities: &LocalCapabilities) -> Session {
        let mut session = Session::bare(self.origin.clone());
        session.connection = Some(Connection::from(capabilities.address.clone()));
        session.times = offer.times.clone();
        session.media = offer.media.iter().map(Media::rejection).collect();
        self.stamp(session).as_ref().clone()
    }

    /// Puts an answer to the pending offer in force, from where it can be taken.
    pub(super) fn settle_answer(&mut self, capabilities: &LocalCapabilities) -> Result<(), AnswerError> {
        let offer = match std::mem::replace(&mut self.phase, Phase::Stable) {
            Phase::OfferReceived { offer } => offer,
            Phase::Stable => return Err(AnswerError::NoOffer),
            sent @ Phase::OfferSent { .. } => {
                self.phase = sent;
                return Err(AnswerError::OursPending);
            }
        };
        let mut session = head(self.origin.clone(), offer.times.clone(), capabilities);
        let mut media = Vec::with_capacity(offer.media.len());
        let mut slots = Vec::with_capacity(offer.media.len());
        let keep = |section: Section<'_>, theirs, mut slot: Slot| {
            let (section, ours) = section.into_media();
            slot.remember(theirs);
            slot.remember(ours);
            media.push(section);
            slots.push(slot);
        };
        let agreement = match answered(&offer, &session, capabilities, self.slots.clone(), keep) {
            Ok(agreement) => agreement,
            Err(error) => {
                self.phase = Phase::OfferReceived { offer };
                return Err(error);
            }
        };
        session.media = media;
        let session = self.stamp(session);
        self.settle((session, offer), slots, agreement);
        Ok(())
    }
}

impl LocalCapabilities {
    /// Answers the first offer of a dialog and keeps nothing of it: the answer, printed, and what is agreed. Both are those of a
    /// [`Negotiation`] with this `origin`, for a fraction of the cost. One that is given the same offer later can go on from there.
    ///
    /// # Errors
    /// [`AnswerError::NoCommonCodec`], as [`Negotiation::answer_pending`].
    pub fn answer(&self, offer: impl Into<Session>, origin: Origin) -> Result<(Vec<u8>, Agreement), AnswerError> {
        let mut offer = offer.into();
        let head = head(bounded(origin).0, std::mem::take(&mut offer.times), self);
        let mut out = Printout::with_capacity(512);
        head.print(&mut out);
        let agreement = answered(&offer, &head, self, Vec::new(), |section, _, _| section.print(&mut out))?;
        Ok((out.into_bytes(), agreement))
    }
}

/// An answer without its sections.
fn head(origin: Origin, times: Vec<TimeDescription>, capabilities: &LocalCapabilities) -> Session {
    let mut session = Session::bare(origin);
    session.connection = Some(Connection::from(capabilities.address.clone()));
    session.attributes = capabilities.attributes.clone();
    session.times = times;
    session
}

/// What is agreed by the answer to an offer whose first streams have these slots. `say` gets each section of it, the codecs of the section
/// that it answers, and the slot of both.
fn answered(
    offer: &Session,
    head: &Session,
    capabilities: &LocalCapabilities,
    slots: Vec<Slot>,
    mut say: impl FnMut(Section<'_>, Vec<Codec>, Slot),
) -> Result<Agreement, AnswerError> {
    let mut agreement = Agreement { streams: Vec::with_capacity(offer.media.len()) };
    let mut free = Places::ALL;
    slots.iter().filter_map(|slot| slot.capability).for_each(|bound| free.take(bound));
    let mut slots = slots.into_iter();
    for (index, offered) in offer.streams().enumerate() {
        let mut slot = slots.next().unwrap_or_default();
        let theirs = offered.codecs();
        let section = Section::answering(offered, &theirs, &mut slot, &mut free, capabilities);
        let plan = section.plan(index, head, (offered, &theirs), slot.wanted);
        agreement.streams.push(slot.agree(plan));
        say(section, theirs, slot);
    }
    if refuses_all(offer, &agreement, capabilities) {
        return Err(AnswerError::NoCommonCodec);
    }
    Ok(agreement)
}

/// Whether an answer would leave nothing of what was offered.
fn refuses_all(offer: &Session, agreement: &Agreement, capabilities: &LocalCapabilities) -> bool {
    let mut offered = offer.media.iter().filter(|media| !media.is_rejected());
    let wants_audio = offered.clone().any(|media| media.kind == MediaKind::Audio);
    let no_audio = capabilities.require_audio && wants_audio && agreement.audio().is_none();
    no_audio || (offered.next().is_some() && !agreement.plans().any(|plan| plan.carries_media()))
}
