//! In which order services and servers are tried (RFC 3403 section 4.1, RFC 2782).

use std::net::IpAddr;

use super::record::{Naptr, Srv};
use crate::outbox::Transport;
use crate::rng::Rng;

/// A service that we can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) transport: Transport,
    /// Where its SRV records are.
    pub(super) name: String,
}

/// The services in these records that we can use, the most preferred first (RFC 3263 section 4.1). `ours` are the transports we have;
/// `secure` leaves nothing but SIPS. A record with another flag than `s` leads to no SRV record and is left out, so nothing leads on to further NAPTR
/// records.
pub(super) fn services(mut records: Vec<Naptr>, ours: &[Transport], secure: bool) -> Vec<Service> {
    records.sort_by(|a, b| {
        let key = |one: &Naptr| (one.order, one.preference);
        key(a).cmp(&key(b)).then_with(|| a.replacement.cmp(&b.replacement))
    });
    let mut services: Vec<Service> = Vec::new();
    for naptr in records {
        let Some(transport) = transport_of(&naptr.services) else { continue };
        let is_terminal = naptr.flags.eq_ignore_ascii_case("s") && naptr.regexp.is_empty();
        let is_named = !naptr.replacement.trim_end_matches('.').is_empty();
        if is_terminal && is_named && ours.contains(&transport) && (transport == Transport::Tls || !secure) {
            let service = Service { transport, name: super::complete(&naptr.replacement) };
            if !services.contains(&service) {
                services.push(service);
            }
        }
    }
    services
}

/// The registered values of RFC 3263 section 9. There is no TLS over UDP and no SCTP here; the WebSocket values of RFC 7118 section 8 need a URI
/// that DNS does not tell.
fn transport_of(services: &str) -> Option<Transport> {
    let known = [("SIP+D2U", Transport::Udp), ("SIP+D2T", Transport::Tcp), ("SIPS+D2T", Transport::Tls)];
    known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(services)).map(|(_, transport)| transport)
}

/// The first `most` of these servers as they are to be tried (RFC 2782, "Weight"): by priority, and within one by lot, so that each comes first
/// as often as its weight says. The same lot gives the same order, however the records came: what a stateless proxy needs (RFC 3263
/// section 4.4), which draws its lot from the branch.
pub(super) fn servers(mut records: Vec<Srv>, most: usize, lot: &mut Rng) -> Vec<Srv> {
    // Those without weight stand first among those of their priority.
    records.sort_by(|a, b| {
        let key = |one: &Srv| (one.priority, one.weight, one.port);
        key(a).cmp(&key(b)).then_with(|| a.target.cmp(&b.target))
    });
    let mut ordered = Vec::with_capacity(most.min(records.len()));
    while ordered.len() < most
        && let Some(priority) = records.first().map(|first| first.priority)
    {
        let equal = records.iter().take_while(|one| one.priority == priority).count();
        let sum: u64 = records.iter().take(equal).map(|one| u64::from(one.weight)).sum();
        let drawn = lot.below(sum + 1);
        let mut running = 0;
        let chosen = records.iter().take(equal).position(|one| {
            running += u64::from(one.weight);
            running >= drawn
        });
        ordered.push(records.remove(chosen.unwrap_or(0)));
    }
    ordered
}

/// Puts the addresses of a server into an order that does not depend on how they came: IPv4 first, those of a family in turn, by lot.
pub(super) fn addresses(addresses: &mut [IpAddr], lot: &mut Rng) {
    addresses.sort_unstable();
    let (v4, v6) = addresses.split_at_mut(addresses.partition_point(IpAddr::is_ipv4));
    for family in [v4, v6] {
        let first = lot.below(family.len() as u64);
        family.rotate_left(usize::try_from(first).unwrap_or_default());
    }
}
