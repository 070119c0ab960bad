//! What the other side answers, and the exit code that follows: a peer that answers everything with the status that stands for the user.

use std::net::UdpSocket;

use crate::run::offhook;

/// Answers each request but ACK with the status its To names as user, as in `sip:486@127.0.0.1`. Ends with the test.
pub(crate) fn peer() -> String {
    answering(answer)
}

/// Answers each request but ACK with what `answer` makes of it.
pub(crate) fn answering(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut buffer = [0; 8_192];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if !request.starts_with("ACK ") {
                for message in answer(&request).split('\0') {
                    let _ = socket.send_to(message.as_bytes(), from);
                }
            }
        }
    });
    address
}

/// Where those are who have moved.
const MOVED: &str = "Contact: <sip:second@192.0.2.1>;q=0.5, <sip:first@192.0.2.2>;q=0.9\r\n";

fn answer(request: &str) -> String {
    let to = request.split("\r\n").find(|line| line.starts_with("To:")).unwrap();
    let status = to.split_once("sip:").and_then(|(_, rest)| rest.split('@').next()).unwrap();
    answer_with(request, status, if status.starts_with('3') { MOVED } else { "" })
}

/// Asks for credentials, and answers those with the status that the To names; 180 goes before where the user begins with `ring`.
fn guard(request: &str) -> String {
    if !request.contains("\r\nAuthorization:") {
        let challenge = "WWW-Authenticate: Digest realm=\"x\", nonce=\"y\", qop=\"auth\"\r\n";
        return answer_with(request, "401", challenge);
    }
    let final_answer = answer(&request.replace("sip:ring", "sip:"));
    match request.contains("To: <sip:ring") {
        true => answer_with(request, "180", "") + "\0" + &final_answer,
        false => final_answer,
    }
}

/// A response with these lines of its own.
pub(crate) fn answer_with(request: &str, status: &str, more: &str) -> String {
    let lines = |name: &'static str| request.split("\r\n").filter(move |line| line.starts_with(name));
    let to = lines("To:").next().unwrap();
    let mut answer = format!("SIP/2.0 {status} So it is\r\n{to};tag=peer\r\n{more}");
    for line in ["Via:", "From:", "Call-ID:", "CSeq:"].into_iter().flat_map(lines) {
        answer.push_str(&format!("{line}\r\n"));
    }
    answer + "Content-Length: 0\r\n\r\n"
}

/// RFC 3261 section 21: a status, and the exit code it stands for.
const CODES: [(u16, i32); 25] = [
    (300, 7),
    (301, 7),
    (302, 7),
    (305, 7),
    (380, 7),
    (403, 7),
    (404, 7),
    (410, 7),
    (415, 7),
    (484, 7),
    (486, 7),
    (500, 7),
    (501, 7),
    (503, 7),
    (504, 7),
    (600, 7),
    (603, 7),
    (604, 7),
    (408, 8),
    (480, 8),
    (488, 9),
    (606, 9),
    (401, 6),
    (407, 6),
    (200, 0),
];

fn wrong(verb: &str, code: u16, ended: &crate::run::Ended, expected: i32) -> Option<String> {
    // What was answered is told, besides the number the process ends with.
    let told = code == 200 || ended.stderr.contains(&code.to_string());
    (ended.code != Some(expected) || !told).then(|| format!("{verb} {code}: expected {expected}: {ended:?}"))
}

