//! Devices that say which instance they are: their flows (RFC 5626) and the addresses they are given (RFC 5627).

use std::time::{Duration, Instant};

use pbx::{Config, Role, Running};
use sip::message::{HeaderId, Method, Request};

use crate::connected::Connected;
use crate::phone::Phone;
use crate::setup::{config, nothing_left, phone, start};

pub(crate) const INSTANCE: &str = ";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\"";

/// Contacts of each of these users.
fn contacts(running: &Running, names: &[&str]) -> Vec<usize> {
    let status = running.status().unwrap();
    let of = |name: &&str| status.users.iter().find(|user| user.name == *name).map_or(0, |user| user.contacts.len());
    names.iter().map(of).collect()
}

#[test]
fn rfc5626_7_flows_along_a_connection_that_is_gone_are_no_bindings_any_more() {
    for shards in [1, 4] {
        let (running, server) = start(Config { shards, ..config() });
        let by_tcp = running.bound()[1].address;
        let line = |name: &str, number: &str| {
            let mut device = phone(server, name);
            device.preference = format!("{INSTANCE}{number}");
            Connected::register(device, by_tcp)
        };
        let (first, second) = (line("1001", ";reg-id=1"), line("1001", ";reg-id=2"));
        let other = line("1003", ";reg-id=1");
        // The control: its device may be connected to, once more.
        let plain = line("1002", "");
        assert_eq!(contacts(&running, &["1001", "1002", "1003"]), [2, 1, 1]);
        drop(plain);
        for (line, left) in [(first, [1, 1, 1]), (other, [1, 1, 0]), (second, [0, 1, 0])] {
            drop(line);
            let until = Instant::now() + Duration::from_secs(5);
            while contacts(&running, &["1001", "1002", "1003"]) != left {
                assert!(Instant::now() < until, "{shards} loops: expected {left:?}");
            }
        }
        nothing_left(&running);
    }
}

#[test]
fn rfc5626_7_flows_over_udp_to_where_nobody_is_any_more_are_no_bindings() {
    for shards in [1, 4] {
        let (running, server) = start(Config { shards, ..config() });
        let mut caller = phone(server, "1001");
        // The control: one that is no flow may be there again, under the same address.
        let devices = [("1002", ";reg-id=1"), ("1003", "")].map(|(name, number)| {
            let mut device = phone(server, name);
            device.preference = format!("{INSTANCE}{number}");
            assert_eq!(device.register(120).code().get(), 200);
            device
        });
        assert_eq!(contacts(&running, &["1002", "1003"]), [1, 1]);
        drop(devices);
        for name in ["1003", "1002"] {
            let uri = format!("sip:{name}@127.0.0.1:{}", server.port());
            let (_, answer) = caller.ask("MESSAGE", &uri, &uri, Some(("text/plain", "hello")));
            assert!(answer.code().class() > 3, "{shards} loops: {name}: {answer:?}");
        }
        let until = Instant::now() + Duration::from_secs(5);
        while contacts(&running, &["1002", "1003"]) != [0, 1] {
            assert!(Instant::now() < until, "{shards} loops: {:?}", contacts(&running, &["1002", "1003"]));
        }
        nothing_left(&running);
    }
}

/// A MESSAGE to an address: the code of the answer, and what each of these devices got and took.
pub(crate) fn write(sender: &mut Phone, uri: &str, devices: &mut [&mut Phone]) -> (u16, Vec<Request>) {
    let takes = |device: &mut Phone| {
        let message = device.request(Method::Message);
        device.respond(&message, 200, None);
        message
    };
    std::thread::scope(|scope| {
        let taken: Vec<_> = devices.iter_mut().map(|device| scope.spawn(move || takes(device))).collect();
        let (_, response) = sender.ask("MESSAGE", uri, uri, Some(("text/plain", "hello")));
        (response.code().get(), taken.into_iter().map(|one| one.join().unwrap()).collect())
    })
}

/// Registers 1002 as an instance: its public address, and its temporary one.
pub(crate) fn addresses(device: &mut Phone) -> (String, String) {
    device.preference = INSTANCE.to_owned();
    let registered = device.register(120);
    assert_eq!(registered.code().get(), 200);
    let all: String = registered.headers().all(HeaderId::Contact).map(|one| one.text().into_owned()).collect();
    let given = |name: &str| all.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
    (given("pub-gruu"), given("temp-gruu"))
}

