//! What is thrown. Each goes on until it is told that it is over.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;

use super::{CLOSED, Course, Ground};
use crate::acceptance::wire::{Ask, Wire, code};

/// Where all that come from one address come from.
pub(super) const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 66));
/// Unanswered questions at a time of one who asks as fast as he is answered.
const WINDOW: usize = 16;
/// How long one waits for what may never come.
const PATIENCE: Duration = Duration::from_millis(100);

/// A connection from there. `None` where the system or the server has no room.
pub(super) fn connect(from: IpAddr, to: &str) -> Option<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
    socket.bind(&SocketAddr::new(from, 0).into()).ok()?;
    socket.connect_timeout(&to.parse::<SocketAddr>().ok()?.into(), Duration::from_millis(500)).ok()?;
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

/// The n-th of many addresses.
fn one_of_many(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x7f01_0000 + number))
}

/// Keeps connections and does something with each in turn, a second for the whole round; one that breaks is made anew.
fn keep(
    course: &Course,
    most: usize,
    mut make: impl FnMut(usize) -> Option<TcpStream>,
    mut poke: impl FnMut(&mut TcpStream) -> bool,
) {
    let mut held: Vec<Option<TcpStream>> = (0..most).map(|_| None).collect();
    let begun = Instant::now();
    for round in 1.. {
        for (number, place) in held.iter_mut().enumerate() {
            if course.is_over() {
                return;
            }
            if place.is_none() {
                *place = make(number);
                course.did(1);
            }
            if let Some(stream) = place
                && !poke(stream)
            {
                course.hears(CLOSED);
                *place = None;
            }
        }
        std::thread::sleep(
            (begun + Duration::from_secs(round))
                .saturating_duration_since(Instant::now())
                .min(Duration::from_millis(300)),
        );
    }
}

