//! What a loop knows of those beside it, and what it has for them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use sip::{FlowChange, FlowId, Path, SendError, SendId, Shard, Spread, Transport};
use tokio::sync::mpsc;

use crate::datagrams::Nobody;
use crate::error::Refused;
use crate::flows;
use crate::sparingly::Sparingly;

/// Connections of other loops that are known; forgotten all at once when full.
const ELSEWHERE: usize = 100_000;
/// Connections that are gone, kept for a loop that has no room to be told. Of more it hears nothing.
const UNTOLD: usize = 100_000;

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
    /// An ICMP error came back to a loop that had sent nothing to where it is from.
    Refused(Nobody),
    /// Nobody is at that address any more.
    Gone { remote: SocketAddr },
}

/// What a loop knows of the others.
pub(crate) struct Others {
    me: Shard,
    spread: Spread,
    queues: Vec<mpsc::Sender<Crossing>>,
    /// Messages of this turn that belong to others.
    leaving: Vec<(Shard, Path, Bytes)>,
    /// Those for which they had no room.
    left: Vec<(Path, Bytes)>,
    /// Their connections, by the peer's address.
    connections: HashMap<SocketAddr, Path>,
    /// Where those lead.
    flows: HashMap<FlowId, SocketAddr>,
    /// By loop: connections that are gone, of which it is told as soon as it has room.
    untold: HashMap<Shard, mpsc::Sender<FlowId>>,
    sheds: Sparingly,
    handed_over: Arc<AtomicU64>,
}

impl Others {
    /// `handed_over` counts the messages that belong to others.
    pub(crate) fn new(
        me: Shard,
        spread: Spread,
        queues: Vec<mpsc::Sender<Crossing>>,
        handed_over: Arc<AtomicU64>,
    ) -> Self {
        let (connections, flows, untold) = (HashMap::new(), HashMap::new(), HashMap::new());
        let (leaving, left) = (Vec::new(), Vec::new());
        Self { me, spread, queues, leaving, left, connections, flows, untold, sheds: Sparingly::default(), handed_over }
    }

    /// The loop that a message belongs to when that is another. What cannot be told stays here.
    pub(crate) fn home(&self, message: &[u8]) -> Option<Shard> {
        self.spread.of_message(message).filter(|home| *home != self.me)
    }

    /// The loop that has the connection of a path, when that is another.
    pub(crate) fn owner(&self, path: &Path) -> Option<Shard> {
        let owner = flows::owner(path.flow);
        (!matches!(path.transport, Transport::Udp) && owner != self.me && owner.0 < self.spread.count())
            .then_some(owner)
    }

    /// Another loop's connection to this address.
    pub(crate) fn connection(&self, remote: SocketAddr) -> Option<Path> {
        self.connections.get(&remote).copied()
    }

    /// Hands a message over to the loop it belongs to, at the end of the turn: so that loop is woken once for all of them.
    pub(crate) fn hand_over(&mut self, home: Shard, from: Path, bytes: Bytes) {
        self.leaving.push((home, from, bytes));
    }

    /// Hands over what has waited for that. There is no more waiting: what finds no room is [`Others::left`], to be shed.
    pub(crate) fn hand_over_all(&mut self) {
        let mut leaving = std::mem::take(&mut self.leaving);
        for (home, from, bytes) in leaving.drain(..) {
            match self.tell(home, Crossing::Message { from, bytes }) {
                Err(Crossing::Message { from, bytes }) => {
                    self.is_full(home);
                    self.left.push((from, bytes));
                }
                _ => self.count(),
            }
        }
        // Its room is kept for the next turn.
        self.leaving = leaving;
    }

    /// Whether messages have found no room.
    pub(crate) fn is_left_with(&self) -> bool {
        !self.left.is_empty()
    }

    /// The messages that have found no room.
    pub(crate) fn left(&mut self) -> Vec<(Path, Bytes)> {
        std::mem::take(&mut self.left)
    }

