//! Questions to DNS, behind a trait so that tests can answer (RFC 3263; which questions are put is in `sip::locate`).

mod cache;
mod looking_up;
#[cfg(feature = "dns")]
mod system;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use sip::locate::{Found, Query, Record};

pub(crate) use looking_up::LookingUp;
#[cfg(feature = "dns")]
pub use system::SystemResolver;

/// A future on the loop's own thread.
pub type Lookup = Pin<Box<dyn Future<Output = Found>>>;

/// Looks records up. One lives on each loop's thread; answers are kept by who asks, for as long as they say.
pub trait Resolve {
    /// The records that are asked for.
    fn look_up(&self, query: &Query) -> Lookup;
}

/// Who is asked, and how long that may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Name servers, UDP with TCP behind it; empty: those of the system. The hosts file is read first in any case.
    pub servers: Vec<SocketAddr>,
    /// How long it may take in all to find the servers of a host, repeats and further name servers included; then it has failed.
    pub timeout: Duration,
}

impl Default for Names {
    /// The system's servers, and the 8 s of [`sip::Config::ask_timeout`].
    fn default() -> Self {
        Self { servers: Vec::new(), timeout: sip::Config::default().ask_timeout }
    }
}

/// Knows `localhost` and nothing else.
pub struct LiteralsOnly;

impl Resolve for LiteralsOnly {
    fn look_up(&self, query: &Query) -> Lookup {
        let local =
            matches!(query, Query::Addresses(host) if host.trim_end_matches('.').eq_ignore_ascii_case("localhost"));
        let home = Record::Address(IpAddr::from([127, 0, 0, 1]));
        Box::pin(
            async move { if local { Found::Records(vec![home], Duration::ZERO) } else { Found::None(Duration::ZERO) } },
        )
    }
}

/// The resolver a loop uses when none is given.
pub(crate) fn default_resolver() -> Box<dyn Resolve> {
    resolver(&Names::default())
}

#[cfg_attr(not(feature = "dns"), allow(unused_variables))]
/// The one that these settings ask for.
pub(crate) fn resolver(names: &Names) -> Box<dyn Resolve> {
    #[cfg(feature = "dns")]
    match SystemResolver::new(names) {
        Ok(resolver) => return Box::new(resolver),
        Err(error) => tracing::warn!(%error, "no name servers: only address literals and localhost are reached"),
    }
    Box::new(LiteralsOnly)
}
