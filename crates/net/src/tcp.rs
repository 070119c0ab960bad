//! Stream connections, with and without TLS: accepted ones, our own, and their use in both directions (RFC 3261 section 18.1.1, 18.2.2, 18.3; RFC 5626 4.4.1).

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use bytes::Bytes;
use sip::message::{Frame, Framer};
use sip::{FlowChange, FlowId, Path, SendError, Transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::app::App;
use crate::channel::{Channel, Taken, Trouble};
use crate::driver::Driver;
use crate::handshake;
use crate::streams::{Connection, Ending, Peer, Streams};
use crate::tls::{TlsClient, told};

/// Starts a task per listener, and one that connects.
pub(crate) fn start<A: App + 'static>(driver: &Rc<RefCell<Driver<A>>>) {
    for (transport, listener) in driver.borrow().streams.listeners.clone() {
        tokio::task::spawn_local(accept(Rc::clone(driver), transport, listener));
    }
    tokio::task::spawn_local(open(Rc::clone(driver)));
}

async fn accept<A: App + 'static>(driver: Rc<RefCell<Driver<A>>>, transport: Transport, listener: Rc<TcpListener>) {
    loop {
        match listener.accept().await {
            Ok((socket, remote)) => welcome(&driver, transport, Rc::new(socket), remote),
            Err(error) => {
                // Out of descriptors, mostly: others end, then it goes on.
                if let Some(kept_back) = driver.borrow_mut().streams.failures.due(std::time::Instant::now()) {
                    tracing::warn!(%error, kept_back, "a connection could not be accepted");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Keeps a connection that was accepted, where there is room, and begins to serve it.
fn welcome<A: App + 'static>(
    driver: &Rc<RefCell<Driver<A>>>,
    transport: Transport,
    socket: Rc<TcpStream>,
    remote: SocketAddr,
) {
    let mut borrowed = driver.borrow_mut();
    let streams = &mut borrowed.streams;
    if !streams.has_room(transport, remote) {
        if let Some(kept_back) = streams.refusals.due(std::time::Instant::now()) {
            tracing::warn!(%remote, kept_back, "connection refused: there are too many, in all or of this address");
        }
        return;
    }
    let Ok(local) = socket.local_addr() else { return };
    let _ = socket.set_nodelay(true);
    let secured = match (transport, &borrowed.tls.server) {
        (Transport::Tls, Some(server)) => match server.connection() {
            Ok(tls) => Some(tls),
            Err(error) => return tracing::error!(%error, "no TLS connection can be made"),
        },
        (Transport::Tls, None) => return,
        _ => None,
    };
    let flow = borrowed.streams.new_flow();
    let peer = Peer { transport, remote, name: None };
    let weak = Rc::downgrade(driver);
    match secured {
        None => {
            borrowed.streams.insert(flow, local, peer, Some(Channel::plain(Rc::clone(&socket))), true);
            borrowed.flow_changed(flow, FlowChange::Accepted);
            tokio::task::spawn_local(serve(weak, flow, socket));
        }
        Some(tls) => {
            borrowed.streams.insert(flow, local, peer, Some(Channel::secured(Rc::clone(&socket), tls)), true);
            borrowed.streams.shakes_hands(remote);
            let limit = borrowed.streams.limits.handshake;
            tokio::task::spawn_local(serve_secured(weak, flow, socket, remote, limit));
        }
    }
}

/// Shakes hands with who connected, then serves.
async fn serve_secured<A: App + 'static>(
    driver: Weak<RefCell<Driver<A>>>,
    flow: FlowId,
    socket: Rc<TcpStream>,
    remote: SocketAddr,
    limit: Duration,
) {
    let outcome = tokio::time::timeout(limit, handshake::shake(&driver, flow, &socket)).await;
    {
        let Some(driver) = driver.upgrade() else { return };
        let mut driver = driver.borrow_mut();
        driver.streams.shook_hands(remote);
        if !matches!(outcome, Ok(Ok(()))) {
            let why = match outcome {
                Ok(Err(Trouble::Tls(error))) => told(&error, None),
                Err(_) => "it took too long".to_owned(),
                _ => "the connection broke".to_owned(),
            };
            tracing::debug!(%remote, why, "no TLS with who connected");
            let unsent = driver.streams.forget(flow);
            return driver.unsent(unsent, SendError::Closed);
        }
        driver.flow_changed(flow, FlowChange::Accepted);
    }
    serve(driver, flow, socket).await;
}

/// Begins the connections that are wanted.
async fn open<A: App + 'static>(driver: Rc<RefCell<Driver<A>>>) {
    let opened = Rc::clone(&driver.borrow().streams.opened);
    loop {
        opened.notified().await;
        let streams = &mut driver.borrow_mut().streams;
        for (flow, remote) in streams.opening.drain(..) {
            tokio::task::spawn_local(connect(Rc::downgrade(&driver), flow, remote));
        }
    }
}

async fn connect<A: App + 'static>(driver: Weak<RefCell<Driver<A>>>, flow: FlowId, remote: SocketAddr) {
    let outcome = reach(&driver, flow, remote).await;
    let Some(driver) = driver.upgrade() else { return };
    match outcome {
        Ok(socket) => {
            driver.borrow_mut().flow_changed(flow, FlowChange::Opened);
            let weak = Rc::downgrade(&driver);
            drop(driver);
            serve(weak, flow, socket).await;
        }
        Err(why) => {
            let mut driver = driver.borrow_mut();
            let unsent = driver.streams.forget(flow);
            driver.unsent(unsent, why);
            driver.flow_changed(flow, FlowChange::OpenFailed);
        }
    }
}

