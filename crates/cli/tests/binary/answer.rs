//! `answer` as a device of a server, and its end.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::refusals::{answer_with, answering};
use crate::run::{Going, offhook};
use crate::strangers::Stranger;

#[test]
fn robot_with_an_account_is_called_through_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let users = ["--user", "2001:one", "--user", "2002:two"];
    let mut arguments = vec!["serve", "--sip", "127.0.0.1:0", "--state", state];
    arguments.extend(users);
    let mut server = Going::start(&arguments);
    let port = server.port();
    server.line("ready");
    let robot_account = format!("sip:2002@127.0.0.1:{port}");
    let mut robot = Going::start(&["answer", "--echo", "--account", &robot_account, "--password", "two"]);
    robot.line("registered");
    let account = format!("sip:2001@127.0.0.1:{port}");
    let arguments = [
        "call",
        "2002",
        "--account",
        &account,
        "--password",
        "one",
        "--tone",
        "440",
        "--for",
        "3",
        "--expect-tone",
        "440",
    ];
    let ended = offhook(&arguments);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    robot.line("call 1 ended by caller");
    robot.interrupt();
    let (code, _) = robot.end();
    assert_eq!(code, Some(130));
    let ended = offhook(&["call", "2002", "--account", &account, "--password", "one"]);
    assert_eq!(ended.code, Some(8), "the robot has taken its binding back: {ended:?}");
}

#[test]
fn robot_with_a_wrong_password_exits_6() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let mut server = Going::start(&["serve", "--sip", "127.0.0.1:0", "--state", state, "--user", "2001:one"]);
    let account = format!("sip:2001@127.0.0.1:{}", server.port());
    server.line("ready");
    let ended = offhook(&["answer", "--account", &account, "--password", "two"]);
    assert_eq!(ended.code, Some(6), "{ended:?}");
}

/// A registrar that has no time for the first two, and takes the third.
#[test]
fn robot_says_at_each_failure_why_and_when_it_tries_again() {
    let asked = AtomicUsize::new(0);
    let registrar = answering(move |request| match asked.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => answer_with(request, "503", "Retry-After: 1\r\n"),
        _ => {
            let contact = request.split("\r\n").find(|line| line.starts_with("Contact:")).unwrap();
            answer_with(request, "200", &format!("{contact}\r\nExpires: 60\r\n"))
        }
    });
    let mut robot = Going::start(&["answer", "--json", "--account", &format!("sip:x@{registrar}")]);
    for _ in 0..2 {
        // What is printed for people goes to standard error, which alone begins so.
        robot.line("offhook: not registered: refused with 503 So it is; next try in 1 s");
    }
    robot.line(r#""event":"registered""#);
    let told = robot.seen().iter().filter(|line| line.contains(r#""event":"registration_failed""#));
    let fields = |line: &&String| line.contains(r#""retry_secs":1"#) && line.contains(r#""why":"refused with 503"#);
    assert_eq!(told.filter(fields).count(), 2, "{:#?}", robot.seen());
}

/// RFC 5626 section 4.5: silence may end.
#[test]
fn robot_goes_on_where_nobody_answers_and_says_so() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let account = format!("sip:x@{}", silent.local_addr().unwrap());
    let mut robot = Going::start(&["answer", "--t1-ms", "20", "--account", &account]);
    let line = robot.line("offhook: not registered: ");
    assert!(
        line.contains("cannot reach the registrar sip:127.0.0.1:")
            && line.contains("no response in time; next try in "),
        "{line}"
    );
    // The same where the port is closed: whoever starts first waits for the other.
    drop(silent);
    let mut other = Going::start(&["answer", "--account", &account]);
    assert!(other.line("offhook: not registered: ").contains("; next try in "));
    for robot in [robot, other] {
        robot.interrupt();
        assert_eq!(robot.end().0, Some(130));
    }
}

/// Answers each question with this code: 3 for a name that does not exist, 2 for a failure of its own.
fn name_server(code: u8) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            (buffer[2], buffer[3]) = (0x81, 0x80 | code);
            let _ = socket.send_to(&buffer[..length], from);
        }
    });
    address
}

#[test]
fn robot_ends_with_4_when_its_registrar_has_a_name_that_does_not_exist() {
    let account = ["--account", "sip:x@missing.example"];
    let ended = offhook(&[&["answer", "--name-server", &name_server(3)], &account[..]].concat());
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let told = "offhook: not registered: cannot reach the registrar sip:missing.example: no such host\n";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    // A name server in trouble says nothing of the name.
    let mut robot = Going::start(&[&["answer", "--name-server", &name_server(2)], &account[..]].concat());
    assert!(robot.line("offhook: not registered: ").contains("; next try in "));
    robot.interrupt();
    assert_eq!(robot.end().0, Some(130));
}

