use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::codec::Codec;
use crate::frame::SampleRate;
use crate::level::Dbfs;
use crate::tone::{Cadence, Tone, ToneGenerator};

const MS: Duration = Duration::from_millis(1);

/// A stretch of a tone.
fn tone(rate: SampleRate, tone: Tone, length: Duration) -> Vec<i16> {
    play(rate, &Cadence::endless(tone), length)
}

fn play(rate: SampleRate, cadence: &Cadence, length: Duration) -> Vec<i16> {
    let mut out = vec![0; rate.samples(length) as usize];
    ToneGenerator::new(rate, cadence).unwrap().fill(&mut out);
    out
}

/// White noise with a fixed seed, uniform in ±`peak`.
fn noise(samples: usize, peak: i32) -> Vec<i16> {
    let mut state = 0x2545_F491u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (i64::from(state) * i64::from(2 * peak + 1) / (1 << 32)) as i32 - peak
    };
    std::iter::repeat_with(next).take(samples).map(|s| s as i16).collect()
}

fn through_g711(samples: &[i16], codec: Codec) -> Vec<i16> {
    let (mut bytes, mut out) = (vec![0; samples.len()], vec![0; samples.len()]);
    codec.encoder().encode(samples, &mut bytes).unwrap();
    codec.decoder().decode(&bytes, &mut out).unwrap();
    out
}

mod tone_meter {
    use super::*;

    fn windows(meter: &mut ToneMeter, samples: &[i16]) -> Vec<ToneWindow> {
        let mut windows = Vec::new();
        samples.chunks(160).for_each(|frame| meter.push(frame, |window| windows.push(*window)));
        windows
    }

    #[test]
    fn the_tone_that_is_there_dominates_through_g711() {
        for codec in Codec::ALL {
            let samples = through_g711(&tone(SampleRate::NARROW, Tone::single(440.0, Dbfs(-10.0)), 3_000 * MS), codec);
            let mut meter = ToneMeter::new(SampleRate::NARROW, &[440.0, 880.0, 1_000.0]).unwrap();
            for window in windows(&mut meter, &samples) {
                assert_eq!(window.strongest, Some(0));
                assert!(window.ratio_db > 33.0, "{codec}: {window:?}");
                assert!((window.level.0 + 10.0).abs() < 0.2);
                assert!((window.tone(0).0 + 10.0).abs() < 0.2);
                assert!(
                    window.tone(1).0 < -50.0 && window.tone(7) == Dbfs::SILENCE && window.tone(99) == Dbfs::SILENCE
                );
            }
            assert_eq!(meter.windows(), 30);
            assert_eq!((meter.longest(0), meter.longest(1)), (3_000 * MS, Duration::ZERO));
        }
    }

    #[test]
    fn another_tone_noise_or_silence_does_not_pass() {
        let mut meter = ToneMeter::new(SampleRate::NARROW, &[440.0]).unwrap();
        windows(&mut meter, &tone(SampleRate::NARROW, Tone::single(460.0, Dbfs(-10.0)), 1_000 * MS));
        windows(&mut meter, &noise(8_000, 10_000));
        for window in windows(&mut meter, &[0; 8_000]) {
            assert_eq!((window.strongest, window.level), (None, Dbfs::SILENCE));
        }
        let both = Tone::dual(440.0, 1_000.0, Dbfs(-10.0));
        windows(&mut meter, &tone(SampleRate::NARROW, both, 1_000 * MS));
        assert_eq!(meter.longest(0), Duration::ZERO);
    }

    #[test]
    fn the_ratio_is_that_of_the_mix() {
        for apart in [10.0, 19.0, 21.0, 40.0] {
            let mix = Tone { first: 440.0, first_level: Dbfs(-6.0), second: Some((1_234.5, Dbfs(-6.0 - apart))) };
            let mut meter = ToneMeter::new(SampleRate::NARROW, &[440.0, 1_234.5]).unwrap();
            for window in windows(&mut meter, &tone(SampleRate::NARROW, mix, 1_000 * MS)) {
                assert!((window.ratio_db - apart).abs() < 0.3, "{apart}: {window:?}");
                assert!((window.tone(1).0 - (-6.0 - apart)).abs() < 0.1, "{apart}: {window:?}");
            }
            let dominates = apart > 20.0;
            assert_eq!(meter.longest(0) == 1_000 * MS, dominates, "{apart}");
        }
    }

    #[test]
    fn a_break_ends_the_run() {
        let mut samples = tone(SampleRate::NARROW, Tone::single(440.0, Dbfs(-10.0)), 2_000 * MS);
        samples[12_000..12_160].fill(0);
        let mut meter = ToneMeter::new(SampleRate::NARROW, &[440.0]).unwrap();
        windows(&mut meter, &samples);
        assert_eq!(meter.longest(0), 1_500 * MS);
        let mut lenient = ToneMeter::new(SampleRate::NARROW, &[440.0]).unwrap().dominating_by(3.0);
        windows(&mut lenient, &samples);
        assert_eq!(lenient.longest(0), 2_000 * MS);
    }

    #[test]
    fn the_floor_is_what_was_set() {
        let faint = tone(SampleRate::NARROW, Tone::single(440.0, Dbfs(-65.0)), 1_000 * MS);
        let mut meter = ToneMeter::new(SampleRate::NARROW, &[440.0]).unwrap();
        windows(&mut meter, &faint);
        assert_eq!(meter.longest(0), Duration::ZERO);
        let mut meter = ToneMeter::new(SampleRate::NARROW, &[440.0]).unwrap().silent_below(Dbfs(-70.0));
        windows(&mut meter, &faint);
        assert_eq!(meter.longest(0), 1_000 * MS);
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let rate = SampleRate::NARROW;
        assert_eq!(ToneMeter::new(rate, &[]).unwrap_err(), ToneMeterError::Count { given: 0 });
        let many: Vec<f64> = (1..=9).map(|n| f64::from(n) * 100.0).collect();
        assert!(ToneMeter::new(rate, &many[..8]).is_ok());
        assert_eq!(ToneMeter::new(rate, &many).unwrap_err(), ToneMeterError::Count { given: 9 });
        for hertz in [0.0, -440.0, 19.0, 3_990.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(ToneMeter::new(rate, &[hertz]), Err(ToneMeterError::Frequency { .. })), "{hertz}");
        }
        let close = ToneMeter::new(rate, &[440.0, 450.0]).unwrap_err();
        assert_eq!(close, ToneMeterError::TooClose { hertz: 450.0, other: 440.0 });
    }

    proptest! {
        #[test]
        fn any_pure_tone_leaves_no_rest(hertz in 25.0f64..3_900.0, level in -30.0f32..-1.0) {
            let mut meter = ToneMeter::new(SampleRate::NARROW, &[hertz]).unwrap();
            for window in windows(&mut meter, &tone(SampleRate::NARROW, Tone::single(hertz, Dbfs(level)), 300 * MS)) {
                prop_assert!(window.ratio_db > 50.0, "{:?}", window);
                prop_assert!((window.tone(0).0 - level).abs() < 0.1, "{:?}", window);
            }
        }
    }
}
