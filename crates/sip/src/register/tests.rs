mod refused;
mod sentences;

use std::time::Duration;

use super::*;
use crate::digest::{Algorithm, Credential, Ha1, Server, ServerConfig, Verdict};
use crate::event::Event;
use crate::message::header::{Contact, Expires};
use crate::message::{HeaderId, Limits, Lines, Message, Method, Request, write_response};
use crate::outbox::{Action, Answer, FlowChange, Outbox, Path, Transport};
use crate::stack::Usage;
use crate::time::{Now, Time, WallTime};
use crate::{Config, Stack};

const SECOND: u64 = 1_000_000;

/// A stack, the time, and what it sent and told.
struct Rig {
    stack: Stack,
    now: u64,
    sent: Vec<(u64, Request)>,
    events: Vec<(u64, RegistrationEvent)>,
    transport: Transport,
}

fn path() -> Path {
    path_over(Transport::Udp)
}

fn path_over(transport: Transport) -> Path {
    Path {
        flow: FlowId(1),
        transport,
        local: "192.0.2.7:5060".parse().unwrap(),
        remote: "192.0.2.1:5060".parse().unwrap(),
    }
}

fn spec() -> RegisterSpec {
    RegisterSpec::new("sip:example.com".parse().unwrap(), "sip:alice@example.com".parse().unwrap())
}

impl Rig {
    fn new() -> Rig {
        Rig {
            stack: Stack::new(Config::default(), [3; 32]),
            now: 0,
            sent: Vec::new(),
            events: Vec::new(),
            transport: Transport::Udp,
        }
    }

