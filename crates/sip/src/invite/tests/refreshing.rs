//! Refreshes and what becomes of a session without: RFC 4028 section 10.

use std::time::Duration;

use super::intervals::{lasting, timed};
use super::network::*;
use super::{NO_CODE, called_with, calls_with};
use crate::event::{Event, Failure};
use crate::id::SessionId;
use crate::invite::{By, Refusal, SessionEvent};
use crate::message::{Lines, Method};
use crate::{Config, Overload};

const BY_US: &str = "Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n";
const BY_PEER: &str = "Session-Expires: 600;refresher=uas\r\nRequire: timer\r\n";
const UPDATES: &str = "Allow: INVITE, ACK, BYE, UPDATE\r\n";

/// A call that stands, to a peer that answered with these lines.
fn standing(net: &mut Network, answer: &str) -> (usize, usize, SessionId, RawDialog) {
    let (a, r) = (net.stack(timed(|_| {})), net.raw());
    let (s, _, dialog) = calls_with(net, a, r, answer);
    (a, r, s, dialog)
}

/// The re-INVITE that was asked for.
fn reinvite(net: &mut Network, a: usize, r: usize, s: SessionId) -> String {
    assert_eq!(net.news(a), ["RefreshDue"]);
    net.turn(a, |turn| turn.reinvite(s, sdp(OFFER), Lines::default())).unwrap();
    net.settle();
    let invite = net.one(r);
    assert_eq!(kind(&invite), "INVITE");
    invite
}

fn ended(net: &mut Network, a: usize) -> (By, Option<Refusal>) {
    pick(&net.events(a), |_, event| match event {
        SessionEvent::Ended { by, refusal, .. } => Some((*by, refusal.clone())),
        _ => None,
    })
}

fn branch(text: &str) -> &str {
    header(text, "Via").split("branch=").nth(1).unwrap().split(';').next().unwrap()
}

/// The session was not refreshed: the BYE has left, and says why.
fn assert_expired(net: &mut Network, a: usize, r: usize) {
    let (by, refusal) = ended(net, a);
    assert!(matches!((by, refusal), (By::Error, Some(Refusal::Failure(Failure::NotRefreshed)))));
    let bye = net.inbox(r).pop().unwrap();
    assert_eq!(kind(&bye), "BYE");
    assert!(header(&bye, "Reason").starts_with("SIP;cause=408"), "{bye}");
    net.say(r, a, &respond(&bye, 200, "", "", ""));
    net.assert_nothing_left();
}

#[test]
fn rfc4028_7_4_half_way_an_update_without_a_body_refreshes_where_the_peer_allows_it() {
    let mut net = Network::new();
    let (a, r, s, _) = standing(&mut net, &format!("{BY_US}{UPDATES}"));
    net.run(299_900);
    assert!(net.inbox(r).is_empty());
    for round in 0..5 {
        net.run(200);
        let update = net.one(r);
        assert_eq!((kind(&update).as_str(), body(&update)), ("UPDATE", ""), "{round}");
        assert_eq!(header(&update, "Session-Expires"), "600;refresher=uac");
        assert_eq!(header(&update, "Supported"), "timer");
        assert!(header(&update, "Contact").contains("10.0.0.1"));
        net.say(r, a, &respond(&update, 200, "", BY_US, ""));
        net.settle();
        assert_eq!(net.news(a), ["Refreshed"], "and nothing else");
        net.run(299_790);
        assert!(net.inbox(r).is_empty());
    }
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.assert_nothing_left();
}

#[test]
fn rfc4028_7_4_without_update_the_application_is_asked_for_a_reinvite() {
    for allow in ["Allow: INVITE, ACK, BYE\r\n", ""] {
        let mut net = Network::new();
        let (a, r, s, _) = standing(&mut net, &format!("{BY_US}{allow}"));
        net.run(300_000);
        let invite = reinvite(&mut net, a, r, s);
        assert_eq!(header(&invite, "Session-Expires"), "600;refresher=uac");
        net.say(r, a, &respond(&invite, 200, "", &(contact(r) + BY_US), ANSWER));
        net.settle();
        assert_eq!(net.news(a), ["Refreshed", "Reinvited"]);
        assert_eq!(kinds(&net.inbox(r)), ["ACK"]);
        net.run(299_000);
        assert!(net.news(a).is_empty() && net.inbox(r).is_empty());
        net.run(1_000);
        assert_eq!(net.news(a), ["RefreshDue"]);
    }
}

