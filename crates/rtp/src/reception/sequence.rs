//! Validity of sequence numbers (RFC 3550 appendix A.1) and what follows from them.

use super::Arrival;
use crate::SequenceNumber;

/// Packets in sequence before a source is believed.
const MIN_SEQUENTIAL: u8 = 2;
/// A step forward of this size or more is not believed at once.
const MAX_DROPOUT: u16 = 3000;
/// A step back of this size or more is not believed at once.
const MAX_MISORDER: u16 = 100;

/// The sequence number state of one source.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    highest: SequenceNumber,
    /// Count of wraps in the high half.
    cycles: u32,
    base: SequenceNumber,
    /// What must follow a jump for it to be believed.
    after_jump: Option<SequenceNumber>,
    /// Packets in sequence still missing to validity.
    probation: u8,
    received: u32,
    /// Bit n: `highest - n` has arrived.
    window: u64,
    /// Loss of the sequence before the last restart.
    lost_before: i32,
}

impl Sequence {
    pub(super) const fn new(number: SequenceNumber) -> Self {
        Self {
            highest: number,
            cycles: 0,
            base: number,
            after_jump: None,
            probation: MIN_SEQUENTIAL - 1,
            received: 0,
            window: 1,
            lost_before: 0,
        }
    }

    pub(super) fn update(&mut self, number: SequenceNumber) -> Arrival {
        let ahead = number.0.wrapping_sub(self.highest.0);
        if self.probation > 0 {
            return self.on_probation(number, ahead);
        }
        if ahead == 0 || ahead > MAX_MISORDER.wrapping_neg() {
            self.received = self.received.saturating_add(1);
            return self.behind(ahead.wrapping_neg());
        }
        if ahead >= MAX_DROPOUT {
            return self.jumped(number);
        }
        self.received = self.received.saturating_add(1);
        if number.0 < self.highest.0 {
            self.cycles = self.cycles.wrapping_add(0x1_0000);
        }
        self.highest = number;
        self.window = self.window.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
        if ahead == 1 { Arrival::InOrder } else { Arrival::Gap { missing: ahead - 1 } }
    }

    fn on_probation(&mut self, number: SequenceNumber, ahead: u16) -> Arrival {
        self.highest = number;
        if ahead != 1 {
            self.probation = MIN_SEQUENTIAL - 1;
            return Arrival::Probation;
        }
        self.probation -= 1;
        if self.probation > 0 {
            return Arrival::Probation;
        }
        self.begin(number);
        Arrival::InOrder
    }

    fn jumped(&mut self, number: SequenceNumber) -> Arrival {
        if self.after_jump == Some(number) {
            self.lost_before = self.lost();
            self.begin(number);
            return Arrival::Restarted;
        }
        self.after_jump = Some(number.next());
        Arrival::Outlier
    }

    fn behind(&mut self, distance: u16) -> Arrival {
        let bit = 1u64.checked_shl(u32::from(distance)).unwrap_or(0);
        if self.window & bit != 0 {
            return Arrival::Duplicate;
        }
        self.window |= bit;
        Arrival::Reordered
    }

    /// The first counted packet of a sequence.
    fn begin(&mut self, number: SequenceNumber) {
        self.highest = number;
        self.base = number;
        self.cycles = 0;
        self.after_jump = None;
        self.received = 1;
        self.window = 1;
    }

    pub(super) const fn is_valid(&self) -> bool {
        self.probation == 0
    }

    pub(super) const fn received(&self) -> u32 {
        self.received
    }

    pub(super) const fn extended_highest(&self) -> u32 {
        self.cycles | self.highest.0 as u32
    }

    /// Packets from the first to the highest (RFC 3550 appendix A.3); zero while on probation.
    pub(super) const fn expected(&self) -> u32 {
        if self.is_valid() { self.extended_highest().wrapping_sub(self.base.0 as u32).wrapping_add(1) } else { 0 }
    }

    pub(super) const fn lost(&self) -> i32 {
        self.expected().wrapping_sub(self.received) as i32
    }

    /// Loss of the sequence that ended with the last restart; handed out once.
    pub(super) const fn take_lost_before(&mut self) -> i32 {
        let lost = self.lost_before;
        self.lost_before = 0;
        lost
    }
}
