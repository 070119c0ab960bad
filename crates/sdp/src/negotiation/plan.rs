//! What two descriptions agree on, stream by stream: what a media engine needs to start.

use std::time::Duration;

use super::places::Places;
use crate::codec::{Codec, PayloadType};
use crate::connection::Address;
use crate::direction::Direction;
use crate::media::{MediaKind, Protocol};
use crate::telephone_event::EventSet;
use crate::text::Token;
use crate::view::MediaView;

/// The outcome of one offer and one answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// One entry for each `m=` line; `None` for a stream that is rejected, ended or has no common format.
    pub streams: Vec<Option<StreamPlan>>,
}

impl Agreement {
    /// The first audio stream with a codec that carries speech.
    pub fn audio(&self) -> Option<&StreamPlan> {
        self.plans().find(|plan| plan.kind == MediaKind::Audio && plan.carries_media())
    }

    /// The streams that exist, in order.
    pub fn plans(&self) -> impl Iterator<Item = &StreamPlan> {
        self.streams.iter().flatten()
    }
}

/// One stream both sides agreed on.
///
/// Two equal plans mean that nothing has to be restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamPlan {
    /// Which `m=` line, counted from 0.
    pub index: usize,
    /// Which entry of [`super::LocalCapabilities::media`]; `None` for a forwarded description.
    pub capability: Option<usize>,
    /// What is sent.
    pub kind: MediaKind,
    /// How it is sent, as the answer says.
    pub protocol: Protocol,
    /// Direction seen from us: `SendOnly` means that we send. Never sends to a null address.
    pub direction: Direction,
    /// Who holds the stream.
    pub hold: HoldState,
    /// Where to send RTP; `None` at a null address. The port is at least 1.
    pub remote: Option<(Address, u16)>,
    /// Where to send RTCP; `None` at a null address or when there is no such port.
    pub remote_rtcp: Option<(Address, u16)>,
    /// Whether RTP and RTCP share one port, in both directions. RFC 5761.
    pub rtcp_mux: bool,
    /// Codecs in the order of the answer, without `telephone-event`. Send with the first unless there is a reason not to.
    pub codecs: Vec<NegotiatedCodec>,
    /// Formats of a transport which is not RTP, in the order of the answer.
    pub formats: Vec<Token>,
    /// The events to send digits with: at the clock rate of the first codec if the peer has that, else at another.
    pub telephone_event: Option<NegotiatedEvents>,
    /// Length of the packets we send: what the peer asks for, else what we ask for, else 20 ms; at most what the
    /// peer can take, and always from [`StreamPlan::MIN_PTIME`] to [`StreamPlan::MAX_PTIME`].
    pub ptime: Duration,
    /// The bandwidth the peer allows us, `b=AS`, in kilobits per second.
    pub bandwidth: Option<u64>,
}

/// One codec of a [`StreamPlan`], as each side describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiatedCodec {
    /// Our description; its payload type and parameters hold for what we receive.
    pub local: Codec,
    /// Their description; its payload type and parameters hold for what we send.
    pub remote: Codec,
}

impl NegotiatedCodec {
    /// The payload type in packets we send. RFC 3264 sections 5.1 and 6.1.
    pub fn send_payload_type(&self) -> PayloadType {
        self.remote.payload_type
    }

    /// The payload type in packets we receive.
    pub fn receive_payload_type(&self) -> PayloadType {
        self.local.payload_type
    }
}

/// `telephone-event` of a [`StreamPlan`]: RFC 4733.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NegotiatedEvents {
    /// The payload type in packets we send.
    pub send_payload_type: PayloadType,
    /// The payload type in packets we receive.
    pub receive_payload_type: PayloadType,
    /// In hertz; the unit of durations in the packets.
    pub clock_rate: u32,
    /// The events the peer takes.
    pub events: EventSet,
}

/// Who holds a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldState {
    /// Media flows as our side wants it.
    Active,
    /// We hold, or deliberately do not receive; this wins when both do.
    Local,
    /// The peer holds us: we want to send and may not.
    Remote,
}

