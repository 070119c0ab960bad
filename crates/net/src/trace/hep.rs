//! Messages for a capture server such as Homer: the Homer Encapsulation Protocol, version 3 (EEP).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::SystemTime;

use sip::Transport;

use super::record::Record;

/// The longest datagram that there is over IPv4.
const LONGEST: usize = 65_507;
/// What a datagram begins with, and its whole length behind that.
const HEAD: usize = 6;

/// The numbers of the chunks, all of the generic vendor.
mod chunk {
    pub(super) const FAMILY: u16 = 1;
    pub(super) const PROTOCOL: u16 = 2;
    pub(super) const SOURCE_V4: u16 = 3;
    pub(super) const TARGET_V4: u16 = 4;
    pub(super) const SOURCE_V6: u16 = 5;
    pub(super) const TARGET_V6: u16 = 6;
    pub(super) const SOURCE_PORT: u16 = 7;
    pub(super) const TARGET_PORT: u16 = 8;
    pub(super) const SECONDS: u16 = 9;
    pub(super) const MICROS: u16 = 10;
    pub(super) const KIND: u16 = 11;
    pub(super) const AGENT: u16 = 12;
    pub(super) const PAYLOAD: u16 = 15;
}

/// Sends records to a capture server.
pub struct Sender {
    socket: UdpSocket,
    agent: u32,
    unsent: u64,
}

impl Sender {
    /// To the server at `address`; `agent` tells it which of those that report to it this one is.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(address: SocketAddr, agent: u32) -> io::Result<Self> {
        let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(address)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, agent, unsent: 0 })
    }

    /// Sends a message. Nobody is waited for: what cannot be sent, or is too long for a datagram, is counted.
    pub fn send(&mut self, record: &Record) {
        let sent = datagram(record, self.agent).is_some_and(|datagram| self.socket.send(&datagram).is_ok());
        self.unsent += u64::from(!sent);
    }

    /// Messages that could not be sent.
    pub fn unsent(&self) -> u64 {
        self.unsent
    }
}

/// A message as a datagram of HEPv3; `None` when it is too long for one.
pub fn datagram(record: &Record, agent: u32) -> Option<Vec<u8>> {
    let (from, to) = record.ends();
    let since = record.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut whole = b"HEP3\0\0".to_vec();
    let (family, addresses) = match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            (2, [(chunk::SOURCE_V4, from.octets().to_vec()), (chunk::TARGET_V4, to.octets().to_vec())])
        }
        (from, to) => {
            let six = |address: IpAddr| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            (10, [(chunk::SOURCE_V6, six(from)), (chunk::TARGET_V6, six(to))])
        }
    };
    put(&mut whole, chunk::FAMILY, &[family])?;
    // As IP has them: UDP, or TCP for all else. What was within TLS is told as it was within.
    put(&mut whole, chunk::PROTOCOL, &[if record.transport == Transport::Udp { 17 } else { 6 }])?;
    for (number, address) in addresses {
        put(&mut whole, number, &address)?;
    }
    put(&mut whole, chunk::SOURCE_PORT, &from.port().to_be_bytes())?;
    put(&mut whole, chunk::TARGET_PORT, &to.port().to_be_bytes())?;
    put(&mut whole, chunk::SECONDS, &u32::try_from(since.as_secs()).unwrap_or(u32::MAX).to_be_bytes())?;
    put(&mut whole, chunk::MICROS, &since.subsec_micros().to_be_bytes())?;
    // SIP.
    put(&mut whole, chunk::KIND, &[1])?;
    put(&mut whole, chunk::AGENT, &agent.to_be_bytes())?;
    put(&mut whole, chunk::PAYLOAD, &record.octets)?;
    let length = u16::try_from(whole.len()).ok().filter(|length| usize::from(*length) <= LONGEST)?;
    whole.get_mut(4..HEAD)?.copy_from_slice(&length.to_be_bytes());
    Some(whole)
}

/// A chunk: vendor, number, its whole length, and what it says.
fn put(whole: &mut Vec<u8>, number: u16, value: &[u8]) -> Option<()> {
    let length = u16::try_from(value.len() + 6).ok()?;
    whole.extend([0, 0]);
    whole.extend(number.to_be_bytes());
    whole.extend(length.to_be_bytes());
    whole.extend(value);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The chunks of a datagram: number and value.
    fn chunks(datagram: &[u8]) -> Vec<(u16, Vec<u8>)> {
        assert!(datagram.starts_with(b"HEP3"));
        assert_eq!(usize::from(u16::from_be_bytes([datagram[4], datagram[5]])), datagram.len());
        let (mut rest, mut chunks) = (&datagram[6..], Vec::new());
        while !rest.is_empty() {
            assert_eq!(rest[..2], [0, 0], "the generic vendor");
            let length = usize::from(u16::from_be_bytes([rest[4], rest[5]]));
            chunks.push((u16::from_be_bytes([rest[2], rest[3]]), rest[6..length].to_vec()));
            rest = &rest[length..];
        }
        chunks
    }

    #[test]
    fn a_datagram_tells_all_about_a_message() {
        let record = Record { transport: Transport::Tls, ..Record::sample("OPTIONS", false) };
        let expected: [(u16, &[u8]); 11] = [
            (1, &[2]),
            (2, &[6]),
            (3, &[192, 0, 2, 2]),
            (4, &[192, 0, 2, 1]),
            (7, &[0x13, 0xC6]),
            (8, &[0x13, 0xC4]),
            (9, &1_700_000_000_u32.to_be_bytes()),
            (10, &123_456_u32.to_be_bytes()),
            (11, &[1]),
            (12, &[0, 0, 0, 9]),
            (15, b"OPTIONS"),
        ];
        let expected = expected.map(|(number, value)| (number, value.to_vec()));
        assert_eq!(chunks(&datagram(&record, 9).unwrap()), expected);
        let six = chunks(&datagram(&Record { cause: Some("ack".into()), ..Record::sample("ACK", true) }, 9).unwrap());
        assert_eq!((six[0].1[0], six[1].1[0], six[2].0, six[3].0), (10, 17, 5, 6));
        assert_eq!((six[2].1[15], six[3].1[15]), (1, 2), "sent: ours is the source");
    }

    #[test]
    fn what_is_too_long_for_a_datagram_is_counted_and_not_sent() {
        let head = datagram(&Record::sample("", false), 1).unwrap().len();
        let longest = Record::sample(&"x".repeat(LONGEST - head), false);
        assert_eq!(datagram(&longest, 1).unwrap().len(), LONGEST);
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut sender = Sender::new(server.local_addr().unwrap(), 1).unwrap();
        for more in [1, 100, 70_000] {
            sender.send(&Record::sample(&"x".repeat(LONGEST - head + more), false));
        }
        assert_eq!(sender.unsent(), 3);
        sender.send(&Record::sample("OPTIONS", false));
        assert_eq!(sender.unsent(), 3);
        assert!(
            chunks(&{
                let mut buffer = [0; 2_048];
                let length = server.recv(&mut buffer).unwrap();
                buffer[..length].to_vec()
            })
            .contains(&(15, b"OPTIONS".to_vec()))
        );
    }
}
