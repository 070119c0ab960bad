//! The network: carries messages between nodes as the weather says, and lets the clock jump from event to event.

mod arriving;
mod keeping;
mod sending;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sip::{
    Action, Answer, Application, AskId, Cause, Config, FlowChange, FlowId, Now, Outbox, SendId, Time, Transport, Turn,
    WallTime,
};

use crate::chance::Chance;
use crate::glimpse::Glimpse;
use crate::ladder::Ladder;
use crate::node::Node;
use crate::referee::Referee;
use crate::streams::Streams;
use crate::tally::Tally;
use crate::weather::{Sky, Weather};
use crate::zone::Zone;

/// Where all datagrams of a node come from.
const UDP: FlowId = FlowId(1);

/// The time at which a network begins.
pub(crate) const BEGIN: Time = Time(1_000_000_000);

/// Says of each message by hand whether it is lost; ends before the weather has a say.
pub type Hand = Box<dyn FnMut(&str, &str, &Glimpse) -> bool>;

/// Something on its way.
#[derive(Debug)]
enum Arrival {
    Datagram {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Bytes,
        number: u64,
    },
    Chunk {
        connection: u64,
        end: usize,
        bytes: Bytes,
    },
    /// The connection is cut; perhaps before somebody's message had left.
    Cut {
        connection: u64,
        unwritten: Option<(usize, SendId)>,
    },
    Answer {
        node: usize,
        ask: AskId,
        answer: Answer,
    },
    Refused {
        node: usize,
        send: SendId,
    },
    Rebind {
        keep: bool,
    },
    /// Somebody sets a node's wall clock.
    SetClock {
        node: usize,
        by: i64,
    },
    /// A node falls asleep.
    Sleep {
        node: usize,
        until: Time,
    },
    /// It wakes up.
    Wake {
        node: usize,
    },
}

/// The network and everything on it.
pub struct Network {
    now: Time,
    nodes: Vec<Node>,
    wire: BTreeMap<(Time, u64), Arrival>,
    count: u64,
    chance: Chance,
    weather: Weather,
    streams: Streams,
    /// Addresses at which several nodes hear each datagram: a forking server without a will.
    groups: BTreeMap<SocketAddr, Vec<usize>>,
    names: BTreeMap<String, SocketAddr>,
    zone: Zone,
    /// How often each message has been lost.
    lost: BTreeMap<String, u32>,
    /// The newest datagram that has arrived, by sender and receiver.
    newest: BTreeMap<(SocketAddr, SocketAddr), u64>,
    /// Turns so far.
    turns: u64,
    /// A scene's own losses.
    pub hand: Option<Hand>,
    /// What happened how often.
    pub tally: Tally,
    /// What was sent.
    pub ladder: Ladder,
    /// Who watches the rules.
    pub referee: Referee,
}

impl Network {
    /// An empty network.
    pub fn new(weather: Weather, chance: Chance) -> Self {
        let mut network = Self {
            now: BEGIN,
            nodes: Vec::new(),
            wire: BTreeMap::new(),
            count: 0,
            chance,
            streams: Streams::default(),
            groups: BTreeMap::new(),
            names: BTreeMap::new(),
            zone: Zone::plain(),
            lost: BTreeMap::new(),
            newest: BTreeMap::new(),
            turns: 0,
            hand: None,
            tally: Tally::default(),
            ladder: Ladder::default(),
            referee: Referee::new(weather.sky),
            weather,
        };
        for (at, keep) in network.weather.rebinding.clone() {
            network.fly(at, Arrival::Rebind { keep });
        }
        for (at, node, by) in network.weather.set_clocks.clone() {
            network.fly(at, Arrival::SetClock { node, by });
        }
        if let Some((node, from, until)) = network.weather.sleep {
            network.fly(from, Arrival::Sleep { node, until: BEGIN + until });
            // Before all that will arrive at the same moment.
            network.fly(until, Arrival::Wake { node });
        }
        network
    }

