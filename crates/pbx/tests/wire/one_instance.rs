//! Several bindings of one instance (RFC 5626 section 7, RFC 5627 section 6.1): the one that was refreshed last is called, another only where that leads nowhere.

use pbx::{Config, Role};
use sip::message::{HeaderId, Method};

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

/// 1001 writes to 1002, whose bindings of one instance answer in turn: the one registered last, and the one before.
fn write(codes: &[u16], told: u16) {
    let (running, address) = start(config());
    let mut flows = [1, 2].map(|number| {
        let mut flow = phone(address, "1002");
        flow.preference = format!("{URN};reg-id={number}");
        flow.agent = "Supported: outbound, path\r\n".to_owned();
        assert_eq!(flow.register(120).code().get(), 200);
        flow
    });
    let (mut sender, uri) = (phone(address, "1001"), format!("sip:1002@127.0.0.1:{}", address.port()));
    let answer = std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let (dialog, first) = sender.ask("MESSAGE", &uri, &uri, Some(("text/plain", "hello")));
            if first.code().is_final() { first } else { sender.final_response(&dialog.branch) }.code().get()
        });
        let mut copies = Vec::new();
        for (flow, code) in flows.iter_mut().rev().zip(codes) {
            let message = flow.request(Method::Message);
            assert_eq!(message.body(), b"hello");
            flow.respond(&message, *code, None);
            let same = [HeaderId::CallId, HeaderId::From, HeaderId::CSeq];
            copies.push(same.map(|id| message.headers().all(id).next().map(|line| line.text().into_owned())));
        }
        // One that has it twice can know by that (RFC 3261 section 8.2.2.2).
        assert!(copies.windows(2).all(|two| two[0] == two[1]), "{copies:?}");
        writing.join().unwrap()
    });
    assert_eq!(answer, told, "{codes:?}");
    // Who has answered is not asked again by the other flow.
    for flow in &mut flows {
        assert!(flow.hears_no(&Method::Message), "{codes:?}");
    }
    nothing_left(&running);
}

#[test]
fn rfc5626_7_a_message_goes_along_the_next_flow_where_the_first_leads_nowhere() {
    write(&[430, 200], 200);
    write(&[408, 486], 486);
    // One has it: the flow before has led to the device all the same.
    write(&[430, 482], 202);
    write(&[482], 482);
    write(&[430, 430], 480);
    for code in [200, 404, 486, 480] {
        write(&[code], code);
    }
    write(&[503], 480);
}

#[test]
fn rfc5626_7_a_message_goes_along_the_next_flow_where_it_cannot_be_sent() {
    let (running, address) = start(config());
    let [mut first, second] = [1, 2].map(|number| {
        let mut flow = phone(address, "1002");
        flow.preference = format!("{URN};reg-id={number}");
        flow.agent = "Supported: outbound, path\r\n".to_owned();
        assert_eq!(flow.register(120).code().get(), 200);
        flow
    });
    // Nobody hears at the port of the one that registered last.
    drop(second);
    let (mut sender, uri) = (phone(address, "1001"), format!("sip:1002@127.0.0.1:{}", address.port()));
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let (dialog, answer) = sender.ask("MESSAGE", &uri, &uri, Some(("text/plain", "hello")));
            if answer.code().is_final() { answer } else { sender.final_response(&dialog.branch) }.code().get()
        });
        let message = first.request(Method::Message);
        assert_eq!(message.body(), b"hello");
        first.respond(&message, 200, None);
        assert_eq!(writing.join().unwrap(), 200);
    });
    nothing_left(&running);
}

