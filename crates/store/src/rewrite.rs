//! Writes a journal anew without what has been overtaken, while appends go on.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use proxy::record::write_frame;
use sip::time::WallTime;

use crate::StoreError;
use crate::files::{beside, open_private};
use crate::reading::{self, Tail};

/// Records a frame, and octets that are gathered before they are written.
const RECORDS: usize = 64;
const GATHER: usize = 1 << 18;

/// A finished new file that does not have its name yet.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) file: Arc<File>,
    pub(crate) len: u64,
}

/// Bindings longer ended than this are left out: by the wall clock, which may be off.
const GRACE: u64 = 3_600;

pub(crate) fn wall() -> WallTime {
    WallTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// What ended before this is of no use to anybody, be the wall clock off or not.
pub(crate) fn long_ended() -> WallTime {
    WallTime(wall().0.saturating_sub(GRACE))
}

/// Writes the live bindings of the first `end` octets of `old` to `path` + `.new`, flushed.
pub(crate) fn draft(old: &File, end: u64, path: &Path) -> Result<Draft, StoreError> {
    let new_path = beside(path, ".new");
    let written = write(old, end, path, &new_path);
    if written.is_err() {
        // Nothing of a half-written file is of use; the old one is untouched.
        let _ = fs::remove_file(&new_path);
    }
    written
}

fn write(old: &File, end: u64, path: &Path, new_path: &Path) -> Result<Draft, StoreError> {
    let contents = reading::read(old, end).map_err(|why| StoreError::io("read", path, why))?;
    if contents.tail != Tail::Clean {
        let expected = "expected the frames written before".to_owned();
        return Err(StoreError::Damaged { path: path.to_owned(), offset: contents.good, expected });
    }
    let file = open_private(new_path, true)?;
    let failed = |why| StoreError::io("write", new_path, why);
    let (mut len, mut bytes, mut group) = (0, Vec::new(), Vec::with_capacity(RECORDS));
    let mut live = contents.fold.into_live(long_ended()).peekable();
    while let Some(record) = live.next() {
        group.push(record);
        if group.len() == RECORDS || live.peek().is_none() {
            if !write_frame(&group, &mut bytes) {
                return Err(StoreError::TooLarge);
            }
            group.clear();
        }
        if bytes.len() >= GATHER || live.peek().is_none() {
            file.write_all_at(&bytes, len).map_err(failed)?;
            len += bytes.len() as u64;
            bytes.clear();
        }
    }
    file.sync_all().map_err(failed)?;
    Ok(Draft { file: Arc::new(file), len })
}

impl Draft {
    /// Adds what came after the draft was begun: octets `from..to` of `old`.
    pub(crate) fn catch_up(&mut self, old: &File, mut from: u64, to: u64) -> io::Result<()> {
        let mut buffer = vec![0; GATHER];
        while from < to {
            let wanted = usize::try_from(to - from).unwrap_or(GATHER).min(GATHER);
            let bytes = buffer.get_mut(..wanted).unwrap_or_default();
            old.read_exact_at(bytes, from)?;
            self.file.write_all_at(bytes, self.len)?;
            from += wanted as u64;
            self.len += wanted as u64;
        }
        Ok(())
    }
}
