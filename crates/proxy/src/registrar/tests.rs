use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use sip::id::FlowId;
use sip::message::{Limits, Message};

use super::*;

const ALICE: &str = "sip:alice@example.com";

fn at(seconds: u64) -> Now {
    Now { mono: Time(seconds * 1_000_000), wall: WallTime(1_289_691_000 + seconds) }
}

fn origin(transport: Transport, remote: &str) -> Origin {
    Origin { flow: FlowId(3), transport, local: "192.0.2.1:5060".parse().unwrap(), remote: remote.parse().unwrap() }
}

fn parse(text: &str) -> Request {
    match Message::parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?} of {text}"),
    }
}

/// A REGISTER of alice with these lines, each ended by CRLF.
fn register(call_id: &str, cseq: u32, lines: &str) -> Request {
    parse(&format!(
        "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK{cseq}\r\nMax-Forwards: 70\r\nTo: <{ALICE}>\r\n\
         From: <{ALICE}>;tag=1\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n{lines}Content-Length: 0\r\n\r\n"
    ))
}

struct Home {
    registrar: Registrar,
    now: u64,
    cseq: u32,
}

impl Home {
    fn new(change: impl FnOnce(&mut RegistrarConfig)) -> Home {
        let mut config = RegistrarConfig { domains: vec!["Example.com".to_owned()], ..RegistrarConfig::default() };
        change(&mut config);
        Home { registrar: Registrar::new(config, [5; 16]), now: 0, cseq: 0 }
    }

    fn take(&mut self, request: &Request) -> Plan {
        let origin = origin(Transport::Udp, "192.0.2.7:5060");
        self.registrar.handle(at(self.now), request, Some("alice"), &origin)
    }

    /// The code of the answer to a REGISTER with the next CSeq.
    fn send(&mut self, lines: &str) -> Plan {
        self.cseq += 1;
        let request = register("one", self.cseq, lines);
        self.take(&request)
    }

    fn code(&mut self, lines: &str) -> u16 {
        self.send(lines).reply.code.get()
    }

    fn uris(&self) -> Vec<String> {
        let mut uris: Vec<_> =
            self.registrar.location().bindings(at(self.now), ALICE).map(|one| one.uri().to_owned()).collect();
        uris.sort();
        uris
    }
}

fn values(plan: &Plan, name: &str) -> Vec<String> {
    let lines = plan.reply.lines.iter().filter(|(id, _)| *id == name);
    lines.map(|(_, value)| String::from_utf8(value.to_vec()).unwrap()).collect()
}

#[test]
fn rfc3261_10_3_7_expiry_comes_from_the_parameter_then_the_header_then_the_default() {
    let mut home = Home::new(|_| {});
    let plan = home.send("Contact: <sip:a@192.0.2.7>;expires=300, <sip:b@192.0.2.7>\r\nExpires: 900\r\n");
    assert_eq!(plan.reply.code.get(), 200);
    assert_eq!(values(&plan, "Contact"), ["<sip:a@192.0.2.7>;expires=300", "<sip:b@192.0.2.7>;expires=900"]);
    let plan = home.send("Contact: sip:c@192.0.2.7\r\n");
    assert_eq!(values(&plan, "Contact").last().unwrap(), "<sip:c@192.0.2.7>;expires=120");
    let plan = home.send("Contact: <sip:d@192.0.2.7>;expires=soon\r\n");
    assert_eq!(values(&plan, "Contact").last().unwrap(), "<sip:d@192.0.2.7>;expires=3600");
}

