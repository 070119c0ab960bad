use super::*;

#[test]
fn rfc3261_16_2_a_whole_call_goes_through_the_proxy() {
    let mut desk = Desk::to(&[(3, 1_000)]);
    desk.hears(2, &invite());
    desk.next(2, "SIP/2.0 100");
    let passed = desk.next(3, "INVITE sip:b@192.0.2.3 SIP/2.0");
    assert_eq!(passed.all(HeaderId::Via).len(), 2);
    assert!(passed.value(HeaderId::Via).starts_with("SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK"));
    assert_eq!(passed.value(HeaderId::MaxForwards), "69");
    assert_eq!(passed.value(HeaderId::MaxBreadth), "60");
    let record = passed.value(HeaderId::RecordRoute);
    assert!(record.starts_with("<sip:192.0.2.1:5060;lr;d="), "{record}");
    // 100 is for the neighbour only.
    desk.answers(3, &passed, 100, "");
    desk.silent();
    desk.answers(3, &passed, 180, "");
    let ringing = desk.next(2, "SIP/2.0 180 Said");
    assert_eq!(ringing.all(HeaderId::Via), ["SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1"]);
    desk.answers(3, &passed, 200, "Contact: <sip:b@192.0.2.3>\n");
    assert_eq!(desk.next(2, "SIP/2.0 200 Said").value(HeaderId::To), "<sip:b@home.example>;tag=of3");
    assert!(desk.proxy.is_empty(), "a call that is answered is no longer ours to keep");
    // RFC 6026 section 7.2: a repeat of the 2xx goes through again, and nobody else repeats it.
    desk.answers(3, &passed, 200, "Contact: <sip:b@192.0.2.3>\n");
    desk.next(2, "SIP/2.0 200 Said");
    let route = format!("Route: {record}\n");
    desk.hears(2, &request("ACK", "sip:b@192.0.2.3", "2", &route));
    let ack = desk.next(3, "ACK sip:b@192.0.2.3");
    assert_eq!(ack.all(HeaderId::Route), Vec::<String>::new());
    desk.hears(2, &request("ACK", "sip:b@192.0.2.3", "2", &route));
    assert_eq!(desk.next(3, "ACK").value(HeaderId::Via), ack.value(HeaderId::Via), "the same branch for the same ACK");
    desk.hears(2, &request("BYE", "sip:b@192.0.2.3", "3", &route).replace("CSeq: 1", "CSeq: 2"));
    let bye = desk.next(3, "BYE sip:b@192.0.2.3");
    assert!(!bye.headers.has(HeaderId::RecordRoute) && !bye.headers.has(HeaderId::Route));
    desk.answers(3, &bye, 200, "");
    desk.next(2, "SIP/2.0 200");
    desk.silent();
    desk.empty();
    desk.silent();
}

#[test]
fn rfc3261_16_6_6_a_strict_router_ahead_gets_its_uri() {
    let mut desk = Desk::to(&[]);
    let routes = "Route: <sip:192.0.2.1;lr>, <sip:192.0.2.4>, <sip:p5;lr>\n";
    desk.hears(2, &request("INVITE", "sip:b@elsewhere.example", "1", routes));
    desk.next(2, "SIP/2.0 100");
    let passed = desk.next(4, "INVITE sip:192.0.2.4 SIP/2.0");
    assert_eq!(passed.all(HeaderId::Route), ["<sip:p5;lr>", "<sip:b@elsewhere.example>"]);
}

#[test]
fn rfc3261_16_7_10_a_refusal_goes_back_and_its_ack_stays_here() {
    let mut desk = Desk::to(&[(3, 1_000)]);
    desk.hears(2, &invite());
    desk.next(2, "SIP/2.0 100");
    let passed = desk.next(3, "INVITE");
    desk.answers(3, &passed, 486, "");
    assert_eq!(desk.next(3, "ACK sip:b@192.0.2.3").headers.branch(), passed.headers.branch());
    desk.next(2, "SIP/2.0 486 Said");
    desk.hears(2, &request("ACK", "sip:b@home.example", "1", ""));
    desk.silent();
    desk.empty();
    desk.silent();
}

