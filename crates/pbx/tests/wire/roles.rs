//! The server as a proxy, a redirect server, and a registrar alone.

mod over;
mod subscriptions;

use std::net::SocketAddr;

use pbx::{Authenticate, Config, ProxyRules, RegisterConfig, Role, Running};
use proxy::Nat;
use sip::message::{HeaderId, Method, Response};

use crate::phone::Phone;
use crate::setup::{config, nothing_left, phone, start};

/// One that serves the domain of the phones.
fn serving(role: Role) -> Config {
    Config { role, domains: vec!["127.0.0.1".to_owned()], ..config() }
}

/// With transactions in one loop and in several, and without.
const PROXIES: [(Role, u8); 3] = [(Role::Proxy, 1), (Role::Proxy, 4), (Role::Stateless, 1)];

/// With two registered phones.
fn with_two(config: Config) -> (Running, Phone, Phone) {
    let (running, address) = start(config);
    let mut phones = ["1001", "1002"].map(|name| phone(address, name));
    phones.iter_mut().for_each(|phone| assert_eq!(phone.register(120).code().get(), 200));
    let [caller, callee] = phones;
    (running, caller, callee)
}

/// The Route of the caller's requests within a dialog that a response makes (RFC 3261 section 12.1.2).
pub(crate) fn route(response: &Response) -> String {
    let mut values: Vec<_> = response.headers().all(HeaderId::RecordRoute).map(|one| one.text().into_owned()).collect();
    values.reverse();
    format!("Route: {}\r\n", values.join(", "))
}

fn uri(number: &str, server: SocketAddr) -> String {
    format!("sip:{number}@127.0.0.1:{}", server.port())
}

#[test]
fn rfc3261_16_2_two_phones_call_each_other_through_the_proxy() {
    for (role, shards) in PROXIES {
        let (running, mut caller, mut callee) = with_two(Config { shards, ..serving(role) });
        let (invite, dialog) = std::thread::scope(|scope| {
            let rings = scope.spawn(|| {
                let invite = callee.request(Method::Invite);
                callee.respond(&invite, 180, None);
                invite
            });
            let (dialog, response) = caller.call("1002", None);
            assert_eq!(response.code().get(), 180);
            (rings.join().unwrap(), dialog)
        });
        assert_eq!(invite.uri_text(), callee.contact().trim_matches(['<', '>']));
        assert_eq!(invite.headers().count(HeaderId::Via), 2);
        assert!(!invite.headers().has(HeaderId::ProxyAuthorization), "the credentials were for us");
        let records: Vec<_> = invite.headers().all(HeaderId::RecordRoute).map(|one| one.text().into_owned()).collect();
        let echoed: String = records.iter().map(|one| format!("Record-Route: {one}\r\n")).collect();
        callee.respond_with(&invite, 200, &echoed, None);
        let answer = caller.final_response(&dialog.branch);
        assert_eq!(answer.code().get(), 200);
        assert_eq!(answer.headers().count(HeaderId::Via), 1);
        caller.extra = route(&answer);
        let text = |method: &str, branch: &str, cseq: u32, extra: &str, port: u16| {
            let (from, to) =
                (invite.headers().text(HeaderId::From).unwrap(), answer.headers().text(HeaderId::To).unwrap());
            format!(
                "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\nFrom: {from}\r\n\
                 To: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{extra}Content-Length: 0\r\n\r\n",
                target = invite.uri_text(),
                call_id = invite.headers().call_id(),
            )
        };
        caller.send(&text("ACK", "ack", 1, &caller.extra, caller.port()));
        assert!(!callee.request(Method::Ack).headers().has(HeaderId::Route));
        caller.send(&text("BYE", "bye", 2, &caller.extra, caller.port()));
        let bye = callee.request(Method::Bye);
        assert_eq!(bye.headers().count(HeaderId::Via), 2, "through the proxy");
        callee.respond(&bye, 200, None);
        assert_eq!(caller.final_response("z9hG4bKbye").code().get(), 200);
        caller.extra.clear();
        nothing_left(&running);
    }
}

