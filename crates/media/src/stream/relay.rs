//! Passing packets on to another stream, undecoded.

use std::net::SocketAddr;

use audio::codec::Codec;
use rtp::packet::HeaderMut;
use rtp::telephone_event::Event;
use rtp::{Micros, PayloadType};

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

    /// Sends on what another stream received, with this stream's payload number.
    pub(crate) fn relay_out(&mut self, relayed: Relayed, datagram: &mut [u8], out: &mut impl Output) {
        let Some(to) = self.sends_to() else { return };
        let number = match relayed {
            Relayed::Audio(codec) if codec == self.settings.codec => self.settings.send_type,
            Relayed::Event(event) => match self.settings.events.filter(|events| events.taken.contains(event)) {
                Some(events) => events.send,
                None => return,
            },
            Relayed::Other(number) if number == PayloadType::COMFORT_NOISE => number,
            _ => return,
        };
        let Ok(mut header) = HeaderMut::of_parsed(datagram) else { return };
        header.set_payload_type(number);
        self.relayed += 1;
        out.send(self.slot, Component::Rtp, to, datagram);
    }

    /// Sends another stream's control packet on as it is: reports stay end to end while packets do.
    pub(crate) fn relay_control_out(&mut self, datagram: &[u8], out: &mut impl Output) {
        if let Some(to) = self.remote_control {
            out.send(self.slot, Component::Rtcp, to, datagram);
        }
    }
}
