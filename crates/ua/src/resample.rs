//! Files of other rates, brought to the rate of the bridge: once per file, off the media thread.

/// Zero crossings of the filter to each side.
const LOBES: f64 = 16.0;

/// Converts by a windowed sinc of 16 lobes to each side. The pass band ends at 92 % of what the narrower rate carries; 5 kHz in a file of
/// 48 kHz does not come back as 3 kHz.
pub(crate) fn resample(samples: &[i16], from: u32, to: u32) -> Vec<i16> {
    if from == to || samples.is_empty() || from == 0 || to == 0 {
        return samples.to_vec();
    }
    let step = f64::from(from) / f64::from(to);
    let band = 0.92 * (1.0 / step).min(1.0);
    let reach = LOBES / band;
    // An output sample lies at one of `phases` places between two input samples; each place has its taps.
    let unit = gcd(from, to);
    let phases = to / unit;
    let half = reach.ceil() as usize;
    let taps: Vec<f32> = (0..phases)
        .flat_map(|phase| {
            let offset = f64::from(phase) / f64::from(phases);
            (0..2 * half + 1).map(move |tap| tap_at(tap as f64 - half as f64 - offset, band, reach))
        })
        .collect();
    let count = samples.len() as u64 * u64::from(to) / u64::from(from);
    let mut made = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for n in 0..count {
        let position = n * u64::from(from);
        let (whole, phase) = (position / u64::from(to), position % u64::from(to) / u64::from(unit));
        let (Ok(whole), Ok(phase)) = (usize::try_from(whole), usize::try_from(phase)) else { break };
        let width = 2 * half + 1;
        let taps = taps.get(phase * width..(phase + 1) * width).unwrap_or_default();
        // Before the first sample and behind the last there is silence.
        let missing = half.saturating_sub(whole);
        let heard = samples.get((whole + missing).saturating_sub(half)..).unwrap_or_default();
        let taps = taps.get(missing..).unwrap_or_default();
        let sum: f32 = taps.iter().zip(heard).map(|(tap, sample)| tap * f32::from(*sample)).sum();
        made.push(sum.round() as i16);
    }
    made
}

/// The filter `x` input samples from its middle.
fn tap_at(x: f64, band: f64, reach: f64) -> f32 {
    if x.abs() >= reach {
        return 0.0;
    }
    let turns = band * x * std::f64::consts::PI;
    let sinc = if turns.abs() < 1e-9 { 1.0 } else { turns.sin() / turns };
    let window = 0.5 + 0.5 * (std::f64::consts::PI * x / reach).cos();
    (sinc * band * window) as f32
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use audio::detector::ToneMeter;
    use audio::frame::SampleRate;
    use audio::level::Dbfs;
    use audio::tone::ToneGenerator;

    use super::*;

    const RATE: SampleRate = SampleRate::NARROW;

    #[test]
    fn other_rates_keep_tone_and_length_and_fold_nothing_back() {
        for hz in [16_000, 44_100, 48_000, 11_025] {
            let rate = SampleRate::new(hz).unwrap();
            let mut second = vec![0; hz as usize];
            ToneGenerator::single(rate, 1_000.0, Dbfs(-10.0)).unwrap().fill(&mut second);
            let made = resample(&second, hz, 8_000);
            assert_eq!(made.len(), 8_000, "{hz}");
            let mut meter = ToneMeter::new(RATE, &[1_000.0]).unwrap().dominating_by(40.0);
            meter.push(&made, |_| {});
            assert!(meter.longest(0).as_millis() >= 800, "{hz}: {:?}", meter.longest(0));
        }
        // 5 kHz does not fit into 8 kHz: it must vanish, not come back as 3 kHz.
        let mut second = vec![0; 48_000];
        ToneGenerator::single(SampleRate::FULL, 5_000.0, Dbfs(-10.0)).unwrap().fill(&mut second);
        let made = resample(&second, 48_000, 8_000);
        // Without the ends: switching the tone on and off is heard at any rate.
        let level = audio::level::rms(&made[200..7_800]);
        assert!(level.0 < -70.0, "{level}");
    }
}
