//! Several loops as one server: a shard each, with its own thread, stack, application and sockets on the same addresses.
//!
//! The system spreads datagrams and connections over the loops by the sender's address, which says nothing about calls. So each loop
//! reckons the home of what it receives ([`sip::Spread`]) and hands over what is not its own, unparsed, through a bounded queue. A
//! datagram leaves by any loop, since all have the same addresses; a stream connection belongs to the loop that accepted or opened it, and what others
//! have to say on it goes through that loop. Nothing is shared and nothing waits: what finds a queue full is shed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use sip::{FlowChange, FlowId, Now, Path, SendError, SendId, Shard, Spread};
use tokio::sync::mpsc;

use crate::binding::{Bound, Sockets};
use crate::clock::Clock;
use crate::error::StartError;
use crate::files::file_limit;
use crate::intake::Intake;
use crate::sip_loop::{App, Core, Handle, LoopConfig, Running, SipLoop, StreamLimits};
use crate::sparingly::Sparingly;
use crate::udp::Refused;

/// Flows of streams carry their loop in the upper eight bits, as the ids of the stack do.
const SHARD: u32 = 56;
/// What is taken from the queue before others get their turn.
const BATCH: usize = 64;
/// Connections of other loops that are known; forgotten all at once when full.
const ELSEWHERE: usize = 100_000;

/// What one loop has for another.
pub(crate) enum Crossing {
    /// A message that belongs to the other.
    Message { from: Path, bytes: Bytes },
    /// A message to be sent on a connection of the other's.
    Send { id: SendId, path: Path, bytes: Bytes },
    /// A message of the other's that could not be sent.
    Unsent { id: SendId, why: SendError },
    /// A connection of the sender's has changed; with its ends while it stands.
    Flow { flow: FlowId, path: Option<Path>, change: FlowChange },
    /// Nobody listens at that address: an ICMP error came back to a loop that had sent nothing there.
    Refused { remote: SocketAddr },
}

/// What an application is told when it is made.
pub struct Seat<'a, C> {
    /// Which of the loops it lives on.
    pub shard: Shard,
    /// How calls and users fall to them.
    pub spread: Spread,
    /// What is listened on, in the order of the configuration.
    pub bound: &'a [Bound],
    /// The clock of all loops.
    pub clock: Clock,
    /// To speak to the applications of all loops, in the order of their shards.
    pub loops: &'a [Handle<C>],
}

/// Loops that run as one server. Dropping them ends them at once, without good-byes.
pub struct Shards<C> {
    loops: Vec<Running<C>>,
    intakes: Vec<Intake>,
}

impl<C: Send + 'static> Shards<C> {
    /// To speak to each of them, in the order of their shards.
    pub fn handles(&self) -> Vec<Handle<C>> {
        self.loops.iter().map(Running::handle).collect()
    }
    /// What stands before each of them, in the order of their shards.
    pub fn intakes(&self) -> &[Intake] {
        &self.intakes
    }
    /// What is listened on, in the order of the configuration: the same for all.
    pub fn bound(&self) -> &[Bound] {
        self.loops.first().map(Running::bound).unwrap_or_default()
    }
    /// Whether one of the threads is gone though nobody ended it.
    pub fn has_ended(&self) -> bool {
        self.loops.iter().any(Running::has_ended)
    }
    /// Ends all of them and waits for their threads.
    pub fn stop(self) {
        self.loops.into_iter().for_each(Running::stop);
    }
}

