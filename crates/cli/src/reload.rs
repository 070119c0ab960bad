//! SIGHUP: what is kept in files is to be read once more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, Signal};

/// Whether somebody has asked for it.
pub(crate) struct Reloads {
    asked: Arc<AtomicBool>,
}

impl Reloads {
    /// Begins to look. To be called before there are other threads: from now on SIGHUP ends nothing, in this one and in all that it starts.
    pub(crate) fn watch() -> Self {
        let asked = Arc::<AtomicBool>::default();
        let (shared, signals) = (Arc::clone(&asked), SigSet::from(Signal::SIGHUP));
        let begun = signals.thread_block().map_err(std::io::Error::from).and_then(|()| {
            std::thread::Builder::new().name("reload".into()).spawn(move || {
                while signals.wait().is_ok() {
                    shared.store(true, Ordering::Relaxed);
                }
            })
        });
        if let Err(error) = begun {
            tracing::warn!(%error, "SIGHUP is not looked for");
        }
        Self { asked }
    }

    /// Whether it was asked for since the last time.
    pub(crate) fn take(&self) -> bool {
        self.asked.swap(false, Ordering::Relaxed)
    }
}
