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
/// So many are counted: calls begin by chance, and of few messages the number says little of the rate.
const COUNTED: u32 = 400;
/// How long they are counted at most.
const LONGEST_EPOCH: Duration = Duration::from_secs(1);
/// How long nothing comes in a silence.
const SILENCE: Duration = Duration::from_millis(100);
/// Epochs from one without rests to the next, at most.
const EPOCHS: u8 = 64;

/// The messages that have come so far, counted by the loop; what others hand over is not among them: it comes several at a time where they rest.
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
    /// When everything had been done the last time.
    last: Instant,
    /// Epochs since the rate was measured without rests: in the first there are none.
    epoch: u8,
    /// Messages a second without rests.
    unrested: u32,
    /// How many came in which time with the present rests, when that is fewer: by them or by itself.
    fallen: Option<(u32, Duration)>,
    /// What rests may last so that they slow nobody down, as far as is known.
    harmless: Duration,
    /// What they last, or lasted before the epoch without any.
    rest: Duration,
}

impl Pace {
    /// Rests of at most `longest`.
    pub(crate) fn new(longest: Duration, count: Count, now: Instant) -> Self {
        let (rest, fallen) = (Duration::ZERO, None);
        Self {
            longest,
            count,
            begun: now,
            counted: 0,
            last: now,
            epoch: 0,
            unrested: 0,
            fallen,
            harmless: longest,
            rest,
        }
    }

    /// Everything has been done at `now`: how long to rest before anything else is looked at.
    pub(crate) fn rest(&mut self, now: Instant) -> Duration {
        let count = self.count.0.load(Relaxed);
        if now.duration_since(self.last) > SILENCE {
            // What came before a silence and what comes after are not compared.
            (self.epoch, self.fallen, self.begun, self.counted) = (0, None, now, count);
        }
        self.last = now;
        let (passed, messages) = (now.duration_since(self.begun), count.wrapping_sub(self.counted));
        let is_fallen = self.epoch > 0 && falls(self.unrested, messages, passed);
        if passed >= LONGEST_EPOCH || passed >= EPOCH && (messages >= COUNTED || is_fallen) {
            self.end_epoch(messages, passed, is_fallen);
            (self.begun, self.counted) = (now, count);
        }
        if self.epoch == 0 { Duration::ZERO } else { self.rest }
    }

    fn end_epoch(&mut self, messages: u32, passed: Duration, is_fallen: bool) {
        let rate = (f64::from(messages) / passed.as_secs_f64()) as u32;
        match self.epoch {
            0 => {
                self.unrested = rate;
                if self.fallen.take().is_some_and(|(rested, passed)| falls(rate, rested, passed)) {
                    self.harmless = self.rest / 2;
                }
                let rest = self.harmless.min(Duration::from_secs(1) * TOGETHER / rate.max(1));
                self.rest = if rest < SHORTEST { Duration::ZERO } else { rest };
            }
            EPOCHS => self.harmless = self.longest.min(self.harmless * 2),
            _ if !self.rest.is_zero() && is_fallen => self.fallen = Some((messages, passed)),
            _ => {}
        }
        let measure = self.epoch == EPOCHS || self.fallen.is_some() || rate < SELDOM;
        self.epoch = if measure { 0 } else { self.epoch + 1 };
    }
}

/// Whether so many messages in that time are fewer by a quarter than the rate lets expect, and by more than chance: they come some at a time, with a call.
fn falls(rate: u32, messages: u32, passed: Duration) -> bool {
    let expected = f64::from(rate) * passed.as_secs_f64();
    expected - f64::from(messages) > expected / 4.0 + 4.0 * expected.sqrt()
}

#[cfg(test)]
mod tests;
