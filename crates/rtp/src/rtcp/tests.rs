use super::*;
use crate::{NtpTime, ShortNtp, Ssrc, Timestamp, random::Random};
use proptest::prelude::*;

fn info() -> SenderInfo {
    SenderInfo { ntp: NtpTime(0x0102_0304_0506_0708), rtp_timestamp: Timestamp(9), packet_count: 10, octet_count: 1600 }
}

fn block(ssrc: u32, lost: i32) -> ReportBlock {
    ReportBlock {
        ssrc: Ssrc(ssrc),
        fraction_lost: 3,
        cumulative_lost: lost,
        highest_sequence: 0x0001_0002,
        jitter: 44,
        last_sr: ShortNtp(5),
        delay_since_last_sr: ShortNtp(6),
    }
}

/// SR with two blocks, SDES, APP, BYE.
fn sample() -> Vec<u8> {
    let mut out = vec![0xff; 400];
    let cname = Cname::new("host!").unwrap();
    let blocks = [block(7, -1), block(8, 0x7f_ffff)];
    let mut writer = CompoundWriter::sender_report(&mut out, Ssrc(1), &info(), &blocks, &cname).unwrap();
    writer.app(&App { subtype: 2, ssrc: Ssrc(1), name: *b"test", data: &[1, 2, 3, 4] }).unwrap();
    writer.bye(&[Ssrc(1), Ssrc(2)], "hung up").unwrap();
    let length = writer.len();
    out.truncate(length);
    out
}

#[test]
fn rfc3550_6_1_what_is_written_is_what_is_read() {
    let datagram = sample();
    let packets: Vec<_> = Compound::parse(&datagram).unwrap().packets().collect();
    let [
        RtcpPacket::SenderReport(report),
        RtcpPacket::SourceDescription(description),
        RtcpPacket::Application(app),
        RtcpPacket::Goodbye(bye),
    ] = packets[..]
    else {
        panic!("{packets:?}");
    };
    assert_eq!((report.ssrc, report.info), (Ssrc(1), info()));
    assert_eq!(report.blocks.iter().collect::<Vec<_>>(), [block(7, -1), block(8, 0x7f_ffff)]);
    assert_eq!(report.blocks.about(Ssrc(8)), Some(block(8, 0x7f_ffff)));
    assert_eq!(description.cname_of(Ssrc(1)), Some(&b"host!"[..]));
    assert_eq!(description.cname_of(Ssrc(2)), None);
    assert_eq!((app.subtype, &app.name, app.data), (2, b"test", &[1, 2, 3, 4][..]));
    assert_eq!(bye.sources().collect::<Vec<_>>(), [Ssrc(1), Ssrc(2)]);
    assert_eq!(bye.reason(), Some(&b"hung up"[..]));
}

#[test]
fn rfc3550_6_4_1_octets_of_a_report_are_where_the_figure_shows_them() {
    let datagram = sample();
    assert_eq!(datagram[..4], [0x82, 200, 0, 18]);
    assert_eq!(datagram[8..16], [1, 2, 3, 4, 5, 6, 7, 8]);
    // Fraction 3, cumulative loss -1 in 24 bits.
    assert_eq!(datagram[32..36], [3, 0xff, 0xff, 0xff]);
    let sdes = 76;
    assert_eq!(datagram[sdes..sdes + 17], *b"\x81\xca\x00\x03\x00\x00\x00\x01\x01\x05host!\x00\x82");
}

#[test]
fn rfc3550_6_4_1_cumulative_loss_is_clamped_to_24_bits_when_written() {
    for (lost, expected) in [(i32::MAX, 0x7f_ffff), (i32::MIN, -0x80_0000), (0, 0), (-5, -5)] {
        let mut out = [0; 128];
        let cname = Cname::from_seed(1);
        let length = CompoundWriter::receiver_report(&mut out, Ssrc(1), &[block(7, lost)], &cname).unwrap().len();
        let Some(RtcpPacket::ReceiverReport(report)) = Compound::parse(&out[..length]).unwrap().packets().next() else {
            panic!("no RR");
        };
        assert_eq!(report.blocks.about(Ssrc(7)).unwrap().cumulative_lost, expected);
    }
}

