//! A loop on real sockets: answered in the same turn, on the transport it came by, whatever the peer does.

#![allow(clippy::unwrap_used)]

#[path = "sip_loop/sentences.rs"]
mod sentences;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use net::{App, Bind, LiteralsOnly, LoopConfig, Resolve, Running, SipLoop};
use sip::message::{Method, StatusCode};
use sip::{Application, Draft, Event, Failure, Reply, Transport, Turn};
use socket2::{Domain, Socket, Type};

const PATIENCE: Duration = Duration::from_secs(5);

/// Answers every request with 200 and reports what became of its own.
struct Robot {
    seen: mpsc::Sender<String>,
}

enum Order {
    Options(String),
}

impl Application for Robot {
    fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        let said = match event {
            Event::Request { tx, request, .. } => {
                let method = request.method().to_string();
                turn.respond(tx, Reply::new(StatusCode::OK)).unwrap();
                method
            }
            Event::Response { response, .. } => response.code().get().to_string(),
            Event::RequestFailed { why: Failure::Timeout, .. } => "timeout".into(),
            Event::RequestFailed { why, .. } => format!("{why:?}"),
            other => format!("{other:?}"),
        };
        let _ = self.seen.send(said);
    }
}

impl App for Robot {
    type Command = Order;
    fn command(&mut self, Order::Options(uri): Order, turn: &mut Turn<'_>) {
        let mut draft = Draft::new(Method::Options, uri.parse().unwrap());
        draft.from = "<sip:robot@127.0.0.1>;tag=1".into();
        draft.to = format!("<{uri}>");
        draft.call_id = "robot".into();
        turn.send_request(draft).unwrap();
    }
}

fn start(streams: impl FnOnce(&mut LoopConfig)) -> (Running<Order>, mpsc::Receiver<String>) {
    let any = "127.0.0.1:0".parse().unwrap();
    let binds = [Transport::Udp, Transport::Tcp].map(|transport| Bind { transport, address: any }).to_vec();
    let mut stack = sip::Config::default();
    stack.timers.t1 = Duration::from_millis(20);
    let mut config = LoopConfig::new(binds, stack);
    config.resolver = Some(Box::new(|| Box::new(LiteralsOnly)));
    streams(&mut config);
    let (seen, reports) = mpsc::channel();
    (SipLoop::spawn(config, move |_, _| Robot { seen }).unwrap(), reports)
}

fn options(transport: &str, local: SocketAddr, branch: &str) -> String {
    format!(
        "OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} {local};branch=z9hG4bK{branch};rport\r\n\
         From: <sip:a@127.0.0.1>;tag=a\r\nTo: <sip:x@127.0.0.1>\r\nCall-ID: {branch}\r\nCSeq: 1 OPTIONS\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

fn udp() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> String {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// Reads one message without a body.
fn read_message(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut one = [0];
    while !text.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut one).unwrap(), 1, "closed after {:?}", String::from_utf8_lossy(&text));
        text.push(one[0]);
    }
    String::from_utf8(text).unwrap()
}