#[test]
fn rfc3261_16_10_a_cancel_is_answered_and_passed_on_as_our_own() {
    let mut desk = Desk::to(&[(3, 1_000)]);
    desk.hears(2, &invite());
    desk.next(2, "SIP/2.0 100");
    let passed = desk.next(3, "INVITE");
    desk.hears(2, &request("CANCEL", "sip:b@home.example", "1", ""));
    assert_eq!(desk.next(2, "SIP/2.0 200").value(HeaderId::CSeq), "1 CANCEL");
    // Held back until something has come (RFC 3261 section 9.1).
    desk.silent();
    desk.answers(3, &passed, 180, "");
    let cancel = desk.next(3, "CANCEL sip:b@192.0.2.3");
    assert_eq!(cancel.headers.branch(), passed.headers.branch());
    desk.next(2, "SIP/2.0 180");
    desk.answers(3, &cancel, 200, "");
    desk.silent();
    desk.answers(3, &passed, 487, "");
    desk.next(3, "ACK");
    desk.next(2, "SIP/2.0 487 Said");
    desk.hears(2, &request("ACK", "sip:b@home.example", "1", ""));
    desk.silent();
    desk.empty();
    // One of nothing we know.
    desk.hears(2, &request("CANCEL", "sip:b@home.example", "77", ""));
    desk.next(2, "SIP/2.0 481");
    desk.silent();
}

#[test]
fn rfc3261_16_9_what_cannot_be_sent_is_a_503_and_told_as_500() {
    let mut desk = Desk::to(&[(3, 1_000)]);
    desk.hears(2, &invite());
    desk.next(2, "SIP/2.0 100");
    let passed = desk.next(3, "INVITE");
    desk.unsent(&passed);
    desk.next(2, "SIP/2.0 500");
    desk.silent();
}

#[test]
fn rfc3261_16_7_3_responses_that_are_not_of_what_we_sent_go_nowhere() {
    let mut desk = Desk::to(&[(3, 1_000)]);
    desk.hears(2, &invite());
    desk.next(2, "SIP/2.0 100");
    let passed = desk.next(3, "INVITE");
    let vias: Vec<String> = passed.all(HeaderId::Via);
    let text = |vias: &[&str]| {
        let vias: String = vias.iter().map(|via| format!("Via: {via}\n")).collect();
        let rest = "From: <sip:a@192.0.2.2>;tag=a\nTo: <sip:b@home.example>;tag=x\nCall-ID: c\nCSeq: 1 INVITE\n\n";
        format!("SIP/2.0 200 OK\n{vias}{rest}")
    };
    // Ours alone; somebody else's on top; a branch that was guessed.
    desk.hears(3, &text(&[&vias[0]]));
    desk.hears(3, &text(&["SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKx", &vias[0], &vias[1]]));
    desk.hears(3, &text(&[&vias[0].replace("branch=z9hG4bK", "branch=z9hG4bKaaaa"), &vias[1]]));
    desk.silent();
    desk.hears(3, &text(&[&vias[0], &vias[1]]));
    desk.next(2, "SIP/2.0 200");
}

#[test]
fn rfc3261_16_6_4_both_sides_of_a_change_of_transport_are_recorded() {
    let by_tcp = Target { uri: "sip:b@192.0.2.3;transport=tcp".parse().expect("a uri"), ..target(3, 1_000) };
    let mut desk = Desk::new(ProxyConfig::default(), vec![by_tcp]);
    desk.hears(2, &invite());
    desk.next(2, "SIP/2.0 100");
    let records = desk.next(3, "INVITE").all(HeaderId::RecordRoute);
    assert_eq!(records.len(), 2, "{records:?}");
    assert!(records[0].starts_with("<sip:192.0.2.1:5060;transport=tcp;lr;d="), "{records:?}");
    assert!(records[1].starts_with("<sip:192.0.2.1:5060;lr;d="), "{records:?}");
    // The caller meets his side first; both come off.
    let mut back = records;
    back.reverse();
    let route = format!("Route: {}\n", back.join(", "));
    desk.hears(2, &request("BYE", "sip:b@192.0.2.3;transport=tcp", "3", &route));
    assert!(!desk.next(3, "BYE").headers.has(HeaderId::Route));
}

