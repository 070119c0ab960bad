//! What the transactions write themselves: requests with their Via, and the ACK and CANCEL that are cut out of them.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::config::Config;
use crate::draft::{ContactSpec, Draft};
use crate::header::SessionId;
use crate::invite::Asked;
use crate::message::{HeaderId, Headers, Limits, Lines, Message, Method, Request, Writer};
use crate::outbox::{Path, Transport};
use crate::overload;
use crate::planted::{Bug, planted};
use crate::rng::Token;
use crate::route;
use crate::stack::StackError;
use crate::transaction::key::{Branch, COOKIE};
use crate::uas::TIMER;

/// Our Via (RFC 3261 section 18.1.1); over UDP with `rport` (RFC 3581 section 3), over TLS with `alias` where peers may come back by the connection and find us
/// at the sent-by as well (RFC 5923 section 8.1). A proxy's branch has a mark (section 16.6 step 8). With overload control it says so (RFC 7339 sections 4.1
/// and 4.2).
pub(super) fn via(writer: &mut Writer, this: &Try<'_>, mark: Option<Token>, params: &str, config: &Config) {
    let (path, branch) = (this.path, this.branch);
    let rport: &[u8] = if path.transport == Transport::Udp { b";rport" } else { b"" };
    writer.octets(b"Via: SIP/2.0/").octets(path.transport.as_str().as_bytes()).octets(b" ").host_port(path.local);
    writer.octets(rport).octets(b";branch=").octets(COOKIE.as_bytes());
    branch.tokens().iter().for_each(|token| {
        writer.octets(token.as_bytes());
    });
    if let Some(mark) = mark {
        writer.octets(b".").octets(mark.as_bytes());
    }
    if config.overload.is_some() && this.hears {
        writer.octets(overload::OFFER);
    }
    if path.transport == Transport::Tls && config.alias_ports.contains(&path.local.port()) {
        writer.octets(b";alias");
    }
    writer.text(params.as_bytes()).octets(b"\r\n");
}

/// Whether the sent-by of a Via is the one we write for this address (RFC 3261 section 18.1.2).
pub(super) fn is_sent_by(text: &[u8], local: SocketAddr) -> bool {
    let mut writer = Writer::lines_only();
    writer.host_port(local);
    writer.as_bytes().eq_ignore_ascii_case(text)
}

/// A Contact with our address on a path (RFC 3261 section 8.1.1.8); nothing for [`ContactSpec::None`].
pub(super) fn contact(writer: &mut Writer, spec: &ContactSpec, path: &Path, secure: bool) {
    match spec {
        ContactSpec::None => {}
        ContactSpec::Given(value) => {
            writer.value(HeaderId::Contact, value.as_bytes());
        }
        ContactSpec::Auto { user, params } => {
            writer.octets(if secure { b"Contact: <sips:" } else { b"Contact: <sip:" });
            if let Some(user) = user {
                writer.text(user.as_bytes()).octets(b"@");
            }
            let transport: &[u8] = match (path.transport, secure) {
                (Transport::Udp, _) | (Transport::Tls, true) => b">",
                (Transport::Tcp, _) => b";transport=tcp>",
                (Transport::Tls, false) => b";transport=tls>",
                // The only value there is, over TLS too (RFC 7118 sections 5.2 and 8.2).
                (Transport::Ws | Transport::Wss, _) => b";transport=ws>",
            };
            writer.host_port(path.local).octets(transport).text(params.as_bytes()).octets(b"\r\n");
        }
    }
}

/// Whether the Contact of a request is a `sips` URI for what it is sent to: where the Request-URI or the first Route is one (RFC 3261 section 8.1.1.8).
pub(crate) fn is_secure(uri: &str, routes: &[String]) -> bool {
    let is_sips = |uri: &str| uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sips:"));
    is_sips(uri) || routes.first().is_some_and(|first| is_sips(route::uri_of(first)))
}

/// The value of that Contact: what a registrar gives back.
pub(crate) fn contact_value(spec: &ContactSpec, path: &Path, secure: bool) -> Option<String> {
    let mut writer = Writer::lines_only();
    contact(&mut writer, spec, path, secure);
    let value = writer.as_bytes().strip_prefix(b"Contact: ")?.strip_suffix(b"\r\n")?;
    String::from_utf8(value.to_vec()).ok()
}

