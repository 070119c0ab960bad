//! `answer` as a device of a server, and its end.

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
