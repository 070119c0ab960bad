//! The addresses a loop listens on.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use nix::sys::socket::{setsockopt, sockopt};
use sip::Transport;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::error::StartError;

/// How many free ports are tried until one is free for every protocol asked for.
const PORT_TRIES: usize = 32;
/// What we ask the kernel to buffer, so that a burst survives a turn that takes long.
const BUFFER: usize = 4 << 20;

/// An address to listen on. Port 0 takes a free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Protocol.
    pub transport: Transport,
    /// Address; 0.0.0.0 or `[::]` for all.
    pub address: SocketAddr,
}

/// An address that is listened on, with the port that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Protocol.
    pub transport: Transport,
    /// Address and port.
    pub address: SocketAddr,
}

/// Sockets that are bound, and not served yet.
pub struct Sockets {
    pub(crate) udp: Vec<UdpSocket>,
    pub(crate) streams: Vec<(Transport, TcpListener)>,
    pub(crate) bound: Vec<Bound>,
}

impl Sockets {
    /// Binds all of these.
    ///
    /// # Errors
    /// [`StartError`] when there is none, or one cannot be bound.
    pub fn bind(binds: &[Bind]) -> Result<Self, StartError> {
        if binds.is_empty() {
            return Err(StartError::NothingToBind);
        }
        // A free UDP port may be taken as TCP port: then another one is tried.
        let may_move = binds.iter().all(|bind| bind.address.port() == 0);
        let mut tries = if may_move { PORT_TRIES } else { 1 };
        loop {
            tries -= 1;
            match Self::bind_once(binds) {
                Err(StartError::Bind { source, .. }) if tries > 0 && source.kind() == io::ErrorKind::AddrInUse => {}
                done => return done,
            }
        }
    }

    /// Binds all of these for each of `count` loops that run side by side: the system spreads what arrives over them (SO_REUSEPORT). The
    /// first are bound for themselves, so that an address which another program has is refused as ever; only then may others join.
    ///
    /// # Errors
    /// As [`Sockets::bind`].
    pub fn bind_shared(binds: &[Bind], count: usize) -> Result<Vec<Self>, StartError> {
        let first = Self::bind(binds)?;
        let bound = first.bound.clone();
        let mut all = vec![first];
        if count > 1
            && let Some(first) = all.first()
        {
            let opened = first.udp.iter().map(|socket| SockRef::from(socket).set_reuse_port(true));
            opened
                .chain(first.streams.iter().map(|(_, one)| SockRef::from(one).set_reuse_port(true)))
                .collect::<io::Result<()>>()?;
        }
        for _ in 1..count {
            let mut more = Self { udp: Vec::new(), streams: Vec::new(), bound: bound.clone() };
            for &Bound { transport, address } in &bound {
                let fail = |source| StartError::Bind { transport, address, source };
                match transport {
                    Transport::Udp => more.udp.push(datagrams(address, true).map_err(fail)?),
                    _ => more.streams.push((transport, listener(address, true).map_err(fail)?)),
                }
            }
            all.push(more);
        }
        Ok(all)
    }

    fn bind_once(binds: &[Bind]) -> Result<Self, StartError> {
        let mut udp = Vec::new();
        let mut streams = Vec::new();
        let mut bound: Vec<Bound> = Vec::new();
        for bind in binds {
            let fail = |source| StartError::Bind { transport: bind.transport, address: bind.address, source };
            // A port of 0 after another bind on the same address means: the same port, so that UDP and TCP agree.
            let mut address = bind.address;
            if address.port() == 0
                && let Some(first) =
                    bound.iter().find(|b| share_ports(b.transport, bind.transport) && b.address.ip() == address.ip())
            {
                address.set_port(first.address.port());
            }
            let address = match bind.transport {
                Transport::Udp => {
                    let socket = datagrams(address, false).map_err(fail)?;
                    let local = socket.local_addr().map_err(fail)?;
                    udp.push(socket);
                    local
                }
                Transport::Ws | Transport::Wss if cfg!(not(feature = "websocket")) => {
                    let why = "WebSockets are not part of this build";
                    return Err(fail(io::Error::new(io::ErrorKind::Unsupported, why)));
                }
                _ => {
                    let listener = listener(address, false).map_err(fail)?;
                    let local = listener.local_addr().map_err(fail)?;
                    streams.push((bind.transport, listener));
                    local
                }
            };
            bound.push(Bound { transport: bind.transport, address });
        }
        Ok(Self { udp, streams, bound })
    }
}

/// Whether two protocols may have the same port, and should: UDP beside TCP. TLS is TCP as well, so it has another.
fn share_ports(one: Transport, other: Transport) -> bool {
    one != other && [one, other].contains(&Transport::Udp) && [one, other].contains(&Transport::Tcp)
}

/// Binds a datagram socket: IPv6 sockets take IPv6 only, so that both families can have the same port. `shared`: beside others of this process.
fn datagrams(address: SocketAddr, shared: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Best effort: the kernel clamps to its own limit.
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
    socket.set_nonblocking(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    let socket: UdpSocket = socket.into();
    // ICMP errors come back with the address they concern (ip(7), IP_RECVERR).
    let watched = if address.is_ipv4() {
        setsockopt(&socket, sockopt::Ipv4RecvErr, &true)
    } else {
        setsockopt(&socket, sockopt::Ipv6RecvErr, &true)
    };
    if let Err(error) = watched {
        tracing::debug!(%error, "no ICMP errors on this socket");
    }
    Ok(socket)
}

/// Binds a listener; see [`datagrams`] for the families.
fn listener(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests;
