//! When the mixer ticks, on a machine that does not always wake its thread in time.

use rtp::Micros;

/// The beat of a media thread: a tick each 20 ms.
///
/// Who wakes too late makes up for the ticks that were missed, so that the beat stays: otherwise each lost tick would delay all audio behind
/// it for good. Each is made for the time it was due, not for the time it comes: an engine that took the lateness of its own thread for that of
/// the packets would leave out what has come in good time. Very late, and after a rest, the beat begins anew.
///
/// ```
/// use media::Beat;
/// use rtp::Micros;
/// let mut beat = Beat::default();
/// let mut due = |now| std::iter::from_fn(|| beat.due(Micros::from_millis(now))).map(|at| at.as_millis()).collect::<Vec<_>>();
/// assert_eq!(due(1_005), [1_000]);
/// assert!(due(1_015).is_empty());
/// assert_eq!(due(1_065), [1_020, 1_040, 1_060]); // late: three at once
/// assert_eq!(due(9_999), [9_980]); // far too late: what was missed is gone
/// ```
#[derive(Debug, Default)]
pub struct Beat {
    next: Micros,
}

impl Beat {
    /// From tick to tick.
    pub const TICK: Micros = Micros::from_millis(20);
    /// Ticks are made up for when they are late by no more than this.
    pub const MAKE_UP: Micros = Micros::from_millis(200);

    /// The next tick that is due at `now`, by the time it is for; `None` until the next one. Ask until there is none.
    pub fn due(&mut self, now: Micros) -> Option<Micros> {
        if now.since(self.next) > Self::MAKE_UP {
            self.next = Micros(now.0 / Self::TICK.0 * Self::TICK.0);
        }
        if now < self.next {
            return None;
        }
        let at = self.next;
        self.next = at.plus(Self::TICK);
        Some(at)
    }
}
