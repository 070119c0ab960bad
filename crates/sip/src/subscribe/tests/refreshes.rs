use super::*;

#[test]
fn rfc6665_4_1_2_2_a_refresh_that_is_answered_481_makes_a_new_subscription_at_once() {
    let (mut rig, _) = Rig::standing(300);
    rig.wait_until(271.0);
    let old = rig.last().headers().call_id().to_owned();
    rig.answer(481, &[]);
    assert_eq!(rig.failed().1, Some(Duration::ZERO));
    rig.wait_until(271.1);
    assert_ne!(rig.last().headers().call_id(), old);
    assert!(rig.last().headers().to_tag().is_none());
}

#[test]
fn rfc6665_4_1_2_2_which_refusals_of_a_refresh_end_it() {
    for code in [404, 405, 410, 416, 482, 483, 484, 485, 489, 501, 604] {
        let (mut rig, id) = Rig::standing(300);
        rig.wait_until(271.0);
        rig.answer(code, &[]);
        assert!(matches!(rig.failed(), (SubscribeFailure::Refused { .. }, None)), "{code}");
        assert_eq!(rig.turn(|turn| turn.unsubscribe(id)), Err(StackError::Gone), "{code}");
        rig.nothing_left();
    }
    for code in [400, 403, 500, 503] {
        let (mut rig, _) = Rig::standing(300);
        rig.wait_until(271.0);
        rig.answer(code, &[]);
        let (_, retry) = rig.failed();
        assert!(retry.is_some_and(|wait| wait <= Duration::from_secs(29)), "{code}: {retry:?}");
        // It stands: a NOTIFY is taken.
        assert_eq!(rig.notify("active"), 200, "{code}");
    }
}

#[test]
fn rfc6665_4_1_2_2_a_refresh_without_a_notify_ends_it() {
    let (mut rig, _) = Rig::standing(300);
    rig.wait_until(271.0);
    rig.answer(200, &[("Expires", "300")]);
    rig.wait_until(301.9);
    assert!(matches!(rig.event(), SubscriptionEvent::Accepted { .. }), "not yet");
    rig.wait_until(302.1);
    assert_eq!(rig.failed().0, SubscribeFailure::NotNotified);
    // The control: with a NOTIFY it stands.
    let (mut rig, _) = Rig::standing(300);
    rig.wait_until(271.0);
    rig.answer(200, &[("Expires", "300")]);
    assert_eq!(rig.notify("active;expires=300"), 200);
    rig.wait_until(400.0);
    assert!(matches!(rig.event(), SubscriptionEvent::Notified { .. }));
}

#[test]
fn rfc5839_204_wants_no_notify() {
    let (mut rig, _) = Rig::standing(300);
    rig.wait_until(271.0);
    rig.answer(204, &[("Expires", "300")]);
    rig.wait_until(400.0);
    assert!(matches!(rig.event(), SubscriptionEvent::Accepted { .. }));
}

#[test]
fn rfc6665_4_2_1_1_423_is_asked_again_with_its_minimum_once() {
    let mut rig = Rig::new();
    rig.subscribe(SubscribeSpec { expires: 30, ..spec() });
    rig.answer(423, &[("Min-Expires", "90")]);
    assert_eq!(Rig::expires(rig.last()), 90);
    rig.answer(423, &[("Min-Expires", "120")]);
    assert!(matches!(rig.failed(), (SubscribeFailure::Refused { .. }, None)));
    rig.nothing_left();
}

#[test]
fn rfc6665_4_2_1_1_expires_of_a_2xx_is_never_longer_than_asked() {
    let mut rig = Rig::new();
    rig.subscribe(SubscribeSpec { expires: 100, ..spec() });
    rig.answer(200, &[("Expires", "9999")]);
    assert!(matches!(rig.event(), SubscriptionEvent::Accepted { expires, .. } if expires.as_secs() == 100));
}

#[test]
fn rfc6665_4_1_2_2_what_is_not_refreshed_expires() {
    let mut rig = Rig::new();
    let never = SubscribeSpec { refresh: crate::register::Refresh::Never, ..spec() };
    rig.subscribe(never);
    rig.answer(200, &[("Expires", "100")]);
    rig.notify("active;expires=100");
    rig.wait_until(99.0);
    assert_eq!(rig.requests.len(), 1);
    rig.wait_until(101.0);
    assert!(matches!(
        rig.events.iter().rev().find_map(|(_, _, event)| match event {
            SubscriptionEvent::Failed { why, .. } => Some(why),
            _ => None,
        }),
        Some(SubscribeFailure::Expired)
    ));
}

#[test]
fn rfc6665_4_1_2_3_unsubscribing() {
    let (mut rig, id) = Rig::standing(300);
    rig.turn(|turn| turn.unsubscribe(id)).unwrap();
    assert_eq!((Rig::expires(rig.last()), rig.last().headers().to_tag()), (0, Some("notifier")));
    rig.answer(200, &[("Expires", "0")]);
    assert_eq!(rig.notify("terminated;reason=timeout"), 200);
    assert!(matches!(rig.event(), SubscriptionEvent::Ended));
    rig.nothing_left();
    // Without a last NOTIFY it is over all the same.
    let (mut rig, id) = Rig::standing(300);
    rig.turn(|turn| turn.unsubscribe(id)).unwrap();
    rig.answer(200, &[("Expires", "0")]);
    rig.nothing_left();
    assert!(matches!(rig.event(), SubscriptionEvent::Ended));
}

#[test]
fn cve_mwi_an_end_that_races_a_refresh_a_thousand_times() {
    for nth in 0..1_000_u32 {
        let (mut rig, id) = Rig::standing(300);
        rig.wait_until(271.0);
        let early = nth % 2 == 0;
        // The refresh is under way.
        if early {
            rig.turn(|turn| turn.unsubscribe(id)).unwrap();
        }
        match nth % 5 {
            0 => rig.answer(200, &[("Expires", "300")]),
            1 => drop(rig.notify("active;expires=300")),
            2 => rig.answer(481, &[]),
            3 => drop(rig.notify("terminated;reason=deactivated")),
            _ => {}
        }
        if !early {
            let _ = rig.turn(|turn| turn.unsubscribe(id));
        }
        rig.wait_until(272.0 + f64::from(nth % 40));
        let _ = rig.turn(|turn| turn.unsubscribe(id));
        rig.nothing_left();
    }
}
