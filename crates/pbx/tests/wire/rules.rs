//! Sentences of RFC 3261 about what a server takes and what it answers, asked over the wire.

use audio::codec::Codec;
use sip::message::{HeaderId, Message, Method};

use crate::phone::{Dialog, Phone};
use crate::setup::{config, nothing_left, phone, start, with_phones};
use crate::sound::Sound;

/// Calls 600 with credentials that the answer was worth: the dialog, the headers of the 200, and those credentials.
fn call_signed(phone: &mut Phone, description: &str) -> (Dialog, sip::message::Headers, String) {
    let uri = format!("sip:600@127.0.0.1:{}", phone.server.port());
    let body = Some(("application/sdp", description));
    let (dialog, challenge) = phone.ask_plain("INVITE", &uri, "sip:600@127.0.0.1", body, &[]);
    assert_eq!(challenge.code().get(), 401);
    let lines = phone.credentials(challenge.headers(), "INVITE", &uri, description);
    let (dialog, answer) = phone.again(&dialog, "INVITE", &uri, body, &lines);
    assert_eq!(answer.code().get(), 200);
    (dialog, answer.headers().clone(), lines.concat())
}

#[test]
fn rfc3261_22_1_an_ack_is_taken_with_the_credentials_of_its_invite_or_without_and_never_challenged() {
    for signed in [true, false] {
        let (running, mut phones) = with_phones(&["1001"]);
        let (phone, description) = (&mut phones[0], Sound::new(Codec::Pcmu).describe());
        let (mut dialog, answer, credentials) = call_signed(phone, &description);
        phone.extra = if signed { credentials } else { String::new() };
        phone.ack(&dialog, &answer, false, None);
        phone.extra.clear();
        // Before the ACK a change is refused with 491.
        phone.within(&mut dialog, "INVITE", Some(("application/sdp", &description)));
        let branch = dialog.branch.clone();
        let changed = phone.final_response(&branch);
        assert_eq!(changed.code().get(), 200, "signed: {signed}");
        phone.ack(&dialog, changed.headers(), false, None);
        phone.hang_up(&mut dialog);
        assert_eq!(phone.answers_to(&Method::Ack), 0, "signed: {signed}");
        nothing_left(&running);
    }
}

#[test]
fn rfc3261_22_1_a_cancel_is_never_challenged() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let description = Sound::new(Codec::Pcmu).describe();
    let (caller, callee) = phones.split_at_mut(1);
    let (caller, callee) = (&mut caller[0], &mut callee[0]);
    std::thread::scope(|scope| {
        scope.spawn(|| callee.rings_in_vain());
        let (dialog, ringing) = caller.call("1002", Some(&description));
        assert_eq!(ringing.code().get(), 180);
        caller.cancel(&dialog);
        let answer = caller.wait("an answer to the CANCEL", |message| match message {
            Message::Response(response) if response.headers().cseq().method == Method::Cancel => Some(response.clone()),
            _ => None,
        });
        assert_eq!(answer.code().get(), 200);
        let refused = caller.final_response(&dialog.branch);
        assert_eq!(refused.code().get(), 487);
        caller.ack(&dialog, refused.headers(), true, None);
    });
    nothing_left(&running);
}

#[test]
fn rfc3261_22_basic_is_neither_asked_for_nor_taken() {
    let (running, address) = start(config());
    let mut device = phone(address, "1001");
    // 1001:secret-1001
    let basic = ["Authorization: Basic MTAwMTpzZWNyZXQtMTAwMQ==\r\n".to_owned()];
    for method in ["REGISTER", "INVITE", "MESSAGE"] {
        let (_, refused) = device.ask_plain(method, "sip:127.0.0.1", "sip:1001@127.0.0.1", None, &basic);
        assert_eq!(refused.code().get(), 401, "{method}");
        let offered: Vec<_> =
            refused.headers().all(HeaderId::WwwAuthenticate).map(|line| line.text().into_owned()).collect();
        assert!(!offered.is_empty() && offered.iter().all(|line| line.starts_with("Digest ")), "{offered:?}");
        assert!(offered.iter().all(|line| line.contains(", qop=\"")), "22.4: {offered:?}");
        assert!(!refused.headers().has(HeaderId::ProxyAuthenticate));
    }
    assert_eq!(running.status().unwrap().registrations, 0);
}

