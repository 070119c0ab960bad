//! What becomes of a message on its way, and of a name that is looked up.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sip::locate::Target;
use sip::{Answer, Cause, Path, Question, SendError, SendId, Time, Transport};

use super::{Arrival, Network, UDP};
use crate::glimpse::Glimpse;
use crate::ladder::{Leg, Way};
use crate::node::Node;
use crate::tally::Fault;
use crate::zone::DEAD;

/// A message that leaves a node, between whom and when.
struct Leaving {
    message: Glimpse,
    sender: String,
    to: String,
    at: Time,
}

impl Network {
    pub(super) fn look_up(&mut self, node: usize, question: &Question) -> Option<Answer> {
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
            "nobody.sim" => DEAD,
            name => match (self.names.get(name), name.parse()) {
                (Some(known), _) => self.behind(*known, name),
                (None, Ok(ip)) => SocketAddr::new(ip, port.unwrap_or(5060)),
                (None, Err(_)) => return Some(Answer::None),
            },
        };
        let usual = Target { transport: transport.unwrap_or(Transport::Udp), address: remote };
        let is_node = self.nodes.iter().any(|node| format!("{}.sim", node.name) == *host);
        let targets = match is_node.then(|| self.zone.targets(host, *transport, remote)).flatten() {
            None => vec![usual],
            Some(Ok(targets)) => targets,
            Some(Err(why)) => panic!("{host} was not found: {why}"),
        };
        let local = self.nodes.get(node)?.local;
        let path = |Target { transport, address: remote }| {
            let flow = match transport {
                Transport::Udp => UDP,
                _ => self.streams.flow_to(node, remote).unwrap_or_else(|| self.streams.new_flow()),
            };
            if is_node && remote == DEAD {
                self.tally.fault(Fault::DeadServer);
            }
            Path { flow, transport, local, remote }
        };
        Some(Answer::Routes(targets.into_iter().map(path).collect()))
    }

    /// Where the node is reached that had this address when it was given this name.
    fn behind(&self, known: SocketAddr, name: &str) -> SocketAddr {
        let name = name.strip_prefix("at-").unwrap_or(name);
        let at_address = self.nodes.iter().find(|node| node.local == known);
        let by_name = || self.nodes.iter().find(|node| format!("{}.sim", node.name) == name);
        at_address.or_else(by_name).map_or(known, Node::seen)
    }

    fn name_of(&self, address: SocketAddr) -> String {
        let node = self.nodes.iter().find(|node| node.public.contains(&address) || node.seen().ip() == address.ip());
        match node {
            Some(node) => node.name.clone(),
            None if self.groups.contains_key(&address) => "hunt".to_owned(),
            None => "nobody".to_owned(),
        }
    }

    /// Shows the referee what leaves.
    fn leaving(&mut self, node: usize, remote: SocketAddr, bytes: &Bytes) -> Option<Leaving> {
        let sender = self.nodes.get(node)?.name.clone();
        let (message, to, at) = (Glimpse::of(bytes), self.name_of(remote), self.shown());
        self.referee.sent(at, &sender, &message, bytes);
        Some(Leaving { message, sender, to, at })
    }

    pub(super) fn in_outage(&self) -> bool {
        self.weather.outage.is_some_and(|(begin, end)| (begin..end).contains(&self.passed()))
    }

    pub(super) fn send_datagram(
        &mut self,
        node: usize,
        id: SendId,
        path: Path,
        bytes: Bytes,
        why: Cause,
    ) -> Option<SendError> {
        let (translated, from) = self.nodes.get(node).map(|node| (node.is_translated(), node.seen()))?;
        let Leaving { message, sender, to, at } = self.leaving(node, path.remote, &bytes)?;
        let leg = Leg { at, from: &sender, to: &to, why, stream: false };
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
        let (copies, late) = (if way == Way::Twice { 2 } else { 1 }, fault == Some(Fault::Late));
        self.launch((node, id), from, path.remote, &bytes, copies, late);
        None
    }

    /// Sends copies of a datagram on their way, those after the first late.
    fn launch(
        &mut self,
        (node, id): (usize, SendId),
        from: SocketAddr,
        to: SocketAddr,
        bytes: &Bytes,
        copies: u32,
        late: bool,
    ) {
        self.count += 1;
        let number = self.count;
        for copy in 0..copies {
            let late = late || copy > 0;
            let extra =
                if late { self.chance.millis(0, self.weather.late_by.as_millis() as u64) } else { Duration::ZERO };
            let after = self.weather.way + extra;
            if self.is_nobody(to) {
                self.fly(after * 2, Arrival::Refused { node, send: id });
            } else {
                self.fly(after, Arrival::Datagram { from, to, bytes: bytes.clone(), number });
            }
        }
    }

    fn is_nobody(&self, address: SocketAddr) -> bool {
        address == DEAD
    }

    /// What happens to a datagram. Nothing twice, so that each is counted.
    fn datagram_fault(&mut self, from: &str, to: &str, message: &Glimpse) -> Option<Fault> {
        if let Some(hand) = &mut self.hand
            && hand(from, to, message)
        {
            return Some(Fault::Loss);
        }
        if self.in_outage() {
            return Some(Fault::Outage);
        }
        let weather = &self.weather;
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

    pub(super) fn send_stream(
        &mut self,
        node: usize,
        id: SendId,
        path: Path,
        bytes: Bytes,
        why: Cause,
    ) -> Option<SendError> {
        let Leaving { message, sender, to, at } = self.leaving(node, path.remote, &bytes)?;
        let leg = Leg { at, from: &sender, to: &to, why, stream: true };
        let Some((connection, mine)) = self.connection(node, &path) else {
            self.tally.unsent(why);
            self.referee.refused(&sender, &message);
            self.ladder.sent(&leg, &message, Way::Refused);
            return Some(SendError::Unreachable);
        };
        let cut = self.in_outage() || self.chance.permille(self.weather.cut);
        self.ladder.sent(&leg, &message, if cut { Way::Lost } else { Way::Arrives });
        let way = self.weather.way;
        if cut {
            self.tally.fault(Fault::Cut);
            self.tally.unsent(why);
            let unwritten = self.chance.permille(500).then_some((node, id));
            self.fly(way / 2, Arrival::Cut { connection, unwritten });
            return None;
        }
        self.stream(connection, 1 - mine, bytes);
        None
    }

    /// The connection of a flow and which end of it the node has: opened when it is new, `None` when that fails.
    fn connection(&mut self, node: usize, path: &Path) -> Option<(u64, usize)> {
        if let Some(found) = self.streams.find(node, path.flow) {
            return Some(found);
        }
        let seen = self.nodes.get(node)?.seen();
        let listener = self.nodes.iter().position(|node| node.listens && node.seen() == path.remote);
        let unlucky = self.chance.permille(self.weather.unopened);
        if unlucky {
            self.tally.fault(Fault::Unopened);
        }
        let listener = listener.filter(|_| !unlucky)?;
        let (connection, _) = self.streams.connect(node, path.flow, seen, listener, path.remote);
        Some((connection, 0))
    }

    /// Sends octets on their way to the far end, after those sent before, sometimes in two pieces.
    pub(super) fn stream(&mut self, connection: u64, far: usize, bytes: Bytes) {
        let late = if self.chance.permille(self.weather.late) {
            self.chance.millis(0, self.weather.late_by.as_millis() as u64)
        } else {
            Duration::ZERO
        };
        let mut at = self.now + self.weather.way + late;
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
    }
}
