//! The append-only journal of bindings.
//!
//! An append is one write of one frame, or of several that belong to different requests, done before it returns; with [`Durability::Sync`] it is on the disk by then, otherwise another thread flushes at least every
//! [`Options::flush_every`]. What a killed process wrote is complete up to its last whole frame; what a power cut leaves is complete up to the last flush. The same thread rewrites the
//! file when more than half of it has been overtaken.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use proxy::Record;
use proxy::record::write_frame;

use crate::files::{self, Lock, beside, folder, open_private, sync_folder};
use crate::reading::{self, Contents, Tail};
use crate::{StoreError, rewrite};

/// When an append counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Once the system has it: survives the end of the process, however it comes. The disk has it within [`Options::flush_every`].
    #[default]
    Second,
    /// Once the disk has it: survives a power cut. Costs a flush an append, however many requests it holds.
    Sync,
}

/// What to do with a file that is damaged in the middle. A torn end is no damage: it is what being killed leaves, and is cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDamage {
    /// Refuse to open.
    #[default]
    Refuse,
    /// Keep the file beside under another name and go on with what stood before the damage.
    SetAside,
}

/// How a journal behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// When an append counts as done.
    pub durability: Durability,
    /// Longest time until the disk has an append.
    pub flush_every: Duration,
    /// What to do with a damaged file.
    pub on_damage: OnDamage,
    /// A file smaller than this is never rewritten.
    pub rewrite_from: u64,
}

impl Default for Options {
    /// Flushed each second, damage refused, rewritten from 1 MiB.
    fn default() -> Self {
        Options {
            durability: Durability::default(),
            flush_every: Duration::from_secs(1),
            on_damage: OnDamage::default(),
            rewrite_from: 1 << 20,
        }
    }
}

/// What a journal held when it was opened.
#[derive(Debug, Default)]
pub struct Found {
    /// The bindings that have not ended: to be applied to a `proxy::Location`.
    pub records: Vec<Record>,
    /// Octets of an unfinished write that were cut off.
    pub torn: u64,
    /// Where a damaged file was put.
    pub set_aside: Option<PathBuf>,
}

#[derive(Debug)]
struct End {
    file: Arc<File>,
    /// Octets of whole frames.
    len: u64,
    /// What `len` would be without overtaken records, as last known.
    live: u64,
    /// There may be octets after `len`, left by a failed write.
    ragged: bool,
    /// The last flush failed: what was appended since may be lost, and only a rewrite makes it good.
    unsafe_since: Option<std::io::ErrorKind>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    folder: PathBuf,
    options: Options,
    end: Mutex<End>,
    dirty: AtomicBool,
    stop: AtomicBool,
}

/// A journal that is open. Dropping it flushes.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    flusher: Option<JoinHandle<()>>,
    buffer: Vec<u8>,
    _lock: Lock,
}