#[test]
fn rfc3261_16_10_a_caller_gives_up_through_the_proxy() {
    for (role, shards) in PROXIES {
        let (running, mut caller, mut callee) = with_two(Config { shards, ..serving(role) });
        std::thread::scope(|scope| {
            let rings = scope.spawn(|| callee.rings_in_vain());
            let (dialog, response) = caller.call("1002", None);
            assert_eq!(response.code().get(), 180);
            caller.cancel(&dialog);
            let terminated = caller.final_response(&dialog.branch);
            let terminated = if terminated.code().get() == 200 { caller.wait_for_code(487) } else { terminated };
            assert_eq!(terminated.code().get(), 487);
            caller.ack(&dialog, terminated.headers(), true, None);
            rings.join().unwrap();
        });
        nothing_left(&running);
    }
}

#[test]
fn rfc3261_16_3_6_nobody_is_passed_on_without_showing_who_he_is() {
    for role in [Role::Proxy, Role::Stateless] {
        nobody_is_passed_on_unknown(role);
    }
}

fn nobody_is_passed_on_unknown(role: Role) {
    let (running, mut caller, mut callee) = with_two(serving(role));
    let foreign = "sip:somebody@198.51.100.1";
    // In the name of one of ours.
    let refused =
        |caller: &mut Phone, target: &str| caller.ask_plain("MESSAGE", target, target, None, &[]).1.code().get();
    let ours = uri("1002", caller.server);
    assert_eq!(refused(&mut caller, &ours), 407);
    assert_eq!(refused(&mut caller, foreign), 407);
    // A wrong password, and the name of another.
    let mut thief = Phone::new(caller.server, "1001", "guessed");
    assert_eq!(thief.ask("MESSAGE", &uri("1002", caller.server), "sip:1002@127.0.0.1", None).1.code().get(), 403);
    thief = phone(caller.server, "1001");
    thief.says = "1003".to_owned();
    assert_eq!(thief.ask("MESSAGE", &uri("1002", caller.server), "sip:1002@127.0.0.1", None).1.code().get(), 403);
    assert!(callee.hears_no(&Method::Message));
    // Ours in a Route changes nothing.
    caller.extra = format!("Route: <sip:127.0.0.1:{};lr;d=aaaaaaaaaaaaa>\r\n", caller.server.port());
    assert_eq!(refused(&mut caller, foreign), 407);
    caller.extra.clear();
    nothing_left(&running);
}

/// Where only who says that he is one of ours is asked for credentials.
fn asking_ours(role: Role) -> Config {
    Config { proxy: ProxyRules { authenticate: Authenticate::Own, ..ProxyRules::default() }, ..serving(role) }
}

