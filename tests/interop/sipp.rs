//! SIPp with scenarios of our own (`tests/data/sipp`).

use std::path::Path;
use std::process::Command;

use crate::program::{Program, free_port};

const SCENARIOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/sipp");

/// Starts SIPp with a scenario file of ours (or a built-in one, as `-sn uac`) against `target`.
pub(crate) fn start(scenario: &str, target: &str, arguments: &[&str]) -> Program {
    start_at(free_port(), scenario, target, arguments)
}

/// The same from a given port of loopback.
pub(crate) fn start_at(port: u16, scenario: &str, target: &str, arguments: &[&str]) -> Program {
    let mut command = Command::new("sipp");
    match scenario.strip_suffix(".xml") {
        Some(_) => command.arg("-sf").arg(Path::new(SCENARIOS).join(scenario)),
        None => command.args(["-sn", scenario]),
    };
    let port = port.to_string();
    command.current_dir(std::env::temp_dir());
    command.args(["-i", "127.0.0.1", "-p", &port, "-nostdin", "-timeout", "60s"]);
    Program::start(command.args(arguments).arg(target))
}

/// A scenario with `FINAL` in it replaced by a code.
pub(crate) fn with_final(scenario: &str, code: u16) -> tempfile::TempPath {
    let text = std::fs::read_to_string(Path::new(SCENARIOS).join(scenario)).unwrap();
    assert!(text.contains("FINAL"), "{scenario}");
    let file = tempfile::Builder::new().suffix(".xml").tempfile().unwrap();
    std::fs::write(file.path(), text.replace("FINAL", &code.to_string())).unwrap();
    file.into_temp_path()
}

/// Runs SIPp to its end; its exit code is 0 when every call went as the scenario says.
pub(crate) fn run(scenario: &str, target: &str, arguments: &[&str]) -> (i32, String) {
    start(scenario, target, arguments).finish()
}
