//! OPTIONS to devices, to see whether they are there (RFC 3261 section 11).

use std::time::{Duration, Instant};

use sip::message::{HeaderId, Method};

use crate::setup::{config, nothing_left, with_config};

/// What the state says of the one contact of 1001, once it says something else than `before`.
fn reach(running: &pbx::Running, before: Option<bool>) -> (Option<bool>, Option<u64>) {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let status = running.status().unwrap();
        let contact = &status.users.iter().find(|user| user.name == "1001").unwrap().contacts[0];
        if contact.reachable != before {
            return (contact.reachable, contact.answer_millis);
        }
        assert!(Instant::now() < until, "still {before:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn rfc3261_11_a_device_is_asked_whether_it_is_there_and_the_state_tells() {
    let mut config = config();
    config.qualify = Some(Duration::from_secs(1));
    config.timers = sip::Timers::with_t1(Duration::from_millis(20));
    let (running, mut phones) = with_config(config, &["1001"]);
    let phone = &mut phones[0];
    for (code, there) in [(200, true), (404, true)] {
        let asked = phone.request(Method::Options);
        assert!(asked.headers().has(HeaderId::Accept) && asked.headers().to_tag().is_none());
        assert!(asked.uri_text().starts_with("sip:1001@127.0.0.1:"), "{}", asked.uri_text());
        phone.respond(&asked, code, None);
        if code == 200 {
            let (reachable, millis) = reach(&running, None);
            assert_eq!(reachable, Some(there));
            assert!(millis.unwrap() < 5_000);
        }
    }
    // It says nothing more: after 64*T1 it is not there.
    assert_eq!(reach(&running, Some(true)).0, Some(false));
    // It is called all the same, and is there again with its next answer.
    assert_eq!(running.status().unwrap().registrations, 1);
    while running.status().unwrap().users[0].contacts[0].reachable == Some(false) {
        let asked = phone.request(Method::Options);
        phone.respond(&asked, 200, None);
    }
    assert_eq!(reach(&running, Some(false)).0, Some(true));
    nothing_left(&running);
}

/// The control: nobody is asked who is not to be.
#[test]
fn devices_are_asked_nothing_unless_the_configuration_wants_it() {
    let (running, mut phones) = with_config(config(), &["1001"]);
    // Another server asks its device twice meanwhile.
    let asks = pbx::Config { qualify: Some(Duration::from_secs(1)), ..config() };
    let (_asks, mut asked) = with_config(asks, &["1001"]);
    for _ in 0..2 {
        let question = asked[0].request(Method::Options);
        asked[0].respond(&question, 200, None);
    }
    assert!(phones[0].hears_no(&Method::Options));
    assert_eq!(running.status().unwrap().users[0].contacts[0].reachable, None);
}
