//! What a REGISTER says, and what is refused before one is sent (RFC 3261 section 10.2).

use super::*;

#[test]
fn rfc3261_10_2_the_request_names_the_domain_and_the_same_address_twice() {
    let mut rig = Rig::new();
    for registrar in ["sip:alice@example.com", "sip:alice:secret@example.com", "tel:+491234"] {
        let wrong = RegisterSpec { registrar: registrar.parse().unwrap(), ..spec() };
        let refused = rig.turn(|turn| turn.register(wrong));
        assert!(matches!(refused, Err(StackError::Forbidden(_))), "{registrar}: {refused:?}");
    }
    rig.register(RegisterSpec { display: Some("Alice \"A\"".to_owned()), ..spec() });
    let request = rig.last();
    assert_eq!(request.method(), &Method::Register);
    assert_eq!(request.uri_text(), "sip:example.com");
    let headers = request.headers();
    assert_eq!(headers.text(HeaderId::To).unwrap(), "\"Alice \\\"A\\\"\" <sip:alice@example.com>");
    assert!(headers.text(HeaderId::From).unwrap().starts_with("\"Alice \\\"A\\\"\" <sip:alice@example.com>;tag="));
    assert_eq!(headers.text(HeaderId::Contact).unwrap(), "<sip:alice@192.0.2.7:5060>");
    assert_eq!(rig.last_expires(), 3_600);
    assert!(headers.cseq().number < 1 << 31);
}

#[test]
fn rfc3261_10_2_no_second_request_before_the_first_has_its_final_response() {
    let mut rig = Rig::new();
    let id = rig.register(spec());
    rig.turn(|turn| turn.refresh(id)).unwrap();
    rig.turn(|turn| turn.unregister(id, Removal::Ours)).unwrap();
    rig.turn(|turn| turn.refresh(id)).unwrap();
    assert_eq!(rig.sent.len(), 1);
    rig.answer(100, &[]);
    assert_eq!(rig.sent.len(), 1);
    rig.accept(60);
    assert_eq!((rig.sent.len(), rig.last_expires()), (2, 0));
    rig.answer(200, &[]);
    assert_eq!(rig.stack.usage().registrations, 0);
}

#[test]
fn ta_40_a_new_contact_takes_the_place_of_the_old_one_in_one_request() {
    let mut rig = Rig::new();
    let given = |value: &str| ContactSpec::Given(value.to_owned());
    let id = rig.register(RegisterSpec { contact: given("<sip:alice@10.0.0.7>;reg-id=1"), ..spec() });
    rig.accept(60);
    rig.turn(|turn| turn.change_registration(id, |spec| spec.contact = given("<sip:alice@192.0.2.9:40000>"))).unwrap();
    let contacts =
        |rig: &Rig| rig.last().headers().all(HeaderId::Contact).map(|one| one.text().into_owned()).collect::<Vec<_>>();
    assert_eq!(contacts(&rig), ["<sip:alice@192.0.2.9:40000>", "<sip:alice@10.0.0.7>;expires=0"]);
    rig.answer(200, &[("Contact", "<sip:alice@192.0.2.9:40000>;expires=60")]);
    rig.turn(|turn| turn.refresh(id)).unwrap();
    assert_eq!(contacts(&rig), ["<sip:alice@192.0.2.9:40000>"]);
}

#[test]
fn cve_crlf_from_application_data_is_refused() {
    let mut rig = Rig::new();
    let bad = RegisterSpec { display: Some("x\r\nEvil: 1".to_owned()), ..spec() };
    assert_eq!(rig.turn(|turn| turn.register(bad)), Err(StackError::Text { what: "display name" }));
    rig.register(RegisterSpec { call_id: Some("a\r\nEvil: 1".to_owned()), ..spec() });
    assert!(matches!(
        &rig.events.last().unwrap().1,
        RegistrationEvent::Failed {
            why: RegisterFailure::NotSent(StackError::Text { what: "Call-ID" }),
            retry_in: None
        }
    ));
    assert!(rig.sent.is_empty());
}

#[test]
fn the_limit_on_registrations_holds() {
    let mut rig =
        Rig { stack: Stack::new(Config { max_registrations: 2, ..Config::default() }, [3; 32]), ..Rig::new() };
    rig.register(spec());
    rig.register(spec());
    assert_eq!(rig.turn(|turn| turn.register(spec())), Err(StackError::Full { what: "registrations", limit: 2 }));
}
