//! The classic flows, message by message, compared with the reviewed texts in `tests/snapshots`.
//!
//! `OFFHOOK_SNAPSHOTS=write cargo test -p offhook-simnet --test ladders` writes them anew: review the difference.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use simnet::glimpse::Glimpse;
use simnet::{Chance, Network, Weather};
use sip::digest::{Credential, Credentials};
use sip::invite::SessionEvent;
use sip::message::{Body, Lines, Method, StatusCode, UriBuf};
use sip::{Application, Config, Draft, Event, Reply, ServerTx, SessionId, Time, Turn};

const ALICE: usize = 0;
const BOB: usize = 1;

/// What came for the application of a node.
type Inbox = Rc<RefCell<Vec<Event>>>;

/// Keeps what it hears, for the scene to act upon.
struct Puppet(Inbox);

impl Application for Puppet {
    fn event(&mut self, event: Event, _: &mut Turn<'_>) {
        self.0.borrow_mut().push(event);
    }
}

/// Alice, Bob and what the test does with them.
struct Scene {
    network: Network,
    inboxes: [Inbox; 2],
    /// The last of each: INVITE that came to Bob, session of Alice, of Bob.
    invite: Option<ServerTx>,
    sessions: [Option<SessionId>; 2],
}

impl Scene {
    fn new() -> Self {
        let mut network = Network::new(Weather::clear(), Chance::new(1));
        let inboxes: [Inbox; 2] = Default::default();
        for (name, inbox) in ["alice", "bob"].into_iter().zip(&inboxes) {
            network.add(name, Config::default(), Box::new(Puppet(inbox.clone())));
        }
        Self { network, inboxes, invite: None, sessions: [None; 2] }
    }

    /// Loses the first messages of a kind from a sender.
    fn lose(&mut self, sender: &'static str, what: &'static str, mut times: u32) {
        self.network.hand = Some(Box::new(move |from: &str, _: &str, message: &Glimpse| {
            let lost = from == sender && message.kind() == what && times > 0;
            times -= u32::from(lost);
            lost
        }));
    }

    /// Lets time pass until so many milliseconds since the start, and writes down what the applications hear.
    fn until(&mut self, millis: u64) {
        let end = Duration::from_millis(millis);
        loop {
            let more = self.network.step(end);
            self.hear();
            if !more {
                break;
            }
        }
        self.network.run(end);
    }

    fn hear(&mut self) {
        for (node, name) in [(ALICE, "alice"), (BOB, "bob")] {
            for event in self.inboxes[node].borrow_mut().drain(..) {
                match &event {
                    Event::Request { tx, .. } => self.invite = Some(*tx),
                    Event::Session(s, _) => self.sessions[node] = Some(*s),
                    _ => {}
                }
                let text = match &event {
                    Event::Session(_, SessionEvent::Ended { by, .. }) => format!("Ended by {by:?}"),
                    Event::Session(_, event) => first_word(&format!("{event:?}")),
                    event => first_word(&format!("{event:?}")),
                };
                let at = Time(self.network.passed().as_micros() as u64);
                self.network.ladder.note(at, name, &text);
            }
        }
    }

    fn call(&mut self, body: &str) {
        let mut draft = Draft::new(Method::Invite, "sip:bob@bob.sim".parse::<UriBuf>().expect("as the scene says"));
        draft.from = "<sip:alice@alice.sim>;tag=a".to_owned();
        draft.to = "<sip:bob@bob.sim>".to_owned();
        draft.call_id = "call".to_owned();
        draft.body = Some(sdp(body));
        draft.credentials = Credentials::new();
        draft.credentials.add(Credential::password(None, "alice", "secret").expect("as the scene says"));
        self.sessions[ALICE] =
            Some(self.network.turn(ALICE, |turn| turn.invite(draft)).expect("a node").expect("a command in its place"));
    }

    /// Bob takes the call that has come in, with this code.
    fn answer(&mut self, code: StatusCode) {
        if self.sessions[BOB].is_none() {
            let tx = self.invite.expect("as the scene says");
            self.sessions[BOB] =
                Some(self.network.turn(BOB, |turn| turn.session(tx)).expect("a node").expect("a command in its place"));
        }
        let s = self.sessions[BOB].expect("as the scene says");
        let reply = Reply::new(code).body(sdp("answer"));
        self.network.turn(BOB, |turn| turn.answer(s, reply)).expect("a node").expect("a command in its place");
        self.hear();
    }

