//! Settings of a jitter buffer, and how long a payload lasts.

use crate::{ClockRate, PayloadType};

/// Settings of a [`JitterBuffer`](super::JitterBuffer).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JitterConfig {
    /// The clock of the stream's timestamps.
    pub clock: ClockRate,
    /// How long a payload lasts.
    pub payload: PayloadDuration,
    /// The least delay aimed at, in milliseconds, 0 to `max_ms`.
    pub min_ms: u32,
    /// The delay to begin with, in milliseconds, `min_ms` to `max_ms`.
    pub initial_ms: u32,
    /// The largest delay, in milliseconds, 20 to 1000. What comes later than this is dropped.
    pub max_ms: u32,
    /// Memory for payloads in octets, rounded up to a power of two, 1024 to 2^20. A payload may have half of it.
    pub capacity: usize,
}

impl Default for JitterConfig {
    /// G.711 or another codec of 8000 octets a second: 20 to 300 ms, beginning with 40 ms, in 4096 octets (512 ms).
    fn default() -> Self {
        Self {
            clock: ClockRate::HZ_8000,
            payload: PayloadDuration::Octets { octets: 1, units: 1 },
            min_ms: 20,
            initial_ms: 40,
            max_ms: 300,
            capacity: 4096,
        }
    }
}

impl JitterConfig {
    /// The same settings with everything brought into its range.
    pub(super) fn in_range(self) -> Self {
        let max_ms = self.max_ms.clamp(20, 1000);
        let min_ms = self.min_ms.min(max_ms);
        Self {
            max_ms,
            min_ms,
            initial_ms: self.initial_ms.clamp(min_ms, max_ms),
            capacity: self.capacity.clamp(1024, 1 << 20).next_power_of_two(),
            ..self
        }
    }
}

/// How long a payload lasts, in units of the stream's clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PayloadDuration {
    /// In proportion to its length, a started group of octets counting in full. G.711 and G.722: 1 octet, 1 unit;
    /// G.729: 10 octets, 80 units; GSM: 33 octets, 160 units.
    Octets {
        /// Octets of a group, at least 1.
        octets: u32,
        /// Units a group lasts.
        units: u32,
    },
    /// The same for every payload.
    Fixed(u32),
    /// What the payload's first octets say (RFC 6716 section 3.1).
    Opus,
}

impl PayloadDuration {
    /// The longest payload, 120 ms of a 48 kHz clock times two; longer ones count as this.
    const MAX: u32 = 11_520;

    /// How long `payload` lasts at `clock`. Comfort noise (RFC 3389) and empty payloads last no time.
    pub fn units(self, clock: ClockRate, payload_type: PayloadType, payload: &[u8]) -> u32 {
        if payload.is_empty() || payload_type == PayloadType::COMFORT_NOISE {
            return 0;
        }
        let units = match self {
            Self::Octets { octets: 1, units } => (payload.len() as u32).saturating_mul(units),
            Self::Octets { octets, units } => (payload.len() as u32).div_ceil(octets.max(1)).saturating_mul(units),
            Self::Fixed(units) => units,
            Self::Opus => opus_units(clock, payload),
        };
        units.min(Self::MAX)
    }
}

/// RFC 6716 section 3.1: frame length by configuration, count of frames by code.
fn opus_units(clock: ClockRate, payload: &[u8]) -> u32 {
    let Some(&first) = payload.first() else { return 0 };
    let configuration = first >> 3;
    let quarter_ms = match (configuration, configuration & 3) {
        (0..=11, 3) => 240,
        (0..=11, size) => 40 << size,
        (12..=15, size) => 40 << (size & 1),
        (_, size) => 10 << size,
    };
    let frames = match first & 3 {
        0 => 1,
        3 => u32::from(payload.get(1).map_or(0, |count| count & 0x3f)),
        _ => 2,
    };
    // At most 120 ms by rule.
    let quarter_ms = (quarter_ms * frames).min(480);
    clock.units_per_millis(quarter_ms) / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPUS: PayloadType = PayloadType::new(111).unwrap();

    #[test]
    fn rfc3551_payload_durations_follow_their_length() {
        let rate = ClockRate::HZ_8000;
        let g711 = PayloadDuration::Octets { octets: 1, units: 1 };
        let g729 = PayloadDuration::Octets { octets: 10, units: 80 };
        assert_eq!(g711.units(rate, PayloadType::PCMU, &[0; 240]), 240);
        assert_eq!(g729.units(rate, PayloadType::G729, &[0; 20]), 160);
        // Two frames and a silence descriptor of two octets.
        assert_eq!(g729.units(rate, PayloadType::G729, &[0; 22]), 240);
        assert_eq!(g711.units(rate, PayloadType::COMFORT_NOISE, &[0; 11]), 0);
        assert_eq!(g711.units(rate, PayloadType::PCMU, &[]), 0);
        assert_eq!(g711.units(rate, PayloadType::PCMU, &[0; 65_000]), 11_520);
    }

    #[test]
    fn rfc6716_3_1_opus_durations_follow_the_first_octet() {
        let units = |octets: &[u8]| PayloadDuration::Opus.units(ClockRate::HZ_48000, OPUS, octets);
        for (configuration, expected) in [(0, 480), (1, 960), (2, 1920), (3, 2880), (12, 480), (15, 960), (16, 120)] {
            assert_eq!(units(&[configuration << 3]), expected, "configuration {configuration}");
        }
        assert_eq!(units(&[31 << 3]), 960);
        assert_eq!(units(&[(31 << 3) | 1]), 1920);
        assert_eq!(units(&[(31 << 3) | 3, 3]), 2880);
        assert_eq!(units(&[(31 << 3) | 3, 63]), 5760);
        assert_eq!(units(&[(31 << 3) | 3]), 0);
    }
}
