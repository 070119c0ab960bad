//! What the host of a virtual machine keeps of its processors although there is work for them ("steal"): what is timed meanwhile says nothing.

use std::fs;

/// What `/proc/stat` says of all processors together, in ticks since the start: all time, and what the host kept although there was work (steal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Processors {
    all: u64,
    kept: u64,
}

impl Processors {
    /// All zero where there is no such file.
    pub(crate) fn now() -> Self {
        Self::read(&fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    fn read(stat: &str) -> Self {
        let line = stat.lines().next().unwrap_or_default();
        // user nice system idle iowait irq softirq steal; guests are in user already.
        let fields: Vec<u64> = line.split_whitespace().skip(1).take(8).filter_map(|word| word.parse().ok()).collect();
        Self { all: fields.iter().sum(), kept: fields.get(7).copied().unwrap_or_default() }
    }

    /// Per cent of the time.
    pub(crate) fn kept_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all).max(1);
        self.kept.saturating_sub(before.kept) as f64 * 100.0 / all as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_kept_is_a_share_of_all_time() {
        let before = Processors::read("cpu  100 0 50 800 10 0 5 35 7 0\ncpu0 1 2 3\n");
        assert_eq!(before, Processors { all: 1_000, kept: 35 });
        let after = Processors::read("cpu  200 0 50 1640 10 0 5 95 7 0\n");
        assert!((after.kept_since(before) - 6.0).abs() < 1e-9);
        assert!(Processors::read("").kept_since(before).abs() < 1e-9);
    }
}