#[test]
fn rfc3261_16_3_6_a_token_that_we_gave_is_good_for_its_dialog_alone() {
    let (running, mut stranger, mut callee) = with_two(asking_ours(Role::Proxy));
    let mut gateway = phone(stranger.server, "gateway");
    let target = format!("sip:00900@127.0.0.1:{}", gateway.port());
    let dialog = {
        let uri = uri("1002", stranger.server);
        let text = stranger.draft("INVITE", &uri, "sip:1002@127.0.0.1", None, &[]);
        stranger.send(&text.replace("From: <sip:1001@127.0.0.1>", "From: <sip:s@198.51.100.1>"));
        let invite = callee.request(Method::Invite);
        let record: String = invite
            .headers()
            .all(HeaderId::RecordRoute)
            .map(|one| format!("Record-Route: {}\r\n", one.text()))
            .collect();
        callee.respond_with(&invite, 180, &record, None);
        let rings = stranger.wait_for_code(180);
        // The value for the callee's side would lead to him.
        let inward = route(&rings);
        stranger.extra = format!("{}\r\n", inward.split(", ").next().unwrap().trim_end());
        callee.respond(&invite, 486, None);
        stranger.wait_for_code(486);
        let text = |id| rings.headers().text(id).unwrap().into_owned();
        (text(HeaderId::CallId), text(HeaderId::From), text(HeaderId::To))
    };
    let (call_id, from, to) = &dialog;
    let tag = |value: &str| value.split(";tag=").nth(1).unwrap().to_owned();
    let mut asked = |method: &str, from: &str, to: &str| {
        let text = stranger.draft(method, &target, &target, None, &[]);
        let (head, rest) = text.split_once("From: ").unwrap();
        let rest = rest.split_once("CSeq: ").unwrap().1;
        let branch = head.split("branch=").nth(1).unwrap().split(';').next().unwrap().to_owned();
        stranger.send(&format!("{head}From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: 9{rest}"));
        stranger.response(&branch).code().get()
    };
    let ours = |tag: &str| format!("<sip:1001@127.0.0.1>;tag={tag}");
    // A new dialog, one with other tags, and what needs none.
    assert_eq!(asked("INVITE", &ours(&tag(from)), "<sip:1002@127.0.0.1>"), 407);
    assert_eq!(asked("INVITE", &ours("other"), to), 407);
    assert_eq!(asked("MESSAGE", &ours(&tag(from)), to), 407);
    // What is of the dialog goes where it says.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let bye = gateway.request(Method::Bye);
            gateway.respond(&bye, 481, None);
        });
        assert_eq!(asked("BYE", from, to), 481);
    });
    stranger.extra.clear();
    nothing_left(&running);
}

#[test]
fn rfc3261_16_3_6_a_port_in_from_makes_nobody_a_stranger() {
    let (running, mut caller, mut callee) = with_two(asking_ours(Role::Proxy));
    let target = uri("1002", caller.server);
    for from in ["sip:1001@127.0.0.1:9", "sips:1001@127.0.0.1"] {
        let text = caller.draft("MESSAGE", &target, "sip:1002@127.0.0.1", None, &[]);
        caller.send(&text.replace("From: <sip:1001@127.0.0.1>", &format!("From: <{from}>")));
        caller.wait_for_code(407);
    }
    assert!(callee.hears_no(&Method::Message));
    nothing_left(&running);
}

/// Where one domain is passed on, a Route through us changes nothing for those that are not.
#[test]
fn rfc3261_16_4_a_route_through_us_does_not_lead_around_the_pbx() {
    let roles = [("p.example".to_owned(), Role::Proxy)].into();
    let proxy = ProxyRules { authenticate: Authenticate::Own, ..ProxyRules::default() };
    let (running, mut caller, mut callee) = with_two(Config { roles, proxy, ..config() });
    caller.extra = format!("Route: <sip:127.0.0.1:{};lr>\r\n", caller.server.port());
    let target = uri("1002", caller.server);
    let text = caller.draft("INVITE", &target, "sip:1002@127.0.0.1", None, &[]);
    caller.send(&text.replace("From: <sip:1001@127.0.0.1>", "From: <sip:s@198.51.100.1>"));
    let challenge = caller.wait("an answer", |message| {
        matches!(message, sip::message::Message::Response(response) if response.code().get() > 100)
            .then(|| message.clone())
    });
    assert!(matches!(challenge, sip::message::Message::Response(response) if response.code().get() == 401));
    // A phone whose outbound proxy we are reaches what only the PBX has.
    let (_, options) = caller.ask_plain("OPTIONS", &uri("600", caller.server), "sip:600@127.0.0.1", None, &[]);
    assert!(options.headers().text(HeaderId::Allow).is_some_and(|allow| allow.contains("INVITE")), "{options:?}");
    // The proxied domain is passed on all the same.
    std::thread::scope(|scope| {
        scope.spawn(|| callee.refuses(486, ""));
        let (_, busy) = caller.ask("INVITE", "sip:1002@p.example", "sip:1002@p.example", None);
        assert_eq!(busy.code().get(), 486);
    });
    caller.extra.clear();
    assert!(callee.hears_no(&Method::Invite));
    nothing_left(&running);
}

