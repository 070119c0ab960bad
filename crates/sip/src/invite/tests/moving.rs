//! Sessions and INVITEs that go to another shard: what comes for them finds them there.

use std::time::Duration;

use super::network::*;
use super::{NO_CODE, called, calls, rings};
use crate::Shard;
use crate::id::SessionId;
use crate::invite::SessionTimer;
use crate::message::{Lines, Method};
use crate::stack::StackError;
use crate::uas::TIMER;

fn shard(node: usize) -> Shard {
    Shard(node as u8)
}

/// Moves a session from `a` to a new stack; that one, and the session there.
fn moves(net: &mut Network, a: usize, s: SessionId) -> (usize, SessionId) {
    let b = net.stack(|config| config.supported.push(TIMER.to_owned()));
    assert!(net.turn(a, |turn| turn.is_at_rest(s)));
    let released = net.turn(a, |turn| turn.release(s)).unwrap();
    let call_id = released.call_id().to_owned();
    net.turn(a, |turn| turn.is_away(&call_id, shard(b))).unwrap();
    assert_eq!(net.turn(a, |turn| turn.shard_of_call(&call_id)), shard(b));
    assert_eq!((net.usage(a).sessions, net.usage(a).dialogs, net.usage(a).away), (0, 0, 1));
    let t = net.turn(b, |turn| turn.take_in(released)).unwrap();
    (b, t)
}

