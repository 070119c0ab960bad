//! Connections over TLS and WebSockets that may be made: who must be at the other end, and the port that has been said to be ours.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;

use sip::{FlowId, Path};
use tokio::net::TcpSocket;

use crate::streams::Peer;

/// Plans kept; the oldest goes for another. Each may hold a socket.
const MOST: usize = 256;

/// One of them.
pub(crate) struct Plan {
    /// The host that was asked for, which the certificate must be for (RFC 5922 section 7.3).
    pub(crate) name: Rc<str>,
    /// Others that it must be for as well: requests for any of them may come by this flow.
    pub(crate) also: Vec<Rc<str>>,
    /// Bound already: its port stands in the Via and the Contact of the request that will open it.
    pub(crate) socket: Option<TcpSocket>,
    /// The one address that it leads to, where its flow was a connection that somebody else had made: what came from there is answered nowhere else.
    pub(crate) only: Option<SocketAddr>,
}

impl Plan {
    /// To whoever shows a certificate for this host.
    pub(crate) fn to(name: Rc<str>) -> Self {
        Self { name, also: Vec::new(), socket: None, only: None }
    }
}

/// Those of one loop, by flow.
#[derive(Default)]
pub(crate) struct Plans {
    of: HashMap<FlowId, Plan>,
    order: VecDeque<FlowId>,
    /// The ways that nobody has gone yet, by who they lead to. Who looks the same host up again is given the same, so that look-ups do not
    /// drive out the plans of requests that have still to go to the servers further down.
    fresh: HashMap<Peer, Path>,
}

impl Plans {
    /// Who must be at the other end of a path.
    pub(crate) fn name(&self, path: &Path) -> Option<Rc<str>> {
        Some(Rc::clone(&self.plan(path)?.name))
    }

    /// Who else he must be.
    pub(crate) fn also(&self, path: &Path) -> Vec<Rc<str>> {
        self.plan(path).map(|plan| plan.also.clone()).unwrap_or_default()
    }

    fn plan(&self, path: &Path) -> Option<&Plan> {
        self.of.get(&path.flow).filter(|plan| plan.only.is_none_or(|only| only == path.remote))
    }

    /// Whether the flow was a connection that somebody else had made.
    pub(crate) fn replaces_another(&self, flow: FlowId) -> bool {
        self.of.get(&flow).is_some_and(|plan| plan.only.is_some())
    }

    /// The way to this peer that nobody has gone yet.
    pub(crate) fn fresh(&self, peer: &Peer) -> Option<Path> {
        self.fresh.get(peer).copied()
    }

    /// Keeps a plan that nobody has carried out yet.
    pub(crate) fn begin(&mut self, peer: Peer, path: Path, plan: Plan) {
        self.keep(path.flow, plan);
        self.fresh.insert(peer, path);
    }

    /// Somebody goes to this peer: who comes later gets a way of his own.
    pub(crate) fn carried_out(&mut self, peer: &Peer) {
        self.fresh.remove(peer);
    }

    pub(crate) fn keep(&mut self, flow: FlowId, plan: Plan) {
        if self.of.insert(flow, plan).is_none() {
            self.order.push_back(flow);
        }
        while self.of.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.of.remove(&oldest);
            self.fresh.retain(|_, path| path.flow != oldest);
        }
    }

    pub(crate) fn take_socket(&mut self, flow: FlowId) -> Option<TcpSocket> {
        self.of.get_mut(&flow)?.socket.take()
    }
}

/// A socket for a connection, with a port of its own at this address.
pub(crate) fn bind(local: SocketAddr) -> std::io::Result<(TcpSocket, SocketAddr)> {
    let socket = if local.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind(SocketAddr::new(local.ip(), 0))?;
    let local = socket.local_addr()?;
    Ok((socket, local))
}

#[cfg(test)]
mod tests {
    use sip::Transport;

    use super::*;

    fn path(flow: u64, port: u16) -> Path {
        let (local, remote) = (SocketAddr::from(([192, 0, 2, 2], 5_061)), SocketAddr::from(([192, 0, 2, 1], port)));
        Path { flow: FlowId(flow), transport: Transport::Tls, local, remote }
    }

    #[test]
    fn the_oldest_plan_goes_when_there_are_too_many() {
        let mut plans = Plans::default();
        let mut keep = |flow: u64| plans.keep(FlowId(flow), Plan::to("example.com".into()));
        // One that is kept once more takes no more room.
        (0..MOST as u64).chain([0]).for_each(&mut keep);
        assert_eq!((plans.of.len(), plans.order.len()), (MOST, MOST));
        assert!(plans.name(&path(0, 5_061)).is_some());
        plans.keep(FlowId(MOST as u64), Plan::to("example.com".into()));
        assert_eq!((plans.of.len(), plans.order.len()), (MOST, MOST));
        assert!(plans.name(&path(0, 5_061)).is_none() && plans.name(&path(1, 5_061)).is_some());
    }

    #[test]
    fn rfc5923_8_1_what_came_along_an_alias_is_not_answered_at_the_address_of_the_alias() {
        let mut plans = Plans::default();
        let only = Some(path(1, 5_061).remote);
        plans.keep(FlowId(1), Plan { only, ..Plan::to("example.com".into()) });
        assert_eq!(plans.name(&path(1, 5_061)).as_deref(), Some("example.com"));
        assert_eq!(plans.name(&path(1, 49_160)), None);
    }
}