/// Which of the two descriptions is the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Ours is.
    Offerer,
    /// Theirs is.
    Answerer,
}

impl StreamPlan {
    /// Shortest packets we send, whatever the peer asks for: more packets a second are an attack.
    pub const MIN_PTIME: Duration = Duration::from_millis(10);
    /// Longest packets we send, whatever the peer asks for.
    pub const MAX_PTIME: Duration = Duration::from_millis(120);

    /// Whether there is a format besides events and comfort noise.
    pub fn carries_media(&self) -> bool {
        !self.formats.is_empty() || self.codecs.iter().any(|codec| !codec.local.is_auxiliary())
    }

    /// What two descriptions of one stream agree on. `wanted` is the direction our side would like, which tells a
    /// hold of ours from one of theirs; [`Direction::SendRecv`] when in doubt.
    ///
    /// Direction and formats are those both allow, so an answer which breaks the table of RFC 3264 section 6.1 cannot
    /// widen an offer. `None` when either is rejected, or when there is no common format.
    pub fn between(
        index: usize,
        local: MediaView<'_>,
        remote: MediaView<'_>,
        role: Role,
        wanted: Direction,
    ) -> Option<StreamPlan> {
        let (ours, theirs) = (local.codecs(), remote.codecs());
        StreamPlan::of_codecs(index, (local, &ours), (remote, &theirs), role, wanted)
    }

