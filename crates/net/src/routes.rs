//! Which of our sockets and addresses reaches a peer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sip::{FlowId, Path, Transport};

use crate::binding::Bound;
use crate::sources::Sources;

/// Chooses sockets and knows our address as seen by each peer.
pub(crate) struct Routes {
    bound: Vec<Bound>,
    sources: Sources,
}

impl Routes {
    pub(crate) fn new(bound: Vec<Bound>) -> Self {
        Self { bound, sources: Sources::default() }
    }

    /// The protocols for requests of ours, the one for a next hop that names none first (RFC 3263 section 4.1: UDP for `sip:`, where we have it).
    pub(crate) fn transports(&self) -> &'static [Transport] {
        if self.bound.iter().any(|bound| bound.transport == Transport::Udp) {
            &[Transport::Udp, Transport::Tcp, Transport::Tls]
        } else {
            &[Transport::Tcp, Transport::Tls]
        }
    }

    /// The path for a datagram to `remote`; `None` without a socket of that family.
    pub(crate) fn udp(&mut self, remote: SocketAddr) -> Option<Path> {
        let source = self.sources.towards(remote);
        let mut number = 0;
        let mut best: Option<(u8, u64, SocketAddr)> = None;
        for bound in self.bound.iter().filter(|bound| bound.transport == Transport::Udp) {
            number += 1;
            let rank = match (bound.address.ip(), source) {
                (ip, _) if ip.is_ipv4() != remote.is_ipv4() => continue,
                (ip, Some(source)) if ip == source => 0,
                (ip, _) if ip.is_unspecified() => 1,
                (ip, _) if ip.is_loopback() && !remote.ip().is_loopback() => 3,
                _ => 2,
            };
            if best.is_none_or(|(least, ..)| rank < least) {
                best = Some((rank, number, bound.address));
            }
        }
        let (_, number, address) = best?;
        let local = self.local_towards(address, remote);
        Some(Path { flow: FlowId(number), transport: Transport::Udp, local, remote })
    }

    /// Our address for a connection to `remote`: the listener's port, so that the peer can connect back. False: there is no such listener, and the
    /// port is another's.
    pub(crate) fn stream(&mut self, transport: Transport, remote: SocketAddr) -> Option<(SocketAddr, bool)> {
        let ours = *self
            .bound
            .iter()
            .filter(|bound| bound.address.is_ipv4() == remote.is_ipv4())
            .max_by_key(|bound| bound.transport == transport)?;
        Some((self.local_towards(ours.address, remote), ours.transport == transport))
    }

    /// Our address as a peer at `remote` reaches it through a socket bound to `bound`.
    pub(crate) fn local_towards(&mut self, bound: SocketAddr, remote: SocketAddr) -> SocketAddr {
        if !bound.ip().is_unspecified() {
            return bound;
        }
        let fallback = if remote.is_ipv4() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V6(Ipv6Addr::LOCALHOST) };
        SocketAddr::new(self.sources.towards(remote).unwrap_or(fallback), bound.port())
    }
}
