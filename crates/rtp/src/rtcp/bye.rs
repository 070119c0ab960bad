//! Goodbye (RFC 3550 section 6.6).

use super::{RtcpError, packet_type};
use crate::Ssrc;

/// A BYE packet: sources that leave, perhaps with a reason. One without sources is valid and means nothing.
#[derive(Clone, Copy, Debug)]
pub struct Bye<'a> {
    sources: &'a [[u8; 4]],
    reason: Option<&'a [u8]>,
}

impl<'a> Bye<'a> {
    pub(super) fn read(count: u8, body: &'a [u8], at: usize) -> Result<Self, RtcpError> {
        let need = 4 * usize::from(count);
        let Some((sources, rest)) = body.split_at_checked(need) else {
            return Err(RtcpError::Body { at, packet_type: packet_type::GOODBYE, need, have: body.len() });
        };
        let reason = match rest.split_first() {
            None => None,
            Some((&length, text)) => match text.get(..usize::from(length)) {
                Some(reason) => Some(reason),
                None => return Err(RtcpError::ByeReason { at }),
            },
        };
        Ok(Self { sources: sources.as_chunks().0, reason })
    }

    /// The sources that leave, at most 31.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = Ssrc> + use<'a> {
        self.sources.iter().map(|octets| Ssrc(u32::from_be_bytes(*octets)))
    }

    /// The reason as it came, at most 255 octets; UTF-8 by rule, any octets in fact.
    pub const fn reason(&self) -> Option<&'a [u8]> {
        self.reason
    }
}
