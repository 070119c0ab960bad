//! Our own SSRC in what arrives (RFC 3550 section 8.2).
//!
//! Two parties have one by chance, or what we send comes back: a mirror, a route that leads to ourselves. The first packet of its kind from an address
//! gives our SSRC up, with a BYE, for another. If it was chance, the other one is now somebody else and is heard. If it was a loop, our new SSRC
//! comes from the same address: that is no audio of the peer's, and neither played nor counted as such, or two telephones that hear nothing but
//! themselves would pass for a call. An echo service sends what it hears under an SSRC of its own, as ours do, and is heard.
//!
//! Strangers never get here: packets are judged by where they come from before.

use std::net::SocketAddr;

use rtp::{Micros, NtpTime};

use super::Stream;
use crate::event::Output;
use crate::settings::Component;

/// After so long without a packet of ours from there an address is forgotten: ten report intervals.
const FORGOTTEN: Micros = Micros::from_millis(50_000);

/// Where our SSRC came from last, and when. A stream has one peer, so there is one address for data and one for control.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Conflicts {
    data: Option<(SocketAddr, Micros)>,
    control: Option<(SocketAddr, Micros)>,
}

impl Conflicts {
    /// Notes a packet of ours from there; whether one came from there before: it is a loop.
    fn note(&mut self, now: Micros, component: Component, from: SocketAddr) -> bool {
        let place = match component {
            Component::Rtp => &mut self.data,
            Component::Rtcp => &mut self.control,
        };
        let before = place.replace((from, now));
        before.is_some_and(|(known, at)| known == from && now.since(at) < FORGOTTEN)
    }
}

impl Stream {
    /// A packet with our SSRC has come. True when it is one of ours that comes back and no more than that.
    pub(super) fn meet_ourselves(
        &mut self,
        now: Micros,
        wall: NtpTime,
        component: Component,
        from: SocketAddr,
        out: &mut impl Output,
    ) -> bool {
        if self.conflicts.note(now, component, from) {
            self.looped += 1;
            return true;
        }
        self.leave(now, wall, out);
        // Whoever has our SSRC by chance may also look at the same clock: what he sees of us is another address than what we see of him.
        let place = u64::from(from.port()) << 48;
        self.sent_before = self.sent_before.wrapping_add(self.voice.sender.packets().into());
        self.octets_before = self.octets_before.wrapping_add(self.voice.sender.octets().into());
        self.voice.sender.change_ssrc(now.0 ^ place ^ u64::from(self.voice.sender.ssrc().0), self.reception.source());
        false
    }
}