#[test]
fn strangers_reach_our_users_and_nobody_else() {
    for role in [Role::Proxy, Role::Stateless] {
        strangers_reach_ours_alone(role);
    }
}

fn strangers_reach_ours_alone(role: Role) {
    let rules = ProxyRules { authenticate: Authenticate::Off, ..ProxyRules::default() };
    let (running, mut caller, mut callee) = with_two(Config { proxy: rules, ..serving(role) });
    let foreign = caller.ask_plain("MESSAGE", "sip:somebody@198.51.100.1", "sip:somebody@198.51.100.1", None, &[]);
    assert_eq!(foreign.1.code().get(), 403);
    let target = uri("1002", caller.server);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let message = callee.request(Method::Message);
            callee.respond(&message, 200, None);
        });
        assert_eq!(caller.ask_plain("MESSAGE", &target, "sip:1002@127.0.0.1", None, &[]).1.code().get(), 200);
    });
    let none = |caller: &mut Phone, number| {
        let uri = uri(number, caller.server);
        caller.ask_plain("MESSAGE", &uri, "sip:x@127.0.0.1", None, &[]).1
    };
    assert_eq!(none(&mut caller, "999").code().get(), 404);
    assert_eq!(none(&mut caller, "1003").code().get(), 480);
    nothing_left(&running);
}

/// Nobody can be asked for credentials on an ACK or a CANCEL, and without a transaction nothing is known of its INVITE.
#[test]
fn rfc3261_16_11_an_ack_or_cancel_leads_to_others_only_from_where_a_user_has_registered() {
    let path = "Supported: path\r\nPath: <sip:192.0.2.9;lr>\r\n";
    // By the way that it came, by its Contact, and by a Path: where requests to the user go does not matter.
    for (via, nat, agent) in
        [(";rport", Nat::Auto, ""), ("", Nat::Auto, ""), (";rport", Nat::Never, ""), (";rport", Nat::Auto, path)]
    {
        let register = RegisterConfig { nat, ..config().register };
        let (running, address) = start(Config { register, ..serving(Role::Stateless) });
        let mut caller = phone(address, "1001");
        (caller.via, caller.agent) = (via, agent.to_owned());
        assert_eq!(caller.register(120).code().get(), 200);
        for method in ["ACK", "CANCEL"] {
            leads_to_others_from_home(&mut caller, method);
        }
        nothing_left(&running);
    }
}

/// 1001 has registered, from 127.0.0.1.
fn leads_to_others_from_home(caller: &mut Phone, method: &str) {
    let other = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    other.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    let (uri, port) = (format!("sip:x@{}", other.local_addr().unwrap()), caller.port());
    let stray = |from: &str, call_id: &str| {
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{call_id};rport\r\nMax-Forwards: 70\r\n\
             From: <{from}>;tag=1\r\nTo: <sip:x@x.invalid>;tag=2\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n\
             Content-Length: 0\r\n\r\n"
        )
    };
    let first_is = |call_id: &str| {
        let mut page = [0; 2_000];
        let count = other.recv(&mut page).unwrap();
        let text = String::from_utf8_lossy(&page[..count]);
        assert!(text.contains(&format!("\r\nCall-ID: {call_id}\r\n")), "the first that comes: {text}");
    };
    // A stranger sends from 127.0.0.2. A caller may be anonymous, and a gateway says who calls it.
    let stranger = std::net::UdpSocket::bind("127.0.0.2:0").unwrap();
    for from in ["sip:1001@127.0.0.1", "sip:anonymous@anonymous.invalid", "sip:+4930123@127.0.0.1", "tel:+4930123"] {
        stranger.send_to(stray(from, "stranger").as_bytes(), caller.server).unwrap();
        caller.send(&stray(from, "at-home"));
        first_is("at-home");
    }
    // Where he has been before he is no more at home than others.
    assert_eq!(caller.register(0).code().get(), 200);
    caller.send(&stray("sip:1001@127.0.0.1", "gone"));
    assert_eq!(caller.register(120).code().get(), 200);
    caller.send(&stray("sip:1001@127.0.0.1", "back"));
    first_is("back");
}

