//! Several bindings of one instance (RFC 5626 section 7, RFC 5627 section 6.1): the one that was refreshed last is called, another only where that leads nowhere.

use pbx::{Config, Role};
use sip::message::Method;

use crate::phone::Phone;
use crate::setup::{config, nothing_left, phone, start};

const URN: &str = ";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\"";
const OTHER: &str = ";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E129>\"";
/// As who speaks outbound now and did not before.
const FLOW: &str = ";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\";reg-id=1";

/// 1001 calls 1002, whose devices have registered with these parameters one after the other; what each answers that gets the INVITE, by its place, in the order in which
/// they do. What the caller is told.
fn call(role: Role, devices: &[&str], answers: &[(usize, u16)]) -> u16 {
    let (running, address) = start(Config { role, domains: vec!["127.0.0.1".to_owned()], ..config() });
    let mut phones: Vec<Phone> = devices.iter().map(|_| phone(address, "1002")).collect();
    for (phone, parameters) in phones.iter_mut().zip(devices) {
        phone.preference = (*parameters).to_owned();
        phone.agent = "Supported: outbound, path\r\n".to_owned();
        assert_eq!(phone.register(120).code().get(), 200);
    }
    assert_eq!(running.status().unwrap().registrations, devices.len());
    let mut caller = phone(address, "1001");
    let uri = format!("sip:1002@127.0.0.1:{}", address.port());
    let code = std::thread::scope(|scope| {
        let calling = scope.spawn(|| {
            let (dialog, first) = caller.ask("INVITE", &uri, &uri, None);
            if first.code().is_final() { first } else { caller.final_response(&dialog.branch) }.code().get()
        });
        for (at, code) in answers {
            let invite = phones[*at].request(Method::Invite);
            // Whose turn it is not has nothing.
            for (other, phone) in phones.iter_mut().enumerate() {
                assert!(other == *at || devices.len() > 2 || phone.hears_no(&Method::Invite), "{role:?} {other}");
            }
            let phone = &mut phones[*at];
            phone.respond(&invite, *code, None);
            phone.request(Method::Ack);
        }
        calling.join().unwrap()
    });
    for phone in &mut phones {
        assert!(phone.hears_no(&Method::Invite), "{role:?}");
    }
    nothing_left(&running);
    code
}

#[test]
fn rfc5627_6_1_of_the_bindings_of_an_instance_the_one_refreshed_last_is_called() {
    for role in [Role::Pbx, Role::Proxy] {
        for devices in [[URN, URN], [URN, FLOW], [FLOW, URN]] {
            assert_eq!(call(role, &devices, &[(1, 486)]), 486, "{role:?} {devices:?}");
        }
        // Whatever the preference of the one before.
        assert_eq!(call(role, &[&format!("{URN};q=1.0"), &format!("{URN};q=0.1")], &[(1, 486)]), 486, "{role:?}");
    }
}

#[test]
fn rfc5626_7_another_binding_of_the_instance_is_tried_where_nothing_was_reached() {
    for role in [Role::Pbx, Role::Proxy] {
        assert_eq!(call(role, &[URN, URN], &[(1, 430), (0, 486)]), 486, "{role:?}");
    }
}

/// The control: devices that are not one.
#[test]
fn rfc5626_7_each_instance_is_called_and_so_is_each_device_that_has_none() {
    for role in [Role::Pbx, Role::Proxy] {
        for devices in [[URN, OTHER, ""], ["", "", OTHER]] {
            assert_eq!(call(role, &devices, &[(0, 486), (1, 486), (2, 486)]), 486, "{role:?} {devices:?}");
        }
    }
}
