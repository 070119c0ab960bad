//! Checks that every user agent server makes before it looks at what a request wants (RFC 3261 section 8.2), as pure functions.

use crate::draft::makes_dialog;
use crate::message::header::{Accept, Contact, ContentType, From, Require, Supported, To};
use crate::message::{HeaderId, Headers, Lines, Method, ParseError, Quote, Request, StatusCode, Uri};
use crate::reply::Reply;

/// What a user agent can do, for [`check`] and [`options`].
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// Methods it takes, in the order for Allow.
    pub allow: Vec<Method>,
    /// Option tags it understands, for Supported and Require.
    pub supported: Vec<String>,
    /// Body types it reads, as `application/sdp`; `multipart/mixed` too when it takes those apart.
    pub accept: Vec<String>,
    /// Content encodings it undoes, besides `identity`.
    pub accept_encoding: Vec<String>,
    /// Languages for Accept-Language; empty: any.
    pub accept_language: Vec<String>,
    /// URI schemes of Request-URIs it serves.
    pub schemes: Vec<String>,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            allow: vec![Method::Invite, Method::Ack, Method::Cancel, Method::Bye, Method::Options],
            supported: Vec::new(),
            accept: vec!["application/sdp".to_owned()],
            accept_encoding: Vec::new(),
            accept_language: vec!["en".to_owned()],
            schemes: vec!["sip".to_owned(), "sips".to_owned()],
        }
    }
}

/// Everything that can be said without knowing the user: [`syntax`], [`method`], [`scheme`], [`extensions`], [`body`], [`accept`], in
/// that order (RFC 3261 section 8.2). Authentication comes behind the first of them, the user (404) between scheme and extensions, and
/// merged requests have been answered by the stack: who needs to look in between calls the six himself. `None`: go on.
pub fn check(request: &Request, capabilities: &Capabilities) -> Option<Reply> {
    syntax(request)
        .or_else(|| method(request, capabilities))
        .or_else(|| served(request, capabilities))
        .or_else(|| extensions(request, capabilities))
        .or_else(|| body(request, capabilities))
        .or_else(|| accept(request))
}

/// 400 for what reading the message has not looked at and everybody relies on: Request-URI (RFC 4475 sections 3.1.2.7 and 3.1.2.11),
/// From, To and Contact (sections 3.1.2.13 to 3.1.2.15). What cannot be read can be neither authenticated nor routed.
pub fn syntax(request: &Request) -> Option<Reply> {
    let headers = request.headers();
    // What can be seen to be sound need not be read.
    let sound = |id| headers.usual_uri(id).is_some() || !headers.has(id);
    if request.has_usual_uri() && [HeaderId::From, HeaderId::To, HeaderId::Contact].into_iter().all(sound) {
        return None;
    }
    Addresses::read(request).err().map(|refusal| *refusal)
}

/// The addresses that everybody relies on, read once.
#[derive(Clone, Copy, Debug)]
pub struct Addresses<'a> {
    /// The Request-URI.
    pub uri: Uri<'a>,
    /// To.
    pub to: Option<To<'a>>,
    /// The first Contact.
    pub contact: Option<Contact<'a>>,
    /// How many Contacts there are.
    pub contacts: usize,
}

impl<'a> Addresses<'a> {
    /// Those of a request.
    ///
    /// # Errors
    /// The answer of [`syntax`].
    pub fn read(request: &'a Request) -> Result<Self, Box<Reply>> {
        let refused = |error: ParseError| Box::new(bad(error));
        let headers = request.headers();
        let uri = request.uri().map_err(refused)?;
        // Never applied, and not allowed here (RFC 3261 section 19.1.1, table 1).
        if !uri.headers().is_empty() {
            return Err(Box::new(bad("Request-URI: expected no header fields")));
        }
        if headers.usual_uri(HeaderId::From).is_none() {
            headers.get::<From<'_>>().transpose().map_err(refused)?;
        }
        let to = headers.get::<To<'_>>().transpose().map_err(refused)?;
        let (mut contact, mut contacts) = (None, 0);
        for one in headers.list::<Contact<'_>>() {
            let one = one.map_err(refused)?;
            contact = contact.or(Some(one));
            contacts += 1;
        }
        Ok(Self { uri, to, contact, contacts })
    }
}

fn bad(why: impl std::fmt::Display) -> Reply {
    Reply::new(StatusCode::BAD_REQUEST).reason(format!("{} ({why})", StatusCode::BAD_REQUEST.default_reason()))
}

/// 405 with Allow for a method that is known but not taken, 501 for one that is not known at all (RFC 3261 sections 8.2.1 and 21.5.2).
pub fn method(request: &Request, capabilities: &Capabilities) -> Option<Reply> {
    if capabilities.allow.contains(request.method()) {
        return None;
    }
    let code = if request.method().is_known() { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::NOT_IMPLEMENTED };
    let mut lines = Lines::default();
    lines.push_id(HeaderId::Allow, join(capabilities.allow.iter().map(Method::as_str)));
    Some(Reply::new(code).lines(lines))
}

