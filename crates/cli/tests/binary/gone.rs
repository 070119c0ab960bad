//! The other side of a call that stands goes without a word: `call` says so, with the exit codes of docs/commands.md.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::run::Going;

/// A robot that echoes, and how it is called.
fn robot() -> (Going, String) {
    let mut robot = Going::start(&["answer", "--sip", "127.0.0.1:0", "--echo"]);
    let target = format!("sip:robot@127.0.0.1:{}", robot.port());
    (robot, target)
}

/// The `ended` among JSON lines.
fn ended(lines: &[String]) -> Value {
    let line = lines.iter().find(|line| line.contains(r#""event":"ended""#));
    serde_json::from_str(line.unwrap_or_else(|| panic!("{lines:#?}"))).unwrap()
}

#[test]
fn peer_that_was_killed_is_unreachable_at_the_hang_up() {
    let (mut robot, target) = robot();
    let mut caller = Going::start(&["call", &target, "--tone", "440", "--for", "2", "--json"]);
    caller.line(r#""event":"heard""#);
    robot.kill();
    let (code, lines) = caller.end();
    assert_eq!(code, Some(4), "{lines:#?}");
    let end = ended(&lines);
    assert_eq!((&end["by"], &end["code"]), (&"error".into(), &503.into()), "{end}");
    assert!(end["reason"].as_str().unwrap().contains("nobody listens there"), "{end}");
    assert!(!lines.iter().any(|line| line.contains("Normal call clearing")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("the other side is gone")), "{lines:#?}");
}

#[test]
fn peer_that_hangs_is_missed_and_does_not_answer_the_hang_up() {
    let (robot, target) = robot();
    let mut caller = Going::start(&["call", &target, "--tone", "440", "--for", "7", "--json"]);
    caller.line(r#""event":"heard""#);
    robot.signal(Signal::SIGSTOP);
    caller.line(r#""event":"silence""#);
    let (code, lines) = caller.end();
    assert_eq!(code, Some(8), "{lines:#?}");
    let end = ended(&lines);
    assert_eq!((&end["by"], &end["code"]), (&"error".into(), &408.into()), "{end}");
    assert!(end["reason"].as_str().unwrap().contains("no answer to the BYE"), "{end}");
    assert!(end["silent_secs"].as_f64().unwrap() >= 5.0, "{end}");
}

#[test]
fn peer_that_wakes_up_again_is_told_and_hangs_up_as_usual() {
    let (robot, target) = robot();
    let mut caller = Going::start(&["call", &target, "--tone", "440"]);
    caller.line("the first packet has come");
    robot.signal(Signal::SIGSTOP);
    caller.line("no packet for 5 s: the other side may be gone");
    robot.signal(Signal::SIGCONT);
    caller.line("packets come again");
    caller.interrupt();
    let (code, lines) = caller.end();
    assert_eq!(code, Some(130), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("ended by us") && line.contains("(200 ")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("no packet in the last")), "{lines:#?}");
}

#[test]
fn peer_that_knows_the_call_no_longer_says_so() {
    let (mut robot, target) = robot();
    let mut caller = Going::start(&["call", &target, "--tone", "440", "--for", "4"]);
    caller.line("the first packet has come");
    robot.kill();
    // Another program has its place.
    let address = target.split('@').nth(1).unwrap().to_owned();
    let mut other = Going::start(&["answer", "--sip", &address]);
    other.line("listening on tcp");
    let (code, lines) = caller.end();
    assert_eq!(code, Some(1), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("ended by error") && line.contains("(481 ")), "{lines:#?}");
}