fn tcp(running: &Running<Order>) -> TcpStream {
    let stream = TcpStream::connect(running.bound()[1].address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn udp_and_tcp_share_the_port_that_was_given() {
    let (running, _seen) = start(|_| {});
    let [udp, tcp] = running.bound() else { panic!("two addresses") };
    assert_eq!(udp.address.port(), tcp.address.port());
}

#[test]
fn rfc3581_4_answer_goes_to_the_source_port() {
    let (running, _seen) = start(|_| {});
    let socket = udp();
    let elsewhere: SocketAddr = "127.0.0.1:9".parse().unwrap();
    socket.send_to(options("UDP", elsewhere, "rport").as_bytes(), running.bound()[0].address).unwrap();
    let answer = receive(&socket);
    assert!(answer.starts_with("SIP/2.0 200 OK\r\n"), "{answer}");
    assert!(answer.contains(&format!("rport={}", socket.local_addr().unwrap().port())), "{answer}");
}

#[test]
fn a_burst_is_answered_in_order_and_to_the_last() {
    let (running, _seen) = start(|_| {});
    let socket = udp();
    let local = socket.local_addr().unwrap();
    // More than one go takes, and few enough for the buffers of both sockets.
    for number in 0..150 {
        let request = options("UDP", local, &format!("burst{number}"));
        socket.send_to(request.as_bytes(), running.bound()[0].address).unwrap();
    }
    for number in 0..150 {
        let answer = receive(&socket);
        assert!(answer.contains(&format!("Call-ID: burst{number}\r\n")), "{number}: {answer}");
    }
}

#[test]
fn rfc3261_18_2_2_stream_answer_uses_the_connection_it_came_by() {
    let (running, _seen) = start(|_| {});
    let mut stream = tcp(&running);
    let local = stream.local_addr().unwrap();
    // Two requests in one write, the second in two: framing does not depend on segments.
    let (one, two) = (options("TCP", local, "one"), options("TCP", local, "two"));
    let (head, tail) = two.split_at(100);
    stream.write_all(format!("{one}{head}").as_bytes()).unwrap();
    assert!(read_message(&mut stream).contains("z9hG4bKone"));
    stream.write_all(tail.as_bytes()).unwrap();
    assert!(read_message(&mut stream).contains("z9hG4bKtwo"));
}

#[test]
fn rfc5626_4_4_1_double_crlf_is_answered_by_one() {
    let (running, _seen) = start(|_| {});
    let mut stream = tcp(&running);
    stream.write_all(b"\r\n\r\n").unwrap();
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\r\n");
}

#[test]
fn rfc3261_18_3_stream_without_content_length_is_closed() {
    let (running, _seen) = start(|_| {});
    let mut stream = tcp(&running);
    let text = options("TCP", stream.local_addr().unwrap(), "nolength").replace("Content-Length: 0\r\n", "");
    stream.write_all(text.as_bytes()).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
}

#[test]
fn message_that_drips_in_too_slowly_ends_the_connection() {
    let (running, _seen) = start(|config| config.streams.message = Duration::from_millis(200));
    let mut stream = tcp(&running);
    let text = options("TCP", stream.local_addr().unwrap(), "slow");
    let ended = text.bytes().any(|octet| {
        std::thread::sleep(Duration::from_millis(20));
        stream.write_all(&[octet]).is_err()
    });
    assert!(ended, "a message of {} octets at 50 a second was waited for", text.len());
}

#[test]
fn one_connection_more_than_allowed_is_closed() {
    let (running, _seen) = start(|config| config.streams.connections = 2);
    let mut held: Vec<_> = (0..2).map(|_| tcp(&running)).collect();
    for stream in &mut held {
        let text = options("TCP", stream.local_addr().unwrap(), &stream.local_addr().unwrap().port().to_string());
        stream.write_all(text.as_bytes()).unwrap();
        assert!(read_message(stream).starts_with("SIP/2.0 200"));
    }
    let mut refused = tcp(&running);
    let mut rest = Vec::new();
    assert!(matches!(refused.read_to_end(&mut rest), Ok(0) | Err(_)));
}

#[test]
fn request_of_ours_is_sent_and_its_answer_comes_back() {
    let (running, seen) = start(|_| {});
    let peer = udp();
    running.handle().try_send(Order::Options(format!("sip:{}", peer.local_addr().unwrap()))).unwrap();
    let request = receive(&peer);
    assert!(request.starts_with("OPTIONS sip:127.0.0.1:"), "{request}");
    let head: Vec<_> = request.lines().skip(1).filter(|line| !line.starts_with("Max-")).collect();
    let answer = format!("SIP/2.0 486 Busy Here\r\n{}\r\n\r\n", head.join("\r\n").trim_end());
    peer.send_to(answer.as_bytes(), running.bound()[0].address).unwrap();
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "486");
}

#[test]
fn rfc3581_3_an_answer_to_the_port_of_the_sent_by_from_elsewhere_arrives() {
    let (running, seen) = start(|_| {});
    let peer = udp();
    running.handle().try_send(Order::Options(format!("sip:{}", peer.local_addr().unwrap()))).unwrap();
    let request = receive(&peer);
    let via = request.lines().find_map(|line| line.strip_prefix("Via: SIP/2.0/UDP ")).unwrap();
    let sent_by: SocketAddr = via.split(';').next().unwrap().parse().unwrap();
    assert_eq!(sent_by, running.bound()[0].address);
    let head: Vec<_> = request.lines().skip(1).filter(|line| !line.starts_with("Max-")).collect();
    let answer = format!("SIP/2.0 486 Busy Here\r\n{}\r\n\r\n", head.join("\r\n").trim_end());
    udp().send_to(answer.as_bytes(), sent_by).unwrap();
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "486");
}

