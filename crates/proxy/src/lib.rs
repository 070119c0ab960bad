//! Who is reachable where: the rules of location service and registrar (RFC 3261 section 10).
//!
//! What it is not: it sends nothing, stores nothing on disk, reads no clock and asks for no password. [`registrar::Registrar`] takes a REGISTER whose sender is known, and
//! returns an answer and [`record::Record`]s; whoever drives it writes those down before the answer leaves.

mod crc;
pub mod fold;
pub mod location;
mod packed;
pub mod record;
pub mod registrar;

pub use fold::Fold;
pub use location::{Binding, Location};
pub use packed::{FLOW_GONE, Texts, TooLong};
pub use record::{Kind, Record};
pub use registrar::{Nat, Overflow, Ownership, PathRule, Plan, Registrar, RegistrarConfig};
