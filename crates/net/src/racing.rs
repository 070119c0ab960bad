//! A host with addresses of both families, of which one may be dead (RFC 8305, "happy eyeballs").
//!
//! Connections only: whoever is first to take one is spoken to, and nobody else of both. The other family is tried when the first has said nothing for a quarter of
//! a second, so a family that leads nowhere costs that and not the time that connecting may take.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use sip::Transport;
use sip::locate::Target;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

/// How long the first is waited for alone (RFC 8305 section 5: the Connection Attempt Delay).
const DELAY: Duration = Duration::from_millis(250);
/// How long both may take; then all goes on in the order of the name servers.
const LONGEST: Duration = Duration::from_secs(3);

/// One who runs.
pub(crate) struct Runner {
    pub(crate) socket: TcpSocket,
    pub(crate) remote: SocketAddr,
}

impl Runner {
    async fn run(self) -> Option<TcpStream> {
        self.socket.connect(self.remote).await.ok()
    }
}

/// Which target the first may be raced with: the first of the other family, by the same protocol and on the same port.
pub(crate) fn rival(targets: &[Target]) -> Option<usize> {
    let first = targets.first().filter(|first| first.transport != Transport::Udp)?;
    targets.iter().position(|other| {
        other.transport == first.transport
            && other.address.port() == first.address.port()
            && other.address.is_ipv4() != first.address.is_ipv4()
    })
}

/// Who connects first; true: the second.
pub(crate) async fn race([first, second]: [Runner; 2]) -> Option<(bool, TcpStream)> {
    timeout(LONGEST, run(first, second)).await.ok().flatten()
}

async fn run(first: Runner, second: Runner) -> Option<(bool, TcpStream)> {
    let mut first = pin!(first.run());
    tokio::select! {
        // Who refuses does so again when he is asked: no time is lost by that, and it is told as it always was.
        outcome = &mut first => return outcome.map(|stream| (false, stream)),
        () = sleep(DELAY) => {}
    }
    let mut second = pin!(second.run());
    tokio::select! {
        outcome = &mut first => match outcome {
            Some(stream) => Some((false, stream)),
            None => second.await.map(|stream| (true, stream)),
        },
        outcome = &mut second => match outcome {
            Some(stream) => Some((true, stream)),
            None => first.await.map(|stream| (false, stream)),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Instant;

    use socket2::{Domain, Socket, Type};

    use super::*;

    /// An address where a connection is neither taken nor refused: its queue is full. Held as long as what is returned beside it.
    fn silent() -> (SocketAddr, Vec<Socket>) {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let fill = |_| {
            let one = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            one.set_nonblocking(true).unwrap();
            let _ = one.connect(&address.into());
            one
        };
        let held = (0..4).map(fill).chain([listener]).collect();
        (address, held)
    }

    fn refused() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    }

    async fn outcome(first: SocketAddr, second: SocketAddr) -> (Option<(bool, SocketAddr)>, Duration) {
        let begin = Instant::now();
        let runner = |remote| Runner { socket: TcpSocket::new_v4().unwrap(), remote };
        let won = race([runner(first), runner(second)]).await;
        (won.map(|(second, stream)| (second, stream.peer_addr().unwrap())), begin.elapsed())
    }

    #[tokio::test]
    async fn rfc8305_5_a_dead_address_costs_a_quarter_of_a_second() {
        let good = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = (good.local_addr().unwrap(), good);
        let (dead, _held) = silent();
        let (won, took) = outcome(dead, good.0).await;
        assert_eq!(won, Some((true, good.0)));
        assert!(took >= DELAY && took < LONGEST, "{took:?}");
        let (won, took) = outcome(good.0, dead).await;
        assert_eq!(won, Some((false, good.0)));
        assert!(took < DELAY, "who answers is not delayed: {took:?}");
        let (won, took) = outcome(refused(), good.0).await;
        assert_eq!(won, None, "who refuses is no rival: the next is gone to as ever");
        assert!(took < DELAY, "and he is not waited for: {took:?}");
        // Both dead: it ends all the same.
        assert_eq!(outcome(refused(), refused()).await.0, None);
        let (won, took) = outcome(dead, dead).await;
        assert!(won.is_none() && took >= LONGEST, "{won:?} {took:?}");
        // The first is waited for on when the second has failed.
        assert_eq!(outcome(dead, refused()).await.0, None);
    }

    #[test]
    fn only_the_other_family_of_the_same_server_is_a_rival() {
        let target = |transport, address: &str| Target { transport, address: address.parse().unwrap() };
        let (four, six) = (target(Transport::Tcp, "192.0.2.1:5060"), target(Transport::Tcp, "[2001:db8::1]:5060"));
        let other_port = target(Transport::Tcp, "[2001:db8::1]:5061");
        let other_transport = target(Transport::Tls, "[2001:db8::1]:5060");
        assert_eq!(rival(&[four, other_port, other_transport, six]), Some(3));
        assert_eq!(rival(&[six, four]), Some(1));
        assert_eq!((rival(&[four, four, other_port]), rival(&[])), (None, None));
        let udp = [target(Transport::Udp, "192.0.2.1:5060"), target(Transport::Udp, "[2001:db8::1]:5060")];
        assert_eq!(rival(&udp), None);
    }
}
