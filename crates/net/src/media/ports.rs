//! Pairs of media ports: RTP on an even port, RTCP on the odd one above (RFC 3550 section 11).

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use socket2::{Domain, Protocol, Socket, Type};

use super::arrival;
use crate::dscp::Dscp;

/// Both sockets of one stream, bound and non-blocking.
#[derive(Debug)]
pub struct PortPair {
    /// RTP, even port.
    pub rtp: UdpSocket,
    /// RTCP, the port above.
    pub rtcp: UdpSocket,
    /// Where RTP is received.
    pub address: SocketAddr,
}

/// The ports that streams may use. Cloning shares the cursor.
#[derive(Clone, Debug)]
pub struct PortRange {
    first: u16,
    pairs: u32,
    cursor: Arc<AtomicU32>,
    dscp: Dscp,
}

/// No pair of ports is free in the range.
#[derive(Debug)]
pub struct NoPorts {
    range: RangeInclusive<u16>,
    address: IpAddr,
    last: Option<io::Error>,
}

impl fmt::Display for NoPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no free pair of media ports in {}-{} on {}", self.range.start(), self.range.end(), self.address)?;
        match &self.last {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for NoPorts {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.last.as_ref().map(|error| error as _)
    }
}

impl Default for PortRange {
    /// 10000 to 19999.
    fn default() -> Self {
        Self::new(10_000..=19_999)
    }
}

impl PortRange {
    /// Uses the even ports of `range` whose successor is in it too. Begins at a random one, so that ports are not guessed.
    pub fn new(range: RangeInclusive<u16>) -> Self {
        let first = range.start().checked_add(range.start() % 2).unwrap_or(u16::MAX);
        let pairs = (u32::from(*range.end()) + 1).saturating_sub(u32::from(first)) / 2;
        Self { first, pairs, cursor: Arc::new(AtomicU32::new(rand::random())), dscp: Dscp::default() }
    }

    /// Has what leaves by these ports, RTCP too, marked as that urgent.
    pub fn marked(mut self, dscp: Dscp) -> Self {
        self.dscp = dscp;
        self
    }

    /// Binds the next free pair on `address`.
    ///
    /// # Errors
    /// [`NoPorts`] when each pair of the range is taken.
    pub fn bind(&self, address: IpAddr) -> Result<PortPair, NoPorts> {
        let mut last = None;
        for _ in 0..self.pairs {
            let turn = self.cursor.fetch_add(1, Ordering::Relaxed) % self.pairs;
            let Ok(offset) = u16::try_from(turn * 2) else { continue };
            let port = self.first.saturating_add(offset);
            match pair(address, port, self.dscp) {
                Ok(pair) => return Ok(pair),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = Some(error),
                Err(error) => {
                    last = Some(error);
                    break;
                }
            }
        }
        let end = self.first.saturating_add(u16::try_from(self.pairs * 2).unwrap_or(u16::MAX)).saturating_sub(1);
        Err(NoPorts { range: self.first..=end, address, last })
    }
}

fn pair(address: IpAddr, port: u16, dscp: Dscp) -> io::Result<PortPair> {
    let rtp = socket(SocketAddr::new(address, port), dscp)?;
    let rtcp = socket(SocketAddr::new(address, port.saturating_add(1)), dscp)?;
    let address = rtp.local_addr()?;
    Ok(PortPair { rtp, rtcp, address })
}

fn socket(address: SocketAddr, dscp: Dscp) -> io::Result<UdpSocket> {
    let kind = Type::DGRAM.nonblocking();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    dscp.try_mark(&socket, address);
    let socket = socket.into();
    arrival::stamp(&socket)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    // The ranges below are not among the ports that the system gives to anybody.
    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn rfc3550_11_rtp_is_even_and_rtcp_the_port_above() {
        let range = PortRange::new(9_941..=9_980);
        for _ in 0..10 {
            let pair = range.bind(HOME).unwrap();
            assert_eq!(pair.address.port() % 2, 0);
            assert_eq!(pair.rtcp.local_addr().unwrap().port(), pair.address.port() + 1);
        }
    }

    #[test]
    fn every_pair_is_given_once_and_then_none() {
        let range = PortRange::new(9_990..=9_995);
        let held: Vec<_> = (0..3).map(|_| range.bind(HOME).unwrap()).collect();
        let error = range.bind(HOME).unwrap_err().to_string();
        assert!(error.starts_with("no free pair of media ports in 9990-9995 on 127.0.0.1"), "{error}");
        drop(held);
        assert!(range.bind(HOME).is_ok());
    }

    #[test]
    fn an_address_that_is_not_ours_is_said_at_once() {
        let error = PortRange::default().bind(IpAddr::from([203, 0, 113, 77])).unwrap_err();
        assert!(error.to_string().contains("203.0.113.77"));
    }
}
