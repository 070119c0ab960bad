//! What passes the loops of a process, for whoever watches it: ladders, files, and capture servers.
//!
//! A [`Trace`] is handed to each loop. As long as nobody watches, a message costs a look at one number. Who watches ([`Trace::watch`])
//! gets a queue that is bounded in messages and octets: what finds no room is counted and dropped, and no loop ever waits. On the
//! watcher's own thread a [`Reader`] filters the messages, takes secrets out of them ([`masked`]) and hands them on as [`Record`]s, for
//! [`pcapng`] and [`hep`] for example. There is no way to see what was taken out.

mod filter;
pub mod hep;
mod mask;
pub mod pcapng;
mod record;
mod watching;

pub use filter::Filter;
pub use mask::masked;
pub use record::Record;
pub use watching::{Next, Reader, TooManyWatch, Trace};
