//! Files for Wireshark and tcpdump: pcap-ng (draft-ietf-opsawg-pcapng), as packets without a link layer.
//!
//! Every message is a UDP datagram in an IP packet that never was, between the addresses that it went between: what was within TCP, TLS and WebSockets as well, since
//! programs can then read it as it is. By what it really went, and why, stands in the packet's comment.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use super::record::Record;

/// Packets begin with the IP header (LINKTYPE_RAW).
const LINK: u16 = 101;
/// The header of UDP.
const UDP: usize = 8;
/// The longest datagram that there is in an IPv4 packet; of a longer message the rest is missing.
const LONGEST: usize = 65_535 - 20 - UDP;

/// Blocks.
const SECTION: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
/// Options.
const COMMENT: u16 = 1;
const NAME: u16 = 2;
const FLAGS: u16 = 2;
const DROPPED: u16 = 4;
const APPLICATION: u16 = 4;

/// Writes records into a file.
pub struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// Begins the file; `software` is named in it.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(mut out: W, software: &str) -> io::Result<Self> {
        let mut section = Vec::new();
        // The byte order, version 1.0, and a length that is not known.
        section.extend(0x1A2B_3C4D_u32.to_le_bytes());
        section.extend([1, 0, 0, 0]);
        section.extend([0xFF; 8]);
        option(&mut section, APPLICATION, software.as_bytes());
        end(&mut section);
        block(&mut out, SECTION, &section)?;
        let mut interface = Vec::new();
        interface.extend(LINK.to_le_bytes());
        interface.extend([0; 2]);
        // No limit on the length.
        interface.extend([0; 4]);
        option(&mut interface, NAME, b"offhook");
        end(&mut interface);
        block(&mut out, INTERFACE, &interface)?;
        Ok(Self { out })
    }

    /// Writes a message.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self, record: &Record) -> io::Result<()> {
        let octets = record.octets.get(..LONGEST).unwrap_or(&record.octets);
        let packet = packet(record.ends(), octets);
        let whole = packet.len() + (record.octets.len() - octets.len());
        let micros = record.at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_micros());
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        let mut body = Vec::with_capacity(packet.len() + 128);
        body.extend([0; 4]);
        for number in [(micros >> 32) as u32, micros as u32, packet.len() as u32, whole as u32] {
            body.extend(number.to_le_bytes());
        }
        body.extend(&packet);
        pad(&mut body);
        let transport = record.transport.as_str();
        let comment = match &record.cause {
            Some(cause) => format!("{transport}, sent: {cause}"),
            None => format!("{transport}, received"),
        };
        option(&mut body, COMMENT, comment.as_bytes());
        let direction: u32 = if record.is_sent() { 2 } else { 1 };
        option(&mut body, FLAGS, &direction.to_le_bytes());
        option(&mut body, DROPPED, &record.missed.to_le_bytes());
        end(&mut body);
        block(&mut self.out, PACKET, &body)
    }

    /// Has all written down that was given.
    ///
    /// # Errors
    /// What the system says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A block: its type, its length before and behind.
fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let length = (body.len() as u32 + 12).to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&length)?;
    out.write_all(body)?;
    out.write_all(&length)
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    pad(body);
}

/// No more options.
fn end(body: &mut Vec<u8>) {
    body.extend([0; 4]);
}

/// To a multiple of four.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

/// An IP packet with a UDP datagram.
fn packet((from, to): (SocketAddr, SocketAddr), octets: &[u8]) -> Vec<u8> {
    let length = (octets.len() + UDP) as u16;
    let mut packet = Vec::with_capacity(octets.len() + 48);
    // The sum of the addresses, which the datagram's checksum covers too.
    let pseudo = match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            packet.extend([0x45, 0]);
            packet.extend((length + 20).to_be_bytes());
            // No identification, not to be fragmented, 64 hops, UDP, and the checksum to come.
            packet.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
            packet.extend(from.octets());
            packet.extend(to.octets());
            let checksum = !sum(&packet, 0);
            if let Some(place) = packet.get_mut(10..12) {
                place.copy_from_slice(&checksum.to_be_bytes());
            }
            sum(&to.octets(), sum(&from.octets(), 0))
        }
        (from, to) => {
            let six = |address: IpAddr| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                IpAddr::V6(address) => address.octets(),
            };
            packet.extend([0x60, 0, 0, 0]);
            packet.extend(length.to_be_bytes());
            packet.extend([17, 64]);
            packet.extend(six(from));
            packet.extend(six(to));
            sum(&six(to), sum(&six(from), 0))
        }
    };
    let mut datagram = Vec::with_capacity(octets.len() + UDP);
    for number in [from.port(), to.port(), length, 0] {
        datagram.extend(number.to_be_bytes());
    }
    datagram.extend(octets);
    let checksum = !sum(&datagram, sum(&length.to_be_bytes(), sum(&[0, 17], pseudo)));
    // RFC 768: zero would say that there is none.
    let checksum = if checksum == 0 { 0xFFFF } else { checksum };
    if let Some(place) = datagram.get_mut(6..8) {
        place.copy_from_slice(&checksum.to_be_bytes());
    }
    packet.append(&mut datagram);
    packet
}

