//! Reading.

use std::io::{self, Read, Seek, SeekFrom};

use super::format::Format;
use super::{Audio, Encoding, Limits, WavError};
use crate::frame::SampleRate;

/// Bytes that are converted at a time: a multiple of every block size from 1 to 64 is near.
const PIECE: usize = 8_192;

/// The samples of a file, mono, piece by piece. Memory does not depend on the file.
#[derive(Debug)]
pub struct Reader<R> {
    file: R,
    format: Format,
    /// First byte of the samples.
    start: u64,
    /// Moments (samples of the mono result) in the file and before the next read.
    total: u64,
    position: u64,
    piece: Vec<u8>,
}

/// Reads a whole file.
///
/// # Errors
/// [`WavError`]; nothing a file holds makes this panic or take more memory than [`Limits::seconds`] of samples.
pub fn read(file: impl Read + Seek, limits: &Limits) -> Result<Audio, WavError> {
    let mut reader = Reader::new(file, limits)?;
    let most = u64::from(limits.seconds) * u64::from(reader.rate().hz());
    if reader.len() > most {
        return Err(WavError::TooLong { seconds: limits.seconds });
    }
    let mut samples = vec![0; usize::try_from(reader.len()).unwrap_or(0)];
    let mut filled = 0;
    while let Some(rest) = samples.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest)? {
            0 => break,
            count => filled += count,
        }
    }
    samples.truncate(filled);
    Ok(Audio { rate: reader.rate(), samples })
}

impl<R: Read + Seek> Reader<R> {
    /// Finds format and samples. `file` is read from its start, wherever it stands.
    ///
    /// A data chunk whose size is 0xFFFFFFFF or reaches beyond the file goes to the end of the file; so does one of
    /// size 0 when the file goes on and the RIFF size does not account for that, as writers leave it when they die.
    ///
    /// # Errors
    /// [`WavError`]. RF64, RIFX and compressed formats are refused by name.
    pub fn new(mut file: R, limits: &Limits) -> Result<Self, WavError> {
        let end = seek(&mut file, SeekFrom::End(0))?;
        seek(&mut file, SeekFrom::Start(0))?;
        let riff_end = riff_header(&mut file)?;
        let mut at = 12;
        let mut format = None;
        for _ in 0..limits.chunks {
            let [n0, n1, n2, n3, s0, s1, s2, s3] = take::<8>(&mut file, at, "fmt or data chunk")?;
            let size = u32::from_le_bytes([s0, s1, s2, s3]);
            at += 8;
            match &[n0, n1, n2, n3] {
                b"fmt " => format = Some(format_chunk(&mut file, at, size)?),
                b"data" => {
                    let format = format.ok_or(WavError::Malformed { at: at - 8, expected: "fmt chunk before data" })?;
                    let bytes = data_length(size, at, end, riff_end);
                    let total = bytes / format.block() as u64;
                    let piece = vec![0; PIECE / format.block() * format.block()];
                    return Ok(Self { file, format, start: at, total, position: 0, piece });
                }
                _ => {}
            }
            // Chunks of odd size are padded.
            at += u64::from(size) + u64::from(size & 1);
            seek(&mut file, SeekFrom::Start(at))?;
        }
        Err(WavError::Malformed { at, expected: "data chunk among the first chunks" })
    }

    /// Samples a second.
    pub const fn rate(&self) -> SampleRate {
        self.format.rate
    }

    /// How the file holds its samples.
    pub const fn encoding(&self) -> Encoding {
        self.format.encoding
    }

    /// Channels in the file, 1 to 8; what is read is their mean.
    pub const fn channels(&self) -> u16 {
        self.format.channels
    }

    /// Samples in the file.
    pub const fn len(&self) -> u64 {
        self.total
    }

