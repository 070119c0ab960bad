//! A server that does nothing: it receives the datagrams of a call and sends the ones that are due, with the five lines that every response
//! copies, and keeps no state, checks nothing and repeats nothing. What it costs is what the machine asks for anything at all.

use std::net::UdpSocket;

use crate::figure::Report;

/// Serves until it is killed.
pub(crate) fn serve(address: &str) -> Result<Report, String> {
    let socket = UdpSocket::bind(address).map_err(|error| error.to_string())?;
    let mut request = [0_u8; 65_536];
    let mut response = Vec::with_capacity(4_096);
    loop {
        let (length, from) = socket.recv_from(&mut request).map_err(|error| error.to_string())?;
        let request = &request[..length];
        let codes: &[&[u8]] = match request.first() {
            Some(b'I') => &[b"180 Ringing", b"200 OK"],
            Some(b'A') => &[],
            _ => &[b"200 OK"],
        };
        for code in codes {
            answer(&mut response, code, request);
            socket.send_to(&response, from).map_err(|error| error.to_string())?;
        }
    }
}

fn answer(response: &mut Vec<u8>, code: &[u8], request: &[u8]) {
    response.clear();
    response.extend_from_slice(b"SIP/2.0 ");
    response.extend_from_slice(code);
    response.extend_from_slice(b"\r\n");
    for line in request.split_inclusive(|byte| *byte == b'\n') {
        if [&b"Via"[..], b"From", b"To:", b"Call-ID", b"CSeq"].iter().any(|name| line.starts_with(name)) {
            response.extend_from_slice(line);
        }
    }
    response.extend_from_slice(b"Contact: <sip:null@127.0.0.1>\r\nContent-Length: 0\r\n\r\n");
}
