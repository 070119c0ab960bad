//! WebSockets on real sockets, with a peer that makes every octet of its frames itself: what is answered, and what nobody can hold up.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use net::WebSockets;
use net::tls::{Clients, Tls};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::tls::{client_config, paper, peer};
use super::*;

/// UDP, TCP and WebSocket, in this order.
fn start_web(change: impl FnOnce(&mut LoopConfig)) -> (Running<Order>, mpsc::Receiver<String>) {
    start(|config| {
        listen_to_web(config);
        change(config);
    })
}

fn listen_to_web(config: &mut LoopConfig) {
    config.binds.push(Bind { transport: Transport::Ws, address: "127.0.0.1:0".parse().unwrap() });
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n";

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
/// The last frame of a message.
const FIN: u8 = 0x80;

fn raw(running: &Running<Order>) -> TcpStream {
    let stream = TcpStream::connect(running.bound()[2].address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn upgrade<S: Read + Write>(stream: &mut S) -> String {
    stream.write_all(UPGRADE.as_bytes()).unwrap();
    head(stream)
}

fn head(stream: &mut impl Read) -> String {
    let (mut text, mut one) = (Vec::new(), [0]);
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut one).unwrap();
        text.push(one[0]);
    }
    String::from_utf8(text).unwrap()
}

fn web(running: &Running<Order>) -> TcpStream {
    let mut stream = raw(running);
    assert!(upgrade(&mut stream).starts_with("HTTP/1.1 101 "));
    stream
}

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xFA, 0x21, 0x3D];
    let mut frame = vec![first];
    match payload.len() {
        short @ ..126 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(long).unwrap().to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(octet, mask)| octet ^ mask));
    frame
}

/// The first octet and the payload of a frame from the server, which must have no mask.
fn hear(stream: &mut impl Read) -> std::io::Result<(u8, Vec<u8>)> {
    let mut start = [0; 2];
    stream.read_exact(&mut start)?;
    let mut length = usize::from(start[1]);
    assert!(length <= 126, "a mask, or longer than anything here");
    if length == 126 {
        let mut long = [0; 2];
        stream.read_exact(&mut long)?;
        length = usize::from(u16::from_be_bytes(long));
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload)?;
    Ok((start[0], payload))
}

fn request(branch: &str) -> String {
    options("WS", "127.0.0.1:9".parse().unwrap(), branch)
}

/// Sends frames and reads the answer to the last of them, text.
fn ask(stream: &mut (impl Read + Write), frames: &[Vec<u8>]) -> String {
    stream.write_all(&frames.concat()).unwrap();
    let (first, payload) = hear(stream).unwrap();
    assert_eq!(first, FIN | TEXT);
    String::from_utf8(payload).unwrap()
}

/// The status with which the server closes, and that nothing follows.
fn closed_with(stream: &mut impl Read) -> u16 {
    let (first, payload) = hear(stream).unwrap();
    assert_eq!(first, FIN | CLOSE, "{payload:?}");
    let mut rest = Vec::new();
    // What was not read by the other side ends in a reset.
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{rest:?}");
    u16::from_be_bytes([payload[0], payload[1]])
}

