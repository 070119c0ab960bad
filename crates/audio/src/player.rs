//! The player: sources one after the other, without a gap and to the sample.
//!
//! A [`Player`] lives on the media thread and is filled frame by frame; it holds loaded samples, rings that another
//! thread fills, tones and silence. Filling neither allocates nor frees: a source that has ended is handed back, so that
//! its memory can be given up elsewhere.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use crate::frame::SampleRate;
use crate::ring::RingReader;
use crate::tone::ToneGenerator;

/// How often loaded samples are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// So many times; 0 is not at all.
    Times(u32),
    /// Without end.
    Forever,
}

/// Something to play, at the player's rate.
#[derive(Debug)]
#[non_exhaustive]
pub enum Source {
    /// Samples in memory. Several players may share them.
    Samples {
        /// Mono.
        samples: Arc<[i16]>,
        /// How often.
        repeat: Repeat,
    },
    /// What another thread writes into a ring, until it drops its end. What it delivers late is silence.
    Ring(RingReader),
    /// A tone, with the end it has.
    Tone(ToneGenerator),
    /// So many samples of silence.
    Silence(u64),
}

impl Source {
    /// Samples in memory, once.
    pub fn once(samples: impl Into<Arc<[i16]>>) -> Self {
        Self::Samples { samples: samples.into(), repeat: Repeat::Times(1) }
    }
}

/// Names a source in a player. Never reused by that player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(u64);

/// Why a source is not taken. It is handed back.
#[derive(Debug)]
#[non_exhaustive]
pub enum PlayerError {
    /// The queue is full.
    Full {
        /// How many sources it holds.
        limit: usize,
        /// What was to be played.
        source: Source,
    },
    /// The tone was made for another rate.
    Rate {
        /// The player's.
        expected: SampleRate,
        /// The tone's.
        found: SampleRate,
        /// What was to be played.
        source: Source,
    },
}

impl fmt::Display for PlayerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { limit, .. } => write!(f, "player holds {limit} sources already: expected to wait for an end"),
            Self::Rate { expected, found, .. } => write!(f, "tone of {found}: expected {expected} as the player"),
        }
    }
}

impl std::error::Error for PlayerError {}

struct Item {
    id: ItemId,
    source: Source,
    /// Next sample of the source in memory, and how often it has been played to its end.
    position: usize,
    rounds: u32,
}

/// A queue of sources.
pub struct Player {
    rate: SampleRate,
    queue: VecDeque<Item>,
    limit: usize,
    next: u64,
    played: u64,
}

impl Player {
    /// An empty player for at most `limit` sources at a time, for which it reserves room at once.
    pub fn new(rate: SampleRate, limit: usize) -> Self {
        Self { rate, queue: VecDeque::with_capacity(limit), limit, next: 0, played: 0 }
    }

    /// The rate of every source.
    pub const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Appends a source: its first sample follows the last one of the source before it.
    ///
    /// # Errors
    /// [`PlayerError`], with the source.
    #[expect(
        clippy::result_large_err,
        reason = "the source goes back as it came: a box would allocate on the media thread"
    )]
    pub fn push(&mut self, source: Source) -> Result<ItemId, PlayerError> {
        if self.queue.len() >= self.limit {
            return Err(PlayerError::Full { limit: self.limit, source });
        }
        if let Source::Tone(tone) = &source
            && tone.rate() != self.rate
        {
            return Err(PlayerError::Rate { expected: self.rate, found: tone.rate(), source });
        }
        let id = ItemId(self.next);
        self.next += 1;
        self.queue.push_back(Item { id, source, position: 0, rounds: 0 });
        Ok(id)
    }

    /// Fills `frame` from its start and returns how many samples were made: fewer than asked only when the queue has
    /// run out, and what lies behind them is left as it was. `ended` gets each source that ended in this frame.
    pub fn fill(&mut self, frame: &mut [i16], mut ended: impl FnMut(ItemId, Source)) -> usize {
        let mut made = 0;
        while let Some(item) = self.queue.front_mut() {
            let (count, over) = item.fill(frame.get_mut(made..).unwrap_or_default());
            made += count;
            if over {
                if let Some(item) = self.queue.pop_front() {
                    ended(item.id, item.source);
                }
            } else if made >= frame.len() || count == 0 {
                break;
            }
        }
        self.played = self.played.saturating_add(made as u64);
        made
    }

    /// Takes a source out, playing or waiting. `None` when it has ended.
    pub fn remove(&mut self, id: ItemId) -> Option<Source> {
        let place = self.queue.iter().position(|item| item.id == id)?;
        self.queue.remove(place).map(|item| item.source)
    }

    /// Takes everything out, in order.
    pub fn clear(&mut self, mut removed: impl FnMut(ItemId, Source)) {
        while let Some(item) = self.queue.pop_front() {
            removed(item.id, item.source);
        }
    }

    /// What is playing.
    pub fn playing(&self) -> Option<ItemId> {
        self.queue.front().map(|item| item.id)
    }

    /// Where the samples in memory that are playing stand: the next one's place. `None` for other sources.
    pub fn position(&self) -> Option<usize> {
        self.queue.front().filter(|item| matches!(item.source, Source::Samples { .. })).map(|item| item.position)
    }

    /// Goes to a place in the samples that are playing, at most to their end. False for other sources.
    pub fn seek(&mut self, position: usize) -> bool {
        let Some(item) = self.queue.front_mut() else { return false };
        let Source::Samples { samples, .. } = &item.source else { return false };
        item.position = position.min(samples.len());
        true
    }

    /// Sources that play or wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing plays or waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Samples made so far.
    pub const fn played(&self) -> u64 {
        self.played
    }
}

impl Item {
    /// Makes what fits; true when nothing follows.
    fn fill(&mut self, out: &mut [i16]) -> (usize, bool) {
        match &mut self.source {
            Source::Samples { samples, repeat } => {
                play_samples(samples, *repeat, &mut self.position, &mut self.rounds, out)
            }
            Source::Ring(ring) => {
                let read = ring.read_in_time(out);
                (read.samples, read.ended)
            }
            Source::Tone(tone) => {
                let made = tone.fill(out);
                (made, tone.is_finished())
            }
            Source::Silence(left) => {
                let count = out.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                out.get_mut(..count).unwrap_or_default().fill(0);
                *left -= count as u64;
                (count, *left == 0)
            }
        }
    }
}

fn play_samples(
    samples: &[i16],
    repeat: Repeat,
    position: &mut usize,
    rounds: &mut u32,
    out: &mut [i16],
) -> (usize, bool) {
    let mut made = 0;
    loop {
        let over = match repeat {
            Repeat::Times(times) => *rounds >= times,
            Repeat::Forever => false,
        };
        // Nothing, over and over, would never fill a frame.
        if over || samples.is_empty() {
            return (made, true);
        }
        let rest = samples.get(*position..).unwrap_or_default();
        let room = out.get_mut(made..).unwrap_or_default();
        let count = rest.len().min(room.len());
        room.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        *position += count;
        made += count;
        if *position < samples.len() {
            return (made, false);
        }
        *position = 0;
        *rounds = rounds.saturating_add(1);
    }
}

#[cfg(test)]
mod tests;
