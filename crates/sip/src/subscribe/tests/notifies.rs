use super::*;

#[test]
fn rfc6665_4_1_2_1_the_first_subscribe() {
    let mut rig = Rig::new();
    rig.subscribe(spec());
    let sent = rig.last();
    assert_eq!((sent.method(), sent.uri_text()), (&Method::Subscribe, "sip:bob@example.com"));
    let text = |id| sent.headers().text(id).unwrap().into_owned();
    assert_eq!(text(HeaderId::Event), "presence");
    assert_eq!(text(HeaderId::Accept), "application/pidf+xml");
    assert_eq!(text(HeaderId::Expires), "3600");
    assert!(sent.headers().to_tag().is_none() && sent.headers().has(HeaderId::Contact));
}

#[test]
fn rfc6665_4_1_2_4_a_notify_may_come_before_the_2xx() {
    for notify_first in [true, false] {
        let mut rig = Rig::new();
        let id = rig.subscribe(spec());
        if notify_first {
            assert_eq!(rig.notify("active;expires=300"), 200);
            rig.answer(200, &[("Expires", "300")]);
        } else {
            rig.answer(200, &[("Expires", "300")]);
            assert_eq!(rig.notify("active;expires=300"), 200);
        }
        // The same in both cases: a tenth before its end it is refreshed, within the dialog.
        rig.wait_until(269.0);
        assert_eq!(rig.requests.len(), 1, "{notify_first}");
        rig.wait_until(271.0);
        let refresh = rig.last();
        assert_eq!(refresh.headers().to_tag(), Some("notifier"));
        assert_eq!(refresh.uri_text(), "sip:bob@192.0.2.1");
        assert!(rig.turn(|turn| turn.resubscribe(id)).is_ok());
    }
}

#[test]
fn rfc6665_4_1_2_4_without_a_notify_timer_n_ends_it() {
    let mut rig = Rig::new();
    rig.subscribe(spec());
    rig.answer(202, &[("Expires", "3600")]);
    assert!(matches!(rig.event(), SubscriptionEvent::Accepted { .. }));
    rig.wait_until(31.9);
    assert_eq!(rig.events.len(), 1);
    rig.wait_until(32.1);
    let (why, retry) = rig.failed();
    assert_eq!(why, SubscribeFailure::NotNotified);
    // It is made anew, under another Call-ID and tag.
    let first = rig.last().headers().call_id().to_owned();
    rig.wait_until(32.1 + retry.unwrap().as_secs_f64());
    assert_ne!(rig.last().headers().call_id(), first);
    assert!(rig.last().headers().to_tag().is_none());
}

#[test]
fn rfc6665_4_1_3_a_notify_that_fits_no_subscription_is_481() {
    let (mut rig, _) = Rig::standing(300);
    let call_id = rig.last().headers().call_id().to_owned();
    let tag = rig.last().headers().from_tag().unwrap().to_owned();
    for (call, tag) in [("other", tag.as_str()), (call_id.as_str(), "other")] {
        rig.count += 1;
        let count = rig.count;
        rig.receive(format!(
            "NOTIFY sip:alice@192.0.2.7 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx{count}\r\nFrom: <sip:bob@example.com>;tag=notifier\r\n\
             To: <sip:alice@example.com>;tag={tag}\r\nCall-ID: {call}\r\nCSeq: {count} NOTIFY\r\nMax-Forwards: 70\r\nEvent: presence\r\n\
             Subscription-State: active\r\nContent-Length: 0\r\n\r\n"
        ));
        assert_eq!(rig.responses.last().unwrap().code().get(), 481);
    }
    // The control: the right one.
    assert_eq!(rig.notify("active;expires=200"), 200);
}

#[test]
fn rfc6665_4_1_3_what_a_notify_must_have() {
    let (mut rig, _) = Rig::standing(300);
    let told = rig.events.len();
    assert_eq!(rig.notify_from("notifier", "active", "Event: dialog"), 489);
    assert_eq!(rig.responses.last().unwrap().headers().text(HeaderId::AllowEvents).as_deref(), Some("presence"));
    assert_eq!(rig.notify_from("notifier", "active", "Event: presence;id=7"), 481);
    assert_eq!(rig.notify_from("notifier", "", ""), 400);
    assert_eq!(rig.notify_from("notifier", "active", "Event: presence, dialog"), 400, "one package");
    assert_eq!(rig.notify_from("notifier", "active", "Content-Type: text/plain\r\n\r\nhello"), 415);
    assert_eq!(rig.responses.last().unwrap().headers().text(HeaderId::Accept).as_deref(), Some("application/pidf+xml"));
    assert_eq!(rig.events.len(), told, "nothing of it is told");
    assert_eq!(rig.notify_from("notifier", "active", "Content-Type: application/pidf+xml\r\n\r\n<presence/>"), 200);
    assert_eq!(rig.events.len(), told + 1);
    assert!(rig.responses.iter().all(|one| !one.headers().has(HeaderId::Event)));
}

