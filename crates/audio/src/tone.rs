//! Tones: one or two frequencies with a cadence.
//!
//! A [`ToneGenerator`] keeps its phase across frames and across the pauses of a cadence as a 64-bit fraction of a
//! turn, so an endless tone neither drifts nor clicks at frame borders, and every segment has exactly the number of
//! samples that its duration says (rounded once each, to the nearest sample).

mod cadence;
mod oscillator;

pub use cadence::{Cadence, Segment, Zone};

use std::fmt;
use std::time::Duration;

use crate::frame::SampleRate;
use crate::level::Dbfs;
use oscillator::Oscillator;

/// What is heard during a segment: up to two sines, each of its own level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// First frequency in hertz.
    pub first: f64,
    /// Level of the first frequency.
    pub first_level: Dbfs,
    /// Second frequency and its level.
    pub second: Option<(f64, Dbfs)>,
}

impl Tone {
    /// One frequency.
    pub const fn single(hertz: f64, level: Dbfs) -> Self {
        Self { first: hertz, first_level: level, second: None }
    }

    /// Two frequencies of the same level each (together 3 dB more).
    pub const fn dual(first: f64, second: f64, level: Dbfs) -> Self {
        Self { first, first_level: level, second: Some((second, level)) }
    }

    fn check(&self, rate: SampleRate) -> Result<(), ToneError> {
        let parts = [Some((self.first, self.first_level)), self.second];
        let mut peak = 0.0;
        for (hertz, level) in parts.into_iter().flatten() {
            if !(hertz > 0.0 && hertz < f64::from(rate.hz()) / 2.0) {
                return Err(ToneError::Frequency { hertz, rate });
            }
            if !level.0.is_finite() {
                return Err(ToneError::Level { level });
            }
            peak += level.amplitude();
        }
        // Half a decibel of grace: 0 dBFS is 32768, and two tones of -6 dBFS add up to 32846.
        if peak > 34_700.0 { Err(ToneError::Clips { peak }) } else { Ok(()) }
    }
}

/// Why a tone cannot be made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ToneError {
    /// The frequency is not above zero and below half the sample rate.
    Frequency {
        /// What was asked for.
        hertz: f64,
        /// The rate of the generator.
        rate: SampleRate,
    },
    /// The level is not a number.
    Level {
        /// What was asked for.
        level: Dbfs,
    },
    /// The frequencies together exceed full scale.
    Clips {
        /// Peak of the sum, in samples.
        peak: f64,
    },
    /// The cadence has no segment, or it repeats and lasts no time at all.
    Empty,
    /// The cadence has more segments than [`Cadence::MAX_SEGMENTS`].
    TooLong {
        /// How many it has.
        segments: usize,
    },
    /// The character is none of `0-9 A-D * #`.
    Digit {
        /// What was found.
        found: char,
        /// Where, counted in characters from 0.
        position: usize,
    },
}

impl fmt::Display for ToneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frequency { hertz, rate } => {
                write!(f, "tone of {hertz} Hz: expected more than 0 and less than half of {rate}")
            }
            Self::Level { level } => write!(f, "tone level {level}: expected a finite number"),
            Self::Clips { peak } => write!(f, "tone peaks at {peak:.0}: expected at most 32768"),
            Self::Empty => write!(f, "cadence without sound or silence: expected a segment of some length"),
            Self::TooLong { segments } => {
                write!(f, "cadence of {segments} segments: expected at most {}", Cadence::MAX_SEGMENTS)
            }
            Self::Digit { found, position } => {
                write!(f, "character {position} is {found:?}: expected a digit of 0-9 A-D * #")
            }
        }
    }
}

impl std::error::Error for ToneError {}

/// Makes the samples of a cadence. Filling allocates nothing.
#[derive(Clone, Debug)]
pub struct ToneGenerator {
    rate: SampleRate,
    segments: Vec<(Option<Tone>, Option<u64>)>,
    repeats: bool,
    current: usize,
    /// Samples left of the current segment; `None` is without end.
    left: Option<u64>,
    oscillators: [Oscillator; 2],
    /// Samples left of everything; `None` is without end.
    total: Option<u64>,
}

impl ToneGenerator {
    /// A generator at the start of `cadence`.
    ///
    /// # Errors
    /// Any [`ToneError`]: frequencies must fit the rate, levels must not clip, the cadence must have some length.
    pub fn new(rate: SampleRate, cadence: &Cadence) -> Result<Self, ToneError> {
        if cadence.segments.len() > Cadence::MAX_SEGMENTS {
            return Err(ToneError::TooLong { segments: cadence.segments.len() });
        }
        let mut segments = Vec::with_capacity(cadence.segments.len());
        for segment in &cadence.segments {
            if let Some(tone) = &segment.tone {
                tone.check(rate)?;
            }
            let length = segment.length.map(|length| rate.samples(length));
            if length != Some(0) {
                segments.push((segment.tone, length));
            }
        }
        let Some(&(_, left)) = segments.first() else { return Err(ToneError::Empty) };
        let silent = Oscillator::silent();
        let mut made = Self {
            rate,
            segments,
            repeats: cadence.repeats,
            current: 0,
            left,
            oscillators: [silent, silent],
            total: None,
        };
        made.tune();
        Ok(made)
    }

    /// One endless frequency; a shorthand.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn single(rate: SampleRate, hertz: f64, level: Dbfs) -> Result<Self, ToneError> {
        Self::new(rate, &Cadence::endless(Tone::single(hertz, level)))
    }

    /// Ends everything after `length` from here, whatever the cadence says.
    #[must_use]
    pub fn lasting(mut self, length: Duration) -> Self {
        self.total = Some(self.rate.samples(length));
        self
    }

    /// The sample rate of this generator.
    pub const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Whether every sample has been made.
    pub fn is_finished(&self) -> bool {
        self.total == Some(0) || self.current >= self.segments.len()
    }

    /// Fills `frame` from its start and returns how many samples were made; fewer than asked only at the end.
    /// What lies behind them is left as it was.
    pub fn fill(&mut self, frame: &mut [i16]) -> usize {
        let mut made = 0;
        while made < frame.len() && !self.is_finished() {
            let room = (frame.len() - made) as u64;
            let count = room.min(self.left.unwrap_or(u64::MAX)).min(self.total.unwrap_or(u64::MAX));
            let Some(part) = frame.get_mut(made..made + count as usize) else { break };
            let [first, second] = &mut self.oscillators;
            first.fill(part);
            second.add(part);
            made += part.len();
            self.total = self.total.map(|total| total - count);
            self.left = self.left.map(|left| left - count);
            if self.left == Some(0) {
                self.advance();
            }
        }
        made
    }

    fn advance(&mut self) {
        self.current += 1;
        if self.current == self.segments.len() && self.repeats {
            self.current = 0;
        }
        if let Some(&(_, length)) = self.segments.get(self.current) {
            self.left = length;
            self.tune();
        }
    }

    /// Sets the oscillators for the current segment. An oscillator whose frequency stays keeps its phase.
    fn tune(&mut self) {
        let tone = self.segments.get(self.current).and_then(|&(tone, _)| tone);
        let [first, second] = &mut self.oscillators;
        first.tune(self.rate, tone.map(|tone| (tone.first, tone.first_level)));
        second.tune(self.rate, tone.and_then(|tone| tone.second));
    }
}

#[cfg(test)]
mod tests;
