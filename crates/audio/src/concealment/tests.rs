use super::*;
use crate::detector::ToneMeter;
use crate::level::{Dbfs, rms};
use crate::tone::ToneGenerator;

const RATE: SampleRate = SampleRate::NARROW;
const FRAME: usize = 160;

fn tone(hertz: f64, frames: usize) -> Vec<i16> {
    let mut samples = vec![0; frames * FRAME];
    let mut generator = ToneGenerator::single(RATE, hertz, Dbfs(-10.0)).unwrap();
    assert_eq!(generator.fill(&mut samples), samples.len());
    samples
}

/// Passes frames through; those for which `lost` says so are made up.
fn through(samples: &[i16], lost: impl Fn(usize) -> bool) -> Vec<i16> {
    let mut concealment = Concealment::new(RATE);
    let mut out = Vec::new();
    for (index, frame) in samples.chunks(FRAME).enumerate() {
        let mut frame = frame.to_vec();
        if lost(index) {
            concealment.conceal(&mut frame)
        } else {
            concealment.heard(&mut frame)
        }
        out.extend(frame);
    }
    out
}

fn largest_step(samples: &[i16]) -> i32 {
    samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or(0)
}

#[test]
fn what_was_heard_is_unchanged() {
    let samples = tone(440.0, 50);
    assert_eq!(through(&samples, |_| false), samples);
}

#[test]
fn tone_through_five_percent_loss_stays_a_tone() {
    let samples = tone(440.0, 250);
    let made = through(&samples, |index| index % 20 == 7);
    let mut meter = ToneMeter::new(RATE, &[440.0]).unwrap().dominating_by(10.0);
    let mut windows = (0, 0);
    meter.push(&made, |window| {
        windows.0 += 1;
        windows.1 += u32::from(window.strongest == Some(0));
    });
    assert!(windows.1 * 10 >= windows.0 * 9, "{} of {} windows dominated by 440 Hz", windows.1, windows.0);
    // The same loss as silence does not pass.
    let mut holes = samples;
    holes.chunks_mut(FRAME).enumerate().filter(|(index, _)| index % 20 == 7).for_each(|(_, frame)| frame.fill(0));
    assert!(rms(&holes).0 < rms(&made).0 - 0.1);
}

#[test]
fn edges_of_a_gap_do_not_click() {
    let samples = tone(150.0, 40);
    let made = through(&samples, |index| index == 20);
    assert!(largest_step(&made) <= 2 * largest_step(&samples), "{} > {}", largest_step(&made), largest_step(&samples));
}

#[test]
fn long_gap_fades_to_silence_after_60_ms() {
    let samples = tone(200.0, 40);
    let made = through(&samples, |index| index >= 20);
    let part = |ms: usize| &made[20 * FRAME + ms * 8..20 * FRAME + (ms + 10) * 8];
    assert!(rms(part(0)).0 > rms(&samples).0 - 1.0);
    assert!(rms(part(40)).0 < rms(part(10)).0 - 3.0);
    assert!(part(60).iter().all(|sample| *sample == 0));
}

#[test]
fn nothing_is_made_up_out_of_silence() {
    let mut concealment = Concealment::new(RATE);
    let mut frame = [5_i16; FRAME];
    concealment.conceal(&mut frame);
    assert_eq!(frame, [0; FRAME]);
    concealment.heard(&mut [1_000; FRAME]);
    concealment.silence();
    concealment.conceal(&mut frame);
    assert_eq!(frame, [0; FRAME]);
}

#[test]
fn any_length_may_be_missing() {
    let mut concealment = Concealment::new(SampleRate::WIDE);
    for length in [0, 1, 7, 80, 1_920] {
        let mut samples = vec![300; length];
        concealment.heard(&mut samples);
        concealment.conceal(&mut samples);
        assert_eq!(samples.len(), length);
    }
}
