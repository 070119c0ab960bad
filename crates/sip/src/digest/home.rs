//! Where a password without a realm may be shown: at the account's own servers.
//!
//! A password that is good for any realm can be asked for by whoever answers: the far end of a call, a proxy on its way, a stranger in whose dialog we
//! send BYE. Each gets a hash to guess at. So it is tied to the servers the account registers with, by name, and to the realm that was named there.

use std::net::SocketAddr;

use crate::message::Uri;

/// Who has challenged, as far as we know: the first hop of the request, by the name it was looked up by.
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
}

/// A server of the account's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home {
    host: String,
    port: Option<u16>,
    secure: bool,
}

impl Home {
    /// `None` for what is no SIP address.
    pub(super) fn of(uri: &Uri<'_>) -> Option<Home> {
        let secured = |transport: &str| ["tls", "wss"].iter().any(|one| transport.eq_ignore_ascii_case(one));
        let host = uri.params().get("maddr").unwrap_or(uri.host_text()).trim_matches(['[', ']']);
        uri.is_sip().then(|| Home {
            host: host.to_owned(),
            port: uri.port(),
            secure: uri.is_secure() || uri.transport().is_some_and(secured),
        })
    }

    /// The one that was found under its name.
    pub(super) fn at(server: SocketAddr) -> Home {
        Home { host: server.ip().to_canonical().to_string(), port: Some(server.port()), secure: false }
    }

    /// Whether it is the one that has challenged. One that is to be reached by TLS has not where there was none.
    pub(super) fn is(&self, other: &Challenger<'_>) -> bool {
        let port = |written: Option<u16>, secure| written.unwrap_or(if secure { 5061 } else { 5060 });
        self.host.eq_ignore_ascii_case(other.host)
            && (other.secure || !self.secure)
            && (self.port == other.port || port(self.port, self.secure) == port(other.port, other.secure))
    }
}
