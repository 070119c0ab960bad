//! When to send RTCP (RFC 3550 sections 6.2, 6.3 and appendix A.7).

#[cfg(test)]
mod tests;

use crate::{Micros, random::Random};

/// The fixed minimum of the interval between reports (section 6.2).
pub const MINIMUM_INTERVAL: Micros = Micros::from_millis(5000);

/// How many take part in a session, and how many of them send. In a telephone call: two, of whom none to two send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Group {
    /// Participants, oneself included: at least 1.
    pub members: u32,
    /// Participants that sent RTP during the last two intervals.
    pub senders: u32,
    /// Whether oneself is one of them.
    pub we_sent: bool,
}

/// What bounds the rate of reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bandwidth {
    /// The session's bandwidth in bits per second, network headers included: 80000 for G.711 in 20 ms packets.
    pub session: u32,
    /// Whether the minimum interval is 360 s divided by the bandwidth in kbit/s instead of 5 s (section 6.2).
    pub reduced_minimum: bool,
}

impl Bandwidth {
    /// The part of the session's bandwidth RTCP may use, in octets per second: 5 %, at least one octet.
    const fn rtcp_octets(&self) -> u64 {
        let octets = self.session as u64 / 160;
        if octets == 0 { 1 } else { octets }
    }

    /// The minimum interval: 5 s, or less when the reduced minimum is allowed and smaller.
    pub const fn minimum(&self) -> Micros {
        if !self.reduced_minimum || self.session == 0 {
            return MINIMUM_INTERVAL;
        }
        // 360 / (bits / 1000) seconds, in microseconds.
        let reduced = 360_000_000_000 / self.session as u64;
        if reduced < MINIMUM_INTERVAL.0 { Micros(reduced) } else { MINIMUM_INTERVAL }
    }
}

/// The deterministic interval Td (section 6.3.1, steps 1 to 3) for packets of `average_size` octets on average, but at
/// least `minimum`.
pub fn deterministic_interval(bandwidth: Bandwidth, group: Group, average_size: u64, minimum: Micros) -> Micros {
    let (members, senders) = (u64::from(group.members.max(1)), u64::from(group.senders));
    let octets = bandwidth.rtcp_octets();
    // Share of the bandwidth in quarters, and among how many it is divided.
    let (quarters, sharing) = if senders.saturating_mul(4) > members {
        (4, members)
    } else if group.we_sent {
        (1, senders)
    } else {
        (3, members - senders)
    };
    let needed = average_size.saturating_mul(sharing).saturating_mul(4_000_000) / (octets * quarters);
    Micros(needed.max(minimum.0))
}

/// Multiplies by a random number between 0.5 and 1.5 and divides by e - 3/2 (section 6.3.1, steps 4 and 5).
fn randomized(random: &mut Random, interval: Micros) -> Micros {
    let factor = 500_000 + random.below(1_000_001);
    Micros((u128::from(interval.0) * u128::from(factor) / 1_218_282).try_into().unwrap_or(u64::MAX))
}

/// The transmission timer of one participant.
///
/// Ask [`RtcpTimer::deadline`], and when it has come [`RtcpTimer::expired`]: `true` means send now, then tell
/// [`RtcpTimer::sent`]; `false` means that reconsideration put it off.
#[derive(Clone, Debug)]
pub struct RtcpTimer {
    bandwidth: Bandwidth,
    random: Random,
    /// tp: when the last packet was sent.
    previous: Micros,
    /// tn: when the next one is due.
    next: Micros,
    /// The group's size when `next` was computed.
    previous_members: u32,
    initial: bool,
    leaving: bool,
    /// The average size in 1/16 octets.
    average_size: u64,
}

/// Octets of IPv4 and UDP headers, which count as part of a packet's size (section 6.2).
const NETWORK_HEADERS: u64 = 28;

impl RtcpTimer {
    /// Joins a session at `now`. The first report is due after half the minimum interval, spread at random (section
    /// 6.3.2); `first_size` is the likely size of that report in octets.
    pub fn new(bandwidth: Bandwidth, now: Micros, first_size: usize, seed: u64) -> Self {
        let mut timer = Self {
            bandwidth,
            random: Random::new(seed),
            previous: now,
            next: now,
            previous_members: 1,
            initial: true,
            leaving: false,
            average_size: (first_size as u64 + NETWORK_HEADERS) * 16,
        };
        timer.next = now.plus(timer.draw(Group { members: 1, senders: 0, we_sent: false }));
        timer
    }

    /// When [`RtcpTimer::expired`] wants to be called.
    pub const fn deadline(&self) -> Micros {
        self.next
    }

    /// Whether a packet is to be sent now (section 6.3.6). When not, the deadline has moved.
    pub fn expired(&mut self, now: Micros, group: Group) -> bool {
        if now < self.next {
            return false;
        }
        let group = if self.leaving { self.leavers() } else { group };
        let due = self.previous.plus(self.draw(group));
        self.previous_members = group.members;
        if due <= now {
            return true;
        }
        self.next = due;
        false
    }

    /// A packet of `size` octets was sent: the next one is scheduled.
    pub fn sent(&mut self, now: Micros, group: Group, size: usize) {
        self.count_size(size);
        self.previous = now;
        // Drawn before `initial` ends, as in appendix A.7: the second report, too, comes early.
        self.next = now.plus(self.draw(group));
        self.previous_members = group.members;
        self.initial = false;
    }

    /// A compound packet of `size` octets arrived (section 6.3.3); `has_bye` when it holds a BYE.
    pub fn received(&mut self, size: usize, has_bye: bool) {
        if self.leaving {
            if !has_bye {
                return;
            }
            self.previous_members = self.previous_members.saturating_add(1);
        }
        self.count_size(size);
    }

    /// The group has shrunk (section 6.3.4): the next report comes earlier in proportion.
    pub fn members_left(&mut self, now: Micros, members: u32) {
        if self.leaving || members >= self.previous_members {
            return;
        }
        let scale = |length: Micros| {
            let scaled = u128::from(length.0) * u128::from(members) / u128::from(self.previous_members);
            Micros(scaled.try_into().unwrap_or(u64::MAX))
        };
        self.next = now.plus(scale(self.next.since(now)));
        self.previous = Micros(now.0.saturating_sub(scale(now.since(self.previous)).0));
        self.previous_members = members;
    }

    /// Leaves the session (section 6.3.7). `true`: send the BYE now. `false`, in a group of 50 and more: it is due at
    /// the new deadline, when [`RtcpTimer::expired`] says so.
    pub fn leave(&mut self, now: Micros, members: u32, bye_size: usize) -> bool {
        if members < 50 {
            return true;
        }
        self.leaving = true;
        self.initial = true;
        self.previous = now;
        self.previous_members = 1;
        self.average_size = (bye_size as u64 + NETWORK_HEADERS) * 16;
        self.next = now.plus(self.draw(self.leavers()));
        false
    }

    const fn leavers(&self) -> Group {
        Group { members: self.previous_members, senders: 0, we_sent: false }
    }

    fn draw(&mut self, group: Group) -> Micros {
        let minimum = self.bandwidth.minimum();
        let minimum = if self.initial { Micros(minimum.0 / 2) } else { minimum };
        let interval = deterministic_interval(self.bandwidth, group, self.average_size / 16, minimum);
        randomized(&mut self.random, interval)
    }

    /// `average = size / 16 + average * 15 / 16` (section 6.3.3).
    const fn count_size(&mut self, size: usize) {
        self.average_size = size as u64 + NETWORK_HEADERS + (self.average_size - self.average_size / 16);
    }
}
