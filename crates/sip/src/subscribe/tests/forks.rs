use super::*;

#[test]
fn rfc6665_4_1_4_each_notifier_is_a_subscription_of_its_own() {
    let mut rig = Rig::new();
    let root = rig.subscribe(SubscribeSpec { forks: 1, ..spec() });
    assert_eq!(rig.notify_from("one", "active;expires=300", ""), 200);
    rig.answer(200, &[("Expires", "300")]);
    assert_eq!(rig.notify_from("two", "active;expires=100", ""), 200);
    let fork = rig.events.iter().find_map(|(_, id, event)| match event {
        SubscriptionEvent::Forked { subscription } => Some((*id, *subscription)),
        _ => None,
    });
    let (of, fork) = fork.unwrap();
    assert_eq!(of, root);
    assert!(rig.events.iter().any(|(_, id, event)| *id == fork && matches!(event, SubscriptionEvent::Notified { .. })));
    // One too many ends by its 481 (section 4.4.1).
    assert_eq!(rig.notify_from("three", "active", ""), 481);
    // Each is refreshed in its own time and dialog.
    rig.wait_until(91.0);
    assert_eq!(rig.last().headers().to_tag(), Some("two"));
    rig.answer(481, &[]);
    // A fork is not made again.
    assert!(matches!(rig.failed(), (SubscribeFailure::Refused { .. }, None)));
    rig.wait_until(271.0);
    assert_eq!(rig.last().headers().to_tag(), Some("one"));
}

#[test]
fn rfc6665_4_1_2_4_after_timer_n_no_fork_is_taken() {
    let mut rig = Rig::new();
    rig.subscribe(SubscribeSpec { forks: 5, ..spec() });
    rig.answer(200, &[("Expires", "3600")]);
    assert_eq!(rig.notify_from("one", "active;expires=3600", ""), 200);
    rig.wait_until(31.0);
    assert_eq!(rig.notify_from("two", "active", ""), 200);
    rig.wait_until(33.0);
    assert_eq!(rig.notify_from("three", "active", ""), 481);
    assert_eq!(rig.stack.usage().subscriptions, 2);
}

#[test]
fn rfc6665_4_1_4_without_leave_a_fork_is_481() {
    let (mut rig, _) = Rig::standing(300);
    assert_eq!(rig.notify_from("other", "active", ""), 481);
}

#[test]
fn forks_of_equal_state_end_in_every_order() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut rig = Rig::new();
        let root = rig.subscribe(SubscribeSpec { forks: 2, ..spec() });
        rig.answer(200, &[("Expires", "300")]);
        for tag in ["one", "two", "three"] {
            assert_eq!(rig.notify_from(tag, "active;expires=300", ""), 200);
        }
        let mut all = vec![root];
        all.extend(rig.events.iter().filter_map(|(_, _, event)| match event {
            SubscriptionEvent::Forked { subscription } => Some(*subscription),
            _ => None,
        }));
        assert_eq!(all.len(), 3);
        for which in order {
            rig.turn(|turn| turn.unsubscribe(all[which])).unwrap();
            assert_eq!(Rig::expires(rig.last()), 0);
            rig.answer(200, &[("Expires", "0")]);
        }
        rig.nothing_left();
    }
}
