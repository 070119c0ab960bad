//! The power of one frequency in a block, at the cost of one multiplication a sample.

use std::f64::consts::TAU;

use crate::frame::SampleRate;

/// A Goertzel filter. The frequency need not be a multiple of the block's bin width.
///
/// The block has a rectangular window: a filter hears its neighbours out to one bin, sample rate / block length.
#[derive(Clone, Copy, Debug)]
pub struct Goertzel {
    coefficient: f32,
    last: f32,
    before: f32,
}

impl Goertzel {
    /// A filter for `hertz`. Frequencies above half the rate fold down, as samples do.
    pub fn new(rate: SampleRate, hertz: f64) -> Self {
        Self { coefficient: (2.0 * (TAU * hertz / f64::from(rate.hz())).cos()) as f32, last: 0.0, before: 0.0 }
    }

    /// Takes the next sample of the block.
    #[inline]
    pub fn push(&mut self, sample: f32) {
        let now = sample + self.coefficient * self.last - self.before;
        (self.before, self.last) = (self.last, now);
    }

    /// The mean power of this frequency in the block of `samples` that was pushed (a sine of amplitude A has A²/2),
    /// and starts the next block. 0 for an empty block.
    pub fn take_power(&mut self, samples: usize) -> f32 {
        let (last, before) = (self.last, self.before);
        (self.last, self.before) = (0.0, 0.0);
        let power = last * last + before * before - self.coefficient * last * before;
        let count = samples as f32;
        if samples == 0 { 0.0 } else { (2.0 * power / (count * count)).max(0.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_is_that_of_the_tone_and_zero_elsewhere() {
        let rate = SampleRate::NARROW;
        for (hertz, expected) in [(1_000.0, 0.5), (1_100.0, 0.0), (500.0, 0.0)] {
            let mut filter = Goertzel::new(rate, hertz);
            for n in 0..800 {
                filter.push((TAU * 1_000.0 * f64::from(n) / 8_000.0).sin() as f32);
            }
            let power = filter.take_power(800);
            assert!((power - expected).abs() < 1e-3, "{hertz} Hz: {power}");
            assert_eq!(filter.take_power(800), 0.0, "a new block is empty");
        }
        assert_eq!(Goertzel::new(rate, 440.0).take_power(0), 0.0);
    }
}