#[test]
fn rfc3261_8_3_a_redirect_server_tells_where_somebody_is() {
    let (running, mut caller, mut callee) = with_two(serving(Role::Redirect));
    let (_, moved) = caller.call("1002", None);
    assert_eq!(moved.code().get(), 302);
    assert_eq!(moved.headers().text(HeaderId::Contact).unwrap(), callee.contact());
    assert!(callee.hears_no(&Method::Invite), "nothing is passed on");
    let (_, nobody) = caller.call("1003", None);
    assert_eq!(nobody.code().get(), 480);
    let (_, unknown) = caller.call("999", None);
    assert_eq!(unknown.code().get(), 404);
    let (_, challenge) = caller.ask_plain("INVITE", &uri("1002", caller.server), "sip:1002@127.0.0.1", None, &[]);
    assert_eq!(challenge.code().get(), 401, "an end of a transaction asks as one (RFC 3261 section 22.2)");
    nothing_left(&running);
}

#[test]
fn rfc3841_7_2_4_a_redirect_server_says_nothing_of_what_devices_can_do() {
    let (running, mut caller, mut callee) = with_two(serving(Role::Redirect));
    callee.preference = ";video;methods=\"INVITE,ACK,BYE\";q=0.5".to_owned();
    assert_eq!(callee.register(120).code().get(), 200);
    for (wanted, code) in
        [("", 302), ("Accept-Contact: *;video;require\r\n", 302), ("Reject-Contact: *;video\r\n", 480)]
    {
        caller.extra = wanted.to_owned();
        let (_, moved) = caller.call("1002", None);
        assert_eq!(moved.code().get(), code, "{wanted}");
        let told = (code == 302).then(|| format!("{};q=0.500", callee.contact()));
        assert_eq!(moved.headers().text(HeaderId::Contact).map(|one| one.into_owned()), told, "{wanted}");
    }
    caller.extra.clear();
    nothing_left(&running);
}

/// What a caller wants of others' devices is for their proxy, which knows them: it goes on as it is.
#[test]
fn rfc3841_7_what_is_for_others_is_passed_on_whatever_the_caller_wants_and_so_is_that() {
    for (role, shards) in PROXIES {
        let (running, mut caller, mut callee) = with_two(Config { shards, ..serving(role) });
        let mut gateway = phone(caller.server, "gateway");
        let wants = ["*;video;require;explicit", "*;audio;require"];
        let lines = wants.map(|wanted| format!("Accept-Contact: {wanted}\r\n")).concat();
        caller.extra =
            format!("{lines}Reject-Contact: *;methods=\"MESSAGE\"\r\nRequest-Disposition: no-fork, parallel\r\n");
        let mut write = |target: &str, device: &mut Phone| {
            std::thread::scope(|scope| {
                let taken = scope.spawn(|| {
                    let message = device.request(Method::Message);
                    device.respond(&message, 200, None);
                    message
                });
                assert_eq!(caller.ask("MESSAGE", target, target, None).1.code().get(), 200, "{role:?}");
                taken.join().unwrap()
            })
        };
        let to_others = write(&format!("sip:00900@127.0.0.1:{}", gateway.port()), &mut gateway);
        // Ours says nothing of what it can do.
        let to_ours = write(&uri("1002", callee.server), &mut callee);
        for message in [to_others, to_ours] {
            let values = |id| message.headers().all(id).map(|one| one.text().into_owned()).collect::<Vec<_>>();
            assert_eq!(values(HeaderId::AcceptContact), wants, "{role:?}");
            assert_eq!(values(HeaderId::RejectContact), ["*;methods=\"MESSAGE\""], "{role:?}");
            assert_eq!(values(HeaderId::RequestDisposition), ["no-fork, parallel"], "{role:?}");
        }
        nothing_left(&running);
    }
}

