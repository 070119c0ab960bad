//! What our side can and wants to do: the input of offers and answers.

use std::time::Duration;

use super::slot::Slot;
use crate::attribute::{Attribute, Attributes};
use crate::bandwidth::Bandwidth;
use crate::codec::{Codec, PayloadType};
use crate::connection::Address;
use crate::direction::Direction;
use crate::media::{Media, MediaKind, Protocol};
use crate::origin::Origin;
use crate::session::Session;
use crate::telephone_event::EventSet;
use crate::text::Token;
use crate::view::RtcpAttribute;

/// Everything a description of ours is made from.
///
/// The position of a [`LocalMedia`] is its identity: once an `m=` line is bound to `media[k]` it stays so for the
/// whole session, so entries are appended, changed and disabled (port 0), but never moved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalCapabilities {
    /// The session-level `c=` address.
    pub address: Address,
    /// The streams we can have.
    pub media: Vec<LocalMedia>,
    /// Whose order of codecs an answer of ours follows.
    pub order: CodecOrder,
    /// Whether an answer of ours keeps only the first codec (and events and comfort noise beside it).
    pub single_codec: bool,
    /// What we answer to an offer at the null address.
    pub null_address: NullAddressAnswer,
    /// Whether an offer with audio is refused as a whole when none of its audio can be taken. True by default;
    /// false follows RFC 3264 section 6 to the letter, where any accepted stream is enough.
    pub require_audio: bool,
    /// `a=` lines of the session section, such as `a=group` or `a=fingerprint`.
    pub attributes: Attributes,
}

impl LocalCapabilities {
    /// Capabilities at one address, with the order of the offerer and the other defaults above.
    pub fn new(address: impl Into<Address>, media: Vec<LocalMedia>) -> LocalCapabilities {
        LocalCapabilities {
            address: address.into(),
            media,
            order: CodecOrder::Theirs,
            single_codec: false,
            null_address: NullAddressAnswer::Normal,
            require_audio: true,
            attributes: Attributes::default(),
        }
    }

    /// A description that only tells what we can do, for an answer to OPTIONS: one line with port 0 for each stream,
    /// enabled or not. RFC 3264 section 9, which wants an `origin` with an id of its own.
    #[must_use]
    pub fn indication(&self, origin: Origin) -> Session {
        let mut session = Session::new(origin);
        session.connection = Some(self.address.clone().into());
        for local in &self.media {
            let Some(protocol) = local.protocols.first() else { continue };
            let mut media = Media::new(local.kind.clone(), 0, protocol.clone());
            media.formats = local.formats.clone();
            let events = local.event_codecs(&local.codecs);
            let codecs = Slot::default().assign(local.codecs.iter().cloned().chain(events).collect(), None);
            codecs.iter().filter(|_| protocol.is_rtp()).for_each(|codec| media.push_codec(codec));
            session.media.push(media);
        }
        session
    }

    /// Holds or resumes every stream.
    pub fn set_hold(&mut self, hold: Hold) {
        self.media.iter_mut().for_each(|media| media.hold = hold);
    }
}

/// Whose preference orders the formats of an answer. RFC 3264 section 6.1 recommends theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CodecOrder {
    /// The order of the offer.
    #[default]
    Theirs,
    /// The order of [`LocalMedia::codecs`].
    Ours,
}

/// What is answered to an offer whose connection address is `0.0.0.0` or `::`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NullAddressAnswer {
    /// A normal answer, as in RFC 4317 section 5.2; RFC 3264 section 8.4 advises against answering a hold by a hold.
    #[default]
    Normal,
    /// `a=inactive` at the null address, as some user agents do.
    Mirror,
}

/// Whether we hold a stream, and how we say so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// Not held.
    #[default]
    Off,
    /// Held by direction: we go on sending if we do (`sendonly`), else `inactive`. RFC 3264 section 8.4.
    ByDirection,
    /// Held in the way of RFC 2543: `c=` at the null address, and `a=inactive`.
    ByNullAddress,
}

