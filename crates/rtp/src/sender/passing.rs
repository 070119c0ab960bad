//! Packets of other sources sent on as part of one stream (RFC 3550 section 7.1): whatever source they come from, sequence numbers and timestamps
//! go on where the one before ended, under the stream's own SSRC.

use super::Sender;
use crate::{
    Micros, Packet, PayloadType, SequenceNumber, Ssrc, Timestamp,
    packet::{HeaderMut, ParseError},
};

/// Steps of a source back and forth that are no new beginning (RFC 3550 appendix A.1).
const MAX_MISORDER: i16 = 100;
const MAX_DROPOUT: i16 = 3_000;

/// What the numbers of a source are shifted by, on their circles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    source: Ssrc,
    numbers: u16,
    units: u32,
}

/// How far a source has come: where a stream that takes its place begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// Of the packet after the newest.
    pub next: SequenceNumber,
    /// When the last packet came.
    pub at: Micros,
    /// Its timestamp.
    pub timestamp: Timestamp,
}

impl Sender {
    /// Goes on, under the SSRC of this stream, where another source ended that was heard by the same receiver: some receivers drop whatever is numbered
    /// below what they have had.
    pub const fn follow(&mut self, position: Position) {
        self.sequence_number = position.next;
        self.reference = Some((position.at, position.timestamp));
        self.leave_off();
    }

    /// The source whose packets were sent on has ended: what follows is a talk spurt of its own, whoever says it.
    pub const fn leave_off(&mut self) {
        self.shift = None;
        self.behind = true;
        self.marker = true;
    }

    /// Moves the timestamp on to `now` where the time of another source has passed since the last packet.
    pub const fn catch_up(&mut self, now: Micros) {
        if self.behind {
            self.timestamp = self.reading(now);
            self.behind = false;
        }
    }

    /// The timestamp of a packet that is sent now: never one of before.
    const fn timestamp_at(&self, now: Micros) -> Timestamp {
        let reading = self.reading(now);
        if !self.behind && reading.is_before(self.timestamp) { self.timestamp } else { reading }
    }

    /// A packet of another source that is not sent on leaves no gap. One that comes late or twice changes nothing: its number has been used, or is a gap.
    pub fn leave_out(&mut self, datagram: &[u8]) {
        if let (Some(shift), Ok(packet)) = (&mut self.shift, Packet::parse(datagram))
            && shift.source == packet.ssrc()
            && !packet.sequence_number().plus(shift.numbers).is_before(self.sequence_number)
        {
            shift.numbers = shift.numbers.wrapping_sub(1);
        }
    }

    /// Makes a packet of another source one of this stream, in place: its SSRC, payload type, number and timestamp. The gaps and the order of the
    /// source are kept; the first packet of each source, and of one that begins its numbers anew, is the next of this stream, and the first of a talk
    /// spurt.
    ///
    /// # Errors
    /// What [`Packet::parse`] finds; nothing changes then.
    #[inline(never)]
    pub fn pass_on(&mut self, now: Micros, payload_type: PayloadType, datagram: &mut [u8]) -> Result<(), ParseError> {
        let packet = Packet::parse(datagram)?;
        let (theirs, length) = (packet.header(), packet.payload().len());
        let known = self.shift.filter(|shift| {
            let ahead = theirs.sequence_number.plus(shift.numbers).since(self.sequence_number);
            shift.source == theirs.ssrc && (-MAX_MISORDER..MAX_DROPOUT).contains(&ahead)
        });
        let first = known.is_none();
        let shift = known.unwrap_or_else(|| Shift {
            source: theirs.ssrc,
            numbers: self.sequence_number.0.wrapping_sub(theirs.sequence_number.0),
            units: self.timestamp_at(now).0.wrapping_sub(theirs.timestamp.0),
        });
        self.shift = Some(shift);
        let number = theirs.sequence_number.plus(shift.numbers);
        let timestamp = theirs.timestamp.plus(shift.units);
        let mut header = HeaderMut::of_parsed(datagram)?;
        header.set_payload_type(payload_type);
        header.set_marker(theirs.marker || first);
        header.set_sequence_number(number);
        header.set_timestamp(timestamp);
        header.set_ssrc(self.ssrc);
        if !number.is_before(self.sequence_number) {
            self.sequence_number = number.next();
            self.reference = Some((now, timestamp));
            self.behind = true;
        }
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(length as u32);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClockRate, packet::Header};

    const PCMU: PayloadType = PayloadType::PCMU;

    /// A packet of a source, with 160 octets of payload.
    fn packet(ssrc: u32, number: u16, timestamp: u32) -> [u8; 172] {
        let mut packet = [0xd5; 172];
        let header = Header {
            payload_type: PayloadType::PCMA,
            marker: false,
            sequence_number: SequenceNumber(number),
            timestamp: Timestamp(timestamp),
            ssrc: Ssrc(ssrc),
        };
        header.write(&mut packet).unwrap();
        packet
    }

    fn passed(sender: &mut Sender, at_ms: u64, mut datagram: [u8; 172]) -> Header {
        sender.pass_on(Micros::from_millis(at_ms), PCMU, &mut datagram).unwrap();
        assert_eq!(datagram[12..], [0xd5; 160]);
        Packet::parse(&datagram).unwrap().header()
    }

