//! UPDATE: RFC 3311.

use super::forks::{contact_named, forked};
use super::network::*;
use super::{NO_CODE, called, calling, calls, code, early};
use crate::id::SessionId;
use crate::invite::Forks;
use crate::message::{Lines, Method};
use crate::stack::StackError;

fn update(net: &mut Network, a: usize, r: usize, s: SessionId) -> String {
    net.turn(a, |turn| turn.update(s, sdp(OFFER), Lines::default())).unwrap();
    net.settle();
    let update = net.one(r);
    assert_eq!((kind(&update).as_str(), body(&update)), ("UPDATE", OFFER));
    update
}

#[test]
fn rfc3311_5_2_update_of_the_peer_refreshes_the_target_when_accepted() {
    for (status, target) in [(200, "sip:moved@10.0.0.2"), (488, "sip:raw@10.0.0.2")] {
        let mut net = Network::new();
        let (a, r, s, mut peer) = called(&mut net);
        let update = peer.request("UPDATE", "Contact: <sip:moved@10.0.0.2>\r\n", OFFER);
        net.say(r, a, &update);
        net.settle();
        let tx = asked(&mut net, a);
        net.turn(a, |turn| turn.respond(tx, reply(status, None))).unwrap();
        net.turn(a, |turn| assert_eq!(turn.dialog_of(s).unwrap().remote_target(), target));
        net.settle();
        assert_eq!(kinds(&net.inbox(r)), [format!("{status} UPDATE")]);
    }
}

#[test]
fn rfc3311_5_2_second_update_before_the_answer_is_500_with_retry_after() {
    let mut net = Network::new();
    let (a, r, _, mut peer) = called(&mut net);
    for body in [OFFER, OFFER, ""] {
        let update = peer.request("UPDATE", "", body);
        net.say(r, a, &update);
        net.settle();
    }
    let answers = net.inbox(r);
    assert_eq!(kinds(&answers), ["500 UPDATE", "500 UPDATE"]);
    assert!(answers.iter().all(|text| header(text, "Retry-After").parse::<u32>().is_ok_and(|seconds| seconds <= 10)));
    assert_eq!(net.news(a), ["Request"]);
}

#[test]
fn rfc3311_5_2_update_with_an_offer_while_ours_is_open_is_491() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = calls(&mut net);
    net.turn(a, |turn| turn.reinvite(s, sdp(OFFER), Lines::default())).unwrap();
    net.settle();
    net.inbox(r);
    let with = peer.request("UPDATE", "", OFFER);
    net.say(r, a, &with);
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["491 UPDATE"]);
    let without = peer.request("UPDATE", "", "");
    net.say(r, a, &without);
    net.settle();
    assert_eq!(net.news(a), ["Request"], "without an offer it is fine");
}

#[test]
fn rfc3311_5_2_update_with_an_offer_while_theirs_is_open_is_500() {
    let mut net = Network::new();
    let (a, r, _, mut peer) = early(&mut net);
    let with = peer.request("UPDATE", "", OFFER);
    net.say(r, a, &with);
    net.settle();
    let answer = net.one(r);
    assert_eq!(kind(&answer), "500 UPDATE");
    assert!(!header(&answer, "Retry-After").is_empty());
}

#[test]
fn rfc3261_14_2_reinvite_with_an_offer_while_our_update_is_open_is_491() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = calls(&mut net);
    update(&mut net, a, r, s);
    let invite = peer.request("INVITE", "", OFFER);
    net.say(r, a, &invite);
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["100 INVITE", "491 INVITE"]);
}

#[test]
fn rfc3311_8_2_update_that_is_not_allowed_is_405_and_without_dialog_481() {
    let mut net = Network::new();
    let a = net.stack(|config| config.allow.retain(|method| *method != Method::Update));
    let r = net.raw();
    let (a, r, _, mut peer) = super::calls_between(&mut net, a, r);
    let update = peer.request("UPDATE", "", OFFER);
    net.say(r, a, &update);
    net.settle();
    let answer = net.one(r);
    assert_eq!(kind(&answer), "405 UPDATE");
    assert!(!header(&answer, "Allow").contains("UPDATE"));
    peer.remote = peer.remote.split(';').next().unwrap().to_owned();
    let stray = peer.request("UPDATE", "", OFFER);
    net.say(r, a, &stray);
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["481 UPDATE"]);
}

