//! A path in fewer octets: what waits only to answer a repeat keeps it for half a minute.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::id::FlowId;
use crate::outbox::{Path, Transport};

/// A [`Path`] in 56 octets instead of 80. The flow label of IPv6, which no SIP message is routed by, is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PackedPath {
    flow: FlowId,
    local: PackedAddress,
    remote: PackedAddress,
    transport: Transport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PackedAddress {
    octets: [u8; 16],
    /// [`V4`] marks the first four octets as an IPv4 address.
    scope: [u8; 4],
    port: u16,
}

/// No interface has this number.
const V4: u32 = u32::MAX;

impl PackedAddress {
    fn new(address: SocketAddr) -> Self {
        let (octets, scope) = match address {
            SocketAddr::V4(v4) => {
                let [a, b, c, d] = v4.ip().octets();
                ([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], V4)
            }
            SocketAddr::V6(v6) => (v6.ip().octets(), v6.scope_id()),
        };
        Self { octets, scope: scope.to_ne_bytes(), port: address.port() }
    }
    fn get(&self) -> SocketAddr {
        match u32::from_ne_bytes(self.scope) {
            V4 => {
                let [a, b, c, d, ..] = self.octets;
                SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), self.port)
            }
            scope => SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(self.octets), self.port, 0, scope)),
        }
    }
}

impl PackedPath {
    pub(super) fn new(path: &Path) -> Self {
        let (local, remote) = (PackedAddress::new(path.local), PackedAddress::new(path.remote));
        Self { flow: path.flow, local, remote, transport: path.transport }
    }
    pub(super) fn get(&self) -> Path {
        let (local, remote) = (self.local.get(), self.remote.get());
        Path { flow: self.flow, transport: self.transport, local, remote }
    }
    pub(super) fn is_reliable(&self) -> bool {
        self.transport.is_reliable()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_paths_come_out_as_they_went_in() {
        assert_eq!(size_of::<PackedPath>(), 56);
        let texts = [
            "0.0.0.0:0",
            "192.0.2.1:5060",
            "[::]:1",
            "[2001:db8::1]:65535",
            "[fe80::1%7]:5060",
            "[::ffff:192.0.2.1]:9",
        ];
        let addresses = texts.map(|text| text.parse::<SocketAddr>().expect("an address"));
        for local in addresses {
            for remote in addresses {
                let path = Path { flow: FlowId(u64::MAX), transport: Transport::Wss, local, remote };
                assert_eq!(PackedPath::new(&path).get(), path);
            }
        }
    }
}
