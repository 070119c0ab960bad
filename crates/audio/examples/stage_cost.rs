//! What each stage beside the bridge costs per frame of 20 ms.
//!
//! `cargo run --release -p offhook-audio --example stage_cost` prints microseconds of CPU time: the median of eleven
//! rounds.
#![allow(clippy::print_stdout)]

use audio::codec::{pcma, pcmu};
use audio::concealment::Concealment;
use audio::detector::{DtmfDetector, DtmfLimits, ToneMeter};
use audio::frame::{MAX_FRAME, SampleRate};
use audio::level::Dbfs;
use audio::resample::LineResampler;
use audio::tone::{Tone, ToneGenerator};
use nix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 11;
/// Few where nothing is optimised: then only that it runs is of interest.
const FRAMES: u32 = if cfg!(debug_assertions) { 10 } else { 5_000 };

fn cpu_micros() -> f64 {
    let now = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("the clock of this process");
    now.tv_sec() as f64 * 1e6 + now.tv_nsec() as f64 / 1e3
}

fn print(name: &str, mut stage: impl FnMut()) {
    let mut costs: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = cpu_micros();
            (0..FRAMES).for_each(|_| stage());
            (cpu_micros() - start) / f64::from(FRAMES)
        })
        .collect();
    costs.sort_by(f64::total_cmp);
    println!("{name:40} {:7.3} us", costs.get(ROUNDS / 2).copied().unwrap_or(0.0));
}

fn generator(rate: SampleRate) -> ToneGenerator {
    let cadence = audio::tone::Cadence::endless(Tone::dual(440.0, 1_000.0, Dbfs(-16.0)));
    ToneGenerator::new(rate, &cadence).expect("a tone in the band")
}

fn main() {
    let mut voice = [0_i16; MAX_FRAME];
    generator(SampleRate::NARROW).fill(&mut voice);
    let (frame, mut out) = (&voice[..160], [0_i16; 160]);
    let mut codes = [0_u8; 160];
    print("PCMU encode", || pcmu::encode(std::hint::black_box(frame), std::hint::black_box(&mut codes)));
    print("PCMU decode", || pcmu::decode(std::hint::black_box(&codes), std::hint::black_box(&mut out)));
    print("PCMA encode", || pcma::encode(std::hint::black_box(frame), std::hint::black_box(&mut codes)));
    print("PCMA decode", || pcma::decode(std::hint::black_box(&codes), std::hint::black_box(&mut out)));
    for rate in [SampleRate::NARROW, SampleRate::WIDE, SampleRate::FULL] {
        let Some(frame) = voice.get_mut(..rate.tick_samples()) else { return };
        let mut tone = generator(rate);
        print(&format!("two tones, {rate}"), || {
            std::hint::black_box(tone.fill(frame));
        });
        let mut concealment = Concealment::new(rate);
        print(&format!("one frame lost, the next heard, {rate}"), || {
            concealment.conceal(frame);
            concealment.heard(frame);
        });
        let mut detector = DtmfDetector::new(rate, DtmfLimits::default());
        print(&format!("DTMF detector, {rate}"), || {
            detector.push(frame, |event| {
                std::hint::black_box(event);
            });
        });
        let Ok(mut meter) = ToneMeter::new(rate, &[440.0, 1_000.0]) else { return };
        print(&format!("meter of two tones, {rate}"), || {
            meter.push(frame, |window| {
                std::hint::black_box(window);
            });
        });
    }
    for (from, to) in [(SampleRate::FULL, SampleRate::NARROW), (SampleRate::NARROW, SampleRate::WIDE)] {
        let Ok(mut line) = LineResampler::new(from, to) else { return };
        let mut out = [0; MAX_FRAME];
        print(&format!("line from {from} to {to}"), || line.convert(std::hint::black_box(&voice), &mut out));
    }
}
