//! Transactions (RFC 3261 section 17 with RFC 6026, RFC 4320, RFC 3581): matching, repeats, and what a request of ours goes through
//! over several addresses and challenges.
//!
//! Four pure machines, each with its diagram: [`client_invite`], [`client_other`], [`server_invite`], [`server_other`]. Each state has
//! one function, which switches over the inputs and says what is to be done. `client`, `server` and `outgoing` do it.

pub(crate) mod client;
mod client_invite;
mod client_other;
mod failover;
pub(crate) mod key;
mod next_hop;
pub(crate) mod outgoing;
mod packed;
mod pass;
pub(crate) mod print;
pub(crate) mod respond;
pub(crate) mod server;
mod server_invite;
mod server_other;
mod way_back;
mod way_on;

#[cfg(test)]
mod tests;
