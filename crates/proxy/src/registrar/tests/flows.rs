//! Registrations over flows of one instance (RFC 5626 section 6), and the addresses that an instance is given (RFC 5627 section 5).

use super::*;

const URN: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
const SUPPORTED: &str = "Supported: path, outbound\r\n";

fn contact(host: &str, number: u32, expires: u32) -> String {
    format!("Contact: <sip:alice@{host}>;reg-id={number};+sip.instance=\"<{URN}>\";expires={expires}\r\n")
}

fn flows(home: &Home) -> Vec<(String, u64, bool)> {
    let bindings = home.registrar.location().bindings(at(home.now), ALICE);
    let mut flows: Vec<_> =
        bindings.map(|one| (one.uri().to_owned(), one.origin().map_or(0, |from| from.flow.0), one.is_flow())).collect();
    flows.sort();
    flows
}

impl Home {
    fn over(&mut self, flow: u64, lines: &str) -> Plan {
        self.cseq += 1;
        let request = register("one", self.cseq, lines);
        let origin = Origin { flow: FlowId(flow), ..origin(Transport::Tcp, "203.0.113.1:40000") };
        self.registrar.handle(at(self.now), &request, Some("alice"), &origin)
    }
}

#[test]
fn rfc5626_6_a_binding_is_that_of_instance_and_number_wherever_it_leads() {
    let mut home = Home::new(|_| {});
    let plan = home.over(7, &(contact("10.0.0.1", 1, 600) + SUPPORTED));
    assert_eq!((plan.reply.code.get(), values(&plan, "Require")), (200, vec!["outbound".to_owned()]));
    assert_eq!(values(&plan, "Flow-Timer"), ["120"]);
    let listed = format!("<sip:alice@10.0.0.1>;expires=600;+sip.instance=\"<{URN}>\";reg-id=1");
    assert_eq!(values(&plan, "Contact"), [listed]);
    // Two flows may well have one Contact.
    home.over(8, &(contact("10.0.0.1", 2, 600) + SUPPORTED));
    let both = [("sip:alice@10.0.0.1".to_owned(), 7, true), ("sip:alice@10.0.0.1".to_owned(), 8, true)];
    assert_eq!(flows(&home), both);
    // The first flow has failed: another takes its place, from elsewhere.
    let plan = home.over(9, &(contact("10.9.9.9", 1, 600) + SUPPORTED));
    assert_eq!(values(&plan, "Contact").len(), 2);
    assert_eq!(flows(&home), [both[1].clone(), ("sip:alice@10.9.9.9".to_owned(), 9, true)]);
    // An ordinary binding of the same Contact is another one, and so is that of another instance.
    home.over(9, "Contact: <sip:alice@10.9.9.9>;expires=600\r\n");
    let other = contact("10.9.9.9", 1, 600).replace("f81d4fae", "00000000");
    home.over(10, &(other + SUPPORTED));
    assert_eq!(flows(&home).len(), 4);
    // Taken back by instance and number, whatever the address.
    home.over(11, &(contact("10.0.0.77", 2, 0) + SUPPORTED));
    assert_eq!(flows(&home).len(), 3);
    assert!(!flows(&home).contains(&both[1]));
}

#[test]
fn rfc5626_6_what_was_written_down_makes_the_same_flows_again() {
    let mut home = Home::new(|_| {});
    let mut written = Vec::new();
    for (flow, lines) in
        [(1, contact("a", 1, 600)), (2, contact("a", 2, 600)), (3, contact("b", 1, 700)), (2, contact("a", 2, 900))]
    {
        let plan = home.over(flow, &(lines + SUPPORTED));
        assert!(crate::record::write_frame(&plan.records, &mut written));
    }
    let gone = home.over(4, &(contact("c", 1, 0) + SUPPORTED));
    assert!(crate::record::write_frame(&gone.records, &mut written));
    let mut again = Location::new([1; 16]);
    let mut rest = &written[..];
    while !rest.is_empty() {
        let (records, length) = crate::record::read_frame(rest).unwrap();
        records.iter().for_each(|record| again.apply(at(0), record));
        rest = &rest[length..];
    }
    let of = |location: &Location| -> Vec<(String, String, u64)> {
        let seconds = |one: &Binding<'_>| one.remaining(at(0)).as_secs();
        location.bindings(at(0), ALICE).map(|one| (one.uri().into(), one.params().into(), seconds(&one))).collect()
    };
    assert_eq!(of(&again), of(home.registrar.location()));
    assert_eq!(of(&again).len(), 1);
}

