//! Tone detection: Goertzel filters and a meter that says which of some tones dominates.

mod goertzel;
mod tone_meter;

pub use goertzel::Goertzel;
pub use tone_meter::{ToneMeter, ToneMeterError, ToneWindow};

#[cfg(test)]
mod tests;