#[test]
fn rfc3261_10_3_a_registrar_alone_takes_nothing_else() {
    let (running, mut caller, mut callee) = with_two(serving(Role::Registrar));
    let (_, refused) = caller.call("1002", None);
    assert_eq!(refused.code().get(), 405);
    assert_eq!(refused.headers().text(HeaderId::Allow).unwrap(), "REGISTER, OPTIONS");
    assert!(callee.hears_no(&Method::Invite));
    assert_eq!(running.status().unwrap().registrations, 2);
    nothing_left(&running);
}

#[test]
fn each_domain_has_its_role() {
    let roles = [
        ("proxied.example", Role::Proxy),
        ("moved.example", Role::Redirect),
        ("names.example", Role::Registrar),
        ("blank.example", Role::Stateless),
    ];
    let roles = roles.into_iter().map(|(domain, role)| (domain.to_owned(), role)).collect();
    let (running, mut caller, mut callee) = with_two(Config { roles, ..config() });
    let mut called = |domain: &str| {
        let uri = format!("sip:1002@{domain}");
        let (dialog, response) = caller.ask("INVITE", &uri, &uri, None);
        (dialog, response.code().get())
    };
    assert_eq!(called("moved.example").1, 302);
    assert_eq!(called("names.example").1, 405);
    for domain in ["proxied.example", "blank.example"] {
        std::thread::scope(|scope| {
            scope.spawn(|| callee.refuses(486, ""));
            assert_eq!(called(domain).1, 486);
        });
    }
    // The PBX asks as an end of the call, and has extensions.
    let uri = format!("sip:600@127.0.0.1:{}", caller.server.port());
    let (_, challenge) = caller.ask_plain("INVITE", &uri, &uri, None, &[]);
    assert_eq!(challenge.code().get(), 401);
    let (_, options) = caller.ask_plain("OPTIONS", &uri, &uri, None, &[]);
    assert_eq!(options.code().get(), 200);
    nothing_left(&running);
}

/// Users and their devices are the same for all of them, whatever the one that is served is called.
#[test]
fn rfc3261_10_3_1_devices_register_in_each_domain_and_at_our_address() {
    let roles = [("proxied.example".to_owned(), Role::Proxy), ("moved.example".to_owned(), Role::Redirect)].into();
    let (running, address) = start(Config { roles, domains: vec!["pbx.example".to_owned()], ..config() });
    let mut phone = phone(address, "1001");
    for (host, code) in [
        ("pbx.example", 200),
        ("proxied.example", 200),
        ("moved.example", 200),
        ("127.0.0.1", 200),
        ("other.example", 404),
    ] {
        let port = if host == "127.0.0.1" { format!(":{}", address.port()) } else { String::new() };
        phone.extra = "Expires: 120\r\n".to_owned();
        let (_, answer) = phone.ask("REGISTER", &format!("sip:{host}{port}"), &format!("sip:1001@{host}"), None);
        assert_eq!(answer.code().get(), code, "{host}");
    }
    phone.extra.clear();
    assert_eq!(running.status().unwrap().registrations, 1, "one device, by whatever name");
}

