//! STUN binding requests on the port of SIP: how a client keeps a flow over UDP open, and sees that it still is the same (RFC 5626 section 8, RFC 5389).
//!
//! Whoever asks is told the address that he is seen at; nothing is kept, and nothing is said to what is no such request.

use std::net::{IpAddr, SocketAddr};

/// The header: type, length, cookie, transaction.
const HEAD: usize = 20;
const COOKIE: [u8; 4] = 0x2112_A442_u32.to_be_bytes();
/// Types of messages.
const REQUEST: u16 = 0x0001;
const RESPONSE: u16 = 0x0101;
const ERROR: u16 = 0x0111;
/// Attributes.
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// Attributes that must be understood, and are (RFC 5389 section 18.2): none of them changes the answer to who does not authenticate.
const KNOWN: [u16; 8] = [0x0001, 0x0006, 0x0008, 0x0009, 0x000A, 0x0014, 0x0015, 0x0020];
/// From here on attributes may be ignored.
const OPTIONAL: u16 = 0x8000;
/// Most that are named as unknown.
const NAMED: usize = 8;

/// Whether a datagram is of STUN (RFC 5389 section 6): no message of SIP begins so.
pub(crate) fn is_stun(datagram: &[u8]) -> bool {
    let length = datagram.get(2..4).map(|length| usize::from(word(length)));
    datagram.first().is_some_and(|first| *first < 0x40)
        && datagram.get(4..8) == Some(&COOKIE)
        && length.is_some_and(|length| length % 4 == 0 && length + HEAD == datagram.len())
}

/// The answer to a binding request from there (RFC 5389 section 7.3.1); `None` for any other message of STUN, and for one that is broken.
pub(crate) fn answer(datagram: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let (head, attributes) = datagram.split_at_checked(HEAD)?;
    if word(head) != REQUEST {
        return None;
    }
    let transaction = head.get(4..)?;
    let unknown = unknown(attributes)?;
    let mut answer = Vec::with_capacity(64);
    if unknown.is_empty() {
        begin(&mut answer, RESPONSE, transaction);
        put(&mut answer, XOR_MAPPED_ADDRESS, &mapped(from, transaction));
    } else {
        begin(&mut answer, ERROR, transaction);
        put(&mut answer, ERROR_CODE, b"\0\0\x04\x14Unknown Attribute");
        put(&mut answer, UNKNOWN_ATTRIBUTES, &unknown);
    }
    let length = u16::try_from(answer.len() - HEAD).ok()?;
    answer.get_mut(2..4)?.copy_from_slice(&length.to_be_bytes());
    Some(answer)
}

fn word(octets: &[u8]) -> u16 {
    let pair = octets.first_chunk::<2>();
    pair.map_or(0, |pair| u16::from_be_bytes(*pair))
}

