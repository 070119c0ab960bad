//! Which of some known tones a stream carries, and how far it stands above everything else.
//!
//! Every 100 ms the listed frequencies are fitted to the window together, by least squares with a cosine and a sine
//! each. Unlike filters of a bin's width, the fit leaks nothing: a pure tone leaves no rest even when the window does
//! not hold a whole number of its turns, and a weak tone is measured truly beside a strong one.

use std::f64::consts::TAU;
use std::fmt;
use std::time::Duration;

use crate::frame::SampleRate;
use crate::level::Dbfs;

/// Windows a second.
const WINDOWS_PER_SECOND: u32 = 10;

/// The ratio that is reported at most, in decibels; a rest of nothing has no logarithm.
const MAX_RATIO_DB: f64 = 99.0;

/// Why a meter cannot be made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ToneMeterError {
    /// No frequency, or more than [`ToneMeter::MAX_TONES`].
    Count {
        /// How many were given.
        given: usize,
    },
    /// A frequency that is not above 20 Hz and 20 Hz below half the rate.
    Frequency {
        /// Which.
        hertz: f64,
        /// The rate of the meter.
        rate: SampleRate,
    },
    /// Two frequencies that are less than 20 Hz apart cannot be told from each other in a window.
    TooClose {
        /// One of them.
        hertz: f64,
        /// The other one.
        other: f64,
    },
}

impl fmt::Display for ToneMeterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { given } => {
                write!(f, "{given} frequencies to measure: expected 1 to {}", ToneMeter::MAX_TONES)
            }
            Self::Frequency { hertz, rate } => {
                write!(f, "cannot measure {hertz} Hz: expected 20 Hz or more, and 20 Hz less than half of {rate}")
            }
            Self::TooClose { hertz, other } => {
                write!(f, "cannot tell {hertz} Hz from {other} Hz: expected at least 20 Hz between them")
            }
        }
    }
}

impl std::error::Error for ToneMeterError {}

/// What one window of 100 ms held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToneWindow {
    /// First sample of the window, counted from the meter's first.
    pub at: u64,
    /// The strongest of the listed frequencies, as its place in the list; `None` when the window is silent.
    pub strongest: Option<usize>,
    /// That frequency's power over all the rest of the window (noise, other tones, direct current), in decibels,
    /// at most 99. Negative when the rest is stronger.
    pub ratio_db: f32,
    /// Level of the whole window.
    pub level: Dbfs,
    tones: [Dbfs; ToneMeter::MAX_TONES],
}

impl ToneWindow {
    /// Level of the listed frequency at `place`; [`Dbfs::SILENCE`] beyond the list.
    pub fn tone(&self, place: usize) -> Dbfs {
        self.tones.get(place).copied().unwrap_or(Dbfs::SILENCE)
    }
}

/// Measures listed tones window by window and keeps the longest run of each. Pushing allocates nothing.
///
/// ```
/// use audio::{detector::ToneMeter, frame::SampleRate, level::Dbfs, tone::ToneGenerator};
/// let mut tone = ToneGenerator::single(SampleRate::NARROW, 440.0, Dbfs(-10.0)).unwrap();
/// let mut meter = ToneMeter::new(SampleRate::NARROW, &[440.0, 1000.0]).unwrap();
/// let mut frame = [0; 160];
/// for _ in 0..3 * 50 {
///     tone.fill(&mut frame);
///     meter.push(&frame, |_window| {});
/// }
/// assert_eq!(meter.longest(0).as_secs(), 3); // 440 Hz at least 20 dB over everything else for 3 s
/// assert_eq!(meter.longest(1).as_secs(), 0);
/// ```
#[derive(Clone, Debug)]
pub struct ToneMeter {
    rate: SampleRate,
    /// Sample by sample: cosine and sine of each tone, one row of `2 * tones` numbers.
    waves: Vec<f64>,
    /// Inner products of the waves over a window, row by row.
    gram: Vec<f64>,
    /// Lower triangle of its Cholesky factor.
    factor: Vec<f64>,
    /// Inner products of the window with each wave so far.
    sums: Vec<f64>,
    solution: Vec<f64>,
    energy: f64,
    filled: usize,
    window: usize,
    floor: Dbfs,
    min_ratio_db: f32,
    windows: u64,
    runs: Vec<(u64, u64)>,
}

