//! The acceptance tests, each named by its id in `tests/data/acceptance-ids.txt`. They go through the built program and its sockets, and
//! assert the codes and octets of their row.

mod agent;
mod calling;
mod pbx;
mod roles;
mod sip_rules;
mod softphone;
pub(crate) mod wire;
