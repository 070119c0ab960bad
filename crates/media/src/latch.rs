//! Symmetric RTP: where a peer really sends from, and who is a stranger (RFC 4961; RTP bleed).
//!
//! Behind a NAT the address in the description is not the one packets come from, so a stream answers to where it hears its peer. That
//! is also how strangers steal or inject audio; hence the rules:
//!
//! - The signalled address is believed at once.
//! - Another address is believed after [`PROBATION`] packets in sequence of one source, and only while nobody is believed yet.
//! - Whoever is believed stays so. Others are strangers: nothing of theirs is played, nothing goes to them.
//! - After [`SILENCE`] without a packet, another port of the signalled host may take over the same way: a NAT that forgot.
//! - While no description has named an address, because our offer waits for its answer (RFC 3264 section 5.1) or because the peer holds with a
//!   null address, whoever proves himself is heard, and after [`SILENCE`] another: INVITEs fork, and one branch may fall silent before the next one
//!   speaks. Nothing goes to either; where something would, because a description named a group, the first stays.
//! - A new description begins anew, unless the address it names is the one that is heard already. So an answer costs nothing to a peer that spoke
//!   before it, and helps no stranger who did: he is where everybody is who begins after it, and out with the first packet from the address named.

use std::net::SocketAddr;

use rtp::{Micros, Packet, SequenceNumber, Ssrc};

/// Packets in sequence that make an unexpected source believable.
pub(crate) const PROBATION: u8 = 3;
/// Silence after which another port of the signalled host may take over.
pub(crate) const SILENCE: Micros = Micros::from_millis(1_000);

/// What a packet's sender is to the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The peer: play it.
    Peer,
    /// The peer, heard for the first time or from a new address: play it, and tell.
    NewPeer,
    /// Perhaps the peer: wait for more.
    Unproven,
    /// Somebody else: ignore it.
    Stranger,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    from: SocketAddr,
    ssrc: Ssrc,
    next: SequenceNumber,
    seen: u8,
}

/// Knows one stream's peer.
#[derive(Clone, Debug)]
pub(crate) struct Latch {
    signalled: Option<SocketAddr>,
    learned: Option<SocketAddr>,
    heard_at: Micros,
    candidate: Option<Candidate>,
}

impl Latch {
    /// A latch for a peer that announced `signalled` (`None`: not yet, or held with a null address).
    pub(crate) const fn new(signalled: Option<SocketAddr>) -> Self {
        Self { signalled, learned: None, heard_at: Micros(0), candidate: None }
    }

    /// A new description: what was learned is kept only when the address is the same as before, or the one that is heard. False when it is forgotten.
    pub(crate) fn signal(&mut self, signalled: Option<SocketAddr>) -> bool {
        let known = signalled == self.signalled || (signalled.is_some() && signalled == self.learned);
        if known {
            self.signalled = signalled;
        } else {
            *self = Self::new(signalled);
        }
        known
    }

