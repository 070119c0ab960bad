//! The set of events in the parameters of `telephone-event`: RFC 4733 section 2.4.1.

use std::fmt;

use crate::codec::Codec;
use crate::text::{Text, cut, trimmed};
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

    /// Adds all events from one to another.
    fn insert_all(&mut self, first: u8, last: u8) {
        for (word, start) in self.0.iter_mut().zip([0, 64, 128, 192]) {
            // The bits of the events below this one.
            let below = |event: u32| 1_u64.checked_shl(event.saturating_sub(start)).map_or(u64::MAX, |bit| bit - 1);
            *word |= below(u32::from(last) + 1) & !below(u32::from(first));
        }
    }

    /// The set as bits: the lowest of the first word stands for event 0, the highest of the last for event 255.
    pub fn words(&self) -> [u64; 4] {
        self.0
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
        let mut rest = Some(trimmed(list));
        while let Some(list) = rest {
            let (part, behind) = cut(list, b',').map_or((list, None), |(part, behind)| (part, Some(behind)));
            let (first, last) = cut(part, b'-').unwrap_or((part, part));
            let (first, last) = (read_digits::<u8>(trimmed(first))?, read_digits::<u8>(trimmed(last))?);
            if first > last {
                return None;
            }
            set.insert_all(first, last);
            rest = behind;
        }
        Some(set)
    }

    /// The set a `telephone-event` codec stands for: [`EventSet::DTMF`] when it has no list or one that cannot be read.
    /// `events=0-15` is understood too, the form of the media type.
    pub fn of(codec: &Codec) -> EventSet {
        let Some(fmtp) = codec.fmtp.as_ref().filter(|fmtp| **fmtp != "0-15") else { return EventSet::DTMF };
        let named = || codec.parameter("events").and_then(EventSet::read);
        EventSet::read(fmtp).or_else(named).unwrap_or(EventSet::DTMF)
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
    fn rfc4733_2_4_1_a_range_is_its_events() {
        for (first, last) in
            [(0, 0), (0, 15), (5, 63), (63, 64), (64, 127), (60, 200), (0, 255), (255, 255), (128, 191)]
        {
            let set = EventSet::read(&format!("{first}-{last}")).unwrap();
            assert!(set.events().eq(first..=last), "{first}-{last}");
        }
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
