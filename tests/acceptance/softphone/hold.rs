//! Hold and resume.

use ua::{Call, CallError, CallEvent, Dialing, IncomingCall};

use super::{Ear, Phone, described, line, version};
use crate::acceptance::wire::{Ask, Callee, Wire, body, number};
use crate::program::PATIENCE;

/// A call to a peer that listens, and speaks a tone to it.
struct Talk {
    phone: Phone,
    callee: Callee,
    call: Call,
    invite: String,
    ear: Ear,
    /// Of the peer's last description.
    version: u32,
    /// Of the peer's last request.
    cseq: u32,
}

impl Talk {
    fn new() -> Self {
        Self::of(Phone::new())
    }

    fn of(phone: Phone) -> Self {
        let (mut callee, ear) = (Callee::new(), Ear::new());
        let (dialing, invite) = phone.dial(&mut callee);
        callee.describe(&invite, "200 OK", &described(ear.port(), 1, "sendrecv"));
        let call = phone.run(dialing.answer()).unwrap();
        callee.request("ACK");
        call.audio().tone(440.0, None).unwrap();
        ear.hears();
        Self { phone, callee, call, invite, ear, version: 1, cseq: 0 }
    }

    /// Holds or resumes, and the peer answers with this direction: the re-INVITE.
    fn change(&mut self, hold: bool, answer: &str) -> String {
        self.version += 1;
        let answer = described(self.ear.port(), self.version, answer);
        let (call, callee) = (&self.call, &mut self.callee);
        let ours = async { if hold { call.hold().await } else { call.resume().await } };
        let (done, reinvite) = self.phone.meanwhile(ours, || {
            let reinvite = callee.request("INVITE");
            callee.describe(&reinvite, "200 OK", &answer);
            assert_eq!(number(&callee.request("ACK")), number(&reinvite));
            reinvite
        });
        done.unwrap();
        reinvite
    }

    /// The peer offers this direction: the answer's.
    fn offered(&mut self, direction: &str) -> String {
        self.version += 1;
        self.cseq += 1;
        let mut reinvite: Ask = self.callee.within(&self.invite, "INVITE", self.cseq);
        reinvite.body = described(self.ear.port(), self.version, direction);
        self.callee.wire().send(&reinvite);
        let answer = self.callee.wire().acknowledged(&reinvite);
        direction_of(body(&answer)).to_owned()
    }
}

/// The direction of a description; without one it is sendrecv.
fn direction_of(description: &str) -> &str {
    let known = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];
    description.lines().find(|line| known.contains(line)).unwrap_or("a=sendrecv")
}

#[test]
fn ta17_hold() {
    let mut talk = Talk::new();
    let held = talk.change(true, "recvonly");
    assert_eq!(direction_of(body(&held)), "a=sendonly");
    assert_eq!(version(body(&held)), version(body(&talk.invite)) + 1);
    assert_eq!(number(&held), number(&talk.invite) + 1);
    assert_eq!(line(body(&held), "c="), line(body(&talk.invite), "c="), "the address stays");
    assert!(talk.ear.falls_silent(), "RTP on hold");
    // Holding what is held says nothing more.
    let sent = talk.phone.sent();
    talk.phone.run(talk.call.hold()).unwrap();
    assert_eq!(talk.phone.sent(), sent);
}

#[test]
fn ta18_unhold() {
    let mut talk = Talk::new();
    let held = talk.change(true, "recvonly");
    assert!(talk.ear.falls_silent());
    let resumed = talk.change(false, "sendrecv");
    assert_eq!(direction_of(body(&resumed)), "a=sendrecv");
    assert_eq!(version(body(&resumed)), version(body(&held)) + 1);
    assert!(talk.ear.packet(std::time::Duration::from_secs(1)).is_some(), "RTP within a second");
}

