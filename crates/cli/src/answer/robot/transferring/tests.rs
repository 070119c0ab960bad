//! Those who have a robot call others, and would do it harm.

use net::App as _;
use sip::digest::Credential;
use sip::message::{Limits, Message};
use sip::register::RegisterSpec;
use sip::{
    Action, Answer, Application as _, Config, FlowChange, FlowId, Now, Outbox, Path, Stack, Time, Transport, WallTime,
};

use super::super::{Account, Conduct, Order};
use super::*;
use crate::answer::board::Board;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

/// A robot on a stack of its own, and what it has sent.
struct Rig {
    stack: Stack,
    robot: Robot,
    now: Time,
    sent: Vec<String>,
    /// Where what is looked up leads, one after the other; at last to [`path`].
    edges: Vec<Path>,
    /// What comes comes from there.
    from: Path,
    /// By which callers know it.
    scheme: &'static str,
}

fn path() -> Path {
    edge(0)
}

/// The path to one of several proxies.
fn edge(number: u16) -> Path {
    let address = ([127, 0, 0, 1], 5_060 + number).into();
    Path { flow: FlowId(number.into()), transport: Transport::Tcp, local: address, remote: address }
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_else(|| panic!("{message}"))
}

impl Rig {
    /// With the account `sip:robot@home`.
    fn new() -> Self {
        Self::registering(1)
    }

    /// With as many registrations of it.
    fn registering(count: usize) -> Self {
        let mut spec = RegisterSpec::new("sip:home".parse().unwrap(), "sip:robot@home".parse().unwrap());
        spec.expires = 86_400;
        let own = "sip:robot@home".parse::<sip::message::UriBuf>().unwrap();
        let credentials = Credential::password(None, "robot", "secret").ok().map(|one| one.at(&own.as_uri()));
        let conduct = Conduct {
            reject: None,
            ring_only: false,
            auto_answer: false,
            believed: Vec::new(),
            reliable: false,
            timed: false,
            allow_transfer: true,
            allow_watchers: false,
            hang_up_after: None,
            echo: false,
            voice: None,
            ears: None,
            account: Some(Account { specs: vec![spec; count], credentials }),
        };
        let robot = Robot::new(conduct, None, Board::new());
        let config = Config { allow: Robot::capabilities(false, false).allow, session_id: true, ..Config::default() };
        let stack = Stack::new(config, [4; 32]);
        let edges = (1..=count as u16).rev().filter(|_| count > 1).map(edge).collect();
        let mut rig = Self { stack, robot, now: Time(0), sent: Vec::new(), edges, from: path(), scheme: "sip" };
        rig.turn(|robot, turn| robot.command(Order::Begin, turn));
        rig
    }

