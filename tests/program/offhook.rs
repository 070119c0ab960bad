//! The program under test.

use std::path::Path;
use std::process::Command;

use super::Program;

/// Starts `offhook` with these arguments.
pub(crate) fn start(arguments: &[&str]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offhook"));
    // No directory: servers of tests do not tell of themselves.
    Program::start(command.args(arguments).env("OFFHOOK_RUNTIME", "/dev/null/offhook"))
}

/// The same with a directory for runtime sockets.
pub(crate) fn start_in(runtime: &Path, arguments: &[&str]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offhook"));
    Program::start(command.args(arguments).env("OFFHOOK_RUNTIME", runtime).env_remove("OFFHOOK_STATE"))
}

/// Starts `offhook answer` on a free port of loopback and waits until it listens. Returns it and its address.
pub(crate) fn answer(arguments: &[&str]) -> (Program, String) {
    let port = super::free_port();
    let address = format!("127.0.0.1:{port}");
    let mut robot = start(&[&["answer", "--sip", &address], arguments].concat());
    robot.wait_for("listening on tcp");
    (robot, address)
}

/// The users of a server under test.
pub(crate) const USERS: [&str; 4] = ["--user", "1001:secret1", "--user", "1002:secret2"];

/// A running PBX with its state in a directory that goes with it.
pub(crate) struct Server {
    /// The program.
    pub(crate) program: Program,
    /// Where it listens, UDP and TCP.
    pub(crate) address: String,
    /// The directory that its state is in.
    pub(crate) state: tempfile::TempDir,
}

/// Starts `offhook serve` on a free port of loopback, with state of its own, and waits until it is ready.
pub(crate) fn serve(arguments: &[&str]) -> Server {
    let state = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", super::free_port());
    let program = serve_at(&address, state.path(), arguments);
    Server { program, address, state }
}

impl Server {
    /// What `offhook status --json` tells of it.
    pub(crate) fn status(&self) -> serde_json::Value {
        let state = self.state.path().join("state");
        let (code, told) = start(&["status", "--json", "--state", state.to_str().unwrap()]).finish();
        assert_eq!(code, 0, "{told}");
        serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
    }
}

/// The same at a given address, with state that stays.
pub(crate) fn serve_at(address: &str, state: &Path, arguments: &[&str]) -> Program {
    let state = state.join("state");
    let mut program = start(&[&["serve", "--sip", address, "--state", state.to_str().unwrap()], arguments].concat());
    program.wait_for("ready; state in");
    program
}

/// A configuration file for `serve --config`.
pub(crate) fn configuration(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}
