//! Files that are nobody else's: modes, the lock, and making a change of a directory last.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::StoreError;

/// `path` with `ending` added to its name.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The directory of `path`, made with mode 0700 when missing.
pub(crate) fn folder(path: &Path) -> Result<PathBuf, StoreError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|why| StoreError::io("make the directory", folder, why))?;
    Ok(folder.to_owned())
}

/// Makes what was created, renamed or removed in `folder` last.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    let opened = File::open(folder).and_then(|folder| folder.sync_all());
    opened.map_err(|why| StoreError::io("flush the directory", folder, why))
}

/// Opens for reading and writing, mode 0600 even when the file was there with another.
pub(crate) fn open_private(path: &Path, empty: bool) -> Result<File, StoreError> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(empty).mode(0o600).open(path);
    let file = opened.map_err(|why| StoreError::io("open", path, why))?;
    let private = file.set_permissions(Permissions::from_mode(0o600));
    private.map_err(|why| StoreError::io("set mode 0600 of", path, why))?;
    Ok(file)
}

/// Makes a file where it is missing, with mode 0600. One that is there keeps its mode: somebody else may have to write it.
#[cfg(feature = "sqlite")]
pub(crate) fn make_private(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map(|_| ()).map_err(|why| StoreError::io("open", path, why))
}

/// How long a lock is waited for: a process that ends, or one it has just forked, may hold it a moment longer.
const PATIENCE: Duration = Duration::from_millis(500);

/// Holds a lock file until dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    pub(crate) fn take(path: &Path) -> Result<Lock, StoreError> {
        let mut file = open_private(path, false)?;
        let until = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(Duration::from_millis(10)),
                Err(TryLockError::WouldBlock) => {
                    let mut text = String::new();
                    let holder = file.take(20).read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                    return Err(StoreError::Locked { path: path.to_owned(), holder });
                }
                Err(TryLockError::Error(why)) => return Err(StoreError::io("lock", path, why)),
            }
        }
        // For a person only: the lock itself is the system's and ends with the process.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Lock { _file: file })
    }
}