/// One stream we can have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalMedia {
    /// What is sent.
    pub kind: MediaKind,
    /// The transports we accept; the first is the one we offer.
    pub protocols: Vec<Protocol>,
    /// Where we receive; 0 disables the stream.
    pub port: u16,
    /// Where we receive, if not at [`LocalCapabilities::address`].
    pub address: Option<Address>,
    /// Where we receive RTCP, if not at the next port. RFC 3605.
    pub rtcp: Option<RtcpAttribute>,
    /// Whether we can receive RTP and RTCP on one port. RFC 5761.
    pub rtcp_mux: bool,
    /// Codecs in our order of preference, without `telephone-event`. The payload types are those we offer when the
    /// session has not settled on others.
    pub codecs: Vec<Codec>,
    /// The formats of a transport which is not RTP, such as `t38`.
    pub formats: Vec<Token>,
    /// The events we can receive as RFC 4733 packets; `None`: no `telephone-event` is offered or accepted.
    pub telephone_event: Option<EventSet>,
    /// The payload type we prefer for the events at 8000 Hz, or at the first clock rate if there are none (101).
    pub telephone_event_payload_type: PayloadType,
    /// What we want. Narrowed by [`LocalMedia::hold`] and by what the peer wants.
    pub direction: Direction,
    /// Whether we hold the stream.
    pub hold: Hold,
    /// The packet length we want to receive: `a=ptime`.
    pub ptime: Option<Duration>,
    /// The longest packet we can receive: `a=maxptime`.
    pub maxptime: Option<Duration>,
    /// `b=` lines.
    pub bandwidths: Vec<Bandwidth>,
    /// Further `a=` lines, printed at the end of the section: keys, fingerprint, candidates.
    pub attributes: Vec<Attribute>,
    /// Whether offers of ours within a session ask for this stream though the session does not have it: it was not
    /// there from the start, or the peer refused or ended it. False by default, so that a hold does not bring back what
    /// was refused; the first offer of a session has every enabled stream in any case.
    pub add: bool,
    /// Whether an offered multicast stream may be joined. RFC 3264 section 6.2.
    pub multicast: bool,
}

impl LocalMedia {
    /// A stream over RTP (`RTP/AVP` and `RTP/AVPF`), sending and receiving.
    pub fn new(kind: MediaKind, port: u16, codecs: Vec<Codec>) -> LocalMedia {
        LocalMedia {
            kind,
            protocols: vec![Protocol::RtpAvp, Protocol::RtpAvpf],
            port,
            address: None,
            rtcp: None,
            rtcp_mux: false,
            codecs,
            formats: Vec::new(),
            telephone_event: None,
            telephone_event_payload_type: PayloadType::TELEPHONE_EVENT,
            direction: Direction::SendRecv,
            hold: Hold::Off,
            ptime: None,
            maxptime: None,
            bandwidths: Vec::new(),
            attributes: Vec::new(),
            add: false,
            multicast: false,
        }
    }

    /// An audio stream with these codecs and the DTMF events of RFC 4733.
    pub fn audio(port: u16, codecs: Vec<Codec>) -> LocalMedia {
        let mut media = LocalMedia::new(MediaKind::Audio, port, codecs);
        media.telephone_event = Some(EventSet::DTMF);
        media
    }

    /// What we want with a hold taken into account, before the peer is asked.
    pub(super) fn wanted(&self) -> Direction {
        match self.hold {
            Hold::Off => self.direction,
            Hold::ByDirection => self.direction.and(Direction::SendOnly),
            Hold::ByNullAddress => Direction::Inactive,
        }
    }

    /// The `telephone-event` formats for these clock rates, each once, with numbers only preferred.
    pub(super) fn event_codecs(&self, codecs: &[Codec]) -> Vec<Codec> {
        let Some(events) = self.telephone_event.as_ref().and_then(EventSet::to_text) else { return Vec::new() };
        let mut rates: Vec<u32> = Vec::new();
        for codec in codecs.iter().filter(|codec| !codec.is_auxiliary()) {
            if !rates.contains(&codec.clock_rate) {
                rates.push(codec.clock_rate);
            }
        }
        if rates.is_empty() {
            rates.push(8000);
        }
        rates.sort_by_key(|rate| *rate != 8000); // the one everybody knows gets the preferred number
        let event = |clock_rate| Codec {
            payload_type: self.telephone_event_payload_type,
            name: Token::literal("telephone-event"),
            clock_rate,
            channels: 1,
            fmtp: Some(events.clone()),
        };
        rates.into_iter().map(event).collect()
    }
}
