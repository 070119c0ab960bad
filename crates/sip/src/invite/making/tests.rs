//! Which way a dialog's requests go.

use super::*;
use crate::id::FlowId;

#[test]
fn rfc5923_1_over_tls_the_peer_is_who_names_its_address() {
    let origin = |transport| Path {
        flow: FlowId(7),
        transport,
        local: "192.0.2.1:5061".parse().unwrap(),
        remote: "192.0.2.9:40000".parse().unwrap(),
    };
    let (tls, tcp) = (origin(Transport::Tls), origin(Transport::Tcp));
    for (target, first, expected) in [
        ("sip:x@192.0.2.9:5061;transport=tls", None, true),
        ("sips:x@192.0.2.9", None, true),
        ("sips:x@192.0.2.8", None, false),
        ("sips:x@phone.example", None, false),
        ("sips:x@192.0.2.9", Some("<sips:192.0.2.9:40000;lr>"), true),
        ("sips:x@10.0.0.1", Some("<sip:192.0.2.9:40000;transport=tls;lr>"), true),
        ("sips:x@192.0.2.9", Some("<sips:192.0.2.9;lr>"), false),
        ("sips:x@192.0.2.9:40000", Some("<sips:proxy.example;lr>"), false),
    ] {
        let expected = expected.then_some(tls);
        assert_eq!(only_path(target.as_bytes(), first, &tls, false), expected, "{target} {first:?}");
        assert_eq!(only_path(target.as_bytes(), first, &tcp, false), None, "{target} {first:?}: TCP as ever");
    }
}

#[test]
fn rfc7118_5_a_websocket_is_the_way_whatever_is_named() {
    let origin = |transport| Path {
        flow: FlowId(7),
        transport,
        local: "192.0.2.1:40000".parse().unwrap(),
        remote: "192.0.2.9:8080".parse().unwrap(),
    };
    for (target, first) in [
        ("sip:x@df7jal23ls0d.invalid;transport=ws", None),
        ("sip:x@192.0.2.8", None),
        ("sip:x@192.0.2.8", Some("<sip:192.0.2.9:8080;transport=ws;lr>")),
        ("sip:x@192.0.2.8", Some("<sip:proxy.example:443;transport=ws;lr>")),
    ] {
        for path in [Transport::Ws, Transport::Wss].map(origin) {
            assert_eq!(only_path(target.as_bytes(), first, &path, false), Some(path), "{target} {first:?}");
        }
    }
}

#[test]
fn rfc3261_12_1_what_began_by_sips_goes_on_over_tls() {
    let hop = |target: &str, routes: &[&str]| {
        let mut draft = Draft::new(Method::Bye, target.parse().unwrap());
        draft.routes = routes.iter().map(|route| (*route).to_owned()).collect();
        match secured(&draft) {
            Hop::Uri(uri) => uri.to_string(),
            _ => String::new(),
        }
    };
    assert_eq!(hop("sips:a@h", &[]), "", "as it says itself");
    assert_eq!(hop("sip:a@h:5080", &[]), "sips:a@h:5080");
    assert_eq!(hop("sips:a@h", &["<sip:p;lr>", "<sips:q;lr>"]), "sips:p;lr");
    assert_eq!(hop("sip:a@h", &["<sips:p;lr>"]), "");
}

#[test]
fn rfc5923_8_2_a_dialog_along_the_connection_of_its_peer_leads_where_that_is_reached() {
    let resolved = Path {
        flow: FlowId(7),
        transport: Transport::Tls,
        local: "192.0.2.1:5061".parse().unwrap(),
        remote: "192.0.2.9:5061".parse().unwrap(),
    };
    let theirs = Path { remote: "192.0.2.9:49160".parse().unwrap(), ..resolved };
    let elsewhere = Path { flow: FlowId(8), ..theirs };
    let mut draft = Draft::new(Method::Invite, "sips:b@peer.example.com".parse().unwrap());
    (draft.from, draft.to) = ("<sip:a@192.0.2.1>;tag=a".to_owned(), "<sip:b@peer.example.com>".to_owned());
    draft.call_id = "c".to_owned();
    let (remote_tag, path) = ("b".to_owned(), Some(resolved));
    let record = Record { remote_tag, path, phase: Phase::Confirmed, ..template(&draft) };
    for (origin, expected) in [(theirs, resolved), (resolved, resolved), (elsewhere, elsewhere)] {
        let mut dialog = Dialog::from_record(&record).unwrap();
        refresh(&mut dialog, Some("sips:b@192.0.2.9".to_owned()), &origin, Reach::ByContact);
        assert_eq!(dialog.path(), Some(expected), "{origin:?}");
    }
}