#[test]
fn rfc7118_4_1_the_sub_protocol_is_demanded_and_echoed() {
    let (running, _reports) = start_web(|_| {});
    let answer = upgrade(&mut raw(&running)).to_lowercase();
    assert!(answer.contains("\r\nsec-websocket-protocol: sip\r\n"), "{answer}");
    // RFC 6455 section 1.3 has this key and what becomes of it.
    assert!(answer.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{answer}");
    let mut stream = raw(&running);
    stream.write_all(UPGRADE.replace("Protocol: sip", "Protocol: msrp").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("Sec-WebSocket-Protocol: sip"), "{answer}");
}

/// Nothing but SIP is sent: what is none draws no answer, not even one that says so, and what comes next is the response to what is one.
#[test]
fn rfc7118_4_1_what_is_no_sip_message_draws_nothing() {
    let (running, reports) = start_web(|_| {});
    let mut stream = web(&running);
    let nonsense: [&[u8]; 4] = [b"hello", b"{\"sip\":\"no\"}", b"\x00\x01\x02\xff", b"GET / HTTP/1.1\r\n\r\n"];
    for (number, one) in nonsense.into_iter().enumerate() {
        let branch = format!("behind{number}");
        let answer = ask(&mut stream, &[frame(FIN | BINARY, one), frame(FIN | TEXT, request(&branch).as_bytes())]);
        assert!(answer.starts_with("SIP/2.0 200 OK\r\n") && answer.contains(&branch), "{one:?}: {answer}");
    }
    assert_eq!(reports.try_iter().filter(|said| said == "OPTIONS").count(), nonsense.len());
}

#[test]
fn rfc7118_4_2_text_and_binary_are_taken_in_fragments_too_and_answered_one_message_each() {
    let (running, _reports) = start_web(|_| {});
    let mut stream = web(&running);
    for (kind, branch) in [(TEXT, "text"), (BINARY, "binary")] {
        let answer = ask(&mut stream, &[frame(FIN | kind, request(branch).as_bytes())]);
        assert!(answer.starts_with("SIP/2.0 200 OK\r\n"), "{answer}");
        // RFC 7118 section 5.1.
        assert!(answer.contains(&format!("Via: SIP/2.0/WS 127.0.0.1:9;branch=z9hG4bK{branch}")), "{answer}");
        let asked = request(&format!("{branch}-in-pieces"));
        let (one, rest) = asked.as_bytes().split_at(10);
        let (two, three) = rest.split_at(200);
        // A control frame may come in between (RFC 6455 section 5.4); its answer comes first.
        let pieces = [frame(kind, one), frame(0, two), frame(FIN | PING, b"now"), frame(FIN, three)];
        stream.write_all(&pieces.concat()).unwrap();
        assert_eq!(hear(&mut stream).unwrap(), (FIN | PONG, b"now".to_vec()));
        assert_eq!(hear(&mut stream).unwrap().0, FIN | TEXT);
    }
}

#[test]
fn rfc7118_4_2_what_is_not_utf_8_is_answered_in_a_binary_message() {
    let (running, _reports) = start_web(|_| {});
    let mut stream = web(&running);
    let mut asked = request("octets").into_bytes();
    let at = asked.windows(3).position(|three| three == b";ta").unwrap();
    asked.splice(at..at, b";x=\"\xFF\"".iter().copied());
    stream.write_all(&frame(FIN | BINARY, &asked)).unwrap();
    let (first, answer) = hear(&mut stream).unwrap();
    assert!(first == FIN | BINARY && answer.contains(&0xFF), "{first:x} {}", String::from_utf8_lossy(&answer));
}

#[test]
fn rfc7118_5_a_message_needs_no_content_length_and_only_the_first_of_two_in_one_counts() {
    let (running, reports) = start_web(|_| {});
    let mut stream = web(&running);
    let bare = request("bare").replace("Content-Length: 0\r\n", "");
    assert!(ask(&mut stream, &[frame(FIN | TEXT, bare.as_bytes())]).contains("z9hG4bKbare"));
    let two = request("first") + &request("second");
    assert!(ask(&mut stream, &[frame(FIN | TEXT, two.as_bytes())]).contains("z9hG4bKfirst"));
    assert!(ask(&mut stream, &[frame(FIN | TEXT, request("third").as_bytes())]).contains("z9hG4bKthird"));
    assert_eq!(reports.try_iter().filter(|said| said == "OPTIONS").count(), 3);
}

#[test]
fn rfc7118_5_3_who_names_no_address_is_told_where_it_came_from_as_everywhere() {
    let (running, _reports) = start_web(|_| {});
    let asked = request("hidden").replace("127.0.0.1:9", "df7jal23ls0d.invalid");
    let answer = ask(&mut web(&running), &[frame(FIN | TEXT, asked.as_bytes())]);
    assert!(answer.contains("Via: SIP/2.0/WS df7jal23ls0d.invalid;"), "{answer}");
    assert!(answer.contains(";received=127.0.0.1"), "{answer}");
}

#[test]
fn rfc7118_6_pings_of_both_kinds_are_answered() {
    let (running, _reports) = start_web(|_| {});
    let mut stream = web(&running);
    stream.write_all(&frame(FIN | PING, b"12345")).unwrap();
    assert_eq!(hear(&mut stream).unwrap(), (FIN | PONG, b"12345".to_vec()));
    // RFC 5626 section 4.4.1.
    assert_eq!(ask(&mut stream, &[frame(FIN | TEXT, b"\r\n"), frame(FIN | TEXT, b"\r\n\r\n")]), "\r\n");
    assert!(ask(&mut stream, &[frame(FIN | TEXT, request("still").as_bytes())]).contains("z9hG4bKstill"));
}

#[test]
fn rfc6455_5_5_1_a_close_is_answered_by_the_same_and_the_connection_ends() {
    let (running, _reports) = start_web(|_| {});
    let mut stream = web(&running);
    stream.write_all(&frame(FIN | CLOSE, &1001_u16.to_be_bytes())).unwrap();
    assert_eq!(closed_with(&mut stream), 1001);
}

#[test]
fn rfc6455_5_1_and_7_4_1_what_is_not_allowed_ends_the_connection_with_its_status() {
    let (running, reports) = start_web(|config| config.stack.limits.message = 2_000);
    let unmasked = {
        let asked = request("x");
        let mut frame = vec![FIN | TEXT, 126];
        frame.extend(u16::try_from(asked.len()).unwrap().to_be_bytes());
        [frame, asked.into_bytes()].concat()
    };
    let half = vec![b'x'; 1_001];
    // As a client writes it, with more to come than anybody has.
    let endless = |length: u64| [&[FIN | BINARY, 0x80 | 127][..], &length.to_be_bytes(), &[1, 2, 3, 4], b"x"].concat();
    let table: [(&str, Vec<u8>, u16); 12] = [
        ("no mask", unmasked, 1002),
        ("reserved bit", frame(FIN | 0x40 | TEXT, b"x"), 1002),
        ("unknown opcode", frame(FIN | 0x3, b"x"), 1002),
        ("nothing to continue", frame(FIN, b"x"), 1002),
        ("ping in pieces", frame(PING, b"x"), 1002),
        ("ping too long", frame(FIN | PING, &[b'x'; 126]), 1002),
        ("text that is none", frame(FIN | TEXT, b"\xFF\xFF"), 1007),
        ("frame too long", frame(FIN | BINARY, &vec![b'x'; 2_001]), 1009),
        ("fragments too long", [frame(BINARY, &half), frame(FIN, &half)].concat(), 1009),
        ("2^62 octets", endless(1 << 62), 1009),
        ("2^63 octets", endless(1 << 63), 1009),
        ("2^64 - 1 octets", endless(u64::MAX), 1009),
    ];
    for (what, frames, status) in table {
        let mut stream = web(&running);
        stream.write_all(&frames).unwrap();
        assert_eq!(closed_with(&mut stream), status, "{what}");
    }
    // A frame of nothing is nothing, whatever its kind, and what follows is read.
    let nothing = [frame(FIN | TEXT, b""), frame(FIN | BINARY, b""), frame(TEXT, b""), frame(FIN, b"")].concat();
    let behind = frame(FIN | TEXT, request("behind").as_bytes());
    assert!(ask(&mut web(&running), &[nothing, behind]).contains("z9hG4bKbehind"));
    assert!(reports.try_iter().any(|said| said == "OPTIONS"));
    // At the limit it is taken.
    let mut asked = request("full").into_bytes();
    asked.truncate(asked.len() - 2);
    let padding = 2_000 - asked.len() - "X: \r\n\r\n".len();
    asked.extend(format!("X: {}\r\n\r\n", "x".repeat(padding)).into_bytes());
    assert!(ask(&mut web(&running), &[frame(FIN | TEXT, &asked)]).contains("z9hG4bKfull"));
    assert_eq!(reports.try_iter().filter(|said| said == "OPTIONS").count(), 1);
}

#[test]
fn rfc6455_10_2_pages_of_other_origins_are_refused_where_some_are_named() {
    let origins = vec!["https://phone.example.com".to_owned()];
    let (running, _reports) =
        start_web(|config| config.web = Arc::new(WebSockets { origins, ..WebSockets::default() }));
    let status = |origin: &str| {
        let mut stream = raw(&running);
        stream.write_all(UPGRADE.replace("Host:", &format!("{origin}Host:")).as_bytes()).unwrap();
        head(&mut stream)[9..12].to_owned()
    };
    assert_eq!(status("Origin: https://phone.example.com\r\n"), "101");
    assert_eq!(status(""), "101", "no browser");
    for other in ["http://phone.example.com", "https://phone.example.com.evil.example", "null"] {
        assert_eq!(status(&format!("Origin: {other}\r\n")), "403", "{other}");
    }
    assert_eq!(status("Origin: https://phone.example.com\r\nOrigin: https://evil.example\r\n"), "403");
}

#[test]
fn handshake_that_stalls_is_ended_in_time_and_one_too_long_at_once() {
    let (running, _reports) = start_web(|config| config.streams.handshake = Duration::from_millis(300));
    let began = Instant::now();
    let mut slow = raw(&running);
    slow.write_all(&UPGRADE.as_bytes()[..40]).unwrap();
    assert_eq!(slow.read(&mut [0]).unwrap(), 0);
    assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());
    let (running, _reports) = start_web(|_| {});
    let padded = |octets: usize| {
        let mut stream = raw(&running);
        let rest = octets - UPGRADE.len() - "X: \r\n".len();
        let asked = UPGRADE.replace("Host:", &format!("X: {}\r\nHost:", "x".repeat(rest)));
        assert_eq!(asked.len(), octets);
        stream.write_all(asked.as_bytes()).unwrap();
        head(&mut stream)[9..12].to_owned()
    };
    assert_eq!((padded(8_192), padded(8_193 + 1_024)), ("101".to_owned(), "431".to_owned()));
}

