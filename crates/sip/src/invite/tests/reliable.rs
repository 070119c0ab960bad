//! Our provisional responses, sent reliably: RFC 3262 sections 3 and 5.

use super::NO_CODE;
use super::network::*;
use crate::Event;
use crate::id::{ServerTx, SessionId};
use crate::invite::{By, SessionEvent};
use crate::message::{Lines, Method};

const SUPPORTS: &str = "Supported: timer, 100REL\r\n";
const REQUIRES: &str = "Require: 100rel\r\n";

struct Scene {
    net: Network,
    a: usize,
    r: usize,
    s: SessionId,
    peer: RawDialog,
    invite: String,
}

/// A scripted peer has called with these lines and body; the stack has made a session of it.
fn scene(lines: &str, body: &str) -> Scene {
    let mut net = Network::new();
    let (a, r) = (net.stack(|config| config.supported.push("100rel".to_owned())), net.raw());
    let mut peer = RawDialog::calling(r, a);
    let invite = peer.request("INVITE", lines, body);
    net.say(r, a, &invite);
    net.settle();
    let tx = incoming(&net.events(a));
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    net.inbox(r);
    Scene { net, a, r, s, peer, invite }
}

impl Scene {
    fn answer(&mut self, code: u16, body: Option<&'static str>) -> Result<(), crate::stack::StackError> {
        let reply = reply(code, body.and_then(sdp)).reliable();
        let answered = self.net.turn(self.a, |turn| turn.answer(self.s, reply));
        self.net.settle();
        answered
    }

    /// The only response that came: kind, RSeq and body.
    fn heard(&mut self) -> (String, u32, String) {
        let text = self.net.one(self.r);
        if !header(&text, "Contact").is_empty() {
            self.peer.learn(&text);
        }
        (kind(&text), rseq(&text), body(&text).to_owned())
    }

    fn prack(&mut self, rseq: u32, body: &str) -> String {
        let invite = cseq(&self.invite);
        self.prack_saying(&format!("{rseq} {invite} INVITE"), body)
    }

    fn prack_saying(&mut self, rack: &str, body: &str) -> String {
        let prack = self.peer.request("PRACK", &format!("RAck: {rack}\r\n"), body);
        self.net.say(self.r, self.a, &prack);
        self.net.settle();
        prack
    }

    /// What came since, without bodies.
    fn kinds(&mut self) -> Vec<String> {
        kinds(&self.net.inbox(self.r))
    }

    fn ack(&mut self) {
        let ack = self.peer.numbered("ACK", cseq(&self.invite), "", "");
        self.net.say(self.r, self.a, &ack);
        self.net.settle();
    }

    fn end(mut self) {
        let _ = self.net.turn(self.a, |turn| turn.hangup(self.s, NO_CODE, Lines::default()));
        self.net.assert_nothing_left();
    }
}

fn rseq(text: &str) -> u32 {
    header(text, "RSeq").parse().unwrap_or(0)
}

fn offered(events: &[Event]) -> ServerTx {
    pick(events, |_, event| match event {
        SessionEvent::Request { tx, request } if *request.method() == Method::Prack => Some(*tx),
        _ => None,
    })
}

#[test]
fn rfc3262_3_a_reliable_response_requires_100rel_and_has_an_rseq_below_2_31() {
    let mut seen = Vec::new();
    for seed in 0..20 {
        let mut net = Network::new();
        for _ in 0..seed {
            net.raw();
        }
        let (a, r) = (net.stack(|config| config.supported.push("100rel".to_owned())), net.raw());
        let invite = RawDialog::calling(r, a).request("INVITE", SUPPORTS, OFFER);
        net.say(r, a, &invite);
        net.settle();
        let tx = incoming(&net.events(a));
        let s = net.turn(a, |turn| turn.session(tx)).unwrap();
        net.inbox(r);
        net.turn(a, |turn| turn.answer(s, reply(183, sdp(ANSWER)).reliable())).unwrap();
        net.settle();
        let response = net.one(r);
        assert_eq!(headers(&response, "Require"), ["100rel"]);
        assert!((1..1 << 31).contains(&rseq(&response)), "{response}");
        assert!(!header(&response, "Contact").is_empty());
        seen.push(rseq(&response));
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 20, "chosen at random");
    assert!(seen[0] < 1 << 29 && seen[19] > 3 << 29, "from the whole range: {seen:?}");
}

