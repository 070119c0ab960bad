//! What is asked of DNS, and what it answers.

use std::net::IpAddr;
use std::time::Duration;

/// Records of one answer that are looked at: the best of them, by priority or order.
pub const MOST_RECORDS: usize = 64;

/// One question to DNS. A name that ends in a dot is complete; to another a resolver may add the domains it searches.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Query {
    /// NAPTR: the services of a domain (RFC 3403).
    Naptr(String),
    /// SRV: the servers of one service (RFC 2782).
    Srv(String),
    /// A and AAAA: the addresses of a host, in the order to be tried. The only question that a hosts file may answer.
    Addresses(String),
}

impl Query {
    /// The name that is asked for.
    pub fn name(&self) -> &str {
        match self {
            Query::Naptr(name) | Query::Srv(name) | Query::Addresses(name) => name,
        }
    }

    /// The same question about another name.
    pub(super) fn about(&self, name: String) -> Self {
        match self {
            Query::Naptr(_) => Query::Naptr(name),
            Query::Srv(_) => Query::Srv(name),
            Query::Addresses(_) => Query::Addresses(name),
        }
    }
}

/// What came of a [`Query`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There are records; they may be kept this long.
    Records(Vec<Record>, Duration),
    /// The name does not exist, or has none of this kind; that holds this long.
    None(Duration),
    /// The look-up failed, in words for a person.
    Failed(String),
}

impl Found {
    /// With no more than [`MOST_RECORDS`]: of more the first, by priority or order.
    pub fn limited(self) -> Self {
        match self {
            Found::Records(mut records, ttl) if records.len() > MOST_RECORDS => {
                records.sort_by_key(Record::rank);
                records.truncate(MOST_RECORDS);
                records.shrink_to_fit();
                Found::Records(records, ttl)
            }
            found => found,
        }
    }
}

/// A record of any of these kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A service of a domain.
    Naptr(Naptr),
    /// A server of a service.
    Srv(Srv),
    /// A or AAAA.
    Address(IpAddr),
    /// CNAME: the name stands for another, whose records the resolver has not brought along.
    Alias(String),
}

impl Record {
    /// What is least is wanted most.
    fn rank(&self) -> (u16, u16) {
        match self {
            Record::Naptr(naptr) => (naptr.order, naptr.preference),
            Record::Srv(srv) => (srv.priority, 0),
            Record::Address(_) | Record::Alias(_) => (0, 0),
        }
    }

    /// Octets it takes while it is kept, about.
    pub fn weight(&self) -> usize {
        let text = match self {
            Record::Naptr(naptr) => {
                naptr.flags.len() + naptr.services.len() + naptr.regexp.len() + naptr.replacement.len()
            }
            Record::Srv(srv) => srv.target.len(),
            Record::Alias(name) => name.len(),
            Record::Address(_) => 0,
        };
        size_of::<Self>() + text
    }
}

/// A NAPTR record (RFC 3403 section 4.1). Only texts of ASCII are read; another stands as an empty one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Which come first; the lowest do.
    pub order: u16,
    /// Which come first among those of one order.
    pub preference: u16,
    /// `s`: the replacement names SRV records.
    pub flags: String,
    /// `SIP+D2U` and the like.
    pub services: String,
    /// Empty for SIP (RFC 3263 section 4.1).
    pub regexp: String,
    /// The next name.
    pub replacement: String,
}

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Which come first; the lowest do.
    pub priority: u16,
    /// How often it comes first among those of one priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; `.` where there is decidedly no such service.
    pub target: String,
}
