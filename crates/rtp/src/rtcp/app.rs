//! Application-defined packets (RFC 3550 section 6.7), passed through unread.

use super::{RtcpError, packet_type, u32_at};
use crate::Ssrc;

/// An APP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct App<'a> {
    /// Five bits the application defines.
    pub subtype: u8,
    /// The sender.
    pub ssrc: Ssrc,
    /// Four octets of ASCII naming the application.
    pub name: [u8; 4],
    /// The application's data, a multiple of four octets.
    pub data: &'a [u8],
}

impl<'a> App<'a> {
    pub(super) fn read(subtype: u8, body: &'a [u8], at: usize) -> Result<Self, RtcpError> {
        let Some((head, data)) = body.split_at_checked(8) else {
            let packet_type = packet_type::APPLICATION;
            return Err(RtcpError::Body { at, packet_type, need: 8, have: body.len() });
        };
        let name = u32_at(head, 4).unwrap_or(0).to_be_bytes();
        Ok(Self { subtype, ssrc: Ssrc(u32_at(head, 0).unwrap_or(0)), name, data })
    }
}
