//! `call` against `answer`, without a server between them.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::run::{Going, offhook};

fn robot(more: &[&str]) -> (Going, String) {
    let mut arguments = vec!["answer", "--sip", "127.0.0.1:0"];
    arguments.extend(more);
    let mut robot = Going::start(&arguments);
    let target = format!("sip:robot@127.0.0.1:{}", robot.port());
    (robot, target)
}

fn wav(folder: &tempfile::TempDir, name: &str, hertz: Option<f64>, millis: usize) -> String {
    let path = folder.path().join(name);
    let rate = audio::frame::SampleRate::NARROW;
    let mut samples = vec![0; millis * 8];
    if let Some(hertz) = hertz {
        audio::tone::ToneGenerator::single(rate, hertz, audio::level::Dbfs(-10.0)).unwrap().fill(&mut samples);
    }
    let mut writer = audio::wav::Writer::new(std::fs::File::create(&path).unwrap(), rate).unwrap();
    writer.write(&samples).unwrap();
    writer.finish().unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn file_played_to_an_echo_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = wav(&folder, "tone.wav", Some(500.0), 4_000);
    let (robot, target) = robot(&["--echo", "--calls", "1"]);
    let ended = offhook(&["call", &target, "--play", &file, "--expect-audio", "--expect-tone", "500"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("ended by us") && ended.stdout.contains("PCMU"), "{}", ended.stdout);
    let (code, lines) = robot.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("call 1 ended by caller")), "{lines:#?}");
}

#[test]
fn robot_records_what_it_hears_and_says_what_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heard.wav");
    let (robot, target) = robot(&["--tone", "700", "--record", file.to_str().unwrap(), "--calls", "1"]);
    let ended = offhook(&["call", &target, "--tone", "440", "--dtmf", "1", "--for", "3", "--expect-tone", "700"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (code, lines) = robot.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(lines.iter().any(|line| line == "call 1 digit 1"), "{lines:#?}");
    let heard = audio::wav::read(std::fs::File::open(file).unwrap(), &audio::wav::Limits::default()).unwrap();
    let mut meter = audio::detector::ToneMeter::new(heard.rate, &[440.0, 700.0]).unwrap();
    meter.push(&heard.samples, |_| {});
    assert!(meter.longest(0) >= Duration::from_secs(1), "{:?}", meter.longest(0));
    assert_eq!(meter.longest(1), Duration::ZERO, "none of its own");
}

#[test]
fn recording_of_the_robot_ends_with_its_call() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (mut robot, target) = robot(&["--record", &file("heard.wav"), "--calls", "3"]);
    let caller = || offhook(&["call", &target, "--tone", "440", "--for", "1"]);
    assert_eq!(caller().code, Some(0));
    let told = robot.line("call 1 recorded");
    assert!(told.ends_with(&file("heard.wav")), "{told}");
    let length = || std::fs::metadata(file("heard.wav")).unwrap().len();
    let first = length();
    assert!(first > 44 + 8_000, "{first} octets are less than half a second");
    assert_eq!(caller().code, Some(0));
    assert_eq!(length(), first, "it goes on after its call");
    // The end of the last call is the robot's: what came until then is in the file.
    let last = caller();
    assert_eq!(last.code, Some(0), "{last:?}");
    let (code, lines) = robot.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    for (call, name) in [(2, "heard-2.wav"), (3, "heard-3.wav")] {
        let told = lines.iter().find(|line| line.starts_with(&format!("call {call} recorded"))).unwrap();
        assert!(told.ends_with(&file(name)), "{told}");
        let heard = std::fs::metadata(file(name)).unwrap().len();
        assert!((44 + 8_000..first * 2).contains(&heard), "{heard} octets");
    }
}

#[test]
fn silence_is_told_from_no_audio_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = wav(&folder, "silence.wav", None, 1_000);
    let (_silent, target) = robot(&["--play", &file]);
    let ended = offhook(&["call", &target, "--for", "1", "--expect-audio"]);
    assert_eq!(ended.code, Some(10), "{ended:?}");
    assert!(ended.stderr.contains("--expect-audio"), "{}", ended.stderr);
    let (_mute, target) = robot(&[]);
    let ended = offhook(&["call", &target, "--for", "1", "--expect-audio"]);
    assert_eq!(ended.code, Some(9), "{ended:?}");
    assert!(ended.stderr.contains("not one packet"), "{}", ended.stderr);
}