#[test]
fn rfc3261_8_2_1_allow_lists_what_is_taken_and_a_405_says_the_same() {
    let (_running, mut phones) = with_phones(&["1001"]);
    let phone = &mut phones[0];
    let (nobody, list) = ("sip:999@127.0.0.1", |response: &sip::message::Response| {
        response.headers().text(HeaderId::Allow).unwrap().split(", ").map(str::to_owned).collect::<Vec<_>>()
    });
    let allowed = list(&phone.ask("OPTIONS", "sip:127.0.0.1", nobody, None).1);
    assert!(allowed.len() > 4 && allowed.contains(&"INVITE".to_owned()), "{allowed:?}");
    for method in Method::KNOWN.iter().filter(|method| **method != Method::Ack) {
        let answer = phone.ask(method.as_str(), nobody, nobody, None).1;
        // These are looked for in their dialog first, and there is none (section 12.2.2).
        if matches!(method, Method::Bye | Method::Prack | Method::Update | Method::Info | Method::Notify) {
            assert_eq!(answer.code().get(), 481, "{method}");
            continue;
        }
        let taken = allowed.contains(&method.as_str().to_owned());
        assert_eq!(answer.code().get() == 405, !taken, "{method}: {answer:?}");
        assert_ne!(answer.code().get(), 501, "{method} is known");
        if !taken {
            assert_eq!(list(&answer), allowed, "{method}");
        }
    }
}

#[test]
fn rfc3261_10_3_a_record_route_of_a_register_is_not_answered_and_leads_nowhere() {
    let (running, address) = start(config());
    let (mut caller, mut callee) = (phone(address, "1001"), phone(address, "1002"));
    callee.agent = "Record-Route: <sip:127.0.0.9;lr>, <sip:127.0.0.10>\r\n".to_owned();
    let answer = callee.register(120);
    assert_eq!((answer.code().get(), answer.headers().has(HeaderId::RecordRoute)), (200, false));
    assert_eq!(caller.register(120).code().get(), 200);
    let sound = Sound::new(Codec::Pcmu);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (invite, _) = callee.answers(&sound.describe());
            assert!(!invite.headers().has(HeaderId::Route), "{invite:?}");
            callee.hung_up();
        });
        let (mut dialog, _) = caller.call_through("1002", &sound.describe());
        caller.hang_up(&mut dialog);
    });
    nothing_left(&running);
}

#[test]
fn rfc3261_19_1_1_parameters_of_a_uri_that_nobody_knows_are_ignored() {
    let (running, mut phones) = with_phones(&["1001"]);
    let (phone, sound) = (&mut phones[0], Sound::new(Codec::Pcmu));
    for params in [";nobody=knows", ";flag", ";x=%41;lr=on;nobody=%22", ";transport=udp;nobody=knows;user=phone"] {
        let uri = format!("sip:600@127.0.0.1:{}{params}", phone.server.port());
        assert_eq!(phone.ask("OPTIONS", &uri, &uri, None).1.code().get(), 200, "{params}");
        let number = format!("600@127.0.0.1:{}{params}", phone.server.port());
        let (dialog, answer) =
            phone.ask("INVITE", &format!("sip:{number}"), &uri, Some(("application/sdp", &sound.describe())));
        assert_eq!(answer.code().get(), 200, "{params}");
        phone.ack(&dialog, answer.headers(), false, None);
        phone.hang_up(&mut { dialog });
    }
    nothing_left(&running);
}
