//! Host names to addresses (RFC 3263 section 4.2: A and AAAA), behind a trait so that tests can answer.

use std::future::Future;
#[cfg(feature = "dns")]
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

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

/// Who is asked for addresses, and how long that may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Name servers, UDP with TCP behind it; empty: those of the system. The hosts file is read first in any case.
    pub servers: Vec<SocketAddr>,
    /// How long a look-up may take in all, repeats and further servers included; then it has failed.
    pub timeout: Duration,
}

impl Default for Names {
    /// The system's servers, and the 8 s of [`sip::Config::ask_timeout`].
    fn default() -> Self {
        Self { servers: Vec::new(), timeout: sip::Config::default().ask_timeout }
    }
}

/// The hosts file, and the name servers of the system or others.
#[cfg(feature = "dns")]
pub struct SystemResolver {
    resolver: hickory_resolver::TokioResolver,
}

#[cfg(feature = "dns")]
impl SystemResolver {
    /// Reads the system's configuration (`/etc/resolv.conf`, `/etc/hosts`), and asks the servers named here, where there are any, instead of
    /// those named there.
    ///
    /// # Errors
    /// When that configuration cannot be read.
    pub fn new(names: &Names) -> io::Result<Self> {
        use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ServerOrderingStrategy};
        let mut builder = if names.servers.is_empty() {
            hickory_resolver::TokioResolver::builder_tokio().map_err(|error| io::Error::other(error.to_string()))?
        } else {
            let server = |address: &SocketAddr| {
                let at = |mut connection: ConnectionConfig| {
                    connection.port = address.port();
                    connection
                };
                let ways = vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())];
                NameServerConfig::new(address.ip(), true, ways)
            };
            let config = ResolverConfig::from_name_servers(names.servers.iter().map(server).collect());
            let mut builder = hickory_resolver::TokioResolver::builder_with_config(config, Default::default());
            builder.options_mut().server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
            builder
        };
        // One try and its repeats fit into what a look-up may take.
        let options = builder.options_mut();
        options.timeout = options.timeout.min(names.timeout / (u32::try_from(options.attempts).unwrap_or(2) + 1));
        let resolver = builder.build().map_err(|error| io::Error::other(error.to_string()))?;
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
