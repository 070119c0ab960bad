//! How flows are numbered: the datagram sockets from 1 on, the same in all loops; stream connections with their loop in the upper eight bits, as
//! the ids of the stack are.

use sip::{FlowId, Shard};

/// Where the loop stands in the flow of a stream.
const SHARD: u32 = 56;

/// The flow of a datagram socket.
#[inline]
pub(crate) fn of_datagrams(index: usize) -> FlowId {
    FlowId(index as u64 + 1)
}

/// The datagram socket of a flow, if it is one.
#[inline]
pub(crate) fn socket_of(flow: FlowId) -> Option<usize> {
    usize::try_from(flow.0).ok()?.checked_sub(1)
}

/// The first flow of the streams of a loop.
#[inline]
pub(crate) fn first_of_streams(shard: Shard) -> u64 {
    (u64::from(shard.0) << SHARD) | (1 << 32)
}

/// The loop that the stream of a flow belongs to.
#[inline]
pub(crate) fn owner(flow: FlowId) -> Shard {
    Shard((flow.0 >> SHARD) as u8)
}
