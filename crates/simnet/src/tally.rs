//! How often what happened.

use std::collections::BTreeMap;
use std::fmt;

use sip::{Cause, SendError};

/// A fault of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A datagram was lost.
    Loss,
    /// It arrived twice.
    Double,
    /// It took longer.
    Late,
    /// It was overtaken by a later one.
    Overtaken,
    /// The queue was full.
    NoBuffer,
    /// ICMP refused it.
    Refused,
    /// It was too large to be sent.
    TooBig,
    /// It fell into an outage.
    Outage,
    /// A connection was cut.
    Cut,
    /// It still waited to be written when its connection was cut.
    Unwritten,
    /// A connection could not be opened.
    Unopened,
    /// A message of a stream arrived in two pieces.
    Split,
    /// The address translator gave a new port and kept the old one.
    Rebound,
    /// The address translator gave a new port and took the old one away.
    RebindLost,
    /// A look-up found nothing.
    NoName,
    /// A look-up failed.
    LookupFailed,
    /// A look-up was never answered.
    LookupSilent,
    /// The first of two servers of a name was dead.
    DeadServer,
    /// Somebody set a wall clock.
    WallJump,
    /// A machine was suspended: its time went on, its timers did not.
    Suspend,
    /// A datagram came while its receiver slept.
    Slept,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 21] = [
        Fault::Loss,
        Fault::Double,
        Fault::Late,
        Fault::Overtaken,
        Fault::NoBuffer,
        Fault::Refused,
        Fault::TooBig,
        Fault::Outage,
        Fault::Cut,
        Fault::Unwritten,
        Fault::Unopened,
        Fault::Split,
        Fault::Rebound,
        Fault::RebindLost,
        Fault::NoName,
        Fault::LookupFailed,
        Fault::LookupSilent,
        Fault::DeadServer,
        Fault::WallJump,
        Fault::Suspend,
        Fault::Slept,
    ];
}

/// Counts of faults, of states that were left, and of what the phones lived through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    faults: BTreeMap<Fault, u64>,
    states: BTreeMap<&'static str, u64>,
    sends: BTreeMap<String, u64>,
    errors: BTreeMap<String, u64>,
    fates: BTreeMap<String, u64>,
}

/// Why the stack sends; each kind must fail at times. (Keep-alives are lost without a word.)
const CAUSES: [Cause; 8] = [
    Cause::Request,
    Cause::Response,
    Cause::Automatic,
    Cause::RetransmitRequest,
    Cause::RetransmitResponse,
    Cause::Answer,
    Cause::Ack,
    Cause::Retry,
];

/// A reliable provisional response whose PRACK came: must happen.
pub const PRACKED: &str = "reliable: acknowledged";
/// A session that was refreshed: must happen.
pub const REFRESHED: &str = "session: refreshed";
/// One that was not, and ended: must happen.
pub const EXPIRED: &str = "session: not refreshed";
/// A flow over UDP that had failed and was formed anew (RFC 5626 section 4.5): must happen.
pub const RECOVERED: &str = "flow: formed anew over UDP";
/// A transfer whose end was told to who had asked for it: must happen.
pub const REPORTED: &str = "transfer: told";
/// A call that a caller has taken over who named it: must happen.
pub const REPLACED: &str = "transfer: replaced";
/// What must happen to phones.
const FATES: [&str; 6] = [PRACKED, REFRESHED, EXPIRED, RECOVERED, REPORTED, REPLACED];

impl Tally {
    /// A message that left for this reason could not be sent.
    pub fn unsent(&mut self, why: Cause) {
        *self.sends.entry(format!("{why:?}")).or_default() += 1;
    }
    /// A stack was told that a send of its failed, and why.
    pub fn told(&mut self, why: &SendError) {
        *self.errors.entry(format!("{why:?}")).or_default() += 1;
    }
    /// A fault fired.
    pub fn fault(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
    }
    /// A state was left.
    pub fn left(&mut self, state: &'static str) {
        *self.states.entry(state).or_default() += 1;
    }
    /// A call, a request or a registration had this fate.
    pub fn fate(&mut self, fate: impl Into<String>) {
        *self.fates.entry(fate.into()).or_default() += 1;
    }
    /// Adds another's counts.
    pub fn add(&mut self, other: &Tally) {
        other.faults.iter().for_each(|(key, n)| *self.faults.entry(*key).or_default() += n);
        other.sends.iter().for_each(|(key, n)| *self.sends.entry(key.clone()).or_default() += n);
        other.errors.iter().for_each(|(key, n)| *self.errors.entry(key.clone()).or_default() += n);
        other.states.iter().for_each(|(key, n)| *self.states.entry(key).or_default() += n);
        other.fates.iter().for_each(|(key, n)| *self.fates.entry(key.clone()).or_default() += n);
    }
    /// Faults that never fired (each way for a look-up to fail is one), sends that never failed, errors of [`SendError::ALL`] that no stack was
    /// told, states of [`sip::Stack::STATES`] that never were left, and [`PRACKED`], [`REFRESHED`], [`EXPIRED`],
    /// [`RECOVERED`], [`REPORTED`] and [`REPLACED`].
    pub fn missing(&self) -> Vec<String> {
        let faults =
            Fault::ALL.iter().filter(|fault| !self.faults.contains_key(fault)).map(|fault| format!("fault {fault:?}"));
        let states = sip::Stack::STATES.iter().filter(|state| !self.states.contains_key(*state));
        let sends = CAUSES.iter().map(|why| format!("{why:?}")).filter(|why| !self.sends.contains_key(why));
        let sends = sends.map(|why| format!("failed send of {why}"));
        let errors = SendError::ALL.iter().map(|why| format!("{why:?}")).filter(|why| !self.errors.contains_key(why));
        let sends = sends.chain(errors.map(|why| format!("send error {why}")));
        let fates = FATES.into_iter().filter(|fate| !self.fates.contains_key(*fate));
        let states = states.map(|state| format!("state {state}"));
        faults.chain(sends).chain(states).chain(fates.map(|fate| format!("fate {fate}"))).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.faults.iter().try_for_each(|(key, n)| writeln!(f, "{n:>9}  fault {key:?}"))?;
        self.sends.iter().try_for_each(|(key, n)| writeln!(f, "{n:>9}  not sent: {key}"))?;
        self.errors.iter().try_for_each(|(key, n)| writeln!(f, "{n:>9}  told: {key}"))?;
        self.states.iter().try_for_each(|(key, n)| writeln!(f, "{n:>9}  left {key}"))?;
        self.fates.iter().try_for_each(|(key, n)| writeln!(f, "{n:>9}  {key}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_happened_is_missing_one_by_one() {
        let mut tally = Tally::default();
        let states = sip::Stack::STATES.len();
        assert_eq!(
            tally.missing().len(),
            Fault::ALL.len() + CAUSES.len() + SendError::ALL.len() + states + FATES.len()
        );
        FATES.into_iter().for_each(|fate| tally.fate(fate));
        assert_eq!(tally.missing().len(), Fault::ALL.len() + CAUSES.len() + SendError::ALL.len() + states);
        for why in SendError::ALL {
            assert!(tally.missing().contains(&format!("send error {why:?}")));
            tally.told(&why);
            assert!(!tally.missing().contains(&format!("send error {why:?}")));
        }
        for fault in [Fault::NoName, Fault::LookupFailed, Fault::LookupSilent] {
            assert!(tally.missing().contains(&format!("fault {fault:?}")));
            tally.fault(fault);
        }
        assert_eq!(tally.missing().len(), Fault::ALL.len() - 3 + CAUSES.len() + states);
    }
}
