//! What was received from one source at a time: validity, loss, jitter (RFC 3550 appendices A.1, A.3, A.8).

mod sequence;
#[cfg(test)]
mod tests;

use crate::{
    ClockRate, Micros, NtpTime, Packet, SequenceNumber, ShortNtp, Ssrc, Timestamp, rtcp::ReportBlock, sender::Position,
};
use sequence::Sequence;

/// What one packet meant to the statistics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Arrival {
    /// The source is new and has not yet sent two packets in sequence. Not counted; a telephone may play it.
    Probation,
    /// The next packet in sequence.
    InOrder,
    /// Ahead of the expected packet: `missing` packets were lost or are late.
    Gap {
        /// Packets skipped, 1 to 2999.
        missing: u16,
    },
    /// Behind the newest packet.
    Reordered,
    /// Seen before. Duplicates older than 64 packets count as reordered.
    Duplicate,
    /// Second packet in sequence after a jump: the source restarted, its loss statistics begin anew.
    Restarted,
    /// Sequence number far from the expected one. Not counted, not to be played.
    Outlier,
    /// From another source than the current one. Not counted, not to be played.
    Foreign,
    /// Second packet in sequence from another source: it is the current one now.
    Switched,
}

impl Arrival {
    /// Whether the packet was counted as received: it may be played.
    pub const fn is_valid(self) -> bool {
        !matches!(self, Self::Probation | Self::Outlier | Self::Foreign)
    }
}

/// Totals since the beginning, across all sources.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Valid packets.
    pub packets: u64,
    /// Their payload octets.
    pub octets: u64,
    /// Valid packets seen before.
    pub duplicates: u64,
    /// Valid packets behind the newest one.
    pub reordered: u64,
    /// Packets not counted: outliers, foreign sources, probation.
    pub discarded: u64,
    /// Changes of the source, and restarts of its sequence.
    pub restarts: u64,
}

/// Statistics of one incoming stream. One source is current at any time: another takes over after two packets in
/// sequence, so a stray packet changes nothing.
#[derive(Clone, Debug)]
pub struct Reception {
    clock: ClockRate,
    source: Option<Source>,
    /// Another source and how its sequence looks so far.
    candidate: Option<(Ssrc, Sequence)>,
    totals: Totals,
    lost_before: i64,
}

#[derive(Clone, Debug)]
struct Source {
    ssrc: Ssrc,
    sequence: Sequence,
    last_arrival: Micros,
    /// Arrival and timestamp of the last packet that was not late.
    newest: (Micros, Timestamp),
    /// Arrival minus timestamp of the last packet that came, on the timestamp circle.
    transit: u32,
    /// The jitter estimate in 1/16 units of the clock.
    jitter: u32,
    expected_prior: u32,
    received_prior: u32,
    last_sr: Option<(ShortNtp, Micros)>,
}

impl Reception {
    /// Statistics of a stream whose timestamps run at `clock`.
    pub fn new(clock: ClockRate) -> Self {
        Self { clock, source: None, candidate: None, totals: Totals::default(), lost_before: 0 }
    }

    /// Takes a packet into account and says what it was. Costs no allocation and constant time.
    pub fn received(&mut self, now: Micros, packet: &Packet<'_>) -> Arrival {
        let arrival = match &mut self.source {
            Some(source) if source.ssrc == packet.ssrc() => {
                self.candidate = None;
                let arrival = source.sequence.update(packet.sequence_number());
                if arrival == Arrival::Probation {
                    source.newest = (now, packet.timestamp());
                }
                arrival
            }
            Some(_) => self.foreign(now, packet),
            None => {
                self.source = Some(Source::new(now, self.clock, packet));
                Arrival::Probation
            }
        };
        if !arrival.is_valid() {
            self.totals.discarded += 1;
            return arrival;
        }
        self.count(arrival, now, packet);
        arrival
    }

    /// A packet of another source than the current one: believed when it continues the one before.
    #[cold]
    fn foreign(&mut self, now: Micros, packet: &Packet<'_>) -> Arrival {
        if let Some((ssrc, sequence)) = &mut self.candidate
            && *ssrc == packet.ssrc()
        {
            if !sequence.update(packet.sequence_number()).is_valid() {
                return Arrival::Foreign;
            }
            let sequence = sequence.clone();
            self.candidate = None;
            self.lost_before = self.lost_before.saturating_add(i64::from(self.lost()));
            self.source = Some(Source { sequence, ..Source::new(now, self.clock, packet) });
            return Arrival::Switched;
        }
        self.candidate = Some((packet.ssrc(), Sequence::new(packet.sequence_number())));
        Arrival::Foreign
    }

    fn count(&mut self, arrival: Arrival, now: Micros, packet: &Packet<'_>) {
        let Some(source) = &mut self.source else { return };
        match arrival {
            Arrival::Duplicate => self.totals.duplicates += 1,
            Arrival::Reordered => self.totals.reordered += 1,
            Arrival::Restarted => {
                self.totals.restarts += 1;
                self.lost_before = self.lost_before.saturating_add(i64::from(source.sequence.take_lost_before()));
                (source.expected_prior, source.received_prior) = (0, 0);
            }
            Arrival::Switched => self.totals.restarts += 1,
            _ => {}
        }
        if !matches!(arrival, Arrival::Duplicate | Arrival::Reordered) {
            source.newest = (now, packet.timestamp());
        }
        self.totals.packets += 1;
        self.totals.octets += packet.payload().len() as u64;
        source.last_arrival = now;
        let first = matches!(arrival, Arrival::Restarted | Arrival::Switched) || source.sequence.received() == 1;
        // All packets of a timestamp count, the updates of a telephone event too (RFC 4733 section 2.5.2.2).
        let transit = transit(now, self.clock, packet);
        if !first {
            let change = (transit.wrapping_sub(source.transit) as i32).unsigned_abs();
            source.update_jitter(change);
        }
        source.transit = transit;
    }

