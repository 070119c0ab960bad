//! Flow-Timer (RFC 5626 section 11.1).

seconds! {
    /// How long the server waits for a keep-alive before it takes a flow for dead (RFC 5626 section 4.4). What exceeds 32 bit is 2^32-1.
    FlowTimer
}
