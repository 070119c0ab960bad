//! What is refused, with which code, in which order: credentials first, then the checks of RFC 3261 section 8.2.

use std::time::Duration;

use audio::codec::Codec;
use pbx::{Limits, Role};
use sip::message::{HeaderId, Method, Response};

use crate::phone::Phone;
use crate::setup::{config, nothing_left, phone, start, with_config, with_phones};
use crate::sound::Sound;

#[test]
fn rfc3261_22_devices_are_challenged_before_anything_is_revealed() {
    let (_running, address) = start(config());
    let mut stranger = phone(address, "1001");
    for uri in ["sip:600@127.0.0.1", "sip:nobody@127.0.0.1", "tel:+4930"] {
        for method in ["INVITE", "MESSAGE", "REGISTER", "PUBLISH"] {
            let (_, response) = stranger.ask_plain(method, uri, "sip:600@127.0.0.1", None, &[]);
            assert_eq!(response.code().get(), 401, "{method} {uri}");
            let offered: Vec<String> =
                response.headers().all(HeaderId::WwwAuthenticate).map(|line| line.text().into_owned()).collect();
            assert!(offered[0].contains("algorithm=SHA-256") && offered[1].contains("algorithm=MD5"), "{offered:?}");
        }
    }
}

#[test]
fn rfc3261_8_2_7_an_invite_of_who_has_not_shown_who_he_is_is_answered_once_and_leaves_nothing() {
    let timers = sip::Timers { t1: Duration::from_millis(50), ..sip::Timers::default() };
    let (running, address) = start(pbx::Config { timers, ..config() });
    let (uri, headers) = ("sip:600@127.0.0.1", "sip:600@127.0.0.1?Subject=x");
    let mut stranger = phone(address, "1001");
    // The control: who has asked before and shown the wrong password hears that until he acknowledges it.
    let mut thief = crate::phone::Phone::new(address, "1001", "guessed");
    let challenged = thief.ask_plain("INVITE", uri, uri, None, &[]).1;
    let lines = thief.credentials(challenged.headers(), "INVITE", uri, "");
    for invite in [stranger.draft("INVITE", uri, uri, None, &[]), stranger.draft("INVITE", headers, uri, None, &[])] {
        stranger.send(&invite);
    }
    let wrong = thief.draft("INVITE", uri, uri, None, &lines);
    thief.send(&wrong);
    (0..3).for_each(|_| drop(thief.wait_for_code(403)));
    assert_eq!(running.status().unwrap().loops[0].transactions, 1, "that of the control");
    stranger.catch_up();
    let mut heard: Vec<u16> = stranger.responses_heard().map(|response| response.code().get()).collect();
    heard.sort_unstable();
    assert_eq!(heard, [400, 401], "no 100, and no repeats");
}

/// What an answer says but for what repeats the request, and the nonce.
fn outline(response: &Response) -> String {
    let repeated = ["via", "from", "to", "call-id", "cseq"];
    let text = String::from_utf8_lossy(response.bytes()).into_owned();
    let own = |line: &&str| line.split_once(':').is_none_or(|(name, _)| !repeated.contains(&&*name.to_lowercase()));
    let line = |line: &str| match line.split_once("nonce=\"") {
        Some((before, nonce)) => format!("{before}{}\n", nonce.split_once('"').unwrap().1),
        None => format!("{line}\n"),
    };
    text.lines().filter(own).map(line).collect()
}

