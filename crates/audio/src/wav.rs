//! WAV files: whatever phones and editors write in, 16-bit PCM out (RIFF, Microsoft's multimedia data standards).
//!
//! Reading is our own and small, because recordings that were cut off must be read: a data chunk whose size is 0, 0xFFFFFFFF or larger than
//! the file is taken to the end of the file. PCM of 8, 16, 24 and 32 bit, A-law and u-law, also as WAVE_FORMAT_EXTENSIBLE; several channels
//! are mixed to one. Writing is the crate `hound`'s, whose `flush` puts the header right: [`Writer`] does so at least each second of
//! audio, so that a recording survives a crash of its writer.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Read, Seek, Write};

use crate::codec::{pcma, pcmu};
use crate::frame::SampleRate;

const PCM: u16 = 1;
const ALAW: u16 = 6;
const ULAW: u16 = 7;
const EXTENSIBLE: u16 = 0xfffe;

/// Limits on a file that is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest audio, in seconds; the rest is an error.
    pub seconds: u32,
    /// Most chunks before the data.
    pub chunks: u32,
}

impl Default for Limits {
    /// An hour, 64 chunks.
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
    /// The file itself fails.
    Io(io::Error),
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
    /// It is longer than allowed.
    TooLong {
        /// The limit.
        seconds: u32,
    },
}

impl fmt::Display for WavError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Malformed { at, expected } => write!(f, "WAV byte {at}: expected {expected}"),
            Self::Unsupported { found, expected } => write!(f, "WAV with {found}: expected {expected}"),
            Self::TooLong { seconds } => write!(f, "WAV is longer than the {seconds} s allowed"),
        }
    }
}

impl std::error::Error for WavError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for WavError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

#[derive(Clone, Copy)]
struct Format {
    tag: u16,
    channels: u16,
    rate: SampleRate,
    bytes: u16,
}

/// Reads a whole file.
///
/// # Errors
/// [`WavError`]; nothing a file holds makes this panic or take more memory than [`Limits::seconds`] of samples.
pub fn read(mut file: impl Read, limits: &Limits) -> Result<Audio, WavError> {
    let mut at = 0_u64;
    let riff: [u8; 12] = take(&mut file, &mut at, "RIFF header")?;
    if riff.starts_with(b"RF64") {
        return Err(WavError::Unsupported { found: "RF64 header".into(), expected: "RIFF below 4 GB" });
    }
    if !riff.starts_with(b"RIFF") {
        return Err(WavError::Malformed { at: 0, expected: "RIFF" });
    }
    if !riff.ends_with(b"WAVE") {
        return Err(WavError::Malformed { at: 8, expected: "WAVE" });
    }
    let mut format = None;
    for _ in 0..limits.chunks {
        let head: [u8; 8] = take(&mut file, &mut at, "fmt or data chunk")?;
        let [a, b, c, d, s0, s1, s2, s3] = head;
        let size = u32::from_le_bytes([s0, s1, s2, s3]);
        match &[a, b, c, d] {
            b"fmt " => format = Some(read_format(&mut file, &mut at, size)?),
            b"data" => {
                let format = format.ok_or(WavError::Malformed { at, expected: "fmt chunk before data" })?;
                return read_data(file, size, format, limits);
            }
            _ => skip(&mut file, &mut at, u64::from(size) + u64::from(size & 1))?,
        }
    }
    Err(WavError::Malformed { at, expected: "data chunk among the first chunks" })
}

