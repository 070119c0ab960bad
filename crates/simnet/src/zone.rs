//! What name servers of the network say: in some runs each name has two servers, of which the first is dead (RFC 3263 section 4.3).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sip::Transport;
use sip::locate::{Found, Locate, Located, Naptr, Query, Record, Srv, Target, Wanted};

use crate::chance::Chance;

/// The address at which nobody is.
pub(crate) const DEAD: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 8, 8)), 5060);

/// Which records there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Records {
    /// Addresses alone.
    Hosts,
    /// SRV.
    Servers,
    /// NAPTR that prefers UDP, and SRV.
    Services,
    /// SRV; whoever asks for NAPTR hears that the name server has failed.
    Broken,
}

/// The name servers of one run.
#[derive(Debug)]
pub(crate) struct Zone {
    records: Records,
    chance: Chance,
}

impl Zone {
    /// What a seed says: in half of all runs there are servers.
    pub(crate) fn draw(mut chance: Chance) -> Self {
        let all =
            [Records::Hosts, Records::Hosts, Records::Hosts, Records::Servers, Records::Services, Records::Broken];
        Self { records: chance.pick(&all), chance }
    }

    /// Nothing but addresses.
    pub(crate) fn plain() -> Self {
        Self { records: Records::Hosts, chance: Chance::new(0) }
    }

    /// Where a request to a node that is at this address goes, in order; `None` where there are no servers.
    pub(crate) fn targets(
        &mut self,
        host: &str,
        transport: Option<Transport>,
        at: SocketAddr,
    ) -> Option<Result<Vec<Target>, String>> {
        if self.records == Records::Hosts {
            return None;
        }
        let wanted = Wanted { host: host.to_owned(), port: None, transport, secure: false };
        let mut locate = Locate::new(wanted, &[Transport::Udp, Transport::Tcp], self.chance.u64());
        loop {
            let asked = locate.questions();
            for query in &asked {
                locate.answer(query, self.answer(query, host, at));
            }
            match locate.located() {
                Some(Located::Targets(targets)) => return Some(Ok(targets.clone())),
                Some(other) => return Some(Err(format!("{other:?}"))),
                None => assert!(!asked.is_empty(), "nothing is asked and nothing found: {locate:?}"),
            }
        }
    }

    /// What a name server says.
    fn answer(&self, query: &Query, host: &str, at: SocketAddr) -> Found {
        let hour = Duration::from_secs(3_600);
        let server =
            |priority, target: &str, port| Record::Srv(Srv { priority, weight: 1, port, target: target.to_owned() });
        let service = |order, services: &str, prefix: &str| {
            Record::Naptr(Naptr {
                order,
                preference: 0,
                flags: "s".to_owned(),
                services: services.to_owned(),
                regexp: String::new(),
                replacement: format!("{prefix}.{host}."),
            })
        };
        let records = match query {
            Query::Naptr(_) if self.records == Records::Broken => return Found::Failed("SERVFAIL".to_owned()),
            Query::Naptr(_) if self.records == Records::Services => {
                vec![service(2, "SIP+D2T", "_sip._tcp"), service(1, "SIP+D2U", "_sip._udp")]
            }
            Query::Naptr(_) => return Found::None(hour),
            Query::Srv(_) => vec![server(2, host, at.port()), server(1, "dead.sim", DEAD.port())],
            Query::Addresses(name) if name == "dead.sim." => vec![Record::Address(DEAD.ip())],
            Query::Addresses(_) => vec![Record::Address(at.ip())],
        };
        Found::Records(records, hour)
    }
}
