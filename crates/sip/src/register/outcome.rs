//! What a response to a REGISTER says.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::spec::Instance;
use crate::message::header::{Contact, Expires, FlowTimer, MinExpires, NameAddr, Require, RetryAfter, Via};
use crate::message::{HeaderId, Response, StatusCode, Uri, UriBuf};
use crate::time::Time;

/// The shortest and the longest Retry-After that are believed, in seconds.
const BELIEVED: (u32, u32) = (1, 86_400);

/// A binding that the registrar lists (RFC 3261 section 10.3 step 8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The Contact URI.
    pub uri: UriBuf,
    /// Seconds it still holds; `None` when the registrar does not say.
    pub expires: Option<u32>,
    /// Whose it is (RFC 5626 section 4.1): the URN.
    pub instance: Option<String>,
    /// The number of its flow (RFC 5626 section 4.2).
    pub reg_id: Option<u32>,
    /// An address of the instance that everybody may know (RFC 5627 section 5.3).
    pub public_gruu: Option<String>,
    /// One that tells nobody whose it is, as long as we are registered (RFC 5627 section 3.1.2).
    pub temporary_gruu: Option<String>,
}

impl Bound {
    fn of(contact: &Contact<'_>) -> Option<Self> {
        let address = contact.address()?;
        let text = |name: &str| address.params.get(name).map(|value| value.text().into_owned());
        // What is no URI of SIP is no such address.
        let gruu = |name: &str| text(name).filter(|text| Uri::parse(text).is_ok_and(|uri| uri.is_sip()));
        Some(Self {
            uri: address.uri.to_buf(),
            expires: contact.expires(),
            instance: text("+sip.instance").map(|urn| urn.trim_matches(['<', '>']).to_owned()),
            reg_id: address.params.token("reg-id").and_then(|number| number.parse().ok()),
            public_gruu: gruu("pub-gruu"),
            temporary_gruu: gruu("temp-gruu"),
        })
    }
}

/// Our binding in a list: that of our instance and flow, where the registrar tells them apart, else that of our Contact.
pub(super) fn ours<'a>(list: &'a [Bound], sent: Option<&str>, instance: Option<&Instance>) -> Option<&'a Bound> {
    let of_instance = |instance: &Instance| {
        let same = |one: &&Bound| one.instance.as_deref().is_some_and(|urn| urn.eq_ignore_ascii_case(&instance.urn));
        let mut flows = list.iter().filter(same);
        flows.clone().find(|one| one.reg_id == instance.reg_id).or_else(|| flows.find(|one| one.reg_id.is_none()))
    };
    let of_contact =
        || sent.and_then(address).and_then(|sent| list.iter().find(|one| one.uri.as_uri().equivalent(&sent)));
    instance.and_then(of_instance).or_else(of_contact)
}

/// Every Contact that can be read.
pub(super) fn contacts(response: &Response) -> Vec<Bound> {
    let list = response.headers().list::<Contact<'_>>().filter_map(Result::ok);
    list.filter_map(|contact| Bound::of(&contact)).collect()
}

/// How many seconds our binding holds: its own `expires`, else Expires, else what we asked for (RFC 3261 section 10.2.4). When ours is not in the list, somebody on
/// the way has rewritten it: then the longest of the list, but no longer than asked.
pub(super) fn lifetime(response: &Response, list: &[Bound], mine: Option<&Bound>, asked: u32) -> u32 {
    let header = response.headers().get::<Expires>().and_then(Result::ok).map(|expires| expires.0);
    match mine {
        Some(one) => one.expires.or(header).unwrap_or(asked),
        None => header
            .or_else(|| list.iter().filter_map(|one| one.expires).max().map(|longest| longest.min(asked)))
            .unwrap_or(asked),
    }
}

fn address(contact: &str) -> Option<Uri<'_>> {
    NameAddr::parse(contact).ok().map(|address| address.uri)
}

/// True when two Contact values bind the same URI.
pub(super) fn same_contact(one: &str, other: &str) -> bool {
    match (address(one), address(other)) {
        (Some(one), Some(other)) => one.equivalent(&other),
        _ => one == other,
    }
}

/// A Contact value reduced to its URI, to be given another expiry.
pub(super) fn without_expires(contact: &str) -> String {
    address(contact).map_or_else(|| contact.to_owned(), |uri| format!("<{uri}>"))
}