/// What changes from one try of a request to the next.
pub(super) struct Try<'a> {
    pub(super) uri: &'a str,
    pub(super) routes: &'a [String],
    pub(super) cseq: u32,
    pub(super) branch: Branch,
    pub(super) path: &'a Path,
    pub(super) authorization: &'a [(bool, String)],
    /// What it says of the session's length (RFC 4028).
    pub(super) timer: Option<Asked>,
    /// What the next hop says of its load in the answer will be heard: what is passed on and not kept hears nothing.
    pub(super) hears: bool,
}

/// One try of a request.
pub(super) fn request(draft: &Draft, this: &Try<'_>, config: &Config) -> Bytes {
    let mut writer = Writer::request(&draft.method, this.uri);
    via(&mut writer, this, None, "", config);
    // Who passes a request on says how far it may still go (RFC 3261 section 8.1.1.6).
    if !draft.lines.has(HeaderId::MaxForwards) {
        writer.line(HeaderId::MaxForwards, 70);
    }
    for route in this.routes {
        writer.line(HeaderId::Route, route);
    }
    writer.line(HeaderId::From, &draft.from);
    writer.line(HeaderId::To, &draft.to);
    writer.line(HeaderId::CallId, &draft.call_id);
    writer.line(HeaderId::CSeq, format_args!("{} {}", this.cseq, draft.method));
    contact(&mut writer, &draft.contact, this.path, draft.secure || is_secure(this.uri, this.routes));
    for (proxy, value) in this.authorization {
        writer.line(if *proxy { HeaderId::ProxyAuthorization } else { HeaderId::Authorization }, value);
    }
    if let (Some(agent), false) = (&config.user_agent, draft.lines.has(HeaderId::UserAgent)) {
        writer.line(HeaderId::UserAgent, agent);
    }
    if let Some(timer) = this.timer.filter(|_| !draft.lines.has(HeaderId::SessionExpires)) {
        timer.write(&mut writer);
    }
    // Session timers are said to be understood in each request but ACK (RFC 4028 section 7.1).
    if draft.method != Method::Ack && config.supports(TIMER) && !draft.lines.has(HeaderId::Supported) {
        writer.value(HeaderId::Supported, TIMER.as_bytes());
    }
    writer.lines(&draft.lines);
    writer.finish(draft.body.as_ref())
}

/// Refuses texts that could break out of their line.
pub(super) fn check(draft: &Draft) -> Result<(), StackError> {
    if draft.cseq >= 1 << 31 && route::split_tag(&draft.to).1.is_none() {
        return Err(StackError::Forbidden("the first CSeq number is below 2**31 (RFC 3261 8.1.1.5)"));
    }
    let contact = match &draft.contact {
        ContactSpec::None => [None, None],
        ContactSpec::Auto { user, params } => [user.as_deref(), Some(params.as_str())],
        ContactSpec::Given(value) => [Some(value.as_str()), None],
    };
    let must = [("From", &draft.from), ("To", &draft.to), ("Call-ID", &draft.call_id)];
    let may = contact.into_iter().flatten().map(|text| ("Contact", text));
    let routes = draft.routes.iter().map(|text| ("Route", text.as_str()));
    if let Some((what, _)) = must.iter().find(|(_, text)| text.trim().is_empty()) {
        return Err(StackError::Text { what });
    }
    match must.iter().map(|(what, text)| (*what, text.as_str())).chain(may).chain(routes).find(|(_, text)| !clean(text))
    {
        Some((what, _)) => Err(StackError::Text { what }),
        None => Ok(()),
    }
}

/// True when a text can stand in a header value.
pub(crate) fn clean(text: &str) -> bool {
    !text.bytes().any(|byte| byte < b' ' && byte != b'\t' || byte == 0x7f)
}

/// The ACK for a non-2xx response (RFC 3261 section 17.1.1.3): Request-URI, Call-ID, From, CSeq number, Route and the one Via of the
/// INVITE, To of the response.
pub(super) fn ack(invite: &Bytes, response: &Headers, limits: &Limits) -> Option<Bytes> {
    let invite = reread(invite, limits)?;
    let to = if planted(Bug::AckTag) { invite.headers() } else { response }.all(HeaderId::To).next()?;
    let mut writer = cut(&invite, &Method::Ack);
    writer.raw(to);
    writer.line(HeaderId::CSeq, format_args!("{} ACK", invite.headers().cseq().number));
    session_id(&mut writer, invite.headers(), Some(response));
    Some(writer.finish(None))
}

