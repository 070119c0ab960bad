//! Datagram sockets: received until empty and answered in the same turn (RFC 3261 section 18).
//!
//! A socket is watched for what comes in only. Watched for room to write as well, it would wake the loop after nearly every send, whenever the
//! network has taken a datagram; room is waited for where the kernel has refused one, which is rare.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use sip::{Cause, FlowId, Now, Path, SendError, SendId, Transport};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

use crate::sip_loop::{App, Core};

/// Datagrams taken from one socket before others get their turn.
const BATCH: usize = 64;
/// What a socket is watched for.
const RECEIVED: Interest = Interest::READABLE.add(Interest::ERROR);
/// Datagrams that wait when the kernel's send buffer is full; more are dropped, as a network would.
const BACKLOG: usize = 1024;
/// First transmissions of requests that an ICMP error can still be matched to.
const WATCHED: usize = 4096;
/// The largest datagram.
const LARGEST: usize = 65_535;
/// Room for one extended error: `sock_extended_err` is 16 bytes, the offender's address 28 at most.
const ERROR_SPACE: usize = 64;
/// What we ask the kernel to buffer, so that a burst survives a turn that takes long.
const BUFFER: usize = 4 << 20;

/// How long to wait for room where the system has no descriptor left to watch for it.
const UNWATCHED: Duration = Duration::from_millis(10);

/// Why a send was refused at once.
pub(crate) struct Refused(pub(crate) SendError);

/// Binds a socket: IPv6 sockets take IPv6 only, so that both families can have the same port. `shared`: beside others of this process.
pub(crate) fn bind(address: SocketAddr, shared: bool) -> io::Result<UdpSocket> {
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

/// Has the loop woken by these events of a socket, which must not block.
#[expect(
    deprecated,
    reason = "asks that the descriptor stays open and the same, as a UdpSocket's does; its successor asks it by `unsafe`"
)]
fn watch(socket: UdpSocket, interest: Interest) -> io::Result<AsyncFd<UdpSocket>> {
    AsyncFd::with_interest(socket, interest)
}

struct Endpoint {
    socket: Rc<AsyncFd<UdpSocket>>,
    address: SocketAddr,
    backlog: VecDeque<(SendId, SocketAddr, Bytes)>,
    /// Tells the task that writes that something waits.
    queued: Rc<Notify>,
}

/// The datagram sockets of one loop. Flow 1 is the first.
pub(crate) struct Datagrams {
    endpoints: Vec<Endpoint>,
    watched: HashMap<SocketAddr, SendId>,
    buffer: Box<[u8]>,
}

impl Datagrams {
    pub(crate) fn new(sockets: Vec<UdpSocket>) -> io::Result<Self> {
        let endpoints = sockets
            .into_iter()
            .map(|socket| {
                let address = socket.local_addr()?;
                Ok(Endpoint {
                    socket: Rc::new(watch(socket, RECEIVED)?),
                    address,
                    backlog: VecDeque::new(),
                    queued: Rc::new(Notify::new()),
                })
            })
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self { endpoints, watched: HashMap::new(), buffer: vec![0; LARGEST].into_boxed_slice() })
    }

    /// Sends at once, or queues while the kernel's buffer is full.
    pub(crate) fn send(&mut self, id: SendId, path: Path, bytes: Bytes, why: Cause) -> Result<(), Refused> {
        let index = usize::try_from(path.flow.0).ok().and_then(|n| n.checked_sub(1));
        let Some(endpoint) = index.and_then(|index| self.endpoints.get_mut(index)) else {
            return Err(Refused(SendError::Closed));
        };
        if matches!(why, Cause::Request | Cause::Retry) {
            if self.watched.len() >= WATCHED {
                self.watched.clear();
            }
            self.watched.insert(path.remote, id);
        }
        if !endpoint.backlog.is_empty() {
            return queue(endpoint, id, path.remote, bytes);
        }
        for _ in 0..2 {
            match endpoint.socket.get_ref().send_to(&bytes, path.remote) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return queue(endpoint, id, path.remote, bytes);
                }
                // A pending ICMP error of an earlier datagram is reported here once; this datagram was not sent.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(Refused(reason(&error))),
            }
        }
        Err(Refused(SendError::Unreachable))
    }

    /// Sends what waits, as far as there is room; what failed.
    fn flush(&mut self, index: usize) -> Vec<(SendId, SendError)> {
        let mut failed = Vec::new();
        let Some(endpoint) = self.endpoints.get_mut(index) else { return failed };
        while let Some((id, remote, bytes)) = endpoint.backlog.front() {
            match endpoint.socket.get_ref().send_to(bytes, *remote) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => failed.push((*id, reason(&error))),
                Ok(_) => {}
            }
            endpoint.backlog.pop_front();
        }
        failed
    }

    fn is_waiting(&self, index: usize) -> bool {
        self.endpoints.get(index).is_some_and(|one| !one.backlog.is_empty())
    }

    /// Reads the socket's error queue: which of our requests met nobody, and where others met nobody.
    fn refused(&mut self, index: usize) -> (Vec<SendId>, Vec<SocketAddr>) {
        let (mut ours, mut others) = (Vec::new(), Vec::new());
        let Some(endpoint) = self.endpoints.get(index) else { return (ours, others) };
        let fd = endpoint.socket.as_raw_fd();
        let mut space = nix::cmsg_space!([u8; ERROR_SPACE]);
        let mut ignored = [0_u8; 64];
        for _ in 0..BATCH {
            let mut parts = [io::IoSliceMut::new(&mut ignored)];
            let Ok(message) = recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut space), MsgFlags::MSG_ERRQUEUE)
            else {
                break;
            };
            let concerns_us = message.cmsgs().is_ok_and(|mut all| {
                all.any(|one| {
                    matches!(one, ControlMessageOwned::Ipv4RecvErr(..) | ControlMessageOwned::Ipv6RecvErr(..))
                })
            });
            let Some(remote) = message.address.as_ref().and_then(socket_address).filter(|_| concerns_us) else {
                continue;
            };
            match self.watched.remove(&remote) {
                Some(send) => ours.push(send),
                None => others.push(remote),
            }
        }
        (ours, others)
    }

    /// Nobody listens at that address: the request of ours that this concerns.
    pub(crate) fn refused_at(&mut self, remote: SocketAddr) -> Option<SendId> {
        self.watched.remove(&remote)
    }
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddr::V4(SocketAddrV4::new(v4.ip(), v4.port())));
    }
    let v6 = storage.as_sockaddr_in6()?;
    Some(SocketAddr::V6(SocketAddrV6::new(v6.ip(), v6.port(), v6.flowinfo(), v6.scope_id())))
}

