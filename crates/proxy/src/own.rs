//! Which URIs are ours: the domains that we are responsible for (RFC 3261 section 16.5), and the addresses that we are reached at.

use std::net::SocketAddr;

use sip::message::Uri;

/// Addresses of ours that are remembered: more than a machine has ways in.
const MOST: usize = 64;

/// Who we are.
#[derive(Clone, Debug, Default)]
pub struct Own {
    domains: Vec<String>,
    addresses: Vec<SocketAddr>,
    /// The ports that we listen at; none: any.
    ports: Vec<u16>,
    /// What we are called in routes besides.
    named: Option<String>,
}

impl Own {
    /// Responsible for these domains.
    pub fn new(domains: impl IntoIterator<Item = String>) -> Self {
        let lower = |domain: String| domain.to_ascii_lowercase();
        Self {
            domains: domains.into_iter().map(lower).collect(),
            addresses: Vec::new(),
            ports: Vec::new(),
            named: None,
        }
    }

    /// Listening here. At an address that stands for all of a machine it is seen when something arrives which they are.
    pub fn listening(mut self, at: impl IntoIterator<Item = SocketAddr>) -> Self {
        for address in at {
            self.ports.push(address.port());
            if !address.ip().is_unspecified() {
                self.reached_at(address);
            }
        }
        self
    }

    /// Called so in Record-Route and Path ([`sip::SecuredAs`]), whether or not that is a domain of ours.
    pub fn named(mut self, host: Option<String>) -> Self {
        self.named = host;
        self
    }

    /// An address of ours at which something has arrived. The port of a connection that we have opened is none that we are found at.
    pub fn reached_at(&mut self, address: SocketAddr) {
        let listens = self.ports.is_empty() || self.ports.contains(&address.port());
        if listens && !self.addresses.contains(&address) && self.addresses.len() < MOST {
            self.addresses.push(address);
        }
    }

    /// The domains.
    pub fn domains(&self) -> &[String] {
        &self.domains
    }

    /// Whether a URI is one of ours: host and port one of our addresses, or its host one of our domains and its port, where it has one, one of ours: on
    /// the machines of our domain others may be reached at other ports, telephones for instance.
    pub fn is(&self, uri: &Uri<'_>) -> bool {
        self.has(uri) && (self.has_address(uri) || self.has_port(uri))
    }

    /// Whether a value of Route is one of ours: like [`Own::is`], and what we are called besides.
    pub fn is_route(&self, uri: &Uri<'_>) -> bool {
        let is_named = || self.named.as_ref().is_some_and(|named| named.eq_ignore_ascii_case(bare(uri.host_text())));
        self.is(uri) || uri.is_sip() && is_named() && self.has_port(uri)
    }

    fn has_port(&self, uri: &Uri<'_>) -> bool {
        uri.port().is_none_or(|port| self.addresses.iter().any(|own| own.port() == port))
    }

    /// Whether a URI names one of our users: like [`Own::is`], but for a domain with any port. It tells who somebody is, and not where.
    pub fn has(&self, uri: &Uri<'_>) -> bool {
        uri.is_sip() && (self.has_address(uri) || self.has_domain(uri.host_text()))
    }

    fn has_address(&self, uri: &Uri<'_>) -> bool {
        let port = uri.port().unwrap_or_else(|| if is_tls(uri) { 5_061 } else { 5_060 });
        uri.host().ip().is_some_and(|ip| self.addresses.iter().any(|own| own.ip() == ip && own.port() == port))
    }

    fn has_domain(&self, host: &str) -> bool {
        self.domains.iter().any(|domain| domain.eq_ignore_ascii_case(bare(host)))
    }
}

