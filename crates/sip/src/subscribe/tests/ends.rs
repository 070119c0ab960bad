use super::*;

/// What comes after a NOTIFY with this Subscription-State.
fn after(state: &str) -> Option<Duration> {
    let (mut rig, _) = Rig::standing(300);
    assert_eq!(rig.notify(state), 200);
    let (why, retry) = rig.failed();
    assert!(matches!(why, SubscribeFailure::Terminated { .. }), "{state}: {why:?}");
    let before = rig.requests.len();
    rig.wait_until(retry.map_or(10_000.0, |wait| wait.as_secs_f64() + 0.1));
    match retry {
        None => {
            assert_eq!(rig.requests.len(), before, "{state}");
            rig.nothing_left();
        }
        Some(_) => {
            let new = rig.requests.get(before).map(|(_, request)| request).unwrap();
            assert!(new.headers().to_tag().is_none(), "{state}");
        }
    }
    retry
}

#[test]
fn rfc6665_4_1_3_deactivated_is_made_again_at_once() {
    assert_eq!(after("terminated;reason=deactivated"), Some(Duration::ZERO));
    assert_eq!(after("terminated;reason=deactivated;retry-after=100"), Some(Duration::ZERO));
}

#[test]
fn rfc6665_4_1_3_probation_is_made_again_later() {
    assert_eq!(after("terminated;reason=probation;retry-after=100"), Some(Duration::from_secs(100)));
    assert!(after("terminated;reason=probation").is_some_and(|wait| wait >= Duration::from_secs(15)));
}

#[test]
fn rfc6665_4_1_3_rejected_noresource_and_invariant_are_for_good() {
    for reason in ["rejected", "noresource", "invariant", "REJECTED"] {
        assert_eq!(after(&format!("terminated;reason={reason}")), None);
        assert_eq!(after(&format!("terminated;reason={reason};retry-after=5")), None);
    }
}

#[test]
fn rfc6665_4_1_3_timeout_and_giveup() {
    assert_eq!(after("terminated;reason=timeout"), Some(Duration::ZERO));
    assert_eq!(after("terminated;reason=giveup"), Some(Duration::ZERO));
    assert_eq!(after("terminated;reason=giveup;retry-after=60"), Some(Duration::from_secs(60)));
}

#[test]
fn rfc6665_4_1_3_expires_of_what_is_over_means_nothing() {
    assert_eq!(after("terminated;reason=noresource;expires=3600"), None);
    assert_eq!(after("terminated;reason=deactivated;expires=3600"), Some(Duration::ZERO));
    assert_eq!(after("terminated;expires=5;reason=probation;retry-after=100"), Some(Duration::from_secs(100)));
    assert_eq!(after("terminated;reason=giveup;expires=3600"), Some(Duration::ZERO));
    assert_eq!(after("terminated;reason=probation;expires=3600"), after("terminated;reason=probation"));
}

#[test]
fn rfc6665_4_1_3_no_reason_or_an_unknown_one() {
    for state in ["terminated", "terminated;reason=mood"] {
        assert!(after(state).is_some_and(|wait| wait >= Duration::from_secs(15)), "{state}");
    }
    assert_eq!(after("terminated;reason=mood;retry-after=7"), Some(Duration::from_secs(7)));
    // Nobody is told to wait for years.
    assert_eq!(after("terminated;retry-after=4294967295"), Some(Duration::from_secs(86_400)));
}

#[test]
fn a_notifier_that_ends_each_subscription_at_once_is_asked_less_and_less() {
    let mut rig = Rig::new();
    rig.subscribe(spec());
    let mut sent = Vec::new();
    while rig.now < 3_600 * SECOND {
        if sent.last() != rig.requests.last().map(|(at, _)| at) {
            sent.extend(rig.requests.last().map(|(at, _)| *at));
            rig.count = 0;
            rig.answer(200, &[("Expires", "3600")]);
            rig.notify("terminated;reason=deactivated");
        }
        rig.wait_until(rig.now as f64 / SECOND as f64 + 1.0);
    }
    assert!((3..15).contains(&sent.len()), "{sent:?}");
}

#[test]
fn rfc6665_4_1_2_1_which_refusals_of_the_first_are_for_good() {
    for (code, again) in [(489, false), (403, false), (405, false), (404, false), (503, true), (480, true), (500, true)]
    {
        let mut rig = Rig::new();
        rig.subscribe(spec());
        rig.answer(code, &[]);
        assert_eq!(rig.failed().1.is_some(), again, "{code}");
    }
    let mut rig = Rig::new();
    rig.subscribe(spec());
    rig.answer(503, &[("Retry-After", "20")]);
    assert_eq!(rig.failed().1, Some(Duration::from_secs(20)));
}

#[test]
fn rfc6665_4_1_2_4_nobody_answers() {
    let mut rig = Rig::new();
    rig.subscribe(spec());
    rig.wait_until(33.0);
    assert!(matches!(rig.failed(), (SubscribeFailure::Unreachable(_) | SubscribeFailure::NotNotified, Some(_))));
}
