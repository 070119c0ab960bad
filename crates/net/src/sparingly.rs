//! Warnings that others can cause at will.

use std::time::{Duration, Instant};

/// How often one is given, or several.
const INTERVAL: Duration = Duration::from_secs(60);

/// Lets one warning a minute through, or several, so that nobody fills our log from outside.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sparingly {
    next: Option<Instant>,
    kept_back: u64,
    /// So many come through in an interval; 0 is 1.
    most: u32,
    /// Of these are left.
    left: u32,
}

impl Sparingly {
    /// Lets so many a minute through.
    pub fn several(most: u32) -> Self {
        Self { most, ..Self::default() }
    }

    /// When a warning is due: how many were kept back since the last.
    pub fn due(&mut self, now: Instant) -> Option<u64> {
        if self.next.is_some_and(|next| now < next) {
            if self.left > 0 {
                self.left -= 1;
                return Some(0);
            }
            self.kept_back += 1;
            return None;
        }
        (self.next, self.left) = (Some(now + INTERVAL), self.most.saturating_sub(1));
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

    #[test]
    fn of_several_all_come_through_until_there_are_too_many() {
        let (mut sparingly, start) = (Sparingly::several(3), Instant::now());
        assert_eq!([(); 5].map(|()| sparingly.due(start)), [Some(0), Some(0), Some(0), None, None]);
        let later = start + INTERVAL;
        assert_eq!([(); 4].map(|()| sparingly.due(later)), [Some(2), Some(0), Some(0), None]);
    }
}
