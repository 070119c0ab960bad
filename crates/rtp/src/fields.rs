//! The numbers of an RTP header as types of their own, so that a sequence number cannot be compared with `<`.
//!
//! Sequence numbers and timestamps live on a circle: all arithmetic wraps, and order is only defined within half
//! the circle (`a.is_before(b)`), never totally. That is why neither implements `Ord`.

use core::fmt;

/// A payload type, 0 to 127 (RFC 3550 section 5.1, RFC 3551 section 6).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct PayloadType(u8);

impl PayloadType {
    /// G.711 mu-law, 8000 Hz (RFC 3551 section 6).
    pub const PCMU: Self = Self(0);
    /// GSM 06.10, 8000 Hz.
    pub const GSM: Self = Self(3);
    /// G.723.1, 8000 Hz.
    pub const G723: Self = Self(4);
    /// G.711 A-law, 8000 Hz.
    pub const PCMA: Self = Self(8);
    /// G.722; the RTP clock runs at 8000 Hz although the audio is sampled at 16000 Hz (RFC 3551 section 4.5.2).
    pub const G722: Self = Self(9);
    /// Comfort noise (RFC 3389).
    pub const COMFORT_NOISE: Self = Self(13);
    /// G.729, 8000 Hz.
    pub const G729: Self = Self(18);

    /// A payload type from its number; `None` above 127.
    pub const fn new(number: u8) -> Option<Self> {
        if number < 128 { Some(Self(number)) } else { None }
    }

    /// The payload type in the low seven bits of a header's second octet.
    pub(crate) const fn from_octet(octet: u8) -> Self {
        Self(octet & 0x7f)
    }

    /// The number, 0 to 127.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether the number is one a session assigns by itself: 96 to 127.
    pub const fn is_dynamic(self) -> bool {
        self.0 >= 96
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A 16 bit sequence number (RFC 3550 section 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// The number `count` packets later.
    #[must_use]
    pub const fn plus(self, count: u16) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// The next number.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The shortest way from `earlier` to `self` around the circle, -32768 to 32767 packets.
    pub const fn since(self, earlier: Self) -> i16 {
        self.0.wrapping_sub(earlier.0) as i16
    }

    /// Whether `self` precedes `other` on the shorter way around the circle.
    pub const fn is_before(self, other: Self) -> bool {
        self.since(other) < 0
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A 32 bit media timestamp in units of the payload's clock (RFC 3550 section 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Timestamp(pub u32);

impl Timestamp {
    /// The timestamp `units` later.
    #[must_use]
    pub const fn plus(self, units: u32) -> Self {
        Self(self.0.wrapping_add(units))
    }

    /// The timestamp `units` earlier.
    #[must_use]
    pub const fn minus(self, units: u32) -> Self {
        Self(self.0.wrapping_sub(units))
    }

    /// The shortest way from `earlier` to `self` around the circle, in units of the clock.
    pub const fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }

    /// Whether `self` precedes `other` on the shorter way around the circle.
    pub const fn is_before(self, other: Self) -> bool {
        self.since(other) < 0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A synchronization source identifier (RFC 3550 section 3). Contributing sources have the same type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, PartialOrd, Ord)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3550_5_1_sequence_numbers_wrap_and_order_on_the_shorter_way() {
        let last = SequenceNumber(65535);
        assert_eq!(last.next(), SequenceNumber(0));
        assert!(last.is_before(SequenceNumber(0)));
        assert!(!SequenceNumber(0).is_before(last));
        assert_eq!(SequenceNumber(3).since(SequenceNumber(65534)), 5);
        assert_eq!(SequenceNumber(65534).since(SequenceNumber(3)), -5);
    }

    #[test]
    fn rfc3550_5_1_timestamps_wrap() {
        let start = Timestamp(u32::MAX - 79);
        assert_eq!(start.plus(160), Timestamp(80));
        assert_eq!(start.plus(160).since(start), 160);
        assert_eq!(start.plus(160).minus(160), start);
        assert!(start.is_before(Timestamp(80)));
    }

    #[test]
    fn rfc3550_5_1_payload_types_have_seven_bits() {
        assert_eq!(PayloadType::new(127).map(PayloadType::number), Some(127));
        assert_eq!(PayloadType::new(128), None);
        assert_eq!(PayloadType::new(255), None);
    }
}