#[test]
fn cve_account_enumeration_no_answer_tells_which_users_there_are() {
    // One with a device, one without, nobody, and a number that is none.
    let names = ["1001", "1003", "1009", "nobody"];
    for role in [Role::Pbx, Role::Proxy, Role::Stateless, Role::Redirect, Role::Registrar] {
        let domains = if role == Role::Pbx { Vec::new() } else { vec!["127.0.0.1".to_owned()] };
        let (_running, address) = start(pbx::Config { role, domains, options_auth: true, ..config() });
        assert_eq!(phone(address, "1001").register(120).code().get(), 200);
        for method in ["REGISTER", "INVITE", "MESSAGE", "SUBSCRIBE", "PUBLISH", "OPTIONS"] {
            let of = |name: &str| match method {
                "REGISTER" => format!("sip:127.0.0.1:{}", address.port()),
                _ => format!("sip:{name}@127.0.0.1:{}", address.port()),
            };
            let asked = names.map(|name| {
                let to = format!("sip:{name}@127.0.0.1");
                outline(&phone(address, "1002").ask_plain(method, &of(name), &to, None, &[]).1)
            });
            let guessed = names.map(|name| {
                let to = format!("sip:{}@127.0.0.1", if method == "REGISTER" { name } else { "1002" });
                outline(&Phone::new(address, name, "guessed").ask(method, &of("1002"), &to, None).1)
            });
            // Who guesses at one account, of whomever he asks.
            let aimed = names.map(|name| {
                let to = format!("sip:{name}@127.0.0.1");
                outline(&Phone::new(address, "1003", "guessed").ask(method, &of(name), &to, None).1)
            });
            let codes = [&asked, &guessed].map(|all| all[0].split(' ').nth(1).unwrap().to_owned());
            let right = match (role, method) {
                (Role::Registrar, "REGISTER") | (Role::Pbx | Role::Redirect, _) => ["401", "403"],
                (Role::Registrar, _) => ["405", "405"],
                (_, "REGISTER") => ["401", "403"],
                _ => ["407", "403"],
            };
            assert_eq!(codes, right, "{role:?} {method}");
            assert_eq!(aimed[0], guessed[0], "{role:?} {method}");
            for all in [asked, guessed, aimed] {
                assert!(all.iter().all(|one| *one == all[0]), "{role:?} {method}: {all:#?}");
            }
        }
    }
}

#[test]
fn rfc3261_11_2_options_is_open_and_still_says_what_cannot_be() {
    let (_running, address) = start(config());
    let mut stranger = phone(address, "nobody");
    let ask = |stranger: &mut crate::phone::Phone, uri: &str| {
        stranger.ask_plain("OPTIONS", uri, "sip:600@127.0.0.1", None, &[]).1
    };
    let answer = ask(&mut stranger, "sip:127.0.0.1");
    assert_eq!(answer.code().get(), 200);
    let allow = answer.headers().text(HeaderId::Allow).unwrap().into_owned();
    assert!(allow.contains("INVITE") && allow.contains("REGISTER"), "{allow}");
    assert_eq!(answer.headers().text(HeaderId::Accept).unwrap(), "application/sdp");
    for (uri, code) in
        [("sip:600@127.0.0.1", 200), ("sip:1001@127.0.0.1", 200), ("sip:999@127.0.0.1", 404), ("nobodyKnows:x", 416)]
    {
        assert_eq!(ask(&mut stranger, uri).code().get(), code, "{uri}");
    }
    stranger.extra = "Require: nothingSupportsThis\r\n".to_owned();
    let answer = ask(&mut stranger, "sip:127.0.0.1");
    assert_eq!(answer.code().get(), 420);
    assert_eq!(answer.headers().text(HeaderId::Unsupported).unwrap(), "nothingSupportsThis");
}

/// What an INVITE would be told, whichever loop keeps the bindings of the user; and who need not show who he is learns nothing of it.
#[test]
fn rfc3261_11_2_options_says_whether_a_device_of_the_user_can_be_called() {
    for (shards, options_auth) in [(1, false), (4, false), (1, true), (4, true)] {
        let (running, address) = start(pbx::Config { shards, options_auth, ..config() });
        let nobody = if options_auth { 480 } else { 200 };
        let mut asker = phone(address, "1001");
        let mut devices = ["1001", "1002", "1003"].map(|name| phone(address, name));
        for expires in [120, 0] {
            for name in ["1001", "1002", "1003"] {
                let uri = format!("sip:{name}@127.0.0.1:{}", address.port());
                let code = if expires == 120 { nobody } else { 200 };
                let answer = asker.ask("OPTIONS", &uri, &uri, None).1;
                assert_eq!(answer.code().get(), code, "{shards} {options_auth} {name}");
                assert_eq!(answer.headers().has(HeaderId::Allow), code == 200);
                // No device of his takes what is secret on its whole way (RFC 5630 section 5.3).
                let secret = uri.replace("sip:", "sips:");
                assert_eq!(asker.ask("OPTIONS", &secret, &secret, None).1.code().get(), nobody, "{name}");
            }
            for device in &mut devices {
                assert_eq!(device.register(expires).code().get(), 200);
            }
        }
        let uri = format!("sip:1002@127.0.0.1:{}", address.port());
        assert_eq!(asker.ask("OPTIONS", &uri, &uri, None).1.code().get(), nobody, "he has left");
        nothing_left(&running);
    }
}

