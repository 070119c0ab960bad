//! What follows a refusal: other conditions, another registrar, another time.

use super::*;

#[test]
fn rfc3261_10_2_8_a_423_is_followed_once_with_its_min_expires() {
    let mut rig = Rig::new();
    rig.register(RegisterSpec { expires: 60, ..spec() });
    rig.answer(423, &[("Min-Expires", "300")]);
    assert_eq!((rig.sent.len(), rig.last_expires()), (2, 300));
    rig.answer(423, &[("Min-Expires", "900")]);
    assert_eq!((rig.sent.len(), rig.failed()), (2, (Some(423), None)));
    for (least, why) in [("60", "asks for nothing more"), ("90000", "more than we are willing to"), ("", "unreadable")]
    {
        let mut rig = Rig::new();
        rig.register(RegisterSpec { expires: 60, ..spec() });
        rig.answer(423, &[("Min-Expires", least)]);
        assert_eq!((rig.sent.len(), rig.failed()), (1, (Some(423), None)), "{why}");
    }
}

#[test]
fn a_423_counts_for_the_refreshes_after_it_too() {
    let mut rig = Rig::new();
    rig.register(RegisterSpec { expires: 60, ..spec() });
    rig.answer(423, &[("Min-Expires", "300")]);
    rig.accept(300);
    rig.wait_until(270.0);
    assert_eq!((rig.sent.len(), rig.last_expires()), (3, 300));
    rig.answer(423, &[("Min-Expires", "600")]);
    assert_eq!((rig.sent.len(), rig.last_expires()), (4, 600));
}

#[test]
fn rfc3261_8_1_3_4_a_redirect_for_good_is_followed_once_and_kept_for_refreshes() {
    let mut rig = Rig::new();
    rig.register(spec());
    rig.answer(301, &[("Contact", "<sip:low.example.com>;q=0.1, <sip:high.example.com>;q=0.9, <tel:1>")]);
    assert_eq!((rig.sent.len(), rig.last().uri_text()), (2, "sip:high.example.com"));
    rig.accept(60);
    rig.wait_until(54.0);
    assert_eq!((rig.sent.len(), rig.last().uri_text()), (3, "sip:high.example.com"));
    rig.answer(503, &[]);
    let wait = rig.failed().1.unwrap();
    rig.wait_until(54.01 + wait.as_secs_f64());
    assert_eq!(rig.last().uri_text(), "sip:example.com", "after a failure from the start");
}

#[test]
fn rfc3261_21_3_3_a_temporary_address_is_kept_as_long_as_it_says_and_no_longer() {
    let to = |params: &str| format!("<sip:b.example.com>{params}");
    for (contact, expires, kept) in [
        (to(""), None, false),
        (to(";expires=53"), None, false),
        (to(";expires=55"), None, true),
        (to(""), Some("55"), true),
        (to(";expires=53"), Some("55"), false),
    ] {
        let mut rig = Rig::new();
        let id = rig.register(spec());
        let expires = expires.map(|value| ("Expires", value));
        let lines: Vec<_> = [("Contact", contact.as_str())].into_iter().chain(expires).collect();
        rig.answer(302, &lines);
        assert_eq!((rig.sent.len(), rig.last().uri_text()), (2, "sip:b.example.com"), "it is followed now");
        rig.accept(60);
        rig.wait_until(54.0);
        let expected = if kept { "sip:b.example.com" } else { "sip:example.com" };
        assert_eq!((rig.sent.len(), rig.last().uri_text()), (3, expected), "{lines:?}");
        if !kept {
            rig.answer(302, &lines);
            assert_eq!((rig.sent.len(), rig.last().uri_text()), (4, "sip:b.example.com"), "and again");
        }
        rig.accept(60);
        // Taking it back finds the way, too.
        rig.wait_until(107.5);
        rig.turn(|turn| turn.unregister(id, Removal::Ours)).unwrap();
        assert_eq!((rig.last().uri_text(), rig.last_expires()), ("sip:example.com", 0));
        rig.answer(302, &lines);
        assert_eq!((rig.last().uri_text(), rig.last_expires()), ("sip:b.example.com", 0));
    }
}