#[test]
fn rfc3262_3_nothing_is_sent_reliably_to_who_does_not_say_100rel_nor_unasked() {
    for (lines, ask, reliably) in [
        ("", true, false),
        ("Supported: timer\r\n", true, false),
        (SUPPORTS, false, false),
        (SUPPORTS, true, true),
        (REQUIRES, false, true),
    ] {
        let mut scene = scene(lines, OFFER);
        let mut ringing = reply(180, None);
        ringing.reliable = ask;
        scene.net.turn(scene.a, |turn| turn.answer(scene.s, ringing)).unwrap();
        scene.net.settle();
        let (_, rseq, _) = scene.heard();
        assert_eq!(rseq > 0, reliably, "{lines} {ask}");
        scene.end();
    }
}

#[test]
fn rfc3262_3_100_is_never_sent_reliably() {
    let mut scene = scene(REQUIRES, OFFER);
    scene.answer(100, None).unwrap();
    assert_eq!(scene.heard(), ("100 INVITE".to_owned(), 0, String::new()));
    scene.answer(180, None).unwrap();
    scene.heard();
    scene.answer(100, None).unwrap();
    assert!(scene.kinds().is_empty(), "more has been said");
    scene.end();
}

#[test]
fn rfc3262_3_switched_off_a_requirement_is_420_with_unsupported() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    let invite = RawDialog::calling(r, a).request("INVITE", REQUIRES, OFFER);
    net.say(r, a, &invite);
    net.settle();
    let tx = incoming(&net.events(a));
    net.inbox(r);
    assert!(net.turn(a, |turn| turn.session(tx)).is_err());
    net.settle();
    let refusal = net.inbox(r).remove(0);
    assert_eq!((kind(&refusal).as_str(), header(&refusal, "Unsupported")), ("420 INVITE", "100rel"));
    net.assert_nothing_left();
}

#[test]
fn rfc3262_3_repeated_from_t1_doubling_without_end_until_the_prack() {
    let mut scene = scene(SUPPORTS, OFFER);
    let start = scene.net.millis();
    scene.answer(183, Some(ANSWER)).unwrap();
    let (_, rseq, _) = scene.heard();
    scene.net.run(20_000);
    let log = scene.net.sent(scene.a);
    let times: Vec<u64> = log.iter().filter(|(_, kind)| kind == "183 INVITE").map(|(at, _)| at - start).collect();
    assert_eq!(times, [0, 500, 1_500, 3_500, 7_500, 15_500]);
    scene.net.inbox(scene.r);
    scene.prack(rseq, "");
    assert_eq!(scene.kinds(), ["200 PRACK"]);
    assert_eq!(scene.net.news(scene.a), ["Pracked"]);
    scene.net.run(100_000);
    assert!(scene.kinds().is_empty(), "no repeat any more");
    scene.end();
}

#[test]
fn rfc3262_3_without_a_prack_for_64_t1_the_invite_is_refused_with_5xx() {
    let ended = |events: &[Event]| {
        pick(events, |_, event| match event {
            SessionEvent::Ended { by, refusal, .. } => Some((*by, refusal.as_ref().map(|why| why.code().get()))),
            _ => None,
        })
    };
    let mut scene = scene(REQUIRES, OFFER);
    scene.answer(183, Some(ANSWER)).unwrap();
    scene.net.run(31_900);
    assert!(!scene.kinds().iter().any(|kind| kind.starts_with('5')));
    scene.net.run(100);
    assert_eq!(ended(&scene.net.events(scene.a)), (By::Error, Some(408)));
    let refusal = scene.net.inbox(scene.r).pop().unwrap();
    assert_eq!(kind(&refusal), "504 INVITE");
    scene.net.assert_nothing_left();
}

#[test]
fn rfc3262_3_a_prack_that_matches_nothing_is_481() {
    let mut scene = scene(SUPPORTS, OFFER);
    scene.answer(183, Some(ANSWER)).unwrap();
    let (_, rseq, _) = scene.heard();
    let cseq = cseq(&scene.invite);
    let wrong = [
        format!("{} {cseq} INVITE", rseq + 1),
        format!("{rseq} {} INVITE", cseq + 1),
        format!("{rseq} {cseq} UPDATE"),
        format!("{rseq} {cseq} invite"),
        "x".to_owned(),
    ];
    for rack in wrong {
        scene.prack_saying(&rack, "");
        assert_eq!(scene.kinds(), ["481 PRACK"], "{rack}");
    }
    let bare = scene.peer.request("PRACK", "", "");
    scene.net.say(scene.r, scene.a, &bare);
    scene.net.settle();
    assert_eq!(scene.kinds(), ["481 PRACK"]);
    assert!(scene.net.news(scene.a).is_empty());
    scene.net.run(1_000);
    assert!(scene.kinds().contains(&"183 INVITE".to_owned()), "and is still repeated");
    scene.prack(rseq, "");
    assert_eq!(scene.kinds(), ["200 PRACK"]);
    scene.prack(rseq, "");
    assert_eq!(scene.kinds(), ["481 PRACK"], "it is removed from the list");
    scene.end();
}

