//! Who we say we are, where we stand, and requests outside of calls.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use net::Sources;
use sip::digest::Credentials;
use sip::invite::is_at_domain_of;
use sip::message::header::ContentType;
use sip::message::{Body, Headers, Lines, Method, UriBuf};
use sip::register::Way;
use sip::{ContactSpec, Draft, Hop};

use crate::command::Command;
use crate::error::CallError;
use crate::link::Link;
use crate::message::Answer;
use crate::place::Place;
use crate::registration::Flow;

/// The longest address that is called, in octets: a datagram has room for a few of them.
const LONGEST: usize = 1_024;

/// Who calls, and by which way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    /// From, without tag; empty: our own address.
    pub(crate) from: String,
    /// The address of record of an account.
    pub(crate) aor: Option<UriBuf>,
    pub(crate) user: Option<String>,
    pub(crate) routes: Vec<String>,
    /// Where everything goes first though no route says so.
    pub(crate) hop: Hop,
    pub(crate) credentials: Credentials,
    /// The registrar has taken them.
    pub(crate) proved: bool,
    /// Nobody is to hear who that is.
    pub(crate) anonymous: bool,
    /// Where we are registered, which may say what stands in Contact.
    pub(crate) way: Option<Way>,
}

impl Identity {
    pub(crate) fn nobody() -> Self {
        Self::default()
    }

    /// Goes by this flow: its proxy, and along its path where it is kept up (RFC 5626 section 4.3).
    pub(crate) fn take_flow(&mut self, flow: &Flow) {
        self.routes.clone_from(&flow.routes);
        self.way = Some(flow.way.clone());
        if let Some(path) = flow.way.path.filter(|_| flow.way.outbound) {
            self.hop = Hop::Path(path);
        }
    }

    /// What stands in Contact of a request to this address: a `sips` URI where that or the first route is one (RFC 3261 section 8.1.1.8).
    pub(crate) fn contact(&self, target: &UriBuf) -> ContactSpec {
        let contact = |way: &Way| way.contact_of(&target.as_uri(), &self.routes, self.anonymous);
        match self.way.as_ref().and_then(contact) {
            Some(contact) => ContactSpec::Given(contact),
            None => ContactSpec::Auto { user: self.user.clone().filter(|_| !self.anonymous), params: String::new() },
        }
    }

    /// Whether all goes by a server of ours first.
    pub(crate) fn has_own_way(&self) -> bool {
        !self.routes.is_empty() || !matches!(self.hop, Hop::Auto)
    }

    /// Whether what is sent to this address goes to a server of the account's, by whatever way.
    pub(crate) fn goes_to_own_server(&self, target: &UriBuf) -> bool {
        let is_own = |aor: &UriBuf| is_at_domain_of(&target.as_uri(), &aor.as_uri());
        self.has_own_way() || self.aor.as_ref().is_some_and(is_own)
    }

    /// The From value for a request that leaves from `here`.
    pub(crate) fn from(&self, place: &Place, here: IpAddr) -> String {
        if !self.from.is_empty() {
            return self.from.clone();
        }
        UriBuf::sip(false, Some("phone"), &here.to_string(), place.port())
            .map_or_else(|_| "<sip:anonymous@anonymous.invalid>".to_owned(), |uri| format!("<{uri}>"))
    }
}

/// What was given for an address, as it may be shown: without what may be a password though no `sip:` says so.
pub fn shown(given: &str) -> Cow<'_, str> {
    match of_another_scheme(given) {
        Some((scheme, host)) => format!("{scheme}:...@{host}").into(),
        None => given.into(),
    }
}

/// Of a text that has a colon before its host and no scheme that is ours: what stands before the colon, and the host.
fn of_another_scheme(given: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = given.split_once(':').filter(|_| !is_known(given))?;
    Some((scheme, rest.rsplit_once('@')?.1))
}

fn is_known(given: &str) -> bool {
    let begins = |scheme: &str| given.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
    ["sip:", "sips:", "tel:"].into_iter().any(begins)
}