#[test]
fn nobody_there_is_known_by_icmp_long_before_the_timer() {
    let (running, seen) = start(|config| config.stack.timers.t1 = Duration::from_secs(500));
    let gone = udp().local_addr().unwrap();
    running.handle().try_send(Order::Options(format!("sip:{gone}"))).unwrap();
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "Transport(Unreachable)");
}

#[test]
fn silence_ends_in_a_timeout() {
    let (running, seen) = start(|_| {});
    let deaf = udp();
    running.handle().try_send(Order::Options(format!("sip:{}", deaf.local_addr().unwrap()))).unwrap();
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "timeout");
    // RFC 3261 section 17.1.2.2: the copies are the same to the byte.
    assert_eq!(receive(&deaf), receive(&deaf));
}

#[test]
fn tcp_is_connected_for_a_request_and_refusal_is_told() {
    let (running, seen) = start(|_| {});
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    running.handle().try_send(Order::Options(format!("sip:{};transport=tcp", listener.local_addr().unwrap()))).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(read_message(&mut stream).contains("Via: SIP/2.0/TCP 127.0.0.1:"));
    let gone = {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        closed.local_addr().unwrap()
    };
    running.handle().try_send(Order::Options(format!("sip:{gone};transport=tcp"))).unwrap();
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "Transport(Unreachable)");
}

#[test]
fn localhost_is_looked_up_and_unknown_names_are_told() {
    let (running, seen) = start(|_| {});
    let peer = udp();
    let port = peer.local_addr().unwrap().port();
    running.handle().try_send(Order::Options(format!("sip:localhost:{port}"))).unwrap();
    assert!(receive(&peer).starts_with(&format!("OPTIONS sip:localhost:{port}")));
    running.handle().try_send(Order::Options("sip:nobody.invalid".into())).unwrap();
    // Where no name server can be asked it is not known for certain.
    let is_told = |said: &String| said.starts_with("NoSuchHost") || said.starts_with("NoRoute");
    let told = std::iter::from_fn(|| seen.recv_timeout(PATIENCE).ok()).find(is_told);
    assert!(told.is_some());
}

/// A name server of one page.
struct Page(Vec<IpAddr>);

impl Resolve for Page {
    fn addresses(&self, _: &str) -> net::Lookup {
        let page = self.0.clone();
        Box::pin(async move { net::Resolved::Addresses(page) })
    }
}

fn start_with_page(page: &[&str]) -> (Running<Order>, mpsc::Receiver<String>) {
    let page: Vec<IpAddr> = page.iter().map(|address| address.parse().unwrap()).collect();
    start(|config| config.resolver = Some(Box::new(move || Box::new(Page(page.clone())))))
}

