//! Their reliable provisional responses: RFC 3262 sections 4 and 5.

use super::NO_CODE;
use super::network::*;
use crate::id::{DialogId, SessionId};
use crate::invite::{Pracks, SessionEvent};
use crate::message::Lines;
use crate::{Config, Event, Overload};

struct Scene {
    net: Network,
    a: usize,
    r: usize,
    s: SessionId,
    invite: String,
}

fn scene(offer: bool) -> Scene {
    scene_with(offer, Pracks::ByStack)
}

fn scene_with(offer: bool, pracks: Pracks) -> Scene {
    scene_of(offer, |config| config.session.pracks = pracks)
}

/// A stack that understands 100rel has called a scripted peer.
fn scene_of(offer: bool, change: impl FnOnce(&mut Config)) -> Scene {
    let mut net = Network::new();
    let a = net.stack(|config| {
        config.supported.push("100rel".to_owned());
        change(config);
    });
    let r = net.raw();
    let body = if offer { sdp(OFFER) } else { None };
    let s = net.turn(a, |turn| turn.invite(invitation(a, r, body))).unwrap();
    net.settle();
    let invite = net.one(r);
    Scene { net, a, r, s, invite }
}

impl Scene {
    /// The peer sends a provisional response reliably.
    fn hear(&mut self, code: u16, tag: &str, rseq: u32, body: &str) {
        let lines = format!("Require: 100rel\r\nRSeq: {rseq}\r\nContact: <sip:{tag}@10.0.0.2>\r\n");
        self.say(code, tag, &lines, body);
    }

    fn say(&mut self, code: u16, tag: &str, lines: &str, body: &str) {
        self.net.say(self.r, self.a, &respond(&self.invite, code, tag, lines, body));
        self.net.settle();
    }

    /// The RAcks of the PRACKs that came, with the tag of their dialog; each is answered.
    fn racks(&mut self) -> Vec<(String, String)> {
        let inbox = self.net.inbox(self.r);
        for prack in &inbox {
            assert_eq!(kind(prack), "PRACK");
            self.net.say(self.r, self.a, &respond(prack, 200, "", "", ""));
        }
        self.net.settle();
        inbox.iter().map(|prack| (header(prack, "RAck").to_owned(), tag(header(prack, "To")).to_owned())).collect()
    }

    fn end(mut self) {
        let _ = self.net.turn(self.a, |turn| turn.hangup(self.s, NO_CODE, Lines::default()));
        self.net.settle();
        self.say(487, "one", "", "");
        self.net.assert_nothing_left();
    }
}

fn racks(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(rack, tag)| ((*rack).to_owned(), (*tag).to_owned())).collect()
}

fn due(events: &[Event]) -> (DialogId, bool) {
    pick(events, |_, event| match event {
        SessionEvent::Progress { fork: Some(fork), prack_due, .. } => Some((*fork, *prack_due)),
        _ => None,
    })
}

#[test]
fn rfc3262_4_an_invite_says_that_100rel_is_supported_and_may_require_it() {
    let scene = scene(true);
    assert_eq!(header(&scene.invite, "Supported"), "100rel");
    scene.end();
    // Unknown to the configuration, but required by this call.
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    let mut draft = invitation(a, r, sdp(OFFER));
    draft.lines.push("Require", "100rel").unwrap();
    let s = net.turn(a, |turn| turn.invite(draft)).unwrap();
    net.settle();
    let invite = net.one(r);
    assert_eq!(header(&invite, "Require"), "100rel");
    let mut scene = Scene { net, a, r, s, invite };
    scene.hear(180, "one", 1, "");
    assert_eq!(scene.racks(), racks(&[("1 10 INVITE", "one")]));
    scene.end();
}

#[test]
fn rfc3262_4_each_is_acknowledged_with_a_prack_in_its_dialog() {
    let mut scene = scene(true);
    scene.hear(180, "one", 77, "");
    let prack = scene.net.one(scene.r);
    assert!(prack.starts_with("PRACK sip:one@10.0.0.2 "), "{prack}");
    assert_eq!((header(&prack, "RAck"), cseq(&prack)), ("77 10 INVITE", 11));
    assert!(header(&prack, "Require").is_empty(), "only an INVITE may require 100rel");
    scene.net.say(scene.r, scene.a, &respond(&prack, 200, "", "", ""));
    scene.net.settle();
    assert_eq!(scene.net.news(scene.a), ["Progress"], "nothing of the PRACK");
    scene.end();
}

