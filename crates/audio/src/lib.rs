//! Telephone audio without devices and files: samples in, samples out.
//!
//! Codecs, the conference bridge, tones and their detection, levels, and what hides lost packets. Mono `i16` throughout; whatever mixes or
//! sends works in frames of one tick of 20 ms ([`frame`]). Nothing here does I/O or reads a clock, and nothing that runs per tick allocates.
//!
//! Begin with [`codec::Codec`] for packets, [`bridge::Bridge`] for mixing, [`tone::ToneGenerator`] and [`detector::ToneMeter`] for tests:
//!
//! ```
//! use audio::{detector::ToneMeter, frame::SampleRate, level::Dbfs, tone::ToneGenerator};
//! let mut second = [0_i16; 8_000];
//! ToneGenerator::single(SampleRate::NARROW, 440.0, Dbfs(-10.0))?.fill(&mut second);
//! let mut meter = ToneMeter::new(SampleRate::NARROW, &[440.0, 1_000.0])?;
//! meter.push(&second, |window| assert_eq!(window.strongest, Some(0)));
//! assert_eq!(meter.windows(), 10);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bridge;
pub mod codec;
pub mod concealment;
pub mod detector;
pub mod dtmf;
pub mod frame;
pub mod level;
pub mod player;
pub mod recorder;
pub mod resample;
pub mod ring;
pub mod tone;
pub mod wav;
