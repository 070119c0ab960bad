//! One outgoing stream made of whatever streams come in: the numbering of a relay.

use super::{Packet, ParseError, rewrite::HeaderMut};
use crate::{ClockRate, Micros, SequenceNumber, Ssrc, Timestamp};

/// Renumbers packets so that the far end sees one continuous stream although its sources change.
///
/// While the source stays, gaps, reordering and timing pass through unchanged: sequence number and timestamp are
/// moved by a constant. When the incoming SSRC changes, or its sequence number or timestamp leaves the range of
/// [`Relay::MAX_STEP`] packets or [`Relay::MAX_PAUSE`], the constants are chosen anew so that the outgoing sequence
/// continues by one and the timestamp by the time that passed, and the marker is set.
#[derive(Clone, Debug)]
pub struct Relay {
    clock: ClockRate,
    ssrc: Ssrc,
    first_sequence_number: SequenceNumber,
    first_timestamp: Timestamp,
    source: Option<Source>,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: Ssrc,
    sequence_offset: u16,
    timestamp_offset: u32,
    newest_sequence: SequenceNumber,
    newest_timestamp: Timestamp,
    newest_at: Micros,
}

impl Relay {
    /// Packets a source may skip or repeat before it counts as a new one.
    pub const MAX_STEP: u16 = 3000;
    /// How far a source's timestamp may run away from the clock before it counts as a new one.
    pub const MAX_PAUSE: Micros = Micros::from_millis(2000);

    /// A relay that sends as `ssrc`, starting at the given numbers (to be drawn at random, RFC 3550 section 5.1).
    pub const fn new(ssrc: Ssrc, sequence_number: SequenceNumber, timestamp: Timestamp, clock: ClockRate) -> Self {
        Self { clock, ssrc, first_sequence_number: sequence_number, first_timestamp: timestamp, source: None }
    }

    /// Renumbers `datagram` in place and returns its new sequence number.
    ///
    /// # Errors
    /// [`ParseError`] when it is no RTP packet; it is unchanged then.
    pub fn renumber(&mut self, now: Micros, datagram: &mut [u8]) -> Result<SequenceNumber, ParseError> {
        let packet = Packet::parse(datagram)?;
        let (sequence, timestamp, ssrc) = (packet.sequence_number(), packet.timestamp(), packet.ssrc());
        let (mut source, switched) = match self.source {
            Some(source) if self.continues(&source, now, &packet) => (source, false),
            previous => (self.switch(previous, now, &packet), true),
        };
        if sequence.since(source.newest_sequence) >= 0 {
            source.newest_sequence = sequence;
            source.newest_timestamp = timestamp;
            source.newest_at = now;
        }
        self.source = Some(source);
        let outgoing = sequence.plus(source.sequence_offset);
        let mut header = HeaderMut::of_parsed(datagram)?;
        header.set_sequence_number(outgoing);
        header.set_timestamp(timestamp.plus(source.timestamp_offset));
        header.set_ssrc(self.ssrc);
        if switched {
            header.set_marker(true);
        }
        debug_assert_eq!(source.ssrc, ssrc);
        Ok(outgoing)
    }

    /// The source being relayed, if any packet has arrived yet.
    pub fn source(&self) -> Option<Ssrc> {
        self.source.map(|source| source.ssrc)
    }

    fn continues(&self, source: &Source, now: Micros, packet: &Packet<'_>) -> bool {
        let passed = self.clock.units(now.since(source.newest_at)) as u32;
        let drift = packet.timestamp().since(source.newest_timestamp.plus(passed)).unsigned_abs();
        packet.ssrc() == source.ssrc
            && packet.sequence_number().since(source.newest_sequence).unsigned_abs() <= Self::MAX_STEP
            && u64::from(drift) <= self.clock.units(Self::MAX_PAUSE)
    }

    fn switch(&self, previous: Option<Source>, now: Micros, packet: &Packet<'_>) -> Source {
        let (sequence, timestamp) = match previous {
            None => (self.first_sequence_number, self.first_timestamp),
            Some(old) => {
                let passed = self.clock.units(now.since(old.newest_at)).max(1) as u32;
                (
                    old.newest_sequence.plus(old.sequence_offset).next(),
                    old.newest_timestamp.plus(old.timestamp_offset).plus(passed),
                )
            }
        };
        Source {
            ssrc: packet.ssrc(),
            sequence_offset: sequence.0.wrapping_sub(packet.sequence_number().0),
            timestamp_offset: timestamp.0.wrapping_sub(packet.timestamp().0),
            newest_sequence: packet.sequence_number(),
            newest_timestamp: packet.timestamp(),
            newest_at: now,
        }
    }
}