#[test]
fn rfc3262_4_100_and_what_does_not_require_100rel_are_not_acknowledged() {
    let mut scene = scene(true);
    scene.say(100, "one", "Require: 100rel\r\nRSeq: 1\r\n", "");
    for lines in
        ["RSeq: 1\r\n", "Require: 100rel\r\n", "Require: 100rel\r\nRSeq: x\r\n", "Require: 100rel\r\nRSeq: 0\r\n"]
    {
        scene.say(180, "one", &(contact(scene.r) + lines), "");
    }
    scene.say(180, "", "Require: 100rel\r\nRSeq: 1\r\n", "");
    assert!(scene.racks().is_empty());
    assert_eq!(scene.net.news(scene.a), ["Progress"; 5]);
    scene.end();
}

#[test]
fn rfc3262_4_repeats_are_discarded_and_the_prack_is_not_sent_again() {
    let mut scene = scene(true);
    scene.hear(180, "one", 77, "");
    scene.hear(180, "one", 77, "");
    assert_eq!(scene.racks(), racks(&[("77 10 INVITE", "one")]));
    scene.hear(180, "one", 77, "");
    assert!(scene.racks().is_empty());
    assert_eq!(scene.net.news(scene.a), ["Progress"]);
    scene.end();
}

#[test]
fn rfc3262_4_what_is_not_one_higher_is_neither_acknowledged_nor_processed() {
    let mut scene = scene(true);
    scene.hear(180, "one", 77, "");
    scene.hear(182, "one", 79, "");
    scene.hear(182, "one", 76, "");
    assert_eq!(scene.racks(), racks(&[("77 10 INVITE", "one")]));
    assert_eq!(scene.net.news(scene.a), ["Progress"]);
    scene.hear(182, "one", 78, "");
    scene.hear(183, "one", 79, "");
    assert_eq!(scene.racks(), racks(&[("78 10 INVITE", "one"), ("79 10 INVITE", "one")]));
    assert_eq!(scene.net.news(scene.a), ["Progress", "Progress"]);
    scene.end();
}

#[test]
fn rfc3262_4_numbers_do_not_wrap() {
    let mut scene = scene(true);
    scene.hear(180, "one", u32::MAX, "");
    scene.hear(182, "one", 1, "");
    assert_eq!(scene.racks(), racks(&[("4294967295 10 INVITE", "one")]));
    scene.end();
}

#[test]
fn rfc3262_4_each_fork_has_numbers_of_its_own() {
    let mut scene = scene(true);
    for (tag, rseq) in [("one", 5), ("two", 900), ("one", 6), ("two", 901), ("two", 6)] {
        scene.hear(180, tag, rseq, "");
    }
    let expected = [("5 10 INVITE", "one"), ("900 10 INVITE", "two"), ("6 10 INVITE", "one"), ("901 10 INVITE", "two")];
    assert_eq!(scene.racks(), racks(&expected));
    scene.end();
}

#[test]
fn rfc3262_4_unanswered_pracks_are_limited() {
    let mut scene = scene(true);
    for rseq in 1..=20 {
        scene.hear(180, "one", rseq, "");
    }
    let inbox = scene.net.inbox(scene.r);
    let distinct: std::collections::BTreeSet<&str> = inbox.iter().map(|prack| header(prack, "RAck")).collect();
    assert_eq!(distinct.len(), 16);
    scene.net.say(scene.r, scene.a, &respond(&inbox[0], 200, "", "", ""));
    scene.hear(180, "one", 17, "");
    assert!(scene.racks().iter().any(|(rack, _)| rack.starts_with("17 ")), "a repeat finds room");
    scene.end();
}

#[test]
fn rfc3262_4_a_lost_prack_is_repeated_by_its_transaction() {
    let mut scene = scene(true);
    scene.hear(180, "one", 1, "");
    let first = scene.net.one(scene.r);
    scene.net.run(1_600);
    let repeats = scene.net.inbox(scene.r);
    assert_eq!(repeats.len(), 2);
    assert!(repeats.iter().all(|text| *text == first));
    scene.net.say(scene.r, scene.a, &respond(&first, 200, "", "", ""));
    scene.end();
}

#[test]
fn rfc3262_4_a_refused_prack_does_not_end_the_call() {
    for code in [481, 500, 0] {
        let mut scene = scene(true);
        scene.hear(180, "one", 1, "");
        let prack = scene.net.one(scene.r);
        if code > 0 {
            scene.net.say(scene.r, scene.a, &respond(&prack, code, "", "", ""));
        }
        scene.say(200, "one", &contact(scene.r), ANSWER);
        scene.net.run(40_000);
        assert_eq!(scene.net.news(scene.a), ["Progress", "Answered"], "{code}");
        scene.end();
    }
}

