use super::*;
use crate::{PayloadType, random::Random};
use proptest::prelude::*;

/// The plaintext packet of the SRTP validation vector published with libsrtp.
const LIBSRTP: &[u8] = &[
    0x80, 0x0f, 0x12, 0x34, 0xde, 0xca, 0xfb, 0xad, 0xca, 0xfe, 0xba, 0xbe, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab,
    0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab,
];

/// The plaintext packet of RFC 7714 section 16.1.
const RFC7714: &[u8] = b"\x80\x40\xf1\x7b\x80\x41\xf8\xd3\x55\x01\xa0\xb2Gallia est omnis divisa in partes tres";

/// Two contributing sources, a one-word extension, four octets of payload, four of padding.
const FULL: &[u8] = &[
    0xb2, 0xe0, 0, 7, 0, 0, 0, 9, 1, 2, 3, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0xbe, 0xde, 0, 1, 0x10, 0xaa, 0, 0, 11, 12, 13,
    14, 0, 0, 0, 4,
];

#[test]
fn rfc3550_5_1_vectors_are_read_field_by_field() {
    let packet = Packet::parse(LIBSRTP).unwrap();
    assert_eq!(packet.payload_type().number(), 15);
    assert_eq!(packet.sequence_number(), SequenceNumber(0x1234));
    assert_eq!(packet.timestamp(), Timestamp(0xdeca_fbad));
    assert_eq!(packet.ssrc(), Ssrc(0xcafe_babe));
    assert_eq!(packet.payload(), [0xab; 16]);
    assert!(!packet.marker());

    let packet = Packet::parse(RFC7714).unwrap();
    assert_eq!((packet.payload_type().number(), packet.sequence_number().0), (64, 0xf17b));
    assert_eq!(packet.payload(), b"Gallia est omnis divisa in partes tres");
}

#[test]
fn rfc3550_5_1_contributors_extension_and_padding_are_taken_apart() {
    let packet = Packet::parse(FULL).unwrap();
    assert!(packet.marker());
    assert_eq!(packet.payload_type().number(), 96);
    assert_eq!(packet.contributing_sources().collect::<Vec<_>>(), [Ssrc(5), Ssrc(6)]);
    assert_eq!(packet.extension(), Some(Extension { profile: 0xbede, data: &[0x10, 0xaa, 0, 0] }));
    assert_eq!(packet.payload(), [11, 12, 13, 14]);
    assert_eq!(packet.padding(), 4);
    assert_eq!(packet.header_len(), 28);
}

