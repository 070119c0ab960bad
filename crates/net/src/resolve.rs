//! Host names to addresses (RFC 3263 section 4.2: A and AAAA), behind a trait so that tests can answer.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;

/// What came of a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// At least one address, in the order to be tried.
    Addresses(Vec<IpAddr>),
    /// The name does not exist, or has no address.
    None,
    /// The look-up itself failed, in words for a person.
    Failed(String),
}

/// A future on the loop's own thread.
pub type Lookup = Pin<Box<dyn Future<Output = Resolved>>>;

/// Looks host names up. One lives on each loop's thread.
pub trait Resolve {
    /// Addresses of `host`, which is no address literal.
    fn addresses(&self, host: &str) -> Lookup;
}

/// The system's name servers and hosts file.
#[cfg(feature = "dns")]
pub struct SystemResolver {
    resolver: hickory_resolver::TokioResolver,
}

#[cfg(feature = "dns")]
impl SystemResolver {
    /// Reads the system's configuration (`/etc/resolv.conf`, `/etc/hosts`).
    ///
    /// # Errors
    /// When that configuration cannot be read.
    pub fn new() -> io::Result<Self> {
        let resolver = hickory_resolver::TokioResolver::builder_tokio()
            .and_then(|builder| builder.build())
            .map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self { resolver })
    }
}

#[cfg(feature = "dns")]
impl Resolve for SystemResolver {
    fn addresses(&self, host: &str) -> Lookup {
        let resolver = self.resolver.clone();
        let host = host.to_owned();
        Box::pin(async move {
            match resolver.lookup_ip(host.as_str()).await {
                Ok(found) => {
                    let addresses: Vec<IpAddr> = found.iter().collect();
                    if addresses.is_empty() { Resolved::None } else { Resolved::Addresses(addresses) }
                }
                Err(error) if error.is_no_records_found() || error.is_nx_domain() => Resolved::None,
                Err(error) => Resolved::Failed(error.to_string()),
            }
        })
    }
}

/// Knows `localhost` and nothing else.
pub struct LiteralsOnly;

impl Resolve for LiteralsOnly {
    fn addresses(&self, host: &str) -> Lookup {
        let local = host.eq_ignore_ascii_case("localhost") || host.eq_ignore_ascii_case("localhost.");
        Box::pin(
            async move { if local { Resolved::Addresses(vec![IpAddr::from([127, 0, 0, 1])]) } else { Resolved::None } },
        )
    }
}

/// The resolver a loop uses when none is given.
pub(crate) fn default_resolver() -> Box<dyn Resolve> {
    #[cfg(feature = "dns")]
    match SystemResolver::new() {
        Ok(resolver) => return Box::new(resolver),
        Err(error) => tracing::warn!(%error, "no name servers: only address literals and localhost are reached"),
    }
    Box::new(LiteralsOnly)
}
