//! The hosts file, and the name servers of the system or others. Nothing outside this file knows which crate speaks to them.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ServerOrderingStrategy};
use hickory_resolver::lookup::Lookup as Answered;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use sip::locate::{Found, Naptr, Query, Record, Srv};

use super::{Lookup, Names, Resolve};

/// The most aliases of a name that are looked for in one answer.
const ALIASES: usize = 16;

/// The hosts file, and the name servers of the system or others.
pub struct SystemResolver {
    resolver: TokioResolver,
    hosts: Hosts,
}

impl SystemResolver {
    /// Reads the system's configuration (`/etc/resolv.conf`, `/etc/hosts`), and asks the servers named here, where there are any, instead of
    /// those named there.
    ///
    /// # Errors
    /// When that configuration cannot be read.
    pub fn new(names: &Names) -> io::Result<Self> {
        let mut builder = if names.servers.is_empty() {
            TokioResolver::builder_tokio().map_err(|error| io::Error::other(error.to_string()))?
        } else {
            let config = ResolverConfig::from_name_servers(names.servers.iter().map(server).collect());
            let mut builder = TokioResolver::builder_with_config(config, Default::default());
            builder.options_mut().server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
            builder
        };
        let options = builder.options_mut();
        // A try and its repeats fit into half of what it may take in all: services, servers and addresses are asked for one after the other.
        let tries = u32::try_from(options.attempts).unwrap_or(2) + 1;
        options.timeout = options.timeout.min(names.timeout / (2 * tries));
        // What is kept is kept in a cache of ours, whose size in octets is bounded.
        options.cache_size = 0;
        // Aliases say whose the records behind them are.
        options.preserve_intermediates = true;
        let resolver = builder.build().map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self { resolver, hosts: Hosts::from_system().unwrap_or_default() })
    }

    /// Whether the hosts file has the name, or the domain of a service: then no name server is asked about it.
    fn is_in_hosts(&self, name: &Name) -> bool {
        let labels = name.iter().filter(|label| !label.starts_with(b"_")).count();
        let host = name.trim_to(labels);
        let has = |kind| self.hosts.lookup_static_host(&op::Query::query(host.clone(), kind)).is_some();
        has(RecordType::A) || has(RecordType::AAAA)
    }
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let at = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let ways = vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())];
    NameServerConfig::new(address.ip(), true, ways)
}

impl Resolve for SystemResolver {
    fn look_up(&self, query: &Query) -> Lookup {
        let resolver = self.resolver.clone();
        let kind = match query {
            Query::Naptr(_) => RecordType::NAPTR,
            Query::Srv(_) => RecordType::SRV,
            Query::Addresses(host) => {
                let host = host.clone();
                return Box::pin(async move {
                    found(resolver.lookup_ip(host.as_str()).await.map(|found| found.as_lookup().clone()))
                });
            }
        };
        let name = match Name::from_ascii(query.name()) {
            Ok(name) if self.is_in_hosts(&name) => return Box::pin(async { Found::None(Duration::ZERO) }),
            Ok(name) => name,
            Err(error) => return Box::pin(async move { Found::Failed(error.to_string()) }),
        };
        Box::pin(async move {
            match kind {
                RecordType::SRV => services(&resolver, name).await,
                _ => found(resolver.lookup(name, kind).await),
            }
        })
    }
}

/// The servers of a service. Behind an alias the crate goes on to the server that is named there, and asks for the services of that one, of which there are none:
/// then the alias is followed here (RFC 1034 section 3.6.2). Where nobody can say whether there is one, nothing is known of the service: it may be there.
async fn services(resolver: &TokioResolver, name: Name) -> Found {
    let answered = resolver.lookup(name.clone(), RecordType::SRV).await;
    let went_on = matches!(&answered, Err(NetError::Dns(DnsError::NoRecordsFound(none))) if *none.query.name() != name);
    if !went_on {
        return found(answered);
    }
    let (mut own, mut longest) = (name, Duration::MAX);
    for _ in 0..ALIASES {
        let answered = match resolver.lookup(own.clone(), RecordType::CNAME).await {
            Ok(answered) => answered,
            Err(NetError::Dns(DnsError::NoRecordsFound(_))) => break,
            Err(error) => return Found::Failed(error.to_string()),
        };
        let alias = answered.answers().iter().find(|record| record.name == own);
        let Some((RData::CNAME(target), ttl)) = alias.map(|record| (&record.data, record.ttl)) else { break };
        longest = longest.min(Duration::from_secs(ttl.into()));
        own = target.0.clone();
    }
    match found(resolver.lookup(own, RecordType::SRV).await) {
        Found::Records(records, ttl) => Found::Records(records, ttl.min(longest)),
        other => other,
    }
}

fn found(result: Result<Answered, NetError>) -> Found {
    match result {
        Ok(answered) => {
            let records = records_of(&answered);
            match answered.valid_until().saturating_duration_since(Instant::now()) {
                ttl if records.is_empty() => Found::None(ttl),
                ttl => Found::Records(records, ttl),
            }
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            Found::None(Duration::from_secs(none.negative_ttl.unwrap_or(0).into()))
        }
        Err(error) => Found::Failed(error.to_string()),
    }
}

/// The records of who was asked for, and of his aliases (RFC 1034 section 3.6.2), which stand in the same answer or were followed to the one that came last. What
/// an answer says of others nobody has asked.
fn records_of(answered: &Answered) -> Vec<Record> {
    let mut owners: Vec<&Name> = answered.message().queries.first().map(op::Query::name).into_iter().collect();
    for record in answered.answers() {
        if let RData::CNAME(target) = &record.data
            && owners.len() <= ALIASES
            && owners.contains(&&record.name)
        {
            owners.push(&target.0);
        }
    }
    let own = answered.answers().iter().filter(|record| owners.contains(&&record.name));
    own.filter_map(|record| record_of(&record.data)).collect()
}

fn record_of(data: &RData) -> Option<Record> {
    let text = |octets: &[u8]| std::str::from_utf8(octets).unwrap_or_default().to_owned();
    Some(match data {
        RData::A(ip) => Record::Address(ip.0.into()),
        RData::AAAA(ip) => Record::Address(ip.0.into()),
        RData::SRV(srv) => Record::Srv(Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: srv.target.to_ascii(),
        }),
        RData::NAPTR(naptr) => Record::Naptr(Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            services: text(&naptr.services),
            regexp: text(&naptr.regexp),
            replacement: naptr.replacement.to_ascii(),
        }),
        _ => return None,
    })
}
