//! The jitter buffer: packets in as they arrive, frames out as they are to be played.
//!
//! Everything is counted in units of the stream's clock, so packets may carry any length of audio, in any mixture,
//! and be pulled in ticks of any length. The buffer holds 64 packets in memory that is taken once.
//!
//! **Depth.** The buffer measures how late packets are against the fastest ones and aims at a delay that all but one
//! in two hundred keep below, and at what a tick takes out ahead of time when its length and the packets' do not
//! match. When it runs empty it stands still, so its delay grows at once by what the late packet
//! needs. It shrinks in silences, where nobody hears it, and otherwise by leaving out one packet now and then.
//!
//! **Order of trust.** A packet that does not fit what came before (other SSRC, timestamp and sequence number that
//! contradict each other, a jump) is not believed until a second one agrees with it; then the buffer starts anew with
//! at most 80 ms of delay. A stray packet so changes nothing, and a restarted source is heard within 200 ms.

mod config;
mod delay;
mod pull;
mod store;
mod trust;

#[cfg(test)]
mod tests;

pub use config::{JitterConfig, PayloadDuration};

use crate::{Micros, Packet, PayloadType, SequenceNumber, Timestamp};
use delay::Delay;
use store::{SLOTS, Store, Stored};
use trust::{Trust, Verdict};

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Inserted {
    /// It waits to be played.
    Stored,
    /// It waits to be played, and the buffer started anew with it.
    Resynced,
    /// It came too late.
    Late,
    /// It was there already.
    Duplicate,
    /// It does not fit what came before; the next one decides whether the source has changed.
    Stray,
    /// It is larger than half the buffer's memory.
    TooLarge,
}

/// What to play.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pulled<'a> {
    /// A packet's payload, to be decoded.
    Frame(Frame<'a>),
    /// Audio that was sent but is not here: conceal as much.
    Lost {
        /// How much, in units; never more than asked for.
        units: u32,
    },
    /// Nothing was sent for this time: play comfort noise or silence.
    Silence {
        /// How much, in units: what was asked for.
        units: u32,
    },
    /// No stream, or none any more, or its first packets are being gathered: play silence.
    Empty {
        /// How much, in units: what was asked for.
        units: u32,
    },
}

/// A packet to be played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// Its payload.
    pub payload: &'a [u8],
    /// Its payload type.
    pub payload_type: PayloadType,
    /// The timestamp of its first sample.
    pub timestamp: Timestamp,
    /// Its sequence number.
    pub sequence_number: SequenceNumber,
    /// How long it lasts, in units: 0 for comfort noise, which lasts until the next frame.
    pub units: u32,
    /// Its marker: the first packet of a talk spurt.
    pub marker: bool,
    /// Packets right before it were left out to shorten the delay: there is a cut in the audio.
    pub after_cut: bool,
}

/// What the buffer did so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct JitterStats {
    /// Packets taken in.
    pub stored: u64,
    /// Packets handed out.
    pub played: u64,
    /// Packets that came too late, and those found too late when their turn came.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that did not fit in, and had no second one like them.
    pub stray: u64,
    /// Packets pushed out by newer ones for want of room.
    pub overflow: u64,
    /// Packets left out to shorten the delay.
    pub left_out: u64,
    /// Times the buffer started anew.
    pub resyncs: u64,
    /// Units handed out as [`Pulled::Lost`].
    pub lost_units: u64,
    /// Units handed out as [`Pulled::Frame`].
    pub played_units: u64,
}

/// An adaptive jitter buffer for one incoming audio stream.
///
/// Inputs: [`JitterBuffer::insert`], [`JitterBuffer::pass_over`]. Output: [`JitterBuffer::pull`]. The rest are getters.
#[derive(Clone, Debug)]
pub struct JitterBuffer {
    config: JitterConfig,
    /// The limits of the delay, in units.
    min: u32,
    max: u32,
    store: Store,
    delay: Delay,
    trust: Trust,
    /// Packets before this one have been played or given up.
    next: SequenceNumber,
    /// A packet has been played or given up since the buffer started anew.
    started: bool,
    /// Where the audio played so far ends; `None` before the first frame and after a cut.
    played_to: Option<Timestamp>,
    /// Packets missing before `next` since the last frame.
    missing: u16,
    /// How much has been handed out in place of audio since.
    stood_in: u32,
    gathering: Gathering,
    /// The longest pull so far: the length of a tick, in units.
    tick: u32,
    last_left_out: Option<Micros>,
    cut: bool,
    /// The last frame was comfort noise: the source is silent on purpose.
    silent: bool,
    stats: JitterStats,
}

/// Whether the next packet waits for its delay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Gathering {
    /// It is played when the one before ends.
    No,
    /// It is played when the delay is reached, but no more than this many units.
    UpTo(u32),
}

/// The delay a buffer starts anew with, in milliseconds, at most.
const RESUME_MS: u32 = 80;

impl JitterBuffer {
    /// An empty buffer. Settings out of range are brought into it.
    pub fn new(config: JitterConfig) -> Self {
        let config = config.in_range();
        let max = config.clock.units_per_millis(config.max_ms);
        Self {
            config,
            min: config.clock.units_per_millis(config.min_ms),
            max,
            store: Store::new(config.capacity),
            delay: Delay::new(config.clock, config.initial_ms, config.max_ms),
            trust: Trust::new(config.clock, max),
            next: SequenceNumber(0),
            started: false,
            played_to: None,
            missing: 0,
            stood_in: 0,
            gathering: Gathering::UpTo(max),
            tick: 0,
            last_left_out: None,
            cut: false,
            silent: false,
            stats: JitterStats::default(),
        }
    }

