//! Writing a header.

use core::fmt;

use super::FIXED_HEADER_LEN;
use crate::{PayloadType, SequenceNumber, Ssrc, Timestamp};

/// The values of a header without contributing sources, extension or padding: what a telephone sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Payload type.
    pub payload_type: PayloadType,
    /// Marker: the first packet of a talk spurt or event.
    pub marker: bool,
    /// Sequence number.
    pub sequence_number: SequenceNumber,
    /// Media timestamp of the payload's first sample.
    pub timestamp: Timestamp,
    /// Synchronization source.
    pub ssrc: Ssrc,
}

/// An output buffer has no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BufferTooSmall {
    /// Octets needed.
    pub need: usize,
    /// Octets there are.
    pub have: usize,
}

impl fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "output buffer has {} octets, {} needed", self.have, self.need)
    }
}

impl core::error::Error for BufferTooSmall {}

impl Header {
    /// Writes the twelve octets of the header to the start of `out` and returns their number; the payload belongs
    /// right behind.
    ///
    /// # Errors
    /// [`BufferTooSmall`] when `out` is shorter than twelve octets; nothing is written then.
    pub fn write(&self, out: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let have = out.len();
        let Some(target) = out.first_chunk_mut::<FIXED_HEADER_LEN>() else {
            return Err(BufferTooSmall { need: FIXED_HEADER_LEN, have });
        };
        *target = self.octets();
        Ok(FIXED_HEADER_LEN)
    }

    /// The twelve octets of the header.
    pub const fn octets(&self) -> [u8; FIXED_HEADER_LEN] {
        let second = self.payload_type.number() | if self.marker { 0x80 } else { 0 };
        let [q0, q1] = self.sequence_number.0.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.0.to_be_bytes();
        let [s0, s1, s2, s3] = self.ssrc.0.to_be_bytes();
        [0x80, second, q0, q1, t0, t1, t2, t3, s0, s1, s2, s3]
    }
}
