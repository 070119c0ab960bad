//! Answering an offer: RFC 3264 section 6.

use super::capabilities::{CodecOrder, Hold, LocalCapabilities, LocalMedia, NullAddressAnswer};
use super::error::AnswerError;
use super::offer::describe;
use super::places::Places;
use super::plan::{Agreement, Role};
use super::slot::Slot;
use super::{Negotiation, Phase, bounded};
use crate::attribute::Attribute;
use crate::codec::Codec;
use crate::connection::Connection;
use crate::direction::Direction;
use crate::media::{Media, MediaKind};
use crate::origin::Origin;
use crate::session::Session;
use crate::telephone_event::EventSet;
use crate::text::{Text, Token};
use crate::view::MediaView;

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
        let mut slots = self.slots.clone();
        slots.resize_with(offer.media.len(), Slot::default);
        let answer = match answered(&offer, self.origin.clone(), capabilities, &mut slots) {
            Ok(answer) => answer,
            Err(error) => {
                self.phase = Phase::OfferReceived { offer };
                return Err(error);
            }
        };
        let session = self.stamp(answer.session);
        self.settle((session, offer), slots, answer.agreement);
        Ok(())
    }
}

impl LocalCapabilities {
    /// Answers the first offer of a dialog and keeps nothing of it: the answer is that of a [`Negotiation`] with this `origin`, for
    /// a fraction of its cost. One that is given the same offer later can go on from there.
    ///
    /// # Errors
    /// [`AnswerError::NoCommonCodec`], as [`Negotiation::answer_pending`].
    pub fn answer(&self, offer: &Session, origin: Origin) -> Result<Answer, AnswerError> {
        let (origin, _) = bounded(origin);
        let mut slots = Vec::new();
        slots.resize_with(offer.media.len(), Slot::default);
        answered(offer, origin, self, &mut slots)
    }
}

/// The answer to an offer whose streams have these slots.
fn answered(
    offer: &Session,
    origin: Origin,
    capabilities: &LocalCapabilities,
    slots: &mut [Slot],
) -> Result<Answer, AnswerError> {
    let mut session = Session::bare(origin);
    session.connection = Some(Connection::from(capabilities.address.clone()));
    session.attributes = capabilities.attributes.clone();
    session.times = offer.times.clone();
    session.media = Vec::with_capacity(offer.media.len());
    let mut agreement = Agreement { streams: Vec::with_capacity(offer.media.len()) };
    let mut free = Places::ALL;
    slots.iter().filter_map(|slot| slot.capability).for_each(|bound| free.take(bound));
    for (index, (offered, slot)) in offer.streams().zip(slots).enumerate() {
        let theirs = offered.codecs();
        let (media, ours) = answered_media(offered, &theirs, slot, &mut free, capabilities);
        let both = ((MediaView::new(&session, &media), ours), (offered, theirs));
        agreement.streams.push(slot.agree(index, both, Role::Answerer));
        session.media.push(media);
    }
    if refuses_all(offer, &agreement, capabilities) {
        return Err(AnswerError::NoCommonCodec);
    }
    Ok(Answer { session, agreement })
}

/// Whether an answer would leave nothing of what was offered.
fn refuses_all(offer: &Session, agreement: &Agreement, capabilities: &LocalCapabilities) -> bool {
    let mut offered = offer.media.iter().filter(|media| !media.is_rejected());
    let wants_audio = offered.clone().any(|media| media.kind == MediaKind::Audio);
    let no_audio = capabilities.require_audio && wants_audio && agreement.audio().is_none();
    no_audio || (offered.next().is_some() && !agreement.plans().any(|plan| plan.carries_media()))
}

/// The answer for one line: the entry it is bound to if that fits, else the first free one that does, else port 0. With the codecs it
/// describes.
fn answered_media(
    offered: MediaView<'_>,
    theirs: &[Codec],
    slot: &mut Slot,
    free: &mut Places,
    capabilities: &LocalCapabilities,
) -> (Media, Vec<Codec>) {
    let places = *free;
    let unbound = (0..capabilities.media.len()).filter(|at| places.has(*at));
    for at in slot.capability.into_iter().chain(unbound) {
        let Some(local) = capabilities.media.get(at) else { continue };
        let Some(answered) = accepted_media(offered, theirs, local, capabilities) else { continue };
        free.take(at);
        slot.capability = Some(at);
        slot.refused = false;
        slot.wanted = local.wanted();
        return answered;
    }
    slot.refused |= offered.is_rejected();
    let refused = offered.media().rejection();
    let codecs = refused.codecs();
    (refused, codecs)
}

/// The answer for one line from one entry of the capabilities; `None` when that cannot take it.
fn accepted_media(
    offered: MediaView<'_>,
    theirs: &[Codec],
    local: &LocalMedia,
    all: &LocalCapabilities,
) -> Option<(Media, Vec<Codec>)> {
    let connection = offered.connection()?;
    let multicast = connection.address.is_multicast();
    let fits = !offered.is_rejected()
        && local.port != 0
        && offered.kind == local.kind
        && local.protocols.contains(&offered.protocol)
        && (!multicast || local.multicast);
    if !fits {
        return None;
    }
    let mut media = Media::new(local.kind.clone(), local.port, offered.protocol.clone());
    let codecs = if media.protocol.is_rtp() { common_codecs(theirs, local, all) } else { Vec::new() };
    if !media.protocol.is_rtp() {
        media.formats = common_formats(offered, local);
    }
    if codecs.is_empty() && media.formats.is_empty() {
        return None;
    }
    let mirrored = offered.is_held_by_address() && all.null_address == NullAddressAnswer::Mirror;
    let direction = match mirrored {
        true => Direction::Inactive,
        false => offered.direction().reversed().and(local.wanted()),
    };
    let rtcp_mux = local.rtcp_mux && offered.rtcp_mux();
    let mid = offered.attributes.iter().find(|attribute| attribute.name == "mid").cloned();
    media.attributes.extend(mid);
    describe(&mut media, local, &codecs, direction, rtcp_mux, all);
    if mirrored && local.hold != Hold::ByNullAddress {
        let address = local.address.as_ref().unwrap_or(&all.address);
        media.connections = vec![address.to_null().into()];
    }
    if multicast {
        mirror_multicast(&mut media, offered);
    }
    // What the application adds by hand may say more of a codec.
    let codecs = if local.attributes.is_empty() { codecs } else { media.codecs() };
    Some((media, codecs))
}

