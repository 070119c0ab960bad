//! How a response finds its way back, read from the top Via (RFC 3261 sections 18.2.1 and 18.2.2, RFC 3581 section 4).

use std::net::{IpAddr, SocketAddr};

use crate::config::Config;
use crate::message::header::Via;
use crate::message::{HeaderId, Headers, Host, decimal, host};
use crate::outbox::Origin;

/// Where responses to a request go, and what they tell about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) stamp: Stamp,
    /// The destination.
    pub(super) to: SocketAddr,
    /// Where a new connection to the peer goes: the port of its sent-by.
    pub(super) home: u16,
}

/// What is written into the top Via of responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// Nothing: it came from where its sent-by says.
    Nothing,
    /// `received`.
    Received,
    /// `received` and `rport`.
    ReceivedAndRport,
}

impl Stamp {
    /// The values, from where the request came from.
    pub(super) fn values(self, origin: &Origin) -> Option<(IpAddr, Option<u16>)> {
        match self {
            Stamp::Nothing => None,
            Stamp::Received => Some((origin.remote.ip(), None)),
            Stamp::ReceivedAndRport => Some((origin.remote.ip(), Some(origin.remote.port()))),
        }
    }
}

/// What matters of a top Via.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Top {
    ip: Option<IpAddr>,
    port: Option<u16>,
    rport: bool,
    received: bool,
    maddr: Option<IpAddr>,
}

impl Way {
    /// For a request that came from `origin`.
    pub(super) fn of(headers: &Headers, origin: &Origin, config: &Config) -> Way {
        let source = origin.remote;
        let Some(top) = Top::plain(headers).or_else(|| Top::any(headers)) else {
            return Way { stamp: Stamp::Received, to: source, home: source.port() };
        };
        let home = top.port.unwrap_or(origin.transport.default_port());
        let stamp = match (top.rport || config.force_rport, top.ip == Some(source.ip())) {
            (true, _) => Stamp::ReceivedAndRport,
            (false, true) if !top.received => Stamp::Nothing,
            (false, _) => Stamp::Received,
        };
        let to = match top.maddr {
            _ if origin.transport.is_reliable() => source,
            Some(ip) if config.follow_maddr => SocketAddr::new(ip, home),
            _ if stamp == Stamp::ReceivedAndRport => source,
            _ => SocketAddr::new(source.ip(), home),
        };
        Way { stamp, to, home }
    }
}

impl Top {
    /// The usual Via, which stands alone on its line and has neither quotes nor folds, in one walk; `None` for any other.
    fn plain(headers: &Headers) -> Option<Top> {
        let value = headers.raw(HeaderId::Via)?;
        if memchr::memchr3(b'"', b',', b'(', value).is_some() || memchr::memchr(b'\n', value).is_some() {
            return None;
        }
        let (_, sent_by) = headers.way_back();
        let (host, port) = match sent_by.iter().rposition(|byte| matches!(byte, b':' | b']')) {
            Some(at) if sent_by.get(at) == Some(&b':') => (sent_by.get(..at)?, Some(number(sent_by.get(at + 1..)?)?)),
            _ => (sent_by, None),
        };
        if host.is_empty() {
            return None;
        }
        let mut top = Top { ip: address(host), port, rport: false, received: false, maddr: None };
        for semicolon in memchr::memchr_iter(b';', value) {
            let rest = value.get(semicolon + 1..)?.trim_ascii_start();
            // Only these three begin with these letters and matter.
            if !matches!(rest.first(), Some(b'r' | b'R' | b'm' | b'M')) {
                continue;
            }
            let part = rest.get(..memchr::memchr(b';', rest).unwrap_or(rest.len()))?;
            let equals = memchr::memchr(b'=', part).unwrap_or(part.len());
            let name = part.get(..equals)?.trim_ascii_end();
            if name.eq_ignore_ascii_case(b"rport") {
                top.rport = true;
            } else if name.eq_ignore_ascii_case(b"received") {
                top.received = true;
            } else if name.eq_ignore_ascii_case(b"maddr") {
                top.maddr = address(part.get(equals + 1..).unwrap_or_default().trim_ascii());
            }
        }
        Some(top)
    }

    /// Any Via that can be read.
    fn any(headers: &Headers) -> Option<Top> {
        let via = headers.get::<Via<'_>>()?.ok()?;
        Some(Top {
            ip: via.host.ip(),
            port: via.port,
            rport: via.params.has("rport"),
            received: via.params.has("received"),
            maddr: via.maddr().and_then(|host: Host<'_>| host.ip()),
        })
    }
}

/// A port.
fn number(digits: &[u8]) -> Option<u16> {
    decimal(digits)?.try_into().ok()
}

/// An address literal, IPv6 with or without brackets.
fn address(text: &[u8]) -> Option<IpAddr> {
    // A name seldom starts like an address: nothing else is tried.
    let inner = match text.first()? {
        b'[' => text.strip_prefix(b"[")?.strip_suffix(b"]")?,
        b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' | b':' => text,
        _ => return None,
    };
    if let Some(ip) = host::ipv4(text) {
        return Some(IpAddr::V4(ip));
    }
    std::str::from_utf8(inner).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::message::{Limits, Message};

    fn headers(via: &str) -> Headers {
        let text = format!(
            "OPTIONS sip:b SIP/2.0\r\nVia: {via}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
        );
        Message::parse(Bytes::from(text), &Limits::default()).expect("a message").headers().clone()
    }

    #[test]
    fn rfc3261_20_42_the_quick_reading_of_a_via_agrees_with_the_full_one() {
        for via in [
            "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1",
            "SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK1",
            "SIP/2.0/UDP host.example:7000 ;branch=z9hG4bK1; RPORT=12;received=192.0.2.7",
            "SIP / 2.0 / UDP   host;maddr=224.0.1.75;ttl=1;branch=z9hG4bK1",
            "SIP/2.0/UDP [2001:db8::9:1]:5099;branch=z9hG4bK1;received=[2001:db8::1]",
            "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bK1;maddr=[2001:db8::2]",
            "SIP/2.0/TCP fe.example;branch=z9hG4bK1;rportx;xreceived=1;maddr=name.example",
            "SIP/2.0/UDP 1.2.3.4.5;branch=z9hG4bK1",
            "SIP/2.0/UDP host",
        ] {
            let headers = headers(via);
            let plain = Top::plain(&headers);
            assert!(plain.is_some(), "{via}");
            assert_eq!(plain, Top::any(&headers), "{via}");
        }
    }

    #[test]
    fn rfc3261_20_42_an_unusual_via_is_read_in_full() {
        for via in [
            "SIP/2.0/UDP host:7000;x=\"a;rport\";branch=z9hG4bK1",
            "SIP/2.0/UDP host:7000;branch=z9hG4bK1, SIP/2.0/UDP other;rport",
            "SIP/2.0/UDP host:7000\r\n ;branch=z9hG4bK1",
        ] {
            let headers = headers(via);
            assert_eq!(Top::plain(&headers), None, "{via}");
            let top = Top::any(&headers).expect("readable");
            assert_eq!((top.port, top.rport), (Some(7000), false), "{via}");
        }
    }
}
