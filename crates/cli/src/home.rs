//! Where things are kept: state and the runtime socket.

use std::path::{Path, PathBuf};

/// The name of the runtime socket.
pub(crate) const SOCKET: &str = "serve.sock";

/// The state directory: what is given or in OFFHOOK_STATE, /var/lib/offhook for root, otherwise below $XDG_STATE_HOME or ~/.local/state.
pub(crate) fn state(given: Option<&Path>) -> PathBuf {
    if let Some(given) = asked_for(given) {
        return given;
    }
    if nix::unistd::geteuid().is_root() {
        return "/var/lib/offhook".into();
    }
    let home = || std::env::home_dir().map(|home| home.join(".local/state"));
    let base = absolute("XDG_STATE_HOME").or_else(home).unwrap_or_else(std::env::temp_dir);
    base.join("offhook")
}

/// The directory that somebody named.
pub(crate) fn asked_for(given: Option<&Path>) -> Option<PathBuf> {
    given.map(Path::to_owned).or_else(|| std::env::var_os("OFFHOOK_STATE").map(PathBuf::from))
}

/// The runtime socket: in the state directory that is given or in OFFHOOK_STATE, otherwise where [`runtime`] says.
pub(crate) fn socket(given: Option<&Path>) -> PathBuf {
    if let Some(given) = asked_for(given) {
        return given.join(SOCKET);
    }
    runtime().unwrap_or_else(|| state(None)).join(SOCKET)
}

/// Where servers of this user are found: OFFHOOK_RUNTIME, otherwise /run/offhook for root and $XDG_RUNTIME_DIR/offhook for others.
pub(crate) fn runtime() -> Option<PathBuf> {
    if let Some(given) = absolute("OFFHOOK_RUNTIME") {
        return Some(given);
    }
    if nix::unistd::geteuid().is_root() {
        return Some("/run/offhook".into());
    }
    absolute("XDG_RUNTIME_DIR").map(|runtime| runtime.join("offhook"))
}

/// Paths in these variables count only when they are absolute, says the specification of XDG base directories.
fn absolute(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_given_holds_state_and_socket() {
        let given = Path::new("/srv/pbx");
        assert_eq!(state(Some(given)), given);
        assert_eq!(socket(Some(given)), Path::new("/srv/pbx/serve.sock"));
    }
}