/// The attributes that would have to be understood, and are not; `None`: they are broken.
fn unknown(mut attributes: &[u8]) -> Option<Vec<u8>> {
    let mut unknown = Vec::new();
    while !attributes.is_empty() {
        let (head, rest) = attributes.split_at_checked(4)?;
        let (kind, length) = (word(head), usize::from(word(head.get(2..)?)));
        if kind < OPTIONAL && !KNOWN.contains(&kind) && unknown.len() < NAMED * 2 {
            unknown.extend(kind.to_be_bytes());
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    Some(unknown)
}

/// The address, hidden from those who rewrite addresses in what passes them (RFC 5389 section 15.2). `mask`: cookie and transaction.
fn mapped(address: SocketAddr, mask: &[u8]) -> Vec<u8> {
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let octets = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let family = if address.is_ipv4() { 1 } else { 2 };
    let port = address.port().to_be_bytes();
    let masked = |octets: &[u8]| octets.iter().zip(mask).map(|(octet, mask)| octet ^ mask).collect::<Vec<u8>>();
    [&[0, family][..], &masked(&port), &masked(&octets)].concat()
}

fn begin(answer: &mut Vec<u8>, kind: u16, transaction: &[u8]) {
    answer.extend(kind.to_be_bytes());
    answer.extend([0; 2]);
    answer.extend(transaction);
}

fn put(answer: &mut Vec<u8>, kind: u16, value: &[u8]) {
    answer.extend(kind.to_be_bytes());
    answer.extend((value.len() as u16).to_be_bytes());
    answer.extend(value);
    answer.resize(answer.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::numbers;

    /// The transaction of the vectors of RFC 5769 section 2.
    const TRANSACTION: [u8; 12] = [0xB7, 0xE7, 0xA7, 0x01, 0xBC, 0x34, 0xD6, 0x86, 0xFA, 0x87, 0xDF, 0xAE];

    fn message(kind: u16, attributes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(attributes.len()).unwrap();
        [&kind.to_be_bytes()[..], &length.to_be_bytes(), &COOKIE, &TRANSACTION, attributes].concat()
    }

    #[test]
    fn rfc5769_2_2_and_2_3_the_address_is_masked_as_in_the_vectors() {
        let request = message(REQUEST, &[]);
        assert!(is_stun(&request));
        let four = answer(&request, "192.0.2.1:32853".parse().unwrap()).unwrap();
        let expected = [0, 0x20, 0, 8, 0, 1, 0xA1, 0x47, 0xE1, 0x12, 0xA6, 0x43];
        assert_eq!(four, message(RESPONSE, &expected));
        let six = answer(&request, "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap()).unwrap();
        let expected = [
            0, 0x20, 0, 20, 0, 2, 0xA1, 0x47, 1, 0x13, 0xA9, 0xFA, 0xA5, 0xD3, 0xF1, 0x79, 0xBC, 0x25, 0xF4, 0xB5,
            0xBE, 0xD2, 0xB9, 0xD9,
        ];
        assert_eq!(six, message(RESPONSE, &expected));
        assert!(is_stun(&four) && is_stun(&six));
    }

    #[test]
    fn rfc5389_7_3_1_what_must_be_understood_and_is_not_is_named() {
        let from = "192.0.2.1:1".parse().unwrap();
        // SOFTWARE may be ignored, USERNAME changes nothing, PRIORITY (RFC 5245) is nothing of ours.
        let known = [0x80, 0x22, 0, 3, b'a', b'b', b'c', 0, 0, 6, 0, 1, b'u', 0, 0, 0];
        assert_eq!(word(&answer(&message(REQUEST, &known), from).unwrap()), RESPONSE);
        let with_priority = [&known[..], &[0, 0x24, 0, 4, 0, 0, 0, 0]].concat();
        let refused = answer(&message(REQUEST, &with_priority), from).unwrap();
        assert!(is_stun(&refused) && word(&refused) == ERROR);
        assert!(refused.ends_with(&[0, 0x0A, 0, 2, 0, 0x24, 0, 0]), "{refused:x?}");
        let many: Vec<u8> = (0..300).flat_map(|_| [0, 0x24, 0, 0]).collect();
        let refused = answer(&message(REQUEST, &many), from).unwrap();
        assert!(
            refused.len() <= HEAD + 28 + 4 + NAMED * 2,
            "an answer is never much longer than a request: {}",
            refused.len()
        );
    }

    #[test]
    fn nothing_is_said_to_anything_else() {
        let from = "192.0.2.1:1".parse().unwrap();
        for kind in [0x0011, RESPONSE, ERROR, 0x0002, 0x0003] {
            assert_eq!(answer(&message(kind, &[]), from), None, "{kind:x}");
        }
        let good = message(REQUEST, &[0x80, 0x22, 0, 1, b'a', 0, 0, 0]);
        assert!(is_stun(&good) && answer(&good, from).is_some());
        for length in 0..good.len() {
            assert!(!is_stun(&good[..length]), "{length}");
        }
        // Attributes that end behind the message.
        for broken in [&[0x80, 0x22, 0, 5, 0, 0, 0, 0][..], &[0x80, 0x22, 0xFF, 0xFF]] {
            assert_eq!(answer(&message(REQUEST, broken), from), None);
        }
        let mut other_cookie = good.clone();
        other_cookie[4] ^= 1;
        assert!(!is_stun(&other_cookie), "RFC 3489 is not spoken");
        assert!(!is_stun(b"OPTIONS sip:a SIP/2.0\r\n\r\n"));
    }

    #[test]
    fn whatever_is_sent_is_read_to_an_end() {
        let mut next = numbers();
        let mut answered = 0;
        for _ in 0..100_000 {
            let mut datagram =
                message(REQUEST, &[0, 6, 0, 1, b'u', 0, 0, 0, 0x80, 0x22, 0, 3, b'a', b'b', b'c', 0, 0, 0x24, 0, 0]);
            for _ in 0..next() % 3 {
                let place = HEAD + next() % (datagram.len() - HEAD);
                datagram[place] = next() as u8;
            }
            if is_stun(&datagram)
                && answer(&datagram, "[::1]:9".parse().unwrap()).is_some_and(|answer| is_stun(&answer))
            {
                answered += 1;
            }
        }
        assert!(answered > 10_000, "{answered}");
    }

    #[test]
    fn stun_attributes_of_any_length_are_an_answer_or_none() {
        let from = "192.0.2.1:1".parse().unwrap();
        for kind in (0..0x30).chain([0x7fff, OPTIONAL, 0xffff]) {
            for length in [0_u16, 1, 3, 4, 600, 65_535] {
                for value in [0, usize::from(length), usize::from(length).next_multiple_of(4)] {
                    let attribute = [&kind.to_be_bytes()[..], &length.to_be_bytes(), &vec![0; value]].concat();
                    let Ok(whole) = u16::try_from(attribute.len()) else { continue };
                    let request =
                        [&REQUEST.to_be_bytes()[..], &whole.to_be_bytes(), &COOKIE, &TRANSACTION, &attribute].concat();
                    let reads = value >= usize::from(length).next_multiple_of(4);
                    assert_eq!(answer(&request, from).is_some(), reads, "{kind:#x} of {length} with {value} octets");
                }
            }
        }
        for cut in 0..HEAD {
            assert!(answer(&message(REQUEST, &[])[..cut], from).is_none());
        }
    }
}