#[test]
fn rfc3311_4_no_update_to_a_peer_whose_allow_lacks_it() {
    for (allow, fine) in [("INVITE, ACK, BYE", false), ("INVITE, UPDATE", true), ("", true)] {
        let mut net = Network::new();
        let (a, r, s, invite) = calling(&mut net);
        let line = if allow.is_empty() { String::new() } else { format!("Allow: {allow}\r\n") };
        net.say(r, a, &respond(&invite, 200, "t", &(contact(r) + &line), ANSWER));
        net.settle();
        assert_eq!(net.turn(a, |turn| turn.update(s, sdp(OFFER), Lines::default())).is_ok(), fine);
        let raw = net.turn(a, |turn| turn.in_dialog(s, Method::Update, Lines::default(), None));
        assert_eq!(raw.is_ok(), fine);
    }
}

#[test]
fn rfc3311_5_1_no_second_offer_while_one_is_open() {
    let mut net = Network::new();
    let (a, r, s, _) = calls(&mut net);
    update(&mut net, a, r, s);
    assert!(net.turn(a, |turn| turn.update(s, sdp(OFFER), Lines::default())).is_err());
    assert!(net.turn(a, |turn| turn.update(s, None, Lines::default())).is_ok(), "without an offer it may go");
    // In the early dialog our offer has no reliable answer.
    let mut net = Network::new();
    let (a, r, s, invite) = calling(&mut net);
    net.say(r, a, &respond(&invite, 183, "t", &contact(r), ANSWER));
    net.settle();
    assert!(net.turn(a, |turn| turn.update(s, sdp(OFFER), Lines::default())).is_err());
}

#[test]
fn rfc3311_5_3_accepted_update_refreshes_the_target() {
    let mut net = Network::new();
    let (a, r, s, _) = calls(&mut net);
    let update = update(&mut net, a, r, s);
    assert!(header(&update, "Contact").contains("10.0.0.1"));
    net.say(r, a, &respond(&update, 200, "", "Contact: <sip:moved@10.0.0.2>\r\n", ANSWER));
    net.settle();
    assert_eq!(net.news(a), ["Updated"]);
    net.turn(a, |turn| assert_eq!(turn.dialog_of(s).unwrap().remote_target(), "sip:moved@10.0.0.2"));
}

#[test]
fn rfc3311_5_3_a_refused_update_changes_nothing() {
    for (status, target) in [(200, "sip:moved@10.0.0.2"), (488, "sip:raw@10.0.0.2"), (500, "sip:raw@10.0.0.2")] {
        let mut net = Network::new();
        let (a, r, s, _) = calls(&mut net);
        let update = update(&mut net, a, r, s);
        net.say(r, a, &respond(&update, status, "", "Contact: <sip:moved@10.0.0.2>\r\n", ""));
        net.settle();
        net.turn(a, |turn| assert_eq!(turn.dialog_of(s).unwrap().remote_target(), target, "{status}"));
        let expected = if status == 200 { "Updated" } else { "UpdateFailed" };
        assert_eq!(net.news(a), [expected], "and the call goes on");
    }
}

#[test]
fn rfc3311_5_1_the_2xx_to_the_invite_says_the_contact_of_the_update() {
    let mut net = Network::new();
    let (a, r, s, _) = early(&mut net);
    net.turn(a, |turn| turn.update(s, None, Lines::default())).unwrap();
    net.settle();
    let update = net.one(r);
    let contact = header(&update, "Contact").to_owned();
    assert!(kind(&update) == "UPDATE" && contact.contains("10.0.0.1"), "{update}");
    net.say(r, a, &respond(&update, 200, "", "", ""));
    net.turn(a, |turn| turn.answer(s, reply(200, sdp(ANSWER)))).unwrap();
    net.settle();
    let answer = net.inbox(r).remove(0);
    assert_eq!((kind(&answer).as_str(), header(&answer, "Contact")), ("200 INVITE", contact.as_str()));
}