    fn turn<T>(&mut self, act: impl FnOnce(&mut Turn<'_>) -> T) -> T {
        let now = Now { mono: Time(self.now), wall: WallTime(1_700_000_000) };
        let mut out = Outbox::new();
        let done = act(&mut self.stack.at(now, &mut out));
        while let Some(action) = out.pop() {
            match action {
                Action::Ask { id, .. } => {
                    self.stack.at(now, &mut out).answered(id, Answer::Routes(vec![path_over(self.transport)]))
                }
                Action::Send { bytes, .. } => match Message::parse(bytes, &Limits::default()) {
                    Ok(Message::Request(request)) => self.sent.push((self.now, request)),
                    other => panic!("sent {other:?}"),
                },
                Action::Event(Event::Registration(_, event)) => self.events.push((self.now, event)),
                other => panic!("{other:?}"),
            }
        }
        done
    }

    fn register(&mut self, spec: RegisterSpec) -> RegistrationId {
        self.turn(|turn| turn.register(spec)).unwrap()
    }

    /// Lets time pass to `seconds`, every timer at its moment.
    fn wait_until(&mut self, seconds: f64) {
        let until = (seconds * SECOND as f64) as u64;
        while let Some(at) = self.stack.deadline().filter(|at| at.0 <= until) {
            self.now = self.now.max(at.0);
            self.turn(|turn| turn.timeout());
        }
        self.now = until;
    }

    /// Answers the last request sent.
    fn answer(&mut self, code: u16, lines: &[(&str, &str)]) {
        let request = self.sent.last().unwrap().1.clone();
        let mut list = Lines::new();
        lines.iter().for_each(|(name, value)| list.push(name, value).unwrap());
        let bytes = write_response(
            request.headers(),
            StatusCode::new(code).unwrap(),
            None,
            Some("registrar"),
            &list,
            None,
            None,
        );
        let from = path_over(self.transport);
        self.turn(|turn| turn.receive(&from, bytes));
    }

    /// 200 with the Contact of the last request, and this expiry.
    fn accept(&mut self, expires: u32) {
        let contact = self.last().headers().text(HeaderId::Contact).unwrap().into_owned();
        self.answer(200, &[("Contact", &format!("{contact};expires={expires}"))]);
    }

    fn last(&self) -> &Request {
        &self.sent.last().unwrap().1
    }

    fn last_expires(&self) -> u32 {
        self.last().headers().get::<Expires>().unwrap().unwrap().0
    }

    fn last_at(&self) -> f64 {
        self.sent.last().unwrap().0 as f64 / SECOND as f64
    }

    fn failed(&self) -> (Option<u16>, Option<Duration>) {
        match &self.events.last().unwrap().1 {
            RegistrationEvent::Failed { why: RegisterFailure::Refused { code, .. }, retry_in } => {
                (Some(code.get()), *retry_in)
            }
            RegistrationEvent::Failed { retry_in, .. } => (None, *retry_in),
            other => panic!("{other:?}"),
        }
    }

    fn registered(&self) -> (u64, &[Bound]) {
        match &self.events.last().unwrap().1 {
            RegistrationEvent::Registered { expires, contacts, .. } => (expires.as_secs(), contacts),
            other => panic!("{other:?}"),
        }
    }
}

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
fn ta_39_refresh_comes_at_expiry_minus_the_larger_of_five_seconds_and_a_tenth() {
    for (granted, refresh) in [(60, 54.0), (30, 25.0), (3_600, 3_240.0), (10, 5.0), (4, 2.0), (1, 1.0)] {
        let mut rig = Rig::new();
        rig.register(spec());
        let (call_id, cseq) = (rig.last().headers().call_id().to_owned(), rig.last().headers().cseq().number);
        rig.accept(granted);
        assert_eq!(rig.registered().0, u64::from(granted));
        rig.wait_until(refresh - 0.01);
        assert_eq!(rig.sent.len(), 1, "{granted}");
        rig.wait_until(refresh);
        assert_eq!((rig.sent.len(), rig.last_at()), (2, refresh), "{granted}");
        assert_eq!((rig.last().headers().call_id(), rig.last().headers().cseq().number), (call_id.as_str(), cseq + 1));
    }
}

#[test]
fn e_19_refresh_policies_of_the_doors() {
    let seconds = |after: Option<Duration>| after.map(|after| after.as_secs_f64());
    for (refresh, expires, after) in [
        (Refresh::Fifteen, 60, Some(45.0)),
        (Refresh::Fifteen, 31, Some(16.0)),
        (Refresh::Fifteen, 30, Some(24.0)),
        (Refresh::Fifteen, 2, Some(1.5)),
        (Refresh::TenMinutes, 3_600, Some(3_000.0)),
        (Refresh::TenMinutes, 1_200, Some(600.0)),
        (Refresh::Never, 60, None),
        (Refresh::Standard, 0, Some(1.0)),
    ] {
        assert_eq!(seconds(refresh.after(Duration::from_secs(expires))), after, "{refresh:?} {expires}");
    }
}

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
fn a_registration_that_never_stood_ends_without_a_request() {
    let mut rig = Rig::new();
    let id = rig.register(spec());
    rig.answer(404, &[]);
    rig.turn(|turn| turn.unregister(id, Removal::Ours)).unwrap();
    assert!(matches!(&rig.events.last().unwrap().1, RegistrationEvent::Unregistered { code: None }));
    assert_eq!(rig.sent.len(), 1);
}

/// A registrar that asks for a password.
fn home() -> Server {
    Server::new(ServerConfig::new("example.com"), [9; 32]).unwrap()
}

fn challenge(rig: &mut Rig, server: &mut Server, stale: bool) {
    let now = Now { mono: Time(rig.now), wall: WallTime(0) };
    let lines = server.challenge(now, &path(), false, stale);
    let lines: Vec<_> =
        lines.iter().map(|(name, value)| (name.to_owned(), String::from_utf8(value.to_vec()).unwrap())).collect();
    let lines: Vec<_> = lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    rig.answer(401, &lines);
}

fn verdict(rig: &Rig, server: &mut Server) -> String {
    let origin = Path { remote: path().remote, ..path() };
    let now = Now { mono: Time(rig.now), wall: WallTime(0) };
    let lookup = |user: &str, algorithm: Algorithm| {
        Ha1::new(algorithm, user, "example.com", "secret").ok().filter(|_| user == "alice")
    };
    match server.verify(now, rig.last(), &origin, false, lookup) {
        Verdict::Ok(verified) => verified.user.into_owned(),
        Verdict::Challenge { stale } => format!("challenge, stale {stale}"),
        other => format!("{other:?}"),
    }
}

fn with_password(password: &str) -> RegisterSpec {
    let credentials = Credential::password(Some("example.com"), "alice", password).unwrap().into();
    RegisterSpec { credentials, ..spec() }
}

#[test]
fn rfc3261_22_2_a_challenge_is_answered_and_the_nonce_used_again_for_refreshes() {
    let (mut rig, mut server) = (Rig::new(), home());
    rig.register(with_password("secret"));
    let first = rig.last().headers().cseq().number;
    assert_eq!(verdict(&rig, &mut server), "challenge, stale false");
    challenge(&mut rig, &mut server, false);
    assert_eq!((rig.sent.len(), rig.last().headers().cseq().number), (2, first + 1));
    assert_eq!(verdict(&rig, &mut server), "alice");
    rig.accept(60);
    rig.wait_until(54.0);
    assert_eq!((rig.sent.len(), rig.last().headers().cseq().number), (3, first + 2));
    assert!(rig.last().headers().text(HeaderId::Authorization).unwrap().contains("nc=00000002"));
    assert_eq!(verdict(&rig, &mut server), "alice");
    rig.accept(3_600);
    rig.wait_until(54.0 + 3_240.0);
    assert_eq!(verdict(&rig, &mut server), "challenge, stale true", "the nonce has outlived itself");
    challenge(&mut rig, &mut server, true);
    assert_eq!(verdict(&rig, &mut server), "alice");
    assert_eq!((rig.sent.len(), rig.last().headers().cseq().number), (5, first + 4));
}

#[test]
fn rfc3261_10_2_numbers_count_up_by_one_whatever_becomes_of_a_request() {
    let (mut rig, mut server) = (Rig::new(), home());
    rig.register(RegisterSpec {
        retry: Retry::Every { wait: Duration::from_secs(20), attempts: None },
        ..with_password("secret")
    });
    challenge(&mut rig, &mut server, false);
    // What answers the challenge is never heard of again.
    rig.wait_until(60.0);
    rig.answer(500, &[]);
    rig.wait_until(200.0);
    let mut numbers: Vec<u32> = rig.sent.iter().map(|(_, request)| request.headers().cseq().number).collect();
    numbers.dedup();
    assert!(numbers.len() > 4 && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

#[test]
fn cve_endless_challenge_a_refused_password_is_an_event_and_not_sent_again() {
    let (mut rig, mut server) = (Rig::new(), home());
    let id = rig.register(with_password("wrong"));
    for _ in 0..2 {
        challenge(&mut rig, &mut server, false);
        assert!(verdict(&rig, &mut server).contains("WrongResponse"));
    }
    challenge(&mut rig, &mut server, false);
    assert_eq!((rig.sent.len(), rig.failed()), (3, (Some(401), None)));
    rig.wait_until(10_000.0);
    assert_eq!(rig.sent.len(), 3);
    rig.turn(|turn| turn.change_registration(id, |spec| spec.credentials = with_password("secret").credentials))
        .unwrap();
    challenge(&mut rig, &mut server, false);
    assert_eq!(verdict(&rig, &mut server), "alice");
}

#[test]
fn cve_our_client_leaks_its_hash_another_realm_gets_none() {
    let mut rig = Rig::new();
    rig.register(with_password("secret"));
    rig.answer(401, &[("WWW-Authenticate", "Digest realm=\"evil\", nonce=\"1\", qop=\"auth\"")]);
    assert_eq!((rig.sent.len(), rig.failed()), (1, (Some(401), None)));
}

#[test]
fn rfc3261_10_2_4_the_expiry_of_our_own_contact_counts() {
    for (lines, seconds) in [
        (
            &[("Contact", "<sip:other@192.0.2.9>;expires=20, <sip:alice@192.0.2.7:5060>;expires=90"), ("Expires", "7")]
                [..],
            90,
        ),
        (&[("Contact", "<sip:alice@192.0.2.7:5060>, <sip:other@192.0.2.9>;expires=20"), ("Expires", "70")], 70),
        (&[("Contact", "<sip:alice@192.0.2.7:5060>")], 3_600),
        (&[("Expires", "200")], 200),
        (&[], 3_600),
        (&[("Contact", "<sip:alice@198.51.100.1:40000>;expires=80")], 80),
        (&[("Contact", "<sip:alice@198.51.100.1:40000>;expires=80000")], 3_600),
    ] {
        let mut rig = Rig::new();
        rig.register(spec());
        rig.answer(200, lines);
        assert_eq!(rig.registered().0, seconds, "{lines:?}");
    }
}

#[test]
fn a_200_that_leaves_us_no_time_is_a_failure_and_no_storm() {
    let mut rig = Rig::new();
    rig.register(spec());
    rig.accept(0);
    assert!(matches!(
        &rig.events.last().unwrap().1,
        RegistrationEvent::Failed { why: RegisterFailure::NotBound, retry_in: Some(_) }
    ));
    rig.wait_until(29.0);
    assert_eq!(rig.sent.len(), 1);
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
fn rfc3608_6_1_the_service_route_is_handed_on_in_order() {
    let mut rig = Rig::new();
    rig.register(spec());
    rig.answer(200, &[("Service-Route", "<sip:p1.example.com;lr>"), ("Service-Route", "<sip:p2.example.com;lr>")]);
    match &rig.events.last().unwrap().1 {
        RegistrationEvent::Registered { service_route, .. } => {
            assert_eq!(service_route, &["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"])
        }
        other => panic!("{other:?}"),
    }
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
fn a_registration_forgotten_leaves_nothing_behind() {
    let mut rig = Rig::new();
    let id = rig.register(spec());
    rig.turn(|turn| turn.forget_registration(id)).unwrap();
    rig.accept(60);
    assert!(rig.events.is_empty());
    rig.wait_until(64.0);
    assert_eq!(rig.stack.usage(), Usage::default());
}

#[test]
fn the_limit_on_registrations_holds() {
    let mut rig =
        Rig { stack: Stack::new(Config { max_registrations: 2, ..Config::default() }, [3; 32]), ..Rig::new() };
    rig.register(spec());
    rig.register(spec());
    assert_eq!(rig.turn(|turn| turn.register(spec())), Err(StackError::Full { what: "registrations", limit: 2 }));
}

#[test]
fn rfc5626_4_5_a_lost_connection_is_followed_by_a_registration_within_a_second() {
    for (transport, again) in [(Transport::Tcp, true), (Transport::Udp, false)] {
        let mut rig = Rig { transport, ..Rig::new() };
        let id = rig.register(spec());
        rig.accept(3_600);
        rig.wait_until(40.0);
        rig.turn(|turn| turn.flow(FlowId(2), FlowChange::Lost));
        rig.wait_until(42.0);
        assert_eq!(rig.sent.len(), 1, "another connection");
        rig.turn(|turn| turn.flow(FlowId(1), FlowChange::Lost));
        rig.wait_until(43.0);
        assert_eq!(rig.sent.len() == 2, again, "{transport:?}");
        if again {
            rig.accept(3_600);
        }
        rig.turn(|turn| turn.forget_registration(id)).unwrap();
        rig.wait_until(120.0);
        assert_eq!((rig.stack.usage(), rig.stack.registrations.flows.len()), (Usage::default(), 0));
    }
}