#[test]
fn rfc3261_12_2_2_a_prack_that_was_overtaken_is_sent_again_for_the_next_repeat_alone() {
    for offer in [true, false] {
        let mut scene = scene(offer);
        scene.hear(183, "one", 7, if offer { "" } else { OFFER });
        if !offer {
            let (fork, _) = due(&scene.net.events(scene.a));
            scene.net.turn(scene.a, |turn| turn.prack(scene.s, fork, sdp(ANSWER), Lines::default())).unwrap();
            scene.net.settle();
        }
        let first = scene.net.one(scene.r);
        scene.net.say(scene.r, scene.a, &respond(&first, 500, "", "", ""));
        scene.hear(183, "one", 7, if offer { "" } else { OFFER });
        let second = scene.net.one(scene.r);
        assert_eq!((header(&second, "RAck"), cseq(&second)), ("7 10 INVITE", cseq(&first) + 1));
        assert_eq!(body(&second), body(&first));
        scene.net.say(scene.r, scene.a, &respond(&second, 200, "", "", ""));
        scene.hear(183, "one", 7, "");
        assert!(scene.racks().is_empty());
        scene.end();
    }
}

#[test]
fn rfc7339_5_10_1_a_prack_goes_whatever_the_peer_asks_for() {
    let mut scene = scene_of(true, |config| config.overload = Some(Overload::default()));
    let lines = "Require: 100rel\r\nRSeq: 7\r\nContact: <sip:one@10.0.0.2>\r\n";
    let said = asking_for_nothing(&respond(&scene.invite, 183, "one", lines, ""), 60_000);
    scene.net.say(scene.r, scene.a, &said);
    scene.net.settle();
    assert_eq!(scene.racks(), racks(&[("7 10 INVITE", "one")]));
    // The control: another call does not begin there now.
    scene.net.turn(scene.a, |turn| turn.invite(invitation(scene.a, scene.r, sdp(OFFER)))).unwrap();
    scene.net.settle();
    assert!(scene.net.inbox(scene.r).is_empty());
    scene.end();
}

#[test]
fn rfc3262_4_after_the_final_response_nothing_is_acknowledged() {
    let mut scene = scene(true);
    scene.hear(180, "one", 1, "");
    scene.racks();
    scene.say(200, "one", "Contact: <sip:one@10.0.0.2>\r\n", ANSWER);
    assert_eq!(kinds(&scene.net.inbox(scene.r)), ["ACK"]);
    scene.hear(183, "one", 2, "");
    assert!(scene.racks().is_empty());
    scene.end();
}

#[test]
fn rfc3262_4_who_has_hung_up_acknowledges_all_the_same() {
    let mut scene = scene(true);
    scene.net.turn(scene.a, |turn| turn.hangup(scene.s, NO_CODE, Lines::default())).unwrap();
    scene.hear(180, "one", 1, "");
    let mut seen = kinds(&scene.net.inbox(scene.r));
    seen.sort();
    assert_eq!(seen, ["CANCEL", "PRACK"]);
    assert_eq!(scene.net.news(scene.a), ["Ended"]);
    scene.say(487, "one", "", "");
    scene.net.assert_nothing_left();
}

#[test]
fn rfc3262_5_an_offer_in_the_response_is_answered_in_the_prack() {
    let mut scene = scene(false);
    scene.hear(183, "one", 1, OFFER);
    assert!(scene.racks().is_empty(), "it waits for the answer");
    let (fork, prack_due) = due(&scene.net.events(scene.a));
    assert!(prack_due);
    scene.hear(183, "one", 1, OFFER);
    scene.hear(180, "one", 2, "");
    assert!(scene.net.news(scene.a).is_empty(), "nothing new");
    let without = scene.net.turn(scene.a, |turn| turn.prack(scene.s, fork, None, Lines::default()));
    assert!(without.is_err(), "the answer must be there");
    scene.net.turn(scene.a, |turn| turn.prack(scene.s, fork, sdp(ANSWER), Lines::default())).unwrap();
    scene.net.settle();
    let prack = scene.net.one(scene.r);
    assert_eq!((header(&prack, "RAck"), body(&prack)), ("1 10 INVITE", ANSWER));
    let again = scene.net.turn(scene.a, |turn| turn.prack(scene.s, fork, sdp(ANSWER), Lines::default()));
    assert!(again.is_err(), "once");
    scene.net.say(scene.r, scene.a, &respond(&prack, 200, "", "", ""));
    // The 2xx has no offer any more, whatever it carries.
    scene.say(200, "one", &contact(scene.r), OFFER);
    assert_eq!(kinds(&scene.net.inbox(scene.r)), ["ACK"]);
    scene.end();
}

