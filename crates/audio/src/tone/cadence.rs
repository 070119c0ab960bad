//! Cadences: when a tone sounds, and the tones that networks play.

use std::time::Duration;

use super::{Tone, ToneError};
use crate::dtmf::Digit;
use crate::level::Dbfs;

/// A stretch of sound or silence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// What sounds; `None` is silence.
    pub tone: Option<Tone>,
    /// How long; `None` is without end.
    pub length: Option<Duration>,
}

/// Segments in order, once or over and over.
#[derive(Clone, Debug, PartialEq)]
pub struct Cadence {
    /// The segments, at most [`MAX_SEGMENTS`](Self::MAX_SEGMENTS).
    pub segments: Vec<Segment>,
    /// Whether the first segment follows the last.
    pub repeats: bool,
}

impl Cadence {
    /// The longest cadence that is accepted: two segments for each of 256 digits.
    pub const MAX_SEGMENTS: usize = 512;

    /// One tone without end.
    pub fn endless(tone: Tone) -> Self {
        Self { segments: vec![Segment { tone: Some(tone), length: None }], repeats: false }
    }

    /// `tone` for each `on`, silence for the `off` after it, over and over; milliseconds.
    pub fn repeating(tone: Tone, on_off_ms: &[(u64, u64)]) -> Self {
        let segments = on_off_ms.iter().flat_map(|&(on, off)| {
            [(Some(tone), on), (None, off)].map(|(tone, ms)| Segment { tone, length: Some(Duration::from_millis(ms)) })
        });
        Self { segments: segments.collect(), repeats: true }
    }

    /// The tones of `digits`, each `on` long with `off` behind it, once. Lower-case letters are taken too.
    ///
    /// # Errors
    /// [`ToneError::Digit`] at the first character that is no digit; [`ToneError::Empty`] without any;
    /// [`ToneError::TooLong`] for more than 256.
    pub fn digits(digits: &str, on: Duration, off: Duration, level: Dbfs) -> Result<Self, ToneError> {
        let mut segments = Vec::new();
        for (position, found) in digits.chars().enumerate() {
            let digit = Digit::new(found).ok_or(ToneError::Digit { found, position })?;
            if segments.len() == Self::MAX_SEGMENTS {
                return Err(ToneError::TooLong { segments: digits.chars().count().saturating_mul(2) });
            }
            let (row, column) = digit.frequencies();
            segments.push(Segment { tone: Some(Tone::dual(row, column, level)), length: Some(on) });
            segments.push(Segment { tone: None, length: Some(off) });
        }
        if segments.is_empty() { Err(ToneError::Empty) } else { Ok(Self { segments, repeats: false }) }
    }
}

/// Whose network tones to play. Frequencies and cadences as in ITU-T E.180 supplement 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Zone {
    /// 425 Hz with the cadences that most of Europe uses.
    #[default]
    Europe,
    /// The precise tone plan of the USA and Canada.
    NorthAmerica,
    /// United Kingdom.
    UnitedKingdom,
}

impl Zone {
    /// The level of one frequency: -13 dBm0, inside the range of ITU-T E.180 for every tone.
    pub const LEVEL: Dbfs = Dbfs(-16.0);

    /// Dial tone.
    pub fn dial(self) -> Cadence {
        Cadence::endless(match self {
            Self::Europe => Tone::single(425.0, Self::LEVEL),
            Self::NorthAmerica | Self::UnitedKingdom => Tone::dual(350.0, 440.0, Self::LEVEL),
        })
    }

    /// Ring-back: the called party is being alerted.
    pub fn ring_back(self) -> Cadence {
        match self {
            Self::Europe => Cadence::repeating(Tone::single(425.0, Self::LEVEL), &[(1_000, 4_000)]),
            Self::NorthAmerica => Cadence::repeating(Tone::dual(440.0, 480.0, Self::LEVEL), &[(2_000, 4_000)]),
            Self::UnitedKingdom => {
                Cadence::repeating(Tone::dual(400.0, 450.0, Self::LEVEL), &[(400, 200), (400, 2_000)])
            }
        }
    }

    /// Busy: the called party is in a call.
    pub fn busy(self) -> Cadence {
        match self {
            Self::Europe => Cadence::repeating(Tone::single(425.0, Self::LEVEL), &[(500, 500)]),
            Self::NorthAmerica => Cadence::repeating(Tone::dual(480.0, 620.0, Self::LEVEL), &[(500, 500)]),
            Self::UnitedKingdom => Cadence::repeating(Tone::single(400.0, Self::LEVEL), &[(375, 375)]),
        }
    }

    /// Congestion (reorder): the network cannot connect.
    pub fn congestion(self) -> Cadence {
        match self {
            Self::Europe => Cadence::repeating(Tone::single(425.0, Self::LEVEL), &[(250, 250)]),
            Self::NorthAmerica => Cadence::repeating(Tone::dual(480.0, 620.0, Self::LEVEL), &[(250, 250)]),
            Self::UnitedKingdom => Cadence::repeating(Tone::single(400.0, Self::LEVEL), &[(400, 350), (225, 525)]),
        }
    }
}
