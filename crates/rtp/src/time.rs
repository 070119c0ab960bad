//! Time as it is passed in: microseconds of a monotonic clock, units of a media clock, NTP timestamps.

use core::num::NonZeroU32;

/// Microseconds: an instant of the caller's monotonic clock, or a length of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Micros(pub u64);

impl Micros {
    /// `milliseconds` as microseconds (saturating).
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds.saturating_mul(1000))
    }

    /// Whole milliseconds, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1000
    }

    /// The instant `length` later (saturating).
    #[must_use]
    pub const fn plus(self, length: Self) -> Self {
        Self(self.0.saturating_add(length.0))
    }

    /// The time passed since `earlier`, zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

/// The rate of a media clock in Hz: 8000 for G.711 and G.722, 48000 for Opus.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClockRate(NonZeroU32);

impl ClockRate {
    /// 8000 Hz, the clock of nearly all of telephony.
    pub const HZ_8000: Self = Self(NonZeroU32::MIN.saturating_add(7999));
    /// 48000 Hz, the clock of Opus (RFC 7587 section 4.1).
    pub const HZ_48000: Self = Self(NonZeroU32::MIN.saturating_add(47_999));
    /// The highest rate taken, in Hz.
    pub const MAX_HZ: u32 = 384_000;

    /// A clock of `hz` Hz; `None` for zero and above [`ClockRate::MAX_HZ`].
    pub const fn new(hz: u32) -> Option<Self> {
        match NonZeroU32::new(hz) {
            Some(rate) if hz <= Self::MAX_HZ => Some(Self(rate)),
            _ => None,
        }
    }

    /// The rate in Hz.
    pub const fn hz(self) -> u32 {
        self.0.get()
    }

    /// `time` in units of this clock, rounded down. Exact for instants of any size; wraps past 2^64 units.
    pub const fn units(self, time: Micros) -> u64 {
        let hz = self.hz() as u64;
        let (seconds, rest) = (time.0 / 1_000_000, time.0 % 1_000_000);
        seconds.wrapping_mul(hz).wrapping_add(rest * hz / 1_000_000)
    }

    /// `time` as a position on the 32 bit circle of RTP timestamps.
    pub const fn wrapped(self, time: Micros) -> u32 {
        self.units(time) as u32
    }

    /// The length of `units` of this clock, rounded down (saturating).
    pub const fn micros(self, units: u64) -> Micros {
        let hz = self.hz() as u64;
        let (seconds, rest) = (units / hz, units % hz);
        Micros(seconds.saturating_mul(1_000_000).saturating_add(rest * 1_000_000 / hz))
    }

    /// `milliseconds` in units of this clock, saturating at `u32::MAX`.
    pub const fn units_per_millis(self, milliseconds: u32) -> u32 {
        let units = milliseconds as u64 * self.hz() as u64 / 1000;
        if units > u32::MAX as u64 { u32::MAX } else { units as u32 }
    }
}

/// A 64 bit NTP timestamp: seconds since 1900 in the high half, a binary fraction in the low half (RFC 3550
/// section 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct NtpTime(pub u64);

/// Seconds from 1 January 1900 to 1 January 1970.
const NTP_TO_UNIX: u64 = 2_208_988_800;

impl NtpTime {
    /// The NTP timestamp of a wall clock reading in microseconds since 1970; wraps with the NTP era in 2036.
    pub const fn from_unix(since_1970: Micros) -> Self {
        let seconds = (since_1970.0 / 1_000_000).wrapping_add(NTP_TO_UNIX);
        let fraction = ((since_1970.0 % 1_000_000) << 32) / 1_000_000;
        Self((seconds << 32) | fraction)
    }

    /// The middle 32 bits: 16 bits of seconds, 16 bits of fraction, as in LSR (RFC 3550 section 6.4.1).
    pub const fn middle(self) -> ShortNtp {
        ShortNtp((self.0 >> 16) as u32)
    }
}

/// A compact NTP instant or length in units of 1/65536 second, wrapping every 18 hours (RFC 3550 section 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ShortNtp(pub u32);

impl ShortNtp {
    /// A length of time, saturating at just below 18.2 hours.
    pub const fn from_length(length: Micros) -> Self {
        let units = length.0 / 1_000_000;
        if units > 0xffff {
            return Self(u32::MAX);
        }
        Self(((units << 16) | (((length.0 % 1_000_000) << 16) / 1_000_000)) as u32)
    }

    /// This length in microseconds.
    pub const fn length(self) -> Micros {
        Micros((self.0 as u64 * 1_000_000) >> 16)
    }

    /// `self - earlier` on the circle.
    #[must_use]
    pub const fn minus(self, earlier: Self) -> Self {
        Self(self.0.wrapping_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_units_are_exact_over_years() {
        let ten_years = Micros(10 * 365 * 86_400 * 1_000_000);
        assert_eq!(ClockRate::HZ_48000.units(ten_years), 10 * 365 * 86_400 * 48_000);
        assert_eq!(ClockRate::HZ_8000.units(Micros::from_millis(20)), 160);
        assert_eq!(ClockRate::HZ_8000.micros(160), Micros::from_millis(20));
        assert_eq!(ClockRate::new(11_025).unwrap().micros(11_025), Micros(1_000_000));
        assert_eq!(ClockRate::new(0), None);
        assert_eq!(ClockRate::new(ClockRate::MAX_HZ + 1), None);
    }

    #[test]
    fn clock_of_huge_instants_does_not_overflow() {
        let rate = ClockRate::new(ClockRate::MAX_HZ).unwrap();
        rate.units(Micros(u64::MAX));
        rate.micros(u64::MAX);
        rate.units_per_millis(u32::MAX);
    }

    #[test]
    fn rfc3550_4_ntp_counts_from_1900_with_a_binary_fraction() {
        assert_eq!(NtpTime::from_unix(Micros(0)).0 >> 32, 2_208_988_800);
        let half = NtpTime::from_unix(Micros(1_500_000));
        assert_eq!(half.0 & 0xffff_ffff, 0x8000_0000);
        assert_eq!(half.middle().0 & 0xffff, 0x8000);
        assert_eq!(ShortNtp::from_length(Micros(1_500_000)), ShortNtp(0x0001_8000));
        assert_eq!(ShortNtp(0x0001_8000).length(), Micros(1_500_000));
        assert_eq!(ShortNtp::from_length(Micros(u64::MAX)), ShortNtp(u32::MAX));
    }
}
