//! Everything one loop owns, and what each input of its turns causes (ARCHITECTURE.md, "Turns").
//!
//! It lives behind an `Rc<RefCell<..>>` that never leaves the thread. The tasks that wait, for sockets (`udp`, `tcp`), for other
//! loops (`arrivals`), for the timer and for commands (`sip_loop`), each borrow it for one turn and never across an `await`.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};

use bytes::Bytes;
use sip::{
    Action, Answer, AskId, Cause, FlowChange, FlowId, Now, Outbox, Path, Question, SendError, SendId, Stack, Time,
    Transport,
};
use tokio::sync::Notify;

use crate::app::App;
use crate::binding::Sockets;
use crate::clock::Clock;
use crate::config::LoopConfig;
use crate::datagrams::Datagrams;
use crate::error::Refused;
use crate::others::Others;
use crate::pace::Count;
use crate::resolve::{Resolve, Resolved, default_resolver};
use crate::routes::Routes;
use crate::streams::{Peer, Streams};
use crate::tap::{Direction, Seen, Tap};
use crate::tls::Tls;
use crate::wire_log::show;

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
    /// The loops beside this one.
    pub(crate) others: Option<Others>,
    routes: Routes,
    resolver: Rc<dyn Resolve>,
    tap: Option<Tap>,
    armed: Option<Time>,
    /// Tells who sleeps until the next deadline that there is an earlier one.
    pub(crate) alarm: Rc<Notify>,
    draining: bool,
    /// More is about to be received: see [`Driver::gather`].
    gathering: bool,
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
        if config.tls.server.is_none() && bound.iter().any(|bound| bound.transport == Transport::Tls) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "listening over TLS needs a certificate"));
        }
        let datagrams = Datagrams::new(udp)?;
        let streams = Streams::new(streams, config.streams, config.stack.limits, config.stack.shard)?;
        let resolver: Rc<dyn Resolve> = Rc::from(config.resolver.map_or_else(default_resolver, |make| make()));
        let stack = Stack::new(config.stack, config.seed.unwrap_or_else(rand::random));
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
                others,
                routes: Routes::new(bound),
                resolver,
                tap: config.tap,
                armed: None,
                alarm: Rc::new(Notify::new()),
                draining: false,
                gathering: false,
                count,
            })
        }))
    }

    /// One message from the network: to the loop it belongs to. One for which that has no room is shed by this one.
    pub(crate) fn receive(&mut self, now: Now, from: Path, bytes: Bytes) {
        let Some(others) = &mut self.others else { return self.take(now, from, bytes) };
        let Some(home) = others.home(&bytes) else { return self.take(now, from, bytes) };
        if let Some((from, bytes)) = others.hand_over(home, from, bytes) {
            self.shed(now, from, bytes);
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
        self.count.more();
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
        if let Some(others) = &self.others {
            others.tell_flow(flow, self.streams.path_of(flow), change);
        }
        self.flow_is(flow, change);
    }

    /// The stack is told of a connection, of this loop or another.
    pub(crate) fn flow_is(&mut self, flow: FlowId, change: FlowChange) {
        let now = self.clock.now();
        self.stack.at(now, &mut self.out).flow(flow, change);
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
            self.release(now);
            self.arm();
        }
        self.draining = false;
    }

    /// Sends the responses that waited for the end of the turn. What cannot be sent is an input once more.
    fn release(&mut self, now: Now) {
        loop {
            let failed = self.datagrams.release();
            if failed.is_empty() {
                return;
            }
            for (id, why) in failed {
                self.stack.at(now, &mut self.out).unsent(id, why);
            }
            self.carry_out(now);
        }
    }

    fn carry_out(&mut self, now: Now) {
        while let Some(action) = self.out.pop() {
            match action {
                Action::Send { id, path, bytes, why } => self.send(now, id, path, bytes, why),
                Action::Event(event) => self.app.event(event, &mut self.stack.at(now, &mut self.out)),
                Action::Ask { id, question, .. } => self.ask(now, id, question),
                Action::Close { flow } => self.streams.close(flow),
                other => tracing::error!(?other, "an action this driver does not know"),
            }
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
        self.passes(&Seen {
            at: now.mono,
            direction: Direction::Out(why),
            transport: path.transport,
            local: path.local,
            remote: path.remote,
            bytes: &bytes,
        });
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
        let Question::Route { host, port, transport, secure } = question else {
            self.stack.at(now, &mut self.out).answered(id, Answer::Failed("unknown question".into()));
            return;
        };
        let transport = match transport_for(transport, secure) {
            Ok(transport) => transport.unwrap_or_else(|| self.routes.preferred()),
            Err(why) => {
                self.stack.at(now, &mut self.out).answered(id, Answer::Failed(why.into()));
                return;
            }
        };
        let port = port.unwrap_or(transport.default_port());
        if let Ok(ip) = host.trim_matches(['[', ']']).parse() {
            let answer = self.paths(transport, &host, &[SocketAddr::new(ip, port)]);
            self.stack.at(now, &mut self.out).answered(id, answer);
            return;
        }
        let (lookup, me) = (self.resolver.addresses(&host), self.me.clone());
        tokio::task::spawn_local(async move {
            let resolved = lookup.await;
            let Some(driver) = me.upgrade() else { return };
            let mut driver = driver.borrow_mut();
            let answer = match resolved {
                Resolved::Addresses(ips) => {
                    let remotes: Vec<_> = ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
                    driver.paths(transport, &host, &remotes)
                }
                Resolved::None => Answer::None,
                Resolved::Failed(why) => Answer::Failed(why),
            };
            driver.answered(id, answer);
        });
    }

    /// The ways to a host at these addresses.
    fn paths(&mut self, transport: Transport, host: &str, remotes: &[SocketAddr]) -> Answer {
        let name: Option<Rc<str>> = (transport == Transport::Tls).then(|| host.trim_matches(['[', ']']).into());
        let paths: Vec<Path> = remotes
            .iter()
            .filter_map(|&remote| match transport {
                Transport::Udp => self.routes.udp(remote),
                _ => {
                    let (local, listened) = self.routes.stream(transport, remote)?;
                    let peer = Peer { transport, remote, name: name.clone() };
                    let elsewhere = || match &self.others {
                        Some(others) if transport == Transport::Tcp => others.connection(remote),
                        _ => None,
                    };
                    let known = self.streams.connection_to(&peer).or_else(elsewhere);
                    Some(known.unwrap_or_else(|| self.streams.new_path(peer, local, listened)))
                }
            })
            .collect();
        if paths.is_empty() {
            Answer::Failed("no socket of ours reaches that address".into())
        } else {
            Answer::Routes(paths)
        }
    }
}

/// The transport that is asked for, `None` where that is left to us. What is addressed by `sips`, or comes by a `sips` hop, goes over TLS or not at all
/// (RFC 3261 section 26.2.2); `transport=tcp` then names what is below it (RFC 5630 section 3.1.3).
fn transport_for(asked: Option<Transport>, secure: bool) -> Result<Option<Transport>, &'static str> {
    match (asked, secure) {
        (Some(Transport::Ws | Transport::Wss), _) => Err("no WebSocket transport is configured"),
        (Some(Transport::Udp), true) => {
            Err("sips goes over TLS alone, and there is no TLS over UDP (RFC 3261 section 26.2.2)")
        }
        (_, true) => Ok(Some(Transport::Tls)),
        (asked, false) => Ok(asked),
    }
}
