//! RTP data packets: a borrowed view of one that arrived, and headers to be written (RFC 3550 section 5).

mod error;
mod header;
mod rewrite;
#[cfg(test)]
mod tests;

pub use error::ParseError;
pub use header::{BufferTooSmall, Header};
pub use rewrite::HeaderMut;

use crate::{PayloadType, SequenceNumber, Ssrc, Timestamp};

/// Octets in a header without contributing sources and extension.
pub const FIXED_HEADER_LEN: usize = 12;

/// A well-formed RTP packet, borrowed from the datagram it arrived in (RFC 3550 section 5.1).
///
/// Everything a view promises was checked by [`Packet::parse`]: its accessors cannot fail.
///
/// ```
/// use rtp::{Packet, PayloadType, SequenceNumber, Ssrc};
/// let datagram = [0x80, 0x08, 0x12, 0x34, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef, 0xd5, 0xd5];
/// let packet = Packet::parse(&datagram)?;
/// assert_eq!(packet.payload_type(), PayloadType::PCMA);
/// assert_eq!(packet.sequence_number(), SequenceNumber(0x1234));
/// assert_eq!(packet.ssrc(), Ssrc(0xdeadbeef));
/// assert_eq!(packet.payload(), [0xd5, 0xd5]);
/// # Ok::<(), rtp::packet::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    payload: &'a [u8],
    contributors: &'a [[u8; 4]],
    extension: Option<Extension<'a>>,
    timestamp: Timestamp,
    ssrc: Ssrc,
    sequence_number: SequenceNumber,
    payload_type: PayloadType,
    marker: bool,
    padding: u8,
}

/// The header extension of a packet (RFC 3550 section 5.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extension<'a> {
    /// The 16 bits the profile defines: 0xBEDE for one-octet elements (RFC 8285 section 4.2).
    pub profile: u16,
    /// The extension's data, a multiple of four octets, possibly none.
    pub data: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a datagram as RTP, checking what RFC 3550 appendix A.1 asks of a packet by itself: the version, and
    /// that contributing sources, extension and padding fit into the datagram. A packet that is all padding passes,
    /// with an empty payload.
    ///
    /// # Errors
    /// [`ParseError`] says what did not fit. The payload type is not judged: that needs the session.
    #[inline(always)]
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        let Some((fixed, mut rest)) = datagram.split_first_chunk::<FIXED_HEADER_LEN>() else {
            return Err(ParseError::TooShort { have: datagram.len() });
        };
        let [first, second, seq_hi, seq_lo, t0, t1, t2, t3, s0, s1, s2, s3] = *fixed;
        if first >> 6 != 2 {
            return Err(ParseError::Version { found: first >> 6 });
        }
        let mut contributors: &[[u8; 4]] = &[];
        let mut extension = None;
        let mut padding = 0;
        if first & 0x3f != 0 {
            (contributors, rest) = split_contributors(first & 0x0f, rest)?;
            if first & 0x10 != 0 {
                let found = split_extension(rest)?;
                extension = Some(found.0);
                rest = found.1;
            }
            if first & 0x20 != 0 {
                (rest, padding) = split_padding(rest)?;
            }
        }
        Ok(Self {
            payload: rest,
            contributors,
            extension,
            timestamp: Timestamp(u32::from_be_bytes([t0, t1, t2, t3])),
            ssrc: Ssrc(u32::from_be_bytes([s0, s1, s2, s3])),
            sequence_number: SequenceNumber(u16::from_be_bytes([seq_hi, seq_lo])),
            payload_type: PayloadType::from_octet(second),
            marker: second & 0x80 != 0,
            padding,
        })
    }

    /// The payload, without padding.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The payload type.
    pub const fn payload_type(&self) -> PayloadType {
        self.payload_type
    }

    /// The marker: for audio, the first packet after a silence (RFC 3551 section 4.1).
    pub const fn marker(&self) -> bool {
        self.marker
    }

    /// The sequence number.
    pub const fn sequence_number(&self) -> SequenceNumber {
        self.sequence_number
    }

    /// The media timestamp of the payload's first sample.
    pub const fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The synchronization source.
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// The contributing sources, at most 15.
    pub fn contributing_sources(&self) -> impl ExactSizeIterator<Item = Ssrc> + use<'a> {
        self.contributors.iter().map(|octets| Ssrc(u32::from_be_bytes(*octets)))
    }

    /// The header extension, if the packet carries one.
    pub const fn extension(&self) -> Option<Extension<'a>> {
        self.extension
    }

    /// How many octets of padding followed the payload, the count octet included.
    pub const fn padding(&self) -> u8 {
        self.padding
    }

    /// Octets before the payload: 12 to 72 plus the extension.
    pub const fn header_len(&self) -> usize {
        let extension = match self.extension {
            Some(extension) => 4 + extension.data.len(),
            None => 0,
        };
        FIXED_HEADER_LEN + 4 * self.contributors.len() + extension
    }

    /// The header's own values, to be changed and written again (contributing sources and extension left out).
    pub const fn header(&self) -> Header {
        Header {
            payload_type: self.payload_type,
            marker: self.marker,
            sequence_number: self.sequence_number,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        }
    }
}

fn split_contributors(count: u8, rest: &[u8]) -> Result<(&[[u8; 4]], &[u8]), ParseError> {
    let need = 4 * usize::from(count);
    let Some((list, rest)) = rest.split_at_checked(need) else {
        return Err(ParseError::ContributingSources { count, have: rest.len() });
    };
    Ok((list.as_chunks::<4>().0, rest))
}

fn split_extension(rest: &[u8]) -> Result<(Extension<'_>, &[u8]), ParseError> {
    let Some((&[p0, p1, l0, l1], rest)) = rest.split_first_chunk::<4>() else {
        return Err(ParseError::ExtensionHeader { have: rest.len() });
    };
    let words = u16::from_be_bytes([l0, l1]);
    let Some((data, rest)) = rest.split_at_checked(4 * usize::from(words)) else {
        return Err(ParseError::ExtensionData { words, have: rest.len() });
    };
    Ok((Extension { profile: u16::from_be_bytes([p0, p1]), data }, rest))
}

fn split_padding(rest: &[u8]) -> Result<(&[u8], u8), ParseError> {
    let count = rest.last().copied().unwrap_or(0);
    match rest.len().checked_sub(usize::from(count)) {
        Some(end) if count > 0 => Ok((rest.get(..end).unwrap_or(rest), count)),
        _ => Err(ParseError::Padding { count, have: rest.len() }),
    }
}
