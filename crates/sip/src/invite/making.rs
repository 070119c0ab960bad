//! From messages to dialogs (RFC 3261 sections 12.1.1 and 12.1.2), and from dialogs to requests (section 12.2.1.1).

use std::borrow::Cow;
use std::net::SocketAddr;

use super::event::Reach;
use super::session::Session;
use crate::dialog::{ContactParts, Dialog, Phase, Record, Role, Sketch};
use crate::draft::{Draft, Hop};
use crate::header::{Contact, From, RecordRoute};
use crate::id::{DialogId, ServerTx, SessionId};
use crate::message::{HeaderId, Headers, Method, Request, Response, Uri, UriBuf};
use crate::outbox::{Origin, Path, Transport};
use crate::route;
use crate::stack::StackError;
use crate::transaction::key;
use crate::turn::Turn;

/// What all dialogs of an INVITE of ours have in common.
pub(super) fn template(draft: &Draft) -> Record {
    let (local, local_tag) = route::split_tag(&draft.from);
    let uri = draft.uri.to_string();
    Record {
        call_id: draft.call_id.clone(),
        local: local.to_owned(),
        local_tag: local_tag.unwrap_or("").to_owned(),
        remote: route::split_tag(&draft.to).0.to_owned(),
        remote_tag: String::new(),
        secure: is_sips(&uri),
        remote_target: uri,
        contact: draft.contact.clone(),
        routes: Vec::new(),
        local_cseq: draft.cseq,
        remote_cseq: None,
        role: Role::Caller,
        phase: Phase::Early,
        path: match draft.hop {
            Hop::Path(path) => Some(path),
            _ => None,
        },
    }
}

/// The dialog a response makes (RFC 3261 section 12.1.2). A response without a usable Contact leaves the Request-URI as remote target.
pub(super) fn of_response(
    template: &Record,
    response: &Response,
    origin: &Origin,
    phase: Phase,
    reach: Reach,
) -> Option<Dialog> {
    let headers = response.headers();
    let mut record = Record {
        remote_tag: headers.to_tag().unwrap_or("").to_owned(),
        routes: reversed(headers),
        local_cseq: headers.cseq().number,
        phase,
        ..template.clone()
    };
    if let Some(target) = contact_uri(headers) {
        record.remote_target = target;
    }
    let back = reach.is_back(record.remote_target.as_bytes()) || template.path.is_some();
    record.path = only_path(record.remote_target.as_bytes(), record.routes.first().map(String::as_str), origin, back);
    Dialog::from_record(&record).ok()
}

/// The 2xx of an early dialog confirms it: target and route set are those of the 2xx (RFC 3261 section 13.2.2.4).
pub(super) fn confirm(turn: &mut Turn<'_>, dialog: DialogId, response: &Response, origin: &Origin) {
    let headers = response.headers();
    let routes = reversed(headers);
    let reach = turn.stack.config.session.reach;
    let Some(dialog) = turn.stack.sessions.dialogs.get_mut(dialog) else { return };
    dialog.follow_cseq(headers.cseq().number);
    // What is too large leaves the early dialog's value in place.
    let _ = dialog.confirm(&routes);
    refresh(dialog, contact_uri(headers), origin, reach);
}

/// Target refresh (RFC 3261 section 12.2.1.2): the peer's Contact, and the path it alone is reached by. Who speaks on the connection that we reach it by
/// over TLS is where that leads, whoever has made it (RFC 5923 section 8.2).
pub(crate) fn refresh(dialog: &mut Dialog, target: Option<String>, origin: &Origin, reach: Reach) {
    if let Some(target) = target
        && dialog.set_remote_target(&target).is_ok()
    {
        let known = dialog.path();
        let back = reach.is_back(dialog.remote_target().as_bytes()) || known.is_some();
        let same = known.filter(|known| origin.transport == Transport::Tls && known.flow == origin.flow);
        let origin = Origin { remote: same.map_or(origin.remote, |known| known.remote), ..*origin };
        let path = only_path(dialog.remote_target().as_bytes(), dialog.routes().next(), &origin, back);
        dialog.set_path(path);
    }
}