    /// Where packets for the peer go.
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        self.learned.or(self.signalled)
    }

    /// The address the peer was heard from.
    pub(crate) fn learned(&self) -> Option<SocketAddr> {
        self.learned
    }

    /// Judges a well-formed packet by where it came from. `sends`: who is believed gets what we say.
    #[inline]
    pub(crate) fn judge(&mut self, now: Micros, from: SocketAddr, packet: &Packet<'_>, sends: bool) -> Sender {
        if self.learned == Some(from) {
            self.heard_at = now;
            return Sender::Peer;
        }
        if self.signalled == Some(from) {
            return self.believe(now, from);
        }
        let open = match self.learned {
            None => true,
            Some(_) if now.since(self.heard_at) < SILENCE => false,
            Some(_) => self.signalled.map_or(!sends, |told| told.ip() == from.ip()),
        };
        if !open {
            return Sender::Stranger;
        }
        self.prove(now, from, packet)
    }

    /// The address control packets go to: beside the learned one when they come from the same host.
    pub(crate) fn is_peer_host(&self, from: SocketAddr) -> bool {
        self.destination().is_some_and(|peer| peer.ip() == from.ip())
    }

    fn believe(&mut self, now: Micros, from: SocketAddr) -> Sender {
        self.learned = Some(from);
        self.heard_at = now;
        self.candidate = None;
        Sender::NewPeer
    }

    fn prove(&mut self, now: Micros, from: SocketAddr, packet: &Packet<'_>) -> Sender {
        let number = packet.sequence_number();
        match &mut self.candidate {
            Some(known) if known.from == from && known.ssrc == packet.ssrc() && known.next == number => {
                known.seen += 1;
                known.next = number.next();
                if known.seen >= PROBATION {
                    return self.believe(now, from);
                }
            }
            other => {
                *other = Some(Candidate { from, ssrc: packet.ssrc(), next: number.next(), seen: 1 });
            }
        }
        Sender::Unproven
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "192.0.2.1:4000";
    const NAT: &str = "198.51.100.7:61000";
    const STRANGER: &str = "203.0.113.9:5555";

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn datagram(ssrc: u32, number: u16) -> [u8; 12] {
        let [s0, s1, s2, s3] = ssrc.to_be_bytes();
        let [n0, n1] = number.to_be_bytes();
        [0x80, 0, n0, n1, 0, 0, 0, 0, s0, s1, s2, s3]
    }

    fn hear(latch: &mut Latch, ms: u64, from: &str, ssrc: u32, number: u16) -> Sender {
        let bytes = datagram(ssrc, number);
        latch.judge(Micros::from_millis(ms), at(from), &Packet::parse(&bytes).unwrap(), true)
    }

    /// The same of a stream that only listens.
    fn overhear(latch: &mut Latch, ms: u64, from: &str, ssrc: u32, number: u16) -> Sender {
        let bytes = datagram(ssrc, number);
        latch.judge(Micros::from_millis(ms), at(from), &Packet::parse(&bytes).unwrap(), false)
    }

    #[test]
    fn signalled_address_is_believed_at_once() {
        let mut latch = Latch::new(Some(at(PEER)));
        assert_eq!(hear(&mut latch, 0, PEER, 1, 10), Sender::NewPeer);
        assert_eq!(hear(&mut latch, 20, PEER, 1, 11), Sender::Peer);
    }

    #[test]
    fn rfc4961_other_address_is_learned_after_three_packets_in_sequence() {
        let mut latch = Latch::new(Some(at(PEER)));
        assert_eq!(hear(&mut latch, 0, NAT, 1, 10), Sender::Unproven);
        assert_eq!(latch.destination(), Some(at(PEER)));
        assert_eq!(hear(&mut latch, 20, NAT, 1, 11), Sender::Unproven);
        assert_eq!(hear(&mut latch, 40, NAT, 1, 12), Sender::NewPeer);
        assert_eq!(latch.destination(), Some(at(NAT)));
    }

    #[test]
    fn spray_without_sequence_is_never_believed() {
        let mut latch = Latch::new(Some(at(PEER)));
        for number in 0..1000_u16 {
            assert_eq!(hear(&mut latch, u64::from(number), STRANGER, 7, number.wrapping_mul(31)), Sender::Unproven);
        }
        assert_eq!(latch.destination(), Some(at(PEER)));
    }

    #[test]
    fn strangers_stay_out_once_somebody_is_believed() {
        let mut latch = Latch::new(Some(at(PEER)));
        for number in 0..3 {
            hear(&mut latch, 0, NAT, 1, number);
        }
        for number in 0..100 {
            assert_eq!(hear(&mut latch, 20 * u64::from(number), STRANGER, 7, number), Sender::Stranger);
            hear(&mut latch, 20 * u64::from(number), NAT, 1, number + 3);
        }
        assert_eq!(latch.destination(), Some(at(NAT)));
        // Not even silence lets another host in.
        assert_eq!(hear(&mut latch, 60_000, STRANGER, 7, 200), Sender::Stranger);
    }

    #[test]
    fn signalled_address_takes_over_from_a_learned_one() {
        let mut latch = Latch::new(Some(at(PEER)));
        for number in 0..3 {
            hear(&mut latch, 0, STRANGER, 7, number);
        }
        assert_eq!(latch.destination(), Some(at(STRANGER)));
        assert_eq!(hear(&mut latch, 20, PEER, 1, 10), Sender::NewPeer);
        assert_eq!(hear(&mut latch, 40, STRANGER, 7, 3), Sender::Stranger);
    }

    #[test]
    fn nat_that_forgot_is_followed_after_a_second_of_silence() {
        let mut latch = Latch::new(Some(at(PEER)));
        hear(&mut latch, 0, PEER, 1, 10);
        let moved = "192.0.2.1:4777";
        assert_eq!(hear(&mut latch, 500, moved, 1, 11), Sender::Stranger);
        assert_eq!(hear(&mut latch, 1_000, moved, 1, 12), Sender::Unproven);
        assert_eq!(hear(&mut latch, 1_020, moved, 1, 13), Sender::Unproven);
        assert_eq!(hear(&mut latch, 1_040, moved, 1, 14), Sender::NewPeer);
    }

    #[test]
    fn new_description_begins_anew_the_same_one_does_not() {
        let mut latch = Latch::new(Some(at(PEER)));
        for number in 0..3 {
            hear(&mut latch, 0, NAT, 1, number);
        }
        latch.signal(Some(at(PEER)));
        assert_eq!(latch.destination(), Some(at(NAT)));
        latch.signal(Some(at("192.0.2.1:4002")));
        assert_eq!(latch.destination(), Some(at("192.0.2.1:4002")));
    }

    #[test]
    fn rfc3264_5_1_before_the_answer_the_first_is_heard_and_after_a_second_of_silence_another() {
        let mut latch = Latch::new(None);
        for number in 0..3 {
            overhear(&mut latch, 20 * u64::from(number), NAT, 1, number);
        }
        assert_eq!(latch.learned(), Some(at(NAT)));
        assert_eq!(overhear(&mut latch, 100, STRANGER, 7, 0), Sender::Stranger);
        assert_eq!(overhear(&mut latch, 500, NAT, 1, 3), Sender::Peer);
        assert_eq!(overhear(&mut latch, 1_499, STRANGER, 7, 1), Sender::Stranger);
        assert_eq!(overhear(&mut latch, 1_500, STRANGER, 7, 2), Sender::Unproven);
        assert_eq!(overhear(&mut latch, 1_520, STRANGER, 7, 3), Sender::Unproven);
        assert_eq!(overhear(&mut latch, 1_540, STRANGER, 7, 4), Sender::NewPeer);
        // Where something goes to who is believed, no other takes his place.
        assert_eq!(hear(&mut latch, 60_000, NAT, 1, 4), Sender::Stranger);
    }

    #[test]
    fn rfc3264_5_1_who_is_heard_before_the_answer_stays_if_it_names_him() {
        let mut latch = Latch::new(None);
        for number in 0..3 {
            overhear(&mut latch, 0, PEER, 1, number);
        }
        assert!(latch.signal(Some(at(PEER))));
        assert_eq!(hear(&mut latch, 20, PEER, 1, 3), Sender::Peer);
    }

    #[test]
    fn rfc3264_5_1_who_is_heard_before_the_answer_is_a_stranger_if_it_names_another() {
        let mut latch = Latch::new(None);
        for number in 0..3 {
            overhear(&mut latch, 0, STRANGER, 7, number);
        }
        assert!(!latch.signal(Some(at(PEER))));
        assert_eq!((latch.destination(), latch.learned()), (Some(at(PEER)), None));
        // He has to prove himself like everybody else,
        assert_eq!(hear(&mut latch, 20, STRANGER, 7, 3), Sender::Unproven);
        assert_eq!(hear(&mut latch, 40, STRANGER, 7, 4), Sender::Unproven);
        assert_eq!(latch.destination(), Some(at(PEER)));
        // and is out for good with the first packet from the address that was named.
        assert_eq!(hear(&mut latch, 50, PEER, 1, 10), Sender::NewPeer);
        for number in 5..200 {
            assert_eq!(hear(&mut latch, 60 + 20 * u64::from(number), STRANGER, 7, number), Sender::Stranger);
        }
        assert_eq!(latch.destination(), Some(at(PEER)));
    }
}
