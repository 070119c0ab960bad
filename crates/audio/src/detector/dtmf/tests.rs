use super::*;
use crate::codec::Codec;
use crate::tone::{Cadence, Segment, Tone, ToneGenerator, Zone};

const MS: Duration = Duration::from_millis(1);
const ALL: &str = "1234567890*#ABCD";
const NARROW: SampleRate = SampleRate::NARROW;

/// The first `length` of a cadence, silence behind its end.
fn play(rate: SampleRate, cadence: &Cadence, length: Duration) -> Vec<i16> {
    let mut out = vec![0; rate.samples(length) as usize];
    ToneGenerator::new(rate, cadence).unwrap().fill(&mut out);
    out
}

fn tone(tone: Tone) -> Vec<i16> {
    play(NARROW, &Cadence::endless(tone), 100 * MS)
}

/// White noise with a fixed seed, uniform in ±`peak`.
fn noise(samples: usize, peak: i32) -> Vec<i16> {
    let mut state = 0x2545_F491_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (i64::from(state) * i64::from(2 * peak + 1) / (1 << 32)) as i32 - peak
    };
    std::iter::repeat_with(next).take(samples).map(|sample| sample as i16).collect()
}

fn through_g711(samples: &[i16], codec: Codec) -> Vec<i16> {
    let (mut bytes, mut out) = (vec![0; samples.len()], vec![0; samples.len()]);
    codec.encoder().encode(samples, &mut bytes).unwrap();
    codec.decoder().decode(&bytes, &mut out).unwrap();
    out
}

fn digits_at(rate: SampleRate, samples: &[i16]) -> String {
    let mut detector = DtmfDetector::new(rate, DtmfLimits::default());
    let mut text = String::new();
    for frame in samples.chunks(rate.tick_samples()) {
        detector.push(frame, |event| {
            if let DtmfEvent::Began { digit, .. } = event {
                text.push(digit.character());
            }
        });
    }
    text
}

fn digits(samples: &[i16]) -> String {
    digits_at(NARROW, samples)
}

#[test]
fn every_digit_at_every_rate_through_both_laws() {
    for rate in [SampleRate::NARROW, SampleRate::WIDE, SampleRate::FULL] {
        for codec in Codec::ALL {
            let cadence = Cadence::digits(ALL, 60 * MS, 50 * MS, Dbfs(-12.0)).unwrap();
            let samples = through_g711(&play(rate, &cadence, 2_000 * MS), codec);
            assert_eq!(digits_at(rate, &samples), ALL, "{rate} {codec}");
        }
    }
}

#[test]
fn itu_q24_40_ms_is_found_and_20_ms_is_not_wherever_the_windows_fall() {
    for digit in ["1", "5", "D"] {
        for shift in 0..52 {
            for (length, expected) in [(40, digit), (20, "")] {
                let mut samples = vec![0; shift];
                let cadence = Cadence::digits(digit, length * MS, MS, Dbfs(-12.0)).unwrap();
                samples.extend(play(NARROW, &cadence, 200 * MS));
                assert_eq!(digits(&samples), expected, "{digit}: {length} ms at {shift}");
            }
        }
    }
}

#[test]
fn itu_q24_a_pause_of_40_ms_separates_and_a_gap_of_13_ms_does_not() {
    for shift in 0..52 {
        for (pause, expected) in [(40, "55"), (13, "5")] {
            let mut samples = vec![0; shift];
            let cadence = Cadence::digits("55", 80 * MS, pause * MS, Dbfs(-12.0)).unwrap();
            samples.extend(play(NARROW, &cadence, 400 * MS));
            assert_eq!(digits(&samples), expected, "{pause} ms at {shift}");
        }
    }
}

#[test]
fn itu_q24_frequency_tolerance_of_1_5_percent() {
    for digit in ALL.chars().map(|c| Digit::new(c).unwrap()) {
        for (row_off, column_off) in [(1.015, 1.015), (0.985, 0.985), (1.015, 0.985), (0.985, 1.015)] {
            let (row, column) = digit.frequencies();
            let off = Tone::dual(row * row_off, column * column_off, Dbfs(-12.0));
            assert_eq!(digits(&tone(off)), digit.to_string());
        }
    }
}

fn twisted(row: f32, column: f32) -> String {
    let (low, high) = Digit::new('9').unwrap().frequencies();
    digits(&tone(Tone { first: low, first_level: Dbfs(row), second: Some((high, Dbfs(column))) }))
}