/// Those of a list demand eventlist (RFC 4662 section 4.1), which who subscribes to lists has offered.
#[test]
fn rfc3261_8_2_2_3_a_notify_that_demands_what_was_not_offered_is_420() {
    let (mut rig, _) = Rig::standing(300);
    let told = rig.events.len();
    assert_eq!(rig.notify_from("notifier", "active", "Require: eventlist, 100rel"), 420);
    let unsupported = rig.responses.last().unwrap().headers().text(HeaderId::Unsupported).unwrap().into_owned();
    assert_eq!((unsupported.as_str(), rig.events.len()), ("eventlist, 100rel", told));
    let mut lines = Lines::new();
    lines.push("Supported", "path, eventlist").unwrap();
    let mut rig = Rig::new();
    rig.subscribe(SubscribeSpec { lines, ..spec() });
    rig.answer(200, &[("Expires", "300")]);
    assert_eq!(rig.notify_from("notifier", "active;expires=300", "Require: eventlist"), 200);
    assert_eq!(rig.notify_from("notifier", "active;expires=300", "Require: eventlist, 100rel"), 420);
}

#[test]
fn rfc3261_12_2_2_a_notify_that_comes_late_is_500() {
    let (mut rig, _) = Rig::standing(300);
    rig.count += 5;
    assert_eq!(rig.notify("active"), 200);
    rig.count -= 3;
    // Another branch: no repeat.
    assert_eq!(rig.notify("pending"), 500);
}

/// After so many requests there is one more between these seconds.
fn refreshes_between(rig: &mut Rig, before: usize, [after, until]: [f64; 2]) {
    rig.wait_until(after);
    assert_eq!(rig.requests.len(), before, "at {after} s");
    rig.wait_until(until);
    assert_eq!(rig.requests.len(), before + 1, "at {until} s");
}

#[test]
fn rfc6665_4_1_3_a_notify_shortens_the_subscription() {
    let (mut rig, _) = Rig::standing(3_600);
    assert_eq!(rig.notify("active;expires=100"), 200);
    // Refreshed by its time.
    refreshes_between(&mut rig, 1, [89.9, 90.1]);
}

/// Only a SUBSCRIBE makes it longer.
#[test]
fn rfc6665_4_2_2_a_notify_lengthens_no_subscription() {
    let (mut rig, _) = Rig::standing(300);
    assert_eq!(rig.notify("active;expires=3000"), 200);
    // Refreshed as if that had not come.
    refreshes_between(&mut rig, 1, [269.9, 270.1]);
    // One that overtakes the 2xx of the refresh shortens nothing either.
    assert_eq!(rig.notify("active;expires=3000"), 200);
    rig.answer(200, &[("Expires", "3000")]);
    refreshes_between(&mut rig, 2, [2_970.0, 2_970.2]);
}

/// What is left, told again and again, puts the refresh off by nothing.
#[test]
fn rfc6665_4_1_2_2_a_subscription_is_refreshed_in_time_however_often_it_is_told_of() {
    let (mut rig, _) = Rig::standing(300);
    for second in 1..270_u16 {
        rig.wait_until(f64::from(second) + 0.3);
        assert_eq!(rig.notify(&format!("active;expires={}", 299 - second)), 200);
    }
    assert_eq!(rig.requests.len(), 1);
    rig.wait_until(270.1);
    assert_eq!(rig.requests.len(), 2);
    // What is really less counts.
    rig.answer(200, &[("Expires", "300")]);
    assert_eq!(rig.notify("active;expires=100"), 200);
    refreshes_between(&mut rig, 2, [359.9, 360.2]);
}

