//! Codecs: a frame of samples in, the payload of an RTP packet out, and back.
//!
//! Encoders and decoders are enums, not trait objects: the choice is made once a frame, the loop inside is the codec's
//! own, and nothing allocates. One file per codec; a codec of another rate (G.722, Opus) adds a variant to each of
//! [`Codec`], [`Encoder`] and [`Decoder`], with its state inside the variant.

pub mod pcma;
pub mod pcmu;

use std::fmt;

use crate::frame::{SampleRate, TICKS_PER_SECOND};

/// A codec that this crate can encode and decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// G.711 u-law, RTP payload type 0 (RFC 3551 section 4.5.14).
    Pcmu,
    /// G.711 A-law, RTP payload type 8 (RFC 3551 section 4.5.14).
    Pcma,
}

impl Codec {
    /// Every codec, in the order of preference that is used when nothing else is said.
    pub const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The encoding name of `a=rtpmap`, in the spelling of the registration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The codec with this `a=rtpmap` encoding name and clock rate; names compare without case (RFC 4855 section 3).
    pub fn named(name: &str, clock_rate: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name) && codec.clock_rate() == clock_rate)
    }

    /// The static RTP payload type (RFC 3551 section 6), if there is one.
    pub const fn static_payload_type(self) -> Option<u8> {
        match self {
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
        }
    }

    /// The rate of the RTP timestamp, in hertz. Not always the sample rate: G.722 counts 8000 for 16 000 samples.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// The rate of the samples that go in and come out.
    pub const fn sample_rate(self) -> SampleRate {
        match self {
            Self::Pcmu | Self::Pcma => SampleRate::NARROW,
        }
    }

    /// How far the RTP timestamp moves in a tick.
    pub const fn timestamp_step(self) -> u32 {
        self.clock_rate() / TICKS_PER_SECOND
    }

    /// A new encoder.
    pub const fn encoder(self) -> Encoder {
        match self {
            Self::Pcmu => Encoder::Pcmu,
            Self::Pcma => Encoder::Pcma,
        }
    }

    /// A new decoder.
    pub const fn decoder(self) -> Decoder {
        match self {
            Self::Pcmu => Decoder::Pcmu,
            Self::Pcma => Decoder::Pcma,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name(), self.clock_rate())
    }
}

/// Why a frame could not be encoded or a payload not decoded. The state of the codec is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecError {
    /// The output slice cannot hold the result.
    NoRoom {
        /// Which codec.
        codec: Codec,
        /// What is needed: bytes when encoding, samples when decoding.
        needed: usize,
        /// What the caller gave.
        given: usize,
    },
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoom { codec, needed, given } => {
                write!(f, "{codec}: the output holds {given}, expected room for {needed}")
            }
        }
    }
}

impl std::error::Error for CodecError {}

/// Turns frames into payloads. Get one from [`Codec::encoder`]; one per stream, since codecs may keep state.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Encoder {
    /// G.711 u-law; stateless.
    Pcmu,
    /// G.711 A-law; stateless.
    Pcma,
}

impl Encoder {
    /// The codec of this encoder.
    pub const fn codec(&self) -> Codec {
        match self {
            Self::Pcmu => Codec::Pcmu,
            Self::Pcma => Codec::Pcma,
        }
    }

    /// Encodes `frame` (mono, at [`Codec::sample_rate`]; any length for G.711) into `out` and returns the bytes written.
    ///
    /// # Errors
    /// [`CodecError::NoRoom`] when `out` is too short; G.711 needs a byte per sample.
    #[inline]
    pub fn encode(&mut self, frame: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        let (codec, given) = (self.codec(), out.len());
        let Some(out) = out.get_mut(..frame.len()) else {
            return Err(CodecError::NoRoom { codec, needed: frame.len(), given });
        };
        match self {
            Self::Pcmu => pcmu::encode(frame, out),
            Self::Pcma => pcma::encode(frame, out),
        }
        Ok(frame.len())
    }
}

/// Turns payloads into frames. Get one from [`Codec::decoder`]; one per stream, since codecs may keep state.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Decoder {
    /// G.711 u-law; stateless.
    Pcmu,
    /// G.711 A-law; stateless.
    Pcma,
}

impl Decoder {
    /// The codec of this decoder.
    pub const fn codec(&self) -> Codec {
        match self {
            Self::Pcmu => Codec::Pcmu,
            Self::Pcma => Codec::Pcma,
        }
    }

    /// Samples that `payload` decodes to.
    pub fn samples(&self, payload: &[u8]) -> usize {
        match self {
            Self::Pcmu | Self::Pcma => payload.len(),
        }
    }

    /// Decodes `payload`, any bytes, into `out` and returns the samples written (mono, at [`Codec::sample_rate`]).
    ///
    /// # Errors
    /// [`CodecError::NoRoom`] when `out` is shorter than [`samples`](Self::samples).
    #[inline]
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let (codec, given) = (self.codec(), out.len());
        let Some(out) = out.get_mut(..payload.len()) else {
            return Err(CodecError::NoRoom { codec, needed: payload.len(), given });
        };
        match self {
            Self::Pcmu => pcmu::decode(payload, out),
            Self::Pcma => pcma::decode(payload, out),
        }
        Ok(payload.len())
    }
}

#[cfg(test)]
mod tests;
