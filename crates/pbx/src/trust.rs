//! Whom we believe who a caller is, and who may know it (RFC 3325): the trust domain, which the configuration names.

use std::net::IpAddr;
use std::sync::Arc;

use proxy::Vouched;
use sip::header::{From, NameAddr, PAssertedIdentity, PPreferredIdentity, RemotePartyId};
use sip::message::{HeaderId, Lines, Quote, Request, Scheme, StatusCode, Uri, UriBuf};
use sip::privacy::{self, Wish};
use sip::{Origin, Reply};

use crate::config::{Role, Trust};
use crate::switch::Switch;
use crate::target::Target;

/// Most identities of one caller: a SIP URI and a telephone number (RFC 3325 section 9.1).
const MOST: usize = 2;

impl Trust {
    /// Whether anybody is trusted.
    pub(crate) fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.users.is_empty()
    }

    /// Whether this address belongs to it.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address.to_canonical()))
    }

    /// Whether the devices of this user belong to it.
    pub(crate) fn has_user(&self, name: &str) -> bool {
        self.users.iter().any(|user| user == name)
    }

    /// Whether what a request of this user says of its caller is believed.
    fn believes(&self, origin: &Origin, user: &str) -> bool {
        !self.is_empty()
            && (!self.tls || origin.transport.is_secured())
            && (self.has(origin.remote.ip()) || self.has_user(user))
    }

    /// Whether a request to a target goes to somebody of it: to a device of such a user (`user`), or by the address of the next hop. A name may lead
    /// anywhere.
    pub(crate) fn reaches(&self, user: bool, target: &Target) -> bool {
        let by_address = || !self.networks.is_empty() && target.next_hop().is_some_and(|host| self.has(host));
        (user || by_address()) && (!self.tls || target.is_by_tls())
    }
}

/// Who calls, as the other side is told.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The From value.
    pub(crate) from: String,
    /// P-Asserted-Identity values; none where nobody is trusted.
    asserted: Vec<String>,
    /// What he wants to be kept from others.
    pub(crate) wish: Wish,
}

impl Caller {
    /// One who asks for no privacy and of whom nothing is asserted.
    pub(crate) fn plain(from: String) -> Self {
        Self { from, asserted: Vec::new(), wish: Wish::default() }
    }

    /// One who does not want to be known.
    pub(crate) fn nobody() -> Self {
        let wish = Wish { nobody: true, ..Wish::default() };
        Self { wish, ..Self::plain(privacy::ANONYMOUS.to_owned()) }
    }

    /// He does not want to be known.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.wish.is_anonymous()
    }

    /// What a request tells of him (RFC 3325 sections 5 and 7): that he does not want to be known is told to who could pass it on.
    pub(crate) fn introduce(&self, to_trusted: bool, lines: &mut Lines) {
        if self.wish.none {
            // Nobody may take that off (RFC 3323 section 4.2).
            lines.push_id(HeaderId::Privacy, "none");
        }
        if self.asserted.is_empty() || !self.wish.lets_identity_go(to_trusted) {
            return;
        }
        for value in &self.asserted {
            lines.push_text(HeaderId::PAssertedIdentity, value);
        }
        if self.wish.is_anonymous() {
            lines.push_id(HeaderId::Privacy, "id");
        }
    }
}

impl Switch {
    /// Whether what a request of this user says of its caller is believed.
    pub(crate) fn believes(&self, origin: &Origin, user: &str) -> bool {
        self.config.trust.believes(origin, user)
    }

    /// Refuses who rather does not call or write than without a kind of privacy that we do not know (RFC 3323 section 5). All others are given: we write
    /// the path and the media anew and, where it is asked for, the From, and leave out what tells of the caller or of where the call has been.
    pub(crate) fn privacy(&self, request: &Request) -> Result<(), Box<Reply>> {
        let wish = Wish::of(request.headers());
        match wish.critical && wish.unknown {
            true => Err(Box::new(Reply::new(StatusCode::SERVER_INTERNAL_ERROR).reason("Privacy Not Supported"))),
            false => Ok(()),
        }
    }