/// Reads an address as calls, messages and accounts take it: a URI, or a host or user at a host without a scheme.
///
/// # Errors
/// [`CallError::BadUri`]: what cannot be read or has more than 1,024 octets, what is no SIP address, and what only a transport would reach that endpoints do not have.
pub fn uri(given: &str) -> Result<UriBuf, CallError> {
    let given = given.trim();
    if given.len() > LONGEST {
        let why = format!("it has {} octets, and {LONGEST} are the most", given.len());
        return Err(CallError::BadUri { uri: "...".into(), why });
    }
    let whole = if is_known(given) { given.to_owned() } else { format!("sip:{given}") };
    let bad = |why: String| CallError::BadUri { uri: whole.clone(), why };
    // `mailto:bob@example.com` is no user of that name with a password, whatever stands before the colon.
    if let Some((scheme, host)) = of_another_scheme(given) {
        let uri = format!("{scheme}:...@{host}");
        let why = format!(
            "{scheme} is no scheme of an address that can be called; sip and sips are, and a user with a password is written with sip: before him"
        );
        return Err(CallError::BadUri { uri, why });
    }
    let uri = whole.parse::<UriBuf>().map_err(|fault| bad(fault.to_string()))?;
    if !uri.as_uri().is_sip() {
        return Err(bad("only sip and sips addresses can be called without a gateway".into()));
    }
    let transport = uri.as_uri().transport().map(str::to_ascii_lowercase);
    match transport.as_deref() {
        Some("udp") if uri.as_uri().is_secure() => {
            Err(bad("sips goes over TLS, and there is none over UDP (RFC 3261 section 26.2.2)".into()))
        }
        Some(other) if !["udp", "tcp", "tls", "ws", "wss"].contains(&other) => Err(bad(format!(
            "the transport {other:?} is not there yet; udp, tcp, tls, ws and wss are, as in sip:bob@example.com;transport=tcp"
        ))),
        _ => Ok(uri),
    }
}

/// Reads the address of a request: one that is meant for another method is none (RFC 3261 section 19.1.5).
pub(crate) fn target(given: &str, method: &Method) -> Result<UriBuf, CallError> {
    let uri = uri(given)?;
    match uri.as_uri().params().get("method") {
        Some(other) if other != method.as_str() => {
            let why = format!("it asks for a request with method {other:?}, and this is {method}");
            Err(CallError::BadUri { uri: uri.to_string(), why })
        }
        _ => Ok(uri),
    }
}

/// Our address as the next hop sees it.
pub(crate) async fn here(place: &Place, next_hop: &UriBuf) -> IpAddr {
    let host = next_hop.as_uri().host_text().trim_matches(['[', ']']).to_owned();
    let port = next_hop.as_uri().port().unwrap_or(5060);
    let towards = match host.parse::<IpAddr>() {
        Ok(ip) => Some(ip),
        Err(_) => tokio::net::lookup_host((host, port)).await.ok().and_then(|mut found| found.next()).map(|at| at.ip()),
    };
    let fits = |ip: &IpAddr| !ip.is_unspecified() && towards.is_none_or(|towards| towards.is_ipv4() == ip.is_ipv4());
    let bound = place.bound.iter().map(|bound| bound.address.ip()).find(fits);
    let any =
        if towards.is_some_and(|ip| ip.is_ipv6()) { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
    bound.or_else(|| source(towards)).unwrap_or(any)
}

/// Our address towards `towards`, or the world.
pub(crate) fn source(towards: Option<IpAddr>) -> Option<IpAddr> {
    let towards = towards.unwrap_or(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)));
    Sources::default().towards(SocketAddr::new(towards, 0))
}

/// A route value of a proxy's address, loose (RFC 3261 section 16.12).
pub(crate) fn route(proxy: &UriBuf) -> String {
    if proxy.as_uri().is_loose() { format!("<{proxy}>") } else { format!("<{proxy};lr>") }
}

/// The next hop of a request.
pub(crate) fn next_hop(uri: &UriBuf, Identity { hop, routes, .. }: &Identity) -> UriBuf {
    if let Hop::Uri(hop) = hop {
        return hop.clone();
    }
    let first = routes.first().and_then(|route| route.trim_matches(['<', '>']).parse().ok());
    first.unwrap_or_else(|| uri.clone())
}

/// Whether a body may be of this type.
///
/// # Errors
/// [`CallError::BadText`].
pub(crate) fn check_type(content_type: &str) -> Result<(), CallError> {
    let wrong = |why: &dyn std::fmt::Display| CallError::BadText {
        why: format!("{content_type:?} is no content type: {why}; expected TYPE/SUBTYPE, as in text/html"),
    };
    if content_type.contains(char::is_control) {
        return Err(wrong(&"it holds control characters"));
    }
    Headers::read::<ContentType<'_>>(content_type.as_bytes()).map_err(|fault| wrong(&fault))?;
    Ok(())
}

/// A request outside of calls, before it is sent.
pub(crate) struct Request<'a> {
    method: Method,
    uri: &'a str,
    identity: &'a Identity,
    body: Option<Body>,
    lines: Lines,
}

impl<'a> Request<'a> {
    pub(crate) fn message(uri: &'a str, text: &str, identity: &'a Identity) -> Self {
        let body = Body::new("text/plain;charset=UTF-8", text.as_bytes().to_vec());
        Self { method: Method::Message, uri, identity, body: Some(body), lines: Lines::new() }
    }