#[test]
fn twist_and_level_limits() {
    assert_eq!(twisted(-12.0, -12.0), "9");
    assert_eq!(twisted(-10.0, -17.0), "9", "row 7 dB louder");
    assert_eq!(twisted(-17.0, -12.0), "9", "column 5 dB louder");
    assert_eq!(twisted(-8.0, -18.0), "", "row 10 dB louder");
    assert_eq!(twisted(-18.0, -10.0), "", "column 8 dB louder");
    assert_eq!(twisted(-35.0, -35.0), "9");
    assert_eq!(twisted(-38.0, -38.0), "");
    assert_eq!(twisted(-12.0, -60.0), "", "a row alone is no digit");
}

#[test]
fn noise_silence_and_network_tones_hold_no_digit() {
    assert_eq!(digits(&noise(80_000, 20_000)), "");
    assert_eq!(digits(&vec![0; 8_000]), "");
    for zone in [Zone::Europe, Zone::NorthAmerica, Zone::UnitedKingdom] {
        for cadence in [zone.dial(), zone.ring_back(), zone.busy(), zone.congestion()] {
            assert_eq!(digits(&play(NARROW, &cadence, 2_000 * MS)), "");
        }
    }
}

#[test]
fn a_digit_under_another_sound_is_no_digit() {
    let digit = play(NARROW, &Cadence::digits("5", 200 * MS, MS, Dbfs(-20.0)).unwrap(), 200 * MS);
    for (level, expected) in [(-30.0, "5"), (-12.0, "")] {
        let other = play(NARROW, &Cadence::endless(Tone::single(2_500.0, Dbfs(level))), 200 * MS);
        let both: Vec<i16> = digit.iter().zip(other).map(|(a, b)| a + b).collect();
        assert_eq!(digits(&both), expected, "2500 Hz at {level} dBFS");
    }
}

#[test]
fn a_voice_with_the_digits_harmonics_is_no_digit() {
    // A glottal pulse train: every harmonic of a gliding pitch, some of which pass through the DTMF frequencies.
    let mut phase = 0.0_f64;
    let voice: Vec<i16> = (0..80_000)
        .map(|n| {
            let pitch = 100.0 + 80.0 * (f64::from(n) / 8_000.0 * 0.7).sin();
            phase += pitch / 8_000.0;
            let sum: f64 = (1..=20).map(|h| (phase * f64::from(h) * std::f64::consts::TAU).sin() / f64::from(h)).sum();
            (sum * 6_000.0) as i16
        })
        .collect();
    assert_eq!(digits(&voice), "");
}

#[test]
fn a_digit_is_found_in_noise_15_db_below() {
    let cadence = Cadence::digits(ALL, 80 * MS, 60 * MS, Dbfs(-12.0)).unwrap();
    let clean = play(NARROW, &cadence, 2_300 * MS);
    // Uniform noise of peak p has power p²/3; the two tones together have -9 dBFS, 0 dBFS being 23170 RMS.
    let peak = (3_f64.sqrt() * 23_170.0 * 10_f64.powf((-9.0 - 15.0) / 20.0)) as i32;
    let noisy: Vec<i16> = clean.iter().zip(noise(clean.len(), peak)).map(|(a, b)| a.saturating_add(b)).collect();
    assert_eq!(digits(&noisy), ALL);
}

#[test]
fn events_tell_begin_and_length() {
    let mut samples = vec![0; 1_600];
    let cadence = Cadence::digits("7", 200 * MS, 100 * MS, Dbfs(-12.0)).unwrap();
    samples.extend(play(NARROW, &cadence, 300 * MS));
    let mut detector = DtmfDetector::new(NARROW, DtmfLimits::default());
    let mut events = Vec::new();
    for frame in samples.chunks(160) {
        detector.push(frame, |event| events.push(event));
    }
    let seven = Digit::new('7').unwrap();
    let [DtmfEvent::Began { digit, at }, DtmfEvent::Ended { digit: ended, length }] = events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((digit, ended), (seven, seven));
    assert!(at.abs_diff(1_600) <= 102, "{at}");
    assert!(length.as_millis().abs_diff(200) <= 10, "{length:?}");
}

#[test]
fn digits_without_a_pause_are_two() {
    let segment = |digit| {
        let (row, column) = Digit::new(digit).unwrap().frequencies();
        Segment { tone: Some(Tone::dual(row, column, Dbfs(-12.0))), length: Some(100 * MS) }
    };
    let cadence = Cadence { segments: vec![segment('1'), segment('2')], repeats: false };
    assert_eq!(digits(&play(NARROW, &cadence, 300 * MS)), "12");
}
