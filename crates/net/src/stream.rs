//! Stream connections: accepted ones, our own, and their use in both directions (RFC 3261 section 18.1.1, 18.2.2, 18.3; RFC 5626 4.4.1).

use std::cell::RefCell;
use std::collections::hash_map::{Entry, HashMap};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::rc::{Rc, Weak};
use std::time::Duration;

use bytes::{Buf, Bytes};
use sip::message::{Frame, Framer, Limits};
use sip::{FlowChange, FlowId, Path, SendError, SendId, Shard, Transport};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::backlog::Backlog;
use crate::files::file_limit;
use crate::sip_loop::{App, Core, StreamLimits};
use crate::sparingly::Sparingly;
use crate::udp::Refused;

/// Bytes read at a time.
const CHUNK: usize = 16 * 1024;

/// Binds a listener; see [`crate::udp::bind`] for the families.
pub(crate) fn bind(address: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
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

struct Connection {
    local: SocketAddr,
    remote: SocketAddr,
    /// `None` while connecting.
    socket: Option<Rc<TcpStream>>,
    backlog: Backlog,
    /// Wakes the connection's task to write, or to end.
    wake: Rc<Notify>,
    ending: Ending,
    /// The peer made it.
    accepted: bool,
}

/// Whether a connection is to end.
#[derive(Clone, Copy, PartialEq)]
enum Ending {
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
    listeners: Vec<Rc<TcpListener>>,
    limits: StreamLimits,
    messages: Limits,
    connections: HashMap<FlowId, Connection>,
    by_remote: HashMap<SocketAddr, FlowId>,
    /// What the backlogs of all connections weigh.
    backlogs: usize,
    /// Where every connection reads into, in its turn.
    chunk: Vec<u8>,
    /// How many were accepted from each network.
    accepted: HashMap<IpAddr, usize>,
    /// Flows are numbered from here.
    first: u64,
    next: u64,
    refusals: Sparingly,
    failures: Sparingly,
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
            backlogs: 0,
            chunk: vec![0; CHUNK],
            accepted: HashMap::new(),
            first: crate::shards::first_flow(shard),
            next: crate::shards::first_flow(shard),
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

    fn new_flow(&mut self) -> FlowId {
        let flow = FlowId(self.next);
        self.next += 1;
        flow
    }

    /// Writes at once, queues behind what waits, or begins to connect.
    pub(crate) fn send<A: App + 'static>(
        &mut self,
        core: &Weak<RefCell<Core<A>>>,
        id: SendId,
        path: Path,
        bytes: Bytes,
    ) -> Result<(), Refused> {
        let flow = match self.connections.contains_key(&path.flow) {
            true => path.flow,
            // The connection is gone: another to the same peer serves, else a new one is made (RFC 3261 section 18.2.2).
            false => match self.by_remote.get(&path.remote) {
                Some(&flow) => flow,
                None => self.open(core, path)?,
            },
        };
        self.write(flow, Some(id), bytes)
    }

    /// Writes what can be written now and keeps the rest in order. Without an id nobody is told when it is lost.
    fn write(&mut self, flow: FlowId, id: Option<SendId>, mut bytes: Bytes) -> Result<(), Refused> {
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

    fn open<A: App + 'static>(&mut self, core: &Weak<RefCell<Core<A>>>, path: Path) -> Result<FlowId, Refused> {
        if self.connections.len() >= self.limits.connections {
            return Err(Refused(SendError::NoBuffer));
        }
        let flow = if path.flow.0 >= self.next || path.flow.0 < self.first { self.new_flow() } else { path.flow };
        self.insert(flow, path.local, path.remote, None, false);
        let (core, limit) = (core.clone(), self.limits.connect);
        tokio::task::spawn_local(connect(core, flow, path.remote, limit));
        Ok(flow)
    }

    /// Whether one more may be accepted from this address.
    fn has_room(&self, remote: SocketAddr) -> bool {
        let theirs = self.accepted.get(&network(remote.ip())).copied().unwrap_or_default();
        self.connections.len() < self.limits.connections && theirs < self.limits.per_address
    }

    fn insert(
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

    fn forget(&mut self, flow: FlowId) -> Vec<SendId> {
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
    fn flush(&mut self, flow: FlowId) -> io::Result<bool> {
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

/// Starts a task per listener.
pub(crate) fn start<A: App + 'static>(core: &Rc<RefCell<Core<A>>>) {
    for listener in core.borrow().streams.listeners.clone() {
        tokio::task::spawn_local(accept(Rc::clone(core), listener));
    }
}

async fn accept<A: App + 'static>(core: Rc<RefCell<Core<A>>>, listener: Rc<TcpListener>) {
    loop {
        match listener.accept().await {
            Ok((socket, remote)) => {
                let mut borrowed = core.borrow_mut();
                let streams = &mut borrowed.streams;
                if !streams.has_room(remote) {
                    if let Some(kept_back) = streams.refusals.due(std::time::Instant::now()) {
                        tracing::warn!(%remote, kept_back, "connection refused: there are too many, in all or of this address");
                    }
                    continue;
                }
                let Ok(local) = socket.local_addr() else { continue };
                let _ = socket.set_nodelay(true);
                let flow = streams.new_flow();
                let socket = Rc::new(socket);
                streams.insert(flow, local, remote, Some(Rc::clone(&socket)), true);
                borrowed.flow_changed(flow, FlowChange::Accepted);
                drop(borrowed);
                tokio::task::spawn_local(serve(Rc::downgrade(&core), flow, socket));
            }
            Err(error) => {
                // Out of descriptors, mostly: others end, then it goes on.
                if let Some(kept_back) = core.borrow_mut().streams.failures.due(std::time::Instant::now()) {
                    tracing::warn!(%error, kept_back, "a connection could not be accepted");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connect<A: App + 'static>(core: Weak<RefCell<Core<A>>>, flow: FlowId, remote: SocketAddr, limit: Duration) {
    let outcome = tokio::time::timeout(limit, TcpStream::connect(remote)).await;
    let Some(core) = core.upgrade() else { return };
    let socket = match outcome {
        Ok(Ok(socket)) => socket,
        Ok(Err(_)) | Err(_) => {
            let mut core = core.borrow_mut();
            let unsent = core.streams.forget(flow);
            core.unsent(unsent, SendError::Unreachable);
            core.flow_changed(flow, FlowChange::OpenFailed);
            return;
        }
    };
    let _ = socket.set_nodelay(true);
    let socket = Rc::new(socket);
    {
        let mut core = core.borrow_mut();
        let Some(connection) = core.streams.connections.get_mut(&flow) else { return };
        connection.socket = Some(Rc::clone(&socket));
        core.flow_changed(flow, FlowChange::Opened);
    }
    let weak = Rc::downgrade(&core);
    drop(core);
    serve(weak, flow, socket).await;
}

/// Reads and writes one connection until it ends.
async fn serve<A: App + 'static>(core: Weak<RefCell<Core<A>>>, flow: FlowId, socket: Rc<TcpStream>) {
    let Some((wake, limits, messages, mut silent)) = core.upgrade().and_then(|core| {
        let core = core.borrow();
        let connection = core.streams.connections.get(&flow)?;
        Some((Rc::clone(&connection.wake), core.streams.limits, core.streams.messages, connection.accepted))
    }) else {
        return;
    };
    let mut framer = Framer::new(messages);
    let mut begun = false;
    let mut patience = Instant::now() + limits.message;
    // Write what was queued while connecting.
    wake.notify_one();
    while let Some(waiting) = after_wake(&core, flow) {
        // A message begun must end in time, however slowly its octets drip in, and who connects must say something.
        match framer.buffered() {
            0 if silent => {}
            0 => patience = Instant::now() + limits.idle,
            _ if !begun => patience = Instant::now() + limits.message,
            _ => {}
        }
        begun = framer.buffered() > 0;
        tokio::select! {
            ready = socket.readable() => {
                if ready.is_err() {
                    break;
                }
                match read(&core, flow, &socket, &mut framer) {
                    Read::Ended => break,
                    Read::Empty => {}
                    // Others get their turn: a stream that never pauses must not be all there is.
                    Read::More => {
                        silent = false;
                        tokio::task::yield_now().await;
                    }
                }
            }
            ready = socket.writable(), if waiting => if ready.is_err() { break },
            () = wake.notified() => {}
            () = tokio::time::sleep_until(patience) => break,
        }
    }
    if let Some(core) = core.upgrade() {
        let mut core = core.borrow_mut();
        let unsent = core.streams.forget(flow);
        core.unsent(unsent, SendError::Closed);
        core.flow_changed(flow, FlowChange::Lost);
    }
}

/// Writes what waits. `None` when the connection is to end, else whether something still waits.
fn after_wake<A: App + 'static>(core: &Weak<RefCell<Core<A>>>, flow: FlowId) -> Option<bool> {
    let core = core.upgrade()?;
    let mut core = core.borrow_mut();
    let done = core.streams.flush(flow).ok()?;
    match core.streams.connections.get(&flow)?.ending {
        Ending::AtOnce => None,
        Ending::Written if done => None,
        Ending::Written | Ending::No => Some(!done),
    }
}

/// What came of reading.
enum Read {
    /// The connection is to end.
    Ended,
    /// The socket is empty.
    Empty,
    /// More may wait.
    More,
}

/// Takes one chunk and every message that ends in it.
fn read<A: App + 'static>(
    core: &Weak<RefCell<Core<A>>>,
    flow: FlowId,
    socket: &TcpStream,
    framer: &mut Framer,
) -> Read {
    let Some(core) = core.upgrade() else { return Read::Ended };
    let mut core = core.borrow_mut();
    let now = core.clock.now();
    let length = match socket.try_read(&mut core.streams.chunk) {
        Ok(0) => return Read::Ended,
        Ok(length) => length,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Read::Empty,
        Err(_) => return Read::Ended,
    };
    framer.push(core.streams.chunk.get(..length).unwrap_or_default());
    while let Some(frame) = framer.next_frame() {
        let Some(connection) = core.streams.connections.get(&flow) else { return Read::Ended };
        let path = Path { flow, transport: Transport::Tcp, local: connection.local, remote: connection.remote };
        match frame {
            Ok(Frame::Message(bytes)) => core.receive(now, path, bytes),
            // RFC 5626 section 4.4.1: a double CRLF is answered by one, behind whatever still waits. Who sends pings and reads no pong finds one.
            Ok(Frame::Ping) => {
                if !connection.backlog.ends_with_pong()
                    && core.streams.write(flow, None, Bytes::from_static(b"\r\n")).is_err()
                {
                    return Read::Ended;
                }
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(remote = %path.remote, %error, "a stream that cannot be framed is closed");
                return Read::Ended;
            }
        }
    }
    Read::More
}

#[cfg(test)]
mod tests;
