use proptest::prelude::*;

use super::*;
use crate::detector::ToneMeter;
use crate::frame::MAX_FRAME;
use crate::level::{Dbfs, rms};
use crate::tone::ToneGenerator;

const LINES: [SampleRate; 3] = [SampleRate::NARROW, SampleRate::WIDE, SampleRate::FULL];

fn rate(hz: u32) -> SampleRate {
    SampleRate::new(hz).unwrap()
}

fn tone(rate: SampleRate, hertz: f64, samples: usize) -> Vec<i16> {
    let mut out = vec![0; samples];
    ToneGenerator::single(rate, hertz, Dbfs(-10.0)).unwrap().fill(&mut out);
    out
}

#[test]
fn a_tone_keeps_its_level_and_stays_pure_between_any_rates() {
    for from in [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000] {
        for to in LINES {
            let samples = tone(rate(from), 1_000.0, from as usize);
            let out = resample(&samples, rate(from), to).unwrap();
            assert_eq!(out.len(), to.hz() as usize, "{from} to {to}");
            let mut meter = ToneMeter::new(to, &[1_000.0]).unwrap();
            let mut windows = Vec::new();
            meter.push(&out, |window| windows.push(*window));
            // The first and the last window hold the edges of the tone.
            for window in &windows[1..9] {
                assert!((window.tone(0).0 + 10.0).abs() < 0.1, "{from} to {to}: {window:?}");
                assert!(window.ratio_db > 60.0, "{from} to {to}: {window:?}");
            }
        }
    }
}

#[test]
fn what_does_not_fit_the_lower_rate_is_gone() {
    for (from, hertz) in
        [(48_000, 6_000.0), (44_100, 6_000.0), (16_000, 5_000.0), (48_000, 4_500.0), (96_000, 20_000.0)]
    {
        let samples = tone(rate(from), hertz, from as usize);
        let out = resample(&samples, rate(from), SampleRate::NARROW).unwrap();
        // The tone begins and ends suddenly, and that is heard at any rate.
        let inside = rms(&out[800..7_200]);
        assert!(inside.0 < -10.0 - 60.0, "{hertz} Hz at {from} Hz: {inside}");
    }
}

#[test]
fn the_line_s_band_passes() {
    for hertz in [50.0, 300.0, 3_400.0] {
        let samples = tone(SampleRate::FULL, hertz, 48_000);
        let level = rms(&resample(&samples, SampleRate::FULL, SampleRate::NARROW).unwrap()[800..7_200]);
        assert!((level.0 + 10.0).abs() < 0.5, "{hertz} Hz: {level}");
    }
}

#[test]
fn nothing_is_shifted() {
    for (from, to) in [(48_000, 8_000), (8_000, 48_000), (44_100, 16_000), (44_101, 8_000)] {
        let mut samples = vec![0; from as usize];
        samples[from as usize / 2] = i16::MAX;
        let out = resample(&samples, rate(from), rate(to)).unwrap();
        let peak = out.iter().enumerate().max_by_key(|(_, sample)| **sample).map(|(place, _)| place).unwrap();
        assert!(peak.abs_diff(to as usize / 2) <= 1, "{from} to {to}: at {peak}");
    }
}

#[test]
fn equal_rates_change_nothing() {
    let samples = tone(SampleRate::WIDE, 440.0, 1_001);
    assert_eq!(resample(&samples, SampleRate::WIDE, SampleRate::WIDE).unwrap(), samples);
}

#[test]
fn loud_samples_saturate() {
    let square: Vec<i16> = (0..48_000).map(|n| if n / 50 % 2 == 0 { i16::MIN } else { i16::MAX }).collect();
    let out = resample(&square, SampleRate::FULL, SampleRate::NARROW).unwrap();
    // The filter rings beyond full scale; a wrap would jump across half of it.
    let jump = out.windows(2).filter(|pair| pair[0] > 30_000 && pair[1] < -30_000).count();
    assert!(out.contains(&i16::MAX) && jump == 0);
}

