//! The clock that the state machines are handed.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sip::{Now, Time, WallTime};

/// Monotonic microseconds since the process began to count, plus the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: Instant,
}

impl Clock {
    /// Begins to count. The first reading is one second, so that zero stays a time that never was.
    pub fn start() -> Self {
        let now = Instant::now();
        Self { zero: now.checked_sub(Duration::from_secs(1)).unwrap_or(now) }
    }

    /// Both clocks, read once for a whole turn.
    pub fn now(&self) -> Now {
        Now { mono: self.mono(), wall: wall() }
    }

    /// The monotonic clock alone.
    pub fn mono(&self) -> Time {
        Time(u64::try_from(self.zero.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// When `time` will be, for a sleeping timer.
    pub fn instant(&self, time: Time) -> Instant {
        self.zero + Duration::from_micros(time.0)
    }
}

fn wall() -> WallTime {
    WallTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}
