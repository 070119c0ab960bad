//! One SIP loop: a thread, its sockets, its stack and its application (ARCHITECTURE.md, journey INVITE).
//!
//! All state is in one [`Core`] behind an `Rc<RefCell<..>>` that never leaves the thread. Small tasks wait for sockets, the timer and
//! commands; each borrows the core for one turn and never across an `await`.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use sip::{
    Action, Answer, Application, AskId, Cause, FlowChange, FlowId, Now, Outbox, Path, Question, SendError, SendId,
    Stack, Time, Transport, Turn,
};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::LocalSet;

use crate::binding::{Bind, Bound, Sockets};
use crate::clock::Clock;
use crate::error::{CommandError, StartError};
use crate::resolve::{Resolve, Resolved, default_resolver};
use crate::routes::Routes;
use crate::shards::{Crossing, Others};
use crate::stream::Streams;
use crate::tap::{Direction, Seen, Tap};
use crate::udp::{Datagrams, Refused};

/// Commands carried out before others get their turn.
const BATCH: usize = 64;

/// What lives on the loop's own thread beside the stack and decides.
pub trait App: Application {
    /// What other threads may ask of it.
    type Command: Send + 'static;
    /// Carries a command out, on the loop's thread, without blocking.
    fn command(&mut self, command: Self::Command, turn: &mut Turn<'_>);
    /// All that waited on a socket, or a batch of it, has been handed over, or a turn of another kind has ended. What an application gathers,
    /// to write it to a disk in one piece for example, it completes and answers here.
    fn settle(&mut self, turn: &mut Turn<'_>) {
        let _ = turn;
    }
}

/// Limits on stream connections.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Connections at a time; one more is closed at once. Never more than a quarter of the files that the process may have open: the others
    /// are for media, journal and whoever watches.
    pub connections: usize,
    /// Accepted connections at a time from one address (IPv6: one network of 64 bits); one more is closed at once. Never more than three
    /// quarters of all.
    pub per_address: usize,
    /// What waits to be written on one connection, in octets, each message with 64 more for its keeping; one more closes it.
    pub backlog: usize,
    /// The same of all connections of the loop together; one more closes the connection that has the most waiting.
    pub backlogs: usize,
    /// How long connecting may take.
    pub connect: Duration,
    /// How long a message may take from its first byte to its last, and an accepted connection to send its first byte.
    pub message: Duration,
    /// How long a connection may stay silent.
    pub idle: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            per_address: 1_000,
            backlog: 1 << 20,
            backlogs: 64 << 20,
            connect: Duration::from_secs(10),
            message: Duration::from_secs(32),
            idle: Duration::from_secs(15 * 60),
        }
    }
}

/// How a loop is made.
pub struct LoopConfig {
    /// Addresses to listen on; at least one.
    pub binds: Vec<Bind>,
    /// The stack's own settings.
    pub stack: sip::Config,
    /// Fixes every tag, branch and nonce; random when `None`.
    pub seed: Option<[u8; 32]>,
    /// Limits on connections.
    pub streams: StreamLimits,
    /// Commands that may wait.
    pub commands: usize,
    /// What other loops may leave waiting for this one (see [`SipLoop::spawn_shards`]); one more message is shed.
    pub crossings: usize,
    /// Sees every message on the wire.
    pub tap: Option<Tap>,
    /// Makes the resolver on the loop's thread; the system's own when `None`.
    pub resolver: Option<Box<dyn FnOnce() -> Box<dyn Resolve> + Send>>,
}

impl LoopConfig {
    /// Listens on `binds` with defaults for the rest.
    pub fn new(binds: Vec<Bind>, stack: sip::Config) -> Self {
        Self {
            binds,
            stack,
            seed: None,
            streams: StreamLimits::default(),
            commands: 1024,
            crossings: 4096,
            tap: None,
            resolver: None,
        }
    }
}

/// Speaks to a running loop from any thread. Cloning is cheap.
pub struct Handle<C> {
    commands: mpsc::Sender<C>,
}

