//! Connections of our own: begun when they are wanted, with TLS and WebSockets where those are (RFC 3261 section 18.1.1).

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};

#[cfg(feature = "websocket")]
use sip::digest::{Challenger, web_authorization};
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

/// Connects, and shakes hands where that is wanted; once more where a server of WebSockets wants to know who we are, on a connection of its own, since few keep one
/// that they have refused (RFC 7118 section 7).
async fn reach<A: App + 'static>(
    driver: &Weak<RefCell<Driver<A>>>,
    flow: FlowId,
    remote: SocketAddr,
    won: Option<TcpStream>,
) -> Result<Rc<TcpStream>, SendError> {
    let planned = {
        let driver = driver.upgrade().ok_or(SendError::Closed)?;
        driver.borrow_mut().streams.plans.take_socket(flow)
    };
    #[cfg(feature = "websocket")]
    let own = planned.as_ref().and_then(|socket| socket.local_addr().ok());
    let socket = match won {
        Some(won) => won,
        None => dial(driver, remote, planned).await?,
    };
    match agree(driver, flow, remote, socket, None).await {
        Ok(socket) => Ok(socket),
        Err(Fault::Final(why)) => Err(why),
        #[cfg(feature = "websocket")]
        Err(Fault::Asked(challenges)) => {
            let proof = prove(driver, flow, remote, &challenges)?;
            let planned = own.and_then(|own| crate::planned::bind(own).ok()).map(|(socket, _)| socket);
            let socket = dial(driver, remote, planned).await?;
            match agree(driver, flow, remote, socket, Some(&proof)).await {
                Ok(socket) => Ok(socket),
                Err(Fault::Final(why)) => Err(why),
                Err(Fault::Asked(_)) => Err(unproven(driver, flow, "check user name and password of the account")),
            }
        }
    }
}

/// Why there is no connection to use.
enum Fault {
    Final(SendError),
    /// The server of WebSockets wants to know who we are; its challenges.
    #[cfg(feature = "websocket")]
    Asked(Vec<Vec<u8>>),
}

impl From<SendError> for Fault {
    fn from(why: SendError) -> Self {
        Self::Final(why)
    }
}

/// Connects, with a socket that has been bound where there is one.
async fn dial<A: App + 'static>(
    driver: &Weak<RefCell<Driver<A>>>,
    remote: SocketAddr,
    planned: Option<TcpSocket>,
) -> Result<TcpStream, SendError> {
    let (limit, dscp) = {
        let driver = driver.upgrade().ok_or(SendError::Closed)?;
        let driver = driver.borrow();
        (driver.streams.limits.connect, driver.dscp)
    };
    let connecting = async {
        let socket = match (planned, remote) {
            (Some(socket), _) => socket,
            (None, SocketAddr::V4(_)) => TcpSocket::new_v4()?,
            (None, SocketAddr::V6(_)) => TcpSocket::new_v6()?,
        };
        dscp.try_mark(&socket, remote);
        socket.connect(remote).await
    };
    match tokio::time::timeout(limit, connecting).await {
        Ok(Ok(socket)) => Ok(socket),
        _ => Err(SendError::Unreachable),
    }
}

/// Shakes hands where that is wanted; with a server of WebSockets with this `proof` of who we are.
async fn agree<A: App + 'static>(
    driver: &Weak<RefCell<Driver<A>>>,
    flow: FlowId,
    remote: SocketAddr,
    socket: TcpStream,
    proof: Option<&str>,
) -> Result<Rc<TcpStream>, Fault> {
    let (limits, Peer { transport, name, .. }, client) = {
        let driver = driver.upgrade().ok_or(SendError::Closed)?;
        let driver = driver.borrow();
        let peer = driver.streams.connections.get(&flow).ok_or(SendError::Closed)?.peer.clone();
        (driver.streams.limits, peer, driver.tls.client.clone())
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
                channel.agreeing(Handshake::connecting(&host, resource, message, proof))
            }
            _ => channel,
        };
        #[cfg(not(feature = "websocket"))]
        let _ = (proof, remote);
        let connection = driver.streams.connections.get_mut(&flow).ok_or(SendError::Closed)?;
        connection.channel = Some(channel);
    }
    let Some(name) = name else { return Ok(socket) };
    let (told_by, of): (fn(Box<str>) -> SendError, _) = match transport {
        Transport::Ws => (SendError::NoWebSocket, "of a WebSocket"),
        _ => (SendError::Tls, "of TLS"),
    };
    let why = match tokio::time::timeout(limits.handshake, handshake::shake(driver, flow, &socket)).await {
        Ok(Ok(())) => match lacks(driver, flow) {
            None => return Ok(socket),
            Some(host) => told_by(format!("the certificate of {name} is not for {host} as well").into()),
        },
        Ok(Err(Trouble::Tls(error))) => SendError::Tls(told(&error, Some((&*name, transport.is_web()))).into()),
        #[cfg(feature = "websocket")]
        Ok(Err(Trouble::Web(why))) => SendError::NoWebSocket(format!("no WebSocket with {name}: {why}").into()),
        #[cfg(feature = "websocket")]
        Ok(Err(Trouble::Asked(challenges))) => return Err(Fault::Asked(challenges)),
        Ok(Err(Trouble::Broken)) => {
            told_by(format!("{name} has closed the connection during the handshake {of}").into())
        }
        Err(_) => told_by(format!("the handshake {of} with {name} took too long").into()),
    };
    Err(Fault::Final(why))
}

/// What a server of WebSockets that has asked gets to hear, where it is one of the account's. Nothing is kept of the connection on which it has asked.
#[cfg(feature = "websocket")]
fn prove<A: App + 'static>(
    driver: &Weak<RefCell<Driver<A>>>,
    flow: FlowId,
    remote: SocketAddr,
    challenges: &[Vec<u8>],
) -> Result<String, SendError> {
    let kept = driver.upgrade().ok_or(SendError::Closed)?;
    let outcome = {
        let mut kept = kept.borrow_mut();
        let web = std::sync::Arc::clone(&kept.web);
        let connection = kept.streams.connections.get_mut(&flow).ok_or(SendError::Closed)?;
        connection.channel = None;
        let Peer { transport, name: Some(name), .. } = &connection.peer else { return Err(SendError::Closed) };
        // As it is written where it is the usual one: not at all.
        let port = Some(remote.port()).filter(|port| *port != transport.default_port());
        let (secure, address) = (transport.is_secured(), Some(remote));
        let whom = Challenger { host: name, port, secure, registers: false, address };
        let values = challenges.iter().map(Vec::as_slice);
        web_authorization(&web.credentials, whom, values, &web.resource, rand::random())
    };
    outcome.map_err(|why| unproven(driver, flow, &why.to_string()))
}

/// There is no WebSocket with who does not know us.
#[cfg(feature = "websocket")]
fn unproven<A: App + 'static>(driver: &Weak<RefCell<Driver<A>>>, flow: FlowId, why: &str) -> SendError {
    let Some(driver) = driver.upgrade() else { return SendError::Closed };
    let driver = driver.borrow();
    let name = driver.streams.connections.get(&flow).and_then(|connection| connection.peer.name.as_deref());
    let name = name.unwrap_or("the server");
    SendError::Unauthorized(format!("no WebSocket with {name}: it answers 401 Unauthorized: {why}").into())
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
