//! Programs that tasks start.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// The command line as a person would type it (environment changes in front).
pub(crate) fn line_of(command: &Command) -> String {
    let mut words: Vec<String> = command
        .get_envs()
        .filter_map(|(key, value)| Some(format!("{}={}", key.to_str()?, quoted(value?.to_str()?))))
        .collect();
    words.push(command.get_program().to_string_lossy().into_owned());
    words.extend(command.get_args().map(|word| quoted(&word.to_string_lossy())));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_string() } else { format!("'{word}'") }
}

/// Runs `command` with our standard streams; anything but exit code 0 is a failure.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|e| Failure::Program(line_of(command), format!("did not start: {e}")))?;
    if status.success() { Ok(()) } else { Err(Failure::Program(line_of(command), format!("ended with {status}"))) }
}

/// Runs `command` and returns what it printed on standard output; its errors go to ours.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| Failure::Program(line_of(command), format!("did not start: {e}")))?;
    if !output.status.success() {
        return Err(Failure::Program(line_of(command), format!("ended with {}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `command` silently: did it end with exit code 0?
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// Where `program` is, in `PATH` or in the administrator's folders that a user's `PATH` often lacks.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(extra).map(|folder| folder.join(program)).find(|file| is_executable(file))
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}

/// The cargo that started us, so that the same toolchain is used throughout.
///
/// Without what `cargo run` told this program about its own package: a build script that asks to run again when
/// `CARGO_PKG_NAME` and its like change (ring's does) would be run again, and all that stands on it built again, whenever
/// `cargo build` and `cargo xtask` take turns.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_of_our_package)) {
        command.env_remove(name);
    }
    command
}

/// Is `name` a variable by which cargo describes the package it runs?
fn is_of_our_package(name: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix))
}

/// Are we root? Asks `id`, which every Debian has.
pub(crate) fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|text| text.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cargo_that_we_start_hears_nothing_of_our_own_package() {
        assert!(std::env::var_os("CARGO_PKG_NAME").is_some() && std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let command = cargo();
        let unset = |name: &str| command.get_envs().any(|(key, value)| key == name && value.is_none());
        assert!(unset("CARGO_PKG_NAME") && unset("CARGO_MANIFEST_DIR") && !unset("PATH"));
    }

    #[test]
    fn a_command_line_is_printed_so_that_it_can_be_pasted() {
        let mut command = Command::new("cargo");
        command.env("RUSTFLAGS", "-C a b").args(["test", "--", "a b"]);
        assert_eq!(line_of(&command), "RUSTFLAGS='-C a b' cargo test -- 'a b'");
    }

    #[test]
    fn a_program_that_fails_is_a_failure_and_says_its_line() {
        let failure = run(Command::new("false").arg("x")).expect_err("false ends with 1");
        assert!(failure.to_string().starts_with("`false x` ended with"), "{failure}");
    }

    #[test]
    fn which_finds_the_shell_and_nothing_for_a_made_up_name() {
        assert!(which("sh").is_some());
        assert_eq!(which("no-such-program-here"), None);
    }
}
