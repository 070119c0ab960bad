//! Everything one loop owns, and what each input of its turns causes (ARCHITECTURE.md, "Turns").
//!
//! It lives behind an `Rc<RefCell<..>>` that never leaves the thread. The tasks that wait, for sockets (`udp`, `tcp`), for other
//! loops (`arrivals`), for the timer and for commands (`sip_loop`), each borrow it for one turn and never across an `await`.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::rc::{Rc, Weak};
use std::time::Duration;

use bytes::Bytes;
use sip::locate::{Located, Target, Wanted};
use sip::{
    Action, Answer, AskId, Cause, Event, FlowChange, FlowId, Now, Outbox, Path, Question, SendError, SendId, Shard,
    Stack, TargetFailure, Time, Transport,
};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;

use crate::app::App;
use crate::binding::Sockets;
use crate::clock::Clock;
use crate::config::LoopConfig;
use crate::datagrams::{Datagrams, Nobody};
use crate::dscp::Dscp;
use crate::error::Refused;
use crate::others::Others;
use crate::pace::Count;
use crate::planned;
use crate::proxy_protocol::Network;
use crate::racing::{self, Runner};
use crate::resolve::{LookingUp, default_resolver};
use crate::routes::Routes;
use crate::sparingly::Sparingly;
use crate::streams::{Peer, Streams};
use crate::tap::{Direction, Seen, Tap};
use crate::tls::Tls;
use crate::trace::Trace;
use crate::wire_log::show;

/// Failed servers that are told of in a minute.
const FAILURES: u32 = 20;
/// After so long what waits to leave together leaves, though more is there to be done.
const LONGEST_TURN: Duration = Duration::from_millis(1);

/// Everything one loop owns.
pub(crate) struct Driver<A: App> {
    me: Weak<RefCell<Driver<A>>>,
    stack: Stack,
    app: A,
    out: Outbox,
    pub(crate) clock: Clock,
    pub(crate) datagrams: Datagrams,
    pub(crate) streams: Streams,
    pub(crate) tls: Tls,
    #[cfg(feature = "websocket")]
    pub(crate) web: std::sync::Arc<crate::config::WebSockets>,
    /// The loops beside this one.
    pub(crate) others: Option<Others>,
    routes: Routes,
    names: Rc<LookingUp>,
    pub(crate) proxies: Vec<Network>,
    /// Of servers that fail, which others can cause at will.
    failures: Sparingly,
    pub(crate) dscp: Dscp,
    tap: Option<Tap>,
    trace: Trace,
    armed: Option<Time>,
    /// Tells who sleeps until the next deadline that there is an earlier one.
    pub(crate) alarm: Rc<Notify>,
    /// Tells who calls [`Driver::undo`] that there is something.
    pub(crate) undone: Rc<Notify>,
    draining: bool,
    /// More is about to be received: see [`Driver::gather`].
    gathering: bool,
    /// When the turn ends at the latest, once it has begun.
    ends: Option<Time>,
    count: Count,
}

