//! The clock that the state machines are handed.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use sip::{Now, Time, WallTime};

/// The longest that a timer sleeps. It does not see the machine asleep: so much after that has woken up it looks at the clock again, at the latest.
const NAP: Duration = Duration::from_secs(10);

/// Monotonic microseconds since the process began to count, plus the wall clock.
///
/// It goes on while the machine sleeps. What others wait for goes on then, too: who has answered an INVITE forgets it, a registrar forgets a binding. So what was due
/// meanwhile is due when the machine wakes up.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: Duration,
    read: fn() -> Duration,
}

impl Clock {
    /// Begins to count. The first reading is one second, so that zero stays a time that never was.
    pub fn start() -> Self {
        Self::by(up)
    }

    fn by(read: fn() -> Duration) -> Self {
        Self { zero: read().saturating_sub(Duration::from_secs(1)), read }
    }

    /// The same, standing still while the machine sleeps from now on: for media, of which nothing is missed meanwhile.
    pub fn awake(self) -> Self {
        Self { zero: awake().saturating_sub(self.since_zero()), read: awake }
    }

    /// Both clocks, read once for a whole turn.
    pub fn now(&self) -> Now {
        Now { mono: self.mono(), wall: wall() }
    }

    /// The monotonic clock alone.
    pub fn mono(&self) -> Time {
        Time(u64::try_from(self.since_zero().as_micros()).unwrap_or(u64::MAX))
    }

    fn since_zero(&self) -> Duration {
        (self.read)().saturating_sub(self.zero)
    }

    /// Until when a timer sleeps that waits for `time`: until then, or for ten seconds, after which it asks again.
    pub fn instant(&self, time: Time) -> Instant {
        let left = time.since(self.mono());
        Instant::now() + left.min(NAP)
    }
}

/// Since the machine was started.
fn up() -> Duration {
    read(ClockId::CLOCK_BOOTTIME)
}

/// The same without the time that it has slept.
fn awake() -> Duration {
    read(ClockId::CLOCK_MONOTONIC)
}

/// A system that does not count how long it sleeps counts what it is awake.
fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).or_else(|_| clock_gettime(ClockId::CLOCK_MONOTONIC)).map_or(Duration::ZERO, Duration::from)
}

fn wall() -> WallTime {
    WallTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// For how many seconds the machine of this test has slept.
    static SLEPT: AtomicU64 = AtomicU64::new(0);

    fn slept() -> Duration {
        awake() + Duration::from_secs(SLEPT.load(Ordering::Relaxed))
    }

    #[test]
    fn what_is_due_while_the_machine_sleeps_is_due_when_it_wakes_up() {
        let clock = Clock::by(slept);
        let media = clock.awake();
        let begin = clock.mono();
        let [soon, later] = [4, 300].map(|secs| begin + Duration::from_secs(secs));
        assert!(clock.instant(soon) > Instant::now() + Duration::from_secs(3));
        // Who sleeps for longer notices nothing of it: so nobody does.
        assert!(clock.instant(later) < Instant::now() + Duration::from_secs(11));
        SLEPT.store(180, Ordering::Relaxed);
        assert!(clock.mono() >= begin + Duration::from_secs(180));
        assert!(clock.instant(soon) <= Instant::now());
        assert!(clock.instant(later) > Instant::now() + Duration::from_secs(9));
        SLEPT.store(297, Ordering::Relaxed);
        assert!(clock.instant(later) < Instant::now() + Duration::from_secs(4));
        // Media were at the same time, and have slept.
        assert!((begin..begin + Duration::from_secs(100)).contains(&media.mono()), "{media:?}");
    }

    #[test]
    fn a_clock_begins_with_a_second_and_counts_what_the_system_counts() {
        let clock = Clock::start();
        let before = up();
        let second = Duration::from_secs(1);
        assert!((Time(0) + second..Time(0) + 2 * second).contains(&clock.mono()), "{clock:?}");
        assert!(before - clock.zero < 2 * second);
        let without_sleep = awake();
        assert!(up() >= without_sleep, "the system counts how long it has slept");
    }
}
