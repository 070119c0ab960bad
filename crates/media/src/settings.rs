//! What the engine is told of a stream: the outcome of an offer and an answer, as numbers.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use audio::codec::Codec;
use rtp::telephone_event::EventSet;
use rtp::{Micros, PayloadType};
use sdp::{Direction, Session, StreamPlan};

/// Chosen by whoever adds a stream, player, recorder or conference; unique in one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u64);

/// Where a stream stands in the engine's table, for what comes per packet. Never reused: the generation tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl Slot {
    /// The place in the table.
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// Which of a stream's two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Component {
    /// Data.
    Rtp,
    /// Control.
    Rtcp,
}

/// Telephone events of a stream (RFC 4733).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTypes {
    /// In packets we send.
    pub send: PayloadType,
    /// In packets we receive.
    pub receive: PayloadType,
    /// The events the peer takes: no others are sent (RFC 4733 section 2.5.1.1).
    pub taken: EventSet,
}

/// Payload types that a stream looks at.
const RECEIVE_TYPES: usize = 8;
/// The jitter buffer's shortest delay, unless set otherwise.
const MIN_DELAY: Micros = Micros::from_millis(20);
/// The longest.
const MAX_DELAY: Micros = Micros::from_millis(200);

/// One audio stream as negotiated.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamSettings {
    /// The codec.
    pub codec: Codec,
    /// Its payload type in packets we send.
    pub send_type: PayloadType,
    /// Payload types we may receive and what they mean, the agreed codec first. At most 8 are looked at.
    pub receive_types: Vec<(PayloadType, Codec)>,
    /// Telephone events, where agreed.
    pub events: Option<EventTypes>,
    /// Where RTP goes until the peer is heard; `None` while it holds with a null address.
    pub remote: Option<SocketAddr>,
    /// Where RTCP goes.
    pub remote_control: Option<SocketAddr>,
    /// As seen from us.
    pub direction: Direction,
    /// Length of the packets we send, 10 to 120 ms.
    pub ptime: Duration,
    /// Shortest delay of the jitter buffer.
    pub min_delay: Micros,
    /// Longest delay of the jitter buffer.
    pub max_delay: Micros,
}

/// An agreed stream that this engine cannot carry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnusablePlan {
    /// No codec of the plan is one of ours.
    NoCodec,
    /// The peer's address is a host name; it has to be looked up before the plan is used.
    HostName(String),
}

impl fmt::Display for UnusablePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCodec => f.write_str("none of the agreed codecs is implemented"),
            Self::HostName(name) => write!(f, "the media address is the host name {name}, expected an IP address"),
        }
    }
}

impl std::error::Error for UnusablePlan {}

impl StreamSettings {
    /// The same stream after its line was refused or ended: neither packets nor reports go to the peer, and what comes is discarded until
    /// the line is back (RFC 3264 sections 6 and 8.2).
    #[must_use]
    pub fn at_rest(&self) -> Self {
        Self { direction: Direction::Inactive, remote: None, remote_control: None, ..self.clone() }
    }

    /// Whether nothing is sent and nothing expected, not even reports.
    pub fn is_at_rest(&self) -> bool {
        self.direction == Direction::Inactive && self.remote.is_none() && self.remote_control.is_none()
    }

    /// A stream of which only our offer is known (RFC 3264 section 5.1): it hears what is offered to be received, under the numbers of the offer, and
    /// sends nothing, as nobody has said where to. `None` when the offer has no audio that may come.
    pub fn offered(offer: &Session) -> Option<Self> {
        let audio = offer.audio().filter(|audio| !audio.media().is_rejected() && audio.direction().receives())?;
        let described = audio.media().codecs();
        let known = |codec: &sdp::Codec| {
            Some((number(codec.payload_type), Codec::named(codec.name.as_str(), codec.clock_rate)?))
        };
        let receive_types: Vec<_> = described.iter().filter_map(known).take(RECEIVE_TYPES).collect();
        let (send_type, codec) = *receive_types.first()?;
        let clock = codec.clock_rate();
        let events = described.iter().find(|codec| codec.is_telephone_event() && codec.clock_rate == clock);
        let events = events.map(|events| number(events.payload_type));
        Some(Self {
            codec,
            send_type,
            receive_types,
            events: events.map(|number| EventTypes { send: number, receive: number, taken: EventSet::EMPTY }),
            remote: None,
            remote_control: None,
            direction: Direction::RecvOnly,
            ptime: audio.ptime().unwrap_or(Duration::from_millis(20)),
            min_delay: MIN_DELAY,
            max_delay: MAX_DELAY,
        })
    }

    /// What a stream that runs with these runs with while an offer of ours waits for its answer: as before, and what is offered to be received is
    /// heard already.
    #[must_use]
    pub fn offering(&self, offered: &Self) -> Self {
        let mut settings = self.clone();
        settings.direction = Direction::from_flags(self.direction.sends(), true);
        let more = offered
            .receive_types
            .iter()
            .filter(|(number, _)| self.receive_types.iter().all(|(known, _)| known != number));
        settings.receive_types.extend(more);
        settings.receive_types.truncate(RECEIVE_TYPES);
        settings
    }

    /// Settings from what two descriptions agree on. Where the description names an unspecified address or none, nothing is sent until
    /// the peer is heard.
    ///
    /// # Errors
    /// [`UnusablePlan`].
    pub fn from_plan(plan: &StreamPlan) -> Result<Self, UnusablePlan> {
        let mut receive_types = Vec::with_capacity(plan.codecs.len().min(RECEIVE_TYPES));
        let mut first = None;
        for agreed in plan.codecs.iter().take(RECEIVE_TYPES) {
            let Some(codec) = Codec::named(agreed.local.name.as_str(), agreed.local.clock_rate) else { continue };
            receive_types.push((number(agreed.receive_payload_type()), codec));
            first.get_or_insert((codec, number(agreed.send_payload_type())));
        }
        let (codec, send_type) = first.ok_or(UnusablePlan::NoCodec)?;
        let clock = codec.clock_rate();
        let events = plan.telephone_event.filter(|events| events.clock_rate == clock).map(|events| EventTypes {
            send: number(events.send_payload_type),
            receive: number(events.receive_payload_type),
            taken: EventSet::from_words(events.events.words()),
        });
        Ok(Self {
            codec,
            send_type,
            receive_types,
            events,
            remote: endpoint(plan.remote.as_ref())?,
            remote_control: endpoint(plan.remote_rtcp.as_ref())?,
            direction: plan.direction,
            ptime: plan.ptime,
            min_delay: MIN_DELAY,
            max_delay: MAX_DELAY,
        })
    }
}

fn number(number: sdp::PayloadType) -> PayloadType {
    // Both types hold 0 to 127, so there always is one.
    PayloadType::new(number.get()).unwrap_or(PayloadType::PCMU)
}

fn endpoint(agreed: Option<&(sdp::Address, u16)>) -> Result<Option<SocketAddr>, UnusablePlan> {
    let Some((address, port)) = agreed else { return Ok(None) };
    match address.ip() {
        Some(ip) if is_usable(ip) => Ok(Some(SocketAddr::new(ip, *port))),
        Some(_) => Ok(None),
        None => Err(UnusablePlan::HostName(match address {
            sdp::Address::Name { name, .. } => name.to_string(),
            other => other.to_string(),
        })),
    }
}

/// A single host's address: audio is never sent to a group or to everybody because a description says so.
fn is_usable(ip: IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    !(ip.is_unspecified() || ip.is_multicast() || broadcast)
}