    /// Notes the NTP timestamp of a sender report from `ssrc`; other sources than the current one are ignored.
    pub fn sender_report_arrived(&mut self, now: Micros, ssrc: Ssrc, ntp: NtpTime) {
        if let Some(source) = &mut self.source
            && source.ssrc == ssrc
        {
            source.last_sr = Some((ntp.middle(), now));
        }
    }

    /// The report block about the current source for an SR or RR sent now; `None` while there is no valid source.
    /// Each call ends the interval over which `fraction_lost` is taken (RFC 3550 appendix A.3).
    pub fn report(&mut self, now: Micros) -> Option<ReportBlock> {
        let cumulative_lost = self.lost();
        let source = self.source.as_mut().filter(|source| source.sequence.is_valid())?;
        let (expected, received) = (source.sequence.expected(), source.sequence.received());
        let expected_now = expected.wrapping_sub(source.expected_prior);
        let received_now = received.wrapping_sub(source.received_prior);
        (source.expected_prior, source.received_prior) = (expected, received);
        let lost_now = u64::from(expected_now.saturating_sub(received_now));
        let fraction = (lost_now << 8).checked_div(u64::from(expected_now)).unwrap_or(0).min(255);
        let (last_sr, delay_since_last_sr) = match source.last_sr {
            Some((ntp, at)) => (ntp, ShortNtp::from_length(now.since(at))),
            None => (ShortNtp(0), ShortNtp(0)),
        };
        Some(ReportBlock {
            ssrc: source.ssrc,
            fraction_lost: fraction as u8,
            cumulative_lost: cumulative_lost.clamp(*ReportBlock::LOSS_RANGE.start(), *ReportBlock::LOSS_RANGE.end()),
            highest_sequence: source.sequence.extended_highest(),
            jitter: source.jitter >> 4,
            last_sr,
            delay_since_last_sr,
        })
    }

    /// The current source, once it has sent at least one packet.
    pub fn source(&self) -> Option<Ssrc> {
        self.source.as_ref().map(|source| source.ssrc)
    }

    /// How far the current source has come, be it by one packet.
    pub fn position(&self) -> Option<Position> {
        let source = self.source.as_ref()?;
        let (highest, (at, timestamp)) = (source.sequence.extended_highest() as u16, source.newest);
        Some(Position { next: SequenceNumber(highest).next(), at, timestamp })
    }

    /// When the last valid packet arrived; `None` before the first.
    pub fn last_arrival(&self) -> Option<Micros> {
        self.source.as_ref().filter(|source| source.sequence.is_valid()).map(|source| source.last_arrival)
    }

    /// The interarrival jitter of the current source now (RFC 3550 appendix A.8).
    pub fn jitter(&self) -> Micros {
        let units = self.source.as_ref().map_or(0, |source| source.jitter >> 4);
        self.clock.micros(u64::from(units))
    }

    /// Totals since the beginning.
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// Packets lost since the beginning, across all sources; negative when duplicates outnumber losses.
    pub fn total_lost(&self) -> i64 {
        self.lost_before.saturating_add(i64::from(self.lost()))
    }

    /// Packets of the current source expected less received.
    fn lost(&self) -> i32 {
        self.source.as_ref().map_or(0, |source| source.sequence.lost())
    }
}

impl Source {
    fn new(now: Micros, clock: ClockRate, packet: &Packet<'_>) -> Self {
        Self {
            ssrc: packet.ssrc(),
            sequence: Sequence::new(packet.sequence_number()),
            last_arrival: now,
            newest: (now, packet.timestamp()),
            transit: transit(now, clock, packet),
            jitter: 0,
            expected_prior: 0,
            received_prior: 0,
            last_sr: None,
        }
    }

    /// RFC 3550 appendix A.8, the integer variant: the estimate moves by a sixteenth of the difference.
    fn update_jitter(&mut self, change: u32) {
        // Bounded so that no jump of a timestamp overflows the scaled estimate.
        let change = change.min(u32::MAX >> 5);
        self.jitter = self.jitter + change - ((self.jitter + 8) >> 4);
    }
}

/// Arrival minus timestamp, on the timestamp circle.
fn transit(now: Micros, clock: ClockRate, packet: &Packet<'_>) -> u32 {
    clock.wrapped(now).wrapping_sub(packet.timestamp().0)
}

/// The round-trip time a report block of the far end reveals when it arrives at `now`, a reading of the clock our
/// sender reports carry (RFC 3550 section 6.4.1): `now - LSR - DLSR`.
///
/// `None` when the block refers to no sender report or the times contradict each other by more than a second.
pub fn round_trip(now: NtpTime, block: &ReportBlock) -> Option<Micros> {
    if block.last_sr == ShortNtp(0) {
        return None;
    }
    let time = now.middle().minus(block.last_sr).minus(block.delay_since_last_sr);
    match time.0 as i32 {
        0.. => Some(time.length()),
        -0x1_0000..0 => Some(Micros(0)),
        _ => None,
    }
}
