//! rtpengine in user space, told of each call by its `ng` protocol: a cookie and a dictionary in bencode, an offer and an answer a call.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use super::streams::Streams;
use super::{CALLS, Measured, measured as through};
use crate::phone::{described, media_address};
use crate::server::Server;

const PORT: u16 = 15_810;

/// What it takes for a packet.
pub(super) fn measured(place: &Path) -> Result<Measured, String> {
    let (listen, pid) =
        (format!("--listen-ng=127.0.0.1:{PORT}"), format!("--pidfile={}/rtpengine.pid", place.display()));
    let server = Server::start(
        &[
            "rtpengine",
            "--config-file=none",
            "--table=-1",
            "--interface=127.0.0.1",
            &listen,
            &pid,
            "--foreground",
            "--log-stderr",
            "--log-level=3",
            "--port-min=30000",
            "--port-max=32700",
        ],
        PORT,
    )?;
    let control = Control::open()?;
    let mut streams = Streams::open(2 * CALLS)?;
    let ports = streams.ports()?;
    for (call, ports) in ports.chunks(2).enumerate() {
        let [caller, callee] = ports else { continue };
        let for_callee = control.ask("offer", call, *caller)?;
        let for_caller = control.ask("answer", call, *callee)?;
        streams.aim(2 * call, [for_caller, for_callee]);
    }
    through(&server, &mut streams)
}

struct Control {
    socket: UdpSocket,
}

impl Control {
    fn open() -> Result<Self, String> {
        let socket = UdpSocket::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        socket.connect(("127.0.0.1", PORT)).map_err(|error| error.to_string())?;
        socket.set_read_timeout(Some(Duration::from_secs(2))).map_err(|error| error.to_string())?;
        Ok(Self { socket })
    }

    /// Describes one side of a call; the address the other side must send to.
    fn ask(&self, command: &str, call: usize, port: u16) -> Result<SocketAddr, String> {
        let (call, cookie) = (format!("call{call}"), format!("{command}{call}"));
        let body = described(port);
        let description = body.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let mut entries = vec![
            ("ICE", "remove"),
            ("call-id", &call),
            ("command", command),
            ("from-tag", "caller"),
            ("sdp", description),
        ];
        if command == "answer" {
            entries.push(("to-tag", "callee"));
        }
        self.socket.send(format!("{cookie} {}", dictionary(&entries)).as_bytes()).map_err(|error| error.to_string())?;
        let mut buffer = [0_u8; 16_384];
        let length = self.socket.recv(&mut buffer).map_err(|error| format!("rtpengine: {error}"))?;
        let answer = buffer.get(..length).unwrap_or_default();
        let description = answer.strip_prefix(format!("{cookie} ").as_bytes()).and_then(|answer| entry(answer, b"sdp"));
        let address = description.and_then(|text| media_address(std::str::from_utf8(text).ok()?));
        address.ok_or_else(|| format!("rtpengine refused: {}", String::from_utf8_lossy(answer)))
    }
}

/// A dictionary of strings; its keys must be in order.
fn dictionary(entries: &[(&str, &str)]) -> String {
    let word = |text: &str| format!("{}:{text}", text.len());
    format!("d{}e", entries.iter().map(|(key, value)| word(key) + &word(value)).collect::<String>())
}

/// The string under a key of a dictionary, the other values being skipped.
fn entry<'a>(text: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let mut rest = text.strip_prefix(b"d")?;
    loop {
        let (key, after) = string(rest)?;
        if key == wanted {
            return string(after).map(|(value, _)| value);
        }
        rest = skipped(after)?;
    }
}

/// A string and what follows it.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(text.get(..colon)?).ok()?.parse().ok()?;
    text.get(colon + 1..)?.split_at_checked(length)
}

/// What follows a value of any kind.
fn skipped(text: &[u8]) -> Option<&[u8]> {
    match text.first()? {
        b'i' => text.get(text.iter().position(|byte| *byte == b'e')? + 1..),
        b'l' | b'd' => {
            let mut rest = text.get(1..)?;
            while rest.first()? != &b'e' {
                rest = skipped(rest)?;
            }
            rest.get(1..)
        }
        _ => string(text).map(|(_, rest)| rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_is_written_and_read() {
        assert_eq!(dictionary(&[("command", "ping")]), "d7:command4:pinge");
        let answer = b"d4:listl1:a1:bi5ee6:numberi42e6:result2:ok3:sdp4:v=0\ne";
        assert_eq!(entry(answer, b"sdp"), Some(&b"v=0\n"[..]));
        assert_eq!(entry(answer, b"result"), Some(&b"ok"[..]));
        assert_eq!(entry(answer, b"none"), None);
        assert_eq!(entry(b"d3:sdp9:short", b"sdp"), None);
    }
}
