//! Where a request goes (RFC 3261 section 8.1.2) as a question for the driver (RFC 3263), and who is met there.

use std::net::SocketAddr;

use crate::digest::Challenger;
use crate::draft::{Draft, Hop};
use crate::message::{Host, Method, Uri};
use crate::outbox::{Path, Question, Transport};
use crate::route;
use crate::stack::StackError;

/// The question for a draft whose Request-URI and routes are `target`. `Hop::Path` needs none and is not asked here.
pub(super) fn question(draft: &Draft, target: &route::Target) -> Result<Question, StackError> {
    let hop = match (&draft.hop, target.routes.first()) {
        (Hop::Uri(uri), _) => uri.as_str(),
        (_, Some(first)) if !target.strict => route::uri_of(first),
        _ => target.uri.as_str(),
    };
    let uri = Uri::parse(hop).map_err(|_| StackError::NoHop)?;
    if !uri.is_sip() {
        return Err(StackError::NoHop);
    }
    // RFC 3263 section 4: sips in the Request-URI asks for TLS wherever the first hop is.
    let secure = uri.is_secure() || target.uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sips:"));
    let host = match (uri.leads_to().map_err(|_| StackError::NoHop)?, uri.host()) {
        // As it stands there, where that is how it would be written.
        (Host::V4(to), Host::V4(named)) if to == named => uri.host_text().to_owned(),
        (to, _) => host_text(to),
    };
    Ok(Question::Route { host, port: uri.port(), transport: uri.transport().and_then(transport), secure, lot: None })
}

/// Who gets a request first.
pub(super) struct Met {
    host: String,
    port: Option<u16>,
    secure: bool,
    registers: bool,
    address: Option<SocketAddr>,
}

impl Met {
    /// Who gets this one, along `path`. Where the path was given, and nobody looked up, there is no name but the address.
    pub(super) fn by(draft: &Draft, target: &route::Target, path: Option<Path>) -> Met {
        let (host, port, secure) = match (&draft.hop, path) {
            (Hop::Path(given), _) => {
                let host = given.remote.ip().to_string();
                (host, Some(given.remote.port()), given.transport.is_secured())
            }
            _ => match question(draft, target) {
                Ok(Question::Route { host, port, transport, secure, .. }) => {
                    (host, port, secure || transport.is_some_and(Transport::is_secured))
                }
                _ => (String::new(), None, false),
            },
        };
        Met { host, port, secure, registers: draft.method == Method::Register, address: path.map(|path| path.remote) }
    }

    pub(super) fn challenger(&self) -> Challenger<'_> {
        let Met { host, port, secure, registers, address } = self;
        Challenger { host, port: *port, secure: *secure, registers: *registers, address: *address }
    }
}

fn host_text(host: Host<'_>) -> String {
    match host.ip() {
        Some(ip) => ip.to_string(),
        None => host.name().unwrap_or_default().to_owned(),
    }
}

/// The transport a `transport` parameter names; an unknown one leaves the choice to the driver.
fn transport(name: &str) -> Option<Transport> {
    [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss]
        .into_iter()
        .find(|known| known.as_str().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(uri: &str, routes: &[&str], hop: Hop) -> Result<Question, StackError> {
        let mut draft = Draft::new(Method::Options, uri.parse().expect("a uri"));
        draft.hop = hop;
        question(&draft, &route::target(uri, routes.iter().copied()))
    }

    fn route(host: &str, port: Option<u16>, transport: Option<Transport>, secure: bool) -> Question {
        Question::Route { host: host.into(), port, transport, secure, lot: None }
    }

    #[test]
    fn rfc3261_8_1_2_next_hop_is_outbound_proxy_then_route_then_request_uri() {
        let table: [(&str, &[&str], Question); 10] = [
            ("sip:bob@b.example", &[], route("b.example", None, None, false)),
            ("sip:bob@192.0.2.1:5070;transport=tcp", &[], route("192.0.2.1", Some(5070), Some(Transport::Tcp), false)),
            ("sip:bob@[2001:db8::1]", &[], route("2001:db8::1", None, None, false)),
            ("sips:bob@b.example", &[], route("b.example", None, None, true)),
            ("sip:bob@b.example;maddr=192.0.2.9", &[], route("192.0.2.9", None, None, false)),
            ("sip:bob@b", &["<sip:p1:5080;lr>", "<sip:p2;lr>"], route("p1", Some(5080), None, false)),
            ("sip:bob@b", &["<sip:strict>", "<sip:p2;lr>"], route("strict", None, None, false)),
            ("sip:bob@b", &["<sips:p1;lr>"], route("p1", None, None, true)),
            ("sip:bob@b", &["<sips:strict>", "<sip:p2;lr>"], route("strict", None, None, true)),
            ("sips:bob@b", &["<sip:p1;lr>"], route("p1", None, None, true)),
        ];
        for (uri, routes, expected) in table {
            assert_eq!(ask(uri, routes, Hop::Auto), Ok(expected), "{uri} {routes:?}");
        }
        let proxy = Hop::Uri("sip:out.example;transport=udp".parse().expect("a uri"));
        assert_eq!(ask("sips:b", &["<sip:p1;lr>"], proxy), Ok(route("out.example", None, Some(Transport::Udp), true)));
    }

    #[test]
    fn rfc5626_4_3_who_is_met_along_a_given_path_is_not_whom_the_request_names() {
        let (local, remote) = ("192.0.2.7:5060".parse().unwrap(), "203.0.113.9:5061".parse().unwrap());
        let path = Path { flow: crate::id::FlowId(1), transport: Transport::Tls, local, remote };
        let mut draft = Draft::new(Method::Bye, "sip:00900@home.example".parse().unwrap());
        let target = route::target("sip:00900@home.example", std::iter::empty());
        let named =
            Challenger { host: "home.example", port: None, secure: false, registers: false, address: Some(remote) };
        assert_eq!(Met::by(&draft, &target, Some(path)).challenger(), named);
        draft.hop = Hop::Path(path);
        let numbered = Challenger { host: "203.0.113.9", port: Some(5061), secure: true, ..named };
        assert_eq!(Met::by(&draft, &target, Some(path)).challenger(), numbered);
    }

    #[test]
    fn rfc3261_8_1_2_a_uri_without_a_host_goes_nowhere() {
        assert_eq!(ask("tel:+491234", &[], Hop::Auto), Err(StackError::NoHop));
        assert_eq!(ask("tel:+491234", &["<sip:p;lr>"], Hop::Auto), Ok(route("p", None, None, false)));
    }
}
