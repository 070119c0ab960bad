//! Changing a packet's header where it lies, for a relay that forwards without copying.

use super::{FIXED_HEADER_LEN, Packet, ParseError};
use crate::{PayloadType, SequenceNumber, Ssrc, Timestamp};

/// The fixed header of a packet, open to change in place. Contributing sources, extension, payload and padding stay
/// as they are.
///
/// ```
/// use rtp::{Packet, Ssrc, packet::HeaderMut};
/// let mut datagram = [0x80, 0x00, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4, 0xff];
/// HeaderMut::new(&mut datagram)?.set_ssrc(Ssrc(7));
/// assert_eq!(Packet::parse(&datagram)?.ssrc(), Ssrc(7));
/// # Ok::<(), rtp::packet::ParseError>(())
/// ```
#[derive(Debug)]
pub struct HeaderMut<'a> {
    octets: &'a mut [u8; FIXED_HEADER_LEN],
}

impl<'a> HeaderMut<'a> {
    /// Opens the header of a well-formed packet.
    ///
    /// # Errors
    /// What [`Packet::parse`] finds: a relay must not pass on what it could not read.
    pub fn new(datagram: &'a mut [u8]) -> Result<Self, ParseError> {
        Packet::parse(datagram)?;
        Self::of_parsed(datagram)
    }

    /// Opens the header of a datagram that [`Packet::parse`] has already accepted, without parsing it again.
    ///
    /// # Errors
    /// [`ParseError::TooShort`] when there is not even a fixed header.
    pub fn of_parsed(datagram: &'a mut [u8]) -> Result<Self, ParseError> {
        let have = datagram.len();
        match datagram.first_chunk_mut() {
            Some(octets) => Ok(Self { octets }),
            None => Err(ParseError::TooShort { have }),
        }
    }

    /// Replaces the payload type, keeping the marker.
    pub const fn set_payload_type(&mut self, payload_type: PayloadType) {
        self.octets[1] = (self.octets[1] & 0x80) | payload_type.number();
    }

    /// Replaces the marker, keeping the payload type.
    pub const fn set_marker(&mut self, marker: bool) {
        self.octets[1] = (self.octets[1] & 0x7f) | if marker { 0x80 } else { 0 };
    }

    /// Replaces the sequence number.
    pub const fn set_sequence_number(&mut self, number: SequenceNumber) {
        [self.octets[2], self.octets[3]] = number.0.to_be_bytes();
    }

    /// Replaces the timestamp.
    pub const fn set_timestamp(&mut self, timestamp: Timestamp) {
        [self.octets[4], self.octets[5], self.octets[6], self.octets[7]] = timestamp.0.to_be_bytes();
    }

    /// Replaces the synchronization source.
    pub const fn set_ssrc(&mut self, ssrc: Ssrc) {
        [self.octets[8], self.octets[9], self.octets[10], self.octets[11]] = ssrc.0.to_be_bytes();
    }
}
