//! A peer that sends torture messages and waits for what comes back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use sip::digest::{Client, Credential};
use sip::header::From;
use sip::message::{HeaderId, Limits, Message, Request};

use super::judge::Transport;
use crate::program::PATIENCE;

/// How long an answer may take; the check that the program lives bounds it from the other side.
const ANSWER: Duration = Duration::from_millis(300);

/// The password of everybody who sends one of the messages.
pub(super) const SECRET: &str = "unguessed";

/// Sends `bytes` from a socket of its own (late answers to one message are not taken for those to another) and returns the first final
/// answer, or a provisional one where no final one follows in time.
pub(super) fn ask(bytes: &[u8], to: &str, transport: Transport) -> Option<Vec<u8>> {
    match transport {
        Transport::Udp => by_udp(bytes, to),
        Transport::Tcp => by_tcp(bytes, to),
    }
}

/// The code of an answer.
pub(super) fn code_of(answer: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(answer);
    text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

fn by_udp(bytes: &[u8], to: &str) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&homeward(bytes, socket.local_addr().unwrap(), "UDP"), to).unwrap();
    socket.set_read_timeout(Some(ANSWER)).unwrap();
    let mut answer = None;
    let mut buffer = [0; 65_536];
    while let Ok(length) = socket.recv(&mut buffer) {
        let code = code_of(&buffer[..length]);
        answer = code.map(|_| buffer[..length].to_vec()).or(answer);
        if code.is_some_and(|code| code >= 200) {
            break;
        }
    }
    answer
}

fn by_tcp(bytes: &[u8], to: &str) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(to).unwrap();
    let local = stream.local_addr().unwrap();
    stream.write_all(&ended(&homeward(bytes, local, "TCP"))).unwrap();
    stream.set_read_timeout(Some(ANSWER)).unwrap();
    let mut received = Vec::new();
    let mut chunk = [0; 65_536];
    let mut answer = None;
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        received.extend_from_slice(&chunk[..length]);
        // One of the messages is followed by another in the same stream: the first final answer is what is judged.
        answer = answers(&received).find(is_final).or(answers(&received).last()).map(<[u8]>::to_vec);
        if answer.as_deref().as_ref().is_some_and(is_final) {
            break;
        }
    }
    answer
}

/// The whole answers of a stream.
fn answers(received: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts = find_all(received, b"SIP/2.0 ").filter(|at| *at == 0 || received[at - 1] == b'\n');
    starts
        .map(|start| {
            let behind = find_all(&received[start + 1..], b"\nSIP/2.0 ").next();
            &received[start..behind.map_or(received.len(), |end| start + end + 2)]
        })
        .filter(|answer| code_of(answer).is_some() && find_all(answer, b"\r\n\r\n").next().is_some())
}

fn is_final(answer: &&[u8]) -> bool {
    code_of(answer).is_some_and(|code| code >= 200)
}

fn find_all<'a>(text: &'a [u8], wanted: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    text.windows(wanted.len()).enumerate().filter(move |(_, window)| *window == wanted).map(|(at, _)| at)
}

/// The message with the empty line behind its head, which the file of one lacks although RFC 4475 prints it: on a stream the message would
/// not be there yet.
fn ended(bytes: &[u8]) -> Vec<u8> {
    let is_whole = find_all(bytes, b"\r\n\r\n").next().is_some();
    [bytes, if is_whole { b"" } else { b"\r\n" }].concat()
}

/// The message with its topmost Via pointing at `local`, so that the answer comes back to us and nowhere else; untouched where there is no
/// Via to be found.
fn homeward(bytes: &[u8], local: SocketAddr, transport: &str) -> Vec<u8> {
    let text: Vec<char> = bytes.iter().map(|byte| char::from(*byte)).collect();
    let text: String = text.into_iter().collect();
    let lower = text.to_ascii_lowercase();
    let Some(via) = ["\r\nvia", "\r\nv:"].iter().filter_map(|name| lower.find(name)).min() else {
        return bytes.to_vec();
    };
    // `SIP / 2.0 / UDP host`: after the second slash comes the protocol, then blank space, then the sender.
    let Some(slash) = text[via..].match_indices('/').nth(1).map(|(at, _)| via + at) else { return bytes.to_vec() };
    let Some(proto) = text[slash..].find(|c: char| c.is_ascii_alphabetic()).map(|at| slash + at) else {
        return bytes.to_vec();
    };
    let Some(gap) = text[proto..].find(|c: char| c.is_whitespace()).map(|at| proto + at) else { return bytes.to_vec() };
    let Some(host) = text[gap..].find(|c: char| !c.is_whitespace()).map(|at| gap + at) else { return bytes.to_vec() };
    let end = text[host..].find([';', ',', '\r', '(']).map_or(text.len(), |at| host + at);
    let whole = format!("{}{transport} {local}{}", &text[..proto], &text[end..]);
    whole.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

/// The message again with what its sender would prove to be himself with, for the challenge in `answer`: one more header line, and the next
/// CSeq (RFC 3261 section 22.2). `None` where nobody is asked for a password, or no name stands in From.
pub(super) fn with_credentials(bytes: &[u8], answer: &[u8]) -> Option<Vec<u8>> {
    let read = |bytes: &[u8]| Message::parse(bytes.to_vec().into(), &Limits::default()).ok();
    let (Message::Request(request), Message::Response(challenge)) = (read(bytes)?, read(answer)?) else { return None };
    let user = sender(&request);
    let mut client = Client::new(Credential::password(None, &user, SECRET).ok()?.into());
    let challenges = challenge.headers().all(HeaderId::WwwAuthenticate).map(|header| (false, header.value));
    client.take_challenges(challenges).ok()?;
    let lines = client.lines_for(request.method().as_str(), request.uri_text(), request.body(), 1);
    let again = next_cseq(bytes);
    let head = find_all(&again, b"\r\n\r\n").next()? + 2;
    let lines: String = lines.iter().map(|(_, value)| format!("Authorization: {value}\r\n")).collect();
    Some([&again[..head], lines.as_bytes(), &again[head..]].concat())
}

/// Whom a request says to be from; somebody where From names nobody that a password could belong to.
pub(super) fn sender(request: &Request) -> String {
    let from = request.headers().get::<From<'_>>().and_then(Result::ok);
    let user = from.and_then(|from| from.uri.user_unescaped().map(|user| user.into_owned()));
    let can_be_configured =
        |user: &String| !user.is_empty() && !user.contains(|c: char| c.is_control() || c.is_whitespace());
    user.filter(can_be_configured).unwrap_or_else(|| "user".into())
}

/// The message with its CSeq one higher.
fn next_cseq(bytes: &[u8]) -> Vec<u8> {
    let lower = bytes.to_ascii_lowercase();
    let Some(start) = find_all(&lower, b"\r\ncseq").next() else { return bytes.to_vec() };
    let from = start + bytes[start..].iter().take_while(|byte| !byte.is_ascii_digit()).count();
    let to = from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let Some(number) = std::str::from_utf8(&bytes[from..to]).ok().and_then(|digits| digits.parse::<u32>().ok()) else {
        return bytes.to_vec();
    };
    [&bytes[..from], (number + 1).to_string().as_bytes(), &bytes[to..]].concat()
}

/// Whether an OPTIONS as a sane peer sends it is answered.
pub(super) fn is_alive(number: usize, to: &str) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
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
