//! Sentences of RFC 3261 sections 8.1.2 and 18, on real sockets.

use super::*;

pub(super) fn sent_by(request: &str) -> SocketAddr {
    let via = request.lines().find_map(|line| line.strip_prefix("Via: SIP/2.0/")).unwrap();
    via.split_once(' ').unwrap().1.split(';').next().unwrap().parse().unwrap()
}

#[test]
fn rfc3261_18_1_1_a_datagram_of_the_largest_size_is_taken() {
    let (running, seen) = start(|_| {});
    let socket = udp();
    // 65,535 octets less the headers of IP and UDP.
    for size in [65_507, 40_000] {
        let head = options("UDP", socket.local_addr().unwrap(), &format!("size{size}"));
        let body = size - head.len() - "65507".len() + "0".len();
        let text = head.replace("Content-Length: 0", &format!("Content-Length: {body}")) + &"x".repeat(body);
        assert_eq!(text.len(), size);
        assert_eq!(socket.send_to(text.as_bytes(), running.bound()[0].address).unwrap(), size);
        let answer = receive(&socket);
        assert!(answer.starts_with("SIP/2.0 200 OK\r\n"), "{size}: {answer}");
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "OPTIONS");
    }
}

#[test]
fn rfc3261_18_1_1_a_response_by_a_connection_to_the_sent_by_arrives() {
    let (running, seen) = start(|_| {});
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    running.handle().try_send(Order::Options(format!("sip:{};transport=tcp", listener.local_addr().unwrap()))).unwrap();
    let (mut first, _) = listener.accept().unwrap();
    first.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = read_message(&mut first);
    let mut second = TcpStream::connect(sent_by(&request)).unwrap();
    assert_ne!(second.peer_addr().unwrap(), first.peer_addr().unwrap(), "a port that is listened on");
    second.write_all(answer_to(&request, "486 Busy Here").as_bytes()).unwrap();
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "486");
}

#[test]
fn rfc3261_8_1_2_what_is_addressed_by_sips_goes_over_tls_or_nowhere() {
    let (running, seen) = start_with_page(&["127.0.0.1", "127.0.0.1"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = listener.local_addr().unwrap();
    let datagrams = UdpSocket::bind(peer).unwrap();
    datagrams.set_nonblocking(true).unwrap();
    // A peer that knows no TLS; the first octet of what it hears, connection by connection.
    let (heard, first) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut octet = [0];
            let _ = stream.unwrap().read(&mut octet);
            let _ = heard.send(octet[0]);
        }
    });
    for (uri, tries) in [
        (format!("sips:{peer}"), 1),
        (format!("sips:many.example:{}", peer.port()), 2),
        (format!("sips:{peer};transport=tcp"), 1),
        (format!("sip:{peer};transport=tls"), 1),
        (format!("sips:{peer};transport=udp"), 0),
    ] {
        running.handle().try_send(Order::Options(uri.clone())).unwrap();
        let told = seen.recv_timeout(PATIENCE).unwrap();
        let expected = if tries == 0 { "NoRoute(" } else { "Transport(Tls(" };
        assert!(told.starts_with(expected) && told.contains("TLS"), "{uri}: {told}");
        for _ in 0..tries {
            assert_eq!(
                first.recv_timeout(PATIENCE).unwrap(),
                0x16,
                "{uri}: the first octet of a handshake (RFC 8446 section 5.1)"
            );
        }
    }
    assert!(first.try_recv().is_err() && datagrams.recv(&mut [0; 64]).is_err(), "nothing else came");
}