impl SipLoop {
    /// Starts a loop for each of `members`, on sockets of [`Sockets::bind_shared`] for as many. The shard and spread of their stacks are set
    /// here. With one member nothing crosses, and nothing is done that [`SipLoop::spawn_on`] would not do.
    ///
    /// # Errors
    /// [`StartError::System`] when the system refuses a thread or an event queue: nothing runs then.
    pub fn spawn_shards<A, F>(
        sockets: Vec<Sockets>,
        members: Vec<(LoopConfig, F)>,
    ) -> Result<Shards<A::Command>, StartError>
    where
        A: App + 'static,
        F: FnOnce(Seat<'_, A::Command>) -> A + Send + 'static,
    {
        let count = u8::try_from(members.len().min(sockets.len())).unwrap_or(u8::MAX).min(Spread::MOST);
        let spread = Spread::new(count, rand::random());
        let clock = Clock::start();
        let (handles, inboxes): (Vec<_>, Vec<_>) =
            members.iter().take(usize::from(count)).map(|(config, _)| Handle::channel(config.commands)).unzip();
        let (queues, arrivals): (Vec<_>, Vec<_>) =
            members.iter().take(usize::from(count)).map(|(config, _)| mpsc::channel(config.crossings.max(1))).unzip();
        let intakes = sockets.iter().zip(&queues).map(|(sockets, queue)| Intake::new(sockets, queue.clone())).collect();
        let mut loops = Vec::new();
        let ends = inboxes.into_iter().zip(arrivals);
        for (((sockets, (mut config, make)), (inbox, arrivals)), me) in
            sockets.into_iter().zip(members).zip(ends).zip(0..)
        {
            let shard = Shard(me);
            (config.stack.shard, config.stack.spread) = (shard, spread);
            if count > 1 {
                config.streams = part(config.streams, count, file_limit());
            }
            let others = (count > 1).then(|| (Others::new(shard, spread, queues.clone()), arrivals));
            let all: Vec<Handle<A::Command>> = handles.clone();
            let Some(handle) = handles.get(usize::from(me)).cloned() else { break };
            let make = move |bound: &[Bound], clock| make(Seat { shard, spread, bound, clock, loops: &all });
            loops.push(Self::launch(sockets, config, clock, (handle, inbox), others, make)?);
        }
        Ok(Shards { loops, intakes })
    }
}

/// Of the server's limits on connections what one of its loops may have: the system spreads connections evenly. All together never have more
/// than a quarter of the files that the process may have open.
fn part(limits: StreamLimits, count: u8, files: usize) -> StreamLimits {
    let part = |limit: usize| (limit.min(files / 4) / usize::from(count)).max(1);
    StreamLimits { connections: part(limits.connections), per_address: part(limits.per_address), ..limits }
}

/// What a loop knows of the others.
pub(crate) struct Others {
    me: Shard,
    spread: Spread,
    queues: Vec<mpsc::Sender<Crossing>>,
    /// Their connections, by the peer's address.
    connections: HashMap<SocketAddr, Path>,
    /// Where those lead.
    flows: HashMap<FlowId, SocketAddr>,
    sheds: Sparingly,
}

impl Others {
    fn new(me: Shard, spread: Spread, queues: Vec<mpsc::Sender<Crossing>>) -> Self {
        Self { me, spread, queues, connections: HashMap::new(), flows: HashMap::new(), sheds: Sparingly::default() }
    }

    /// The loop that a message belongs to when that is another. What cannot be told stays here.
    pub(crate) fn home(&self, message: &[u8]) -> Option<Shard> {
        self.spread.of_message(message).filter(|home| *home != self.me)
    }

    /// The loop that has the connection of a path, when that is another.
    pub(crate) fn owner(&self, path: &Path) -> Option<Shard> {
        let owner = Shard((path.flow.0 >> SHARD) as u8);
        (!matches!(path.transport, sip::Transport::Udp) && owner != self.me && owner.0 < self.spread.count())
            .then_some(owner)
    }

    /// Another loop's connection to this address.
    pub(crate) fn connection(&self, remote: SocketAddr) -> Option<Path> {
        self.connections.get(&remote).copied()
    }

    /// Hands something over; gives it back when there is no room.
    pub(crate) fn tell(&self, to: Shard, what: Crossing) -> Result<(), Crossing> {
        let Some(queue) = self.queues.get(usize::from(to.0)) else { return Err(what) };
        queue.try_send(what).map_err(mpsc::error::TrySendError::into_inner)
    }

    /// Tells all others; who has no room goes without.
    pub(crate) fn tell_all(&self, what: impl Fn() -> Crossing) {
        for (queue, shard) in self.queues.iter().zip(0..) {
            if Shard(shard) != self.me && queue.try_send(what()).is_err() {
                tracing::debug!(shard, "a loop is too busy to be told");
            }
        }
    }

    fn learn(&mut self, flow: FlowId, path: Option<Path>, change: FlowChange) {
        match (change, path) {
            (FlowChange::Opened | FlowChange::Accepted, Some(path)) => {
                if self.flows.len() >= ELSEWHERE {
                    self.flows.clear();
                    self.connections.clear();
                }
                self.flows.insert(flow, path.remote);
                self.connections.insert(path.remote, path);
            }
            _ => {
                if let Some(remote) = self.flows.remove(&flow)
                    && self.connections.get(&remote).is_some_and(|known| known.flow == flow)
                {
                    self.connections.remove(&remote);
                }
            }
        }
    }
}

/// The first flow of the streams of a loop.
pub(crate) fn first_flow(shard: Shard) -> u64 {
    (u64::from(shard.0) << SHARD) | (1 << 32)
}

/// Takes what the others hand over.
pub(crate) async fn arrive<A: App + 'static>(core: Rc<RefCell<Core<A>>>, mut queue: mpsc::Receiver<Crossing>) {
    while let Some(first) = queue.recv().await {
        {
            let mut core = core.borrow_mut();
            core.gather();
            core.cross(first);
            for _ in 1..BATCH {
                let Ok(next) = queue.try_recv() else { break };
                core.cross(next);
            }
            let now = core.clock.now();
            core.gathered(now);
        }
        tokio::task::yield_now().await;
    }
}

