//! Whether a packet fits what came before it.

use crate::{ClockRate, Micros, Packet, SequenceNumber, Ssrc, Timestamp};

/// A step forward in sequence of more than this, or back of more than [`MAX_MISORDER`], is a jump (RFC 3550 appendix
/// A.1).
const MAX_DROPOUT: i16 = 3000;
const MAX_MISORDER: i16 = 100;
/// A packet so much faster than all before, in milliseconds, is a forward jump of the timestamp or a new route.
const MUCH_FASTER_MS: u32 = 60;
/// Two strays agree when their transits differ by no more than this, in milliseconds.
const AGREE_MS: u32 = 500;
/// How long packets must have been too late, without any in time, for the delay to count as changed.
const LATE_FOR: Micros = Micros(80_000);

/// How a packet is to be treated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Part of the stream.
    Fits,
    /// Part of the stream, but its timing is not to be learned from yet.
    Unsure,
    /// Part of the stream, whose packets have become faster: start measuring from this one.
    Faster,
    /// The first of a stream, or of a new one.
    New,
    /// Part of the stream, but too late for any delay allowed.
    Late,
    /// Came before.
    Duplicate,
    /// Not part of the stream as far as can be told.
    Stray,
}

#[derive(Clone, Debug)]
pub(super) struct Trust {
    source: Option<Source>,
    doubt: Option<Doubt>,
    much_faster: i32,
    agree: u32,
    max_lateness: i32,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: Ssrc,
    newest: SequenceNumber,
    /// Of the newest audio packet.
    timestamp: Timestamp,
}

/// A packet that did not fit, to be confirmed by another one of its kind.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    kind: Kind,
    ssrc: Ssrc,
    sequence_number: SequenceNumber,
    transit: u32,
    since: Micros,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Other,
    Faster,
    Late,
}

impl Trust {
    pub(super) fn new(clock: ClockRate, max_lateness: u32) -> Self {
        Self {
            source: None,
            doubt: None,
            much_faster: clock.units_per_millis(MUCH_FASTER_MS) as i32,
            agree: clock.units_per_millis(AGREE_MS),
            max_lateness: max_lateness as i32,
        }
    }

    /// The newest sequence number of the stream.
    pub(super) fn newest(&self) -> SequenceNumber {
        self.source.map_or(SequenceNumber(0), |source| source.newest)
    }

    pub(super) const fn forget(&mut self) {
        self.source = None;
        self.doubt = None;
    }

    /// Judges a packet of the given transit, so much later than the fastest ones. `idle`: nothing is being played
    /// nor waits, so that there is nothing to protect.
    pub(super) fn judge(
        &mut self,
        now: Micros,
        packet: &Packet<'_>,
        lateness: i32,
        transit: u32,
        idle: bool,
    ) -> Verdict {
        let verdict = match self.source {
            Some(source) if source.ssrc == packet.ssrc() => {
                let step = packet.sequence_number().since(source.newest);
                let timestamp_step = packet.timestamp().since(source.timestamp);
                let consistent = match step {
                    1..MAX_DROPOUT => timestamp_step > 0,
                    0 if timestamp_step == 0 => return Verdict::Duplicate,
                    _ => step < 0 && step > -MAX_MISORDER && timestamp_step < 0,
                };
                if !consistent || lateness < -self.max_lateness {
                    self.doubted(now, packet, transit, Kind::Other, idle)
                } else if lateness > self.max_lateness {
                    self.doubted(now, packet, transit, Kind::Late, idle && packet.marker())
                } else {
                    if step > 0 {
                        self.note_newest(packet);
                    }
                    if lateness < -self.much_faster {
                        self.doubted(now, packet, transit, Kind::Faster, false)
                    } else {
                        self.doubt = None;
                        Verdict::Fits
                    }
                }
            }
            Some(_) => self.doubted(now, packet, transit, Kind::Other, idle),
            None => Verdict::New,
        };
        if verdict == Verdict::New {
            self.note_newest(packet);
        }
        verdict
    }

    const fn note_newest(&mut self, packet: &Packet<'_>) {
        let (ssrc, newest, timestamp) = (packet.ssrc(), packet.sequence_number(), packet.timestamp());
        self.source = Some(Source { ssrc, newest, timestamp });
    }

    /// Takes the place of a packet without audio into account; `false` when it is not of the stream.
    pub(super) fn pass_over(&mut self, packet: &Packet<'_>) -> bool {
        let Some(source) = self.source.as_mut().filter(|source| source.ssrc == packet.ssrc()) else { return false };
        let step = packet.sequence_number().since(source.newest);
        if step > 0 && step < MAX_MISORDER {
            source.newest = packet.sequence_number();
        }
        step > -MAX_MISORDER && step < MAX_MISORDER
    }

    /// A packet that does not fit: `sure` when one is enough, else the second one of a kind decides.
    fn doubted(&mut self, now: Micros, packet: &Packet<'_>, transit: u32, kind: Kind, sure: bool) -> Verdict {
        let (ssrc, sequence_number) = (packet.ssrc(), packet.sequence_number());
        let confirmed = sure
            || match &mut self.doubt {
                Some(doubt) if doubt.kind == kind && doubt.ssrc == ssrc => {
                    let step = sequence_number.since(doubt.sequence_number);
                    let difference = (transit.wrapping_sub(doubt.transit) as i32).unsigned_abs();
                    let follows = (1..=3).contains(&step) && difference <= self.agree;
                    if kind == Kind::Late {
                        now.since(doubt.since) >= LATE_FOR
                    } else if follows || step == 0 {
                        follows
                    } else {
                        *doubt = Doubt { kind, ssrc, sequence_number, transit, since: now };
                        false
                    }
                }
                doubt => {
                    *doubt = Some(Doubt { kind, ssrc, sequence_number, transit, since: now });
                    false
                }
            };
        if confirmed {
            self.doubt = None;
        }
        match (kind, confirmed) {
            (Kind::Faster, true) => Verdict::Faster,
            (Kind::Faster, false) => Verdict::Unsure,
            (_, true) => Verdict::New,
            (Kind::Late, false) => Verdict::Late,
            (Kind::Other, false) => Verdict::Stray,
        }
    }
}
