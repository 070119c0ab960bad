use std::net::TcpListener;

use super::*;

/// Many TCP ports are taken, so that a free UDP port is often one of them; and all of them in another program's hands stay there.
#[test]
fn a_free_port_is_free_for_both_protocols() {
    let taken: Vec<TcpListener> = (0..500).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let pair = [Transport::Udp, Transport::Tcp].map(|transport| Bind { transport, address });
    for round in 0..600 {
        let sockets = Sockets::bind(&pair).unwrap_or_else(|error| panic!("round {round}: {error}"));
        let [udp, tcp] = sockets.bound.as_slice() else { panic!("{:?}", sockets.bound) };
        assert_eq!(udp.address, tcp.address);
    }
    let given = Bind { transport: Transport::Tcp, address: taken[0].local_addr().unwrap() };
    let refused = Sockets::bind(&[given]).err().map(|error| error.to_string());
    assert!(refused.is_some_and(|words| words.contains("another program has this port")));
}
