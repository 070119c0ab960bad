//! How long a registration stands, and what keeps it up (RFC 3261 sections 10.2.1 and 10.2.4).

use super::*;

#[test]
fn ta_39_refresh_comes_at_expiry_minus_the_larger_of_five_seconds_and_a_tenth() {
    for (granted, refresh) in [(60, 54.0), (30, 25.0), (3_600, 3_240.0), (10, 5.0), (4, 2.0), (1, 1.0)] {
        let mut rig = Rig::new();
        rig.register(spec());
        let (call_id, cseq) = (rig.last().headers().call_id().to_owned(), rig.last().headers().cseq().number);
        rig.accept(granted);
        assert_eq!(rig.registered().0, u64::from(granted));
        rig.wait_until(refresh - 0.01);
        assert_eq!(rig.sent.len(), 1, "{granted}");
        rig.wait_until(refresh);
        assert_eq!((rig.sent.len(), rig.last_at()), (2, refresh), "{granted}");
        assert_eq!((rig.last().headers().call_id(), rig.last().headers().cseq().number), (call_id.as_str(), cseq + 1));
    }
}

#[test]
fn e_19_refresh_policies_of_the_doors() {
    let seconds = |after: Option<Duration>| after.map(|after| after.as_secs_f64());
    for (refresh, expires, after) in [
        (Refresh::Fifteen, 60, Some(45.0)),
        (Refresh::Fifteen, 31, Some(16.0)),
        (Refresh::Fifteen, 30, Some(24.0)),
        (Refresh::Fifteen, 2, Some(1.5)),
        (Refresh::TenMinutes, 3_600, Some(3_000.0)),
        (Refresh::TenMinutes, 1_200, Some(600.0)),
        (Refresh::Never, 60, None),
        (Refresh::Standard, 0, Some(1.0)),
    ] {
        assert_eq!(seconds(refresh.after(Duration::from_secs(expires))), after, "{refresh:?} {expires}");
    }
}

#[test]
fn rfc3261_10_2_4_the_expiry_of_our_own_contact_counts() {
    for (lines, seconds) in [
        (
            &[("Contact", "<sip:other@192.0.2.9>;expires=20, <sip:alice@192.0.2.7:5060>;expires=90"), ("Expires", "7")]
                [..],
            90,
        ),
        (&[("Contact", "<sip:alice@192.0.2.7:5060>, <sip:other@192.0.2.9>;expires=20"), ("Expires", "70")], 70),
        (&[("Contact", "<sip:alice@192.0.2.7:5060>")], 3_600),
        (&[("Expires", "200")], 200),
        (&[], 3_600),
        (&[("Contact", "<sip:alice@198.51.100.1:40000>;expires=80")], 80),
        (&[("Contact", "<sip:alice@198.51.100.1:40000>;expires=80000")], 3_600),
    ] {
        let mut rig = Rig::new();
        rig.register(spec());
        rig.answer(200, lines);
        assert_eq!(rig.registered().0, seconds, "{lines:?}");
    }
}

#[test]
fn a_200_that_leaves_us_no_time_is_a_failure_and_no_storm() {
    let mut rig = Rig::new();
    rig.register(spec());
    rig.accept(0);
    assert!(matches!(
        &rig.events.last().unwrap().1,
        RegistrationEvent::Failed { why: RegisterFailure::NotBound, retry_in: Some(_) }
    ));
    rig.wait_until(29.0);
    assert_eq!(rig.sent.len(), 1);
}

#[test]
fn rfc3608_6_1_the_service_route_is_handed_on_in_order() {
    let mut rig = Rig::new();
    rig.register(spec());
    rig.answer(200, &[("Service-Route", "<sip:p1.example.com;lr>"), ("Service-Route", "<sip:p2.example.com;lr>")]);
    match &rig.events.last().unwrap().1 {
        RegistrationEvent::Registered { service_route, .. } => {
            assert_eq!(service_route, &["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"])
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn rfc5626_4_5_a_lost_connection_is_followed_by_a_registration_within_a_second() {
    for (transport, again) in [(Transport::Tcp, true), (Transport::Udp, false)] {
        let mut rig = Rig { transport, ..Rig::new() };
        let id = rig.register(spec());
        rig.accept(3_600);
        rig.wait_until(40.0);
        rig.turn(|turn| turn.flow(FlowId(2), FlowChange::Lost));
        rig.wait_until(42.0);
        assert_eq!(rig.sent.len(), 1, "another connection");
        rig.turn(|turn| turn.flow(FlowId(1), FlowChange::Lost));
        rig.wait_until(43.0);
        assert_eq!(rig.sent.len() == 2, again, "{transport:?}");
        if again {
            rig.accept(3_600);
        }
        rig.turn(|turn| turn.forget_registration(id)).unwrap();
        rig.wait_until(120.0);
        assert_eq!((rig.stack.usage(), rig.stack.registrations.flows.len()), (Usage::default(), 0));
    }
}