/// 416 for a Request-URI whose scheme is not served (RFC 3261 section 8.2.2.1); 400 for one that cannot be read.
pub fn scheme(request: &Request, capabilities: &Capabilities) -> Option<Reply> {
    served(request, capabilities).or_else(|| request.uri().err().map(|error| Reply::new(error.status)))
}

/// Whether the scheme of a Request-URI is served; what stands behind it has been read before.
fn served(request: &Request, capabilities: &Capabilities) -> Option<Reply> {
    let uri = request.uri_text();
    let scheme = uri.bytes().position(|octet| octet == b':').and_then(|end| uri.get(..end)).unwrap_or_default();
    let known = capabilities.schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    (!known).then(|| Reply::new(StatusCode::UNSUPPORTED_URI_SCHEME))
}

/// 420 with Unsupported for option tags of Require that are not understood (RFC 3261 section 8.2.2.3). An ACK and a CANCEL are never
/// refused for it.
pub fn extensions(request: &Request, capabilities: &Capabilities) -> Option<Reply> {
    if matches!(request.method(), Method::Ack | Method::Cancel) {
        return None;
    }
    let mut unknown: Vec<&str> = Vec::new();
    for item in request.headers().list::<Require<'_>>() {
        match item {
            Ok(Require(tag)) => {
                if !capabilities.supported.iter().any(|known| known.eq_ignore_ascii_case(tag))
                    && !unknown.contains(&tag)
                {
                    unknown.push(tag);
                }
            }
            Err(error) => return Some(Reply::new(error.status)),
        }
    }
    if unknown.is_empty() {
        return None;
    }
    let mut lines = Lines::default();
    lines.push_id(HeaderId::Unsupported, join(unknown.into_iter()));
    Some(Reply::new(StatusCode::BAD_EXTENSION).lines(lines))
}

/// What an INVITE says of reliable provisional responses (RFC 3262 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reliability {
    /// Nothing: none may be sent.
    Unknown,
    /// Supported: [`Reply::reliable`] has effect.
    Supported,
    /// Required: all but 100 are sent so.
    Required,
}

impl Reliability {
    /// What these headers say.
    pub fn of(headers: &Headers) -> Self {
        let has = |id| headers.has(id);
        let is = |tag: &str| tag.eq_ignore_ascii_case(RELIABLE);
        if has(HeaderId::Require) && headers.list::<Require<'_>>().flatten().any(|tag| is(tag.0)) {
            Self::Required
        } else if has(HeaderId::Supported) && headers.list::<Supported<'_>>().flatten().any(|tag| is(tag.0)) {
            Self::Supported
        } else {
            Self::Unknown
        }
    }
}

/// The option tag of reliable provisional responses (RFC 3262 section 8.1).
pub const RELIABLE: &str = "100rel";

/// The option tag of session timers (RFC 4028 section 12.3).
pub const TIMER: &str = "timer";

/// 469 for an INFO of a package that is not among those `taken`, which its Recv-Info names (RFC 6086 section 4.2.2). An INFO without package is
/// one of the old kind and let through.
pub fn package(request: &Request, taken: &[String]) -> Option<Reply> {
    if *request.method() != Method::Info {
        return None;
    }
    let named = request.headers().text(HeaderId::InfoPackage)?;
    if taken.iter().any(|one| one.eq_ignore_ascii_case(package_name(&named))) {
        return None;
    }
    let mut lines = Lines::default();
    recv_info(&mut lines, taken.iter().map(String::as_str));
    Some(Reply::new(StatusCode::BAD_INFO_PACKAGE).lines(lines))
}

/// The name of a package, without the parameters behind it (RFC 6086 section 9.2).
pub fn package_name(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// Recv-Info with these packages; empty for none, which says so (RFC 6086 section 5.2.2).
pub fn recv_info<'n>(lines: &mut Lines, taken: impl IntoIterator<Item = &'n str>) {
    lines.push_list(HeaderId::RecvInfo, taken.into_iter().filter(|name| !name.is_empty()));
}

