//! What a peer that sends broken messages knows of SIP: its own Via, its password, and what comes back.

use std::net::{SocketAddr, UdpSocket};

use sip::digest::{Client, Credential};
use sip::header::From;
use sip::message::{HeaderId, Limits, Message, Request};

use crate::program::PATIENCE;

/// The password of everybody who sends one of the messages.
pub(super) const SECRET: &str = "unguessed";

/// The code of an answer.
pub(super) fn code_of(answer: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(answer);
    text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

/// The whole answers of a stream.
pub(super) fn answers(received: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts = find_all(received, b"SIP/2.0 ").filter(|at| *at == 0 || received[at - 1] == b'\n');
    starts
        .map(|start| {
            let behind = find_all(&received[start + 1..], b"\nSIP/2.0 ").next();
            &received[start..behind.map_or(received.len(), |end| start + end + 2)]
        })
        .filter(|answer| code_of(answer).is_some() && find_all(answer, b"\r\n\r\n").next().is_some())
}

pub(super) fn is_final(answer: &&[u8]) -> bool {
    code_of(answer).is_some_and(|code| code >= 200)
}

pub(super) fn find_all<'a>(text: &'a [u8], wanted: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    text.windows(wanted.len()).enumerate().filter(move |(_, window)| *window == wanted).map(|(at, _)| at)
}

/// The message with the empty line behind its head, which the file of one lacks although RFC 4475 prints it: on a stream the message would
/// not be there yet.
pub(super) fn ended(bytes: &[u8]) -> Vec<u8> {
    let is_whole = find_all(bytes, b"\r\n\r\n").next().is_some();
    [bytes, if is_whole { b"" } else { b"\r\n" }].concat()
}

/// The message with its topmost Via pointing at `local`, so that the answer comes back to us and nowhere else; untouched where there is no
/// Via to be found.
pub(super) fn homeward(bytes: &[u8], local: SocketAddr, transport: &str) -> Vec<u8> {
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
pub(crate) fn with_credentials(bytes: &[u8], answer: &[u8]) -> Option<Vec<u8>> {
    let read = |bytes: &[u8]| Message::parse(bytes.to_vec().into(), &Limits::default()).ok();
    let (Message::Request(request), Message::Response(challenge)) = (read(bytes)?, read(answer)?) else { return None };
    let user = sender(&request);
    let mut client = Client::new(Credential::password(None, &user, SECRET).ok()?.into());
    let by = |id, is_proxy: bool| challenge.headers().all(id).map(move |header| (is_proxy, header.value));
    let challenges = by(HeaderId::WwwAuthenticate, false).chain(by(HeaderId::ProxyAuthenticate, true));
    client.take_challenges(challenges).ok()?;
    let lines = client.lines_for(request.method().as_str(), request.uri_text(), request.body(), 1);
    let again = next_cseq(bytes);
    let head = find_all(&again, b"\r\n\r\n").next()? + 2;
    let name = |is_proxy| if is_proxy { "Proxy-Authorization" } else { "Authorization" };
    let lines: String = lines.iter().map(|(is_proxy, value)| format!("{}: {value}\r\n", name(*is_proxy))).collect();
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
