//! What is said to the peer: frames, encoded into packets, and telephone events instead of them.

use std::net::SocketAddr;
use std::time::Duration;

use audio::codec::Codec;
use rtp::Micros;
use rtp::telephone_event::{Event, Poll, QueueError};

use super::{LONGEST, Stream};
use crate::event::Output;
use crate::settings::Component;

/// Why digits were not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DialError {
    /// There is no such stream.
    NoStream,
    /// The peer did not agree to telephone events.
    NoEvents,
    /// The peer does not take the event of this digit.
    NotTaken {
        /// The digit.
        digit: char,
    },
    /// The queue refused them.
    Queue(QueueError),
}

impl std::fmt::Display for DialError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoStream => f.write_str("there is no stream to dial on"),
            Self::NoEvents => f.write_str("the peer did not agree to telephone-event (RFC 4733)"),
            Self::NotTaken { digit } => write!(f, "the peer takes no event for {digit:?} (RFC 4733 section 2.5.1.1)"),
            Self::Queue(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DialError {}

impl Stream {
    /// Says a frame to the peer; `None`: nothing, time passes.
    pub(crate) fn say(&mut self, now: Micros, frame: Option<&[i16]>, samples: usize, out: &mut impl Output) {
        let Some(to) = self.sends_to() else {
            self.said.clear();
            self.voice.sender.pause(u32::try_from(samples).unwrap_or(0));
            return;
        };
        self.voice.sender.catch_up(now);
        let step = samples_in(self.settings.codec, self.settings.ptime).min(LONGEST / 2);
        if self.say_event(to, samples, out) {
            self.said.clear();
            return;
        }
        match frame {
            Some(frame) => self.said.extend_from_slice(frame),
            None if self.said.is_empty() => {
                self.voice.sender.pause(u32::try_from(samples).unwrap_or(0));
                self.voice.sender.start_talk_spurt();
                return;
            }
            // Fill the packet that was begun.
            None => self.said.resize(self.said.len() + samples, 0),
        }
        while self.said.len() >= step {
            self.send_audio(now, to, step, out);
        }
    }

    fn send_audio(&mut self, now: Micros, to: SocketAddr, step: usize, out: &mut impl Output) {
        let Some(samples) = self.said.get(..step) else { return };
        let Some(room) = self.packet.get_mut(rtp::packet::FIXED_HEADER_LEN..) else { return };
        let encoded = self.encoder.encode(samples, room);
        self.said.drain(..step);
        let Ok(length) = encoded else { return };
        let units = u32::try_from(step).unwrap_or(0);
        if let Ok(whole) =
            self.voice.sender.audio(now, self.settings.send_type, self.packet.as_mut_slice(), length, units)
            && let Some(bytes) = self.packet.get(..whole)
        {
            out.send(self.slot, Component::Rtp, to, bytes);
        }
    }

    /// Sends a telephone event instead of audio while one is going on; true when it did or must stay quiet.
    fn say_event(&mut self, to: SocketAddr, samples: usize, out: &mut impl Output) -> bool {
        let Some(events) = self.settings.events else { return false };
        let event = match self.events_out.poll(self.voice.sender.timestamp()) {
            Poll::Audio => return false,
            Poll::Quiet => None,
            Poll::Packet(event) => Some(event),
        };
        if let Some(event) = event
            && let Some(room) = self.packet.get_mut(rtp::packet::FIXED_HEADER_LEN..)
        {
            let length = event.payload.len();
            for (to, from) in room.iter_mut().zip(event.payload) {
                *to = from;
            }
            let sent = self.voice.sender.packet(
                events.send,
                event.marker,
                event.timestamp,
                self.packet.as_mut_slice(),
                length,
            );
            if let Ok(whole) = sent
                && let Some(bytes) = self.packet.get(..whole)
            {
                out.send(self.slot, Component::Rtp, to, bytes);
            }
        }
        self.voice.sender.pause(u32::try_from(samples).unwrap_or(0));
        self.voice.sender.start_talk_spurt();
        true
    }

    /// Queues digits, all or none.
    pub(crate) fn dial(&mut self, digits: &str) -> Result<(), DialError> {
        let events = self.settings.events.ok_or(DialError::NoEvents)?;
        let refused = |digit: &char| Event::from_digit(*digit).is_some_and(|event| !events.taken.contains(event));
        if let Some(digit) = digits.chars().find(refused) {
            return Err(DialError::NotTaken { digit });
        }
        self.events_out.queue(digits).map_err(DialError::Queue)
    }
}

fn samples_in(codec: Codec, length: Duration) -> usize {
    usize::try_from(codec.sample_rate().samples(length)).unwrap_or(usize::MAX).max(1)
}
