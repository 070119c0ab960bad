//! The sockets of one stream.
//!
//! What a connected socket sends takes a way that the system looked up once: an eighth cheaper. So a stream that has sent to one address for a second
//! gets a second socket on its port, connected to that address, as long as half of all descriptors are free. The first one stays as it was: whoever
//! else speaks to the port is heard there and judged as before (see the engine's latch).

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use media::Component;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::ports::PortPair;
use crate::dscp::Dscp;
use crate::files::file_limit;

/// Packets sent to one address before it is worth a socket: a second of speech.
const STEADY: u8 = 50;

/// Which socket of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    Rtp,
    Rtcp,
    /// That connected to the peer's RTP port.
    Connected,
}

/// The sockets of one stream.
pub(super) struct Line {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    connected: Option<UdpSocket>,
    /// Where packets go, and how many of the last went there; no more than [`STEADY`] are counted.
    to: Option<SocketAddr>,
    sent: u8,
    /// Nothing leaves.
    pub(super) cut: bool,
}

impl Line {
    pub(super) fn new(ports: PortPair) -> Self {
        Self { rtp: ports.rtp, rtcp: ports.rtcp, connected: None, to: None, sent: 0, cut: false }
    }

    /// The two sockets, watched no more; the connected one is closed. `None` when the system does not tell their address.
    pub(super) fn into_ports(self, ready: &Epoll) -> Option<PortPair> {
        for socket in [&self.rtp, &self.rtcp] {
            // It was added when the line was.
            let _ = ready.delete(socket);
        }
        let address = self.rtp.local_addr().ok()?;
        Some(PortPair { rtp: self.rtp, rtcp: self.rtcp, address })
    }

    /// Where packets wait.
    pub(super) fn socket(&self, port: Port) -> Option<&UdpSocket> {
        match port {
            Port::Rtp => Some(&self.rtp),
            Port::Rtcp => Some(&self.rtcp),
            Port::Connected => self.connected.as_ref(),
        }
    }

    /// Sends, unless the line is cut. A packet that cannot leave now is late: media never queues. `ready` watches for what comes, with the token of
    /// the connected socket.
    pub(super) fn send(&mut self, component: Component, to: SocketAddr, bytes: &[u8], ready: &Epoll, token: u64) {
        if self.cut {
            return;
        }
        if component == Component::Rtp {
            self.note(to, ready, token);
            if let Some(socket) = &self.connected {
                return again(|| socket.send(bytes));
            }
        }
        let socket = if component == Component::Rtp { &self.rtp } else { &self.rtcp };
        again(|| socket.send_to(bytes, to));
    }

    fn note(&mut self, to: SocketAddr, ready: &Epoll, token: u64) {
        if self.to != Some(to) {
            // Closing it takes it out of the epoll (epoll(7)). What waits there is of a peer that has moved.
            (self.to, self.sent, self.connected) = (Some(to), 0, None);
        } else if self.sent < STEADY {
            self.sent += 1;
            if self.sent == STEADY {
                let watched = |socket: UdpSocket| {
                    ready.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, token))?;
                    Ok(socket)
                };
                // Without it all goes on as it was.
                self.connected = connected(&self.rtp, to, file_limit() / 2).and_then(watched).ok();
            }
        }
    }
}

/// An ICMP error of an earlier packet shows up here once.
fn again(send: impl Fn() -> io::Result<usize>) {
    if send().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
        let _ = send();
    }
}

