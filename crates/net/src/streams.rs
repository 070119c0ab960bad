//! The stream connections of a loop: how many there may be, and what waits on each (RFC 3261 section 18.1.1, 18.2.2).

use std::collections::hash_map::{Entry, HashMap};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use bytes::{Buf, Bytes};
use sip::message::Limits;
use sip::{FlowId, Path, SendError, SendId, Shard, Transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::backlog::Backlog;
use crate::config::StreamLimits;
use crate::error::Refused;
use crate::files::file_limit;
use crate::flows;
use crate::sparingly::Sparingly;

/// Bytes read at a time.
const CHUNK: usize = 16 * 1024;

/// One connection.
pub(crate) struct Connection {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// `None` while connecting.
    pub(crate) socket: Option<Rc<TcpStream>>,
    pub(crate) backlog: Backlog,
    /// Wakes the connection's task to write, or to end.
    pub(crate) wake: Rc<Notify>,
    pub(crate) ending: Ending,
    /// The peer made it.
    pub(crate) accepted: bool,
}

/// Whether a connection is to end.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Ending {
    No,
    /// When what waits has been written.
    Written,
    /// Now, whatever waits.
    AtOnce,
}

impl Connection {
    fn end(&mut self, ending: Ending) {
        self.ending = ending;
        self.wake.notify_one();
    }
}

/// The listeners and connections of one loop.
pub(crate) struct Streams {
    pub(crate) listeners: Vec<Rc<TcpListener>>,
    pub(crate) limits: StreamLimits,
    pub(crate) messages: Limits,
    pub(crate) connections: HashMap<FlowId, Connection>,
    by_remote: HashMap<SocketAddr, FlowId>,
    /// Connections that are still to be begun, and where they lead.
    pub(crate) opening: Vec<(FlowId, SocketAddr)>,
    /// Tells the task that connects of them.
    pub(crate) opened: Rc<Notify>,
    /// What the backlogs of all connections weigh.
    backlogs: usize,
    /// Where every connection reads into, in its turn.
    pub(crate) chunk: Vec<u8>,
    /// How many were accepted from each network.
    accepted: HashMap<IpAddr, usize>,
    /// Flows are numbered from here.
    first: u64,
    next: u64,
    pub(crate) refusals: Sparingly,
    pub(crate) failures: Sparingly,
}

impl Streams {
    pub(crate) fn new(
        listeners: Vec<std::net::TcpListener>,
        limits: StreamLimits,
        messages: Limits,
        shard: Shard,
    ) -> io::Result<Self> {
        let listeners = listeners
            .into_iter()
            .map(|listener| Ok(Rc::new(TcpListener::from_std(listener)?)))
            .collect::<io::Result<Vec<_>>>()?;
        let connections = limits.connections.min(file_limit() / 4);
        let per_address = limits.per_address.min(connections - connections / 4);
        let limits = StreamLimits { connections, per_address, ..limits };
        Ok(Self {
            listeners,
            limits,
            messages,
            connections: HashMap::new(),
            by_remote: HashMap::new(),
            opening: Vec::new(),
            opened: Rc::new(Notify::new()),
            backlogs: 0,
            chunk: vec![0; CHUNK],
            accepted: HashMap::new(),
            first: flows::first_of_streams(shard),
            next: flows::first_of_streams(shard),
            refusals: Sparingly::default(),
            failures: Sparingly::default(),
        })
    }

    /// The connection to `remote` that exists.
    pub(crate) fn connection_to(&self, remote: SocketAddr) -> Option<Path> {
        self.by_remote.get(&remote).and_then(|flow| self.path_of(*flow))
    }

    /// The path of a new flow to `remote` that the first send opens.
    pub(crate) fn new_path(&mut self, local: SocketAddr, remote: SocketAddr) -> Path {
        let flow = self.new_flow();
        Path { flow, transport: Transport::Tcp, local, remote }
    }

    /// The ends of a connection.
    pub(crate) fn path_of(&self, flow: FlowId) -> Option<Path> {
        let Connection { local, remote, .. } = *self.connections.get(&flow)?;
        Some(Path { flow, transport: Transport::Tcp, local, remote })
    }

    /// The number of one more connection.
    pub(crate) fn new_flow(&mut self) -> FlowId {
        let flow = FlowId(self.next);
        self.next += 1;
        flow
    }

    /// Writes at once, queues behind what waits, or begins to connect.
    pub(crate) fn send(&mut self, id: SendId, path: Path, bytes: Bytes) -> Result<(), Refused> {
        let flow = match self.connections.contains_key(&path.flow) {
            true => path.flow,
            // The connection is gone: another to the same peer serves, else a new one is made (RFC 3261 section 18.2.2).
            false => match self.by_remote.get(&path.remote) {
                Some(&flow) => flow,
                None => self.open(path)?,
            },
        };
        self.write(flow, Some(id), bytes)
    }