#[test]
fn rfc3263_4_3_of_several_addresses_the_next_is_tried_when_nobody_is_at_the_first() {
    let (running, seen) = start_with_page(&["127.0.0.7", "127.0.0.8", "127.0.0.9"]);
    let peer = UdpSocket::bind("127.0.0.9:0").unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = peer.local_addr().unwrap().port();
    running.handle().try_send(Order::Options(format!("sip:many.example:{port}"))).unwrap();
    let mut buffer = [0; 4_096];
    let (length, from) = peer.recv_from(&mut buffer).unwrap();
    let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(request.starts_with(&format!("OPTIONS sip:many.example:{port} SIP/2.0\r\n")), "{request}");
    let answer = request.replacen(&format!("OPTIONS sip:many.example:{port} SIP/2.0"), "SIP/2.0 200 OK", 1);
    peer.send_to(answer.as_bytes(), from).unwrap();
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "200");
}

#[test]
fn rfc3263_4_3_an_ipv6_address_that_is_dead_gives_way_to_ipv4() {
    // Where the system has no IPv6 the address cannot even be tried, and the outcome is the same.
    let (running, seen) = start_with_page(&["::1", "127.0.0.1"]);
    let peer = udp();
    let port = peer.local_addr().unwrap().port();
    running.handle().try_send(Order::Options(format!("sip:both.example:{port}"))).unwrap();
    assert!(receive(&peer).starts_with("OPTIONS sip:both.example"));
    drop((running, seen));
}

#[test]
fn rfc3263_4_3_where_all_addresses_are_dead_that_is_told() {
    let (running, seen) = start_with_page(&["127.0.0.7", "127.0.0.8"]);
    let gone = udp().local_addr().unwrap().port();
    running.handle().try_send(Order::Options(format!("sip:none.example:{gone}"))).unwrap();
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "Transport(Unreachable)");
}

/// A URI that makes a request too large for a datagram of 1,300 octets.
fn long_uri(peer: SocketAddr) -> String {
    format!("sip:{peer};padding={}", "x".repeat(1_400))
}

#[test]
fn rfc3261_18_1_1_a_request_too_large_for_udp_goes_by_tcp() {
    let (running, seen) = start(|_| {});
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = listener.local_addr().unwrap();
    let datagrams = UdpSocket::bind(peer).unwrap();
    running.handle().try_send(Order::Options(long_uri(peer))).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = read_message(&mut stream);
    assert!(request.contains("Via: SIP/2.0/TCP 127.0.0.1:") && request.len() > 1_300, "{request}");
    let (first, rest) = request.split_once("\r\n").unwrap();
    stream.write_all(format!("SIP/2.0 200 OK\r\n{rest}").as_bytes()).unwrap();
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "200", "{first}");
    datagrams.set_nonblocking(true).unwrap();
    assert!(datagrams.recv(&mut [0; 4_096]).is_err(), "nothing of it came as a datagram");
    // A short one goes as ever.
    datagrams.set_nonblocking(false).unwrap();
    datagrams.set_read_timeout(Some(PATIENCE)).unwrap();
    running.handle().try_send(Order::Options(format!("sip:{peer}"))).unwrap();
    assert!(receive(&datagrams).contains("Via: SIP/2.0/UDP "));
}

#[test]
fn rfc3261_18_1_1_where_tcp_is_refused_it_goes_by_udp_all_the_same() {
    let (running, _seen) = start(|_| {});
    let peer = udp();
    running.handle().try_send(Order::Options(long_uri(peer.local_addr().unwrap()))).unwrap();
    let request = receive(&peer);
    assert!(request.contains("Via: SIP/2.0/UDP ") && request.len() > 1_300, "{request}");
}

#[test]
fn port_in_use_says_what_to_do() {
    let held = udp();
    let address = held.local_addr().unwrap();
    let binds = vec![Bind { transport: Transport::Udp, address }];
    let config = LoopConfig::new(binds, sip::Config::default());
    let (seen, _reports) = mpsc::channel();
    let error = SipLoop::spawn(config, move |_, _| Robot { seen }).err().unwrap().to_string();
    assert!(error.starts_with(&format!("cannot listen on UDP {address}: ")), "{error}");
    assert!(error.contains("choose another port"), "{error}");
}

