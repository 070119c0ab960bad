//! A device to be called: where its binding says it is, and how a request gets there.

use std::net::IpAddr;

use proxy::{Disposition, FLOW_GONE, Preferences};
use sip::message::{HeaderId, Request, StatusCode, Uri, UriBuf};
use sip::{Hop, Reply, Transport};

/// Those of a user's devices that a request may go to (RFC 5630 sections 4 and 5.3): where it is addressed by `sips`, those that registered so and
/// are reached over TLS; the others would be a way in the clear. A request by `sip` goes to all, and pretends nothing to those that registered by
/// `sips`.
///
/// # Errors
/// The refusal where there is none.
pub(crate) fn of_request(targets: Vec<Target>, secure: bool) -> Result<Vec<Target>, Box<Reply>> {
    let were_any = !targets.is_empty();
    let targets: Vec<Target> = match secure {
        // One flow may be secured and another not.
        true => by_instance(targets.into_iter().flat_map(Target::into_flows).filter(Target::is_secure)),
        false => targets.into_iter().map(Target::without_sips).collect(),
    };
    match targets.is_empty() {
        false => Ok(targets),
        true if were_any => {
            let mut refusal = Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE);
            refusal.lines.push_id(HeaderId::Warning, "380 offhook \"SIPS Not Allowed\"");
            Err(Box::new(refusal))
        }
        true => Err(Box::new(Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE))),
    }
}

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
    /// The parameters of its contact: what it can do (RFC 3840).
    pub(crate) features: String,
    /// The instance that it is (RFC 5626 section 4.1): its URN.
    pub(crate) instance: Option<String>,
    /// The instance, and the Call-ID of its registration (RFC 5627).
    pub(crate) owner: Option<(String, String)>,
    /// Other flows to it, or addresses that it has registered before, the one refreshed last first: tried one after the other, each when the one before leads nowhere (RFC 5626 section 7).
    pub(crate) flows: Vec<Target>,
}

/// Those that the caller wants, in his order (RFC 3841): for one of our users.
pub(crate) fn wanted(request: &Request, targets: Vec<Target>) -> Vec<Target> {
    let headers = request.headers();
    let explicit = headers.has(HeaderId::AcceptContact) || headers.has(HeaderId::RejectContact);
    // What follows from the method or the Event matters to devices that say which they take.
    let tells = |target: &Target| match explicit {
        true => !target.features.is_empty(),
        false => ["methods=", "events="].iter().any(|name| target.features.contains(name)),
    };
    let chosen = match targets.iter().any(tells) {
        true => Preferences::of(request).choose(targets, |target| target.q, |target| &target.features),
        false => targets,
    };
    Disposition::of(headers).arrange(chosen, |target, q| target.q = q)
}

/// Puts the bindings of one instance together, flows or not: a request goes to one of them at a time. `targets`: the most wanted first.
pub(crate) fn by_instance(targets: impl IntoIterator<Item = Target>) -> Vec<Target> {
    let mut devices: Vec<Target> = Vec::new();
    for target in targets {
        let same = |device: &&mut Target| target.instance.is_some() && device.instance == target.instance;
        match devices.iter_mut().find(same) {
            Some(device) => device.flows.push(target),
            None => devices.push(target),
        }
    }
    devices
}

/// The devices, those of the highest preference first, in an order that is the same for each message of a call as long as their bindings are the same,
/// whichever of them has been refreshed meanwhile: for who keeps nothing of it (RFC 3261 section 16.11). `lot` gives each text its number.
pub(crate) fn standing(targets: Vec<Target>, lot: impl Fn(&[&str]) -> u64) -> Vec<Target> {
    let mut targets: Vec<Target> = targets.into_iter().map(|target| target.by_one_flow(&lot)).collect();
    let whose = |target: &Target| lot(&[target.instance.as_deref().unwrap_or(target.uri.as_str())]);
    targets.sort_by_cached_key(|target| (std::cmp::Reverse(target.q), whose(target)));
    targets
}

