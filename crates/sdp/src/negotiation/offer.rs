//! Making an offer: RFC 3264 sections 5 and 8.

use std::sync::Arc;

use super::capabilities::{Hold, LocalCapabilities, LocalMedia};
use super::error::OfferError;
use super::slot::Slot;
use super::{Negotiation, Phase};
use crate::attribute::Attribute;
use crate::codec::Codec;
use crate::connection::Connection;
use crate::direction::Direction;
use crate::media::Media;
use crate::session::Session;

impl Negotiation {
    /// Makes an offer of everything enabled in `capabilities`, with `t=0 0`, and waits for its answer.
    ///
    /// In a session every `m=` line stays in its place: a disabled or refused stream is offered with port 0, a new one
    /// takes the place of an unused line of its kind or is appended (RFC 3264 sections 8.1 and 8.2). Payload types
    /// keep their meaning (section 8.3.2).
    ///
    /// # Errors
    /// [`OfferError`].
    pub fn offer(&mut self, capabilities: &LocalCapabilities) -> Result<&Session, OfferError> {
        self.may_offer()?;
        let mut session = Session::new(self.origin.clone());
        session.connection = Some(Connection::from(capabilities.address.clone()));
        session.attributes = capabilities.attributes.clone();
        let mut slots = self.slots.clone();
        bind(&mut slots, capabilities, self.local());
        for (index, slot) in slots.iter_mut().enumerate() {
            let last = self.local().and_then(|local| local.media.get(index));
            let wanted = slot.capability.and_then(|at| Some((at, capabilities.media.get(at)?)));
            let wanted = wanted.filter(|(_, media)| media.port != 0 && (!slot.refused || media.add));
            let media = match (wanted, last) {
                (Some((capability, wanted)), last) => {
                    let offered = offered_media(wanted, slot, last, capabilities);
                    slot.wanted = wanted.wanted();
                    offered.ok_or(OfferError::NothingToOffer { capability })?
                }
                (None, Some(last)) => last.rejection(),
                // A line without a last description was bound just now, so it is wanted.
                (None, None) => continue,
            };
            session.media.push(media);
        }
        Ok(self.offer_out(session, slots))
    }

    /// Offers the description in force once more, to refresh a session without changing it (RFC 4028 section 7.4): with the same version, unless
    /// another was sent meanwhile and refused. Before there is one, as [`Negotiation::offer`].
    ///
    /// # Errors
    /// [`OfferError`].
    pub fn offer_again(&mut self, capabilities: &LocalCapabilities) -> Result<&Session, OfferError> {
        self.may_offer()?;
        match self.local().cloned() {
            Some(session) => Ok(self.offer_out(session, self.slots.clone())),
            None => self.offer(capabilities),
        }
    }

    pub(super) fn may_offer(&self) -> Result<(), OfferError> {
        match self.phase {
            Phase::Stable => Ok(()),
            Phase::OfferSent { .. } => Err(OfferError::OursPending),
            Phase::OfferReceived { .. } => Err(OfferError::TheirsPending),
        }
    }

    pub(super) fn offer_out(&mut self, session: Session, slots: Vec<Slot>) -> &Session {
        let offer = self.stamp(session);
        self.phase = Phase::OfferSent { offer: Arc::clone(&offer), slots };
        // `stamp` has just stored it there.
        self.last_sent.get_or_insert(offer)
    }
}

/// Gives every entry of the capabilities to be added the first unused line of its kind, else a new one.
fn bind(slots: &mut Vec<Slot>, capabilities: &LocalCapabilities, last: Option<&Session>) {
    for (capability, media) in capabilities.media.iter().enumerate() {
        let bound = slots.iter().any(|slot| slot.capability == Some(capability));
        if media.port == 0 || bound || (last.is_some() && !media.add) {
            continue;
        }
        let unused = slots.iter().enumerate().position(|(index, slot)| {
            let kind = last.and_then(|last| last.media.get(index)).map(|media| &media.kind);
            slot.capability.is_none() && slot.direction.is_none() && kind == Some(&media.kind)
        });
        match unused.and_then(|index| slots.get_mut(index)) {
            Some(slot) => slot.capability = Some(capability),
            None => slots.push(Slot { capability: Some(capability), ..Slot::default() }),
        }
    }
}

/// One offered section; `None` when there is no transport or no format.
fn offered_media(wanted: &LocalMedia, slot: &Slot, last: Option<&Media>, all: &LocalCapabilities) -> Option<Media> {
    let used =
        last.map(|last| &last.protocol).filter(|used| slot.direction.is_some() && wanted.protocols.contains(used));
    let protocol = used.or(wanted.protocols.first())?.clone();
    let mut media = Media::new(wanted.kind.clone(), wanted.port, protocol);
    let codecs: Vec<Codec> = if media.protocol.is_rtp() {
        let mut codecs = wanted.codecs.clone();
        codecs.extend(wanted.event_codecs(&wanted.codecs));
        slot.assign(codecs, last)
    } else {
        media.formats = wanted.formats.clone();
        Vec::new()
    };
    if codecs.is_empty() && media.formats.is_empty() {
        return None;
    }
    describe(&mut media, wanted, &codecs, offered_direction(wanted, slot), wanted.rtcp_mux, all);
    Some(media)
}

/// RFC 3264 section 8.4: a stream that sends is held as `sendonly`, one that does not as `inactive`.
fn offered_direction(wanted: &LocalMedia, slot: &Slot) -> Direction {
    let silent = slot.direction.is_some_and(|direction| !direction.sends());
    match wanted.hold {
        Hold::ByDirection if silent => Direction::Inactive,
        _ => wanted.wanted(),
    }
}

/// Fills in what offers and answers have in common.
pub(super) fn describe(
    media: &mut Media,
    wanted: &LocalMedia,
    codecs: &[Codec],
    direction: Direction,
    rtcp_mux: bool,
    all: &LocalCapabilities,
) {
    // A codec has two lines at most, and there are four others beside those of the application.
    media.attributes.reserve(2 * codecs.len() + 4 + wanted.attributes.len());
    for codec in codecs {
        media.push_codec(codec);
    }
    let address = wanted.address.as_ref();
    if wanted.hold == Hold::ByNullAddress {
        media.connections.push(address.unwrap_or(&all.address).to_null().into());
    } else {
        media.connections.extend(address.cloned().map(Connection::from));
    }
    media.bandwidths = wanted.bandwidths.clone();
    let rtcp = wanted.rtcp.as_ref().map(|rtcp| match &rtcp.address {
        Some(address) => format!("{} {address}", rtcp.port),
        None => rtcp.port.to_string(),
    });
    media.attributes.extend(rtcp.map(|value| Attribute::literal("rtcp", Some(value))));
    media.attributes.extend(rtcp_mux.then(|| Attribute::literal("rtcp-mux", None)));
    for (name, time) in [("ptime", wanted.ptime), ("maxptime", wanted.maxptime)] {
        let value = time.filter(|time| time.as_micros() > 0).map(milliseconds);
        media.attributes.extend(value.map(|value| Attribute::literal(name, Some(value))));
    }
    media.attributes.push(direction.into());
    media.attributes.extend(wanted.attributes.iter().cloned());
}

/// `20` or `2.5`: RFC 8866 section 9, `non-zero-int-or-real`.
fn milliseconds(time: std::time::Duration) -> String {
    let (whole, micros) = (time.as_micros() / 1000, time.as_micros() % 1000);
    if micros == 0 {
        return whole.to_string();
    }
    format!("{whole}.{micros:03}").trim_end_matches('0').to_owned()
}
