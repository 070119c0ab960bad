//! What `call` shows on a terminal while the call is set up and runs, and that nothing of it is printed elsewhere.

use std::fs::File;
use std::io::Read;
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::run::{Going, PATIENCE, command, offhook};

/// The width of the terminal.
const COLUMNS: usize = 80;

/// A run whose both outputs are a terminal of 80 columns; killed when dropped.
struct Terminal {
    child: Child,
    reads: Receiver<Vec<u8>>,
    written: String,
}

impl Terminal {
    fn start(arguments: &[&str]) -> Self {
        Self::start_as("xterm", arguments)
    }

    /// The same on a terminal of this kind.
    fn start_as(kind: &str, arguments: &[&str]) -> Self {
        let pty = openpty(None, None).unwrap();
        let errors = pty.slave.try_clone().unwrap();
        let child = command(arguments).env("TERM", kind).stdout(pty.slave).stderr(errors).spawn().unwrap();
        let (send, reads) = channel();
        std::thread::spawn(move || {
            let (mut master, mut buffer) = (File::from(pty.master), [0; 4_096]);
            // When nobody has the other end open any more, reading fails.
            while let Ok(length) = master.read(&mut buffer) {
                if send.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, reads, written: String::new() }
    }

    /// Waits until the line that is drawn over and over looks like this, and returns it.
    fn drawn(&mut self, like: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let drawn = self.written.split("\r\x1b[?7l").filter_map(|rest| rest.split_once("\x1b[K"));
            if let Some((line, _)) = { drawn }.find(|(line, _)| like(line)) {
                return line.to_owned();
            }
            let read = self.reads.recv_timeout(until.saturating_duration_since(Instant::now()));
            let read = read.unwrap_or_else(|why| panic!("no such line ({why}): {:?}", self.written));
            self.written.push_str(&String::from_utf8(read).unwrap());
        }
    }

    fn interrupt(&self) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    }

    /// Waits for the end: exit code and what stands on the screen then.
    fn end(mut self) -> (Option<i32>, Vec<String>) {
        let code = self.finish();
        (code, screen(&self.written))
    }

