//! Why a datagram is not an RTP packet.

use core::fmt;

/// Why a datagram is not an RTP packet; the sender's fault in every case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ParseError {
    /// Fewer octets than the fixed header has.
    TooShort {
        /// Octets in the datagram.
        have: usize,
    },
    /// The version is not 2.
    Version {
        /// The version found, 0 to 3.
        found: u8,
    },
    /// The list of contributing sources runs past the end.
    ContributingSources {
        /// How many the header announces.
        count: u8,
        /// Octets after the fixed header.
        have: usize,
    },
    /// The extension bit is set, but there is no room for the extension's own header.
    ExtensionHeader {
        /// Octets left where four are needed.
        have: usize,
    },
    /// The extension runs past the end.
    ExtensionData {
        /// Its length in 32 bit words as announced.
        words: u16,
        /// Octets left.
        have: usize,
    },
    /// The padding count is zero or larger than what follows the header.
    Padding {
        /// The count found in the last octet.
        count: u8,
        /// Octets after the header.
        have: usize,
    },
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { have } => {
                write!(f, "RTP packet: {have} octets, the fixed header needs 12 (RFC 3550 5.1)")
            }
            Self::Version { found } => write!(f, "RTP packet, octet 0: version {found}, expected 2 (RFC 3550 5.1)"),
            Self::ContributingSources { count, have } => write!(
                f,
                "RTP packet, octet 12: {count} contributing sources need {} octets, {have} left (RFC 3550 5.1)",
                u32::from(*count) * 4
            ),
            Self::ExtensionHeader { have } => {
                write!(f, "RTP packet: extension header needs 4 octets, {have} left (RFC 3550 5.3.1)")
            }
            Self::ExtensionData { words, have } => write!(
                f,
                "RTP packet: extension of {words} words needs {} octets, {have} left (RFC 3550 5.3.1)",
                u32::from(*words) * 4
            ),
            Self::Padding { count, have } => write!(
                f,
                "RTP packet, last octet: padding count {count}, expected 1 to the {have} octets after the header \
                 (RFC 3550 5.1)"
            ),
        }
    }
}

impl core::error::Error for ParseError {}