impl<C> Clone for Handle<C> {
    fn clone(&self) -> Self {
        Self { commands: self.commands.clone() }
    }
}

impl<C> Handle<C> {
    /// A way to a loop that is still to be started, and its other end.
    pub(crate) fn channel(room: usize) -> (Self, mpsc::Receiver<C>) {
        let (commands, inbox) = mpsc::channel(room.max(1));
        (Self { commands }, inbox)
    }
}

impl<C: Send + 'static> Handle<C> {
    /// Sends a command without waiting.
    ///
    /// # Errors
    /// [`CommandError::Full`] when too many wait, [`CommandError::Ended`] when the loop is gone.
    pub fn try_send(&self, command: C) -> Result<(), CommandError> {
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommandError::Full,
            mpsc::error::TrySendError::Closed(_) => CommandError::Ended,
        })
    }

    /// Commands that the loop has not carried out yet.
    pub fn waiting(&self) -> usize {
        self.commands.max_capacity() - self.commands.capacity()
    }

    /// Sends a command, waiting while the queue is full.
    ///
    /// # Errors
    /// [`CommandError::Ended`] when the loop is gone.
    pub async fn send(&self, command: C) -> Result<(), CommandError> {
        self.commands.send(command).await.map_err(|_| CommandError::Ended)
    }

    /// The same from a thread without an async runtime.
    ///
    /// # Errors
    /// [`CommandError::Ended`] when the loop is gone.
    pub fn blocking_send(&self, command: C) -> Result<(), CommandError> {
        self.commands.blocking_send(command).map_err(|_| CommandError::Ended)
    }
}

/// A loop that runs. Dropping it ends the loop at once, without good-byes; [`Running::stop`] waits for the thread.
pub struct Running<C> {
    handle: Handle<C>,
    bound: Vec<Bound>,
    clock: Clock,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl<C: Send + 'static> Running<C> {
    /// To speak to it.
    pub fn handle(&self) -> Handle<C> {
        self.handle.clone()
    }
    /// What it listens on, in the order of the configuration.
    pub fn bound(&self) -> &[Bound] {
        &self.bound
    }
    /// The clock its turns are dated by.
    pub fn clock(&self) -> Clock {
        self.clock
    }
    /// Whether the loop's thread is gone, by a panic for example, though nobody ended it.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(thread::JoinHandle::is_finished)
    }
    /// Ends the loop and waits for its thread.
    pub fn stop(mut self) {
        self.end();
    }
}

impl<C> Running<C> {
    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the SIP loop ended by a panic");
        }
    }
}

impl<C> Drop for Running<C> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts loops.
pub struct SipLoop;

impl SipLoop {
    /// Binds the sockets, starts the thread, makes the application on it.
    ///
    /// # Errors
    /// [`StartError`] when an address cannot be bound or the system refuses a thread.
    pub fn spawn<A, F>(config: LoopConfig, make: F) -> Result<Running<A::Command>, StartError>
    where
        A: App + 'static,
        F: FnOnce(&[Bound], Clock) -> A + Send + 'static,
    {
        let sockets = Sockets::bind(&config.binds)?;
        Self::spawn_on(sockets, config, make)
    }

    /// The same on sockets that are bound already: what a start needs besides can fail or be made in between.
    ///
    /// # Errors
    /// [`StartError::System`] when the system refuses a thread or an event queue.
    pub fn spawn_on<A, F>(sockets: Sockets, config: LoopConfig, make: F) -> Result<Running<A::Command>, StartError>
    where
        A: App + 'static,
        F: FnOnce(&[Bound], Clock) -> A + Send + 'static,
    {
        let way = Handle::channel(config.commands);
        Self::launch(sockets, config, Clock::start(), way, None, make)
    }

