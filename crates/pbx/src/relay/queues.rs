//! Copies of MESSAGEs that wait for a device to answer the one before.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use sip::Time;

use super::Copy;

/// Copies that may wait for one device.
pub(super) const MOST: usize = 64;
/// A copy that has waited for longer is not sent any more: half of the 32 s (timer F) after which its sender has given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(16);

/// A copy that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Of which message.
    pub(super) message: u64,
    pub(super) copy: Copy,
    pub(super) since: Time,
}

/// Devices that have a copy to answer, by the URI of their contact, and what waits for each of them.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// Most often empty queues.
    by_device: HashMap<String, VecDeque<Waiting>>,
}

impl Queues {
    /// Whether the device has a copy to answer.
    pub(super) fn is_busy(&self, device: &str) -> bool {
        self.by_device.contains_key(device)
    }

    /// The device has one now.
    pub(super) fn engage(&mut self, device: &str) {
        self.by_device.entry(device.to_owned()).or_default();
    }

    /// Puts a copy behind the others; false when too many wait.
    pub(super) fn wait(&mut self, device: &str, copy: Waiting) -> bool {
        let Some(queue) = self.by_device.get_mut(device).filter(|queue| queue.len() < MOST) else { return false };
        queue.push_back(copy);
        true
    }

    /// The device has answered: the next copy for it. Without one it has nothing to answer any more.
    pub(super) fn next(&mut self, device: &str) -> Option<Waiting> {
        let next = self.by_device.get_mut(device)?.pop_front();
        if next.is_none() {
            self.by_device.remove(device);
        }
        next
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.by_device.values().map(VecDeque::len).sum()
    }
}