/// RFC 3264 section 6.2: address, port, direction, packet time and bandwidth of a multicast stream are those offered.
fn mirror_multicast(media: &mut Media, offered: MediaView<'_>) {
    media.port = offered.port;
    media.port_count = offered.port_count;
    media.connections = match offered.connections.is_empty() {
        true => offered.connection().cloned().into_iter().collect(),
        false => offered.connections.clone(),
    };
    media.bandwidths = offered.bandwidths.clone();
    media.attributes.set_direction(offered.direction());
    for name in ["ptime", "maxptime"] {
        match offered.inherited(name).map(Text::new) {
            Some(Ok(value)) => media.attributes.set(Attribute { name: Token::literal(name), value: Some(value) }),
            _ => media.attributes.remove(name),
        }
    }
}

fn common_formats(offered: MediaView<'_>, local: &LocalMedia) -> Vec<Token> {
    let known = |format: &Token| local.formats.iter().any(|ours| ours.eq_ignore_ascii_case(format));
    offered.formats.iter().filter(|format| known(format)).take(local.formats.len()).cloned().collect()
}

/// The codecs of an answer with the numbers of the offer; each codec of ours at most once. Empty when the offer has a
/// real codec but none in common, however well its events would fit.
fn common_codecs(theirs: &[Codec], local: &LocalMedia, all: &LocalCapabilities) -> Vec<Codec> {
    let pair = |ours: &Codec, theirs: &Codec| (!theirs.is_telephone_event()).then(|| answered_codec(ours, theirs));
    let mut common: Vec<Codec> = Vec::with_capacity(theirs.len());
    match all.order {
        CodecOrder::Theirs => {
            let mut free = Places::ALL;
            for codec in theirs {
                let mut ours = local.codecs.iter().enumerate();
                let found = ours.find(|(at, ours)| free.has(*at) && ours.same_format(codec));
                let Some((at, ours)) = found else { continue };
                free.take(at);
                common.extend(pair(ours, codec));
            }
        }
        CodecOrder::Ours => {
            for ours in &local.codecs {
                let free = |codec: &&Codec| {
                    ours.same_format(codec) && common.iter().all(|used| used.payload_type != codec.payload_type)
                };
                let found = theirs.iter().find(free);
                common.extend(found.and_then(|codec| pair(ours, codec)));
            }
        }
    }
    if all.single_codec {
        let mut first = true;
        common.retain(|codec| codec.is_auxiliary() || std::mem::replace(&mut first, false));
    }
    let speech = |codec: &Codec| !codec.is_auxiliary();
    if theirs.iter().any(speech) && !common.iter().any(speech) {
        return Vec::new();
    }
    common.extend(common_events(theirs, &common, local));
    common
}

/// `telephone-event` at the clock rates of the codecs taken (RFC 4733 section 2.5.1.2); when the peer has none of
/// those, the first it has.
fn common_events(theirs: &[Codec], common: &[Codec], local: &LocalMedia) -> Vec<Codec> {
    let mut offered: Vec<&Codec> = Vec::new();
    for event in theirs.iter().filter(|codec| codec.is_telephone_event()) {
        if offered.iter().all(|known| known.clock_rate != event.clock_rate) {
            offered.push(event);
        }
    }
    let events = local.telephone_event.as_ref().filter(|_| !offered.is_empty());
    let Some(events) = events.and_then(EventSet::to_text) else { return Vec::new() };
    let fits = |event: &Codec| common.iter().any(|codec| !codec.is_auxiliary() && codec.clock_rate == event.clock_rate);
    let answer = |event: &Codec| Codec { fmtp: Some(events.clone()), ..event.clone() };
    let fitting: Vec<Codec> = offered.iter().copied().filter(|event| fits(event)).map(answer).collect();
    match fitting.is_empty() {
        true => offered.first().copied().map(answer).into_iter().collect(),
        false => fitting,
    }
}

/// Our codec under their number. Annex B of G.729 is used only if both want it, so its refusal is repeated: RFC 3264
/// section 6.1 on parameters that configure a format. Those which belong to the format stand in the answer when they stand in the offer.
fn answered_codec(ours: &Codec, theirs: &Codec) -> Codec {
    let mut codec = Codec { payload_type: theirs.payload_type, name: theirs.name.clone(), ..ours.clone() };
    let refuses = |codec: &Codec| codec.parameter("annexb").is_some_and(|value| value.eq_ignore_ascii_case("no"));
    if codec.name.eq_ignore_ascii_case("G729") && refuses(theirs) {
        codec.fmtp = Some(Text::literal("annexb=no"));
    }
    codec.repeat_format_parameters(theirs);
    codec
}
