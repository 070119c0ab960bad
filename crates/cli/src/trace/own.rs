//! The trace of this very process: into a file and to a capture server where that is wanted, and to `offhook trace`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use net::trace::{Filter, Next, Reader, Trace};
use pbx::Lookout;

use super::sinks::Sinks;
use crate::args;
use crate::exit::Fault;
use crate::neighbour;

/// How often messages are looked for: loops never wake anybody for them.
const LOOK: Duration = Duration::from_millis(20);

/// Shows what passes until it is dropped; what has passed until then is written.
pub(crate) struct Own {
    ended: Arc<AtomicBool>,
    writing: Option<JoinHandle<()>>,
    _lookout: Option<Lookout>,
}

impl Own {
    /// Begins. With `kind`, the verb, `offhook trace` finds this process; `serve` has a socket already.
    pub(crate) fn begin(kind: Option<&str>, args: &args::Traced, trace: &Trace) -> Result<Self, Fault> {
        let ended = Arc::new(AtomicBool::new(false));
        let mut writing = None;
        if args.trace.is_some() || args.hep.is_some() {
            let sinks = Sinks::open(args.trace.as_deref(), args.hep)?;
            let reader = trace.watch(Filter::default()).map_err(Fault::general)?;
            let end = Arc::clone(&ended);
            let thread = std::thread::Builder::new().name("trace".to_owned());
            writing = Some(thread.spawn(move || write(reader, sinks, &end)).map_err(Fault::general)?);
        }
        let lookout = kind.and_then(neighbour::place).and_then(|path| {
            let opened = Lookout::open(&path, trace);
            opened.inspect_err(|why| tracing::info!(%why, "`offhook trace` does not find this process")).ok()
        });
        Ok(Self { ended, writing, _lookout: lookout })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if self.writing.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that writes the trace ended by a panic");
        }
    }
}

fn write(mut reader: Reader, mut sinks: Sinks, ended: &AtomicBool) {
    let mut missed = 0;
    loop {
        // Looked at before the queue: what is in it by then is written.
        let last = ended.load(Ordering::Relaxed);
        let next = loop {
            match reader.take() {
                Next::Record(record) => {
                    missed += record.missed;
                    if let Err(why) = sinks.put(&record) {
                        give_up(&why, &mut sinks);
                    }
                }
                next => break next,
            }
        };
        if let Err(why) = sinks.flush() {
            give_up(&why, &mut sinks);
        }
        if last || next == Next::Ended {
            break;
        }
        std::thread::sleep(LOOK);
    }
    let (missed, unsent) = (missed + reader.missed(), sinks.unsent());
    if missed + unsent > 0 {
        tracing::warn!(missed, unsent, "the trace is not complete: messages came too fast, or found no capture server");
    }
}

fn give_up(why: &Fault, sinks: &mut Sinks) {
    tracing::error!(why = why.what, "the trace is not written any more");
    sinks.without_file();
}