#[test]
fn rfc7339_5_10_1_a_session_is_refreshed_whatever_the_peer_asks_for() {
    for answer in [format!("{BY_US}{UPDATES}"), BY_US.to_owned()] {
        let mut net = Network::new();
        let of_load = |config: &mut Config| {
            timed(|_| {})(config);
            config.overload = Some(Overload::default());
        };
        let (a, r) = (net.stack(of_load), net.raw());
        let (s, ..) = calls_with(&mut net, a, r, &answer);
        net.run(290_000);
        asks_for_nothing(&mut net, a, r, s, 60_000);
        net.run(10_000);
        let refresh = if answer == BY_US { reinvite(&mut net, a, r, s) } else { net.one(r) };
        net.say(r, a, &respond(&refresh, 200, "", &(contact(r) + BY_US), if answer == BY_US { ANSWER } else { "" }));
        net.settle();
        assert!(net.news(a).contains(&"Refreshed".to_owned()), "{answer}");
    }
}

#[test]
fn rfc4028_10_an_application_that_is_busy_is_asked_again_until_the_end() {
    let mut net = Network::new();
    let (a, r, ..) = standing(&mut net, BY_US);
    net.run(310_000);
    assert_eq!(net.news(a), ["RefreshDue"; 3], "every 4 s");
    net.run(289_000);
    assert!(net.news(a).iter().all(|news| news == "RefreshDue"));
    net.run(1_000);
    assert_expired(&mut net, a, r);
}

#[test]
fn rfc4028_9_as_the_callee_we_refresh_where_it_is_on_us() {
    let mut net = Network::new();
    let (a, r) = (net.stack(timed(|_| {})), net.raw());
    let more = format!("Supported: timer\r\n{UPDATES}Session-Expires: 90;refresher=uas\r\n");
    let (s, _, mut peer) = called_with(&mut net, a, r, &more);
    net.run(45_000);
    let update = net.one(r);
    assert_eq!((kind(&update).as_str(), header(&update, "Session-Expires")), ("UPDATE", "90;refresher=uac"));
    // From now on theirs.
    net.say(r, a, &respond(&update, 200, "", "Session-Expires: 90;refresher=uas\r\n", ""));
    net.settle();
    assert_eq!(lasting(&mut net, a, s), Some((90, false)));
    net.run(44_000);
    assert!(net.inbox(r).is_empty());
    let bye = peer.request("BYE", "", "");
    net.say(r, a, &bye);
    net.assert_nothing_left();
}

#[test]
fn rfc4028_10_who_does_not_refresh_says_bye_before_the_end_by_a_third_or_32_s() {
    for (seconds, at) in [(600, 568), (96, 64), (90, 60)] {
        let mut net = Network::new();
        let answer = format!("Session-Expires: {seconds};refresher=uas\r\nRequire: timer\r\n");
        let (a, r, ..) = standing(&mut net, &answer);
        net.run(at * 1_000 - 100);
        assert!(net.news(a).is_empty() && net.inbox(r).is_empty(), "{seconds}");
        net.run(200);
        assert_expired(&mut net, a, r);
    }
}

#[test]
fn rfc4028_10_each_refresh_of_the_peer_starts_the_wait_anew() {
    for method in ["INVITE", "UPDATE"] {
        let mut net = Network::new();
        let (a, r, s, mut peer) = standing(&mut net, BY_PEER);
        for round in 0..4 {
            net.run(560_000);
            let more = "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n";
            let text = peer.request(method, more, if method == "INVITE" { OFFER } else { "" });
            net.say(r, a, &text);
            net.settle();
            for event in net.events(a) {
                match event {
                    Event::Session(s, SessionEvent::Reinvite { .. }) => {
                        net.turn(a, |turn| turn.answer_reinvite(s, reply(200, sdp(ANSWER)))).unwrap();
                    }
                    Event::Session(_, SessionEvent::Request { tx, .. }) => {
                        net.turn(a, |turn| turn.respond(tx, reply(200, None))).unwrap();
                    }
                    _ => {}
                }
            }
            net.settle();
            let ok = net.inbox(r).pop().unwrap();
            assert_eq!(header(&ok, "Session-Expires"), "600;refresher=uac", "{method} {round}");
            if method == "INVITE" {
                let ack = peer.numbered("ACK", peer.cseq, "", "");
                net.say(r, a, &ack);
            }
            assert_eq!(net.news(a), ["Refreshed"]);
        }
        net.events(a);
        net.run(569_000);
        assert_expired(&mut net, a, r);
        assert!(net.turn(a, |turn| turn.session_timer(s)).is_none());
    }
}

