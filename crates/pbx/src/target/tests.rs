//! Who may be called by `sips`, and who by `sip`.

use sip::{FlowId, Path};

use super::*;
use crate::config::Trust;

fn target(uri: &str, transport: Option<Transport>) -> Target {
    let address = "192.0.2.1:5061".parse().unwrap();
    let path = |transport| Hop::Path(Path { flow: FlowId(1), transport, local: address, remote: address });
    Target {
        uri: uri.parse().unwrap(),
        routes: Vec::new(),
        hop: transport.map_or(Hop::Auto, path),
        ours: None,
        features: String::new(),
        q: 1_000,
        instance: None,
        owner: None,
        flows: Vec::new(),
    }
}

fn uris(targets: Vec<Target>, secure: bool) -> Result<Vec<String>, Box<Reply>> {
    of_request(targets, secure).map(|all| all.into_iter().map(|one| one.uri.to_string()).collect())
}

#[test]
fn rfc5630_4_what_is_addressed_by_sips_goes_only_to_who_registered_by_sips_over_tls() {
    let devices = || {
        vec![
            target("sips:a@h1", Some(Transport::Tls)),
            target("sip:b@h2;transport=tls", Some(Transport::Tls)),
            target("sip:c@h3", Some(Transport::Udp)),
            target("sips:d@h4", Some(Transport::Udp)),
            target("sips:e@h5", None),
        ]
    };
    assert_eq!(uris(devices(), true).unwrap(), ["sips:a@h1", "sips:e@h5"]);
    let refused = of_request(devices()[1..4].to_vec(), true).unwrap_err();
    assert_eq!(refused.code, StatusCode::TEMPORARILY_UNAVAILABLE);
    let warning = refused.lines.iter().any(|line| line.1.starts_with(b"380 "));
    assert!(warning, "{refused:?}");
    let offline = of_request(Vec::new(), true).unwrap_err();
    assert!(offline.lines.is_empty(), "{offline:?}");
}

#[test]
fn rfc5630_4_what_is_addressed_by_sip_reaches_all_and_pretends_nothing() {
    let devices = vec![
        target("sips:a@h1", Some(Transport::Tls)),
        target("sip:c@h3", Some(Transport::Udp)),
        target("sips:e@h5", None),
    ];
    let reached = of_request(devices, false).unwrap();
    let uris: Vec<&str> = reached.iter().map(|one| one.uri.as_str()).collect();
    assert_eq!(uris, ["sip:a@h1", "sip:c@h3", "sip:e@h5"]);
    assert!(matches!(reached[0].hop, Hop::Path(path) if path.transport == Transport::Tls));
    assert!(matches!(&reached[2].hop, Hop::Uri(uri) if uri.as_str() == "sips:e@h5"), "the way stays TLS");
}

/// The device that has registered this contact from 192.0.2.1:8080, after a restart.
fn after_restart(transport: Transport, contact: &str) -> Option<Target> {
    {
        let text = format!(
            "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/{} a.invalid;branch=z9hG4bK1\r\nTo: <sip:a@h>\r\nFrom: <sip:a@h>;tag=1\r\n\
             Call-ID: 1\r\nCSeq: 1 REGISTER\r\nContact: <{contact}>\r\nContent-Length: 0\r\n\r\n",
            transport.as_str()
        );
        let request = match sip::message::Message::parse(text.into(), &sip::message::Limits::default()) {
            Ok(sip::message::Message::Request(request)) => request,
            other => panic!("{other:?}"),
        };
        let address = "192.0.2.1:8080".parse().unwrap();
        let mut registrar = proxy::Registrar::new(proxy::RegistrarConfig::default(), [0; 16]);
        let (now, origin) = (sip::Now::default(), Path { flow: FLOW_GONE, transport, local: address, remote: address });
        registrar.handle(now, &request, None, &origin);
        let bindings = registrar.location().lookup(now, "sip:a@h");
        assert_eq!(bindings.len(), 1);
        Target::of(&bindings[0])
    }
}

/// Whom we trust is said by addresses: that of the next hop, whatever a device calls itself.
#[test]
fn rfc3325_5_the_next_hop_after_a_restart_is_where_a_device_registered_from() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let target = after_restart(transport, "sip:a@198.51.100.9").unwrap();
        assert!(matches!(&target.hop, Hop::Uri(uri) if uri.as_uri().host_text() == "192.0.2.1"), "{:?}", target.hop);
        assert_eq!(target.next_hop(), Some([192, 0, 2, 1].into()), "{transport:?}");
    }
    // Over TLS it is looked for by its contact.
    assert_eq!(after_restart(Transport::Tls, "sip:a@198.51.100.9").unwrap().next_hop(), Some([198, 51, 100, 9].into()));
}

#[test]
fn rfc7118_5_a_device_behind_a_websocket_is_gone_with_a_restart() {
    for transport in [Transport::Ws, Transport::Wss] {
        assert!(after_restart(transport, "sip:a@df7jal23ls0d.invalid;transport=ws").is_none());
    }
    let hop = after_restart(Transport::Tcp, "sip:a@192.0.2.1").map(|target| target.hop);
    assert!(matches!(hop, Some(Hop::Uri(_))));
}

#[test]
fn rfc3428_8_only_a_connection_without_a_proxy_is_known_to_be_a_stream_on_the_whole_way() {
    let of = |transport| target("sip:a@h", transport).is_by_stream();
    assert!(of(Some(Transport::Tcp)) && of(Some(Transport::Tls)));
    assert!(!of(Some(Transport::Udp)) && !of(None));
    let behind =
        Target { routes: vec!["<sip:edge.example.com;lr>".to_owned()], ..target("sip:a@h", Some(Transport::Tcp)) };
    assert!(!behind.is_by_stream());
}

