//! The `fmt ` chunk, and what it makes of bytes.

use super::WavError;
use crate::codec::{pcma, pcmu};
use crate::frame::SampleRate;

/// Most channels that are mixed to one.
const MAX_CHANNELS: u16 = 8;

/// What follows the two bytes of the format tag in the sub-format of WAVE_FORMAT_EXTENSIBLE.
const SUB_FORMAT: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

/// How a file holds its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// Unsigned for 8 bits, signed for more; samples sit in the upper bits of 1 to 4 bytes.
    Pcm {
        /// 1 to 32.
        bits: u16,
    },
    /// IEEE 754, full scale ±1.
    Float {
        /// 32 or 64.
        bits: u16,
    },
    /// G.711 A-law.
    Alaw,
    /// G.711 u-law.
    Ulaw,
}

impl Encoding {
    fn new(tag: u16, bits: u16) -> Option<Self> {
        match (tag, bits) {
            (1, 1..=32) => Some(Self::Pcm { bits }),
            (3, 32 | 64) => Some(Self::Float { bits }),
            (6, 8) => Some(Self::Alaw),
            (7, 8) => Some(Self::Ulaw),
            _ => None,
        }
    }

    /// Bytes of a sample of one channel.
    pub(super) fn bytes(self) -> u16 {
        match self {
            Self::Pcm { bits } | Self::Float { bits } => bits.div_ceil(8),
            Self::Alaw | Self::Ulaw => 1,
        }
    }
}

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) encoding: Encoding,
    pub(super) channels: u16,
    pub(super) rate: SampleRate,
}

impl Format {
    /// Reads the body of a `fmt ` chunk that starts at byte `at` of the file; bytes beyond the 40th do not matter.
    pub(super) fn parse(body: &[u8], at: u64) -> Result<Self, WavError> {
        let short = WavError::Malformed { at, expected: "fmt chunk of at least 16 bytes" };
        let &[t0, t1, c0, c1, r0, r1, r2, r3, _, _, _, _, a0, a1, b0, b1, ref more @ ..] = body else {
            return Err(short);
        };
        let mut tag = u16::from_le_bytes([t0, t1]);
        if tag == 0xFFFE {
            // Extension size, valid bits, channel mask; then the sub-format, whose first two bytes are the real tag.
            let &[_, _, _, _, _, _, _, _, s0, s1, ref rest @ ..] = more else {
                return Err(WavError::Malformed { at, expected: "extensible fmt chunk of at least 40 bytes" });
            };
            if !rest.starts_with(&SUB_FORMAT) {
                return Err(WavError::Malformed { at: at + 26, expected: "sub-format made of a format tag" });
            }
            tag = u16::from_le_bytes([s0, s1]);
        }
        let channels = u16::from_le_bytes([c0, c1]);
        let (hz, align) = (u32::from_le_bytes([r0, r1, r2, r3]), u16::from_le_bytes([a0, a1]));
        let bits = u16::from_le_bytes([b0, b1]);
        let Some(encoding) = Encoding::new(tag, bits) else {
            let found = format!("format {tag} of {bits} bit");
            return Err(WavError::Unsupported { found, expected: "PCM up to 32 bit, float, A-law or u-law" });
        };
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(WavError::Unsupported { found: format!("{channels} channels"), expected: "1 to 8" });
        }
        let Some(rate) = SampleRate::new(hz) else {
            return Err(WavError::Unsupported { found: format!("{hz} samples a second"), expected: "1000 to 384000" });
        };
        if align != channels * encoding.bytes() {
            return Err(WavError::Malformed { at: at + 12, expected: "block of all channels without gaps" });
        }
        Ok(Self { encoding, channels, rate })
    }

    /// Bytes of one moment of all channels: 1 to 64.
    pub(super) fn block(&self) -> usize {
        usize::from(self.channels) * usize::from(self.encoding.bytes())
    }

    /// Turns whole blocks into mono samples: the mean of the channels, rounded. Stops at the shorter of the two.
    pub(super) fn mono(&self, bytes: &[u8], out: &mut [i16]) {
        match (self.encoding, self.channels) {
            (Encoding::Alaw, 1) => pcma::decode(bytes, out),
            (Encoding::Ulaw, 1) => pcmu::decode(bytes, out),
            (Encoding::Alaw, _) => self.mix(bytes, out, |sample| law(sample, pcma::decode_sample)),
            (Encoding::Ulaw, _) => self.mix(bytes, out, |sample| law(sample, pcmu::decode_sample)),
            (Encoding::Float { .. }, _) => self.mix(bytes, out, float),
            (Encoding::Pcm { bits: 1..=8 }, _) => self.mix(bytes, out, unsigned),
            (Encoding::Pcm { .. }, _) => self.mix(bytes, out, signed),
        }
    }

    /// `value` gives a sample of one channel as the upper bits of 32.
    fn mix(&self, bytes: &[u8], out: &mut [i16], value: impl Fn(&[u8]) -> i32) {
        let width = usize::from(self.encoding.bytes());
        for (sample, block) in out.iter_mut().zip(bytes.chunks_exact(self.block())) {
            let sum: i64 = block.chunks_exact(width).map(|one| i64::from(value(one))).sum();
            let mean = sum / i64::from(self.channels);
            *sample = ((mean + 0x8000) >> 16).clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16;
        }
    }
}

fn law(bytes: &[u8], decode: fn(u8) -> i16) -> i32 {
    bytes.first().map_or(0, |code| i32::from(decode(*code)) << 16)
}

fn unsigned(bytes: &[u8]) -> i32 {
    bytes.first().map_or(0, |byte| (i32::from(*byte) - 128) << 24)
}

fn signed(bytes: &[u8]) -> i32 {
    match *bytes {
        [a, b] => i32::from_le_bytes([0, 0, a, b]),
        [a, b, c] => i32::from_le_bytes([0, a, b, c]),
        [a, b, c, d] => i32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

/// `as` saturates beyond ±1 and makes 0 of what is not a number.
fn float(bytes: &[u8]) -> i32 {
    let full = 2_147_483_648.0;
    match *bytes {
        [a, b, c, d] => (f64::from(f32::from_le_bytes([a, b, c, d])) * full) as i32,
        [a, b, c, d, e, f, g, h] => (f64::from_le_bytes([a, b, c, d, e, f, g, h]) * full) as i32,
        _ => 0,
    }
}
