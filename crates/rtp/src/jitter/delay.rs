//! How much later than the fastest packets come: the measured delay variation and the depth it asks for.
//!
//! A packet's *transit* is its arrival minus its timestamp, on the circle of timestamps. The *base* is the transit of
//! the fastest packets of the last ten to twenty seconds, so that a drifting clock and a changed route are followed.
//! A packet's *lateness* is its transit less the base. A histogram of latenesses, forgetting with a time constant of
//! eight seconds, says which lateness all but one packet in two hundred keep below. Two late packets raise that at
//! once; it takes tens of seconds without late ones to fall.
//!
//! Forgetting is done by giving each packet a little more weight than the one before, so that a packet costs the
//! same however fine the histogram is.

#[cfg(test)]
mod tests;

use crate::{ClockRate, Micros};

/// One packet in this many may be late.
const ONE_LATE_IN: u64 = 200;
/// Width of a histogram bucket, in milliseconds.
const BUCKET_MS: u32 = 5;
/// The time constant of forgetting, in milliseconds.
const MEMORY_MS: u32 = 8000;
/// How long the fastest packet is looked for before the base may rise.
const WINDOW: Micros = Micros(10_000_000);
/// The weight of a packet after all weights were scaled down, and the one at which they are.
const LEAST_WEIGHT: u32 = 1 << 11;
const MOST_WEIGHT: u32 = 1 << 20;

#[derive(Clone, Debug)]
pub(super) struct Delay {
    /// Weight of the latenesses of `n * bucket..(n + 1) * bucket`; the last one also holds everything above.
    histogram: Box<[u32]>,
    total: u64,
    /// The smallest bucket with at most one packet in two hundred above it, and the weight above it.
    quantile: usize,
    above: u64,
    weight: u32,
    /// Units of a bucket, and of the time constant.
    bucket: u32,
    memory: u32,
    base: u32,
    /// The smallest transit of the current window and of the one before.
    fastest: u32,
    fastest_before: u32,
    window_end: Micros,
}

impl Delay {
    pub(super) fn new(clock: ClockRate, initial_ms: u32, max_ms: u32) -> Self {
        let buckets = max_ms.div_ceil(BUCKET_MS).max(1) as usize;
        let mut delay = Self {
            histogram: vec![0; buckets].into(),
            total: 0,
            quantile: 0,
            above: 0,
            weight: LEAST_WEIGHT,
            bucket: clock.units_per_millis(BUCKET_MS).max(1),
            memory: clock.units_per_millis(MEMORY_MS).max(1),
            base: 0,
            fastest: 0,
            fastest_before: 0,
            window_end: Micros(0),
        };
        // One packet's weight: forgotten after some four seconds.
        delay.add((initial_ms.saturating_sub(1) / BUCKET_MS) as usize);
        delay
    }

    /// Starts from a packet of this transit, keeping what is known about the variation.
    pub(super) fn rebase(&mut self, now: Micros, transit: u32) {
        self.base = transit;
        self.fastest = transit;
        self.fastest_before = transit;
        self.window_end = now.plus(WINDOW);
    }

    /// How much later than the fastest packets one of this transit is, in units; negative: it is the fastest.
    pub(super) const fn lateness(&self, transit: u32) -> i32 {
        transit.wrapping_sub(self.base) as i32
    }

    /// The lateness to be prepared for, in units.
    pub(super) const fn quantile(&self) -> u32 {
        (self.quantile as u32 + 1).saturating_mul(self.bucket)
    }

    /// Takes a packet into account that lasts `units`.
    pub(super) fn observe(&mut self, now: Micros, transit: u32, units: u32) {
        if self.lateness(transit) < 0 {
            let buckets = self.lateness(transit).unsigned_abs().div_ceil(self.bucket);
            self.base = self.base.wrapping_sub(buckets.wrapping_mul(self.bucket));
            self.shift_up(buckets as usize);
        }
        if (transit.wrapping_sub(self.fastest) as i32) < 0 {
            self.fastest = transit;
        }
        if now >= self.window_end {
            self.roll(now, transit);
        }
        self.add((self.lateness(transit).max(0).unsigned_abs() / self.bucket) as usize);
        // Between a two-thousandth and a fortieth more.
        let units = units.clamp(self.memory / 1600, self.memory / 40);
        self.weight += ((u64::from(self.weight) * u64::from(units) / u64::from(self.memory)) as u32).max(1);
        if self.weight >= MOST_WEIGHT {
            self.scale_down();
        }
    }

    fn add(&mut self, bucket: usize) {
        let bucket = bucket.min(self.histogram.len() - 1);
        if let Some(weight) = self.histogram.get_mut(bucket) {
            *weight = weight.saturating_add(self.weight);
        }
        self.total += u64::from(self.weight);
        if bucket > self.quantile {
            self.above += u64::from(self.weight);
        }
        self.settle();
    }

    /// Moves the quantile to where it belongs.
    fn settle(&mut self) {
        while self.above * ONE_LATE_IN > self.total && self.quantile + 1 < self.histogram.len() {
            self.quantile += 1;
            self.above = self.above.saturating_sub(self.weight_of(self.quantile));
        }
        while self.quantile > 0 && (self.above + self.weight_of(self.quantile)) * ONE_LATE_IN <= self.total {
            self.above += self.weight_of(self.quantile);
            self.quantile -= 1;
        }
    }

    fn weight_of(&self, bucket: usize) -> u64 {
        self.histogram.get(bucket).copied().map_or(0, u64::from)
    }

    /// The base follows when the fastest packets of two windows have all been slower.
    fn roll(&mut self, now: Micros, transit: u32) {
        self.fastest_before = self.fastest;
        self.fastest = transit;
        self.window_end = now.plus(WINDOW);
        let fastest = self.lateness(self.fastest_before).min(self.lateness(transit)).max(0).unsigned_abs();
        let buckets = fastest / self.bucket;
        self.base = self.base.wrapping_add(buckets * self.bucket);
        self.shift_down(buckets as usize);
    }

    fn shift_up(&mut self, buckets: usize) {
        let len = self.histogram.len();
        let buckets = buckets.min(len - 1);
        let over: u32 = self.histogram.iter().skip(len - buckets).fold(0, |sum, weight| sum.saturating_add(*weight));
        self.histogram.rotate_right(buckets);
        self.histogram.iter_mut().take(buckets).for_each(|weight| *weight = 0);
        if let Some(last) = self.histogram.last_mut() {
            *last = last.saturating_add(over);
        }
        self.recount();
    }

    fn shift_down(&mut self, buckets: usize) {
        if buckets == 0 {
            return;
        }
        let len = self.histogram.len();
        let buckets = buckets.min(len - 1);
        let under: u32 = self.histogram.iter().take(buckets).fold(0, |sum, weight| sum.saturating_add(*weight));
        self.histogram.rotate_left(buckets);
        self.histogram.iter_mut().skip(len - buckets).for_each(|weight| *weight = 0);
        if let Some(first) = self.histogram.first_mut() {
            *first = first.saturating_add(under);
        }
        self.recount();
    }

    fn scale_down(&mut self) {
        let shift = (MOST_WEIGHT / LEAST_WEIGHT).ilog2();
        self.histogram.iter_mut().for_each(|weight| *weight >>= shift);
        self.weight >>= shift;
        self.recount();
    }

    fn recount(&mut self) {
        self.total = self.histogram.iter().copied().map(u64::from).sum();
        self.quantile = 0;
        self.above = self.total - self.weight_of(0);
        self.settle();
    }
}
