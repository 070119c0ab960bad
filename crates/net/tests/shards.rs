//! Loops side by side on the same addresses: whatever way a message comes, it is answered where its call lives.

#![allow(clippy::unwrap_used)]

#[path = "shards/secured.rs"]
mod secured;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use net::{App, Bind, CommandError, Handle, LiteralsOnly, LoopConfig, Shards, SipLoop, Sockets};
use sip::message::{Frame, Framer, Limits, Message, Method, StatusCode};
use sip::{Application, Draft, Event, Failure, Reply, Transport, Turn};

const PATIENCE: Duration = Duration::from_secs(10);

/// Answers every request with 200 and its shard, and reports what it sees.
struct Robot {
    shard: u8,
    seen: mpsc::Sender<(u8, String)>,
}

enum Order {
    /// Asks somebody.
    Options(String),
    /// Takes no turn until told to go on, or until nobody could tell.
    Hold(mpsc::Receiver<()>),
}

impl Application for Robot {
    fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        let said = match event {
            Event::Request { tx, request, .. } => {
                let reply = Reply::new(StatusCode::OK).line("X-Shard", &self.shard.to_string()).unwrap();
                turn.respond(tx, reply).unwrap();
                format!("asked {}", request.headers().branch().unwrap())
            }
            Event::Response { response, .. } => response.code().get().to_string(),
            Event::RequestFailed { why: Failure::Timeout, .. } => "timeout".into(),
            Event::RequestFailed { why, .. } => format!("{why:?}"),
            Event::TargetFailed { .. } => return,
            other => format!("{other:?}"),
        };
        let _ = self.seen.send((self.shard, said));
    }
}

impl App for Robot {
    type Command = Order;
    fn command(&mut self, order: Order, turn: &mut Turn<'_>) {
        match order {
            Order::Hold(until) => {
                let _ = until.recv();
            }
            Order::Options(uri) => {
                let mut draft = Draft::new(Method::Options, uri.parse().unwrap());
                draft.from = "<sip:robot@127.0.0.1>;tag=1".into();
                draft.to = format!("<{uri}>");
                draft.call_id = turn.call_id();
                turn.send_request(draft).unwrap();
            }
        }
    }
}

struct Server {
    shards: Shards<Order>,
    seen: mpsc::Receiver<(u8, String)>,
    address: SocketAddr,
}

fn binds(address: &str) -> Vec<Bind> {
    let address = address.parse().unwrap();
    [Transport::Udp, Transport::Tcp].map(|transport| Bind { transport, address }).to_vec()
}

fn config(t1: Duration) -> LoopConfig {
    let mut stack = sip::Config::default();
    stack.timers.t1 = t1;
    stack.retry_after_secs = 7;
    let mut config = LoopConfig::new(Vec::new(), stack);
    config.resolver = Some(Box::new(|| Box::new(LiteralsOnly)));
    config
}

fn start_with(count: usize, settings: impl Fn(&mut LoopConfig)) -> Server {
    start_on(&binds("127.0.0.1:0"), count, settings)
}