    fn turn(&mut self, act: impl FnOnce(&mut Robot, &mut Turn<'_>)) {
        let (now, mut out) = (Now { mono: self.now, wall: WallTime(1_700_000_000) }, Outbox::new());
        act(&mut self.robot, &mut self.stack.at(now, &mut out));
        while let Some(action) = out.pop() {
            match action {
                Action::Ask { id, .. } => {
                    let way = self.edges.pop().unwrap_or_else(path);
                    self.stack.at(now, &mut out).answered(id, Answer::Routes(vec![way]));
                }
                Action::Send { bytes, .. } => self.sent.push(String::from_utf8(bytes.to_vec()).unwrap()),
                Action::Event(event) => self.robot.event(event, &mut self.stack.at(now, &mut out)),
                _ => {}
            }
        }
    }

    fn hear(&mut self, text: String) {
        assert!(Message::parse(text.clone().into(), &Limits::default()).is_ok(), "{text}");
        let from = self.from;
        self.turn(|_, turn| turn.receive(&from, text.into()));
    }

    /// A request of a caller of this name.
    fn ask(&mut self, name: &str, (method, number): (&str, u32), to_tag: &str, lines: &str, body: &str) {
        let (scheme, length) = (self.scheme, body.len());
        self.hear(format!(
            "{method} {scheme}:robot@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{name}{method}{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{name}@h>;tag={name}\r\nTo: <sip:robot@home>{to_tag}\r\nCall-ID: {name}\r\n\
             CSeq: {number} {method}\r\nContact: <{scheme}:{name}@127.0.0.1>\r\n{lines}Content-Length: {length}\r\n\r\n{body}"
        ));
    }

    /// Answers a request of the robot.
    fn answer(&mut self, request: &str, status: &str, lines: &str) {
        let copied = ["Via", "From", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", header(request, name)));
        let to = header(request, "To");
        let tag = if to.contains(";tag=") { "" } else { ";tag=there" };
        let copied = copied.concat();
        self.hear(format!("SIP/2.0 {status}\r\n{copied}To: {to}{tag}\r\n{lines}Content-Length: 0\r\n\r\n"));
    }

    /// Somebody calls, has the robot call `to`, and hangs up: the INVITE that leaves.
    fn sent_on(&mut self, name: &str, to: &str) -> Option<String> {
        self.sent.clear();
        self.ask(name, ("INVITE", 1), "", "Content-Type: application/sdp\r\n", SDP);
        let answer = self.sent.iter().find(|sent| sent.starts_with("SIP/2.0 200")).expect("an answer");
        let tag = header(answer, "To").split_once(">").unwrap().1.to_owned();
        self.ask(name, ("ACK", 1), &tag, "", "");
        self.ask(name, ("REFER", 2), &tag, &format!("Refer-To: <{to}>\r\n"), "");
        self.ask(name, ("BYE", 3), &tag, "", "");
        self.sent.iter().find(|sent| sent.starts_with("INVITE ")).cloned()
    }

    /// Lets time pass, every timer at its moment.
    fn wait(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(at) = self.stack.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.turn(|_, turn| turn.timeout());
        }
        self.now = until;
    }
}

#[test]
fn cve_our_client_leaks_its_hash_the_robot_proves_nothing_to_whom_it_is_sent_on_to() {
    let mut rig = Rig::new();
    let challenge = "WWW-Authenticate: Digest realm=\"any\", nonce=\"1\", algorithm=SHA-256, qop=\"auth\"\r\n";
    // The control: its own domain may ask.
    for (name, to, proves) in [("a", "sip:x@evil", false), ("b", "sip:x@home", true)] {
        let invite = rig.sent_on(name, to).expect("a call");
        rig.sent.clear();
        rig.answer(&invite, "401 Unauthorized", challenge);
        let proof = rig.sent.iter().find(|sent| sent.contains("\r\nAuthorization: Digest "));
        assert_eq!(proof.is_some(), proves, "{to}: {:?}", rig.sent);
    }
}

#[test]
fn rfc7989_6_the_robot_goes_on_under_the_uuid_by_which_it_was_known() {
    let mut rig = Rig::new();
    let uuid = |message: &str| header(message, "Session-ID").split(';').next().unwrap().to_owned();
    let invite = rig.sent_on("a", "sip:x@evil").expect("a call");
    let answers = |sent: &&String| sent.starts_with("SIP/2.0 200") && header(sent, "CSeq") == "1 INVITE";
    let known = uuid(rig.sent.iter().find(answers).expect("an answer"));
    assert_eq!(header(&invite, "Session-ID"), format!("{known};remote={}", "0".repeat(32)));
    // Another call has another.
    let other = rig.sent_on("b", "sip:x@evil").expect("a call");
    assert_ne!(uuid(&other), known);
}

#[test]
fn who_never_answers_is_given_up_and_so_many_may_ring_at_a_time() {
    let mut rig = Rig::new();
    for one in 0..MOST {
        let invite = rig.sent_on(&format!("caller{one}"), "sip:x@evil").expect("a call");
        rig.answer(&invite, "180 Ringing", "");
    }
    assert_eq!(rig.sent_on("more", "sip:x@evil"), None);
    assert_eq!(rig.robot.calls.len(), MOST);
    rig.sent.clear();
    rig.wait(RINGING - Duration::from_secs(1));
    assert!(!rig.sent.iter().any(|sent| sent.starts_with("CANCEL ")));
    rig.wait(Duration::from_secs(1));
    let cancelled = rig.sent.iter().filter(|sent| sent.starts_with("CANCEL ")).count();
    assert!(cancelled >= MOST, "{cancelled}");
    // Nobody answers that either.
    rig.wait(Duration::from_secs(60));
    assert_eq!(rig.robot.calls.len(), 0);
    assert!(rig.sent_on("after", "sip:x@evil").is_some());
}

/// Answers the REGISTERs that have been sent: those without credentials with a challenge, each of another realm, then all with a binding.
fn register(rig: &mut Rig, realms: &[&str], lines: &str) {
    let asked = |rig: &mut Rig| -> Vec<String> {
        let sent = std::mem::take(&mut rig.sent).into_iter().filter(|sent| sent.starts_with("REGISTER "));
        let mut asked: Vec<String> = sent.collect();
        // One that was waited with is repeated.
        asked.dedup();
        asked
    };
    let first = asked(rig);
    assert_eq!(first.len(), realms.len(), "{first:?}");
    for (request, realm) in first.iter().zip(realms) {
        if !request.contains("\r\nAuthorization: ") {
            let asked = format!("WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"1\", qop=\"auth\"\r\n");
            rig.answer(request, "401 Unauthorized", &asked);
        } else {
            rig.sent.push(request.clone());
        }
    }
    for request in asked(rig) {
        let bound =
            format!("{lines}Contact: {};expires=60\r\n", header(&request, "Contact").split(";expires").next().unwrap());
        rig.answer(&request, "200 OK", &bound);
    }
}

#[test]
fn who_registers_again_and_again_knows_no_more_servers_than_after_the_first_time() {
    let mut rig = Rig::new();
    let mut known = Vec::new();
    for _ in 0..3 {
        register(&mut rig, &["home"], "");
        known.push(rig.robot.own.as_ref().unwrap().credentials());
        rig.wait(Duration::from_secs(58));
    }
    let first = Credential::password(Some("home"), "robot", "secret").unwrap();
    assert_eq!(known[0].iter().map(|one| one.realm()).collect::<Vec<_>>(), [first.realm()]);
    assert!(known.iter().all(|one| *one == known[0]), "{known:?}");
}

#[test]
fn rfc5626_4_2_1_each_of_two_registrations_keeps_the_realm_that_it_was_asked_in() {
    let mut rig = Rig::registering(2);
    register(&mut rig, &["one", "two"], "");
    for (name, realm, proves) in [("a", "one", true), ("b", "two", true), ("c", "three", false)] {
        let invite = rig.sent_on(name, "sip:x@home").expect("a call");
        rig.sent.clear();
        let challenge = format!("WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"1\", qop=\"auth\"\r\n");
        rig.answer(&invite, "401 Unauthorized", &challenge);
        let proof = rig.sent.iter().any(|sent| sent.contains("\r\nAuthorization: Digest "));
        assert_eq!(proof, proves, "{realm}: {:?}", rig.sent);
    }
}

#[test]
fn rfc5626_4_3_the_robot_calls_along_the_first_registration_that_stands_and_says_so_to_who_comes_by_it() {
    let mut rig = Rig::registering(2);
    register(&mut rig, &["one", "two"], "Require: outbound\r\n");
    let via = |invite: &str| header(invite, "Via").split(';').next().unwrap().to_owned();
    let invite = rig.sent_on("a", "sip:x@home").expect("a call");
    assert_eq!(via(&invite), "SIP/2.0/TCP 127.0.0.1:5061");
    assert_eq!(header(&invite, "Contact"), "<sip:robot@127.0.0.1:5061;transport=tcp;ob>");
    // Who came by none of the two is told our address there, and who came by one, that of the flow.
    let told = |rig: &mut Rig, name: &str| {
        rig.sent.clear();
        rig.ask(name, ("INVITE", 1), "", "Content-Type: application/sdp\r\n", SDP);
        let of = |rig: &Rig, code: &str| {
            let answer = rig.sent.iter().find(|sent| sent.starts_with(&format!("SIP/2.0 {code}"))).expect("an answer");
            header(answer, "Contact").to_owned()
        };
        let contacts = [of(rig, "180"), of(rig, "200")];
        rig.from = path();
        contacts
    };
    assert_eq!(told(&mut rig, "b"), ["<sip:127.0.0.1:5060;transport=tcp>"; 2]);
    rig.from = edge(2);
    assert_eq!(told(&mut rig, "c"), ["<sip:robot@127.0.0.1:5062;transport=tcp;ob>"; 2]);
    // The connection to the first is gone.
    rig.turn(|_, turn| turn.flow(FlowId(1), FlowChange::Lost));
    let invite = rig.sent_on("d", "sip:x@home").expect("a call");
    assert_eq!(via(&invite), "SIP/2.0/TCP 127.0.0.1:5062");
}

#[test]
fn rfc3261_8_1_1_8_the_robot_says_sips_where_its_first_route_is_that() {
    for (route, contact) in [("sip", "<sip:robot@127.0.0.1:5061;"), ("sips", "<sips:robot@127.0.0.1:5061;")] {
        let mut rig = Rig::registering(2);
        let lines = format!("Require: outbound\r\nService-Route: <{route}:proxy.example;lr>\r\n");
        register(&mut rig, &["one", "two"], &lines);
        let invite = rig.sent_on("a", "sip:x@home").expect("a call");
        assert!(header(&invite, "Route").starts_with(&format!("<{route}:proxy.example")), "{invite}");
        assert!(header(&invite, "Contact").starts_with(contact), "{invite}");
    }
}

#[test]
fn rfc5630_5_1_1_3_the_robot_calls_nobody_by_sip_for_who_has_called_it_by_sips() {
    for (name, scheme, to, calls) in [
        ("a", "sips", "sip:x@evil", false),
        ("b", "sips", "sips:x@evil", true),
        // The control: over TLS as well.
        ("c", "sip", "sip:x@evil", true),
    ] {
        let mut rig = Rig::new();
        (rig.scheme, rig.from) = (scheme, Path { transport: Transport::Tls, ..path() });
        assert_eq!(rig.sent_on(name, to).is_some(), calls, "{scheme} {to}: {:?}", rig.sent);
        let answer = rig.sent.iter().find(|sent| sent.starts_with("SIP/2.0 ") && header(sent, "CSeq") == "2 REFER");
        let answer = answer.expect("an answer");
        match calls {
            true => assert!(answer.starts_with("SIP/2.0 202 "), "{answer}"),
            false => {
                assert!(answer.starts_with("SIP/2.0 603 "), "{answer}");
                assert_eq!(header(answer, "Warning"), "381 offhook \"SIPS Required\"");
            }
        }
    }
}
