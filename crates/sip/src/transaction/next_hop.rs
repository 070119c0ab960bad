//! Where a request goes (RFC 3261 section 8.1.2) as a question for the driver (RFC 3263).

use crate::draft::{Draft, Hop};
use crate::message::{Host, Uri};
use crate::outbox::{Question, Transport};
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
    let host = match uri.params().get("maddr") {
        Some(maddr) => host_text(Host::parse(maddr).map_err(|_| StackError::NoHop)?),
        // As it stands there, where that is how it would be written.
        None => match uri.host() {
            Host::V4(_) => uri.host_text().to_owned(),
            host => host_text(host),
        },
    };
    Ok(Question::Route { host, port: uri.port(), transport: uri.transport().and_then(transport), secure })
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
    use crate::message::Method;

    fn ask(uri: &str, routes: &[&str], hop: Hop) -> Result<Question, StackError> {
        let mut draft = Draft::new(Method::Options, uri.parse().expect("a uri"));
        draft.hop = hop;
        question(&draft, &route::target(uri, routes.iter().copied()))
    }

    fn route(host: &str, port: Option<u16>, transport: Option<Transport>, secure: bool) -> Question {
        Question::Route { host: host.into(), port, transport, secure }
    }

    #[test]
    fn rfc3261_8_1_2_next_hop_is_outbound_proxy_then_route_then_request_uri() {
        let table: [(&str, &[&str], Question); 9] = [
            ("sip:bob@b.example", &[], route("b.example", None, None, false)),
            ("sip:bob@192.0.2.1:5070;transport=tcp", &[], route("192.0.2.1", Some(5070), Some(Transport::Tcp), false)),
            ("sip:bob@[2001:db8::1]", &[], route("2001:db8::1", None, None, false)),
            ("sips:bob@b.example", &[], route("b.example", None, None, true)),
            ("sip:bob@b.example;maddr=192.0.2.9", &[], route("192.0.2.9", None, None, false)),
            ("sip:bob@b", &["<sip:p1:5080;lr>", "<sip:p2;lr>"], route("p1", Some(5080), None, false)),
            ("sip:bob@b", &["<sip:strict>", "<sip:p2;lr>"], route("strict", None, None, false)),
            ("sip:bob@b", &["<sips:p1;lr>"], route("p1", None, None, true)),
            ("sips:bob@b", &["<sip:p1;lr>"], route("p1", None, None, true)),
        ];
        for (uri, routes, expected) in table {
            assert_eq!(ask(uri, routes, Hop::Auto), Ok(expected), "{uri} {routes:?}");
        }
        let proxy = Hop::Uri("sip:out.example;transport=udp".parse().expect("a uri"));
        assert_eq!(ask("sips:b", &["<sip:p1;lr>"], proxy), Ok(route("out.example", None, Some(Transport::Udp), true)));
    }

    #[test]
    fn rfc3261_8_1_2_a_uri_without_a_host_goes_nowhere() {
        assert_eq!(ask("tel:+491234", &[], Hop::Auto), Err(StackError::NoHop));
        assert_eq!(ask("tel:+491234", &["<sip:p;lr>"], Hop::Auto), Ok(route("p", None, None, false)));
    }
}
