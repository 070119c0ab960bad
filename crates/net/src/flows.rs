//! How flows are numbered: the datagram sockets from 1 on, the same in all loops; stream connections with their loop in the upper eight bits, as
//! the ids of the stack are, and the run of the process in the next 24: what names a connection may outlive the process (RFC 5626 section 5.2), and must name
//! nobody else's in the next one.

use sip::{FlowId, Shard};

/// Where the loop stands in the flow of a stream.
const SHARD: u32 = 56;
/// Numbers of runs.
const RUNS: u32 = (1 << 24) - 1;

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

/// The first flow of the streams of a loop in this run of the process, which is a random number.
#[inline]
pub(crate) fn first_of_streams(shard: Shard, run: u32) -> u64 {
    // Never zero, which is that of the datagram sockets.
    (u64::from(shard.0) << SHARD) | ((u64::from(run % RUNS) + 1) << 32)
}

/// The loop that the stream of a flow belongs to.
#[inline]
pub(crate) fn owner(flow: FlowId) -> Shard {
    Shard((flow.0 >> SHARD) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc5626_5_2_a_connection_of_another_run_has_another_flow() {
        let runs = [0, 1, 2, RUNS - 1];
        for shard in [0, 1, 255].map(Shard) {
            for (at, run) in runs.into_iter().enumerate() {
                let first = first_of_streams(shard, run);
                assert_eq!(owner(FlowId(first)), shard);
                assert!(first >= 1 << 32, "no datagram socket's");
                // All that this run can number are below those of the next.
                let others = runs.into_iter().enumerate().filter(|(other, _)| *other != at);
                assert!(
                    others
                        .map(|(_, other)| first_of_streams(shard, other))
                        .all(|other| first.abs_diff(other) >= 1 << 32)
                );
            }
            assert_eq!(first_of_streams(shard, RUNS), first_of_streams(shard, 0));
        }
    }
}
