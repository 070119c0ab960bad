//! The PBX from outside: everything through sockets, with a scripted telephone.

#![allow(clippy::unwrap_used, reason = "helpers of tests end the test")]

mod across;
mod balanced;
mod calls;
mod connected;
mod counting;
mod digest;
mod flows;
mod history;
mod hold;
mod instances;
mod joining;
mod limits;
mod messages;
mod moved;
mod one_instance;
mod packages;
mod pair;
mod paths;
mod phone;
mod ports;
mod qualifying;
mod refusals;
mod registering;
mod reliable;
mod replacing;
mod restarted;
mod roles;
mod rules;
mod session_ids;
mod setup;
mod sharded;
mod sound;
mod subscribing;
mod timers;
mod transfers;
mod trusted;
mod updating;
mod watching;
