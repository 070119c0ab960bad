//! How many files, sockets included, this process may have open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit on open files as far as the system allows without asking: every connection and every stream of a call is one. Called
/// once, at the start of a program.
pub fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| match soft < hard {
        true => setrlimit(Resource::RLIMIT_NOFILE, hard, hard),
        false => Ok(()),
    });
    if let Err(error) = raised {
        tracing::debug!(%error, "the limit on open files stays as it is");
    }
}

/// What the limit is now.
pub(crate) fn file_limit() -> usize {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(usize::MAX, |(soft, _)| usize::try_from(soft).unwrap_or(usize::MAX))
}
