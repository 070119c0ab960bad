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
