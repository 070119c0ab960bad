//! SIPp with scenarios of our own (`tests/data/sipp`).

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use audio::codec::Codec;
use audio::frame::SampleRate;
use audio::level::Dbfs;
use audio::tone::ToneGenerator;

use crate::program::{PATIENCE, Program, free_port, offhook};

pub(crate) const SCENARIOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/sipp");

/// Starts SIPp with a scenario file of ours (or a built-in one, as `-sn uac`) against `target`.
pub(crate) fn start(scenario: &str, target: &str, arguments: &[&str]) -> Program {
    start_at(free_port(), scenario, target, arguments)
}

/// The same from a given port of loopback.
pub(crate) fn start_at(port: u16, scenario: &str, target: &str, arguments: &[&str]) -> Program {
    let mut command = Command::new("sipp");
    match scenario.strip_suffix(".xml") {
        Some(_) => command.arg("-sf").arg(Path::new(SCENARIOS).join(scenario)),
        None => command.args(["-sn", scenario]),
    };
    let port = port.to_string();
    command.current_dir(std::env::temp_dir());
    command.args(["-i", "127.0.0.1", "-p", &port, "-nostdin", "-timeout", "60s"]);
    Program::start(command.args(arguments).arg(target))
}

/// Starts SIPp as a callee on a port of its own, and returns it and its address when it listens.
pub(crate) fn waits(scenario: &str, arguments: &[&str]) -> (Program, String) {
    let port = free_port();
    let phone = start_at(port, scenario, "127.0.0.1", arguments);
    await_port(port);
    (phone, format!("127.0.0.1:{port}"))
}

/// Waits until a program has this UDP port of loopback. The kernel's table is read: who tries to bind the port may have it when the
/// program wants it.
pub(crate) fn await_port(port: u16) {
    let end = Instant::now() + PATIENCE;
    let wanted = format!("0100007F:{port:04X}");
    while !std::fs::read_to_string("/proc/net/udp").unwrap().contains(&wanted) {
        assert!(Instant::now() < end, "SIPp does not listen on {port}");
        std::thread::yield_now();
    }
}

/// A scenario with `FINAL` in it replaced by a code.
pub(crate) fn with_final(scenario: &str, code: u16) -> tempfile::TempPath {
    with(scenario, "FINAL", &code.to_string())
}

/// A scenario with a word in it replaced.
pub(crate) fn with(scenario: &str, word: &str, by: &str) -> tempfile::TempPath {
    let text = std::fs::read_to_string(Path::new(SCENARIOS).join(scenario)).unwrap();
    assert!(text.contains(word), "{scenario}");
    let file = tempfile::Builder::new().suffix(".xml").tempfile().unwrap();
    std::fs::write(file.path(), text.replace(word, by)).unwrap();
    file.into_temp_path()
}

/// Waits for what SIPp writes down behind this word (`log` in a scenario, `-trace_logs -log_file`).
pub(crate) fn noted(log: &Path, word: &str) -> Vec<String> {
    let end = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(log).unwrap();
        let mut lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        if let Some((_, noted)) = lines.find_map(|line| line.split_once(word)) {
            return noted.split_whitespace().map(str::to_owned).collect();
        }
        assert!(Instant::now() < end, "SIPp has written down: {text}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What has SIPp say a tone for 6 s, to fill into a scenario: the file with it is made in this folder.
pub(crate) fn speech(folder: &Path, hertz: f64) -> String {
    let speech = folder.join("speech.ulaw");
    let mut tone = ToneGenerator::single(SampleRate::NARROW, hertz, Dbfs(-10.0)).unwrap();
    let (mut samples, mut encoded) = (vec![0; 48_000], vec![0; 48_000]);
    tone.fill(&mut samples);
    Codec::Pcmu.encoder().encode(&samples, &mut encoded).unwrap();
    std::fs::write(&speech, encoded).unwrap();
    format!("<nop><action><exec rtp_stream=\"{},1,0\"/></action></nop>", speech.display())
}

/// Runs SIPp to its end; its exit code is 0 when every call went as the scenario says.
pub(crate) fn run(scenario: &str, target: &str, arguments: &[&str]) -> (i32, String) {
    start(scenario, target, arguments).finish()
}

/// One call of this scenario to a robot with these arguments: the robot, and how SIPp ended.
pub(crate) fn calls_robot(scenario: &str, of_sipp: &[&str], of_robot: &[&str]) -> (Program, i32, String) {
    let (robot, address) = offhook::answer(of_robot);
    let (code, output) = run(scenario, &address, &[&["-m", "1"], of_sipp].concat());
    (robot, code, output)
}

/// One call of `offhook call` to SIPp with this scenario: how ours ended, and whether SIPp saw what its scenario says. `SIPP` in an argument is SIPp's address.
pub(crate) fn called(scenario: &str, of_sipp: &[&str], arguments: &[&str]) -> ((i32, String), (i32, String)) {
    let (phone, address) = waits(scenario, &[&["-m", "1"], of_sipp].concat());
    let call = ["call", &format!("sip:1002@{address}"), "--sip", "127.0.0.1:0"];
    let arguments: Vec<String> = arguments.iter().map(|one| one.replace("SIPP", &address)).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ours = offhook::start(&[&call[..], &arguments[..]].concat()).finish();
    (ours, phone.finish())
}
