//! The torture messages of RFC 4475 and RFC 5118, over UDP and TCP: the due answer or the due silence, and alive after each.
//!
//! `tests/data/torture.json` says for each role which codes are right. Sample addresses in the messages are no reason to send anything
//! out of this machine: the answer is looked for at the socket the message came from, which `rport` would ask for, or not at all.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use serde_json::Value;

use crate::program::{PATIENCE, Program, offhook};

/// How long an answer may take; the check that the program lives bounds it from the other side.
const ANSWER: Duration = Duration::from_millis(300);

struct Case {
    name: String,
    bytes: Vec<u8>,
    expect: Vec<String>,
    tolerate: Vec<String>,
    silence_ok: bool,
    is_response: bool,
    /// A stream cannot be framed after it: an error or nothing, and the connection may be closed.
    ends_stream: bool,
}

impl Case {
    /// From, Call-ID and CSeq as they stand there.
    fn identity(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.bytes).into_owned();
        let told = ["from:", "call-id:", "cseq:"];
        let lines = text.lines().filter(|line| told.iter().any(|name| line.to_ascii_lowercase().starts_with(name)));
        lines.map(str::to_owned).collect()
    }
}

fn cases(role: &str) -> Vec<Case> {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data");
    let table: Value = serde_json::from_str(&std::fs::read_to_string(format!("{data}/torture.json")).unwrap()).unwrap();
    let words = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let rows = table["messages"].as_array().unwrap();
    rows.iter()
        .map(|row| Case {
            name: row["name"].as_str().unwrap().to_owned(),
            bytes: std::fs::read(format!("{data}/{}", row["file"].as_str().unwrap())).unwrap(),
            expect: words(&row["expect"][role]),
            tolerate: words(&row["tolerate"]),
            silence_ok: row["silence_ok"] != Value::Bool(false),
            is_response: row["kind"] == "response",
            ends_stream: row["tcp"].as_str().is_some_and(|word| word.contains("close")),
        })
        .collect()
}

