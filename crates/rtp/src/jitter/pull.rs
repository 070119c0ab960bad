//! Deciding what is to be played next.

use super::{Frame, Gathering, JitterBuffer, Pulled, store::Slot};
use crate::{Micros, SequenceNumber};

/// A gap in the timestamps below this, in milliseconds, is none.
const NO_GAP_MS: u32 = 4;
/// How long a missing packet is concealed before the stream counts as interrupted, in milliseconds.
const CONCEAL_MS: u32 = 100;
/// How much more delay than aimed at, besides the packet to leave out, is left alone, in milliseconds.
const SPARE_MS: u32 = 10;
/// The least time between two packets left out, with up to 100 ms to spare and with more.
const LEAVE_OUT_EACH: [Micros; 2] = [Micros(1_000_000), Micros(300_000)];

/// Ticks longer than this, in milliseconds, are not allowed for.
const LONGEST_TICK_MS: u32 = 60;

/// What is to be done at one pull.
enum Decision {
    Play(Slot),
    Lost(u32),
    Silence,
    Empty,
}

impl JitterBuffer {
    /// What to play next at `now`, when `wanted` units (at least 1) are still missing to fill the current tick.
    ///
    /// A frame may last longer than wanted (keep the rest for the next tick) or shorter (pull again); everything else
    /// lasts at most `wanted`. So a tick is filled by
    ///
    /// ```
    /// # use rtp::{JitterBuffer, JitterConfig, Micros, Pulled};
    /// # let (mut jitter, now) = (JitterBuffer::new(JitterConfig::default()), Micros(0));
    /// # let mut left_over = 0;
    /// let mut missing = 160u32.saturating_sub(left_over);
    /// while missing > 0 {
    ///     missing = match jitter.pull(now, missing) {
    ///         Pulled::Frame(frame) => missing.saturating_sub(frame.units),   // decode frame.payload
    ///         Pulled::Lost { units } => missing - units,                     // conceal that much
    ///         Pulled::Silence { units } | Pulled::Empty { units } => missing - units,
    ///     };
    /// }
    /// ```
    pub fn pull(&mut self, now: Micros, wanted: u32) -> Pulled<'_> {
        let wanted = wanted.max(1);
        self.tick = self.tick.max(wanted).min(self.config.clock.units_per_millis(LONGEST_TICK_MS));
        match self.decide(now, wanted) {
            Decision::Play(slot) => self.play(slot),
            Decision::Lost(units) => {
                self.stood_in = self.stood_in.saturating_add(units);
                self.stats.lost_units += u64::from(units);
                Pulled::Lost { units }
            }
            Decision::Silence => {
                self.stood_in = self.stood_in.saturating_add(wanted);
                Pulled::Silence { units: wanted }
            }
            Decision::Empty => {
                self.stood_in = self.stood_in.saturating_add(wanted);
                Pulled::Empty { units: wanted }
            }
        }
    }

    fn decide(&mut self, now: Micros, wanted: u32) -> Decision {
        let missing = self.pass_fillers();
        // When what is pulled now will begin to sound: behind what the tick already has.
        let sounds = self.config.clock.wrapped(now).wrapping_add(self.tick.saturating_sub(wanted));
        self.shed(now, sounds);
        let Some(&head) = self.store.first_from(self.next).filter(|slot| !slot.filler) else {
            return self.nothing_waits(wanted);
        };
        let delay = self.delay_of(sounds, &head);
        let depth = self.depth(&head);
        if let Gathering::UpTo(limit) = self.gathering {
            if delay < depth.min(limit as i32) {
                return if self.silent { Decision::Silence } else { Decision::Empty };
            }
            return Decision::Play(head);
        }
        let Some(played_to) = self.played_to else { return Decision::Play(head) };
        let gap = head.timestamp.since(played_to);
        let open = gap.saturating_sub(self.stood_in.min(i32::MAX as u32) as i32);
        let lost = i32::from(head.sequence_number.since(self.next)) + i32::from(missing);
        let no_gap = self.config.clock.units_per_millis(NO_GAP_MS) as i32;
        if open <= no_gap {
            return Decision::Play(head);
        }
        if gap > lost.saturating_mul(head.units.max(1) as i32).saturating_add(no_gap) {
            // More time than missing packets could fill, or none is missing: this was not sent.
            return if delay >= depth { Decision::Play(head) } else { Decision::Silence };
        }
        Decision::Lost(wanted.min(open.unsigned_abs()))
    }

    fn nothing_waits(&mut self, wanted: u32) -> Decision {
        if self.gathering == Gathering::No {
            let limit = self.config.clock.units_per_millis(CONCEAL_MS);
            if !self.silent && self.stood_in.saturating_add(wanted) <= limit {
                return Decision::Lost(wanted);
            }
            self.gathering = Gathering::UpTo(self.max);
        }
        if self.silent { Decision::Silence } else { Decision::Empty }
    }

    fn play(&mut self, slot: Slot) -> Pulled<'_> {
        self.store.remove(slot.sequence_number);
        self.next = slot.sequence_number.next();
        self.started = true;
        self.played_to = Some(slot.timestamp.plus(slot.units));
        self.stood_in = 0;
        self.gathering = Gathering::No;
        self.silent = slot.units == 0;
        self.missing = 0;
        self.stats.played += 1;
        self.stats.played_units += u64::from(slot.units);
        Pulled::Frame(Frame {
            payload: self.store.payload(&slot),
            payload_type: slot.payload_type,
            timestamp: slot.timestamp,
            sequence_number: slot.sequence_number,
            units: slot.units,
            marker: slot.marker,
            after_cut: core::mem::take(&mut self.cut),
        })
    }

    /// Goes past packets without audio at the head.
    fn pass_fillers(&mut self) -> u16 {
        while let Some(slot) = self.store.first_from(self.next).filter(|slot| slot.filler) {
            let number = slot.sequence_number;
            self.missing = self.missing.saturating_add(number.since(self.next).unsigned_abs());
            self.store.remove(number);
            self.next = number.next();
        }
        self.missing
    }

    /// The delay of `slot` when it `sounds` then, in units, counted from the fastest packets.
    const fn delay_of(&self, sounds: u32, slot: &Slot) -> i32 {
        self.delay.lateness(sounds.wrapping_sub(slot.timestamp.0))
    }

    /// The delay aimed at for packets like `slot`: the measured one, and what a tick takes out ahead of time when its
    /// length is no divisor of the packets'.
    fn depth(&self, slot: &Slot) -> i32 {
        let ahead = match (self.tick, slot.units) {
            (tick, units) if units == 0 || units.is_multiple_of(tick.max(1)) => 0,
            (tick, units) if tick.is_multiple_of(units) => tick - units,
            (tick, units) => tick - greatest_common_divisor(tick, units),
        };
        self.target().saturating_add(ahead) as i32
    }

    /// Gives up packets at the head that would be played with too much delay.
    fn shed(&mut self, now: Micros, sounds: u32) {
        while let Some(&head) = self.store.first_from(self.next).filter(|slot| !slot.filler) {
            let delay = self.delay_of(sounds, &head);
            let excess = delay.saturating_sub(self.depth(&head));
            if delay > self.max.saturating_add(head.units).saturating_add(self.tick) as i32
                || self.is_stood_in_for(&head, excess)
            {
                self.stats.late += 1;
            } else if self.may_leave_out(now, &head, excess) {
                self.stats.left_out += 1;
                self.last_left_out = Some(now);
            } else {
                return;
            }
            let end = head.timestamp.plus(head.units);
            self.give_up(head.sequence_number);
            // What was played in its place counts for it.
            self.stood_in = self.stood_in.saturating_sub(head.units);
            self.played_to = Some(end);
        }
    }

    /// Whether something else was played in place of `head` and of all up to the packet behind it, and playing it
    /// now would add to a delay that is long enough.
    fn is_stood_in_for(&self, head: &Slot, excess: i32) -> bool {
        let Some(played_to) = self.played_to else { return false };
        if self.stood_in < head.units || excess <= head.units as i32 || self.silent {
            return false;
        }
        self.behind(head).is_some_and(|next| {
            let gap = next.timestamp.since(played_to);
            gap <= self.stood_in.min(i32::MAX as u32) as i32
        })
    }

    /// Whether `head` may be left out to shorten the delay.
    fn may_leave_out(&self, now: Micros, head: &Slot, excess: i32) -> bool {
        let ms = |milliseconds| self.config.clock.units_per_millis(milliseconds) as i32;
        if excess < ms(SPARE_MS).saturating_add(head.units as i32) || self.gathering != Gathering::No {
            return false;
        }
        let [little, much] = LEAVE_OUT_EACH;
        let each = if excess > ms(100) { much } else { little };
        let rested = self.last_left_out.is_none_or(|at| now.since(at) >= each);
        rested
            && head.units > 0
            && self.behind(head).is_some_and(|next| next.sequence_number == head.sequence_number.next())
    }

    fn behind(&self, head: &Slot) -> Option<&Slot> {
        let from: SequenceNumber = head.sequence_number.next();
        self.store.first_from(from).filter(|slot| slot.sequence_number != head.sequence_number && !slot.filler)
    }
}

const fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
