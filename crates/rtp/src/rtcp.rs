//! RTCP: reading and writing compound packets (RFC 3550 section 6).
//!
//! [`Compound::parse`] checks a whole datagram first, headers and bodies, so that walking through it cannot fail.
//! [`CompoundWriter`] starts with a report and a CNAME, so that what it writes is always a valid compound packet.

mod app;
mod bye;
mod compound;
mod error;
mod report_block;
mod rr;
mod sdes;
mod sr;
#[cfg(test)]
mod tests;
mod writer;

pub use app::App;
pub use bye::Bye;
pub use compound::{Compound, Packets};
pub use error::RtcpError;
pub use report_block::{ReportBlock, ReportBlocks};
pub use rr::ReceiverReport;
pub use sdes::{Chunk, Chunks, Cname, InvalidCname, Items, SdesItem, SourceDescription};
pub use sr::{SenderInfo, SenderReport};
pub use writer::CompoundWriter;

/// Octets of an RTCP packet's common header.
pub const HEADER_LEN: usize = 4;

/// Packet types (RFC 3550 section 12.1).
pub(crate) mod packet_type {
    pub(crate) const SENDER_REPORT: u8 = 200;
    pub(crate) const RECEIVER_REPORT: u8 = 201;
    pub(crate) const SOURCE_DESCRIPTION: u8 = 202;
    pub(crate) const GOODBYE: u8 = 203;
    pub(crate) const APPLICATION: u8 = 204;
}

/// One packet of a compound packet.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum RtcpPacket<'a> {
    /// SR, type 200.
    SenderReport(SenderReport<'a>),
    /// RR, type 201.
    ReceiverReport(ReceiverReport<'a>),
    /// SDES, type 202.
    SourceDescription(SourceDescription<'a>),
    /// BYE, type 203.
    Goodbye(Bye<'a>),
    /// APP, type 204.
    Application(App<'a>),
    /// Any other type (feedback, extended reports): its framing was checked, its body was not. To be ignored by
    /// those who do not know it (RFC 3550 section 6.1).
    Unknown(UnknownPacket<'a>),
}

/// A packet of a type not read here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownPacket<'a> {
    /// The packet type: 205 transport feedback, 206 payload feedback, 207 extended report.
    pub packet_type: u8,
    /// The five bits behind the padding bit.
    pub count: u8,
    /// What follows the common header, padding removed.
    pub body: &'a [u8],
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let octets = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*octets))
}