/// The sum of RFC 1071, going on from `before`.
fn sum(octets: &[u8], before: u16) -> u16 {
    let words = octets.chunks(2).map(|pair| match *pair {
        [high, low] => u64::from(u16::from_be_bytes([high, low])),
        [high] => u64::from(high) << 8,
        _ => 0,
    });
    let mut sum: u64 = u64::from(before) + words.sum::<u64>();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The blocks of a file: type and body.
    fn blocks(mut file: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let number = |octets: &[u8]| u32::from_le_bytes(octets[..4].try_into().unwrap());
        let mut blocks = Vec::new();
        while !file.is_empty() {
            let length = number(&file[4..]) as usize;
            assert!(
                length.is_multiple_of(4) && number(&file[length - 4..]) as usize == length,
                "length before and behind"
            );
            blocks.push((number(file), file[8..length - 4].to_vec()));
            file = &file[length..];
        }
        blocks
    }

    fn written(record: &Record) -> Vec<u8> {
        let mut file = Vec::new();
        Writer::new(&mut file, "Offhook/test").unwrap().write(record).unwrap();
        let blocks = blocks(&file);
        assert_eq!(blocks.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [SECTION, INTERFACE, PACKET]);
        blocks[2].1.clone()
    }

    #[test]
    fn blocks_can_be_read_back() {
        let record = Record { cause: Some("timer A".into()), missed: 7, ..Record::sample("OPTIONS", false) };
        let body = written(&record);
        let micros = 1_700_000_000_123_456_u64;
        assert_eq!(body[4..8], ((micros >> 32) as u32).to_le_bytes());
        assert_eq!(body[8..12], (micros as u32).to_le_bytes());
        assert_eq!(body[12..20], [35, 0, 0, 0, 35, 0, 0, 0], "20 + 8 + 7 octets");
        let packet = &body[20..55];
        assert_eq!(packet[..10], [0x45, 0, 0, 35, 0, 0, 0x40, 0, 64, 17]);
        assert_eq!(packet[12..20], [192, 0, 2, 1, 192, 0, 2, 2], "sent: ours is the source");
        assert_eq!(packet[20..26], [0x13, 0xC4, 0x13, 0xC6, 0, 15]);
        assert_eq!(&packet[28..], b"OPTIONS");
        // RFC 1071: with its checksum all adds up to ones.
        assert_eq!(sum(&packet[..20], 0), 0xFFFF);
        let pseudo = [&packet[12..20], &[0, 17], &[0, 15]].concat();
        assert_eq!(sum(&packet[20..], sum(&pseudo, 0)), 0xFFFF);
        let options = &body[56..];
        assert_eq!(options[..4], [1, 0, 18, 0]);
        assert_eq!(&options[4..22], b"UDP, sent: timer A");
        assert_eq!(options[24..32], [2, 0, 4, 0, 2, 0, 0, 0], "outbound");
        assert_eq!(options[32..], [4, 0, 8, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "dropped");
    }

    #[test]
    fn ipv6_packets_have_the_checksum_they_must_have() {
        let body = written(&Record::sample("OPTIONS", true));
        let packet = &body[20..75];
        assert_eq!(packet[..8], [0x60, 0, 0, 0, 0, 15, 17, 64]);
        assert_eq!((packet[23], packet[39]), (2, 1), "received: the peer is the source");
        let pseudo = [&packet[8..40], &[0, 17], &[0, 15]].concat();
        assert_eq!(sum(&packet[40..], sum(&pseudo, 0)), 0xFFFF);
    }

    #[test]
    fn the_longest_message_fits_and_of_a_longer_one_the_rest_is_missing() {
        for (length, kept) in [(LONGEST, LONGEST), (LONGEST + 1, LONGEST), (LONGEST + 70_000, LONGEST)] {
            for six in [false, true] {
                let body = written(&Record::sample(&"x".repeat(length), six));
                let number = |at: usize| u32::from_le_bytes(body[at..at + 4].try_into().unwrap()) as usize;
                let head = if six { 48 } else { 28 };
                assert_eq!((number(12), number(16)), (kept + head, length + head));
            }
        }
    }
}
