//! Connections of our own: begun when they are wanted, with TLS and WebSockets where those are (RFC 3261 section 18.1.1).

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};

use sip::{FlowChange, FlowId, SendError, Transport};
use tokio::net::{TcpSocket, TcpStream};

use crate::app::App;
use crate::channel::Channel;
use crate::driver::Driver;
use crate::handshake;
use crate::octets::Trouble;
use crate::streams::Peer;
use crate::tcp::serve;
use crate::tls::{TlsClient, told};
#[cfg(feature = "websocket")]
use crate::websocket::Handshake;

/// Begins the connections that are wanted.
pub(crate) async fn open<A: App + 'static>(driver: Rc<RefCell<Driver<A>>>) {
    let opened = Rc::clone(&driver.borrow().streams.opened);
    loop {
        opened.notified().await;
        let streams = &mut driver.borrow_mut().streams;
        for (flow, remote, won) in streams.opening.drain(..) {
            tokio::task::spawn_local(connect(Rc::downgrade(&driver), flow, remote, won));
        }
    }
}

async fn connect<A: App + 'static>(
    driver: Weak<RefCell<Driver<A>>>,
    flow: FlowId,
    remote: SocketAddr,
    won: Option<TcpStream>,
) {
    let outcome = reach(&driver, flow, remote, won).await;
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
    won: Option<TcpStream>,
) -> Result<Rc<TcpStream>, SendError> {
    let (limits, Peer { transport, name, .. }, socket, client, dscp) = {
        let driver = driver.upgrade().ok_or(SendError::Closed)?;
        let mut driver = driver.borrow_mut();
        let peer = driver.streams.connections.get(&flow).ok_or(SendError::Closed)?.peer.clone();
        let socket = driver.streams.plans.take_socket(flow);
        (driver.streams.limits, peer, socket, driver.tls.client.clone(), driver.dscp)
    };
    let connecting = async {
        if let Some(won) = won {
            return Ok(won);
        }
        let socket = match (socket, remote) {
            (Some(socket), _) => socket,
            (None, SocketAddr::V4(_)) => TcpSocket::new_v4()?,
            (None, SocketAddr::V6(_)) => TcpSocket::new_v6()?,
        };
        dscp.try_mark(&socket, remote);
        socket.connect(remote).await
    };
    let Ok(Ok(socket)) = tokio::time::timeout(limits.connect, connecting).await else {
        return Err(SendError::Unreachable);
    };
    let _ = socket.set_nodelay(true);
    let socket = Rc::new(socket);
    let secured = match &name {
        Some(name) if transport.is_secured() => Some(secure(client, transport, name).await?),
        _ => None,
    };
    {
        let driver = driver.upgrade().ok_or(SendError::Closed)?;
        let mut driver = driver.borrow_mut();
        let channel = Channel::new(Rc::clone(&socket), secured);
        #[cfg(feature = "websocket")]
        let channel = match &name {
            Some(name) if transport.is_web() => {
                let host = host(name, remote.port(), transport);
                let (resource, message) = (&driver.web.resource, driver.streams.messages.message);
                channel.agreeing(Handshake::connecting(&host, resource, message))
            }
            _ => channel,
        };
        let connection = driver.streams.connections.get_mut(&flow).ok_or(SendError::Closed)?;
        connection.channel = Some(channel);
    }
    let Some(name) = name else { return Ok(socket) };
    let (told_by, of): (fn(Box<str>) -> SendError, _) = match transport {
        Transport::Ws => (SendError::NoWebSocket, "of a WebSocket"),
        _ => (SendError::Tls, "of TLS"),
    };
    match tokio::time::timeout(limits.handshake, handshake::shake(driver, flow, &socket)).await {
        Ok(Ok(())) => match lacks(driver, flow) {
            None => Ok(socket),
            Some(host) => Err(told_by(format!("the certificate of {name} is not for {host} as well").into())),
        },
        Ok(Err(Trouble::Tls(error))) => Err(SendError::Tls(told(&error, Some((&*name, transport.is_web()))).into())),
        #[cfg(feature = "websocket")]
        Ok(Err(Trouble::Web(why))) => Err(SendError::NoWebSocket(format!("no WebSocket with {name}: {why}").into())),
        Ok(Err(Trouble::Broken)) => {
            Err(told_by(format!("{name} has closed the connection during the handshake {of}").into()))
        }
        Err(_) => Err(told_by(format!("the handshake {of} with {name} took too long").into())),
    }
}

/// The host that its certificate should be for as well, where it is not: nothing has been said on the connection yet (RFC 5923 section 9.3).
fn lacks<A: App + 'static>(driver: &Weak<RefCell<Driver<A>>>, flow: FlowId) -> Option<Rc<str>> {
    let driver = driver.upgrade()?;
    let driver = driver.borrow();
    driver.streams.connections.get(&flow)?.lacks().cloned()
}

/// A server of WebSockets as it is asked for: without a port where that is the usual one (RFC 6455 section 4.1).
#[cfg(feature = "websocket")]
fn host(name: &str, port: u16, transport: Transport) -> String {
    let name = if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
    if port == transport.default_port() { name } else { format!("{name}:{port}") }
}

/// Our side of a connection to `name`. What the system trusts is read on another thread.
async fn secure(client: TlsClient, transport: Transport, name: &str) -> Result<rustls::Connection, SendError> {
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
    client.connection(name, transport.is_web()).map_err(|why| SendError::Tls(why.into()))
}