/// What a parse must say of one input.
type Case = (&'static str, Vec<u8>, ParseError);

fn edited(edits: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = FULL.to_vec();
    for &(at, value) in edits {
        bytes[at] = value;
    }
    bytes
}

#[test]
fn rfc3550_a_1_lengths_that_do_not_fit_are_refused() {
    let cases: [Case; 9] = [
        ("empty", vec![], ParseError::TooShort { have: 0 }),
        ("eleven octets", LIBSRTP[..11].to_vec(), ParseError::TooShort { have: 11 }),
        ("version 1", edited(&[(0, 0x72)]), ParseError::Version { found: 1 }),
        ("15 contributors", edited(&[(0, 0xbf)]), ParseError::ContributingSources { count: 15, have: 24 }),
        ("no extension header", FULL[..22].to_vec(), ParseError::ExtensionHeader { have: 2 }),
        ("long extension", edited(&[(22, 0xff), (23, 0xff)]), ParseError::ExtensionData { words: 65535, have: 12 }),
        ("no padding octet", edited(&[(35, 0)]), ParseError::Padding { count: 0, have: 8 }),
        ("padding into the header", edited(&[(35, 9)]), ParseError::Padding { count: 9, have: 8 }),
        (
            "padding bit, nothing left",
            {
                let mut bytes = LIBSRTP[..12].to_vec();
                bytes[0] = 0xa0;
                bytes
            },
            ParseError::Padding { count: 0, have: 0 },
        ),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(Packet::parse(&bytes).unwrap_err(), expected, "{name}");
        assert!(expected.to_string().contains("RFC 3550"), "{name}: {expected}");
    }
}

#[test]
fn rfc3550_a_1_a_packet_of_padding_only_passes() {
    let all_padding = edited(&[(35, 8)]);
    let packet = Packet::parse(&all_padding).unwrap();
    assert_eq!((packet.payload().len(), packet.padding()), (0, 8));
    assert_eq!(Packet::parse(&LIBSRTP[..12]).unwrap().payload().len(), 0);
}

#[test]
fn cve_rtp_truncation_at_every_octet_never_panics_and_never_reads_more() {
    for full in [LIBSRTP, RFC7714, FULL] {
        for end in 0..full.len() {
            if let Ok(packet) = Packet::parse(&full[..end]) {
                let total = packet.header_len() + packet.payload().len() + usize::from(packet.padding());
                assert_eq!(total, end);
            }
        }
    }
}

#[test]
fn cve_rtp_mutated_headers_never_panic_and_lengths_add_up() {
    let mut random = Random::new(0x5eed);
    let mut accepted = 0;
    for _ in 0..200_000 {
        let mut bytes = FULL.to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.next() as u8;
        }
        bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
        if let Ok(packet) = Packet::parse(&bytes) {
            accepted += 1;
            assert_eq!(packet.header_len() + packet.payload().len() + usize::from(packet.padding()), bytes.len());
            assert_eq!(packet.contributing_sources().len(), usize::from(bytes[0] & 15));
        }
    }
    assert!(accepted > 2000, "{accepted}");
}

fn any_header() -> impl Strategy<Value = Header> {
    (0..128u8, any::<bool>(), any::<u16>(), any::<u32>(), any::<u32>()).prop_map(|(pt, marker, seq, ts, ssrc)| Header {
        payload_type: PayloadType::new(pt).unwrap(),
        marker,
        sequence_number: SequenceNumber(seq),
        timestamp: Timestamp(ts),
        ssrc: Ssrc(ssrc),
    })
}

proptest! {
    #[test]
    fn header_written_is_header_read(header in any_header(), payload in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut out = vec![0; 12 + payload.len()];
        prop_assert_eq!(header.write(&mut out).unwrap(), 12);
        out[12..].copy_from_slice(&payload);
        let packet = Packet::parse(&out).unwrap();
        prop_assert_eq!(packet.header(), header);
        prop_assert_eq!(packet.payload(), &payload[..]);
    }

    #[test]
    fn rewriting_changes_what_it_says_and_nothing_else(header in any_header(), padded in any::<bool>()) {
        let mut datagram = if padded { FULL.to_vec() } else { LIBSRTP.to_vec() };
        let before = datagram.clone();
        let mut rewrite = HeaderMut::new(&mut datagram).unwrap();
        rewrite.set_ssrc(header.ssrc);
        rewrite.set_sequence_number(header.sequence_number);
        rewrite.set_timestamp(header.timestamp);
        rewrite.set_payload_type(header.payload_type);
        rewrite.set_marker(header.marker);
        let packet = Packet::parse(&datagram).unwrap();
        prop_assert_eq!(packet.header(), header);
        prop_assert_eq!(datagram[0], before[0]);
        prop_assert_eq!(&datagram[12..], &before[12..]);
    }

    #[test]
    fn arbitrary_octets_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        if let Ok(packet) = Packet::parse(&bytes) {
            prop_assert!(packet.header_len() + packet.payload().len() <= bytes.len());
        }
    }
}

#[test]
fn header_write_needs_twelve_octets() {
    let header = Packet::parse(LIBSRTP).unwrap().header();
    assert_eq!(header.write(&mut [0; 11]), Err(BufferTooSmall { need: 12, have: 11 }));
}