#[test]
fn rfc3261_12_2_2_requests_of_a_call_that_is_over_are_481() {
    for options_auth in [false, true] {
        let (_running, address) = start(pbx::Config { options_auth, ..config() });
        let mut phone = phone(address, "1001");
        let offer = Sound::new(Codec::Pcmu).describe();
        let (mut call, response) = phone.call("600", Some(&offer));
        assert_eq!(response.code().get(), 200);
        let text = Some(("text/plain", "hello"));
        // The control: while the call stands its requests are taken.
        let mut ask = |method: &str, body, code: u16| {
            let uri = call.target.clone();
            let (asked, response) = phone.again(&call, method, &uri, body, &[]);
            call = asked;
            let last = match response.code().get() {
                401 => {
                    let lines = phone.credentials(response.headers(), method, &uri, body.map_or("", |(_, text)| text));
                    let (asked, response) = phone.again(&call, method, &uri, body, &lines);
                    call = asked;
                    response.code().get()
                }
                code => code,
            };
            assert_eq!(last, code, "{method}, {options_auth}");
        };
        ask("OPTIONS", None, 200);
        ask("BYE", None, 200);
        ask("OPTIONS", None, 481);
        ask("MESSAGE", text, 481);
        ask("INFO", None, 481);
    }
}

#[test]
fn options_that_want_credentials_tell_a_stranger_nothing() {
    let (_running, address) = start(pbx::Config { options_auth: true, ..config() });
    for uri in ["sip:600@127.0.0.1", "sip:1001@127.0.0.1", "sip:999@127.0.0.1", "nobodyKnows:x"] {
        let mut stranger = phone(address, "nobody");
        assert_eq!(stranger.ask_plain("OPTIONS", uri, "sip:600@127.0.0.1", None, &[]).1.code().get(), 401, "{uri}");
    }
    let mut user = phone(address, "1001");
    for (uri, code) in [("sip:600@127.0.0.1", 200), ("sip:999@127.0.0.1", 404), ("nobodyKnows:x", 416)] {
        assert_eq!(user.ask("OPTIONS", uri, "sip:600@127.0.0.1", None).1.code().get(), code, "{uri}");
    }
}

#[test]
fn rfc3261_8_2_the_order_of_refusals() {
    let (running, mut phones) = with_phones(&["1001"]);
    let sound = Sound::new(Codec::Pcmu);
    let (offer, phone) = (sound.describe(), &mut phones[0]);
    let sdp = Some(("application/sdp", offer.as_str()));
    let mut code = |method: &str, uri: &str, body| {
        let (_, response) = phone.ask(method, uri, "sip:600@127.0.0.1", body);
        response.code().get()
    };
    // Every method that is known is taken, so none is 405: what is wrong with these is what they are about.
    // Of whom comes before of what (RFC 3903 section 6, steps 1 and 2).
    assert_eq!(code("PUBLISH", "sip:600@127.0.0.1", None), 404);
    assert_eq!(code("PUBLISH", "sip:1001@127.0.0.1", None), 489);
    assert_eq!(code("NOTIFY", "sip:600@127.0.0.1", None), 481);
    assert_eq!(code("DANCE", "sip:600@127.0.0.1", None), 501);
    assert_eq!(code("INVITE", "tel:+4930", sdp), 416);
    assert_eq!(code("INVITE", "sip:999@127.0.0.1", sdp), 404);
    assert_eq!(code("INVITE", "sip:127.0.0.1", sdp), 404);
    assert_eq!(code("INVITE", "sip:1002@127.0.0.1", sdp), 480);
    assert_eq!(code("INVITE", "sip:600@127.0.0.1", Some(("text/plain", "hello"))), 415);
    assert_eq!(code("INVITE", "sip:600@127.0.0.1", Some(("application/sdp", "v=1\r\n"))), 400);
    let strange = offer.replace("RTP/AVP 0 101", "RTP/AVP 96 101").replace("rtpmap:0 PCMU", "rtpmap:96 OPUS");
    assert_eq!(code("INVITE", "sip:600@127.0.0.1", Some(("application/sdp", &strange))), 488);
    phone.extra = "Require: nothingSupportsThis\r\n".to_owned();
    let (_, response) = phone.ask("INVITE", "sip:600@127.0.0.1", "sip:600@127.0.0.1", sdp);
    assert_eq!(response.code().get(), 420);
    nothing_left(&running);
}