#[test]
fn rfc4028_10_a_refused_change_of_the_peer_refreshes_nothing() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = standing(&mut net, BY_PEER);
    net.run(300_000);
    let invite = peer.request("INVITE", "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n", OFFER);
    net.say(r, a, &invite);
    net.settle();
    net.turn(a, |turn| turn.answer_reinvite(s, reply(488, None))).unwrap();
    net.run(267_000);
    assert_eq!(net.news(a), ["Reinvite", "Unacknowledged"]);
    net.inbox(r);
    net.run(1_000);
    assert_expired(&mut net, a, r);
}

#[test]
fn rfc4028_10_a_refresh_that_came_in_time_may_be_answered_late() {
    for answered in [true, false] {
        let mut net = Network::new();
        let (a, r, s, mut peer) = standing(&mut net, BY_PEER);
        net.run(567_000);
        let invite = peer.request("INVITE", "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n", OFFER);
        net.say(r, a, &invite);
        net.run(20_000);
        assert_eq!(net.news(a), ["Reinvite"]);
        assert_eq!(kinds(&net.inbox(r)), ["100 INVITE"]);
        if answered {
            net.turn(a, |turn| turn.answer_reinvite(s, reply(200, sdp(ANSWER)))).unwrap();
            net.settle();
            let ack = peer.numbered("ACK", peer.cseq, "", "");
            net.say(r, a, &ack);
            net.run(300_000);
            assert_eq!(net.news(a), ["Refreshed", "Acked"]);
        } else {
            // But not for ever.
            net.run(46_000);
            assert_expired(&mut net, a, r);
        }
    }
}

#[test]
fn rfc4028_10_408_481_and_silence_end_the_call() {
    for (status, by_update) in [(408, true), (481, true), (0, true), (408, false), (481, false), (0, false)] {
        let mut net = Network::new();
        let (a, r, s, _) = standing(&mut net, &format!("{BY_US}{}", if by_update { UPDATES } else { "" }));
        net.run(300_000);
        let refresh = if by_update { net.one(r) } else { reinvite(&mut net, a, r, s) };
        match status {
            0 => net.run(32_500),
            status => net.say(r, a, &respond(&refresh, status, "", "", "")),
        }
        net.settle();
        let (by, refusal) = ended(&mut net, a);
        assert_eq!((by, refusal.unwrap().code().get()), (By::Error, if status == 0 { 408 } else { status }));
        assert_eq!(kind(net.inbox(r).last().unwrap()), "BYE");
        net.assert_nothing_left();
    }
}

#[test]
fn rfc4028_10_other_refusals_are_tried_again_but_not_for_ever() {
    let mut net = Network::new();
    let (a, r, ..) = standing(&mut net, &format!("{BY_US}{UPDATES}"));
    net.run(300_000);
    for (at, status) in [(450, 500), (525, 503), (0, 503)] {
        let update = net.one(r);
        net.say(r, a, &respond(&update, status, "", "", ""));
        net.settle();
        assert!(net.news(a).is_empty(), "it goes on");
        if at > 0 {
            net.run(at * 1_000 + 200 - net.millis());
        }
    }
    // The same twice: that was it.
    net.run(599_900 - net.millis());
    assert!(net.inbox(r).is_empty() && net.news(a).is_empty());
    net.run(500);
    assert_expired(&mut net, a, r);
}

#[test]
fn rfc4028_10_retry_after_is_kept_to() {
    let mut net = Network::new();
    let (a, r, s, _) = standing(&mut net, &format!("{BY_US}{UPDATES}"));
    net.run(300_000);
    let update = net.one(r);
    net.say(r, a, &respond(&update, 500, "", "Retry-After: 7\r\n", ""));
    net.run(6_900);
    assert!(net.inbox(r).is_empty());
    net.run(200);
    let again = net.one(r);
    assert_eq!((kind(&again).as_str(), cseq(&again)), ("UPDATE", cseq(&update) + 1));
    net.say(r, a, &respond(&again, 200, "", BY_US, ""));
    net.settle();
    assert_eq!(lasting(&mut net, a, s), Some((600, true)));
    assert_eq!(net.news(a), ["Refreshed"]);
}