#[test]
fn rfc5626_5_3_2_a_device_behind_a_connection_is_reached_by_it() {
    let stream = Path { remote: ([192, 0, 2, 3], 40_000).into(), ..path(Transport::Tcp, 33) };
    let uri = "sip:b@10.0.0.3;transport=tcp".parse().expect("a uri");
    let behind = Target { uri, hop: Hop::Path(stream), ..target(3, 1_000) };
    let mut desk = Desk::new(ProxyConfig::default(), vec![behind]);
    desk.hears(2, &invite());
    desk.next(2, "SIP/2.0 100");
    let passed = desk.next(3, "INVITE sip:b@10.0.0.3;transport=tcp");
    let mut records = passed.all(HeaderId::RecordRoute);
    records.reverse();
    let route = format!("Route: {}\n", records.join(", "));
    desk.hears(2, &request("BYE", "sip:b@10.0.0.3;transport=tcp", "3", &route));
    let bye = desk.next(3, "BYE sip:b@10.0.0.3;transport=tcp");
    assert_eq!(bye.to, "192.0.2.3:40000");
    // RFC 5626 section 5.3.1: when that connection is gone the caller is told so.
    desk.unsent(&bye);
    desk.next(2, "SIP/2.0 430");
}

#[test]
fn rfc3261_16_7_nobody_is_passed_on_by_writing_us_into_a_route() {
    let mut desk = Desk::to(&[(3, 1_000)]);
    desk.hears(2, &invite());
    desk.next(2, "SIP/2.0 100");
    let passed = desk.next(3, "INVITE");
    desk.answers(3, &passed, 200, "Contact: <sip:victim@192.0.2.77>\n");
    desk.next(2, "SIP/2.0 200");
    // That with our proof leads there, and no other does.
    let proven = passed.value(HeaderId::RecordRoute);
    let ack = |route: &str| request("ACK", "sip:victim@192.0.2.77", "2", &format!("Route: {route}\n"));
    desk.hears(2, &ack(&proven));
    desk.next(77, "ACK sip:victim@192.0.2.77");
    desk.hears(2, &ack("<sip:192.0.2.1;lr>"));
    desk.hears(2, &ack("<sip:192.0.2.1;lr;d=aaaaaaaaaaaaa>"));
    desk.silent();
}

/// Who has a proof has none that is younger by having us pass a NOTIFY on.
#[test]
fn rfc6665_4_3_the_proof_in_a_notify_is_as_old_as_that_of_its_dialog() {
    const DAY: Duration = Duration::from_secs(86_400);
    let mut desk = Desk::to(&[(3, 1_000)]);
    desk.hears(2, &request("SUBSCRIBE", "sip:b@home.example", "1", "Event: presence\n"));
    let passed = desk.next(3, "SUBSCRIBE");
    desk.answers(3, &passed, 200, "");
    desk.next(2, "SIP/2.0 200");
    let first = passed.value(HeaderId::RecordRoute);
    let told = |desk: &mut Desk, days: u32| {
        desk.passes(DAY * days);
        let notify = request("NOTIFY", "sip:a@192.0.2.2", &format!("of{days}"), &format!("Route: {first}\n"));
        let notify = notify.replace("From: <sip:a@192.0.2.2>;tag=a", "From: <sip:b@home.example>;tag=of3");
        let notify = notify.replace("Contact: <sip:a@192.0.2.2>", "Contact: <sip:b@192.0.2.3>");
        desk.hears(3, &notify.replace("To: <sip:b@home.example>", "To: <sip:a@192.0.2.2>;tag=a"));
        let notify = desk.next(2, "NOTIFY");
        desk.answers(2, &notify, 200, "");
        desk.next(3, "SIP/2.0 200");
        notify.all(HeaderId::RecordRoute)
    };
    assert_eq!(told(&mut desk, 0), [first.as_str()]);
    assert_eq!(told(&mut desk, 25), [first.as_str()], "no younger than that which let it in");
    assert!(told(&mut desk, 16).is_empty(), "too old to show anything");
}

