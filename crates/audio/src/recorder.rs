//! The recorder: from a ring into a WAV file, driven by a thread that may wait for the disk.
//!
//! The media thread writes into the ring and never waits; the recorder's thread calls [`Recorder::drain`] every so
//! often, at the latest before the ring is full, until the recording has ended, then [`Recorder::finish`].

use std::io::{Seek, Write};

use crate::frame::SampleRate;
use crate::ring::{RingReader, RingWriter, ring};
use crate::wav::{WavError, Writer};

/// Samples that are moved at a time.
const PIECE: usize = 4_096;

/// How a recording stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// More may come.
    Going,
    /// Whoever wrote into the ring is gone, and everything is in the file.
    Ended,
    /// The limit is reached; what comes is not recorded.
    Full,
}

/// Moves samples from a ring into a file.
pub struct Recorder<W: Write + Seek> {
    ring: RingReader,
    writer: Writer<W>,
    /// Samples that may still be written.
    left: u64,
    piece: Vec<i16>,
    state: Recording,
}

impl<W: Write + Seek> Recorder<W> {
    /// Begins a file of at most `limit` samples and makes a ring of `capacity` samples in front of it: a second's worth
    /// lets the disk stand still for a second.
    ///
    /// # Errors
    /// [`WavError::Io`].
    pub fn new(file: W, rate: SampleRate, capacity: usize, limit: u64) -> Result<(Self, RingWriter), WavError> {
        let writer = Writer::new(file, rate)?;
        let (input, ring) = ring(capacity);
        Ok((Self { ring, writer, left: limit, piece: vec![0; PIECE], state: Recording::Going }, input))
    }

    /// Writes what waits in the ring. At the limit it stops to the sample, and the ring stays full.
    ///
    /// # Errors
    /// [`WavError`]; what was written before stays readable, and further calls fail with [`WavError::Stopped`].
    pub fn drain(&mut self) -> Result<Recording, WavError> {
        while self.state == Recording::Going {
            let room = PIECE.min(usize::try_from(self.left).unwrap_or(PIECE));
            let piece = self.piece.get_mut(..room).unwrap_or_default();
            let read = self.ring.read(piece);
            self.writer.write(piece.get(..read.samples).unwrap_or_default())?;
            self.left -= read.samples as u64;
            if read.ended {
                self.state = Recording::Ended;
            } else if self.left == 0 {
                self.state = Recording::Full;
            } else if read.samples < room {
                break;
            }
        }
        Ok(self.state)
    }

    /// Samples in the file.
    pub const fn written(&self) -> u64 {
        self.writer.written()
    }

    /// Samples that did not fit into the ring; the file has silence in their place.
    pub fn lost(&self) -> u64 {
        self.ring.lost()
    }

    /// Writes what waits and ends the file. Returns how many samples it holds.
    ///
    /// # Errors
    /// [`WavError`]. Dropping a recorder ends the file too, without what waits and without telling of errors.
    pub fn finish(mut self) -> Result<u64, WavError> {
        self.drain()?;
        let written = self.writer.written();
        self.writer.finish()?;
        Ok(written)
    }
}

#[cfg(test)]
mod tests;
