//! The stream connections of a loop: how many there may be, and what waits on each (RFC 3261 section 18.1.1, 18.2.2).

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use rustls::pki_types::CertificateDer;
use sip::message::Limits;
use sip::{FlowId, Path, SendError, SendId, Shard, Time, Transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};

use crate::aliases::{self, Aliases};
use crate::backlog::Backlog;
use crate::channel::Channel;
use crate::config::StreamLimits;
use crate::crowd::Crowd;
use crate::error::Refused;
use crate::files::file_limit;
use crate::flows;
use crate::planned::{self, Plan, Plans};
use crate::sparingly::Sparingly;
use crate::tls::{self, TlsClient};

/// Bytes read at a time.
const CHUNK: usize = 16 * 1024;

/// Who is at the other end, as far as it matters for what may be sent there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Peer {
    pub(crate) transport: Transport,
    pub(crate) remote: SocketAddr,
    /// Over TLS, whose certificate it showed, and of a WebSocket, who was asked for: another name at the same address is somebody else (RFC 5922
    /// section 7.3). `None` for those who connected to us.
    pub(crate) name: Option<Rc<str>>,
}

/// One connection.
pub(crate) struct Connection {
    pub(crate) local: SocketAddr,
    pub(crate) peer: Peer,
    /// `None` while connecting.
    pub(crate) channel: Option<Channel>,
    pub(crate) backlog: Backlog,
    /// Wakes the connection's task to write, or to end.
    pub(crate) wake: Rc<Notify>,
    pub(crate) ending: Ending,
    /// Octets of a message that has begun and not ended, and since when.
    unfinished: Option<(Time, usize)>,
    /// The peer made it.
    pub(crate) accepted: bool,
    /// Of one that the peer has made: whether we would trust its certificate if we had made it; `None` where nobody has asked.
    trusted: Option<Trusted>,
    /// And the address and the hosts that requests of ours were for which went along it.
    served: Served,
    /// Of one of ours that was made in place of such a one: the hosts beside its name which its certificate must be for as well.
    also: Vec<Rc<str>>,
}

/// Whether a certificate was trusted, by whom we trusted then, and how long that counts.
#[derive(Clone, Copy)]
struct Trusted {
    is: bool,
    /// See [`TlsClient::replaced`].
    replaced: u64,
    until: Time,
}

/// After this time a certificate is looked at once more: it may have run out.
const TRUSTED_FOR: Duration = Duration::from_secs(3_600);

/// For whom a connection of a peer's was used as if it were ours.
enum Served {
    Nobody,
    /// The address that they have led to, and the hosts that requests may have been for: its certificate is for each of them.
    Hosts(SocketAddr, Vec<Rc<str>>),
    /// More than are remembered, and which of them a request was for cannot be told any more: each needs a connection of its own once this is gone.
    TooMany,
}

/// Hosts of one connection that are remembered.
const MOST_HOSTS: usize = 8;

impl Served {
    fn serve(&mut self, address: SocketAddr, host: &Rc<str>) {
        match self {
            Self::Nobody => *self = Self::Hosts(address, vec![Rc::clone(host)]),
            // Names of DNS are the same in any case (RFC 4343).
            Self::Hosts(known, hosts)
                if *known == address && hosts.iter().any(|name| name.eq_ignore_ascii_case(host)) => {}
            Self::Hosts(known, hosts) if *known == address && hosts.len() < MOST_HOSTS => hosts.push(Rc::clone(host)),
            Self::Hosts(..) | Self::TooMany => *self = Self::TooMany,
        }
    }
}

/// Whether a connection is to end.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Ending {
    No,
    /// When what waits has been written.
    Written,
    /// Now, whatever waits.
    AtOnce,
    /// The same, because its peer reads more slowly than is written to him: what waits does not go by datagrams instead, which would be no congestion control
    /// (RFC 3261 section 18.1.1).
    Unread,
}

impl Ending {
    pub(crate) fn is_at_once(self) -> bool {
        matches!(self, Self::AtOnce | Self::Unread)
    }

    /// What becomes of what is (still) to be sent by a connection that ends so.
    pub(crate) fn refusal(self) -> SendError {
        match self {
            Self::Unread => SendError::NoBuffer,
            _ => SendError::Closed,
        }
    }
}

impl Connection {
    fn end(&mut self, ending: Ending) {
        self.ending = ending;
        self.wake.notify_one();
    }