impl Journal {
    /// Opens or makes the journal at `path`, mode 0600; a missing directory is made with mode 0700. Reads it back.
    ///
    /// # Errors
    /// Another process has it open; it is damaged; the system refuses.
    pub fn open(path: &Path, options: Options) -> Result<(Journal, Found), StoreError> {
        let folder = folder(path)?;
        let lock = Lock::take(&beside(path, ".lock"))?;
        let unfinished = beside(path, ".new");
        if unfinished.exists() {
            fs::remove_file(&unfinished).map_err(|why| StoreError::io("remove", &unfinished, why))?;
        }
        let (end, found) = read_back(path, options.on_damage)?;
        sync_folder(&folder)?;
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            folder,
            options,
            dirty: AtomicBool::new(end.overgrown(0)),
            end: Mutex::new(end),
            stop: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&shared);
        let started = thread::Builder::new().name("journal".to_owned()).spawn(move || of_thread.keep());
        let flusher = started.map_err(|why| StoreError::io("start the thread that flushes", path, why))?;
        Ok((Journal { shared, flusher: Some(flusher), buffer: Vec::new(), _lock: lock }, found))
    }

    /// Octets of the file.
    pub fn size(&self) -> u64 {
        self.shared.lock().len
    }

    /// Makes the disk have everything.
    ///
    /// # Errors
    /// It may not have it.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.shared.flush()
    }

    /// Writes the file anew without what was overtaken. It happens by itself; this is for who wants it now.
    ///
    /// # Errors
    /// The old file is as it was.
    pub fn rewrite(&mut self) -> Result<(), StoreError> {
        self.shared.rewrite()
    }

    /// Writes all `records` or none of them.
    ///
    /// # Errors
    /// Nothing was written; the change must not be carried out.
    pub fn append(&mut self, records: &[Record]) -> Result<(), StoreError> {
        self.append_all([records])
    }

    /// The same for the records of several requests, with one write: all of them or none. What a crash leaves is whole request by request.
    ///
    /// # Errors
    /// Nothing was written; none of the changes must be carried out.
    pub fn append_all<'a>(&mut self, requests: impl IntoIterator<Item = &'a [Record]>) -> Result<(), StoreError> {
        self.buffer.clear();
        if !requests.into_iter().all(|records| write_frame(records, &mut self.buffer)) {
            return Err(StoreError::TooLarge);
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.shared.append(&self.buffer)?;
        if !self.shared.dirty.swap(true, Ordering::AcqRel)
            && let Some(flusher) = &self.flusher
        {
            flusher.thread().unpark();
        }
        Ok(())
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(flusher) = self.flusher.take() {
            flusher.thread().unpark();
            // A thread that panicked has nothing left to do.
            let _ = flusher.join();
        }
        // Nobody is left to tell; the next start reads what is there.
        let _ = self.shared.flush();
    }
}

impl End {
    fn overgrown(&self, from: u64) -> bool {
        self.len >= from.max(1) && self.len / 2 > self.live
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, End> {
        // Each change of `End` is whole at every point where it could panic.
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, frame: &[u8]) -> Result<(), StoreError> {
        let failed = |why| StoreError::io("write", &self.path, why);
        let mut end = self.lock();
        if let Some(kind) = end.unsafe_since {
            return Err(failed(kind.into()));
        }
        if end.ragged {
            end.file.set_len(end.len).map_err(failed)?;
            end.ragged = false;
        }
        let mut written = end.file.write_all_at(frame, end.len);
        if written.is_ok() && self.options.durability == Durability::Sync {
            written = end.file.sync_data();
        }
        match written {
            Ok(()) => {
                end.len += frame.len() as u64;
                Ok(())
            }
            Err(why) => {
                // Cut off what did get written, now or before the next append.
                end.ragged = end.file.set_len(end.len).is_err();
                Err(failed(why))
            }
        }
    }

    fn flush(&self) -> Result<(), StoreError> {
        let file = Arc::clone(&self.lock().file);
        // Without the lock: appends go on while the disk works.
        let done = file.sync_data();
        if let Err(why) = &done {
            let mut end = self.lock();
            if Arc::ptr_eq(&end.file, &file) {
                end.unsafe_since = Some(why.kind());
            }
        }
        done.map_err(|why| StoreError::io("flush", &self.path, why))
    }

    fn rewrite(&self) -> Result<(), StoreError> {
        let (old, upto) = {
            let end = self.lock();
            (Arc::clone(&end.file), end.len)
        };
        let mut draft = rewrite::draft(&old, upto, &self.path)?;
        let live = draft.len;
        let mut end = self.lock();
        let new_path = beside(&self.path, ".new");
        let swap = draft.catch_up(&old, upto, end.len).and_then(|()| {
            // What was promised to be on the disk must be there before the name changes hands.
            if self.options.durability == Durability::Sync || end.unsafe_since.is_some() {
                draft.file.sync_data()?;
            }
            fs::rename(&new_path, &self.path)
        });
        if let Err(why) = swap {
            let _ = fs::remove_file(&new_path);
            return Err(StoreError::io("replace", &self.path, why));
        }
        *end = End { file: draft.file, len: draft.len, live, ragged: false, unsafe_since: None };
        if self.options.durability == Durability::Sync {
            return sync_folder(&self.folder);
        }
        drop(end);
        sync_folder(&self.folder)
    }

    /// The thread: flushes what was appended, rewrites what has grown.
    fn keep(&self) {
        // After a failed rewrite (no room, say) the next try waits until the file has grown further.
        let mut rewrite_from = self.options.rewrite_from;
        while !self.stop.load(Ordering::Acquire) {
            if !self.dirty.load(Ordering::Acquire) {
                thread::park();
                continue;
            }
            self.wait(self.options.flush_every);
            self.dirty.store(false, Ordering::Release);
            // A failure is kept in `End` and told by the next append.
            let flushed = self.flush().is_ok();
            let (overgrown, len) = {
                let end = self.lock();
                (end.overgrown(rewrite_from), end.len)
            };
            if overgrown || !flushed {
                rewrite_from = match self.rewrite() {
                    Ok(()) => self.options.rewrite_from,
                    Err(_) => len.saturating_add(len / 4),
                };
            }
        }
    }

    fn wait(&self, span: Duration) {
        let until = Instant::now() + span;
        while !self.stop.load(Ordering::Acquire) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::park_timeout(left);
        }
    }
}

