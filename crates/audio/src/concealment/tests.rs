use proptest::prelude::*;

use super::*;
use crate::detector::ToneMeter;
use crate::level::{Dbfs, rms};
use crate::tone::ToneGenerator;

const RATES: [SampleRate; 3] = [SampleRate::NARROW, SampleRate::WIDE, SampleRate::FULL];

fn tone(rate: SampleRate, hertz: f64, frames: usize) -> Vec<i16> {
    let mut samples = vec![0; frames * rate.tick_samples()];
    ToneGenerator::single(rate, hertz, Dbfs(-10.0)).unwrap().fill(&mut samples);
    samples
}

/// A voiced sound: harmonics of a pitch that glides from 100 to 130 Hz, falling off with their frequency.
fn voice(rate: SampleRate, frames: usize) -> Vec<i16> {
    let mut phase = 0.0_f64;
    let count = frames * rate.tick_samples();
    let at = |n: usize| {
        phase += (100.0 + 30.0 * n as f64 / count as f64) / f64::from(rate.hz());
        let sum: f64 = (1..=12).map(|h| (phase * f64::from(h) * std::f64::consts::TAU).cos() / f64::from(h * h)).sum();
        (sum * 8_000.0) as i16
    };
    (0..count).map(at).collect()
}

/// Passes frames through; those for which `lost` says so are made up.
fn through(rate: SampleRate, samples: &[i16], lost: impl Fn(usize) -> bool) -> Vec<i16> {
    let mut concealment = Concealment::new(rate);
    let mut out = Vec::new();
    for (index, frame) in samples.chunks(rate.tick_samples()).enumerate() {
        let mut frame = frame.to_vec();
        if lost(index) {
            // What would have been heard must not matter.
            frame.fill(0x5555);
            concealment.conceal(&mut frame);
        } else {
            concealment.heard(&mut frame);
        }
        out.extend(frame);
    }
    out
}

fn largest_step(samples: &[i16]) -> i32 {
    samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or(0)
}

/// Five of a hundred frames, some of them neighbours.
fn five_percent(index: usize) -> bool {
    index > 3 && [7, 31, 32, 60, 85].contains(&(index % 100))
}

/// The least ratio of 440 Hz to everything else in any window of 100 ms.
fn least_ratio(rate: SampleRate, samples: &[i16]) -> f32 {
    let mut meter = ToneMeter::new(rate, &[440.0]).unwrap();
    let mut least = f32::MAX;
    meter.push(samples, |window| least = least.min(window.ratio_db));
    assert!(meter.windows() > 30);
    least
}

#[test]
fn what_was_heard_is_unchanged() {
    let samples = tone(SampleRate::NARROW, 440.0, 50);
    assert_eq!(through(SampleRate::NARROW, &samples, |_| false), samples);
}

#[test]
fn tone_of_440_hz_through_five_percent_loss_stays_dominated_by_440_hz() {
    for rate in RATES {
        let samples = tone(rate, 440.0, 500);
        let ratio = least_ratio(rate, &through(rate, &samples, five_percent));
        // Two frames in a window of five are missing at worst, and the second has faded by a third.
        assert!(ratio > 12.0, "{rate}: {ratio} dB in the worst window");
        let single = least_ratio(rate, &through(rate, &samples, |index| index % 20 == 7));
        assert!(single > 17.0, "{rate}: {single} dB in the worst window with one frame missing");
        // The same loss as silence.
        let mut holes = samples;
        let frames = holes.chunks_mut(rate.tick_samples()).enumerate();
        frames.filter(|(index, _)| five_percent(*index)).for_each(|(_, frame)| frame.fill(0));
        assert!(least_ratio(rate, &holes) < ratio - 8.0, "{rate}: silence is as good");
    }
}

#[test]
fn edges_of_a_gap_do_not_click() {
    for rate in RATES {
        for (name, samples) in
            [("voice", voice(rate, 60)), ("150 Hz", tone(rate, 150.0, 60)), ("310 Hz", tone(rate, 310.0, 60))]
        {
            for gap in [1, 2, 5] {
                let made = through(rate, &samples, |index| (20..20 + gap).contains(&index));
                let (made, whole) = (largest_step(&made), largest_step(&samples));
                assert!(
                    f64::from(made) <= 1.6 * f64::from(whole),
                    "{rate} {name}, {gap} frames: {made}, without gap {whole}"
                );
            }
        }
    }
}

#[test]
fn a_voice_goes_on_at_its_level_and_pitch() {
    for rate in RATES {
        let samples = voice(rate, 60);
        let made = through(rate, &samples, |index| index == 30);
        // The first 10 ms of the gap, against what was lost: the pitch has hardly moved.
        let frame = rate.tick_samples();
        let gap = 30 * frame..30 * frame + frame / 2;
        let error: Vec<i16> = samples[gap.clone()].iter().zip(&made[gap.clone()]).map(|(a, b)| a - b).collect();
        let (error, level) = (rms(&error), rms(&samples[gap]));
        assert!(error.0 < level.0 - 12.0, "{rate}: error {error}, voice {level}");
    }
}

#[test]
fn long_gap_fades_to_silence_after_60_ms() {
    for rate in RATES {
        let samples = tone(rate, 200.0, 40);
        let made = through(rate, &samples, |index| index >= 20);
        let tick = rate.tick_samples();
        let part = |ms: usize| &made[20 * tick + ms * tick / 20..20 * tick + (ms + 10) * tick / 20];
        assert!(rms(part(0)).0 > rms(&samples).0 - 1.0);
        let levels: Vec<f32> = (0..6).map(|tens| rms(part(10 * tens)).0).collect();
        assert!(levels.windows(2).all(|pair| pair[1] < pair[0] + 0.1), "{levels:?}");
        assert!(levels[4] < levels[0] - 6.0, "{levels:?}");
        assert!(made[20 * tick + 3 * tick..].iter().all(|sample| *sample == 0));
    }
}

#[test]
fn nothing_is_made_up_out_of_silence() {
    let mut concealment = Concealment::new(SampleRate::NARROW);
    let mut frame = [5_i16; 160];
    concealment.conceal(&mut frame);
    assert_eq!(frame, [0; 160]);
    concealment.heard(&mut [1_000; 160]);
    concealment.silence();
    concealment.conceal(&mut frame);
    assert_eq!(frame, [0; 160]);
}

#[test]
fn a_gap_allocates_nothing() {
    let mut concealment = Concealment::new(SampleRate::FULL);
    let mut frame = tone(SampleRate::FULL, 300.0, 1);
    let count = allocation_counter::measure(|| {
        for gap in 0..4 {
            concealment.heard(&mut frame);
            (0..gap).for_each(|_| concealment.conceal(&mut frame));
        }
    });
    assert_eq!(count.count_total, 0);
}

proptest! {
    #[test]
    fn any_samples_lost_in_any_pattern_stay_within_their_range(
        pieces in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<i16>(), 0..700)), 0..12),
        hz in prop::sample::select(vec![1_000, 8_000, 11_025, 16_000, 384_000]),
    ) {
        let mut concealment = Concealment::new(SampleRate::new(hz).unwrap());
        for (lost, mut samples) in pieces {
            let length = samples.len();
            if lost { concealment.conceal(&mut samples) } else { concealment.heard(&mut samples) }
            prop_assert_eq!(samples.len(), length);
        }
        // More than 60 ms later all is silent.
        concealment.conceal(&mut vec![0; hz as usize * 60 / 1_000 + 1]);
        let mut late = [1; 100];
        concealment.conceal(&mut late);
        prop_assert_eq!(late, [0; 100]);
    }
}
