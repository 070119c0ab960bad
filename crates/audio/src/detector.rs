//! Tone detection: Goertzel filters, in-band DTMF, and a meter that says which of some tones dominates.

mod dtmf;
mod goertzel;
mod tone_meter;

pub use dtmf::{DtmfDetector, DtmfEvent, DtmfLimits};
pub use goertzel::Goertzel;
pub use tone_meter::{ToneMeter, ToneMeterError, ToneWindow};

#[cfg(test)]
mod tests;
