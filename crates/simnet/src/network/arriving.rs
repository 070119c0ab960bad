//! What arrives at a node.

use std::net::SocketAddr;

use bytes::Bytes;
use sip::message::Frame;
use sip::{FlowChange, FlowId, Path, SendError, SendId, Transport};

use super::{Arrival, Network, UDP};
use crate::glimpse::Glimpse;
use crate::tally::Fault;

impl Network {
    pub(super) fn arrive(&mut self, arrival: Arrival) {
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
        let end = &mut open.ends[end];
        end.framer.push(bytes);
        let (node, flow, remote) = (end.node, end.flow, end.remote);
        let mut frames = Vec::new();
        while let Some(frame) = end.framer.next_frame() {
            frames.push(frame.expect("a stack frames what it sends"));
        }
        for frame in frames {
            if let Frame::Message(bytes) = frame {
                self.hear(node, (flow, Transport::Tcp, remote), bytes);
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
