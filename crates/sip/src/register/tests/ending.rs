//! How a registration ends (RFC 3261 section 10.2.2).

use super::*;

#[test]
fn rfc3261_10_2_2_unregistering_sends_expires_zero_and_ends_it() {
    let mut rig = Rig::new();
    let id = rig.register(spec());
    rig.accept(60);
    assert_eq!(rig.turn(|turn| turn.registered_for(id)), Some(Duration::from_secs(60)));
    rig.turn(|turn| turn.unregister(id, Removal::Ours)).unwrap();
    assert_eq!(
        (rig.last_expires(), rig.last().headers().text(HeaderId::Contact).unwrap().as_ref()),
        (0, "<sip:alice@192.0.2.7:5060>")
    );
    rig.answer(200, &[]);
    assert!(matches!(&rig.events.last().unwrap().1, RegistrationEvent::Unregistered { code: Some(StatusCode::OK) }));
    assert_eq!(rig.stack.usage().registrations, 0);
    rig.wait_until(100.0);
    assert_eq!(rig.sent.len(), 2, "nothing is refreshed");
    assert_eq!(rig.stack.usage(), Usage::default());
    assert_eq!(rig.turn(|turn| turn.refresh(id)), Err(StackError::Gone));
}

#[test]
fn rfc3261_10_2_2_star_takes_all_bindings_back() {
    let mut rig = Rig::new();
    let id = rig.register(spec());
    rig.accept(60);
    rig.turn(|turn| turn.unregister(id, Removal::All)).unwrap();
    let contacts: Vec<_> = rig.last().headers().list::<Contact<'_>>().map(Result::unwrap).collect();
    assert!(matches!(contacts.as_slice(), [Contact::Any]));
    assert_eq!(rig.last_expires(), 0);
}

#[test]
fn a_registration_that_never_stood_ends_without_a_request() {
    let mut rig = Rig::new();
    let id = rig.register(spec());
    rig.answer(404, &[]);
    rig.turn(|turn| turn.unregister(id, Removal::Ours)).unwrap();
    assert!(matches!(&rig.events.last().unwrap().1, RegistrationEvent::Unregistered { code: None }));
    assert_eq!(rig.sent.len(), 1);
}

#[test]
fn a_registration_forgotten_leaves_nothing_behind() {
    let mut rig = Rig::new();
    let id = rig.register(spec());
    rig.turn(|turn| turn.forget_registration(id)).unwrap();
    rig.accept(60);
    assert!(rig.events.is_empty());
    rig.wait_until(64.0);
    assert_eq!(rig.stack.usage(), Usage::default());
}