#[test]
fn rfc3311_5_3_491_is_followed_by_one_retry() {
    let mut net = Network::new();
    let (a, r, s, _) = calls(&mut net);
    let first = update(&mut net, a, r, s);
    net.say(r, a, &respond(&first, 491, "", "", ""));
    net.run(2_000);
    assert!(net.inbox(r).is_empty() && net.news(a).is_empty());
    net.run(2_100);
    let second = net.inbox(r).remove(0);
    assert_eq!((kind(&second).as_str(), cseq(&second), body(&second)), ("UPDATE", cseq(&first) + 1, OFFER));
    net.say(r, a, &respond(&second, 491, "", "", ""));
    net.run(10_000);
    assert_eq!(pick(&net.events(a), |_, event| code(event)), 491);
    assert!(net.inbox(r).iter().all(|text| *text == second), "no third try");
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.assert_nothing_left();
}

/// Which of the two comes first does not decide between them.
#[test]
fn rfc3261_14_1_a_reinvite_and_an_update_that_are_both_refused_with_491_both_come_again() {
    for reinvite_first in [true, false] {
        let mut net = Network::new();
        let (a, r, s, _) = calls(&mut net);
        net.turn(a, |turn| turn.update(s, None, Lines::default())).unwrap();
        net.turn(a, |turn| turn.reinvite(s, sdp(OFFER), Lines::default())).unwrap();
        net.settle();
        let mut first = net.inbox(r);
        assert_eq!(kinds(&first), ["UPDATE", "INVITE"]);
        if reinvite_first {
            first.reverse();
        }
        for text in &first {
            net.say(r, a, &respond(text, 491, "", "", ""));
            net.settle();
        }
        assert!(net.news(a).is_empty());
        net.inbox(r);
        let mut came = Vec::new();
        for _ in 0..50 {
            net.run(100);
            for text in net.inbox(r) {
                let request = (kind(&text), cseq(&text));
                if request.0 == "ACK" || came.contains(&request) {
                    continue;
                }
                let answer = if request.0 == "INVITE" { ANSWER } else { "" };
                net.say(r, a, &respond(&text, 200, "", &contact(r), answer));
                came.push(request);
            }
        }
        let mut methods: Vec<_> = came.iter().map(|(method, _)| method.as_str()).collect();
        methods.sort_unstable();
        assert_eq!(methods, ["INVITE", "UPDATE"], "{reinvite_first}");
        let mut news = net.news(a);
        news.sort_unstable();
        assert_eq!(news, ["Reinvited", "Updated"], "{reinvite_first}");
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        net.assert_nothing_left();
    }
}

/// Nothing of the first is lost, nor is it sent too early: it alone waits.
#[test]
fn rfc3261_14_1_of_two_updates_that_are_refused_with_491_one_comes_again_and_the_other_is_told_of() {
    let mut net = Network::new();
    let (a, r, s, _) = calls(&mut net);
    let mut lines = Lines::default();
    lines.push("Subject", "first").unwrap();
    for lines in [lines, Lines::default()] {
        net.turn(a, |turn| turn.update(s, None, lines)).unwrap();
    }
    net.settle();
    let [first, second] = <[String; 2]>::try_from(net.inbox(r)).unwrap();
    net.say(r, a, &respond(&first, 491, "", "", ""));
    net.settle();
    assert!(net.news(a).is_empty());
    net.run(1_000);
    net.say(r, a, &respond(&second, 491, "", "", ""));
    net.settle();
    assert_eq!(net.news(a), ["UpdateFailed"]);
    net.inbox(r);
    net.run(4_000);
    let again = net.inbox(r).remove(0);
    assert_eq!((kind(&again).as_str(), header(&again, "Subject")), ("UPDATE", "first"));
    net.say(r, a, &respond(&again, 200, "", "", ""));
    net.settle();
    assert_eq!(net.news(a), ["Updated"]);
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.assert_nothing_left();
}

#[test]
fn rfc3311_5_3_481_and_silence_end_the_call() {
    for status in [481, 408, 0] {
        let mut net = Network::new();
        let (a, r, s, _) = calls(&mut net);
        let update = update(&mut net, a, r, s);
        if status == 0 {
            net.run(33_000);
        } else {
            net.say(r, a, &respond(&update, status, "", "", ""));
            net.settle();
        }
        assert_eq!(net.news(a), ["Ended"]);
        assert_eq!(kind(net.inbox(r).last().unwrap()), "BYE");
        net.assert_nothing_left();
    }
}

