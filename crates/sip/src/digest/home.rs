//! Where a password without a realm may be shown: at the account's own servers.
//!
//! A password that is good for any realm can be asked for by whoever answers: the far end of a call, a proxy on its way, a stranger in whose dialog we
//! send BYE. Each gets a hash to guess at. So it is tied to the servers the account registers with, by name, and to the realm that was named there. What
//! one server has asked for is shown to that one: a request within a dialog may go to somebody else, who writes its Request-URI.

use std::net::{IpAddr, SocketAddr};

use crate::message::Uri;

/// Who has challenged, or would be shown credentials, as far as we know: the first hop of the request, by the name it was looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenger<'a> {
    /// Host, without brackets.
    pub host: &'a str,
    /// Port, where one was written.
    pub port: Option<u16>,
    /// Reached by TLS.
    pub secure: bool,
    /// It was asked to register us, so that nobody behind it has a say: each of its realms is the account's.
    pub registers: bool,
    /// The address that was found under its name.
    pub address: Option<SocketAddr>,
}

/// A host as it is compared: an address has many spellings.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Ip(IpAddr),
    Name(String),
}

impl Place {
    fn of(host: &str) -> Place {
        let bare = host.trim_matches(['[', ']']);
        bare.parse::<IpAddr>()
            .map_or_else(|_| Place::Name(bare.to_ascii_lowercase()), |ip| Place::Ip(ip.to_canonical()))
    }
}

/// A server of the account's, or one that has asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home {
    host: Place,
    port: Option<u16>,
    secure: bool,
    /// The address it was found at.
    address: Option<SocketAddr>,
}

impl Home {
    /// `None` for what is no SIP address.
    pub(super) fn of(uri: &Uri<'_>) -> Option<Home> {
        let secured = |transport: &str| ["tls", "wss"].iter().any(|one| transport.eq_ignore_ascii_case(one));
        uri.is_sip().then(|| Home {
            host: Place::of(uri.params().get("maddr").unwrap_or(uri.host_text())),
            port: uri.port(),
            secure: uri.is_secure() || uri.transport().is_some_and(secured),
            address: None,
        })
    }

    /// The one that was found under its name.
    pub(super) fn at(server: SocketAddr) -> Home {
        let host = Place::Ip(server.ip().to_canonical());
        Home { host, port: Some(server.port()), secure: false, address: None }
    }

    /// The one that has challenged.
    pub(super) fn that_asked(Challenger { host, port, secure, address, .. }: Challenger<'_>) -> Home {
        Home { host: Place::of(host), port, secure, address }
    }

    /// Whether it is this one. One that is to be reached by TLS is not where there was none. One that goes by another name is the same at the same address:
    /// the routes of dialogs often have numbers.
    pub(super) fn is(&self, other: &Challenger<'_>) -> bool {
        let written = |port: Option<u16>, secure| port.unwrap_or(if secure { 5061 } else { 5060 });
        let named = || {
            self.host == Place::of(other.host)
                && (self.port == other.port || written(self.port, self.secure) == written(other.port, other.secure))
        };
        let numbered = |address: SocketAddr| {
            self.address == Some(address)
                || self.host == Place::Ip(address.ip().to_canonical()) && self.port == Some(address.port())
        };
        (other.secure || !self.secure) && (other.address.is_some_and(numbered) || named())
    }
}
