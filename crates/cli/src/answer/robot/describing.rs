//! Session descriptions: what all silent calls have in common, what each has of its own.

use std::collections::HashMap;
use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;

use audio::codec::Codec;
use media::{Agreed, CallMedia, NegotiateError};
use sdp::LocalCapabilities;
use sip::message::{Request, StatusCode};
use sip::{SessionId, Turn};

use super::{Live, Robot};

/// The descriptions of a call.
pub(super) enum Described {
    /// As they are negotiated.
    Whole(Box<CallMedia>),
    /// Those of a silent call, which may stand for hours: its answered offer, of which they are made should they change; empty before there is
    /// one. That is a tenth of their size.
    Answered(Box<[u8]>),
}

/// What accepts a call.
pub(super) struct Ready {
    pub(super) body: Vec<u8>,
    /// `None`: the offer is ours.
    pub(super) agreed: Option<Agreed>,
    pub(super) ports: Option<net::media::PortPair>,
}

/// What silent calls at one address have in common: a socket, bound and never read, and what their descriptions say.
pub(super) struct Silent {
    _socket: UdpSocket,
    capabilities: Arc<LocalCapabilities>,
}

impl Robot {
    /// The call's descriptions, at an address where something listens.
    pub(super) fn prepare(&mut self, number: u64, local: IpAddr, turn: &Turn<'_>) -> Result<Live, String> {
        let since = turn.now().mono;
        let origin = since.0 ^ (number << 20);
        let capabilities = self.described_at(local)?;
        let media = match self.studio {
            Some(_) => Described::Whole(Box::new(CallMedia::sharing(capabilities, origin))),
            None => Described::Answered(Box::default()),
        };
        Ok(Live { number, media, origin, sound: None, local, since, standing: false })
    }

    pub(super) fn speaks(&self) -> bool {
        self.conduct.echo || self.conduct.voice.is_some()
    }

    pub(super) fn described_at(&mut self, local: IpAddr) -> Result<Arc<LocalCapabilities>, String> {
        if let Some(known) = self.silent.get(&local) {
            return Ok(Arc::clone(&known.capabilities));
        }
        let bound = UdpSocket::bind((local, 0)).and_then(|socket| Ok((socket.local_addr()?, socket)));
        let (address, socket) = bound.map_err(|error| format!("no media port on {local}: {error}"))?;
        let mut media = CallMedia::new(address, &Codec::ALL, 0);
        if !self.speaks() {
            for stream in &mut media.capabilities().media {
                stream.direction = sdp::Direction::RecvOnly;
            }
        }
        let capabilities = media.shared();
        self.silent.insert(local, Silent { _socket: socket, capabilities: Arc::clone(&capabilities) });
        Ok(capabilities)
    }

    /// The description that accepts a call, and the sockets for it where it has some of its own; otherwise with which status it is refused, and why.
    pub(super) fn describe(&mut self, session: SessionId, request: &Request) -> Result<Ready, (StatusCode, String)> {
        let live = self.calls.get_mut(&session).ok_or((StatusCode::SERVER_INTERNAL_ERROR, String::new()))?;
        let offer = request.body();
        if let (Described::Answered(answered), Some(silent), false) =
            (&mut live.media, self.silent.get(&live.local), offer.is_empty())
        {
            let (body, agreed) = CallMedia::answer_once(&silent.capabilities, live.origin, offer).map_err(refusal)?;
            *answered = offer.into();
            return Ok(Ready { body, agreed: Some(agreed), ports: None });
        }
        let media = negotiated(live.origin, live.local, &mut live.media, &self.silent)
            .ok_or((StatusCode::SERVER_INTERNAL_ERROR, "its descriptions are gone".to_owned()))?;
        let ports = self.studio.as_ref().map(|studio| studio.ports.bind(live.local)).transpose();
        let ports = ports.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
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
}

/// With which status an offer is refused, and why.
fn refusal(error: NegotiateError) -> (StatusCode, String) {
    let code = StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE);
    (code, error.to_string())
}

/// A call's descriptions as they are negotiated, made where only the offer was kept: the same offer, number and capabilities give the same answer.
pub(super) fn negotiated<'a>(
    origin: u64,
    local: IpAddr,
    media: &'a mut Described,
    silent: &HashMap<IpAddr, Silent>,
) -> Option<&'a mut CallMedia> {
    if let Described::Answered(offer) = media {
        let mut again = CallMedia::sharing(Arc::clone(&silent.get(&local)?.capabilities), origin);
        if !offer.is_empty() {
            again.answer(offer).ok()?;
        }
        *media = Described::Whole(Box::new(again));
    }
    match media {
        Described::Whole(media) => Some(media),
        Described::Answered(_) => None,
    }
}
