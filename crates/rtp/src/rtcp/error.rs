//! Why a datagram is not an RTCP compound packet.

use core::fmt;

/// Why a datagram is not an RTCP compound packet; the sender's fault in every case. `at` is the offset in the
/// datagram of the RTCP packet that is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RtcpError {
    /// No room for a common header.
    HeaderTooShort {
        /// Where.
        at: usize,
        /// Octets left.
        have: usize,
    },
    /// The version is not 2.
    Version {
        /// Where.
        at: usize,
        /// The version found.
        found: u8,
    },
    /// The first packet is neither SR nor RR.
    FirstType {
        /// The packet type found.
        found: u8,
    },
    /// A packet that is not the last has padding.
    PaddingBeforeEnd {
        /// Where.
        at: usize,
    },
    /// The padding count is zero, no multiple of four or larger than the packet.
    Padding {
        /// Where.
        at: usize,
        /// The count found.
        count: u8,
    },
    /// A packet runs past the end of the datagram.
    Length {
        /// Where.
        at: usize,
        /// Octets announced, the common header included.
        announced: usize,
        /// Octets left.
        have: usize,
    },
    /// The body of a known type is shorter than its count needs.
    Body {
        /// Where.
        at: usize,
        /// The packet type.
        packet_type: u8,
        /// Octets needed behind the common header.
        need: usize,
        /// Octets there.
        have: usize,
    },
    /// An SDES item runs past the packet, or its chunk has no end.
    SdesItem {
        /// Where.
        at: usize,
    },
    /// A BYE reason runs past the packet.
    ByeReason {
        /// Where.
        at: usize,
    },
}

impl fmt::Display for RtcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderTooShort { at, have } => {
                write!(f, "RTCP, octet {at}: {have} octets left, a header needs 4 (RFC 3550 6.4.1)")
            }
            Self::Version { at, found } => {
                write!(f, "RTCP, octet {at}: version {found}, expected 2 (RFC 3550 appendix A.2)")
            }
            Self::FirstType { found } => {
                write!(f, "RTCP: first packet has type {found}, expected 200 or 201 (RFC 3550 appendix A.2)")
            }
            Self::PaddingBeforeEnd { at } => {
                write!(f, "RTCP, octet {at}: padding in a packet that is not the last (RFC 3550 6.4.1)")
            }
            Self::Padding { at, count } => {
                write!(f, "RTCP, octet {at}: padding count {count} does not fit the packet (RFC 3550 6.4.1)")
            }
            Self::Length { at, announced, have } => {
                write!(f, "RTCP, octet {at}: {announced} octets announced, {have} left (RFC 3550 appendix A.2)")
            }
            Self::Body { at, packet_type, need, have } => {
                write!(f, "RTCP, octet {at}: body of type {packet_type} needs {need} octets, has {have} (RFC 3550 6.4)")
            }
            Self::SdesItem { at } => {
                write!(f, "RTCP, octet {at}: SDES item past the end of its packet (RFC 3550 6.5)")
            }
            Self::ByeReason { at } => {
                write!(f, "RTCP, octet {at}: BYE reason past the end of its packet (RFC 3550 6.6)")
            }
        }
    }
}

impl core::error::Error for RtcpError {}