#[test]
fn one_handshake_more_than_one_address_may_have_is_closed_and_places_are_free_again() {
    let (running, _reports) = start_web(|config| config.streams.handshakes = 8);
    let mut waiting: Vec<TcpStream> = (0..2).map(|_| raw(&running)).collect();
    // Taken in their order: the third finds the two there.
    assert!(is_closed(&mut raw(&running)));
    assert!(upgrade(&mut waiting[0]).starts_with("HTTP/1.1 101 "));
    wait_for_room(&running);
}

#[test]
fn connections_of_one_address_are_counted_as_over_tcp() {
    let (running, _reports) = start_web(|config| config.streams.per_address = 2);
    let held = [web(&running), web(&running)];
    assert!(is_closed(&mut raw(&running)));
    drop(held);
    wait_for_room(&running);
}

/// Whether the other side ends it, rather than saying nothing.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

/// Until somebody is served: the loop learns soon that a place is free.
fn wait_for_room(running: &Running<Order>) {
    let end = Instant::now() + PATIENCE;
    let is_refused = || {
        let mut stream = raw(running);
        stream.write_all(UPGRADE.as_bytes()).and_then(|()| stream.read_exact(&mut [0; 12])).is_err()
    };
    while is_refused() {
        assert!(Instant::now() < end);
    }
}