#[test]
fn rfc3262_3_a_repeated_prack_gets_its_answer_again() {
    let mut scene = scene(SUPPORTS, OFFER);
    scene.answer(183, Some(ANSWER)).unwrap();
    let (_, rseq, _) = scene.heard();
    let prack = scene.prack(rseq, "");
    scene.net.say(scene.r, scene.a, &prack);
    scene.net.settle();
    assert_eq!(scene.kinds(), ["200 PRACK", "200 PRACK"]);
    assert_eq!(scene.net.news(scene.a), ["Pracked"]);
    scene.end();
}

#[test]
fn rfc3262_3_a_prack_may_demand_no_unknown_extension() {
    let mut scene = scene(SUPPORTS, OFFER);
    scene.answer(183, Some(ANSWER)).unwrap();
    let (_, rseq, _) = scene.heard();
    let prack = scene.peer.request("PRACK", &format!("RAck: {rseq} 1 INVITE\r\nRequire: magic\r\n"), "");
    scene.net.say(scene.r, scene.a, &prack);
    scene.net.settle();
    assert_eq!(scene.kinds(), ["420 PRACK"]);
    scene.prack(rseq, "");
    assert_eq!(scene.kinds(), ["200 PRACK"]);
    scene.end();
}

#[test]
fn rfc3262_3_one_at_a_time_in_order_each_with_the_next_number() {
    let mut scene = scene(SUPPORTS, OFFER);
    for (code, body) in [(180, None), (182, None), (183, Some(ANSWER))] {
        scene.answer(code, body).unwrap();
    }
    let (first, rseq, _) = scene.heard();
    assert_eq!(first, "180 INVITE");
    for (n, expected) in (1..).zip(["182 INVITE", "183 INVITE"]) {
        scene.prack(rseq + n - 1, "");
        let inbox = scene.net.inbox(scene.r);
        assert_eq!(kinds(&inbox), ["200 PRACK", expected]);
        assert_eq!(self::rseq(&inbox[1]), rseq + n);
    }
    scene.end();
}

#[test]
fn rfc3262_3_what_waits_for_a_prack_is_limited() {
    let mut scene = scene(SUPPORTS, OFFER);
    for _ in 0..17 {
        scene.answer(180, None).unwrap();
    }
    assert!(matches!(scene.answer(180, None), Err(crate::stack::StackError::Full { limit: 16, .. })));
    scene.end();
}

#[test]
fn rfc3262_5_an_answer_is_never_too_much_and_overtakes_what_only_rings() {
    let mut scene = scene(SUPPORTS, OFFER);
    scene.answer(183, Some(ANSWER)).unwrap();
    for _ in 0..16 {
        scene.answer(180, None).unwrap();
    }
    let (_, rseq, _) = scene.heard();
    scene.answer(200, None).unwrap();
    assert!(scene.kinds().is_empty());
    scene.prack(rseq, "");
    assert_eq!(scene.kinds(), ["200 PRACK", "200 INVITE"]);
    scene.ack();
    scene.end();
}

#[test]
fn rfc3262_5_the_2xx_waits_for_the_prack_of_a_session_description() {
    let mut scene = scene(SUPPORTS, OFFER);
    scene.answer(183, Some(ANSWER)).unwrap();
    let (_, rseq, _) = scene.heard();
    scene.answer(200, None).unwrap();
    assert!(scene.answer(200, None).is_err() && scene.answer(180, None).is_err(), "it has been answered");
    assert!(scene.kinds().is_empty());
    scene.prack(rseq, "");
    assert_eq!(scene.kinds(), ["200 PRACK", "200 INVITE"]);
    scene.ack();
    assert_eq!(scene.net.news(scene.a), ["Pracked", "Acked"]);
    scene.end();
}