/// Whether the other side has closed; what it says instead is counted.
fn is_closed(stream: &mut TcpStream, course: &Course) -> bool {
    stream.set_nonblocking(true).unwrap();
    let mut octets = [0; 512];
    let read = stream.read(&mut octets);
    stream.set_nonblocking(false).unwrap();
    match read {
        Ok(0) => true,
        Ok(length) => {
            code_of(&octets[..length]).into_iter().for_each(|code| course.hears(code));
            false
        }
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// The code of an answer.
fn code_of(octets: &[u8]) -> Option<u16> {
    std::str::from_utf8(octets.strip_prefix(b"SIP/2.0 ")?.get(..3)?).ok()?.parse().ok()
}

/// Whether what was written was taken, or may still be: a server that has closed has said no.
fn is_taken(written: io::Result<()>, course: &Course) -> bool {
    let is_late = |error: &io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    if written.as_ref().is_err_and(|error| !is_late(error)) {
        course.hears(CLOSED);
    }
    written.is_ok()
}

/// Messages that come an octet a second.
pub(super) fn slow_senders(ground: &Ground, course: &Course, _: usize) {
    let text = b"INVITE sip:1002@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP here;branch=z9hG4bKslow\r\n";
    let mut at = 0;
    keep(
        course,
        2_000,
        |_| connect(ATTACKER, &ground.sip),
        |stream| {
            at += 1;
            course.did(1);
            !is_closed(stream, course) && stream.write_all(&text[at % text.len()..][..1]).is_ok()
        },
    );
}

/// The beginning of a ClientHello, and no more.
pub(super) fn half_open_handshakes(ground: &Ground, course: &Course, _: usize) {
    let begin = |number| {
        let mut stream = connect(one_of_many(number as u32 % 20), &ground.tls)?;
        stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).ok()?;
        Some(stream)
    };
    keep(course, 1_500, begin, |stream| !is_closed(stream, course));
}

/// Whole handshakes of TLS, as many as it goes.
pub(super) fn handshakes(ground: &Ground, course: &Course, _: usize) {
    let config = crate::rfc::way::trusting();
    while !course.is_over() {
        let Some(mut stream) = connect(ATTACKER, &ground.tls) else { continue };
        let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
        let mut tls = rustls::ClientConnection::new(std::sync::Arc::clone(&config), name).unwrap();
        while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
        course.did(u64::from(!tls.is_handshaking()));
    }
}

/// Messages that announce more than may come, and that hold back their last octet.
pub(super) fn giant_bodies(announced: u64, sent: usize) -> impl Fn(&Ground, &Course, usize) + Sync {
    move |ground, course, thread| {
        let head = format!(
            "MESSAGE sip:1002@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP here;branch=z9hG4bKgiant\r\nContent-Length: {announced}\r\n\r\n"
        );
        let body = vec![b'x'; sent.min(1 << 20)];
        let make = |number: usize| {
            let mut stream = connect(one_of_many((thread * 8 + number % 8) as u32), &ground.sip)?;
            stream.write_all(head.as_bytes()).ok()?;
            let mut left = sent;
            while left > 0 && !course.is_over() && stream.write_all(&body[..left.min(body.len())]).is_ok() {
                left = left.saturating_sub(body.len());
            }
            Some(stream)
        };
        keep(course, 2_000, make, |stream| !is_closed(stream, course));
    }
}

/// Connections, and nothing on them.
pub(super) fn connections(addresses: u32) -> impl Fn(&Ground, &Course, usize) + Sync {
    move |ground, course, _| {
        let from = |number: usize| one_of_many(number as u32 % addresses);
        keep(course, 10_000, |number| connect(from(number), &ground.sip), |stream| !is_closed(stream, course));
    }
}

/// The same octets by connection after connection, as far as each takes them.
pub(super) fn stream_of(
    begin: &'static str,
    piece: &'static str,
    octets: usize,
) -> impl Fn(&Ground, &Course, usize) + Sync {
    move |ground, course, _| {
        let pieces = piece.repeat(16_384 / piece.len() + 1);
        while !course.is_over() {
            let Some(mut stream) = connect(ATTACKER, &ground.sip) else { continue };
            let mut left = octets;
            let mut goes = is_taken(stream.write_all(begin.as_bytes()), course);
            while left > 0 && goes {
                left = left.saturating_sub(pieces.len());
                goes = is_taken(stream.write_all(pieces.as_bytes()), course);
            }
            course.did(1);
        }
    }
}

/// Datagrams, some at a time, each next one when something has come back.
pub(super) fn datagrams(ground: &Ground, course: &Course, message: impl Fn(u64, SocketAddr) -> Vec<u8>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let local = socket.local_addr().unwrap();
    let (mut number, mut open) = (0, 0);
    while !course.is_over() {
        while open < WINDOW {
            number += 1;
            open += 1;
            let _ = socket.send_to(&message(number, local), &ground.sip);
            course.did(1);
        }
        let mut answer = [0; 2_048];
        match socket.recv(&mut answer) {
            Ok(length) => {
                open -= 1;
                code_of(&answer[..length]).into_iter().for_each(|code| course.hears(code));
            }
            Err(_) => open = 0,
        }
    }
}

/// Calls without credentials, with what a call needs, so many a second, whether anybody answers or not.
pub(super) fn flood(rate: u32, to: &'static str) -> impl Fn(&Ground, &Course, usize) + Sync {
    move |ground, course, _| {
        let socket = UdpSocket::bind((ATTACKER, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let local = socket.local_addr().unwrap();
        let contact = format!("Contact: <sip:1001@{local}>\r\n");
        let (begun, mut number) = (Instant::now(), 0_u64);
        let mut answer = [0; 2_048];
        while !course.is_over() {
            let due = (begun.elapsed().as_secs_f64() * f64::from(rate)) as u64;
            // Who was kept from it for longer than a tenth of a second does not make up for more.
            number = number.max(due.saturating_sub(u64::from(rate) / 10));
            while number < due {
                number += 1;
                let call = request("INVITE", to, number, local, &contact, "");
                course.did(u64::from(socket.send_to(&call, &ground.sip).is_ok()));
            }
            while let Ok(length) = socket.recv(&mut answer) {
                code_of(&answer[..length]).into_iter().for_each(|code| course.hears(code));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// No attack: the program is stopped now and then.
pub(super) fn stops(ground: &Ground, course: &Course, _: usize) {
    let process = nix::unistd::Pid::from_raw(i32::try_from(ground.process).unwrap());
    while !course.is_over() {
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGSTOP).unwrap();
        std::thread::sleep(Duration::from_millis(250));
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGCONT).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        course.did(1);
    }
}

/// A request with these lines and this body, for [`datagrams`].
pub(super) fn request(method: &str, to: &str, number: u64, local: SocketAddr, lines: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKsiege{number}\r\nFrom: <sip:1001@x>;tag=a{number}\r\nTo: <sip:{to}>\r\n\
         Call-ID: siege{number}-{}\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n{lines}Content-Length: {}\r\n\r\n{body}",
        local.port(),
        body.len()
    )
    .into_bytes()
}

/// Requests of somebody who is let in: challenged, signed, answered, one after the other.
pub(super) fn as_user(
    ground: &Ground,
    course: &Course,
    (method, to, lines): (&'static str, &str, &[&str]),
    body: &str,
) {
    let mut wire = Wire::to(&ground.sip);
    while !course.is_over() {
        let mut ask = wire.ask(method);
        ask.uri = format!("sip:{to}@{}", ground.sip);
        ask.to = format!("<{}>", ask.uri);
        ask.more = lines.iter().map(|line| (*line).to_owned()).collect();
        ask.body = body.to_owned();
        let signed: Ask = wire.signed(&ask, "1001", "secret1");
        wire.send(&signed);
        // A call that came to be is left alone: nobody acknowledges.
        if let Some(answer) = wire.answer_within(&signed, PATIENCE * 20) {
            course.hears(code(&answer));
        }
        course.did(1);
    }
}

/// WebSockets on which these octets come again and again after the handshake.
pub(super) fn frames(first: &'static [u8], again: &'static [u8]) -> impl Fn(&Ground, &Course, usize) + Sync {
    move |ground, course, _| {
        let pieces = again.repeat(4_096 / again.len() + 1);
        while !course.is_over() {
            let Some(stream) = connect(ATTACKER, &ground.ws) else { continue };
            let mut request = format!("ws://{}/", ground.ws).into_client_request().unwrap();
            request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("sip"));
            let Ok((mut web, _)) = tungstenite::client(request, stream) else { continue };
            let stream = web.get_mut();
            let mut goes = is_taken(stream.write_all(first), course);
            while goes && !course.is_over() {
                goes = is_taken(stream.write_all(&pieces), course);
                if goes && is_closed(stream, course) {
                    course.hears(CLOSED);
                    goes = false;
                }
                course.did(1);
            }
        }
    }
}