#[test]
fn tb_03_c_27_too_brief_is_423_or_raised_and_too_long_is_lowered() {
    let mut home = Home::new(|_| {});
    let plan = home.send("Contact: <sip:a@192.0.2.7>\r\nExpires: 10\r\n");
    assert_eq!((plan.reply.code.get(), values(&plan, "Min-Expires")), (423, vec!["60".to_owned()]));
    assert!(home.uris().is_empty() && plan.records.is_empty());
    assert_eq!(home.code("Contact: <sip:a@192.0.2.7>\r\nExpires: 59\r\n"), 423);
    assert_eq!(
        values(&home.send("Contact: <sip:a@192.0.2.7>\r\nExpires: 60\r\n"), "Contact"),
        ["<sip:a@192.0.2.7>;expires=60"]
    );
    assert_eq!(
        values(&home.send("Contact: <sip:a@192.0.2.7>\r\nExpires: 99999\r\n"), "Contact"),
        ["<sip:a@192.0.2.7>;expires=3600"]
    );
    let mut home = Home::new(|config| config.clamp = true);
    assert_eq!(
        values(&home.send("Contact: <sip:a@192.0.2.7>\r\nExpires: 10\r\n"), "Contact"),
        ["<sip:a@192.0.2.7>;expires=60"]
    );
    // RFC 3261: an hour is never too brief.
    let mut home = Home::new(|config| (config.min_expires, config.max_expires) = (7_200, 9_000));
    assert_eq!(home.code("Contact: <sip:a@192.0.2.7>\r\nExpires: 3599\r\n"), 423);
    assert_eq!(home.code("Contact: <sip:a@192.0.2.7>\r\nExpires: 3600\r\n"), 200);
}

#[test]
fn rfc3261_10_3_8_the_200_lists_every_binding_with_the_time_left_and_the_date() {
    let mut home = Home::new(|_| {});
    home.send("Contact: <sip:a@192.0.2.7>;q=0.5;expires=100;+sip.instance=\"<urn:uuid:1>\";reg-id=2\r\n");
    home.now = 40;
    let plan = home.send("Contact: <sip:b@192.0.2.7>;expires=100\r\n");
    let expected = [
        "<sip:a@192.0.2.7>;expires=60;q=0.500;+sip.instance=\"<urn:uuid:1>\";reg-id=2",
        "<sip:b@192.0.2.7>;expires=100",
    ];
    assert_eq!(values(&plan, "Contact"), expected);
    assert_eq!(values(&plan, "Date"), ["Sat, 13 Nov 2010 23:30:40 GMT"]);
}

#[test]
fn rfc3261_10_2_3_a_query_lists_and_changes_nothing() {
    let mut home = Home::new(|_| {});
    home.send("Contact: <sip:a@192.0.2.7>;expires=100\r\n");
    let request = register("another", 1, "");
    let plan = home.take(&request);
    assert_eq!(
        (plan.reply.code.get(), values(&plan, "Contact")),
        (200, vec!["<sip:a@192.0.2.7>;expires=100".to_owned()])
    );
    assert!(plan.records.is_empty());
}

#[test]
fn rfc3261_10_3_6_star_removes_all_only_with_expires_zero_and_alone() {
    let mut home = Home::new(|_| {});
    for (lines, code) in [
        ("Contact: *\r\n", 400),
        ("Contact: *\r\nExpires: 60\r\n", 400),
        ("Contact: *, <sip:a@192.0.2.7>\r\nExpires: 0\r\n", 400),
        ("Contact: *\r\nContact: *\r\nExpires: 0\r\n", 400),
        ("Contact: *\r\nExpires: 0\r\n", 200),
    ] {
        home.code("Contact: <sip:a@192.0.2.7>, <sip:b@192.0.2.7>\r\n");
        let before = home.uris();
        assert_eq!((before.len(), home.code(lines)), (2, code), "{lines}");
        assert_eq!(home.uris().len(), if code == 200 { 0 } else { 2 });
    }
}

#[test]
fn rfc3261_10_3_6_star_with_an_old_cseq_of_one_binding_removes_none() {
    let mut home = Home::new(|_| {});
    home.take(&register("x", 5, "Contact: <sip:a@192.0.2.7>\r\n"));
    home.take(&register("y", 9, "Contact: <sip:b@192.0.2.7>\r\n"));
    assert_eq!(home.take(&register("y", 9, "Contact: *\r\nExpires: 0\r\n")).reply.code.get(), 500);
    assert_eq!(home.uris().len(), 2);
    assert_eq!(home.take(&register("y", 10, "Contact: *\r\nExpires: 0\r\n")).reply.code.get(), 200);
    assert_eq!(home.uris().len(), 0);
}

#[test]
fn rfc3261_10_3_6_star_removes_what_another_call_id_has_bound_whatever_its_number() {
    let mut home = Home::new(|_| {});
    home.take(&register("x", 500, "Contact: <sip:a@192.0.2.7>\r\n"));
    assert_eq!(home.take(&register("y", 1, "Contact: *\r\nExpires: 0\r\n")).reply.code.get(), 200);
    assert_eq!(home.uris().len(), 0);
}