fn start_on(binds: &[Bind], count: usize, settings: impl Fn(&mut LoopConfig)) -> Server {
    let sockets = Sockets::bind_shared(binds, count).unwrap();
    let (seen, reports) = mpsc::channel();
    let members = (0..count).map(|_| {
        let (mut config, seen) = (config(Duration::from_millis(500)), seen.clone());
        settings(&mut config);
        (config, move |seat: net::Seat<'_, Order>| Robot { shard: seat.shard.0, seen })
    });
    let shards = SipLoop::spawn_shards(sockets, members.collect()).unwrap();
    let address = shards.bound()[0].address;
    Server { shards, seen: reports, address }
}

fn start(count: usize) -> Server {
    start_with(count, |_| {})
}

fn options(transport: &str, via: SocketAddr, call_id: &str, branch: &str) -> String {
    format!(
        "OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} {via};branch=z9hG4bK{branch};rport\r\n\
         From: <sip:a@127.0.0.1>;tag={branch}\r\nTo: <sip:x@127.0.0.1>\r\nCall-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

fn udp() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> Message {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    Message::parse(buffer[..length].to_vec().into(), &Limits::default()).unwrap()
}

/// A stream and what came on it.
struct Line {
    stream: TcpStream,
    framer: Framer,
}

impl Line {
    fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, framer: Framer::new(Limits::default()) }
    }

    /// One over which each loop has answered: all know of it then.
    fn known_to_all(server: &Server, count: usize) -> Self {
        let mut line = Self::to(server.address);
        let mut answered = BTreeSet::new();
        for call in 0.. {
            let text = options("TCP", line.local(), &format!("hello-{call}"), &format!("hello{call}"));
            line.stream.write_all(text.as_bytes()).unwrap();
            answered.insert(answer(&line.next()).2);
            if answered.len() == count {
                break;
            }
        }
        line
    }

    fn local(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    fn next(&mut self) -> Message {
        let mut chunk = [0; 4096];
        loop {
            if let Some(Ok(Frame::Message(bytes))) = self.framer.next_frame() {
                return Message::parse(bytes, &Limits::default()).unwrap();
            }
            let length = self.stream.read(&mut chunk).unwrap();
            assert!(length > 0, "closed");
            self.framer.push(&chunk[..length]);
        }
    }
}

/// Code, Call-ID and shard of an answer.
fn answer(message: &Message) -> (u16, String, Option<u8>) {
    let Message::Response(response) = message else { panic!("a request came: {message:?}") };
    let headers = response.headers();
    let shard = headers.iter().find(|header| header.name.eq_ignore_ascii_case("X-Shard"));
    let shard = shard.and_then(|header| header.text().parse().ok());
    (response.code().get(), headers.call_id().to_owned(), shard)
}

/// Sixty calls from one socket, from eight sockets and from two streams: all answered, each call by one shard, all shards in use.
fn calls_are_answered_at_home(count: usize) {
    const CALLS: usize = 60;
    let server = start(count);
    let mut homes: BTreeMap<String, BTreeSet<u8>> = BTreeMap::new();
    let mut note = |message: Message| {
        let (code, call_id, shard) = answer(&message);
        assert_eq!(code, 200);
        homes.entry(call_id).or_default().insert(shard.unwrap());
    };
    for (number, socket) in (0..9).map(|number| (number, udp())) {
        let via = socket.local_addr().unwrap();
        for call in 0..CALLS {
            let text = options("UDP", via, &format!("call-{call}"), &format!("{number}u{call}"));
            socket.send_to(text.as_bytes(), server.address).unwrap();
        }
        (0..CALLS).for_each(|_| note(receive(&socket)));
    }
    for number in 0..2 {
        let mut line = Line::to(server.address);
        for call in 0..CALLS {
            let text = options("TCP", line.local(), &format!("call-{call}"), &format!("{number}t{call}"));
            line.stream.write_all(text.as_bytes()).unwrap();
        }
        (0..CALLS).for_each(|_| note(line.next()));
    }
    assert_eq!(homes.len(), CALLS);
    assert!(homes.values().all(|shards| shards.len() == 1), "{homes:?}");
    let used: BTreeSet<u8> = homes.values().flatten().copied().collect();
    assert_eq!(used.len(), count, "{used:?}");
    server.shards.stop();
}

#[test]
fn calls_are_answered_at_home_by_one_loop() {
    calls_are_answered_at_home(1);
}

#[test]
fn calls_are_answered_at_home_by_four_loops() {
    calls_are_answered_at_home(4);
}

/// The same request by sixteen sockets, as repeats come whose sender's address a translator has changed. How often it was taken for new.
fn taken_for_new(address: SocketAddr, seen: &mpsc::Receiver<(u8, String)>) -> usize {
    let sockets: Vec<UdpSocket> = (0..16).map(|_| udp()).collect();
    let text = options("UDP", "192.0.2.1:5060".parse().unwrap(), "repeated", "repeated");
    for socket in &sockets {
        socket.send_to(text.as_bytes(), address).unwrap();
    }
    // What each sends behind it goes the same way: once that is answered, all have been taken.
    for (number, socket) in sockets.iter().enumerate() {
        let after = format!("after{number}");
        let text = options("UDP", socket.local_addr().unwrap(), "repeated", &after);
        socket.send_to(text.as_bytes(), address).unwrap();
        loop {
            let Message::Response(response) = receive(socket) else { panic!() };
            if response.headers().branch().unwrap().ends_with(&after) {
                break;
            }
        }
    }
    seen.try_iter().filter(|(_, said)| said == "asked z9hG4bKrepeated").count()
}

#[test]
fn rfc3261_17_2_3_a_repeat_ends_in_the_same_transaction_whichever_loop_gets_it() {
    for count in [1, 4] {
        let server = start(count);
        assert_eq!(taken_for_new(server.address, &server.seen), 1, "{count} loops");
    }
}

/// The control: loops that share a port and do not hand over.
#[test]
fn without_handing_over_repeats_are_taken_for_new() {
    let (seen, reports) = mpsc::channel();
    let loops: Vec<_> = Sockets::bind_shared(&binds("127.0.0.1:0"), 4)
        .unwrap()
        .into_iter()
        .map(|sockets| {
            let seen = seen.clone();
            SipLoop::spawn_on(sockets, config(PATIENCE), move |_, _| Robot { shard: 0, seen }).unwrap()
        })
        .collect();
    assert!(taken_for_new(loops[0].bound()[0].address, &reports) > 1);
}

fn order_all(server: &Server, uri: &str) {
    for handle in server.shards.handles() {
        assert_eq!(handle.try_send(Order::Options(uri.to_owned())), Ok::<(), CommandError>(()));
    }
}

/// What each shard reports, requests it was asked aside.
fn reports(server: &Server, count: usize) -> BTreeMap<u8, String> {
    let mut all = BTreeMap::new();
    let until = Instant::now() + PATIENCE;
    while all.len() < count {
        let left = until.saturating_duration_since(Instant::now());
        let (shard, said) = server.seen.recv_timeout(left).unwrap_or_else(|_| panic!("only {all:?}"));
        if !said.starts_with("asked") {
            all.insert(shard, said);
        }
    }
    all
}

fn agree(message: &Message) -> String {
    let Message::Request(request) = message else { panic!("{message:?}") };
    let line = |id| request.headers().text(id).unwrap().into_owned();
    use sip::message::HeaderId::{CSeq, CallId, From, To, Via};
    format!(
        "SIP/2.0 200 OK\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=p\r\nCall-ID: {}\r\nCSeq: {}\r\nContent-Length: 0\r\n\r\n",
        line(Via),
        line(From),
        line(To),
        line(CallId),
        line(CSeq)
    )
}

#[test]
fn responses_to_what_a_loop_asked_come_home() {
    for count in [1, 4] {
        let server = start(count);
        let peer = udp();
        order_all(&server, &format!("sip:{}", peer.local_addr().unwrap()));
        for _ in 0..count {
            let request = receive(&peer);
            // From elsewhere, so that the system may choose another loop than that of the request.
            udp().send_to(agree(&request).as_bytes(), server.address).unwrap();
        }
        let all = reports(&server, count);
        assert!(all.values().all(|said| said == "200"), "{all:?}");
    }
}

#[test]
fn rfc3261_18_1_1_a_connection_serves_the_loops_that_do_not_have_it() {
    for count in [1, 4] {
        let server = start(count);
        let mut line = Line::known_to_all(&server, count);
        // Nobody listens at the peer's end: were another connection tried, it would fail.
        order_all(&server, &format!("sip:{};transport=tcp", line.local()));
        for _ in 0..count {
            let request = line.next();
            line.stream.write_all(agree(&request).as_bytes()).unwrap();
        }
        let all = reports(&server, count);
        assert!(all.values().all(|said| said == "200"), "{all:?}");
    }
}

#[test]
fn a_connection_that_is_lost_is_lost_for_all_loops() {
    for count in [1, 4] {
        let server = start_with(count, |config| config.stack.timers.t1 = Duration::from_secs(500));
        let mut line = Line::known_to_all(&server, count);
        order_all(&server, &format!("sip:{};transport=tcp", line.local()));
        (0..count).for_each(|_| drop(line.next()));
        drop(line);
        let all = reports(&server, count);
        // The connection that is tried instead is refused: to each its own try, or that of another.
        let failed = |said: &String| said == "Transport(Unreachable)" || said == "Transport(Closed)";
        assert!(all.values().all(failed), "{all:?}");
    }
}

#[test]
fn nobody_there_is_known_by_icmp_to_the_loop_that_asked() {
    for count in [1, 4] {
        let server = start_with(count, |config| config.stack.timers.t1 = Duration::from_secs(500));
        for handle in server.shards.handles() {
            let gone = udp().local_addr().unwrap();
            handle.try_send(Order::Options(format!("sip:{gone}"))).unwrap();
        }
        let all = reports(&server, count);
        assert!(all.values().all(|said| said == "Transport(Unreachable)"), "{all:?}");
    }
}

/// Stops one loop, asks for calls of its own by many sockets, and lets it go on. The codes, and how many of them had a Retry-After.
fn while_one_is_stopped(room: usize, refused: bool) -> (BTreeMap<u16, usize>, usize) {
    const SOCKETS: usize = 32;
    let server = start_with(4, |config| config.crossings = room);
    let asker = udp();
    let stopped = |call: &str, branch: &str| {
        asker.send_to(options("UDP", asker.local_addr().unwrap(), call, branch).as_bytes(), server.address).unwrap();
        answer(&receive(&asker)).2.unwrap()
    };
    let home = stopped("the-call", "0");
    let (go_on, until) = mpsc::channel();
    let handles: Vec<Handle<Order>> = server.shards.handles();
    handles[usize::from(home)].try_send(Order::Hold(until)).unwrap();
    let sockets: Vec<UdpSocket> = (0..SOCKETS).map(|_| udp()).collect();
    for (number, socket) in sockets.iter().enumerate() {
        let text = options("UDP", socket.local_addr().unwrap(), "the-call", &format!("full{number}"));
        socket.send_to(text.as_bytes(), server.address).unwrap();
    }
    // Nobody but the loops that run can have answered so far.
    let mut early = false;
    let until = Instant::now() + PATIENCE;
    while refused && !early && Instant::now() < until {
        for socket in &sockets {
            socket.set_nonblocking(true).unwrap();
            early |= socket.peek(&mut [0; 4096]).is_ok();
            socket.set_nonblocking(false).unwrap();
        }
    }
    drop(go_on);
    let (mut codes, mut retry) = (BTreeMap::new(), 0);
    for socket in &sockets {
        let message = receive(socket);
        *codes.entry(answer(&message).0).or_default() += 1;
        let Message::Response(response) = message else { panic!() };
        let after = response.headers().text(sip::message::HeaderId::RetryAfter);
        retry += usize::from(after.is_some_and(|after| after == "7"));
    }
    (codes, retry)
}

#[test]
fn rfc3261_21_5_4_what_finds_a_queue_full_is_answered_503_with_retry_after() {
    let (codes, retry) = while_one_is_stopped(2, true);
    let refused = codes.get(&503).copied().unwrap_or_default();
    assert!(refused > 0 && refused == retry, "{codes:?}, {retry} with Retry-After");
    // Two waited, and what came by the loop's own sockets.
    assert!(codes.get(&200).copied().unwrap_or_default() >= 2, "{codes:?}");
    assert_eq!(codes.values().sum::<usize>(), 32);
}

#[test]
fn with_room_in_the_queue_everything_is_answered_later() {
    assert_eq!(while_one_is_stopped(4096, false), (BTreeMap::from([(200, 32)]), 0));
}

/// More requests than one loop may hold at a time, and later another one.
fn crowd(server: &Server, most: usize) -> BTreeMap<u16, usize> {
    let socket = udp();
    let via = socket.local_addr().unwrap();
    for number in 0..most {
        let text = options("UDP", via, &format!("crowd-{number}"), &format!("crowd{number}"));
        socket.send_to(text.as_bytes(), server.address).unwrap();
    }
    let mut codes = BTreeMap::new();
    for _ in 0..most {
        let message = receive(&socket);
        let (code, ..) = answer(&message);
        let Message::Response(response) = message else { panic!() };
        let after = response.headers().text(sip::message::HeaderId::RetryAfter);
        assert_eq!(after.is_some_and(|after| after == "7"), code == 503);
        *codes.entry(code).or_default() += 1;
    }
    // Not for ever: what was held ends, and there is room again.
    let until = Instant::now() + PATIENCE;
    for number in 0.. {
        let text = options("UDP", via, &format!("later-{number}"), &format!("later{number}"));
        socket.send_to(text.as_bytes(), server.address).unwrap();
        if answer(&receive(&socket)).0 == 200 {
            break;
        }
        assert!(Instant::now() < until, "refused for ever");
    }
    codes
}

#[test]
fn rfc3261_21_5_4_more_than_a_loop_may_hold_is_answered_503_until_there_is_room() {
    let limited = |config: &mut LoopConfig| {
        // What has been answered is held for 64 times T1 (RFC 3261 section 17.2.2, timer J).
        config.stack.timers.t1 = Duration::from_millis(20);
        config.stack.max_server_transactions = 8;
    };
    let codes = crowd(&start_with(1, limited), 60);
    assert!(codes[&200] >= 8 && codes[&503] > 0 && codes.len() == 2, "{codes:?}");
    // The control: with room for all, all are answered.
    assert_eq!(crowd(&start(1), 60), BTreeMap::from([(200, 60)]));
}

#[test]
fn limit_of_commands_takes_as_many_and_refuses_one_more_until_there_is_room() {
    let server = start_with(1, |config| config.commands = 4);
    let handle = server.shards.handles().remove(0);
    let peer = udp();
    let order = || Order::Options(format!("sip:{}", peer.local_addr().unwrap()));
    let (go_on, until) = mpsc::channel();
    handle.try_send(Order::Hold(until)).unwrap();
    // The loop has taken it, and no other.
    let end = Instant::now() + PATIENCE;
    while handle.waiting() > 0 {
        assert!(Instant::now() < end, "the loop takes no command");
    }
    for waiting in 1..=4 {
        assert_eq!(handle.try_send(order()), Ok(()));
        assert_eq!(handle.waiting(), waiting);
    }
    assert_eq!(handle.try_send(order()), Err(CommandError::Full));
    drop(go_on);
    (0..4).for_each(|_| drop(receive(&peer)));
    assert_eq!(handle.try_send(order()), Ok(()));
    drop(receive(&peer));
    server.shards.stop();
    assert_eq!(handle.try_send(order()), Err(CommandError::Ended));
}

#[test]
fn limit_of_crossings_is_seen_from_outside_and_what_waits_is_taken_later() {
    let server = start_with(2, |config| config.crossings = 8);
    let wires: Vec<UdpSocket> = (0..64).map(|_| udp()).collect();
    let ask = |number: usize, call: &str| {
        let text = options("UDP", wires[number].local_addr().unwrap(), call, &format!("{call}{number}"));
        wires[number].send_to(text.as_bytes(), server.address).unwrap();
    };
    ask(0, "one");
    let home = answer(&receive(&wires[0])).2.unwrap();
    let (go_on, until) = mpsc::channel();
    let handle = &server.shards.handles()[usize::from(home)];
    handle.try_send(Order::Hold(until)).unwrap();
    let end = Instant::now() + PATIENCE;
    while handle.waiting() > 0 {
        assert!(Instant::now() < end, "the loop takes no command");
    }
    // By as many sockets that about half of them are read by the loop that is not held.
    (0..wires.len()).for_each(|number| ask(number, "one"));
    let intakes = server.shards.intakes();
    while intakes[usize::from(home)].waiting() < 8 {
        assert!(Instant::now() < end, "{} wait", intakes[usize::from(home)].waiting());
    }
    assert_eq!(intakes[1 - usize::from(home)].waiting(), 0);
    drop(go_on);
    let codes: Vec<u16> = wires.iter().map(|wire| answer(&receive(wire)).0).collect();
    // The first was a repeat. Eight waited; those that the held loop read itself were never in the queue.
    assert!(codes.iter().filter(|code| **code == 200).count() >= 8 && codes.contains(&503), "{codes:?}");
    assert_eq!(intakes[usize::from(home)].waiting(), 0);
}

#[test]
fn addresses_of_others_are_refused_though_loops_share_theirs() {
    let server = start(4);
    let taken = server.address.to_string();
    let words = |count| Sockets::bind_shared(&binds(&taken), count).err().map(|error| error.to_string());
    let shared = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    shared.set_reuse_port(true).unwrap();
    shared.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    let foreign = shared.local_addr().unwrap().as_socket().unwrap().to_string();
    for count in [1, 4] {
        assert!(words(count).is_some_and(|words| words.contains("another program has this port")), "{count}");
        let foreign = Sockets::bind_shared(&binds(&foreign), count).err().map(|error| error.to_string());
        assert!(foreign.is_some_and(|words| words.contains("another program has this port")), "{count}");
    }
    server.shards.stop();
    assert_eq!(Sockets::bind_shared(&binds(&taken), 4).map(|all| all.len()).unwrap(), 4);
}