fn queue(endpoint: &mut Endpoint, id: SendId, remote: SocketAddr, bytes: Bytes) -> Result<(), Refused> {
    if endpoint.backlog.len() >= BACKLOG {
        return Err(Refused(SendError::NoBuffer));
    }
    endpoint.backlog.push_back((id, remote, bytes));
    endpoint.queued.notify_one();
    Ok(())
}

fn reason(error: &io::Error) -> SendError {
    match (error.kind(), error.raw_os_error()) {
        (_, Some(code)) if code == nix::errno::Errno::EMSGSIZE as i32 => SendError::TooBig,
        (_, Some(code)) if code == nix::errno::Errno::ENOBUFS as i32 => SendError::NoBuffer,
        _ => SendError::Unreachable,
    }
}

/// Starts a task per socket that reads, and one that writes what had to wait.
pub(crate) fn start<A: App + 'static>(core: &Rc<RefCell<Core<A>>>) {
    for index in 0..core.borrow().datagrams.endpoints.len() {
        tokio::task::spawn_local(read(Rc::clone(core), index));
        tokio::task::spawn_local(write(Rc::clone(core), index));
    }
}

async fn read<A: App + 'static>(core: Rc<RefCell<Core<A>>>, index: usize) {
    let endpoint = |one: &Endpoint| (Rc::clone(&one.socket), one.address);
    let Some((socket, bound)) = core.borrow().datagrams.endpoints.get(index).map(endpoint) else {
        return;
    };
    loop {
        let Ok(ready) = socket.ready(RECEIVED).await.map(|guard| guard.ready()) else { return };
        if ready.is_error() {
            // Taken note of before the queue is read, so that an error that comes meanwhile wakes us again.
            let _ = socket.try_io(Interest::ERROR, |_| Err::<(), _>(io::ErrorKind::WouldBlock.into()));
            refused(&mut core.borrow_mut(), index);
        }
        let full_batch = ready.is_readable() && batch(&mut core.borrow_mut(), &socket, bound, index);
        if full_batch {
            tokio::task::yield_now().await;
        }
    }
}

async fn write<A: App + 'static>(core: Rc<RefCell<Core<A>>>, index: usize) {
    let endpoint = |one: &Endpoint| (Rc::clone(&one.socket), Rc::clone(&one.queued));
    let Some((socket, queued)) = core.borrow().datagrams.endpoints.get(index).map(endpoint) else {
        return;
    };
    loop {
        queued.notified().await;
        // The same socket under a second descriptor, which is watched for room as long as something waits.
        let room = socket.get_ref().try_clone().and_then(|twin| watch(twin, Interest::WRITABLE));
        while core.borrow().datagrams.is_waiting(index) {
            let guard = match &room {
                Ok(room) => room.writable().await.ok(),
                Err(_) => None,
            };
            if guard.is_none() {
                tokio::time::sleep(UNWATCHED).await;
            }
            let mut core = core.borrow_mut();
            for (id, why) in core.datagrams.flush(index) {
                core.unsent([id], why);
            }
            if let Some(mut guard) = guard
                && core.datagrams.is_waiting(index)
            {
                guard.clear_ready();
            }
        }
    }
}

/// ICMP errors came back: they end requests of this loop or of another.
fn refused<A: App + 'static>(core: &mut Core<A>, index: usize) {
    let (ours, others) = core.datagrams.refused(index);
    core.unsent(ours, SendError::Unreachable);
    core.refused_elsewhere(&others);
}

/// Takes up to [`BATCH`] datagrams; true when more may wait.
fn batch<A: App + 'static>(core: &mut Core<A>, socket: &AsyncFd<UdpSocket>, bound: SocketAddr, index: usize) -> bool {
    let now = core.clock.now();
    core.gather();
    let full = (0..BATCH).all(|_| one(core, now, socket, bound, index));
    core.gathered(now);
    full
}

/// Takes a datagram; false when none waits.
fn one<A: App + 'static>(
    core: &mut Core<A>,
    now: Now,
    socket: &AsyncFd<UdpSocket>,
    bound: SocketAddr,
    index: usize,
) -> bool {
    match socket.try_io(Interest::READABLE, |socket| socket.recv_from(&mut core.datagrams.buffer)) {
        Ok((length, remote)) => {
            let Some(datagram) = core.datagrams.buffer.get(..length) else { return true };
            let bytes = Bytes::copy_from_slice(datagram);
            let local = core.local_towards(bound, remote);
            let flow = FlowId(index as u64 + 1);
            core.receive(now, Path { flow, transport: Transport::Udp, local, remote }, bytes);
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
        Err(_) => refused(core, index),
    }
    true
}

#[cfg(test)]
mod tests;