#[test]
fn rfc4028_10_who_refuses_at_once_each_time_is_not_asked_without_a_pause() {
    for statuses in [[491, 491], [500, 488]] {
        let mut net = Network::new();
        let (a, r, ..) = standing(&mut net, &format!("{BY_US}{UPDATES}"));
        net.run(300_000);
        let mut asked = 0;
        for _ in 0..100 {
            for update in net.inbox(r) {
                net.say(r, a, &respond(&update, statuses[asked % 2], "", "Retry-After: 0\r\n", ""));
                asked += 1;
            }
            net.run(300);
        }
        assert!((3..=16).contains(&asked), "{asked} in 30 s after {statuses:?}");
    }
}

#[test]
fn rfc4028_10_a_peer_that_takes_no_update_after_all_gets_a_reinvite() {
    for status in [405, 501] {
        let mut net = Network::new();
        let (a, r, s, _) = standing(&mut net, &format!("{BY_US}{UPDATES}"));
        net.run(300_000);
        let update = net.one(r);
        net.say(r, a, &respond(&update, status, "", "", ""));
        net.settle();
        let invite = reinvite(&mut net, a, r, s);
        net.say(r, a, &respond(&invite, 200, "", &(contact(r) + BY_US), ANSWER));
        net.settle();
        assert_eq!(net.news(a), ["Refreshed", "Reinvited"]);
    }
}

#[test]
fn rfc4028_4_a_refresh_that_crosses_theirs_is_tried_again() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = standing(&mut net, BY_US);
    net.run(300_000);
    let ours = reinvite(&mut net, a, r, s);
    let theirs = peer.request("INVITE", "Supported: timer\r\n", OFFER);
    net.say(r, a, &theirs);
    net.say(r, a, &respond(&ours, 491, "", "", ""));
    net.settle();
    assert!(kinds(&net.inbox(r)).contains(&"491 INVITE".to_owned()));
    // The stack sends the same again after 2.1 to 4 s.
    net.run(4_100);
    let again = net.inbox(r).pop().unwrap();
    assert_eq!((kind(&again).as_str(), header(&again, "Session-Expires")), ("INVITE", "600;refresher=uac"));
    net.say(r, a, &respond(&again, 200, "", &(contact(r) + BY_US), ANSWER));
    net.settle();
    assert_eq!(net.news(a), ["Refreshed", "Reinvited"]);
}

#[test]
fn rfc4028_4_a_refresh_that_crosses_a_change_of_theirs_gives_way_to_it() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = standing(&mut net, BY_US);
    net.run(300_000);
    assert_eq!(net.news(a), ["RefreshDue"]);
    net.turn(a, |turn| turn.refresh_session(s, sdp(OFFER), Lines::default())).unwrap();
    net.settle();
    let ours = net.one(r);
    let theirs = peer.request("INVITE", "", OFFER);
    net.say(r, a, &theirs);
    net.say(r, a, &respond(&ours, 491, "", "", ""));
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["100 INVITE", "491 INVITE", "ACK"]);
    let ack = peer.numbered("ACK", peer.cseq, "", "");
    net.say(r, a, &ack.replace(branch(&ack), branch(&theirs)));
    // They try again before we do.
    assert_eq!(net.news(a), ["ReinviteFailed"]);
    let again = peer.request("INVITE", "", OFFER);
    net.say(r, a, &again);
    net.settle();
    assert_eq!(net.news(a), ["Reinvite"]);
    // While it waits for its answer, and after a refusal too, ours is not sent of itself.
    net.run(10_000);
    net.turn(a, |turn| turn.answer_reinvite(s, reply(488, None))).unwrap();
    net.settle();
    let ack = peer.numbered("ACK", peer.cseq, "", "");
    net.say(r, a, &ack.replace(branch(&ack), branch(&again)));
    assert_eq!(kinds(&net.inbox(r)), ["100 INVITE", "488 INVITE"]);
    net.run(4_100);
    assert!(net.inbox(r).is_empty());
    assert_eq!(net.news(a)[0], "RefreshDue");
}