#[test]
fn rfc3261_12_2_a_dialog_that_moves_goes_on_with_its_numbers_and_ends_from_either_side() {
    for by_peer in [true, false] {
        let mut net = Network::new();
        let (a, r, s, mut peer) = called(&mut net);
        let (b, t) = moves(&mut net, a, s);
        let info = peer.request("INFO", "", "");
        net.say(r, a, &info);
        net.settle();
        assert_eq!((net.news(a).len(), net.news(b)), (0, vec!["Request".to_owned()]));
        let lower = peer.numbered("INFO", 1, "", "");
        net.say(r, a, &lower);
        net.settle();
        assert_eq!(kinds(&net.inbox(r)), ["500 INFO"], "the numbers go on");
        net.turn(b, |turn| turn.in_dialog(t, Method::Info, Lines::default(), None)).unwrap();
        net.settle();
        let ours = net.one(r);
        // The response comes to the shard of the Call-ID.
        net.say(r, a, &respond(&ours, 200, "", "", ""));
        net.settle();
        assert_eq!(net.news(b), ["Response"]);
        if by_peer {
            let bye = peer.request("BYE", "", "");
            net.say(r, a, &bye);
            net.settle();
            assert_eq!(kinds(&net.inbox(r)), ["200 BYE", "487 INFO"]);
            assert_eq!(net.news(b), ["Ended"]);
        } else {
            net.turn(b, |turn| turn.hangup(t, NO_CODE, Lines::default())).unwrap();
            net.settle();
            let bye = net.inbox(r).pop().unwrap();
            assert_eq!(kind(&bye), "BYE");
            net.say(r, a, &respond(&bye, 200, "", "", ""));
            net.settle();
        }
        net.turn(a, |turn| turn.over_there(&peer.call_id));
        net.run(31_000);
        assert_eq!(net.usage(a).away, 1, "repeats still find it");
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_13_2_2_4_the_2xx_again_is_acknowledged_by_the_shard_that_the_session_went_to() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = calls(&mut net);
    let ours = net.log.iter().find(|(_, from, _, _)| *from == a).unwrap().3.clone();
    let acks = |net: &Network| net.log.iter().filter(|(_, _, _, text)| kind(text) == "ACK").count();
    let (b, _) = moves(&mut net, a, s);
    assert_eq!(acks(&net), 1);
    net.say(r, a, &respond(&ours, 200, "rawtag", &contact(r), ANSWER));
    net.settle();
    assert_eq!((kinds(&net.inbox(r)), acks(&net)), (vec!["ACK".to_owned()], 2));
    assert!(net.news(b).is_empty());
    let bye = peer.request("BYE", "", "");
    net.say(r, a, &bye);
    net.settle();
    assert_eq!(net.news(b), ["Ended"]);
    net.turn(a, |turn| turn.over_there(&peer.call_id));
    net.assert_nothing_left();
}

#[test]
fn rfc4028_10_a_session_that_moves_ends_when_it_would_have_ended() {
    let mut net = Network::new();
    let interval = |config: &mut crate::Config| {
        config.supported.push(TIMER.to_owned());
        config.session.timer = SessionTimer { interval: Some(Duration::from_secs(90)), ..SessionTimer::default() };
    };
    let (a, r) = (net.stack(interval), net.raw());
    let mut peer = RawDialog::calling(r, a);
    let invite = peer.request("INVITE", "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n", OFFER);
    net.say(r, a, &invite);
    net.settle();
    let tx = incoming(&net.events(a));
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    net.turn(a, |turn| turn.answer(s, reply(200, sdp(ANSWER)))).unwrap();
    net.settle();
    peer.learn(&net.inbox(r).pop().unwrap());
    let ack = peer.numbered("ACK", 1, "", "");
    net.say(r, a, &ack);
    net.run(40_000);
    net.inbox(r);
    let (b, _) = moves(&mut net, a, s);
    // 90 s less a third (RFC 4028 section 10), counted from the answer.
    net.run(19_000);
    assert!(net.inbox(r).is_empty());
    net.run(2_000);
    assert_eq!(kinds(&net.inbox(r)).first().map(String::as_str), Some("BYE"));
    assert_eq!(net.news(b), ["Ended"]);
    net.turn(a, |turn| turn.over_there(&peer.call_id));
    net.assert_nothing_left();
}

#[test]
fn an_invite_is_answered_by_another_shard_and_its_repeats_ack_and_cancel_follow() {
    for cancelled in [false, true] {
        let mut net = Network::new();
        let (a, r, tx, mut peer, invite) = rings(&mut net);
        let b = net.stack(|_| {});
        let (request, origin) = net.turn(a, |turn| turn.give_away(tx, shard(b))).unwrap();
        assert_eq!(net.turn(a, |turn| turn.give_away(tx, shard(b))).unwrap_err(), StackError::Gone);
        assert_eq!((net.usage(a).server_transactions, net.usage(a).kept_octets), (0, 0));
        net.turn(b, |turn| turn.receive(&origin, request.bytes().clone()));
        let there = incoming(&net.events(b));
        net.say(r, a, &invite);
        net.settle();
        assert!(net.news(b).is_empty(), "a repeat");
        let s = net.turn(b, |turn| turn.session(there)).unwrap();
        if cancelled {
            net.say(r, a, &cancel(&invite));
            net.settle();
            assert_eq!(net.news(b), ["Cancelled"]);
            assert!(kinds(&net.inbox(r)).ends_with(&["200 CANCEL".to_owned(), "487 INVITE".to_owned()]));
        } else {
            net.turn(b, |turn| turn.answer(s, reply(200, sdp(ANSWER)))).unwrap();
            net.settle();
            peer.learn(&net.inbox(r).pop().unwrap());
            let ack = peer.numbered("ACK", 1, "", "");
            net.say(r, a, &ack);
            net.settle();
            assert_eq!(net.news(b), ["Acked"]);
            let bye = peer.request("BYE", "", "");
            net.say(r, a, &bye);
            net.settle();
            assert_eq!(net.news(b), ["Ended"]);
        }
        assert!(net.news(a).is_empty());
        net.turn(a, |turn| turn.over_there(&peer.call_id));
        net.assert_nothing_left();
    }
}

#[test]
fn what_is_under_way_keeps_a_session_where_it_is_and_another_call_of_the_peer_is_not_sent_on() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = called(&mut net);
    let client = net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).unwrap();
    assert!(!net.turn(a, |turn| turn.is_at_rest(s)));
    assert!(matches!(net.turn(a, |turn| turn.release(s)), Err(StackError::State(_))));
    net.settle();
    let ours = net.one(r);
    net.say(r, a, &respond(&ours, 200, "", "", ""));
    net.settle();
    assert_eq!(response_code(&net.events(a), client), 200);
    let (b, _) = moves(&mut net, a, s);
    let mut other = RawDialog::calling(r, a);
    other.call_id.push('x');
    net.say(r, a, &other.request("INVITE", "", OFFER).replace("z9hG4bK", "z9hG4bKother"));
    net.settle();
    assert_eq!((net.news(a), net.news(b).len()), (vec!["Request".to_owned()], 0));
    // It comes back: nothing is sent on any more.
    net.turn(a, |turn| turn.is_here(&peer.call_id));
    let bye = peer.request("BYE", "", "");
    net.inbox(r);
    net.say(r, a, &bye);
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["481 BYE"]);
    assert!(net.news(b).is_empty());
}

#[test]
fn as_many_calls_are_away_as_the_limit_says() {
    let mut net = Network::new();
    let a = net.stack(|config| config.max_away = 2);
    net.turn(a, |turn| {
        assert!(turn.is_away("1", Shard(7)).is_ok() && turn.is_away("2", Shard(7)).is_ok());
        assert_eq!(turn.is_away("3", Shard(7)), Err(StackError::Full { what: "calls with another shard", limit: 2 }));
        assert!(turn.is_away("2", Shard(8)).is_ok(), "a known one");
        turn.is_here("1");
        assert!(turn.is_away("3", Shard(7)).is_ok());
        turn.over_there("2");
        turn.over_there("3");
    });
    net.assert_nothing_left();
}
