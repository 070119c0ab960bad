//! One datagram as RTCP: walk through it, and let a session of ours hear it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;
use rtp::rtcp::{Cname, Compound, ReportBlock, RtcpPacket};
use rtp::rtcp_interval::Bandwidth;
use rtp::{ClockRate, Micros, NtpTime, PayloadType, Reception, RtcpSession, Sender};

fuzz_target!(|input: &[u8]| {
    let now = Micros::from_millis(10_000);
    let (mut chunks, mut blocks, mut farewells) = (0, 0, 0);
    let Ok(compound) = Compound::parse_reduced_size(input) else {
        assert!(Compound::parse(input).is_err(), "the strict rules accept no more");
        return;
    };
    let mut length = 0;
    for packet in compound.packets() {
        length += 4;
        match packet {
            RtcpPacket::SenderReport(report) => blocks += report.blocks.iter().map(looked_at).count(),
            RtcpPacket::ReceiverReport(report) => blocks += report.blocks.iter().map(looked_at).count(),
            RtcpPacket::SourceDescription(description) => {
                for chunk in description.chunks() {
                    chunks += 1;
                    length += chunk.items().map(|item| item.text.len() + 2).sum::<usize>();
                    let _ = description.cname_of(chunk.ssrc);
                }
            }
            RtcpPacket::Goodbye(bye) => farewells += usize::from(bye.sources().count() > 1 && bye.reason().is_some()),
            RtcpPacket::Application(app) => length += app.data.len(),
            RtcpPacket::Unknown(other) => length += other.body.len(),
            _ => {}
        }
    }
    assert!(length <= input.len(), "nothing is seen twice");

    let mut sender = Sender::new(7, ClockRate::HZ_8000);
    let mut reception = Reception::new(ClockRate::HZ_8000);
    let mut session =
        RtcpSession::new(Cname::from_seed(1), Bandwidth { session: 8_000, reduced_minimum: false }, Micros(0), 3);
    let mut packet = [0xd5; 172];
    sender.audio(now, PayloadType::PCMA, &mut packet, 160, 160).expect("172 octets hold the header");
    let wall = NtpTime::from_unix(now);
    let heard = session.receive(now, wall, input, &sender, &mut reception);
    assert_eq!(heard.is_ok(), Compound::parse(input).is_ok());
    let mut out = [0; RtcpSession::MAX_LEN];
    let later = Micros::from_millis(60_000);
    if let Ok(Some(length)) = session.poll(later, NtpTime::from_unix(later), &sender, &mut reception, &mut out) {
        assert!(Compound::parse(out.get(..length).unwrap_or_default()).is_ok(), "what we send is well-formed");
    }
    plant(chunks == 3 && blocks == 2 && farewells == 1);
});

fn looked_at(block: ReportBlock) {
    assert!(ReportBlock::LOSS_RANGE.contains(&block.cumulative_lost), "24 bits with a sign");
}