/// What registered last is reached through a proxy that nothing can be sent to.
#[test]
fn rfc5626_7_the_next_flow_is_taken_where_the_first_cannot_be_begun() {
    for (role, path) in [Role::Pbx, Role::Proxy]
        .into_iter()
        .flat_map(|role| ["<tel:+4912345>", "<sip:edge.invalid;lr>"].map(|path| (role, path)))
    {
        let (running, address) = start(Config { role, domains: vec!["127.0.0.1".to_owned()], ..config() });
        let [mut first, _second] = ["", path].map(|path| {
            let mut device = phone(address, "1002");
            device.preference = URN.to_owned();
            device.agent = "Supported: path\r\n".to_owned();
            if !path.is_empty() {
                device.agent += &format!("Path: {path}\r\n");
            }
            assert_eq!(device.register(120).code().get(), 200);
            device
        });
        let (mut sender, uri) = (phone(address, "1001"), format!("sip:1002@127.0.0.1:{}", address.port()));
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                [("MESSAGE", Some(("text/plain", "hello"))), ("INVITE", None)].map(|(method, body)| {
                    let (dialog, answer) = sender.ask(method, &uri, &uri, body);
                    if answer.code().is_final() { answer } else { sender.final_response(&dialog.branch) }.code().get()
                })
            });
            let message = first.request(Method::Message);
            first.respond(&message, 200, None);
            let invite = first.request(Method::Invite);
            first.respond(&invite, 486, None);
            first.request(Method::Ack);
            assert_eq!(asking.join().unwrap(), [200, 486], "{role:?} {path}");
        });
        nothing_left(&running);
    }
}

/// The one that registered last has asked for nothing more, for so many milliseconds.
#[test]
fn rfc7339_5_10_the_next_flow_is_taken_where_the_first_wants_less() {
    for (role, load, less) in [
        (Role::Pbx, ";oc=100;oc-algo=\"loss\";oc-validity=60000;oc-seq=1.1", true),
        (Role::Proxy, ";oc=100;oc-algo=\"loss\";oc-validity=60000;oc-seq=1.1", true),
        // The control: it wants no less.
        (Role::Pbx, ";oc=0;oc-algo=\"loss\";oc-validity=0;oc-seq=1.1", false),
    ] {
        let domains = vec!["127.0.0.1".to_owned()];
        let (running, address) = start(Config { role, domains, overload_control: true, ..config() });
        let mut devices = [1, 2].map(|_| {
            let mut device = phone(address, "1002");
            device.preference = URN.to_owned();
            assert_eq!(device.register(120).code().get(), 200);
            device
        });
        devices[1].load = load;
        let (mut sender, uri) = (phone(address, "1001"), format!("sip:1002@127.0.0.1:{}", address.port()));
        let hello = Some(("text/plain", "hello"));
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                [("MESSAGE", hello), ("MESSAGE", hello), ("INVITE", None)].map(|(method, body)| {
                    let (dialog, answer) = sender.ask(method, &uri, &uri, body);
                    if answer.code().is_final() { answer } else { sender.final_response(&dialog.branch) }.code().get()
                })
            });
            let next = usize::from(!less);
            for (at, method, code) in
                [(1, Method::Message, 200), (next, Method::Message, 200), (next, Method::Invite, 486)]
            {
                let request = devices[at].request(method);
                devices[at].respond(&request, code, None);
            }
            devices[next].request(Method::Ack);
            assert_eq!(asking.join().unwrap(), [200, 200, 486], "{role:?} {load}");
        });
        nothing_left(&running);
    }
}

/// Its answer is larger than what a dialog may be; that it was reached is no less true.
#[test]
fn rfc5626_7_who_has_answered_is_not_called_along_another_flow() {
    let (running, address) = start(config());
    let [mut first, mut second] = [1, 2].map(|_| {
        let mut device = phone(address, "1002");
        device.preference = URN.to_owned();
        assert_eq!(device.register(120).code().get(), 200);
        device
    });
    let (mut caller, uri) = (phone(address, "1001"), format!("sip:1002@127.0.0.1:{}", address.port()));
    std::thread::scope(|scope| {
        let calling = scope.spawn(|| {
            let (dialog, answer) = caller.ask("INVITE", &uri, &uri, None);
            if answer.code().is_final() { answer } else { caller.final_response(&dialog.branch) }.code().get()
        });
        let invite = second.request(Method::Invite);
        let route = format!("Record-Route: <sip:127.0.0.1:9;lr;x={}>\r\n", "x".repeat(900));
        second.respond_with(&invite, 200, &route.repeat(40), None);
        assert!(matches!(calling.join().unwrap(), 480..=699));
    });
    assert!(first.hears_no(&Method::Invite));
    nothing_left(&running);
}