#[test]
fn rfc3261_10_3_7_one_contact_is_removed_by_another_call_id_and_by_a_higher_number_of_its_own() {
    for (call_id, cseq, code) in [("y", 1, 200), ("x", 501, 200), ("x", 500, 500), ("x", 1, 500)] {
        let mut home = Home::new(|_| {});
        home.take(&register("x", 500, "Contact: <sip:a@192.0.2.7>, <sip:b@192.0.2.7>\r\n"));
        let plan = home.take(&register(call_id, cseq, "Contact: <sip:a@192.0.2.7>;expires=0\r\n"));
        assert_eq!(plan.reply.code.get(), code, "{call_id} {cseq}");
        assert_eq!(home.uris().len(), if code == 200 { 1 } else { 2 }, "{call_id} {cseq}");
    }
}

#[test]
fn rfc3261_10_3_whatever_is_refused_no_answer_is_a_6xx() {
    let long = format!("Contact: <sip:{}@h>\r\n", "x".repeat(3_000));
    let refusals = [
        ("Contact: <sip:a@192.0.2.7>\r\nRequire: nobodyKnows\r\n", 420),
        ("Contact: <sip:a@192.0.2.7>\r\nExpires: 5\r\n", 423),
        ("Contact: *\r\nExpires: 60\r\n", 400),
        ("Contact: <sip:a@>\r\n", 400),
        (&long, 400),
        ("Contact: <sip:a@h>, <sip:b@h>, <sip:c@h>\r\n", 403),
        ("Path: <sip:p;lr>\r\nContact: <sip:a@h>\r\n", 420),
    ];
    for (lines, code) in refusals {
        assert_eq!(Home::new(|config| config.max_contacts = 2).code(lines), code, "{lines}");
    }
    let text = |uri: &str, to: &str| {
        let rest = "From: <sip:a@b>;tag=1\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\nContact: <sip:a@192.0.2.7>\r\n\r\n";
        parse(&format!("REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nTo: <{to}>\r\n{rest}"))
    };
    for (uri, to, code) in [
        ("sip:example.org", ALICE, 404),
        ("sip:example.com", "sip:alice@example.org", 404),
        ("sip:example.com", "sip:bob@example.com", 403),
        ("sip:example.com", "tel:+49", 400),
        ("tel:+49", ALICE, 416),
    ] {
        assert_eq!(Home::new(|_| {}).take(&text(uri, to)).reply.code.get(), code, "{uri} {to}");
    }
    let mut full = Home::new(|config| config.max_bindings = 1);
    let codes = [1, 2].map(|n| full.code(&format!("Contact: <sip:{n}@h>\r\n")));
    let old = full.take(&register("one", 1, "Contact: <sip:1@h>\r\n")).reply.code.get();
    assert_eq!((codes, old, Plan::failed().code.get()), ([200, 503], 500, 500));
}

#[test]
fn rfc3261_10_3_a_record_route_in_a_register_means_nothing() {
    let binding = |lines: &str| {
        let mut home = Home::new(|_| {});
        let plan = home.send(&format!("{lines}Contact: <sip:a@192.0.2.7>\r\n"));
        assert!(plan.reply.lines.iter().all(|(name, _)| !name.eq_ignore_ascii_case("Record-Route")));
        let bound = home.registrar.location().lookup(at(0), ALICE)[0];
        (plan.reply.code.get(), bound.uri().to_owned(), bound.path().count(), bound.origin())
    };
    let with = binding("Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com>\r\n");
    assert_eq!(with, binding(""));
    assert_eq!((with.0, with.2), (200, 0));
}

#[test]
fn rfc3261_10_3_7_an_older_or_equal_cseq_of_the_same_call_id_fails_and_another_call_id_counts_anew() {
    let mut home = Home::new(|_| {});
    let refresh = "Contact: <sip:a@192.0.2.7>\r\n";
    assert_eq!(home.take(&register("x", 7, refresh)).reply.code.get(), 200);
    for cseq in [7, 6, 1] {
        let plan = home.take(&register("x", cseq, refresh));
        assert_eq!((plan.reply.code.get(), plan.records.len()), (500, 0), "{cseq}");
    }
    assert_eq!(home.take(&register("x", 4_000_000_000, refresh)).reply.code.get(), 200);
    assert_eq!(home.take(&register("y", 1, refresh)).reply.code.get(), 200);
    let binding = home.registrar.location().bindings(at(0), ALICE).next().unwrap();
    assert_eq!((binding.call_id(), binding.cseq()), ("y", 1));
}