#[test]
fn rfc5626_4_4_1_pong_waits_behind_what_the_peer_does_not_read() {
    const ASKED: usize = 30_000;
    let (running, _seen) = start(|config| config.streams.backlog = 64 << 20);
    // A peer that takes little: the rest has to wait with us.
    let mut stream = narrow(&running);
    let local = stream.local_addr().unwrap();
    let mut writing = stream.try_clone().unwrap();
    // Far more answers than the sockets' buffers hold, and a ping behind each hundredth request: only then does anybody read.
    for number in 0..ASKED {
        writing.write_all(options("TCP", local, &number.to_string()).as_bytes()).unwrap();
        if number % 100 == 99 {
            writing.write_all(b"\r\n\r\n").unwrap();
        }
    }
    let mut framer = sip::message::Framer::new(sip::message::Limits::default());
    let (mut answers, mut pongs) = (0, 0);
    let mut chunk = vec![0; 65_536];
    while answers < ASKED || pongs < ASKED / 100 {
        let length = stream.read(&mut chunk).unwrap();
        assert!(length > 0, "closed after {answers} answers and {pongs} pongs");
        framer.push(&chunk[..length]);
        while let Some(frame) = framer.next_frame() {
            match frame.unwrap() {
                sip::message::Frame::Message(_) => answers += 1,
                _ => pongs += 1,
            }
        }
    }
    assert_eq!((answers, pongs), (ASKED, ASKED / 100));
}

/// A connection whose peer takes little unless it reads.
fn narrow(running: &Running<Order>) -> TcpStream {
    let small = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    small.set_recv_buffer_size(4_096).unwrap();
    small.connect(&running.bound()[1].address.into()).unwrap();
    let stream = TcpStream::from(small);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn rfc5626_4_4_1_pings_whose_pongs_nobody_reads_are_not_kept() {
    const PINGS: usize = 4_000_000;
    let (running, _seen) = start(|config| config.streams.backlog = 4_096);
    let mut stream = narrow(&running);
    for _ in 0..PINGS / 10_000 {
        stream.write_all(&b"\r\n\r\n".repeat(10_000)).unwrap();
    }
    let local = stream.local_addr().unwrap();
    stream.write_all(options("TCP", local, "last").as_bytes()).unwrap();
    let mut framer = sip::message::Framer::new(sip::message::Limits::default());
    let (mut pongs, mut chunk) = (0, vec![0; 65_536]);
    'reading: loop {
        let length = stream.read(&mut chunk).unwrap();
        assert!(length > 0, "closed after {pongs} pongs");
        framer.push(&chunk[..length]);
        while let Some(frame) = framer.next_frame() {
            match frame.unwrap() {
                sip::message::Frame::Message(_) => break 'reading,
                _ => pongs += 1,
            }
        }
    }
    assert!((1..PINGS).contains(&pongs), "{pongs} pongs: something had to wait");
}

#[test]
fn connection_that_does_not_read_is_closed_at_once_and_others_go_on() {
    let (running, _seen) = start(|config| config.streams.backlog = 100_000);
    let mut deaf = narrow(&running);
    let local = deaf.local_addr().unwrap();
    let mut number = 0;
    // Nobody reads: what is written fails as soon as the other side has closed.
    while deaf.write_all(options("TCP", local, &format!("d{number}")).as_bytes()).is_ok() {
        number += 1;
        assert!(number < 200_000, "never closed");
    }
    let mut other = tcp(&running);
    let local = other.local_addr().unwrap();
    other.write_all(options("TCP", local, "other").as_bytes()).unwrap();
    assert!(read_message(&mut other).starts_with("SIP/2.0 200"));
}