#[test]
fn rfc5626_6_439_and_where_numbers_are_passed_over() {
    let behind = "Via: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKp\r\n";
    let path = "Path: <sip:far.example.com;lr;ob>, <sip:edge.example.com;lr>\r\n";
    let ob = "Path: <sip:far.example.com;lr>, <sip:edge.example.com;lr;ob>\r\n";
    for (lines, code, outbound) in [
        (String::new() + SUPPORTED, 200, true),
        // The device does not want to be told.
        ("Supported: path\r\n".to_owned(), 200, true),
        (behind.to_owned() + SUPPORTED, 439, false),
        (behind.to_owned() + path + SUPPORTED, 439, false),
        (behind.to_owned() + path + "Supported: path\r\n", 200, false),
        (behind.to_owned() + ob + SUPPORTED, 200, true),
    ] {
        let mut home = Home::new(|_| {});
        let plan = home.over(7, &(lines.clone() + &contact("10.0.0.1", 1, 600)));
        assert_eq!(plan.reply.code.get(), code, "{lines}");
        assert_eq!(flows(&home).iter().any(|one| one.2), outbound, "{lines}");
        let told = outbound && lines.contains("outbound");
        assert_eq!(!values(&plan, "Require").is_empty(), told, "{lines}");
        // Only who has nobody in between is told how long we wait.
        assert_eq!(!values(&plan, "Flow-Timer").is_empty(), told && !lines.contains("Path"), "{lines}");
        if code == 200 {
            assert_eq!(values(&plan, "Contact")[0].contains("reg-id"), outbound, "{lines}");
            assert!(values(&plan, "Contact")[0].contains(URN), "{lines}");
        }
    }
}

#[test]
fn rfc5626_6_a_number_without_an_instance_or_out_of_range_is_none_and_one_request_makes_one_flow() {
    for wrong in [
        ";reg-id=1",
        ";reg-id=1;+sip.instance=urn",
        ";reg-id=0;+sip.instance=\"<urn:a>\"",
        ";+sip.instance=\"<urn:a>\"",
    ] {
        let mut home = Home::new(|_| {});
        let plan = home.over(7, &format!("Contact: <sip:alice@10.0.0.1>{wrong}\r\n{SUPPORTED}"));
        assert_eq!((plan.reply.code.get(), values(&plan, "Require").len()), (200, 0), "{wrong}");
        assert!(!flows(&home)[0].2 && !values(&plan, "Contact")[0].contains("reg-id"), "{wrong}");
    }
    let mut home = Home::new(|_| {});
    let two = |second: u32| contact("a", 1, 600) + &contact("b", 2, second) + SUPPORTED;
    assert_eq!(home.over(7, &two(600)).reply.code.get(), 400);
    assert_eq!(home.over(7, &two(0)).reply.code.get(), 200, "others may be taken back along with it");
}

#[test]
fn rfc5626_6_a_device_with_a_flow_is_reached_along_it_whatever_its_address() {
    for nat in [Nat::Never, Nat::Auto] {
        let mut home = Home::new(|config| config.nat = nat);
        home.over(7, &(contact("203.0.113.1:40000", 1, 600) + SUPPORTED));
        assert_eq!(flows(&home)[0].1, 7, "{nat:?}");
    }
    let mut home = Home::new(|config| config.nat = Nat::Never);
    home.over(7, "Contact: <sip:alice@203.0.113.1:40000>\r\n");
    assert_eq!(flows(&home)[0].1, 0, "the control");
}

