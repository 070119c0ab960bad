//! What a REGISTER asks for.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;

use sip::header::{Contact, Expires, NameAddr, Require, Route, Supported};
use sip::message::{Fault, Header, HeaderId, Headers, Host, Lexer, ParamValue, StatusCode, Uri};
use sip::outbox::Origin;
use sip::uas::Addresses;
use smallvec::SmallVec;

use super::answer::Refusal;
use super::{PathRule, RegistrarConfig};
use crate::instance;
use crate::packed::{Packed, Piece};

/// Contacts read from one request.
const MOST: usize = 32;
/// Octets of User-Agent that are kept.
const AGENT: usize = 96;
/// What a malformed expiry counts as (RFC 3261 section 10.2.1.1).
const MALFORMED: u32 = 3_600;

/// Option tags a device may require of us.
const KNOWN: [&str; 2] = ["path", "outbound"];

/// One Contact.
#[derive(Debug)]
pub(super) struct Wish<'a> {
    pub(super) uri: Uri<'a>,
    /// Besides `q` and `expires`.
    pub(super) params: String,
    pub(super) q: u16,
    /// Within the limits; zero takes the binding back.
    pub(super) seconds: u32,
}

/// What is asked for: with neither, a query.
#[derive(Debug)]
pub(super) struct Contacts<'a> {
    /// `*` with `Expires: 0`.
    pub(super) all: bool,
    pub(super) wishes: SmallVec<[Wish<'a>; 2]>,
}

/// A value of Path (RFC 3327 section 4).
struct PathValue<'a>(NameAddr<'a>);

impl<'a> Header<'a> for PathValue<'a> {
    const ID: HeaderId = HeaderId::Path;
    const LIST: bool = true;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        Route::parse_value(lexer).map(|route| PathValue(route.0))
    }
}

impl fmt::Display for PathValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Steps 1 and 2 of RFC 3261 section 10.3, and RFC 3327 section 5.3.
pub(super) fn check_request(config: &RegistrarConfig, uri: &Uri<'_>, headers: &Headers) -> Result<(), Refusal> {
    if !uri.is_sip() {
        return Err(Refusal::Status(StatusCode::UNSUPPORTED_URI_SCHEME));
    }
    if !serves(config, uri) {
        return Err(Refusal::Status(StatusCode::NOT_FOUND));
    }
    let (mut unknown, asked) = (String::new(), headers.has(HeaderId::Require));
    for option in asked.then(|| headers.list::<Require<'_>>()).into_iter().flatten() {
        let Require(option) = option?;
        let gives = config.gruu.is_some() && option.eq_ignore_ascii_case("gruu");
        if !gives && !KNOWN.iter().any(|known| known.eq_ignore_ascii_case(option)) {
            let _ = write!(unknown, "{}{option}", if unknown.is_empty() { "" } else { ", " });
        }
    }
    if unknown.is_empty()
        && config.path == PathRule::AskDevice
        && headers.has(HeaderId::Path)
        && !supports(headers, "path")
    {
        unknown.push_str("path");
    }
    if unknown.is_empty() { Ok(()) } else { Err(Refusal::Unsupported(unknown)) }
}

fn serves(config: &RegistrarConfig, uri: &Uri<'_>) -> bool {
    let host = uri.host_text();
    let host = host.strip_suffix('.').unwrap_or(host);
    config.domains.is_empty()
        || config.any_address && !matches!(uri.host(), Host::Name(_))
        || config.domains.iter().any(|domain| domain.eq_ignore_ascii_case(host))
}

/// Step 5: the key of an address of record, the same by `sip` and by `sips` (RFC 5630 section 5.2).
pub(super) fn aor(config: &RegistrarConfig, uri: &Uri<'_>) -> Option<String> {
    if !uri.is_sip() || !serves(config, uri) {
        return None;
    }
    let Some(host) = &config.canonical_host else {
        let canonical: String = uri.aor().into();
        return Some(canonical.strip_prefix("sips:").map(|rest| ["sip:", rest].concat()).unwrap_or(canonical));
    };
    // Without escapes a user is written in one way only.
    if let Some(user) = uri.user().filter(|user| !user.contains('%')) {
        return Some(["sip:", user, "@", host].concat());
    }
    let canonical = uri.aor();
    let user = canonical.as_str().split_once(':').and_then(|(_, rest)| rest.rsplit_once('@')).map(|(user, _)| user);
    Some(user.map_or_else(|| ["sip:", host].concat(), |user| ["sip:", user, "@", host].concat()))
}

