//! How a response finds its way back, read from the top Via (RFC 3261 sections 18.2.1 and 18.2.2, RFC 3581 section 4).

use std::net::{IpAddr, SocketAddr};

use crate::config::Config;
use crate::message::header::Via;
use crate::message::{Headers, Host, decimal, host};
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
        let Some(top) = Top::usual(headers).or_else(|| Top::any(headers)) else {
            return Way { stamp: Stamp::Received, to: source, home: source.port() };
        };
        let home = top.port.unwrap_or(origin.transport.default_port());
        let stamp = match (top.rport || config.force_rport, top.ip == Some(source.ip())) {
            (true, _) => Stamp::ReceivedAndRport,
            (false, true) if !top.received => Stamp::Nothing,
            (false, _) => Stamp::Received,
        };
        let way = Way { stamp, to: source, home };
        let to = match top.maddr {
            Some(ip) if config.follow_maddr && !origin.transport.is_reliable() => SocketAddr::new(ip, home),
            _ => way.source(origin),
        };
        Way { to, ..way }
    }

    /// The destination where no `maddr` is followed.
    pub(super) fn source(self, origin: &Origin) -> SocketAddr {
        match self.stamp {
            _ if origin.transport.is_reliable() => origin.remote,
            Stamp::ReceivedAndRport => origin.remote,
            _ => SocketAddr::new(origin.remote.ip(), self.home),
        }
    }
}

impl Top {
    /// A Via written as nearly all are; `None` for any other.
    fn usual(headers: &Headers) -> Option<Top> {
        let via = headers.usual_via()?;
        let (host, port) = match memchr::memrchr(b':', via.sent_by) {
            Some(colon) => (via.sent_by.get(..colon)?, Some(decimal(via.sent_by.get(colon + 1..)?)?.try_into().ok()?)),
            None => (via.sent_by, None),
        };
        let ip = host::ipv4(host).map(IpAddr::V4);
        Some(Top { ip, port, rport: via.rport, received: false, maddr: None })
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
    fn rfc3261_20_42_the_usual_via_is_read_as_any_is() {
        for via in [
            "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1",
            "SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK1",
            "SIP/2.0/TCP 192.0.2.1:65535;branch=z9hG4bK1;rport",
            "SIP/2.0/TCP fe.example:7000;branch=z9hG4bK1",
            "SIP/2.0/UDP 1.2.3.4.5;branch=z9hG4bK1",
        ] {
            let headers = headers(via);
            let usual = Top::usual(&headers);
            assert!(usual.is_some(), "{via}");
            assert_eq!(usual, Top::any(&headers), "{via}");
        }
    }

    #[test]
    fn rfc3261_20_42_an_unusual_via_is_read_in_full() {
        for (via, rport) in [
            ("SIP/2.0/UDP host:7000;x=\"a;rport\";branch=z9hG4bK1", false),
            ("SIP/2.0/UDP host:7000;branch=z9hG4bK1, SIP/2.0/UDP other;rport", false),
            ("SIP/2.0/UDP host:7000\r\n ;branch=z9hG4bK1", false),
            ("SIP/2.0/UDP host:7000 ;branch=z9hG4bK1; RPORT=12;received=192.0.2.7", true),
            ("SIP / 2.0 / UDP   host:7000;maddr=224.0.1.75;ttl=1;branch=z9hG4bK1", false),
            ("SIP/2.0/UDP [2001:db8::9:1]:7000;branch=z9hG4bK1;received=[2001:db8::1]", false),
            ("SIP/2.0/TCP host:7000;branch=z9hG4bK1;rportx;xreceived=1;maddr=name.example", false),
        ] {
            let headers = headers(via);
            assert_eq!(Top::usual(&headers), None, "{via}");
            let top = Top::any(&headers).expect("readable");
            assert_eq!((top.port, top.rport), (Some(7000), rport), "{via}");
        }
    }
}