#[test]
fn rfc5627_5_3_addresses_are_given_to_who_asks_and_has_an_instance() {
    let gruu = Gruu::new([9; 16]);
    let instance = |name: &str, more: &str| format!("Contact: <sip:alice@{name}>;+sip.instance=\"<{URN}>\"{more}\r\n");
    let given = |gruu: Option<Gruu>, lines: &str| {
        let mut home = Home::new(|config| config.gruu = gruu);
        values(&home.over(7, lines), "Contact").remove(0)
    };
    let asks = "Supported: gruu\r\n";
    let listed = given(Some(gruu.clone()), &(instance("h", "") + asks));
    let (_, public) = listed.split_once(";pub-gruu=\"").expect("a public one");
    assert!(public.starts_with(&format!("sip:alice@example.com;gr={URN}\"")), "{public}");
    let (_, temporary) = listed.split_once(";temp-gruu=\"").expect("a temporary one");
    let uri = temporary.trim_end_matches('"').parse::<sip::message::UriBuf>().unwrap();
    let named = gruu.read(&uri.as_uri()).unwrap().unwrap();
    assert!(named.user == "alice" && gruu.is(&named, URN, "one"));
    for (gruu, lines) in [
        (None, instance("h", "") + asks),
        (Some(gruu.clone()), instance("h", "")),
        (Some(gruu), "Contact: <sip:alice@h>\r\n".to_owned() + asks),
    ] {
        assert!(!given(gruu, &lines).contains("gruu"), "{lines}");
    }
}

/// Whichever has been told, both lead to the instance.
#[test]
fn rfc5630_5_2_1_addresses_of_an_instance_have_the_scheme_of_its_contact() {
    for (asked, of_user, contact) in
        [("sip", "sip", "sip"), ("sips", "sips", "sip"), ("sips", "sip", "sips"), ("sips", "sips", "sips")]
    {
        let gruu = Gruu::new([9; 16]);
        let mut home = Home::new(|config| config.gruu = Some(gruu.clone()));
        let plan = home.take(&parse(&format!(
            "REGISTER {asked}:example.com SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=z9hG4bK1\r\nTo: <{of_user}:alice@example.com>\r\n\
             From: <{of_user}:alice@example.com>;tag=1\r\nCall-ID: one\r\nCSeq: 1 REGISTER\r\nSupported: gruu\r\n\
             Contact: <{contact}:alice@h>;+sip.instance=\"<{URN}>\"\r\n\r\n"
        )));
        let listed = values(&plan, "Contact").remove(0);
        for name in ["pub-gruu", "temp-gruu"] {
            let (_, given) = listed.split_once(&format!(";{name}=\"")).expect(name);
            let given = given.split('"').next().unwrap();
            assert!(given.starts_with(&format!("{contact}:")), "{listed}");
            let other =
                if contact == "sip" { given.replacen("sip:", "sips:", 1) } else { given.replacen("sips:", "sip:", 1) };
            for text in [given, &other] {
                let named = gruu.read(&sip::message::Uri::parse(text).unwrap()).unwrap().unwrap();
                assert!(named.user == "alice" && gruu.is(&named, URN, "one"), "{text}");
            }
        }
    }
}

#[test]
fn rfc3608_6_4_the_route_of_the_service_is_told_to_who_registers() {
    let mut home = Home::new(|config| config.service_route = vec!["<sip:p1;lr>".to_owned(), "<sip:p2;lr>".to_owned()]);
    let plan = home.over(7, "Contact: <sip:alice@h>\r\n");
    assert_eq!(values(&plan, "Service-Route"), ["<sip:p1;lr>", "<sip:p2;lr>"]);
    assert!(values(&home.over(7, ""), "Service-Route").is_empty(), "who only asks is told nothing of it");
}

#[test]
fn rfc5627_5_1_an_instance_is_not_at_its_own_address_and_tells_us_none() {
    let mut home = Home::new(|_| {});
    let mut code =
        |uri: &str, instance: &str| home.over(7, &format!("Contact: <{uri}>{instance}\r\n")).reply.code.get();
    let instance = format!(";+sip.instance=\"<{URN}>\"");
    assert_eq!(code("sip:alice@example.com", &instance), 403);
    assert_eq!(code(&format!("sip:bob@example.com;gr={URN}"), &instance), 403);
    assert_eq!(code(&format!("sip:bob@elsewhere.example;gr={URN}"), &instance), 200);
    assert_eq!(code("mailto:alice@elsewhere.example", &instance), 403);
    for uri in ["sip:alice@example.com", "mailto:alice@elsewhere.example"] {
        assert_eq!(code(uri, ""), 200, "the control: no instance");
    }
    let mut home = Home::new(|_| {});
    let plan =
        home.over(7, &format!("Contact: <sip:alice@h>;pub-gruu=\"sip:x@y;gr\";TEMP-GRUU=\"sip:z@y;gr\"{instance}\r\n"));
    assert!(!values(&plan, "Contact")[0].to_lowercase().contains("gruu"), "{:?}", values(&plan, "Contact"));
}