/// A socket on the port of this one, connected, whose descriptor is below `most`: the system gives out the lowest that is free. The port is open to
/// further sockets, of the same user, for this moment only.
fn connected(beside: &UdpSocket, to: SocketAddr, most: usize) -> io::Result<UdpSocket> {
    let local = beside.local_addr()?;
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    if usize::try_from(socket.as_raw_fd()).is_ok_and(|number| number >= most) {
        return Err(io::ErrorKind::QuotaExceeded.into());
    }
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    setsockopt(&socket, sockopt::ReusePort, &true)?;
    setsockopt(beside, sockopt::ReusePort, &true)?;
    let bound = socket.bind(&local.into());
    setsockopt(beside, sockopt::ReusePort, &false)?;
    bound?;
    Dscp::of(beside, local).try_mark(&socket, local);
    socket.connect(&to.into())?;
    setsockopt(&socket, sockopt::ReusePort, &false)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use nix::sys::epoll::{EpollCreateFlags, EpollTimeout};

    use super::super::ports::PortRange;
    use super::*;

    fn peer() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    /// A line that has sent `count` packets to the peer, who has seen them come from its port.
    fn speaking(to: &(UdpSocket, SocketAddr), count: u8) -> (Line, SocketAddr, Epoll) {
        let ports = PortRange::default().bind(Ipv4Addr::LOCALHOST.into()).unwrap();
        let (audio, ready) = (ports.address, Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap());
        let mut line = Line::new(ports);
        for number in 0..count {
            say(&mut line, &ready, to, number, audio);
        }
        (line, audio, ready)
    }

    fn say(line: &mut Line, ready: &Epoll, (peer, address): &(UdpSocket, SocketAddr), number: u8, from: SocketAddr) {
        line.send(Component::Rtp, *address, &[number], ready, 7);
        let mut buffer = [0; 8];
        assert_eq!((peer.recv_from(&mut buffer).unwrap(), buffer[0]), ((1, from), number));
    }

    fn heard(line: &Line, port: Port) -> Vec<u8> {
        let mut buffer = [0; 8];
        let socket = line.socket(port).unwrap();
        std::iter::from_fn(|| socket.recv_from(&mut buffer).ok().map(|_| buffer[0])).collect()
    }

    #[test]
    fn a_steady_stream_gets_a_connected_socket_on_its_port_and_whoever_else_speaks_is_heard_on() {
        let (bob, mallory) = (peer(), peer());
        let (mut line, audio, ready) = speaking(&bob, STEADY);
        assert!(line.socket(Port::Connected).is_none());
        bob.0.send_to(&[1], audio).unwrap();
        say(&mut line, &ready, &bob, 99, audio);
        say(&mut line, &ready, &bob, 100, audio);
        bob.0.send_to(&[2], audio).unwrap();
        mallory.0.send_to(&[3], audio).unwrap();
        let mut events = [EpollEvent::empty(); 2];
        assert_eq!((ready.wait(&mut events, EpollTimeout::ZERO).unwrap(), events[0].data()), (1, 7));
        assert_eq!((heard(&line, Port::Connected), heard(&line, Port::Rtp)), (vec![2], vec![1, 3]));
    }

    #[test]
    fn a_peer_that_moves_is_sent_to_where_it_is() {
        let (bob, moved) = (peer(), peer());
        let (mut line, audio, ready) = speaking(&bob, STEADY + 1);
        assert!(line.socket(Port::Connected).is_some());
        say(&mut line, &ready, &moved, 1, audio);
        assert!(line.socket(Port::Connected).is_none());
        moved.0.send_to(&[2], audio).unwrap();
        bob.0.send_to(&[3], audio).unwrap();
        assert_eq!(heard(&line, Port::Rtp), [2, 3]);
    }

    #[test]
    fn descriptors_that_new_calls_need_are_left_to_them() {
        let (bob, beside) = (peer(), peer().0);
        let most = usize::try_from(beside.as_raw_fd()).unwrap();
        assert_eq!(connected(&beside, bob.1, most).unwrap_err().kind(), io::ErrorKind::QuotaExceeded);
        assert!(connected(&beside, bob.1, 100_000).is_ok());
    }

    #[test]
    fn the_port_is_open_to_no_further_socket() {
        let bob = peer();
        let (line, audio, _) = speaking(&bob, STEADY + 1);
        assert!(line.socket(Port::Connected).is_some());
        let other = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
        setsockopt(&other, sockopt::ReusePort, &true).unwrap();
        assert_eq!(other.bind(&audio.into()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
