//! What can go wrong with a store.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a store cannot be opened or written.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it open.
    Locked {
        /// The lock.
        path: PathBuf,
        /// The other process, as far as the lock tells.
        holder: Option<u32>,
    },
    /// There are good records after bad octets: this is no torn write.
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the bad octets begin.
        offset: u64,
        /// What should stand there.
        expected: String,
    },
    /// No room: disk, quota or limit on files.
    Full {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else the system refused.
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The records of one change are longer than a frame may be.
    TooLarge,
    /// A file in which a secret is kept holds something else.
    Secret {
        /// The file.
        path: PathBuf,
    },
    /// A database refused, or holds what it should not.
    Database {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What it said, or what was expected.
        why: String,
    },
}

impl StoreError {
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> StoreError {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let path = path.to_owned();
        match source.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => StoreError::Full { path, source },
            _ => StoreError::Io { doing, path, source },
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Locked { path, holder: Some(holder) } => {
                write!(f, "{}: in use by process {holder}; stop it or name another state directory", path.display())
            }
            StoreError::Locked { path, holder: None } => {
                write!(f, "{}: in use by another process; stop it or name another state directory", path.display())
            }
            StoreError::Damaged { path, offset, expected } => write!(
                f,
                "{}: damaged at byte {offset}: {expected}, and good records follow; restore a copy, or move the file away to start without registrations",
                path.display()
            ),
            StoreError::Full { path, source } => write!(f, "{}: no room to write: {source}", path.display()),
            StoreError::Io { doing, path, source } => write!(f, "{}: cannot {doing}: {source}", path.display()),
            StoreError::TooLarge => f.write_str("records of one change: expected at most 16 MiB"),
            StoreError::Secret { path } => write!(
                f,
                "{}: expected 32 hexadecimal digits; move the file away to start with another secret",
                path.display()
            ),
            StoreError::Database { doing, path, why } => write!(f, "{}: cannot {doing}: {why}", path.display()),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StoreError::Full { source, .. } | StoreError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
