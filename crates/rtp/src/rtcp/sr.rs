//! Sender reports (RFC 3550 section 6.4.1).

use super::{ReportBlocks, RtcpError, packet_type, u32_at};
use crate::{NtpTime, Ssrc, Timestamp};

/// A sender report.
#[derive(Clone, Copy, Debug)]
pub struct SenderReport<'a> {
    /// The reporting source.
    pub ssrc: Ssrc,
    /// What it says about what it sent.
    pub info: SenderInfo,
    /// What it says about what it received.
    pub blocks: ReportBlocks<'a>,
}

/// What a sender says about its own stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SenderInfo {
    /// Wall clock of the report.
    pub ntp: NtpTime,
    /// The same instant on the media clock, with the stream's random offset.
    pub rtp_timestamp: Timestamp,
    /// Packets sent since the source began, wrapping.
    pub packet_count: u32,
    /// Payload octets sent since the source began, headers and padding left out, wrapping.
    pub octet_count: u32,
}

impl<'a> SenderReport<'a> {
    const BEFORE_BLOCKS: usize = 24;

    pub(super) fn read(count: u8, body: &'a [u8], at: usize) -> Result<Self, RtcpError> {
        let blocks = ReportBlocks::read(packet_type::SENDER_REPORT, count, body, Self::BEFORE_BLOCKS, at)?;
        let word = |at| u32_at(body, at).unwrap_or(0);
        Ok(Self {
            ssrc: Ssrc(word(0)),
            info: SenderInfo {
                ntp: NtpTime((u64::from(word(4)) << 32) | u64::from(word(8))),
                rtp_timestamp: Timestamp(word(12)),
                packet_count: word(16),
                octet_count: word(20),
            },
            blocks,
        })
    }
}

impl SenderInfo {
    pub(crate) const fn words(&self) -> [u32; 5] {
        [(self.ntp.0 >> 32) as u32, self.ntp.0 as u32, self.rtp_timestamp.0, self.packet_count, self.octet_count]
    }
}