/// Connects, and shakes hands where that is wanted.
async fn reach<A: App + 'static>(
    driver: &Weak<RefCell<Driver<A>>>,
    flow: FlowId,
    remote: SocketAddr,
) -> Result<Rc<TcpStream>, SendError> {
    let (limits, name, socket, client) = {
        let driver = driver.upgrade().ok_or(SendError::Closed)?;
        let mut driver = driver.borrow_mut();
        let name = driver.streams.connections.get(&flow).ok_or(SendError::Closed)?.peer.name.clone();
        let socket = driver.streams.plans.take_socket(flow);
        (driver.streams.limits, name, socket, driver.tls.client.clone())
    };
    let connecting = async {
        match socket {
            Some(socket) => socket.connect(remote).await,
            None => TcpStream::connect(remote).await,
        }
    };
    let Ok(Ok(socket)) = tokio::time::timeout(limits.connect, connecting).await else {
        return Err(SendError::Unreachable);
    };
    let _ = socket.set_nodelay(true);
    let socket = Rc::new(socket);
    let secured = match &name {
        Some(name) => Some(secure(client, name).await?),
        None => None,
    };
    {
        let driver = driver.upgrade().ok_or(SendError::Closed)?;
        let mut driver = driver.borrow_mut();
        let connection = driver.streams.connections.get_mut(&flow).ok_or(SendError::Closed)?;
        connection.channel = Some(match secured {
            Some(tls) => Channel::secured(Rc::clone(&socket), tls),
            None => Channel::plain(Rc::clone(&socket)),
        });
    }
    let Some(name) = name else { return Ok(socket) };
    match tokio::time::timeout(limits.handshake, handshake::shake(driver, flow, &socket)).await {
        Ok(Ok(())) => Ok(socket),
        Ok(Err(Trouble::Tls(error))) => Err(SendError::Tls(told(&error, Some(&name)).into())),
        Ok(Err(Trouble::Broken)) => {
            Err(SendError::Tls(format!("{name} has closed the connection during the handshake of TLS").into()))
        }
        Err(_) => Err(SendError::Tls(format!("the handshake of TLS with {name} took too long").into())),
    }
}