/// The dialog an INVITE of the peer makes (RFC 3261 section 12.1.1). `None` when its Contact or Record-Route is missing or broken, or it
/// is too large. Only a peer of RFC 2543 may leave Contact out.
pub(crate) fn of_request(request: &Request, origin: &Origin, tag: &str, reach: Reach) -> Option<Dialog> {
    let headers = request.headers();
    let mut routes = Vec::new();
    for route in headers.list::<RecordRoute<'_>>() {
        routes.push(route.ok()?.to_string());
    }
    let target = match contact(headers) {
        Some(target) => target,
        // A caller of RFC 2543 need not say where it is: requests go to who it says it is (RFC 4475 section 3.4.1).
        None if !headers.has(HeaderId::Contact) && !key::is_rfc3261(headers.way_back().0) => {
            headers.get::<From<'_>>()?.ok()?.uri.as_str().as_bytes()
        }
        None => return None,
    };
    let (call_id, remote_tag) = headers.call();
    let uri = request.uri_text();
    let sketch = Sketch {
        call_id,
        local: &address(headers, HeaderId::To)?,
        local_tag: tag,
        remote: &address(headers, HeaderId::From)?,
        remote_tag,
        path: only_path(target, routes.first().map(String::as_str), origin, reach.is_back(target)),
        remote_target: target,
        contact: ContactParts::of_user(user_of(uri)),
        routes: &routes,
        local_cseq: 0,
        remote_cseq: Some(headers.cseq().number),
        role: Role::Callee,
        phase: Phase::Early,
        secure: is_sips(uri) && origin.transport.is_secured(),
    };
    Dialog::from_sketch(&sketch).ok()
}

/// From or To without parameters: display name and URI.
fn address(headers: &Headers, id: HeaderId) -> Option<Cow<'_, [u8]>> {
    if let Some(address) = headers.usual_address(id) {
        return Some(Cow::Borrowed(address));
    }
    let text = headers.text(id)?;
    Some(Cow::Owned(route::without_params(&text).as_bytes().to_owned()))
}

/// The user part that a request was sent to: our Contact has the same.
fn user_of(uri: &str) -> Option<&str> {
    let (user, _) = uri.split_at_checked(memchr::memchr(b'@', uri.as_bytes())?)?;
    let user = user.split_once(':')?.1;
    Some(user.split(':').next().unwrap_or(user))
}

/// The dialog a response to an INVITE of ours belongs to.
pub(super) fn find(turn: &Turn<'_>, response: &Response) -> Option<DialogId> {
    let headers = response.headers();
    let (local, remote) = (headers.from_tag().unwrap_or(""), headers.to_tag().unwrap_or(""));
    turn.stack.sessions.dialogs.find(headers.call_id(), local, remote)
}

/// The dialog a request of the peer belongs to.
pub(super) fn find_for_request(turn: &Turn<'_>, request: &Request) -> Option<DialogId> {
    let headers = request.headers();
    let (call_id, remote) = headers.call();
    turn.stack.sessions.dialogs.find(call_id, headers.to_tag_octets()?, remote)
}

/// Whether a request of the peer belongs to a dialog that stands.
pub(crate) fn has_dialog(turn: &Turn<'_>, request: &Request) -> bool {
    find_for_request(turn, request).is_some()
}

fn contact(headers: &Headers) -> Option<&[u8]> {
    if let Some(uri) = headers.usual_uri(HeaderId::Contact) {
        return Some(uri);
    }
    let contact = headers.get::<Contact<'_>>()?.ok()?;
    Some(contact.address()?.uri.as_str().as_bytes())
}

/// The URI of the first Contact, when it is one.
pub(crate) fn contact_uri(headers: &Headers) -> Option<String> {
    String::from_utf8(contact(headers)?.to_owned()).ok()
}

/// Record-Route of a response, in our order (RFC 3261 section 12.1.2); what cannot be read is left out.
fn reversed(headers: &Headers) -> Vec<String> {
    let mut routes: Vec<String> = headers.list::<RecordRoute<'_>>().flatten().map(|item| item.to_string()).collect();
    routes.reverse();
    routes
}

fn is_sips(uri: &str) -> bool {
    uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sips:"))
}

/// The flow that a dialog's requests have to take, where there is but one; `first`: the first of its route set. RFC 7118 sections 5 and 8.2: on either
/// side of a WebSocket that is the way, whatever is named; a client behind it names itself `.invalid`, and a server `transport=ws` over TLS as well.
/// Over TLS, what names the other end of the connection by its address is that peer, who has shown who it is: another connection would ask for a
/// certificate of that address, which few have, and telephones none (RFC 5923 section 1).
fn only_path(target: &[u8], first: Option<&str>, origin: &Origin, back: bool) -> Option<Path> {
    if origin.transport.is_web() {
        return Some(*origin);
    }
    let secured = origin.transport == Transport::Tls;
    if let Some(first) = first {
        let same = || place(route::uri_of(first)) == Some(origin.remote);
        return (secured && same()).then_some(*origin);
    }
    let same = || {
        let target = std::str::from_utf8(target).ok().and_then(place);
        target.is_some_and(|target| target.ip() == origin.remote.ip())
    };
    (back || is_invalid(target) || (secured && same())).then_some(*origin)
}

