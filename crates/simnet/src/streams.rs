//! Connections between nodes.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use sip::message::Framer;
use sip::message::Limits;
use sip::{FlowId, Time};

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) node: usize,
    pub(crate) flow: FlowId,
    /// The other end as this one sees it.
    pub(crate) remote: SocketAddr,
    pub(crate) framer: Framer,
    /// Nothing sent to this end later arrives before this.
    pub(crate) latest: Time,
}

/// A connection; the first end opened it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) ends: [End; 2],
}

/// All connections, those included that are closed.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: BTreeMap<u64, Connection>,
    by_flow: BTreeMap<(usize, FlowId), (u64, usize)>,
    count: u64,
    flows: u64,
}

impl Streams {
    /// A flow that nobody has used.
    pub(crate) fn new_flow(&mut self) -> FlowId {
        self.flows += 1;
        FlowId(1_000 + self.flows)
    }
    /// The open connection of a flow, and which of its ends the node is.
    pub(crate) fn find(&self, node: usize, flow: FlowId) -> Option<(u64, usize)> {
        self.by_flow.get(&(node, flow)).copied()
    }
    /// A flow of an open connection of this node to this address.
    pub(crate) fn flow_to(&self, node: usize, remote: SocketAddr) -> Option<FlowId> {
        let mut ends = self.open.values().flat_map(|connection| &connection.ends);
        ends.find(|end| end.node == node && end.remote == remote).map(|end| end.flow)
    }
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Connection> {
        self.open.get_mut(&number)
    }
    /// Connects; the number of the connection and the flow of the far end.
    pub(crate) fn connect(
        &mut self,
        from: usize,
        flow: FlowId,
        seen: SocketAddr,
        to: usize,
        remote: SocketAddr,
    ) -> (u64, FlowId) {
        let far = self.new_flow();
        self.count += 1;
        let port = 50_000 + (self.count % 10_000) as u16;
        // Who has opened it pings, and nobody else.
        let framers = (Framer::pinging(Limits::default()), Framer::new(Limits::default()));
        let end = |node, flow, remote, framer| End { node, flow, remote, framer, latest: Time(0) };
        let ends = [end(from, flow, remote, framers.0), end(to, far, SocketAddr::new(seen.ip(), port), framers.1)];
        self.open.insert(self.count, Connection { ends });
        self.by_flow.insert((from, flow), (self.count, 0));
        self.by_flow.insert((to, far), (self.count, 1));
        (self.count, far)
    }
    /// Closes a connection; its ends.
    pub(crate) fn close(&mut self, number: u64) -> Option<[End; 2]> {
        let connection = self.open.remove(&number)?;
        for end in &connection.ends {
            self.by_flow.remove(&(end.node, end.flow));
        }
        Some(connection.ends)
    }
}