    /// As [`StreamPlan::between`], for streams whose codecs have been read.
    pub(super) fn of_codecs(
        index: usize,
        (local, ours): (MediaView<'_>, &[Codec]),
        remote: (MediaView<'_>, &[Codec]),
        role: Role,
        wanted: Direction,
    ) -> Option<StreamPlan> {
        if local.is_rejected() {
            return None;
        }
        let answer = if role == Role::Offerer { remote.0 } else { local };
        let ours = Ours {
            kind: &local.media().kind,
            protocol: &local.media().protocol,
            codecs: ours,
            formats: &local.media().formats,
            direction: local.direction(),
            rtcp_mux: local.rtcp_mux(),
            ptime: local.ptime(),
        };
        StreamPlan::of_ours(index, ours, remote, answer.payload_types(), role, wanted)
    }

    /// The same for a section of ours that is not rejected. `numbers` are the payload types of the answer.
    pub(super) fn of_ours(
        index: usize,
        ours: Ours<'_>,
        (remote, theirs): (MediaView<'_>, &[Codec]),
        numbers: impl Iterator<Item = PayloadType>,
        role: Role,
        wanted: Direction,
    ) -> Option<StreamPlan> {
        if remote.is_rejected() {
            return None;
        }
        let multicast = remote.connection().is_some_and(|connection| connection.address.is_multicast());
        let agreed = match multicast {
            true => ours.direction.and(remote.direction()), // RFC 3264 section 5.2: one view for all
            false => ours.direction.and(remote.direction().reversed()),
        };
        let held_by_address = remote.is_held_by_address();
        let direction = Direction::from_flags(agreed.sends() && !held_by_address, agreed.receives());
        let mut codecs = common_codecs(numbers, ours.codecs, theirs, role);
        let telephone_event = choose_events(&codecs);
        let without_format = codecs.is_empty();
        codecs.retain(|codec| !codec.local.is_telephone_event());
        let (kind, protocol, answered, offered) = match role {
            Role::Offerer => {
                (&remote.media().kind, &remote.media().protocol, &remote.media().formats[..], ours.formats)
            }
            Role::Answerer => (ours.kind, ours.protocol, ours.formats, &remote.media().formats[..]),
        };
        let formats: Vec<Token> = match protocol.is_rtp() {
            true => Vec::new(),
            false => common_formats(answered, offered),
        };
        if without_format && formats.is_empty() {
            return None;
        }
        let rtcp_mux = ours.rtcp_mux && remote.rtcp_mux();
        let endpoint = remote.rtp_endpoint();
        Some(StreamPlan {
            index,
            capability: None,
            kind: kind.clone(),
            protocol: protocol.clone(),
            direction,
            hold: hold_state(wanted, direction),
            remote_rtcp: if rtcp_mux { endpoint.clone() } else { remote.rtcp_endpoint() },
            remote: endpoint,
            rtcp_mux,
            telephone_event,
            codecs,
            formats,
            ptime: send_ptime(ours.ptime, remote),
            bandwidth: remote.bandwidth("AS"),
        })
    }
}

/// A section of ours, as far as a plan depends on it.
pub(super) struct Ours<'a> {
    pub(super) kind: &'a MediaKind,
    pub(super) protocol: &'a Protocol,
    pub(super) codecs: &'a [Codec],
    pub(super) formats: &'a [Token],
    pub(super) direction: Direction,
    pub(super) rtcp_mux: bool,
    pub(super) ptime: Option<Duration>,
}

fn hold_state(wanted: Direction, agreed: Direction) -> HoldState {
    match (wanted.receives(), wanted.sends(), agreed.sends()) {
        (false, ..) => HoldState::Local,
        (true, true, false) => HoldState::Remote,
        _ => HoldState::Active,
    }
}

fn common_formats(answer: &[Token], offer: &[Token]) -> Vec<Token> {
    let offered = |format: &Token| offer.iter().any(|other| other.eq_ignore_ascii_case(format));
    answer.iter().filter(|format| offered(format)).cloned().collect()
}

/// Codecs in both descriptions in the order of the answer, which has these payload types; the events are among them.
fn common_codecs(
    numbers: impl Iterator<Item = PayloadType>,
    ours: &[Codec],
    theirs: &[Codec],
    role: Role,
) -> Vec<NegotiatedCodec> {
    let (offered, explained) = match role {
        Role::Offerer => (ours, theirs),
        Role::Answerer => (theirs, ours),
    };
    let mut free = Places::ALL;
    let mut codecs = Vec::with_capacity(explained.len());
    for number in numbers {
        // A dynamic number without a=rtpmap in an answer can only mean what the offer said it means.
        let Some(answered) = explained.iter().chain(offered).find(|codec| codec.payload_type == number) else {
            continue;
        };
        let fits = |same_number: bool| {
            offered.iter().enumerate().find(|(at, codec)| {
                free.has(*at) && (!same_number || codec.payload_type == number) && codec.same_format(answered)
            })
        };
        let Some((at, offered)) = fits(true).or_else(|| fits(false)) else { continue };
        free.take(at);
        let (local, remote) = match role {
            Role::Offerer => (offered, answered),
            Role::Answerer => (answered, offered),
        };
        codecs.push(NegotiatedCodec { local: local.clone(), remote: remote.clone() });
    }
    codecs
}

/// Events share the time stamps of the audio beside them (RFC 4733 section 2.5.1.2), so the clock rate of the first
/// codec comes first; a peer with events at another rate only is still better served by those than by none.
fn choose_events(codecs: &[NegotiatedCodec]) -> Option<NegotiatedEvents> {
    let rate = codecs.iter().find(|codec| !codec.local.is_auxiliary()).map(|codec| codec.local.clock_rate);
    let mut events = codecs.iter().filter(|codec| codec.local.is_telephone_event());
    let first = events.clone().next()?;
    let chosen = events.find(|event| Some(event.local.clock_rate) == rate).unwrap_or(first);
    Some(NegotiatedEvents {
        send_payload_type: chosen.send_payload_type(),
        receive_payload_type: chosen.receive_payload_type(),
        clock_rate: chosen.local.clock_rate,
        events: EventSet::of(&chosen.remote),
    })
}

fn send_ptime(ours: Option<Duration>, remote: MediaView<'_>) -> Duration {
    let asked = remote.ptime().or(ours).unwrap_or(Duration::from_millis(20));
    let most = remote.maxptime().unwrap_or(StreamPlan::MAX_PTIME);
    asked.min(most).clamp(StreamPlan::MIN_PTIME, StreamPlan::MAX_PTIME)
}