#[test]
fn rfc3261_10_3_7_all_contacts_of_a_request_are_taken_or_none() {
    let mut home = Home::new(|_| {});
    home.take(&register("x", 7, "Contact: <sip:a@192.0.2.7>\r\n"));
    for lines in [
        "Contact: <sip:new@192.0.2.7>, <sip:a@192.0.2.7>\r\n",
        "Contact: <sip:new@192.0.2.7>, <sip:b@192.0.2.7>;expires=5\r\n",
        "Contact: <sip:new@192.0.2.7>, <sip:b@>\r\n",
    ] {
        let plan = home.take(&register("x", 7, lines));
        assert!(plan.reply.code.get() >= 400 && plan.records.is_empty(), "{lines}");
        assert_eq!(home.uris(), ["sip:a@192.0.2.7"], "{lines}");
    }
}

#[test]
fn rfc3261_19_1_4_an_equivalent_contact_replaces_the_one_before() {
    let mut home = Home::new(|_| {});
    home.send("Contact: <sip:%61lice@PHONE.example.com;transport=udp>\r\n");
    let plan = home.send("Contact: <sip:alice@phone.example.com;Transport=UDP>\r\n");
    assert_eq!(plan.records.iter().map(Record::kind).collect::<Vec<_>>(), [Kind::Removed, Kind::Added]);
    assert_eq!(home.uris(), ["sip:alice@phone.example.com;Transport=UDP"]);
    home.send("Contact: <sip:alice@phone.example.com:5060;transport=udp>\r\n");
    assert_eq!(home.uris().len(), 2, "a port that is written differs from none");
    home.send("Contact: <sip:ALICE@phone.example.com;transport=udp>\r\n");
    assert_eq!(home.uris().len(), 3, "the user's letters count");
}

#[test]
fn the_last_of_equal_contacts_in_one_request_counts() {
    let mut home = Home::new(|_| {});
    let plan = home.send("Contact: <sip:a@h>;expires=100, <sip:a@H>;expires=200\r\n");
    assert_eq!(values(&plan, "Contact"), ["<sip:a@H>;expires=200"]);
    let plan = home.send("Contact: <sip:a@H>;expires=100, <sip:a@h>;expires=0\r\n");
    assert_eq!((plan.reply.code.get(), home.uris().len()), (200, 0));
    assert_eq!(values(&plan, "Contact"), [""; 0]);
}

#[test]
fn a_refresh_with_the_same_text_is_a_short_record() {
    let mut home = Home::new(|_| {});
    let lines = "Contact: <sip:a@192.0.2.7>;q=0.3\r\nUser-Agent: Phone 1\r\n";
    assert_eq!(home.send(lines).records[0].kind(), Kind::Added);
    assert_eq!(home.send(lines).records[0].kind(), Kind::Refreshed);
    assert_eq!(
        home.send("Contact: <sip:a@192.0.2.7>;q=0.3\r\nUser-Agent: Phone 2\r\n").records[0].kind(),
        Kind::Changed
    );
    let binding = home.registrar.location().lookup(at(0), ALICE)[0];
    assert_eq!((binding.agent(), binding.q(), binding.cseq()), ("Phone 2", 300, 3));
}