#[test]
fn rfc3550_6_1_more_than_31_blocks_go_into_further_receiver_reports() {
    let blocks: Vec<_> = (0..70).map(|n| block(n, 0)).collect();
    let mut out = vec![0; 4000];
    let length =
        CompoundWriter::sender_report(&mut out, Ssrc(1), &info(), &blocks, &Cname::from_seed(1)).unwrap().len();
    let counts: Vec<_> = Compound::parse(&out[..length])
        .unwrap()
        .packets()
        .map(|packet| match packet {
            RtcpPacket::SenderReport(report) => report.blocks.iter().len(),
            RtcpPacket::ReceiverReport(report) => report.blocks.iter().len(),
            _ => 0,
        })
        .collect();
    assert_eq!(counts, [31, 31, 8, 0]);
}

#[test]
fn rfc3550_a_2_header_rules() {
    let good = sample();
    let edited = |edits: &[(usize, u8)]| {
        let mut bytes = good.clone();
        edits.iter().for_each(|&(at, value)| bytes[at] = value);
        bytes
    };
    let (app, bye) = (92, 108);
    let cases: [(&str, Vec<u8>, RtcpError); 12] = [
        ("empty", vec![], RtcpError::HeaderTooShort { at: 0, have: 0 }),
        ("three octets", good[..3].to_vec(), RtcpError::HeaderTooShort { at: 0, have: 3 }),
        ("version 1 first", edited(&[(0, 0x42)]), RtcpError::Version { at: 0, found: 1 }),
        ("version 0 later", edited(&[(bye, 0x02)]), RtcpError::Version { at: bye, found: 0 }),
        ("first is SDES", good[76..].to_vec(), RtcpError::FirstType { found: 202 }),
        ("padding first", edited(&[(0, 0xa2)]), RtcpError::PaddingBeforeEnd { at: 0 }),
        ("length past the end", edited(&[(bye + 3, 6)]), RtcpError::Length { at: bye, announced: 28, have: 20 }),
        ("one octet too few", good[..good.len() - 1].to_vec(), RtcpError::Length { at: bye, announced: 20, have: 19 }),
        (
            "more blocks than room",
            edited(&[(0, 0x83)]),
            RtcpError::Body { at: 0, packet_type: 200, need: 96, have: 72 },
        ),
        ("APP too short", edited(&[(app + 3, 0)]), RtcpError::Body { at: app, packet_type: 204, need: 8, have: 0 }),
        (
            "31 sources in BYE",
            edited(&[(bye, 0x9f)]),
            RtcpError::Body { at: bye, packet_type: 203, need: 124, have: 16 },
        ),
        ("long reason", edited(&[(bye + 12, 8)]), RtcpError::ByeReason { at: bye }),
    ];
    for (name, bytes, expected) in cases {
        let error = Compound::parse(&bytes).unwrap_err();
        assert_eq!(error, expected, "{name}");
        assert!(error.to_string().contains("RFC 3550"), "{error}");
    }
}

#[test]
fn rfc3550_6_4_1_padding_of_the_last_packet_is_removed_and_checked() {
    let mut datagram = sample();
    let bye = 108;
    datagram[bye] |= 0x20;
    datagram[bye + 3] += 2;
    datagram.extend([0, 0, 0, 0, 0, 0, 0, 8]);
    let last = Compound::parse(&datagram).unwrap().packets().last();
    assert!(matches!(last, Some(RtcpPacket::Goodbye(bye)) if bye.reason() == Some(b"hung up")));
    for count in [0, 3, 7, 28, 255] {
        *datagram.last_mut().unwrap() = count;
        assert_eq!(Compound::parse(&datagram).unwrap_err(), RtcpError::Padding { at: bye, count });
    }
}

#[test]
fn rfc3550_6_1_unknown_types_are_passed_through_for_others_to_skip() {
    let mut datagram = sample();
    datagram.extend([0x85, 207, 0, 1, 1, 2, 3, 4]);
    let compound = Compound::parse(&datagram).unwrap();
    assert_eq!(compound.packets().count(), 5);
    let Some(RtcpPacket::Unknown(last)) = compound.packets().last() else { panic!("not unknown") };
    assert_eq!((last.packet_type, last.count, last.body), (207, 5, &[1, 2, 3, 4][..]));
}

