//! A device to be called: where its binding says it is, and how a request gets there.

use std::net::IpAddr;

use proxy::FLOW_GONE;
use sip::message::UriBuf;
use sip::{Hop, Transport};

/// A device to be called, with its preference.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) uri: UriBuf,
    pub(crate) routes: Vec<String>,
    pub(crate) hop: Hop,
    /// Our address as it reaches us, when that is known.
    pub(crate) ours: Option<IpAddr>,
    /// The preference of its binding.
    pub(crate) q: u16,
}

impl Target {
    /// The device of a binding; `None` when its contact cannot be called.
    pub(crate) fn of(binding: &proxy::Binding<'_>) -> Option<Self> {
        let uri: UriBuf = binding.uri().parse().ok()?;
        let hop = match binding.origin() {
            None => Hop::Auto,
            // After a restart the flow is gone: the same address once more.
            Some(origin) if origin.flow == FLOW_GONE => {
                let text = format!("sip:{};transport={}", origin.remote, origin.transport.as_str().to_lowercase());
                match origin.transport {
                    Transport::Udp | Transport::Tcp => Hop::Uri(text.parse().ok()?),
                    _ => Hop::Auto,
                }
            }
            Some(origin) => Hop::Path(origin),
        };
        Some(Self {
            uri,
            routes: binding.path().map(str::to_owned).collect(),
            hop,
            ours: binding.origin().map(|origin| origin.local.ip()).filter(|ours| !ours.is_unspecified()),
            q: binding.q(),
        })
    }

    /// The next hop when it is an address literal.
    pub(crate) fn next_hop(&self) -> Option<IpAddr> {
        let literal = |host: &str| host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        match self.routes.first() {
            None => literal(self.uri.as_uri().host_text()),
            Some(route) => {
                let first = sip::header::NameAddr::parse(route).ok()?;
                literal(first.uri.host_text())
            }
        }
    }
}
