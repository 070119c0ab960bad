//! What the other side answers, and the exit code that follows: a peer that answers everything with the status that stands for the user.

use std::net::UdpSocket;

use crate::run::offhook;

/// Answers each request but ACK with the status its To names as user, as in `sip:486@127.0.0.1`. Ends with the test.
fn peer() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut buffer = [0; 8_192];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if !request.starts_with("ACK ") {
                let _ = socket.send_to(answer(&request).as_bytes(), from);
            }
        }
    });
    address
}

fn answer(request: &str) -> String {
    let lines = |name: &'static str| request.split("\r\n").filter(move |line| line.starts_with(name));
    let to = lines("To:").next().unwrap();
    let status = to.split_once("sip:").and_then(|(_, rest)| rest.split('@').next()).unwrap();
    let mut answer = format!("SIP/2.0 {status} So it is\r\n{to};tag=peer\r\n");
    for line in ["Via:", "From:", "Call-ID:", "CSeq:"].into_iter().flat_map(lines) {
        answer.push_str(&format!("{line}\r\n"));
    }
    answer + "Content-Length: 0\r\n\r\n"
}

/// RFC 3261 section 21: a status, and the exit code it stands for.
const CODES: [(u16, i32); 20] = [
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
