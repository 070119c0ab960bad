//! Stream connections, with and without TLS, and WebSockets: accepted ones, our own, and their use in both directions (RFC 3261 section 18.1.1, 18.2.2, 18.3; RFC 5626 4.4.1).

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
#[cfg(feature = "websocket")]
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sip::message::{Frame, Framer};
use sip::{FlowChange, FlowId, Path, Transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::app::App;
use crate::channel::Channel;
use crate::driver::Driver;
use crate::octets::{Taken, Trouble};
use crate::proxy_protocol::{Ends, introduction};
use crate::streams::{Connection, Ending, Peer, Streams};
use crate::tls::told;
#[cfg(feature = "websocket")]
use crate::websocket::Handshake;
use crate::{handshake, opening};

/// Starts a task per listener, and one that connects.
pub(crate) fn start<A: App + 'static>(driver: &Rc<RefCell<Driver<A>>>) {
    for (transport, listener) in driver.borrow().streams.listeners.clone() {
        tokio::task::spawn_local(accept(Rc::clone(driver), transport, listener));
    }
    tokio::task::spawn_local(opening::open(Rc::clone(driver)));
}

async fn accept<A: App + 'static>(driver: Rc<RefCell<Driver<A>>>, transport: Transport, listener: Rc<TcpListener>) {
    loop {
        match listener.accept().await {
            Ok((socket, remote)) => {
                if driver.borrow().proxies.iter().any(|proxy| proxy.contains(remote.ip())) {
                    introduce(&driver, transport, socket, remote);
                } else if let Ok(local) = socket.local_addr() {
                    welcome(&driver, transport, Rc::new(socket), Ends { from: remote, at: local });
                }
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

/// Hears from a proxy who it connects for, where there is room.
fn introduce<A: App + 'static>(
    driver: &Rc<RefCell<Driver<A>>>,
    transport: Transport,
    socket: TcpStream,
    remote: SocketAddr,
) {
    let (limit, driver) = {
        let streams = &mut driver.borrow_mut().streams;
        if !streams.has_room_for_proxy() {
            return refuse(streams, remote);
        }
        streams.awaits_introduction();
        (streams.limits.handshake, Rc::downgrade(driver))
    };
    tokio::task::spawn_local(async move {
        let said = tokio::time::timeout(limit, introduction(&socket)).await;
        let Some(driver) = driver.upgrade() else { return };
        driver.borrow_mut().streams.was_introduced();
        let ends = match said {
            Ok(Ok(Some(ends))) => Ok(ends),
            // It looks whether we are there.
            Ok(Ok(None)) => socket.local_addr().map(|local| Ends { from: remote, at: local }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        match ends {
            Ok(ends) => welcome(&driver, transport, Rc::new(socket), ends),
            Err(error) => {
                tracing::debug!(%remote, %error, "a proxy did not say in time, or not rightly, who it connects for")
            }
        }
    });
}

fn refuse(streams: &mut Streams, remote: SocketAddr) {
    if let Some(kept_back) = streams.refusals.due(std::time::Instant::now()) {
        tracing::warn!(%remote, kept_back, "connection refused: there are too many, in all or of this address");
    }
}

/// Keeps a connection that was accepted, where there is room, and begins to serve it.
fn welcome<A: App + 'static>(
    driver: &Rc<RefCell<Driver<A>>>,
    transport: Transport,
    socket: Rc<TcpStream>,
    Ends { from: remote, at: local }: Ends,
) {
    let mut borrowed = driver.borrow_mut();
    let streams = &mut borrowed.streams;
    if !streams.has_room(transport, remote) {
        return refuse(streams, remote);
    }
    let _ = socket.set_nodelay(true);
    let secured = match (transport.is_secured(), &borrowed.tls.server) {
        (true, Some(server)) => match server.connection() {
            Ok(tls) => Some(tls),
            Err(error) => return tracing::error!(%error, "no TLS connection can be made"),
        },
        (true, None) => return,
        (false, _) => None,
    };
    let channel = Channel::new(Rc::clone(&socket), secured);
    #[cfg(feature = "websocket")]
    let channel = match transport.is_web() {
        true => channel.agreeing(Handshake::accepting(Arc::clone(&borrowed.web), borrowed.streams.messages.message)),
        false => channel,
    };
    let flow = borrowed.streams.new_flow();
    borrowed.streams.insert(flow, local, Peer { transport, remote, name: None }, Some(channel), true);
    let weak = Rc::downgrade(driver);
    if transport == Transport::Tcp {
        borrowed.flow_changed(flow, FlowChange::Accepted);
        tokio::task::spawn_local(serve(weak, flow, socket));
    } else {
        borrowed.streams.shakes_hands(remote);
        let limit = borrowed.streams.limits.handshake;
        tokio::task::spawn_local(serve_agreed(weak, flow, socket, remote, limit));
    }
}

/// Shakes hands with who connected, then serves.
async fn serve_agreed<A: App + 'static>(
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
                Ok(Err(Trouble::Tls(error))) => format!("no TLS with who connected: {}", told(&error, None)),
                #[cfg(feature = "websocket")]
                Ok(Err(Trouble::Web(why))) => format!("no WebSocket with who connected: {why}"),
                Err(_) => "a handshake took too long".to_owned(),
                _ => "a connection broke in its handshake".to_owned(),
            };
            tracing::debug!(%remote, "{why}");
            let (why, unsent) = (driver.streams.refusal(flow), driver.streams.forget(flow));
            return driver.unsent(unsent, why);
        }
        driver.flow_changed(flow, FlowChange::Accepted);
    }
    serve(driver, flow, socket).await;
}