    fn unfinished(&self) -> usize {
        self.unfinished.map_or(0, |(_, octets)| octets)
    }

    /// The certificates that the peer has shown, its own first.
    fn shown(&self) -> Option<&[CertificateDer<'static>]> {
        self.channel.as_ref()?.certificates()
    }

    /// Whether it is for this host.
    fn is_for(&self, host: &str) -> bool {
        self.shown().and_then(<[_]>::first).is_some_and(|certificate| tls::is_for(certificate, host))
    }

    /// The first of the hosts beside its name that its certificate is not for.
    pub(crate) fn lacks(&self) -> Option<&Rc<str>> {
        self.also.iter().find(|host| !self.is_for(host))
    }

    /// Whether it is for these, or will be when it stands.
    fn is_for_all(&self, hosts: &[Rc<str>]) -> bool {
        hosts.iter().all(|host| self.also.contains(host) || self.is_for(host))
    }

    /// Whether we would trust that peer now if we had connected to him. He keeps the connection up as long as he likes: an authority that has been taken out
    /// meanwhile vouches for him no more.
    fn is_trusted(&mut self, client: &TlsClient, now: Time) -> bool {
        let replaced = client.replaced();
        match self.trusted {
            Some(known) if known.replaced == replaced && now < known.until => known.is,
            _ => {
                let is = self.shown().is_some_and(|shown| client.trusts(shown));
                self.trusted = Some(Trusted { is, replaced, until: now + TRUSTED_FOR });
                is
            }
        }
    }
}

/// The listeners and connections of one loop.
pub(crate) struct Streams {
    pub(crate) listeners: Vec<(Transport, Rc<TcpListener>)>,
    pub(crate) limits: StreamLimits,
    pub(crate) messages: Limits,
    pub(crate) connections: HashMap<FlowId, Connection>,
    by_peer: HashMap<Peer, FlowId>,
    /// Those that peers have made and are reached by.
    aliases: Aliases,
    /// Connections to somebody with a name that are still to be made, or made again.
    pub(crate) plans: Plans,
    /// Connections that are still to be begun, and where they lead.
    pub(crate) opening: Vec<(FlowId, SocketAddr, Option<TcpStream>)>,
    /// A connection that stands already, for the flow that is about to be opened (see `racing`).
    pub(crate) won: Option<(FlowId, TcpStream)>,
    /// Tells the task that connects of them.
    pub(crate) opened: Rc<Notify>,
    /// What the backlogs of all connections weigh.
    backlogs: usize,
    /// What all messages that have not ended hold.
    unfinished: usize,
    /// Where every connection reads into, in its turn.
    pub(crate) chunk: Vec<u8>,
    /// Those that were accepted.
    accepted: Crowd,
    /// Those of them that are still shaking hands.
    shaking: Crowd,
    /// Those of proxies that have not said yet who they connect for.
    introducing: usize,
    /// One step of a handshake at a time.
    pub(crate) handshake_turns: Rc<Semaphore>,
    /// Flows are numbered from here.
    first: u64,
    next: u64,
    pub(crate) refusals: Sparingly,
    pub(crate) failures: Sparingly,
}

impl Streams {
    pub(crate) fn new(
        listeners: Vec<(Transport, std::net::TcpListener)>,
        limits: StreamLimits,
        messages: Limits,
        shard: Shard,
    ) -> io::Result<Self> {
        let listeners = listeners
            .into_iter()
            .map(|(transport, listener)| Ok((transport, Rc::new(TcpListener::from_std(listener)?))))
            .collect::<io::Result<Vec<_>>>()?;
        let connections = limits.connections.min(file_limit() / limits.files.max(1));
        let per_address = limits.per_address.min(connections - connections / 4);
        let limits = StreamLimits { connections, per_address, ..limits };
        let first = flows::first_of_streams(shard, rand::random());
        Ok(Self {
            listeners,
            limits,
            messages,
            connections: HashMap::new(),
            by_peer: HashMap::new(),
            aliases: Aliases::new(limits.aliases),
            plans: Plans::default(),
            opening: Vec::new(),
            won: None,
            opened: Rc::new(Notify::new()),
            backlogs: 0,
            unfinished: 0,
            chunk: vec![0; CHUNK],
            accepted: Crowd::default(),
            shaking: Crowd::default(),
            introducing: 0,
            handshake_turns: Rc::new(Semaphore::new(1)),
            first,
            next: first,
            refusals: Sparingly::default(),
            failures: Sparingly::default(),
        })
    }

