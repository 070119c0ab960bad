//! Where a stream stands among the frames of a WebSocket (RFC 6455 section 5.2): how much of it is held back because the message it belongs to has not ended.

/// The longest head of a frame: two octets, a length of eight, a mask of four.
const HEAD: usize = 14;
/// The last frame of a message (RFC 6455 section 5.4).
const FIN: u8 = 0x80;
/// A close, ping or pong: a message of its own, which may come between the frames of another (RFC 6455 section 5.5).
const CONTROL: u8 = 0x08;
const MASKED: u8 = 0x80;

/// Counts octets of frames. What may not be in them is for whoever reads them.
#[derive(Default)]
pub(super) struct Frames {
    head: [u8; HEAD],
    /// Octets of the head of the frame that has begun; 0: none has.
    head_come: usize,
    /// Octets of its payload.
    come: u64,
    /// Octets of the message whose last frame has not come, but for that frame.
    before: u64,
}

impl Frames {
    /// These came.
    pub(super) fn take(&mut self, mut octets: &[u8]) {
        while let Some((first, rest)) = octets.split_first() {
            if self.head_come < self.head_length() {
                if let Some(place) = self.head.get_mut(self.head_come) {
                    *place = *first;
                }
                self.head_come += 1;
                octets = rest;
            } else {
                let missing = self.payload_length().saturating_sub(self.come);
                let taken = usize::try_from(missing).unwrap_or(usize::MAX).min(octets.len());
                self.come += taken as u64;
                octets = octets.get(taken..).unwrap_or_default();
            }
            if self.head_come == self.head_length() && self.come >= self.payload_length() {
                self.end();
            }
        }
    }

    /// A frame has ended.
    fn end(&mut self) {
        let [first, ..] = self.head;
        if first & CONTROL == 0 {
            let message = self.before.saturating_add(self.head_come as u64).saturating_add(self.come);
            self.before = if first & FIN == 0 { message } else { 0 };
        }
        (self.head_come, self.come) = (0, 0);
    }

    /// Octets of the head, as far as can be told.
    fn head_length(&self) -> usize {
        let [_, second, ..] = self.head;
        if self.head_come < 2 {
            return 2;
        }
        let length = match second & !MASKED {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + if second & MASKED == 0 { 0 } else { 4 }
    }

    /// Octets of the payload, once the head has come.
    fn payload_length(&self) -> u64 {
        let [_, second, a, b, c, d, e, f, g, h, ..] = self.head;
        match second & !MASKED {
            126 => u64::from(u16::from_be_bytes([a, b])),
            127 => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            short => u64::from(short),
        }
    }

    /// Octets of something that has begun and not ended.
    pub(super) fn begun(&self) -> usize {
        let begun = self.before.saturating_add(self.head_come as u64).saturating_add(self.come);
        usize::try_from(begun).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};

    use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

    use super::*;

    /// Octets that come, to a side whose answers nobody takes down.
    struct Coming<'a>(&'a [u8]);

    impl Read for Coming<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0.read(into)
        }
    }

    impl Write for Coming<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn frame(first: u8, payload: usize, mask: bool) -> Vec<u8> {
        let bit = if mask { MASKED } else { 0 };
        let mut frame = vec![first];
        match payload {
            short @ ..126 => frame.push(bit | short as u8),
            long @ ..65_536 => {
                frame.push(bit | 126);
                frame.extend((long as u16).to_be_bytes());
            }
            longest => {
                frame.push(bit | 127);
                frame.extend((longest as u64).to_be_bytes());
            }
        }
        frame.resize(frame.len() + if mask { 4 } else { 0 } + payload, 0);
        frame
    }

    /// Every length of a head, fragments, and control frames between them.
    fn talk(mask: bool) -> Vec<u8> {
        let frames = [
            (0x81, 0),
            (0x81, 125),
            (0x01, 126),
            (0x89, 4),
            (0x00, 0),
            (0x8A, 0),
            (0x80, 65_535),
            (0x8A, 125),
            (0x82, 65_536),
        ];
        frames.iter().flat_map(|(first, payload)| frame(*first, *payload, mask)).collect()
    }

    #[test]
    fn rfc6455_5_2_nothing_is_held_at_the_ends_of_messages_and_pings_and_something_everywhere_else() {
        for (mask, role) in [(true, Role::Server), (false, Role::Client)] {
            let talk = talk(mask);
            let mut frames = Frames::default();
            // The library, which gets one octet more each time, says where messages end; frames that end none count on.
            let (mut said, mut held, mut control) = (0, 0, 0);
            for (at, octet) in talk.iter().enumerate() {
                frames.take(&[*octet]);
                held += 1;
                if at % 997 != 0 && frames.begun() == held {
                    continue;
                }
                let config = WebSocketConfig::default();
                let mut library = WebSocketContext::new(role, Some(config));
                let mut coming = Coming(&talk[..=at]);
                let messages: Vec<_> = std::iter::from_fn(|| library.read(&mut coming).ok()).collect();
                if messages.len() > said {
                    said = messages.len();
                    let last = messages.last().unwrap();
                    let is_control = !last.is_text() && !last.is_binary();
                    control = if is_control { last.len() + if mask { 6 } else { 2 } } else { held };
                    held -= control;
                }
                assert_eq!(frames.begun(), held, "after {} octets, the last of {control}", at + 1);
            }
            assert_eq!((said, frames.begun()), (7, 0));
        }
    }

    #[test]
    fn frames_are_counted_alike_however_they_are_cut() {
        let talk = talk(true);
        for step in [2, 3, 5, 7, 125, 4_096, 65_537] {
            let (mut cut, mut whole, mut at) = (Frames::default(), Frames::default(), 0);
            for piece in talk.chunks(step) {
                cut.take(piece);
                talk[at..at + piece.len()].iter().for_each(|octet| whole.take(&[*octet]));
                at += piece.len();
                assert_eq!(cut.begun(), whole.begun(), "after {at} in pieces of {step}");
            }
        }
    }

    #[test]
    fn a_frame_that_says_it_has_more_octets_than_there_are_numbers_is_counted() {
        let mut frames = Frames::default();
        frames.take(&[0x82, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4]);
        frames.take(&[0; 100]);
        assert_eq!(frames.begun(), 114);
    }
}