    /// Adds a node, found as `name.sim`; its number.
    pub fn add(&mut self, name: &str, config: Config, application: Box<dyn Application>) -> usize {
        let number = self.nodes.len();
        let local = SocketAddr::from(([10, 0, 0, number as u8 + 1], 5060));
        let seed = self.chance.octets();
        self.nodes.push(Node::new(name, config, seed, local, application));
        self.names.insert(format!("{name}.sim"), local);
        number
    }

    /// The names of these nodes lead to `node` from now on; who knows better reaches them as `at-NAME.sim`.
    pub fn lead(&mut self, names: &[&str], node: usize) {
        let Some(address) = self.nodes.get(node).map(|node| node.local) else { return };
        for name in names {
            let own = self.names.insert(format!("{name}.sim"), address);
            self.names.extend(own.map(|own| (format!("at-{name}.sim"), own)));
        }
    }

    /// Names have records of servers, as a seed says.
    pub fn servers(&mut self, chance: Chance) {
        self.zone = Zone::draw(chance);
    }

    /// Puts a node behind an address translator.
    pub fn translate(&mut self, node: usize) {
        let number = node as u8 + 1;
        let Some(node) = self.nodes.get_mut(node) else { return };
        node.local = SocketAddr::from(([192, 168, 0, number], 5060));
        node.public = vec![SocketAddr::from(([203, 0, 113, number], 40_000))];
        node.listens = false;
    }

