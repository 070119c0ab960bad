//! What is on the disk when an answer leaves, seen by the system calls of the built server.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::program::Program;
use crate::program::offhook;
use crate::program::registering::{Devices, Wish};

const DEVICES: usize = 20;

/// What the server did, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Written,
    Flushed,
    /// The 200 to the request of this number, for the first time: repeats are of the network.
    Confirmed(u32),
}

/// A line of strace.
fn step(line: &str) -> Option<Step> {
    let journal = line.contains("bindings.journal>");
    match () {
        () if journal && line.contains("pwrite64(") => Some(Step::Written),
        () if journal && (line.contains("fdatasync(") || line.contains("fsync(")) => Some(Step::Flushed),
        () if line.contains("sendto(") && line.contains("\"SIP/2.0 200") => {
            let number = line.split("CSeq: ").nth(1)?.split(' ').next()?.parse().ok()?;
            Some(Step::Confirmed(number))
        }
        () => None,
    }
}

/// Registers devices one after the other and returns every step of the server, until a flush after its last answer.
fn steps(settings: &str) -> Vec<Step> {
    let config =
        offhook::configuration(&format!("digest = [\"md5\"]\n{settings}\n[users.u1]\npassword = \"secret\"\n"));
    let server = offhook::serve(&["--config", config.path().to_str().unwrap()]);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-s", "1024", "-e", "trace=pwrite64,fdatasync,fsync,sendto", "-p"]);
    let mut strace = Program::start(strace.arg(server.program.id().to_string()));
    strace.wait_for("attached");
    let wish = |number: usize| Wish {
        user: "u1".to_owned(),
        contact: Some("sip:c@127.0.0.1:9".to_owned()),
        expires: 900 + u32::try_from(number).unwrap(),
        call_id: "device".to_owned(),
        cseq: 1 + 2 * u32::try_from(number).unwrap(),
    };
    for number in 0..DEVICES {
        let answers = Devices::of(&server.address).all(&[wish(number)], "secret");
        assert_eq!(answers[0].code, 200);
    }
    // The flush that is due within a second (on a busy machine it is seen a little later); in the other mode those before the answers.
    let answered = Instant::now();
    strace.wait_for("fdatasync(");
    assert!(answered.elapsed() < Duration::from_secs(5), "{:?}", answered.elapsed());
    let (_, output) = strace.stop("INT");
    let mut confirmed = BTreeSet::new();
    let first = |step: &Step| !matches!(step, Step::Confirmed(number) if !confirmed.insert(*number));
    let all: Vec<Step> = output.lines().filter_map(step).filter(first).collect();
    assert_eq!(confirmed.len(), DEVICES, "{all:?}");
    all
}

/// Whether each answer has its own record written since the answer before it, and flushed after that where `flushed` is asked for.
fn is_kept_before_each_answer(steps: &[Step], flushed: bool) -> bool {
    let answers = steps.split_inclusive(|step| matches!(step, Step::Confirmed(_)));
    answers.filter(|turn| matches!(turn.last(), Some(Step::Confirmed(_)))).all(|turn| {
        let written = turn.iter().position(|step| *step == Step::Written);
        written.is_some_and(|at| !flushed || turn[at..].contains(&Step::Flushed))
    })
}

#[test]
fn durability_sync_flushes_each_record_before_its_answer() {
    let all = steps("durability = \"sync\"");
    assert!(is_kept_before_each_answer(&all, true), "{all:?}");
}

#[test]
fn durability_interval_writes_before_the_answer_and_flushes_within_a_second() {
    let all = steps("");
    assert!(is_kept_before_each_answer(&all, false), "{all:?}");
    assert!(all.contains(&Step::Flushed), "{all:?}");
    assert!(!is_kept_before_each_answer(&all, true), "the check above would pass whatever happens: {all:?}");
}