/// Our side of a connection to `name`. What the system trusts is read on another thread.
async fn secure(client: TlsClient, name: &str) -> Result<rustls::Connection, SendError> {
    let client = match client.is_ready() {
        true => client,
        false => tokio::task::spawn_blocking(move || {
            // What is wrong is told below.
            let _ = client.config();
            client
        })
        .await
        .map_err(|_| SendError::Closed)?,
    };
    client.connection(name).map_err(|why| SendError::Tls(why.into()))
}

/// Reads and writes one connection until it ends.
async fn serve<A: App + 'static>(driver: Weak<RefCell<Driver<A>>>, flow: FlowId, socket: Rc<TcpStream>) {
    let Some((wake, limits, messages, mut silent)) = driver.upgrade().and_then(|driver| {
        let driver = driver.borrow();
        let connection = driver.streams.connections.get(&flow)?;
        Some((Rc::clone(&connection.wake), driver.streams.limits, driver.streams.messages, connection.accepted))
    }) else {
        return;
    };
    let mut framer = Framer::new(messages);
    let mut begun = false;
    let mut patience = Instant::now() + limits.message;
    // Write what was queued while connecting.
    wake.notify_one();
    while let Some(waiting) = after_wake(&driver, flow) {
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
                match read(&driver, flow, &mut framer) {
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
    if let Some(driver) = driver.upgrade() {
        let mut driver = driver.borrow_mut();
        let unsent = driver.streams.forget(flow);
        driver.unsent(unsent, SendError::Closed);
        driver.flow_changed(flow, FlowChange::Lost);
    }
}

/// Writes what waits. `None` when the connection is to end, else whether something still waits.
fn after_wake<A: App + 'static>(driver: &Weak<RefCell<Driver<A>>>, flow: FlowId) -> Option<bool> {
    let driver = driver.upgrade()?;
    let mut driver = driver.borrow_mut();
    let done = driver.streams.flush(flow).ok()?;
    match driver.streams.connections.get(&flow)?.ending {
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
fn read<A: App + 'static>(driver: &Weak<RefCell<Driver<A>>>, flow: FlowId, framer: &mut Framer) -> Read {
    let Some(driver) = driver.upgrade() else { return Read::Ended };
    let mut driver = driver.borrow_mut();
    let now = driver.clock.now();
    let Streams { connections, chunk, .. } = &mut driver.streams;
    let Some(Connection { channel: Some(channel), peer, accepted, .. }) = connections.get_mut(&flow) else {
        return Read::Ended;
    };
    let length = match channel.read(chunk) {
        Ok(Taken::Octets(length)) => length,
        Ok(Taken::Nothing) => return Read::More,
        Ok(Taken::Empty) => return Read::Empty,
        Err(error) => {
            // What TLS does not allow, or an alert: one of a server that wants a certificate comes only now (RFC 8446 section 4.4.2.4).
            if error.kind() == io::ErrorKind::Other && !*accepted {
                tracing::warn!(remote = %peer.remote, %error, "a connection over TLS has been ended");
            }
            return Read::Ended;
        }
    };
    framer.push(chunk.get(..length).unwrap_or_default());
    while let Some(frame) = framer.next_frame() {
        let Some(connection) = driver.streams.connections.get(&flow) else { return Read::Ended };
        let Peer { transport, remote, .. } = connection.peer;
        let path = Path { flow, transport, local: connection.local, remote };
        match frame {
            Ok(Frame::Message(bytes)) => driver.receive(now, path, bytes),
            // RFC 5626 section 4.4.1: a double CRLF is answered by one, behind whatever still waits. Who sends pings and reads no pong finds one.
            Ok(Frame::Ping) => {
                if !connection.backlog.ends_with_pong()
                    && driver.streams.write(flow, None, Bytes::from_static(b"\r\n")).is_err()
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
