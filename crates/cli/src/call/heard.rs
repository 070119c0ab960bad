//! What is heard in a call, measured as it comes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audio::detector::ToneMeter;
use audio::frame::SampleRate;
use audio::level::{Dbfs, LevelMeter, rms};

const RATE: SampleRate = SampleRate::NARROW;
/// From here on it is no silence.
const AUDIBLE: Dbfs = Dbfs(-50.0);
/// So much of it is audio.
const ENOUGH: Duration = Duration::from_millis(300);
/// So long must a tone stand without a break.
const TONE: Duration = Duration::from_secs(1);

/// Meters that the media thread feeds and the terminal reads. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Heard(Arc<Mutex<Meters>>);

struct Meters {
    level: LevelMeter,
    audible: u64,
    tones: Option<ToneMeter>,
}

impl Heard {
    /// Measures the level, and the tones in `frequencies` where there are any.
    ///
    /// # Errors
    /// What is wrong with a frequency, for a person.
    pub(crate) fn new(frequencies: &[f64]) -> Result<Self, String> {
        let tones = match frequencies {
            [] => None,
            some => Some(ToneMeter::new(RATE, some).map_err(|error| error.to_string())?),
        };
        Ok(Self(Arc::new(Mutex::new(Meters { level: LevelMeter::new(), audible: 0, tones }))))
    }

    /// Takes a frame: called by the media thread.
    pub(crate) fn push(&self, frame: &[i16]) {
        let mut meters = self.meters();
        meters.level.push(frame);
        if rms(frame).0 > AUDIBLE.0 {
            meters.audible += frame.len() as u64;
        }
        if let Some(tones) = &mut meters.tones {
            tones.push(frame, |_| {});
        }
    }

    /// The level since the last reading.
    pub(crate) fn level(&self) -> Dbfs {
        self.meters().level.take().rms
    }

    /// How long something other than silence was heard, in all.
    pub(crate) fn audible(&self) -> Duration {
        RATE.duration(self.meters().audible)
    }

    /// How long the tone at `place` of the list stood 20 dB over everything else, without a break.
    pub(crate) fn tone(&self, place: usize) -> Duration {
        self.meters().tones.as_ref().map(|tones| tones.longest(place)).unwrap_or_default()
    }

    /// Whether that was audio.
    pub(crate) fn has_audio(&self) -> bool {
        self.audible() >= ENOUGH
    }

    /// Whether the first tone was heard.
    pub(crate) fn has_tone(&self) -> bool {
        self.tone(0) >= TONE
    }

    fn meters(&self) -> MutexGuard<'_, Meters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use audio::tone::ToneGenerator;

    #[test]
    fn tone_counts_where_it_sounds_and_silence_counts_nowhere() {
        let heard = Heard::new(&[440.0, 1_000.0]).unwrap();
        let mut tone = ToneGenerator::single(RATE, 440.0, Dbfs(-10.0)).unwrap();
        let mut frame = [0; 160];
        heard.push(&frame);
        assert!(!heard.has_audio() && heard.audible() == Duration::ZERO);
        for _ in 0..60 {
            tone.fill(&mut frame);
            heard.push(&frame);
        }
        assert_eq!(heard.audible(), Duration::from_millis(1_200));
        assert!(heard.has_audio() && heard.has_tone());
        assert_eq!(heard.tone(1), Duration::ZERO);
        assert!(heard.level().0 > -12.0);
        assert_eq!(heard.level().0, Dbfs::SILENCE.0);
    }

    #[test]
    fn frequency_out_of_range_is_told() {
        assert!(Heard::new(&[5_000.0]).err().unwrap_or_default().contains("5000 Hz"));
    }
}