#[test]
fn rfc3325_5_each_flow_of_a_device_is_trusted_or_not_by_where_it_leads() {
    let by = |proxy: &str| Target { routes: vec![format!("<sip:{proxy};lr>")], ..target("sip:a@h", None) };
    let device = || Target { flows: vec![by("192.0.2.2"), by("192.0.2.3")], ..by("192.0.2.1") };
    let trusted = |trusts: &dyn Fn(&Target) -> bool| {
        let passed = device().into_pass(&trusts);
        let flows: Vec<bool> = passed.flows.iter().map(|flow| flow.trusted).collect();
        (passed.trusted, flows)
    };
    let second = |one: &Target| one.next_hop() == "192.0.2.2".parse().ok();
    assert_eq!(trusted(&second), (false, vec![true, false]));
    assert_eq!(trusted(&|_| true), (true, vec![true, true]), "whose user is trusted by all of them");
    assert_eq!(trusted(&|_| false), (false, vec![false, false]));
}

#[test]
fn rfc3325_12_over_tls_alone_means_that_nothing_else_leads_there() {
    let networks = vec![net::Network::read("192.0.2.0/24").unwrap()];
    let [open, closed] = [false, true].map(|tls| Trust { networks: networks.clone(), tls, ..Trust::default() });
    let behind = |route: &str| Target { routes: vec![route.to_owned()], ..target("sips:a@192.0.2.1", None) };
    let by = |proxy: &str| Target { hop: Hop::Uri(proxy.parse().unwrap()), ..target("sips:a@192.0.2.1", None) };
    for (target, is_safe) in [
        (target("sip:a@h", Some(Transport::Tls)), true),
        (target("sip:a@h", Some(Transport::Wss)), true),
        (target("sips:a@h", Some(Transport::Udp)), false),
        (target("sips:a@192.0.2.1", None), true),
        (target("sip:a@192.0.2.1;transport=TLS", None), true),
        (target("sip:a@192.0.2.1", None), false),
        (behind("<sips:192.0.2.2;lr>"), true),
        (behind("<sip:192.0.2.2;transport=tls;lr>"), true),
        (behind("<sip:192.0.2.2;lr>"), false),
        (by("sips:192.0.2.3"), true),
        (by("sip:192.0.2.3;transport=tcp"), false),
    ] {
        assert!(open.reaches(false, &target), "{target:?}");
        assert_eq!((closed.reaches(false, &target), closed.reaches(true, &target)), (is_safe, is_safe), "{target:?}");
    }
}

#[test]
fn rfc3325_5_the_next_hop_is_where_a_maddr_leads() {
    for (maddr, leads_to) in
        [("198.51.100.66", "198.51.100.66".parse().ok()), ("name.example", None), ("no*host", None)]
    {
        let named = format!("sip:a@192.0.2.9;lr;maddr={maddr}");
        let contact = target(&named, None);
        let route = Target { routes: vec![format!("<{named}>")], ..target("sip:a@192.0.2.9", None) };
        let hop = Target { hop: Hop::Uri(named.parse().unwrap()), ..target("sip:a@192.0.2.9", None) };
        for (what, one) in [("Contact", contact), ("Route", route), ("Hop::Uri", hop)] {
            assert_eq!(one.next_hop(), leads_to, "{what} {maddr}");
        }
    }
}

/// Which was refreshed last is said by the order that devices and their flows come in.
#[test]
fn rfc3261_16_11_which_device_and_flow_a_call_goes_to_does_not_depend_on_who_was_refreshed_last() {
    let one = |name: &str, instance: &str, q: u16, features: &str| Target {
        instance: Some(instance.to_owned()),
        q,
        features: features.to_owned(),
        ..target(&format!("sip:{name}@h"), None)
    };
    let lots = sip::TextHash::new([1; 16]);
    let first = |targets: Vec<Target>, call: &str| {
        let lot = |texts: &[&str]| lots.of_all([call].iter().chain(texts).map(|text| text.as_bytes()));
        standing(by_instance(targets), lot)[0].clone()
    };
    let flows = || vec![one("a", "A", 1_000, ";reg-id=1"), one("a", "A", 1_000, ";reg-id=2"), one("b", "B", 1_000, "")];
    let reversed = || flows().into_iter().rev().collect::<Vec<_>>();
    let calls: Vec<String> = (0..64).map(|call| call.to_string()).collect();
    let chosen = |targets: &dyn Fn() -> Vec<Target>| -> Vec<(String, String)> {
        let each = calls.iter().map(|call| first(targets(), call));
        each.map(|target| (target.uri.to_string(), target.features)).collect()
    };
    assert_eq!(chosen(&flows), chosen(&reversed));
    for each in flows() {
        assert!(chosen(&flows).contains(&(each.uri.to_string(), each.features)), "each has its calls");
    }
    // A preference counts before any lot, and who has moved is where he is now.
    let preferred = || vec![one("a", "A", 500, ""), one("b", "B", 600, "")];
    assert!(chosen(&preferred).iter().all(|(uri, _)| uri == "sip:b@h"));
    let moved = || vec![one("new", "A", 1_000, ""), one("old", "A", 1_000, "")];
    assert!(chosen(&moved).iter().all(|(uri, _)| uri == "sip:new@h"));
}
