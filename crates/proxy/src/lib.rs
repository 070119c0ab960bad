//! Who is reachable where, and how requests get there: the rules of location service and registrar (RFC 3261 section 10), proxy (section 16) and
//! redirect server (section 8.3).
//!
//! What it is not: it opens no socket, stores nothing on disk, reads no clock and asks for no password. [`registrar::Registrar`] takes a REGISTER whose
//! sender is known, and returns an answer and [`record::Record`]s; whoever drives it writes those down before the answer leaves. [`passing::Proxy`] uses
//! the transactions of [`sip`] in turns that its driver opens, and is told the targets of a request.

pub mod arrival;
pub mod choice;
mod crc;
pub mod feature;
pub mod fold;
pub mod fork;
pub mod gruu;
mod instance;
pub mod location;
pub mod own;
mod packed;
pub mod passing;
mod past;
pub mod preference;
pub mod record;
pub mod redirect;
pub mod registrar;
mod stateless;
pub mod tokens;

pub use arrival::{Arrival, Halt};
pub use fold::Fold;
pub use fork::{Forking, Target, Vouched};
pub use gruu::Gruu;
pub use location::{Binding, Location};
pub use own::Own;
pub use packed::{FLOW_GONE, Texts, TooLong};
pub use passing::{Job, Proxy, ProxyConfig};
pub use preference::{Disposition, Preferences};
pub use record::{Kind, Record};
pub use registrar::{Nat, Overflow, Ownership, PathRule, Plan, Registrar, RegistrarConfig};
pub use tokens::Tokens;
