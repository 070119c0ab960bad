//! A loop on real sockets: answered in the same turn, on the transport it came by, whatever the peer does.

#![allow(clippy::unwrap_used)]

#[path = "sip_loop/reuse.rs"]
mod reuse;
#[path = "sip_loop/sentences.rs"]
mod sentences;
#[path = "sip_loop/streams.rs"]
mod streams;
#[path = "sip_loop/tls.rs"]
mod tls;
#[path = "sip_loop/turns.rs"]
mod turns;
#[path = "sip_loop/ways.rs"]
mod ways;
#[cfg(feature = "websocket")]
#[path = "sip_loop/websocket.rs"]
mod websocket;
#[cfg(feature = "websocket")]
#[path = "sip_loop/websocket_client.rs"]
mod websocket_client;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use net::{App, Bind, LiteralsOnly, LoopConfig, Resolve, Running, SipLoop};
use sip::locate::{Found, Query, Record};
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
            Event::TargetFailed { .. } => return,
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
    let (seen, reports) = mpsc::channel();
    (start_as(move || Robot { seen }, streams), reports)
}

/// The same with another application, which is made on the loop's thread.
fn start_as<A: App<Command = Order> + 'static>(
    make: impl FnOnce() -> A + Send + 'static,
    streams: impl FnOnce(&mut LoopConfig),
) -> Running<Order> {
    let any = "127.0.0.1:0".parse().unwrap();
    let binds = [Transport::Udp, Transport::Tcp].map(|transport| Bind { transport, address: any }).to_vec();
    let mut stack = sip::Config::default();
    stack.timers.t1 = Duration::from_millis(20);
    let mut config = LoopConfig::new(binds, stack);
    config.resolver = Some(Box::new(|| Box::new(LiteralsOnly)));
    streams(&mut config);
    SipLoop::spawn(config, move |_, _| make()).unwrap()
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

/// The answer to a request of ours, as a peer without a stack would write it.
fn answer_to(request: &str, status: &str) -> String {
    let (_, rest) = request.split_once("\r\n").unwrap();
    format!("SIP/2.0 {status}\r\n{rest}")
}

/// A name server of one page.
struct Page(Vec<IpAddr>);

impl Resolve for Page {
    fn look_up(&self, query: &Query) -> net::Lookup {
        let found = match query {
            Query::Addresses(_) => {
                Found::Records(self.0.iter().copied().map(Record::Address).collect(), Duration::from_secs(60))
            }
            _ => Found::None(Duration::ZERO),
        };
        Box::pin(async move { found })
    }
}

fn start_with_page(page: &[&str]) -> (Running<Order>, mpsc::Receiver<String>) {
    let page: Vec<IpAddr> = page.iter().map(|address| address.parse().unwrap()).collect();
    start(|config| config.resolver = Some(Box::new(move || Box::new(Page(page.clone())))))
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
fn request_of_ours_is_sent_and_its_answer_comes_back() {
    let (running, seen) = start(|_| {});
    let peer = udp();
    running.handle().try_send(Order::Options(format!("sip:{}", peer.local_addr().unwrap()))).unwrap();
    let request = receive(&peer);
    assert!(request.starts_with("OPTIONS sip:127.0.0.1:"), "{request}");
    let answer = answer_to(&request, "486 Busy Here");
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
    let answer = answer_to(&request, "486 Busy Here");
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
