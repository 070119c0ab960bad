//! The network: carries messages between nodes as the weather says, and lets the clock jump from event to event.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sip::message::Frame;
use sip::{
    Action, Answer, Application, AskId, Cause, Config, FlowChange, FlowId, Now, Outbox, Path, Question, SendError,
    SendId, Time, Transport, Turn, WallTime,
};

use crate::chance::Chance;
use crate::glimpse::Glimpse;
use crate::ladder::{Ladder, Leg, Way};
use crate::node::Node;
use crate::referee::Referee;
use crate::streams::Streams;
use crate::tally::{Fault, Tally};
use crate::weather::{Sky, Weather};

/// Where all datagrams of a node come from.
const UDP: FlowId = FlowId(1);

/// The time at which a network begins.
const BEGIN: Time = Time(1_000_000_000);

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

    fn instant(&self) -> Now {
        Now { mono: self.now, wall: WallTime(1_800_000_000 + self.now.0 / 1_000_000) }
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
        let now = self.instant();
        let mut out = Outbox::new();
        let result = command(&mut self.nodes.get_mut(node)?.stack.at(now, &mut out));
        self.carry_out(node, out);
        self.look_at_states(node);
        self.turns += 1;
        Some(result)
    }

    fn carry_out(&mut self, node: usize, mut out: Outbox) {
        let now = self.instant();
        while let Some(action) = out.pop() {
            match action {
                Action::Send { id, path, bytes, why } => {
                    let failed = match path.transport {
                        Transport::Udp => self.send_datagram(node, id, path, bytes, why),
                        _ => self.send_stream(node, id, path, bytes, why),
                    };
                    let Some(error) = failed else { continue };
                    let Some(at) = self.nodes.get_mut(node) else { return };
                    self.tally.told(error);
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

    fn look_up(&mut self, node: usize, question: &Question) -> Option<Answer> {
        let Question::Route { host, port, transport, .. } = question else { panic!("{question:?}") };
        let remote = match host.as_str() {
            "missing.sim" => {
                self.tally.fault(Fault::NoName);
                return Some(Answer::None);
            }
            "broken.sim" => {
                self.tally.fault(Fault::LookupFailed);
                return Some(Answer::Failed("the server failed".to_owned()));
            }
            "slow.sim" => {
                self.tally.fault(Fault::LookupSilent);
                return None;
            }
            "nobody.sim" => SocketAddr::from(([10, 0, 8, 8], 5060)),
            name => match (self.names.get(name), name.parse()) {
                (Some(known), _) => self
                    .nodes
                    .iter()
                    .find(|node| node.local == *known || format!("{}.sim", node.name) == name)
                    .map_or(*known, Node::seen),
                (None, Ok(ip)) => SocketAddr::new(ip, port.unwrap_or(5060)),
                (None, Err(_)) => return Some(Answer::None),
            },
        };
        let transport = transport.unwrap_or(Transport::Udp);
        let flow = match transport {
            Transport::Udp => UDP,
            _ => self.streams.flow_to(node, remote).unwrap_or_else(|| self.streams.new_flow()),
        };
        let local = self.nodes.get(node)?.local;
        Some(Answer::Routes(vec![Path { flow, transport, local, remote }]))
    }

    fn name_of(&self, address: SocketAddr) -> String {
        let node = self.nodes.iter().find(|node| node.public.contains(&address) || node.seen().ip() == address.ip());
        match node {
            Some(node) => node.name.clone(),
            None if self.groups.contains_key(&address) => "hunt".to_owned(),
            None => "nobody".to_owned(),
        }
    }

    fn send_datagram(&mut self, node: usize, id: SendId, path: Path, bytes: Bytes, why: Cause) -> Option<SendError> {
        let message = Glimpse::of(&bytes);
        let (sender, translated) = self.nodes.get(node).map(|node| (node.name.clone(), node.is_translated()))?;
        let from = self.nodes.get(node)?.seen();
        let (now, to) = (self.shown(), self.name_of(path.remote));
        self.referee.sent(now, &sender, &message, &bytes);
        let leg = Leg { at: now, from: &sender, to: &to, why, stream: false };
        if self.weather.mtu.is_some_and(|mtu| message.size > mtu)
            && message.is_request()
            && message.method == "INVITE"
            && !translated
        {
            self.tally.fault(Fault::TooBig);
            self.tally.unsent(why);
            self.ladder.sent(&leg, &message, Way::Refused);
            return Some(SendError::TooBig);
        }
        let fault = self.datagram_fault(&sender, &to, &message);
        let way = match fault {
            Some(Fault::Refused | Fault::NoBuffer) => Way::Refused,
            Some(Fault::Loss | Fault::Outage) => Way::Lost,
            Some(Fault::Double) => Way::Twice,
            _ => Way::Arrives,
        };
        self.ladder.sent(&leg, &message, way);
        if let Some(fault) = fault {
            self.tally.fault(fault);
        }
        match fault {
            Some(Fault::NoBuffer) => {
                self.tally.unsent(why);
                return Some(SendError::NoBuffer);
            }
            Some(Fault::Refused) => {
                self.tally.unsent(why);
                let after = self.weather.way * 2;
                self.fly(after, Arrival::Refused { node, send: id });
                return None;
            }
            Some(Fault::Loss | Fault::Outage) => return None,
            _ => {}
        }
        self.count += 1;
        let number = self.count;
        for copy in 0..if way == Way::Twice { 2 } else { 1 } {
            let late = fault == Some(Fault::Late) || copy > 0;
            let extra =
                if late { self.chance.millis(0, self.weather.late_by.as_millis() as u64) } else { Duration::ZERO };
            let after = self.weather.way + extra;
            if self.is_nobody(path.remote) {
                self.fly(after * 2, Arrival::Refused { node, send: id });
            } else {
                self.fly(after, Arrival::Datagram { from, to: path.remote, bytes: bytes.clone(), number });
            }
        }
        None
    }

    fn is_nobody(&self, address: SocketAddr) -> bool {
        address == SocketAddr::from(([10, 0, 8, 8], 5060))
    }

    /// What happens to a datagram. Nothing twice, so that each is counted.
    fn datagram_fault(&mut self, from: &str, to: &str, message: &Glimpse) -> Option<Fault> {
        if let Some(hand) = &mut self.hand
            && hand(from, to, message)
        {
            return Some(Fault::Loss);
        }
        let passed = self.passed();
        let weather = &self.weather;
        if weather.outage.is_some_and(|(begin, end)| (begin..end).contains(&passed)) {
            return Some(Fault::Outage);
        }
        let chances = [
            (weather.loss, Fault::Loss),
            (weather.no_buffer, Fault::NoBuffer),
            (weather.refused, Fault::Refused),
            (weather.double, Fault::Double),
            (weather.late, Fault::Late),
        ];
        let most = weather.most_lost;
        let fault = chances.into_iter().find(|(cases, _)| self.chance.permille(*cases)).map(|(_, fault)| fault)?;
        if let (Fault::Loss | Fault::NoBuffer, Some(most)) = (fault, most) {
            let key = format!("{from} {to} {} {} {}", message.kind(), message.branch, message.cseq);
            let times = self.lost.entry(key).or_default();
            if *times >= most {
                return None;
            }
            *times += 1;
        }
        Some(fault)
    }

    fn send_stream(&mut self, node: usize, id: SendId, path: Path, bytes: Bytes, why: Cause) -> Option<SendError> {
        let message = Glimpse::of(&bytes);
        let (sender, seen) = self.nodes.get(node).map(|node| (node.name.clone(), node.seen()))?;
        let (now, to) = (self.shown(), self.name_of(path.remote));
        self.referee.sent(now, &sender, &message, &bytes);
        let leg = Leg { at: now, from: &sender, to: &to, why, stream: true };
        let found = match self.streams.find(node, path.flow) {
            Some(found) => found,
            None => {
                let listener = self.nodes.iter().position(|node| node.listens && node.seen() == path.remote);
                let unlucky = self.chance.permille(self.weather.unopened);
                if unlucky {
                    self.tally.fault(Fault::Unopened);
                }
                let Some(listener) = listener.filter(|_| !unlucky) else {
                    self.tally.unsent(why);
                    self.referee.refused(&sender, &message);
                    self.ladder.sent(&leg, &message, Way::Refused);
                    return Some(SendError::Unreachable);
                };
                let (connection, _) = self.streams.connect(node, path.flow, seen, listener, path.remote);
                (connection, 0)
            }
        };
        let (connection, mine) = found;
        let outage = self.weather.outage.is_some_and(|(begin, end)| (begin..end).contains(&self.passed()));
        let cut = outage || self.chance.permille(self.weather.cut);
        self.ladder.sent(&leg, &message, if cut { Way::Lost } else { Way::Arrives });
        let way = self.weather.way;
        if cut {
            self.tally.fault(Fault::Cut);
            self.tally.unsent(why);
            let unwritten = self.chance.permille(500).then_some((node, id));
            self.fly(way / 2, Arrival::Cut { connection, unwritten });
            return None;
        }
        let late = if self.chance.permille(self.weather.late) {
            self.chance.millis(0, self.weather.late_by.as_millis() as u64)
        } else {
            Duration::ZERO
        };
        let far = 1 - mine;
        let mut at = self.now + way + late;
        if let Some(open) = self.streams.get_mut(connection) {
            at = at.max(open.ends[far].latest);
            open.ends[far].latest = at;
        }
        let after = at.since(self.now);
        if self.chance.permille(100) {
            self.tally.fault(Fault::Split);
            let middle = 1 + self.chance.below(bytes.len() as u64 - 1) as usize;
            self.fly(after, Arrival::Chunk { connection, end: far, bytes: bytes.slice(..middle) });
            self.fly(after, Arrival::Chunk { connection, end: far, bytes: bytes.slice(middle..) });
        } else {
            self.fly(after, Arrival::Chunk { connection, end: far, bytes });
        }
        None
    }

    /// Lets happen what happens next; false when nothing does, or not before `end`.
    pub fn step(&mut self, end: Duration) -> bool {
        let arrival = self.wire.keys().next().map(|(at, _)| *at);
        let deadline = self.nodes.iter().filter_map(|node| node.stack.deadline()).min();
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
            if self.nodes.get(node).and_then(|node| node.stack.deadline()).is_some_and(|at| at <= self.now) {
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

    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Datagram { from, to, bytes, number } => self.datagram(from, to, bytes, number),
            Arrival::Chunk { connection, end, bytes } => self.chunk(connection, end, &bytes),
            Arrival::Cut { connection, unwritten } => {
                if let Some((node, send)) = unwritten {
                    self.tally.fault(Fault::Unwritten);
                    self.unsent(node, send, SendError::Closed);
                }
                for end in self.streams.close(connection).into_iter().flatten() {
                    self.turn(end.node, |turn| turn.flow(end.flow, FlowChange::Lost));
                }
            }
            Arrival::Answer { node, ask, answer } => {
                self.turn(node, |turn| turn.answered(ask, answer));
            }
            Arrival::Refused { node, send } => self.unsent(node, send, SendError::Unreachable),
            Arrival::Rebind { keep } => self.rebind(keep),
        }
    }

    fn unsent(&mut self, node: usize, send: SendId, why: SendError) {
        self.tally.told(why);
        self.turn(node, |turn| turn.unsent(send, why));
    }

    fn datagram(&mut self, from: SocketAddr, to: SocketAddr, bytes: Bytes, number: u64) {
        let newest = self.newest.entry((from, to)).or_default();
        if number < *newest {
            self.tally.fault(Fault::Overtaken);
        }
        *newest = number.max(*newest);
        let heard: Vec<usize> = match self.groups.get(&to) {
            Some(group) => group.clone(),
            None => self.nodes.iter().position(|node| node.public.contains(&to)).into_iter().collect(),
        };
        for node in heard {
            let Some((name, local)) = self.nodes.get(node).map(|node| (node.name.clone(), node.local)) else {
                continue;
            };
            self.referee.received(self.shown(), &name, &Glimpse::of(&bytes));
            let origin = Path { flow: UDP, transport: Transport::Udp, local, remote: from };
            let bytes = bytes.clone();
            self.turn(node, |turn| turn.receive(&origin, bytes));
        }
    }

    fn chunk(&mut self, connection: u64, end: usize, bytes: &Bytes) {
        let Some(open) = self.streams.get_mut(connection) else { return };
        let end = &mut open.ends[end];
        end.framer.push(bytes);
        let (node, flow, remote) = (end.node, end.flow, end.remote);
        let mut frames = Vec::new();
        while let Some(frame) = end.framer.next_frame() {
            frames.push(frame.expect("a stack frames what it sends"));
        }
        for frame in frames {
            let Frame::Message(bytes) = frame else { continue };
            let Some((name, local)) = self.nodes.get(node).map(|node| (node.name.clone(), node.local)) else {
                continue;
            };
            self.referee.received(self.shown(), &name, &Glimpse::of(&bytes));
            let origin = Path { flow, transport: Transport::Tcp, local, remote };
            self.turn(node, |turn| turn.receive(&origin, bytes));
        }
    }

    /// The address translator gives every node behind it a new port.
    fn rebind(&mut self, keep: bool) {
        let now = self.shown();
        for node in self.nodes.iter_mut().filter(|node| node.is_translated()) {
            let mut next = node.seen();
            next.set_port(next.port() + 1);
            if !keep {
                node.public.clear();
            }
            node.public.push(next);
            self.tally.fault(if keep { Fault::Rebound } else { Fault::RebindLost });
            self.ladder.note(
                now,
                &node.name,
                if keep { "new port, the old one stays" } else { "new port, the old one is gone" },
            );
        }
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
                check("refusals without ACK", counters.unacknowledged);
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