    /// Who calls, under this host of ours: as his device says where that is believed, otherwise the user himself, whatever the device wrote.
    pub(crate) fn caller(&self, request: &Request, origin: &Origin, user: &str, host: &str) -> Option<Caller> {
        let wish = Wish::of_caller(request.headers());
        let believed = self.believes(origin, user);
        let claims = if believed { self.claims(request) } else { Vec::new() };
        let said = match claims.first() {
            Some(claim) => Some(claimed(claim, host)?),
            None if believed && !wish.nobody => Some(claimed(&written(request)?, host)?),
            None => None,
        };
        let asserted = match (self.config.trust.is_empty(), claims.is_empty()) {
            (true, _) => Vec::new(),
            (false, true) => {
                // The name that a device gives its user is no more than said.
                let own = || said.clone().or_else(|| self.named(user, None, host));
                vec![self.preferred(request, user, host).or_else(own)?]
            }
            (false, false) => claims,
        };
        let from = match said {
            _ if wish.is_anonymous() => privacy::ANONYMOUS.to_owned(),
            Some(said) => said,
            None => self.named(user, display(request), host)?,
        };
        Some(Caller { from, asserted, wish })
    }

    /// What a trusted sender asserts: P-Asserted-Identity, or Remote-Party-ID where that is all it knows.
    fn claims(&self, request: &Request) -> Vec<String> {
        let headers = request.headers();
        let asserted = headers.list::<PAssertedIdentity<'_>>().flatten().map(|one| one.0);
        let claims = one_of_each(asserted.take(MOST));
        if !claims.is_empty() {
            return claims;
        }
        let party = headers.list::<RemotePartyId<'_>>().flatten().find(RemotePartyId::is_caller);
        let claim = party.map(|one| bare(NameAddr { display: one.display.filter(|_| !one.hides_name()), ..one.0 }));
        claim.into_iter().collect()
    }

    /// Which of his numbers a user wants to be known by (RFC 3325 section 6); `None` when it is none of his.
    fn preferred(&self, request: &Request, user: &str, host: &str) -> Option<String> {
        let preferred = request.headers().get::<PPreferredIdentity<'_>>()?.ok()?;
        let number = preferred.uri.user_unescaped()?;
        let known = self.accounts.by_number(&number).filter(|known| known.name == user)?;
        let uri = UriBuf::sip(false, Some(&number), host, None).ok()?;
        Some(named(known.display.clone(), &uri))
    }

    /// The host of ours under which the caller knows us: that of his From or, where it is nobody's or no name of ours, of the Request-URI; a user of ours
    /// is nobody elsewhere. Otherwise the first that we have.
    pub(crate) fn host_of(&self, request: &Request, origin: &Origin) -> String {
        let from = request.headers().get::<From<'_>>().and_then(Result::ok).map(|from| from.0.uri);
        let uris = [from.filter(|from| !privacy::is_anonymous(from)), request.uri().ok()];
        let own = uris.iter().flatten().find(|uri| self.is_own_host(uri, origin)).map(Uri::host_text);
        let named = own.or(self.config.domains.first().map(String::as_str));
        named.map_or_else(|| literal(origin.local.ip()), str::to_owned)
    }

    /// Whether a host is a name of ours, or the address that is written to. Who has no domains listed has any name, but asserts nothing under it.
    pub(crate) fn is_own_host(&self, uri: &Uri<'_>, origin: &Origin) -> bool {
        let (config, name) = (&self.config, uri.host_text());
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_it = |domain: &str| domain.eq_ignore_ascii_case(name);
        let of_role = |(domain, role): (&String, &Role)| *role != Role::Edge && is_it(domain);
        let any = config.domains.is_empty() && config.roles.is_empty() && config.trust.is_empty();
        uri.is_sip()
            && (any
                || config.domains.iter().any(|domain| is_it(domain))
                || config.roles.iter().any(of_role)
                || uri.host().ip() == Some(origin.local.ip().to_canonical()))
    }