#[test]
fn tb_48_contacts_beyond_the_limit_are_refused_or_the_oldest_goes() {
    let contact = |n| format!("Contact: <sip:{n}@192.0.2.7>\r\n");
    let mut home = Home::new(|config| config.max_contacts = 3);
    assert_eq!([1, 2, 3, 4].map(|n| home.code(&contact(n))), [200, 200, 200, 403]);
    assert_eq!(home.code(&contact(2)), 200, "a refresh is never too much");
    assert_eq!(home.uris().len(), 3);
    let mut home = Home::new(|config| (config.max_contacts, config.overflow) = (3, Overflow::ReplaceOldest));
    assert_eq!([1, 2, 3, 1, 4].map(|n| home.code(&contact(n))), [200; 5]);
    assert_eq!(
        home.uris(),
        ["sip:1@192.0.2.7", "sip:3@192.0.2.7", "sip:4@192.0.2.7"],
        "the one refreshed longest ago went"
    );
    let four = (5..9).map(|n| format!("<sip:{n}@192.0.2.7>")).collect::<Vec<_>>().join(", ");
    assert_eq!(home.code(&format!("Contact: {four}\r\n")), 403);
    let mut home = Home::new(|config| (config.max_contacts, config.overflow) = (1, Overflow::ReplaceOldest));
    assert_eq!([1, 2].map(|n| home.code(&contact(n))), [200; 2]);
    assert_eq!(home.uris(), ["sip:2@192.0.2.7"], "as a device read from sip.conf");
}

#[test]
fn tb_48_two_phones_behind_one_address_stay_two() {
    let mut home = Home::new(|_| {});
    let from = origin(Transport::Tcp, "198.51.100.9:40000");
    for (call, user) in [("x", "a"), ("y", "b")] {
        let request = register(call, 1, &format!("Contact: <sip:{user}@10.0.0.5:5060;transport=tcp>\r\n"));
        assert_eq!(home.registrar.handle(at(0), &request, Some("alice"), &from).reply.code.get(), 200);
    }
    assert_eq!(home.uris().len(), 2);
}

#[test]
fn rfc3261_10_3_4_a_user_changes_only_his_own_bindings() {
    let mut home = Home::new(|_| {});
    let request = register("x", 1, "Contact: <sip:a@192.0.2.7>\r\n");
    let from = origin(Transport::Udp, "192.0.2.7:5060");
    assert_eq!(home.registrar.handle(at(0), &request, Some("bob"), &from).reply.code.get(), 403);
    assert_eq!(home.registrar.handle(at(0), &request, Some("ALICE"), &from).reply.code.get(), 403);
    assert_eq!(home.uris().len(), 0);
    assert_eq!(home.registrar.handle(at(0), &request, None, &from).reply.code.get(), 200);
    let mut any = Home::new(|config| config.ownership = Ownership::Any);
    assert_eq!(any.registrar.handle(at(0), &request, Some("bob"), &from).reply.code.get(), 200);
}

#[test]
fn rfc3261_10_3_1_and_5_domains_not_served_are_404_and_other_schemes_416() {
    let text = |uri: &str, to: &str| {
        let via = "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n";
        parse(&format!(
            "REGISTER {uri} SIP/2.0\r\n{via}To: <{to}>\r\nFrom: <{ALICE}>;tag=1\r\nContact: <sip:a@192.0.2.7>\r\n\r\n"
        ))
    };
    for (uri, to, code) in [
        ("sip:example.com", "sip:alice@example.com", 200),
        ("sip:EXAMPLE.com.", "sip:alice@EXAMPLE.COM;user=phone", 200),
        ("sip:example.org", "sip:alice@example.com", 404),
        ("sip:example.com", "sip:alice@example.org", 404),
        ("sip:example.com", "tel:+4930123", 400),
        ("tel:+4930123", "sip:alice@example.com", 416),
    ] {
        let mut home = Home::new(|config| config.ownership = Ownership::Any);
        assert_eq!(home.take(&text(uri, to)).reply.code.get(), code, "{uri} {to}");
    }
}

#[test]
fn rfc3261_10_3_1_an_address_is_served_where_every_one_is_ours() {
    for (any_address, code) in [(false, 404), (true, 200)] {
        for host in ["192.0.2.1:5060", "[2001:db8::1]"] {
            let text = format!(
                "REGISTER sip:{host} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n\
                 To: <sip:alice@{host}>\r\nFrom: <{ALICE}>;tag=1\r\nContact: <sip:a@192.0.2.7>\r\n\r\n"
            );
            let mut home = Home::new(|config| (config.ownership, config.any_address) = (Ownership::Any, any_address));
            assert_eq!(home.take(&parse(&text)).reply.code.get(), code, "{host}");
        }
    }
}