#[test]
fn rfc3261_21_3_4_a_proxy_to_use_is_no_registrar() {
    for code in [305, 380] {
        let mut rig = Rig::new();
        rig.register(spec());
        rig.answer(code, &[("Contact", "<sip:b.example.com>")]);
        assert_eq!((rig.sent.len(), rig.failed()), (1, (Some(code), None)));
    }
}

#[test]
fn rfc3261_8_1_3_4_redirects_in_a_circle_or_to_less_security_are_not_followed() {
    let mut rig = Rig::new();
    rig.register(spec());
    rig.answer(301, &[("Contact", "<sip:a.example.com>")]);
    rig.answer(301, &[("Contact", "<sip:b.example.com>")]);
    assert_eq!((rig.sent.len(), rig.failed()), (2, (Some(301), None)));
    for (first, to) in [
        ("sip:example.com", "<sip:EXAMPLE.com>"),
        ("sips:example.com", "<sip:b.example.com>"),
        ("sip:example.com", "<sip:b?X=1>"),
    ] {
        let mut rig = Rig::new();
        rig.register(RegisterSpec { registrar: first.parse().unwrap(), ..spec() });
        rig.answer(302, &[("Contact", to)]);
        assert_eq!((rig.sent.len(), rig.failed().0), (1, Some(302)), "{first} {to}");
    }
    let mut rig = Rig::new();
    rig.register(RegisterSpec { follow_redirect: false, ..spec() });
    rig.answer(302, &[("Contact", "<sip:b.example.com>")]);
    assert_eq!(rig.sent.len(), 1);
}

#[test]
fn rfc5626_4_5_failures_in_a_row_double_the_wait_up_to_half_an_hour() {
    let mut rig = Rig::new();
    rig.register(spec());
    let mut now = 0.0;
    for longest in [60, 120, 240, 480, 960, 1_800, 1_800, 1_800] {
        rig.answer(500, &[]);
        let (code, wait) = rig.failed();
        let wait = wait.unwrap().as_secs_f64();
        assert!(
            code == Some(500) && wait >= f64::from(longest) / 2.0 && wait <= f64::from(longest),
            "{longest}: {wait}"
        );
        let sent = rig.sent.len();
        rig.wait_until(now + wait - 0.01);
        assert_eq!(rig.sent.len(), sent);
        now += wait + 0.01;
        rig.wait_until(now);
        assert_eq!(rig.sent.len(), sent + 1);
    }
    rig.accept(3_600);
    rig.wait_until(now + 3_240.01);
    rig.answer(500, &[]);
    assert!(rig.failed().1.unwrap() <= Duration::from_secs(60), "a success starts anew");
}

#[test]
fn rfc5626_4_5_a_flow_that_fails_while_another_stands_waits_longer() {
    let mut rig = Rig::new();
    rig.register(RegisterSpec { flow_of: Some(7), ..spec() });
    rig.accept(3_600);
    for (flow_of, least, most) in [(Some(7), 90, 180), (Some(8), 30, 60), (None, 30, 60)] {
        rig.register(RegisterSpec { flow_of, ..spec() });
        rig.answer(500, &[]);
        let wait = rig.failed().1.unwrap().as_secs();
        assert!((least..=most).contains(&wait), "{flow_of:?}: {wait}");
    }
}