/// See [`Bug::AckBranch`].
pub(super) fn planted_branch(ack: &Bytes) -> Bytes {
    String::from_utf8_lossy(ack).replacen(";branch=z9hG4bK", ";branch=z9hG4bKx", 1).into()
}

/// The CANCEL for a request (RFC 3261 section 9.1): the same but for the method; To without the tag of any response.
pub(super) fn cancel(invite: &Bytes, lines: &Lines, config: &Config) -> Option<Bytes> {
    let invite = reread(invite, &config.limits)?;
    let to = invite.headers().all(HeaderId::To).next()?;
    let mut writer = cut(&invite, &Method::Cancel);
    writer.raw(to);
    writer.line(HeaderId::CSeq, format_args!("{} CANCEL", invite.headers().cseq().number));
    if config.supports(TIMER) && !lines.has(HeaderId::Supported) {
        writer.value(HeaderId::Supported, TIMER.as_bytes());
    }
    if !lines.has(HeaderId::SessionId) {
        session_id(&mut writer, invite.headers(), None);
    }
    writer.lines(lines);
    Some(writer.finish(None))
}

/// The Session-ID of an INVITE once more (RFC 7989 section 6), with the UUID of who has answered it, where he tells.
fn session_id(writer: &mut Writer, invite: &Headers, response: Option<&Headers>) {
    let Some(Ok(ours)) = invite.get::<SessionId<'_>>() else { return };
    let theirs = response.and_then(|response| response.get::<SessionId<'_>>()?.ok()).filter(|theirs| !theirs.is_nil());
    match theirs {
        // Who knows RFC 7329 only says our own again, and is told it as he says it (section 11).
        Some(theirs) if theirs.local == ours.local && !theirs.params.has("remote") => {
            writer.line(HeaderId::SessionId, ours.local)
        }
        Some(theirs) if theirs.local == ours.local => writer.line(HeaderId::SessionId, ours),
        Some(theirs) => writer.line(HeaderId::SessionId, format_args!("{};remote={}", ours.local, theirs.local)),
        None => writer.line(HeaderId::SessionId, ours),
    };
}

/// Reads what we have written. A request that is passed on may have come near the limits of what is let in, and has our own lines on top.
fn reread(invite: &Bytes, limits: &Limits) -> Option<Request> {
    let read = |text: Bytes, limits: &Limits| match Message::parse(text, limits) {
        Ok(Message::Request(request)) => Some(request),
        _ => None,
    };
    read(invite.clone(), limits)
        .or_else(|| read(shortened(invite), &Limits { line: usize::MAX, headers: usize::MAX, ..*limits }))
}

/// What the caller wants of who is called: the same of a CANCEL and of the ACK to a refusal, so that they go the same way past who keeps nothing (RFC 3841 section 5).
const WANTED: [HeaderId; 3] = [HeaderId::AcceptContact, HeaderId::RejectContact, HeaderId::RequestDisposition];

/// What a CANCEL and an ACK have of their INVITE, besides that and the first Via.
const CUT: [HeaderId; 6] =
    [HeaderId::Route, HeaderId::From, HeaderId::To, HeaderId::CallId, HeaderId::CSeq, HeaderId::SessionId];

/// The start line and the header fields that [`cut`] looks for, as they stand.
fn shortened(request: &[u8]) -> Bytes {
    let mut short = Vec::with_capacity(1_024);
    let (mut wanted, mut has_via) = (true, false);
    for (at, line) in request.split_inclusive(|octet| *octet == b'\n').enumerate() {
        if matches!(line, b"\r\n" | b"\n") {
            break;
        }
        // A line that begins with a blank belongs to the one above.
        if at > 0 && !matches!(line.first(), Some(b' ' | b'\t')) {
            let colon = memchr::memchr(b':', line).unwrap_or_default();
            let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
            wanted = match HeaderId::from_name(name) {
                HeaderId::Via => !std::mem::replace(&mut has_via, true),
                id => CUT.contains(&id) || WANTED.contains(&id),
            };
        }
        if wanted {
            short.extend_from_slice(line);
        }
    }
    short.extend_from_slice(b"\r\n");
    short.into()
}

fn cut(invite: &Request, method: &Method) -> Writer {
    let headers = invite.headers();
    let mut writer = Writer::request(method, invite.uri_text());
    if let Some(via) = headers.all(HeaderId::Via).next() {
        writer.raw(via);
    }
    writer.line(HeaderId::MaxForwards, 70);
    for route in headers.all(HeaderId::Route) {
        writer.raw(route);
    }
    for id in [HeaderId::From, HeaderId::CallId] {
        if let Some(header) = headers.all(id).next() {
            writer.raw(header);
        }
    }
    for wanted in WANTED.into_iter().flat_map(|id| headers.all(id)) {
        writer.raw(wanted);
    }
    writer
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is passed on comes with our lines on top of as many as are let in.
    #[test]
    fn rfc3261_9_1_what_is_larger_than_what_is_let_in_is_cancelled_and_acknowledged() {
        let rest = "v: SIP/2.0/UDP b;branch=z9hG4bK2\r\nRoute: <sip:x;lr>,\r\n\t<sip:y;lr>\r\nf : <sip:a@a>;tag=1\r\nt: <sip:b@b>\r\ni: c\r\nCSeq: 7 INVITE\r\n\r\nbody";
        for (name, count) in [("X: ", 300), (&*format!("X: {}", "y".repeat(8_000)), 20)] {
            let more = format!("{name}\r\n and Via: this\r\n").repeat(count);
            let invite =
                Bytes::from(format!("INVITE sip:b@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n{more}{rest}"));
            let config = Config::default();
            assert!(Message::parse(invite.clone(), &config.limits).is_err(), "over the limits");
            let cancel = cancel(&invite, &Lines::new(), &config).expect("a CANCEL");
            let same =
                "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nRoute: <sip:x;lr>,\r\n\t<sip:y;lr>\r\n";
            let text = String::from_utf8_lossy(&cancel);
            assert!(text.starts_with(&format!("CANCEL sip:b@b SIP/2.0\r\n{same}")), "{text}");
            assert!(text.contains("CSeq: 7 CANCEL\r\n"), "{text}");
            let refusal =
                Bytes::from(rest.replace("<sip:b@b>", "<sip:b@b>;tag=2").split_off(rest.find("f :").unwrap()));
            let refusal = [b"SIP/2.0 486 Busy\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n", &refusal[..]].concat();
            let refusal = Message::parse(refusal.into(), &config.limits).expect("a response");
            let ack = ack(&invite, refusal.headers(), &config.limits).expect("an ACK");
            let text = String::from_utf8_lossy(&ack);
            assert!(text.starts_with(&format!("ACK sip:b@b SIP/2.0\r\n{same}")), "{text}");
            assert!(text.contains("tag=2\r\nCSeq: 7 ACK\r\n"), "{text}");
        }
    }

    #[test]
    fn rfc3841_5_a_cancel_and_the_ack_of_a_refusal_want_the_same_devices() {
        let wants = "Accept-Contact: *;video;require\r\na: *;audio\r\nReject-Contact: *;automata\r\nRequest-Disposition: no-fork\r\n";
        let both = |wants: &str| {
            let rest = "From: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\n";
            let via = "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n";
            let invite = Bytes::from(format!("INVITE sip:b@b SIP/2.0\r\n{via}{rest}{wants}Content-Length: 0\r\n\r\n"));
            let refusal =
                format!("SIP/2.0 486 Busy\r\n{via}{rest}Content-Length: 0\r\n\r\n").replace("b@b>", "b@b>;tag=2");
            let config = Config::default();
            let refusal = Message::parse(refusal.into_bytes().into(), &config.limits).expect("a response");
            let ack = ack(&invite, refusal.headers(), &config.limits).expect("an ACK");
            let cancel = cancel(&invite, &Lines::new(), &config).expect("a CANCEL");
            [ack, cancel].map(|octets| String::from_utf8_lossy(&octets).into_owned())
        };
        for text in both(wants) {
            assert!(text.contains(wants), "{text}");
        }
        for text in both("") {
            assert!(!text.contains("-Contact") && !text.contains("Disposition"), "{text}");
        }
    }
}