#[test]
fn rfc3261_10_3_5_the_canonical_form_is_the_key() {
    let mut home = Home::new(|config| (config.canonical_host, config.domains) = (Some("pbx".to_owned()), Vec::new()));
    for (n, to) in ["sip:%61lice@one:5070;user=phone", "sips:alice@two", "sip:alice:pw@THREE"].into_iter().enumerate() {
        let request = parse(&format!(
            "REGISTER sip:one SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nTo: <{to}>\r\nFrom: <{to}>;tag=1\r\nCall-ID: {n}\r\nCSeq: 1 REGISTER\r\n\
             Contact: <sip:{n}@192.0.2.7>\r\n\r\n"
        ));
        assert_eq!(home.take(&request).reply.code.get(), 200, "{to}");
    }
    assert_eq!(home.registrar.location().bindings(at(0), "sip:alice@pbx").count(), 3);
}

#[test]
fn rfc3261_8_2_2_3_options_not_known_are_420_and_named() {
    let mut home = Home::new(|_| {});
    let plan = home.send("Require: path, gruu\r\nRequire: outbound, timer\r\nContact: <sip:a@192.0.2.7>\r\n");
    assert_eq!((plan.reply.code.get(), values(&plan, "Unsupported")), (420, vec!["gruu, timer".to_owned()]));
    assert_eq!(home.code("Require: PATH\r\nContact: <sip:a@192.0.2.7>\r\n"), 200);
}

#[test]
fn rfc3327_5_3_a_path_is_kept_in_order_and_returned_to_who_knows_it() {
    let path = "Path: <sip:p3.example.com;lr>\r\nPath: <sip:p2.example.com;lr>, <sip:p1.example.com;lr;ob>\r\nContact: <sip:a@10.0.0.1>\r\n";
    let mut home = Home::new(|_| {});
    let plan = home.send(path);
    assert_eq!((plan.reply.code.get(), values(&plan, "Unsupported")), (420, vec!["path".to_owned()]));
    let plan = home.send(&format!("Supported: 100rel, Path\r\n{path}"));
    assert_eq!(
        values(&plan, "Path"),
        ["<sip:p3.example.com;lr>", "<sip:p2.example.com;lr>, <sip:p1.example.com;lr;ob>"]
    );
    let binding = home.registrar.location().lookup(at(0), ALICE)[0];
    let routes: Vec<_> = binding.path().collect();
    assert_eq!(routes, ["<sip:p3.example.com;lr>", "<sip:p2.example.com;lr>", "<sip:p1.example.com;lr;ob>"]);
    assert_eq!(binding.origin(), None, "the proxy's address is not the device's");
    let mut home = Home::new(|config| config.path = PathRule::Keep);
    let plan = home.send(path);
    assert_eq!((plan.reply.code.get(), values(&plan, "Path").len()), (200, 0));
    assert_eq!(home.registrar.location().lookup(at(0), ALICE)[0].path().count(), 3);
}

#[test]
fn rfc3581_the_origin_is_kept_for_who_does_not_know_its_address() {
    let lines = |via: &str, contact: &str| {
        let text = format!(
            "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bK1\r\nTo: <{ALICE}>\r\nFrom: <{ALICE}>;tag=1\r\n"
        );
        parse(&format!("{text}Call-ID: 1\r\nCSeq: 1 REGISTER\r\nContact: <sip:a@{contact}>\r\n\r\n"))
    };
    for (nat, transport, via, contact, kept) in [
        (Nat::Auto, Transport::Udp, "192.0.2.7:5060", "192.0.2.7", false),
        (Nat::Auto, Transport::Udp, "192.0.2.7", "phone.example.com", false),
        (Nat::Auto, Transport::Udp, "192.0.2.7:5060;rport", "192.0.2.7", true),
        (Nat::Auto, Transport::Udp, "10.0.0.7:5060", "192.0.2.7", true),
        (Nat::Auto, Transport::Udp, "192.0.2.7:5062", "192.0.2.7", true),
        (Nat::Auto, Transport::Udp, "192.0.2.7:5060", "10.0.0.7", true),
        (Nat::Auto, Transport::Tls, "192.0.2.7:5060", "192.0.2.7", true),
        (Nat::Always, Transport::Udp, "192.0.2.7:5060", "192.0.2.7", true),
        (Nat::Never, Transport::Tls, "10.0.0.7:5060;rport", "10.0.0.7", false),
        // RFC 7118 section 5: nothing else leads there.
        (Nat::Never, Transport::Ws, "df7jal23ls0d.invalid", "df7jal23ls0d.invalid;transport=ws", true),
        (Nat::Auto, Transport::Wss, "df7jal23ls0d.invalid", "df7jal23ls0d.invalid;transport=ws", true),
    ] {
        let mut home = Home::new(|config| config.nat = nat);
        let from = origin(transport, "192.0.2.7:5060");
        home.registrar.handle(at(0), &lines(via, contact), None, &from);
        let binding = home.registrar.location().lookup(at(0), ALICE)[0];
        assert_eq!(binding.origin(), kept.then_some(from), "{nat:?} {transport:?} {via} {contact}");
    }
}