/// A phone registers with its home through an edge, and is called there: over the flow that it registered by, whatever its contact says.
#[test]
fn rfc5626_5_a_device_is_reached_through_the_edge_of_its_domain() {
    let (home, at_home) = start(serving(Role::Proxy));
    let (edge, at_edge) = start(Config { roles: [("127.0.0.1".to_owned(), Role::Edge)].into(), ..config() });
    let mut hidden = phone(at_edge, "1002");
    hidden.extra = "Supported: path\r\nExpires: 120\r\n".to_owned();
    let registrar = format!("sip:127.0.0.1:{}", at_home.port());
    let (_, registered) = hidden.ask("REGISTER", &registrar, "sip:1002@127.0.0.1", None);
    assert_eq!(registered.code().get(), 200);
    hidden.extra.clear();
    let path = registered.headers().text(HeaderId::Path).unwrap().into_owned();
    assert!(path.contains(&format!("@127.0.0.1:{};lr>", at_edge.port())), "{path}");
    assert_eq!(edge.status().unwrap().registrations, 0, "its home has it");
    // The same where the device has the edge in a Route: as an outbound proxy.
    hidden.extra = format!("Supported: path\r\nExpires: 120\r\nRoute: <sip:127.0.0.1:{};lr>\r\n", at_edge.port());
    let (_, registered) = hidden.ask("REGISTER", &registrar, "sip:1002@127.0.0.1", None);
    assert_eq!(registered.code().get(), 200);
    assert!(
        registered
            .headers()
            .text(HeaderId::Path)
            .is_some_and(|path| path.contains(&format!("@127.0.0.1:{};lr>", at_edge.port())))
    );
    hidden.extra.clear();
    let mut caller = phone(at_home, "1001");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let invite = hidden.request(Method::Invite);
            assert_eq!(invite.headers().count(HeaderId::Via), 3, "by its home and the edge");
            assert!(!invite.headers().has(HeaderId::Route));
            hidden.respond(&invite, 486, None);
            hidden.request(Method::Ack);
        });
        assert_eq!(caller.call("1002", None).1.code().get(), 486);
    });
    // What is not our token leads nowhere.
    let mut stranger = phone(at_edge, "1003");
    let forged = path.replacen("sip:", "sip:a", 1);
    stranger.extra = format!("Route: {forged}\r\n");
    let target = hidden.contact().trim_matches(['<', '>']).to_owned();
    let (_, refused) = stranger.ask_plain("MESSAGE", &target, "sip:1002@127.0.0.1", None, &[]);
    assert_eq!(refused.code().get(), 407);
    // Nor is anybody the edge of where a maddr leads.
    stranger.extra.clear();
    let astray = format!("{target};maddr=127.0.0.1");
    let (_, refused) = stranger.ask_plain("MESSAGE", &astray, "sip:1002@127.0.0.1", None, &[]);
    assert_eq!(refused.code().get(), 407);
    nothing_left(&edge);
    nothing_left(&home);
}

/// Where a domain is a proxy's, requests with a tag of no dialog are handed on: none of them begins a subscription.
#[test]
fn rfc6665_4_2_1_4_a_subscribe_within_nothing_is_481_in_every_role() {
    for roles in [[("proxied.example".to_owned(), Role::Proxy)].into(), Default::default()] {
        let (running, mut phone, _other) = with_two(Config { roles, ..config() });
        let uri = "sip:1002@127.0.0.1";
        let mut code = |tag: &str| {
            phone.extra = "Event: dialog\r\nExpires: 600\r\n".to_owned();
            let (mut dialog, challenge) = phone.ask_plain("SUBSCRIBE", uri, uri, None, &[]);
            dialog.to += tag;
            let lines = match challenge.code().get() {
                401 => phone.credentials(challenge.headers(), "SUBSCRIBE", uri, ""),
                other => return other,
            };
            phone.again(&dialog, "SUBSCRIBE", uri, None, &lines).1.code().get()
        };
        assert_eq!(code(";tag=nothing"), 481);
        assert_eq!(running.status().unwrap().watchers, 0);
        assert_eq!(code(""), 200);
        assert_eq!(running.status().unwrap().watchers, 1);
    }
}