#[test]
fn each_refusal_of_a_call_has_its_exit_code_and_is_told() {
    let peer = peer();
    let call = |(code, exit): (u16, i32)| {
        wrong("call", code, &offhook(&["call", &format!("sip:{code}@{peer}"), "--no-register"]), exit)
    };
    let faults: Vec<String> = CODES.into_iter().filter(|(code, _)| *code != 200).filter_map(call).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn questions_and_messages_end_with_the_same_codes() {
    let peer = peer();
    let mut faults = Vec::new();
    for (code, exit) in CODES {
        let target = format!("sip:{code}@{peer}");
        faults.extend(wrong("options", code, &offhook(&["options", &target]), exit));
        faults.extend(wrong("message", code, &offhook(&["message", &target, "hello"]), exit));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// RFC 3261 section 8.1.3.4: where to is for the user to decide.
#[test]
fn redirection_is_not_followed_and_says_where_to() {
    let target = format!("sip:302@{}", peer());
    for arguments in [&["call", &target][..], &["options", &target], &["message", &target, "x"]] {
        let ended = offhook(&[arguments, &["--json"]].concat());
        assert_eq!(ended.code, Some(7), "{ended:?}");
        let told = "moved (302 So it is) to sip:first@192.0.2.2, sip:second@192.0.2.1: redirections are not followed";
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
        let line = ended.stdout.lines().find(|line| line.contains(r#""event":"error""#)).unwrap();
        let list = r#""moved_to":["sip:first@192.0.2.2","sip:second@192.0.2.1"]"#;
        assert!(line.contains(list) && line.contains(r#""code":302"#), "{line}");
    }
}

/// A 403 that answers our credentials is about them, unless something has shown before that they are good.
#[test]
fn a_403_after_credentials_is_refused_authentication_and_names_the_account() {
    let guard = answering(guard);
    let account = format!("sip:me@{guard}");
    let run = |verb: &str, user: &str, more: &[&str], exit: i32| {
        let target = format!("sip:{user}@{guard}");
        let identity = ["--account", &account, "--password", "guessed"];
        let ended = offhook(&[&[verb, &target], more, &identity].concat());
        assert_eq!(ended.code, Some(exit), "{verb} {user}: {ended:?}");
        let names = ended.stderr.contains(&format!("user name and password of the account {account}"));
        assert_eq!(names, exit == 6, "{verb} {user}: {}", ended.stderr);
    };
    for (user, exit) in [("403", 6), ("401", 6), ("404", 7), ("486", 7)] {
        run("call", user, &["--no-register"], exit);
        run("message", user, &["x"], exit);
        run("options", user, &[], exit);
    }
    // Who rings has let us pass.
    run("call", "ring403", &["--no-register"], 7);
}

#[test]
fn registration_that_is_refused_ends_with_6() {
    let peer = peer();
    let mut faults = Vec::new();
    for code in [401, 403, 404, 407, 486, 600, 603] {
        let account = format!("sip:{code}@{peer}");
        let ended = offhook(&["register", "--once", "--account", &account, "--password", "x"]);
        faults.extend(wrong("register", code, &ended, 6));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// RFC 3428 section 4: a message may be of any type; what arrives is of the one that was given.
#[test]
fn message_is_of_the_type_that_was_given() {
    for (more, expected) in [
        (&[][..], "Content-Type: text/plain;charset=UTF-8"),
        (&["--content-type", "application/json;v=1"], "Content-Type: application/json;v=1"),
    ] {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let target = format!("sip:200@{}", socket.local_addr().unwrap());
        let taken = std::thread::spawn(move || {
            let mut buffer = [0; 8_192];
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            let request = String::from_utf8(buffer[..length].to_vec()).unwrap();
            socket.send_to(answer(&request).as_bytes(), from).unwrap();
            request
        });
        let ended = offhook(&[&["message", &target, "{}"], more].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let request = taken.join().unwrap();
        assert!(request.split("\r\n").any(|line| line == expected), "{expected}: {request}");
        assert!(request.ends_with("\r\n\r\n{}"), "{request}");
    }
    let target = format!("sip:200@{}", peer());
    for wrong in ["text", "text/html\r\nX: y", "text/html;\r\n a=b", ""] {
        let ended = offhook(&["message", &target, "x", "--content-type", wrong]);
        assert_eq!(ended.code, Some(2), "{wrong:?}: {ended:?}");
        assert!(ended.stderr.contains("is no content type"), "{wrong:?}: {}", ended.stderr);
    }
}
