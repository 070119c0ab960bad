//! Which way a request of ours takes: by names, several addresses and its size.

use super::*;

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
pub(super) fn long_uri(peer: SocketAddr) -> String {
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
