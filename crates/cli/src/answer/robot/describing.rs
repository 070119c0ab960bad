//! Session descriptions: what all silent calls have in common, what each has of its own.

use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;

use audio::codec::Codec;
use media::{Agreed, CallMedia, NegotiateError};
use sdp::LocalCapabilities;
use sip::Turn;
use sip::message::StatusCode;

use super::{Live, Robot, Studio};

/// The descriptions of a call. Those of a silent one, which may stand for hours, are made only should they change: until then its answered offer
/// is kept, from which they come out the same. That is a tenth of their size.
pub(super) struct Described {
    here: Arc<Here>,
    /// The number in the `o=` line of ours.
    origin: u64,
    /// Empty before there is one.
    answered: Box<[u8]>,
    whole: Option<Box<CallMedia>>,
}

impl Described {
    /// As they are negotiated before anything is answered.
    fn begun(&mut self) -> &mut CallMedia {
        self.whole.get_or_insert_with(|| fresh(&self.here, self.origin))
    }

    /// As they are negotiated, in the call with this Call-ID.
    pub(super) fn whole(&mut self, call_id: &str) -> &mut CallMedia {
        let again = self.whole.is_none() && !self.answered.is_empty();
        let media = self.whole.get_or_insert_with(|| fresh(&self.here, self.origin));
        if again && let Err(error) = media.answer(&self.answered) {
            tracing::warn!(parent: &net::call_span!(call_id), %error, "an offer that was answered is not any more");
        }
        media
    }

    /// Our address.
    pub(super) fn local(&self) -> IpAddr {
        self.here.local
    }

    /// Whether they have been made.
    pub(super) fn made(&mut self) -> Option<&mut CallMedia> {
        self.whole.as_deref_mut()
    }
}

fn fresh(here: &Here, origin: u64) -> Box<CallMedia> {
    Box::new(CallMedia::sharing(Arc::clone(&here.capabilities), origin))
}

/// What accepts a call.
pub(super) struct Ready {
    pub(super) body: Vec<u8>,
    /// `None`: the offer is ours.
    pub(super) agreed: Option<Agreed>,
    pub(super) ports: Option<net::media::PortPair>,
}

/// What calls at one of our addresses have in common: a socket, bound and never read, for those that are silent, and what their descriptions say.
pub(super) struct Here {
    local: IpAddr,
    _socket: UdpSocket,
    capabilities: Arc<LocalCapabilities>,
}

impl Robot {
    /// A call, with descriptions at an address where something listens.
    pub(super) fn prepare(&mut self, number: u64, local: IpAddr, turn: &Turn<'_>) -> Result<Live, String> {
        let since = turn.now().mono;
        let origin = since.0 ^ (number << 20);
        let mut media = Described { here: self.described_at(local)?, origin, answered: Box::default(), whole: None };
        if self.studio.is_some() {
            media.begun();
        }
        Ok(Live {
            number,
            media,
            sound: None,
            since,
            standing: false,
            promised: None,
            waiting: None,
            why: None,
            transfer: None,
        })
    }

    pub(super) fn speaks(&self) -> bool {
        self.conduct.echo || self.conduct.voice.is_some()
    }

    fn described_at(&mut self, local: IpAddr) -> Result<Arc<Here>, String> {
        if let Some(known) = self.places.get(&local) {
            return Ok(Arc::clone(known));
        }
        let bound = UdpSocket::bind((local, 0)).and_then(|socket| Ok((socket.local_addr()?, socket)));
        let (address, socket) = bound.map_err(|error| format!("no media port on {local}: {error}"))?;
        let mut media = CallMedia::new(address, &Codec::ALL, 0);
        if !self.speaks() {
            for stream in &mut media.capabilities().media {
                stream.direction = sdp::Direction::RecvOnly;
            }
        }
        let here = Arc::new(Here { local, _socket: socket, capabilities: media.shared() });
        self.places.insert(local, Arc::clone(&here));
        Ok(here)
    }
}

/// The description that answers an offer, or is one where there is none, and the sockets for it where the call has some of its own; otherwise
/// with which status it is refused, and why.
pub(super) fn describe(
    media: &mut Described,
    studio: Option<&Studio>,
    offer: &[u8],
) -> Result<Ready, (StatusCode, String)> {
    if media.made().is_none() && !offer.is_empty() {
        let (body, agreed) = CallMedia::answer_once(&media.here.capabilities, media.origin, offer).map_err(refusal)?;
        media.answered = offer.into();
        return Ok(Ready { body, agreed: Some(agreed), ports: None });
    }
    let ports = studio.map(|studio| studio.ports.bind(media.here.local)).transpose();
    let ports = ports.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    let media = media.begun();
    if let Some(pair) = &ports
        && let Some(stream) = media.capabilities().media.first_mut()
    {
        stream.port = pair.address.port();
    }
    let outcome = if offer.is_empty() {
        media.offer().map(|body| (body, None))
    } else {
        media.answer(offer).map(|(body, agreed)| (body, Some(agreed)))
    };
    let (body, agreed) = outcome.map_err(refusal)?;
    Ok(Ready { body, agreed, ports })
}

/// With which status an offer is refused, and why.
fn refusal(error: NegotiateError) -> (StatusCode, String) {
    let code = StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE);
    (code, error.to_string())
}