/// The texts of every header field of a name, in order.
pub(super) fn texts(response: &Response, id: HeaderId) -> Vec<String> {
    response.headers().all(id).map(|header| header.text().into_owned()).collect()
}

/// The Min-Expires of a 423 (RFC 3261 section 10.2.8).
pub(super) fn least(response: &Response) -> Option<u32> {
    response.headers().get::<MinExpires>()?.ok().map(|least| least.0)
}

/// Whether the registrar, and whoever had to on the way, does outbound (RFC 5626 section 4.2.1).
pub(super) fn is_outbound(response: &Response) -> bool {
    let mut required = response.headers().list::<Require<'_>>().filter_map(Result::ok);
    required.any(|option| option.0.eq_ignore_ascii_case("outbound"))
}

/// How long the server waits for a keep-alive (RFC 5626 section 4.4); zero would be no time at all.
pub(super) fn flow_timer(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get::<FlowTimer>()?.ok()?.0;
    Some(Duration::from_secs(seconds.clamp(BELIEVED.0, BELIEVED.1).into()))
}

/// The address that the first hop sees us at, where it says so (RFC 3581 section 4).
pub(super) fn seen(response: &Response) -> Option<SocketAddr> {
    let via = response.headers().list::<Via<'_>>().next()?.ok()?;
    let port = via.rport()??;
    Some(SocketAddr::new(via.received().or_else(|| via.host.ip())?, port))
}

/// Whether the address that we are seen at is reached by nobody from where the registrar is: a private one, of somebody on the way, while both of us are where
/// everybody is.
pub(super) fn is_of_no_use(seen: IpAddr, ours: IpAddr, theirs: IpAddr) -> bool {
    is_private(seen) && !is_private(ours) && !is_private(theirs)
}

/// Addresses that mean something within a network or a machine only; those that carriers share (100.64.0.0/10) among them.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => {
            let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xC0 == 64;
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || is_shared
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// When the registrar wants to be asked again (RFC 3261 section 20.33): not within a second, and not later than in a day.
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get::<RetryAfter<'_>>()?.ok()?.seconds;
    Some(Duration::from_secs(seconds.clamp(BELIEVED.0, BELIEVED.1).into()))
}

/// Where a 3xx sends us.
#[derive(Debug)]
pub(super) struct Redirect {
    pub(super) to: UriBuf,
    /// Later requests go there until then; `None`: for good. A temporary address without an expiry serves one request (RFC 3261 section
    /// 21.3.3).
    pub(super) until: Option<Time>,
}

/// The Contact a 300, 301 or 302 prefers, unless it leads back to where we were, or from `sips` to `sip`. The other 3xx name no other
/// registrar.
pub(super) fn redirect(response: &Response, now: Time, present: &UriBuf, first: &UriBuf) -> Option<Redirect> {
    let code = response.code();
    if !matches!(code, StatusCode::MULTIPLE_CHOICES | StatusCode::MOVED_PERMANENTLY | StatusCode::MOVED_TEMPORARILY) {
        return None;
    }
    let list = response.headers().list::<Contact<'_>>().filter_map(Result::ok);
    let usable = list.filter_map(|contact| Some((contact.address()?.uri, contact))).filter(|(uri, _)| {
        let known = |known: &UriBuf| known.as_uri().equivalent(uri);
        uri.is_sip()
            && (uri.is_secure() || !present.as_uri().is_secure())
            && !known(present)
            && !known(first)
            && uri.headers().is_empty()
    });
    // The first of equals.
    let q = |contact: &Contact<'_>| contact.q().unwrap_or(1_000);
    let (uri, contact) = usable.reduce(|best, next| if q(&next.1) > q(&best.1) { next } else { best })?;
    let seconds = contact.expires().or_else(|| Some(response.headers().get::<Expires>()?.ok()?.0)).unwrap_or(0);
    let until = (code != StatusCode::MOVED_PERMANENTLY).then(|| now + Duration::from_secs(seconds.into()));
    Some(Redirect { to: uri.to_buf(), until })
}

/// True for a refusal that time may mend. 401 and 407 arrive only when the credentials do not do.
pub(super) fn worth_retrying(code: StatusCode, names_time: bool, forbidden_too: bool) -> bool {
    match code.get() {
        401 | 403 | 407 => forbidden_too,
        408 | 430 | 480 | 491 | 500..=599 => !matches!(code.get(), 501 | 505 | 513),
        404 | 413 | 486 | 600 | 603 => names_time,
        _ => false,
    }
}
