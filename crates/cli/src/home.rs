//! Where things are kept: state and the runtime socket.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The name of the runtime socket.
const SOCKET: &str = "serve.sock";

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

fn asked_for(given: Option<&Path>) -> Option<PathBuf> {
    given.map(Path::to_owned).or_else(|| std::env::var_os("OFFHOOK_STATE").map(PathBuf::from))
}

/// The runtime socket: in the state directory that is given or in OFFHOOK_STATE, otherwise in /run/offhook for root and in $XDG_RUNTIME_DIR/offhook for others.
pub(crate) fn socket(given: Option<&Path>) -> PathBuf {
    if let Some(given) = asked_for(given) {
        return given.join(SOCKET);
    }
    if nix::unistd::geteuid().is_root() {
        return Path::new("/run/offhook").join(SOCKET);
    }
    match absolute("XDG_RUNTIME_DIR") {
        Some(runtime) => runtime.join("offhook").join(SOCKET),
        None => state(None).join(SOCKET),
    }
}

/// Paths in these variables count only when they are absolute, says the specification of XDG base directories.
fn absolute(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Asks the PBX behind a runtime socket for its status.
///
/// # Errors
/// What stood in the way, for a person.
pub(crate) fn ask(socket: &Path) -> Result<String, String> {
    let fail = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
            format!(
                "no `offhook serve` answers at {}: start one, or name its state directory with --state",
                socket.display()
            )
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("{}: only the user that runs `offhook serve`, and root, may ask it", socket.display())
        }
        _ => format!("{}: {error}", socket.display()),
    };
    pbx::ask_status(socket).map_err(fail)
}

/// The first user of the PBX on this machine whose password was made there, as (address, password).
///
/// # Errors
/// What is missing, for a person.
pub(crate) fn neighbour() -> Result<(String, String), String> {
    let answer = ask(&socket(None))?;
    let status: Value = serde_json::from_str(&answer).map_err(|error| format!("its answer cannot be read: {error}"))?;
    let listens = status.get("listen").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let address = listens.iter().filter_map(Value::as_str).find_map(reachable);
    let address = address.ok_or("it listens nowhere that is reached from here")?;
    let users = status.get("users").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let name_of = |user: &Value| user.get("name").and_then(Value::as_str).map(str::to_owned);
    let made = |user: &&Value| user.get("password_made").and_then(Value::as_bool) == Some(true);
    let Some(name) = users.iter().find(made).and_then(name_of) else {
        let name = users.first().and_then(name_of).unwrap_or_else(|| "1001".to_owned());
        return Err(format!(
            "one runs, but its users have passwords of their own: give --account sip:{name}@{address} --password @FILE"
        ));
    };
    let path = state(None).join("passwords");
    let kept = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let password = kept.lines().filter_map(|line| line.split_once(' ')).find(|(user, _)| *user == name);
    let (_, password) = password.ok_or_else(|| format!("{}: expected the password of {name}", path.display()))?;
    Ok((format!("sip:{name}@{address}"), password.trim().to_owned()))
}

/// Host and port of `udp:0.0.0.0:5060`, as reached from this machine.
fn reachable(listens: &str) -> Option<String> {
    let address: std::net::SocketAddr = listens.strip_prefix("udp:")?.parse().ok()?;
    match address.ip() {
        ip if !ip.is_unspecified() => Some(address.to_string()),
        ip if ip.is_ipv4() => Some(format!("127.0.0.1:{}", address.port())),
        _ => Some(format!("[::1]:{}", address.port())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_everywhere_is_reached_at_loopback() {
        assert_eq!(reachable("udp:0.0.0.0:5070").as_deref(), Some("127.0.0.1:5070"));
        assert_eq!(reachable("udp:[::]:5060").as_deref(), Some("[::1]:5060"));
        assert_eq!(reachable("udp:192.0.2.1:5060").as_deref(), Some("192.0.2.1:5060"));
        assert_eq!(reachable("tcp:0.0.0.0:5060"), None);
    }

    #[test]
    fn directory_given_holds_state_and_socket() {
        let given = Path::new("/srv/pbx");
        assert_eq!(state(Some(given)), given);
        assert_eq!(socket(Some(given)), Path::new("/srv/pbx/serve.sock"));
    }

    #[test]
    fn nobody_at_a_socket_is_told_with_what_mends_it() {
        let error = ask(Path::new("/nonexistent/serve.sock")).unwrap_err();
        assert!(error.contains("--state") && error.contains("/nonexistent/serve.sock"), "{error}");
    }
}
