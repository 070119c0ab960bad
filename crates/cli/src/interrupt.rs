//! Ctrl-C and SIGTERM: the first asks to end in good order, the second to end at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts interruptions.
pub struct Interrupts {
    count: Arc<AtomicUsize>,
}

impl Interrupts {
    /// Begins to count; from now on Ctrl-C ends nothing by itself.
    pub fn watch() -> Self {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let handled = ctrlc::set_handler(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        if let Err(error) = handled {
            tracing::warn!(%error, "Ctrl-C ends at once: it cannot be handled");
        }
        Self { count }
    }

    /// How often so far.
    pub fn seen(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}