/// Wherever the bindings of the user are, and whichever loop is asked.
#[test]
fn rfc5627_5_4_the_addresses_of_an_instance_lead_to_it_alone_with_one_loop_and_with_four() {
    for shards in [1, 4] {
        let (running, server) = start(Config { shards, ..config() });
        let (mut sender, mut other) = (phone(server, "1001"), phone(server, "1002"));
        let mut device = phone(server, "1002");
        assert_eq!(other.register(120).code().get(), 200);
        device.agent = "Supported: gruu\r\n".to_owned();
        let (public, temporary) = addresses(&mut device);
        // Each request has a Call-ID of its own, and so comes to one loop or another.
        for uri in [&public, &temporary, &public, &temporary, &public, &temporary] {
            let (code, taken) = write(&mut sender, uri, &mut [&mut device]);
            assert_eq!((code, taken[0].uri_text()), (200, device.contact().trim_matches(['<', '>'])), "{uri}");
        }
        assert!(other.hears_no(&Method::Message));
        // The control: the number reaches both.
        let number = format!("sip:1002@127.0.0.1:{}", server.port());
        assert_eq!(write(&mut sender, &number, &mut [&mut device, &mut other]).0, 200);
        // The same user, and an instance that nobody is, or is any more (section 6.1).
        assert_eq!(write(&mut sender, &public.replace("00000000-", "11111111-"), &mut []).0, 480);
        assert_eq!(device.register(0).code().get(), 200);
        assert_eq!(write(&mut sender, &public, &mut []).0, 480);
        assert!(other.hears_no(&Method::Message));
        nothing_left(&running);
    }
}

/// Where requests within the dialog would else go around us and come back (section 6.2).
#[test]
fn rfc5627_6_2_the_proxy_stays_in_the_way_of_dialogs_with_addresses_of_instances() {
    let (running, server) = start(Config { role: Role::Proxy, domains: vec!["127.0.0.1".to_owned()], ..config() });
    let (mut caller, mut device) = (phone(server, "1001"), phone(server, "1002"));
    device.agent = format!("Supported: gruu, path\r\nPath: <sip:127.0.0.1:{};lr>\r\n", device.port());
    let (public, _) = addresses(&mut device);
    let number = format!("sip:1002@127.0.0.1:{}", server.port());
    for (uri, before) in [(&public, ""), (&number, ""), (&public, "Record-Route: <sip:192.0.2.7;lr>\r\n")] {
        let (_, challenge) = caller.ask_plain("INVITE", uri, uri, None, &[]);
        let lines = caller.credentials(challenge.headers(), "INVITE", uri, "");
        caller.extra = before.to_owned();
        let text = caller.draft("INVITE", uri, uri, None, &lines);
        // The caller is an instance as well.
        caller.send(&text.replace(&caller.contact(), "<sip:1001@127.0.0.1;gr=urn:uuid:1>"));
        caller.extra.clear();
        let invite = device.request(Method::Invite);
        assert!(invite.headers().has(HeaderId::Route), "by its Path");
        let records: Vec<_> = invite.headers().all(HeaderId::RecordRoute).map(|one| one.text().into_owned()).collect();
        let ours = |record: &&String| record.contains(&format!("127.0.0.1:{};", server.port()));
        assert!(records.first().as_ref().is_some_and(ours), "{records:?}");
        // What was there stays, behind ours: one, and another for the caller whom nothing but his flow reaches.
        let others: Vec<_> = records.iter().skip_while(ours).map(|one| format!("Record-Route: {one}\r\n")).collect();
        assert_eq!(others.concat(), before);
        device.respond(&invite, 486, None);
        device.request(Method::Ack);
        caller.wait_for_code(486);
    }
    nothing_left(&running);
}

/// That would be the way twice. It goes by its Route, and to the device when it comes back.
#[test]
fn rfc5627_6_1_no_path_is_put_into_what_has_a_route_beyond_ours() {
    let (running, server) = start(Config { role: Role::Proxy, domains: vec!["127.0.0.1".to_owned()], ..config() });
    let (mut sender, mut device, mut edge) = (phone(server, "1001"), phone(server, "1002"), phone(server, "1003"));
    device.agent = format!("Supported: gruu, path\r\nPath: <sip:127.0.0.1:{};lr;path>\r\n", device.port());
    let (public, _) = addresses(&mut device);
    let routes = |message: &Request| -> Vec<String> {
        message.headers().all(HeaderId::Route).map(|one| one.text().into_owned()).collect()
    };
    let (ours, beyond) = (server.port(), format!("<sip:127.0.0.1:{};lr;edge>", edge.port()));
    sender.extra = format!("Route: <sip:127.0.0.1:{ours};lr>, {beyond}\r\n");
    let (code, taken) = write(&mut sender, &public, &mut [&mut edge]);
    assert_eq!((code, taken[0].uri_text(), routes(&taken[0])), (200, public.as_str(), vec![beyond]));
    assert!(device.hears_no(&Method::Message));
    sender.extra = format!("Route: <sip:127.0.0.1:{ours};lr>\r\n");
    let (code, taken) = write(&mut sender, &public, &mut [&mut device]);
    assert_eq!((code, taken[0].uri_text()), (200, device.contact().trim_matches(['<', '>'])));
    assert!(routes(&taken[0]).concat().contains(";path>"), "{:?}", routes(&taken[0]));
    nothing_left(&running);
}
