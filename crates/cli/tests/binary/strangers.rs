//! What strangers write is shown, and draws nothing on the terminal.

use std::net::UdpSocket;

use crate::run::{Going, PATIENCE, offhook};

/// A device without a stack: it writes what it likes.
pub(crate) struct Stranger {
    socket: UdpSocket,
    /// Whom it faces.
    pub(crate) robot: String,
}

impl Stranger {
    pub(crate) fn facing(robot: &mut Going) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, robot: format!("127.0.0.1:{}", robot.port()) }
    }

    /// Calls as `from`, offers `sdp`, waits for the first answer that begins so and acknowledges it.
    pub(crate) fn call(&self, from: &str, sdp: &str, answer: &str) {
        let invite = self.request("INVITE", from, "", sdp);
        self.socket.send_to(invite.as_bytes(), &self.robot).unwrap();
        let mut buffer = [0; 8_192];
        loop {
            let length = self.socket.recv(&mut buffer).unwrap();
            let heard = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if heard.starts_with(answer) {
                let to = heard.split("\r\n").find(|line| line.starts_with("To:")).unwrap();
                let tag = to.split_once(";tag=").unwrap().1;
                let ack = self.request("ACK", from, &format!(";tag={tag}"), "");
                self.socket.send_to(ack.as_bytes(), &self.robot).unwrap();
                return;
            }
        }
    }

    /// Sends an INVITE without Contact, of which no dialog can be made.
    pub(crate) fn call_without_contact(&self) {
        let invite = self.request("INVITE", "<sip:x@127.0.0.1>", "", "");
        let lines = invite.split("\r\n").filter(|line| !line.starts_with("Contact:"));
        self.socket.send_to(lines.collect::<Vec<_>>().join("\r\n").as_bytes(), &self.robot).unwrap();
    }

    fn request(&self, method: &str, from: &str, tag: &str, sdp: &str) -> String {
        let (robot, here) = (&self.robot, self.socket.local_addr().unwrap());
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:robot@{robot} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKstranger\r\nMax-Forwards: 70\r\n\
             From: {from};tag=a\r\nTo: <sip:robot@{robot}>{tag}\r\nCall-ID: stranger@{here}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:stranger@{here}>\r\n{kind}Content-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        )
    }
}

/// Answers the first request with this status line. Returns its address.
fn answering(status: &'static str) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut buffer = [0; 8_192];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let mut answer = format!("SIP/2.0 {status}\r\n");
        for name in ["Via:", "From:", "To:", "Call-ID:", "CSeq:"] {
            let line = request.split("\r\n").find(|line| line.starts_with(name)).unwrap();
            let tag = if name == "To:" { ";tag=peer" } else { "" };
            answer.push_str(&format!("{line}{tag}\r\n"));
        }
        answer.push_str("Server: y\u{202e}z\r\nContent-Length: 0\r\n\r\n");
        socket.send_to(answer.as_bytes(), from).unwrap();
    });
    address
}

const DRAWS: [char; 4] = ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}'];

/// A message with ESC in its first line is none and is dropped; C1 has the same powers on many terminals and passes as UTF-8.
#[test]
fn reason_phrase_draws_nothing() {
    let asked = offhook(&["options", &format!("sip:x@{}", answering("200 Fine\u{9b}2J\u{7f}"))]);
    assert_eq!(asked.code, Some(0), "{asked:?}");
    assert!(asked.stdout.contains(r"200 Fine\u{9b}2J\u{7f} after"), "{asked:?}");
    assert!(asked.stdout.lines().any(|line| line == r"  server  y\u{202e}z"), "{asked:?}");
    assert!(!asked.stdout.contains(DRAWS), "{asked:?}");
    let refused = offhook(&["call", "--no-register", &format!("sip:x@{}", answering("486 Busy\u{9b}2J"))]);
    assert_eq!(refused.code, Some(7), "{refused:?}");
    assert!(refused.stderr.contains(r"Busy\u{9b}2J") && !refused.stderr.contains(DRAWS), "{refused:?}");
    // For programs the text is what it was, as JSON escapes it.
    let asked = offhook(&["options", "--json", &format!("sip:x@{}", answering("200 Fine\u{9b}2J"))]);
    let value: serde_json::Value = serde_json::from_str(&asked.stdout).unwrap();
    assert_eq!(value["reason"], "Fine\u{9b}2J", "{asked:?}");
}

#[test]
fn name_of_a_caller_draws_nothing() {
    let mut robot = Going::start(&["answer", "--sip", "127.0.0.1:0"]);
    let stranger = Stranger::facing(&mut robot);
    stranger.call("\"Eve\\\u{1b}[2J\" <sip:eve@127.0.0.1>", "", "SIP/2.0 200");
    let line = robot.line("call 1 from");
    assert!(line.contains(r"\u{1b}[2J") && line.contains("sip:eve@127.0.0.1") && !line.contains(DRAWS), "{line:?}");
}

#[test]
fn text_of_a_message_is_one_line_that_draws_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let mut server = Going::start(&["serve", "--sip", "127.0.0.1:0", "--state", state, "--user", "2001:one"]);
    let account = format!("sip:2001@127.0.0.1:{}", server.port());
    server.line("ready");
    let identity = ["--account", account.as_str(), "--password", "one"];
    let mut device = Going::start(&[&["register"], &identity[..]].concat());
    device.line("registered sip:2001");
    let forged = "hello\r\nregistered sip:bank@x for 3600 s\u{1b}[2J\u{7}\u{202e}";
    for text in [forged, "the last"] {
        let sent = offhook(&[&["message", "2001", text], &identity[..]].concat());
        assert_eq!(sent.code, Some(0), "{sent:?}");
    }
    let line = device.line("hello");
    let expected = r": hello\r\nregistered sip:bank@x for 3600 s\u{1b}[2J\u{7}\u{202e}";
    assert!(line.starts_with("message from ") && line.ends_with(expected), "{line:?}");
    device.line("the last");
    assert!(!device.seen().iter().any(|line| line.starts_with("registered sip:bank")), "{:#?}", device.seen());
}

#[test]
fn passwords_in_uris_are_shown_nowhere() {
    let mut robot = Going::start(&["-vv", "answer", "--sip", "127.0.0.1:0"]);
    let target = format!("sip:robot:s3cret@127.0.0.1:{}", robot.port());
    for verbosity in [&["-vv"][..], &["--json"], &["-vv", "--json"]] {
        let ended = offhook(&[&["call", &target, "--for", "1"], verbosity].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stdout.contains("sip:robot:(cut)@"), "{}", ended.stdout);
        assert!(!format!("{ended:?}").contains("s3cret"), "{ended:?}");
    }
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for whom in
        [format!("sip:x:s3cret@{free}"), format!("x:s3cret@{free}"), "x:s3cret@".to_owned(), "x:s3cret@[".to_owned()]
    {
        for arguments in [
            &["call", whom.as_str()][..],
            &["options", &whom],
            &["register", "--account", &whom],
            &["call", "x", "--account", &whom],
        ] {
            let ended = offhook(&[arguments, &["-vv"]].concat());
            assert_ne!(ended.code, Some(0), "{ended:?}");
            assert!(!format!("{ended:?}").contains("s3cret"), "{arguments:?}: {ended:?}");
        }
    }
    robot.interrupt();
    let (_, lines) = robot.end();
    assert!(lines.iter().any(|line| line.contains("INVITE sip:robot:(cut)@")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("s3cret")), "{lines:#?}");
}
