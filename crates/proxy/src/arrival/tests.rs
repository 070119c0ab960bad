use bytes::Bytes;
use sip::message::{Limits, Message};

use super::*;

const SECRET: [u8; 16] = [3; 16];

fn request(text: &str) -> Request {
    request_to("<sip:b@b>", text)
}

fn request_to(to: &str, text: &str) -> Request {
    let (start, lines) = text.split_once('\n').unwrap_or((text, ""));
    let method = start.split(' ').next().unwrap_or_default();
    let text = format!(
        "{start} SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\n{lines}From: <sip:a@a>;tag=1\nTo: {to}\nCall-ID: c\nCSeq: 1 {method}\n\n"
    );
    match Message::parse(Bytes::from(text.replace('\n', "\r\n")), &Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn own() -> Own {
    let mut own = Own::new(["home.example".to_owned()]);
    own.reached_at("192.0.2.1:5060".parse().unwrap());
    own
}

/// By UDP, where we are found without a port.
fn origin() -> Origin {
    Origin {
        flow: sip::FlowId(1),
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: "198.51.100.1:5060".parse().unwrap(),
    }
}

fn tokens() -> Tokens {
    Tokens::new(SECRET)
}

fn arrived(text: &str) -> Arrival {
    read(&request(text), &origin(), &own(), &tokens()).unwrap_or_else(|halt| panic!("{halt:?}: {text}"))
}

fn refused(text: &str) -> Box<Reply> {
    match read(&request(text), &origin(), &own(), &tokens()) {
        Err(Halt::Refused(reply)) => reply,
        other => panic!("{other:?}: {text}"),
    }
}

/// What arrives within dialog `c`.
fn arrived_within(text: &str) -> Arrival {
    read(&request_to("<sip:b@b>;tag=2", text), &origin(), &own(), &tokens())
        .unwrap_or_else(|halt| panic!("{halt:?}: {text}"))
}

/// Our Record-Route in dialog `c`.
fn recorded(host: &str) -> String {
    format!("<sip:{host};lr;d={}>", tokens().dialog(request("INVITE sip:b@home.example\n").headers()))
}

#[test]
fn rfc3261_12_2_the_token_of_a_dialog_opens_no_other() {
    let text = |method: &str| format!("{method} sip:anything@gateway.example\nRoute: {}\n", recorded("192.0.2.1"));
    let within = |request: &Request| {
        read(request, &origin(), &own(), &tokens()).map(|arrival| arrival.within).expect("it is read")
    };
    assert!(within(&request_to("<sip:b@b>;tag=2", &text("INVITE"))));
    // From the callee: the tags are the other way round.
    let tags = |from: &str, to: &str, method: &str| {
        let made = format!("{}From: <sip:b@b>{from}\nTo: <sip:a@a>{to}\nCall-ID: c\nCSeq: 1 {method}\n\n", {
            text(method).replacen('\n', " SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\n", 1)
        });
        match Message::parse(Bytes::from(made.replace('\n', "\r\n")), &Limits::default()) {
            Ok(Message::Request(request)) => within(&request),
            other => panic!("{other:?}"),
        }
    };
    assert!(tags(";tag=2", ";tag=1", "BYE"));
    // A new dialog under the same Call-ID, and one of other tags.
    assert!(!tags(";tag=1", "", "INVITE"));
    assert!(!tags(";tag=3", ";tag=2", "INVITE"));
    // Done without a dialog just as well.
    for method in ["MESSAGE", "PUBLISH", "REGISTER", "FROBNICATE"] {
        assert!(!within(&request_to("<sip:b@b>;tag=2", &text(method))), "{method}");
    }
}

#[test]
fn rfc3261_12_2_1_2_who_has_us_in_a_route_without_proof_claims_a_dialog_where_he_can_be_in_one() {
    let (ours, broken) = (recorded("192.0.2.1"), "<sip:192.0.2.1;lr;d=aaaaaaaaaaaaa>");
    for (method, route, expected) in [
        ("BYE", broken, true),
        ("NOTIFY", broken, true),
        ("BYE", "<sip:192.0.2.1;lr;d=aaaaaaaaaaaaa>, <sip:next;lr>", true),
        ("BYE", ours.as_str(), false),
        ("BYE", "<sip:192.0.2.1;lr>", false),
        // Somebody else's, and what is done without a dialog just as well.
        ("BYE", "<sip:10.0.0.1;lr;d=aaaaaaaaaaaaa>", false),
        ("MESSAGE", broken, false),
    ] {
        let text = format!("{method} sip:b@gateway.example\nRoute: {route}\n");
        let arrival = arrived_within(&text);
        assert_eq!(arrival.claimed, expected, "{method} {route}");
        assert!(!arrived(&text).claimed, "{method} {route}: no To tag");
    }
}

#[test]
fn rfc3261_16_3_3_max_forwards_of_zero_goes_no_further() {
    assert_eq!(refused("INVITE sip:b@b\nMax-Forwards: 0\n").code.get(), 483);
    assert_eq!(refused("OPTIONS sip:b@b\nMax-Forwards: 0\n").code.get(), 483);
    assert_eq!(refused("OPTIONS sip:b@home.example\nMax-Forwards: 0\n").code.get(), 483);
    let asked = read(&request("OPTIONS sip:home.example\nMax-Forwards: 0\n"), &origin(), &own(), &tokens());
    assert!(matches!(asked, Err(Halt::Asked)), "{asked:?}");
    assert_eq!(arrived("INVITE sip:b@b\nMax-Forwards: 1\n").hops, 0);
    assert_eq!(arrived("INVITE sip:b@b\nMax-Forwards: 70\n").hops, 69);
    assert_eq!(refused("INVITE sip:b@b\nMax-Forwards: 256\n").code.get(), 400);
}

#[test]
fn rfc3261_16_3_1_what_a_proxy_reads_must_be_well_formed() {
    let fine = "INVITE sip:b@b\nMax-Forwards: 70\nRoute: <sip:next;lr>\nProxy-Require:\nMax-Breadth: 3\n";
    assert_eq!(arrived(fine).hops, 69);
    for (field, broken) in [
        ("sip:b@b", "sip:b@[b"),
        ("Max-Forwards: 70", "Max-Forwards: many"),
        ("Route: <sip:next;lr>", "Route: <sip:next;lr"),
        ("Max-Breadth: 3", "Max-Breadth: wide"),
    ] {
        assert_eq!(refused(&fine.replace(field, broken)).code.get(), 400, "{broken}");
    }
    // What it does not read may be as it likes.
    assert_eq!(arrived(&format!("{fine}Subject\t:\nX-Own: \"\n")).hops, 69);
}

#[test]
fn rfc3261_16_6_3_without_max_forwards_it_is_70() {
    assert_eq!(arrived("INVITE sip:b@b\n").hops, 70);
}

#[test]
fn rfc3261_16_3_2_a_scheme_that_is_not_known_is_refused() {
    assert_eq!(refused("INVITE tel:+4930\n").code.get(), 416);
    assert_eq!(refused("OPTIONS urn:service:sos\n").code.get(), 416);
    assert_eq!(arrived("INVITE tel:+4930\nRoute: <sip:gateway.example;lr>\n").routes, ["<sip:gateway.example;lr>"]);
    // Taking our own Route away leaves nowhere to go.
    assert_eq!(refused("INVITE tel:+4930\nRoute: <sip:home.example;lr>\n").code.get(), 416);
}

#[test]
fn rfc3261_16_3_5_what_a_proxy_must_know_is_refused_with_its_names() {
    let reply = refused("INVITE sip:b@b\nProxy-Require: privacy, sec-agree\n");
    assert_eq!(reply.code.get(), 420);
    assert_eq!(String::from_utf8_lossy(reply.lines.as_bytes()), "Unsupported: privacy, sec-agree\r\n");
    // Require is not for proxies, and what a proxy does not know it passes on.
    assert_eq!(arrived("FROBNICATE sip:b@b\nRequire: nobody-knows\nX-Own: 1\n").hops, 70);
}

#[test]
fn rfc3261_16_3_4_a_request_that_has_been_here_is_a_loop() {
    let fresh = request("INVITE sip:b@b\n");
    let mark = sip::Token::from_u64(tokens().mark(&fresh));
    let back = |uri: &str| format!("INVITE {uri}\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx.{mark}\n");
    assert_eq!(refused(&back("sip:b@b")).code.get(), 482);
    // A spiral is none: it comes back for another target.
    assert!(!arrived(&back("sip:c@b")).ours);
}

#[test]
fn rfc3261_16_3_too_many_hops_are_not_looked_at() {
    let many = |name: &str, value: &str, count: usize| format!("{name}: {value}\n").repeat(count);
    assert_eq!(
        refused(&format!("INVITE sip:b@b\n{}", many("Via", "SIP/2.0/UDP x;branch=z9hG4bK", 70))).code.get(),
        483
    );
    assert_eq!(refused(&format!("INVITE sip:b@b\n{}", many("Route", "<sip:x;lr>", 71))).code.get(), 483);
    let list = vec!["<sip:x;lr>"; 71].join(",");
    assert_eq!(refused(&format!("INVITE sip:b@b\nRoute: {list}\n")).code.get(), 483);
    assert_eq!(arrived(&format!("INVITE sip:b@b\n{}", many("Route", "<sip:x;lr>", 70))).routes.len(), 70);
}

#[test]
fn rfc3261_16_4_our_own_value_comes_off_the_route() {
    for (routes, left, ours, within) in [
        ("<sip:home.example;lr>".to_owned(), vec![], true, false),
        ("<sip:192.0.2.1;lr>, <sip:next;lr>".to_owned(), vec!["<sip:next;lr>"], false, false),
        ("<sip:next;lr>, <sip:192.0.2.1;lr>".to_owned(), vec!["<sip:next;lr>", "<sip:192.0.2.1;lr>"], false, false),
        (recorded("192.0.2.1"), vec![], true, true),
        // Both our sides, whatever address we wrote then.
        (
            format!("{}, {}, <sip:next;lr>", recorded("10.0.0.1"), recorded("192.0.2.1")),
            vec!["<sip:next;lr>"],
            false,
            true,
        ),
        // Not of this dialog, and not our address: somebody else's.
        ("<sip:10.0.0.1;lr;d=aaaaaaaaaaaaa>".to_owned(), vec!["<sip:10.0.0.1;lr;d=aaaaaaaaaaaaa>"], false, false),
        ("<sip:192.0.2.1;lr;d=aaaaaaaaaaaaa>".to_owned(), vec![], true, false),
    ] {
        let arrival = arrived_within(&format!("BYE sip:b@home.example\nRoute: {routes}\n"));
        assert_eq!(
            (arrival.routes, arrival.ours, arrival.within),
            (left.into_iter().map(str::to_owned).collect(), ours, within),
            "{routes}"
        );
    }
}

#[test]
fn rfc3261_16_4_a_strict_router_before_us_is_undone() {
    let ours = recorded("192.0.2.1");
    let uri = ours.trim_matches(['<', '>']);
    let arrival = arrived_within(&format!("BYE {uri}\nRoute: <sip:next;lr>, <sip:b@device.example>\n"));
    assert_eq!(arrival.uri.as_str(), "sip:b@device.example");
    assert_eq!(arrival.routes, ["<sip:next;lr>"]);
    assert!(arrival.within);
    // RFC 3261 section 16.12.1.2: an address of ours that we have not put there stays the Request-URI.
    assert_eq!(arrived("BYE sip:192.0.2.1\nRoute: <sip:b@device.example>\n").uri.as_str(), "sip:192.0.2.1");
}

#[test]
fn rfc3261_16_4_our_own_maddr_is_taken_away() {
    for (uri, expected, ours) in [
        (
            "sip:b@home.example:5070;maddr=192.0.2.1;transport=tcp;x=1",
            "sip:b@home.example:5070;maddr=192.0.2.1;transport=tcp;x=1",
            false,
        ),
        ("sip:b@home.example;maddr=192.0.2.1;transport=udp;x=1", "sip:b@home.example;x=1", true),
        // The user part stays as it is.
        ("sip:b;transport=1;y@home.example;maddr=192.0.2.1;x=1", "sip:b;transport=1;y@home.example;x=1", true),
        ("sip:home.example:5060@home.example:5060;maddr=192.0.2.1", "sip:home.example:5060@home.example", true),
        // It came by UDP to port 5060.
        (
            "sip:b@home.example;maddr=192.0.2.1;transport=tcp;x=1",
            "sip:b@home.example;maddr=192.0.2.1;transport=tcp;x=1",
            false,
        ),
        ("sips:b@home.example;maddr=192.0.2.1", "sips:b@home.example;maddr=192.0.2.1", false),
        ("sip:b@home.example:5060;maddr=192.0.2.1", "sip:b@home.example", true),
        ("sip:b@home.example;maddr=192.0.2.9", "sip:b@home.example;maddr=192.0.2.9", false),
    ] {
        let arrival = arrived(&format!("INVITE {uri}\n"));
        assert_eq!((arrival.uri.as_str(), arrival.ours), (expected, ours), "{uri}");
    }
}

#[test]
fn rfc3261_16_5_a_foreign_uri_is_its_own_target() {
    assert!(!arrived("INVITE sip:b@elsewhere.example\n").ours);
    assert!(arrived("INVITE sip:b@home.example\n").ours);
    assert!(arrived("INVITE sip:b@192.0.2.1\n").ours);
}

#[test]
fn rfc5626_5_3_our_flow_token_names_the_way() {
    let flow = sip::Path {
        flow: sip::FlowId(7),
        transport: sip::Transport::Tcp,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: "198.51.100.7:40000".parse().unwrap(),
    };
    let token = tokens().side(&flow);
    let value = |host: &str| recorded(host).replace("sip:", &format!("sip:{token}@"));
    let arrival = arrived_within(&format!("BYE sip:b@10.0.0.1;transport=tcp\nRoute: {}\n", value("192.0.2.1")));
    assert_eq!((arrival.flow, arrival.within, arrival.ours), (Some(flow), true, false));
    // Of both our values the last one is that of the side where the request goes to.
    let both = format!("{}, {}", value("192.0.2.1"), recorded("192.0.2.1"));
    assert_eq!(arrived_within(&format!("BYE sip:b@10.0.0.1\nRoute: {both}\n")).flow, None);
    let both = format!("{}, {}", recorded("192.0.2.1"), value("192.0.2.1"));
    assert_eq!(arrived_within(&format!("BYE sip:b@10.0.0.1\nRoute: {both}\n")).flow, Some(flow));
    // It is good for its dialog alone; the token of a Path is for whoever brings it.
    let other = arrived(&format!("BYE sip:b@10.0.0.1\nRoute: {}\n", value("192.0.2.1")));
    assert_eq!((other.flow, other.within, other.registered), (None, false, false));
    let path = format!("<sip:{}@192.0.2.9;lr>", tokens().flow(&flow));
    let through = arrived(&format!("INVITE sip:b@10.0.0.1\nRoute: {path}\n"));
    assert_eq!((through.flow, through.within, through.registered), (Some(flow), false, true));
    // Behind it stands another proxy.
    assert_eq!(arrived_within(&format!("BYE sip:b@10.0.0.1\nRoute: {both}, <sip:next;lr>\n")).flow, None);
}

#[test]
fn rfc5393_5_3_3_max_breadth_is_read_or_60() {
    assert_eq!(arrived("INVITE sip:b@b\n").breadth, 60);
    assert_eq!(arrived("INVITE sip:b@b\nMax-Breadth: 3\n").breadth, 3);
    for wrong in ["0", "-1", "x", "99999999999", "1;a=b"] {
        assert_eq!(refused(&format!("INVITE sip:b@b\nMax-Breadth: {wrong}\n")).code.get(), 400, "{wrong}");
    }
}