#[test]
fn rfc3262_3_a_2xx_need_not_wait_for_the_prack_of_a_bare_response() {
    let mut scene = scene(SUPPORTS, OFFER);
    scene.answer(180, None).unwrap();
    let (_, rseq, _) = scene.heard();
    scene.answer(182, None).unwrap();
    scene.answer(200, Some(ANSWER)).unwrap();
    assert_eq!(scene.kinds(), ["200 INVITE"], "nor for one that waits behind it");
    scene.net.run(400);
    scene.net.inbox(scene.r);
    scene.prack(rseq, "");
    assert_eq!(scene.kinds(), ["200 PRACK"], "still answered");
    scene.ack();
    scene.net.run(20_000);
    let repeats = scene.kinds();
    assert!(!repeats.contains(&"180 INVITE".to_owned()), "{repeats:?}");
    scene.end();
}

#[test]
fn rfc3262_3_a_refusal_ends_the_repeats_and_a_late_prack_is_answered() {
    for (sooner, expected) in [(true, "200 PRACK"), (false, "481 PRACK")] {
        let mut scene = scene(SUPPORTS, OFFER);
        scene.answer(183, Some(ANSWER)).unwrap();
        let (_, rseq, _) = scene.heard();
        scene.answer(486, None).unwrap();
        assert_eq!(scene.kinds(), ["486 INVITE"]);
        assert_eq!(scene.net.news(scene.a), ["Ended"]);
        let ack = cancel(&scene.invite).replace("CANCEL", "ACK");
        scene.net.say(scene.r, scene.a, &ack);
        scene.net.run(if sooner { 2_000 } else { 33_000 });
        assert!(scene.kinds().is_empty());
        scene.prack(rseq, "");
        assert_eq!(scene.kinds(), [expected]);
        assert!(scene.net.news(scene.a).is_empty());
        scene.net.assert_nothing_left();
    }
}

/// A PRACK may come after the refusal; an UPDATE that waits to come again does not make it wait for ever.
#[test]
fn rfc3262_3_an_update_that_waits_to_come_again_keeps_no_call_that_was_refused() {
    let mut scene = scene(SUPPORTS, OFFER);
    scene.answer(183, Some(ANSWER)).unwrap();
    let (_, rseq, _) = scene.heard();
    scene.prack(rseq, "");
    scene.kinds();
    scene.net.turn(scene.a, |turn| turn.update(scene.s, sdp(OFFER), Lines::default())).unwrap();
    scene.net.settle();
    let update = scene.net.one(scene.r);
    scene.answer(180, None).unwrap();
    assert_eq!(scene.kinds(), ["180 INVITE"]);
    scene.net.say(scene.r, scene.a, &respond(&update, 491, "", "", ""));
    scene.net.run(WAY);
    scene.answer(486, None).unwrap();
    assert_eq!(scene.kinds(), ["486 INVITE"]);
    assert_eq!(scene.net.news(scene.a), ["Pracked", "Ended"]);
    scene.net.assert_nothing_left();
}

#[test]
fn rfc3262_3_cancel_and_bye_while_a_prack_is_due_end_the_call() {
    for bye in [false, true] {
        let mut scene = scene(SUPPORTS, OFFER);
        scene.answer(183, Some(ANSWER)).unwrap();
        let (_, rseq, _) = scene.heard();
        scene.answer(200, None).unwrap();
        let ends = if bye { scene.peer.request("BYE", "", "") } else { cancel(&scene.invite) };
        scene.net.say(scene.r, scene.a, &ends);
        scene.net.settle();
        let mut seen = scene.kinds();
        seen.sort();
        assert_eq!(seen, [if bye { "200 BYE" } else { "200 CANCEL" }, "487 INVITE"]);
        assert_eq!(scene.net.news(scene.a), [if bye { "Ended" } else { "Cancelled" }]);
        scene.prack(rseq, "");
        assert_eq!(scene.kinds().last().unwrap(), "200 PRACK");
        scene.net.assert_nothing_left();
    }
}

#[test]
fn rfc3262_5_an_invite_without_offer_gets_it_in_the_first_reliable_response() {
    let mut scene = scene(REQUIRES, "");
    assert!(scene.answer(180, None).is_err(), "one must appear");
    assert!(scene.kinds().is_empty());
    scene.answer(183, Some(OFFER)).unwrap();
    let (_, rseq, description) = scene.heard();
    assert_eq!(description, OFFER);
    scene.answer(200, None).unwrap();
    assert!(scene.kinds().is_empty(), "the 2xx waits for the answer");
    scene.prack(rseq, ANSWER);
    assert_eq!(scene.kinds(), ["200 PRACK", "200 INVITE"]);
    let answer = pick(&scene.net.events(scene.a), |_, event| match event {
        SessionEvent::Pracked { request } => Some(request.headers().body().to_vec()),
        _ => None,
    });
    assert_eq!(answer, ANSWER.as_bytes());
    scene.ack();
    scene.end();
}