#[test]
fn rfc4028_7_4_while_their_update_waits_for_our_answer_no_refresh_leaves() {
    for code in [200, 488] {
        let mut net = Network::new();
        let (a, r, _, mut peer) = standing(&mut net, &format!("{BY_US}{UPDATES}"));
        net.run(299_000);
        let theirs = peer.request("UPDATE", "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n", "");
        net.say(r, a, &theirs);
        net.run(10_000);
        assert!(!kinds(&net.inbox(r)).contains(&"UPDATE".to_owned()));
        let tx = asked(&mut net, a);
        net.turn(a, |turn| turn.respond(tx, reply(code, None))).unwrap();
        net.settle();
        assert_eq!(kinds(&net.inbox(r)), [format!("{code} UPDATE")]);
        // What was agreed on is a refresh; what was refused is none, and ours follows.
        net.run(4_100);
        assert_eq!(kinds(&net.inbox(r)).contains(&"UPDATE".to_owned()), code == 488, "{code}");
    }
}

#[test]
fn rfc3311_5_2_no_update_of_ours_leaves_beside_the_refresh() {
    let mut net = Network::new();
    let (a, r, s, _) = standing(&mut net, &format!("{BY_US}{UPDATES}"));
    net.run(300_000);
    let refresh = net.one(r);
    let beside = net.turn(a, |turn| turn.update(s, sdp(OFFER), Lines::default()));
    assert!(matches!(beside, Err(crate::StackError::State(_))), "{beside:?}");
    net.say(r, a, &respond(&refresh, 200, "", BY_US, ""));
    net.settle();
    assert_eq!(net.news(a), ["Refreshed"]);
    net.turn(a, |turn| turn.update(s, sdp(OFFER), Lines::default())).unwrap();
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["UPDATE"]);
}

#[test]
fn rfc4028_10_a_change_of_ours_that_left_in_time_may_be_answered_late() {
    for by_update in [false, true] {
        let mut net = Network::new();
        let (a, r, s, _) = standing(&mut net, &format!("{BY_PEER}{UPDATES}"));
        net.run(560_000);
        net.turn(a, |turn| match by_update {
            true => turn.update(s, sdp(OFFER), Lines::default()).map(drop),
            false => turn.reinvite(s, sdp(OFFER), Lines::default()),
        })
        .unwrap();
        net.settle();
        let change = net.inbox(r).pop().unwrap();
        net.run(20_000);
        assert!(net.news(a).is_empty() && !kinds(&net.inbox(r)).contains(&"BYE".to_owned()));
        net.say(r, a, &respond(&change, 200, "", &(contact(r) + BY_PEER), ANSWER));
        net.settle();
        assert_eq!(net.news(a)[0], "Refreshed");
        assert_eq!(lasting(&mut net, a, s), Some((600, false)));
        net.run(560_000);
        assert!(net.news(a).is_empty());
    }
}

#[test]
fn rfc4028_4_an_application_that_deals_with_491_itself_is_asked_again() {
    let mut net = Network::new();
    let a = net.stack(|config| {
        timed(|_| {})(config);
        config.session.glare = crate::invite::Glare::Tell;
    });
    let r = net.raw();
    let (s, ..) = calls_with(&mut net, a, r, BY_US);
    net.run(300_000);
    let ours = reinvite(&mut net, a, r, s);
    net.say(r, a, &respond(&ours, 491, "", "", ""));
    net.settle();
    assert_eq!(net.news(a), ["ReinviteFailed"]);
    net.run(2_000);
    assert!(net.news(a).is_empty());
    net.run(2_100);
    assert_eq!(net.news(a), ["RefreshDue"]);
}

#[test]
fn rfc4028_10_while_an_invite_is_under_way_the_refresh_waits_for_it() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = standing(&mut net, BY_US);
    net.run(298_000);
    let theirs = peer.request("INVITE", "Supported: timer\r\n", OFFER);
    net.say(r, a, &theirs);
    net.run(6_000);
    assert_eq!(net.news(a), ["Reinvite"]);
    net.turn(a, |turn| turn.answer_reinvite(s, reply(488, None))).unwrap();
    net.run(4_000);
    assert_eq!(net.news(a), ["RefreshDue"]);
}

