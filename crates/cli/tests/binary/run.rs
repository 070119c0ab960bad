//! Runs the built binary.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

const OFFHOOK: &str = env!("CARGO_BIN_EXE_offhook");

/// The program, to be started.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(OFFHOOK);
    command.args(arguments);
    bare(command)
}

/// The program under a limit as `ulimit` takes it, for example `-n 200`.
pub(crate) fn limited(limit: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit {limit} && exec \"$0\" \"$@\""), OFFHOOK]).args(arguments);
    bare(command)
}

/// Without anything of ours in its environment.
fn bare(mut command: Command) -> Command {
    command.stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OFFHOOK") {
            command.env_remove(name);
        }
    }
    command.env("OFFHOOK_STATE", "/nonexistent/offhook");
    // No directory: servers of tests do not tell of themselves.
    command.env("OFFHOOK_RUNTIME", "/dev/null/offhook");
    command
}

/// Runs to the end.
pub(crate) fn offhook(arguments: &[&str]) -> Ended {
    offhook_with(arguments, &[])
}

/// Runs to the end, with variables of the environment.
pub(crate) fn offhook_with(arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let mut command = command(arguments);
    command.envs(environment.iter().copied());
    run_to_the_end(command)
}

/// The same of a program that is made ready.
pub(crate) fn run_to_the_end(mut command: Command) -> Ended {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// A run that goes on; killed when dropped.
pub(crate) struct Going {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Going {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    pub(crate) fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = command(arguments);
        command.envs(environment.iter().copied());
        Self::run(command)
    }

    pub(crate) fn run(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        for stream in [Box::new(out) as Box<dyn Read + Send>, Box::new(err)] {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines, seen: Vec::new() }
    }

    /// The next line that contains `text`.
    pub(crate) fn line(&mut self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(why) => panic!("no line with {text:?} ({why}); seen: {:#?}", self.seen),
            }
        }
    }

    /// The port behind the next `listening on udp ADDRESS:PORT`.
    pub(crate) fn port(&mut self) -> u16 {
        let line = self.line("listening on udp");
        line.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// What has been printed until now.
    pub(crate) fn seen(&self) -> &[String] {
        &self.seen
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    pub(crate) fn interrupt(&self) {
        self.signal(Signal::SIGINT);
    }

    pub(crate) fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Ends it at once, as the kernel does when memory runs out, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end: its code and all lines.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>) {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < until, "does not end; seen: {:#?}", self.seen);
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut seen = std::mem::take(&mut self.seen);
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(2)) {
            seen.push(line);
        }
        (status.code(), seen)
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
