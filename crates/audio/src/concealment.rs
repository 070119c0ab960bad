//! Concealment of lost audio by repeating the pitch, in the spirit of ITU-T G.711 appendix I.
//!
//! The last 50 ms heard are kept. When a piece is missing, the lag at which they resemble themselves most is taken for
//! the pitch; the last period is repeated, its end blended into its start, and faded out from 10 ms on until it is
//! silent after 60 ms. When audio comes back, it is cross-faded with what would have been repeated, longer after a
//! longer gap. Unlike the appendix nothing is delayed: what was heard is played at once, so the step to the first
//! repeated sample is not blended away beforehand but spread over the first 4 ms of the repetition.

use crate::frame::{SampleRate, saturate};

/// Lowest and highest pitch looked for, in hertz.
const PITCH: (u32, u32) = (66, 200);
/// How long a repetition stays at full level, and when it has faded to silence, in milliseconds.
const FADE_FROM: u32 = 10;
const FADE_TO: u32 = 60;
/// Overlap at an edge, in milliseconds: at least, and at most when audio comes back.
const OVERLAP: u32 = 4;
const LONGEST_OVERLAP: u32 = 10;
/// The pitch is first looked for at this rate, in hertz, then to the sample.
const COARSE: u32 = 8_000;

/// Conceals one stream at one sample rate. Nothing allocates once it exists.
#[derive(Clone, Debug)]
pub struct Concealment {
    /// The last samples heard or made up, oldest first.
    history: Vec<i16>,
    /// Every `coarse`th sample of it, the last included.
    thinned: Vec<i16>,
    /// One period that is repeated; empty while nothing is missing.
    period: Vec<i16>,
    at: usize,
    /// Samples made up since the last that were heard.
    missing: usize,
    /// The step from the last sample heard to the repetition.
    step: f32,
    shortest: usize,
    longest: usize,
    coarse: usize,
    overlap: usize,
    longest_overlap: usize,
    fade_from: usize,
    fade_to: usize,
}

impl Concealment {
    /// For a stream of samples at `rate`.
    pub fn new(rate: SampleRate) -> Self {
        let hz = rate.hz();
        let samples = |ms: u32| (hz * ms / 1_000).max(1) as usize;
        let longest = (hz / PITCH.0) as usize;
        let kept = longest * 3 + samples(OVERLAP);
        let coarse = (hz / COARSE).max(1) as usize;
        Self {
            history: vec![0; kept],
            thinned: Vec::with_capacity(kept / coarse + 1),
            period: Vec::with_capacity(longest),
            at: 0,
            missing: 0,
            step: 0.0,
            shortest: (hz / PITCH.1).max(1) as usize,
            longest,
            coarse,
            overlap: samples(OVERLAP),
            longest_overlap: samples(LONGEST_OVERLAP),
            fade_from: samples(FADE_FROM),
            fade_to: samples(FADE_TO),
        }
    }

    /// Audio was heard: its start is smoothed in place when something was missing before it.
    pub fn heard(&mut self, samples: &mut [i16]) {
        if self.missing > 0 && !self.period.is_empty() {
            let wanted = self.overlap + self.overlap * self.missing / self.fade_from;
            let count = wanted.min(self.longest_overlap).min(samples.len());
            for (place, sample) in samples.iter_mut().take(count).enumerate() {
                *sample = blend(self.next(), *sample, place, count);
            }
        }
        self.missing = 0;
        self.period.clear();
        self.remember(samples);
    }

    /// Audio is missing: `samples`, any number, are made up.
    pub fn conceal(&mut self, samples: &mut [i16]) {
        if self.period.is_empty() {
            self.prepare();
        }
        samples.iter_mut().for_each(|sample| *sample = self.next());
        self.remember(samples);
    }

    /// Silence was played, and nothing is missing: what comes next does not continue what was.
    pub fn silence(&mut self) {
        self.history.fill(0);
        self.missing = 0;
        self.period.clear();
    }

