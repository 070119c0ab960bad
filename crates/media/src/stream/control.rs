//! RTCP: whose control packets are taken, and where ours go.

use std::net::SocketAddr;

use rtp::packet::BufferTooSmall;
use rtp::{Micros, NtpTime};

use super::Stream;
use crate::event::{MediaEvent, Output};
use crate::settings::Component;

impl Stream {
    /// Whether a control packet comes from the peer; its address is remembered, unless nothing may go there: nobody has named an address, and we
    /// only listen.
    pub(crate) fn accept_control(&mut self, from: SocketAddr) -> bool {
        if self.latch.is_peer_host(from) {
            if self.settings.remote.is_some() || self.settings.direction.sends() {
                self.remote_control = Some(from);
            }
            return true;
        }
        self.remote_control.is_some_and(|peer| peer == from)
    }

    /// A control packet that came: told, counted and answered by the session.
    #[inline(never)]
    pub(crate) fn take_control(
        &mut self,
        now: Micros,
        wall: NtpTime,
        from: SocketAddr,
        datagram: &[u8],
        out: &mut impl Output,
    ) {
        if !self.accept_control(from) {
            self.strangers += 1;
            return;
        }
        let Ok(heard) = self.voice.control.receive(now, wall, datagram, &self.voice.sender, &mut self.reception) else {
            return;
        };
        if heard.goodbye {
            out.event(MediaEvent::Goodbye { stream: self.key });
        }
        if heard.collision {
            self.meet_ourselves(now, wall, Component::Rtcp, from, out);
        }
    }

    /// The last control packet of a source: the call ends (RFC 3550 section 6.3.7), or its SSRC is given up (section 8.2).
    pub(crate) fn leave(&mut self, now: Micros, wall: NtpTime, out: &mut impl Output) {
        let written = self.voice.control.leave(
            now,
            wall,
            &self.voice.sender,
            &mut self.reception,
            "",
            self.packet.as_mut_slice(),
        );
        self.send_control(written, out);
    }

    /// Sends what was written, if anything.
    pub(super) fn send_control(&self, written: Result<Option<usize>, BufferTooSmall>, out: &mut impl Output) {
        if let (Ok(Some(length)), Some(to)) = (written, self.remote_control)
            && let Some(bytes) = self.packet.get(..length)
        {
            out.send(self.slot, Component::Rtcp, to, bytes);
        }
    }
}
