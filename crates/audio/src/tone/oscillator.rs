//! A sine oscillator whose phase is exact.

use std::f64::consts::TAU;

use crate::frame::{SampleRate, saturate};
use crate::level::Dbfs;

/// One turn in steps of the phase.
const TURN: f64 = 18_446_744_073_709_551_616.0;

#[derive(Clone, Copy, Debug)]
pub(super) struct Oscillator {
    /// Fraction of a turn, 2^64 to the turn: adding wraps for free and never loses anything.
    phase: u64,
    step: u64,
    amplitude: f64,
}

impl Oscillator {
    pub(super) const fn silent() -> Self {
        Self { phase: 0, step: 0, amplitude: 0.0 }
    }

    /// Sets frequency and level; `None` is silence, during which the phase runs on.
    pub(super) fn tune(&mut self, rate: SampleRate, tone: Option<(f64, Dbfs)>) {
        match tone {
            Some((hertz, level)) => {
                let step = (hertz / f64::from(rate.hz()) * TURN) as u64;
                if step != self.step {
                    (self.step, self.phase) = (step, 0);
                }
                self.amplitude = level.amplitude();
            }
            None => self.amplitude = 0.0,
        }
    }

    /// Writes the next `part.len()` samples.
    pub(super) fn fill(&mut self, part: &mut [i16]) {
        if self.amplitude == 0.0 {
            part.fill(0);
            self.skip(part.len());
        } else {
            self.run(part, |sample, sine| *sample = saturate(sine));
        }
    }

    /// Adds the next `part.len()` samples to what is there.
    pub(super) fn add(&mut self, part: &mut [i16]) {
        if self.amplitude == 0.0 {
            self.skip(part.len());
        } else {
            self.run(part, |sample, sine| *sample = saturate(f32::from(*sample) + sine));
        }
    }

    fn skip(&mut self, samples: usize) {
        self.phase = self.phase.wrapping_add(self.step.wrapping_mul(samples as u64));
    }

    /// Turns a vector by one step a sample. The vector starts from the exact phase at each call, so the error of the
    /// rotation (1e-16 a sample) cannot build up.
    fn run(&mut self, part: &mut [i16], write: impl Fn(&mut i16, f32)) {
        let (mut sin, mut cos) = (self.phase as f64 / TURN * TAU).sin_cos();
        let (step_sin, step_cos) = (self.step as f64 / TURN * TAU).sin_cos();
        for sample in part.iter_mut() {
            write(sample, (sin * self.amplitude) as f32);
            (sin, cos) = (sin * step_cos + cos * step_sin, cos * step_cos - sin * step_sin);
        }
        self.skip(part.len());
    }
}
