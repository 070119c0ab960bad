//! Sending events (RFC 4733 section 2.5.1).

use core::fmt;
use std::collections::VecDeque;

use super::{Event, EventPayload};
use crate::{ClockRate, Timestamp};

/// How events are sent. Lengths are in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventSettings {
    /// The clock of the stream, and of the negotiated telephone-event format.
    pub clock: ClockRate,
    /// How long a queued digit lasts, 1 to 60000.
    pub digit_ms: u32,
    /// The least pause between two events, 0 to 60000.
    pub gap_ms: u32,
    /// Time between two packets of an event, 1 to 1000: 20 in step with the audio, 50 as RFC 4733 section 2.5.1.2
    /// recommends.
    pub update_ms: u32,
    /// Level of DTMF digits in -dBm0, 0 to 63.
    pub volume: u8,
    /// How many events the queue holds.
    pub queue: usize,
}

impl Default for EventSettings {
    /// 200 ms digits, 60 ms apart, a packet each 20 ms, -10 dBm0, at most 64 queued.
    fn default() -> Self {
        Self { clock: ClockRate::HZ_8000, digit_ms: 200, gap_ms: 60, update_ms: 20, volume: 10, queue: 64 }
    }
}

/// Why digits were not queued; none of them was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum QueueError {
    /// A character is no digit.
    NotADigit {
        /// Its index in characters.
        index: usize,
        /// The character.
        found: char,
    },
    /// The queue has no room for all of them.
    Full {
        /// How many there is room for.
        room: usize,
    },
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADigit { index, found } => {
                write!(f, "digit {index}: {found:?} found, expected one of 0-9 * # A-D R (nothing queued)")
            }
            Self::Full { room } => write!(f, "digit queue has room for {room} more (nothing queued)"),
        }
    }
}

impl core::error::Error for QueueError {}

/// A packet to be sent now with [`Sender::packet`](crate::Sender::packet).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventPacket {
    /// Whether it is the event's first.
    pub marker: bool,
    /// When the event or segment began: the same in all its packets.
    pub timestamp: Timestamp,
    /// The payload.
    pub payload: [u8; EventPayload::LEN],
}

/// What to send at a tick.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Poll {
    /// No event is going on: audio goes out as usual.
    Audio,
    /// An event is going on, but no packet is due: send nothing, audio neither.
    Quiet,
    /// An event is going on: send this packet instead of audio.
    Packet(EventPacket),
}

/// Turns queued events into packets.
///
/// Each tick of the stream, [`EventSender::poll`] says what goes out, given the timestamp the tick's audio would have;
/// the stream's timestamp advances during events as it does with audio.
///
/// The first packet has the marker; all packets of an event have its timestamp; each says the duration up to the end
/// of its own update interval; the last one is sent three times with E set. An event longer than 0xFFFF units is
/// split into segments, the last packet of each sent three times, too (RFC 4733 section 2.5.1.3).
#[derive(Clone, Debug)]
pub struct EventSender {
    settings: EventSettings,
    queue: VecDeque<(Event, Length)>,
    current: Option<Current>,
    /// The next event may not begin before this.
    gap_until: Option<Timestamp>,
}

/// How long an event lasts, in units of the clock.
#[derive(Clone, Copy, Debug)]
enum Length {
    Fixed(u32),
    UntilReleased,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    event: Event,
    length: Length,
    /// When the segment began.
    segment: Timestamp,
    /// Length of the segments before.
    earlier: u32,
    next_update: Timestamp,
    /// No packet has gone out yet.
    first: bool,
    ending: Option<Ending>,
}

/// The last packet of an event or segment is being repeated.
#[derive(Clone, Copy, Debug)]
struct Ending {
    duration: u16,
    /// The event, not just the segment.
    event: bool,
    repeats_left: u8,
}

/// Repetitions of a last packet after its first transmission.
const REPEATS: u8 = 2;

impl EventSender {
    /// A sender with nothing queued. Settings out of range are brought into it.
    pub fn new(settings: EventSettings) -> Self {
        let settings = EventSettings {
            digit_ms: settings.digit_ms.clamp(1, 60_000),
            gap_ms: settings.gap_ms.min(60_000),
            update_ms: settings.update_ms.clamp(1, 1000),
            volume: settings.volume.min(63),
            ..settings
        };
        Self { settings, queue: VecDeque::with_capacity(settings.queue), current: None, gap_until: None }
    }

    /// Queues digits (`0`-`9`, `*`, `#`, `A`-`D`, `R` for the hook flash), all or none.
    ///
    /// # Errors
    /// [`QueueError`]; nothing is queued then.
    pub fn queue(&mut self, digits: &str) -> Result<(), QueueError> {
        let mut count = 0;
        for (index, found) in digits.chars().enumerate() {
            Event::from_digit(found).ok_or(QueueError::NotADigit { index, found })?;
            count = index + 1;
        }
        self.reserve(count)?;
        let length = Length::Fixed(self.units(self.settings.digit_ms));
        self.queue.extend(digits.chars().filter_map(Event::from_digit).map(|event| (event, length)));
        Ok(())
    }

