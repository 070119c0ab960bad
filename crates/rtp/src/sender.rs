//! An outgoing stream: numbering, talk spurts, counts for sender reports (RFC 3550 sections 5.1 and 6.4.1).

mod passing;

pub use passing::Position;

use crate::{
    ClockRate, Micros, NtpTime, PayloadType, SequenceNumber, Ssrc, Timestamp,
    packet::{BufferTooSmall, FIXED_HEADER_LEN, Header},
    random::Random,
    rtcp::SenderInfo,
};

/// Numbers the packets of one outgoing stream. Audio and telephone events share its SSRC and sequence (RFC 4733
/// section 2.5.1.2).
///
/// The caller encodes a payload right behind room for a header of [`FIXED_HEADER_LEN`] octets, and the stream writes
/// that header:
///
/// ```
/// use rtp::{ClockRate, Micros, Packet, PayloadType, Sender};
/// let mut sender = Sender::new(42, ClockRate::HZ_8000);
/// let mut datagram = [0xd5; 12 + 160];
/// let length = sender.audio(Micros(0), PayloadType::PCMA, &mut datagram, 160, 160)?;
/// assert!(Packet::parse(&datagram[..length]).unwrap().marker());
/// # Ok::<(), rtp::packet::BufferTooSmall>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sender {
    clock: ClockRate,
    ssrc: Ssrc,
    sequence_number: SequenceNumber,
    /// Of the next sample.
    timestamp: Timestamp,
    /// The next audio packet starts a talk spurt.
    marker: bool,
    packets: u32,
    octets: u32,
    /// An instant and the media clock's reading at it.
    reference: Option<(Micros, Timestamp)>,
    /// The source whose packets are sent on, and how far its numbers are from those of this stream.
    shift: Option<passing::Shift>,
    /// The timestamp is that of a time before the last packet: `reference` knows better.
    behind: bool,
}

impl Sender {
    /// A stream whose SSRC, first sequence number and first timestamp follow from `seed`, which should come from the
    /// system's generator: they must be hard to guess (RFC 3550 section 5.1). The first audio packet has its marker
    /// set.
    pub const fn new(seed: u64, clock: ClockRate) -> Self {
        let mut random = Random::new(seed);
        Self {
            clock,
            ssrc: Ssrc(random.next() as u32),
            // In the lower half of the range, so that the first wrap is far away (RFC 3711 section 3.3.1).
            sequence_number: SequenceNumber((random.next() as u16) & 0x7fff),
            timestamp: Timestamp(random.next() as u32),
            marker: true,
            packets: 0,
            octets: 0,
            reference: None,
            shift: None,
            behind: false,
        }
    }

    /// Writes the header of an audio packet to the start of `out`, whose payload of `payload_len` octets follows it,
    /// and moves the timestamp on by the `units` of the clock the payload lasts. Returns the packet's length.
    ///
    /// # Errors
    /// [`BufferTooSmall`] when `out` is shorter than header and payload; nothing changes then.
    pub fn audio(
        &mut self,
        now: Micros,
        payload_type: PayloadType,
        out: &mut [u8],
        payload_len: usize,
        units: u32,
    ) -> Result<usize, BufferTooSmall> {
        let timestamp = self.timestamp;
        let length = self.packet(payload_type, self.marker, timestamp, out, payload_len)?;
        self.marker = false;
        self.reference = Some((now, timestamp));
        self.timestamp = timestamp.plus(units);
        Ok(length)
    }

