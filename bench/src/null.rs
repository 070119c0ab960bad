//! Servers that do nothing: they receive the datagrams of a call or a registration and send the ones that are due, with the five lines that
//! every response copies, and keep no state, check nothing and repeat nothing. What they cost is what the machine asks for anything at all.

use std::net::UdpSocket;

use crate::figure::Report;

const RINGING: &[u8] = b"180 Ringing\r\nContact: <sip:null@127.0.0.1>";
const OK: &[u8] = b"200 OK\r\nContact: <sip:null@127.0.0.1>";
const CHALLENGE: &[u8] =
    b"401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"null\", nonce=\"0123456789abcdef\", qop=\"auth\"";

/// Answers calls until it is killed.
pub(crate) fn answer_calls(address: &str) -> Result<Report, String> {
    serve(address, |request| match request.first() {
        Some(b'I') => &[RINGING, OK],
        Some(b'A') => &[],
        _ => &[OK],
    })
}

/// Registers whoever shows any credentials, until it is killed.
pub(crate) fn register(address: &str) -> Result<Report, String> {
    serve(address, |request| match request.windows(14).any(|part| part == b"Authorization:") {
        true => &[OK],
        false => &[CHALLENGE],
    })
}

/// Passes what comes from `callee` on to whoever came last from elsewhere, and what comes from elsewhere on to `callee`, with a 100 for each INVITE,
/// until it is killed.
pub(crate) fn pass_calls_on(address: &str, callee: &str) -> Result<Report, String> {
    let callee: std::net::SocketAddr = callee.parse().map_err(|error| format!("{callee}: {error}"))?;
    let socket = UdpSocket::bind(address).map_err(|error| error.to_string())?;
    let mut message = [0_u8; 65_536];
    let mut trying = Vec::with_capacity(4_096);
    let mut caller = callee;
    loop {
        let (length, from) = socket.recv_from(&mut message).map_err(|error| error.to_string())?;
        let message = message.get(..length).unwrap_or_default();
        if from != callee {
            caller = from;
            if message.first() == Some(&b'I') {
                answer(&mut trying, b"100 Trying", message);
                socket.send_to(&trying, from).map_err(|error| error.to_string())?;
            }
        }
        socket.send_to(message, if from == callee { caller } else { callee }).map_err(|error| error.to_string())?;
    }
}

fn serve(address: &str, due: impl Fn(&[u8]) -> &'static [&'static [u8]]) -> Result<Report, String> {
    let socket = UdpSocket::bind(address).map_err(|error| error.to_string())?;
    let mut request = [0_u8; 65_536];
    let mut response = Vec::with_capacity(4_096);
    loop {
        let (length, from) = socket.recv_from(&mut request).map_err(|error| error.to_string())?;
        let request = request.get(..length).unwrap_or_default();
        for start in due(request) {
            answer(&mut response, start, request);
            socket.send_to(&response, from).map_err(|error| error.to_string())?;
        }
    }
}

fn answer(response: &mut Vec<u8>, start: &[u8], request: &[u8]) {
    response.clear();
    response.extend_from_slice(b"SIP/2.0 ");
    response.extend_from_slice(start);
    response.extend_from_slice(b"\r\n");
    for line in request.split_inclusive(|byte| *byte == b'\n') {
        if [&b"Via"[..], b"From", b"To:", b"Call-ID", b"CSeq"].iter().any(|name| line.starts_with(name)) {
            response.extend_from_slice(line);
        }
    }
    response.extend_from_slice(b"Content-Length: 0\r\n\r\n");
}
