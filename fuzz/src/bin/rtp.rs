//! One datagram as RTP: read it, look at everything, write its header again in two ways.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;
use rtp::packet::HeaderMut;
use rtp::{Packet, PayloadType, Protocol, SequenceNumber, Ssrc, Timestamp, classify};

fuzz_target!(|input: &[u8]| {
    let protocol = classify(input);
    let packet = match Packet::parse(input) {
        Ok(packet) => packet,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert!(matches!(protocol, Protocol::Rtp | Protocol::Rtcp), "version 2 begins with 10");
    let length = packet.header_len() + packet.payload().len() + usize::from(packet.padding());
    assert_eq!(length, input.len(), "header, payload and padding make up the datagram");
    assert!(packet.contributing_sources().count() <= 15);
    assert!(packet.extension().is_none_or(|extension| extension.data.len() % 4 == 0));

    let mut plain = packet.header().octets().to_vec();
    plain.extend_from_slice(packet.payload());
    let again = Packet::parse(&plain).expect("a header we wrote");
    assert_eq!((again.header(), again.payload()), (packet.header(), packet.payload()));

    let mut owned = input.to_vec();
    if let Ok(mut header) = HeaderMut::new(&mut owned) {
        header.set_payload_type(PayloadType::PCMA);
        header.set_sequence_number(SequenceNumber(7));
        header.set_timestamp(Timestamp(8));
        header.set_ssrc(Ssrc(9));
    }
    let changed = Packet::parse(&owned).expect("still well-formed");
    assert_eq!(
        (changed.ssrc(), changed.sequence_number(), changed.timestamp()),
        (Ssrc(9), SequenceNumber(7), Timestamp(8))
    );
    assert_eq!((changed.payload(), changed.marker()), (packet.payload(), packet.marker()));
    plant(
        packet.padding() == 9
            && packet.contributing_sources().count() == 2
            && packet.extension().is_some_and(|e| e.data.len() == 8),
    );
});
