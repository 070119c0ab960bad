//! The header itself: octets to the two ends that it names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const ONE: &[u8] = b"PROXY ";
const TWO: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// No header is shorter, of either version.
pub(crate) const LEAST: usize = 12;
/// The longest of version 1.
const LINE: usize = 107;
/// Of version 2: up to its addresses, and how long all may be, with what proxies append.
const FIXED: usize = 16;
pub(crate) const LONGEST: usize = 2_048;

/// Both ends of the connection that a proxy stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    /// Who connected to the proxy.
    pub(crate) from: SocketAddr,
    /// Where.
    pub(crate) at: SocketAddr,
}

/// What has been read of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// So many octets more belong to it for sure.
    Wants(usize),
    /// All of it; `None`: the proxy speaks for itself.
    Whole(Option<Ends>),
}

/// How far a header has come; `None`: it is none.
pub(crate) fn stage(header: &[u8]) -> Option<Stage> {
    if header.len() < LEAST {
        let begins = |name: &[u8]| name.iter().zip(header).all(|(one, other)| one == other);
        return (begins(ONE) || begins(TWO)).then_some(Stage::Wants(LEAST - header.len()));
    }
    if header.starts_with(ONE) {
        return match header.strip_suffix(b"\r\n") {
            Some(line) => std::str::from_utf8(line).ok().and_then(line_of).map(Stage::Whole),
            None => (header.len() < LINE).then_some(Stage::Wants(1)),
        };
    }
    let rest = header.strip_prefix(TWO)?;
    let &[version, family, high, low, ref addresses @ ..] = rest else {
        return Some(Stage::Wants(FIXED - header.len()));
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED + length > LONGEST {
        return None;
    }
    match length.checked_sub(addresses.len())? {
        0 => block_of(version, family, addresses).map(Stage::Whole),
        more => Some(Stage::Wants(more)),
    }
}

/// Version 1: a line for people.
fn line_of(line: &str) -> Option<Option<Ends>> {
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let (from, at) = (words.next()?, words.next()?);
    let (from_port, at_port) = (port(words.next()?)?, port(words.next()?)?);
    let (from, at): (IpAddr, IpAddr) = match family {
        "TCP4" => (from.parse::<Ipv4Addr>().ok()?.into(), at.parse::<Ipv4Addr>().ok()?.into()),
        "TCP6" => (from.parse::<Ipv6Addr>().ok()?.into(), at.parse::<Ipv6Addr>().ok()?.into()),
        _ => return None,
    };
    if words.next().is_some() {
        return None;
    }
    ends((from, from_port), (at, at_port)).map(Some)
}

fn port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|octet| octet.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_number)
}

/// Version 2: what stands behind its length.
fn block_of(version: u8, family: u8, addresses: &[u8]) -> Option<Option<Ends>> {
    match (version, family) {
        (0x20, _) | (0x21, 0) => Some(None),
        (0x21, 0x11) => {
            let (from, rest) = addresses.split_first_chunk::<4>()?;
            let (at, rest) = rest.split_first_chunk::<4>()?;
            let (from_port, at_port) = ports(rest)?;
            ends((IpAddr::from(*from), from_port), (IpAddr::from(*at), at_port)).map(Some)
        }
        (0x21, 0x21) => {
            let (from, rest) = addresses.split_first_chunk::<16>()?;
            let (at, rest) = rest.split_first_chunk::<16>()?;
            let (from_port, at_port) = ports(rest)?;
            ends((IpAddr::from(*from), from_port), (IpAddr::from(*at), at_port)).map(Some)
        }
        _ => None,
    }
}

fn ports(rest: &[u8]) -> Option<(u16, u16)> {
    let &[from_high, from_low, at_high, at_low, ..] = rest else { return None };
    Some((u16::from_be_bytes([from_high, from_low]), u16::from_be_bytes([at_high, at_low])))
}