#[test]
fn rfc4320_4_2_a_request_that_nobody_answers_gets_no_408() {
    let mut desk = Desk::to(&[(3, 1_000)]);
    desk.hears(2, &request("MESSAGE", "sip:b@home.example", "1", ""));
    let passed = desk.next(3, "MESSAGE");
    desk.answers(3, &passed, 180, "");
    desk.silent();
    desk.passes(Duration::from_secs(40));
    // A 100 tells the caller to wait (section 4.1), and nothing comes after it.
    let told = |sent: &Sent| sent.start().starts_with("MESSAGE") || sent.start().starts_with("SIP/2.0 100");
    assert!(desk.sent.iter().all(told));
    desk.sent.clear();
    desk.empty();
}

#[test]
fn rfc3261_16_7_3_a_refusal_that_names_only_us_is_acknowledged_and_its_code_goes_back() {
    let mut desk = Desk::to(&[(3, 1_000)]);
    desk.hears(2, &invite());
    desk.next(2, "SIP/2.0 100");
    let passed = desk.next(3, "INVITE");
    let via = passed.value(HeaderId::Via);
    let rest = "From: <sip:a@192.0.2.2>;tag=a\nTo: <sip:b@home.example>;tag=x\nCall-ID: c\nCSeq: 1 INVITE\n\n";
    desk.hears(3, &format!("SIP/2.0 486 Mine\nVia: {via}\n{rest}"));
    desk.next(3, "ACK");
    assert_eq!(
        desk.next(2, "SIP/2.0 486 Busy Here").all(HeaderId::Via),
        ["SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1"]
    );
    desk.silent();
}

#[test]
fn rfc3261_22_3_credentials_for_others_go_on() {
    let mut desk = Desk::to(&[(3, 1_000)]);
    let lines = "Proxy-Authorization: Digest username=\"a\", realm=\"ours\", nonce=\"1\"\n\
                 Proxy-Authorization: Digest username=\"a\", realm=\"theirs\", nonce=\"2\"\n\
                 Authorization: Digest username=\"a\", realm=\"ours\", nonce=\"3\"\n";
    desk.hears(2, &request("INVITE", "sip:b@home.example", "1", lines));
    desk.next(2, "SIP/2.0 100");
    let passed = desk.next(3, "INVITE");
    let theirs = ["Digest username=\"a\", realm=\"theirs\", nonce=\"2\""];
    assert_eq!(passed.all(HeaderId::ProxyAuthorization), theirs);
    assert_eq!(passed.headers.count(HeaderId::Authorization), 1, "for the end of the way");
}

#[test]
fn rfc3261_22_3_credentials_for_us_stay_here_within_a_dialog_too() {
    let mut desk = Desk::to(&[(3, 1_000)]);
    desk.hears(2, &invite());
    desk.next(2, "SIP/2.0 100");
    let passed = desk.next(3, "INVITE");
    desk.answers(3, &passed, 200, "");
    desk.next(2, "SIP/2.0 200");
    let route = format!(
        "Route: {}\nProxy-Authorization: Digest username=\"a\", realm=\"ours\", nonce=\"1\"\n",
        passed.value(HeaderId::RecordRoute)
    );
    for method in ["ACK", "BYE"] {
        desk.hears(2, &request(method, "sip:b@192.0.2.3", method, &route));
        assert!(!desk.next(3, method).headers.has(HeaderId::ProxyAuthorization), "{method}");
    }
}