    /// Writes what can be written now and keeps the rest in order. Without an id nobody is told when it is lost.
    pub(crate) fn write(&mut self, flow: FlowId, id: Option<SendId>, mut bytes: Bytes) -> Result<(), Refused> {
        let standing = self.connections.get_mut(&flow).filter(|one| one.ending != Ending::AtOnce);
        let Some(connection) = standing else { return Err(Refused(SendError::Closed)) };
        if connection.backlog.is_empty()
            && let Some(socket) = &connection.socket
        {
            match socket.try_write(&bytes) {
                Ok(written) if written == bytes.len() => return Ok(()),
                Ok(written) => bytes.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    connection.end(Ending::AtOnce);
                    return Err(Refused(SendError::Closed));
                }
            }
        }
        let (before, after) = (connection.backlog.weight(), connection.backlog.weight_with(&bytes));
        if after > self.limits.backlog {
            connection.end(Ending::AtOnce);
            return Err(Refused(SendError::NoBuffer));
        }
        connection.backlog.push(id, bytes);
        connection.wake.notify_one();
        self.backlogs += after - before;
        if self.backlogs > self.limits.backlogs {
            self.end_heaviest();
        }
        Ok(())
    }

    /// Ends the connection that has the most waiting: its peer reads the least.
    fn end_heaviest(&mut self) {
        let standing = self.connections.values_mut().filter(|one| one.ending != Ending::AtOnce);
        if let Some(heaviest) = standing.max_by_key(|one| one.backlog.weight()) {
            heaviest.end(Ending::AtOnce);
        }
    }

    fn open(&mut self, path: Path) -> Result<FlowId, Refused> {
        if self.connections.len() >= self.limits.connections {
            return Err(Refused(SendError::NoBuffer));
        }
        let flow = if path.flow.0 >= self.next || path.flow.0 < self.first { self.new_flow() } else { path.flow };
        self.insert(flow, path.local, path.remote, None, false);
        self.opening.push((flow, path.remote));
        self.opened.notify_one();
        Ok(flow)
    }

    /// Whether one more may be accepted from this address.
    pub(crate) fn has_room(&self, remote: SocketAddr) -> bool {
        let theirs = self.accepted.get(&network(remote.ip())).copied().unwrap_or_default();
        self.connections.len() < self.limits.connections && theirs < self.limits.per_address
    }

    /// Keeps a connection.
    pub(crate) fn insert(
        &mut self,
        flow: FlowId,
        local: SocketAddr,
        remote: SocketAddr,
        socket: Option<Rc<TcpStream>>,
        accepted: bool,
    ) {
        self.by_remote.insert(remote, flow);
        if accepted {
            *self.accepted.entry(network(remote.ip())).or_default() += 1;
        }
        self.connections.insert(
            flow,
            Connection {
                local,
                remote,
                socket,
                backlog: Backlog::default(),
                wake: Rc::new(Notify::new()),
                ending: Ending::No,
                accepted,
            },
        );
    }

    /// Ends a connection after what waits has been written.
    pub(crate) fn close(&mut self, flow: FlowId) {
        if let Some(connection) = self.connections.get_mut(&flow).filter(|one| one.ending == Ending::No) {
            connection.end(Ending::Written);
        }
    }

    /// A connection has ended: what is not sent any more.
    pub(crate) fn forget(&mut self, flow: FlowId) -> Vec<SendId> {
        let Some(gone) = self.connections.remove(&flow) else { return Vec::new() };
        if self.by_remote.get(&gone.remote) == Some(&flow) {
            self.by_remote.remove(&gone.remote);
        }
        if gone.accepted
            && let Entry::Occupied(mut theirs) = self.accepted.entry(network(gone.remote.ip()))
        {
            *theirs.get_mut() -= 1;
            if *theirs.get() == 0 {
                theirs.remove();
            }
        }
        self.backlogs -= gone.backlog.weight();
        gone.backlog.unsent()
    }

    /// Writes what waits; true when nothing waits any more.
    pub(crate) fn flush(&mut self, flow: FlowId) -> io::Result<bool> {
        let Some(connection) = self.connections.get_mut(&flow) else { return Ok(true) };
        let Some(socket) = &connection.socket else { return Ok(true) };
        while let Some(bytes) = connection.backlog.next() {
            match socket.try_write(bytes) {
                Ok(written) => {
                    let before = connection.backlog.weight();
                    connection.backlog.written(written);
                    self.backlogs -= before - connection.backlog.weight();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// What one party has to itself: an address of IPv4, a network of 64 bits of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests;