/// The message with its topmost Via pointing at `local`, so that the answer comes back to us and nowhere else; untouched where there is no
/// Via to be found.
fn homeward(bytes: &[u8], local: SocketAddr, transport: &str) -> Vec<u8> {
    let text: Vec<char> = bytes.iter().map(|byte| char::from(*byte)).collect();
    let text: String = text.into_iter().collect();
    let lower = text.to_ascii_lowercase();
    let Some(start) = ["\r\nvia", "\r\nv:"].iter().filter_map(|name| lower.find(name)).min() else {
        return bytes.to_vec();
    };
    let Some(slash) = text[start..].find("2.0").map(|at| start + at) else { return bytes.to_vec() };
    // `SIP / 2.0 / UDP host`: after the protocol comes blank space, then the sender.
    let Some(proto) = text[slash + 3..].find(|c: char| c.is_ascii_alphabetic()).map(|at| slash + 3 + at) else {
        return bytes.to_vec();
    };
    let Some(gap) = text[proto..].find(|c: char| c.is_whitespace()).map(|at| proto + at) else { return bytes.to_vec() };
    let Some(host) = text[gap..].find(|c: char| !c.is_whitespace()).map(|at| gap + at) else { return bytes.to_vec() };
    let end = text[host..].find([';', ',', '\r', '(']).map_or(text.len(), |at| host + at);
    let whole = format!("{}{transport} {local}{}", &text[..proto], &text[end..]);
    whole.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

fn code_of(answer: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(answer);
    text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

fn fits(code: u16, words: &[String]) -> bool {
    words.iter().any(|word| {
        *word == code.to_string() || word.strip_suffix("xx").is_some_and(|class| code.to_string().starts_with(class))
    })
}

/// The first final answer, or a provisional one where no final one follows in time.
fn answer_by_udp(socket: &UdpSocket, bytes: &[u8], to: &str) -> Option<u16> {
    socket.send_to(bytes, to).unwrap();
    socket.set_read_timeout(Some(ANSWER)).unwrap();
    let mut code = None;
    let mut buffer = [0; 65_536];
    while let Ok(length) = socket.recv(&mut buffer) {
        code = code_of(&buffer[..length]).or(code);
        if code.is_some_and(|code| code >= 200) {
            break;
        }
    }
    code
}

fn answer_by_tcp(bytes: &[u8], to: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(to).unwrap();
    let local = stream.local_addr().unwrap();
    stream.write_all(&homeward(bytes, local, "TCP")).unwrap();
    stream.set_read_timeout(Some(ANSWER)).unwrap();
    let mut received = Vec::new();
    let mut chunk = [0; 65_536];
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        received.extend_from_slice(&chunk[..length]);
    }
    let text = String::from_utf8_lossy(&received);
    let codes = text.match_indices("SIP/2.0 ").filter(|(at, _)| *at == 0 || text[..*at].ends_with('\n'));
    let codes: Vec<u16> = codes.filter_map(|(at, _)| code_of(text[at..].as_bytes())).collect();
    // One of the messages is followed by another in the same stream: the first is what is judged.
    codes.iter().copied().find(|code| *code >= 200).or(codes.last().copied())
}

/// An OPTIONS as a sane peer sends it.
fn is_alive(socket: &UdpSocket, number: usize, to: &str) -> bool {
    let local = socket.local_addr().unwrap();
    let ask = format!(
        "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKalive{number};rport\r\nFrom: <sip:t@{local}>;tag=t\r\n\
         To: <sip:{to}>\r\nCall-ID: alive{number}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send_to(ask.as_bytes(), to).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 65_536];
    while let Ok(length) = socket.recv(&mut buffer) {
        let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if answer.contains(&format!("z9hG4bKalive{number}")) {
            return answer.starts_with("SIP/2.0 ");
        }
    }
    false
}

/// Sends every message to `to` and returns what was wrong.
fn faults(program: &mut Program, to: &str, role: &str, tcp: bool) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = Vec::new();
    for (number, case) in cases(role).iter().enumerate() {
        // A socket each: late answers to one message are not taken for those to another.
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let got = match tcp {
            true => answer_by_tcp(&case.bytes, to),
            false => answer_by_udp(&socket, &homeward(&case.bytes, socket.local_addr().unwrap(), "UDP"), to),
        };
        let right = match got {
            _ if case.is_response => got.is_none(),
            _ if tcp && case.ends_stream => got.is_none_or(|code| code >= 300),
            None => case.silence_ok,
            // Several messages of RFC 5118 share From tag, Call-ID and CSeq: over another path that is one request twice (RFC 3261 8.2.2.2).
            Some(482) if seen.contains(&case.identity()) => true,
            Some(code) => fits(code, &case.expect) || fits(code, &case.tolerate),
        };
        seen.push(case.identity());
        if !right {
            let due = if case.is_response { vec!["silence".to_owned()] } else { case.expect.clone() };
            faults.push(format!("{}: {got:?}, expected one of {due:?}", case.name));
        }
        let asking = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(is_alive(&asking, number, to) && program.is_alive(), "dead after {}:\n{}", case.name, program.output());
    }
    faults
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_user_agent() {
    let (mut robot, address) = offhook::answer(&[]);
    let faults = faults(&mut robot, &address, "uas", false);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_user_agent() {
    let (mut robot, address) = offhook::answer(&[]);
    let faults = faults(&mut robot, &address, "uas", true);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Most messages get no further than the challenge of a PBX, and none may harm it. `user` is there because one message asks what he
/// supports.
fn to_a_pbx(role: &str, tcp: bool) {
    let mut server = offhook::serve(&[&offhook::USERS[..], &["--user", "user:unguessed"]].concat());
    let faults = faults(&mut server.program, &server.address, role, tcp);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_registrar() {
    to_a_pbx("registrar", false);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_registrar() {
    to_a_pbx("registrar", true);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_back_to_back_user_agent() {
    to_a_pbx("uas", false);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_back_to_back_user_agent() {
    to_a_pbx("uas", true);
}
