//! Addresses: `c=`, and the address part of `o=` and `a=rtcp`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::print::{Printout, display};
use crate::text::{Text, Token};

/// The `addrtype` of a domain name, which cannot be told from the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// `IP4`
    V4,
    /// `IP6`
    V6,
}

/// Network type, address type and address of RFC 8866 sections 5.2 and 5.7.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// `IN IP4` or `IN IP6` with a literal address. The address type is printed to match the address.
    Ip(IpAddr),
    /// `IN IP4` or `IN IP6` with a domain name.
    Name {
        /// Which record to ask the DNS for.
        family: Family,
        /// Letters, digits, `-`, `.` and `_`.
        name: Token,
    },
    /// Any other network or address type, kept as it is.
    Other {
        /// The network type, `IN` for the Internet.
        network: Token,
        /// The address type.
        kind: Token,
        /// The rest of the line.
        address: Text,
    },
}

impl Address {
    /// The literal address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Address::Ip(ip) => Some(*ip),
            _ => None,
        }
    }

    /// Whether this is a multicast group.
    pub fn is_multicast(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_multicast())
    }

    fn is_ipv4_group(&self) -> bool {
        matches!(self, Address::Ip(IpAddr::V4(ip)) if ip.is_multicast())
    }

    /// Whether this is `0.0.0.0` or `::`, to which nothing may be sent (RFC 3264 section 8.4).
    pub fn is_null(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_unspecified())
    }

    /// The null address of the same family, for a hold in the way of RFC 2543.
    pub fn to_null(&self) -> Address {
        match self {
            Address::Ip(IpAddr::V6(_)) | Address::Name { family: Family::V6, .. } => Ipv6Addr::UNSPECIFIED.into(),
            _ => Ipv4Addr::UNSPECIFIED.into(),
        }
    }

    /// Reads the three fields. `None` when they are not an address by the grammar of RFC 8866 section 9. An IPv6
    /// literal after `IP4` is taken for what it is, and the other way round.
    pub(crate) fn read(network: &str, kind: &str, address: &str) -> Option<Address> {
        let family = match kind {
            _ if !network.eq_ignore_ascii_case("IN") => None,
            _ if kind.eq_ignore_ascii_case("IP4") => Some(Family::V4),
            _ if kind.eq_ignore_ascii_case("IP6") => Some(Family::V6),
            _ => None,
        };
        let Some(family) = family else {
            let (network, kind) = (Token::new(network).ok()?, Token::new(kind).ok()?);
            return Some(Address::Other { network, kind, address: Text::new(address.trim()).ok()? });
        };
        if let Ok(ip) = address.parse::<IpAddr>() {
            return Some(Address::Ip(ip));
        }
        let name_like = address.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        let number_like = address.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if !name_like || number_like {
            return None;
        }
        Some(Address::Name { family, name: Token::new(address).ok()? })
    }
}

impl<T: Into<IpAddr>> From<T> for Address {
    fn from(ip: T) -> Address {
        Address::Ip(ip.into())
    }
}

impl Address {
    pub(crate) fn print(&self, out: &mut Printout) {
        match self {
            Address::Ip(IpAddr::V4(ip)) => {
                out.text("IN IP4 ");
                out.ipv4(ip.octets());
            }
            Address::Ip(IpAddr::V6(ip)) => {
                out.text("IN IP6 ");
                out.text(&ip.to_string());
            }
            Address::Name { family, name } => {
                out.text(if *family == Family::V4 { "IN IP4 " } else { "IN IP6 " });
                out.text(name);
            }
            Address::Other { network, kind, address } => {
                for part in [network.as_str(), " ", kind.as_str(), " ", address.as_str()] {
                    out.text(part);
                }
            }
        }
    }
}

/// `IN IP4 192.0.2.1`, the form of every line which carries an address.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| self.print(out))
    }
}

/// One `c=` line: RFC 8866 section 5.7.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    /// Where media is expected.
    pub address: Address,
    /// Time to live of an IPv4 multicast group. Printed for such a group only, and always (127 when absent).
    pub ttl: Option<u8>,
    /// Number of contiguous groups from `address` on, at least 1 (0 is printed as absent). Printed in a media section only.
    pub count: Option<u32>,
}

/// The time to live of a group that names none.
const TTL: u8 = 127;

impl Connection {
    /// A unicast connection, or one multicast group.
    pub fn new(address: impl Into<Address>) -> Connection {
        Connection::from(address.into())
    }
}

impl From<Address> for Connection {
    fn from(address: Address) -> Connection {
        let ttl = address.is_ipv4_group().then_some(TTL);
        Connection { address, ttl, count: None }
    }
}

impl Connection {
    pub(crate) fn print(&self, out: &mut Printout) {
        self.print_one(out);
        if let Some(count) = self.count.filter(|count| *count > 0 && self.address.is_multicast()) {
            out.text("/");
            out.decimal(u64::from(count));
        }
    }

    /// Without the number of groups, which the session section may not have.
    pub(crate) fn print_one(&self, out: &mut Printout) {
        self.address.print(out);
        if self.address.is_ipv4_group() {
            out.text("/");
            out.decimal(u64::from(self.ttl.unwrap_or(TTL)));
        }
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| self.print(out))
    }
}