    /// Takes an audio packet that arrived at `now`. How long it lasts follows from
    /// [`JitterConfig::payload`]. A packet without payload only takes its place in the sequence.
    pub fn insert(&mut self, now: Micros, packet: &Packet<'_>) -> Inserted {
        let units = self.config.payload.units(self.config.clock, packet.payload_type(), packet.payload());
        self.insert_lasting(now, packet, units)
    }

    /// As [`JitterBuffer::insert`], for a packet known to last `units`.
    pub fn insert_lasting(&mut self, now: Micros, packet: &Packet<'_>, units: u32) -> Inserted {
        if packet.payload().is_empty() {
            return self.pass_over(packet);
        }
        let transit = self.config.clock.wrapped(now).wrapping_sub(packet.timestamp().0);
        let idle = self.store.is_empty() && self.gathering != Gathering::No;
        let resynced = match self.trust.judge(now, packet, self.delay.lateness(transit), transit, idle) {
            Verdict::Fits => {
                self.delay.observe(now, transit, units);
                false
            }
            Verdict::Faster => {
                self.delay.rebase(now, transit);
                false
            }
            Verdict::Unsure => false,
            Verdict::New => {
                self.start_anew(now, packet, transit);
                true
            }
            Verdict::Late => {
                self.stats.late += 1;
                return Inserted::Late;
            }
            Verdict::Duplicate => {
                self.stats.duplicates += 1;
                return Inserted::Duplicate;
            }
            Verdict::Stray => {
                self.stats.stray += 1;
                return Inserted::Stray;
            }
        };
        match self.place(packet, units, false) {
            Inserted::Stored if resynced => Inserted::Resynced,
            other => other,
        }
    }

    /// Takes note of a packet of the same stream that carries no audio, such as a telephone event, so that its place
    /// in the sequence does not count as a loss.
    pub fn pass_over(&mut self, packet: &Packet<'_>) -> Inserted {
        if !self.trust.pass_over(packet) {
            return Inserted::Stray;
        }
        self.place(packet, 0, true)
    }

    /// Drops everything that waits and forgets the source, keeping what is known about the network: for a stream
    /// that was put on hold.
    pub fn clear(&mut self) {
        self.store.clear();
        self.trust.forget();
        self.started = false;
        self.played_to = None;
        self.missing = 0;
        self.stood_in = 0;
        self.gathering = Gathering::UpTo(self.config.clock.units_per_millis(RESUME_MS));
        self.silent = false;
    }

    /// What the buffer did so far.
    pub const fn stats(&self) -> JitterStats {
        self.stats
    }

    /// The delay aimed at, in units, counted from the fastest packets.
    pub fn target(&self) -> u32 {
        self.delay.quantile().clamp(self.min, self.max)
    }

    /// The delay aimed at as a length of time.
    pub fn target_time(&self) -> Micros {
        self.config.clock.micros(u64::from(self.target()))
    }

    /// How much audio waits, in units.
    pub fn waiting(&self) -> u32 {
        self.store.units()
    }

    /// How many packets wait.
    pub const fn waiting_packets(&self) -> u32 {
        self.store.len()
    }

    fn start_anew(&mut self, now: Micros, packet: &Packet<'_>, transit: u32) {
        let first = self.stats.stored == 0;
        self.store.clear();
        self.delay.rebase(now, transit);
        self.delay.observe(now, transit, 0);
        self.next = packet.sequence_number();
        self.cut = self.started;
        self.started = false;
        self.played_to = None;
        self.missing = 0;
        self.stood_in = 0;
        self.silent = false;
        let limit = if first { self.max } else { self.config.clock.units_per_millis(RESUME_MS) };
        self.gathering = Gathering::UpTo(limit);
        self.stats.resyncs += u64::from(!first);
    }

    /// Puts a packet that fits into its slot, making room if it must.
    fn place(&mut self, packet: &Packet<'_>, units: u32, filler: bool) -> Inserted {
        let sequence_number = packet.sequence_number();
        if sequence_number.is_before(self.next) {
            let span = self.trust.newest().since(sequence_number);
            // Before the first frame was played, an earlier packet may still become the first.
            if self.started || span >= SLOTS as i16 {
                self.stats.late += u64::from(!filler);
                return Inserted::Late;
            }
            self.next = sequence_number;
        }
        while sequence_number.since(self.next) >= SLOTS as i16 {
            self.push_out(sequence_number);
        }
        loop {
            match self.store.insert(packet, units, filler) {
                Stored::Yes => {
                    self.stats.stored += u64::from(!filler);
                    return Inserted::Stored;
                }
                Stored::Occupied => {
                    self.stats.duplicates += 1;
                    return Inserted::Duplicate;
                }
                Stored::NoRoom if self.store.is_empty() => return Inserted::TooLarge,
                Stored::NoRoom => self.push_out(sequence_number),
            }
        }
    }

    /// Gives up the oldest waiting packet, or without one the places up to the window of `arriving`.
    fn push_out(&mut self, arriving: SequenceNumber) {
        let Some(oldest) = self.store.first_from(self.next).map(|slot| (slot.sequence_number, slot.filler)) else {
            self.next = SequenceNumber(arriving.0.wrapping_sub(SLOTS - 1));
            return;
        };
        self.give_up(oldest.0);
        if !oldest.1 {
            self.stats.overflow += 1;
        }
    }

    /// Removes a packet that will not be played and goes on behind it.
    fn give_up(&mut self, sequence_number: SequenceNumber) {
        self.store.remove(sequence_number);
        self.next = sequence_number.next();
        self.started = true;
        self.played_to = None;
        self.missing = 0;
        self.cut = true;
    }
}