impl<A: App + 'static> Driver<A> {
    pub(crate) fn assemble(
        config: LoopConfig,
        clock: Clock,
        app: A,
        Sockets { udp, streams, bound }: Sockets,
        others: Option<Others>,
        count: Count,
    ) -> io::Result<Rc<RefCell<Self>>> {
        if config.tls.server.is_none() && bound.iter().any(|bound| bound.transport.is_secured()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "listening over TLS needs a certificate"));
        }
        let ours = udp.iter().map(|socket| (socket.as_fd(), socket.local_addr()));
        let ours = ours.chain(streams.iter().map(|(_, listener)| (listener.as_fd(), listener.local_addr())));
        for (socket, address) in ours {
            config.dscp.try_mark(&socket, address?);
        }
        let datagrams = Datagrams::new(udp)?;
        let streams = Streams::new(streams, config.streams, config.stack.limits, config.stack.shard)?;
        let resolver = config.resolver.map_or_else(default_resolver, |make| make());
        let seed: [u8; 32] = config.seed.unwrap_or_else(rand::random);
        let lots = seed.iter().fold(0_u64, |lots, octet| lots.rotate_left(8) ^ u64::from(*octet));
        let names = Rc::new(LookingUp::new(resolver, config.stack.ask_timeout, lots));
        let mut stack = config.stack;
        if config.streams.aliases > 0 {
            // Whom we trust must be known before anybody says that he is reached along his connection.
            config.tls.client.config().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        }
        if config.streams.aliases > 0 && config.tls.client.shows_one() {
            let listened = bound.iter().filter(|bound| bound.transport == Transport::Tls);
            stack.alias_ports = listened.map(|bound| bound.address.port()).collect();
        }
        let stack = Stack::new(stack, seed);
        Ok(Rc::new_cyclic(|me| {
            RefCell::new(Self {
                me: me.clone(),
                stack,
                app,
                out: Outbox::new(),
                clock,
                datagrams,
                streams,
                tls: config.tls,
                #[cfg(feature = "websocket")]
                web: config.web,
                others,
                routes: Routes::new(bound),
                names,
                proxies: config.proxies,
                failures: Sparingly::several(FAILURES),
                dscp: config.dscp,
                tap: config.tap,
                trace: config.trace,
                armed: None,
                alarm: Rc::new(Notify::new()),
                undone: Rc::new(Notify::new()),
                draining: false,
                gathering: false,
                ends: None,
                count,
            })
        }))
    }

    /// One message from the network: to the loop it belongs to. One for which that has no room is shed by this one.
    pub(crate) fn receive(&mut self, now: Now, from: Path, bytes: Bytes) {
        self.count.more();
        let Some(others) = &mut self.others else { return self.take(now, from, bytes) };
        match others.home(&bytes) {
            Some(home) => {
                others.hand_over(home, from, bytes);
                self.lasts(now);
            }
            None => self.take(now, from, bytes),
        }
    }

    /// A message that belongs here, with the turn it causes.
    pub(crate) fn take(&mut self, now: Now, from: Path, bytes: Bytes) {
        self.heard(now, &from, &bytes);
        self.stack.at(now, &mut self.out).receive(&from, bytes);
        self.drain(now);
    }

    /// A message for which there is no room.
    fn shed(&mut self, now: Now, from: Path, bytes: Bytes) {
        self.heard(now, &from, &bytes);
        self.stack.at(now, &mut self.out).shed(&from, bytes);
        self.drain(now);
    }

    fn heard(&mut self, now: Now, from: &Path, bytes: &Bytes) {
        self.passes(&Seen {
            at: now.mono,
            direction: Direction::In,
            transport: from.transport,
            local: from.local,
            remote: from.remote,
            bytes,
        });
    }

    fn passes(&mut self, seen: &Seen<'_>) {
        show(seen);
        if self.trace.is_watched() {
            self.trace.show(seen);
        }
        if let Some(tap) = &mut self.tap {
            tap(seen);
        }
    }

    /// Our address as a peer at `remote` reaches it through a socket bound to `bound`.
    pub(crate) fn local_towards(&mut self, bound: SocketAddr, remote: SocketAddr) -> SocketAddr {
        self.routes.local_towards(bound, remote)
    }

    /// A connection of this loop has changed.
    pub(crate) fn flow_changed(&mut self, flow: FlowId, change: FlowChange) {
        if let Some(others) = &mut self.others {
            others.tell_flow(flow, self.streams.path_of(flow), change);
        }
        self.flow_is(flow, change);
    }

    /// The stack is told of a connection, of this loop or another, and the application where it is gone.
    pub(crate) fn flow_is(&mut self, flow: FlowId, change: FlowChange) {
        let now = self.clock.now();
        self.stack.at(now, &mut self.out).flow(flow, change);
        if change == FlowChange::Lost {
            self.app.flow_lost(flow, &mut self.stack.at(now, &mut self.out));
        }
        self.drain(now);
    }

    /// These could not be sent: the stack they come from is told, here or in another loop.
    pub(crate) fn unsent(&mut self, sends: impl IntoIterator<Item = SendId>, why: SendError) {
        let now = self.clock.now();
        for send in sends {
            if !self.others.as_ref().is_some_and(|others| others.tell_unsent(send, &why)) {
                self.stack.at(now, &mut self.out).unsent(send, why.clone());
            }
        }
        self.drain(now);
    }

    /// A datagram has met nobody: the request of ours that this concerns is over, and where the error quotes it, so is every flow that leads there. False when it
    /// concerns none.
    pub(crate) fn met_nobody(&mut self, nobody: &Nobody) -> bool {
        let Some(watched) = self.datagrams.refused_at(nobody.remote) else { return false };
        if watched.is_quoted_in(nobody) {
            if let Some(others) = &self.others {
                others.tell_gone(nobody.remote);
            }
            self.address_lost(nobody.remote);
        }
        self.unsent([watched.send], SendError::Unreachable);
        true
    }

    /// Nobody is at this address any more, as this loop or another has seen.
    pub(crate) fn address_lost(&mut self, remote: SocketAddr) {
        let now = self.clock.now();
        self.app.address_lost(remote, &mut self.stack.at(now, &mut self.out));
        self.drain(now);
    }

    /// Has the application carry a command out.
    pub(crate) fn command(&mut self, command: A::Command) {
        let now = self.clock.now();
        self.app.command(command, &mut self.stack.at(now, &mut self.out));
        self.drain(now);
    }

    /// A deadline has come.
    pub(crate) fn timeout(&mut self) {
        let now = self.clock.now();
        self.stack.at(now, &mut self.out).timeout();
        self.drain(now);
    }

    fn answered(&mut self, ask: AskId, answer: Answer) {
        let now = self.clock.now();
        self.stack.at(now, &mut self.out).answered(ask, answer);
        self.drain(now);
    }

    /// Several messages follow: what they cause is carried out message by message, and the application settles once, in
    /// [`Driver::gathered`].
    pub(crate) fn gather(&mut self) {
        self.gathering = true;
    }

    /// That was all of them.
    pub(crate) fn gathered(&mut self, now: Now) {
        self.gathering = false;
        self.drain(now);
    }

    /// Carries the outbox out, oldest action first; what an event causes is appended.
    fn drain(&mut self, now: Now) {
        if self.draining {
            return;
        }
        self.draining = true;
        self.carry_out(now);
        if !self.gathering {
            self.app.settle(&mut self.stack.at(now, &mut self.out));
            self.carry_out(now);
            self.arm();
        }
        self.draining = false;
        self.lasts(now);
    }

    /// The turn goes on, but not for ever.
    fn lasts(&mut self, now: Now) {
        match self.ends {
            None => self.ends = Some(now.mono + LONGEST_TURN),
            Some(end) if now.mono >= end => self.end_turn(),
            Some(_) => {}
        }
    }

    /// Nothing else is left to do, or the turn has lasted for long enough: what has waited to leave together leaves.
    pub(crate) fn end_turn(&mut self) {
        self.ends = None;
        if let Some(others) = &mut self.others {
            others.hand_over_all();
        }
        self.datagrams.release();
        if self.datagrams.has_failed() || self.others.as_ref().is_some_and(Others::is_left_with) {
            self.undone.notify_one();
        }
    }

    /// What could not be sent, or handed over, is an input once more.
    pub(crate) fn undo(&mut self) {
        let now = self.clock.now();
        for (from, bytes) in self.others.as_mut().map(Others::left).unwrap_or_default() {
            self.shed(now, from, bytes);
        }
        for (id, why) in self.datagrams.failed() {
            self.unsent([id], why);
        }
    }

    fn carry_out(&mut self, now: Now) {
        while let Some(action) = self.out.pop() {
            match action {
                Action::Send { id, path, bytes, why } => self.send(now, id, path, bytes, why),
                Action::Event(event) => {
                    if let Event::TargetFailed { path, why, next, .. } = &event
                        && let Some(kept_back) = self.failures.due(std::time::Instant::now())
                    {
                        told(path, why, next.as_ref(), kept_back);
                    }
                    self.app.event(event, &mut self.stack.at(now, &mut self.out));
                }
                Action::Ask { id, question, .. } => self.ask(now, id, question),
                Action::Close { flow } => self.streams.close(flow),
                Action::HandOver { to, from, bytes, hops } => self.hand_over(now, to, (from, bytes, hops)),
                other => tracing::error!(?other, "an action this driver does not know"),
            }
        }
    }

    /// A message goes after its call, to another loop.
    fn hand_over(&mut self, now: Now, to: Shard, (from, bytes, hops): (Path, Bytes, u8)) {
        let handed = self.app.hand_over(to, from, bytes, hops);
        if let Some(others) = &mut self.others {
            match &handed {
                Ok(()) => others.count(),
                Err(_) => others.is_full(to),
            }
        }
        if let Err((from, bytes)) = handed {
            self.stack.at(now, &mut self.out).shed(&from, bytes);
        }
    }

    /// The next deadline, for who sleeps until it.
    pub(crate) fn deadline(&mut self) -> Option<Time> {
        self.armed = self.stack.deadline();
        self.armed
    }

    /// Sees to it that the next deadline is noticed.
    fn arm(&mut self) {
        if let Some(deadline) = self.stack.deadline()
            && self.armed.is_none_or(|armed| deadline < armed)
        {
            self.armed = Some(deadline);
            self.alarm.notify_one();
        }
    }

    fn send(&mut self, now: Now, id: SendId, path: Path, bytes: Bytes, why: Cause) {
        let Path { transport, local, .. } = path;
        let remote = match transport {
            Transport::Tls => self.streams.remote_of(&path),
            _ => path.remote,
        };
        self.passes(&Seen { at: now.mono, direction: Direction::Out(why), transport, local, remote, bytes: &bytes });
        let outcome = match path.transport {
            Transport::Udp => self.datagrams.send(id, path, bytes, why),
            _ => match self.others.as_ref().and_then(|others| Some((others, others.owner(&path)?))) {
                None => self.streams.send(id, path, bytes),
                Some((others, owner)) => others.send_through(owner, id, path, bytes),
            },
        };
        if let Err(Refused(why)) = outcome {
            self.stack.at(now, &mut self.out).unsent(id, why);
        }
    }

    fn ask(&mut self, now: Now, id: AskId, question: Question) {
        let Question::Route { host, port, transport, secure, lot } = question else {
            self.stack.at(now, &mut self.out).answered(id, Answer::Failed("unknown question".into()));
            return;
        };
        if cfg!(not(feature = "websocket")) && transport.is_some_and(Transport::is_web) {
            let why = "WebSockets are not part of this build".to_owned();
            return self.stack.at(now, &mut self.out).answered(id, Answer::Failed(why));
        }
        let (wanted, ours) = (Wanted { host, port, transport, secure }, self.routes.transports());
        let answer = match wanted.numeric(ours) {
            Ok(Some(target)) => self.paths(&wanted.host, &[target], None),
            Ok(None) => return self.locate(id, wanted, lot, ours),
            Err(why) => Answer::Failed(why.into()),
        };
        self.stack.at(now, &mut self.out).answered(id, answer);
    }

    /// Has name servers asked about a host, and answers the stack when that is done.
    fn locate(&mut self, id: AskId, wanted: Wanted, lot: Option<u64>, ours: &'static [Transport]) {
        let (names, me) = (Rc::clone(&self.names), self.me.clone());
        tokio::task::spawn_local(async move {
            let host = wanted.host.clone();
            let mut located = names.locate(wanted, lot, ours).await;
            let won = match &mut located {
                Located::Targets(targets) => Self::race(&me, &host, targets).await,
                _ => None,
            };
            let Some(driver) = me.upgrade() else { return };
            let mut driver = driver.borrow_mut();
            let answer = match located {
                Located::Targets(targets) => driver.paths(&host, &targets, won),
                Located::NoSuchHost => Answer::None,
                Located::Failed(why) => Answer::Failed(why),
            };
            driver.answered(id, answer);
            // Of no use any more where nothing was sent by it.
            driver.streams.won = None;
        });
    }

    /// Has the two families of a host race where there is no connection yet: returns the connection of who wins, who comes first. Who was too slow is not gone to.
    async fn race(me: &Weak<RefCell<Self>>, host: &str, targets: &mut Vec<Target>) -> Option<TcpStream> {
        let rival = racing::rival(targets)?;
        let pair = [*targets.first()?, *targets.get(rival)?];
        let runners = {
            let driver = me.upgrade()?;
            let mut driver = driver.borrow_mut();
            let peer = driver.peer(host, pair[0]);
            if driver.standing(&peer).is_some() {
                return None;
            }
            [driver.runner(pair[0])?, driver.runner(pair[1])?]
        };
        let (second, stream) = racing::race(runners).await?;
        if second {
            targets.get_mut(..=rival)?.rotate_right(1);
            targets.remove(1);
        }
        Some(stream)
    }

    /// Who runs to a target.
    fn runner(&mut self, Target { transport, address: remote }: Target) -> Option<Runner> {
        let (local, listened) = self.routes.stream(transport, remote)?;
        let socket = match () {
            () if transport != Transport::Tcp && !listened => planned::bind(local).ok()?.0,
            () if remote.is_ipv4() => TcpSocket::new_v4().ok()?,
            () => TcpSocket::new_v6().ok()?,
        };
        self.dscp.try_mark(&socket, remote);
        Some(Runner { socket, remote })
    }

    /// Who must be at the other end of a connection to a target: who is not merely an address has the name that the certificate must be for, or that a
    /// server of WebSockets is asked for, whatever DNS says (RFC 5922 section 7.2).
    fn peer(&self, host: &str, Target { transport, address: remote }: Target) -> Peer {
        let is_named = transport != Transport::Tcp;
        let name = is_named.then(|| host.trim_matches(['[', ']']).trim_end_matches('.').into());
        Peer { transport, remote, name }
    }

    /// The connection that there is to this peer, of this loop or another.
    fn standing(&mut self, peer: &Peer) -> Option<Path> {
        let standing = self.streams.connection_to(peer, &self.tls.client, self.clock.mono());
        let elsewhere = || match &self.others {
            Some(others) if peer.transport == Transport::Tcp => others.connection(peer.remote),
            _ => None,
        };
        standing.or_else(elsewhere)
    }

    /// The ways to these targets of a host; `won`: a connection to the first of them.
    fn paths(&mut self, host: &str, targets: &[Target], mut won: Option<TcpStream>) -> Answer {
        let mut planned: Vec<FlowId> = Vec::new();
        let mut path = |target: &Target| {
            let &Target { transport, address: remote } = target;
            if transport == Transport::Udp {
                return self.routes.udp(remote);
            }
            let (local, listened) = self.routes.stream(transport, remote)?;
            let peer = self.peer(host, *target);
            if let Some(standing) = self.standing(&peer) {
                return Some(standing);
            }
            if let Some(won) = won.take_if(|won| won.peer_addr().is_ok_and(|of| of == remote)) {
                return Some(self.streams.won_path(peer, local, listened, won));
            }
            let path = self.streams.new_path(peer.clone(), local, listened);
            if !planned.contains(&path.flow) {
                planned.push(path.flow);
                return Some(path);
            }
            // An address that stands there twice is tried twice, each time anew.
            self.streams.plans.carried_out(&peer);
            Some(self.streams.new_path(peer, local, listened))
        };
        let paths: Vec<Path> = targets.iter().filter_map(&mut path).collect();
        if paths.is_empty() {
            Answer::Failed("no socket of ours reaches that address".into())
        } else {
            Answer::Routes(paths)
        }
    }
}

/// A server that a name has led to has failed: to the log.
fn told(path: &Path, why: &TargetFailure, next: Option<&Path>, kept_back: u64) {
    if kept_back > 0 {
        tracing::warn!(
            "servers that have failed and were not told of, since there were too many in a minute: {kept_back}"
        );
    }
    let server = |path: &Path| format!("{} {}", path.transport.as_str().to_lowercase(), path.remote);
    match next {
        Some(next) => tracing::warn!("{}: {why}; next is {}", server(path), server(next)),
        None => tracing::warn!("{}: {why}; no other server is left", server(path)),
    }
}
