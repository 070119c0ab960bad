//! What arrives at a node.

use std::net::SocketAddr;

use bytes::Bytes;
use sip::message::Frame;
use sip::{FlowChange, FlowId, Path, SendError, SendId, Time, Transport};

use super::keeping::is_stun;
use super::{Arrival, Network, UDP};
use crate::glimpse::Glimpse;
use crate::tally::Fault;

impl Network {
    pub(super) fn arrive(&mut self, arrival: Arrival) {
        let Some(arrival) = self.unless_asleep(arrival) else { return };
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
            Arrival::SetClock { node, by } => self.set_clock(node, by),
            Arrival::Sleep { node, until } => self.sleep(node, until),
            Arrival::Wake { node } => self.wake(node),
        }
    }

    /// What comes for a machine that sleeps, and is not a datagram, waits until it wakes up: the peer's system repeats what a stream carries.
    fn unless_asleep(&mut self, arrival: Arrival) -> Option<Arrival> {
        let nodes = match &arrival {
            Arrival::Answer { node, .. } | Arrival::Refused { node, .. } => [Some(*node), None],
            Arrival::Chunk { connection, end, .. } => {
                [self.streams.get_mut(*connection).map(|open| open.ends[*end].node), None]
            }
            Arrival::Cut { connection, .. } => match self.streams.get_mut(*connection) {
                Some(open) => [Some(open.ends[0].node), Some(open.ends[1].node)],
                None => [None, None],
            },
            _ => [None, None],
        };
        let Some(wakes) = nodes.into_iter().flatten().filter_map(|node| self.nodes.get(node)?.wakes).max() else {
            return Some(arrival);
        };
        self.fly(wakes.since(self.now), arrival);
        None
    }

    fn set_clock(&mut self, node: usize, by: i64) {
        let now = self.shown();
        let Some(node) = self.nodes.get_mut(node) else { return };
        node.ahead += by;
        self.tally.fault(Fault::WallJump);
        self.ladder.note(now, &node.name, &format!("its wall clock is set by {by} s"));
    }

    fn sleep(&mut self, node: usize, until: Time) {
        let now = self.shown();
        let Some(node) = self.nodes.get_mut(node) else { return };
        node.wakes = Some(until);
        self.tally.fault(Fault::Suspend);
        self.ladder.note(now, &node.name, "falls asleep");
    }

    /// All that was due meanwhile is due now, before anything else happens.
    fn wake(&mut self, number: usize) {
        let now = self.shown();
        let Some(node) = self.nodes.get_mut(number) else { return };
        node.wakes = None;
        self.ladder.note(now, &node.name, "wakes up");
        self.turn(number, |turn| turn.timeout());
    }

    pub(super) fn unsent(&mut self, node: usize, send: SendId, why: SendError) {
        self.tally.told(&why);
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
            if self.nodes.get(node).is_some_and(|node| node.wakes.is_some()) {
                self.tally.fault(Fault::Slept);
                continue;
            }
            if is_stun(&bytes) {
                self.stun(node, (from, to), bytes.clone());
                continue;
            }
            self.hear(node, (UDP, Transport::Udp, from), bytes.clone());
        }
    }

    /// A node hears a message, which the referee is shown.
    fn hear(&mut self, node: usize, (flow, transport, remote): (FlowId, Transport, SocketAddr), bytes: Bytes) {
        let Some((name, local)) = self.nodes.get(node).map(|node| (node.name.clone(), node.local)) else { return };
        self.referee.received(self.shown(), &name, &Glimpse::of(&bytes));
        let origin = Path { flow, transport, local, remote };
        self.turn(node, |turn| turn.receive(&origin, bytes));
    }

    fn chunk(&mut self, connection: u64, end: usize, bytes: &Bytes) {
        let Some(open) = self.streams.get_mut(connection) else { return };
        let here = &mut open.ends[end];
        here.framer.push(bytes);
        let (node, flow, remote) = (here.node, here.flow, here.remote);
        let mut frames = Vec::new();
        while let Some(frame) = here.framer.next_frame() {
            frames.push(frame.expect("a stack frames what it sends"));
        }
        for frame in frames {
            match frame {
                Frame::Message(bytes) => self.hear(node, (flow, Transport::Tcp, remote), bytes),
                Frame::Ping => self.stream(connection, 1 - end, Bytes::from_static(b"\r\n")),
                // Half of a ping, where it is not for who has opened the connection.
                Frame::Pong if end != 0 => {}
                Frame::Pong => {
                    let Some(local) = self.nodes.get(node).map(|node| node.local) else { return };
                    let origin = Path { flow, transport: Transport::Tcp, local, remote };
                    self.turn(node, |turn| turn.receive(&origin, Bytes::from_static(b"\r\n")));
                }
            }
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
}
