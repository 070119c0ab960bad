//! Offhook's one integration binary: the built `offhook` against programs we did not write, and against messages meant to break it.
//!
//! Nothing here sleeps for luck: every wait is for something seen, with a limit after which the test fails and prints what it saw.

#![allow(clippy::unwrap_used)]

mod acceptance;
mod durable;
mod interop;
mod program;
mod rfc;
mod siege;