fn read_back(path: &Path, on_damage: OnDamage) -> Result<(End, Found), StoreError> {
    let failed = |doing: &'static str| move |why| StoreError::io(doing, path, why);
    let mut file = open_private(path, false)?;
    let size = file.metadata().map_err(failed("read the size of"))?.len();
    let Contents { fold, records, good, tail } = reading::read(&file, size).map_err(failed("read"))?;
    let mut found = Found::default();
    match tail {
        Tail::Clean => {}
        Tail::Torn => {
            file.set_len(good).and_then(|()| file.sync_all()).map_err(failed("cut off the torn end of"))?;
            found.torn = size - good;
        }
        Tail::Damaged(why) if on_damage == OnDamage::Refuse => {
            return Err(StoreError::Damaged { path: path.to_owned(), offset: good, expected: why.to_string() });
        }
        Tail::Damaged(_) => {
            let aside = set_aside(path, good)?;
            file = open_private(path, false)?;
            found.set_aside = Some(aside);
        }
    }
    // `u128`: neither count can make the product overflow.
    let live = if records == 0 { 0 } else { (u128::from(good) * fold.len() as u128 / u128::from(records)) as u64 };
    found.records = fold.into_live(rewrite::wall()).collect();
    Ok((End { file: Arc::new(file), len: good, live, ragged: false, unsafe_since: None }, found))
}

/// Moves the file at `path` to a free name beside it and leaves a copy of its first `good` octets in its place.
fn set_aside(path: &Path, good: u64) -> Result<PathBuf, StoreError> {
    let names = (1..).map(|number: u32| beside(path, &format!(".damaged-{number}")));
    let aside = { names }.find(|name| !name.exists()).unwrap_or_else(|| beside(path, ".damaged"));
    let old = File::open(path).map_err(|why| StoreError::io("open", path, why))?;
    let new_path = beside(path, ".new");
    let mut draft = rewrite::Draft { file: Arc::new(open_private(&new_path, true)?), len: 0 };
    let copied = draft.catch_up(&old, 0, good).and_then(|()| draft.file.sync_all());
    copied.map_err(|why| StoreError::io("write", &new_path, why))?;
    fs::rename(path, &aside).map_err(|why| StoreError::io("set aside", path, why))?;
    fs::rename(&new_path, path).map_err(|why| StoreError::io("replace", path, why))?;
    files::sync_folder(&folder(path)?)?;
    Ok(aside)
}

#[cfg(test)]
mod tests;
