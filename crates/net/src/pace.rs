//! Rests between turns under steady load.
//!
//! A loop that is woken by each message finds its code and its data gone from the caches, sends each response by itself and waits anew; from some
//! hundred messages a second on, most of its time goes there. So it rests when everything has been done, for as long as some messages take to
//! come: the next turn handles them together, and their responses leave together (see `bundle`). Network cards do the same with their
//! interrupts.
//!
//! Messages that come seldom never wait, no rest is longer than the configured one, and nobody is slowed down: whoever sends the next message only
//! when we have answered the last would be. So the rate is measured without rests now and then, and when it falls: rests that lower it are
//! halved, and grow again slowly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Messages that a rest is to bring together.
const TOGETHER: u32 = 20;
/// Messages a second below which no rest brings two together that would not have come together.
const SELDOM: u32 = 500;
/// The shortest rest that is worth its while.
const SHORTEST: Duration = Duration::from_micros(250);
/// How long messages are counted for a rate, at least.
const EPOCH: Duration = Duration::from_millis(100);
/// Epochs from one without rests to the next, at most.
const EPOCHS: u8 = 64;

/// The messages that have come so far, counted by the loop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<AtomicU32>);

impl Count {
    /// One more. Only one thread counts, so it need not do it in one step.
    pub(crate) fn more(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

/// Decides on the rests of one loop.
#[derive(Debug)]
pub(crate) struct Pace {
    longest: Duration,
    count: Count,
    /// When this epoch began, and the count then.
    begun: Instant,
    counted: u32,
    /// Epochs since the rate was measured without rests: in the first there are none.
    epoch: u8,
    /// Messages a second without rests.
    unrested: u32,
    /// The rate with the present rests, when it has fallen: by them or by itself.
    fallen: Option<u32>,
    /// What rests may last so that they slow nobody down, as far as is known.
    harmless: Duration,
    /// What they last, or lasted before the epoch without any.
    rest: Duration,
}

impl Pace {
    /// Rests of at most `longest`.
    pub(crate) fn new(longest: Duration, count: Count, now: Instant) -> Self {
        let rest = Duration::ZERO;
        Self { longest, count, begun: now, counted: 0, epoch: 0, unrested: 0, fallen: None, harmless: longest, rest }
    }

    /// Everything has been done at `now`: how long to rest before anything else is looked at.
    pub(crate) fn rest(&mut self, now: Instant) -> Duration {
        let passed = now.duration_since(self.begun);
        if passed >= EPOCH {
            if passed > EPOCH * 2 {
                // There was a silence: what came before it and what comes after are not compared.
                (self.epoch, self.fallen) = (0, None);
            }
            let count = self.count.0.load(Relaxed);
            let messages = count.wrapping_sub(self.counted);
            self.end_epoch((f64::from(messages) / passed.as_secs_f64()) as u32);
            (self.begun, self.counted) = (now, count);
        }
        if self.epoch == 0 { Duration::ZERO } else { self.rest }
    }

    fn end_epoch(&mut self, rate: u32) {
        let falls = |from: u32, to: u32| to < from - from / 4;
        match self.epoch {
            0 => {
                self.unrested = rate;
                if self.fallen.take().is_some_and(|rested| falls(rate, rested)) {
                    self.harmless = self.rest / 2;
                }
                let rest = self.harmless.min(Duration::from_secs(1) * TOGETHER / rate.max(1));
                self.rest = if rest < SHORTEST { Duration::ZERO } else { rest };
            }
            EPOCHS => self.harmless = self.longest.min(self.harmless * 2),
            _ if !self.rest.is_zero() && falls(self.unrested, rate) => self.fallen = Some(rate),
            _ => {}
        }
        let measure = self.epoch == EPOCHS || self.fallen.is_some() || rate < SELDOM;
        self.epoch = if measure { 0 } else { self.epoch + 1 };
    }
}

#[cfg(test)]
mod tests;
