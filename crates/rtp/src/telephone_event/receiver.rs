//! Receiving events (RFC 4733 section 2.5.2).

use super::{Event, EventPayload};
use crate::{ClockRate, Micros, Packet, SequenceNumber, Ssrc, Timestamp};

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum EventReport {
    /// An event began. Its end will be reported, too, and no other event begins before.
    Started {
        /// What.
        event: Event,
        /// The level in -dBm0, 0 to 63; 0 when unknown.
        volume: u8,
        /// When, on the stream's clock.
        timestamp: Timestamp,
    },
    /// The event ended.
    Ended {
        /// What.
        event: Event,
        /// How long it lasted as far as reports arrived, all segments together.
        duration: Micros,
        /// Whether a packet said so; `false` when all of them were lost, and the time-out or the next event told.
        confirmed: bool,
    },
}

/// Turns event packets into one start and one end for each event, whatever is lost, repeated or reordered.
///
/// An event is known by its timestamp. What arrives about one of the last eight events that ended, or late about one
/// before the newest, is ignored.
#[derive(Clone, Debug)]
pub struct EventReceiver {
    clock: ClockRate,
    timeout: Micros,
    ssrc: Option<Ssrc>,
    current: Option<Current>,
    /// When the newest event began, and the newest sequence number of any event.
    newest: Option<(Timestamp, SequenceNumber)>,
    /// When the last events that are over began; `ended_at` is the place of the next one.
    ended: [Option<Timestamp>; REMEMBERED],
    ended_at: usize,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    event: Event,
    /// When the segment began.
    segment: Timestamp,
    /// Length of the segments before.
    earlier: u64,
    duration: u16,
    last_packet: Micros,
}

/// Events read from one packet (RFC 4733 section 2.5.1.5); what a packet holds beyond is ignored.
const MAX_BLOCKS: usize = 8;
/// Events remembered to have ended.
const REMEMBERED: usize = 8;

impl EventReceiver {
    /// How long after its last packet an event is taken for ended: four update intervals of 50 ms.
    pub const DEFAULT_TIMEOUT: Micros = Micros::from_millis(200);

    /// A receiver for events of the given clock that ends an event `timeout` after its last packet.
    pub const fn new(clock: ClockRate, timeout: Micros) -> Self {
        Self { clock, timeout, ssrc: None, current: None, newest: None, ended: [None; REMEMBERED], ended_at: 0 }
    }

    /// Takes a packet of the telephone-event payload type and hands what it means to `report`, in order. Payloads
    /// that are too short, and reports of no duration (section 2.3.5), mean nothing.
    pub fn receive(&mut self, now: Micros, packet: &Packet<'_>, mut report: impl FnMut(EventReport)) {
        if self.ssrc != Some(packet.ssrc()) {
            self.finish(false, &mut report);
            self.ssrc = Some(packet.ssrc());
            self.newest = None;
            self.ended = [None; REMEMBERED];
        }
        let mut timestamp = packet.timestamp();
        for octets in packet.payload().as_chunks().0.iter().take(MAX_BLOCKS) {
            let block = EventPayload::read(octets);
            if block.duration > 0 {
                self.block(now, packet, timestamp, block, &mut report);
            }
            timestamp = timestamp.plus(u32::from(block.duration));
        }
    }

    /// Ends the current event when its time is over. Call it at [`EventReceiver::deadline`], or each tick.
    pub fn timeout(&mut self, now: Micros, mut report: impl FnMut(EventReport)) {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            self.finish(false, &mut report);
        }
    }

    /// When [`EventReceiver::timeout`] must be called next; `None` while no event is going on.
    pub fn deadline(&self) -> Option<Micros> {
        self.current.map(|current| current.last_packet.plus(self.timeout))
    }

    /// The event going on, if there is one.
    pub fn current(&self) -> Option<Event> {
        self.current.map(|current| current.event)
    }

    fn block(
        &mut self,
        now: Micros,
        packet: &Packet<'_>,
        timestamp: Timestamp,
        block: EventPayload,
        report: &mut impl FnMut(EventReport),
    ) {
        match self.current {
            Some(current) if current.segment == timestamp => {
                if current.event != block.event {
                    return;
                }
                let duration = current.duration.max(block.duration);
                self.current = Some(Current { duration, last_packet: now, ..current });
            }
            Some(current) if current.is_continued_by(timestamp, block.event, packet.marker()) => {
                // The next segment of a long event (section 2.5.2.3).
                let earlier = current.earlier + u64::from(timestamp.since(current.segment).unsigned_abs());
                let (segment, duration) = (timestamp, block.duration);
                self.current = Some(Current { segment, earlier, duration, last_packet: now, ..current });
            }
            _ if self.is_old(timestamp, packet.sequence_number()) => return,
            _ => {
                self.finish(false, report);
                let event = block.event;
                // Section 2.3.4: of other events it means nothing.
                let volume = if event.is_dtmf() { block.volume } else { 0 };
                let (segment, duration) = (timestamp, block.duration);
                self.current = Some(Current { event, segment, earlier: 0, duration, last_packet: now });
                report(EventReport::Started { event, volume, timestamp });
            }
        }
        self.newest = Some(match self.newest {
            Some((_, sequence)) if packet.sequence_number().is_before(sequence) => (timestamp, sequence),
            _ => (timestamp, packet.sequence_number()),
        });
        if block.end {
            self.finish(true, report);
        }
    }

    /// Whether a report is about an event that is over, or late about one before the newest. A timestamp that runs
    /// backwards while the sequence goes on is a new beginning.
    fn is_old(&self, timestamp: Timestamp, sequence: SequenceNumber) -> bool {
        self.ended.contains(&Some(timestamp))
            || self.newest.is_some_and(|(newest, newest_sequence)| {
                timestamp.is_before(newest) && !newest_sequence.is_before(sequence)
            })
    }

    fn finish(&mut self, confirmed: bool, report: &mut impl FnMut(EventReport)) {
        if let Some(current) = self.current.take() {
            let duration = self.clock.micros(current.earlier + u64::from(current.duration));
            if let Some(place) = self.ended.get_mut(self.ended_at) {
                *place = Some(current.segment);
            }
            self.ended_at = (self.ended_at + 1) % REMEMBERED;
            report(EventReport::Ended { event: current.event, duration, confirmed });
        }
    }
}

impl Current {
    /// Whether a report that began at `timestamp` goes on with this event: the same event, no marker, and no gap to
    /// what was reported last, or to the longest report there is when that one was lost.
    fn is_continued_by(&self, timestamp: Timestamp, event: Event, marker: bool) -> bool {
        let step = timestamp.since(self.segment);
        event == self.event && !marker && (step == i32::from(self.duration) || step == 0xffff)
    }
}
