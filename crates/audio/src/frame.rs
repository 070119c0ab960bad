//! Sample rates and the 20 ms tick.
//!
//! A *frame* is a slice `&[i16]` of mono samples, native endian, full scale ±32768. What mixes or sends works in
//! frames of one tick; players, recorders and detectors take slices of any length.

use std::fmt;
use std::time::Duration;

/// Length of the media tick.
pub const TICK: Duration = Duration::from_millis(20);

/// Ticks in a second.
pub const TICKS_PER_SECOND: u32 = 50;

/// Samples in the longest frame: one tick at [`SampleRate::FULL`].
pub const MAX_FRAME: usize = (SampleRate::FULL.hz() / TICKS_PER_SECOND) as usize;

/// A sample rate in hertz, from 1000 to 384 000.
///
/// Lines use [`NARROW`](Self::NARROW), [`WIDE`](Self::WIDE) or [`FULL`](Self::FULL); the other rates are those of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate(u32);

impl SampleRate {
    /// 8 kHz, narrow band: G.711.
    pub const NARROW: Self = Self(8_000);
    /// 16 kHz, wide band: G.722 and most conference bridges.
    pub const WIDE: Self = Self(16_000);
    /// 48 kHz, full band: Opus.
    pub const FULL: Self = Self(48_000);
    /// The lowest rate that is accepted, in hertz.
    pub const MIN_HZ: u32 = 1_000;
    /// The highest rate that is accepted, in hertz.
    pub const MAX_HZ: u32 = 384_000;

    /// A rate of `hz` samples a second; `None` outside [`MIN_HZ`](Self::MIN_HZ) to [`MAX_HZ`](Self::MAX_HZ).
    pub const fn new(hz: u32) -> Option<Self> {
        if hz >= Self::MIN_HZ && hz <= Self::MAX_HZ { Some(Self(hz)) } else { None }
    }

    /// Samples in a second.
    pub const fn hz(self) -> u32 {
        self.0
    }

    /// Samples in a frame of one tick. Exact for every multiple of 50 Hz, rounded down for others (11 025 Hz).
    pub const fn tick_samples(self) -> usize {
        (self.0 / TICKS_PER_SECOND) as usize
    }

    /// Samples in `length`, to the nearest sample, ties up. Saturates after some 1.5 million years.
    pub fn samples(self, length: Duration) -> u64 {
        let exact = length.as_nanos().saturating_mul(u128::from(self.0));
        u64::try_from(exact.saturating_add(500_000_000) / 1_000_000_000).unwrap_or(u64::MAX)
    }

    /// How long `samples` samples last, rounded down to a nanosecond.
    pub fn duration(self, samples: u64) -> Duration {
        let hz = u64::from(self.0);
        let nanos = (samples % hz).saturating_mul(1_000_000_000) / hz;
        Duration::new(samples / hz, u32::try_from(nanos).unwrap_or(0))
    }
}

impl fmt::Display for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}

/// Rounds to the nearest 16-bit sample and saturates; NaN becomes 0.
#[inline]
pub(crate) fn saturate(value: f32) -> i16 {
    // `as` saturates; adding half with the sign rounds half away from zero.
    (value + 0.5f32.copysign(value)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tick_samples_of_the_line_rates() {
        assert_eq!(SampleRate::NARROW.tick_samples(), 160);
        assert_eq!(SampleRate::WIDE.tick_samples(), 320);
        assert_eq!(SampleRate::FULL.tick_samples(), MAX_FRAME);
        assert_eq!(MAX_FRAME, 960);
    }

    #[test]
    fn rates_outside_the_limits_are_refused() {
        assert_eq!(SampleRate::new(999), None);
        assert_eq!(SampleRate::new(0), None);
        assert_eq!(SampleRate::new(384_001), None);
        assert_eq!(SampleRate::new(u32::MAX), None);
        assert_eq!(SampleRate::new(1_000).map(SampleRate::hz), Some(1_000));
        assert_eq!(SampleRate::new(384_000).map(SampleRate::hz), Some(384_000));
    }

    #[test]
    fn durations_and_samples_agree() {
        assert_eq!(SampleRate::NARROW.samples(Duration::from_millis(20)), 160);
        assert_eq!(SampleRate::NARROW.samples(Duration::from_micros(62)), 0);
        assert_eq!(SampleRate::NARROW.samples(Duration::from_micros(63)), 1);
        assert_eq!(SampleRate::NARROW.samples(Duration::MAX), u64::MAX);
        assert_eq!(SampleRate::NARROW.duration(12_000), Duration::from_millis(1_500));
        for samples in [0, 1, 7, 159, 44_100, 44_101, 1 << 40] {
            let rate = SampleRate::new(44_100).unwrap();
            assert_eq!(rate.samples(rate.duration(samples)), samples);
        }
        assert_eq!(SampleRate::NARROW.duration(u64::MAX).as_secs(), u64::MAX / 8_000);
    }

    #[test]
    fn saturate_rounds_and_clips() {
        assert_eq!(saturate(0.4), 0);
        assert_eq!(saturate(-0.6), -1);
        assert_eq!(saturate(40_000.0), i16::MAX);
        assert_eq!(saturate(-40_000.0), i16::MIN);
        assert_eq!(saturate(f32::NAN), 0);
    }
}
