//! The program under test.

use std::process::Command;

use super::Program;

/// Starts `offhook` with these arguments.
pub(crate) fn start(arguments: &[&str]) -> Program {
    Program::start(Command::new(env!("CARGO_BIN_EXE_offhook")).args(arguments))
}

/// Starts `offhook answer` on a free port of loopback and waits until it listens. Returns it and its address.
pub(crate) fn answer(arguments: &[&str]) -> (Program, String) {
    let port = super::free_port();
    let address = format!("127.0.0.1:{port}");
    let mut robot = start(&[&["answer", "--sip", &address], arguments].concat());
    robot.wait_for("listening on tcp");
    (robot, address)
}
