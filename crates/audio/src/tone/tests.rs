use proptest::prelude::*;

use super::*;
use crate::level::rms;

const MS: Duration = Duration::from_millis(1);

fn all(generator: &mut ToneGenerator, limit: usize) -> Vec<i16> {
    let mut out = vec![0x5555; limit];
    let made = generator.fill(&mut out);
    out.truncate(made);
    out
}

#[test]
fn a_sine_is_exact_after_an_hour() {
    let mut generator = ToneGenerator::single(SampleRate::NARROW, 440.0, Dbfs(-6.0)).unwrap();
    let mut frame = [0; 160];
    let ticks = 3_600 * 50;
    for _ in 0..ticks {
        assert_eq!(generator.fill(&mut frame), 160);
    }
    for (n, sample) in frame.iter().enumerate() {
        // 440 Hz over 8 kHz repeats every 200 samples, so the phase is known without rounding.
        let position = ((ticks - 1) as usize * 160 + n) % 200;
        let expected = Dbfs(-6.0).amplitude() * (std::f64::consts::TAU * 440.0 * position as f64 / 8_000.0).sin();
        assert!((f64::from(*sample) - expected).abs() <= 0.51, "sample {n}: {sample}, expected {expected}");
    }
}

proptest! {
    #[test]
    fn frames_of_any_length_give_the_same_samples(cuts in prop::collection::vec(0usize..400, 1..40), hertz in 20.0f64..3_900.0) {
        let cadence = Cadence::repeating(Tone::dual(hertz, 2_000.0, Dbfs(-12.0)), &[(30, 17), (11, 5)]);
        let mut whole = ToneGenerator::new(SampleRate::NARROW, &cadence).unwrap();
        let mut cut = whole.clone();
        let expected = all(&mut whole, cuts.iter().sum());
        let mut got = Vec::new();
        for length in cuts {
            got.extend(all(&mut cut, length));
        }
        prop_assert_eq!(got.len(), expected.len());
        for (a, b) in got.iter().zip(&expected) {
            prop_assert!((i32::from(*a) - i32::from(*b)).abs() <= 1, "{} and {}", a, b);
        }
    }
}

#[test]
fn level_is_what_was_asked_for() {
    for (rate, hertz, level) in
        [(SampleRate::NARROW, 1_000.0, -10.0), (SampleRate::WIDE, 440.0, -20.0), (SampleRate::FULL, 15_000.0, -0.01)]
    {
        let mut generator = ToneGenerator::single(rate, hertz, Dbfs(level)).unwrap();
        let read = rms(&all(&mut generator, rate.hz() as usize));
        assert!((read.0 - level).abs() < 0.02, "{hertz} Hz: {read}, expected {level}");
    }
}

#[test]
fn cadence_has_exact_lengths_and_repeats() {
    let cadence = Cadence::repeating(Tone::single(1_000.0, Dbfs(-6.0)), &[(10, 5)]);
    let mut generator = ToneGenerator::new(SampleRate::NARROW, &cadence).unwrap();
    let samples = all(&mut generator, 120 * 5);
    for period in samples.chunks(120) {
        assert!(rms(&period[..80]).0 > -8.0);
        assert!(period[80..].iter().all(|&s| s == 0));
        assert_ne!(period[79], 0, "the tone lasts to its last sample");
    }
    assert!(!generator.is_finished());
}

#[test]
fn a_tone_for_a_duration_ends_to_the_sample() {
    let generator = ToneGenerator::single(SampleRate::NARROW, 440.0, Dbfs(-6.0)).unwrap();
    let mut limited = generator.clone().lasting(1_001 * MS);
    let mut out = vec![7; 10_000];
    assert_eq!(limited.fill(&mut out), 8_008);
    assert!(limited.is_finished());
    assert_eq!(out[8_008..], vec![7; 10_000 - 8_008], "nothing is written behind the end");
    assert_eq!(limited.fill(&mut out), 0);
    let mut none = generator.lasting(Duration::ZERO);
    assert_eq!(none.fill(&mut out), 0);
}

#[test]
fn digits_follow_each_other_once() {
    let cadence = Cadence::digits("1d#", 200 * MS, 100 * MS, Dbfs(-10.0)).unwrap();
    let mut generator = ToneGenerator::new(SampleRate::WIDE, &cadence).unwrap();
    assert_eq!(all(&mut generator, 100_000).len(), 3 * 300 * 16);
    assert!(generator.is_finished());
}

#[test]
fn what_cannot_be_made_is_refused() {
    let rate = SampleRate::NARROW;
    for hertz in [0.0, -1.0, 4_000.0, f64::NAN, f64::INFINITY] {
        let error = ToneGenerator::single(rate, hertz, Dbfs(-6.0)).unwrap_err();
        assert!(matches!(error, ToneError::Frequency { .. }), "{hertz}: {error}");
    }
    assert!(matches!(ToneGenerator::single(rate, 440.0, Dbfs(3.0)), Err(ToneError::Clips { .. })));
    assert!(matches!(ToneGenerator::single(rate, 440.0, Dbfs(f32::NAN)), Err(ToneError::Level { .. })));
    let loud = Cadence::endless(Tone::dual(440.0, 480.0, Dbfs(-3.0)));
    assert!(matches!(ToneGenerator::new(rate, &loud), Err(ToneError::Clips { .. })));
    let nothing = Cadence::repeating(Tone::single(440.0, Dbfs(-6.0)), &[(0, 0)]);
    assert_eq!(ToneGenerator::new(rate, &nothing).unwrap_err(), ToneError::Empty);
    let error = Cadence::digits("12X", MS, MS, Dbfs(-10.0)).unwrap_err();
    assert_eq!(error, ToneError::Digit { found: 'X', position: 2 });
    assert_eq!(error.to_string(), "character 2 is 'X': expected a digit of 0-9 A-D * #");
    assert_eq!(Cadence::digits("", MS, MS, Dbfs(-10.0)), Err(ToneError::Empty));
    assert!(Cadence::digits(&"5".repeat(256), MS, MS, Dbfs(-10.0)).is_ok());
    let error = Cadence::digits(&"5".repeat(257), MS, MS, Dbfs(-10.0)).unwrap_err();
    assert_eq!(error, ToneError::TooLong { segments: 514 });
}

#[test]
fn every_zone_makes_every_tone() {
    for zone in [Zone::Europe, Zone::NorthAmerica, Zone::UnitedKingdom] {
        for cadence in [zone.dial(), zone.ring_back(), zone.busy(), zone.congestion()] {
            let mut generator = ToneGenerator::new(SampleRate::NARROW, &cadence).unwrap();
            let samples = all(&mut generator, 1_600);
            assert!(rms(&samples).0 > -17.0, "{zone:?}");
        }
    }
    let mut ring = ToneGenerator::new(SampleRate::NARROW, &Zone::NorthAmerica.ring_back()).unwrap();
    let samples = all(&mut ring, 6 * 8_000);
    assert!(rms(&samples[..16_000]).0 > -14.0);
    assert!(samples[16_000..].iter().all(|&s| s == 0), "four seconds of silence");
}