#[test]
fn rfc3261_16_10_an_invite_that_our_lines_make_too_large_is_cancelled_and_acknowledged() {
    let mut desk = Desk::to(&[(3, 1_000)]);
    let lines = "X-Much: 1\n".repeat(248);
    desk.hears(2, &request("INVITE", "sip:b@home.example", "1", &lines));
    desk.next(2, "SIP/2.0 100");
    let passed = desk.next(3, "INVITE");
    assert!(passed.headers.iter().count() > Limits::default().headers);
    desk.answers(3, &passed, 180, "");
    desk.next(2, "SIP/2.0 180");
    desk.hears(2, &request("CANCEL", "sip:b@home.example", "1", ""));
    desk.next(2, "SIP/2.0 200");
    desk.next(3, "CANCEL");
    desk.answers(3, &passed, 487, "");
    desk.next(3, "ACK");
    desk.next(2, "SIP/2.0 487");
    desk.hears(2, &request("ACK", "sip:b@home.example", "1", ""));
    desk.empty();
}

#[test]
fn rfc3261_16_6_4_where_a_sips_uri_goes_sips_is_recorded() {
    for (uri, routes, secure) in [
        ("sips:b@192.0.2.3", vec![], true),
        ("sip:b@192.0.2.3", vec!["<sips:192.0.2.3;lr>".to_owned()], true),
        ("sip:b@192.0.2.3", vec![], false),
    ] {
        let target = Target { uri: uri.parse().expect("a uri"), routes, ..target(3, 1_000) };
        let mut desk = Desk::new(ProxyConfig::default(), vec![target]);
        // Over TLS it came; where it goes on by another transport both are told.
        desk.hears_on(path(Transport::Tls, 2), &invite().replace("SIP/2.0/UDP", "SIP/2.0/TLS"));
        desk.next(2, "SIP/2.0 100");
        let records = desk.next(3, "INVITE").all(HeaderId::RecordRoute);
        assert!(!records.is_empty());
        let scheme = |record: &String| record.contains(if secure { "<sips:" } else { "<sip:" });
        assert!(records.iter().all(scheme), "{uri}: {records:?}");
    }
}

#[test]
fn rfc5922_7_5_what_is_recorded_over_tls_is_a_name_of_our_certificate_and_leads_here() {
    let named = |addresses: &[[u8; 4]]| {
        let addresses = addresses.iter().copied().map(Into::into).collect();
        Some(sip::SecuredAs { host: "edge.example".to_owned(), addresses })
    };
    // What we are called, the port we listen at, and what is recorded for the side that goes over TLS.
    for (secured_as, port, recorded) in [
        (named(&[]), 5_061, "sip:edge.example;transport=tls;lr;d="),
        (named(&[]), 5_071, "sip:edge.example:5071;transport=tls;lr;d="),
        (named(&[[192, 0, 2, 7]]), 5_061, "sip:edge.example;transport=tls;lr;d="),
        (named(&[[192, 0, 2, 7], [192, 0, 2, 1]]), 5_061, "sip:192.0.2.1:5061;transport=tls;lr;d="),
        (None, 5_061, "sip:192.0.2.1:5061;transport=tls;lr;d="),
    ] {
        let secured = Path { local: ([192, 0, 2, 1], port).into(), ..path(Transport::Tls, 3) };
        let target = Target { hop: Hop::Path(secured), ..target(3, 1_000) };
        let mut desk = Desk::new(ProxyConfig::default(), vec![target]);
        desk.stack = Stack::new(Config { role: Role::Proxy, secured_as, ..Config::default() }, [9; 32]);
        desk.hears(2, &invite());
        desk.next(2, "SIP/2.0 100");
        let passed = desk.next(3, "INVITE");
        let records = passed.all(HeaderId::RecordRoute);
        let [outward, inward] = &records[..] else { panic!("{records:?}") };
        let bare = |record: &str| record.trim_start_matches("<sip:").split_once('@').map(|(_, rest)| rest.to_owned());
        let bare =
            |record: &str| bare(record).map_or(record.trim_start_matches('<').to_owned(), |rest| format!("sip:{rest}"));
        assert!(bare(outward).starts_with(recorded), "{records:?}");
        assert!(bare(inward).starts_with("sip:192.0.2.1:5060;lr;d="), "{records:?}");
        desk.answers(3, &passed, 200, "Contact: <sip:b@192.0.2.3>\n");
        desk.next(2, "SIP/2.0 200");
        // Who was called hangs up by what was recorded: it comes back to us and goes on, both values being ours.
        let back = records.iter().map(|record| format!("Route: {record}\n")).collect::<String>();
        let bye = format!(
            "BYE sip:a@192.0.2.2 SIP/2.0\nVia: SIP/2.0/TLS 192.0.2.3:5061;branch=z9hG4bKbye\nMax-Forwards: 70\n\
             From: <sip:b@home.example>;tag=of3\nTo: <sip:a@192.0.2.2>;tag=a\nCall-ID: c\nCSeq: 1 BYE\n{back}Content-Length: 0\n\n"
        );
        desk.hears_on(secured, &bye);
        let bye = desk.next(2, "BYE sip:a@192.0.2.2");
        assert!(bye.all(HeaderId::Route).is_empty(), "{}", bye.text);
    }
}

