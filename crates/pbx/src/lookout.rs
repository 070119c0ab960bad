//! The runtime socket of a process that is no server: it shows its messages there and answers nothing else.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use net::trace::Trace;

use crate::watch::{self, Shown, SocketFile, WatchError};

/// A socket that shows a trace, until it is dropped.
pub struct Lookout {
    path: PathBuf,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _file: SocketFile,
}

impl Lookout {
    /// Opens it; only this user and root are answered.
    ///
    /// # Errors
    /// [`WatchError`].
    pub fn open(path: &Path, trace: &Trace) -> Result<Self, WatchError> {
        let failed = |source| WatchError::Socket { path: path.to_owned(), source };
        let (listener, file) = watch::open_socket(path)?;
        listener.set_nonblocking(false).map_err(failed)?;
        let (ended, shown) = (Arc::new(AtomicBool::new(false)), (trace.clone(), Arc::default()));
        let end = Arc::clone(&ended);
        let thread =
            std::thread::Builder::new().name("lookout".to_owned()).spawn(move || serve(&listener, &shown, &end));
        Ok(Self { path: path.to_owned(), ended, thread: Some(thread.map_err(failed)?), _file: file })
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes who waits for somebody. Where that cannot be, it ends with the process.
        if UnixStream::connect(&self.path).is_ok()
            && let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the runtime socket ended by a panic");
        }
    }
}

fn serve(listener: &UnixListener, shown: &Shown, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        match listener.accept() {
            // Who asks slowly is waited for, as nobody else may ask but ourselves.
            Ok((stream, _)) if !ended.load(Ordering::Relaxed) => {
                // Who is too slow, or closes, loses nothing of ours.
                let _ = answer(stream, shown);
            }
            Ok(_) => return,
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn answer(stream: UnixStream, shown: &Shown) -> io::Result<()> {
    if !watch::may_ask(&stream)? {
        return Ok(());
    }
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let question = watch::question(&mut &stream)?;
    watch::show(stream, &question, shown, "expected trace")
}
