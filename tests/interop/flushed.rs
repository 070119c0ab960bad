//! When a registration is on the disk, told by the server's system calls: before its answer with `durability = "sync"`, within about a
//! second otherwise.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::program::registering::{Devices, Wish};
use crate::program::{PATIENCE, Program, free_port, offhook};

const PASSWORD: &str = "secret";
const DEVICES: usize = 20;
/// The interval of the default, with what a busy machine and a server that is traced may add.
const ABOUT_A_SECOND: f64 = 2.5;

/// A system call, its place in the trace by lines.
struct Call {
    thread: String,
    text: String,
    begun: usize,
    done: Option<usize>,
    /// When it began, in seconds.
    at: f64,
}

impl Call {
    fn flushes(&self) -> bool {
        (self.text.starts_with("fdatasync(") || self.text.starts_with("fsync(")) && self.text.contains(JOURNAL)
    }

    /// Whether it writes the record of this contact.
    fn writes(&self, wish: &Wish) -> bool {
        let contact = wish.contact.as_deref().unwrap_or_default();
        !self.flushes() && self.text.contains(JOURNAL) && self.text.contains(contact)
    }

    /// Whether it sends the confirmation to this device.
    fn confirms(&self, wish: &Wish) -> bool {
        let call_id = format!("Call-ID: {}\\r\\n", wish.call_id);
        self.text.starts_with("send") && self.text.contains("SIP/2.0 200 ") && self.text.contains(&call_id)
    }
}

const JOURNAL: &str = "bindings.journal>";

/// Reads a trace of `strace -f -ttt -y`. A call that others interrupt stands on two lines.
fn calls(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        // A short process id is followed by more than one blank.
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((at, text)) = rest.trim_start().split_once(' ') else { continue };
        if text.starts_with("<... ") {
            if let Some(open) = calls.iter_mut().rev().find(|call| call.thread == thread && call.done.is_none()) {
                open.done = Some(number);
            }
            continue;
        }
        let done = (!text.ends_with("<unfinished ...>")).then_some(number);
        let (thread, text) = (thread.to_owned(), text.to_owned());
        calls.push(Call { thread, text, begun: number, done, at: at.parse().unwrap_or_default() });
    }
    calls
}

/// What the trace says of one registration.
#[derive(Debug, PartialEq)]
enum Kept {
    /// Its answer went out first.
    TooLate,
    /// It was written before the answer; the flush that made it last began so many seconds later, or has not been seen.
    Written(Option<f64>),
    /// It was written, flushed, and then answered.
    Flushed,
}

fn judge(calls: &[Call], wish: &Wish) -> Kept {
    let answer = calls.iter().find(|call| call.confirms(wish)).unwrap_or_else(|| panic!("no 200 to {wish:?}"));
    let written = calls.iter().find(|call| call.writes(wish) && call.done.is_some_and(|done| done < answer.begun));
    let Some(written) = written else { return Kept::TooLate };
    let flush = calls.iter().find(|call| call.flushes() && written.done.is_some_and(|done| done < call.begun));
    match flush {
        Some(flush) if flush.done.is_some_and(|done| done < answer.begun) => Kept::Flushed,
        flush => Kept::Written(flush.map(|flush| flush.at - written.at)),
    }
}

fn wishes() -> Vec<Wish> {
    let wish = |number: usize| Wish {
        user: "u1".to_owned(),
        contact: Some(format!("sip:contact{number:02}@127.0.0.1:9")),
        expires: 900,
        call_id: format!("device-{number:02}"),
        cseq: 1,
    };
    (0..DEVICES).map(wish).collect()
}

/// Registers at a server whose system calls are watched, and returns what they say of each registration.
fn watched(settings: &str) -> Vec<Kept> {
    let user = format!("[users.u1]\npassword = \"{PASSWORD}\"\nmax_contacts = {DEVICES}\n");
    let config = offhook::configuration(&format!("digest = [\"md5\"]\n{settings}\n{user}"));
    let state = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let server = offhook::serve_at(&address, state.path(), &["--config", config.path().to_str().unwrap()]);
    let trace = state.path().join("trace");
    let _strace = strace(server.id(), &trace);
    let wishes = wishes();
    for answer in Devices::of(&address).all(&wishes, PASSWORD) {
        assert_eq!(answer.code, 200);
    }
    // What is not flushed before the answer is flushed some time later: until that is seen, or it takes too long.
    let end = Instant::now() + PATIENCE;
    loop {
        let calls = calls(&fs::read_to_string(&trace).unwrap());
        let seen = wishes.iter().all(|wish| calls.iter().any(|call| call.confirms(wish)));
        let kept: Vec<Kept> = if seen { wishes.iter().map(|wish| judge(&calls, wish)).collect() } else { Vec::new() };
        if (seen && !kept.contains(&Kept::Written(None))) || Instant::now() > end {
            return kept;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn strace(process: u32, trace: &Path) -> Program {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-ttt", "-y", "-s", "65535", "-o", trace.to_str().unwrap()]);
    strace.args(["-e", "trace=write,writev,pwrite64,pwritev,fsync,fdatasync,sendto,sendmsg,sendmmsg"]);
    let mut strace = Program::start(strace.args(["-p", &process.to_string()]));
    strace.wait_for("attached");
    strace
}

#[test]
fn sync_has_each_registration_on_the_disk_before_its_answer() {
    let kept = watched("durability = \"sync\"");
    assert_eq!(kept.len(), DEVICES);
    assert!(kept.iter().all(|kept| *kept == Kept::Flushed), "{kept:?}");
}

#[test]
fn default_writes_before_the_answer_and_flushes_within_about_a_second() {
    let kept = watched("");
    assert_eq!(kept.len(), DEVICES);
    let good = |kept: &Kept| match kept {
        Kept::Written(flush) => flush.is_some_and(|secs| secs < ABOUT_A_SECOND),
        // The flush of those before may have come between.
        Kept::Flushed => true,
        Kept::TooLate => false,
    };
    assert!(kept.iter().all(good), "{kept:?}");
    // This is not what "sync" promises, and the same judge sees it.
    assert!(kept.iter().any(|kept| *kept != Kept::Flushed), "{kept:?}");
}

#[test]
fn judge_of_a_trace_goes_by_when_calls_end() {
    let wish = &wishes()[0];
    let write = r#"7     1.0 pwrite64(9</s/bindings.journal>, "\1sip:contact00@127.0.0.1:9", 26, 0) = 26"#;
    let send = r#"7     1.2 sendto(5<UDP:[127.0.0.1:1]>, "SIP/2.0 200 OK\r\nCall-ID: device-00\r\n", 35, 0) = 35"#;
    let begin = "8     1.1 fdatasync(9</s/bindings.journal> <unfinished ...>";
    let end = "8     1.3 <... fdatasync resumed>) = 0";
    let judged = |lines: &[&str]| judge(&calls(&lines.join("\n")), wish);
    assert_eq!(judged(&[write, begin, end, send]), Kept::Flushed);
    assert!(matches!(judged(&[write, begin, send, end]), Kept::Written(Some(_))), "answered while the disk works");
    assert_eq!(judged(&[begin, write, end, send]), Kept::Written(None), "that flush began too early");
    assert_eq!(judged(&[begin, end, send, write]), Kept::TooLate);
}