#[test]
fn robot_that_the_registrar_does_not_know_ends_with_6() {
    let registrar = answering(|request| answer_with(request, "404", ""));
    let ended = offhook(&["answer", "--account", &format!("sip:x@{registrar}")]);
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(ended.stderr.contains("not registered: refused with 404"), "{}", ended.stderr);
}

#[test]
fn robot_hangs_calls_up_when_it_is_told_to_end() {
    let mut robot = Going::start(&["answer", "--sip", "127.0.0.1:0", "--echo"]);
    let target = format!("x@127.0.0.1:{}", robot.port());
    let mut caller = Going::start(&["call", &target, "--tone", "440"]);
    caller.line("the first packet has come");
    robot.interrupt();
    assert_eq!(robot.end().0, Some(130));
    let (code, lines) = caller.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("ended by peer")), "{lines:#?}");
}

#[test]
fn robot_prints_text_messages_and_who_they_are_from() {
    let mut robot = Going::start(&["answer", "--sip", "127.0.0.1:0"]);
    let target = format!("x@127.0.0.1:{}", robot.port());
    let ended = offhook(&["message", &target, "good\u{1b}[31m morning"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let line = robot.line("message from sip:");
    assert!(line.ends_with(r": good\u{1b}[31m morning") && !line.contains("tag="), "{line}");
}

#[test]
fn robot_that_leaves_while_it_rings_is_unavailable_and_names_the_caller_without_a_tag() {
    let mut robot = Going::start(&["answer", "--sip", "127.0.0.1:0", "--ring", "--json"]);
    let line = robot.line(r#""transport":"udp""#);
    let address = line.split(r#""address":""#).nth(1).unwrap().split('"').next().unwrap();
    let mut caller = Going::start(&["call", &format!("x@{address}")]);
    caller.line("180 Ringing");
    let ringing = robot.line(r#""event":"ringing""#);
    assert!(ringing.contains(r#""from":"sip:"#) && !ringing.contains("tag="), "{ringing}");
    robot.interrupt();
    let (code, lines) = caller.end();
    assert_eq!(code, Some(8), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("480")), "{lines:#?}");
    assert_eq!(robot.end().0, Some(130));
}

#[test]
fn robot_tells_the_end_of_its_last_call_before_it_leaves() {
    for _ in 0..5 {
        let mut robot = Going::start(&["answer", "--sip", "127.0.0.1:0", "--echo"]);
        let target = format!("x@127.0.0.1:{}", robot.port());
        let mut caller = Going::start(&["call", &target, "--tone", "440"]);
        caller.line("the first packet has come");
        robot.interrupt();
        let (code, lines) = robot.end();
        assert_eq!(code, Some(130));
        assert!(lines.iter().any(|line| line.starts_with("call 1 ended by us")), "{lines:#?}");
        caller.end();
    }
}

#[test]
fn robot_hangs_up_after_the_time_given() {
    let mut robot = Going::start(&["answer", "--sip", "127.0.0.1:0", "--for", "1", "--calls", "1"]);
    let target = format!("x@127.0.0.1:{}", robot.port());
    let ended = offhook(&["call", &target]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("ended by peer after 1.0 s"), "{}", ended.stdout);
    assert_eq!(robot.end().0, Some(0));
}

#[test]
fn refused_call_counts_once() {
    let mut robot = Going::start(&["answer", "--sip", "127.0.0.1:0", "--calls", "2"]);
    let stranger = Stranger::facing(&mut robot);
    let only_pictures =
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 6000 RTP/AVP 31\r\n";
    stranger.call("<sip:x@127.0.0.1>", only_pictures, "SIP/2.0 488");
    robot.line("call 1 refused: 488");
    let caller = offhook(&["call", &format!("sip:x@{}", stranger.robot), "--tone", "440", "--for", "1"]);
    assert_eq!(caller.code, Some(0), "the first call was one, not two: {caller:?}");
    let (code, lines) = robot.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("call 2 ended by caller")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.starts_with("call 1 ended")), "{lines:#?}");
}

#[test]
fn rfc3261_12_1_1_call_of_which_no_dialog_can_be_made_is_told_and_counts() {
    let mut robot = Going::start(&["answer", "--sip", "127.0.0.1:0", "--calls", "1"]);
    Stranger::facing(&mut robot).call_without_contact();
    let (code, lines) = robot.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("call 1 refused: 400 (")), "{lines:#?}");
}
