//! What the transactions write themselves: requests with their Via, and the ACK and CANCEL that are cut out of them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use crate::config::Config;
use crate::draft::{ContactSpec, Draft};
use crate::message::{HeaderId, Headers, Limits, Lines, Message, Method, Request, Writer};
use crate::outbox::{Path, Transport};
use crate::planted::{Bug, planted};
use crate::stack::StackError;
use crate::transaction::key::Branch;

/// Our Via (RFC 3261 section 18.1.1); over UDP with `rport` (RFC 3581 section 3).
struct OurVia<'a> {
    path: &'a Path,
    branch: &'a Branch,
}

impl fmt::Display for OurVia<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rport = if self.path.transport == Transport::Udp { ";rport" } else { "" };
        let local = HostPort(self.path.local);
        write!(f, "SIP/2.0/{} {local}{rport};branch={}", self.path.transport.as_str(), self.branch)
    }
}

/// An address as host and port: brackets around IPv6, no scope id, which would be no host. Several times quicker than the library's,
/// which can pad.
struct HostPort(SocketAddr);

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

impl HostPort {
    fn write(&self, f: &mut impl fmt::Write) -> fmt::Result {
        // Filled from its end: `255.255.255.255:65535` is the longest.
        let mut text = [0; 21];
        let mut free = text.len();
        let mut put = |byte: u8| {
            free = free.saturating_sub(1);
            if let Some(place) = text.get_mut(free) {
                *place = byte;
            }
        };
        decimal(&mut put, self.0.port());
        put(b':');
        match self.0.ip() {
            IpAddr::V4(ip) => {
                let [a, b, c, d] = ip.octets();
                for (byte, before) in [(d, true), (c, true), (b, true), (a, false)] {
                    decimal(&mut put, u16::from(byte));
                    if before {
                        put(b'.');
                    }
                }
            }
            IpAddr::V6(ip) => write!(f, "[{ip}]")?,
        }
        f.write_str(text.get(free..).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default())
    }
}

/// Whether the sent-by of a Via is the one we write for this address (RFC 3261 section 18.1.2).
pub(super) fn is_sent_by(text: &[u8], local: SocketAddr) -> bool {
    let mut rest = Expected(text);
    HostPort(local).write(&mut rest).is_ok() && rest.0.is_empty()
}

/// What is left of a text that should be the same as what is written; writing something else fails.
struct Expected<'a>(&'a [u8]);

impl fmt::Write for Expected<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let (head, rest) = self.0.split_at_checked(text.len()).ok_or(fmt::Error)?;
        self.0 = rest;
        if head.eq_ignore_ascii_case(text.as_bytes()) { Ok(()) } else { Err(fmt::Error) }
    }
}

/// The digits of a number, the last one first.
fn decimal(put: &mut impl FnMut(u8), number: u16) {
    let mut rest = number;
    loop {
        put(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            return;
        }
    }
}

/// A Contact value for our address on a path (RFC 3261 section 8.1.1.8); `None` for [`ContactSpec::None`].
pub(crate) fn contact(spec: &ContactSpec, path: &Path, secure: bool) -> Option<String> {
    match spec {
        ContactSpec::None => None,
        ContactSpec::Given(value) => Some(value.clone()),
        ContactSpec::Auto { user, params } => {
            let scheme = if secure { "sips" } else { "sip" };
            let (user, at) = user.as_deref().map_or(("", ""), |user| (user, "@"));
            let transport = match (path.transport, secure) {
                (Transport::Udp, _) | (Transport::Tls, true) => "",
                (Transport::Tcp, _) => ";transport=tcp",
                (Transport::Tls, false) => ";transport=tls",
                (Transport::Ws, _) | (Transport::Wss, true) => ";transport=ws",
                (Transport::Wss, false) => ";transport=wss",
            };
            let mut value = String::with_capacity(64 + user.len() + params.len());
            for part in ["<", scheme, ":", user, at] {
                value.push_str(part);
            }
            // Writing to a String cannot fail.
            let _ = HostPort(path.local).write(&mut value);
            for part in [transport, ">", params] {
                value.push_str(part);
            }
            Some(value)
        }
    }
}

/// What changes from one try of a request to the next.
pub(super) struct Try<'a> {
    pub(super) uri: &'a str,
    pub(super) routes: &'a [String],
    pub(super) cseq: u32,
    pub(super) branch: Branch,
    pub(super) path: &'a Path,
    pub(super) authorization: &'a [(bool, String)],
}

/// One try of a request.
pub(super) fn request(draft: &Draft, this: &Try<'_>, config: &Config) -> Bytes {
    let mut writer = Writer::request(&draft.method, this.uri);
    writer.line(HeaderId::Via, OurVia { path: this.path, branch: &this.branch });
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
    let secure = this.uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sips:"));
    if let Some(value) = contact(&draft.contact, this.path, secure) {
        writer.line(HeaderId::Contact, value);
    }
    for (proxy, value) in this.authorization {
        writer.line(if *proxy { HeaderId::ProxyAuthorization } else { HeaderId::Authorization }, value);
    }
    if let (Some(agent), false) = (&config.user_agent, draft.lines.has(HeaderId::UserAgent)) {
        writer.line(HeaderId::UserAgent, agent);
    }
    writer.lines(&draft.lines);
    writer.finish(draft.body.as_ref())
}

/// Refuses texts that could break out of their line.
pub(super) fn check(draft: &Draft) -> Result<(), StackError> {
    if draft.cseq >= 1 << 31 && crate::route::split_tag(&draft.to).1.is_none() {
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
    Some(writer.finish(None))
}

/// See [`Bug::AckBranch`].
pub(super) fn planted_branch(ack: &Bytes) -> Bytes {
    String::from_utf8_lossy(ack).replacen(";branch=z9hG4bK", ";branch=z9hG4bKx", 1).into()
}

/// The CANCEL for a request (RFC 3261 section 9.1): the same but for the method; To without the tag of any response.
pub(super) fn cancel(invite: &Bytes, lines: &Lines, limits: &Limits) -> Option<Bytes> {
    let invite = reread(invite, limits)?;
    let to = invite.headers().all(HeaderId::To).next()?;
    let mut writer = cut(&invite, &Method::Cancel);
    writer.raw(to);
    writer.line(HeaderId::CSeq, format_args!("{} CANCEL", invite.headers().cseq().number));
    writer.lines(lines);
    Some(writer.finish(None))
}

fn reread(invite: &Bytes, limits: &Limits) -> Option<Request> {
    match Message::parse(invite.clone(), limits) {
        Ok(Message::Request(request)) => Some(request),
        _ => None,
    }
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
    writer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_25_1_addresses_are_printed_as_hostport() {
        for text in ["0.0.0.0:0", "192.0.2.1:5060", "255.255.255.255:65535", "10.9.99.100:10", "[2001:db8::1]:5061"] {
            let address: SocketAddr = text.parse().expect("an address");
            assert_eq!(HostPort(address).to_string(), text);
        }
        let scoped: SocketAddr = "[fe80::1%3]:5060".parse().expect("an address");
        assert_eq!(HostPort(scoped).to_string(), "[fe80::1]:5060");
    }
}