    /// With a body of this type.
    pub(crate) fn message_as(
        uri: &'a str,
        content_type: &str,
        body: &[u8],
        identity: &'a Identity,
    ) -> Result<Self, CallError> {
        check_type(content_type)?;
        let body = Body::new(content_type.to_owned(), body.to_vec());
        Ok(Self { method: Method::Message, uri, identity, body: Some(body), lines: Lines::new() })
    }

    pub(crate) fn options(uri: &'a str, identity: &'a Identity) -> Self {
        let mut lines = Lines::new();
        lines.push_id(sip::message::HeaderId::Accept, "application/sdp");
        Self { method: Method::Options, uri, identity, body: None, lines }
    }

    pub(crate) async fn send(self, link: &Link) -> Result<Answer, CallError> {
        let target = target(self.uri, &self.method)?;
        let from = match &self.identity.from {
            from if from.is_empty() => {
                let here = here(&link.place, &next_hop(&target, self.identity)).await;
                self.identity.from(&link.place, here)
            }
            from => from.clone(),
        };
        let to = format!("<{target}>");
        let contact = match self.method {
            Method::Message => ContactSpec::None,
            _ => self.identity.contact(&target),
        };
        let draft = Draft {
            from: format!("{from};tag={:016x}", rand::random::<u64>()),
            to,
            call_id: format!("{:032x}", rand::random::<u128>()),
            routes: self.identity.routes.clone(),
            hop: self.identity.hop.clone(),
            contact,
            lines: self.lines,
            body: self.body,
            credentials: self.identity.credentials.clone(),
            ..Draft::new(self.method, target)
        };
        let proved = self.identity.proved;
        link.ask(|reply| Command::Ask { draft: Box::new(draft), proved, reply }).await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_another_scheme_is_refused_and_is_no_user_of_that_name() {
        for given in [
            "mailto:bob@example.com",
            " MAILTO:bob@example.com",
            "im:bob@example.com",
            "xmpp:@b",
            "skype:bob@example.com",
            "wss://bob@example.com",
            "cid:1@example.com",
            "bob:secret@example.com",
        ] {
            let refused = uri(given);
            let told = refused.as_ref().map_err(ToString::to_string);
            assert!(
                matches!(told, Err(why) if why.contains("written with sip:") && !why.contains("secret")),
                "{given}: {refused:?}"
            );
            assert!(shown(given).contains(":...@") && !shown(given).contains("secret"), "{given}");
        }
        for (given, whole) in [
            ("bob@example.com", "sip:bob@example.com"),
            ("sip:mailto:secret@example.com", "sip:mailto:secret@example.com"),
            ("mailto@example.com", "sip:mailto@example.com"),
            ("im", "sip:im"),
            ("pres:5061", "sip:pres:5061"),
            ("example.com:5061", "sip:example.com:5061"),
            ("bob@example.com:5061", "sip:bob@example.com:5061"),
            ("sip:bob:secret@example.com", "sip:bob:secret@example.com"),
            ("SIP:bob@example.com", "SIP:bob@example.com"),
        ] {
            assert_eq!(uri(given).unwrap().as_str(), whole, "{given}");
        }
    }

    #[test]
    fn an_address_is_taken_up_to_so_many_octets() {
        let of = |octets: usize| uri(&format!("sip:{}@h", "x".repeat(octets - 6)));
        assert!(of(LONGEST).is_ok());
        let refused = of(LONGEST + 1).unwrap_err().to_string();
        assert!(refused.contains("1025 octets") && refused.len() < 200, "{refused}");
    }

    #[test]
    fn rfc3261_8_1_1_8_what_is_asked_for_by_sips_has_a_contact_that_is_sips() {
        let mut way = Way::default();
        way.public_gruu = Some("sip:alice@example.com;gr=urn:uuid:1".to_owned());
        let mut identity = Identity { user: Some("alice".to_owned()), way: Some(way), ..Identity::default() };
        let contact = |identity: &Identity, target: &str| identity.contact(&target.parse().unwrap());
        let auto = ContactSpec::Auto { user: Some("alice".to_owned()), params: String::new() };
        let given = |value: &str| ContactSpec::Given(value.to_owned());
        assert_eq!(contact(&identity, "sip:bob@b"), given("<sip:alice@example.com;gr=urn:uuid:1>"));
        // Printed by the scheme of what is asked for.
        assert_eq!(contact(&identity, "sips:bob@b"), auto);
        identity.routes = vec!["<SIPS:proxy;lr>".to_owned()];
        assert_eq!(contact(&identity, "sip:bob@b"), auto);
        identity.way.as_mut().unwrap().public_gruu = Some("sips:alice@example.com;gr".to_owned());
        assert_eq!(contact(&identity, "sips:bob@b"), given("<sips:alice@example.com;gr>"));
        identity.anonymous = true;
        assert_eq!(contact(&identity, "sip:bob@b"), ContactSpec::Auto { user: None, params: String::new() });
    }
}