    /// Starts a loop that may have others beside it.
    pub(crate) fn launch<A, F>(
        sockets: Sockets,
        config: LoopConfig,
        clock: Clock,
        (handle, inbox): (Handle<A::Command>, mpsc::Receiver<A::Command>),
        others: Option<(Others, mpsc::Receiver<Crossing>)>,
        make: F,
    ) -> Result<Running<A::Command>, StartError>
    where
        A: App + 'static,
        F: FnOnce(&[Bound], Clock) -> A + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = std::sync::mpsc::channel();
        let bound = sockets.bound.clone();
        let thread = thread::Builder::new().name("sip".into()).spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = ready.send(Err(error));
                    return;
                }
            };
            let local = LocalSet::new();
            local.block_on(&runtime, async move {
                let app = make(&sockets.bound, clock);
                let (others, arrivals) = others.unzip();
                match Core::assemble(config, clock, app, sockets, others) {
                    Ok(core) => {
                        let _ = ready.send(Ok(()));
                        if let Some(arrivals) = arrivals {
                            tokio::task::spawn_local(crate::shards::arrive(Rc::clone(&core), arrivals));
                        }
                        run(core, inbox, stopped).await;
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                    }
                }
            });
        })?;
        match started.recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(StartError::System(error)),
            Err(_) => return Err(StartError::System(io::Error::other("the loop ended while starting"))),
        }
        Ok(Running { handle, bound, clock, stop: Some(stop), thread: Some(thread) })
    }
}

