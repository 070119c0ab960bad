//! Stream connections: how many, how long, and what waits on them.

use super::*;

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
fn messages_of_which_each_read_ends_one_and_begins_another_may_go_on_for_ever() {
    let limit = Duration::from_millis(400);
    let (running, _seen) = start(|config| config.streams.message = limit);
    let mut stream = tcp(&running);
    let local = stream.local_addr().unwrap();
    let (since, mut number) = (Instant::now(), 0);
    let half = |number: i32| {
        let text = options("TCP", local, &number.to_string());
        let (head, tail) = text.split_at(100);
        (head.to_owned(), tail.to_owned())
    };
    stream.write_all(half(0).0.as_bytes()).unwrap();
    while since.elapsed() < 3 * limit {
        let (tail, head) = (half(number).1, half(number + 1).0);
        stream.write_all(format!("{tail}{head}").as_bytes()).unwrap();
        assert!(read_message(&mut stream).contains(&format!("z9hG4bK{number};")));
        number += 1;
    }
    // The control: the last one does not end.
    assert!(is_closed(&mut stream));
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

/// What is too large for a datagram goes by TCP where the peer listens, and no other way because he does not read.
#[test]
fn rfc3261_18_1_1_nothing_that_waits_for_who_does_not_read_goes_by_udp_instead() {
    let (running, seen) = start(|config| config.streams.backlog = 100_000);
    let deaf = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    deaf.set_recv_buffer_size(4_096).unwrap();
    deaf.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    deaf.listen(128).unwrap();
    let peer = deaf.local_addr().unwrap().as_socket().unwrap();
    let datagrams = UdpSocket::bind(peer).unwrap();
    datagrams.set_nonblocking(true).unwrap();
    // Of what waits when the connection is closed everything is told at once: forty or so.
    let (mut unread, mut number) = (0, 0);
    while unread < 20 {
        running.handle().blocking_send(Order::Options(super::ways::long_uri(peer))).unwrap();
        unread += seen.try_iter().filter(|why| why == "Transport(NoBuffer)").count();
        assert!(datagrams.recv(&mut [0; 4_096]).is_err(), "a datagram after {number}, {unread} unread");
        number += 1;
        assert!(number < 50_000, "closed for {unread}");
    }
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