    /// One message more was handed over.
    pub(crate) fn count(&self) {
        // Only this loop counts, so it need not do it in one step.
        self.handed_over.store(self.handed_over.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// A message was not handed over for want of room.
    pub(crate) fn is_full(&mut self, home: Shard) {
        if let Some(kept_back) = self.sheds.due(Instant::now()) {
            tracing::warn!(
                shard = home.0,
                kept_back,
                "a SIP loop has more messages waiting than it takes: requests are shed"
            );
        }
    }

    /// Sends on a connection of another loop.
    pub(crate) fn send_through(&self, owner: Shard, id: SendId, path: Path, bytes: Bytes) -> Result<(), Refused> {
        self.tell(owner, Crossing::Send { id, path, bytes }).map_err(|_| Refused(SendError::NoBuffer))
    }

    /// Tells the loop whose message could not be sent, when that is another. One too busy to be told finds out by its timers.
    pub(crate) fn tell_unsent(&self, id: SendId, why: &SendError) -> bool {
        let home = id.0.shard();
        if home == self.me {
            return false;
        }
        let _ = self.tell(home, Crossing::Unsent { id, why: why.clone() });
        true
    }

    /// Tells of a connection of this loop. That one is gone nobody finds out otherwise, and what is bound to it must end (RFC 5626 section 7): a loop
    /// too busy to be told hears of that later.
    pub(crate) fn tell_flow(&mut self, flow: FlowId, path: Option<Path>, change: FlowChange) {
        // Nor does anybody hear of its end before what came by it.
        self.hand_over_all();
        for shard in self.too_busy_for(|| Crossing::Flow { flow, path, change }) {
            match change {
                FlowChange::Lost => self.tell_later(shard, flow),
                _ => tracing::debug!(shard = shard.0, "a loop is too busy to be told"),
            }
        }
    }

    /// A loop is told of a connection that is gone as soon as it has room.
    fn tell_later(&mut self, to: Shard, flow: FlowId) {
        let Some(queue) = self.queues.get(usize::from(to.0)) else { return };
        let untold = self.untold.entry(to).or_insert_with(|| {
            let (untold, lost) = mpsc::channel(UNTOLD);
            tokio::task::spawn_local(tell_lost(lost, queue.clone()));
            untold
        });
        if untold.try_send(flow).is_err()
            && let Some(kept_back) = self.sheds.due(Instant::now())
        {
            tracing::error!(
                shard = to.0,
                kept_back,
                "a SIP loop is not told that a connection is gone: calls are still tried along it"
            );
        }
    }

    /// Tells of an ICMP error for what this loop did not send: the system chooses who of those on a port is told.
    pub(crate) fn tell_refused(&self, nobody: &Nobody) {
        for shard in self.too_busy_for(|| Crossing::Refused(nobody.clone())) {
            tracing::debug!(shard = shard.0, "a loop is too busy to be told");
        }
    }

    /// Tells that nobody is at an address any more. A loop too busy to be told finds out by the next request.
    pub(crate) fn tell_gone(&self, remote: SocketAddr) {
        for shard in self.too_busy_for(|| Crossing::Gone { remote }) {
            tracing::debug!(shard = shard.0, "a loop is too busy to be told");
        }
    }

    /// Hands something over; gives it back when there is no room.
    fn tell(&self, to: Shard, what: Crossing) -> Result<(), Crossing> {
        let Some(queue) = self.queues.get(usize::from(to.0)) else { return Err(what) };
        queue.try_send(what).map_err(mpsc::error::TrySendError::into_inner)
    }

    /// Tells all others; gives back those that have no room for it.
    fn too_busy_for(&self, what: impl Fn() -> Crossing) -> Vec<Shard> {
        let shards = self.queues.iter().zip((0..).map(Shard)).filter(|(_, shard)| *shard != self.me);
        shards.filter(|(queue, _)| queue.try_send(what()).is_err()).map(|(_, shard)| shard).collect()
    }

    /// A connection of another loop has changed.
    pub(crate) fn learn(&mut self, flow: FlowId, path: Option<Path>, change: FlowChange) {
        match (change, path) {
            // Who is behind TLS only the loop knows that has shaken hands: the others shake hands themselves.
            (FlowChange::Opened | FlowChange::Accepted, Some(path)) if path.transport == Transport::Tcp => {
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

/// Tells a loop of connections that are gone, one after the other as it has room.
async fn tell_lost(mut lost: mpsc::Receiver<FlowId>, queue: mpsc::Sender<Crossing>) {
    while let Some(flow) = lost.recv().await {
        let what = Crossing::Flow { flow, path: None, change: FlowChange::Lost };
        if queue.send(what).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::LocalSet;

    use super::*;

    /// A loop with another whose queue has room for one, on which nothing else runs; what of so many lost connections the other hears.
    fn heard_of(lost: usize) -> usize {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let (mine, _inbox) = mpsc::channel(1);
            let (queue, mut inbox) = mpsc::channel(1);
            let mut others = Others::new(Shard(0), Spread::new(2, rand::random()), vec![mine, queue], Arc::default());
            let first = flows::first_of_streams(Shard(0), 0);
            for number in 0..lost {
                others.tell_flow(FlowId(first + number as u64), None, FlowChange::Lost);
            }
            // What is kept is told, and then no more comes.
            drop(others);
            let mut heard = Vec::new();
            while let Some(what) = inbox.recv().await {
                let Crossing::Flow { flow, change: FlowChange::Lost, .. } = what else { panic!() };
                heard.push(flow.0 - first);
            }
            assert!(heard.iter().zip(0..).all(|(one, number)| *one == number), "each once, in order");
            heard.len()
        })
    }

    #[test]
    fn rfc5626_7_a_busy_loop_is_told_later_of_every_connection_that_is_gone() {
        assert_eq!(heard_of(3), 3);
    }

    #[test]
    fn so_many_lost_connections_are_kept_for_a_busy_loop() {
        assert_eq!(heard_of(1 + UNTOLD), 1 + UNTOLD);
        assert_eq!(heard_of(1 + UNTOLD + 1), 1 + UNTOLD);
    }

    #[test]
    fn connections_of_other_loops_are_forgotten_all_at_once_when_too_many() {
        let (queue, _inbox) = mpsc::channel(1);
        let spread = Spread::new(2, rand::random());
        let mut others = Others::new(Shard(0), spread, vec![queue.clone(), queue], Arc::default());
        let remote =
            |number: usize| SocketAddr::from(([10, (number >> 16) as u8, (number >> 8) as u8, number as u8], 5060));
        let local = remote(0);
        let mut learn = |number: usize| {
            let flow = FlowId(flows::first_of_streams(Shard(1), 0) + number as u64);
            let path = Path { flow, transport: Transport::Tcp, local, remote: remote(number) };
            others.learn(flow, Some(path), FlowChange::Accepted);
            (others.flows.len(), others.connections.len(), others.connection(remote(1)).is_some())
        };
        let full = (1..=ELSEWHERE).map(&mut learn).last();
        assert_eq!(full, Some((ELSEWHERE, ELSEWHERE, true)));
        assert_eq!(learn(ELSEWHERE + 1), (1, 1, false));
    }
}
