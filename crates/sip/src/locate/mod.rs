//! Locating SIP servers (RFC 3263 section 4): from what a URI says to addresses, ports and transports, in the order to be tried.
//!
//! A [`Locate`] asks and is answered, and knows neither a socket nor a clock: [`Locate::questions`] are put to DNS by whoever has one,
//! what was [`Found`] goes back with [`Locate::answer`], and when nothing is left to ask [`Locate::located`] says what came of it. Which server of several
//! of one priority comes first is drawn by a lot that is given at the start.
//!
//! ```text
//!            numeric host                            port, or a host of one label
//!   new --------------------> targets       new ----------------------------------+
//!    |  transport given                                                           |
//!    +-------------------+                                                        v
//!    v                   v  none in any, none at all                          A, AAAA of the host
//!   NAPTR ------------> SRV of each service -------------------------------->     |
//!    | of the domain     |  some: the first service that has some                 |
//!    | none: _sip._udp.. |                                                        |
//!    +------------------>+-------> A, AAAA of its servers ------------------------+--> targets
//! ```

mod order;
mod record;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

pub use record::{Found, MOST_RECORDS, Naptr, Query, Record, Srv};

use crate::outbox::Transport;
use crate::rng::Rng;
use order::Service;

/// Servers of one service whose addresses are looked up, and addresses that come of it all.
const MOST_TARGETS: usize = 8;
/// Services whose servers are looked up.
const MOST_SERVICES: usize = 4;
/// Aliases that are followed.
const MOST_ALIASES: usize = 8;

/// What a URI says of the next hop (RFC 3263 section 4: TARGET, port, transport parameter, scheme).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Host name or address literal, in brackets or without.
    pub host: String,
    /// Port when one was written.
    pub port: Option<u16>,
    /// Protocol when one was asked for.
    pub transport: Option<Transport>,
    /// Only TLS will do.
    pub secure: bool,
}

/// Where a request can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Protocol.
    pub transport: Transport,
    /// Address and port.
    pub address: SocketAddr,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Located {
    /// To be tried in this order; never empty.
    Targets(Vec<Target>),
    /// The host has no address, and DNS is sure of it.
    NoSuchHost,
    /// It was not found out, or there is no such service; for a person.
    Failed(String),
}

impl Wanted {
    /// The target where none need be looked for: the host is an address (RFC 3263 sections 4.1 and 4.2). `ours` are the transports we have, the one we
    /// take unasked first.
    ///
    /// # Errors
    /// Why there can be no target at all, for a person.
    pub fn numeric(&self, ours: &[Transport]) -> Result<Option<Target>, &'static str> {
        let transport = self.transport()?.unwrap_or_else(|| preferred(ours));
        let ip = self.host.trim_matches(['[', ']']).parse::<IpAddr>();
        let port = self.port.unwrap_or(transport.default_port());
        Ok(ip.ok().map(|ip| Target { transport, address: SocketAddr::new(ip, port) }))
    }

    /// The transport that is asked for, `None` where that is left to us. What is addressed by `sips`, or comes by a `sips` hop, goes over TLS or
    /// not at all (RFC 3261 section 26.2.2); `transport=tcp` then names what is below it (RFC 5630 section 3.1.3), and `transport=ws` a WebSocket
    /// on it (RFC 7118 section 9.2).
    fn transport(&self) -> Result<Option<Transport>, &'static str> {
        match (self.transport, self.secure) {
            (Some(Transport::Ws | Transport::Wss), true) => Ok(Some(Transport::Wss)),
            (Some(Transport::Udp), true) => {
                Err("sips goes over TLS alone, and there is no TLS over UDP (RFC 3261 section 26.2.2)")
            }
            (_, true) => Ok(Some(Transport::Tls)),
            (asked, false) => Ok(asked),
        }
    }

    /// Whether nobody has chosen a transport: then NAPTR records do.
    fn leaves_transport(&self) -> bool {
        self.transport.is_none()
    }

    /// Whether the name may have services: no port stands beside it, and it is no host of one label, which is looked for in the hosts file and the
    /// domains that are searched. RFC 7118 section 5.5 has no name
    /// for the service of a WebSocket that is asked for.
    fn may_have_services(&self) -> bool {
        self.port.is_none()
            && !self.transport.is_some_and(Transport::is_web)
            && self.host.trim_end_matches('.').contains('.')
    }
}