/// 415 for a body of an unknown type or encoding that must be understood, with what would be (RFC 3261 section 8.2.3). A body whose
/// disposition says `handling=optional` may be ignored and is let through.
pub fn body(request: &Request, capabilities: &Capabilities) -> Option<Reply> {
    let headers = request.headers();
    if request.body().is_empty() || is_optional(request) {
        return None;
    }
    // Most often it is one of ours, word for word.
    let plain = headers.raw(HeaderId::ContentType).map(<[u8]>::trim_ascii);
    let is_plain = |known: &String| {
        let known = known.as_bytes();
        plain.is_some_and(|plain| known == plain || known.eq_ignore_ascii_case(plain))
    };
    let known_type = capabilities.accept.iter().any(is_plain)
        || match headers.get::<ContentType<'_>>() {
            None => return None,
            Some(Err(error)) => return Some(Reply::new(error.status)),
            Some(Ok(content)) => {
                let name = content.to_string();
                let name = name.split(';').next().unwrap_or_default().trim();
                capabilities.accept.iter().any(|known| known.eq_ignore_ascii_case(name))
            }
        };
    let encoding = headers.text(HeaderId::ContentEncoding);
    if known_type && encoding.is_none() {
        return None;
    }
    let encoding = encoding.unwrap_or_default();
    let known_encoding = encoding.split(',').map(str::trim).filter(|one| !one.is_empty()).all(|one| {
        one.eq_ignore_ascii_case("identity")
            || capabilities.accept_encoding.iter().any(|known| known.eq_ignore_ascii_case(one))
    });
    let mut lines = Lines::default();
    match (known_type, known_encoding) {
        (true, true) => return None,
        (false, _) => lines.push_id(HeaderId::Accept, join(capabilities.accept.iter().map(String::as_str))),
        (true, false) => lines.push_id(HeaderId::AcceptEncoding, encodings(capabilities)),
    }
    Some(Reply::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).lines(lines))
}

/// 406 for an INVITE whose Accept leaves no room for a session description in the answer (RFC 4475 section 3.3.15). Without Accept,
/// `application/sdp` is meant; an empty one accepts nothing (RFC 3261 section 20.1).
pub fn accept(request: &Request) -> Option<Reply> {
    let headers = request.headers();
    if *request.method() != Method::Invite || !headers.has(HeaderId::Accept) {
        return None;
    }
    let fits = |range: &str, name: &str| range == "*" || range.eq_ignore_ascii_case(name);
    for item in headers.list::<Accept<'_>>() {
        match item {
            Ok(range) if fits(range.kind, "application") && fits(range.subtype, "sdp") => return None,
            Ok(_) => {}
            Err(error) => return Some(bad(error)),
        }
    }
    let mut lines = Lines::default();
    lines.push_id(HeaderId::Warning, "399 offhook \"an answer is application/sdp, which Accept does not name\"");
    Some(Reply::new(StatusCode::NOT_ACCEPTABLE).lines(lines))
}

fn is_optional(request: &Request) -> bool {
    request.headers().text(HeaderId::ContentDisposition).is_some_and(|value| {
        value.split(';').skip(1).any(|param| {
            param.split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("handling") && value.trim().eq_ignore_ascii_case("optional")
            })
        })
    })
}

/// The answer to OPTIONS (RFC 3261 section 11.2) with the code an INVITE would get now: 200, 486, ...
pub fn options(code: StatusCode, capabilities: &Capabilities) -> Reply {
    let mut lines = Lines::default();
    lines.push_id(HeaderId::Allow, join(capabilities.allow.iter().map(Method::as_str)));
    lines.push_id(HeaderId::Accept, join(capabilities.accept.iter().map(String::as_str)));
    lines.push_id(HeaderId::AcceptEncoding, encodings(capabilities));
    lines.push_id(HeaderId::AcceptLanguage, join(capabilities.accept_language.iter().map(String::as_str)));
    lines.push_id(HeaderId::Supported, join(capabilities.supported.iter().map(String::as_str)));
    Reply::new(code).lines(lines)
}

/// The lines a 2xx to an INVITE should have (RFC 3261 section 13.3.1.4): Allow and Supported.
pub fn capability_lines(method: &Method, code: StatusCode, capabilities: &Capabilities) -> Lines {
    let mut lines = Lines::default();
    if makes_dialog(method, code) && code.is_success() {
        lines.push_id(HeaderId::Allow, join(capabilities.allow.iter().map(Method::as_str)));
        lines.push_id(HeaderId::Supported, join(capabilities.supported.iter().map(String::as_str)));
    }
    lines
}

fn encodings(capabilities: &Capabilities) -> String {
    join(capabilities.accept_encoding.iter().map(String::as_str).chain(["identity"]))
}

fn join<'a>(items: impl Iterator<Item = &'a str>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// Warning: no medium of the offer is of a format that we know (RFC 3261 section 20.43).
pub const MEDIA_FORMAT: u16 = 305;
/// Warning: whatever a person should know.
pub const MISCELLANEOUS: u16 = 399;
/// The longest text of a warning, in characters.
const WARNING: usize = 200;

/// A reply that says besides what is wrong (RFC 3261 section 20.43).
pub fn warned(mut reply: Reply, code: u16, text: &str) -> Reply {
    let plain: String = text.chars().map(|ch| if ch.is_control() { ' ' } else { ch }).take(WARNING).collect();
    reply.lines.push_id(HeaderId::Warning, format_args!("{code} offhook {}", Quote(&plain)));
    reply
}

#[cfg(test)]
mod tests;
