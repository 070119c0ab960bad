//! Report blocks: what a receiver says about one source (RFC 3550 section 6.4.1).

use super::{RtcpError, u32_at};
use crate::{ShortNtp, Ssrc};

/// What a receiver says about one source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReportBlock {
    /// The source reported on.
    pub ssrc: Ssrc,
    /// Share of packets lost since the previous report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning, -8388608 to 8388607; negative when duplicates outnumber losses. Writing
    /// clamps it to that range.
    pub cumulative_lost: i32,
    /// Highest sequence number received, extended by the count of its cycles in the high half.
    pub highest_sequence: u32,
    /// Interarrival jitter in units of the media clock.
    pub jitter: u32,
    /// The middle of the NTP timestamp of the source's last SR; zero when there was none.
    pub last_sr: ShortNtp,
    /// Time from the arrival of that SR to this report; zero when there was none.
    pub delay_since_last_sr: ShortNtp,
}

impl ReportBlock {
    /// Octets of a block.
    pub const LEN: usize = 24;
    /// The most blocks one SR or RR can carry.
    pub const MAX_PER_REPORT: usize = 31;
    /// The smallest and the largest cumulative loss a block can carry.
    pub const LOSS_RANGE: core::ops::RangeInclusive<i32> = -0x80_0000..=0x7f_ffff;

    fn read(octets: &[u8; Self::LEN]) -> Self {
        let word = |at| u32_at(octets, at).unwrap_or(0);
        let loss = word(4);
        Self {
            ssrc: Ssrc(word(0)),
            fraction_lost: (loss >> 24) as u8,
            // The shift to the left drops the fraction, the arithmetic shift back extends the sign.
            cumulative_lost: ((loss << 8) as i32) >> 8,
            highest_sequence: word(8),
            jitter: word(12),
            last_sr: ShortNtp(word(16)),
            delay_since_last_sr: ShortNtp(word(20)),
        }
    }

    pub(crate) fn words(&self) -> [u32; 6] {
        let lost = self.cumulative_lost.clamp(*Self::LOSS_RANGE.start(), *Self::LOSS_RANGE.end());
        [
            self.ssrc.0,
            (u32::from(self.fraction_lost) << 24) | (lost as u32 & 0x00ff_ffff),
            self.highest_sequence,
            self.jitter,
            self.last_sr.0,
            self.delay_since_last_sr.0,
        ]
    }
}

/// The report blocks of an SR or RR, at most 31.
#[derive(Clone, Copy, Debug)]
pub struct ReportBlocks<'a> {
    blocks: &'a [[u8; ReportBlock::LEN]],
}

impl<'a> ReportBlocks<'a> {
    /// Takes `count` blocks from `body` behind `before` octets; what follows is a profile's extension and ignored.
    pub(super) fn read(
        packet_type: u8,
        count: u8,
        body: &'a [u8],
        before: usize,
        at: usize,
    ) -> Result<Self, RtcpError> {
        let need = before + usize::from(count) * ReportBlock::LEN;
        match body.get(before..need) {
            Some(octets) => Ok(Self { blocks: octets.as_chunks().0 }),
            None => Err(RtcpError::Body { at, packet_type, need, have: body.len() }),
        }
    }

    /// The blocks in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ReportBlock> + use<'a> {
        self.blocks.iter().map(ReportBlock::read)
    }

    /// The block about `ssrc`, if there is one.
    pub fn about(&self, ssrc: Ssrc) -> Option<ReportBlock> {
        self.iter().find(|block| block.ssrc == ssrc)
    }
}