/// True when `Supported` names the option.
pub(super) fn supports(headers: &Headers, option: &str) -> bool {
    headers.list::<Supported<'_>>().any(|one| one.is_ok_and(|one| one.0.eq_ignore_ascii_case(option)))
}

/// Steps 6 and 7 as far as they concern the request alone.
pub(super) fn contacts<'a>(
    config: &RegistrarConfig,
    headers: &'a Headers,
    addresses: &Addresses<'a>,
) -> Result<Contacts<'a>, Refusal> {
    let mut asked = Contacts { all: false, wishes: SmallVec::new() };
    let Some(first) = addresses.contact else { return Ok(asked) };
    if addresses.contacts > MOST {
        return Err(Refusal::Reason("Too Many Contacts"));
    }
    let expires = headers.get::<Expires>().map(|expires| expires.map_or(MALFORMED, |expires| expires.0));
    asked.add(first, config, expires)?;
    if addresses.contacts > 1 {
        for contact in headers.list::<Contact<'a>>().skip(1) {
            asked.add(contact?, config, expires)?;
        }
    }
    match asked.all && (addresses.contacts != 1 || expires != Some(0)) {
        true => Err(Refusal::Reason("Contact * Needs Expires 0 Alone")),
        false => Ok(asked),
    }
}

impl<'a> Contacts<'a> {
    fn add(&mut self, contact: Contact<'a>, config: &RegistrarConfig, expires: Option<u32>) -> Result<(), Refusal> {
        let Contact::Address(address) = contact else {
            self.all = true;
            return Ok(());
        };
        let kept = params(&address);
        let q = if kept.names_q { contact.q() } else { None };
        let own = if kept.names_expires { contact.expires() } else { None };
        let seconds = within(config, own.or(expires).unwrap_or(config.default_expires))?;
        self.wishes.push(Wish { uri: address.uri, params: kept.text(), q: q.unwrap_or(1_000), seconds });
        Ok(())
    }
}

/// The expiry granted (step 7): more is lowered; less than the least, but not zero, is refused or raised.
fn within(config: &RegistrarConfig, asked: u32) -> Result<u32, Refusal> {
    match asked {
        0 => Ok(0),
        // RFC 3261 forbids 423 for an hour or more, whatever the least is.
        _ if asked >= config.min_expires || asked >= 3_600 => Ok(asked.min(config.max_expires.max(1))),
        _ if config.clamp => Ok(config.min_expires.min(config.max_expires.max(1))),
        _ => Err(Refusal::TooBrief(config.min_expires)),
    }
}

/// Parameters that are kept, and whether those are there that mean something to the registrar.
#[derive(Default)]
struct Kept {
    text: String,
    names_q: bool,
    names_expires: bool,
    urn: Option<String>,
    number: Option<u32>,
}

impl Kept {
    /// Instance and flow come first. A number without an instance is none (RFC 5626 section 6).
    fn text(self) -> String {
        match &self.urn {
            Some(urn) => instance::written(urn, self.number) + &self.text,
            None => self.text,
        }
    }

    /// Takes a parameter that says who the device is, or over which flow it comes.
    fn is_instance(&mut self, name: &str, value: ParamValue<'_>) -> bool {
        if name.eq_ignore_ascii_case("reg-id") {
            self.number = self.number.or_else(|| instance::number_of(&value.text()));
            return true;
        }
        // What we say, and nobody tells us (RFC 5627 section 5.1).
        if ["pub-gruu", "temp-gruu"].iter().any(|given| name.eq_ignore_ascii_case(given)) {
            return true;
        }
        if !name.eq_ignore_ascii_case("+sip.instance") {
            return false;
        }
        let text = value.text();
        let urn = instance::urn_of(&text).filter(|_| self.urn.is_none());
        self.urn = self.urn.take().or_else(|| urn.map(str::to_owned));
        urn.is_some()
    }
}

