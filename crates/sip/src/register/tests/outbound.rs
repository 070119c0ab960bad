//! Registrations over flows of one user agent instance (RFC 5626 section 4), addresses of the instance (RFC 5627), and the address that we are seen at (RFC 3581).

use super::*;

const URN: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

fn flow(number: u32) -> RegisterSpec {
    let instance = Instance { urn: URN.to_owned(), reg_id: Some(number), gruu: false };
    RegisterSpec { instance: Some(instance), flow_of: Some(1), ..spec() }
}

impl Rig {
    fn over(transport: Transport) -> Rig {
        Rig { transport, ..Rig::new() }
    }

    /// 200 with the Contact of the last request, by a registrar that does outbound.
    fn accept_flow(&mut self, more: &[(&str, &str)]) {
        let contact = format!("{};expires=3600", self.contact());
        let own = [("Contact", &*contact), ("Require", "outbound")];
        self.answer(200, &[&own[..], more].concat());
    }

    fn contact(&self) -> String {
        self.last().headers().text(HeaderId::Contact).unwrap().into_owned()
    }

    fn pong(&mut self) {
        let from = path_over(self.transport);
        self.turn(|turn| turn.receive(&from, bytes::Bytes::from_static(b"\r\n")));
    }

    fn bound_from(&mut self, from: &Path, port: u16, kind: u16) {
        let asked = self.pings.last().unwrap().1[4..20].to_vec();
        self.bound_to(&asked, from, port, kind);
    }

    /// A binding response to a request of this cookie and transaction.
    fn bound_to(&mut self, asked: &[u8], from: &Path, port: u16, kind: u16) {
        let port = (port ^ 0x2112).to_be_bytes();
        let address = [192, 0, 2, 1_u8].iter().zip([0x21, 0x12, 0xA4, 0x42]).map(|(octet, mask)| octet ^ mask);
        let address: Vec<u8> = address.collect();
        let attribute = [&[0, 0x20, 0, 8, 0, 1][..], &port, &address].concat();
        let answer = [&kind.to_be_bytes()[..], &[0, 12], asked, &attribute].concat();
        self.turn(|turn| turn.receive(from, answer.into()));
    }

    /// A binding response that shows us at this port.
    fn bound_at(&mut self, port: u16) {
        self.bound_from(&path(), port, 0x0101);
    }

    /// Lets time pass to the next keep-alive.
    fn until_ping(&mut self) {
        let before = self.pings.len();
        while self.pings.len() == before {
            self.now = self.stack.deadline().expect("something is due").0.max(self.now);
            self.turn(|turn| turn.timeout());
        }
    }

    fn last_ping(&self) -> f64 {
        self.pings.last().unwrap().0 as f64 / SECOND as f64
    }

    fn way(&self) -> &Way {
        match &self.events.last().unwrap().1 {
            RegistrationEvent::Registered { way, .. } => way,
            other => panic!("{other:?}"),
        }
    }

