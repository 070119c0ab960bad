//! Those who mean well: they ask by UDP, register, and connect by TCP from an address of their own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::Asking;
use crate::acceptance::wire::{Ask, Wire, challenged, code, with_credentials};

/// How long is waited for an answer: it may take less, this only tells late from never.
const NEVER: Duration = Duration::from_secs(2);
/// Between two questions.
const REST: Duration = Duration::from_millis(40);
/// Where those by TCP come from.
const HERE: &str = "127.0.0.9:0";

#[derive(Default)]
pub(super) struct Asked {
    pub(super) answers: usize,
    pub(super) slowest: Duration,
    /// By UDP, by TCP.
    pub(super) unanswered: [usize; 2],
}

/// Asks on and on, each question once.
pub(super) fn ask(server: &str, asking: Asking, over: &AtomicBool) -> Asked {
    super::hurry();
    let mut asked = Asked::default();
    let mut wire = Wire::to(server);
    let mut round = 0;
    while !over.load(Ordering::Relaxed) {
        round += 1;
        match round % 4 {
            _ if asking == Asking::ByTcp => asked.count(1, connected(server, round)),
            0 => asked.count(1, connected(server, round)),
            1 if asking == Asking::Every => asked.registers(&mut wire, server),
            _ => {
                let mut options = wire.ask("OPTIONS");
                options.uri = format!("sip:{server}");
                asked.count(0, timed(&wire, &options).map(|(took, _)| took));
            }
        }
        std::thread::sleep(REST);
    }
    asked
}

impl Asked {
    fn count(&mut self, way: usize, took: Option<Duration>) {
        match took {
            Some(took) => {
                self.answers += 1;
                self.slowest = self.slowest.max(took);
            }
            None => self.unanswered[way] += 1,
        }
    }

    /// A challenge, and the answer to what meets it.
    fn registers(&mut self, wire: &mut Wire, server: &str) {
        let mut register = wire.ask("REGISTER");
        register.uri = format!("sip:{server}");
        (register.from, register.to) = (format!("<sip:1001@{server}>;tag=r"), format!("<sip:1001@{server}>"));
        let first = timed(wire, &register);
        self.count(0, first.as_ref().map(|(took, _)| *took));
        let Some((_, challenge)) = first else { return };
        // Who is told that there is no room has an answer, and nothing to sign.
        if code(&challenge) == 503 {
            return;
        }
        let again = Ask { branch: register.branch.clone() + "s", cseq: "2 REGISTER".into(), ..register };
        let second = timed(wire, &with_credentials(again, &mut challenged(&challenge, "1001", "secret1")));
        self.count(0, second.filter(|(_, answer)| code(answer) == 200).map(|(took, _)| took));
    }
}

/// The final answer, and after how long.
fn timed(wire: &Wire, ask: &Ask) -> Option<(Duration, String)> {
    let begun = Instant::now();
    wire.send(ask);
    let answer = wire.answer_within(ask, NEVER)?;
    Some((begun.elapsed(), answer))
}

/// OPTIONS by a connection of its own.
fn connected(server: &str, round: u32) -> Option<Duration> {
    let begun = Instant::now();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&HERE.parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect_timeout(&server.parse::<SocketAddr>().unwrap().into(), NEVER).ok()?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(NEVER)).unwrap();
    let text = format!(
        "OPTIONS sip:{server} SIP/2.0\r\nVia: SIP/2.0/TCP {};branch=z9hG4bKhonest{round}\r\nFrom: <sip:h@here>;tag=h\r\n\
         To: <sip:{server}>\r\nCall-ID: honest{round}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        stream.local_addr().unwrap()
    );
    stream.write_all(text.as_bytes()).ok()?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).ok()?;
    answer.starts_with(b"SIP/2.0 ").then(|| begun.elapsed())
}

#[test]
fn who_is_told_that_there_is_no_room_asks_on() {
    let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    server.set_read_timeout(Some(crate::program::PATIENCE)).unwrap();
    let over = AtomicBool::new(false);
    let asked = std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&address, Asking::Every, &over));
        let (mut octets, mut registers) = ([0; 4_096], 0);
        while registers < 2 {
            let (length, from) = server.recv_from(&mut octets).expect("it asks no more");
            let request = String::from_utf8_lossy(&octets[..length]).into_owned();
            registers += u32::from(request.starts_with("REGISTER "));
            let head = |name: &str| request.lines().find(|line| line.starts_with(name)).unwrap();
            let same = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].map(head).join("\r\n");
            let answer = format!("SIP/2.0 503 Service Unavailable\r\n{same}\r\nContent-Length: 0\r\n\r\n");
            server.send_to(answer.as_bytes(), from).unwrap();
        }
        over.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    });
    assert!(asked.answers >= 2 && asked.unanswered[0] == 0, "{:?}", asked.unanswered);
}