#[test]
fn rfc3261_16_6_4_where_a_secured_hop_meets_another_it_is_recorded_in_any_case() {
    for (by, scheme, recorded) in [
        (Transport::Tls, "sip", Some("<sip:")),
        (Transport::Udp, "sips", Some("<sips:")),
        (Transport::Tls, "sips", None),
        (Transport::Udp, "sip", None),
    ] {
        let target = Target::new(format!("{scheme}:b@192.0.2.3").parse().expect("a uri"));
        let mut desk = Desk::new(ProxyConfig { record_route: false, ..ProxyConfig::default() }, vec![target]);
        desk.hears_on(path(by, 2), &invite().replace("SIP/2.0/UDP", &format!("SIP/2.0/{}", by.as_str())));
        desk.next(2, "SIP/2.0 100");
        let records = desk.next(3, "INVITE").all(HeaderId::RecordRoute);
        assert_eq!(records.is_empty(), recorded.is_none(), "{by:?} {scheme}: {records:?}");
        assert!(records.iter().all(|record| record.starts_with(recorded.unwrap_or_default())), "{records:?}");
    }
}

#[test]
fn rfc3263_4_3_a_request_that_is_passed_on_goes_to_the_next_server_with_a_branch_of_its_own() {
    let at_two = Target::new("sip:b@two.example".parse().expect("a uri"));
    for unavailable in [true, false] {
        let mut desk = Desk::new(ProxyConfig::default(), vec![at_two.clone()]);
        desk.hears(2, &invite());
        desk.next(2, "SIP/2.0 100");
        let first = desk.next(3, "INVITE sip:b@two.example");
        if unavailable {
            desk.answers(3, &first, 503, "");
            desk.next(3, "ACK");
        } else {
            desk.unsent(&first);
        }
        let second = desk.next(4, "INVITE sip:b@two.example");
        assert_ne!(first.headers.branch(), second.headers.branch());
        desk.answers(4, &second, 200, "");
        desk.next(2, "SIP/2.0 200");
        desk.silent();
    }
}