    /// Queues one event of `duration_ms` milliseconds (1 to 60000; brought into that range).
    ///
    /// # Errors
    /// [`QueueError::Full`].
    pub fn queue_event(&mut self, event: Event, duration_ms: u32) -> Result<(), QueueError> {
        self.reserve(1)?;
        let length = Length::Fixed(self.units(duration_ms.clamp(1, 60_000)));
        self.queue.push_back((event, length));
        Ok(())
    }

    /// Queues an event that lasts until [`EventSender::release`]: a key held down, or passed on from another leg.
    ///
    /// # Errors
    /// [`QueueError::Full`].
    pub fn press(&mut self, event: Event) -> Result<(), QueueError> {
        self.reserve(1)?;
        self.queue.push_back((event, Length::UntilReleased));
        Ok(())
    }

    /// Ends the event that lasts until released; one still queued is sent with the usual duration of a digit. No
    /// effect when there is none.
    pub fn release(&mut self, now: Timestamp) {
        let digit = Length::Fixed(self.units(self.settings.digit_ms));
        if let Some(Current { length: length @ Length::UntilReleased, segment, earlier, .. }) = &mut self.current {
            let passed = now.since(*segment).max(1).unsigned_abs();
            *length = Length::Fixed(earlier.saturating_add(passed));
        } else if let Some((_, length)) =
            self.queue.iter_mut().find(|(_, length)| matches!(length, Length::UntilReleased))
        {
            *length = digit;
        }
    }

    /// Forgets what is queued and ends the current event, whose last packets still go out.
    pub fn cancel(&mut self, now: Timestamp) {
        self.queue.clear();
        if let Some(Current { length, segment, earlier, .. }) = &mut self.current {
            let passed = earlier.saturating_add(now.since(*segment).max(1).unsigned_abs());
            *length = match *length {
                Length::Fixed(planned) => Length::Fixed(planned.min(passed)),
                Length::UntilReleased => Length::Fixed(passed),
            };
        }
    }

    /// Whether an event is going on or queued.
    pub fn is_busy(&self) -> bool {
        self.current.is_some() || !self.queue.is_empty()
    }

    /// How many events wait behind the current one.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// What goes out at the tick whose audio would have the timestamp `now`. Call it once a tick, ticks being no
    /// longer than the update interval.
    pub fn poll(&mut self, now: Timestamp) -> Poll {
        let Some(mut current) = self.current.or_else(|| self.begin(now)) else { return Poll::Audio };
        if now.is_before(current.next_update) {
            self.current = Some(current);
            return Poll::Quiet;
        }
        let interval = self.units(self.settings.update_ms);
        let marker = current.first;
        let timestamp = current.segment;
        let (duration, ending) = current.report(now, interval);
        let end = ending.is_some_and(|ending| ending.event);
        current.first = false;
        current.next_update = current.next_update.plus(interval);
        if current.next_update.is_before(now) {
            current.next_update = now.plus(interval);
        }
        current.ending = ending;
        self.current = self.advance(current);
        let volume = if current.event.is_dtmf() { self.settings.volume } else { 0 };
        let payload = EventPayload { event: current.event, end, volume, duration }.octets();
        Poll::Packet(EventPacket { marker, timestamp, payload })
    }

    fn begin(&mut self, now: Timestamp) -> Option<Current> {
        if self.gap_until.is_some_and(|until| now.is_before(until)) {
            return None;
        }
        let (event, length) = self.queue.pop_front()?;
        self.gap_until = None;
        Some(Current { event, length, segment: now, earlier: 0, next_update: now, first: true, ending: None })
    }

    /// Counts a repetition down; behind the last one the event is over, or its next segment begins.
    fn advance(&mut self, mut current: Current) -> Option<Current> {
        let Some(ending) = &mut current.ending else { return Some(current) };
        if let Some(left) = ending.repeats_left.checked_sub(1) {
            ending.repeats_left = left;
            return Some(current);
        }
        let segment_end = current.segment.plus(u32::from(ending.duration));
        if ending.event {
            self.gap_until = Some(segment_end.plus(self.units(self.settings.gap_ms)));
            return None;
        }
        current.segment = segment_end;
        current.earlier = current.earlier.saturating_add(u32::from(ending.duration));
        current.ending = None;
        Some(current)
    }

    fn reserve(&self, count: usize) -> Result<(), QueueError> {
        let room = self.settings.queue.saturating_sub(self.queue.len());
        if count > room { Err(QueueError::Full { room }) } else { Ok(()) }
    }

    fn units(&self, milliseconds: u32) -> u32 {
        self.settings.clock.units_per_millis(milliseconds).max(1)
    }
}

impl Current {
    /// The duration to report at `now`, and whether that is the last packet of the event or segment.
    fn report(&self, now: Timestamp, interval: u32) -> (u16, Option<Ending>) {
        if let Some(ending) = self.ending {
            return (ending.duration, Some(ending));
        }
        let so_far = now.since(self.segment).max(0).unsigned_abs().saturating_add(interval);
        let left = match self.length {
            Length::Fixed(length) => length.saturating_sub(self.earlier).max(1),
            Length::UntilReleased => u32::MAX,
        };
        match u16::try_from(so_far.min(left)) {
            Ok(duration) if so_far >= left => (duration, Some(Ending { duration, event: true, repeats_left: REPEATS })),
            Ok(duration) if duration < u16::MAX => (duration, None),
            _ => (u16::MAX, Some(Ending { duration: u16::MAX, event: false, repeats_left: REPEATS })),
        }
    }
}