/// Reads and writes one connection until it ends.
pub(crate) async fn serve<A: App + 'static>(driver: Weak<RefCell<Driver<A>>>, flow: FlowId, socket: Rc<TcpStream>) {
    let Some((wake, limits, messages, mut silent)) = driver.upgrade().and_then(|driver| {
        let driver = driver.borrow();
        let connection = driver.streams.connections.get(&flow)?;
        Some((Rc::clone(&connection.wake), driver.streams.limits, driver.streams.messages, connection.accepted))
    }) else {
        return;
    };
    // On a connection of ours we are the one who pings: two pongs in a row are no ping.
    let mut framer = if silent { Framer::new(messages) } else { Framer::pinging(messages) };
    let (mut begun, mut had_begun) = (false, false);
    let mut patience = Instant::now() + limits.message;
    // Write what was queued while connecting.
    wake.notify_one();
    while let Some(waiting) = after_wake(&driver, flow) {
        // A message begun must end in time, however slowly its octets drip in, and who connects must say something.
        match begun {
            false if silent => {}
            false => patience = Instant::now() + limits.idle,
            true if !had_begun => patience = Instant::now() + limits.message,
            true => {}
        }
        had_begun = begun;
        tokio::select! {
            ready = socket.readable() => {
                if ready.is_err() {
                    break;
                }
                match read(&driver, flow, &mut framer) {
                    Read::Ended => break,
                    Read::Empty => {}
                    // Others get their turn: a stream that never pauses must not be all there is.
                    Read::More { partly, ended } => {
                        (silent, begun) = (false, partly);
                        // What has begun is another message than before.
                        had_begun &= !ended;
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
        let (why, unsent) = (driver.streams.refusal(flow), driver.streams.forget(flow));
        driver.unsent(unsent, why);
        driver.flow_changed(flow, FlowChange::Lost);
    }
}

/// Writes what waits. `None` when the connection is to end, else whether something still waits.
fn after_wake<A: App + 'static>(driver: &Weak<RefCell<Driver<A>>>, flow: FlowId) -> Option<bool> {
    let driver = driver.upgrade()?;
    let mut driver = driver.borrow_mut();
    let done = driver.streams.flush(flow).ok()?;
    match driver.streams.connections.get(&flow)?.ending {
        Ending::AtOnce | Ending::Unread => None,
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
    More {
        /// A message has begun that must end.
        partly: bool,
        /// One has ended.
        ended: bool,
    },
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
    #[cfg(feature = "websocket")]
    if let Some((web, octets)) = channel.web() {
        let mut messages = Vec::new();
        let taken = web.read(octets, &mut messages);
        let (begun, ended) = (web.begun() + octets.held(), !messages.is_empty());
        if let Err(error) = &taken {
            tell_end(peer, *accepted, error);
        }
        let heard = hear(&mut driver, now, flow, messages);
        driver.streams.holds(flow, begun, ended, now.mono);
        return match (heard, taken) {
            (false, _) | (_, Err(_)) => Read::Ended,
            (_, Ok(Taken::Empty)) => Read::Empty,
            (_, Ok(_)) => Read::More { partly: begun > 0, ended },
        };
    }
    let length = match channel.read(chunk) {
        Ok(Taken::Octets(length)) => length,
        Ok(Taken::Nothing) => 0,
        Ok(Taken::Empty) => return Read::Empty,
        Err(error) => {
            tell_end(peer, *accepted, &error);
            return Read::Ended;
        }
    };
    let held = channel.held();
    framer.push(chunk.get(..length).unwrap_or_default());
    let mut ended = false;
    while let Some(frame) = framer.next_frame() {
        let Some(connection) = driver.streams.connections.get(&flow) else { return Read::Ended };
        let Peer { transport, remote, .. } = connection.peer;
        let path = Path { flow, transport, local: connection.local, remote };
        ended = true;
        match frame {
            Ok(Frame::Message(bytes)) => {
                let Driver { streams, tls, .. } = &mut *driver;
                streams.heard(flow, &bytes, &tls.client, now.mono);
                driver.receive(now, path, bytes);
            }
            // RFC 5626 section 4.4.1: a double CRLF is answered by one, behind whatever still waits. Who sends pings and reads no pong finds one.
            Ok(Frame::Ping) => {
                if !connection.backlog.ends_with_pong()
                    && driver.streams.write(flow, None, Bytes::from_static(b"\r\n")).is_err()
                {
                    return Read::Ended;
                }
            }
            // The loop that the connection belongs to has sent the ping.
            Ok(Frame::Pong) if !connection.accepted => driver.take(now, path, Bytes::from_static(b"\r\n")),
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(remote = %path.remote, %error, "a stream that cannot be framed is closed");
                return Read::Ended;
            }
        }
    }
    framer.rest();
    let begun = framer.buffered() + held;
    driver.streams.holds(flow, begun, ended, now.mono);
    Read::More { partly: begun > 0, ended }
}

/// Tells of a connection that ends as none should.
fn tell_end(peer: &Peer, accepted: bool, error: &io::Error) {
    match error.kind() {
        // What TLS does not allow, or an alert: one of a server that wants a certificate comes only now (RFC 8446 section 4.4.2.4).
        io::ErrorKind::Other if !accepted => {
            tracing::warn!(remote = %peer.remote, %error, "a connection over TLS has been ended");
        }
        io::ErrorKind::InvalidData => tracing::debug!(remote = %peer.remote, %error, "a WebSocket has been ended"),
        _ => {}
    }
}

/// Takes the messages of a WebSocket: each is one of SIP (RFC 7118 section 5), or a ping, or empty (RFC 5626 section 4.4.1). Whether the connection stands.
#[cfg(feature = "websocket")]
fn hear<A: App + 'static>(driver: &mut Driver<A>, now: sip::Now, flow: FlowId, messages: Vec<Bytes>) -> bool {
    for bytes in messages {
        let Some(connection) = driver.streams.connections.get(&flow) else { return false };
        let Peer { transport, remote, .. } = connection.peer;
        let path = Path { flow, transport, local: connection.local, remote };
        match &*bytes {
            b"\r\n\r\n" if connection.backlog.ends_with_pong() => {}
            b"\r\n\r\n" => {
                if driver.streams.write(flow, None, Bytes::from_static(b"\r\n")).is_err() {
                    return false;
                }
            }
            b"\r\n" if !connection.accepted => driver.take(now, path, bytes),
            b"\r\n" | b"" => {}
            _ => driver.receive(now, path, bytes),
        }
    }
    true
}