#[test]
fn rfc3263_4_3_the_ack_of_a_2xx_passes_over_a_server_that_is_known_to_have_failed() {
    let at_two = Target::new("sip:b@two.example".parse().expect("a uri"));
    let mut desk = Desk::new(ProxyConfig::default(), vec![at_two]);
    desk.hears(2, &invite());
    desk.next(2, "SIP/2.0 100");
    let first = desk.next(3, "INVITE sip:b@two.example");
    desk.unsent(&first);
    let second = desk.next(4, "INVITE sip:b@two.example");
    desk.answers(4, &second, 200, "Contact: <sip:b@two.example>\n");
    desk.next(2, "SIP/2.0 200");
    let route = format!("Route: {}\n", second.value(HeaderId::RecordRoute));
    // A repeat of the 2xx has another of the same ACK sent.
    for _ in 0..2 {
        desk.hears(2, &request("ACK", "sip:b@two.example", "2", &route).replace("of3", "of4"));
        desk.next(4, "ACK sip:b@two.example");
    }
    desk.silent();
}

#[test]
fn rfc3261_18_1_1_a_large_ack_reaches_who_refuses_connections() {
    let mut desk = Desk::to(&[(3, 1_000)]);
    desk.hears(2, &invite());
    desk.next(2, "SIP/2.0 100");
    let passed = desk.next(3, "INVITE sip:b@192.0.2.3");
    desk.answers(3, &passed, 200, "Contact: <sip:b@192.0.2.3>\n");
    desk.next(2, "SIP/2.0 200");
    let route = format!("Route: {}\n", passed.value(HeaderId::RecordRoute));
    let ack = request("ACK", "sip:b@192.0.2.3", "2", &route).replace("Content-Length: 0", "Content-Length: 1400");
    desk.hears(2, &(ack + &"x".repeat(1_400)));
    let by_tcp = desk.next(3, "ACK sip:b@192.0.2.3");
    assert!(by_tcp.value(HeaderId::Via).starts_with("SIP/2.0/TCP "), "{}", by_tcp.text);
    desk.unsent(&by_tcp);
    let by_udp = desk.next(3, "ACK sip:b@192.0.2.3");
    assert!(by_udp.value(HeaderId::Via).starts_with("SIP/2.0/UDP "), "{}", by_udp.text);
    assert_eq!(by_udp.headers.branch(), by_tcp.headers.branch());
    desk.silent();
    desk.empty();
}

#[test]
fn rfc5626_5_1_the_edge_puts_the_flow_of_a_device_into_its_path() {
    let register = |lines: &str| {
        let text = request("REGISTER", "sip:elsewhere.example", "1", lines);
        text.replace(
            "Contact: <sip:a@192.0.2.2>\n",
            "Contact: <sip:a@10.0.0.2>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"\n",
        )
    };
    let passed = |text: &str, edge: bool| {
        let mut desk = Desk::new(ProxyConfig::default(), Vec::new());
        desk.edge = edge;
        desk.hears(2, &text.replace("sip:elsewhere.example", "sip:192.0.2.4"));
        desk.next(4, "REGISTER").all(HeaderId::Path)
    };
    let path = passed(&register("Supported: path, outbound\n"), true);
    let token = path[0].strip_prefix("<sip:").and_then(|rest| rest.strip_suffix("@192.0.2.1:5060;lr;ob>"));
    let token = token.unwrap_or_else(|| panic!("{path:?}"));
    assert_eq!(Tokens::new([3; 16]).flow_of(token), Some(self::path(Transport::Udp, 2)));
    // What is registered by sips is led to by nothing else (RFC 5630 section 5.2).
    let secure = register("Supported: path, outbound\n").replace("sip:elsewhere.example", "sips:192.0.2.4");
    let secure = passed(&secure, true);
    assert!(secure[0].starts_with("<sips:") && secure[0].ends_with("@192.0.2.1:5060;lr;ob>"), "{secure:?}");
    // Without reg-id or outbound nothing is promised (RFC 5626 section 5.1).
    let plain = passed(&register("Supported: path\n"), true);
    assert!(plain[0].ends_with(";lr>"), "{plain:?}");
    // The device knows of no Path; another proxy stands before us; we are not the edge.
    assert!(passed(&register(""), true).is_empty());
    let second = register("Supported: path\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK9\n");
    assert!(passed(&second, true).is_empty());
    assert!(passed(&register("Supported: path, outbound\n"), false).is_empty());
}