#[test]
fn ta19_hold_when_the_remote_holds() {
    let mut talk = Talk::new();
    let mut events = talk.call.events();
    assert_eq!(talk.offered("sendonly"), "a=recvonly");
    while talk.phone.run(events.next()).expect("an event") != CallEvent::HeldByPeer {}
    let held = talk.change(true, "inactive");
    assert_eq!(direction_of(body(&held)), "a=inactive");
    // The peer goes on, we still hold.
    assert_eq!(talk.offered("sendrecv"), "a=sendonly");
    while talk.phone.run(events.next()).expect("an event") != CallEvent::Resumed {}
    assert!(talk.ear.falls_silent(), "RTP on hold");
    let resumed = talk.change(false, "sendrecv");
    assert_eq!(direction_of(body(&resumed)), "a=sendrecv");
    talk.ear.hears();
}

#[test]
fn ta20_legacy_hold() {
    let mut talk = Talk::of(Phone::with(ua::Builder::hold_by_null_address));
    let held = talk.change(true, "inactive");
    let (_, audio) = body(&held).split_once("\r\nm=audio ").unwrap();
    assert_eq!((line(audio, "c="), direction_of(audio)), ("c=IN IP4 0.0.0.0", "a=inactive"));
    assert!(talk.ear.falls_silent());
    let resumed = talk.change(false, "sendrecv");
    assert!(!body(&resumed).contains("0.0.0.0"), "{resumed}");
    assert_eq!(direction_of(body(&resumed)), "a=sendrecv");
    talk.ear.hears();
}

#[test]
fn ta21_hold_refused() {
    let mut talk = Talk::new();
    let (call, callee) = (&talk.call, &mut talk.callee);
    let (refused, reinvite) = talk.phone.meanwhile(call.hold(), || {
        let reinvite = callee.request("INVITE");
        callee.reply(&reinvite, "488 Not Acceptable Here", "");
        let ack = callee.request("ACK");
        assert_eq!(number(&ack), number(&reinvite));
        reinvite
    });
    assert_eq!(direction_of(body(&reinvite)), "a=sendonly");
    assert_eq!(
        refused,
        Err(CallError::Rejected { code: 488, reason: "Not Acceptable Here".into(), told: Box::default() })
    );
    // The call goes on as before: not held.
    while talk.ear.packet(std::time::Duration::from_millis(1)).is_some() {}
    talk.ear.hears();
    assert!(!talk.call.is_over());
    assert_eq!(talk.offered("sendrecv"), "a=sendrecv");
}

/// What calls without an answer would be held by, had they not been left without: what they have of their own goes before a trait's.
trait Unanswered {
    fn hold(&self) -> NotYet {
        NotYet
    }
    fn resume(&self) -> NotYet {
        NotYet
    }
}

struct NotYet;

impl Unanswered for Dialing {}
impl Unanswered for IncomingCall {}

#[test]
fn ta22_hold_in_early_refused() {
    let (phone, mut callee) = (Phone::new(), Callee::new());
    let (mut dialing, invite) = phone.dial(&mut callee);
    callee.reply(&invite, "183 Session Progress", "");
    phone.run(dialing.progress()).unwrap();
    let sent = phone.sent();
    // With a `hold` in the API of either type these lines do not compile.
    let (NotYet, NotYet) = (dialing.hold(), dialing.resume());
    assert!(callee.wire().rest().is_empty() && phone.sent() == sent, "no packet");
    let mut wire = Wire::to(&phone.address());
    let invite = wire.ask("INVITE");
    let incoming = phone.rung(&wire, &invite);
    let (NotYet, NotYet) = (incoming.hold(), incoming.resume());
    let (call, _) = phone.meanwhile(incoming.answer(), || wire.acknowledged(&invite));
    let call = call.unwrap();
    let (held, _) = phone.meanwhile(call.hold(), || {
        let reinvite = wire.expect("INVITE");
        wire.reply(&reinvite, "200 OK", "", &described(40_000, 2, "recvonly"));
        assert!(wire.next(PATIENCE).unwrap().starts_with("ACK "));
    });
    held.unwrap();
}
