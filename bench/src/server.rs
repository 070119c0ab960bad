//! A server process whose CPU time is read.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server on core 0; ended when dropped.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Starts it on core 0, quietly, and waits until something is bound to the UDP `port`.
    pub(crate) fn start(command: &[&str], port: u16) -> Result<Self, String> {
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", "0"]).args(command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = pinned.spawn().map_err(|error| format!("{}: {error}", command.join(" ")))?;
        let server = Self { child };
        let end = Instant::now() + Duration::from_secs(10);
        while !is_bound(port) {
            if Instant::now() > end {
                return Err(format!("{} does not listen on port {port}", command.join(" ")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// CPU time of the process so far, ended threads included, in microseconds.
    pub(crate) fn cpu_us(&self) -> Result<f64, String> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).map_err(|error| error.to_string())?;
        let after = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = after.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
        // utime and stime are fields 14 and 15 of the whole line; a tick is 10 ms.
        Ok((ticks(11) + ticks(12)) * 10_000.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_bound(port: u16) -> bool {
    let wanted = format!(":{port:04X} ");
    ["/proc/net/udp", "/proc/net/udp6"].iter().filter_map(|table| fs::read_to_string(table).ok()).any(|table| {
        table
            .lines()
            .skip(1)
            .any(|line| line.split_whitespace().nth(1).is_some_and(|local| format!("{local} ").ends_with(&wanted)))
    })
}

/// The program under test, built by `cargo build --release` beside this one.
pub(crate) fn offhook() -> Result<String, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let path: PathBuf = here.with_file_name("offhook");
    match path.exists() {
        true => Ok(path.to_string_lossy().into_owned()),
        false => Err(format!("{} is missing: `cargo build --release` makes it", path.display())),
    }
}

/// Runs a load on core 1 to its end; its output where it succeeds.
pub(crate) fn load(command: &[&str]) -> Result<String, String> {
    let output = Command::new("taskset")
        .args(["-c", "1"])
        .args(command)
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", command.join(" ")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(text),
        false => Err(format!("{} failed:\n{text}{}", command.join(" "), String::from_utf8_lossy(&output.stderr))),
    }
}
