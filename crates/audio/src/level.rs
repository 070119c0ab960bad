//! Levels: the decibel type and the peak/RMS meter.
//!
//! 0 dBFS is a sine whose peaks touch full scale, for generators, detectors and meters alike, so a tone made at
//! -10 dBFS reads -10 dBFS on the meter. Full scale is 32768. A full-scale square wave therefore reads +3.01 dBFS RMS.

use std::fmt;

/// Full scale of a sample, as a float.
pub(crate) const FULL_SCALE: f64 = 32_768.0;

/// A level in decibels relative to a full-scale sine.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Dbfs(pub f32);

impl Dbfs {
    /// What digital silence reads: lower than any sample that is not zero (a single ±1 in a second of 8 kHz is -126).
    pub const SILENCE: Self = Self(-160.0);

    /// 0 dBm0 on the A-law scale, where a full-scale sine is +3.14 dBm0 (ITU-T G.711; +3.17 for u-law).
    #[allow(clippy::approx_constant)] // G.711's 3.14 dBm0 has nothing to do with circles.
    const DBM0_OF_FULL_SCALE: f32 = 3.14;

    /// This level in dBm0.
    pub fn dbm0(self) -> f32 {
        self.0 + Self::DBM0_OF_FULL_SCALE
    }

    /// Peak amplitude of a sine of this level, in samples: 32768 at 0 dBFS. Not clipped.
    pub fn amplitude(self) -> f64 {
        FULL_SCALE * 10f64.powf(f64::from(self.0) / 20.0)
    }

    /// The level of a signal whose mean of squared samples is `power`.
    pub fn of_power(power: f64) -> Self {
        let full = FULL_SCALE * FULL_SCALE / 2.0;
        if power > 0.0 { Self(((10.0 * (power / full).log10()) as f32).max(Self::SILENCE.0)) } else { Self::SILENCE }
    }
}

impl fmt::Display for Dbfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} dBFS", self.0)
    }
}

/// Peak and RMS of everything it has been given since it was made or last taken.
#[derive(Clone, Debug, Default)]
pub struct LevelMeter {
    squares: f64,
    samples: u64,
    peak: u16,
}

/// What a [`LevelMeter`] reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// RMS over the interval; [`Dbfs::SILENCE`] without samples.
    pub rms: Dbfs,
    /// Largest sample, as the level of a sine with that peak.
    pub peak: Dbfs,
    /// How many samples were seen.
    pub samples: u64,
    /// Largest absolute sample, 0 to 32768.
    pub peak_sample: u16,
}

impl LevelMeter {
    /// A meter that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a frame of any length.
    pub fn push(&mut self, frame: &[i16]) {
        // The halves of the squares are summed apart: 4096 of each fit into 32 bit, which vectorises where 64 does not.
        for part in frame.chunks(4096) {
            let (mut low, mut high) = (0_u32, 0_u32);
            for sample in part {
                let square = (i32::from(*sample) * i32::from(*sample)) as u32;
                low += square & 0xFFFF;
                high += square >> 16;
            }
            self.squares += f64::from(high) * 65_536.0 + f64::from(low);
            self.peak = part.iter().fold(self.peak, |peak, s| peak.max(s.unsigned_abs()));
        }
        self.samples = self.samples.saturating_add(frame.len() as u64);
    }

    /// Reads the meter without resetting it.
    pub fn read(&self) -> Level {
        let mean = if self.samples == 0 { 0.0 } else { self.squares / self.samples as f64 };
        let peak = f64::from(self.peak);
        Level {
            rms: Dbfs::of_power(mean),
            peak: Dbfs::of_power(peak * peak / 2.0),
            samples: self.samples,
            peak_sample: self.peak,
        }
    }

    /// Reads the meter and starts a new interval.
    pub fn take(&mut self) -> Level {
        let level = self.read();
        *self = Self::default();
        level
    }
}

/// The RMS level of one frame.
pub fn rms(frame: &[i16]) -> Dbfs {
    let mut meter = LevelMeter::new();
    meter.push(frame);
    meter.read().rms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(amplitude: f64, samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|n| (amplitude * (n as f64 * std::f64::consts::TAU / 8.0).sin()).round().clamp(-32768.0, 32767.0))
            .map(|s| s as i16)
            .collect()
    }

    #[test]
    fn full_scale_sine_reads_zero() {
        let level = rms(&sine(32_767.0, 8_000));
        assert!(level.0.abs() < 0.01, "{level}");
    }

    #[test]
    fn full_scale_square_reads_three_decibels_more() {
        let square: Vec<i16> = (0..800).map(|n| if n % 2 == 0 { i16::MIN } else { i16::MAX }).collect();
        let mut meter = LevelMeter::new();
        meter.push(&square);
        let level = meter.take();
        assert!((level.rms.0 - 3.01).abs() < 0.01, "{level:?}");
        assert!(level.peak.0.abs() < 0.01, "{level:?}");
        assert_eq!(level.peak_sample, 32_768);
        assert_eq!(meter.read().samples, 0, "take starts again");
    }

    #[test]
    fn silence_and_nothing_read_silence() {
        assert_eq!(rms(&[]), Dbfs::SILENCE);
        assert_eq!(rms(&[0; 160]), Dbfs::SILENCE);
        let mut second = [0; 8_000];
        second[17] = 1;
        assert!(rms(&second) > Dbfs::SILENCE);
    }

    #[test]
    fn half_amplitude_is_six_decibels_less() {
        let level = rms(&sine(16_384.0, 8_000));
        assert!((level.0 + 6.02).abs() < 0.02, "{level}");
    }

    #[test]
    fn a_full_scale_sine_is_3_14_dbm0() {
        assert!((Dbfs(0.0).dbm0() * 100.0 - 314.0).abs() < 1e-3);
        assert!((Dbfs(-13.14).dbm0() + 10.0).abs() < 1e-5);
    }

    #[test]
    fn the_interval_does_not_depend_on_how_it_is_cut() {
        let tone = sine(9_000.0, 10_007);
        let mut whole = LevelMeter::new();
        whole.push(&tone);
        let mut cut = LevelMeter::new();
        tone.chunks(61).for_each(|part| cut.push(part));
        assert_eq!(whole.read(), cut.read());
    }
}
