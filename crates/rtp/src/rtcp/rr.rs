//! Receiver reports (RFC 3550 section 6.4.2).

use super::{ReportBlocks, RtcpError, packet_type, u32_at};
use crate::Ssrc;

/// A receiver report. One without blocks is valid and common.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverReport<'a> {
    /// The reporting source.
    pub ssrc: Ssrc,
    /// What it says about what it received.
    pub blocks: ReportBlocks<'a>,
}

impl<'a> ReceiverReport<'a> {
    const BEFORE_BLOCKS: usize = 4;

    pub(super) fn read(count: u8, body: &'a [u8], at: usize) -> Result<Self, RtcpError> {
        let blocks = ReportBlocks::read(packet_type::RECEIVER_REPORT, count, body, Self::BEFORE_BLOCKS, at)?;
        Ok(Self { ssrc: Ssrc(u32_at(body, 0).unwrap_or(0)), blocks })
    }
}
