//! What a request is when it arrives: whether it can be passed on (RFC 3261 section 16.3), and what its Route header fields say (section 16.4).

use sip::header::{MaxForwards, ProxyRequire, Route};
use sip::message::{HeaderId, Headers, Lines, Method, Request, StatusCode, Uri, UriBuf};
use sip::outbox::Origin;
use sip::{Path, Reply, Transport, uas};

use crate::own::Own;
use crate::tokens::Tokens;

/// Max-Forwards where a request has none (RFC 3261 section 16.6 step 3).
const HOPS: u8 = 70;
/// Max-Breadth where a request has none (RFC 5393 section 5.3.3).
pub const BREADTH: u32 = 60;
/// The most Vias and the most Route values that are looked at; more have come round too often.
const MOST: usize = 70;

/// A request that may be passed on, after section 16.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its Request-URI.
    pub uri: UriBuf,
    /// Its Route values, without ours.
    pub routes: Vec<String>,
    /// Whether that URI is ours to resolve (section 16.5), and no Route says to go elsewhere first.
    pub ours: bool,
    /// Whether our own Route value proves that its dialog was made through us.
    pub within: bool,
    /// The step in which that proof was made, see [`Tokens::dialog_of`].
    pub(crate) step: Option<u64>,
    /// Whether our own Route value says that, and proves it no more: its proof is too old, or was made under another secret, or by nobody.
    pub claimed: bool,
    /// The flow that our own Route value names (RFC 5626 section 5.3).
    pub flow: Option<Path>,
    /// Whether that value is our Path: its device has registered through us.
    pub registered: bool,
    /// Max-Forwards to be sent on.
    pub hops: u8,
    /// Max-Breadth as it came, or what counts instead.
    pub breadth: u32,
    /// See [`Tokens::mark`].
    pub mark: u64,
}

/// Why a request is not passed on.
#[derive(Debug)]
pub enum Halt {
    /// It cannot be: the answer. 400, 416, 420, 482, 483.
    Refused(Box<Reply>),
    /// It is an OPTIONS that may go no further and asks for nobody behind us: we may answer it ourselves (section 16.3 step 3), as what we are.
    Asked,
}

impl Halt {
    fn refused(reply: Reply) -> Self {
        Self::Refused(Box::new(reply))
    }
}

/// Validates a request (section 16.3, but for credentials) and reads its way (section 16.4).
///
/// # Errors
/// See [`Halt`].
pub fn read(request: &Request, origin: &Origin, own: &Own, tokens: &Tokens) -> Result<Arrival, Halt> {
    if let Some(refusal) = uas::syntax(request) {
        return Err(Halt::refused(refusal));
    }
    let headers = request.headers();
    let bad = |error: sip::message::ParseError| Halt::refused(Reply::new(error.status).reason(error.to_string()));
    let refuse = |code| Err(Halt::refused(Reply::new(code)));
    let uri = request.uri().map_err(bad)?;
    if !uri.is_sip() && !headers.has(HeaderId::Route) {
        return refuse(StatusCode::UNSUPPORTED_URI_SCHEME);
    }
    let hops = headers.get::<MaxForwards>().transpose().map_err(bad)?.map_or(HOPS + 1, |hops| hops.0);
    if hops == 0 {
        let asks_us = *request.method() == Method::Options && uri.user().is_none() && own.is(&uri);
        return if asks_us { Err(Halt::Asked) } else { refuse(StatusCode::TOO_MANY_HOPS) };
    }
    if headers.count(HeaderId::Via) > MOST || headers.count(HeaderId::Route) > MOST {
        return refuse(StatusCode::TOO_MANY_HOPS);
    }
    let mark = tokens.mark(request);
    if tokens.has_passed(mark, request) {
        return refuse(StatusCode::LOOP_DETECTED);
    }
    unsupported(request)?;
    let mut routes = Vec::new();
    for route in headers.list::<Route<'_>>() {
        routes.push(route.map_err(bad)?.to_string());
        if routes.len() > MOST {
            return refuse(StatusCode::TOO_MANY_HOPS);
        }
    }
    let breadth = headers.text(HeaderId::MaxBreadth).map(|text| text.trim().parse::<u32>());
    let breadth = match breadth {
        None => BREADTH,
        Some(Ok(breadth)) if breadth > 0 => breadth,
        Some(_) => return refuse(StatusCode::BAD_REQUEST),
    };
    let mut way = Way { uri: uri.to_buf(), routes, step: None, claimed: false, flow: None, registered: false };
    way.undo_strict_router(headers, tokens);
    way.undo_maddr(origin, own)?;
    way.leave_us(headers, own, tokens);
    let ours = way.routes.is_empty() && way.flow.is_none() && own.is(&way.uri.as_uri()) && !has_maddr(&way.uri);
    if !ours && !way.uri.as_uri().is_sip() && way.routes.is_empty() && way.flow.is_none() {
        return refuse(StatusCode::UNSUPPORTED_URI_SCHEME);
    }
    let Way { uri, routes, step, claimed, flow, registered } = way;
    let may_be_within = Tokens::is_within(request.method());
    let step = step.filter(|_| may_be_within);
    let (within, hops) = (step.is_some(), hops - 1);
    let claimed = claimed && !within && may_be_within && headers.to_tag().is_some();
    Ok(Arrival { uri, routes, ours, within, step, claimed, flow, registered, hops, breadth, mark })
}