#[test]
fn refused_unanswered_and_unreachable_have_their_codes() {
    let (_busy, target) = robot(&["--reject", "486"]);
    let ended = offhook(&["call", &target]);
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert!(ended.stderr.contains("486"), "{}", ended.stderr);
    let json = offhook(&["call", &target, "--json"]);
    assert!(json.stdout.contains(r#""code":486"#) && json.stdout.contains(r#""exit":7"#), "{}", json.stdout);
    let (mut ringing, target) = robot(&["--ring"]);
    let ended = offhook(&["call", &target, "--ring-for", "1"]);
    assert_eq!(ended.code, Some(8), "{ended:?}");
    assert!(ended.stdout.contains("180 Ringing"), "{}", ended.stdout);
    ringing.line("call 1 ended by caller before it was answered");
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = offhook(&["call", &format!("x@{free}")]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stderr.contains(&free.to_string()), "{}", ended.stderr);
}

#[test]
fn file_that_cannot_be_played_or_written_rings_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("no.wav");
    std::fs::write(&file, "this is no audio").unwrap();
    let (robot, target) = robot(&["--echo"]);
    let ended = offhook(&["call", &target, "--play", file.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("no.wav"), "{}", ended.stderr);
    let nowhere = folder.path().join("none/heard.wav");
    let ended = offhook(&["call", &target, "--record", nowhere.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("cannot record to") && ended.stderr.contains("none/heard.wav"), "{}", ended.stderr);
    robot.interrupt();
    let (code, lines) = robot.end();
    assert_eq!(code, Some(130));
    assert!(!lines.iter().any(|line| line.contains("call 1")), "{lines:#?}");
}

#[test]
fn robot_that_cannot_record_does_not_start() {
    let ended = offhook(&["answer", "--sip", "127.0.0.1:0", "--record", "/nonexistent/heard.wav"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("cannot record to /nonexistent/heard.wav"), "{}", ended.stderr);
    assert!(ended.stdout.is_empty(), "{}", ended.stdout);
}

#[test]
fn interrupted_caller_hangs_up_and_exits_130() {
    let (robot, target) = robot(&["--echo", "--calls", "1"]);
    let mut caller = Going::start(&["call", &target, "--tone", "440"]);
    caller.line("the first packet has come");
    caller.interrupt();
    let (code, lines) = caller.end();
    assert_eq!(code, Some(130), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("ended by us")), "{lines:#?}");
    let (_, lines) = robot.end();
    assert!(lines.iter().any(|line| line.contains("ended by caller")), "{lines:#?}");
}

#[test]
fn interrupted_while_it_rings_gives_the_call_up() {
    let (mut robot, target) = robot(&["--ring"]);
    let mut caller = Going::start(&["call", &target]);
    caller.line("180 Ringing");
    robot.line("call 1 from");
    caller.interrupt();
    let (code, lines) = caller.end();
    assert_eq!(code, Some(130), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("given up")), "{lines:#?}");
    robot.line("call 1 ended");
}

#[test]
fn interrupted_caller_of_nobody_does_not_wait_for_an_answer() {
    // Takes datagrams and says nothing.
    let hole = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut caller = Going::start(&["call", &format!("x@{}", hole.local_addr().unwrap())]);
    caller.line("calling");
    let since = Instant::now();
    caller.interrupt();
    let (code, lines) = caller.end();
    assert_eq!(code, Some(130), "{lines:#?}");
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    assert!(!lines.iter().any(|line| line.contains("WARN")), "{lines:#?}");
}

#[test]
fn interrupted_registration_of_nobody_does_not_wait_for_an_answer() {
    let hole = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let account = format!("sip:1001@{}", hole.local_addr().unwrap());
    let client = Going::start(&["register", "--account", &account, "--password", "x"]);
    // The request has left: the program listens to signals.
    hole.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    hole.recv(&mut [0; 4_096]).unwrap();
    let since = Instant::now();
    client.interrupt();
    let (code, lines) = client.end();
    assert_eq!(code, Some(130), "{lines:#?}");
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    assert!(!lines.iter().any(|line| line.contains("WARN")), "{lines:#?}");
}

/// Interrupts a call whose other side stands still this often, and tells how long the caller takes to end and what it printed last.
fn interrupted_in_a_call_with_nobody(times: usize) -> (Duration, Vec<String>) {
    let (robot, target) = robot(&["--echo"]);
    let mut caller = Going::start(&["call", &target, "--tone", "440", "-v", "-v"]);
    caller.line("the first packet has come");
    robot.signal(Signal::SIGSTOP);
    caller.interrupt();
    // Two signals at the same time count as one: the first has been taken when the BYE leaves.
    caller.line("BYE sip:");
    let since = Instant::now();
    for _ in 1..times {
        caller.interrupt();
    }
    let (code, lines) = caller.end();
    let lasted = since.elapsed();
    assert_eq!(code, Some(130), "{lines:#?}");
    (lasted, lines)
}

#[test]
fn signal_that_comes_twice_at_the_same_time_is_one() {
    // As `timeout` does it: to the process, then to its group.
    for _ in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Going::start(&["serve", "--sip", "127.0.0.1:0", "--state", folder.path().to_str().unwrap()]);
        server.line("ready");
        server.terminate();
        server.terminate();
        server.terminate();
        let (code, lines) = server.end();
        assert_eq!(code, Some(0), "{lines:#?}");
        assert_eq!(lines.last().map(String::as_str), Some("stopped"), "{lines:#?}");
    }
}

#[test]
fn second_interruption_ends_at_once() {
    // One alone waits for the answer to the BYE, and says what came of it.
    let (once, lines) = interrupted_in_a_call_with_nobody(1);
    assert!(once >= Duration::from_secs(3), "{once:?}");
    assert!(lines.iter().any(|line| line.contains("ended by error")), "{lines:#?}");
    let (twice, lines) = interrupted_in_a_call_with_nobody(2);
    assert!(twice < once, "{twice:?}, and {once:?} without the second");
    assert!(!lines.iter().any(|line| line.contains("ended by")), "{lines:#?}");
}