#[test]
fn message_in_fragments_must_end_in_time_whatever_comes_in_between_and_pings_alone_may_come_for_ever() {
    let (running, _reports) = start_web(|config| config.streams.message = Duration::from_millis(400));
    let (mut slow, mut quiet) = (web(&running), web(&running));
    // The clock of a connection that has said nothing yet is another one.
    quiet.write_all(&frame(FIN | PING, b"")).unwrap();
    assert_eq!(hear(&mut quiet).unwrap().0, FIN | PONG);
    slow.write_all(&frame(TEXT, b"OPTIONS ")).unwrap();
    let began = Instant::now();
    let ended = loop {
        // Each is a whole frame; the message has no end.
        let sent = slow.write_all(&[frame(0, b""), frame(FIN | PING, b"")].concat());
        quiet.write_all(&frame(FIN | PING, b"")).unwrap();
        assert_eq!(hear(&mut quiet).unwrap().0, FIN | PONG);
        match sent.and_then(|()| hear(&mut slow)) {
            Ok((first, _)) if first == FIN | PONG => {}
            Ok((first, _)) => break first == FIN | CLOSE,
            Err(_) => break true,
        }
        assert!(began.elapsed() < PATIENCE);
    };
    assert!(ended && began.elapsed() >= Duration::from_millis(350), "{:?}", began.elapsed());
    assert!(ask(&mut quiet, &[frame(FIN | TEXT, request("after").as_bytes())]).contains("z9hG4bKafter"));
}

