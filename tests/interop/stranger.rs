//! Who may ask a running server: its own user and root, whatever the rights of its files say.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::program::offhook::{self, USERS};
use crate::program::{PATIENCE, Program};

/// Where the child finds the socket.
const SOCKET: &str = "OFFHOOK_TEST_SOCKET";
/// The user `nobody`.
const NOBODY: u32 = 65_534;

/// Asks for the status and says what came, as whoever runs it.
#[test]
#[ignore = "runs as a child of another_user_is_told_nothing_though_files_let_him_in"]
fn asks_the_runtime_socket() {
    let mut stream = UnixStream::connect(std::env::var_os(SOCKET).unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    println!("user {} is connected", nix::unistd::geteuid());
    // Whoever is refused may find that before he has asked.
    let _ = stream.write_all(b"status\n");
    let mut told = Vec::new();
    let ended = stream.read_to_end(&mut told).map_err(|error| error.kind());
    println!("told {} octets, {}", told.len(), if ended.is_ok() { "the end" } else { "cut off" });
    println!("it begins: {}", String::from_utf8_lossy(&told[..told.len().min(6)]));
}

/// What this user hears from the socket.
fn asked_as(user: Option<u32>, socket: &Path) -> Program {
    // By this name the program can be run whoever may read its directory.
    let mut child = Command::new("/proc/self/exe");
    child.args(["--ignored", "--exact", "--nocapture", "interop::stranger::asks_the_runtime_socket"]);
    child.env(SOCKET, socket).current_dir("/");
    if let Some(user) = user {
        child.uid(user).gid(user);
    }
    Program::start(&mut child)
}

#[test]
fn another_user_is_told_nothing_though_files_let_him_in() {
    assert!(nix::unistd::geteuid().is_root(), "to be somebody else needs root");
    let server = offhook::serve(&USERS);
    let state = server.state.path().join("state");
    let socket = state.join("serve.sock");
    // Only the look at who asks still stands between him and the answer.
    for (path, mode) in [(server.state.path(), 0o755), (&state, 0o755), (&socket, 0o666)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut nobody = asked_as(Some(NOBODY), &socket);
    nobody.wait_for(&format!("user {NOBODY} is connected"));
    nobody.wait_for("told 0 octets");
    // The control: we are.
    let mut ours = asked_as(None, &socket);
    ours.wait_for("user 0 is connected");
    ours.wait_for("it begins: {\"v\":1");
}
