//! Ctrl-C and SIGTERM: the first asks to end in good order, the second to end at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::exit::Exit;

/// How often a waiting future looks.
const LOOK: Duration = Duration::from_millis(50);

/// Counts interruptions.
pub(crate) struct Interrupts {
    count: Arc<AtomicUsize>,
}

impl Interrupts {
    /// Begins to count; from now on Ctrl-C ends nothing by itself.
    pub(crate) fn watch() -> Self {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let handled = ctrlc::set_handler(move || {
            if counted.fetch_add(1, Ordering::Relaxed) > 0 {
                std::process::exit(Exit::Interrupted as i32);
            }
        });
        if let Err(error) = handled {
            tracing::warn!(%error, "Ctrl-C ends at once: it cannot be handled");
        }
        Self { count }
    }

    /// How often so far.
    pub(crate) fn seen(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits for the first.
    pub(crate) async fn came(&self) {
        while self.seen() == 0 {
            tokio::time::sleep(LOOK).await;
        }
    }
}
