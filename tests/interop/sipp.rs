//! SIPp with scenarios of our own (`tests/data/sipp`).

use std::path::PathBuf;
use std::process::Command;

use crate::program::{Program, free_port};

/// Starts SIPp with a scenario file of ours (or a built-in one, as `-sn uac`) against `target`.
pub(crate) fn start(scenario: &str, target: &str, arguments: &[&str]) -> Program {
    let mut command = Command::new("sipp");
    match scenario.strip_suffix(".xml") {
        Some(_) => {
            let file = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/sipp")).join(scenario);
            command.arg("-sf").arg(file);
        }
        None => {
            command.args(["-sn", scenario]);
        }
    }
    let directory = std::env::temp_dir();
    command.current_dir(directory).args([
        "-i",
        "127.0.0.1",
        "-p",
        &free_port().to_string(),
        "-nostdin",
        "-timeout",
        "60s",
    ]);
    Program::start(command.args(arguments).arg(target))
}

/// Runs SIPp to its end; its exit code is 0 when every call went as the scenario says.
pub(crate) fn run(scenario: &str, target: &str, arguments: &[&str]) -> (i32, String) {
    start(scenario, target, arguments).finish()
}