    fn hang_up(&mut self, node: usize) {
        let s = self.sessions[node].expect("as the scene says");
        self.network
            .turn(node, |turn| turn.hangup(s, None, Lines::new()))
            .expect("a node")
            .expect("a command in its place");
        self.hear();
    }

    fn hold(&mut self, node: usize) {
        let s = self.sessions[node].expect("as the scene says");
        self.network
            .turn(node, |turn| turn.reinvite(s, Some(sdp("hold")), Lines::new()))
            .expect("a node")
            .expect("a command in its place");
    }

    fn accept_hold(&mut self, node: usize) {
        let s = self.sessions[node].expect("as the scene says");
        let reply = Reply::new(StatusCode::OK).body(sdp("held"));
        self.network
            .turn(node, |turn| turn.answer_reinvite(s, reply))
            .expect("a node")
            .expect("a command in its place");
    }

    /// A call that stands from 105 ms on.
    fn talk(&mut self) {
        self.call("offer");
        self.until(100);
        self.answer(StatusCode::OK);
        self.until(1_000);
    }

    /// Lets everything run out and compares the ladder with the text of this name.
    fn compare(mut self, name: &str, title: &str) {
        self.until(300_000);
        assert!(self.network.leaks().is_empty(), "{:?}", self.network.leaks());
        self.network.referee.end();
        assert!(self.network.referee.fouls.is_empty(), "{:?}", self.network.referee.fouls);
        let ours = format!("# {title}\n{}", self.network.ladder);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(format!("{name}.txt"));
        if std::env::var("OFFHOOK_SNAPSHOTS").is_ok_and(|mode| mode == "write") {
            std::fs::write(&path, &ours).expect("as the scene says");
        }
        let theirs = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(ours == theirs, "{}:\n{theirs}\nnow:\n{ours}", path.display());
    }
}

fn sdp(text: &str) -> Body {
    Body::sdp(Bytes::from(format!("v=0\r\ns={text}\r\n")))
}

fn first_word(text: &str) -> String {
    text.split([' ', '{', '(']).next().unwrap_or("").to_owned()
}

#[test]
fn a_basic_call() {
    let mut scene = Scene::new();
    scene.call("offer");
    scene.until(50);
    scene.answer(StatusCode::RINGING);
    scene.until(2_000);
    scene.answer(StatusCode::OK);
    scene.until(5_000);
    scene.hang_up(ALICE);
    scene.compare("basic-call", "A call, answered after two seconds, ended by the caller");
}

#[test]
fn an_invite_is_repeated_by_timer_a() {
    let mut scene = Scene::new();
    scene.lose("alice", "INVITE", 3);
    scene.call("offer");
    scene.until(4_000);
    scene.answer(StatusCode::OK);
    scene.until(5_000);
    scene.hang_up(BOB);
    scene.compare("invite-lost", "Three copies of the INVITE are lost (RFC 3261 17.1.1.2)");
}

#[test]
fn an_invite_that_nobody_hears_ends_by_timer_b() {
    let mut scene = Scene::new();
    scene.lose("alice", "INVITE", 100);
    scene.call("offer");
    scene.compare("timer-b", "Every copy of the INVITE is lost (RFC 3261 17.1.1.2)");
}

#[test]
fn a_lost_ack_is_sent_again_for_each_2xx() {
    let mut scene = Scene::new();
    scene.lose("alice", "ACK", 2);
    scene.talk();
    scene.until(4_000);
    scene.hang_up(ALICE);
    scene.compare("ack-lost", "Two copies of the ACK are lost (RFC 3261 13.2.2.4, 13.3.1.4)");
}

#[test]
fn a_lost_2xx_is_sent_again_until_its_ack() {
    let mut scene = Scene::new();
    scene.lose("bob", "200 INVITE", 3);
    scene.talk();
    scene.until(6_000);
    scene.hang_up(BOB);
    scene.compare("200-lost", "Three copies of the 200 are lost (RFC 3261 13.3.1.4)");
}