impl Target {
    /// By that of its flows which the lot falls on. Of addresses that are no flows (RFC 5626 section 4.2) the one registered last stays: the device has moved there.
    fn by_one_flow(mut self, lot: &impl Fn(&[&str]) -> u64) -> Self {
        let is_flow = |target: &Self| target.features.contains(";reg-id=");
        if !is_flow(&self) || !self.flows.iter().all(is_flow) {
            return self;
        }
        let number = |target: &Self| lot(&[target.uri.as_str(), &target.features]);
        let least = self.flows.iter().map(number).enumerate().min_by_key(|(_, number)| *number);
        if let Some((at, _)) = least.filter(|(_, least)| *least < number(&self)) {
            let mut chosen = self.flows.remove(at);
            chosen.flows = std::mem::take(&mut self.flows);
            chosen.flows.push(self);
            return chosen;
        }
        self
    }

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
                    // Nothing but its connection reached it (RFC 7118 section 5): it registers again on another.
                    transport if transport.is_web() => return None,
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
            features: binding.params().to_owned(),
            instance: binding.instance().map(str::to_owned),
            owner: binding.instance().map(|urn| (urn.to_owned(), binding.call_id().to_owned())),
            flows: Vec::new(),
        })
    }

    /// Where a request goes when this flow leads nowhere.
    pub(crate) fn next_flow(&mut self) -> Option<Self> {
        if self.flows.is_empty() {
            return None;
        }
        let mut next = self.flows.remove(0);
        next.flows = std::mem::take(&mut self.flows);
        Some(next)
    }

    /// The same for the proxy; each of its flows leads to somebody who is trusted, or not, by itself.
    pub(crate) fn into_pass(self, trusts: &impl Fn(&Self) -> bool) -> proxy::Target {
        let trusted = trusts(&self);
        let Self { uri, routes, hop, q, flows, .. } = self;
        let flows = flows.into_iter().map(|flow| flow.into_pass(trusts)).collect();
        proxy::Target { uri, routes, hop, q, trusted, flows, found: None }
    }

    /// Each of its flows by itself.
    pub(crate) fn into_flows(mut self) -> impl Iterator<Item = Self> {
        let flows = std::mem::take(&mut self.flows);
        std::iter::once(self).chain(flows)
    }

    /// Whether the whole way to it is one stream: the connection by which it registered, with nobody in between (RFC 3327).
    pub(crate) fn is_by_stream(&self) -> bool {
        matches!(&self.hop, Hop::Path(path) if path.transport.is_reliable()) && self.routes.is_empty()
    }

    /// Whether it registered by `sips`, and the way to it is TLS.
    fn is_secure(&self) -> bool {
        let way = match &self.hop {
            Hop::Path(path) => path.transport.is_secured(),
            // The driver takes nothing but TLS there.
            _ => true,
        };
        self.uri.as_uri().is_secure() && way
    }

    /// The same by `sip`, over the same way.
    fn without_sips(mut self) -> Self {
        self.flows = std::mem::take(&mut self.flows).into_iter().map(Self::without_sips).collect();
        let Some(sip) = self.uri.as_str().get("sips:".len()..).filter(|_| self.uri.as_uri().is_secure()) else {
            return self;
        };
        if let Ok(sip) = format!("sip:{sip}").parse() {
            let sips = std::mem::replace(&mut self.uri, sip);
            if self.routes.is_empty() && matches!(self.hop, Hop::Auto) {
                self.hop = Hop::Uri(sips);
            }
        }
        self
    }

    /// Who is at the other end of its connection, or the next hop when it is an address literal. What a device has written of itself counts only where requests go
    /// there: after a restart they go where it registered from, and where it has written `maddr` to that.
    pub(crate) fn next_hop(&self) -> Option<IpAddr> {
        match (&self.hop, self.routes.first()) {
            (Hop::Path(path), _) => Some(path.remote.ip()),
            (Hop::Uri(uri), _) => uri.as_uri().leads_to().ok()?.ip(),
            (Hop::Auto, Some(route)) => Uri::parse(sip::route::uri_of(route)).ok()?.leads_to().ok()?.ip(),
            (Hop::Auto, None) => self.uri.as_uri().leads_to().ok()?.ip(),
        }
    }

    /// Whether nothing but TLS leads to its next hop.
    pub(crate) fn is_by_tls(&self) -> bool {
        let says = |uri: &Uri<'_>| uri.is_secure() || uri.transport().is_some_and(|by| by.eq_ignore_ascii_case("tls"));
        match (&self.hop, self.routes.first()) {
            (Hop::Path(path), _) => path.transport.is_secured(),
            (Hop::Uri(uri), _) => says(&uri.as_uri()),
            (Hop::Auto, Some(route)) => Uri::parse(sip::route::uri_of(route)).is_ok_and(|uri| says(&uri)),
            (Hop::Auto, None) => says(&self.uri.as_uri()),
        }
    }
}

#[cfg(test)]
mod tests;
