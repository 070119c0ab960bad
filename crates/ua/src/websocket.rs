//! Servers of WebSockets, as people write them (RFC 6455 section 3, RFC 7118).

use sip::Hop;
use sip::message::UriBuf;

use crate::error::CallError;

/// The URL of a server of WebSockets: `ws://pbx.example.com:8080/sip`, or `wss:` over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketUrl {
    hop: UriBuf,
    resource: String,
}

impl WebSocketUrl {
    /// Reads one.
    ///
    /// # Errors
    /// [`CallError::BadUri`]: what was expected.
    ///
    /// ```
    /// let url = ua::WebSocketUrl::parse("wss://pbx.example.com/sip?x=1").unwrap();
    /// assert_eq!((url.hop().as_str(), url.resource()), ("sip:pbx.example.com;transport=wss", "/sip?x=1"));
    /// ```
    pub fn parse(given: &str) -> Result<Self, CallError> {
        let bad = |why: &str| CallError::BadUri { uri: given.to_owned(), why: why.to_owned() };
        let expected = || bad("expected ws://HOST[:PORT][/PATH] or wss://HOST[:PORT][/PATH]");
        let (scheme, rest) = given.trim().split_once("://").ok_or_else(expected)?;
        let transport = match scheme.to_ascii_lowercase().as_str() {
            "ws" => "ws",
            "wss" => "wss",
            _ => return Err(expected()),
        };
        if let Some(odd) = rest.chars().find(|c| !c.is_ascii_graphic() || "#<>\"{}|\\^`".contains(*c)) {
            return Err(bad(&format!("{odd:?} has no place in the URL of a WebSocket")));
        }
        let (host, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if host.is_empty() || host.contains(['@', ';']) {
            return Err(expected());
        }
        let hop: UriBuf = format!("sip:{host};transport={transport}").parse().map_err(|_| expected())?;
        // A resource begins with a slash, also where only a query is written (RFC 6455 section 3).
        let resource = if resource.starts_with('/') { resource.to_owned() } else { format!("/{resource}") };
        Ok(Self { hop, resource })
    }

    /// Where it is, as next hop of requests. It stands in none of them: `transport=wss` is ours alone.
    pub fn hop(&self) -> &UriBuf {
        &self.hop
    }

    /// What is asked for there: path and query.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    pub(crate) fn as_hop(&self) -> Hop {
        Hop::Uri(self.hop.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6455_3_urls_are_read_and_what_is_none_is_told() {
        for (url, hop, resource) in [
            ("ws://127.0.0.1:8080", "sip:127.0.0.1:8080;transport=ws", "/"),
            ("WSS://[::1]:8443/", "sip:[::1]:8443;transport=wss", "/"),
            ("ws://pbx?token=1", "sip:pbx;transport=ws", "/?token=1"),
            ("ws://pbx.example.com/a/b", "sip:pbx.example.com;transport=ws", "/a/b"),
        ] {
            let read = WebSocketUrl::parse(url).unwrap();
            assert_eq!((read.hop().as_str(), read.resource()), (hop, resource), "{url}");
        }
        for url in [
            "",
            "pbx",
            "http://pbx",
            "ws://",
            "ws:///sip",
            "ws://user@pbx",
            "ws://pbx:port",
            "ws://pbx/#part",
            "ws://pbx/a b",
            "ws://pbx/\r\nHost: other",
            "ws://pbx;transport=udp",
            "ws://pbx/ä",
        ] {
            assert!(WebSocketUrl::parse(url).is_err(), "{url}");
        }
    }
}