fn params(address: &NameAddr<'_>) -> Kept {
    let mut kept = Kept::default();
    for param in address.params.iter() {
        if kept.is_instance(param.name, param.value) {
            continue;
        }
        if param.name.eq_ignore_ascii_case("q") {
            kept.names_q = true;
            continue;
        }
        if param.name.eq_ignore_ascii_case("expires") {
            kept.names_expires = true;
            continue;
        }
        if kept.text.is_empty() {
            kept.text.reserve(address.params.raw().len());
        }
        kept.text.push(';');
        kept.text.push_str(param.name);
        match param.value {
            ParamValue::Absent => {}
            ParamValue::Token(value) => {
                kept.text.push('=');
                kept.text.push_str(value);
            }
            // Writing into a String cannot fail.
            ParamValue::Quoted(value) => drop(write!(kept.text, "={value}")),
        }
    }
    kept
}

/// An instance is not at its own address of record, nor at an address of an instance in our domain: that would lead in a circle; and it is at a SIP address
/// (RFC 5627 section 5.1).
pub(super) fn is_no_place(config: &RegistrarConfig, wish: &Wish<'_>, aor: &Uri<'_>) -> bool {
    let circle = || wish.uri.equivalent(aor) || wish.uri.params().has("gr") && serves(config, &wish.uri);
    wish.seconds > 0 && instance::of(&wish.params).is_some() && (!wish.uri.is_sip() || circle())
}

/// The values of Path, parted by line feeds.
pub(super) fn path(headers: &Headers) -> Result<String, Refusal> {
    let mut text = String::new();
    if !headers.has(HeaderId::Path) {
        return Ok(text);
    }
    for value in headers.list::<PathValue<'_>>() {
        let _ = write!(text, "{}{}", if text.is_empty() { "" } else { "\n" }, value?);
    }
    Ok(text)
}

/// User-Agent, cut to what is worth keeping.
pub(super) fn agent(headers: &Headers) -> Cow<'_, str> {
    let text = headers.text(HeaderId::UserAgent).unwrap_or_default();
    match text.len() > AGENT {
        true => text.get(..text.floor_char_boundary(AGENT)).unwrap_or_default().to_owned().into(),
        false => text,
    }
}

/// Step 7: a stored Contact and one of the request, by RFC 3261 section 19.1.4; of flows, by instance and number (RFC 5626 section 6).
pub(super) fn same(stored: &Packed, asked: &Wish<'_>) -> bool {
    match (instance::flow(stored.text(Piece::Params)), instance::flow(&asked.params)) {
        (None, None) => {}
        (stored, asked) => return stored == asked,
    }
    stored.piece(Piece::Uri) == asked.uri.as_str().as_bytes()
        || Uri::parse(stored.text(Piece::Uri)).is_ok_and(|stored| stored.equivalent(&asked.uri))
}

/// True when the device does not know under which address we see it.
pub(super) fn hidden(headers: &Headers, contact: &Uri<'_>, origin: &Origin) -> bool {
    let seen = origin.remote.ip().to_canonical();
    let other = match contact.host() {
        Host::V4(ip) => seen != ip,
        Host::V6(ip) => seen != ip,
        // A name may well be the device's.
        Host::Name(_) => false,
    };
    other || asks_for_rport(headers.raw(HeaderId::Via).unwrap_or_default()) || !names(headers.sent_by(), origin.remote)
}

/// RFC 3581 section 3. Looks for the parameter alone: a whole Via need not be read for it.
fn asks_for_rport(via: &[u8]) -> bool {
    let mut rest = via;
    while let Some(at) = memchr::memchr2(b';', b',', rest) {
        let Some((b';', behind)) = rest.get(at..).and_then(<[u8]>::split_first) else { return false };
        rest = behind;
        if rest.trim_ascii_start().get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"rport")) {
            return true;
        }
    }
    false
}

/// True when a sent-by is this address, or a name at this port.
fn names(sent_by: &str, remote: SocketAddr) -> bool {
    let (host, port) = match sent_by.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host.trim_end(), port.trim_start().parse().ok()),
        _ => (sent_by, Some(5060)),
    };
    let ip = Host::parse(host).ok().and_then(|host| host.ip());
    port == Some(remote.port()) && ip.is_none_or(|ip| ip.to_canonical() == remote.ip().to_canonical())
}
