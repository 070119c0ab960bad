//! Registration and its refreshes.

use std::time::{Duration, Instant};

use sip::register::{Refresh, RegisterSpec, Retry};
use ua::{AccountConfig, RegisterError, Registration};

use super::Phone;
use crate::acceptance::agent::Agent;
use crate::acceptance::wire::{Callee, contact, field, number, response};

/// The line that binds what a REGISTER asks for, for so long.
fn bound(request: &str, expires: u32) -> String {
    format!("Contact: <{}>;expires={expires}\r\n", contact(request))
}

/// What a REGISTER asks for, in the header field or the parameter.
fn asked(request: &str) -> u32 {
    let parameter = field(request, "Contact").and_then(|contact| contact.split(";expires=").nth(1).map(str::to_owned));
    parameter.or_else(|| field(request, "Expires")).unwrap().parse().unwrap()
}

const CHALLENGE: &str = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=MD5\r\n";

#[test]
fn ta39_registration_and_refresh() {
    let (phone, mut registrar) = (Phone::new(), Callee::new());
    let domain = registrar.uri().replace("callee@", "");
    let address = registrar.uri().replace("callee", "alice");
    let config = AccountConfig::new(&address).password("secret").expires(Duration::from_secs(60));
    let account = phone.run(phone.endpoint.account(config.retry_every(Duration::from_secs(2)))).unwrap();
    let (registered, ()) = phone.meanwhile(account.register(), || {
        let first = registrar.request("REGISTER");
        assert!(first.starts_with(&format!("REGISTER {domain} SIP/2.0\r\n")), "{first}");
        assert_eq!((field(&first, "To"), asked(&first)), (Some(format!("<{address}>")), 60));
        registrar.reply(&first, "401 Unauthorized", CHALLENGE);
        let second = registrar.request("REGISTER");
        assert!(field(&second, "Authorization").is_some(), "{second}");
        assert_eq!((field(&second, "Call-ID"), number(&second)), (field(&first, "Call-ID"), number(&first) + 1));
        registrar.reply(&second, "200 OK", &bound(&second, 60));
    });
    assert_eq!(registered.unwrap(), Duration::from_secs(60));
    let ((), leaving) = phone.meanwhile(account.unregister(), || {
        let leaving = registrar.request("REGISTER");
        registrar.reply(&leaving, "200 OK", "");
        leaving
    });
    assert_eq!(asked(&leaving), 0, "{leaving}");
    assert_eq!(*account.state().borrow(), Registration::Off);
    // 503: again after the time that was set.
    let (refused, ()) = phone.meanwhile(account.register(), || {
        let first = registrar.request("REGISTER");
        registrar.reply(&first, "503 Service Unavailable", "");
    });
    let asked_at = Instant::now();
    assert!(matches!(refused, Err(RegisterError::Rejected { code: 503, .. })), "{refused:?}");
    let again = registrar.request("REGISTER");
    let waited = asked_at.elapsed();
    assert!(waited >= Duration::from_millis(1_800) && waited < Duration::from_millis(2_400), "{waited:?}");
    registrar.reply(&again, "200 OK", &bound(&again, 60));
    let mut state = account.state();
    let stands = phone.run(state.wait_for(|state| matches!(state, Registration::Registered { .. })));
    drop(stands.unwrap());
}

/// A request as it has been seen to come from there (RFC 3581).
fn seen_from(request: &str, address: &str) -> String {
    let seen = request.replacen(";rport", &format!(";received={address};rport=40000"), 1);
    assert_ne!(seen, request, "it asks where it is seen");
    seen
}

#[test]
fn ta40_contact_rewritten() {
    for follows in [true, false] {
        let (phone, mut registrar) = (Phone::new(), Callee::new());
        let own = format!("sip:alice@{}", phone.address());
        let config = AccountConfig::new(registrar.uri().replace("callee", "alice"));
        let config = config.expires(Duration::from_secs(60)).follow_address(follows);
        let account = phone.run(phone.endpoint.account(config)).unwrap();
        let (registered, ()) = phone.meanwhile(account.register(), || {
            let first = registrar.request("REGISTER");
            assert_eq!(contact(&first), own);
            registrar.reply(&seen_from(&first, "192.0.2.9"), "200 OK", &bound(&first, 60));
            if follows {
                let second = registrar.request("REGISTER");
                assert_eq!(contact(&second), "sip:alice@192.0.2.9:40000");
                assert_eq!(
                    (field(&second, "Call-ID"), number(&second)),
                    (field(&first, "Call-ID"), number(&first) + 1)
                );
                registrar.reply(&seen_from(&second, "192.0.2.9"), "200 OK", &bound(&second, 60));
            }
        });
        assert_eq!(registered.unwrap(), Duration::from_secs(60));
        assert_eq!(registrar.wire().rest(), Vec::<String>::new(), "{follows}");
        // It is where calls of the account say that it is reached.
        let mut callee = Callee::new();
        let _dialing = phone.run(account.call(callee.uri()).start()).unwrap();
        let called_from = contact(&callee.request("INVITE"));
        assert_eq!(called_from == "sip:alice@192.0.2.9:40000", follows, "{called_from}");
    }
}

#[test]
fn ta40_contact_is_not_rewritten_to_a_private_address_between_public_ones() {
    // The phone and the registrar are 192.0.2.1; 60 s are refreshed after 54.
    for (seen, follows) in [
        ("198.51.100.9", true),
        ("10.0.0.9", false),
        ("172.31.0.9", false),
        ("192.168.1.9", false),
        ("100.64.0.9", false),
        ("169.254.0.9", false),
    ] {
        let mut agent = Agent::new();
        let mut spec = RegisterSpec::new("sip:example.com".parse().unwrap(), "sip:alice@example.com".parse().unwrap());
        spec.follow_address = true;
        agent.turn().register(spec).unwrap();
        let (_, first) = agent.sends();
        agent.receive(response(&seen_from(&first, seen), "200 OK", &bound(&first, 60), "", "registrar"));
        let (at, second) = agent.sends();
        let is_rewritten = contact(&second).ends_with(&format!("@{seen}:40000"));
        assert_eq!((is_rewritten, at < 1.0), (follows, follows), "{seen} after {at} s: {second}");
        assert_eq!(contact(&second) == contact(&first), !follows, "{second}");
    }
}

#[test]
fn ta39_registration_is_refreshed_in_time() {
    // What the registrar grants, and when it is asked again: 60 s less the larger of 5 s and a tenth; at 30 s those are 5 s.
    for (granted, due) in [(60, 54.0), (30, 25.0), (3_600, 3_240.0)] {
        let mut agent = Agent::new();
        let uri = |text: &str| text.parse().unwrap();
        let spec = RegisterSpec::new(uri("sip:example.com"), uri("sip:alice@example.com"));
        assert_eq!((spec.refresh, spec.retry), (Refresh::Standard, Retry::default()));
        agent.turn().register(spec).unwrap();
        let (_, first) = agent.sends();
        let answer = |request: &str| response(request, "200 OK", &bound(request, granted), "", "registrar");
        agent.receive(answer(&first));
        let (at, second) = agent.sends();
        assert!(second.starts_with("REGISTER ") && (at - due).abs() < 0.01, "{granted} s: refreshed after {at} s");
        assert_eq!((field(&second, "Call-ID"), number(&second)), (field(&first, "Call-ID"), number(&first) + 1));
        assert_eq!(contact(&second), contact(&first));
        agent.receive(answer(&second));
        let (at, third) = agent.sends();
        assert!((at - 2.0 * due).abs() < 0.01 && number(&third) == number(&first) + 2, "{at}");
    }
}
