//! STUN binding requests of ours over the flow of a registration, and what is answered (RFC 5626 section 4.4.2, RFC 8489).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Octets before the attributes: type, length, cookie, transaction.
const HEAD: usize = 20;
const COOKIE: u32 = 0x2112_A442;
const REQUEST: u16 = 0x0001;
const RESPONSE: u16 = 0x0101;
const ERROR: u16 = 0x0111;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

/// What tells one request from another (RFC 8489 section 5).
pub(super) type Transaction = [u8; 12];

/// A binding request without attributes.
pub(super) fn request(transaction: &Transaction) -> Vec<u8> {
    let mut octets = Vec::with_capacity(HEAD);
    octets.extend(REQUEST.to_be_bytes());
    octets.extend([0, 0]);
    octets.extend(COOKIE.to_be_bytes());
    octets.extend(transaction);
    octets
}

/// What a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// We are seen at this address.
    Mapped(SocketAddr),
    /// It will not say.
    Refused,
}

/// The answer to a binding request, and to which; `None` for everything else. Other attributes than the address change nothing.
pub(super) fn answer(datagram: &[u8]) -> Option<(Transaction, Answer)> {
    let (head, attributes) = datagram.split_at_checked(HEAD)?;
    let (kind, length) = (word(head)?, usize::from(word(head.get(2..)?)?));
    if head.get(4..8)? != COOKIE.to_be_bytes() || length != attributes.len() || length % 4 != 0 {
        return None;
    }
    let transaction: Transaction = *head.last_chunk()?;
    match kind {
        ERROR => Some((transaction, Answer::Refused)),
        RESPONSE => Some((transaction, mapped(attributes, head.get(4..)?).map_or(Answer::Refused, Answer::Mapped))),
        _ => None,
    }
}

fn word(octets: &[u8]) -> Option<u16> {
    octets.first_chunk().map(|pair| u16::from_be_bytes(*pair))
}

/// The address in the attributes (RFC 8489 section 14.2); `mask`: cookie and transaction.
fn mapped(mut attributes: &[u8], mask: &[u8]) -> Option<SocketAddr> {
    while !attributes.is_empty() {
        let (head, rest) = attributes.split_at_checked(4)?;
        let length = usize::from(word(head.get(2..)?)?);
        if word(head)? == XOR_MAPPED_ADDRESS {
            return address(rest.get(..length)?, mask);
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

fn address(value: &[u8], mask: &[u8]) -> Option<SocketAddr> {
    let (head, hidden) = value.split_at_checked(4)?;
    let [_, family, port @ ..] = head else { return None };
    let port = word(port)? ^ word(mask)?;
    let mut shown = hidden.iter().zip(mask).map(|(octet, mask)| octet ^ mask);
    let mut octets = [0_u8; 16];
    octets.iter_mut().for_each(|octet| *octet = shown.next().unwrap_or_default());
    let ip: IpAddr = match (family, hidden.len()) {
        (1, 4) => Ipv4Addr::from(*octets.first_chunk::<4>()?).into(),
        (2, 16) => Ipv6Addr::from(octets).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The address that a binding response names, for a fuzz target.
#[doc(hidden)]
pub fn mapped_address(datagram: &[u8]) -> Option<SocketAddr> {
    match answer(datagram)?.1 {
        Answer::Mapped(address) => Some(address),
        Answer::Refused => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transaction of the vectors of RFC 5769 section 2.
    const TRANSACTION: Transaction = [0xB7, 0xE7, 0xA7, 0x01, 0xBC, 0x34, 0xD6, 0x86, 0xFA, 0x87, 0xDF, 0xAE];
    const FOUR: [u8; 12] = [0, 0x20, 0, 8, 0, 1, 0xA1, 0x47, 0xE1, 0x12, 0xA6, 0x43];

    fn message(kind: u16, attributes: &[u8]) -> Vec<u8> {
        let mut octets = request(&TRANSACTION);
        octets.splice(..2, kind.to_be_bytes());
        octets.splice(2..4, u16::try_from(attributes.len()).unwrap().to_be_bytes());
        octets.extend(attributes);
        octets
    }

    #[test]
    fn rfc5769_2_2_and_2_3_the_address_of_the_vectors_is_read() {
        let software = [0x80, 0x22, 0, 3, b'a', b'b', b'c', b' '];
        let four = message(RESPONSE, &[&software[..], &FOUR].concat());
        assert_eq!(answer(&four), Some((TRANSACTION, Answer::Mapped("192.0.2.1:32853".parse().unwrap()))));
        let six = [
            0, 0x20, 0, 20, 0, 2, 0xA1, 0x47, 1, 0x13, 0xA9, 0xFA, 0xA5, 0xD3, 0xF1, 0x79, 0xBC, 0x25, 0xF4, 0xB5,
            0xBE, 0xD2, 0xB9, 0xD9,
        ];
        let expected = Answer::Mapped("[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap());
        assert_eq!(answer(&message(RESPONSE, &six)), Some((TRANSACTION, expected)));
    }

    #[test]
    fn rfc8489_5_what_is_no_answer_or_broken_names_no_address() {
        assert_eq!(answer(&message(ERROR, &[])), Some((TRANSACTION, Answer::Refused)));
        assert_eq!(answer(&message(RESPONSE, &[])), Some((TRANSACTION, Answer::Refused)));
        assert_eq!(answer(&message(REQUEST, &[])), None);
        let whole = message(RESPONSE, &FOUR);
        for length in 0..whole.len() {
            assert_eq!(answer(&whole[..length]), None, "{length}");
        }
        for (at, octet) in [(4, 0), (20 + 5, 3), (20 + 3, 20), (20 + 3, 4)] {
            let mut broken = whole.clone();
            broken[at] = octet;
            assert!(!matches!(answer(&broken), Some((_, Answer::Mapped(_)))), "{at}");
        }
    }
}