#[test]
fn rfc3262_5_an_offer_in_a_prack_is_answered_in_its_2xx_before_the_invite() {
    let mut scene = scene(SUPPORTS, OFFER);
    scene.answer(183, Some(ANSWER)).unwrap();
    let (_, rseq, _) = scene.heard();
    scene.answer(200, None).unwrap();
    scene.prack(rseq, OFFER);
    assert!(scene.kinds().is_empty(), "neither the PRACK nor the INVITE is answered");
    let tx = offered(&scene.net.events(scene.a));
    scene.net.turn(scene.a, |turn| turn.respond(tx, reply(200, sdp(ANSWER)))).unwrap();
    scene.net.settle();
    let inbox = scene.net.inbox(scene.r);
    assert_eq!(kinds(&inbox), ["200 PRACK", "200 INVITE"]);
    assert_eq!(body(&inbox[0]), ANSWER);
    scene.ack();
    scene.end();
}

#[test]
fn rfc3311_5_1_an_answer_sent_reliably_lets_both_sides_make_offers_once_it_is_acknowledged() {
    let mut scene = scene(SUPPORTS, OFFER);
    scene.answer(183, Some(ANSWER)).unwrap();
    let (_, rseq, _) = scene.heard();
    let offer = |scene: &mut Scene| scene.net.turn(scene.a, |turn| turn.update(scene.s, sdp(OFFER), Lines::default()));
    assert!(offer(&mut scene).is_err(), "not before the PRACK");
    scene.prack(rseq, "");
    scene.kinds();
    offer(&mut scene).unwrap();
    scene.net.settle();
    let update = scene.net.one(scene.r);
    assert_eq!(kind(&update), "UPDATE");
    let theirs = scene.peer.request("UPDATE", "", OFFER);
    scene.net.say(scene.r, scene.a, &theirs);
    scene.net.settle();
    assert_eq!(scene.kinds(), ["491 UPDATE"]);
    scene.net.say(scene.r, scene.a, &respond(&update, 200, "", "", ANSWER));
    let theirs = scene.peer.request("UPDATE", "", OFFER);
    scene.net.say(scene.r, scene.a, &theirs);
    scene.net.settle();
    assert_eq!(scene.net.news(scene.a), ["Pracked", "Updated", "Request"]);
    scene.end();
}

#[test]
fn rfc3262_3_instead_of_a_repeat_each_minute_a_new_response_every_two_and_a_half() {
    let mut scene = scene(SUPPORTS, OFFER);
    scene.answer(183, Some(ANSWER)).unwrap();
    let (_, rseq, _) = scene.heard();
    scene.prack(rseq, "");
    scene.net.inbox(scene.r);
    scene.net.run(149_000);
    assert!(scene.kinds().is_empty());
    scene.net.run(1_000);
    assert_eq!(scene.heard(), ("183 INVITE".to_owned(), rseq + 1, String::new()));
    scene.prack(rseq + 1, "");
    scene.kinds();
    scene.net.run(150_000);
    assert_eq!(scene.heard().1, rseq + 2);
    scene.end();
}

#[test]
fn rfc3262_3_a_reinvite_that_requires_100rel_gets_no_provisional_response() {
    let mut scene = scene(REQUIRES, OFFER);
    scene.answer(200, Some(ANSWER)).unwrap();
    scene.peer.learn(&scene.net.one(scene.r));
    scene.ack();
    let again = scene.peer.request("INVITE", REQUIRES, OFFER);
    scene.net.say(scene.r, scene.a, &again);
    scene.net.settle();
    scene.net.inbox(scene.r);
    let ringing = scene.net.turn(scene.a, |turn| turn.answer_reinvite(scene.s, reply(180, None)));
    assert!(matches!(ringing, Err(crate::stack::StackError::Forbidden(_))));
    scene.net.turn(scene.a, |turn| turn.answer_reinvite(scene.s, reply(200, sdp(ANSWER)))).unwrap();
    scene.net.settle();
    assert_eq!(scene.kinds(), ["200 INVITE"]);
    scene.end();
}