/// The address that a URI names, where its host is one; over TLS.
fn place(uri: &str) -> Option<SocketAddr> {
    let uri = Uri::parse(uri).ok()?;
    Some(SocketAddr::new(uri.host().ip()?, uri.port().unwrap_or(Transport::Tls.default_port())))
}

/// Whether the host of a URI is `.invalid`, with or without a port.
fn is_invalid(uri: &[u8]) -> bool {
    let host = memchr::memchr(b'@', uri).map_or(uri, |at| uri.get(at + 1..).unwrap_or_default());
    let end = memchr::memchr2(b'?', b';', host).unwrap_or(host.len());
    let host = host.get(..end).unwrap_or_default();
    let name = memchr::memrchr(b':', host).map_or(host, |colon| host.get(..colon).unwrap_or_default());
    let is_invalid = |mut name: &[u8]| {
        while let [front @ .., b'.'] = name {
            name = front;
        }
        name.last_chunk::<8>().is_some_and(|end| end.eq_ignore_ascii_case(b".invalid"))
    };
    is_invalid(name) || is_invalid(host)
}

/// A request within a dialog (RFC 3261 section 12.2.1.1). Without `cseq` the dialog gives it a number when it leaves
/// ([`Turn::request_within`]).
pub(super) fn draft(
    turn: &mut Turn<'_>,
    s: SessionId,
    dialog: DialogId,
    method: Method,
    cseq: Option<u32>,
) -> Result<Draft, StackError> {
    let session = turn.stack.sessions.table.get(s.0).ok_or(StackError::Gone)?;
    let dialog = turn.stack.sessions.dialogs.get(dialog).ok_or(StackError::Gone)?;
    let mut draft = within(dialog, method, cseq)?;
    if let Some(keys) = &session.keys {
        draft.credentials = keys.credentials.clone();
        draft.auth = keys.auth.clone();
    }
    Ok(draft)
}

/// The same of any dialog, without credentials.
pub(crate) fn within(dialog: &Dialog, method: Method, cseq: Option<u32>) -> Result<Draft, StackError> {
    let uri =
        dialog.remote_target().parse::<UriBuf>().map_err(|_| StackError::State("a remote target that is a URI"))?;
    let cseq = match cseq {
        Some(cseq) => cseq,
        None => dialog.local_cseq().checked_add(1).ok_or(StackError::State("CSeq numbers that are not used up"))?,
    };
    let mut draft = Draft::new(method, uri);
    draft.from = dialog.from_value();
    draft.to = dialog.to_value();
    draft.call_id = dialog.call_id().to_owned();
    draft.cseq = cseq;
    draft.routes = dialog.routes().map(str::to_owned).collect();
    if refreshes_target(&draft.method) {
        draft.contact = dialog.contact();
        draft.secure = dialog.is_secure();
    }
    match dialog.path() {
        Some(path) => draft.hop = Hop::Path(path),
        None if dialog.is_secure() => draft.hop = secured(&draft),
        None => {}
    }
    Ok(draft)
}

/// The way of a dialog that began by `sips` (RFC 3261 section 12.1): TLS, whatever the peer has named meanwhile.
fn secured(draft: &Draft) -> Hop {
    let target = draft.uri.as_str();
    let next = draft.routes.first().map_or(target, |first| route::uri_of(first));
    let insecure = next.split_at_checked(4).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("sip:"));
    insecure.and_then(|(_, rest)| format!("sips:{rest}").parse().ok()).map_or(Hop::Auto, Hop::Uri)
}

/// Requests that carry Contact within a dialog (RFC 3261 section 12.2.1.1, RFC 3311, RFC 3515, RFC 6665).
fn refreshes_target(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer)
}

/// Where a request came from, and the Contact in it; read before the answer, which may drop the request.
pub(super) fn contact_of(turn: &Turn<'_>, tx: ServerTx) -> Option<(Option<String>, Origin)> {
    let target = contact_uri(turn.request_of(tx)?.headers());
    Some((target, turn.origin_of(tx)?))
}

impl Session {
    /// Remembers nonce and count for the next request.
    pub(super) fn learn_auth(&mut self, auth: Option<Box<crate::digest::Client>>) {
        if auth.is_some() {
            self.keys.get_or_insert_default().auth = auth;
        }
    }
}

#[cfg(test)]
mod tests;