    /// The connection to this peer that exists: one of ours, or one of his.
    pub(crate) fn connection_to(&mut self, peer: &Peer, client: &TlsClient, now: Time) -> Option<Path> {
        let ours = self.by_peer.get(peer).and_then(|flow| self.path_of(*flow));
        ours.or_else(|| self.alias_of(peer, client, now))
    }

    /// The connection that this peer has made and named the resolved address on, where the certificate that he has shown on it is for the host that was
    /// resolved, and where we would trust it (RFC 5923 section 8.2). The path names that address: should the connection be gone when something is sent by it,
    /// another is made to there.
    fn alias_of(&mut self, peer: &Peer, client: &TlsClient, now: Time) -> Option<Path> {
        let host = peer.name.as_ref().filter(|_| peer.transport == Transport::Tls)?;
        let Self { aliases, connections, .. } = self;
        let serves = |flow: &FlowId| {
            let standing = connections.get_mut(flow).filter(|one| one.ending == Ending::No);
            standing.is_some_and(|one| one.is_for(host) && one.is_trusted(client, now))
        };
        let flow = aliases.towards(peer.remote).find(serves)?;
        let connection = connections.get_mut(&flow)?;
        connection.served.serve(peer.remote, host);
        Some(Path { flow, transport: Transport::Tls, local: connection.local, remote: peer.remote })
    }

    /// A message has come: who made the connection may want to be reached by it. Nobody is believed who has not shown who he is (RFC 5923 section 9.2), by a
    /// certificate with which we would trust him if we had connected to him: requests go where they would have gone (section 5), and an authority of
    /// devices speaks for no server.
    pub(crate) fn heard(&mut self, flow: FlowId, message: &Bytes, client: &TlsClient, now: Time) {
        if !self.aliases.are_kept() || self.aliases.knows(flow) {
            return;
        }
        let Some(connection) = self.connections.get_mut(&flow) else { return };
        let Peer { transport, remote, .. } = connection.peer;
        // Telephones, who are trusted with nothing, are known after their first message.
        if connection.accepted
            && transport == Transport::Tls
            && connection.is_trusted(client, now)
            && let Some(address) = aliases::advertised(message, remote, &self.messages)
        {
            self.aliases.add(flow, address);
        }
    }

    /// The path of a new flow to `peer` that the first send opens. Where nobody could connect to us over TLS or by a WebSocket, our end of that very
    /// connection is what we name: a peer that keeps its connections comes back by it.
    pub(crate) fn new_path(&mut self, peer: Peer, local: SocketAddr, listened: bool) -> Path {
        if let Some(path) = self.plans.fresh(&peer) {
            return path;
        }
        let Peer { transport, remote, name } = peer.clone();
        let flow = self.new_flow();
        let bound = name.as_ref().filter(|_| !listened).and_then(|_| planned::bind(local).ok());
        let local = bound.as_ref().map_or(local, |(_, bound)| *bound);
        let path = Path { flow, transport, local, remote };
        if let Some(name) = name {
            self.plans.begin(peer, path, Plan { socket: bound.map(|(socket, _)| socket), ..Plan::to(name) });
        }
        path
    }

    /// The path of a new flow that a connection stands for already, unless it is not used at once.
    pub(crate) fn won_path(&mut self, peer: Peer, local: SocketAddr, listened: bool, stream: TcpStream) -> Path {
        let Peer { transport, remote, name } = peer;
        let flow = self.new_flow();
        // As in [`Streams::new_path`].
        let bound = name.as_ref().filter(|_| !listened).and_then(|_| stream.local_addr().ok());
        if let Some(name) = name {
            self.plans.keep(flow, Plan::to(name));
        }
        self.won = Some((flow, stream));
        Path { flow, transport, local: bound.unwrap_or(local), remote }
    }

    /// The ends of a connection.
    pub(crate) fn path_of(&self, flow: FlowId) -> Option<Path> {
        let Connection { local, peer, .. } = self.connections.get(&flow)?;
        Some(Path { flow, transport: peer.transport, local: *local, remote: peer.remote })
    }