#[test]
fn rfc4028_7_2_any_change_of_ours_refreshes_too() {
    let mut net = Network::new();
    let (a, r, s, _) = standing(&mut net, &format!("{BY_US}{UPDATES}"));
    net.run(250_000);
    net.turn(a, |turn| turn.reinvite(s, sdp(OFFER), Lines::default())).unwrap();
    net.settle();
    let invite = net.one(r);
    net.say(r, a, &respond(&invite, 200, "", &(contact(r) + BY_US), ANSWER));
    net.run(299_000);
    assert_eq!(kinds(&net.inbox(r)), ["ACK"]);
    net.run(1_100);
    assert_eq!(kinds(&net.inbox(r)), ["UPDATE"]);
}

#[test]
fn rfc4028_7_2_a_peer_that_knows_nothing_of_it_lives_whatever_it_answers() {
    for (status, lives) in [(200, true), (405, true), (488, true), (481, false)] {
        let mut net = Network::new();
        let (a, r) = (net.stack(timed(|timer| timer.alone = true)), net.raw());
        let (s, ..) = calls_with(&mut net, a, r, UPDATES);
        net.run(900_000);
        let update = net.one(r);
        assert_eq!((kind(&update).as_str(), header(&update, "Session-Expires")), ("UPDATE", "1800;refresher=uac"));
        net.say(r, a, &respond(&update, status, "", "", ""));
        net.settle();
        assert_eq!(lasting(&mut net, a, s).is_some(), lives, "{status}");
        // That it lives is no refresh, which both sides would have agreed on.
        assert_eq!(net.news(a).contains(&"Refreshed".to_owned()), status == 200, "{status}");
        assert_eq!(kinds(&net.inbox(r)), if lives { [].as_slice() } else { &["BYE"] });
        net.run(901_000);
        assert_eq!(kinds(&net.inbox(r)).contains(&"UPDATE".to_owned()), lives);
    }
}

#[test]
fn rfc4028_10_a_digest_challenge_to_a_refresh_is_answered() {
    let mut net = Network::new();
    let (a, r, s, _) = standing(&mut net, &format!("{BY_US}{UPDATES}"));
    let mut credentials = crate::digest::Credentials::new();
    credentials.add(crate::digest::Credential::password(None, "alice", "secret").unwrap());
    net.turn(a, |turn| turn.authenticate(s, credentials)).unwrap();
    net.run(300_000);
    let update = net.one(r);
    let challenge = "WWW-Authenticate: Digest realm=\"x\", nonce=\"n\", algorithm=MD5\r\n";
    net.say(r, a, &respond(&update, 401, "", challenge, ""));
    net.settle();
    let again = net.one(r);
    assert!(header(&again, "Authorization").starts_with("Digest "), "{again}");
    assert_eq!(header(&again, "Session-Expires"), "600;refresher=uac");
    net.say(r, a, &respond(&again, 200, "", BY_US, ""));
    net.settle();
    assert_eq!(net.news(a), ["Refreshed"]);
}

#[test]
fn rfc4028_10_two_stacks_keep_a_call_up_and_notice_the_other_is_gone() {
    let mut net = Network::new();
    let short = |config: &mut crate::Config| timed(|timer| timer.interval = Some(Duration::from_secs(90)))(config);
    let (a, b) = (net.stack(short), net.stack(short));
    let s = net.turn(a, |turn| turn.invite(invitation(a, b, sdp(OFFER)))).unwrap();
    net.run(600);
    let tx = incoming(&net.events(b));
    let t = net.turn(b, |turn| turn.session(tx)).unwrap();
    net.turn(b, |turn| turn.answer(t, reply(200, sdp(ANSWER)))).unwrap();
    net.settle();
    assert_eq!((lasting(&mut net, a, s), lasting(&mut net, b, t)), (Some((90, true)), Some((90, false))));
    net.news(a);
    net.news(b);
    for _ in 0..20 {
        net.run(45_100);
        for event in net.events(b) {
            if let Event::Session(_, SessionEvent::Request { tx, request }) = event {
                assert_eq!(*request.method(), Method::Update);
                net.turn(b, |turn| turn.respond(tx, reply(200, None))).unwrap();
            }
        }
        net.settle();
        assert_eq!(net.news(a), ["Refreshed"]);
    }
    net.news(b);
    net.lose = Box::new(move |from, _| from == a);
    net.run(65_000);
    let (by, refusal) = ended(&mut net, b);
    assert!(matches!((by, refusal), (By::Error, Some(Refusal::Failure(Failure::NotRefreshed)))));
    net.run(60_000);
    assert!(net.news(a).contains(&"Ended".to_owned()));
    net.assert_nothing_left();
}
