//! What is wrong with keys and certificates, in words a person can act on.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Keys or certificates cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read or written.
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what it should.
    Content {
        /// Which.
        path: PathBuf,
        /// What was expected.
        why: String,
    },
    /// Key and certificate cannot be used together, or not for TLS.
    Unusable(String),
    /// The system has no certificates of authorities.
    NoRoots(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Content { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Unusable(why) => write!(f, "the certificate cannot be used: {why}"),
            Self::NoRoots(why) => {
                write!(
                    f,
                    "this system trusts no certificate authority ({why}): install ca-certificates, or name a file of your own"
                )
            }
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            _ => None,
        }
    }
}
