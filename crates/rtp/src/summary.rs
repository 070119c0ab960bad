//! Minimum, mean, maximum, last value and deviation of a measured quantity, in fixed memory.

use crate::Micros;

/// A running summary of samples in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    count: u64,
    sum: u64,
    sum_of_squares: u128,
    minimum: u32,
    maximum: u32,
    last: u32,
}

impl Summary {
    /// Adds a sample; lengths above 2^32 - 1 microseconds (71 minutes) count as that.
    pub fn add(&mut self, sample: Micros) {
        let sample = u32::try_from(sample.0).unwrap_or(u32::MAX);
        self.minimum = if self.count == 0 { sample } else { self.minimum.min(sample) };
        self.maximum = self.maximum.max(sample);
        self.last = sample;
        self.count += 1;
        self.sum = self.sum.saturating_add(u64::from(sample));
        self.sum_of_squares += u128::from(u64::from(sample) * u64::from(sample));
    }

    /// How many samples there were.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The smallest sample, zero before the first.
    pub const fn minimum(&self) -> Micros {
        Micros(self.minimum as u64)
    }

    /// The largest sample, zero before the first.
    pub const fn maximum(&self) -> Micros {
        Micros(self.maximum as u64)
    }

    /// The most recent sample, zero before the first.
    pub const fn last(&self) -> Micros {
        Micros(self.last as u64)
    }

    /// The mean, rounded down, zero before the first sample.
    pub const fn mean(&self) -> Micros {
        match self.sum.checked_div(self.count) {
            Some(mean) => Micros(mean),
            None => Micros(0),
        }
    }

    /// The standard deviation of the samples, rounded down, zero before the first.
    pub fn deviation(&self) -> Micros {
        let (Some(count), mean) = (core::num::NonZeroU64::new(self.count), u128::from(self.mean().0)) else {
            return Micros(0);
        };
        let variance = (self.sum_of_squares / u128::from(count.get())).saturating_sub(mean * mean);
        Micros(u64::try_from(variance.isqrt()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_of_known_samples() {
        let mut summary = Summary::default();
        assert_eq!(summary.mean(), Micros(0));
        assert_eq!(summary.deviation(), Micros(0));
        for sample in [2000, 4000, 4000, 4000, 5000, 5000, 7000, 9000] {
            summary.add(Micros(sample));
        }
        assert_eq!((summary.minimum(), summary.maximum(), summary.last()), (Micros(2000), Micros(9000), Micros(9000)));
        assert_eq!(summary.mean(), Micros(5000));
        assert_eq!(summary.deviation(), Micros(2000));
        summary.add(Micros(u64::MAX));
        assert_eq!(summary.maximum(), Micros(u64::from(u32::MAX)));
    }
}
