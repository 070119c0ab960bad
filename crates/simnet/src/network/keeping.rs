//! Keep-alives of flows (RFC 5626 section 4.4). What is asked is answered by the far end's driver, not by its stack.

use std::net::SocketAddr;

use bytes::Bytes;
use sip::{Path, Transport};

use super::{Arrival, Network, UDP};
use crate::tally::Fault;

/// Octets of STUN before the attributes.
const HEAD: usize = 20;

impl Network {
    /// A keep-alive leaves a node.
    pub(super) fn keep_alive(&mut self, node: usize, path: &Path, bytes: Bytes) {
        let at = self.shown();
        let Some(sender) = self.nodes.get(node) else { return };
        self.ladder.note(at, &sender.name, "keeps a flow alive");
        let from = sender.seen();
        if !path.transport.is_reliable() {
            return self.ask_address(from, path.remote, bytes);
        }
        let Some((connection, mine)) = self.streams.find(node, path.flow) else { return };
        if self.in_outage() || self.chance.permille(self.weather.cut) {
            self.tally.fault(Fault::Cut);
            let after = self.weather.way / 2;
            return self.fly(after, Arrival::Cut { connection, unwritten: None });
        }
        self.stream(connection, 1 - mine, bytes);
    }

    /// A datagram of STUN is sent. As any other it is lost no more often than the weather allows.
    fn ask_address(&mut self, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        if self.in_outage() {
            return self.tally.fault(Fault::Outage);
        }
        let times = self.lost.entry(format!("{from} {to} {bytes:?}")).or_default();
        if self.weather.most_lost.is_none_or(|most| *times < most) && self.chance.permille(self.weather.loss) {
            *times += 1;
            return self.tally.fault(Fault::Loss);
        }
        let mut after = self.weather.way;
        if self.chance.permille(self.weather.late) {
            self.tally.fault(Fault::Late);
            after += self.chance.millis(0, self.weather.late_by.as_millis() as u64);
        }
        self.count += 1;
        let number = self.count;
        self.fly(after, Arrival::Datagram { from, to, bytes, number });
    }

    /// A datagram of STUN has come: a request is answered, an answer is for the stack.
    pub(super) fn stun(&mut self, node: usize, (from, to): (SocketAddr, SocketAddr), bytes: Bytes) {
        if let Some(answer) = answer(&bytes, from) {
            return self.ask_address(to, from, answer);
        }
        let Some(local) = self.nodes.get(node).map(|node| node.local) else { return };
        let origin = Path { flow: UDP, transport: Transport::Udp, local, remote: from };
        self.turn(node, |turn| turn.receive(&origin, bytes));
    }
}

/// Whether a datagram is none of SIP (RFC 8489 section 5).
pub(super) fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 0x40)
}

/// The answer to a binding request: where its sender is seen (RFC 8489 section 14.2).
fn answer(datagram: &[u8], seen: SocketAddr) -> Option<Bytes> {
    let head: &[u8; HEAD] = datagram.first_chunk()?;
    let ([0, 1, ..], SocketAddr::V4(seen)) = (head, seen) else { return None };
    let mut answer: Vec<u8> = vec![1, 1, 0, 12];
    answer.extend(&head[4..]);
    answer.extend([0, 0x20, 0, 8, 0, 1]);
    answer.extend((seen.port() ^ 0x2112).to_be_bytes());
    answer.extend(seen.ip().octets().iter().zip(&head[4..8]).map(|(octet, mask)| octet ^ mask));
    Some(answer.into())
}