#[test]
fn rfc3261_20_33_retry_after_says_when_a_registration_is_tried_again() {
    for code in [480, 500, 503, 504] {
        for (header, seconds) in
            [("600 (maintenance);duration=9", 600), ("5", 5), ("1", 1), ("0", 1), ("99999999999", 86_400)]
        {
            let mut rig = Rig::new();
            rig.register(spec());
            // However often it fails.
            for _ in 0..3 {
                rig.answer(code, &[("Retry-After", header)]);
                assert_eq!(rig.failed(), (Some(code), Some(Duration::from_secs(seconds))), "{header}");
                let (sent, at) = (rig.sent.len(), rig.now as f64 / SECOND as f64 + seconds as f64);
                rig.wait_until(at - 0.01);
                assert_eq!(rig.sent.len(), sent, "{header}");
                rig.wait_until(at);
                assert_eq!(rig.sent.len(), sent + 1, "{header}");
            }
        }
    }
    // A policy of always the same time gives way too, but gives up as it would.
    let mut rig = Rig::new();
    let every = Retry::Every { wait: Duration::from_secs(60), attempts: Some(2) };
    rig.register(RegisterSpec { retry: every, ..spec() });
    rig.answer(503, &[("Retry-After", "5")]);
    assert_eq!(rig.failed().1, Some(Duration::from_secs(5)));
    rig.wait_until(5.0);
    rig.answer(503, &[("Retry-After", "5")]);
    assert_eq!(rig.failed().1, None);
    let mut rig = Rig::new();
    rig.register(spec());
    rig.answer(404, &[("Retry-After", "300")]);
    assert_eq!(rig.failed(), (Some(404), Some(Duration::from_secs(300))));
}

#[test]
fn rfc3261_21_5_4_a_503_that_says_no_time_is_a_500() {
    for lines in [&[][..], &[("Retry-After", "soon")]] {
        let mut rig = Rig::new();
        rig.register(spec());
        rig.answer(503, lines);
        let wait = rig.failed().1.unwrap().as_secs();
        assert!((30..=60).contains(&wait), "{lines:?}: {wait}");
    }
}

#[test]
fn rfc5626_4_5_a_flow_waits_its_delay_at_least_whatever_retry_after_says() {
    for (header, least, most) in [("1", 30, 60), ("600", 600, 600)] {
        let mut rig = Rig::new();
        rig.register(RegisterSpec { flow_of: Some(7), ..spec() });
        rig.answer(503, &[("Retry-After", header)]);
        let wait = rig.failed().1.unwrap().as_secs();
        assert!((least..=most).contains(&wait), "{header}: {wait}");
    }
}

#[test]
fn tb_32_final_refusals_stop_and_passing_ones_are_retried() {
    for (code, retried) in [
        (400, false),
        (401, false),
        (403, false),
        (404, false),
        (405, false),
        (407, false),
        (420, false),
        (408, true),
        (480, true),
        (500, true),
        (501, false),
        (503, true),
        (504, true),
        (600, false),
    ] {
        let mut rig = Rig::new();
        rig.register(spec());
        rig.answer(code, &[]);
        assert_eq!((rig.failed().0, rig.failed().1.is_some()), (Some(code), retried));
        assert_eq!(rig.stack.usage().registrations, 1);
    }
    let mut rig = Rig::new();
    rig.register(RegisterSpec { retry_forbidden: true, ..spec() });
    rig.answer(403, &[]);
    assert!(rig.failed().1.is_some());
}

#[test]
fn tb_32_a_fixed_retry_gives_up_after_its_attempts_and_a_refresh_starts_anew() {
    let mut rig = Rig::new();
    let every = Retry::Every { wait: Duration::from_secs(20), attempts: Some(2) };
    let id = rig.register(RegisterSpec { retry: every, ..spec() });
    rig.wait_until(31.9);
    assert!(rig.events.is_empty());
    rig.wait_until(32.0);
    assert!(matches!(
        &rig.events.last().unwrap().1,
        RegistrationEvent::Failed {
            why: RegisterFailure::Unreachable(Failure::Timeout),
            retry_in: Some(Duration { .. })
        }
    ));
    assert_eq!(rig.failed().1, Some(Duration::from_secs(20)));
    let first = rig.sent[0].1.headers().cseq().number;
    rig.wait_until(52.0);
    assert_eq!(rig.last_at(), 52.0);
    assert_eq!(rig.last().headers().cseq().number, first + 1);
    rig.wait_until(84.0);
    assert_eq!(rig.failed(), (None, None));
    rig.wait_until(1_000.0);
    let sent = rig.sent.len();
    rig.turn(|turn| turn.refresh(id)).unwrap();
    assert_eq!(rig.sent.len(), sent + 1);
    rig.accept(60);
    assert_eq!(rig.registered().0, 60);
}
