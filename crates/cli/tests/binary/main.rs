//! The built binary, as a person runs it: exit codes, what is printed, and that it is documented.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod addresses;
mod answer;
mod calls;
mod crowded;
mod demo;
mod documented;
mod gone;
mod neighbour;
mod notifiers;
mod one_way;
mod readme;
mod refusals;
mod run;
mod serve;
mod strangers;
mod terminal;
mod threads;
mod usage;