    /// Waits for the end: exit code.
    fn finish(&mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        while let Ok(read) = self.reads.recv_timeout(until.saturating_duration_since(Instant::now())) {
            self.written.push_str(&String::from_utf8(read).unwrap());
        }
        self.child.wait().unwrap().code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a terminal shows of this. Understands what `call` uses: carriage return, "erase to the end of the line", and "write on in the
/// next line" off and on.
fn screen(written: &str) -> Vec<String> {
    let (mut lines, mut line, mut column, mut wraps) = (Vec::new(), Vec::new(), 0, true);
    let mut rest = written.chars();
    while let Some(character) = rest.next() {
        match character {
            '\n' => lines.push(std::mem::take(&mut line).into_iter().collect()),
            '\r' => column = 0,
            '\x1b' => {
                let code: String = rest.by_ref().take_while(|letter| !letter.is_ascii_alphabetic()).collect();
                match code.as_str() {
                    "[" => line.truncate(column),
                    "[?7" => wraps = !wraps,
                    // Colours.
                    "[0" | "[2" | "[31" | "[32" => {}
                    other => panic!("a code that is not known here: {other:?}"),
                }
            }
            _ => {
                if column == COLUMNS && wraps {
                    lines.push(std::mem::take(&mut line).into_iter().collect());
                    column = 0;
                }
                column = column.min(COLUMNS - 1);
                match line.get_mut(column) {
                    Some(place) => *place = character,
                    None => line.push(character),
                }
                column += 1;
            }
        }
    }
    lines.push(line.into_iter().collect());
    lines
}

fn robot(more: &[&str]) -> (Going, String) {
    let mut robot = Going::start(&[&["answer", "--sip", "127.0.0.1:0"], more].concat());
    let target = format!("sip:robot@127.0.0.1:{}", robot.port());
    (robot, target)
}

/// The number behind a word.
fn figure(line: &str, word: &str) -> f64 {
    let behind = line.split_once(word).unwrap_or_else(|| panic!("no {word:?} in {line:?}")).1;
    behind.split_whitespace().next().unwrap().parse().unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

#[test]
fn call_that_runs_shows_time_codec_packets_loss_jitter_and_level() {
    let (_robot, target) = robot(&["--tone", "700"]);
    let mut caller = Terminal::start(&["call", &target, "--tone", "440"]);
    let line = caller.drawn(|line| line.starts_with("talking 0:01") && line.contains('#'));
    assert!(line.contains("  PCMU  ") && line.chars().count() < 80, "{line:?}");
    assert!(figure(&line, "recv ") > 25.0, "{line:?}");
    assert!(figure(&line, "lost ") == 0.0 && figure(&line, "jitter ") < 100.0, "{line:?}");
    let level = figure(line.split_once(']').unwrap().1, "");
    assert!((-40.0..0.0).contains(&level), "{line:?}");
    caller.drawn(|line| line.starts_with("talking 0:02"));
    caller.interrupt();
    let (code, screen) = caller.end();
    assert_eq!(code, Some(130), "{screen:#?}");
    assert!(screen.iter().any(|line| line.starts_with("ended by us")), "{screen:#?}");
    assert!(!screen.iter().any(|line| line.contains("talking")), "the line is taken away: {screen:#?}");
}

#[test]
fn call_that_rings_shows_it_and_what_ends_it_stays_on_the_screen() {
    let (_robot, target) = robot(&["--ring"]);
    let mut caller = Terminal::start(&["call", &target, "--ring-for", "2"]);
    caller.drawn(|line| line == "ringing 0:01");
    let (code, screen) = caller.end();
    assert_eq!(code, Some(8), "{screen:#?}");
    assert!(screen.iter().any(|line| line == "180 Ringing"), "{screen:#?}");
    let told: Vec<&String> = screen.iter().filter(|line| line.starts_with("offhook: ")).collect();
    assert!(told.len() == 1 && told[0].contains(&target), "{screen:#?}");
    assert!(!screen.iter().any(|line| line.contains("ringing 0:0")), "{screen:#?}");
}

#[test]
fn terminal_that_obeys_no_control_sequences_gets_none() {
    let (_robot, target) = robot(&["--tone", "700"]);
    let mut caller = Terminal::start_as("dumb", &["call", &target, "--for", "1", "-vv"]);
    assert_eq!(caller.finish(), Some(0), "{}", caller.written);
    assert!(caller.written.contains("ended by us") && caller.written.contains("INFO"), "{}", caller.written);
    assert!(!caller.written.contains('\x1b') && !caller.written.contains("talking"), "{}", caller.written);
}

#[test]
fn demonstration_that_is_interrupted_takes_its_line_away() {
    let mut demo = Terminal::start(&["demo"]);
    demo.drawn(|line| line.starts_with("talking"));
    demo.interrupt();
    let (code, screen) = demo.end();
    assert_eq!(code, Some(130), "{screen:#?}");
    assert!(!screen.iter().any(|line| line.contains("talking")), "{screen:#?}");
}

#[test]
fn line_that_does_not_fit_is_drawn_over_all_the_same() {
    let long = "x".repeat(COLUMNS);
    let drawn = format!("calling\r\n\r\x1b[?7l{long}{long}\x1b[K\x1b[?7h\r\x1b[Kdone\r\n");
    assert_eq!(screen(&drawn), ["calling", "done", ""]);
    let wrapped = drawn.replace("\x1b[?7l", "").replace("\x1b[?7h", "");
    assert_eq!(screen(&wrapped), ["calling", long.as_str(), "done", ""], "what it would be otherwise");
}

#[test]
fn elsewhere_only_changes_are_printed_each_in_a_line() {
    let (_robot, target) = robot(&["--tone", "700"]);
    let ended = offhook(&["call", &target, "--tone", "440", "--for", "2"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.lines().any(|line| line == "audio: PCMU"), "{}", ended.stdout);
    assert!(!ended.stdout.contains(['\r', '\x1b']) && !ended.stdout.contains("talking"), "{:?}", ended.stdout);
}