    /// Where what is sent by a path goes: to the other end of its connection, which is not where the path leads if the peer has made that (RFC 5923).
    pub(crate) fn remote_of(&self, path: &Path) -> SocketAddr {
        if !self.aliases.are_kept() {
            return path.remote;
        }
        self.connections.get(&path.flow).map_or(path.remote, |connection| connection.peer.remote)
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
            false => {
                let peer = self.peer_of(&path)?;
                let also = self.plans.also(&path);
                let standing = self.by_peer.get(&peer).copied();
                let serves = |flow: &FlowId| self.connections.get(flow).is_some_and(|one| one.is_for_all(&also));
                match standing.filter(serves) {
                    Some(flow) => flow,
                    None => self.open(&path, peer, also)?,
                }
            }
        };
        self.write(flow, Some(id), bytes)
    }

    /// Who must be at the other end of a path whose connection is not there. Over TLS nobody is connected to who had connected to us: there
    /// is no name that a certificate could be held against. Nor is anybody behind a WebSocket, whom its connection alone reaches (RFC 7118 section 5).
    fn peer_of(&self, path: &Path) -> Result<Peer, Refused> {
        let name = self.plans.name(path);
        if path.transport != Transport::Tcp && name.is_none() {
            return Err(Refused(SendError::Closed));
        }
        Ok(Peer { transport: path.transport, remote: path.remote, name })
    }

    /// Writes what can be written now and keeps the rest in order. Without an id nobody is told when it is lost.
    pub(crate) fn write(&mut self, flow: FlowId, id: Option<SendId>, mut bytes: Bytes) -> Result<(), Refused> {
        let Some(connection) = self.connections.get_mut(&flow) else { return Err(Refused(SendError::Closed)) };
        if connection.ending.is_at_once() {
            return Err(Refused(connection.ending.refusal()));
        }
        if connection.backlog.is_empty()
            && let Some(channel) = &mut connection.channel
        {
            match channel.write(&bytes) {
                Ok(written) if written == bytes.len() => {
                    // What is sealed and did not leave is watched for room.
                    if !matches!(channel.flush(), Ok(true)) {
                        connection.wake.notify_one();
                    }
                    return Ok(());
                }
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
            connection.end(Ending::Unread);
            return Err(Refused(Ending::Unread.refusal()));
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
        let standing = self.connections.values_mut().filter(|one| !one.ending.is_at_once());
        if let Some(heaviest) = standing.max_by_key(|one| one.backlog.weight()) {
            heaviest.end(Ending::Unread);
        }
    }

    /// So many octets of a connection's message wait for the rest of it, of another one than before where one has ended. Where all of them are too many,
    /// the message that began first is given up: who means well has sent the rest by then.
    pub(crate) fn holds(&mut self, flow: FlowId, octets: usize, ended: bool, now: Time) {
        let Some(connection) = self.connections.get_mut(&flow) else { return };
        self.unfinished = self.unfinished - connection.unfinished() + octets;
        let since = connection.unfinished.filter(|_| !ended).map_or(now, |(since, _)| since);
        connection.unfinished = (octets > 0).then_some((since, octets));
        if self.unfinished > self.limits.unfinished {
            self.end_oldest_unfinished();
        }
    }

    fn end_oldest_unfinished(&mut self) {
        let standing = self.connections.values_mut().filter(|one| !one.ending.is_at_once());
        let begun = standing.filter_map(|one| Some((one.unfinished?.0, one)));
        if let Some((_, oldest)) = begun.min_by_key(|(since, _)| *since) {
            self.unfinished -= oldest.unfinished();
            oldest.unfinished = None;
            oldest.end(Ending::AtOnce);
        }
    }

    fn open(&mut self, path: &Path, peer: Peer, also: Vec<Rc<str>>) -> Result<FlowId, Refused> {
        if self.connections.len() >= self.limits.connections {
            return Err(Refused(SendError::NoBuffer));
        }
        self.plans.carried_out(&peer);
        // What came along a connection that somebody else had made has no business on ours.
        let others = path.flow.0 >= self.next || path.flow.0 < self.first || self.plans.replaces_another(path.flow);
        let flow = if others { self.new_flow() } else { path.flow };
        self.insert(flow, path.local, peer, None, false);
        if let Some(connection) = self.connections.get_mut(&flow) {
            connection.also = also;
        }
        let won = self.won.take_if(|(of, _)| *of == flow).map(|(_, stream)| stream);
        self.opening.push((flow, path.remote, won));
        self.opened.notify_one();
        Ok(flow)
    }

    /// Whether one more may be accepted from this address.
    pub(crate) fn has_room(&self, transport: Transport, remote: SocketAddr) -> bool {
        let limits = &self.limits;
        let shaking = transport == Transport::Tcp
            || (self.shaking.all() < limits.handshakes
                && self.shaking.of(remote.ip()) < (limits.handshakes / 4).max(1));
        self.connections.len() < limits.connections && self.accepted.of(remote.ip()) < limits.per_address && shaking
    }

    /// Whether one more may be accepted from a proxy, which connects for many. Those who shake hands take nothing of that room: few of them could keep all
    /// others behind the proxy out.
    pub(crate) fn has_room_for_proxy(&self) -> bool {
        self.connections.len() < self.limits.connections && self.introducing < self.limits.handshakes
    }

    /// A proxy has connected.
    pub(crate) fn awaits_introduction(&mut self) {
        self.introducing += 1;
    }

    /// It has said who it connects for, or nothing in time.
    pub(crate) fn was_introduced(&mut self) {
        self.introducing = self.introducing.saturating_sub(1);
    }

    /// One who connected has begun to shake hands.
    pub(crate) fn shakes_hands(&mut self, remote: SocketAddr) {
        self.shaking.enter(remote.ip());
    }

    /// It has ended, well or not.
    pub(crate) fn shook_hands(&mut self, remote: SocketAddr) {
        self.shaking.leave(remote.ip());
    }

    /// Keeps a connection.
    pub(crate) fn insert(
        &mut self,
        flow: FlowId,
        local: SocketAddr,
        peer: Peer,
        channel: Option<Channel>,
        accepted: bool,
    ) {
        if accepted {
            self.accepted.enter(peer.remote.ip());
        }
        if peer.transport == Transport::Tcp || peer.name.is_some() {
            self.by_peer.insert(peer.clone(), flow);
        }
        self.connections.insert(
            flow,
            Connection {
                local,
                peer,
                channel,
                backlog: Backlog::default(),
                wake: Rc::new(Notify::new()),
                ending: Ending::No,
                unfinished: None,
                accepted,
                trusted: None,
                served: Served::Nobody,
                also: Vec::new(),
            },
        );
    }

    /// Ends a connection after what waits has been written.
    pub(crate) fn close(&mut self, flow: FlowId) {
        if let Some(connection) = self.connections.get_mut(&flow).filter(|one| one.ending == Ending::No) {
            connection.end(Ending::Written);
        }
    }

    /// Why what waits on a connection that has ended is not sent any more.
    pub(crate) fn refusal(&self, flow: FlowId) -> SendError {
        self.connections.get(&flow).map_or(SendError::Closed, |connection| connection.ending.refusal())
    }

    /// A connection has ended: what is not sent any more.
    pub(crate) fn forget(&mut self, flow: FlowId) -> Vec<SendId> {
        let Some(mut gone) = self.connections.remove(&flow) else { return Vec::new() };
        self.unfinished -= gone.unfinished();
        if let Some(channel) = &mut gone.channel {
            channel.say_goodbye();
        }
        if self.by_peer.get(&gone.peer) == Some(&flow) {
            self.by_peer.remove(&gone.peer);
        }
        if gone.accepted {
            self.accepted.leave(gone.peer.remote.ip());
        }
        self.aliases.remove(flow);
        // Who comes to it once more must find the same there.
        if let Some(name) = gone.peer.name {
            self.plans.keep(flow, Plan { also: gone.also, ..Plan::to(name) });
        } else if let Served::Hosts(address, hosts) = gone.served {
            let mut hosts = hosts.into_iter();
            if let Some(name) = hosts.next() {
                self.plans.keep(flow, Plan { only: Some(address), also: hosts.collect(), ..Plan::to(name) });
            }
        }
        self.backlogs -= gone.backlog.weight();
        gone.backlog.unsent()
    }

    /// Writes what waits; true when nothing waits any more.
    pub(crate) fn flush(&mut self, flow: FlowId) -> io::Result<bool> {
        let Some(connection) = self.connections.get_mut(&flow) else { return Ok(true) };
        let Some(channel) = &mut connection.channel else { return Ok(true) };
        while let Some(bytes) = connection.backlog.next() {
            match channel.write(bytes) {
                Ok(written) => {
                    let before = connection.backlog.weight();
                    connection.backlog.written(written);
                    self.backlogs -= before - connection.backlog.weight();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        channel.flush()
    }
}

#[cfg(test)]
mod tests;
