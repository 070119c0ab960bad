//! Compound packets: checking and walking through (RFC 3550 section 6.1 and appendix A.2).

use super::{
    App, Bye, HEADER_LEN, ReceiverReport, RtcpError, RtcpPacket, SenderReport, SourceDescription, UnknownPacket,
    packet_type,
};

/// A well-formed compound packet, borrowed from its datagram.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    datagram: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Checks a datagram by the rules of RFC 3550 appendix A.2: version 2 throughout, first packet SR or RR without
    /// padding (unless it is the only one), padding only in the last packet, lengths that add up to the datagram;
    /// and that the bodies of known types hold what their counts announce. Linear in the datagram's length.
    ///
    /// # Errors
    /// [`RtcpError`]: nothing of the datagram should be believed.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, RtcpError> {
        let compound = Self::parse_reduced_size(datagram)?;
        match datagram.get(1) {
            Some(&(packet_type::SENDER_REPORT | packet_type::RECEIVER_REPORT)) => Ok(compound),
            found => Err(RtcpError::FirstType { found: found.copied().unwrap_or(0) }),
        }
    }

    /// As [`Compound::parse`], but any type may come first: for sessions that negotiated reduced-size RTCP (RFC 5506
    /// section 3.4.2).
    ///
    /// # Errors
    /// As [`Compound::parse`], except for the first type.
    pub fn parse_reduced_size(datagram: &'a [u8]) -> Result<Self, RtcpError> {
        let mut at = 0;
        loop {
            let rest = datagram.get(at..).unwrap_or(&[]);
            let (_, length) = read_one(rest, at)?;
            at += length;
            if at >= datagram.len() {
                return Ok(Self { datagram });
            }
        }
    }

    /// The packets in order, unknown types included.
    pub const fn packets(&self) -> Packets<'a> {
        Packets { rest: self.datagram }
    }
}

/// Iterator over the packets of a [`Compound`].
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = RtcpPacket<'a>;

    fn next(&mut self) -> Option<RtcpPacket<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        // Cannot fail: the same bytes passed when the compound packet was parsed.
        let (packet, length) = read_one(self.rest, 0).ok()?;
        self.rest = self.rest.get(length..).unwrap_or(&[]);
        Some(packet)
    }
}

/// Reads the packet `rest` starts with and returns it with its length; `at` is its place in the datagram.
fn read_one(rest: &[u8], at: usize) -> Result<(RtcpPacket<'_>, usize), RtcpError> {
    let Some((&[first, packet_type, len_hi, len_lo], _)) = rest.split_first_chunk::<HEADER_LEN>() else {
        return Err(RtcpError::HeaderTooShort { at, have: rest.len() });
    };
    if first >> 6 != 2 {
        return Err(RtcpError::Version { at, found: first >> 6 });
    }
    let length = HEADER_LEN + 4 * usize::from(u16::from_be_bytes([len_hi, len_lo]));
    let Some(mut body) = rest.get(HEADER_LEN..length) else {
        return Err(RtcpError::Length { at, announced: length, have: rest.len() });
    };
    if first & 0x20 != 0 {
        if length != rest.len() {
            return Err(RtcpError::PaddingBeforeEnd { at });
        }
        body = without_padding(body, at)?;
    }
    let count = first & 0x1f;
    let packet = match packet_type {
        packet_type::SENDER_REPORT => RtcpPacket::SenderReport(SenderReport::read(count, body, at)?),
        packet_type::RECEIVER_REPORT => RtcpPacket::ReceiverReport(ReceiverReport::read(count, body, at)?),
        packet_type::SOURCE_DESCRIPTION => RtcpPacket::SourceDescription(SourceDescription::read(count, body, at)?),
        packet_type::GOODBYE => RtcpPacket::Goodbye(Bye::read(count, body, at)?),
        packet_type::APPLICATION => RtcpPacket::Application(App::read(count, body, at)?),
        _ => RtcpPacket::Unknown(UnknownPacket { packet_type, count, body }),
    };
    Ok((packet, length))
}

fn without_padding(body: &[u8], at: usize) -> Result<&[u8], RtcpError> {
    let count = body.last().copied().unwrap_or(0);
    match body.len().checked_sub(usize::from(count)) {
        Some(end) if count > 0 && count.is_multiple_of(4) => Ok(body.get(..end).unwrap_or(body)),
        _ => Err(RtcpError::Padding { at, count }),
    }
}