impl ToneMeter {
    /// How many frequencies a meter takes.
    pub const MAX_TONES: usize = 8;

    /// What counts as dominating unless [`dominating_by`](Self::dominating_by) says otherwise, in decibels.
    pub const DEFAULT_RATIO_DB: f32 = 20.0;

    /// Below this a window is silent unless [`silent_below`](Self::silent_below) says otherwise.
    pub const DEFAULT_FLOOR: Dbfs = Dbfs(-60.0);

    /// A meter for `frequencies` in hertz; a tone is known by its place in this list.
    ///
    /// # Errors
    /// Any [`ToneMeterError`].
    pub fn new(rate: SampleRate, frequencies: &[f64]) -> Result<Self, ToneMeterError> {
        check(rate, frequencies)?;
        let window = (rate.hz() / WINDOWS_PER_SECOND) as usize;
        let size = 2 * frequencies.len();
        let mut waves = Vec::with_capacity(window * size);
        for n in 0..window {
            for hertz in frequencies {
                let (sin, cos) = (TAU * hertz * n as f64 / f64::from(rate.hz())).sin_cos();
                waves.extend([cos, sin]);
            }
        }
        let mut gram = vec![0.0; size * size];
        for row in waves.chunks_exact(size) {
            for (line, a) in gram.chunks_exact_mut(size).zip(row) {
                line.iter_mut().zip(row).for_each(|(sum, b)| *sum += a * b);
            }
        }
        Ok(Self {
            rate,
            waves,
            factor: cholesky(&gram, size),
            gram,
            sums: vec![0.0; size],
            solution: vec![0.0; size],
            energy: 0.0,
            filled: 0,
            window,
            floor: Self::DEFAULT_FLOOR,
            min_ratio_db: Self::DEFAULT_RATIO_DB,
            windows: 0,
            runs: vec![(0, 0); frequencies.len()],
        })
    }

    /// Counts a tone as dominating from `decibels` over everything else.
    #[must_use]
    pub fn dominating_by(mut self, decibels: f32) -> Self {
        self.min_ratio_db = decibels;
        self
    }

    /// Takes windows below `level` for silence, in which nothing dominates.
    #[must_use]
    pub fn silent_below(mut self, level: Dbfs) -> Self {
        self.floor = level;
        self
    }