async fn run<A: App + 'static>(
    core: Rc<RefCell<Core<A>>>,
    mut inbox: mpsc::Receiver<A::Command>,
    stopped: oneshot::Receiver<()>,
) {
    crate::udp::start(&core);
    crate::stream::start(&core);
    tokio::task::spawn_local(timer(Rc::clone(&core)));
    let commands = {
        let core = Rc::clone(&core);
        async move {
            while let Some(command) = inbox.recv().await {
                carry_out(&core, command, &mut inbox);
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::select! {
        () = commands => {}
        _ = stopped => {}
    }
}

/// A command, and what waits behind it, up to a batch: sockets and the timer get their turn though commands never end.
fn carry_out<A: App + 'static>(core: &RefCell<Core<A>>, first: A::Command, inbox: &mut mpsc::Receiver<A::Command>) {
    let mut core = core.borrow_mut();
    core.command(first);
    for _ in 1..BATCH {
        let Ok(command) = inbox.try_recv() else { return };
        core.command(command);
    }
}

async fn timer<A: App + 'static>(core: Rc<RefCell<Core<A>>>) {
    let alarm = Rc::clone(&core.borrow().alarm);
    loop {
        let (deadline, clock) = {
            let mut core = core.borrow_mut();
            core.armed = core.stack.deadline();
            (core.armed, core.clock)
        };
        match deadline {
            None => alarm.notified().await,
            Some(at) => {
                tokio::select! {
                    () = tokio::time::sleep_until(clock.instant(at).into()) => core.borrow_mut().timeout(),
                    () = alarm.notified() => {}
                }
            }
        }
    }
}

/// Everything one loop owns.
pub(crate) struct Core<A: App> {
    pub(crate) me: Weak<RefCell<Core<A>>>,
    pub(crate) stack: Stack,
    app: A,
    out: Outbox,
    pub(crate) clock: Clock,
    pub(crate) datagrams: Datagrams,
    pub(crate) streams: Streams,
    /// The loops beside this one.
    pub(crate) others: Option<Others>,
    routes: Routes,
    resolver: Rc<dyn Resolve>,
    tap: Option<Tap>,
    armed: Option<Time>,
    alarm: Rc<Notify>,
    draining: bool,
    /// More is about to be received: see [`Core::gather`].
    gathering: bool,
}

impl<A: App + 'static> Core<A> {
    pub(crate) fn assemble(
        config: LoopConfig,
        clock: Clock,
        app: A,
        Sockets { udp, tcp, bound }: Sockets,
        others: Option<Others>,
    ) -> io::Result<Rc<RefCell<Self>>> {
        let datagrams = Datagrams::new(udp)?;
        let streams = Streams::new(tcp, config.streams, config.stack.limits, config.stack.shard)?;
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
                others,
                routes: Routes::new(bound),
                resolver,
                tap: config.tap,
                armed: None,
                alarm: Rc::new(Notify::new()),
                draining: false,
                gathering: false,
            })
        }))
    }

    /// One message from the network: to the loop it belongs to.
    pub(crate) fn receive(&mut self, now: Now, from: Path, bytes: Bytes) {
        match self.others.as_ref().and_then(|others| others.home(&bytes)) {
            None => self.take(now, from, bytes),
            Some(home) => self.hand_over(now, home, from, bytes),
        }
    }

    /// A message that belongs here, with the turn it causes.
    pub(crate) fn take(&mut self, now: Now, from: Path, bytes: Bytes) {
        self.heard(now, &from, &bytes);
        self.stack.at(now, &mut self.out).receive(&from, bytes);
        self.drain(now);
    }

    /// A message for which there is no room.
    pub(crate) fn shed(&mut self, now: Now, from: Path, bytes: Bytes) {
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
        crate::wire_log::show(seen);
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
        self.tell_flow(flow, change);
        self.flow_is(flow, change);
    }

    /// The stack is told of a connection, of this loop or another.
    pub(crate) fn flow_is(&mut self, flow: FlowId, change: FlowChange) {
        let now = self.clock.now();
        self.stack.at(now, &mut self.out).flow(flow, change);
        self.drain(now);
    }

    pub(crate) fn unsent(&mut self, sends: impl IntoIterator<Item = SendId>, why: SendError) {
        let now = self.clock.now();
        for send in sends {
            if !self.tell_unsent(send, why) {
                self.stack.at(now, &mut self.out).unsent(send, why);
            }
        }
        self.drain(now);
    }

    fn command(&mut self, command: A::Command) {
        let now = self.clock.now();
        self.app.command(command, &mut self.stack.at(now, &mut self.out));
        self.drain(now);
    }

    fn timeout(&mut self) {
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
    /// [`Core::gathered`].
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
            _ => match self.others.as_ref().and_then(|others| others.owner(&path)) {
                None => self.streams.send(&self.me, id, path, bytes),
                Some(owner) => self.send_through(owner, id, path, bytes),
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
        if secure || !matches!(transport, None | Some(Transport::Udp | Transport::Tcp)) {
            let answer = Answer::Failed("no TLS or WebSocket transport is configured".into());
            self.stack.at(now, &mut self.out).answered(id, answer);
            return;
        }
        let transport = transport.unwrap_or_else(|| self.routes.preferred());
        let port = port.unwrap_or(transport.default_port());
        if let Ok(ip) = host.trim_matches(['[', ']']).parse() {
            let answer = self.paths(transport, &[SocketAddr::new(ip, port)]);
            self.stack.at(now, &mut self.out).answered(id, answer);
            return;
        }
        let (lookup, me) = (self.resolver.addresses(&host), self.me.clone());
        tokio::task::spawn_local(async move {
            let resolved = lookup.await;
            let Some(core) = me.upgrade() else { return };
            let mut core = core.borrow_mut();
            let answer = match resolved {
                Resolved::Addresses(ips) => {
                    let remotes: Vec<_> = ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
                    core.paths(transport, &remotes)
                }
                Resolved::None => Answer::None,
                Resolved::Failed(why) => Answer::Failed(why),
            };
            core.answered(id, answer);
        });
    }

    fn paths(&mut self, transport: Transport, remotes: &[SocketAddr]) -> Answer {
        let paths: Vec<Path> = remotes
            .iter()
            .filter_map(|&remote| match transport {
                Transport::Udp => self.routes.udp(remote),
                _ => {
                    let local = self.routes.tcp(remote)?;
                    let elsewhere = || self.others.as_ref().and_then(|others| others.connection(remote));
                    let known = self.streams.connection_to(remote).or_else(elsewhere);
                    Some(known.unwrap_or_else(|| self.streams.new_path(local, remote)))
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
