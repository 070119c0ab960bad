//! What has happened so far, as plain numbers that only grow. Whoever exports metrics takes differences.

/// Counts since the stack was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Requests read, retransmissions included.
    pub requests_in: u64,
    /// Responses read, retransmissions included.
    pub responses_in: u64,
    /// Requests handed to the driver for the first time (each try to each address is one).
    pub requests_out: u64,
    /// Responses handed to the driver for the first time.
    pub responses_out: u64,
    /// Requests that repeated an earlier one and were absorbed.
    pub repeats_in: u64,
    /// Our requests sent again by timers A and E.
    pub requests_repeated: u64,
    /// Our responses sent again: timer G, for a repeated request, or by order.
    pub responses_repeated: u64,
    /// Messages that could not be read.
    pub unreadable: u64,
    /// Keep-alives and empty datagrams.
    pub keepalives: u64,
    /// Responses that matched no transaction and were dropped (RFC 6026 section 8.9).
    pub stray_responses: u64,
    /// ACKs that matched nothing.
    pub stray_acks: u64,
    /// Merged requests answered 482 (RFC 3261 section 8.2.2.2).
    pub merged: u64,
    /// Requests answered 503 because a limit was reached.
    pub shed: u64,
    /// Requests answered 481 for want of a dialog or transaction.
    pub unknown_dialog: u64,
    /// Our requests that ended by timer B or F.
    pub timeouts: u64,
    /// Sends that failed.
    pub unsent: u64,
    /// Our requests sent to a further address (RFC 3263 section 4.3).
    pub failovers: u64,
    /// Our requests not sent to a server that has asked for less (RFC 7339 section 5.5), each for each such server.
    pub left_out: u64,
    /// Our requests sent again with credentials.
    pub authorized: u64,
    /// INVITEs whose non-2xx answer was never acknowledged (timer H).
    pub unacknowledged: u64,
}