    /// Takes a frame of any length and calls `measured` for each window that it completes.
    pub fn push(&mut self, frame: &[i16], mut measured: impl FnMut(&ToneWindow)) {
        let size = self.sums.len();
        let mut rest = frame;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.len().min(self.window - self.filled));
            rest = after;
            let waves = self.waves.get(self.filled * size..).unwrap_or_default().chunks_exact(size);
            for (sample, row) in part.iter().zip(waves) {
                let sample = f64::from(*sample);
                self.energy += sample * sample;
                self.sums.iter_mut().zip(row).for_each(|(sum, wave)| *sum += sample * wave);
            }
            self.filled += part.len();
            if self.filled == self.window {
                let window = self.measure();
                self.count(&window);
                measured(&window);
            }
        }
    }

    /// Windows measured so far.
    pub const fn windows(&self) -> u64 {
        self.windows
    }

    /// The longest time, in whole windows, that the tone at `place` dominated without a break.
    pub fn longest(&self, place: usize) -> Duration {
        let windows = self.runs.get(place).map_or(0, |&(_, longest)| longest);
        self.rate.duration(windows.saturating_mul(self.window as u64))
    }

    fn measure(&mut self) -> ToneWindow {
        solve(&self.factor, &self.sums, &mut self.solution);
        let samples = self.window as f64;
        let size = self.sums.len();
        let mut tones = [Dbfs::SILENCE; Self::MAX_TONES];
        let mut best: Option<(usize, f64, f64)> = None;
        let pairs = self.solution.chunks_exact(2).zip(self.sums.chunks_exact(2)).zip(&mut tones).enumerate();
        for (place, ((fitted, sums), tone)) in pairs {
            let (&[a, b], &[sum_a, sum_b]) = (fitted, sums) else { continue };
            let at = |row: usize, column: usize| {
                self.gram.get((2 * place + row) * size + 2 * place + column).copied().unwrap_or(0.0)
            };
            let own = a * a * at(0, 0) + 2.0 * a * b * at(0, 1) + b * b * at(1, 1);
            let rest = self.energy - 2.0 * (a * sum_a + b * sum_b) + own;
            *tone = Dbfs::of_power((a * a + b * b) / 2.0);
            if best.is_none_or(|(_, strongest, _)| own > strongest) {
                best = Some((place, own, rest));
            }
        }
        let level = Dbfs::of_power(self.energy / samples);
        let at = self.windows.saturating_mul(self.window as u64);
        self.windows += 1;
        (self.filled, self.energy) = (0, 0.0);
        self.sums.fill(0.0);
        let (strongest, ratio_db) = match best {
            Some((place, own, rest)) if level >= self.floor && own > 0.0 => (Some(place), decibels(own, rest)),
            _ => (None, -MAX_RATIO_DB),
        };
        ToneWindow { at, strongest, ratio_db: ratio_db as f32, level, tones }
    }

    fn count(&mut self, window: &ToneWindow) {
        for (place, (run, longest)) in self.runs.iter_mut().enumerate() {
            let dominates = window.strongest == Some(place) && window.ratio_db >= self.min_ratio_db;
            *run = if dominates { *run + 1 } else { 0 };
            *longest = (*longest).max(*run);
        }
    }
}

fn check(rate: SampleRate, frequencies: &[f64]) -> Result<(), ToneMeterError> {
    if frequencies.is_empty() || frequencies.len() > ToneMeter::MAX_TONES {
        return Err(ToneMeterError::Count { given: frequencies.len() });
    }
    for (place, &hertz) in frequencies.iter().enumerate() {
        if !(hertz >= 20.0 && hertz <= f64::from(rate.hz()) / 2.0 - 20.0) {
            return Err(ToneMeterError::Frequency { hertz, rate });
        }
        let close = frequencies.iter().take(place).find(|&other| (other - hertz).abs() < 20.0);
        if let Some(&other) = close {
            return Err(ToneMeterError::TooClose { hertz, other });
        }
    }
    Ok(())
}

fn decibels(own: f64, rest: f64) -> f64 {
    if rest <= 0.0 { MAX_RATIO_DB } else { (10.0 * (own / rest).log10()).clamp(-MAX_RATIO_DB, MAX_RATIO_DB) }
}

/// The lower triangle L of a positive definite matrix L·Lᵀ. Frequencies 20 Hz apart keep it definite.
fn cholesky(matrix: &[f64], size: usize) -> Vec<f64> {
    let mut lower = vec![0.0; size * size];
    for row in 0..size {
        for column in 0..=row {
            let done: f64 = (0..column).map(|k| lower[row * size + k] * lower[column * size + k]).sum();
            let value = matrix[row * size + column] - done;
            lower[row * size + column] =
                if row == column { value.max(f64::MIN_POSITIVE).sqrt() } else { value / lower[column * size + column] };
        }
    }
    lower
}

/// Solves L·Lᵀ·x = b by substitution, forwards and back.
fn solve(lower: &[f64], b: &[f64], x: &mut [f64]) {
    let size = x.len();
    for row in 0..size {
        let done: f64 = (0..row).map(|k| lower[row * size + k] * x[k]).sum();
        x[row] = (b[row] - done) / lower[row * size + row];
    }
    for row in (0..size).rev() {
        let done: f64 = (row + 1..size).map(|k| lower[k * size + row] * x[k]).sum();
        x[row] = (x[row] - done) / lower[row * size + row];
    }
}