    /// Whether the file holds no samples.
    pub const fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Samples before the next read.
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Goes to a sample, at most to the end.
    ///
    /// # Errors
    /// [`WavError::Io`].
    pub fn seek(&mut self, position: u64) -> Result<(), WavError> {
        let position = position.min(self.total);
        let byte = self.start.saturating_add(position.saturating_mul(self.format.block() as u64));
        seek(&mut self.file, SeekFrom::Start(byte))?;
        self.position = position;
        Ok(())
    }

    /// Fills `out` from its start and returns how many samples were read: fewer than asked only at the end.
    ///
    /// # Errors
    /// [`WavError::Io`]. A file that has become shorter just ends.
    pub fn read(&mut self, out: &mut [i16]) -> Result<usize, WavError> {
        let block = self.format.block();
        let mut filled = 0;
        while let Some(rest) = out.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let left = usize::try_from(self.total - self.position).unwrap_or(usize::MAX);
            let count = rest.len().min(left).min(self.piece.len() / block);
            let Some(piece) = self.piece.get_mut(..count * block) else { break };
            let at = self.start.saturating_add(self.position.saturating_mul(block as u64));
            let whole = read_full(&mut self.file, piece, at)? / block;
            self.format.mono(piece.get(..whole * block).unwrap_or_default(), rest);
            self.position += whole as u64;
            filled += whole;
            if whole < count || count == 0 {
                self.total = self.position;
                break;
            }
        }
        Ok(filled)
    }
}

/// Checks the first twelve bytes and returns where the file ends by its own account.
fn riff_header(file: &mut impl Read) -> Result<u64, WavError> {
    let [n0, n1, n2, n3, s0, s1, s2, s3, kind @ ..] = take::<12>(file, 0, "RIFF header of 12 bytes")?;
    match &[n0, n1, n2, n3] {
        b"RIFF" => {}
        b"RF64" | b"BW64" => {
            return Err(WavError::Unsupported { found: "RF64 header".into(), expected: "RIFF below 4 GB" });
        }
        b"RIFX" => {
            return Err(WavError::Unsupported { found: "RIFX header".into(), expected: "RIFF, little endian" });
        }
        _ => return Err(WavError::Malformed { at: 0, expected: "RIFF" }),
    }
    if &kind != b"WAVE" {
        return Err(WavError::Malformed { at: 8, expected: "WAVE" });
    }
    Ok(8 + u64::from(u32::from_le_bytes([s0, s1, s2, s3])))
}

fn format_chunk(file: &mut impl Read, at: u64, size: u32) -> Result<Format, WavError> {
    let mut body = [0; 40];
    let known = body.len().min(size as usize);
    let part = body.get_mut(..known).unwrap_or_default();
    if read_full(file, part, at)? < part.len() {
        return Err(WavError::Malformed { at, expected: "whole fmt chunk" });
    }
    Format::parse(part, at)
}

fn data_length(size: u32, start: u64, end: u64, riff_end: u64) -> u64 {
    let there = end.saturating_sub(start);
    let unfinished = size == u32::MAX || (size == 0 && riff_end <= start);
    if unfinished { there } else { u64::from(size).min(there) }
}

fn take<const N: usize>(file: &mut impl Read, at: u64, expected: &'static str) -> Result<[u8; N], WavError> {
    let mut bytes = [0; N];
    if read_full(file, &mut bytes, at)? < N { Err(WavError::Malformed { at, expected }) } else { Ok(bytes) }
}

/// Reads until `bytes` is full or the file ends.
fn read_full(file: &mut impl Read, bytes: &mut [u8], at: u64) -> Result<usize, WavError> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(WavError::Io { doing: "reading", at: at + filled as u64, source }),
        }
    }
    Ok(filled)
}

fn seek(file: &mut impl Seek, to: SeekFrom) -> Result<u64, WavError> {
    let at = if let SeekFrom::Start(at) = to { at } else { 0 };
    file.seek(to).map_err(|source| WavError::Io { doing: "seeking", at, source })
}
