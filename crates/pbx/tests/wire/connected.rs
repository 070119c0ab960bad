//! A device on a connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use sip::message::{Limits, Lines, Message, Request, Response, StatusCode, write_response};

use crate::phone::Phone;

/// A device on a connection.
pub(crate) struct Connected(TcpStream);

impl Connected {
    /// Connected, and nothing said.
    pub(crate) fn to(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Self(stream)
    }

    /// Registers there as the user of this phone, which makes the texts.
    pub(crate) fn register(device: Phone, server: SocketAddr) -> Self {
        Self::introduced("", device, server)
    }

    /// The same with this before everything else.
    pub(crate) fn introduced(introduction: &str, mut device: Phone, server: SocketAddr) -> Self {
        let mut line = Self::to(server);
        line.0.write_all(introduction.as_bytes()).unwrap();
        device.extra = "Expires: 120\r\n".to_owned();
        let to = format!("sip:{}@127.0.0.1", device.name);
        line.ask(&mut device, "REGISTER", "sip:127.0.0.1", &to, None);
        assert_eq!(line.answer().code().get(), 200);
        line
    }

    /// Asks, and once more with the credentials of this phone.
    pub(crate) fn ask(&mut self, device: &mut Phone, method: &str, uri: &str, to: &str, body: Option<&str>) {
        let sdp = body.map(|body| ("application/sdp", body));
        let ask = device.draft(method, uri, to, sdp, &[]);
        self.send(&ask);
        let Message::Response(challenge) = self.read() else { panic!("a challenge") };
        let lines = device.credentials(challenge.headers(), method, uri, body.unwrap_or_default());
        let ask = device.draft(method, uri, to, sdp, &lines);
        self.send(&ask);
    }

    /// The next final response.
    pub(crate) fn answer(&mut self) -> Response {
        loop {
            match self.read() {
                Message::Response(response) if response.code().is_final() => return response,
                Message::Response(_) => {}
                Message::Request(request) => panic!("{request:?}"),
            }
        }
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.0.write_all(text.replacen("SIP/2.0/UDP", "SIP/2.0/TCP", 1).as_bytes()).unwrap();
    }

    /// Answers a request.
    pub(crate) fn respond(&mut self, request: &Request, code: StatusCode) {
        let answer = write_response(request.headers(), code, None, Some("line"), &Lines::new(), None, None);
        self.0.write_all(&answer).unwrap();
    }

    /// The next message, octet by octet as far as it goes.
    pub(crate) fn read(&mut self) -> Message {
        let mut read = Vec::new();
        let mut octet = [0];
        while !read.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut octet).unwrap();
            read.push(octet[0]);
        }
        let head = String::from_utf8(read.clone()).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        read.extend(body);
        Message::parse(read.into(), &Limits::default()).unwrap()
    }
}