#[test]
fn limits_of_the_table_of_a_request_and_of_a_binding_hold() {
    let mut home = Home::new(|config| (config.max_bindings, config.max_contacts) = (3, 5));
    let contact = |n| format!("Contact: <sip:{n}@192.0.2.7>\r\n");
    assert_eq!([1, 2, 3].map(|n| home.code(&contact(n))), [200; 3]);
    let plan = home.send(&contact(4));
    assert_eq!((plan.reply.code.get(), values(&plan, "Retry-After")), (503, vec!["60".to_owned()]));
    assert_eq!(home.code(&contact(3)), 200);
    assert_eq!(home.code("Contact: <sip:3@192.0.2.7>;expires=0, <sip:4@192.0.2.7>\r\n"), 200);
    let mut home = Home::new(|config| config.max_contacts = 100);
    let many = |count| (0..count).map(|n| format!("Contact: <sip:{n}@h>\r\n")).collect::<String>();
    assert_eq!(home.code(&many(33)), 400);
    assert_eq!(home.code(&many(32)), 200);
    let long = |length: usize| format!("Contact: <sip:{}@h>\r\n", "x".repeat(length));
    // "sip:", "@h" and the Call-ID "one" count as well.
    assert_eq!((home.code(&long(2_048 - 9)), home.code(&long(2_048 - 8))), (200, 400));
}

#[test]
fn what_could_not_be_written_has_not_happened() {
    let mut home = Home::new(|_| {});
    let from = origin(Transport::Udp, "192.0.2.7:5060");
    let request = register("x", 1, "Contact: <sip:a@192.0.2.7>\r\n");
    let plan = home.registrar.plan(at(0), &request, Some("alice"), &from);
    assert_eq!((plan.records.len(), home.uris().len()), (1, 0));
    assert_eq!(Plan::failed().code.get(), 500);
    let again = home.registrar.plan(at(0), &request, Some("alice"), &from);
    assert_eq!(again.reply.code.get(), 200, "the same request may come again");
    home.registrar.commit(at(0), &again.records);
    assert_eq!(home.uris().len(), 1);
}

#[test]
fn bindings_end_by_themselves_and_the_time_is_told() {
    let mut home = Home::new(|_| {});
    home.send("Contact: <sip:a@192.0.2.7>;expires=100\r\n");
    assert_eq!(home.registrar.deadline(), Some(at(100).mono));
    home.now = 100;
    assert_eq!(values(&home.send(""), "Contact"), [""; 0]);
    let mut gone = Vec::new();
    home.registrar.expire(at(100), 10, &mut gone);
    assert_eq!((gone.len(), home.registrar.deadline()), (1, None));
}

#[test]
fn cve_count_of_repeated_headers_contacts_beyond_the_limit_are_refused() {
    let mut home = Home::new(|_| {});
    let text = register("one", 1, &format!("Contact: {}\r\n", vec!["<sip:a@h>"; 600].join(",")));
    assert_eq!(home.take(&text).reply.code.get(), 400);
}

