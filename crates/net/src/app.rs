//! What an application on a loop is.

use std::net::SocketAddr;

use bytes::Bytes;
use sip::{Application, FlowId, Origin, Shard, Turn};

/// What lives on the loop's own thread beside the stack and decides.
pub trait App: Application {
    /// What other threads may ask of it.
    type Command: Send + 'static;
    /// Carries a command out, on the loop's thread, without blocking.
    fn command(&mut self, command: Self::Command, turn: &mut Turn<'_>);
    /// A message is of a call that was moved to another loop ([`sip::Action::HandOver`]): it goes after it by the way by which the application has moved the
    /// call, so that it cannot come before it. There it is for [`Turn::receive_after`], with the same number.
    ///
    /// # Errors
    /// The message, when there is no room: it is shed.
    fn hand_over(&mut self, to: Shard, from: Origin, bytes: Bytes, hops: u8) -> Result<(), (Origin, Bytes)> {
        let _ = (to, hops);
        Err((from, bytes))
    }
    /// A connection is gone, of this loop or another: nothing reaches anybody along it any more. The stack knows already.
    fn flow_lost(&mut self, flow: FlowId, turn: &mut Turn<'_>) {
        let _ = (flow, turn);
    }
    /// Nobody is at this address any more to which datagrams went from this loop or another: an ICMP error says so, and quotes what was sent there, so that whoever made it
    /// has seen that. What only names an address anybody could have made up, and it comes to nothing but the end of the request.
    fn address_lost(&mut self, remote: SocketAddr, turn: &mut Turn<'_>) {
        let _ = (remote, turn);
    }
    /// All that waited on a socket, or a batch of it, has been handed over, or a turn of another kind has ended. What an application gathers,
    /// to write it to a disk in one piece for example, it completes and answers here.
    fn settle(&mut self, turn: &mut Turn<'_>) {
        let _ = turn;
    }
}
