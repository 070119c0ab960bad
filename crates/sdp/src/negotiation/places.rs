//! Which entries of a list of codecs are still free.

/// Places 0 to 127 of a list: there are no more payload types than that, so no codec behind them can be of use.
#[derive(Clone, Copy)]
pub(super) struct Places(u128);

impl Places {
    /// All.
    pub(super) const ALL: Places = Places(u128::MAX);

    pub(super) fn has(self, place: usize) -> bool {
        u32::try_from(place).is_ok_and(|place| self.0.checked_shr(place).is_some_and(|places| places & 1 == 1))
    }

    pub(super) fn take(&mut self, place: usize) {
        let bit = u32::try_from(place).ok().and_then(|place| 1_u128.checked_shl(place));
        self.0 &= !bit.unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3551_6_each_of_128_places_is_taken_once() {
        let mut free = Places::ALL;
        for place in 0..128 {
            assert!(free.has(place));
            free.take(place);
            assert!(!free.has(place));
        }
        for beyond in [128, 1 << 32, usize::MAX] {
            free.take(beyond);
            assert!(!free.has(beyond));
        }
    }
}
