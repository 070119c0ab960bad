//! Writing.

use std::io::{self, Seek, Write};

use super::WavError;
use crate::frame::SampleRate;

/// Bytes of the header that `hound` writes for 16-bit PCM.
const HEADER: u64 = 44;

/// Most samples in a file: sizes are 32 bits, and the RIFF size counts the header too.
pub(super) const MAX_SAMPLES: u64 = (u32::MAX as u64 - HEADER) / 2;

/// Most samples that are handed on at a time.
const PIECE: usize = 16_384;

/// Writes 16-bit mono PCM. The header in the file is never more than a second of audio behind the samples.
///
/// Each [`write`](Self::write) up to a second becomes one write to the file, so a buffer around it is not needed and
/// would only hold back what should survive a crash. After an error nothing more is written, and the header counts what
/// was. Dropping a writer ends the file like [`finish`](Self::finish), without saying whether that worked.
pub struct Writer<W: Write + Seek> {
    inner: hound::WavWriter<W>,
    rate: SampleRate,
    /// Samples since the header was right.
    behind: u32,
    written: u64,
    most: u64,
    stopped: bool,
}

impl<W: Write + Seek> Writer<W> {
    /// Begins a file at its start: the header is written at once.
    ///
    /// # Errors
    /// [`WavError::Io`].
    pub fn new(file: W, rate: SampleRate) -> Result<Self, WavError> {
        Self::limited(file, rate, MAX_SAMPLES)
    }

    /// A writer that takes `most` samples, at most [`MAX_SAMPLES`].
    pub(super) fn limited(file: W, rate: SampleRate, most: u64) -> Result<Self, WavError> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate.hz(),
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut inner = hound::WavWriter::new(file, spec).map_err(|error| failed(error, "writing the header", 0))?;
        inner.flush().map_err(|error| failed(error, "writing the header", 0))?;
        Ok(Self { inner, rate, behind: 0, written: 0, most: most.min(MAX_SAMPLES), stopped: false })
    }

    /// Appends samples, any number.
    ///
    /// # Errors
    /// [`WavError::Io`], for example when the disk is full; [`WavError::TooLong`] when the file would pass 4 GB, with
    /// nothing written; [`WavError::Stopped`] after an error.
    pub fn write(&mut self, samples: &[i16]) -> Result<(), WavError> {
        if self.written.saturating_add(samples.len() as u64) > self.most {
            return Err(WavError::TooLong { seconds: (self.most / u64::from(self.rate.hz())) as u32 });
        }
        let mut rest = samples;
        while !rest.is_empty() {
            let room = self.rate.hz().saturating_sub(self.behind).max(1) as usize;
            let (piece, after) = rest.split_at(rest.len().min(room).min(PIECE));
            rest = after;
            self.append(piece)?;
            if self.behind >= self.rate.hz() {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn append(&mut self, piece: &[i16]) -> Result<(), WavError> {
        self.going()?;
        let count = u32::try_from(piece.len()).unwrap_or(0);
        let mut writer = self.inner.get_i16_writer(count);
        piece.iter().take(count as usize).for_each(|sample| writer.write_sample(*sample));
        if let Err(error) = writer.flush() {
            self.stopped = true;
            let error = failed(error, "writing samples", self.end());
            // What is complete is put into the header; the disk that is full has room for that.
            let _ = self.inner.flush();
            return Err(error);
        }
        self.behind += count;
        self.written += u64::from(count);
        Ok(())
    }

    /// Puts the header right and hands everything to the system.
    ///
    /// # Errors
    /// [`WavError::Io`]; [`WavError::Stopped`] after an error.
    pub fn flush(&mut self) -> Result<(), WavError> {
        self.going()?;
        self.behind = 0;
        self.inner.flush().map_err(|error| {
            // The position in the file is not known any more.
            self.stopped = true;
            failed(error, "updating the header", 0)
        })
    }

    /// Samples written so far.
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// The sample rate of the file.
    pub const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`WavError::Io`]; [`WavError::Stopped`] after an error.
    pub fn finish(self) -> Result<(), WavError> {
        self.going()?;
        self.inner.finalize().map_err(|error| failed(error, "updating the header", 0))
    }

    fn going(&self) -> Result<(), WavError> {
        if self.stopped { Err(WavError::Stopped { written: self.written }) } else { Ok(()) }
    }

    fn end(&self) -> u64 {
        HEADER + 2 * self.written
    }
}

fn failed(error: hound::Error, doing: &'static str, at: u64) -> WavError {
    let source = match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other.to_string()),
    };
    WavError::Io { doing, at, source }
}
