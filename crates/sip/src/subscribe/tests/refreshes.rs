use super::*;
use crate::digest::Credentials;
use crate::draft::{ContactSpec, Hop};

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

/// Who is not there now may be later.
#[test]
fn rfc6665_4_1_2_2_480_to_a_refresh_ends_it_and_a_new_one_is_made_later() {
    let (mut rig, _) = Rig::standing(300);
    rig.wait_until(271.0);
    rig.answer(480, &[("Retry-After", "60")]);
    assert_eq!(rig.failed().1, Some(Duration::from_secs(60)));
    assert_eq!(rig.notify("active;expires=29"), 481, "nothing of it is left");
    let old = rig.last().headers().call_id().to_owned();
    rig.wait_until(331.1);
    assert!(rig.last().headers().to_tag().is_none() && rig.last().headers().call_id() != old);
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

/// Along a flow from this port.
fn by(port: u16, user: &str) -> Whereby {
    let path = Path { flow: FlowId(port.into()), local: ([192, 0, 2, 7], port).into(), ..path() };
    let contact = ContactSpec::Auto { user: Some(user.to_owned()), params: String::new() };
    Whereby { routes: Vec::new(), hop: Hop::Path(path), contact, credentials: Credentials::new() }
}

/// Call-ID, whether it is within a dialog, our port and Contact of the last request.
fn sent(rig: &Rig) -> (String, bool, bool, String) {
    let headers = rig.last().headers();
    let text = |id| headers.text(id).unwrap().into_owned();
    let by_other = text(HeaderId::Via).contains("192.0.2.7:6000;");
    (headers.call_id().to_owned(), headers.to_tag().is_some(), by_other, text(HeaderId::Contact))
}

#[test]
fn rfc5626_4_3_a_subscription_is_made_anew_by_another_flow_and_says_within_one_where_it_is() {
    let moves = |rig: &mut Rig, id, way| rig.turn(|turn| turn.move_subscription(id, way)).unwrap();
    let Whereby { hop, contact, .. } = by(5060, "alice");
    let mut rig = Rig::new();
    let id = rig.subscribe(SubscribeSpec { hop, contact, ..spec() });
    rig.answer(200, &[("Expires", "600")]);
    assert_eq!(rig.notify("active;expires=600"), 200);
    let (call_id, ..) = sent(&rig);
    moves(&mut rig, id, by(5060, "elsewhere"));
    assert_eq!(sent(&rig), (call_id.clone(), true, false, "<sip:elsewhere@192.0.2.7:5060>".to_owned()));
    // One SUBSCRIBE is under way, on a flow that is gone: nobody waits for its answer.
    let count = rig.requests.len();
    moves(&mut rig, id, by(6000, "alice"));
    let (anew, within, by_other, contact) = sent(&rig);
    assert!(anew != call_id && !within && by_other && contact == "<sip:alice@192.0.2.7:6000>", "{:?}", rig.last());
    assert_eq!(rig.requests.len(), count + 1);
    rig.answer(200, &[("Expires", "600")]);
    assert_eq!(rig.notify("active;expires=600"), 200);
    // One that rests is made at once.
    let (before, ..) = sent(&rig);
    rig.notify("terminated;reason=giveup;retry-after=500");
    rig.wait_until(40.0);
    assert!(rig.requests.iter().all(|(_, one)| [&call_id, &before].contains(&&one.headers().call_id().to_owned())));
    moves(&mut rig, id, by(6000, "alice"));
    assert!(![call_id, before].contains(&sent(&rig).0), "{:?}", rig.last());
    rig.answer(200, &[("Expires", "600")]);
    assert_eq!(rig.notify("active;expires=600"), 200);
    // One that is being ended is over with its flow.
    rig.turn(|turn| turn.unsubscribe(id)).unwrap();
    moves(&mut rig, id, by(5060, "alice"));
    assert!(matches!(rig.event(), SubscriptionEvent::Ended), "{:?}", rig.event());
    rig.nothing_left();
}

/// Over UDP all peers are reached by one flow: our socket.
#[test]
fn rfc5626_4_3_a_subscription_is_made_anew_where_its_registration_goes_by_another_proxy_over_udp() {
    let other = Path { remote: "192.0.2.99:5060".parse().unwrap(), ..path() };
    let by = |path| {
        let (contact, credentials) = (by(5060, "alice").contact, Credentials::new());
        Whereby { routes: Vec::new(), hop: Hop::Path(path), contact, credentials }
    };
    let mut rig = Rig::new();
    let Whereby { hop, contact, .. } = by(path());
    let id = rig.subscribe(SubscribeSpec { hop, contact, ..spec() });
    rig.answer(200, &[("Expires", "600")]);
    assert_eq!(rig.notify("active;expires=600"), 200);
    let (call_id, ..) = sent(&rig);
    rig.turn(|turn| turn.move_subscription(id, by(other))).unwrap();
    let (anew, within, ..) = sent(&rig);
    assert!(anew != call_id && !within, "{:?}", rig.last());
}
