//! Who is behind a load balancer: the PROXY protocol, versions 1 and 2, as HAProxy speaks it.
//!
//! It stands before everything else on a connection, TLS included, and only those that are named as proxies are believed: whoever else sends it sends
//! what is no SIP. It is read octet by octet as far as it goes, so that nothing behind it is taken.

use std::io;
use std::net::IpAddr;

use tokio::net::TcpStream;

mod header;

pub(crate) use header::Ends;
use header::{LEAST, Stage, stage};

/// Addresses that begin alike: `192.0.2.1`, `10.0.0.0/8`, `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// An address, or one with the number of bits that count.
    pub fn read(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let is_number = |bits: &&str| !bits.is_empty() && bits.bytes().all(|octet| octet.is_ascii_digit());
        let bits = bits.map_or(Some(most), |bits| Some(bits).filter(is_number)?.parse().ok())?;
        (bits <= most).then_some(Self { address, bits })
    }

    /// Whether the address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let high = |address: IpAddr| match address {
            IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
            IpAddr::V6(address) => address.to_bits(),
        };
        let differs = high(self.address) ^ high(address);
        self.address.is_ipv4() == address.is_ipv4() && u32::from(self.bits) <= differs.leading_zeros()
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Reads the header of a connection; `None`: it is the proxy's own.
///
/// # Errors
/// What the system says, and [`io::ErrorKind::InvalidData`] for what is no header.
pub(crate) async fn introduction(socket: &TcpStream) -> io::Result<Option<Ends>> {
    let (mut header, mut had) = (vec![0; LEAST], 0);
    loop {
        socket.readable().await?;
        match socket.try_read(header.get_mut(had..).unwrap_or_default()) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => had += read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        match stage(header.get(..had).unwrap_or_default()).ok_or(io::ErrorKind::InvalidData)? {
            Stage::Wants(more) => header.resize(had + more, 0),
            Stage::Whole(ends) => return Ok(ends),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_the_addresses_that_begin_alike() {
        let holds = |network: &str, address: &str| Network::read(network).unwrap().contains(address.parse().unwrap());
        for (network, within, without) in [
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.1.2.3/8", "10.9.9.9", "9.0.0.0"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::1", "::1", "::2"),
        ] {
            assert!(holds(network, within) && !holds(network, without), "{network}");
        }
        for text in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "::/129", "10.0.0/8", "host"] {
            assert_eq!(Network::read(text), None, "{text}");
        }
    }
}
