//! The `offhook serve` of this machine, wherever it keeps its things.
//!
//! A server whose runtime socket is not at the usual place leaves a link to it there, `serve-PID.sock`, until it ends. One that was killed
//! leaves it for the next server to take away.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::unistd::Pid;
use serde_json::Value;

use crate::exit::{Exit, Fault};
use crate::home;

/// How the links of [`announce`] begin and end.
const LINK: (&str, &str) = ("serve-", ".sock");

/// The link of a server that is found elsewhere than at the usual place; taken away when dropped.
pub(crate) struct Announced(PathBuf);

impl Drop for Announced {
    fn drop(&mut self) {
        // The directory may have gone with the session.
        let _ = fs::remove_file(&self.0);
    }
}

/// Lets [`find`] know of a server with this runtime socket. `None` when it is found without, or when the place for that is not ours to write:
/// then it must be named.
pub(crate) fn announce(socket: &Path) -> Option<Announced> {
    let folder = home::runtime()?;
    if socket == folder.join(home::SOCKET) {
        return None;
    }
    let target = std::path::absolute(socket).ok()?;
    // One that leads here is of a server that was killed.
    let is_old = |link: &PathBuf| !is_served(link) || fs::read_link(link).is_ok_and(|path| path == target);
    for link in links(&folder, LINK.0).into_iter().filter(is_old) {
        // It may be somebody else's.
        let _ = fs::remove_file(link);
    }
    let link = folder.join(format!("{}{}{}", LINK.0, std::process::id(), LINK.1));
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    match made.and_then(|()| std::os::unix::fs::symlink(target, &link)) {
        Ok(()) => Some(Announced(link)),
        Err(error) => {
            tracing::info!(%error, link = %link.display(), "others must be told where this server is");
            None
        }
    }
}

/// The status of a server: of the one whose state directory is given or in OFFHOOK_STATE, otherwise of the only one that answers.
///
/// # Errors
/// What stood in the way, for a person.
pub(crate) fn find(given: Option<&Path>) -> Result<(PathBuf, Value), String> {
    let usual = home::socket(given);
    let mut sockets = vec![usual.clone()];
    if home::asked_for(given).is_none()
        && let Some(folder) = home::runtime()
    {
        sockets.extend(links(&folder, LINK.0).into_iter().filter(|link| is_served(link)));
    }
    let mut answers: Vec<(PathBuf, String)> = Vec::new();
    let mut why = None;
    for socket in sockets {
        match ask(&socket) {
            Ok(answer) => answers.push((socket, answer)),
            // Of several reasons the one that is about a server is worth more than that nobody is at the usual place.
            Err(error) if socket != usual => why = Some(error),
            Err(error) => why = why.or(Some(error)),
        }
    }
    match answers.as_slice() {
        [] => Err(why.unwrap_or_default()),
        [(socket, answer)] => {
            let status = serde_json::from_str(answer);
            status
                .map(|status| (socket.clone(), status))
                .map_err(|error| format!("{}: the answer is no status: {error}", socket.display()))
        }
        several => {
            let state = |(_, answer): &(PathBuf, String)| {
                let status = serde_json::from_str::<Value>(answer).ok()?;
                status.get("state").and_then(Value::as_str).map(str::to_owned)
            };
            let states: Vec<String> = several.iter().filter_map(state).collect();
            Err(format!("several run: name the state directory of one in OFFHOOK_STATE: {}", states.join(", ")))
        }
    }
}

/// The links and sockets in this directory whose names begin so.
fn links(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let is_link = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(prefix) && name.ends_with(LINK.1))
    };
    let mut links: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_link).collect();
    links.sort();
    links
}

/// Verbs, besides `serve`, with a runtime socket of their own.
const OTHERS: [&str; 2] = ["answer", "call"];

/// Where this process, which runs that verb, has its runtime socket. Those that were left by processes that are no more are taken away.
pub(crate) fn place(verb: &str) -> Option<PathBuf> {
    let folder = home::runtime()?;
    let is_over = |socket: &PathBuf| {
        let pid = || socket.file_stem()?.to_str()?.rsplit_once('-')?.1.parse().ok();
        pid().is_some_and(|pid| kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH))
    };
    for socket in OTHERS.iter().flat_map(|verb| links(&folder, &format!("{verb}-"))).filter(is_over) {
        // It may be somebody else's.
        let _ = fs::remove_file(socket);
    }
    Some(folder.join(format!("{verb}-{}{}", std::process::id(), LINK.1)))
}