#[test]
fn a_wrong_password_is_403_and_counted_and_the_first_challenge_is_not() {
    let (running, address) = start(config());
    for (name, reason) in [("1001", "wrong_response"), ("nobody", "unknown_user")] {
        let mut thief = crate::phone::Phone::new(address, name, "guessed");
        assert_eq!(thief.register(120).code().get(), 403, "{name}");
        let metrics = running.metrics().unwrap();
        assert!(metrics.contains(&format!("offhook_auth_failures_total{{reason=\"{reason}\"}} 1\n")), "{metrics}");
    }
    let (_, response) = phone(address, "1001").ask_plain("REGISTER", "sip:127.0.0.1", "sip:1001@127.0.0.1", None, &[]);
    assert_eq!(response.code().get(), 401);
    assert!(running.metrics().unwrap().contains("reason=\"wrong_response\"} 1\n"));
}

#[test]
fn nobody_calls_or_registers_in_another_users_name() {
    let (running, mut phones) = with_phones(&["1001"]);
    let offer = Sound::new(Codec::Pcmu).describe();
    phones[0].says = "1002".to_owned();
    let (_, response) = phones[0].call("600", Some(&offer));
    assert_eq!(response.code().get(), 403);
    phones[0].says = "1001".to_owned();
    let (_, response) = phones[0].ask("REGISTER", "sip:127.0.0.1", "sip:1002@127.0.0.1", None);
    assert_eq!(response.code().get(), 403);
    assert_eq!(running.status().unwrap().registrations, 1);
    nothing_left(&running);
}

#[test]
fn busy_and_decline_come_back_with_their_reason() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let offer = Sound::new(Codec::Pcmu).describe();
    for (device, caller_hears) in [(486, 486), (603, 603), (302, 480), (500, 480)] {
        let (caller, callee) = phones.split_at_mut(1);
        let (caller, callee) = (&mut caller[0], &mut callee[0]);
        std::thread::scope(|scope| {
            scope.spawn(|| callee.refuses(device, "Reason: Q.850;cause=17\r\n"));
            let (_, response) = caller.call("1002", Some(&offer));
            assert_eq!(response.code().get(), caller_hears, "{device}");
            if device == 486 {
                assert_eq!(response.headers().text(HeaderId::Reason).unwrap(), "Q.850;cause=17");
            }
        });
    }
    nothing_left(&running);
}

#[test]
fn rfc3261_22_1_servers_that_name_no_realm_do_not_share_one() {
    let realm = |domains: &[&str]| {
        let domains = domains.iter().map(|&domain| domain.to_owned()).collect();
        let (_running, address) = start(pbx::Config { domains, ..config() });
        let (_, challenge) =
            phone(address, "1001").ask_plain("REGISTER", "sip:127.0.0.1", "sip:1001@127.0.0.1", None, &[]);
        let text = challenge.headers().text(HeaderId::WwwAuthenticate).unwrap().into_owned();
        text.split("realm=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned()
    };
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(
        [realm(&[]), realm(&["one.example"]), realm(&["two.example"])],
        [machine.trim(), "one.example", "two.example"]
    );
}

#[test]
fn limits_are_met_with_503_and_retry_after() {
    let limits = Limits { calls: 2, calls_per_user: 1, ..config().limits };
    let (running, mut phones) = with_config(pbx::Config { limits, ..config() }, &["1001", "1002", "1003"]);
    let offer = Sound::new(Codec::Pcmu).describe();
    let (mut first, _) = phones[0].call_through("600", &offer);
    // One past the limit of the user, then one past that of the server.
    let (_, response) = phones[0].call("600", Some(&offer));
    assert_eq!(response.code().get(), 503);
    assert_eq!(response.headers().text(HeaderId::RetryAfter).unwrap(), "7");
    let (mut second, _) = phones[1].call_through("601", &offer);
    assert_eq!(phones[2].call("602", Some(&offer)).1.code().get(), 503);
    phones[0].hang_up(&mut first);
    let (mut third, _) = phones[2].call_through("602", &offer);
    phones[1].hang_up(&mut second);
    phones[2].hang_up(&mut third);
    nothing_left(&running);
    assert!(running.metrics().unwrap().contains("result=\"shed\"} 2\n"));
}

#[test]
fn rfc7332_a_call_that_has_come_too_far_is_not_passed_on() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let offer = Sound::new(Codec::Pcmu).describe();
    let uri = format!("sip:1002@127.0.0.1:{}", phones[0].server.port());
    let sdp = Some(("application/sdp", offer.as_str()));
    let first = phones[0].ask_plain("INVITE", &uri, "sip:1002@127.0.0.1", sdp, &[]).1;
    let lines = phones[0].credentials(first.headers(), "INVITE", &uri, &offer);
    let text = phones[0]
        .draft("INVITE", &uri, "sip:1002@127.0.0.1", sdp, &lines)
        .replace("Max-Forwards: 70", "Max-Forwards: 0");
    phones[0].send(&text);
    let refused = phones[0].wait("483", |message| match message {
        sip::message::Message::Response(response) if response.code().is_final() => Some(response.clone()),
        _ => None,
    });
    assert_eq!(refused.code().get(), 483);
    assert!(phones[1].hears_no(&Method::Invite));
    nothing_left(&running);
}