#[test]
fn connection_that_stays_silent_longer_than_allowed_is_closed() {
    let (running, _seen) = start(|config| config.streams.idle = Duration::from_millis(300));
    let mut stream = tcp(&running);
    let local = stream.local_addr().unwrap();
    for branch in ["one", "two"] {
        stream.write_all(options("TCP", local, branch).as_bytes()).unwrap();
        assert!(read_message(&mut stream).starts_with("SIP/2.0 200"));
    }
    let since = Instant::now();
    assert!(is_closed(&mut stream));
    assert!(since.elapsed() >= Duration::from_millis(250), "closed after {:?}", since.elapsed());
}

#[test]
fn peer_that_does_not_accept_is_given_up_when_connecting_takes_too_long() {
    let (running, seen) = start(|config| config.streams.connect = Duration::from_millis(200));
    // A listener with room for one that nobody accepts: the system drops what comes beyond (listen(2)).
    let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    full.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let _fills_it = TcpStream::connect(address).unwrap();
    let since = Instant::now();
    running.handle().try_send(Order::Options(format!("sip:x@{address};transport=tcp"))).unwrap();
    let why = seen.recv_timeout(PATIENCE).unwrap();
    assert!(why.contains("Unreachable"), "{why}");
    assert!(since.elapsed() >= Duration::from_millis(200), "{why} after {:?}", since.elapsed());
}

#[test]
fn stream_that_never_pauses_leaves_the_others_their_turn() {
    let (running, _seen) = start(|_| {});
    let mut flood = tcp(&running);
    let stray = options("TCP", flood.local_addr().unwrap(), "flood").replace("OPTIONS", "ACK").repeat(50);
    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flooding = {
        let over = std::sync::Arc::clone(&over);
        std::thread::spawn(move || {
            while !over.load(std::sync::atomic::Ordering::Relaxed) && flood.write_all(stray.as_bytes()).is_ok() {}
        })
    };
    let socket = udp();
    let local = socket.local_addr().unwrap();
    for number in 0..10 {
        socket.send_to(options("UDP", local, &format!("calm{number}")).as_bytes(), running.bound()[0].address).unwrap();
        let asked = std::time::Instant::now();
        receive(&socket);
        let waited = asked.elapsed();
        assert!(waited < Duration::from_secs(1), "answer {number} took {waited:?}");
    }
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    flooding.join().unwrap();
}

/// Whether the other side has closed; waits for that.
fn is_closed(stream: &mut TcpStream) -> bool {
    !matches!(stream.read(&mut [0]), Ok(1..))
}