#[test]
fn a_lost_refusal_is_sent_again_by_timer_g() {
    let mut scene = Scene::new();
    scene.lose("bob", "486 INVITE", 2);
    scene.call("offer");
    scene.until(100);
    scene.answer(StatusCode::BUSY_HERE);
    scene.compare("486-lost", "Two copies of a refusal are lost (RFC 3261 17.2.1)");
}

#[test]
fn a_cancelled_call() {
    let mut scene = Scene::new();
    scene.call("offer");
    scene.until(50);
    scene.answer(StatusCode::RINGING);
    scene.until(1_000);
    scene.hang_up(ALICE);
    scene.compare("cancel", "The caller gives up while it rings (RFC 3261 9)");
}

#[test]
fn a_cancel_that_crosses_the_200() {
    let mut scene = Scene::new();
    scene.call("offer");
    scene.until(50);
    scene.answer(StatusCode::RINGING);
    scene.until(1_000);
    scene.answer(StatusCode::OK);
    scene.until(1_002);
    scene.hang_up(ALICE);
    scene.compare("cancel-crosses-200", "The caller gives up while the 200 is on its way (RFC 3261 9.1, 15)");
}

#[test]
fn a_cancel_waits_for_a_provisional_response() {
    let mut scene = Scene::new();
    scene.lose("bob", "100 INVITE", 1);
    scene.call("offer");
    scene.until(2);
    scene.hang_up(ALICE);
    scene.compare("cancel-held-back", "The caller gives up before any response (RFC 3261 9.1)");
}

#[test]
fn two_holds_that_cross() {
    let mut scene = Scene::new();
    scene.talk();
    scene.hold(ALICE);
    scene.until(1_002);
    scene.hold(BOB);
    // Bob, who did not choose the Call-ID, waits 0 to 2 s, Alice 2.1 to 4 s.
    while !scene.network.ladder.lines().iter().any(|line| line.ends_with("alice * Reinvite")) {
        let next = scene.network.passed().as_millis() as u64 + 10;
        scene.until(next);
    }
    scene.accept_hold(ALICE);
    while !scene.network.ladder.lines().iter().any(|line| line.ends_with("bob * Reinvite")) {
        let next = scene.network.passed().as_millis() as u64 + 10;
        scene.until(next);
    }
    scene.accept_hold(BOB);
    scene.until(8_000);
    scene.hang_up(ALICE);
    scene.compare("glare", "Both sides hold at once; each tries again after its own wait (RFC 3261 14.1, 14.2)");
}

#[test]
fn a_challenge_is_answered() {
    let mut scene = Scene::new();
    scene.call("offer");
    scene.until(50);
    let tx = scene.invite.take().expect("as the scene says");
    let challenge = "Digest realm=\"sim\", nonce=\"1\", algorithm=MD5, qop=\"auth\"";
    let reply = Reply::new(StatusCode::UNAUTHORIZED).line("WWW-Authenticate", challenge).expect("as the scene says");
    scene.network.turn(BOB, |turn| turn.respond(tx, reply)).expect("a node").expect("a command in its place");
    scene.until(1_000);
    scene.answer(StatusCode::OK);
    scene.until(2_000);
    scene.hang_up(ALICE);
    scene.compare("401", "The callee asks for a password (RFC 3261 22.2)");
}

#[test]
fn what_is_too_large_for_udp_goes_by_tcp() {
    let mut scene = Scene::new();
    scene.call(&"x".repeat(1_300));
    scene.until(100);
    scene.answer(StatusCode::OK);
    scene.until(1_000);
    scene.hang_up(ALICE);
    scene.compare("oversize", "An INVITE larger than 1300 octets (RFC 3261 18.1.1)");
}

#[test]
fn what_tcp_refuses_goes_by_udp_after_all() {
    let mut scene = Scene::new();
    scene.network.deaf_to_streams(BOB);
    scene.call(&"x".repeat(1_300));
    scene.until(100);
    scene.answer(StatusCode::OK);
    scene.until(1_000);
    scene.hang_up(ALICE);
    scene.compare(
        "oversize-back-to-udp",
        "An INVITE larger than 1300 octets; the callee takes no connections (RFC 3261 18.1.1)",
    );
}
