//! Stream connections: accepted ones, our own, and their use in both directions (RFC 3261 section 18.1.1, 18.2.2, 18.3; RFC 5626 4.4.1).

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
use crate::driver::Driver;
use crate::streams::Ending;

/// Starts a task per listener, and one that connects.
pub(crate) fn start<A: App + 'static>(driver: &Rc<RefCell<Driver<A>>>) {
    for listener in driver.borrow().streams.listeners.clone() {
        tokio::task::spawn_local(accept(Rc::clone(driver), listener));
    }
    tokio::task::spawn_local(open(Rc::clone(driver)));
}

async fn accept<A: App + 'static>(driver: Rc<RefCell<Driver<A>>>, listener: Rc<TcpListener>) {
    loop {
        match listener.accept().await {
            Ok((socket, remote)) => {
                let mut borrowed = driver.borrow_mut();
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
                tokio::task::spawn_local(serve(Rc::downgrade(&driver), flow, socket));
            }
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

/// Begins the connections that are wanted.
async fn open<A: App + 'static>(driver: Rc<RefCell<Driver<A>>>) {
    let opened = Rc::clone(&driver.borrow().streams.opened);
    loop {
        opened.notified().await;
        let streams = &mut driver.borrow_mut().streams;
        let limit = streams.limits.connect;
        for (flow, remote) in streams.opening.drain(..) {
            tokio::task::spawn_local(connect(Rc::downgrade(&driver), flow, remote, limit));
        }
    }
}

async fn connect<A: App + 'static>(
    driver: Weak<RefCell<Driver<A>>>,
    flow: FlowId,
    remote: SocketAddr,
    limit: Duration,
) {
    let outcome = tokio::time::timeout(limit, TcpStream::connect(remote)).await;
    let Some(driver) = driver.upgrade() else { return };
    let socket = match outcome {
        Ok(Ok(socket)) => socket,
        Ok(Err(_)) | Err(_) => {
            let mut driver = driver.borrow_mut();
            let unsent = driver.streams.forget(flow);
            driver.unsent(unsent, SendError::Unreachable);
            driver.flow_changed(flow, FlowChange::OpenFailed);
            return;
        }
    };
    let _ = socket.set_nodelay(true);
    let socket = Rc::new(socket);
    {
        let mut driver = driver.borrow_mut();
        let Some(connection) = driver.streams.connections.get_mut(&flow) else { return };
        connection.socket = Some(Rc::clone(&socket));
        driver.flow_changed(flow, FlowChange::Opened);
    }
    let weak = Rc::downgrade(&driver);
    drop(driver);
    serve(weak, flow, socket).await;
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
                match read(&driver, flow, &socket, &mut framer) {
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
fn read<A: App + 'static>(
    driver: &Weak<RefCell<Driver<A>>>,
    flow: FlowId,
    socket: &TcpStream,
    framer: &mut Framer,
) -> Read {
    let Some(driver) = driver.upgrade() else { return Read::Ended };
    let mut driver = driver.borrow_mut();
    let now = driver.clock.now();
    let length = match socket.try_read(&mut driver.streams.chunk) {
        Ok(0) => return Read::Ended,
        Ok(length) => length,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Read::Empty,
        Err(_) => return Read::Ended,
    };
    framer.push(driver.streams.chunk.get(..length).unwrap_or_default());
    while let Some(frame) = framer.next_frame() {
        let Some(connection) = driver.streams.connections.get(&flow) else { return Read::Ended };
        let path = Path { flow, transport: Transport::Tcp, local: connection.local, remote: connection.remote };
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