#[test]
fn a_hash_that_some_user_lacks_is_not_offered() {
    use sip::digest::{Algorithm, Ha1};
    let mut config = config();
    let hash = Ha1::new(Algorithm::Md5, "1003", "offhook", "secret-1003").unwrap().to_hex();
    config.users.insert("1003".to_owned(), pbx::User { secret: pbx::Secret::Ha1(hash), ..pbx::User::default() });
    let (_running, address) = start(config);
    for name in ["1001", "1003"] {
        assert_eq!(phone(address, name).register(120).code().get(), 200, "{name}");
    }
    let (_, response) = phone(address, "1001").ask_plain("REGISTER", "sip:127.0.0.1", "sip:1001@127.0.0.1", None, &[]);
    let offered: Vec<String> =
        response.headers().all(HeaderId::WwwAuthenticate).map(|line| line.text().into_owned()).collect();
    assert!(offered.len() == 1 && offered[0].contains("algorithm=MD5"), "{offered:?}");
}

#[test]
fn devices_known_to_stumble_over_two_challenges_get_one() {
    let challenges = |agent: &str, config: pbx::Config| {
        let (_running, address) = start(config);
        let mut phone = phone(address, "1001");
        phone.extra = format!("User-Agent: {agent}\r\n");
        let (_, response) = phone.ask_plain("REGISTER", "sip:127.0.0.1", "sip:1001@127.0.0.1", None, &[]);
        response.headers().all(HeaderId::WwwAuthenticate).map(|line| line.text().into_owned()).collect::<Vec<_>>()
    };
    let offered = challenges("baresip v1.0.0 (x86_64/linux)", config());
    assert!(offered.len() == 1 && offered[0].contains("algorithm=MD5"), "{offered:?}");
    assert_eq!(challenges("baresip v3.1.0", config()).len(), 2);
    // Its other requests do not say what it is: its registration has.
    let (_running, address) = start(config());
    let mut phone = phone(address, "1001");
    phone.agent = "User-Agent: baresip v1.0.0\r\n".to_owned();
    assert_eq!(phone.register(120).code().get(), 200);
    let (_, response) = phone.ask_plain("INVITE", "sip:600@127.0.0.1", "sip:600@127.0.0.1", None, &[]);
    assert_eq!(response.headers().count(HeaderId::WwwAuthenticate), 1);
    // Where MD5 is not wanted, nobody gets it.
    let strict = pbx::Config { digest: vec![sip::digest::Algorithm::Sha256], ..config() };
    let offered = challenges("baresip v1.0.0", strict);
    assert!(offered.len() == 1 && offered[0].contains("algorithm=SHA-256"), "{offered:?}");
}

#[test]
fn rfc3261_21_4_11_a_message_or_info_may_have_so_many_octets_and_no_more() {
    let (running, mut phones) = with_phones(&["1001"]);
    let (uri, to) = ("sip:1003@127.0.0.1", "sip:1003@127.0.0.1");
    let (mut dialog, _) = phones[0].call_through("600", &Sound::new(Codec::Pcmu).describe());
    // 1003 has no device, and an extension has nothing to say to INFO: what is passed on is answered so.
    for (octets, message, info) in [(16_384, 480, 200), (16_385, 413, 413)] {
        let text = "x".repeat(octets);
        let body = Some(("text/plain", text.as_str()));
        assert_eq!(phones[0].ask("MESSAGE", uri, to, body).1.code().get(), message, "{octets}");
        phones[0].within(&mut dialog, "INFO", body);
        let branch = dialog.branch.clone();
        assert_eq!(phones[0].final_response(&branch).code().get(), info, "{octets}");
    }
    phones[0].hang_up(&mut dialog);
    nothing_left(&running);
}