#[test]
fn rfc5506_3_4_2_reduced_size_packets_pass_only_when_asked_for() {
    let datagram = [0x81, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
    assert_eq!(Compound::parse(&datagram).unwrap_err(), RtcpError::FirstType { found: 205 });
    assert_eq!(Compound::parse_reduced_size(&datagram).unwrap().packets().count(), 1);
}

#[test]
fn rfc3550_6_5_chunks_and_items_are_walked_through() {
    // Two chunks: CNAME "a" and NOTE "" for 1, TOOL "xyz" for 2.
    let body = b"\x00\x00\x00\x01\x01\x01a\x07\x00\x00\x00\x00\x00\x00\x00\x02\x06\x03xyz\x00\x00\x00";
    let mut datagram = vec![0x80, 201, 0, 1, 0, 0, 0, 1, 0x82, 202, 0, 6];
    datagram.extend(body);
    let compound = Compound::parse(&datagram).unwrap();
    let Some(RtcpPacket::SourceDescription(description)) = compound.packets().last() else { panic!("no SDES") };
    let seen: Vec<_> = description
        .chunks()
        .map(|chunk| (chunk.ssrc.0, chunk.items().map(|item| (item.item_type, item.text)).collect::<Vec<_>>()))
        .collect();
    assert_eq!(seen, [(1, vec![(1, &b"a"[..]), (7, b"")]), (2, vec![(6, &b"xyz"[..])])]);
}

#[test]
fn cve_rtcp_sdes_items_past_their_packet_are_refused() {
    let with = |count: u8, body: &[u8]| {
        let mut datagram = vec![0x80, 201, 0, 1, 0, 0, 0, 1, 0x80 | count, 202, 0, (body.len() / 4) as u8];
        datagram.extend(body);
        Compound::parse(&datagram).map(|_| ())
    };
    let refused = Err(RtcpError::SdesItem { at: 8 });
    assert_eq!(with(1, b""), refused, "no chunk");
    assert_eq!(with(31, b"\x00\x00\x00\x01\x00\x00\x00\x00"), refused, "31 chunks");
    assert_eq!(with(1, b"\x00\x00\x00\x01\x01\xffab"), refused, "item of 255 octets");
    assert_eq!(with(1, b"\x00\x00\x00\x01\x01\x01a\x01"), refused, "item without length");
    assert_eq!(with(1, b"\x00\x00\x00\x01\x01\x02ab"), Ok(()), "items to the end without a null octet");
    assert_eq!(with(0, b""), Ok(()), "no chunk announced");
}

#[test]
fn rfc3550_6_5_1_cname_has_1_to_255_octets() {
    assert_eq!(Cname::new("").unwrap_err(), InvalidCname { length: 0 });
    assert_eq!(Cname::new(&"x".repeat(256)).unwrap_err(), InvalidCname { length: 256 });
    let longest = Cname::new(&"x".repeat(255)).unwrap();
    let mut out = [0; 300];
    let length = CompoundWriter::receiver_report(&mut out, Ssrc(1), &[], &longest).unwrap().len();
    let Some(RtcpPacket::SourceDescription(description)) = Compound::parse(&out[..length]).unwrap().packets().last()
    else {
        panic!("no SDES");
    };
    assert_eq!(description.cname_of(Ssrc(1)), Some(longest.as_str().as_bytes()));
}

#[test]
fn rfc3550_6_5_items_end_with_a_null_octet_and_the_chunk_at_32_bits() {
    let empty_report = 8;
    for length in 1..=40_usize {
        let cname = Cname::new(&"x".repeat(length)).unwrap();
        let mut out = [0xff; 100];
        let end = CompoundWriter::receiver_report(&mut out, Ssrc(1), &[], &cname).unwrap().len();
        // Header, SSRC, type and length, text; then one to four null octets.
        let text = empty_report + 8 + 2 + length;
        assert_eq!(end % 4, 0, "{length}");
        assert!((1..=4).contains(&(end - text)), "{length}: {} octets behind the text", end - text);
        assert_eq!(out[text..end], vec![0; end - text], "{length}");
        assert_eq!(usize::from(out[empty_report + 3]), (end - empty_report) / 4 - 1, "{length}");
    }
}

#[test]
fn rfc3550_6_6_a_goodbye_ends_at_32_bits() {
    for length in 0..=40_usize {
        let mut out = [0xff; 200];
        let mut writer = CompoundWriter::receiver_report(&mut out, Ssrc(1), &[], &Cname::new("abc").unwrap()).unwrap();
        let bye = writer.len();
        writer.bye(&[Ssrc(1)], &"x".repeat(length)).unwrap();
        let end = writer.len();
        let text = bye + 8 + if length > 0 { 1 + length } else { 0 };
        assert_eq!((end % 4, usize::from(out[bye + 3])), (0, (end - bye) / 4 - 1), "{length}");
        assert!(end - text < 4 && out[text..end].iter().all(|octet| *octet == 0), "{length}");
    }
}

#[test]
fn rfc7022_4_2_generated_names_differ_and_have_96_bits() {
    let (a, b) = (Cname::from_seed(1), Cname::from_seed(2));
    assert_ne!(a, b);
    assert_eq!(a, Cname::from_seed(1));
    assert_eq!(a.as_str().len(), 16);
}

#[test]
fn rfc3550_6_6_a_reason_is_cut_at_255_octets_on_a_character() {
    let mut out = [0; 400];
    let mut writer = CompoundWriter::receiver_report(&mut out, Ssrc(1), &[], &Cname::from_seed(1)).unwrap();
    writer.bye(&[Ssrc(1)], &"ü".repeat(200)).unwrap();
    let length = writer.len();
    let Some(RtcpPacket::Goodbye(bye)) = Compound::parse(&out[..length]).unwrap().packets().last() else {
        panic!("no BYE");
    };
    assert_eq!(bye.reason().map(|reason| core::str::from_utf8(reason).unwrap().chars().count()), Some(127));
}

#[test]
fn a_buffer_too_small_at_any_length_leaves_valid_octets() {
    let full = sample();
    let cname = Cname::new("host!").unwrap();
    for size in 0..full.len() {
        let mut out = vec![0xff; size];
        let Ok(mut writer) =
            CompoundWriter::sender_report(&mut out, Ssrc(1), &info(), &[block(7, -1), block(8, 0x7f_ffff)], &cname)
        else {
            continue;
        };
        let app = writer.app(&App { subtype: 2, ssrc: Ssrc(1), name: *b"test", data: &[1, 2, 3, 4] });
        let bye = writer.bye(&[Ssrc(1), Ssrc(2)], "hung up");
        assert!(app.is_err() || bye.is_err(), "{size}");
        let length = writer.len();
        assert!(Compound::parse(&out[..length]).is_ok(), "{size}");
    }
}

#[test]
fn cve_rtcp_truncation_and_mutation_never_panic() {
    let good = sample();
    for end in 0..good.len() {
        assert!(walk(&good[..end]) == (end == 76 || end == 92 || end == 108), "{end}");
    }
    let mut random = Random::new(77);
    let mut accepted = 0;
    for _ in 0..100_000 {
        let mut bytes = good.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.next() as u8;
        }
        accepted += u32::from(walk(&bytes));
    }
    assert!(accepted > 1000, "{accepted}");
}