fn take<const N: usize>(file: &mut impl Read, at: &mut u64, expected: &'static str) -> Result<[u8; N], WavError> {
    let mut bytes = [0; N];
    match file.read_exact(&mut bytes) {
        Ok(()) => {
            *at += N as u64;
            Ok(bytes)
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(WavError::Malformed { at: *at, expected }),
        Err(error) => Err(error.into()),
    }
}

fn skip(file: &mut impl Read, at: &mut u64, length: u64) -> Result<(), WavError> {
    let skipped = io::copy(&mut file.take(length), &mut io::sink())?;
    *at += skipped;
    Ok(())
}

fn read_format(file: &mut impl Read, at: &mut u64, size: u32) -> Result<Format, WavError> {
    if size < 16 {
        return Err(WavError::Malformed { at: *at, expected: "fmt chunk of at least 16 bytes" });
    }
    let fixed: [u8; 16] = take(file, at, "fmt chunk")?;
    let [t0, t1, c0, c1, r0, r1, r2, r3, _, _, _, _, _, _, b0, b1] = fixed;
    let mut tag = u16::from_le_bytes([t0, t1]);
    let mut left = u64::from(size) - 16 + u64::from(size & 1);
    if tag == EXTENSIBLE && size >= 40 {
        // Extension size, valid bits, channel mask, then the sub-format whose first two bytes are the real tag.
        let extension: [u8; 10] = take(file, at, "extensible fmt chunk")?;
        let [.., low, high] = extension;
        tag = u16::from_le_bytes([low, high]);
        left -= 10;
    }
    skip(file, at, left)?;
    let channels = u16::from_le_bytes([c0, c1]);
    let hz = u32::from_le_bytes([r0, r1, r2, r3]);
    let bits = u16::from_le_bytes([b0, b1]);
    let supported = match tag {
        PCM => matches!(bits, 8 | 16 | 24 | 32),
        ALAW | ULAW => bits == 8,
        _ => false,
    };
    if !supported {
        let found = format!("format {tag} of {bits} bit");
        return Err(WavError::Unsupported { found, expected: "PCM of 8, 16, 24 or 32 bit, A-law or u-law" });
    }
    if !(1..=8).contains(&channels) {
        return Err(WavError::Unsupported { found: format!("{channels} channels"), expected: "1 to 8" });
    }
    let Some(rate) = SampleRate::new(hz) else {
        return Err(WavError::Unsupported { found: format!("{hz} samples a second"), expected: "1000 to 384000" });
    };
    Ok(Format { tag, channels, rate, bytes: bits / 8 })
}

fn read_data(file: impl Read, size: u32, format: Format, limits: &Limits) -> Result<Audio, WavError> {
    let frame = usize::from(format.bytes) * usize::from(format.channels);
    let most = u64::from(limits.seconds) * u64::from(format.rate.hz()) * frame as u64;
    // An unfinished header says nothing of the length.
    let length = if size == 0 || size == u32::MAX { u64::MAX } else { u64::from(size) };
    let mut bytes = Vec::new();
    file.take(length.min(most.saturating_add(1))).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(WavError::TooLong { seconds: limits.seconds });
    }
    let samples = bytes.chunks_exact(frame).map(|frame| mono(frame, format)).collect();
    Ok(Audio { rate: format.rate, samples })
}

/// One moment of all channels as one sample.
fn mono(frame: &[u8], format: Format) -> i16 {
    let sum: i32 =
        frame.chunks_exact(usize::from(format.bytes)).map(|bytes| i32::from(sample(bytes, format.tag))).sum();
    let mean = sum / i32::from(format.channels);
    mean.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

fn sample(bytes: &[u8], tag: u16) -> i16 {
    let law = |decode: fn(&[u8], &mut [i16])| {
        let mut one = [0];
        decode(bytes, &mut one);
        one[0]
    };
    match (tag, bytes) {
        (ALAW, _) => law(pcma::decode),
        (ULAW, _) => law(pcmu::decode),
        // Eight bits are unsigned; more are signed, and the two highest bytes are what we keep.
        (_, [only]) => (i16::from(*only) - 128) << 8,
        (_, [.., low, high]) => i16::from_le_bytes([*low, *high]),
        _ => 0,
    }
}

/// Writes 16-bit mono PCM. The header on disk is never more than a second of audio behind.
pub struct Writer<W: Write + Seek> {
    inner: hound::WavWriter<W>,
    rate: SampleRate,
    since_flush: u32,
    written: u64,
}

impl<W: Write + Seek> Writer<W> {
    /// Begins a file: the header is written at once.
    ///
    /// # Errors
    /// [`WavError::Io`].
    pub fn new(file: W, rate: SampleRate) -> Result<Self, WavError> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate.hz(),
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut inner = hound::WavWriter::new(file, spec).map_err(failed)?;
        inner.flush().map_err(failed)?;
        Ok(Self { inner, rate, since_flush: 0, written: 0 })
    }

    /// Appends samples.
    ///
    /// # Errors
    /// [`WavError::Io`], for example when the disk is full; [`WavError::TooLong`] when the file would pass 4 GB.
    pub fn write(&mut self, samples: &[i16]) -> Result<(), WavError> {
        let after = self.written.saturating_add(samples.len() as u64);
        if after > u64::from(u32::MAX - 64) / 2 {
            return Err(WavError::TooLong { seconds: u32::MAX / 2 / self.rate.hz() });
        }
        for sample in samples {
            self.inner.write_sample(*sample).map_err(failed)?;
        }
        self.written = after;
        self.since_flush = self.since_flush.saturating_add(u32::try_from(samples.len()).unwrap_or(u32::MAX));
        if self.since_flush >= self.rate.hz() {
            self.flush()?;
        }
        Ok(())
    }

    /// Puts the header right and hands everything to the system.
    ///
    /// # Errors
    /// [`WavError::Io`].
    pub fn flush(&mut self) -> Result<(), WavError> {
        self.since_flush = 0;
        self.inner.flush().map_err(failed)
    }

    /// Samples written so far.
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`WavError::Io`]. Dropping a writer ends the file too, but tells nothing.
    pub fn finish(self) -> Result<(), WavError> {
        self.inner.finalize().map_err(failed)
    }
}

fn failed(error: hound::Error) -> WavError {
    match error {
        hound::Error::IoError(error) => WavError::Io(error),
        other => WavError::Io(io::Error::other(other.to_string())),
    }
}