#[test]
fn rfc3262_5_an_answer_in_the_response_lets_the_prack_carry_an_offer() {
    let mut scene = scene_with(true, Pracks::ByApplication);
    scene.hear(180, "one", 1, "");
    let (fork, prack_due) = due(&scene.net.events(scene.a));
    assert!(prack_due);
    let early = scene.net.turn(scene.a, |turn| turn.prack(scene.s, fork, sdp(OFFER), Lines::default()));
    assert!(early.is_err(), "our first offer has no answer");
    scene.net.turn(scene.a, |turn| turn.prack(scene.s, fork, None, Lines::default())).unwrap();
    scene.net.settle();
    assert_eq!(scene.racks().len(), 1);
    scene.hear(183, "one", 2, ANSWER);
    assert_eq!(due(&scene.net.events(scene.a)), (fork, true));
    let tx = scene.net.turn(scene.a, |turn| turn.prack(scene.s, fork, sdp(OFFER), Lines::default())).unwrap();
    scene.net.settle();
    let prack = scene.net.one(scene.r);
    assert_eq!((header(&prack, "RAck"), body(&prack)), ("2 10 INVITE", OFFER));
    let update = scene.net.turn(scene.a, |turn| turn.update(scene.s, sdp(OFFER), Lines::default()));
    assert!(update.is_err(), "one offer at a time");
    scene.net.say(scene.r, scene.a, &respond(&prack, 200, "", "", ANSWER));
    scene.net.settle();
    assert_eq!(response_code(&scene.net.events(scene.a), tx), 200);
    scene.net.turn(scene.a, |turn| turn.update(scene.s, sdp(OFFER), Lines::default())).unwrap();
    scene.net.settle();
    let update = scene.net.one(scene.r);
    scene.net.say(scene.r, scene.a, &respond(&update, 200, "", "", ANSWER));
    scene.end();
}

#[test]
fn rfc3311_5_1_an_answer_in_a_plain_response_lets_nobody_make_an_offer() {
    for (reliably, fine) in [(false, false), (true, true)] {
        let mut scene = scene(true);
        if reliably {
            scene.hear(183, "one", 1, ANSWER);
            scene.racks();
        } else {
            scene.say(183, "one", &contact(scene.r), ANSWER);
        }
        let update = scene.net.turn(scene.a, |turn| turn.update(scene.s, sdp(OFFER), Lines::default()));
        assert_eq!(update.is_ok(), fine);
        scene.net.settle();
        for update in scene.net.inbox(scene.r) {
            scene.net.say(scene.r, scene.a, &respond(&update, 200, "", "", ANSWER));
        }
        scene.end();
    }
}

#[test]
fn rfc3311_5_2_updates_that_cross_in_an_early_dialog_are_491_and_ours_comes_again() {
    let mut scene = scene(true);
    scene.hear(183, "one", 1, ANSWER);
    scene.racks();
    scene.net.events(scene.a);
    scene.net.turn(scene.a, |turn| turn.update(scene.s, sdp(OFFER), Lines::default())).unwrap();
    scene.net.settle();
    let ours = scene.net.one(scene.r);
    let mut peer = RawDialog::called(scene.r, &scene.invite, "one");
    let theirs = peer.request("UPDATE", "", OFFER);
    scene.net.say(scene.r, scene.a, &theirs);
    scene.net.settle();
    assert_eq!(kinds(&scene.net.inbox(scene.r)), ["491 UPDATE"]);
    scene.net.say(scene.r, scene.a, &respond(&ours, 491, "", "", ""));
    scene.net.run(2_050);
    assert!(scene.net.inbox(scene.r).is_empty(), "not before 2.1 s: the Call-ID is ours");
    scene.net.run(2_000);
    let again = scene.net.inbox(scene.r).remove(0);
    assert_eq!((kind(&again).as_str(), body(&again), cseq(&again)), ("UPDATE", OFFER, cseq(&ours) + 1));
    scene.net.say(scene.r, scene.a, &respond(&again, 200, "", "", ANSWER));
    scene.net.settle();
    assert_eq!(scene.net.news(scene.a), ["Updated"]);
    // And theirs, with nothing in its way.
    let theirs = peer.request("UPDATE", "", OFFER);
    scene.net.say(scene.r, scene.a, &theirs);
    scene.net.settle();
    assert_eq!(scene.net.news(scene.a), ["Request"]);
    let second = peer.request("UPDATE", "", OFFER);
    scene.net.say(scene.r, scene.a, &second);
    scene.net.settle();
    let refusals = scene.net.inbox(scene.r);
    let refusal = refusals.last().unwrap();
    assert_eq!(kind(refusal), "500 UPDATE");
    assert!(!header(refusal, "Retry-After").is_empty());
    scene.end();
}

