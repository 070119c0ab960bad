//! SIP stacks on a simulated network: what a seed says happens, and the clock jumps from one moment in which something happens to the next.
//!
//! Start with [`seed::run`]: it draws from one number a weather ([`Weather`]: loss, delay, duplicates, cut connections, ...), some phones with
//! what they do ([`phone::Phone`]), and a registrar ([`desk::Desk`]); lets them play until nothing is left to happen; and says what went wrong:
//! something leaked, the two ends of a call disagree about its fate, a [`referee::Referee`] saw a rule broken on the wire. The same number gives the same run.
//!
//! For a scene with known steps build a [`Network`] by hand, and compare its [`Ladder`] with a reviewed text.
//!
//! What it is not: it is used by tests only, panics where a test would, and knows nothing of sockets.

pub mod book;
pub mod chance;
pub mod desk;
pub mod glimpse;
pub mod ladder;
pub mod middle;
pub mod network;
pub mod node;
pub mod phone;
pub mod plan;
pub mod referee;
pub mod seed;
mod streams;
pub mod tally;
pub mod verdict;
pub mod weather;
mod zone;

pub use chance::Chance;
pub use ladder::Ladder;
pub use network::Network;
pub use tally::Tally;
pub use weather::Weather;