    /// Who vouches for a request that we pass on as a proxy; `place`: the user who has proved to have sent it.
    pub(crate) fn vouched(&self, request: &Request, origin: &Origin, place: Option<usize>) -> Vouched {
        if self.config.trust.is_empty() {
            return Vouched::Nobody;
        }
        let name = place.and_then(|place| self.accounts.at(place)).map(|known| known.name.clone());
        if self.believes(origin, name.as_deref().unwrap_or_default()) {
            return Vouched::Peer;
        }
        let value = name.and_then(|name| {
            let host = self.host_of(request, origin);
            self.preferred(request, &name, &host).or_else(|| self.named(&name, None, &host))
        });
        value.map_or(Vouched::Nobody, |value| Vouched::Us(Arc::from(value)))
    }

    /// Whether a request that goes this way, and by these routes of its own behind that, goes to somebody whom we trust.
    pub(crate) fn trusts_way(&self, target: &proxy::Target, routes: &[String]) -> bool {
        if self.config.trust.networks.is_empty() {
            return false;
        }
        let target = Target {
            uri: target.uri.clone(),
            routes: target.routes.iter().chain(routes).cloned().collect(),
            hop: target.hop.clone(),
            ours: None,
            q: target.q,
            features: String::new(),
            instance: None,
            owner: None,
            flows: Vec::new(),
        };
        self.config.trust.reaches(false, &target)
    }
}

/// An address without parameters: those of a header field are not those of another.
fn bare(address: NameAddr<'_>) -> String {
    match address.display {
        Some(display) => format!("{display} <{}>", address.uri),
        None => format!("<{}>", address.uri),
    }
}

/// The first SIP address and the first telephone number among these: more than one of a kind, and others, nobody may assert (RFC 3325 section 9.1).
fn one_of_each<'a>(values: impl Iterator<Item = NameAddr<'a>>) -> Vec<String> {
    let (mut address, mut number) = (false, false);
    let mut kept = Vec::new();
    for value in values {
        let seen = match value.uri.scheme() {
            Scheme::Sip | Scheme::Sips => &mut address,
            Scheme::Tel => &mut number,
            _ => continue,
        };
        if !std::mem::replace(seen, true) {
            kept.push(bare(value));
        }
    }
    kept
}

/// The From of a request, bare.
fn written(request: &Request) -> Option<String> {
    request.headers().get::<From<'_>>()?.ok().map(|from| bare(from.0))
}

/// What a device writes as the name of who calls; nothing beside nobody's address.
fn display(request: &Request) -> Option<String> {
    let from = request.headers().get::<From<'_>>()?.ok()?;
    let written = from.display.filter(|_| !privacy::is_anonymous(&from.uri))?;
    Some(written.text().into_owned())
}

/// An address as a host.
fn literal(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// A claim as a From value: a telephone number becomes a user of ours, which any telephone can show.
fn claimed(claim: &str, host: &str) -> Option<String> {
    let address = NameAddr::parse(claim).ok()?;
    let number = match address.uri.user_unescaped() {
        Some(user) => user.into_owned(),
        None => address.uri.opaque().split(';').next()?.to_owned(),
    };
    let uri = UriBuf::sip(false, Some(&number), host, None).ok()?;
    Some(named(address.display.map(|name| name.text().into_owned()), &uri))
}

fn named(display: Option<String>, uri: &UriBuf) -> String {
    match display.map(|name| name.chars().take(64).collect::<String>()).filter(|name| !name.trim().is_empty()) {
        Some(display) => format!("{} <{}>", Quote(&display), uri.as_str()),
        None => format!("<{}>", uri.as_str()),
    }
}
