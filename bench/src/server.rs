//! A server process whose CPU time and memory are read.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Servers are put on the first core, everything else on the second.
const SERVERS: &str = "0";
const LOAD: usize = 1;

/// Puts this program, and the loads it starts, on the second core.
pub(crate) fn stand_aside() -> Result<(), String> {
    let mut cores = CpuSet::new();
    let set = cores.set(LOAD).and_then(|()| sched_setaffinity(Pid::from_raw(0), &cores));
    set.map_err(|error| format!("two cores are needed, one for the server and one for the load: {error}"))
}

/// A running server on core 0; ended when dropped.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Starts it on core 0, quietly, and waits until something is bound to the UDP `port`.
    pub(crate) fn start(command: &[&str], port: u16) -> Result<Self, String> {
        if is_bound(port) {
            return Err(format!("something listens on port {port} already"));
        }
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", SERVERS]).args(command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = pinned.spawn().map_err(|error| format!("{}: {error}", command.join(" ")))?;
        let mut server = Self { child };
        let end = Instant::now() + Duration::from_secs(20);
        while !is_bound(port) {
            if server.child.try_wait().is_ok_and(|status| status.is_some()) || Instant::now() > end {
                return Err(format!("{} does not listen on port {port}", command.join(" ")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// CPU time of the process and its children so far, ended threads included, in microseconds.
    pub(crate) fn cpu_us(&self) -> Result<f64, String> {
        let ticks = |pid: u32| {
            let fields = stat(pid).ok_or_else(|| "the server has ended".to_owned())?;
            let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
            // utime and stime are fields 14 and 15 of the whole line; a tick is 10 ms.
            Ok((ticks(11) + ticks(12)) * 10_000.0)
        };
        self.tree().into_iter().map(ticks).sum()
    }

    /// Memory in use by the process and its children, in octets; what several share is counted once.
    pub(crate) fn resident(&self) -> Result<f64, String> {
        let of = |pid: u32| {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).map_err(|error| error.to_string())?;
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
            let kib = line.and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse::<f64>().ok());
            kib.map(|kib| kib * 1_024.0).ok_or_else(|| "no Pss in smaps_rollup".to_owned())
        };
        self.tree().into_iter().map(of).sum()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    /// The process and everything it started.
    fn tree(&self) -> Vec<u32> {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let parents: Vec<(u32, u32)> = pids.filter_map(|pid| Some((pid, stat(pid)?.get(1)?.parse().ok()?))).collect();
        let mut tree = vec![self.child.id()];
        let mut at = 0;
        while let Some(parent) = tree.get(at).copied() {
            tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
            at += 1;
        }
        tree
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Children do not always end with their parent when that is killed: it is asked first.
        let tree = self.tree();
        let ask = |pid: &u32| {
            let pid = Pid::from_raw(i32::try_from(*pid).unwrap_or(i32::MAX));
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        };
        ask(&self.child.id());
        let end = Instant::now() + Duration::from_secs(2);
        while self.is_alive() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        if self.is_alive() {
            let _ = self.child.kill();
            tree.iter().skip(1).for_each(ask);
        }
        let _ = self.child.wait();
    }
}

/// Waits until something is bound to a UDP port.
pub(crate) fn await_port(port: u16) -> Result<(), String> {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_bound(port) {
        if Instant::now() > end {
            return Err(format!("nothing listens on port {port}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The fields of a process behind its name: state, parent, and so on.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit(')').next()?.split_whitespace().map(str::to_owned).collect())
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

/// The configuration of `offhook serve` with so many users: u0, u1 and so on, whose passwords are secret-u0 and so on.
pub(crate) fn settings(port: u16, state: &str, users: usize, more: &str) -> String {
    let mut text = format!("listen = [\"udp:127.0.0.1:{port}\"]\nstate = \"{state}\"\n{more}");
    for user in 0..users {
        // Writing to a String cannot fail.
        let _ = write!(text, "[users.u{user}]\npassword = \"secret-u{user}\"\n");
    }
    text
}

/// What `offhook status --json` says of the server with that state.
pub(crate) fn status(state: &str) -> Result<serde_json::Value, String> {
    let status = load(&[&offhook()?, "status", "--json", "--state", state])?;
    serde_json::from_str(&status).map_err(|error| format!("{error} in {status}"))
}

/// This program, for the servers that do nothing.
pub(crate) fn this_program() -> Result<String, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(here.to_string_lossy().into_owned())
}

/// A file of this package.
pub(crate) fn data(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data").join(name).to_string_lossy().into_owned()
}

/// Runs a load, or any other program, to its end; its output where it succeeds.
pub(crate) fn load(command: &[&str]) -> Result<String, String> {
    let (program, arguments) = command.split_first().ok_or("no command")?;
    let output = Command::new(program)
        .args(arguments)
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

/// Does something with a folder of its own, which is gone afterwards.
pub(crate) fn with_folder<T>(name: &str, work: impl FnOnce(&Path) -> Result<T, String>) -> Result<T, String> {
    let place = std::env::temp_dir().join(format!("offhook-bench-{}-{name}", std::process::id()));
    fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    let outcome = work(&place);
    let _ = fs::remove_dir_all(&place);
    outcome
}
