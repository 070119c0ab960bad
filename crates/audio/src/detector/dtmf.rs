//! In-band DTMF (ITU-T Q.23, Q.24): which digit, from when, for how long.
//!
//! Windows of 12.75 ms, one each 6.4 ms, go through eight Goertzel filters. A window shows a digit when its row and
//! column are loud enough, differ by no more than the twist limits, stand 8 dB above the other rows and columns, and
//! together make up most of the window's energy; the last rule is what keeps speech and music out. Some consecutive
//! windows with one digit begin it, some without it end it. A window of which a fifth or more is silent shows none.

use std::time::Duration;

use super::Goertzel;
use crate::dtmf::{COLUMNS, Digit, ROWS};
use crate::frame::SampleRate;
use crate::level::{Dbfs, FULL_SCALE};

/// Row and column stand this far above the other rows and columns, as a power ratio: 8 dB.
const ABOVE_OTHERS: f32 = 6.3;

/// What share of the window's energy row and column make up at least. A frequency 1.5 % off loses up to 30 %.
const SHARE: f32 = 0.55;

/// What counts as a digit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DtmfLimits {
    /// The least level of row and of column.
    pub min_level: Dbfs,
    /// How many decibels the column may be louder than the row.
    pub column_over_row_db: f32,
    /// How many decibels the row may be louder than the column.
    pub row_over_column_db: f32,
    /// A tone of this length is always found; one of half of it never. At least 20 ms.
    pub min_on: Duration,
    /// A pause of this length always separates two digits; one of a third of it never. At least 13 ms.
    pub min_off: Duration,
}

impl Default for DtmfLimits {
    /// The limits of ITU-T Q.24 (AT&T column): 40 ms on, 40 ms off, and room for lines that lose high frequencies.
    fn default() -> Self {
        Self {
            min_level: Dbfs(-36.0),
            column_over_row_db: 6.0,
            row_over_column_db: 8.0,
            min_on: Duration::from_millis(40),
            min_off: Duration::from_millis(40),
        }
    }
}

/// What a [`DtmfDetector`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtmfEvent {
    /// A digit is sounding. Comes once, when the minimum length has been heard.
    Began {
        /// Which.
        digit: Digit,
        /// The sample, counted from the detector's first, at which its first window started.
        at: u64,
    },
    /// The digit that began last has ended.
    Ended {
        /// Which.
        digit: Digit,
        /// How long it was, to about 10 ms.
        length: Duration,
    },
}

/// Finds DTMF digits in a stream. Pushing allocates nothing.
#[derive(Clone, Debug)]
pub struct DtmfDetector {
    rate: SampleRate,
    limits: DtmfLimits,
    min_power: f32,
    column_over_row: f32,
    row_over_column: f32,
    windows_on: u32,
    windows_off: u32,
    /// Two windows under way, the second half a window later.
    banks: [Bank; 2],
    /// Samples in half a window, and how many of them have been taken.
    hop: usize,
    filled: usize,
    /// Which bank ends next, and whether it will have heard a whole window.
    turn: usize,
    whole: bool,
    seen: u64,
    state: State,
}

#[derive(Clone, Copy, Debug)]
struct Bank {
    rows: [Goertzel; 4],
    columns: [Goertzel; 4],
    energy: f32,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    /// Windows of one digit in a row, too few yet.
    Rising {
        digit: Digit,
        since: u64,
        windows: u32,
    },
    /// A digit has begun; `misses` windows without it in a row; `last` is the end of the last window with it.
    On {
        digit: Digit,
        since: u64,
        last: u64,
        misses: u32,
        next: Option<Digit>,
    },
}

impl DtmfDetector {
    /// A detector that has heard nothing.
    pub fn new(rate: SampleRate, limits: DtmfLimits) -> Self {
        let hop = (rate.hz() as usize * 51 / 8_000).max(1);
        let hops = |length: Duration| u32::try_from(rate.samples(length) / hop as u64).unwrap_or(u32::MAX);
        let amplitude = limits.min_level.amplitude() / FULL_SCALE;
        let bank = Bank {
            rows: ROWS.map(|hertz| Goertzel::new(rate, hertz)),
            columns: COLUMNS.map(|hertz| Goertzel::new(rate, hertz)),
            energy: 0.0,
        };
        Self {
            rate,
            limits,
            min_power: (amplitude * amplitude / 2.0) as f32,
            column_over_row: ratio(limits.column_over_row_db),
            row_over_column: ratio(limits.row_over_column_db),
            // A tone of n hops holds n - 2 whole windows wherever it starts.
            windows_on: hops(limits.min_on).saturating_sub(2).max(1),
            windows_off: hops(limits.min_off).max(2),
            banks: [bank; 2],
            hop,
            filled: 0,
            turn: 1,
            whole: false,
            seen: 0,
            state: State::Idle,
        }
    }

