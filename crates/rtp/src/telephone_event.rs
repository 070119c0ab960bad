//! Telephone events: DTMF digits and hook flash as RTP payload (RFC 4733, before it RFC 2833).
//!
//! [`EventSender`] turns queued digits into packets, [`EventReceiver`] turns packets into digits.

mod receiver;
mod sender;
mod set;
#[cfg(test)]
mod tests;

pub use receiver::{EventReceiver, EventReport};
pub use sender::{EventPacket, EventSender, EventSettings, Poll, QueueError};
pub use set::{EventSet, InvalidEventSet};

/// An event code, 0 to 255 (RFC 4733 section 7).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Event(pub u8);

impl Event {
    /// The hook flash (RFC 2833 section 3.10; RFC 4733 reserves the code).
    pub const FLASH: Self = Self(16);

    /// The event of a DTMF digit `0`-`9`, `*`, `#`, `A`-`D` (either case), or `R` for the hook flash; `None` for
    /// anything else.
    pub const fn from_digit(digit: char) -> Option<Self> {
        Some(Self(match digit {
            '0'..='9' => digit as u8 - b'0',
            '*' => 10,
            '#' => 11,
            'A'..='D' => digit as u8 - b'A' + 12,
            'a'..='d' => digit as u8 - b'a' + 12,
            'R' | 'r' => 16,
            _ => return None,
        }))
    }

    /// The digit as [`Event::from_digit`] takes it, upper case; `None` for other events than 0 to 16.
    pub const fn digit(self) -> Option<char> {
        Some(match self.0 {
            0..=9 => (b'0' + self.0) as char,
            10 => '*',
            11 => '#',
            12..=15 => (b'A' + self.0 - 12) as char,
            16 => 'R',
            _ => return None,
        })
    }

    /// Whether it is one of the sixteen DTMF digits, for which a volume is defined (RFC 4733 section 3.2).
    pub const fn is_dtmf(self) -> bool {
        self.0 < 16
    }
}

/// One block of the payload (RFC 4733 section 2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventPayload {
    /// What happens.
    pub event: Event,
    /// E: the event has ended.
    pub end: bool,
    /// The tone's level in -dBm0, 0 to 63; 0 for events without a volume.
    pub volume: u8,
    /// Duration of the event or segment so far, in units of the clock.
    pub duration: u16,
}

impl EventPayload {
    /// Octets of a block.
    pub const LEN: usize = 4;

    /// Reads a block; every four octets are one (R is ignored).
    pub const fn read(octets: &[u8; Self::LEN]) -> Self {
        let [event, flags, hi, lo] = *octets;
        Self {
            event: Event(event),
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([hi, lo]),
        }
    }

    /// The block's octets; a volume above 63 is written as 63.
    pub const fn octets(&self) -> [u8; Self::LEN] {
        let volume = if self.volume > 63 { 63 } else { self.volume };
        let [hi, lo] = self.duration.to_be_bytes();
        [self.event.0, volume | if self.end { 0x80 } else { 0 }, hi, lo]
    }
}
