//! Offers and answers which come from another leg of a call.

use std::sync::Arc;

use super::error::{AnswerError, OfferError};
use super::plan::{Agreement, Role};
use super::slot::Slot;
use super::{Negotiation, Phase, agree, codecs, mismatch};
use crate::direction::Direction;
use crate::media::Media;
use crate::session::Session;

impl Negotiation {
    /// Offers a description made elsewhere, such as the one of another leg after [`Session::readdress`]. Its `o=` is
    /// replaced by ours, and lines this session has beyond it are appended with port 0 (RFC 3264 section 8.2).
    ///
    /// # Errors
    /// [`OfferError::OursPending`], [`OfferError::TheirsPending`].
    pub fn forward_offer(&mut self, mut description: Session) -> Result<&Session, OfferError> {
        self.may_offer()?;
        let ended = self.local().map(|local| local.media.as_slice()).unwrap_or_default();
        let ended: Vec<_> = ended.iter().skip(description.media.len()).map(Media::rejection).collect();
        description.media.extend(ended);
        let mut slots = self.slots.clone();
        slots.resize_with(description.media.len(), Slot::default);
        for (slot, stream) in slots.iter_mut().zip(description.streams()) {
            slot.wanted = stream.direction();
        }
        Ok(self.offer_out(description, slots))
    }

    /// Answers the pending offer with a description made elsewhere. Its `o=` is replaced by ours and its `t=` by that
    /// of the offer; streams offered with port 0 are answered so (RFC 3264 sections 6 and 8.2).
    ///
    /// # Errors
    /// [`AnswerError::NoOffer`], [`AnswerError::OursPending`], [`AnswerError::MediaCount`],
    /// [`AnswerError::MediaMismatch`]; the offer stays pending.
    pub fn forward_answer(&mut self, mut description: Session) -> Result<&Session, AnswerError> {
        let offer = match &self.phase {
            Phase::OfferReceived { offer } => offer.clone(),
            Phase::OfferSent { .. } => return Err(AnswerError::OursPending),
            Phase::Stable => return Err(AnswerError::NoOffer),
        };
        let (offered, answered) = (offer.media.len(), description.media.len());
        if offered != answered {
            return Err(AnswerError::MediaCount { offered, answered });
        }
        if let Some(index) = mismatch(&offer, &description) {
            return Err(AnswerError::MediaMismatch { index });
        }
        for (media, offered) in description.media.iter_mut().zip(&offer.media) {
            if offered.is_rejected() {
                *media = offered.rejection();
            }
        }
        description.times = offer.times.clone();
        let mut slots = self.slots.clone();
        slots.resize_with(offered, Slot::default);
        for slot in &mut slots {
            slot.wanted = Direction::SendRecv;
        }
        let (ours, theirs) = (codecs(&description), codecs(&offer));
        let agreement: Agreement = agree((&description, &ours), (&offer, &theirs), Role::Answerer, &slots);
        let session = self.stamp(description);
        self.settle((Arc::clone(&session), offer), (ours, theirs), slots, agreement);
        Ok(self.last_sent.get_or_insert(session))
    }
}