    /// The limits this detector was made with.
    pub const fn limits(&self) -> &DtmfLimits {
        &self.limits
    }

    /// Takes a frame of any length and calls `found` for each event in order.
    pub fn push(&mut self, frame: &[i16], mut found: impl FnMut(DtmfEvent)) {
        let mut rest = frame;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.len().min(self.hop - self.filled));
            rest = after;
            for bank in &mut self.banks {
                part.iter().for_each(|sample| bank.push(f32::from(*sample) / FULL_SCALE as f32));
            }
            self.filled += part.len();
            self.seen = self.seen.saturating_add(part.len() as u64);
            if self.filled == self.hop {
                self.filled = 0;
                let digit = self.judge();
                if self.whole {
                    self.step(digit, &mut found);
                }
                // The second bank's first window is half a window of nothing.
                self.whole = true;
                self.turn ^= 1;
            }
        }
    }

    /// The digit of the window that has ended; the bank starts its next one.
    fn judge(&mut self) -> Option<Digit> {
        let window = 2 * self.hop;
        let bank = self.banks.get_mut(self.turn)?;
        let rows = bank.rows.each_mut().map(|filter| filter.take_power(window));
        let columns = bank.columns.each_mut().map(|filter| filter.take_power(window));
        let mean = std::mem::take(&mut bank.energy) / window as f32;
        let (row, row_power) = standing_out(&rows)?;
        let (column, column_power) = standing_out(&columns)?;
        let loud = row_power >= self.min_power && column_power >= self.min_power;
        let even = column_power <= row_power * self.column_over_row && row_power <= column_power * self.row_over_column;
        let pure = row_power + column_power >= mean * SHARE;
        if loud && even && pure { Digit::at(row, column) } else { None }
    }

    fn step(&mut self, heard: Option<Digit>, found: &mut impl FnMut(DtmfEvent)) {
        let start = self.seen.saturating_sub(2 * self.hop as u64);
        if let State::On { digit, since, last, misses, next } = &mut self.state {
            if heard == Some(*digit) {
                (*last, *misses, *next) = (self.seen, 0, None);
                return;
            }
            *misses += 1;
            // Two windows of another digit end this one too, since there may be no pause at all.
            let replaced = heard.is_some() && heard == *next;
            *next = heard;
            if *misses < self.windows_off && !replaced {
                return;
            }
            let (digit, length) = (*digit, self.rate.duration(last.saturating_sub(*since)));
            found(DtmfEvent::Ended { digit, length });
            self.state = match heard {
                Some(digit) if replaced => {
                    State::Rising { digit, since: start.saturating_sub(self.hop as u64), windows: 1 }
                }
                _ => State::Idle,
            };
        }
        let Some(digit) = heard else {
            self.state = State::Idle;
            return;
        };
        let (since, windows) = match self.state {
            State::Rising { digit: rising, since, windows } if rising == digit => (since, windows + 1),
            _ => (start, 1),
        };
        if windows >= self.windows_on {
            found(DtmfEvent::Began { digit, at: since });
            self.state = State::On { digit, since, last: self.seen, misses: 0, next: None };
        } else {
            self.state = State::Rising { digit, since, windows };
        }
    }
}

impl Bank {
    #[inline]
    fn push(&mut self, sample: f32) {
        self.energy += sample * sample;
        self.rows.iter_mut().for_each(|filter| filter.push(sample));
        self.columns.iter_mut().for_each(|filter| filter.push(sample));
    }
}

fn ratio(decibels: f32) -> f32 {
    10f32.powf(decibels / 10.0)
}

/// The largest of four powers and its place, if it stands above the others.
fn standing_out(powers: &[f32; 4]) -> Option<(usize, f32)> {
    let (best, power) = powers.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let alone = powers.iter().enumerate().all(|(place, other)| place == best || other * ABOVE_OTHERS <= power);
    (alone && power > 0.0).then_some((best, power))
}

#[cfg(test)]
mod tests;
