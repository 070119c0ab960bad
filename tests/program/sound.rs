//! Listening to recordings.

use std::fs::File;
use std::path::Path;

use audio::detector::ToneMeter;
use audio::wav::{self, Limits};

/// How long a tone stood 20 dB above everything else without a break, in seconds.
pub(crate) fn seconds_of(path: &Path, hertz: f64) -> f64 {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let audio = wav::read(file, &Limits::default()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut meter = ToneMeter::new(audio.rate, &[hertz]).unwrap();
    meter.push(&audio.samples, |_| {});
    meter.longest(0).as_secs_f64()
}