/// Touches all there is; whether the datagram was accepted.
fn walk(datagram: &[u8]) -> bool {
    let Ok(compound) = Compound::parse(datagram) else { return false };
    let mut octets = 0;
    for packet in compound.packets() {
        octets += match packet {
            RtcpPacket::SenderReport(report) => report.blocks.iter().map(|block| block.jitter as usize & 1).sum(),
            RtcpPacket::ReceiverReport(report) => report.blocks.iter().len(),
            RtcpPacket::SourceDescription(description) => {
                description.chunks().flat_map(|chunk| chunk.items()).map(|item| item.text.len()).sum()
            }
            RtcpPacket::Goodbye(bye) => bye.sources().len() + bye.reason().map_or(0, <[u8]>::len),
            RtcpPacket::Application(app) => app.data.len(),
            RtcpPacket::Unknown(other) => other.body.len(),
        };
    }
    octets < usize::MAX
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        walk(&bytes);
        if let [first, second, ..] = &mut bytes[..] {
            (*first, *second) = ((*first & 0x1f) | 0x80, 200 + (*second & 7));
            let words = ((bytes.len() / 4).max(1) - 1) as u8;
            if let Some(length) = bytes.get_mut(2..4) {
                length.copy_from_slice(&[0, words]);
            }
            let _ = Compound::parse_reduced_size(&bytes).map(|compound| compound.packets().count());
        }
    }
}
