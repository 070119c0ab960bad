//! What a call must know of its endpoint.

use std::net::{IpAddr, SocketAddr};

use audio::codec::Codec;
use media::CallMedia;
use net::Bound;
use net::media::{PortPair, PortRange};
use sdp::Hold;
use sip::Transport;

use crate::error::CallError;

/// What a handle must know of its endpoint.
pub(crate) struct Place {
    pub(crate) bound: Vec<Bound>,
    pub(crate) ports: PortRange,
    pub(crate) media_address: Option<IpAddr>,
    pub(crate) public_address: Option<IpAddr>,
    pub(crate) codecs: Vec<Codec>,
    pub(crate) max_calls: usize,
    /// How a call is held.
    pub(crate) hold: Hold,
}

impl Place {
    /// The port that we are called at.
    pub(crate) fn port(&self) -> Option<u16> {
        let udp = self.bound.iter().find(|bound| bound.transport == Transport::Udp);
        udp.or_else(|| self.bound.first()).map(|bound| bound.address.port())
    }

    /// Binds the ports of a call at `address` and begins its negotiation.
    pub(crate) fn open(&self, address: IpAddr) -> Result<(CallMedia, PortPair), CallError> {
        let ports = self.ports.bind(self.media_address.unwrap_or(address));
        let ports = ports.map_err(|error| CallError::Media(error.to_string()))?;
        let told = self.public_address.unwrap_or(ports.address.ip());
        let told = SocketAddr::new(told, ports.address.port());
        Ok((CallMedia::new(told, &self.codecs, rand::random()), ports))
    }
}
