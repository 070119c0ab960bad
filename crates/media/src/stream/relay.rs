//! Passing packets on to another stream, undecoded: as they are to a device that has heard nobody else (a translator, RFC 3550 section 7.1), and else
//! as part of the stream it knows, so that numbers go on when somebody else is put through to it.

use std::net::SocketAddr;

use audio::codec::Codec;
use rtp::packet::HeaderMut;
use rtp::telephone_event::Event;
use rtp::{Micros, NtpTime, Packet, PayloadType};

use super::Stream;
use crate::event::Output;
use crate::settings::Component;

/// What a relayed packet carries, in the receiving stream's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relayed {
    /// Audio of this codec.
    Audio(Codec),
    /// A telephone event.
    Event(Event),
    /// A payload number that was not agreed on.
    Other(PayloadType),
}

impl Stream {
    /// A datagram that is relayed to another stream: the packet to send there and the kind of its payload.
    #[inline(always)]
    pub(crate) fn receive_for_relay(
        &mut self,
        now: Micros,
        from: SocketAddr,
        datagram: &[u8],
        out: &mut impl Output,
    ) -> Option<Relayed> {
        let packet = self.admit(now, from, datagram, out)?;
        if !self.count(now, &packet) || !self.settings.direction.receives() {
            return None;
        }
        let number = packet.payload_type();
        if self.is_event(number) {
            self.take_event(now, &packet, out);
            return packet.payload().first().map(|event| Relayed::Event(Event(*event)));
        }
        Some(match self.meaning(number) {
            Some(codec) => Relayed::Audio(codec),
            None => Relayed::Other(number),
        })
    }

    /// This stream's payload number for what another one received; `None` where the peer takes no such thing.
    #[inline]
    fn number_for(&self, relayed: Relayed) -> Option<PayloadType> {
        match relayed {
            Relayed::Audio(codec) if codec == self.settings.codec => Some(self.settings.send_type),
            Relayed::Event(event) => {
                self.settings.events.filter(|events| events.taken.contains(event)).map(|events| events.send)
            }
            Relayed::Other(number) if number == PayloadType::COMFORT_NOISE => Some(number),
            _ => None,
        }
    }

    /// Sends on what another stream received, with this stream's payload number.
    #[inline]
    pub(crate) fn relay_out(&mut self, relayed: Relayed, datagram: &mut [u8], out: &mut impl Output) {
        let (Some(to), Some(number)) = (self.sends_to(), self.number_for(relayed)) else { return };
        let Ok(mut header) = HeaderMut::of_parsed(datagram) else { return };
        header.set_payload_type(number);
        self.relayed += 1;
        out.send(self.slot, Component::Rtp, to, datagram);
    }

    /// The same as a packet of this stream's own.
    #[inline(never)]
    pub(crate) fn relay_as_own(&mut self, now: Micros, relayed: Relayed, datagram: &mut [u8], out: &mut impl Output) {
        let (Some(to), Some(number)) = (self.sends_to(), self.number_for(relayed)) else {
            self.voice.sender.leave_out(datagram);
            return;
        };
        if self.voice.sender.pass_on(now, number, datagram).is_ok() {
            out.send(self.slot, Component::Rtp, to, datagram);
        }
    }

    /// Whether a packet for a relay is one that this device has had from us: a mirror, which the other end could not see, as all it gets is ours.
    #[inline(never)]
    pub(crate) fn comes_back(
        &mut self,
        now: Micros,
        wall: NtpTime,
        from: SocketAddr,
        datagram: &[u8],
        out: &mut impl Output,
    ) -> bool {
        Packet::parse(datagram).is_ok_and(|packet| packet.ssrc() == self.voice.sender.ssrc())
            && (self.latch.learned() == Some(from) || self.settings.remote == Some(from))
            && self.meet_ourselves(now, wall, Component::Rtp, from, out)
    }

    /// Whether the device has heard somebody: who comes next goes on with the numbers of that.
    pub(crate) fn has_spoken(&self) -> bool {
        self.voice.heard || self.voice.sender.packets() > 0
    }

    /// The stream whose packets went to this device as they are goes: what comes next goes on behind them.
    pub(crate) fn goes_on_after(&mut self, source: &Self) {
        if self.relayed > 0
            && !self.voice.heard
            && let Some(position) = source.reception.position()
        {
            self.voice.sender.follow(position);
            self.voice.heard = true;
        }
    }

    /// The stream whose packets went to this device as ours goes.
    pub(crate) fn leave_off(&mut self) {
        self.voice.sender.leave_off();
    }

    /// Sends another stream's control packet on as it is: reports stay end to end while packets do.
    pub(crate) fn relay_control_out(&mut self, datagram: &[u8], out: &mut impl Output) {
        if let Some(to) = self.remote_control {
            out.send(self.slot, Component::Rtcp, to, datagram);
        }
    }
}
