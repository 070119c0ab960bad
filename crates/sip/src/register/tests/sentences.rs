//! Sentences of RFC 3261 section 10.2 and 8.1.3.4, each with what must not be.

use super::*;

#[test]
fn rfc3261_10_2_only_a_sip_address_is_registered_and_a_star_is_for_taking_all_back() {
    for aor in ["tel:+491234", "urn:service:sos", "mailto:alice@example.com"] {
        let mut rig = Rig::new();
        let refused = rig.turn(|turn| turn.register(RegisterSpec { aor: aor.parse().unwrap(), ..spec() }));
        assert!(matches!(refused, Err(StackError::Forbidden(_))), "{aor}: {refused:?}");
    }
    let star = || ContactSpec::Given(" * ".to_owned());
    let mut rig = Rig::new();
    let refused = rig.turn(|turn| turn.register(RegisterSpec { contact: star(), ..spec() }));
    assert!(matches!(refused, Err(StackError::Forbidden(_))), "10.2.2: {refused:?}");
    let id = rig.register(spec());
    rig.accept(60);
    let refused = rig.turn(|turn| turn.change_registration(id, |spec| spec.contact = star()));
    assert!(matches!(refused, Err(StackError::Forbidden(_))), "10.2.2: {refused:?}");
    rig.turn(|turn| turn.refresh(id)).unwrap();
    assert_eq!(
        rig.last().headers().text(HeaderId::Contact).unwrap(),
        "<sip:alice@192.0.2.7:5060>",
        "nothing has changed"
    );
}

#[test]
fn rfc3261_10_2_a_record_route_means_nothing_to_a_registration() {
    let mut rig = Rig::new();
    rig.register(spec());
    let contact = rig.last().headers().text(HeaderId::Contact).unwrap().into_owned();
    let record = [("Record-Route", "<sip:p1.example.com;lr>"), ("Record-Route", "<sip:p2.example.com>")];
    rig.answer(200, &[record[0], record[1], ("Contact", &format!("{contact};expires=60"))]);
    rig.wait_until(54.0);
    assert_eq!((rig.sent.len(), rig.last().uri_text()), (2, "sip:example.com"));
    assert!(!rig.last().headers().has(HeaderId::Route), "{:?}", rig.last());
}

#[test]
fn rfc3261_10_2_a_new_contact_waits_for_the_final_response_or_the_time_out_of_the_request_before() {
    let given = |value: &str| ContactSpec::Given(value.to_owned());
    for answered in [true, false] {
        let mut rig = Rig::new();
        let id = rig.register(RegisterSpec { contact: given("<sip:alice@10.0.0.7>"), ..spec() });
        rig.turn(|turn| turn.change_registration(id, |spec| spec.contact = given("<sip:alice@192.0.2.9>"))).unwrap();
        let contact = |rig: &Rig| rig.last().headers().text(HeaderId::Contact).unwrap().into_owned();
        rig.answer(100, &[]);
        rig.wait_until(31.9);
        assert!(rig.sent.iter().all(|(_, sent)| sent.bytes() == rig.sent[0].1.bytes()), "repeats alone");
        if answered {
            rig.accept(60);
        } else {
            rig.wait_until(32.0);
        }
        assert_eq!(contact(&rig), "<sip:alice@192.0.2.9>", "answered: {answered}");
    }
}

#[test]
fn rfc3261_8_1_3_4_the_address_of_a_redirect_is_taken_whole_but_for_its_method_under_a_new_branch() {
    let mut rig = Rig::new();
    rig.register(spec());
    rig.answer(302, &[("Contact", "<sip:b.example.com:5070;transport=udp;method=REGISTER;x=y>;q=0.3;z=1")]);
    assert_eq!((rig.sent.len(), rig.last().uri_text()), (2, "sip:b.example.com:5070;transport=udp;x=y"));
    let branches: Vec<_> = rig.sent.iter().map(|(_, sent)| sent.headers().branch().unwrap().to_owned()).collect();
    assert_ne!(branches[0], branches[1]);
}

#[test]
fn rfc5630_5_1_1_1_who_is_to_be_reached_by_sips_registers_so_and_nothing_else() {
    for (scheme, contact) in
        [("sips", "<sips:alice@192.0.2.7:5060>"), ("sip", "<sip:alice@192.0.2.7:5060;transport=tls>")]
    {
        let mut rig = Rig { transport: Transport::Tls, ..Rig::new() };
        let uri = |user: &str| format!("{scheme}:{user}example.com").parse().unwrap();
        rig.register(RegisterSpec::new(uri(""), uri("alice@")));
        let headers = rig.last().headers().clone();
        let said: Vec<_> = headers.all(HeaderId::Contact).map(|one| one.text().into_owned()).collect();
        assert_eq!(said, [contact], "one, and once");
        for id in [HeaderId::From, HeaderId::To] {
            let text = headers.text(id).unwrap();
            assert!(text.starts_with(&format!("<{scheme}:alice@example.com>")), "{id:?}: {text}");
        }
    }
}