#[test]
fn connection_that_says_nothing_is_closed_and_one_that_spoke_stays() {
    let (running, _seen) = start(|config| config.streams.message = Duration::from_millis(200));
    let (mut silent, mut spoken) = (tcp(&running), tcp(&running));
    let ping = |stream: &mut TcpStream| {
        stream.write_all(b"\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 2]).unwrap();
    };
    ping(&mut spoken);
    assert!(is_closed(&mut silent));
    ping(&mut spoken);
}

#[test]
fn one_address_cannot_take_all_connections() {
    let (running, _seen) = start(|config| config.streams.per_address = 2);
    let here = [tcp(&running), tcp(&running)];
    assert!(is_closed(&mut tcp(&running)), "one past the limit");
    let elsewhere = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    elsewhere.bind(&"127.0.0.2:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    elsewhere.connect(&running.bound()[1].address.into()).unwrap();
    let mut elsewhere = TcpStream::from(elsewhere);
    elsewhere.set_read_timeout(Some(PATIENCE)).unwrap();
    elsewhere.write_all(b"\r\n\r\n").unwrap();
    elsewhere.read_exact(&mut [0; 2]).unwrap();
    // A place that is left is free again, as soon as the loop has seen it.
    drop(here);
    let until = Instant::now() + PATIENCE;
    loop {
        let mut again = tcp(&running);
        again.write_all(b"\r\n\r\n").unwrap();
        if again.read_exact(&mut [0; 2]).is_ok() {
            break;
        }
        assert!(Instant::now() < until, "places stay taken");
    }
}

/// Gives itself the next command with each, and answers requests.
struct Restless {
    again: mpsc::Receiver<net::Handle<()>>,
    me: Option<net::Handle<()>>,
}

impl Application for Restless {
    fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        if let Event::Request { tx, .. } = event {
            turn.respond(tx, Reply::new(StatusCode::OK)).unwrap();
        }
    }
}

impl App for Restless {
    type Command = ();
    fn command(&mut self, (): (), _: &mut Turn<'_>) {
        let me = self.me.get_or_insert_with(|| self.again.recv().unwrap());
        me.try_send(()).unwrap();
    }
}

#[test]
fn commands_that_never_end_leave_the_others_their_turn() {
    let bind = Bind { transport: Transport::Udp, address: "127.0.0.1:0".parse().unwrap() };
    let config = LoopConfig::new(vec![bind], sip::Config::default());
    let (give, again) = mpsc::channel();
    let running = SipLoop::spawn(config, move |_, _| Restless { again, me: None }).unwrap();
    give.send(running.handle()).unwrap();
    running.handle().try_send(()).unwrap();
    let socket = udp();
    let request = options("UDP", socket.local_addr().unwrap(), "restless");
    socket.send_to(request.as_bytes(), running.bound()[0].address).unwrap();
    let mut buffer = [0; 4096];
    let heard = socket.recv(&mut buffer);
    if heard.is_err() {
        // A loop that never gets to its end cannot be waited for.
        std::mem::forget(running);
    }
    assert!(buffer[..heard.unwrap()].starts_with(b"SIP/2.0 200"));
}

/// Answers when it settles, and says how many it answers at once.
struct Gathering {
    waiting: Vec<sip::ServerTx>,
}

impl Application for Gathering {
    fn event(&mut self, event: Event, _: &mut Turn<'_>) {
        if let Event::Request { tx, .. } = event {
            self.waiting.push(tx);
        }
    }
}

impl App for Gathering {
    type Command = ();
    fn command(&mut self, (): (), _: &mut Turn<'_>) {}
    fn settle(&mut self, turn: &mut Turn<'_>) {
        let count = self.waiting.len().to_string();
        for tx in self.waiting.drain(..) {
            turn.respond(tx, Reply::new(StatusCode::OK).line("Subject", &count).unwrap()).unwrap();
        }
    }
}

#[test]
fn what_waits_on_a_socket_is_settled_together_and_what_comes_alone_at_once() {
    let any = "127.0.0.1:0".parse().unwrap();
    let binds = [Transport::Udp, Transport::Tcp].map(|transport| Bind { transport, address: any }).to_vec();
    let config = LoopConfig::new(binds, sip::Config::default());
    let socket = udp();
    let local = socket.local_addr().unwrap();
    let others = socket.try_clone().unwrap();
    let running = SipLoop::spawn(config, move |bound, _| {
        // A batch is 64: these wait before the loop begins.
        for number in 0..70 {
            let request = options("UDP", local, &format!("early{number}"));
            others.send_to(request.as_bytes(), bound[0].address).unwrap();
        }
        Gathering { waiting: Vec::new() }
    });
    let running = running.unwrap();
    let settled_with =
        |answer: String| answer.split("Subject: ").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
    for number in 0..70 {
        let answer = receive(&socket);
        assert!(answer.contains(&format!("Call-ID: early{number}\r\n")), "{answer}");
        assert_eq!(settled_with(answer), if number < 64 { "64" } else { "6" });
    }
    socket.send_to(options("UDP", local, "late").as_bytes(), running.bound()[0].address).unwrap();
    assert_eq!(settled_with(receive(&socket)), "1");
    let mut stream = TcpStream::connect(running.bound()[1].address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let local = stream.local_addr().unwrap();
    stream.write_all(options("TCP", local, "stream").as_bytes()).unwrap();
    assert_eq!(settled_with(read_message(&mut stream)), "1");
}