#[derive(Clone, Debug)]
enum Step {
    Register { call: u8, back: u32, contacts: Vec<(u8, u32)> },
    All { call: u8 },
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let contacts = prop::collection::vec((0..6u8, prop_oneof![Just(0u32), Just(30), 60..200u32]), 1..4);
    let step = prop_oneof![
        6 => (0..3u8, 0..3u32, contacts).prop_map(|(call, back, contacts)| Step::Register { call, back, contacts }),
        1 => (0..3u8).prop_map(|call| Step::All { call }),
        2 => (0..90u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..50)
}

proptest! {
    /// The rules of section 10.3 written down plainly, against the registrar.
    #[test]
    fn rfc3261_10_3_random_requests_agree_with_a_plain_model(steps in steps()) {
        let mut home = Home::new(|config| config.max_contacts = 4);
        let mut model: BTreeMap<u8, (u64, u8, u32)> = BTreeMap::new();
        let mut number = 10;
        for step in steps {
            number += 1;
            let live = |model: &BTreeMap<u8, (u64, u8, u32)>, now: u64| model.iter().filter(|(_, one)| one.0 > now).map(|(key, one)| (*key, *one)).collect::<BTreeMap<_, _>>();
            let mut next = live(&model, home.now);
            let stale = |old: Option<&(u64, u8, u32)>, call: u8, cseq: u32| old.is_some_and(|old| old.1 == call && old.2 >= cseq);
            let (plan, expected) = match step {
                Step::Wait(seconds) => {
                    home.now += seconds;
                    continue;
                }
                Step::All { call } => {
                    let failed = next.values().any(|old| stale(Some(old), call, number));
                    next.clear();
                    (home.take(&register(&call.to_string(), number, "Contact: *\r\nExpires: 0\r\n")), if failed { 500 } else { 200 })
                }
                Step::Register { call, back, contacts } => {
                    let cseq = number - back;
                    let before = next.clone();
                    let mut failed = 200;
                    if contacts.iter().any(|(_, seconds)| *seconds > 0 && *seconds < 60) {
                        failed = 423;
                    }
                    for (contact, seconds) in &contacts {
                        if failed == 200 && stale(before.get(contact), call, cseq) {
                            failed = 500;
                        }
                        next.remove(contact);
                        if *seconds > 0 {
                            next.insert(*contact, (home.now + u64::from(*seconds), call, cseq));
                        }
                    }
                    if failed == 200 && next.len() > 4 && next.keys().any(|key| !before.contains_key(key)) {
                        failed = 403;
                    }
                    let list = contacts.iter().map(|(contact, seconds)| format!("<sip:{contact}@h>;expires={seconds}")).collect::<Vec<_>>().join(", ");
                    (home.take(&register(&call.to_string(), cseq, &format!("Contact: {list}\r\n"))), failed)
                }
            };
            prop_assert_eq!(plan.reply.code.get(), expected);
            if expected == 200 {
                model = next;
                let mut listed = values(&plan, "Contact");
                listed.sort();
                let held: Vec<_> = model.iter().map(|(contact, one)| format!("<sip:{contact}@h>;expires={}", one.0 - home.now)).collect();
                prop_assert_eq!(listed, held);
            } else {
                prop_assert!(plan.records.is_empty());
            }
            let held: Vec<_> = live(&model, home.now).keys().map(|contact| format!("sip:{contact}@h")).collect();
            prop_assert_eq!(home.uris(), held);
            prop_assert!(home.registrar.location().iter(at(home.now)).all(|one| one.remaining(at(home.now)) > Duration::ZERO));
        }
    }
}

mod flows;

/// Who registers is the same user by either scheme.
#[test]
fn rfc5630_5_2_an_address_of_record_is_the_same_by_sip_and_by_sips() {
    let mut home = Home::new(|_| {});
    for (n, scheme) in ["sip", "sips"].into_iter().enumerate() {
        let aor = format!("{scheme}:alice@example.com");
        let text = format!(
            "REGISTER {scheme}:example.com SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=z9hG4bK{n}\r\nTo: <{aor}>\r\nFrom: <{aor}>;tag=1\r\nCall-ID: {n}\r\n\
             CSeq: 1 REGISTER\r\nContact: <{scheme}:{n}@192.0.2.7>\r\n\r\n"
        );
        assert_eq!(home.take(&parse(&text)).reply.code.get(), 200, "{aor}");
    }
    assert_eq!(home.uris(), ["sip:0@192.0.2.7", "sips:1@192.0.2.7"]);
    let uri = |text: &str| home.registrar.aor(&sip::message::Uri::parse(text).unwrap());
    assert_eq!(uri("sips:alice@example.com"), uri("sip:alice@example.com"));
}