/// What we take where nothing is asked for: UDP for `sip` (RFC 3263 section 4.1), where we have it.
fn preferred(ours: &[Transport]) -> Transport {
    let takes = |transport: &&Transport| matches!(transport, Transport::Udp | Transport::Tcp);
    ours.iter().find(takes).copied().unwrap_or(Transport::Tcp)
}

/// The name with the dot that makes it complete.
fn complete(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

/// A search for targets.
#[derive(Debug)]
pub struct Locate {
    wanted: Wanted,
    ours: Vec<Transport>,
    lot: Rng,
    steady: bool,
    stage: Stage,
    /// Questions that are still to be put.
    unasked: Vec<Query>,
    /// Questions without an answer, and what they are for: a service, a server, or the domain itself.
    open: Vec<(Query, usize)>,
    aliases: usize,
    /// What failed first.
    trouble: Option<String>,
}

#[derive(Debug)]
enum Stage {
    /// NAPTR of the domain.
    Domain(Vec<Naptr>),
    /// SRV of each of these services, and what came of it. `chosen`: the domain has named them.
    Services {
        services: Vec<(Service, Vec<Srv>)>,
        chosen: bool,
    },
    /// A and AAAA of each of these servers.
    Servers(Vec<Server>),
    Done(Located),
}

#[derive(Debug)]
struct Server {
    host: String,
    port: u16,
    transport: Transport,
    addresses: Vec<IpAddr>,
}

impl Locate {
    /// Begins. `ours` are the transports we have, the one we take unasked first; the same `lot` gives the same order of servers.
    pub fn new(wanted: Wanted, ours: &[Transport], lot: u64) -> Self {
        let mut this = Self {
            stage: Stage::Done(Located::NoSuchHost),
            wanted,
            ours: ours.to_vec(),
            lot: Rng::new((lot, 3263)),
            steady: false,
            unasked: Vec::new(),
            open: Vec::new(),
            aliases: 0,
            trouble: None,
        };
        match (this.wanted.numeric(ours), this.wanted.transport()) {
            (Err(why), _) | (_, Err(why)) => this.stage = Stage::Done(Located::Failed(why.to_owned())),
            (Ok(Some(target)), _) => this.stage = Stage::Done(Located::Targets(vec![target])),
            (Ok(None), Ok(asked)) if !this.wanted.may_have_services() => {
                this.look_for_host(asked.unwrap_or_else(|| preferred(ours)));
            }
            (Ok(None), Ok(_)) if this.wanted.leaves_transport() => {
                this.stage = Stage::Domain(Vec::new());
                this.ask(Query::Naptr(complete(&this.wanted.host)), 0);
            }
            (Ok(None), Ok(asked)) => {
                let services = asked.map(|transport| this.usual_service(transport));
                this.look_for_servers(services.into_iter().collect(), false);
            }
        }
        this
    }

    /// With the addresses of each server, too, in the order that the lot gives, whichever name servers give them in and whichever answers first: for what
    /// is not kept, where a repeat is a search of its own (section 4.4).
    pub fn steady(self) -> Self {
        Self { steady: true, ..self }
    }

    /// The questions that have come up since the last call; all may be put at the same time.
    pub fn questions(&mut self) -> Vec<Query> {
        std::mem::take(&mut self.unasked)
    }

    /// What came of one of them. Answers to what was not asked are not looked at.
    pub fn answer(&mut self, query: &Query, found: Found) {
        let found = found.limited();
        while let Some(at) = self.open.iter().position(|(open, _)| open == query) {
            let (query, number) = self.open.swap_remove(at);
            if let Some(alias) = alias(&found) {
                self.follow(&query, number, alias);
            } else {
                self.take(number, found.clone());
            }
        }
        self.go_on();
    }

    /// Nothing more is waited for: what is open has failed.
    pub fn give_up(&mut self) {
        for (query, number) in std::mem::take(&mut self.open) {
            let why = format!("no answer in time about {}", query.name().trim_end_matches('.'));
            self.take(number, Found::Failed(why));
        }
        self.unasked.clear();
        self.go_on();
    }

    /// Whether the server that comes first is known with its addresses: what is still open is about those behind it.
    pub fn has_first(&self) -> bool {
        matches!(&self.stage, Stage::Servers(servers) if servers.first().is_some_and(|first| !first.addresses.is_empty()))
    }

    /// What came of it all, when nothing is left to ask.
    pub fn located(&self) -> Option<&Located> {
        match &self.stage {
            Stage::Done(located) => Some(located),
            _ => None,
        }
    }

    fn ask(&mut self, query: Query, number: usize) {
        if !self.open.iter().any(|(open, _)| *open == query) {
            self.unasked.push(query.clone());
        }
        self.open.push((query, number));
    }

    /// A name that stands for another. Aliases that go round end as those do that go on for too long.
    fn follow(&mut self, query: &Query, number: usize, alias: String) {
        self.aliases += 1;
        if self.aliases > MOST_ALIASES {
            let why = format!("the aliases of {} lead nowhere", query.name().trim_end_matches('.'));
            return self.take(number, Found::Failed(why));
        }
        self.ask(query.about(complete(&alias)), number);
    }

    fn take(&mut self, number: usize, found: Found) {
        let records = match found {
            Found::Records(records, _) => records,
            Found::None(_) => return,
            Found::Failed(why) => {
                self.trouble.get_or_insert(why);
                return;
            }
        };
        match &mut self.stage {
            Stage::Domain(naptrs) => naptrs.extend(records.into_iter().filter_map(|record| match record {
                Record::Naptr(naptr) => Some(naptr),
                _ => None,
            })),
            Stage::Services { services, .. } => {
                if let Some((_, servers)) = services.get_mut(number) {
                    servers.extend(records.into_iter().filter_map(|record| match record {
                        Record::Srv(srv) => Some(srv),
                        _ => None,
                    }));
                }
            }
            Stage::Servers(servers) => {
                if let Some(server) = servers.get_mut(number) {
                    server.addresses.extend(records.into_iter().filter_map(|record| match record {
                        Record::Address(ip) => Some(ip),
                        _ => None,
                    }));
                }
            }
            Stage::Done(_) => {}
        }
    }

    /// Nothing is open any more: the next stage.
    fn go_on(&mut self) {
        if !self.open.is_empty() {
            return;
        }
        match std::mem::replace(&mut self.stage, Stage::Done(Located::NoSuchHost)) {
            Stage::Domain(naptrs) => self.choose_services(naptrs),
            Stage::Services { services, chosen } => self.choose_servers(services, chosen),
            Stage::Servers(servers) => self.stage = Stage::Done(self.targets(servers)),
            done @ Stage::Done(_) => self.stage = done,
        }
    }

    /// RFC 3263 section 4.1: the services of the domain, or without NAPTR records those it may have all the same.
    fn choose_services(&mut self, naptrs: Vec<Naptr>) {
        let secure = self.wanted.secure;
        let mut services = order::services(naptrs, &self.ours, secure);
        let chosen = !services.is_empty();
        if !chosen {
            let usual = self.ours.iter().filter(|transport| match transport {
                Transport::Tls => secure,
                Transport::Udp | Transport::Tcp => !secure,
                Transport::Ws | Transport::Wss => false,
            });
            services = usual.map(|transport| self.usual_service(*transport)).collect();
        }
        self.look_for_servers(services, chosen);
    }

    /// `_sip._udp.example.com.` and the like (RFC 3263 section 4.2).
    fn usual_service(&self, transport: Transport) -> Service {
        let prefix = match transport {
            Transport::Udp => "_sip._udp",
            Transport::Tcp | Transport::Ws => "_sip._tcp",
            Transport::Tls | Transport::Wss => "_sips._tcp",
        };
        Service { transport, name: format!("{prefix}.{}", complete(&self.wanted.host)) }
    }

    fn look_for_servers(&mut self, mut services: Vec<Service>, chosen: bool) {
        services.truncate(MOST_SERVICES);
        for (number, service) in services.iter().enumerate() {
            self.ask(Query::Srv(service.name.clone()), number);
        }
        let services = services.into_iter().map(|service| (service, Vec::new())).collect();
        self.stage = Stage::Services { services, chosen };
        self.go_on();
    }

    /// RFC 2782, "Usage rules": the first service that has servers, those in their order; without any the host itself.
    fn choose_servers(&mut self, services: Vec<(Service, Vec<Srv>)>, chosen: bool) {
        let is_refused = |servers: &[Srv]| matches!(servers, [one] if one.target.trim_end_matches('.').is_empty());
        let refused: Vec<Transport> =
            services.iter().filter(|(_, servers)| is_refused(servers)).map(|(service, _)| service.transport).collect();
        let first = services.first().map(|(service, _)| service.transport);
        let usable = services.into_iter().find(|(_, servers)| !servers.is_empty() && !is_refused(servers));
        if let Some((service, servers)) = usable {
            let ordered = order::servers(servers, MOST_TARGETS, &mut self.lot);
            let servers = ordered.into_iter().map(|Srv { port, target, .. }| Server {
                host: complete(&target),
                port,
                transport: service.transport,
                addresses: Vec::new(),
            });
            return self.look_for_addresses(servers.collect());
        }
        let transport = if chosen { first } else { self.wanted.transport().ok().flatten() };
        let transport = transport.unwrap_or_else(|| preferred(&self.ours));
        // What was said of one transport says nothing of the others.
        if refused.contains(&transport) {
            let host = &self.wanted.host;
            let why = format!("{host} says that there is no SIP service over {} (RFC 2782)", transport.as_str());
            self.stage = Stage::Done(Located::Failed(why));
            return;
        }
        self.look_for_host(transport);
    }

    /// A and AAAA of the host itself.
    fn look_for_host(&mut self, transport: Transport) {
        let port = self.wanted.port.unwrap_or(transport.default_port());
        let host = self.wanted.host.clone();
        self.look_for_addresses(vec![Server { host, port, transport, addresses: Vec::new() }]);
    }

    fn look_for_addresses(&mut self, servers: Vec<Server>) {
        for (number, server) in servers.iter().enumerate() {
            if !server.host.trim_end_matches('.').is_empty() {
                self.ask(Query::Addresses(server.host.clone()), number);
            }
        }
        self.stage = Stage::Servers(servers);
        self.go_on();
    }

    /// The addresses of all servers, a share for each, so that many of one leave room for the next.
    fn targets(&mut self, mut servers: Vec<Server>) -> Located {
        if self.steady {
            servers.iter_mut().for_each(|server| order::addresses(&mut server.addresses, &mut self.lot));
        }
        let with = servers.iter().filter(|server| !server.addresses.is_empty()).count();
        let share = (MOST_TARGETS / with.max(1)).max(2);
        let of_server = |server: &Server| {
            let (transport, port) = (server.transport, server.port);
            let target = move |ip: &IpAddr| Target { transport, address: SocketAddr::new(*ip, port) };
            server.addresses.iter().take(share).map(target).collect::<Vec<_>>()
        };
        let targets: Vec<Target> = servers.iter().flat_map(of_server).take(MOST_TARGETS).collect();
        match (targets.is_empty(), self.trouble.take()) {
            (false, _) => Located::Targets(targets),
            (true, Some(why)) => Located::Failed(why),
            (true, None) => Located::NoSuchHost,
        }
    }
}

/// The other name, where an answer says nothing else.
fn alias(found: &Found) -> Option<String> {
    let Found::Records(records, _) = found else { return None };
    let mut aliases = records.iter().map(|record| match record {
        Record::Alias(name) => Some(name),
        _ => None,
    });
    let last = aliases.next_back().flatten()?;
    aliases.all(|alias| alias.is_some()).then(|| last.clone())
}