    #[test]
    fn rfc3550_7_1_numbers_go_on_from_source_to_source() {
        let mut sender = Sender::new(1, ClockRate::HZ_8000);
        let first = passed(&mut sender, 0, packet(7, 65_534, 1_000));
        assert_eq!((first.payload_type, first.marker, first.ssrc), (PCMU, true, sender.ssrc()));
        let second = passed(&mut sender, 20, packet(7, 65_535, 1_160));
        // One is lost, and one comes late.
        let fourth = passed(&mut sender, 60, packet(7, 1, 1_480));
        let third = passed(&mut sender, 70, packet(7, 0, 1_320));
        let seen = [second, third, fourth].map(|header| {
            (
                header.sequence_number.since(first.sequence_number),
                header.timestamp.since(first.timestamp),
                header.marker,
            )
        });
        assert_eq!(seen, [(1, 160, false), (2, 320, false), (3, 480, false)]);
        // Another one with far lower numbers, 100 ms after the newest.
        let other = passed(&mut sender, 160, packet(8, 3, 5));
        let next = passed(&mut sender, 180, packet(8, 4, 165));
        let seen = [other, next].map(|header| {
            (
                header.sequence_number.since(first.sequence_number),
                header.timestamp.since(first.timestamp),
                header.marker,
            )
        });
        assert_eq!(seen, [(4, 480 + 800, true), (5, 480 + 960, false)]);
        assert_eq!((other.ssrc, next.ssrc), (first.ssrc, first.ssrc));
        let info = sender.info(Micros::from_millis(190), crate::NtpTime(0));
        assert_eq!((info.packet_count, info.octet_count), (6, 960));
        assert_eq!(info.rtp_timestamp, next.timestamp.plus(80));
    }

    #[test]
    fn a_source_that_begins_its_numbers_anew_is_gone_on_with() {
        let mut sender = Sender::new(1, ClockRate::HZ_8000);
        let mut before = passed(&mut sender, 0, packet(7, 30_000, 1_000));
        for (n, number) in (1..).zip([30_001, 100, 101, 40_000, 40_001]) {
            let next = passed(&mut sender, 20 * n, packet(7, number, 160 * u32::from(number)));
            assert_eq!(next.sequence_number, before.sequence_number.next(), "{number}");
            assert!(!next.timestamp.is_before(before.timestamp) || number == 30_001, "{number}");
            before = next;
        }
    }

    #[test]
    fn what_is_left_out_leaves_no_gap_and_what_is_lost_does() {
        let mut sender = Sender::new(1, ClockRate::HZ_8000);
        let first = passed(&mut sender, 0, packet(7, 10, 1_000));
        sender.leave_out(&packet(7, 11, 1_160));
        sender.leave_out(&packet(8, 1, 1_160));
        sender.leave_out(&[1]);
        // Twice, and late: what comes next is the next all the same.
        sender.leave_out(&packet(7, 11, 1_160));
        sender.leave_out(&packet(7, 9, 840));
        let next = passed(&mut sender, 40, packet(7, 13, 1_480));
        assert_eq!(next.sequence_number, first.sequence_number.plus(2));
        assert_eq!(next.timestamp.since(first.timestamp), 480);
    }

    #[test]
    fn what_a_stream_says_itself_goes_on_after_what_it_passed_on() {
        let mut sender = Sender::new(1, ClockRate::HZ_8000);
        let last = passed(&mut sender, 0, packet(7, 9, 1_000));
        sender.leave_off();
        sender.catch_up(Micros::from_millis(50));
        sender.pause(160);
        sender.catch_up(Micros::from_millis(50));
        let mut own = [0; 172];
        sender.audio(Micros::from_millis(70), PCMU, &mut own, 160, 160).unwrap();
        let own = Packet::parse(&own).unwrap().header();
        assert_eq!((own.sequence_number, own.ssrc, own.marker), (last.sequence_number.next(), last.ssrc, true));
        assert_eq!(own.timestamp.since(last.timestamp), 400 + 160);
        // And back: the same source again is no more than another one.
        let again = passed(&mut sender, 90, packet(7, 20, 2_600));
        assert_eq!((again.sequence_number, again.marker), (own.sequence_number.next(), true));
        assert_eq!(again.timestamp.since(own.timestamp), 160);
    }

    #[test]
    fn a_stream_that_follows_begins_where_the_other_source_ended() {
        let mut sender = Sender::new(1, ClockRate::HZ_8000);
        let (next, timestamp) = (SequenceNumber(0), Timestamp(u32::MAX));
        sender.follow(Position { next, at: Micros::from_millis(100), timestamp });
        let first = passed(&mut sender, 140, packet(7, 9, 1_000));
        assert_eq!((first.sequence_number, first.timestamp), (next, Timestamp(319)));
        assert_ne!(first.ssrc, Ssrc(7));
    }

    #[test]
    fn what_is_no_packet_changes_nothing() {
        let mut sender = Sender::new(1, ClockRate::HZ_8000);
        let before = (sender.sequence_number(), sender.packets());
        assert!(sender.pass_on(Micros(0), PCMU, &mut [0x80; 11]).is_err());
        assert_eq!((sender.sequence_number(), sender.packets()), before);
    }
}
