//! Concealment of lost audio by repeating the pitch, in the spirit of ITU-T G.711 appendix I.
//!
//! The last 50 ms heard are kept. When a piece is missing, the pitch period that continues them best is found by correlation; the last
//! period is repeated, joined by a short overlap, and faded out from 10 ms on until it is silent after 60 ms. When audio comes back, it is
//! cross-faded with what would have been repeated, so that neither edge clicks.

#[cfg(test)]
mod tests;

use crate::frame::SampleRate;

/// Lowest and highest pitch looked for, in hertz.
const PITCH: (u32, u32) = (66, 200);
/// How long a repetition stays at full level, and when it has faded to silence, in milliseconds.
const FADE_FROM: u32 = 10;
const FADE_TO: u32 = 60;
/// Overlap at both edges, in milliseconds.
const OVERLAP: u32 = 4;

/// Conceals one stream at one sample rate. Nothing allocates once it exists.
#[derive(Clone, Debug)]
pub struct Concealment {
    /// The last samples heard or made up, oldest first.
    history: Vec<i16>,
    /// One period that is repeated.
    period: Vec<i16>,
    at: usize,
    /// Samples made up since the last that were heard.
    missing: usize,
    shortest: usize,
    longest: usize,
    overlap: usize,
    fade_from: usize,
    fade_to: usize,
}

impl Concealment {
    /// For a stream of samples at `rate`.
    pub fn new(rate: SampleRate) -> Self {
        let hz = rate.hz();
        let samples = |ms: u32| (hz * ms / 1_000).max(1) as usize;
        let longest = (hz / PITCH.0) as usize;
        Self {
            history: vec![0; longest * 3 + samples(OVERLAP)],
            period: Vec::with_capacity(longest),
            at: 0,
            missing: 0,
            shortest: (hz / PITCH.1).max(1) as usize,
            longest,
            overlap: samples(OVERLAP),
            fade_from: samples(FADE_FROM),
            fade_to: samples(FADE_TO),
        }
    }

    /// Audio was heard: its start is smoothed in place when something was missing before it.
    pub fn heard(&mut self, samples: &mut [i16]) {
        if self.missing > 0 && !self.period.is_empty() {
            let count = self.overlap.min(samples.len());
            for (step, sample) in samples.iter_mut().take(count).enumerate() {
                let made_up = self.next();
                let weight = (step as f32 + 1.0) / (count as f32 + 1.0);
                *sample = blend(made_up, *sample, weight);
            }
        }
        self.missing = 0;
        self.period.clear();
        self.remember(samples);
    }

    /// Audio is missing: `samples` are made up.
    pub fn conceal(&mut self, samples: &mut [i16]) {
        if self.period.is_empty() {
            self.find_period();
        }
        for sample in samples.iter_mut() {
            *sample = self.next();
        }
        self.remember(samples);
    }

    /// Silence was played, and nothing is missing: what comes next does not continue what was.
    pub fn silence(&mut self) {
        if self.missing > 0 || self.history.iter().any(|sample| *sample != 0) {
            self.history.fill(0);
        }
        self.missing = 0;
        self.period.clear();
    }

    /// The next repeated sample, faded by how long audio has been missing.
    fn next(&mut self) -> i16 {
        let Some(&sample) = self.period.get(self.at) else { return 0 };
        self.at = (self.at + 1) % self.period.len();
        let gone = self.missing;
        self.missing += 1;
        if gone < self.fade_from {
            return sample;
        }
        let left = self.fade_to.saturating_sub(gone) as f32 / (self.fade_to - self.fade_from) as f32;
        (f32::from(sample) * left) as i16
    }

    fn remember(&mut self, samples: &[i16]) {
        let room = self.history.len();
        let newest = samples.get(samples.len().saturating_sub(room)..).unwrap_or_default();
        self.history.copy_within(newest.len().., 0);
        if let Some(end) = self.history.get_mut(room - newest.len()..) {
            end.copy_from_slice(newest);
        }
    }

    /// Chooses the lag at which the last samples resemble those before them most, and prepares one period of it.
    fn find_period(&mut self) {
        let end = self.history.len();
        let window = self.longest;
        let Some(last) = self.history.get(end - window..) else { return };
        let mut best = (f32::MIN, self.longest);
        for lag in self.shortest..=self.longest {
            let Some(earlier) = self.history.get(end - window - lag..end - lag) else { continue };
            let (mut product, mut energy) = (0.0_f32, 1.0_f32);
            for (one, other) in last.iter().zip(earlier) {
                product += f32::from(*one) * f32::from(*other);
                energy += f32::from(*other) * f32::from(*other);
            }
            let likeness = product / energy.sqrt();
            if likeness > best.0 * 1.001 || best.0 == f32::MIN {
                best = (likeness, lag);
            }
        }
        let lag = best.1;
        self.period.clear();
        self.at = 0;
        let Some(period) = self.history.get(end - lag..) else { return };
        self.period.extend_from_slice(period);
        // The end of the period flows into its start: blended with what stood before that start.
        let overlap = self.overlap.min(lag / 2).max(1);
        let Some(before) = self.history.get(end - lag - overlap..end - lag) else { return };
        let from = lag - overlap;
        for (step, (sample, earlier)) in self.period.iter_mut().skip(from).zip(before).enumerate() {
            let weight = (step as f32 + 1.0) / (overlap as f32 + 1.0);
            *sample = blend(*sample, *earlier, weight);
        }
    }
}

fn blend(from: i16, to: i16, weight: f32) -> i16 {
    crate::frame::saturate(f32::from(from) * (1.0 - weight) + f32::from(to) * weight)
}