    /// Writes the header of a packet whose timestamp and marker are given, as telephone events need it. The stream's
    /// own timestamp stays; pass the time of the event with [`Sender::pause`].
    ///
    /// # Errors
    /// As [`Sender::audio`].
    pub fn packet(
        &mut self,
        payload_type: PayloadType,
        marker: bool,
        timestamp: Timestamp,
        out: &mut [u8],
        payload_len: usize,
    ) -> Result<usize, BufferTooSmall> {
        let (have, need) = (out.len(), FIXED_HEADER_LEN.saturating_add(payload_len));
        if have < need {
            return Err(BufferTooSmall { need, have });
        }
        Header { payload_type, marker, sequence_number: self.sequence_number, timestamp, ssrc: self.ssrc }
            .write(out)?;
        self.sequence_number = self.sequence_number.next();
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload_len as u32);
        Ok(need)
    }

    /// Lets `units` of the clock pass without audio.
    pub const fn pause(&mut self, units: u32) {
        self.timestamp = self.timestamp.plus(units);
    }

    /// Declares the next audio packet the first of a talk spurt: its marker will be set (RFC 3551 section 4.1).
    pub const fn start_talk_spurt(&mut self) {
        self.marker = true;
    }

    /// Leaves the SSRC, because another source uses it too (RFC 3550 section 8.2), for one that follows from `seed`
    /// and is not that of the `peer`. Counts start at zero; sequence and timestamp go on. Send a BYE for the old one.
    pub fn change_ssrc(&mut self, seed: u64, peer: Option<Ssrc>) {
        let mut random = Random::new(seed);
        let mut ssrc = Ssrc(random.next() as u32);
        while ssrc == self.ssrc || Some(ssrc) == peer {
            ssrc = Ssrc(random.next() as u32);
        }
        self.ssrc = ssrc;
        self.packets = 0;
        self.octets = 0;
    }

    /// What a sender report sent at `now`, by the wall clock `ntp`, says about this stream.
    pub fn info(&self, now: Micros, ntp: NtpTime) -> SenderInfo {
        let rtp_timestamp = self.reading(now);
        SenderInfo { ntp, rtp_timestamp, packet_count: self.packets, octet_count: self.octets }
    }

    /// The media clock at `now`.
    const fn reading(&self, now: Micros) -> Timestamp {
        match self.reference {
            Some((at, timestamp)) => timestamp.plus(self.clock.wrapped(now.since(at))),
            None => self.timestamp,
        }
    }

    /// The stream's source identifier.
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// The clock its timestamps count.
    pub const fn clock(&self) -> ClockRate {
        self.clock
    }

    /// The timestamp of the next audio packet.
    pub const fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The sequence number of the next packet.
    pub const fn sequence_number(&self) -> SequenceNumber {
        self.sequence_number
    }

    /// Packets sent under the current SSRC, wrapping.
    pub const fn packets(&self) -> u32 {
        self.packets
    }

    /// Payload octets sent under the current SSRC, wrapping.
    pub const fn octets(&self) -> u32 {
        self.octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Packet;

    fn sent(sender: &mut Sender, at_ms: u64) -> ([u8; 172], usize) {
        let mut out = [0; 172];
        let length = sender.audio(Micros::from_millis(at_ms), PayloadType::PCMU, &mut out, 160, 160).unwrap();
        (out, length)
    }

    #[test]
    fn rfc3551_4_1_marker_is_set_on_the_first_packet_of_a_talk_spurt_only() {
        let mut sender = Sender::new(1, ClockRate::HZ_8000);
        let mut markers = Vec::new();
        for n in 0..6 {
            if n == 4 {
                sender.pause(1600);
                sender.start_talk_spurt();
            }
            let (out, length) = sent(&mut sender, 20 * n);
            markers.push(Packet::parse(&out[..length]).unwrap().marker());
        }
        assert_eq!(markers, [true, false, false, false, true, false]);
    }

    #[test]
    fn rfc3550_5_1_sequence_counts_packets_and_timestamp_counts_samples() {
        let mut sender = Sender::new(7, ClockRate::HZ_8000);
        let (first, _) = sent(&mut sender, 0);
        let (second, _) = sent(&mut sender, 20);
        sender.pause(160);
        let (third, _) = sent(&mut sender, 60);
        let [a, b, c] = [&first, &second, &third].map(|out| Packet::parse(out).unwrap().header());
        assert_eq!(b.sequence_number.since(a.sequence_number), 1);
        assert_eq!(b.timestamp.since(a.timestamp), 160);
        assert_eq!(c.sequence_number.since(b.sequence_number), 1);
        assert_eq!(c.timestamp.since(b.timestamp), 320);
        assert!((a.ssrc, b.ssrc) == (sender.ssrc(), sender.ssrc()));
    }

    #[test]
    fn rfc3550_6_4_1_sender_info_counts_and_keeps_time() {
        let mut sender = Sender::new(7, ClockRate::HZ_8000);
        let first = sender.timestamp();
        for n in 0..3 {
            sent(&mut sender, 20 * n);
        }
        let info = sender.info(Micros::from_millis(140), NtpTime(5));
        assert_eq!((info.packet_count, info.octet_count, info.ntp), (3, 480, NtpTime(5)));
        assert_eq!(info.rtp_timestamp.since(first), 140 * 8);
    }

    #[test]
    fn rfc3550_8_2_a_new_ssrc_starts_its_counts_at_zero() {
        let mut sender = Sender::new(7, ClockRate::HZ_8000);
        sent(&mut sender, 0);
        let (old, next) = (sender.ssrc(), sender.sequence_number());
        sender.change_ssrc(7, None);
        assert_ne!(sender.ssrc(), old);
        assert_eq!((sender.packets(), sender.octets(), sender.sequence_number()), (0, 0, next));
    }

    #[test]
    fn rfc3550_8_2_a_new_ssrc_is_not_that_of_the_peer() {
        let sender = || Sender::new(7, ClockRate::HZ_8000);
        let (mut free, mut taken) = (sender(), sender());
        free.change_ssrc(9, None);
        taken.change_ssrc(9, Some(free.ssrc()));
        assert!(taken.ssrc() != free.ssrc() && taken.ssrc() != sender().ssrc());
    }

    #[test]
    fn seeds_give_different_streams_and_a_short_buffer_changes_nothing() {
        let (mut a, b) = (Sender::new(1, ClockRate::HZ_8000), Sender::new(2, ClockRate::HZ_8000));
        assert_ne!(a.ssrc(), b.ssrc());
        let before = a.sequence_number();
        let error = a.audio(Micros(0), PayloadType::PCMU, &mut [0; 171], 160, 160).unwrap_err();
        assert_eq!(error, BufferTooSmall { need: 172, have: 171 });
        assert_eq!(a.sequence_number(), before);
    }
}
