//! Warnings that others can cause at will.

use std::time::{Duration, Instant};

/// How often one is given.
const INTERVAL: Duration = Duration::from_secs(60);

/// Lets one warning a minute through, so that nobody fills our log from outside.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sparingly {
    next: Option<Instant>,
    kept_back: u64,
}

impl Sparingly {
    /// When a warning is due: how many were kept back since the last.
    pub fn due(&mut self, now: Instant) -> Option<u64> {
        if self.next.is_some_and(|next| now < next) {
            self.kept_back += 1;
            return None;
        }
        self.next = Some(now + INTERVAL);
        Some(std::mem::take(&mut self.kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_minute_comes_through_and_tells_of_the_others() {
        let (mut sparingly, start) = (Sparingly::default(), Instant::now());
        assert_eq!(sparingly.due(start), Some(0));
        assert_eq!(sparingly.due(start), None);
        assert_eq!(sparingly.due(start + INTERVAL - Duration::from_millis(1)), None);
        assert_eq!(sparingly.due(start + INTERVAL), Some(2));
        assert_eq!(sparingly.due(start + INTERVAL), None);
    }
}
