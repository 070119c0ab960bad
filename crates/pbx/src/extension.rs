//! Extensions: numbers that are answered by the PBX itself.

use std::time::Duration;

use audio::frame::SampleRate;
use audio::level::Dbfs;
use audio::tone::{Cadence, Segment, Tone, ToneGenerator};
use media::{Key, Source};

use crate::config::Extensions;
use crate::studio::{Studio, thread_of};

/// What an extension does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    Echo,
    Tone,
    Music,
    Conference,
}

impl Feature {
    /// The extension of this number.
    pub(crate) fn of(extensions: &Extensions, number: &str) -> Option<Self> {
        let has = |numbers: &[String]| numbers.iter().any(|known| known == number);
        Some(match () {
            () if has(&extensions.echo) => Self::Echo,
            () if has(&extensions.tone) => Self::Tone,
            () if has(&extensions.music) => Self::Music,
            () if has(&extensions.conference) => Self::Conference,
            () => return None,
        })
    }
}

/// The level of what is played: loud enough to be heard, far from clipping.
const LEVEL: Dbfs = Dbfs(-12.0);
/// The frequency of the tone extension.
const PITCH: f64 = 440.0;
/// Notes of the melody: steps of the C major scale above middle C, and eighths. A tune of our own.
const MELODY: [(Option<u8>, u64); 32] = [
    (Some(0), 2),
    (Some(2), 1),
    (Some(4), 1),
    (Some(5), 2),
    (Some(4), 2),
    (Some(2), 1),
    (Some(1), 1),
    (Some(2), 3),
    (None, 1),
    (Some(4), 2),
    (Some(5), 1),
    (Some(6), 1),
    (Some(7), 2),
    (Some(5), 2),
    (Some(4), 4),
    (None, 2),
    (Some(7), 1),
    (Some(6), 1),
    (Some(5), 2),
    (Some(4), 1),
    (Some(3), 1),
    (Some(4), 2),
    (Some(2), 2),
    (None, 1),
    (Some(1), 1),
    (Some(2), 1),
    (Some(3), 2),
    (Some(1), 1),
    (Some(0), 1),
    (None, 1),
    (Some(0), 4),
    (None, 4),
];
/// Semitones of the scale.
const SCALE: [i32; 8] = [0, 2, 4, 5, 7, 9, 11, 12];
/// The length of an eighth.
const EIGHTH: Duration = Duration::from_millis(220);
/// Middle C.
const MIDDLE_C: f64 = 261.625_565;

/// The melody, over and over.
fn melody() -> Cadence {
    let note = |(step, eighths): &(Option<u8>, u64)| {
        let length = EIGHTH.saturating_mul(u32::try_from(*eighths).unwrap_or(1));
        let tone = step.and_then(|step| SCALE.get(usize::from(step))).map(|semitones| {
            let pitch = MIDDLE_C * 2_f64.powf(f64::from(*semitones) / 12.0);
            // An octave above, softer, makes it less of a test tone.
            Tone { first: pitch, first_level: LEVEL, second: Some((pitch * 2.0, Dbfs(LEVEL.0 - 9.0))) }
        });
        // A breath between notes.
        let rest = Duration::from_millis(20);
        [Segment { tone, length: Some(length.saturating_sub(rest)) }, Segment { tone: None, length: Some(rest) }]
    };
    Cadence { segments: MELODY.iter().flat_map(note).collect(), repeats: true }
}

/// Plays to a call without end.
fn source(feature: Feature, call_id: &str) -> Option<Box<dyn Source>> {
    let generator = match feature {
        Feature::Tone => ToneGenerator::single(SampleRate::NARROW, PITCH, LEVEL),
        Feature::Music => ToneGenerator::new(SampleRate::NARROW, &melody()),
        Feature::Echo | Feature::Conference => return None,
    };
    match generator {
        Ok(mut generator) => Some(Box::new(move |frame: &mut [i16]| generator.fill(frame))),
        Err(error) => {
            tracing::error!(parent: &net::call_span!(call_id), %error, "an extension stays silent");
            None
        }
    }
}

/// What an extension connects a caller to.
#[derive(Debug)]
pub(crate) enum Room {
    /// The caller hears itself.
    Echo,
    /// A player of the call's own.
    Player(Key),
    /// A seat in this conference.
    Conference(Key),
}

impl Room {
    /// Prepares what an extension connects to, on the media thread of the caller's `stream`.
    pub(crate) fn open(feature: Feature, (number, call_id): (&str, &str), stream: Key, studio: &mut Studio) -> Self {
        if let Some(key) = studio.conference(number).filter(|_| feature == Feature::Conference) {
            return Self::Conference(key);
        }
        let Some(source) = source(feature, call_id) else { return Self::Echo };
        let (key, call_id) = (studio.key(thread_of(stream)), Box::<str>::from(call_id));
        studio.run(key, move |desk| {
            if let Err(error) = desk.engine.add_player(key, source) {
                tracing::error!(parent: &net::call_span!(call_id), %error, "a player could not begin");
            }
        });
        Self::Player(key)
    }

    /// Connects the caller's stream, once there is one.
    pub(crate) fn seat(&self, stream: Key, studio: &mut Studio) {
        match *self {
            Self::Echo => studio.run(stream, move |desk| {
                desk.engine.echo(stream);
            }),
            Self::Player(player) => studio.run(stream, move |desk| {
                desk.engine.connect(player, stream);
            }),
            Self::Conference(conference) => studio.run(stream, move |desk| {
                desk.engine.join(conference, stream);
            }),
        };
    }

    /// Gives back what was held for a call. A conference is left with the stream.
    pub(crate) fn close(self, studio: &mut Studio) {
        match self {
            Self::Echo | Self::Conference(_) => {}
            Self::Player(key) => studio.remove(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_melody_can_be_played_and_moves() {
        let mut generator = ToneGenerator::new(SampleRate::NARROW, &melody()).unwrap();
        let mut second = [0_i16; 8_000];
        assert_eq!(generator.fill(&mut second), second.len());
        assert!(second.iter().any(|sample| sample.unsigned_abs() > 2_000));
        assert!(second.iter().all(|sample| sample.unsigned_abs() < 16_000));
        assert!(!generator.is_finished());
    }

    #[test]
    fn numbers_find_their_extension() {
        let extensions = Extensions::default();
        let found = ["600", "601", "602", "610", "611"].map(|number| Feature::of(&extensions, number));
        let (echo, tone, music, conference) = (Feature::Echo, Feature::Tone, Feature::Music, Feature::Conference);
        assert_eq!(found, [Some(echo), Some(tone), Some(music), Some(conference), None]);
    }
}