    /// The node takes no connections.
    pub fn deaf_to_streams(&mut self, node: usize) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.listens = false;
        }
    }

    /// A name at which all of these nodes hear every datagram.
    pub fn group(&mut self, name: &str, nodes: &[usize]) {
        let address = SocketAddr::from(([10, 0, 9, 9], 5060));
        self.groups.insert(address, nodes.to_vec());
        self.names.insert(format!("{name}.sim"), address);
    }

    /// All nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// How much time has passed.
    pub fn passed(&self) -> Duration {
        self.now.since(BEGIN)
    }

    /// How many turns there have been.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// The moment as a node sees it: all share the time that timers run on, each has a wall clock of its own.
    fn instant(&self, node: usize) -> Now {
        let ahead = self.nodes.get(node).map_or(0, |node| node.ahead);
        let wall = (1_800_000_000 + self.now.0 / 1_000_000).saturating_add_signed(ahead);
        Now { mono: self.now, wall: WallTime(wall) }
    }

    fn fly(&mut self, after: Duration, arrival: Arrival) {
        self.count += 1;
        self.wire.insert((self.now + after, self.count), arrival);
    }

    fn shown(&self) -> Time {
        Time(self.now.0.saturating_sub(BEGIN.0))
    }

    /// Opens a turn of a node and carries out what comes of it.
    pub fn turn<R>(&mut self, node: usize, command: impl FnOnce(&mut Turn<'_>) -> R) -> Option<R> {
        let now = self.instant(node);
        let mut out = Outbox::new();
        let result = command(&mut self.nodes.get_mut(node)?.stack.at(now, &mut out));
        self.carry_out(node, out);
        self.look_at_states(node);
        self.turns += 1;
        Some(result)
    }

    fn carry_out(&mut self, node: usize, mut out: Outbox) {
        let now = self.instant(node);
        while let Some(action) = out.pop() {
            match action {
                Action::Send { path, bytes, why: Cause::KeepAlive, .. } => self.keep_alive(node, &path, bytes),
                Action::Send { id, path, bytes, why } => {
                    let failed = match path.transport {
                        Transport::Udp => self.send_datagram(node, id, path, bytes, why),
                        _ => self.send_stream(node, id, path, bytes, why),
                    };
                    let Some(error) = failed else { continue };
                    let Some(at) = self.nodes.get_mut(node) else { return };
                    self.tally.told(&error);
                    at.stack.at(now, &mut out).unsent(id, error);
                    if path.transport != Transport::Udp {
                        at.stack.at(now, &mut out).flow(path.flow, FlowChange::OpenFailed);
                    }
                }
                Action::Ask { id, question, .. } => {
                    if let Some(answer) = self.look_up(node, &question) {
                        let after = self.weather.lookup;
                        self.fly(after, Arrival::Answer { node, ask: id, answer });
                    }
                }
                Action::Event(event) => {
                    let Some(at) = self.nodes.get_mut(node) else { return };
                    let Some(mut application) = at.application.take() else { continue };
                    application.event(event, &mut at.stack.at(now, &mut out));
                    at.application = Some(application);
                }
                Action::Close { flow } => {
                    if let Some((connection, _)) = self.streams.find(node, flow) {
                        self.fly(Duration::ZERO, Arrival::Cut { connection, unwritten: None });
                    }
                }
                other => panic!("nobody carries out {other:?}"),
            }
        }
    }

    /// Lets happen what happens next; false when nothing does, or not before `end`.
    pub fn step(&mut self, end: Duration) -> bool {
        let arrival = self.wire.keys().next().map(|(at, _)| *at);
        let deadline = self.nodes.iter_mut().filter_map(Node::deadline).min();
        let Some(next) = arrival.into_iter().chain(deadline).min().filter(|at| at.since(BEGIN) <= end) else {
            return false;
        };
        self.now = self.now.max(next);
        if let Some(entry) = self.wire.first_entry()
            && entry.key().0 <= self.now
        {
            let arrival = entry.remove();
            self.arrive(arrival);
            return true;
        }
        for node in 0..self.nodes.len() {
            if self.nodes.get_mut(node).and_then(Node::deadline).is_some_and(|at| at <= self.now) {
                self.turn(node, |turn| turn.timeout());
            }
        }
        true
    }

    /// Lets time pass until then.
    pub fn run(&mut self, end: Duration) {
        while self.step(end) {}
        self.now = self.now.max(BEGIN + end);
    }

    /// Counts the states that were left in the turn that has ended.
    fn look_at_states(&mut self, node: usize) {
        let Some(node) = self.nodes.get_mut(node) else { return };
        let now: BTreeMap<u64, &'static str> = node.stack.states().into_iter().collect();
        for (machine, state) in &node.states {
            if now.get(machine) != Some(state) {
                self.tally.left(state);
            }
        }
        node.states = now;
    }

    /// Names of nodes in which something is left, with what.
    pub fn leaks(&self) -> Vec<String> {
        let used = self.nodes.iter().filter(|node| node.stack.usage() != sip::Usage::default());
        used.map(|node| format!("{} still has {:?}: {:?}", node.name, node.stack.usage(), node.stack.states()))
            .collect()
    }

    /// What a clear sky forbids: repeats, time-outs, messages that match nothing.
    pub fn disorder(&self) -> Vec<String> {
        let mut found = BTreeSet::new();
        for node in &self.nodes {
            let counters = node.stack.counters();
            let mut check = |what: &str, n: u64| {
                if n > 0 {
                    found.insert(format!("{}: {n} {what}", node.name));
                }
            };
            check("unreadable messages", counters.unreadable);
            check("merged requests", counters.merged);
            check("shed requests", counters.shed);
            if self.weather.sky <= Sky::Fair {
                let outlived = self.referee.outlived(&node.name);
                check("refusals without ACK", counters.unacknowledged.saturating_sub(outlived));
            }
            if self.weather.sky == Sky::Clear {
                check("time-outs", counters.timeouts);
                check("repeated requests came in", counters.repeats_in);
                check("requests repeated", counters.requests_repeated);
                check("responses repeated", counters.responses_repeated);
            }
        }
        found.into_iter().collect()
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("now", &self.now).field("nodes", &self.nodes).finish_non_exhaustive()
    }
}
