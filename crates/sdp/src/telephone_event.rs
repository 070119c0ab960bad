//! The set of events in the parameters of `telephone-event`: RFC 4733 section 2.4.1.

use std::fmt;

use crate::codec::Codec;
use crate::text::Text;
use crate::time::read_digits;

/// A set of event codes 0 to 255.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventSet([u64; 4]);

impl EventSet {
    /// No event.
    pub const NONE: EventSet = EventSet([0; 4]);
    /// The DTMF digits `0-9*#A-D`, which every implementation has to know and which are meant when no set is given:
    /// RFC 4733 section 2.5.1.1.
    pub const DTMF: EventSet = EventSet([0xffff, 0, 0, 0]);
    /// DTMF and hook flash, `0-16`.
    pub const DTMF_AND_FLASH: EventSet = EventSet([0x1_ffff, 0, 0, 0]);

    /// Whether the event is in the set.
    pub fn contains(&self, event: u8) -> bool {
        self.0.get(usize::from(event >> 6)).is_some_and(|word| word >> (event & 63) & 1 == 1)
    }

    /// Adds an event.
    pub fn insert(&mut self, event: u8) {
        if let Some(word) = self.0.get_mut(usize::from(event >> 6)) {
            *word |= 1 << (event & 63);
        }
    }

    /// The events of the set, in order.
    pub fn events(&self) -> impl Iterator<Item = u8> {
        self.0.into_iter().zip([0, 64, 128, 192]).flat_map(|(word, first)| {
            let events = std::iter::successors(Some(word), |rest| Some(rest & rest.wrapping_sub(1)));
            // Each loses its lowest bit to the next.
            events.take_while(|rest| *rest != 0).map(move |rest| first + rest.trailing_zeros() as u8)
        })
    }

    /// What both sets contain.
    #[must_use]
    pub fn and(&self, other: &EventSet) -> EventSet {
        let mut both = *self;
        both.0.iter_mut().zip(other.0).for_each(|(word, other)| *word &= other);
        both
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    /// Reads a list such as `0-15,66`. `None` for anything else: numbers above 255, a range that runs backwards.
    pub fn read(list: &str) -> Option<EventSet> {
        let mut set = EventSet::NONE;
        for part in list.trim().split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (read_digits::<u8>(first.trim())?, read_digits::<u8>(last.trim())?);
            if first > last {
                return None;
            }
            (first..=last).for_each(|event| set.insert(event));
        }
        Some(set)
    }

    /// The set a `telephone-event` codec stands for: [`EventSet::DTMF`] when it has no list or one that cannot be read.
    /// `events=0-15` is understood too, the form of the media type.
    pub fn of(codec: &Codec) -> EventSet {
        let Some(fmtp) = &codec.fmtp else { return EventSet::DTMF };
        let list = codec.parameter("events").unwrap_or(fmtp);
        EventSet::read(list).unwrap_or(EventSet::DTMF)
    }

    /// The list for `a=fmtp`; `None` for the empty set, which has no form.
    pub fn to_text(&self) -> Option<Text> {
        match *self {
            EventSet::NONE => None,
            EventSet::DTMF => Some(Text::literal("0-15")),
            _ => Some(Text::assembled(self.to_string())),
        }
    }
}

impl fmt::Display for EventSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut next = 0u16;
        while let Some(first) = (next..256).find(|event| u8::try_from(*event).is_ok_and(|event| self.contains(event))) {
            let end = (first..256).find(|event| !u8::try_from(*event).is_ok_and(|event| self.contains(event)));
            let last = end.unwrap_or(256) - 1;
            if first == last {
                write!(f, "{separator}{first}")?
            } else {
                write!(f, "{separator}{first}-{last}")?
            }
            separator = ",";
            next = last + 1;
        }
        Ok(())
    }
}

impl fmt::Debug for EventSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4733_2_4_1_lists_are_read_and_printed_in_order() {
        for (list, printed) in
            [("0-15", "0-15"), ("0-15,66,70", "0-15,66,70"), (" 5 , 3-4,255", "3-5,255"), ("0-255", "0-255")]
        {
            assert_eq!(EventSet::read(list).unwrap().to_string(), printed, "{list}");
        }
        for bad in ["", "256", "15-0", "0-", "-1", "a", "0-15,", "0--15", "99999999999999999999"] {
            assert_eq!(EventSet::read(bad), None, "{bad}");
        }
        assert_eq!(EventSet::DTMF.to_string(), "0-15");
        assert_eq!(EventSet::DTMF_AND_FLASH.to_string(), "0-16");
        assert_eq!(EventSet::NONE.to_text(), None);
    }

    #[test]
    fn rfc4733_2_5_1_1_no_list_means_dtmf() {
        let bare = Codec::new(101, "telephone-event", 8000).unwrap();
        assert_eq!(EventSet::of(&bare), EventSet::DTMF);
        let garbled = bare.clone().with_fmtp(Text::new("x").unwrap());
        assert_eq!(EventSet::of(&garbled), EventSet::DTMF);
        let more = bare.with_fmtp(Text::new("events=0-11").unwrap());
        assert_eq!(EventSet::of(&more).to_string(), "0-11");
        assert_eq!(EventSet::of(&more).and(&EventSet::read("10-20").unwrap()).to_string(), "10-11");
    }
}