/// What crosses.
impl<A: App + 'static> Core<A> {
    /// A message that belongs to another loop. There is no waiting: without room it is shed, by this one.
    pub(crate) fn hand_over(&mut self, now: Now, home: Shard, from: Path, bytes: Bytes) {
        let Some(others) = &mut self.others else { return self.take(now, from, bytes) };
        let Err(Crossing::Message { from, bytes }) = others.tell(home, Crossing::Message { from, bytes }) else {
            return;
        };
        if let Some(kept_back) = others.sheds.due(std::time::Instant::now()) {
            tracing::warn!(
                shard = home.0,
                kept_back,
                "a SIP loop has more messages waiting than it takes: requests are shed"
            );
        }
        self.shed(now, from, bytes);
    }

    /// Sends on a connection of another loop.
    pub(crate) fn send_through(&self, owner: Shard, id: SendId, path: Path, bytes: Bytes) -> Result<(), Refused> {
        let told =
            self.others.as_ref().is_some_and(|others| others.tell(owner, Crossing::Send { id, path, bytes }).is_ok());
        if told { Ok(()) } else { Err(Refused(SendError::NoBuffer)) }
    }

    /// Tells the loop whose message could not be sent, when that is another. One too busy to be told finds out by its timers.
    pub(crate) fn tell_unsent(&self, id: SendId, why: SendError) -> bool {
        let Some(others) = self.others.as_ref().filter(|others| others.me != id.0.shard()) else { return false };
        let _ = others.tell(id.0.shard(), Crossing::Unsent { id, why });
        true
    }

    /// Tells the others of a connection of this loop.
    pub(crate) fn tell_flow(&self, flow: FlowId, change: FlowChange) {
        if let Some(others) = &self.others {
            let path = self.streams.path_of(flow);
            others.tell_all(|| Crossing::Flow { flow, path, change });
        }
    }

    /// ICMP errors for what this loop did not send: the system chooses who of those on a port is told.
    pub(crate) fn refused_elsewhere(&self, remotes: &[SocketAddr]) {
        if let Some(others) = &self.others {
            remotes.iter().for_each(|&remote| others.tell_all(|| Crossing::Refused { remote }));
        }
    }

    fn cross(&mut self, what: Crossing) {
        match what {
            Crossing::Message { from, bytes } => {
                let now = self.clock.now();
                self.take(now, from, bytes);
            }
            Crossing::Send { id, path, bytes } => {
                if let Err(Refused(why)) = self.streams.send(&self.me, id, path, bytes) {
                    self.unsent([id], why);
                }
            }
            Crossing::Unsent { id, why } => self.unsent([id], why),
            Crossing::Flow { flow, path, change } => {
                if let Some(others) = &mut self.others {
                    others.learn(flow, path, change);
                }
                self.flow_is(flow, change);
            }
            Crossing::Refused { remote } => {
                let send = self.datagrams.refused_at(remote);
                self.unsent(send, SendError::Unreachable);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_other_loops_are_forgotten_all_at_once_when_too_many() {
        let (queue, _inbox) = mpsc::channel(1);
        let spread = Spread::new(2, rand::random());
        let mut others = Others::new(Shard(0), spread, vec![queue.clone(), queue]);
        let remote =
            |number: usize| SocketAddr::from(([10, (number >> 16) as u8, (number >> 8) as u8, number as u8], 5060));
        let local = remote(0);
        let mut learn = |number: usize| {
            let flow = FlowId(first_flow(Shard(1)) + number as u64);
            let path = Path { flow, transport: sip::Transport::Tcp, local, remote: remote(number) };
            others.learn(flow, Some(path), FlowChange::Accepted);
            (others.flows.len(), others.connections.len(), others.connection(remote(1)).is_some())
        };
        let full = (1..=ELSEWHERE).map(&mut learn).last();
        assert_eq!(full, Some((ELSEWHERE, ELSEWHERE, true)));
        assert_eq!(learn(ELSEWHERE + 1), (1, 1, false));
    }

    #[test]
    fn loops_together_have_no_more_connections_than_the_server_may() {
        let limits = StreamLimits { connections: 1_000, per_address: 100, ..StreamLimits::default() };
        for count in [2, 3, 7, 64] {
            for (files, most) in [(1 << 20, 1_000), (1_024, 256), (400, 100)] {
                let part = part(limits, count, files);
                let all = part.connections * usize::from(count);
                assert!(all <= most && all > most - usize::from(count), "{count} loops, {files} files: {all}");
                assert!(part.per_address * usize::from(count) <= 100, "{count}");
            }
        }
        // Each has one, however few files there are.
        assert_eq!(part(limits, 64, 64).connections, 1);
    }
}
