//! Our address as a peer reaches it.

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Addresses remembered; forgotten all at once when full.
const REMEMBERED: usize = 4_096;
/// Stands in for port 0, which nothing can be sent to (RFC 863: discard).
const ANY_PORT: u16 = 9;

/// Our addresses by the system's routing table, with a memory.
#[derive(Debug, Default)]
pub struct Sources {
    known: HashMap<IpAddr, IpAddr>,
    /// Addresses that were ours when it was asked.
    ours: HashSet<IpAddr>,
}

impl Sources {
    /// Our address as a peer at `remote` reaches it; `None` without a route.
    pub fn towards(&mut self, remote: SocketAddr) -> Option<IpAddr> {
        if let Some(&known) = self.known.get(&remote.ip()) {
            return Some(known);
        }
        let any: IpAddr = if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        // Connecting a datagram socket sends nothing; it only asks the routing table.
        let probe = UdpSocket::bind((any, 0)).ok()?;
        probe.connect(SocketAddr::new(remote.ip(), if remote.port() == 0 { ANY_PORT } else { remote.port() })).ok()?;
        let source = probe.local_addr().ok()?.ip();
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(remote.ip(), source);
        Some(source)
    }

    /// Whether an address is one of this machine. That of a load balancer is none, though its connections are told to have come there.
    pub fn is_ours(&mut self, address: IpAddr) -> bool {
        if self.ours.contains(&address) {
            return true;
        }
        // Binding says it. One that is not ours may be later, and is not remembered.
        let is_ours =
            UdpSocket::bind((address, 0)).err().is_none_or(|error| error.kind() != ErrorKind::AddrNotAvailable);
        if is_ours {
            if self.ours.len() >= REMEMBERED {
                self.ours.clear();
            }
            self.ours.insert(address);
        }
        is_ours
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_ours_when_it_can_be_bound() {
        let mut sources = Sources::default();
        for (address, is_ours) in [("127.0.0.1", true), ("127.0.0.9", true), ("0.0.0.0", true), ("203.0.113.9", false)]
        {
            for _ in 0..2 {
                assert_eq!(sources.is_ours(address.parse().unwrap()), is_ours, "{address}");
            }
        }
    }

    #[test]
    fn addresses_are_forgotten_all_at_once_when_too_many() {
        let mut sources = Sources::default();
        let mut learn = |number: usize| {
            let remote = SocketAddr::from(([127, 1, (number >> 8) as u8, number as u8], 0));
            (sources.towards(remote).is_some_and(|source| source.is_loopback()), sources.known.len())
        };
        assert_eq!((0..REMEMBERED).map(&mut learn).last(), Some((true, REMEMBERED)));
        // Who is known takes no room.
        assert_eq!(learn(0), (true, REMEMBERED));
        assert_eq!(learn(REMEMBERED), (true, 1));
    }
}