/// Nobody connects from, or to, where nobody can be.
fn ends(from: (IpAddr, u16), at: (IpAddr, u16)) -> Option<Ends> {
    let is_real = |(address, port): (IpAddr, u16)| port != 0 && !address.is_unspecified() && !address.is_multicast();
    (is_real(from) && is_real(at)).then(|| Ends { from: from.into(), at: at.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::numbers;

    fn given(from: &str, at: &str) -> Option<Option<Ends>> {
        Some(Some(Ends { from: from.parse().unwrap(), at: at.parse().unwrap() }))
    }

    /// Reads as [`introduction`] does, from a stream that has more behind the header; nothing of that may be taken.
    fn read(header: &[u8]) -> Option<Option<Ends>> {
        let stream = [header, b"OPTIONS"].concat();
        let mut had = 0;
        loop {
            match stage(&stream[..had])? {
                Stage::Wants(more) => had += more,
                Stage::Whole(ends) => {
                    assert_eq!(had, header.len(), "nothing behind the header is taken");
                    return Some(ends);
                }
            }
            if had > stream.len() {
                return None;
            }
        }
    }

    fn two(version: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [TWO, &[version, family], &length, addresses].concat()
    }

    #[test]
    fn version_1_names_both_ends() {
        let ends = given("192.0.2.1:56324", "198.51.100.2:5060");
        assert_eq!(read(b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 5060\r\n"), ends);
        assert_eq!(read(b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n"), given("[2001:db8::1]:1", "[2001:db8::2]:2"));
        let longest = format!("PROXY TCP6 {0} {0} 65535 65535\r\n", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        assert_eq!((longest.len(), read(longest.as_bytes())), (104, None), "a multicast address connects to nobody");
        assert_eq!(read(b"PROXY UNKNOWN\r\n"), Some(None));
        assert_eq!(read(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), Some(None));
    }

    #[test]
    fn version_2_names_both_ends_and_what_is_appended_is_left_alone() {
        let four = [192, 0, 2, 1, 198, 51, 100, 2, 0xDC, 4, 0x13, 0xC4];
        let ends = given("192.0.2.1:56324", "198.51.100.2:5060");
        assert_eq!(read(&two(0x21, 0x11, &four)), ends);
        assert_eq!(read(&two(0x21, 0x11, &[&four[..], &[4, 0, 1, 9]].concat())), ends);
        let mut six = [0; 36];
        (six[15], six[31], six[33], six[35]) = (1, 1, 1, 2);
        assert_eq!(read(&two(0x21, 0x21, &six)), given("[::1]:1", "[::1]:2"));
        assert_eq!((read(&two(0x20, 0, &[])), read(&two(0x21, 0, &[1, 2]))), (Some(None), Some(None)));
        let appended = vec![0; LONGEST - FIXED];
        assert_eq!(read(&two(0x20, 0, &appended)), Some(None), "the longest");
        assert_eq!(read(&two(0x20, 0, &[&appended[..], &[0]].concat())), None, "one more");
    }

    #[test]
    fn what_is_no_header_is_none() {
        for line in [
            "PROXY TCP4 192.0.2.1 198.51.100.2 56324 5060 \r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 056324 5060\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 65536 5060\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 +1 5060\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 0 5060\r\n",
            "PROXY TCP4 0.0.0.0 198.51.100.2 1 5060\r\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n",
            "PROXY  TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n",
            "OPTIONS sip:192.0.2.1 SIP/2.0\r\n",
            "proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
        ] {
            assert_eq!(read(line.as_bytes()), None, "{line}");
        }
        assert_eq!(
            read(format!("PROXY UNKNOWN {}\r\n", "x".repeat(LINE - 16)).as_bytes()),
            Some(None),
            "the longest line"
        );
        assert_eq!(read(format!("PROXY UNKNOWN {}\r\n", "x".repeat(LINE - 15)).as_bytes()), None, "one more");
        let four = [192, 0, 2, 1, 198, 51, 100, 2, 0xDC, 4, 0x13, 0xC4];
        for (version, family, length) in
            [(0x11, 0x11, 12), (0x22, 0x11, 12), (0x21, 0x12, 12), (0x21, 0x31, 12), (0x21, 0x11, 11)]
        {
            assert_eq!(read(&two(version, family, &four[..length])), None, "{version:x} {family:x} {length}");
        }
    }

    #[test]
    fn whatever_is_sent_is_read_to_an_end_within_the_limits() {
        let six = two(0x21, 0x21, &[1; 40]);
        let begin: [&[u8]; 3] = [b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 5060\r\n", &six, b"PROXY UNKNOWN\r\n"];
        let mut next = numbers();
        let (mut whole, mut none) = (0, 0);
        for _ in 0..200_000 {
            let mut header = begin[next() % begin.len()].to_vec();
            for _ in 0..next() % 4 {
                let place = next() % header.len();
                header[place] = next() as u8;
            }
            header.resize(LONGEST, b'x');
            let mut had = 0;
            loop {
                match stage(&header[..had]) {
                    Some(Stage::Wants(more)) => {
                        assert!(more > 0 && had + more <= LONGEST, "{had} {more}");
                        had += more;
                    }
                    Some(Stage::Whole(_)) => break whole += 1,
                    None => break none += 1,
                }
            }
        }
        assert!(whole > 1_000 && none > 1_000, "{whole} {none}");
    }
}