/// So many characters of its command line are shown of each of several.
const COMMAND: usize = 100;

/// A process that can be watched.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) socket: PathBuf,
    pub(crate) pid: u32,
    /// The verb that it runs.
    pub(crate) kind: String,
}

/// The process that can be watched: the `serve` whose state directory is given or in OFFHOOK_STATE, the one with this process id, or the only one there is.
///
/// # Errors
/// What stood in the way: that nobody is there, or which there are and how to choose among them.
pub(crate) fn process(given: Option<&Path>, pid: Option<u32>) -> Result<Process, Fault> {
    let usual = home::socket(given);
    let mut sockets = vec![usual.clone()];
    if (pid.is_some() || home::asked_for(given).is_none())
        && let Some(folder) = home::runtime()
    {
        let kinds = [LINK.0.to_owned()].into_iter().chain(OTHERS.map(|verb| format!("{verb}-")));
        sockets.extend(kinds.flat_map(|kind| links(&folder, &kind)));
    }
    let mut found: Vec<Process> = sockets.into_iter().filter_map(behind).collect();
    // One that is linked to is found twice.
    found.sort_by_key(|process| process.pid);
    found.dedup_by_key(|process| process.pid);
    if let Some(pid) = pid {
        found.retain(|process| process.pid == pid);
    }
    match (found.pop(), found.as_slice()) {
        (Some(process), []) => Ok(process),
        (Some(process), others) => {
            let names: Vec<String> = others.iter().chain([&process]).map(Process::named).collect();
            Err(Fault::usage(format!("several run, name one: {}", names.join(", "))))
        }
        (None, _) => {
            let which = pid.map(|pid| format!(" as process {pid}")).unwrap_or_default();
            let why = format!(
                "no `offhook serve`, `answer` or `call` of this user runs{which} that could be watched: a `serve` with another state directory is \
                 found with --state; {} was looked at",
                usual.display()
            );
            Err(Fault::new(Exit::Unreachable, why))
        }
    }
}

impl Process {
    /// How it is chosen, and by what a person knows it: `--pid 4711 (answer --sip 127.0.0.1:5070)`. Passwords are taken out of it by the process itself.
    fn named(&self) -> String {
        let line = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let line = String::from_utf8_lossy(line.strip_suffix(b"\0").unwrap_or(&line)).replace('\0', " ");
        // What stands before the verb is the program.
        let from = line.find(&format!(" {}", self.kind)).map(|at| at + 1);
        let said = from.and_then(|from| line.get(from..)).unwrap_or(&self.kind);
        let cut: String = said.chars().take(COMMAND).collect();
        let more = if cut.len() < said.len() { "..." } else { "" };
        format!("--pid {} ({cut}{more})", self.pid)
    }
}

/// Who listens on a socket.
fn behind(socket: PathBuf) -> Option<Process> {
    let stream = std::os::unix::net::UnixStream::connect(&socket).ok()?;
    let pid = u32::try_from(getsockopt(&stream, PeerCredentials).ok()?.pid()).ok()?;
    let name = socket.file_stem()?.to_str()?;
    let kind = name.split_once('-').map_or("serve", |(kind, _)| kind).to_owned();
    Some(Process { socket, pid, kind })
}

/// Whether a server is behind it: nobody is behind the link of one that was killed.
fn is_served(link: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(link).is_ok()
}

/// Asks the PBX behind a runtime socket for its status.
///
/// # Errors
/// What stood in the way, for a person.
fn ask(socket: &Path) -> Result<String, String> {
    let fail = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
            format!(
                "no `offhook serve` answers at {}: start one, or name its state directory, in OFFHOOK_STATE or with --state of `status`{}",
                socket.display(),
                if nix::unistd::geteuid().is_root() { "" } else { "; one that root runs answers root alone" }
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
pub(crate) fn account() -> Result<(String, String), String> {
    let (_, status) = find(None)?;
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
    let state = status.get("state").and_then(Value::as_str).ok_or("one runs, but it keeps no passwords")?;
    let path = Path::new(state).join("passwords");
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
    fn nobody_at_a_socket_is_told_with_what_mends_it() {
        let error = ask(Path::new("/nonexistent/serve.sock")).unwrap_err();
        assert!(error.contains("--state") && error.contains("/nonexistent/serve.sock"), "{error}");
    }
}