/// 420 for whatever a proxy has to know: we know none of it (section 16.3 step 5).
fn unsupported(request: &Request) -> Result<(), Halt> {
    let headers = request.headers();
    if !headers.has(HeaderId::ProxyRequire) {
        return Ok(());
    }
    let tags: Vec<&str> = headers.list::<ProxyRequire<'_>>().filter_map(Result::ok).map(|tag| tag.0).collect();
    if tags.is_empty() {
        return Ok(());
    }
    let mut lines = Lines::new();
    lines.push_id(HeaderId::Unsupported, tags.join(", "));
    Err(Halt::refused(Reply::new(StatusCode::BAD_EXTENSION).lines(lines)))
}

fn has_maddr(uri: &UriBuf) -> bool {
    uri.as_uri().params().has("maddr")
}

/// A value of Route, read once more.
fn uri_of(route: &str) -> Option<UriBuf> {
    sip::route::uri_of(route).parse().ok()
}

struct Way {
    uri: UriBuf,
    routes: Vec<String>,
    step: Option<u64>,
    claimed: bool,
    flow: Option<Path>,
    registered: bool,
}

impl Way {
    /// A strict router has put our Record-Route into the Request-URI, and what was there behind the last Route.
    fn undo_strict_router(&mut self, headers: &Headers, tokens: &Tokens) {
        if recorded(&self.uri, headers, tokens).is_none() {
            return;
        }
        let Some(last) = self.routes.last().and_then(|last| uri_of(last)) else { return };
        self.routes.pop();
        let ours = std::mem::replace(&mut self.uri, last);
        self.routes.insert(0, format!("<{}>", ours.as_str()));
    }

    /// A `maddr` that is ours says no more than that the request was to come here, where it came by the port and transport that stand with it: all
    /// three are taken away then.
    fn undo_maddr(&mut self, origin: &Origin, own: &Own) -> Result<(), Halt> {
        let uri = self.uri.as_uri();
        let Some(maddr) = uri.params().get("maddr") else { return Ok(()) };
        let named = uri.transport().unwrap_or(if uri.is_secure() { "tcp" } else { "udp" });
        let words: &[&str] = match origin.transport {
            Transport::Udp => &["udp"],
            Transport::Tcp => &["tcp"],
            Transport::Tls => &["tcp", "tls"],
            Transport::Ws | Transport::Wss => &["ws"],
        };
        let came_so = words.iter().any(|word| word.eq_ignore_ascii_case(named));
        let port = uri.port().unwrap_or(if origin.transport == Transport::Tls { 5_061 } else { 5_060 });
        let here = UriBuf::sip(false, None, maddr, Some(origin.local.port())).ok();
        if !came_so || port != origin.local.port() || !here.is_some_and(|here| own.is(&here.as_uri())) {
            return Ok(());
        }
        self.uri = without_way(&uri).ok_or_else(|| Halt::refused(Reply::new(StatusCode::BAD_REQUEST)))?;
        Ok(())
    }

    /// Takes our own values off the top of the Route: one, or those of both our sides.
    fn leave_us(&mut self, headers: &Headers, own: &Own, tokens: &Tokens) {
        let mut left = 0;
        for route in self.routes.iter().take(2) {
            let Some(uri) = uri_of(route) else { break };
            let step = recorded(&uri, headers, tokens);
            let recorded = step.is_some();
            let uri = uri.as_uri();
            let user = uri.user_unescaped();
            let flow = user.as_deref().filter(|_| !recorded).and_then(|user| tokens.flow_of(user));
            // The token of a flow stands for us, under whatever address we wrote it.
            if !recorded && (left > 0 || flow.is_none() && !own.is_route(&uri)) {
                break;
            }
            self.step = self.step.max(step);
            self.claimed |= !recorded && uri.params().has("d");
            self.registered = flow.is_some();
            self.flow = flow.or_else(|| user.filter(|_| recorded).and_then(|user| tokens.side_of(&user)));
            left += 1;
            if !recorded {
                break;
            }
        }
        self.routes.drain(..left);
        if !self.routes.is_empty() {
            // A flow leads to the device, not to another proxy.
            (self.flow, self.registered) = (None, false);
        }
    }
}

/// A URI without port, `maddr` and `transport`. What stands before the `@` and behind the `?` is not ours to read.
fn without_way(uri: &Uri<'_>) -> Option<UriBuf> {
    let text = uri.as_str();
    let (user, rest) = text.split_at(text.find('@').or_else(|| text.find(':'))? + 1);
    let (way, headers) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
    let params = way.split(';').skip(1).filter(|param| {
        let name = param.split('=').next().unwrap_or_default();
        !(name.eq_ignore_ascii_case("maddr") || name.eq_ignore_ascii_case("transport"))
    });
    let params: String = params.flat_map(|param| [";", param]).collect();
    format!("{user}{}{params}{headers}", uri.host_text()).parse().ok()
}

/// Where a URI is our Record-Route of this dialog: the step that its token is of.
fn recorded(uri: &UriBuf, headers: &Headers, tokens: &Tokens) -> Option<u64> {
    uri.as_uri().params().get("d").and_then(|token| tokens.dialog_of(token, headers))
}

/// Whether what is behind the origin of a request must be reached by the flow it came by: a stream, or an address that its Contact does not tell.
pub(crate) fn is_hidden(request: &Request, origin: &Origin) -> bool {
    let headers = request.headers();
    if headers.has(HeaderId::RecordRoute) {
        return false;
    }
    if origin.transport.is_reliable() {
        return true;
    }
    let Some(Ok(contact)) = headers.get::<sip::header::Contact<'_>>() else { return false };
    let Some(address) = contact.address() else { return false };
    match address.uri.host().ip() {
        Some(ip) => ip != origin.remote.ip() || address.uri.port().unwrap_or(5_060) != origin.remote.port(),
        None => false,
    }
}

#[cfg(test)]
mod tests;