    /// The next repeated sample, faded by how long audio has been missing.
    fn next(&mut self) -> i16 {
        let Some(&sample) = self.period.get(self.at) else { return 0 };
        self.at = (self.at + 1) % self.period.len();
        let gone = self.missing;
        self.missing = gone.saturating_add(1);
        let smooth = 1.0 - (gone + 1) as f32 / (self.overlap + 1) as f32;
        let joined = f32::from(sample) + self.step * smooth.max(0.0);
        let left = self.fade_to.saturating_sub(gone) as f32 / (self.fade_to - self.fade_from).max(1) as f32;
        saturate(joined * left.min(1.0))
    }

    fn remember(&mut self, samples: &[i16]) {
        let room = self.history.len();
        let newest = samples.get(samples.len().saturating_sub(room)..).unwrap_or_default();
        self.history.copy_within(newest.len().., 0);
        if let Some(end) = self.history.get_mut(room - newest.len()..) {
            end.copy_from_slice(newest);
        }
    }

    /// The lag at which the last samples resemble those before them most.
    fn lag(&mut self) -> usize {
        let (shortest, longest, coarse) = (self.shortest, self.longest, self.coarse);
        if coarse == 1 {
            return best_lag(&self.history, longest, shortest..=longest);
        }
        self.thinned.clear();
        let skipped = (self.history.len() - 1) % coarse;
        self.thinned.extend(self.history.iter().skip(skipped).step_by(coarse));
        let near = coarse * best_lag(&self.thinned, longest / coarse, shortest / coarse..=longest / coarse);
        let around = (near - coarse.min(near)).max(shortest)..=(near + coarse).min(longest);
        best_lag(&self.history, longest, around)
    }

    /// Takes the last period and makes it fit for repeating.
    fn prepare(&mut self) {
        let end = self.history.len();
        let lag = self.lag();
        self.period.clear();
        self.at = 0;
        let Some(period) = self.history.get(end - lag..) else { return };
        self.period.extend_from_slice(period);
        let overlap = self.overlap.min(lag / 2).max(1);
        // The last sample heard against the one that the repetition continues.
        let Some(before) = self.history.get(end - lag - overlap..end - lag) else { return };
        let from = f32::from(before.last().copied().unwrap_or(0));
        self.step = f32::from(period.last().copied().unwrap_or(0)) - from;
        // The end of the period flows into its start: blended with what stood before that start.
        for (place, (sample, earlier)) in self.period.iter_mut().skip(lag - overlap).zip(before).enumerate() {
            *sample = blend(*sample, *earlier, place, overlap);
        }
    }
}

/// The lag, of some, at which the last `window` samples resemble those before them most.
fn best_lag(history: &[i16], window: usize, lags: std::ops::RangeInclusive<usize>) -> usize {
    let end = history.len();
    let last = history.get(end - window..).unwrap_or_default();
    let mut best = (f32::MIN, window);
    for lag in lags {
        let Some(earlier) = history.get(end - window - lag..end - lag) else { continue };
        let (product, energy) = products(last, earlier);
        let likeness = product / (energy + 1.0).sqrt();
        // A longer lag must be better to be taken: several periods are as like as one.
        if likeness > best.0 + best.0.abs() * 0.001 {
            best = (likeness, lag);
        }
    }
    best.1
}

/// The inner product of two pieces and the energy of the second, in lanes that vectorise; up to seven samples at the
/// end do not count.
fn products(one: &[i16], other: &[i16]) -> (f32, f32) {
    const LANES: usize = 8;
    let (mut product, mut energy) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    for (one, other) in one.as_chunks::<LANES>().0.iter().zip(other.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            product[lane] += f32::from(one[lane]) * f32::from(other[lane]);
            energy[lane] += f32::from(other[lane]) * f32::from(other[lane]);
        }
    }
    (product.iter().sum(), energy.iter().sum())
}

/// From one sample towards another, `place` of `count` steps on the way.
fn blend(from: i16, to: i16, place: usize, count: usize) -> i16 {
    let weight = (place + 1) as f32 / (count + 1) as f32;
    saturate(f32::from(from) * (1.0 - weight) + f32::from(to) * weight)
}

#[cfg(test)]
mod tests;