/// One dot at the end says nothing.
fn bare(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

fn is_tls(uri: &Uri<'_>) -> bool {
    uri.is_secure() || uri.transport().is_some_and(|transport| transport.eq_ignore_ascii_case("tls"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_16_5_what_we_are_responsible_for() {
        let mut own = Own::new(["Example.com".to_owned()]);
        own.reached_at("192.0.2.1:5060".parse().unwrap());
        own.reached_at("[2001:db8::1]:5062".parse().unwrap());
        for (uri, expected) in [
            ("sip:a@example.com", true),
            ("sip:a@EXAMPLE.com.:5062", true),
            ("sip:a@example.com:5070", false),
            ("sips:a@example.com", true),
            ("sip:a@sub.example.com", false),
            ("sip:a@192.0.2.1", true),
            ("sip:192.0.2.1:5060", true),
            ("sip:a@192.0.2.1:5061", false),
            ("sips:a@192.0.2.1", false),
            ("sip:a@[2001:db8::1]:5062", true),
            ("sip:a@[2001:DB8:0::1]:5062", true),
            ("sip:a@192.0.2.2", false),
            ("tel:+49", false),
        ] {
            assert_eq!(own.is(&Uri::parse(uri).unwrap()), expected, "{uri}");
        }
    }

    #[test]
    fn rfc3261_16_3_6_a_port_makes_nobody_a_stranger() {
        let mut own = Own::new(["Example.com".to_owned()]);
        own.reached_at("192.0.2.1:5060".parse().unwrap());
        for (uri, expected) in [
            ("sip:a@example.com", true),
            ("sip:a@example.com:9", true),
            ("sips:a@EXAMPLE.com.:5071;transport=udp", true),
            ("sip:a@192.0.2.1", true),
            ("sip:a@192.0.2.1:9", false),
            ("sip:a@elsewhere.example:5060", false),
        ] {
            assert_eq!(own.has(&Uri::parse(uri).unwrap()), expected, "{uri}");
        }
    }

    #[test]
    fn rfc3261_16_4_a_name_of_ours_in_a_route_is_ours_at_our_ports_and_makes_nobody_a_user() {
        let mut own = Own::new(["example.com".to_owned()]).named(Some("edge.example.net".to_owned()));
        own.reached_at("192.0.2.1:5071".parse().unwrap());
        for (uri, expected) in [
            ("sip:edge.example.net;transport=tls;lr", true),
            ("sip:t@EDGE.example.net.:5071;transport=tls;lr", true),
            ("sip:edge.example.net:5072;transport=tls;lr", false),
            ("sip:other.example.net;lr", false),
            ("sip:example.com;lr", true),
        ] {
            assert_eq!(own.is_route(&Uri::parse(uri).unwrap()), expected, "{uri}");
        }
        let user = Uri::parse("sip:a@edge.example.net").unwrap();
        assert!(!own.is(&user) && !own.has(&user));
    }

    #[test]
    fn rfc3261_16_5_a_connection_that_we_have_opened_is_no_address_of_ours() {
        let at: [SocketAddr; 2] = ["192.0.2.1:5060".parse().unwrap(), "0.0.0.0:5070".parse().unwrap()];
        let mut own = Own::new([]).listening(at);
        let is = |own: &Own, uri: &str| own.is(&Uri::parse(uri).unwrap());
        assert!(is(&own, "sip:a@192.0.2.1"), "before anything has arrived");
        assert!(!is(&own, "sip:a@192.0.2.2:5070"));
        (40_000..50_000).for_each(|port| own.reached_at(([192, 0, 2, 2], port).into()));
        own.reached_at("192.0.2.2:5070".parse().unwrap());
        assert!(is(&own, "sip:a@192.0.2.2:5070"));
        assert!(!is(&own, "sip:a@192.0.2.2:40000"));
    }

    #[test]
    fn addresses_of_ours_are_bounded() {
        let mut own = Own::new([]);
        (1..=1_000).for_each(|port| own.reached_at(([192, 0, 2, 1], port).into()));
        assert_eq!(own.addresses.len(), MOST);
    }
}
