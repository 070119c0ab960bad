//! Samples from one thread to another without waiting: the media thread and a recorder's or a player's own.
//!
//! The ring itself is the crate `rtrb`'s (one producer, one consumer, wait-free). Added here is what audio needs on top:
//! who could not keep up is counted, and samples that were lost are replaced by as much silence once there is room
//! again, so that what comes out stays in time with what went in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rtrb::{Consumer, Producer, RingBuffer};

/// Silence that is written at a time.
const SILENCE: [i16; 256] = [0; 256];

/// Makes a ring of `capacity` samples. Each end may go to its own thread; dropping one tells the other.
pub fn ring(capacity: usize) -> (RingWriter, RingReader) {
    let (producer, consumer) = RingBuffer::new(capacity);
    let lost = Arc::new(AtomicU64::new(0));
    (RingWriter { producer, owed: 0, lost: Arc::clone(&lost) }, RingReader { consumer, lost, missed: 0 })
}

/// The end that is written to.
#[derive(Debug)]
pub struct RingWriter {
    producer: Producer<i16>,
    /// Lost samples for which no silence has been written yet.
    owed: u64,
    lost: Arc<AtomicU64>,
}

impl RingWriter {
    /// Writes a frame of any length and returns how many of its samples were lost because the ring is full: always
    /// the last ones. Never waits and never allocates.
    pub fn write(&mut self, frame: &[i16]) -> usize {
        self.settle();
        let room = if self.owed > 0 { &[] } else { frame };
        let (taken, _) = self.producer.push_partial_slice(room);
        let lost = frame.len() - taken.len();
        if lost > 0 {
            self.owed = self.owed.saturating_add(lost as u64);
            self.lost.fetch_add(lost as u64, Ordering::Relaxed);
        }
        lost
    }

    /// Writes the silence that is owed, as far as there is room.
    fn settle(&mut self) {
        while self.owed > 0 {
            let count = SILENCE.len().min(usize::try_from(self.owed).unwrap_or(usize::MAX));
            let (taken, _) = self.producer.push_partial_slice(SILENCE.get(..count).unwrap_or_default());
            self.owed -= taken.len() as u64;
            if taken.len() < count {
                return;
            }
        }
    }

    /// Samples lost so far because the reader did not keep up.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Samples for which there is room.
    pub fn room(&self) -> usize {
        self.producer.slots()
    }

    /// Whether the reader is gone: nothing that is written will be read.
    pub fn is_abandoned(&self) -> bool {
        self.producer.is_abandoned()
    }
}

/// The end that is read from.
#[derive(Debug)]
pub struct RingReader {
    consumer: Consumer<i16>,
    lost: Arc<AtomicU64>,
    missed: u64,
}

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Samples read, from the start of the slice.
    pub samples: usize,
    /// Whether the writer is gone and nothing follows.
    pub ended: bool,
}

impl RingReader {
    /// Reads what is there, up to the length of `out`; what lies behind is left as it was. Never waits.
    pub fn read(&mut self, out: &mut [i16]) -> Read {
        // Asked first: what was written before the writer went is then visible.
        let abandoned = self.consumer.is_abandoned();
        let wanted = out.len();
        let samples = self.consumer.pop_partial_slice(out).0.len();
        Read { samples, ended: abandoned && (samples < wanted || self.consumer.is_empty()) }
    }

    /// As [`read`](Self::read), but silence stands in for what the writer has not delivered in time, and is counted.
    /// Shorter than `out` only at the end.
    pub fn read_in_time(&mut self, out: &mut [i16]) -> Read {
        let mut read = self.read(out);
        if !read.ended {
            let late = out.get_mut(read.samples..).unwrap_or_default();
            late.fill(0);
            self.missed = self.missed.saturating_add(late.len() as u64);
            read.samples = out.len();
        }
        read
    }

    /// Samples that wait to be read.
    pub fn waiting(&self) -> usize {
        self.consumer.slots()
    }

    /// Samples of silence that stood in for what came late.
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    /// Samples the writer has lost because the ring was full.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
