//! Programs as children: started, watched line by line, ended by their process id.

pub(crate) mod offhook;
pub(crate) mod registering;
pub(crate) mod sound;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One at a time of those who flood a server or judge one by the millisecond: two processors are not many, and they would be each other's attackers.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running child whose lines are read as they come. Ended when dropped.
pub(crate) struct Program {
    name: String,
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Program {
    /// Starts a program; both its outputs are read.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_on(Stdio::null(), command)
    }

    /// The same with an input that stays open and says nothing, for programs that want one.
    pub(crate) fn start_waiting(command: &mut Command) -> Self {
        Self::start_on(Stdio::piped(), command)
    }

    fn start_on(input: Stdio, command: &mut Command) -> Self {
        let name = format!("{command:?}");
        let mut child =
            command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| {
                panic!("{name}: {error}; `cargo xtask peers install` installs what the tests need")
            });
        let (send, lines) = channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let send = send.clone();
            std::thread::spawn(move || {
                let mut lines = BufReader::new(output).split(b'\n');
                while let Some(Ok(line)) = lines.next() {
                    if send.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                        return;
                    }
                }
            });
        }
        Self { name, child, lines, seen: Vec::new() }
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Gives a line to a program that was started with an input.
    pub(crate) fn say(&mut self, line: &str) {
        let name = &self.name;
        let input = self.child.stdin.as_mut().unwrap_or_else(|| panic!("{name} has no input"));
        writeln!(input, "{line}").unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Waits for a line that holds `text`, also among those seen before, and returns it.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        if let Some(line) = self.seen.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        let end = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(why) => panic!("{}: {text:?} was not seen ({why}); seen:\n{}", self.name, self.seen.join("\n")),
            }
        }
    }

    /// Waits until what it has printed is as `enough` says.
    pub(crate) fn wait_until(&mut self, enough: impl Fn(&str) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !enough(&self.output()) {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(why) => panic!("{}: not seen ({why}); seen:\n{}", self.name, self.seen.join("\n")),
            }
        }
    }

    /// Everything printed so far.
    pub(crate) fn output(&mut self) -> String {
        self.seen.extend(self.lines.try_iter());
        self.seen.join("\n")
    }

    /// Waits for its end: exit code and everything printed.
    pub(crate) fn finish(mut self) -> (i32, String) {
        let end = Instant::now() + PATIENCE * 2;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                // Both outputs are closed: the program has ended, or will at once.
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("{} does not end:\n{}", self.name, self.seen.join("\n")),
            }
        }
        let status = self.child.wait().unwrap();
        (status.code().unwrap_or(-1), self.seen.join("\n"))
    }

    /// Sends a signal by name: `INT`, `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let signal: Signal = format!("SIG{name}").parse().unwrap();
        let process = Pid::from_raw(self.id().try_into().unwrap());
        kill(process, signal).unwrap_or_else(|why| panic!("{name} to {}: {why}", self.name));
    }

    /// Asks it to end and waits for that.
    pub(crate) fn stop(self, signal: &str) -> (i32, String) {
        self.signal(signal);
        self.finish()
    }

    /// Ends it at once, as the kernel does when memory runs out, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ports handed out: below those the system gives to anybody, above those of the programs under test.
const PORTS: std::ops::Range<u16> = 30_100..32_760;

/// The locks of the ports this process has, until it ends.
static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A port of loopback that is free for UDP and TCP, with the next one free too, and no other test's.
pub(crate) fn free_port() -> u16 {
    let locks = std::env::temp_dir().join("offhook-test-ports");
    std::fs::create_dir_all(&locks).unwrap();
    let mut held = HELD.lock().unwrap();
    for port in PORTS.step_by(2) {
        let lock = File::create(locks.join(port.to_string())).unwrap();
        let home = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let is_free = |port: u16| UdpSocket::bind(home(port)).is_ok() && TcpListener::bind(home(port)).is_ok();
        // The lock first: a look at a port is in the way of whoever binds it at that moment.
        if lock.try_lock().is_ok() && is_free(port) && is_free(port + 1) {
            held.push(lock);
            return port;
        }
    }
    panic!("no free port on loopback");
}
