//! Requests that come or go by more than one way.

use std::net::UdpSocket;
use std::time::Duration;

use audio::codec::Codec;
use pbx::{Config, Role};
use sip::message::{HeaderId, Limits, Message, Method};

use crate::phone::Phone;
use crate::setup::{config, nothing_left, phone, start, with_config};
use crate::sound::Sound;

/// RFC 3261 section 8.2.2.2: one request that a proxy sent along two ways.
#[test]
fn rfc3261_8_2_2_2_a_request_that_comes_by_two_ways_is_482_the_second_time() {
    by_two_ways(config());
}

/// The same where the server is a proxy for another domain.
#[test]
fn rfc3261_8_2_2_2_a_pbx_beside_a_proxy_knows_what_comes_by_two_ways() {
    by_two_ways(Config { roles: [("proxied.example".to_owned(), Role::Proxy)].into(), ..config() });
}

fn by_two_ways(config: Config) {
    let (running, mut phones) = with_config(config, &["1001", "1002"]);
    let (caller, callee) = phones.split_at_mut(1);
    let (caller, callee) = (&mut caller[0], &mut callee[0]);
    let sound = Sound::new(Codec::Pcmu);
    let offer = sound.describe();
    let uri = format!("sip:1002@127.0.0.1:{}", caller.server.port());
    let (_, challenge) = caller.ask_plain("INVITE", &uri, "sip:1002@127.0.0.1", Some(("application/sdp", &offer)), &[]);
    let lines = caller.credentials(challenge.headers(), "INVITE", &uri, &offer);
    let first = caller.draft("INVITE", &uri, "sip:1002@127.0.0.1", Some(("application/sdp", &offer)), &lines);
    let branch = first.split("branch=").nth(1).unwrap().split(';').next().unwrap().to_owned();
    caller.send(&first);
    let invite = callee.request(Method::Invite);
    callee.respond(&invite, 180, None);
    assert_eq!(caller.response(&branch).code().get(), 180);
    // The same From tag, Call-ID and CSeq under another branch.
    let other = format!("{branch}other");
    caller.send(&first.replace(&branch, &other));
    assert_eq!(caller.final_response(&other).code().get(), 482);
    assert!(callee.hears_no(&Method::Invite), "nobody else is rung for it");
    // The same branch is a repeat, not a merged request.
    caller.send(&first);
    assert_eq!(caller.response(&branch).code().get(), 180);
    callee.respond(&invite, 486, None);
    callee.request(Method::Ack);
    assert_eq!(caller.final_response(&branch).code().get(), 486);
    nothing_left(&running);
}

/// One request along two ways: the code of the answer to each copy.
fn codes_by_two_ways(phone: &mut Phone, method: &str, number: &str) -> [u16; 2] {
    let server = phone.server.port();
    let (uri, to) = match method {
        "REGISTER" => (format!("sip:127.0.0.1:{server}"), format!("sip:{number}@127.0.0.1")),
        _ => (format!("sip:{number}@127.0.0.1:{server}"), format!("sip:{number}@127.0.0.1")),
    };
    let (_, challenge) = phone.ask_plain(method, &uri, &to, None, &[]);
    assert_eq!(challenge.code().get(), 401);
    let lines = phone.credentials(challenge.headers(), method, &uri, "");
    let first = phone.draft(method, &uri, &to, None, &lines);
    let branch = first.split("branch=").nth(1).unwrap().split(';').next().unwrap().to_owned();
    let other = format!("{branch}other");
    phone.send(&first);
    let one = phone.final_response(&branch).code().get();
    phone.send(&first.replace(&branch, &other));
    let two = phone.final_response(&other).code().get();
    if method == "INVITE" {
        phone.send(&first.replace("INVITE", "ACK"));
    }
    [one, two]
}

#[test]
fn rfc3261_8_2_2_2_a_register_that_comes_by_two_ways_is_482_whatever_the_server_is_besides() {
    let beside = [("proxied.example".to_owned(), Role::Proxy)].into();
    let alone = |role| Config { role, domains: vec!["127.0.0.1".to_owned()], ..config() };
    for config in [
        config(),
        Config { roles: beside, ..config() },
        alone(Role::Proxy),
        alone(Role::Registrar),
        alone(Role::Redirect),
    ] {
        let (running, address) = start(config);
        let mut one = phone(address, "1001");
        one.extra = "Expires: 120\r\n".to_owned();
        let role = running.status().unwrap();
        assert_eq!(codes_by_two_ways(&mut one, "REGISTER", "1001"), [200, 482], "{role:?}");
        // The control: another request is no copy.
        one.extra.clear();
        assert_eq!(one.register(120).code().get(), 200);
    }
}

#[test]
fn rfc3261_8_2_2_2_a_redirect_server_answers_one_copy_of_what_comes_by_two_ways() {
    let config = Config { role: Role::Redirect, domains: vec!["127.0.0.1".to_owned()], ..config() };
    let (running, mut phones) = with_config(config, &["1001", "1002"]);
    let [caller, _callee] = &mut phones[..] else { panic!("two") };
    assert_eq!(codes_by_two_ways(caller, "INVITE", "1002"), [302, 482]);
    assert_eq!(codes_by_two_ways(caller, "INVITE", "1002"), [302, 482], "another call");
    nothing_left(&running);
}

/// RFC 3327: the proxies between a phone and its registrar are passed again on the way back.
#[test]
fn rfc3327_5_a_phone_behind_a_proxy_is_reached_by_its_path() {
    let (running, address) = start(config());
    let proxy = UdpSocket::bind("127.0.0.1:0").unwrap();
    proxy.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let path = format!("<sip:edge@{};lr>", proxy.local_addr().unwrap());
    let mut hidden = phone(address, "1002");
    hidden.agent = format!("Supported: path\r\nPath: {path}\r\n");
    let response = hidden.register(120);
    assert_eq!(response.code().get(), 200);
    assert_eq!(response.headers().text(HeaderId::Path).unwrap(), path, "told back (RFC 3327 section 5.3)");
    let mut caller = phone(address, "1001");
    let sound = Sound::new(Codec::Pcmu);
    let offer = sound.describe();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = [0; 65_536];
            let (length, from) = proxy.recv_from(&mut buffer).unwrap();
            let message = Message::parse(buffer[..length].to_vec().into(), &Limits::default()).unwrap();
            let Message::Request(invite) = message else { panic!("no request: {message:?}") };
            assert_eq!(invite.method(), &Method::Invite);
            assert_eq!(invite.headers().text(HeaderId::Route).unwrap(), path);
            assert_eq!(invite.uri_text(), hidden.contact().trim_matches(['<', '>']), "the phone stays the target");
            let busy = sip::message::write_response(
                invite.headers(),
                sip::message::StatusCode::BUSY_HERE,
                None,
                Some("p"),
                &sip::message::Lines::new(),
                None,
                None,
            );
            proxy.send_to(&busy, from).unwrap();
        });
        let (_, response) = caller.call("1002", Some(&offer));
        assert_eq!(response.code().get(), 486);
    });
    assert!(hidden.hears_no(&Method::Invite), "not past the proxy");
    nothing_left(&running);
}
