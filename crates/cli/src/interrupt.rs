//! Ctrl-C and SIGTERM: the first asks to end in good order, the second to end at once.
//!
//! `timeout`, and whoever else signals a process and then its group, sends each wish twice: that is one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::exit::Exit;

/// How often a waiting future looks.
const LOOK: Duration = Duration::from_millis(50);

/// What comes within this time of the first interruption, and before the verb has looked, is the same wish once more.
const TOGETHER: Duration = Duration::from_millis(200);

/// Whether somebody has asked the verb to end.
pub(crate) struct Interrupts {
    wish: Arc<Wish>,
}

#[derive(Default)]
struct Wish {
    came: AtomicBool,
    /// The verb knows.
    seen: AtomicBool,
}

impl Interrupts {
    /// Begins to look; from now on the first Ctrl-C ends nothing by itself.
    pub(crate) fn watch() -> Self {
        let wish = Arc::<Wish>::default();
        let (shared, mut first) = (Arc::clone(&wish), None::<Instant>);
        let handled = ctrlc::set_handler(move || match first {
            None => {
                first = Some(Instant::now());
                shared.came.store(true, Ordering::Relaxed);
            }
            Some(at) if shared.seen.load(Ordering::Relaxed) || at.elapsed() > TOGETHER => {
                std::process::exit(Exit::Interrupted as i32);
            }
            Some(_) => {}
        });
        if let Err(error) = handled {
            tracing::warn!(%error, "Ctrl-C ends at once: it cannot be handled");
        }
        Self { wish }
    }

    /// Whether it has come.
    pub(crate) fn seen(&self) -> bool {
        let came = self.wish.came.load(Ordering::Relaxed);
        if came {
            self.wish.seen.store(true, Ordering::Relaxed);
        }
        came
    }

    /// Waits for the first.
    pub(crate) async fn came(&self) {
        while !self.seen() {
            tokio::time::sleep(LOOK).await;
        }
    }
}
