//! WAV files: whatever phones and editors write in, 16-bit PCM out (RIFF, Microsoft's multimedia data standards).
//!
//! Writing is the crate `hound`'s, whose `flush` puts the header right: [`Writer`] calls it at least once for each
//! second of audio, so that a recording survives the crash of its writer. Reading is our own, because `hound` knows no
//! A-law and u-law, takes a header that was never finished for an empty file or refuses it, and refuses a file that was
//! cut off; the chunks are a hundred lines, and what `hound` can read is compared with it in the tests.
//!
//! Nothing here opens a file: readers take any `Read + Seek`, writers any `Write + Seek`.

mod format;
mod reader;
mod writer;

pub use format::Encoding;
pub use reader::{Reader, read};
pub use writer::Writer;

use std::fmt;
use std::io;

use crate::frame::SampleRate;

/// Limits on a file that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest audio that [`read`] keeps in memory, in seconds; longer is an error. A [`Reader`] streams any length.
    pub seconds: u32,
    /// Most chunks before the samples.
    pub chunks: u32,
}

impl Default for Limits {
    /// An hour (58 MB at 8 kHz), 64 chunks.
    fn default() -> Self {
        Self { seconds: 3_600, chunks: 64 }
    }
}

/// Samples of a file, mono.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// Samples a second.
    pub rate: SampleRate,
    /// The samples.
    pub samples: Vec<i16>,
}

/// Why a file cannot be read or written.
#[derive(Debug)]
#[non_exhaustive]
pub enum WavError {
    /// The file itself fails: no space left, a disk that does not answer.
    Io {
        /// What was being done.
        doing: &'static str,
        /// Byte in the file.
        at: u64,
        /// What the system says.
        source: io::Error,
    },
    /// It is no WAV file, or a damaged one.
    Malformed {
        /// Byte in the file.
        at: u64,
        /// What should stand there.
        expected: &'static str,
    },
    /// It is one of a kind that is not read.
    Unsupported {
        /// What it has.
        found: String,
        /// What is read.
        expected: &'static str,
    },
    /// It is longer than allowed: by [`Limits::seconds`] when reading, by the 4 GB of the format when writing.
    TooLong {
        /// The limit.
        seconds: u32,
    },
    /// The writer failed before and writes no more; the file is readable up to then.
    Stopped {
        /// Samples that were written before.
        written: u64,
    },
}

impl fmt::Display for WavError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, at, source } => write!(f, "WAV byte {at}: {doing}: {source}"),
            Self::Malformed { at, expected } => write!(f, "WAV byte {at}: expected {expected}"),
            Self::Unsupported { found, expected } => write!(f, "WAV with {found}: expected {expected}"),
            Self::TooLong { seconds } => write!(f, "WAV is longer than the {seconds} s allowed"),
            Self::Stopped { written } => write!(f, "WAV writer failed after {written} samples: expected a new one"),
        }
    }
}

impl std::error::Error for WavError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
