//! The line on the terminal while a call runs: `talking 0:12  PCMU  recv 600  lost 0  jitter 0.3 ms  [######    ] -18 dB`.

use std::time::Duration;

use audio::level::Dbfs;
use ua::CallStats;

/// Characters of the level meter.
const WIDTH: usize = 12;
/// The level that shows nothing.
const FLOOR: f32 = -60.0;

/// The line of a call that is being set up.
pub(super) fn dialling(state: &str, since: Duration) -> String {
    format!("{state} {}", clock(since))
}

/// The line of a call that stands.
pub(super) fn talking(state: &str, since: Duration, stats: Option<&CallStats>, level: Dbfs) -> String {
    let figures = stats.map_or_else(
        || "no audio".to_owned(),
        |stats| {
            format!(
                "{}  recv {}  lost {}  jitter {:.1} ms",
                stats.codec,
                stats.packets_received,
                stats.packets_lost,
                stats.jitter.as_secs_f64() * 1_000.0
            )
        },
    );
    format!("{state} {}  {figures}  {}", clock(since), meter(level))
}

/// `[######      ] -30 dB`.
fn meter(level: Dbfs) -> String {
    let share = ((level.0 - FLOOR) / -FLOOR).clamp(0.0, 1.0);
    let filled = (share * WIDTH as f32).round() as usize;
    let number = if level.0 <= FLOOR { "  -".to_owned() } else { format!("{:3.0}", level.0) };
    format!("[{}{}] {number} dB", "#".repeat(filled), " ".repeat(WIDTH - filled.min(WIDTH)))
}

fn clock(since: Duration) -> String {
    format!("{}:{:02}", since.as_secs() / 60, since.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meter_is_empty_at_silence_and_full_at_full_scale() {
        assert_eq!(meter(Dbfs::SILENCE), "[            ]   - dB");
        assert_eq!(meter(Dbfs(-30.0)), "[######      ] -30 dB");
        assert_eq!(meter(Dbfs(0.0)), "[############]   0 dB");
        assert_eq!(meter(Dbfs(9.0)), "[############]   9 dB");
    }

    #[test]
    fn lines_show_time_and_state() {
        assert_eq!(dialling("ringing", Duration::from_secs(65)), "ringing 1:05");
        let line = talking("talking", Duration::from_secs(3), None, Dbfs(-20.0));
        assert_eq!(line, "talking 0:03  no audio  [########    ] -20 dB");
    }
}