#[test]
fn lengths_round_to_the_nearest() {
    assert_eq!(resampled(0, rate(44_100), SampleRate::NARROW), 0);
    assert_eq!(resampled(44_100, rate(44_100), SampleRate::NARROW), 8_000);
    assert_eq!(resampled(3, SampleRate::FULL, SampleRate::NARROW), 1);
    assert_eq!(resampled(2, SampleRate::FULL, SampleRate::NARROW), 0);
    assert_eq!(resampled(u64::MAX, SampleRate::NARROW, SampleRate::FULL), u64::MAX);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn lengths_are_exact_however_the_stream_is_cut(
        cuts in prop::collection::vec(0_usize..5_000, 0..12),
        from in prop::sample::select(vec![8_000, 11_025, 16_000, 22_050, 44_100, 48_000]),
        to in prop::sample::select(vec![8_000, 16_000, 48_000]),
    ) {
        let (from, to) = (rate(from), rate(to));
        let samples = tone(from, 700.0, cuts.iter().sum());
        let whole = resample(&samples, from, to).unwrap();
        prop_assert_eq!(whole.len() as u64, resampled(samples.len() as u64, from, to));
        let mut resampler = Resampler::new(from, to).unwrap();
        // The second round shows that the first left nothing behind.
        for _ in 0..2 {
            let (mut out, mut rest) = (Vec::new(), &samples[..]);
            for cut in &cuts {
                let (piece, after) = rest.split_at(*cut);
                resampler.push(piece, &mut out);
                rest = after;
            }
            resampler.finish(&mut out);
            prop_assert_eq!(&out, &whole);
        }
    }
}

#[test]
fn rates_without_a_common_divisor_work() {
    let samples = tone(rate(44_101), 1_000.0, 44_101);
    let out = resample(&samples, rate(44_101), SampleRate::NARROW).unwrap();
    assert_eq!(out.len(), 8_000);
    assert!((rms(&out[800..7_200]).0 + 10.0).abs() < 0.1);
}

#[test]
fn a_line_is_converted_tick_by_tick_without_allocating() {
    for from in LINES {
        for to in LINES {
            let mut line = LineResampler::new(from, to).unwrap();
            assert!(line.delay() <= to.tick_samples() / 2);
            let samples = tone(from, 1_000.0, from.hz() as usize);
            let mut out = vec![0; to.hz() as usize];
            let ticks = samples.chunks(from.tick_samples()).zip(out.chunks_mut(to.tick_samples()));
            let counted = allocation_counter::measure(|| {
                ticks.for_each(|(frame, out)| line.convert(frame, out));
            });
            assert_eq!(counted.count_total, 0, "{from} to {to}");
            let mut meter = ToneMeter::new(to, &[1_000.0]).unwrap();
            let mut windows = Vec::new();
            meter.push(&out, |window| windows.push(*window));
            for window in &windows[1..] {
                assert!((window.tone(0).0 + 10.0).abs() < 0.1 && window.ratio_db > 50.0, "{from} to {to}: {window:?}");
            }
        }
    }
}

#[test]
fn a_line_lets_no_alias_through() {
    for (from, hertz) in [(SampleRate::FULL, 6_000.0), (SampleRate::WIDE, 6_000.0), (SampleRate::FULL, 5_000.0)] {
        let mut line = LineResampler::new(from, SampleRate::NARROW).unwrap();
        let mut out = Vec::new();
        for frame in tone(from, hertz, from.hz() as usize).chunks(from.tick_samples()) {
            let mut narrow = [0; 160];
            line.convert(frame, &mut narrow);
            out.extend(narrow);
        }
        let level = rms(&out[800..]);
        assert!(level.0 < -10.0 - 40.0, "{hertz} Hz at {from}: {level}");
    }
}

#[test]
fn a_line_forgets_after_a_reset_and_takes_any_frame() {
    let mut line = LineResampler::new(SampleRate::WIDE, SampleRate::NARROW).unwrap();
    let mut out = [1; MAX_FRAME];
    line.convert(&[20_000; 320], &mut out);
    assert_eq!(out[160..], [1; MAX_FRAME - 160], "one tick and no more");
    line.reset();
    line.convert(&[], &mut out);
    assert_eq!(out[..160], [0; 160]);
    line.convert(&[5; 1_000], &mut out[..3]);
    let mut same = LineResampler::new(SampleRate::WIDE, SampleRate::WIDE).unwrap();
    let mut frame = [9; 4];
    same.convert(&[1, 2], &mut frame);
    assert_eq!((frame, same.delay()), ([1, 2, 0, 0], 0));
    let error = LineResampler::new(rate(11_025), SampleRate::NARROW).err().unwrap();
    assert_eq!(error.to_string(), "no whole frame of 20 ms at 11025 Hz: expected a multiple of 50 Hz");
}