/// A call of which one fork rings and has an UPDATE of ours to answer: caller, peer, call, INVITE and UPDATE.
fn asks_one_of_several(net: &mut Network) -> (usize, usize, SessionId, String, String) {
    let (a, r, s, invite) = forked(net, Forks::KeepFirst, false);
    net.say(r, a, &respond(&invite, 180, "one", &contact_named("one"), ""));
    net.settle();
    net.turn(a, |turn| turn.update(s, None, Lines::default())).unwrap();
    net.settle();
    let update = net.one(r);
    assert_eq!((kind(&update).as_str(), tag(header(&update, "To"))), ("UPDATE", "one"));
    (a, r, s, invite, update)
}

/// Whatever comes of an UPDATE to who has lost: a refusal that would end the call, silence, or what it would change.
#[test]
fn rfc3261_13_2_2_4_an_update_to_another_fork_does_nothing_to_the_call() {
    for status in [481, 408, 0, 200] {
        let mut net = Network::new();
        let (a, r, s, invite, update) = asks_one_of_several(&mut net);
        net.say(r, a, &respond(&invite, 200, "two", &contact_named("two"), ANSWER));
        net.settle();
        assert_eq!(net.news(a), ["Progress", "UpdateFailed", "Answered"]);
        assert_eq!(kinds(&net.inbox(r)), ["ACK"]);
        if status == 0 {
            net.run(33_000);
        } else {
            net.say(r, a, &respond(&update, status, "", &contact_named("one"), ""));
            net.settle();
        }
        assert!(net.inbox(r).iter().all(|text| kind(text) == "UPDATE"), "{status}: no BYE");
        assert!(net.news(a).is_empty(), "{status}");
        net.turn(a, |turn| assert_eq!(turn.dialog_of(s).unwrap().remote_target(), "sip:two@10.0.0.2"));
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        net.assert_nothing_left();
    }
}

/// Nor does its second try after a 491: who has answered is not asked what was meant for another.
#[test]
fn rfc3261_13_2_2_4_an_update_that_waits_for_another_fork_is_not_sent_to_who_answers() {
    for (who, kept) in [("two", false), ("one", true)] {
        let mut net = Network::new();
        let (a, r, s, invite, update) = asks_one_of_several(&mut net);
        net.say(r, a, &respond(&update, 491, "", "", ""));
        net.settle();
        net.say(r, a, &respond(&invite, 200, who, &contact_named(who), ANSWER));
        net.settle();
        let told: &[&str] = if kept { &["Progress", "Answered"] } else { &["Progress", "UpdateFailed", "Answered"] };
        assert_eq!(net.news(a), told, "{who}");
        assert_eq!(kinds(&net.inbox(r)), ["ACK"], "{who}");
        net.run(5_000);
        let second = net.inbox(r);
        assert_eq!(second.first().map(|text| kind(text)), kept.then(|| "UPDATE".to_owned()), "{who}");
        if let Some(second) = second.first() {
            assert_eq!(tag(header(second, "To")), "one");
            net.say(r, a, &respond(second, 200, "", &contact_named("one"), ""));
            net.settle();
            assert_eq!(net.news(a), ["Updated"]);
        }
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3311_5_1_no_update_to_one_of_several_early_dialogs() {
    let mut net = Network::new();
    let (a, r, s, invite) = forked(&mut net, Forks::KeepFirst, false);
    let takes = "Allow: INVITE, ACK, CANCEL, BYE, UPDATE\r\n";
    for fork in ["one", "two"] {
        let lines = contact_named(fork) + takes;
        net.say(r, a, &respond(&invite, 180, fork, &lines, ""));
    }
    net.settle();
    let refused = net.turn(a, |turn| turn.update(s, None, Lines::default()));
    assert!(matches!(refused, Err(StackError::State(_))), "{refused:?}");
    // Whoever answers says for himself whether he takes it.
    assert!(net.turn(a, |turn| turn.takes_update(s)));
    net.say(r, a, &respond(&invite, 200, "two", &contact_named("two"), ANSWER));
    net.settle();
    assert!(!net.turn(a, |turn| turn.takes_update(s)));
    net.inbox(r);
    net.turn(a, |turn| turn.update(s, None, Lines::default())).unwrap();
    net.settle();
    assert_eq!(tag(header(&net.one(r), "To")), "two");
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.assert_nothing_left();
}