    fn flow_failed(&self) -> Option<Duration> {
        match &self.events.last().unwrap().1 {
            RegistrationEvent::Failed { why: RegisterFailure::FlowFailed, retry_in } => *retry_in,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn rfc5626_4_2_1_the_request_names_instance_and_flow_and_what_is_understood() {
    let mut rig = Rig::new();
    rig.register(spec());
    assert_eq!(rig.last().headers().text(HeaderId::Supported).unwrap(), "path", "the control");
    let id = rig.register(flow(2));
    let expected = format!("<sip:alice@192.0.2.7:5060>;+sip.instance=\"<{URN}>\";reg-id=2");
    assert_eq!(rig.contact(), expected);
    assert_eq!(rig.last().headers().text(HeaderId::Supported).unwrap(), "path, outbound");
    rig.accept_flow(&[]);
    // Section 4.2.2: what takes the binding back names the same.
    rig.turn(|turn| turn.unregister(id, Removal::Ours)).unwrap();
    assert_eq!((rig.contact(), rig.last_expires()), (expected, 0));
    rig.answer(200, &[]);
    // Section 4.2.3: what takes all back names neither.
    let id = rig.register(flow(1));
    rig.accept_flow(&[]);
    rig.turn(|turn| turn.unregister(id, Removal::All)).unwrap();
    assert_eq!(rig.contact(), "*");
}

#[test]
fn rfc5626_10_a_flow_has_a_number_from_one_and_an_instance_a_urn() {
    let mut rig = Rig::new();
    let mut with = |urn: &str, reg_id| {
        let instance = Instance { urn: urn.to_owned(), reg_id, gruu: false };
        rig.turn(|turn| turn.register(RegisterSpec { instance: Some(instance), ..spec() })).is_ok()
    };
    assert!(with(URN, Some(1)) && with(URN, Some(0x7FFF_FFFF)) && with("URN:imei:1", None));
    assert!(!with(URN, Some(0)) && !with(URN, Some(0x8000_0000)));
    for urn in ["", "urn:", "uuid:1", "urn:uuid:a>\r\nX: 1", "urn:uuid:\"", "urn:a b"] {
        assert!(!with(urn, Some(1)), "{urn}");
    }
}

#[test]
fn rfc5626_4_4_1_a_stream_is_pinged_within_the_last_fifth_of_the_flow_timer() {
    for (lines, most) in [(&[][..], 120.0), (&[("Flow-Timer", "30")][..], 30.0), (&[("Flow-Timer", "0")][..], 1.0)] {
        let mut rig = Rig::over(Transport::Tcp);
        rig.register(flow(1));
        rig.accept_flow(lines);
        assert_eq!(rig.pings.len(), 1, "at once: only what was answered is a flow (section 4.5)");
        rig.pong();
        let mut waits = Vec::new();
        for count in 2..10 {
            let before = rig.now as f64 / SECOND as f64;
            rig.wait_until(before + most * 0.79);
            assert_eq!(rig.pings.len(), count - 1);
            rig.until_ping();
            assert!(rig.last_ping() <= before + most);
            assert_eq!((rig.pings.len(), &*rig.pings[count - 1].1), (count, &b"\r\n\r\n"[..]));
            waits.push(((rig.last_ping() - before) * 1e6) as u64);
            rig.pong();
        }
        waits.sort_unstable();
        waits.dedup();
        assert!(waits.len() > 4, "each time another: {waits:?}");
        assert!(rig.closed.is_empty());
    }
    // Who does not say that it does outbound would not answer.
    let mut rig = Rig::over(Transport::Tcp);
    rig.register(flow(1));
    rig.accept(3_600);
    rig.wait_until(1_000.0);
    assert!(rig.pings.is_empty() && !rig.way().outbound);
}

#[test]
fn rfc5626_4_4_1_no_pong_within_ten_seconds_ends_the_flow_and_another_is_formed() {
    let mut rig = Rig::over(Transport::Tcp);
    rig.register(flow(1));
    rig.accept_flow(&[]);
    rig.pong();
    rig.until_ping();
    let asked = rig.last_ping();
    assert!(asked > 90.0 && asked <= 120.0);
    rig.wait_until(asked + 9.99);
    assert!(rig.closed.is_empty());
    rig.wait_until(asked + 10.0);
    assert_eq!(rig.closed, [FlowId(1)]);
    let before = rig.sent.len();
    rig.turn(|turn| turn.flow(FlowId(1), FlowChange::Lost));
    assert!(rig.flow_failed().unwrap() <= Duration::from_secs(1));
    rig.wait_until(asked + 11.0);
    assert_eq!(rig.sent.len(), before + 1);
    assert!(rig.contact().ends_with(";reg-id=1"), "the same number (section 4.5)");
}

#[test]
fn rfc5626_4_5_a_flow_on_which_nothing_was_ever_answered_is_formed_anew_less_and_less_often() {
    let mut rig = Rig::over(Transport::Tcp);
    rig.register(flow(1));
    let mut wait = 30.0;
    for _ in 0..3 {
        rig.accept_flow(&[]);
        let at = rig.now as f64 / SECOND as f64;
        rig.wait_until(at + 10.001);
        assert_eq!(rig.closed.pop(), Some(FlowId(1)));
        rig.turn(|turn| turn.flow(FlowId(1), FlowChange::Lost));
        let told = rig.flow_failed().unwrap().as_secs_f64();
        wait *= 2.0;
        assert!((wait / 2.0..=wait).contains(&told), "{told} of {wait}");
        let sent = rig.sent.len();
        rig.wait_until(at + 10.0 + told - 0.01);
        assert_eq!(rig.sent.len(), sent);
        rig.wait_until(at + 10.001 + told + 0.001);
        assert_eq!(rig.sent.len(), sent + 1);
    }
    // One that is answered counts again from the beginning.
    rig.accept_flow(&[]);
    rig.pong();
    rig.turn(|turn| turn.flow(FlowId(1), FlowChange::Lost));
    assert!(rig.flow_failed().unwrap() <= Duration::from_secs(1));
}

#[test]
fn rfc5626_4_4_2_over_udp_binding_requests_are_sent_within_24_to_29_seconds_and_repeated_until_answered() {
    let mut rig = Rig::new();
    rig.register(flow(1));
    rig.accept_flow(&[]);
    assert_eq!((rig.pings.len(), rig.pings[0].1.len()), (1, 20));
    rig.wait_until(1.0);
    assert_eq!(rig.pings.len(), 2);
    assert_eq!(rig.pings[0].1, rig.pings[1].1, "byte for byte");
    // From somebody else, and to another question: nothing.
    rig.bound_from(&Path { remote: "192.0.2.66:5060".parse().unwrap(), ..path() }, 4_000, 0x0101);
    rig.wait_until(2.0);
    assert_eq!(rig.pings.len(), 3);
    rig.bound_at(4_000);
    rig.until_ping();
    assert!((26.0..=31.0).contains(&rig.last_ping()), "{}", rig.last_ping());
    assert_eq!(rig.pings.len(), 4);
    assert_ne!(rig.pings[0].1, rig.pings[3].1);
    let (asked, registered) = (rig.last_ping(), rig.sent.len());
    // 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s after the first, and 8 s more.
    rig.wait_until(asked + 39.49);
    assert_eq!((rig.pings.len(), rig.sent.len()), (10, registered));
    rig.wait_until(asked + 39.5);
    assert!(rig.flow_failed().unwrap() <= Duration::from_secs(1));
    rig.wait_until(asked + 40.5);
    assert_eq!(rig.sent.len(), registered + 1);
}

#[test]
fn cve_predictable_transaction_an_answer_to_a_guessed_question_changes_nothing() {
    let mut rig = Rig::new();
    rig.register(flow(1));
    rig.accept_flow(&[]);
    let asked = rig.pings[0].1[4..20].to_vec();
    // An answer that is believed ends the repeats, and a refusal or another address the flow.
    for octet in 4..16 {
        let mut guess = asked.clone();
        guess[octet] ^= 1;
        for kind in [0x0101, 0x0111] {
            rig.bound_to(&guess, &path(), 4_000, kind);
        }
    }
    rig.wait_until(1.0);
    assert_eq!(rig.pings.len(), 2, "no answer yet");
    // The control: the very question.
    rig.bound_to(&asked, &path(), 4_001, 0x0101);
    rig.until_ping();
    assert_eq!(rig.pings.len(), 3);
    assert!((25.0..=30.0).contains(&rig.last_ping()), "{}", rig.last_ping());
}

#[test]
fn rfc5626_4_4_2_another_mapped_address_is_a_flow_that_has_failed() {
    for (port, kind, fails) in [(4_000, 0x0101, false), (4_001, 0x0101, true), (4_000, 0x0111, true)] {
        let mut rig = Rig::new();
        rig.register(flow(1));
        rig.accept_flow(&[]);
        rig.bound_at(4_000);
        rig.until_ping();
        assert_eq!(rig.pings.len(), 2);
        let (before, at) = (rig.sent.len(), rig.last_ping());
        rig.bound_from(&path(), port, kind);
        rig.wait_until(at + 1.1);
        assert_eq!(rig.sent.len() > before, fails, "{port} {kind:x}");
        if fails {
            assert_eq!(rig.closed, [], "there is no connection");
            rig.accept_flow(&[]);
            rig.bound_at(4_001);
            rig.until_ping();
            rig.bound_at(4_001);
            assert!(
                matches!(rig.events.last().unwrap().1, RegistrationEvent::Registered { .. }),
                "the new one is that"
            );
        }
    }
}

#[test]
fn rfc5626_4_5_while_another_flow_stands_a_failed_one_waits_longer_and_it_goes_on() {
    let mut rig = Rig::over(Transport::Tcp);
    rig.register(flow(1));
    rig.accept_flow(&[]);
    rig.pong();
    let second = rig.register(flow(2));
    rig.answer(503, &[]);
    let (_, wait) = rig.failed();
    assert!((90.0..=180.0).contains(&wait.unwrap().as_secs_f64()), "{wait:?}");
    rig.turn(|turn| turn.forget_registration(second)).unwrap();
    assert!(rig.closed.is_empty());
}

#[test]
fn rfc5626_4_2_1_a_439_is_followed_by_an_ordinary_registration_of_the_first_flow_alone() {
    let mut rig = Rig::new();
    rig.register(flow(1));
    rig.answer(439, &[]);
    assert!(!rig.contact().contains("reg-id") && rig.contact().contains(URN), "{}", rig.contact());
    assert_eq!(rig.last().headers().text(HeaderId::Supported).unwrap(), "path");
    rig.answer(439, &[]);
    assert_eq!(rig.failed(), (Some(439), None), "once");
    let sent = rig.sent.len();
    rig.register(flow(2));
    rig.answer(439, &[]);
    assert_eq!((rig.failed(), rig.sent.len()), ((Some(439), None), sent + 1));
}

#[test]
fn rfc5626_4_3_dialogs_stay_on_the_flow_and_rfc5627_4_3_or_name_the_instance() {
    let mut rig = Rig::over(Transport::Tcp);
    rig.register(flow(1));
    rig.accept_flow(&[]);
    let contact = |secure, anonymous| rig.way().contact(secure, anonymous).unwrap();
    assert_eq!(contact(false, false), "<sip:alice@192.0.2.7:5060;transport=tcp;ob>");
    // RFC 3261 section 8.1.1.8 and RFC 3323 section 4.1.
    assert_eq!(contact(true, false), "<sips:alice@192.0.2.7:5060;transport=tcp;ob>");
    assert_eq!(contact(false, true), "<sip:192.0.2.7:5060;transport=tcp;ob>");
    assert_eq!((rig.way().outbound, rig.way().path), (true, Some(path_over(Transport::Tcp))));
    let mut rig = Rig::new();
    let instance = Instance { urn: URN.to_owned(), reg_id: Some(1), gruu: true };
    rig.register(RegisterSpec { instance: Some(instance), ..spec() });
    assert_eq!(rig.last().headers().text(HeaderId::Supported).unwrap(), "path, outbound, gruu");
    // The other flow of the instance has the same address: it is told apart by its number, and another device by its URN.
    let list = format!(
        "<sip:alice@192.0.2.7:5060>;+sip.instance=\"<urn:uuid:0>\";reg-id=1;expires=7;pub-gruu=\"sip:x@y;gr\", \
         <sip:alice@192.0.2.7:5060>;+sip.instance=\"<{URN}>\";reg-id=2;expires=8, \
         <sip:alice@192.0.2.7:5060>;+sip.instance=\"<{URN}>\";reg-id=1;expires=600\
         ;pub-gruu=\"sip:alice@example.com;gr={URN}\";temp-gruu=\"sip:tgruu.7@example.com;gr\""
    );
    rig.answer(200, &[("Contact", &list), ("Require", "outbound")]);
    assert_eq!(rig.registered().0, 600);
    let public = format!("sip:alice@example.com;gr={URN}");
    assert_eq!(rig.way().contact(false, false), Some(format!("<{public}>")));
    // RFC 5627 section 4.4: a temporary one where nobody is to hear who we are, and neither where a sips URI is asked for.
    assert_eq!(rig.way().contact(false, true).as_deref(), Some("<sip:tgruu.7@example.com;gr>"));
    assert_eq!(rig.way().contact(true, false).as_deref(), Some("<sips:alice@192.0.2.7:5060;ob>"));
    assert_eq!(rig.way().contact(true, true).as_deref(), Some("<sips:192.0.2.7:5060;ob>"));
    assert_eq!(rig.way().public_gruu, Some(public));
    assert_eq!(rig.way().temporary_gruu.as_deref(), Some("sip:tgruu.7@example.com;gr"));
}

/// Registers an instance that asks for addresses, over no flow.
fn asks_for_addresses(rig: &mut Rig) {
    let instance = Instance { urn: URN.to_owned(), reg_id: None, gruu: true };
    rig.register(RegisterSpec { instance: Some(instance), ..spec() });
}

#[test]
fn rfc5627_4_2_the_last_answer_says_which_addresses_an_instance_has() {
    let mut rig = Rig::new();
    asks_for_addresses(&mut rig);
    let call_id = rig.last().headers().call_id().to_owned();
    for (number, gruus, public, temporary) in [
        (1, ";pub-gruu=\"sip:a@one;gr\";temp-gruu=\"sip:t1@one;gr\"", Some("sip:a@one;gr"), Some("sip:t1@one;gr")),
        // Another public one, and another temporary one, as with each refresh.
        (2, ";pub-gruu=\"sip:a@two;gr\";temp-gruu=\"sip:t2@two;gr\"", Some("sip:a@two;gr"), Some("sip:t2@two;gr")),
        // One of the two, and none.
        (3, ";pub-gruu=\"sip:a@two;gr\"", Some("sip:a@two;gr"), None),
        (4, ";temp-gruu=\"sip:t4@two;gr\"", None, Some("sip:t4@two;gr")),
        (5, "", None, None),
    ] {
        assert_eq!((rig.sent.len(), rig.last().headers().call_id()), (number, call_id.as_str()));
        let contact = format!("{}{gruus};expires=100", rig.contact());
        rig.answer(200, &[("Contact", &contact)]);
        let way = rig.way();
        assert_eq!((way.public_gruu.as_deref(), way.temporary_gruu.as_deref()), (public, temporary), "{number}");
        let now = rig.now as f64 / SECOND as f64;
        // The refresh, and no repeat of it.
        rig.wait_until(now + 68.25);
    }
}

#[test]
fn rfc5627_4_2_a_refresh_ends_before_the_addresses_do() {
    for (granted, refresh) in [(3_600, 3_240.0), (300, 268.0), (100, 68.0), (64, 32.0), (60, 30.0), (1, 1.0)] {
        let mut rig = Rig::new();
        asks_for_addresses(&mut rig);
        rig.accept(granted);
        rig.wait_until(refresh - 0.01);
        assert_eq!(rig.sent.len(), 1, "{granted}");
        rig.wait_until(refresh);
        assert_eq!((rig.sent.len(), rig.last_at()), (2, refresh), "{granted}");
    }
}

/// Answers the last request with 200: it was seen at this port of 203.0.113.9.
fn seen(rig: &mut Rig, port: u16, contact: &str) {
    let asked = rig.last().headers();
    let via = asked.text(HeaderId::Via).unwrap().replacen(";rport", &format!(";received=203.0.113.9;rport={port}"), 1);
    let text = format!(
        "SIP/2.0 200 OK\r\nVia: {via}\r\nFrom: {}\r\nTo: {};tag=r\r\nCall-ID: {}\r\nCSeq: {} {}\r\nContact: {contact};expires=600\r\n\r\n",
        asked.text(HeaderId::From).unwrap(),
        asked.text(HeaderId::To).unwrap(),
        asked.call_id(),
        asked.cseq().number,
        rig.last().method()
    );
    let from = path_over(rig.transport);
    rig.turn(|turn| turn.receive(&from, text.into()));
}

fn contacts(rig: &Rig) -> Vec<String> {
    rig.last().headers().all(HeaderId::Contact).map(|one| one.text().into_owned()).collect()
}

#[test]
fn rfc3581_4_a_registration_follows_the_address_that_it_is_seen_at() {
    let own = "<sip:alice@192.0.2.7:5060>";
    let mut rig = Rig::new();
    rig.register(spec());
    seen(&mut rig, 40_000, own);
    assert_eq!((rig.sent.len(), rig.way().contact(false, false)), (1, None), "only where it is wanted");

    let mut rig = Rig::new();
    rig.register(RegisterSpec { follow_address: true, ..spec() });
    seen(&mut rig, 40_000, own);
    let mapped = "<sip:alice@203.0.113.9:40000>";
    assert_eq!(contacts(&rig), [mapped, &format!("{own};expires=0")]);
    assert!(rig.events.is_empty(), "not registered before it can be reached");
    seen(&mut rig, 40_001, mapped);
    assert_eq!((rig.sent.len(), rig.way().contact(false, false).as_deref()), (2, Some(mapped)), "once in an attempt");
    assert_eq!(rig.way().contact(true, false).as_deref(), Some("<sips:alice@203.0.113.9:40000>"));
    assert_eq!(rig.way().contact(false, true).as_deref(), Some("<sip:203.0.113.9:40000>"));
    rig.wait_until(541.0);
    assert_eq!(contacts(&rig), [mapped]);
    seen(&mut rig, 40_002, mapped);
    assert_eq!(contacts(&rig), ["<sip:alice@203.0.113.9:40002>", &format!("{mapped};expires=0")]);
    seen(&mut rig, 40_002, "<sip:alice@203.0.113.9:40002>");
    assert_eq!(rig.registered().0, 600);
}

#[test]
fn rfc3581_4_who_asks_and_is_seen_elsewhere_by_now_registers_anew() {
    let kept = || RegisterSpec { follow_address: true, keep_alive: Some(Duration::from_secs(10)), ..spec() };
    let [before, after] = [40_000, 40_001].map(|port| format!("<sip:alice@203.0.113.9:{port}>"));
    let mut rig = Rig::new();
    rig.register(kept());
    seen(&mut rig, 40_000, "<sip:alice@192.0.2.7:5060>");
    seen(&mut rig, 40_000, &before);
    // The control: seen where it was, it asks on.
    for asked in [10.0, 20.0] {
        rig.wait_until(asked);
        assert_eq!(rig.last().method(), &Method::Options);
        seen(&mut rig, 40_000, &before);
        assert_eq!(rig.last().method(), &Method::Options);
    }
    rig.wait_until(30.0);
    seen(&mut rig, 40_001, &before);
    assert_eq!((rig.last().method(), contacts(&rig)), (&Method::Register, vec![before.clone()]));
    seen(&mut rig, 40_001, &before);
    assert_eq!(contacts(&rig), [after.clone(), format!("{before};expires=0")]);
    seen(&mut rig, 40_001, &after);
    assert_eq!(rig.way().contact(false, false), Some(after.clone()));
    rig.wait_until(40.0);
    assert_eq!(rig.last().method(), &Method::Options);
    seen(&mut rig, 40_001, &after);
    assert_eq!(rig.last().method(), &Method::Options);
    // A connection is the same one wherever it is seen.
    let mut rig = Rig::over(Transport::Tcp);
    rig.register(kept());
    seen(&mut rig, 40_000, "<sip:alice@192.0.2.7:5060>");
    rig.wait_until(10.0);
    seen(&mut rig, 40_001, "<sip:alice@192.0.2.7:5060>");
    assert_eq!((rig.sent.len(), rig.last().method()), (2, &Method::Options));
}

#[test]
fn rfc3261_12_1_1_a_contact_of_the_flow_is_sips_where_a_record_route_or_a_contact_asks_for_it() {
    let mut rig = Rig::over(Transport::Tls);
    rig.register(flow(1));
    rig.accept_flow(&[]);
    let asks = |lines: &str| {
        let text = format!(
            "INVITE sip:alice@192.0.2.7 SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.9;branch=z9hG4bK1\r\nFrom: <sip:b@b>;tag=1\r\n\
             To: <sip:a@a>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n{lines}\r\n"
        );
        match crate::message::Message::parse(text.into(), &crate::message::Limits::default()) {
            Ok(crate::message::Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    };
    for (lines, transport, sips) in [
        ("Contact: <sip:b@b>\r\n", Transport::Tls, false),
        ("Contact: <sips:b@b>\r\n", Transport::Tls, true),
        ("Contact: <sips:b@b>\r\n", Transport::Tcp, false),
        ("Record-Route: <sips:edge;lr>\r\nContact: <sip:b@b>\r\n", Transport::Tls, true),
        ("Record-Route: <sip:edge;lr>\r\nContact: <sips:b@b>\r\n", Transport::Tls, false),
    ] {
        let contact = rig.way().contact_for(&asks(lines), &path_over(transport)).unwrap();
        assert_eq!(contact.starts_with("<sips:alice@"), sips, "{lines} {transport:?}: {contact}");
        assert!(contact.ends_with(";ob>"), "{contact}");
    }
    // Section 8.1.1.8: what we begin ourselves.
    for (uri, routes, sips) in [
        ("sip:bob@b", &[][..], false),
        ("sips:bob@b", &[], true),
        ("sip:bob@b", &["<sips:proxy;lr>"], true),
        ("sip:bob@b", &["<sip:edge;lr>", "<sips:proxy;lr>"], false),
    ] {
        let routes: Vec<String> = routes.iter().map(|&route| route.to_owned()).collect();
        let contact = rig.way().contact_of(&crate::message::Uri::parse(uri).unwrap(), &routes, false).unwrap();
        assert_eq!(contact.starts_with("<sips:alice@"), sips, "{uri} {routes:?}: {contact}");
    }
}