/// One that waits to come again goes with its call: it is hung up and a 2xx crosses the CANCEL, soon or when the wait is over, or a BYE overtakes the 2xx.
#[test]
fn rfc3261_15_an_update_that_waits_to_come_again_keeps_no_call_that_is_over() {
    for (bye, waited) in [(false, 0), (false, 5_000), (true, 0)] {
        let mut scene = scene(true);
        scene.hear(183, "one", 1, ANSWER);
        scene.racks();
        scene.net.turn(scene.a, |turn| turn.update(scene.s, sdp(OFFER), Lines::default())).unwrap();
        scene.net.settle();
        let update = scene.net.one(scene.r);
        scene.net.say(scene.r, scene.a, &respond(&update, 491, "", "", ""));
        scene.net.settle();
        if bye {
            let bye = RawDialog::called(scene.r, &scene.invite, "one").request("BYE", "", "");
            scene.net.say(scene.r, scene.a, &bye);
            scene.net.settle();
            assert_eq!(kinds(&scene.net.inbox(scene.r)), ["200 BYE"]);
        } else {
            scene.net.turn(scene.a, |turn| turn.hangup(scene.s, NO_CODE, Lines::default())).unwrap();
            scene.net.settle();
            let cancel = scene.net.one(scene.r);
            scene.net.say(scene.r, scene.a, &respond(&cancel, 200, "one", "", ""));
            scene.net.run(waited);
        }
        scene.say(200, "one", &contact(scene.r), ANSWER);
        let inbox = scene.net.inbox(scene.r);
        let expected: &[&str] = if bye { &["ACK"] } else { &["ACK", "BYE"] };
        assert_eq!(kinds(&inbox), expected);
        for bye in &inbox[1..] {
            scene.net.say(scene.r, scene.a, &respond(bye, 200, "", "", ""));
        }
        scene.net.assert_nothing_left();
    }
}

#[test]
fn rfc3311_5_2_an_offer_in_one_early_dialog_is_in_the_way_of_none_in_another() {
    let mut scene = scene(true);
    let peers = ["one", "two"].map(|tag| {
        scene.hear(183, tag, 1, ANSWER);
        scene.racks();
        (tag, RawDialog::called(scene.r, &scene.invite, tag))
    });
    scene.net.events(scene.a);
    // Two in one dialog are one too many; another's has nothing to do with either.
    for (tag, mut peer) in peers {
        for _ in 0..2 {
            let update = peer.request("UPDATE", "", OFFER).replace("z9hG4bK", &format!("z9hG4bK{tag}"));
            scene.net.say(scene.r, scene.a, &update);
            scene.net.settle();
        }
        assert_eq!(scene.net.news(scene.a), ["Request"], "{tag}");
        assert_eq!(kinds(&scene.net.inbox(scene.r)), ["500 UPDATE"], "{tag}");
    }
    scene.end();
}

#[test]
fn rfc3311_4_the_peer_says_whether_it_takes_update() {
    for (allow, known) in [("", false), ("Allow: INVITE, ACK\r\n", false), ("Allow: INVITE, UPDATE\r\n", true)] {
        let mut scene = scene(true);
        scene.say(180, "one", &(contact(scene.r) + allow), "");
        let takes = scene.net.turn(scene.a, |turn| turn.takes_update(scene.s));
        assert_eq!(takes, known, "{allow}");
        scene.end();
    }
}

#[test]
fn rfc3262_4_a_reinvite_does_not_offer_100rel() {
    let mut scene = scene(true);
    scene.say(200, "one", &contact(scene.r), ANSWER);
    scene.net.inbox(scene.r);
    scene.net.turn(scene.a, |turn| turn.reinvite(scene.s, sdp(OFFER), Lines::default())).unwrap();
    scene.net.settle();
    let again = scene.net.one(scene.r);
    assert!(header(&again, "Supported").is_empty() && !header(&again, "Allow").is_empty());
    scene.net.say(scene.r, scene.a, &respond(&again, 200, "", &contact(scene.r), ANSWER));
    scene.end();
}