/// To who keeps nothing, a repeat is a request like any other, and its credentials have been used.
#[test]
fn rfc3261_16_11_a_repeat_with_credentials_goes_where_the_first_went() {
    let (running, mut caller, mut callee) = with_two(serving(Role::Stateless));
    let target = uri("1002", caller.server);
    for method in [Method::Invite, Method::Message] {
        let (_, challenge) = caller.ask_plain(method.as_str(), &target, &target, None, &[]);
        assert_eq!(challenge.code().get(), 407);
        let lines = caller.credentials(challenge.headers(), method.as_str(), &target, "");
        let text = caller.draft(method.as_str(), &target, &target, None, &lines);
        caller.send(&text);
        caller.send(&text);
        let copies = [callee.request(method.clone()), callee.request(method.clone())];
        let [first, second] = copies.each_ref().map(|copy| copy.headers().branch());
        assert_eq!(first, second, "one transaction");
        callee.respond(&copies[1], 486, None);
        let branch = text.split("branch=").nth(1).unwrap().split(';').next().unwrap();
        assert_eq!(caller.response(branch).code().get(), 486, "and no other answer before");
        // Nobody does anything else by what he has seen, under this branch or another.
        caller.send(&text.replacen("\r\nFrom: ", "\r\nRoute: <sip:192.0.2.66;lr>\r\nFrom: ", 1));
        assert_eq!(caller.response(branch).code().get(), 407, "{method}");
        caller.send(&text.replace(branch, &format!("{branch}-replayed")));
        assert_eq!(caller.response(&format!("{branch}-replayed")).code().get(), 407, "{method}");
        assert!(callee.hears_no(&method));
    }
    nothing_left(&running);
}

/// What repeats an INVITE or cancels it is for who has got it, not for who has registered since.
#[test]
fn rfc3261_16_11_a_refresh_meanwhile_leads_no_cancel_to_another_telephone() {
    let (running, mut caller, desk) = with_two(serving(Role::Stateless));
    let mut devices = [desk, phone(caller.server, "1002")];
    for (device, last) in devices.iter_mut().zip(1..) {
        device.preference = format!(";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-00000000000{last}>\"");
        assert_eq!(device.register(120).code().get(), 200);
    }
    let target = uri("1002", caller.server);
    for _ in 0..4 {
        let (_, challenge) = caller.ask_plain("INVITE", &target, &target, None, &[]);
        let lines = caller.credentials(challenge.headers(), "INVITE", &target, "");
        let invite = caller.draft("INVITE", &target, &target, None, &lines);
        caller.send(&invite);
        let mut rings = |_| devices.iter_mut().position(|device| !device.hears_no(&Method::Invite));
        let at = (0..200).find_map(&mut rings).expect("one of them rings");
        let heard = devices[at].request(Method::Invite);
        assert_eq!(devices[1 - at].register(120).code().get(), 200);
        caller.send(&invite);
        let again = devices[at].request(Method::Invite);
        assert_eq!(again.headers().branch(), heard.headers().branch());
        caller.send(&invite.replace("INVITE", "CANCEL"));
        let cancel = devices[at].request(Method::Cancel);
        assert_eq!(cancel.headers().branch(), heard.headers().branch());
        devices[at].respond(&heard, 487, None);
        caller.wait_for_code(487);
        assert!(devices[1 - at].hears_no(&Method::Invite) && devices[1 - at].hears_no(&Method::Cancel));
    }
    nothing_left(&running);
}

/// Over and over, with a Via more each time.
#[test]
fn rfc3261_16_3_4_a_binding_whose_path_and_contact_lead_back_is_a_loop_with_transactions_and_without() {
    for (role, shards) in PROXIES {
        let proxy = ProxyRules { authenticate: Authenticate::Off, ..ProxyRules::default() };
        let (running, address) = start(Config { proxy, shards, ..serving(role) });
        let mut device = phone(address, "1002");
        let target = uri("1002", address);
        let (_, challenge) = device.ask_plain("REGISTER", &target, &target, None, &[]);
        let mut lines = device.credentials(challenge.headers(), "REGISTER", &target, "");
        lines.push(format!("Supported: path\r\nPath: <sip:{address};lr>\r\n"));
        let register = device.draft("REGISTER", &target, &target, None, &lines);
        device.send(&register.replace(&device.contact(), "<sip:1002@127.0.0.1>"));
        device.wait_for_code(200);
        for method in ["INVITE", "MESSAGE"] {
            let (_, refusal) = device.ask_plain(method, &target, &target, None, &[]);
            assert_eq!(refusal.code().get(), 482, "{role:?} {method}");
        }
        nothing_left(&running);
    }
}
