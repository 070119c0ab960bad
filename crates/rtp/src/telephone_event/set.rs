//! Sets of events as the `fmtp` of a telephone-event format lists them (RFC 4733 section 2.4).

use core::{fmt, str::FromStr};

use super::Event;

/// A set of event codes: `0-15,66` (RFC 4733 section 2.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventSet([u64; 4]);

impl EventSet {
    /// No event.
    pub const EMPTY: Self = Self([0; 4]);
    /// The DTMF digits, 0-15: what to assume of a receiver that lists nothing (RFC 4733 section 2.5.1.1).
    pub const DTMF: Self = Self([0xffff, 0, 0, 0]);
    /// The DTMF digits and the hook flash, 0-16.
    pub const DTMF_AND_FLASH: Self = Self([0x1_ffff, 0, 0, 0]);

    /// A set as bits: the lowest of the first word stands for event 0, the highest of the last for event 255.
    pub const fn from_words(words: [u64; 4]) -> Self {
        Self(words)
    }

    /// Whether `event` is in the set.
    pub fn contains(&self, event: Event) -> bool {
        self.0.get(usize::from(event.0 >> 6)).is_some_and(|word| word >> (event.0 & 63) & 1 == 1)
    }

    /// Adds `event`.
    pub fn insert(&mut self, event: Event) {
        if let Some(word) = self.0.get_mut(usize::from(event.0 >> 6)) {
            *word |= 1 << (event.0 & 63);
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }
}

/// A text is no list of events: where, and what was expected there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InvalidEventSet {
    /// An element is no number of 0 to 255.
    Number {
        /// Index of the element, from 0.
        element: usize,
    },
    /// The end of a range is not larger than its beginning.
    Range {
        /// Index of the element, from 0.
        element: usize,
    },
}

impl fmt::Display for InvalidEventSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { element } => {
                write!(f, "event list, element {element}: expected a number of 0 to 255 (RFC 4733 2.4)")
            }
            Self::Range { element } => {
                write!(f, "event list, element {element}: expected a range that ends above its start (RFC 4733 2.4)")
            }
        }
    }
}

impl core::error::Error for InvalidEventSet {}

impl FromStr for EventSet {
    type Err = InvalidEventSet;

    /// Reads `0-15,66`. Blanks around elements, which the RFC does not allow but phones send, are taken.
    fn from_str(list: &str) -> Result<Self, InvalidEventSet> {
        let mut set = Self::EMPTY;
        for (element, text) in list.split(',').enumerate() {
            let number = |text: &str| match text.trim().parse::<u8>() {
                Ok(number) if text.trim().starts_with(|first: char| first.is_ascii_digit()) => Ok(number),
                _ => Err(InvalidEventSet::Number { element }),
            };
            let (first, last) = match text.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None => (number(text)?, number(text)?),
            };
            if last < first {
                return Err(InvalidEventSet::Range { element });
            }
            (first..=last).for_each(|code| set.insert(Event(code)));
        }
        Ok(set)
    }
}

impl fmt::Display for EventSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        let mut code = 0u16;
        let within = |code: u16| u8::try_from(code).is_ok_and(|code| self.contains(Event(code)));
        while code < 256 {
            let first = code;
            while within(code) {
                code += 1;
            }
            match code - first {
                0 => {}
                1 => write!(f, "{comma}{first}")?,
                _ => write!(f, "{comma}{first}-{}", code - 1)?,
            }
            if code > first {
                comma = ",";
            }
            code += 1;
        }
        Ok(())
    }
}

impl fmt::Debug for EventSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventSet({self})")
    }
}