#[test]
fn message_that_begins_in_the_octets_in_which_another_ends_must_end_in_time() {
    let (running, _reports) = start_web(|config| config.streams.message = Duration::from_millis(400));
    let mut slow = web(&running);
    let begun = frame(FIN | TEXT, request("begun").as_bytes());
    let frames = [frame(FIN | TEXT, request("ended").as_bytes()), begun[..begun.len() - 1].to_vec()];
    assert!(ask(&mut slow, &frames).contains("z9hG4bKended"));
    assert_eq!(closed_with(&mut slow), 1000);
    // The control: who has ended what it began may be silent for longer than that.
    let mut quiet = web(&running);
    assert!(ask(&mut quiet, &[frames[0].clone()]).contains("z9hG4bKended"));
    quiet.set_read_timeout(Some(Duration::from_millis(1_200))).unwrap();
    assert_eq!(quiet.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn who_pings_and_takes_no_answer_is_ended_and_nothing_piles_up() {
    let (running, _reports) = start_web(|_| {});
    let mut stream = web(&running);
    let pings = frame(FIN | PING, &[b'x'; 125]).repeat(1_000);
    let mut sent = 0;
    // What the system keeps for both directions is much less.
    while sent < 64 << 20 && stream.write_all(&pings).is_ok() {
        sent += pings.len();
    }
    assert!(sent < 64 << 20, "{sent} octets of pings, none of which was answered");
    let answer = ask(&mut web(&running), &[frame(FIN | TEXT, request("after").as_bytes())]);
    assert!(answer.starts_with("SIP/2.0 200"));
}

/// Answers every request with 200, and tells how long its loop had worked until each came to it.
struct Worker {
    worked: mpsc::Sender<Duration>,
}

impl Application for Worker {
    fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        if let Event::Request { tx, .. } = event {
            let _ = self.worked.send(worked(Path::new("/proc/thread-self")));
            turn.respond(tx, Reply::new(StatusCode::OK)).unwrap();
        }
    }
}

impl App for Worker {
    type Command = Order;
    fn command(&mut self, _: Order, _: &mut Turn<'_>) {}
}

/// How long a thread has had a processor so far: the first field of its `schedstat` (Linux, Documentation/scheduler/sched-stats), in nanoseconds.
fn worked(thread: &Path) -> Duration {
    let text = std::fs::read_to_string(thread.join("schedstat")).unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

/// A loop on the web that tells how long it has worked, and where its thread is seen.
fn start_worker() -> (Running<Order>, mpsc::Receiver<Duration>, PathBuf) {
    let ((tell, told), (say, said)) = (mpsc::channel(), mpsc::channel());
    let make = move || {
        say.send(std::fs::read_link("/proc/thread-self").unwrap()).unwrap();
        Worker { worked: tell }
    };
    let running = start_as(make, listen_to_web);
    (running, told, Path::new("/proc").join(said.recv().unwrap()))
}

#[test]
fn frames_without_end_leave_the_others_their_turn() {
    let (running, told, thread) = start_worker();
    let floods: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = web(&running);
            std::thread::spawn(move || {
                // These are other machines: where there are few processors here, the server is not to wait for them to be done.
                rustix::process::setpriority_process(None, 19).unwrap();
                let empty = frame(0, b"").repeat(10_000);
                stream.write_all(&frame(BINARY, b"")).unwrap();
                // Ends with the connection.
                while stream.write_all(&empty).is_ok() {}
            })
        })
        .collect();
    let mut stream = web(&running);
    let mut worst = Duration::ZERO;
    for number in 0..50 {
        stream.write_all(&frame(FIN | TEXT, request(&format!("{number}")).as_bytes())).unwrap();
        // What the loop does for others before it gets to this; how long it has to wait for a processor is not its affair.
        let before = worked(&thread);
        let (_, answer) = hear(&mut stream).unwrap();
        assert!(answer.starts_with(b"SIP/2.0 200"));
        worst = worst.max(told.recv().unwrap().saturating_sub(before));
    }
    println!("most work before one of 50 answers beside 4 floods of empty fragments: {worst:?}");
    assert!(worst < Duration::from_millis(50), "{worst:?}");
    running.stop();
    floods.into_iter().for_each(|flood| flood.join().unwrap());
}

#[test]
fn peer_that_does_not_read_gets_whole_frames_in_their_order_when_it_does() {
    let (running, _reports) = start_web(|_| {});
    let mut stream = web(&running);
    let mut sender = stream.try_clone().unwrap();
    let count = 3_000;
    let asked = std::thread::spawn(move || {
        for number in 0..count {
            sender.write_all(&frame(FIN | TEXT, request(&format!("n{number}-")).as_bytes())).unwrap();
            if number % 100 == 0 {
                sender.write_all(&frame(FIN | PING, b"ping")).unwrap();
            }
        }
        sender.write_all(&frame(FIN | PING, b"last")).unwrap();
    });
    asked.join().unwrap();
    let (mut next, mut last) = (0, false);
    while next < count || !last {
        let (first, payload) = hear(&mut stream).unwrap();
        if first == FIN | PONG {
            last = payload == b"last";
            continue;
        }
        let answer = String::from_utf8(payload).unwrap();
        assert!(answer.contains(&format!("z9hG4bKn{next}-")), "{next}: {answer}");
        next += 1;
    }
}

#[test]
fn rfc7118_5_1_over_tls_the_via_says_wss() {
    let paper = paper(&["127.0.0.1"], |_| {});
    let (running, _reports) = start_web(|config| {
        config.binds[2].transport = Transport::Wss;
        config.tls = Tls { server: Some(paper.server(&Clients::Unasked)), client: paper.trusted() };
    });
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let client = ClientConnection::new(client_config(&paper.certificate(), None), name).unwrap();
    let mut stream = StreamOwned::new(client, raw(&running));
    assert!(upgrade(&mut stream).starts_with("HTTP/1.1 101 "));
    let asked = options("WSS", "127.0.0.1:9".parse().unwrap(), "secured");
    let answer = ask(&mut stream, &[frame(FIN | TEXT, asked.as_bytes())]);
    assert!(answer.contains("Via: SIP/2.0/WSS 127.0.0.1:9;branch=z9hG4bKsecured"), "{answer}");
    // Who does not speak TLS there gets nothing of HTTP.
    let mut plain = raw(&running);
    plain.write_all(UPGRADE.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
}

/// Who has shown a certificate of a server is a client of the web all the same.
#[test]
fn rfc5923_9_3_alias_along_a_websocket_is_nobodys_word() {
    let (ours, theirs) = (paper(&["127.0.0.1"], |_| {}), paper(&["peer.example.com"], |_| {}));
    let (address, asked) = peer(&theirs, None);
    let port = address.port();
    let (running, seen) = start_web(|config| {
        config.binds[2].transport = Transport::Wss;
        let server = ours.server(&Clients::Required(theirs.certificate()));
        config.tls = Tls { server: Some(server), client: theirs.trusted() };
        config.resolver = Some(Box::new(|| Box::new(Page(vec!["127.0.0.1".parse().unwrap()]))));
        config.streams.aliases = 1;
    });
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let client = ClientConnection::new(client_config(&ours.certificate(), Some(&theirs)), name).unwrap();
    let mut stream = StreamOwned::new(client, raw(&running));
    assert!(upgrade(&mut stream).starts_with("HTTP/1.1 101 "));
    // What the Via says of its transport makes no difference.
    for transport in ["WSS", "TLS"] {
        let said = options(transport, "127.0.0.1:9".parse().unwrap(), &format!("alias{transport}"));
        let said = said.replace("127.0.0.1:9;branch", &format!("peer.example.com:{port};alias;branch"));
        let answer = ask(&mut stream, &[frame(FIN | TEXT, said.as_bytes())]);
        assert!(answer.starts_with("SIP/2.0 200 OK\r\n"), "{answer}");
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "OPTIONS");
    }
    running.handle().try_send(Order::Options(format!("sips:peer.example.com:{port}"))).unwrap();
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "200");
    assert!(asked.recv_timeout(PATIENCE).is_ok(), "by a connection of our own");
}