/// Copies of the 2xx are lost until the old time is over: the NOTIFY of the refresh has said that it goes on.
#[test]
fn rfc6665_4_2_2_a_notify_of_the_refresh_keeps_the_subscription() {
    let (mut rig, _) = Rig::standing(60);
    rig.wait_until(54.1);
    assert_eq!(rig.requests.len(), 2);
    assert_eq!(rig.notify("active;expires=60"), 200);
    rig.wait_until(62.0);
    rig.answer(200, &[("Expires", "60")]);
    // Copies of one count once.
    let asked = |rig: &Rig| {
        let names = rig
            .requests
            .iter()
            .map(|(_, request)| (request.headers().call_id().to_owned(), request.headers().cseq().number));
        names.collect::<std::collections::BTreeSet<_>>()
    };
    rig.wait_until(115.9);
    assert_eq!(asked(&rig).len(), 2, "nothing was begun anew");
    rig.wait_until(116.2);
    let all = asked(&rig);
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|(call_id, _)| Some(call_id) == all.first().map(|(first, _)| first)), "{all:?}");
}

#[test]
fn rfc6665_4_4_3_a_single_question() {
    let mut rig = Rig::new();
    rig.subscribe(SubscribeSpec { expires: 0, ..spec() });
    assert_eq!(Rig::expires(rig.last()), 0);
    rig.answer(200, &[("Expires", "0")]);
    assert_eq!(rig.notify("terminated;reason=timeout"), 200);
    assert!(matches!(rig.event(), SubscriptionEvent::Ended));
    rig.nothing_left();
}

#[test]
fn what_cannot_be_subscribed_to_is_refused_before_anything_is_sent() {
    let mut rig = Rig::new();
    let bad = [
        SubscribeSpec { event: "pre\r\nsence".into(), ..spec() },
        SubscribeSpec { event: String::new(), ..spec() },
        SubscribeSpec { event: "presence, dialog".into(), ..spec() },
        SubscribeSpec { accept: vec!["no type".into()], ..spec() },
        SubscribeSpec { resource: "tel:+49".parse().unwrap(), ..spec() },
    ];
    for spec in bad {
        assert!(rig.turn(|turn| turn.subscribe(spec.clone())).is_err(), "{spec:?}");
    }
    let mut rig = Rig::with(Config { max_subscriptions: 1, ..Config::default() });
    rig.subscribe(spec());
    assert_eq!(rig.turn(|turn| turn.subscribe(spec())), Err(StackError::Full { what: "subscriptions", limit: 1 }));
}

/// A notifier that does not say that its only NOTIFY is the last: nothing more is asked, and it is over with Timer N.
#[test]
fn rfc6665_4_4_3_a_single_question_is_over_with_timer_n() {
    for state in ["active;expires=600", "active", "pending;expires=0"] {
        let mut rig = Rig::new();
        rig.subscribe(SubscribeSpec { expires: 0, ..spec() });
        rig.answer(200, &[("Expires", "0")]);
        assert_eq!(rig.notify(state), 200);
        rig.wait_until(31.0);
        assert!(matches!(rig.event(), SubscriptionEvent::Notified { .. }), "{state}: {:?}", rig.event());
        rig.wait_until(33.0);
        assert!(matches!(rig.event(), SubscriptionEvent::Ended), "{state}: {:?}", rig.event());
        assert_eq!(rig.requests.len(), 1, "{state}");
        rig.nothing_left();
    }
    // One that is never told has failed.
    let mut rig = Rig::new();
    rig.subscribe(SubscribeSpec { expires: 0, ..spec() });
    rig.answer(200, &[("Expires", "0")]);
    rig.wait_until(33.0);
    assert_eq!(rig.failed(), (SubscribeFailure::NotNotified, None));
    rig.nothing_left();
}

#[test]
fn rfc5839_7_2_a_204_to_a_single_question_is_all() {
    let mut rig = Rig::new();
    rig.subscribe(SubscribeSpec { expires: 0, ..spec() });
    rig.answer(204, &[("Expires", "0")]);
    assert!(matches!(rig.event(), SubscriptionEvent::Ended));
    rig.nothing_left();
}

/// A NOTIFY that crosses the end is not the last one.
#[test]
fn rfc6665_4_1_2_3_only_a_terminated_notify_is_the_last() {
    let (mut rig, id) = Rig::standing(3_600);
    rig.turn(|turn| turn.unsubscribe(id)).unwrap();
    assert_eq!(rig.notify("active;expires=3599"), 200);
    rig.answer(200, &[("Expires", "0")]);
    rig.wait_until(31.0);
    assert!(matches!(rig.event(), SubscriptionEvent::Notified { .. }));
    rig.wait_until(33.0);
    assert!(matches!(rig.event(), SubscriptionEvent::Ended), "{:?}", rig.event());
    rig.nothing_left();
}
